//! One door per format: bytes in, FHIR resources and findings out.
