//! DICOM: headers of images into ImagingStudy, and DICOMweb over blobs.
//!
//! [`header`] reads a file's elements up to the pixels, with the character sets that Chinese
//! devices write ([`charset`]); [`study`] makes resources of them; [`web`] answers QIDO, WADO and STOW:
//! files lie in the blob store by their content, and the ImagingStudy in the ledger is their index, so that what
//! may be seen is decided where every read is. Pixels are kept and given back, never decoded.

pub mod charset;
pub mod header;
pub mod json;
mod lengths;
pub mod multipart;
pub mod study;
pub mod web;

pub use header::{Header, read};
