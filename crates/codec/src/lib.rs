//! How a body is stored: compression with a shipped dictionary, hashes and the hash chain.
