//! Transactions, conditional operations, search planning and running views over a store.
