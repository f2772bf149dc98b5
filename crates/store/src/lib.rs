//! The ledger and its contract: the store trait, the in-memory model and the executable contract suite.
