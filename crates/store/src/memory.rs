//! The in-memory model of a store.
