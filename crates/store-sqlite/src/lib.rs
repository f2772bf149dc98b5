//! The embedded store: SQLite with write-ahead log and group commit.
