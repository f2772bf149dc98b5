//! One door per format: bytes in, FHIR resources and findings out.
//!
//! A door is a pure function from bytes to an [`Understood`]. It knows its wire
//! format and no store; what it returns goes through the engine as one
//! transaction ([`Understood::transaction`]), and every resource in it passes
//! structural validation ([`Understood::settle`]). Bad input is normal: nothing
//! panics, and what could not be understood stands in a finding. Behind the doors is one
//! [`pipeline`], which keeps the original and commits; it alone waits and writes.

pub mod build;
pub mod ccda;
pub mod charset;
pub mod combine;
pub mod door;
pub mod emit;
pub mod fhir;
pub mod form;
pub mod hl7v2;
pub mod hqms;
pub mod insurance;
pub mod ips;
pub mod link;
pub mod local;
pub mod mapping;
pub mod pipeline;
pub mod repair;
pub mod report_card;
pub mod service;
mod understood;
pub mod wst500;
pub mod xml;

pub use understood::{Entry, Request, Source, Understood, stable_id};
pub use wst500::convert::decimal;
