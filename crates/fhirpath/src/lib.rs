//! FHIRPath over FHIR JSON, and the patches (JSON Patch, FHIRPath Patch) that are built on it.
//!
//! [`compile`] reads an expression, [`Expression::evaluate`] runs it over a
//! resource. Everything that an expression may cost is limited
//! ([`limits`]): a hostile one ends in an error.

mod compare;
mod error;
mod eval;
pub mod fhirpath_patch;
mod function;
pub mod json_patch;
mod lexer;
pub mod limits;
mod parser;
mod patch;
mod quantity;
mod syntax;
mod temporal;
mod value;

pub use error::{Error, ErrorKind};
pub use eval::{Environment, Resolver};
pub use patch::PatchError;
pub use quantity::{Quantity, Unit};
pub use temporal::{CalendarUnit, Precision, Temporal, TemporalKind};
pub use value::{Element, Text, TypeInfo, Value};

use std::cell::Cell;

use tongmai_fhir::json::Json;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    root: syntax::Node,
}

/// Reads a FHIRPath expression.
pub fn compile(text: &str) -> Result<Expression, Error> {
    Ok(Expression { root: parser::parse(text)? })
}

impl Expression {
    /// Evaluates the expression over a resource: its items in order.
    pub fn evaluate<'r>(
        &self,
        resource: &'r Json<'r>,
        environment: &Environment<'r>,
    ) -> Result<Vec<Value<'r>>, Error> {
        eval::evaluate(&self.root, resource, environment, &Cell::new(environment.steps))
    }
}
