//! Diagnosis-related groups: rule packs, grouping, explanation and payment. Pure.
