//! What R4 defines: resource types, data types and their elements.
//!
//! A [`Group`] is a set of elements that stand together in one JSON object: a
//! data type (`HumanName`), a resource type (`Patient`) or a part of either
//! (`Patient.contact`). The table is text written by `cargo xtask codegen`,
//! read once at first use into about 1.5 MB that lives for ever.

use std::collections::HashMap;
use std::sync::OnceLock;

use tongmai_terminology::ValueSet;

mod names;
mod table;

/// A resource type's position in the sorted list of R4's 146 concrete types.
/// It never changes between releases of this software.
pub type ResourceTypeId = u16;

/// A group's position in the table; not stable between releases.
pub type GroupId = u16;

/// The elements that stand together in one JSON object.
#[derive(Debug)]
pub struct Group {
    /// `HumanName`, `Patient`, `Patient.contact`.
    pub path: &'static str,
    /// The type's name as instances give it: `Quantity` for `SimpleQuantity`.
    pub type_name: &'static str,
    /// What it inherits from.
    pub base: Option<&'static str>,
    /// A type that is not used itself (`Element`, `DomainResource`).
    pub is_abstract: bool,
    /// A resource type, concrete or abstract.
    pub is_resource: bool,
    /// Elements in the official order, inherited ones first.
    pub elements: &'static [Element],
    properties: &'static [Property],
    /// Positions in `properties` by the hash of their name; see [`names::Index`].
    by_name: names::Index,
}

/// One element: `identifier`, or `deceased` of `deceased[x]`.
#[derive(Debug, Clone, Copy)]
pub struct Element {
    /// Its name, without `[x]`.
    pub name: &'static str,
    /// Least number of occurrences.
    pub min: u8,
    /// May not occur at all (`SimpleQuantity.comparator`).
    pub prohibited: bool,
    /// May occur more than once, so its JSON form is an array.
    pub many: bool,
    /// The type is part of the JSON name (`valueQuantity`).
    pub choice: bool,
    /// Part of `_summary=true`.
    pub summary: bool,
    /// Changes the meaning of what holds it.
    pub modifier: bool,
    /// The types that it may have; one unless it is a choice or a reference.
    pub types: &'static [ElementType],
    /// The value set that its codes come from.
    pub binding: Option<Binding>,
}

/// A type that an element may have.
#[derive(Debug, Clone, Copy)]
pub struct ElementType {
    /// `string`, `Quantity`, `Reference`, `BackboneElement`, `Resource`.
    pub name: &'static str,
    /// How its JSON form is read.
    pub shape: Shape,
    /// For references: the resource types that may be referred to; empty means any.
    pub targets: &'static [ResourceTypeId],
}

/// The JSON form of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string, number or boolean.
    Primitive(Primitive),
    /// An object with these elements.
    Group(GroupId),
    /// Any resource, named by its `resourceType`.
    Resource,
}

/// The primitive types of R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are FHIR's own")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// How binding a value set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// The code must come from the set.
    Required,
    /// The code should come from the set when one fits.
    Extensible,
    /// The set is a recommendation.
    Preferred,
}

/// The value set of a coded element.
#[derive(Clone, Copy)]
pub struct Binding {
    /// How binding it is.
    pub strength: Strength,
    /// Its canonical address, without `http://hl7.org/fhir/ValueSet/` where it begins so.
    pub url: &'static str,
    /// The set, if R4 ships it.
    pub set: Option<&'static ValueSet>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.strength, self.url)
    }
}

/// A JSON property of a group: an element in one of its types.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The JSON name: `valueQuantity` for `value[x]`.
    pub name: &'static str,
    /// Position in [`Group::elements`].
    pub element: u8,
    /// Position in [`Element::types`].
    pub of_type: u8,
}

impl Group {
    /// The JSON property `name`, if the group has it. The property `_name` of a
    /// primitive is not listed: strip the underscore.
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.by_name.find(name, |at| self.properties[at].name).map(|at| &self.properties[at])
    }

    /// The element `name` (without `[x]`).
    pub fn element(&self, name: &str) -> Option<&'static Element> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// All JSON properties, sorted by name.
    pub fn properties(&self) -> &'static [Property] {
        self.properties
    }

    /// The element of a property, and the type that the property's name says.
    pub fn typed(&self, property: &Property) -> (&'static Element, &'static ElementType) {
        let element = &self.elements[usize::from(property.element)];
        (element, &element.types[usize::from(property.of_type)])
    }
}

impl ElementType {
    /// The group of a complex type.
    pub fn group(&self) -> Option<&'static Group> {
        match self.shape {
            Shape::Group(id) => Some(group(id)),
            _ => None,
        }
    }
}

impl Primitive {
    /// The primitive with FHIR's name.
    pub fn from_name(name: &str) -> Option<Primitive> {
        Some(match name {
            "base64Binary" => Primitive::Base64Binary,
            "boolean" => Primitive::Boolean,
            "canonical" => Primitive::Canonical,
            "code" => Primitive::Code,
            "date" => Primitive::Date,
            "dateTime" => Primitive::DateTime,
            "decimal" => Primitive::Decimal,
            "id" => Primitive::Id,
            "instant" => Primitive::Instant,
            "integer" => Primitive::Integer,
            "markdown" => Primitive::Markdown,
            "oid" => Primitive::Oid,
            "positiveInt" => Primitive::PositiveInt,
            "string" => Primitive::String,
            "time" => Primitive::Time,
            "unsignedInt" => Primitive::UnsignedInt,
            "uri" => Primitive::Uri,
            "url" => Primitive::Url,
            "uuid" => Primitive::Uuid,
            "xhtml" => Primitive::Xhtml,
            _ => return None,
        })
    }
}

/// Everything that the table says.
struct Model {
    groups: Vec<Group>,
    by_path: HashMap<&'static str, GroupId>,
    /// Concrete resource types, sorted by name.
    resource_types: Vec<(&'static str, GroupId)>,
    /// Positions in `resource_types` by the hash of their name.
    resource_types_by_name: names::Index,
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(table::read)
}

/// The names of all concrete resource types, sorted; a type's id is its position.
pub fn resource_types() -> impl ExactSizeIterator<Item = &'static str> {
    model().resource_types.iter().map(|(name, _)| *name)
}

/// The id of a concrete resource type.
pub fn resource_type_id(name: &str) -> Option<ResourceTypeId> {
    let model = model();
    model.resource_types_by_name.find(name, |at| model.resource_types[at].0).map(|at| at as ResourceTypeId)
}

/// The name of a resource type.
pub fn resource_type_name(id: ResourceTypeId) -> Option<&'static str> {
    model().resource_types.get(usize::from(id)).map(|(name, _)| *name)
}

/// The elements of a resource type.
pub fn resource_group(id: ResourceTypeId) -> Option<&'static Group> {
    model().resource_types.get(usize::from(id)).map(|(_, at)| group(*at))
}

/// The group with this id.
///
/// # Panics
/// When the id did not come from this module.
pub fn group(id: GroupId) -> &'static Group {
    &model().groups[usize::from(id)]
}

/// The group at a path: `HumanName`, `Patient`, `Patient.contact`.
pub fn group_at(path: &str) -> Option<&'static Group> {
    model().by_path.get(path).map(|id| group(*id))
}

/// The element at a path such as `Patient.contact.name`, `Observation.value[x]`
/// or `Patient.contact.name.family` (which leads into the data type). A choice
/// is named with or without `[x]`, or by its property (`Observation.valueQuantity.code`).
pub fn element_at(path: &str) -> Option<&'static Element> {
    let mut names = path.split('.');
    let mut at = group_at(names.next()?)?;
    let mut names = names.peekable();
    loop {
        let name = names.next()?;
        let name = name.strip_suffix("[x]").unwrap_or(name);
        let (element, of_type) = match at.element(name) {
            Some(element) => (element, element.types.first()?),
            None => at.typed(at.property(name)?),
        };
        if names.peek().is_none() {
            return Some(element);
        }
        at = of_type.group()?;
    }
}

/// Whether `name` is `ancestor` or derived from it (`Age` from `Quantity`, `Patient` from `Resource`).
pub fn is_a(name: &str, ancestor: &str) -> bool {
    let mut at = name;
    // Derivations are at most four steps deep; the count guards against a bad table.
    for _ in 0..8 {
        if at == ancestor {
            return true;
        }
        match group_at(at).and_then(|group| group.base) {
            Some(base) => at = base,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_types_have_stable_ids() {
        assert_eq!(resource_types().len(), 146);
        assert!(resource_types().is_sorted());
        // These numbers are in stores: a change here loses data.
        for (name, id) in [
            ("Account", 0),
            ("Encounter", 43),
            ("Observation", 95),
            ("Patient", 102),
            ("VisionPrescription", 145),
        ] {
            assert_eq!(resource_type_id(name), Some(id), "{name}");
            assert_eq!(resource_type_name(id), Some(name));
        }
        assert_eq!(resource_type_id("Resource"), None);
        assert_eq!(resource_type_name(146), None);
    }

    #[test]
    fn elements_are_found_by_path() {
        let family = element_at("Patient.contact.name.family").expect("in the data type");
        assert!(!family.many && family.types[0].name == "string");
        let value = element_at("Observation.value[x]").expect("choice");
        assert!(value.choice && value.types.len() == 11);
        assert_eq!(element_at("Observation.valueQuantity.code").expect("by property").types[0].name, "code");
        let link = element_at("Bundle.entry.link.relation").expect("content reference");
        assert_eq!(link.min, 1);
        let subject = element_at("Encounter.subject").expect("reference");
        let targets: Vec<_> = subject.types[0].targets.iter().map(|id| resource_type_name(*id)).collect();
        assert_eq!(targets, [Some("Group"), Some("Patient")]);
        let gender = element_at("Patient.gender").expect("bound").binding.expect("binding");
        assert_eq!((gender.strength, gender.url), (Strength::Required, "administrative-gender"));
        assert!(element_at("Patient.shoe").is_none());
        assert!(element_at("Patient.name.family.deeper").is_none());
    }

    #[test]
    fn what_is_inherited_comes_first() {
        let names: Vec<_> = group_at("Patient").expect("type").elements.iter().map(|e| e.name).collect();
        assert_eq!(
            names[..9].join(" "),
            "id meta implicitRules language text contained extension modifierExtension identifier"
        );
        let names: Vec<_> =
            group_at("Patient.contact").expect("group").elements.iter().map(|e| e.name).collect();
        assert_eq!(names[..4].join(" "), "id extension modifierExtension relationship");
        assert!(is_a("Age", "Quantity") && is_a("Patient", "Resource") && !is_a("Patient", "Quantity"));
    }
}
