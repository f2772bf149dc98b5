//! The patches that a resource can be changed by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tongmai_fhir::json::Json;
use tongmai_fhirpath::{fhirpath_patch, json_patch};

use crate::failure::{Failure, Outcome, Reason};

/// A patch, read and not yet applied.
#[derive(Debug, Clone)]
pub enum Patch {
    /// JSON Patch (RFC 6902).
    Json(Json<'static>),
    /// FHIRPath Patch: a Parameters resource.
    FhirPath(Json<'static>),
}

impl Patch {
    /// The patch of a Bundle entry: Parameters, or a Binary that holds a JSON Patch in base64.
    pub fn of_entry(resource: &Json<'_>) -> Outcome<Patch> {
        match resource.text("resourceType") {
            Some("Parameters") => Ok(Patch::FhirPath(resource.clone().into_owned())),
            Some("Binary") => {
                let data = resource.text("data").unwrap_or("");
                let text = STANDARD.decode(data.as_bytes()).map_err(|_| {
                    Failure::new(Reason::Invalid, "Binary.data", "base64", "the data is not base64")
                })?;
                let json = Json::parse(&text)
                    .map_err(|error| Failure::new(Reason::Invalid, "Binary.data", "json", error.message))?;
                Ok(Patch::Json(json.into_owned()))
            }
            _ => {
                Err(Failure::new(Reason::Invalid, "resource", "patch", "a patch is a Parameters or a Binary"))
            }
        }
    }

    /// The resource with the patch applied; all of it or nothing.
    pub fn apply(&self, json: &Json<'_>) -> Outcome<Json<'static>> {
        let patched = match self {
            Patch::Json(patch) => json_patch::apply(json, patch),
            Patch::FhirPath(parameters) => fhirpath_patch::apply(json, parameters),
        };
        patched.map_err(|error| Failure::new(Reason::Unprocessable, "", "patch", error.to_string()))
    }
}
