//! Person matching: normalisation, comparison, scoring and clusters. Pure.
