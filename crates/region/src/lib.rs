//! The synthetic county with its truth files.
