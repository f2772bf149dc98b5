//! The executable store contract.
