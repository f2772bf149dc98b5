//! R4's search parameters, the values they find in a resource, and the values
//! that a query asks for.
//!
//! * [`parameter`] and [`parameters`] look up what a resource type can be searched by;
//! * [`extract`] finds the values of one resource, for an index;
//! * [`query`] reads the values of a request, to be compared with the index.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::definition::{self, ResourceTypeId};

mod convert;
pub mod date;
mod expression;
mod paths;
pub mod query;
mod text;
mod value;

pub(crate) use paths::Tree;
pub use paths::{extract, extract_each};
pub use text::fold;
pub use value::{IdentifierType, Reference, SearchValue, Token};

/// A parameter's position in the sorted list of R4's 1,378 search parameter
/// addresses. It never changes between releases of this software.
pub type ParameterId = u16;

/// The type of a search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are FHIR's own")]
pub enum Kind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

impl Kind {
    /// The code of FHIR's `search-param-type`.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Number => "number",
            Kind::Date => "date",
            Kind::String => "string",
            Kind::Token => "token",
            Kind::Reference => "reference",
            Kind::Composite => "composite",
            Kind::Quantity => "quantity",
            Kind::Uri => "uri",
            Kind::Special => "special",
        }
    }

    fn from_code(code: &str) -> Option<Kind> {
        Some(match code {
            "number" => Kind::Number,
            "date" => Kind::Date,
            "string" => Kind::String,
            "token" => Kind::Token,
            "reference" => Kind::Reference,
            "composite" => Kind::Composite,
            "quantity" => Kind::Quantity,
            "uri" => Kind::Uri,
            "special" => Kind::Special,
            _ => return None,
        })
    }
}

/// One search parameter of R4.
#[derive(Debug)]
pub struct SearchParameter {
    /// Its identity in every store.
    pub id: ParameterId,
    /// Its canonical address without `http://hl7.org/fhir/SearchParameter/`.
    pub url: &'static str,
    /// What stands in a request: `birthdate`.
    pub code: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The types that it is for: resource types, `Resource` or `DomainResource`.
    pub bases: &'static [&'static str],
    /// For references: the types that may be referred to; empty means any.
    pub targets: &'static [ResourceTypeId],
    /// Its FHIRPath expression; empty for `_text`, `_content` and `_query`.
    pub expression: &'static str,
    /// The parts of a composite parameter, in order.
    pub components: &'static [Component],
}

/// A part of a composite parameter.
#[derive(Debug)]
pub struct Component {
    /// The parameter that says how its values compare.
    pub definition: ParameterId,
    /// Where its value is, seen from each item of the composite.
    pub expression: &'static str,
}

impl SearchParameter {
    /// Whether [`extract`] finds values for it: it has an expression, and is not
    /// special (`Location.near` needs a distance, which no index value gives).
    pub fn is_indexed(&self) -> bool {
        !self.expression.is_empty() && self.kind != Kind::Special
    }

    /// The kinds of a composite's components.
    pub fn component_kinds(&self) -> impl Iterator<Item = Kind> {
        self.components.iter().map(|component| all()[usize::from(component.definition)].kind)
    }

    /// Whether a search of `resource_type` can use the parameter.
    pub fn is_for(&self, resource_type: &str) -> bool {
        self.bases.iter().any(|base| definition::is_a(resource_type, base))
    }
}

static TABLE: &str = include_str!("../tables/search.txt");

/// All search parameters of R4; a parameter's id is its position.
pub fn all() -> &'static [SearchParameter] {
    static ALL: OnceLock<Vec<SearchParameter>> = OnceLock::new();
    ALL.get_or_init(read)
}

/// The parameter with this id.
pub fn by_id(id: ParameterId) -> Option<&'static SearchParameter> {
    all().get(usize::from(id))
}

/// The parameter `code` of a resource type; `_id`, `_lastUpdated`, `_tag`, `_profile`,
/// `_security` and `_source` are parameters of every type.
pub fn parameter(resource_type: ResourceTypeId, code: &str) -> Option<&'static SearchParameter> {
    by_code().get(&(resource_type, code)).map(|id| &all()[usize::from(*id)])
}

/// The parameters of every resource type, for a search over several types.
pub fn common_parameter(code: &str) -> Option<&'static SearchParameter> {
    parameters_of("Resource").find(|parameter| parameter.code == code)
}

/// All parameters of a resource type, the common ones first.
pub fn parameters(resource_type: ResourceTypeId) -> impl Iterator<Item = &'static SearchParameter> {
    let name = definition::resource_type_name(resource_type).unwrap_or("");
    parameters_of("Resource")
        .chain(parameters_of("DomainResource").filter(move |p| p.is_for(name)))
        .chain(parameters_of(name))
}

fn parameters_of(base: &'static str) -> impl Iterator<Item = &'static SearchParameter> {
    all().iter().filter(move |parameter| parameter.bases.contains(&base))
}

fn by_code() -> &'static HashMap<(ResourceTypeId, &'static str), ParameterId> {
    static MAP: OnceLock<HashMap<(ResourceTypeId, &'static str), ParameterId>> = OnceLock::new();
    MAP.get_or_init(|| {
        let mut map = HashMap::new();
        for resource_type in 0..definition::resource_types().len() as ResourceTypeId {
            map.extend(
                parameters(resource_type).map(|parameter| ((resource_type, parameter.code), parameter.id)),
            );
        }
        map
    })
}

/// Reads the table. It is written by `cargo xtask codegen`: a line that does not fit is a programming error.
fn read() -> Vec<SearchParameter> {
    let lines: Vec<&'static str> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
    let urls: Vec<&str> = lines.iter().map(|line| line.split('\t').next().unwrap_or("")).collect();
    let position = |url: &str| urls.binary_search(&url).expect("a parameter of the table") as ParameterId;
    let mut parameters = Vec::with_capacity(lines.len());
    for (id, line) in lines.iter().enumerate() {
        let mut fields = line.split('\t');
        let mut field = || fields.next().expect("six columns");
        let (url, code, kind, bases, targets, expression) =
            (field(), field(), field(), field(), field(), field());
        let targets: Vec<ResourceTypeId> = targets
            .split(' ')
            .filter(|name| !name.is_empty() && *name != "*")
            .map(|name| definition::resource_type_id(name).expect("a resource type"))
            .collect();
        let components: Vec<Component> = fields
            .filter_map(|part| part.split_once('='))
            .map(|(url, expression)| Component { definition: position(url), expression })
            .collect();
        parameters.push(SearchParameter {
            id: id as ParameterId,
            url,
            code,
            kind: Kind::from_code(kind).expect("a search parameter type"),
            bases: bases.split(' ').collect::<Vec<_>>().leak(),
            targets: targets.leak(),
            expression,
            components: components.leak(),
        });
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_stable_ids() {
        assert_eq!(all().len(), 1378);
        assert!(all().windows(2).all(|pair| pair[0].url < pair[1].url));
        // These numbers are in stores: a change here loses data.
        for (url, id) in [("Account-identifier", 0), ("Resource-id", 1173), ("individual-birthdate", 1365)] {
            assert_eq!(all().iter().position(|parameter| parameter.url == url), Some(id), "{url}");
        }
    }

    #[test]
    fn every_type_has_the_common_parameters() {
        for id in 0..definition::resource_types().len() as ResourceTypeId {
            for code in ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"] {
                assert!(parameter(id, code).is_some_and(SearchParameter::is_indexed), "{code}");
                assert!(common_parameter(code).is_some());
            }
        }
    }
}
