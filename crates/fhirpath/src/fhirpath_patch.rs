//! FHIRPath Patch (R4, "FHIRPath Patch"): operations in a Parameters resource whose paths are FHIRPath.
//!
//! Paths give elements; an element is found again in the document by its
//! address, so that the interpreter need not carry paths along. What stands
//! beside a primitive (`_birthDate`) moves with it, and a parent that is left
//! empty goes, since FHIR knows no empty objects and arrays.

use std::cell::Cell;

use tongmai_base::limits;
use tongmai_fhir::definition::{self, Group, Shape};
use tongmai_fhir::json::{Json, Object};

use crate::eval::{self, Environment};
use crate::json_patch::{height, position};
use crate::parser;
use crate::patch::PatchError;
use crate::syntax::Node;
use crate::value::{self, Element, Value};

mod place;
mod put;

use place::Place;
use put::Mode;

type Rule = String;

/// Applies the operations of `parameters` to `resource` and returns the result.
///
/// All operations succeed or none is applied; their paths share one budget of
/// [`crate::limits::STEPS`] and one of [`crate::limits::PATCH_SEARCH`].
pub fn apply(resource: &Json<'_>, parameters: &Json<'_>) -> Result<Json<'static>, PatchError> {
    if parameters.text("resourceType") != Some("Parameters") {
        return Err(PatchError::shape("a FHIRPath Patch is a Parameters resource"));
    }
    let mut patched = Patched {
        root: resource.clone().into_owned(),
        steps: Cell::new(crate::limits::STEPS),
        searched: Cell::new(crate::limits::PATCH_SEARCH),
    };
    for (index, parameter) in parameters.items("parameter").iter().enumerate() {
        let operation = Operation::read(parameter).map_err(|rule| PatchError::at(index, "", rule))?;
        let path = operation.path;
        patched.operation(&operation).map_err(|rule| PatchError::at(index, path, rule))?;
    }
    Ok(patched.root)
}

/// The parts of one operation.
struct Operation<'p> {
    code: &'p str,
    path: &'p str,
    parts: &'p [Json<'p>],
}

impl<'p> Operation<'p> {
    fn read(parameter: &'p Json<'p>) -> Result<Operation<'p>, Rule> {
        if parameter.text("name") != Some("operation") {
            return Err("every parameter of a FHIRPath Patch is named 'operation'".into());
        }
        let mut operation = Operation { code: "", path: "", parts: parameter.items("part") };
        operation.code = operation.text("type")?;
        operation.path = operation.text("path")?;
        Ok(operation)
    }

    fn part(&self, name: &str) -> Result<&'p Json<'p>, Rule> {
        let mut found = self.parts.iter().filter(|part| part.text("name") == Some(name));
        match (found.next(), found.next()) {
            (Some(part), None) => Ok(part),
            (None, _) => Err(format!("the part '{name}' is missing")),
            (Some(_), Some(_)) => Err(format!("the part '{name}' is there twice")),
        }
    }

    fn text(&self, name: &str) -> Result<&'p str, Rule> {
        let part = self.part(name)?;
        let text = part.text("valueCode").or_else(|| part.text("valueString"));
        text.ok_or_else(|| format!("the part '{name}' is not a code or string"))
    }

    fn integer(&self, name: &str) -> Result<usize, Rule> {
        let part = self.part(name)?;
        let value =
            ["valueInteger", "valueUnsignedInt", "valuePositiveInt"].iter().find_map(|key| part.get(key));
        match value {
            Some(Json::Number(digits)) => {
                digits.parse().map_err(|_| format!("the part '{name}' is not an index from 0"))
            }
            _ => Err(format!("the part '{name}' is not an integer")),
        }
    }
}

struct Patched {
    root: Json<'static>,
    /// Steps that the paths may still take.
    steps: Cell<u64>,
    /// Values that may still be searched for elements.
    searched: Cell<u64>,
}

impl Patched {
    fn operation(&mut self, operation: &Operation<'_>) -> Result<(), Rule> {
        let path = parser::parse(operation.path).map_err(|e| format!("not a FHIRPath: {e}"))?;
        match operation.code {
            "add" => self.add(&path, operation.text("name")?, operation.part("value")?),
            "insert" => self.insert(&path, operation.integer("index")?, operation.part("value")?),
            "delete" => self.delete(&path),
            "replace" => self.replace(&path, operation.part("value")?),
            "move" => self.shift(&path, operation.integer("source")?, operation.integer("destination")?),
            other => Err(format!("'{other}' is not an operation of FHIRPath Patch")),
        }
    }

    /// The elements that a path gives, by their places.
    fn places(&self, path: &Node) -> Result<Vec<Place>, Rule> {
        let environment = Environment::default();
        let values =
            eval::evaluate(path, &self.root, &environment, &self.steps).map_err(|e| e.to_string())?;
        let mut places = Vec::new();
        for value in values {
            let Value::Element(element) = value else {
                return Err("the path gives a value that is not an element of the resource".into());
            };
            let place = Place::of(&self.root, &element, &self.searched)?;
            places.push(place.ok_or("the path leads out of the resource")?);
        }
        Ok(places)
    }

    /// The one element that a path gives.
    fn place(&self, path: &Node) -> Result<Place, Rule> {
        let mut places = self.places(path)?;
        match (places.pop(), places.len()) {
            (Some(place), 0) => Ok(place),
            (None, _) => Err("nothing is found there".into()),
            (Some(_), more) => Err(format!("one element is expected there, {} are found", more + 1)),
        }
    }

    fn add(&mut self, path: &Node, name: &str, part: &Json<'_>) -> Result<(), Rule> {
        let place = self.place(path)?;
        let (object, group) = place.content(&mut self.root)?;
        put::put(object, group, name, part, Mode::Add, place.depth())
    }

    /// The list that a path gives: the place of its holder, its name and its length.
    fn list(&self, path: &Node) -> Result<(Place, String, usize), Rule> {
        let places = self.places(path)?;
        let Some(first) = places.first() else {
            // An empty list is named by its holder.
            let (parent, name) = path.parent().ok_or("nothing is found there")?;
            return Ok((self.place(&parent)?, name.to_owned(), 0));
        };
        let (holder, name) = first.holder().ok_or("the path does not give a list")?;
        let same = |place: &Place| place.holder().is_some_and(|(h, n)| h == holder && n == name);
        if first.index().is_none() || !places.iter().all(same) || places.len() != first.siblings(&self.root) {
            return Err("the path does not give one whole list".into());
        }
        Ok((holder, name, places.len()))
    }

    fn insert(&mut self, path: &Node, index: usize, part: &Json<'_>) -> Result<(), Rule> {
        let (holder, name, length) = self.list(path)?;
        if index > length {
            return Err(format!("index {index} is past the end of a list of {length}"));
        }
        let (object, group) = holder.content(&mut self.root)?;
        put::put(object, group, &name, part, Mode::Insert(index), holder.depth())
    }

    /// What is not there need not be deleted (R4B says so; R4 leaves it open).
    fn delete(&mut self, path: &Node) -> Result<(), Rule> {
        let mut places = self.places(path)?;
        match (places.pop(), places.len()) {
            (None, _) => Ok(()),
            (Some(place), 0) => place.remove(&mut self.root),
            (Some(_), more) => Err(format!("one element is expected there, {} are found", more + 1)),
        }
    }

    fn replace(&mut self, path: &Node, part: &Json<'_>) -> Result<(), Rule> {
        let place = self.place(path)?;
        let (holder, name) = place.holder().ok_or("the resource itself cannot be replaced")?;
        let (object, group) = holder.content(&mut self.root)?;
        put::put(object, group, &name, part, Mode::Replace(place.index()), holder.depth())
    }

    fn shift(&mut self, path: &Node, source: usize, destination: usize) -> Result<(), Rule> {
        let (holder, name, length) = self.list(path)?;
        for index in [source, destination] {
            if index >= length {
                return Err(format!("the list has no element {index}"));
            }
        }
        let (object, _) = holder.content(&mut self.root)?;
        for key in [name.clone(), format!("_{name}")] {
            if let Some(at) = position(object, &key)
                && let Json::Array(items) = &mut object[at].1
            {
                // What stands beside a list may be shorter than the list.
                while items.len() <= source.max(destination) {
                    items.push(Json::Null);
                }
                let item = items.remove(source);
                items.insert(destination, item);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(code: &str, path: &str, rest: &str) -> String {
        let comma = if rest.is_empty() { "" } else { "," };
        format!(
            r#"{{"name":"operation","part":[{{"name":"type","valueCode":"{code}"}},{{"name":"path","valueString":"{path}"}}{comma}{rest}]}}"#
        )
    }

    /// A resource, an operation, and the result or the error.
    fn check(resource: &str, operation: &str, expected: &str) {
        let patch = format!(r#"{{"resourceType":"Parameters","parameter":[{operation}]}}"#);
        let patch = Json::parse_str(&patch).expect(&patch);
        let resource = Json::parse_str(resource).expect(resource);
        let shown = match apply(&resource, &patch) {
            Ok(result) => result.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{operation}");
    }

    #[test]
    fn what_stands_beside_a_primitive_goes_with_it() {
        let patient = r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[null,{"id":"x"}]}]}"#;
        check(
            patient,
            &operation(
                "move",
                "Patient.name.given",
                r#"{"name":"source","valueInteger":1},{"name":"destination","valueInteger":0}"#,
            ),
            r#"{"resourceType":"Patient","name":[{"given":["b","a"],"_given":[{"id":"x"},null]}]}"#,
        );
        check(
            patient,
            &operation("delete", "Patient.name.given[1]", ""),
            r#"{"resourceType":"Patient","name":[{"given":["a"]}]}"#,
        );
        check(
            patient,
            &operation(
                "insert",
                "Patient.name.given",
                r#"{"name":"index","valueInteger":0},{"name":"value","valueString":"c"}"#,
            ),
            r#"{"resourceType":"Patient","name":[{"given":["c","a","b"],"_given":[null,null,{"id":"x"}]}]}"#,
        );
        check(
            r#"{"resourceType":"Patient","birthDate":"1970"}"#,
            &operation(
                "add",
                "Patient.birthDate",
                r#"{"name":"name","valueString":"extension"},{"name":"value","valueExtension":{"url":"u","valueCode":"c"}}"#,
            ),
            r#"{"resourceType":"Patient","birthDate":"1970","_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}}"#,
        );
    }

    #[test]
    fn what_is_left_beside_a_primitive_stays_in_its_place() {
        check(
            r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[{"extension":[{"url":"u"}]},{"id":"x"}]}]}"#,
            &operation("delete", "Patient.name.given[0].extension[0]", ""),
            r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[null,{"id":"x"}]}]}"#,
        );
    }

    #[test]
    fn a_choice_takes_the_type_of_its_value() {
        let patient = r#"{"resourceType":"Patient","deceasedBoolean":true,"gender":"male"}"#;
        check(
            patient,
            &operation("replace", "Patient.deceased", r#"{"name":"value","valueDateTime":"2026"}"#),
            r#"{"resourceType":"Patient","deceasedDateTime":"2026","gender":"male"}"#,
        );
        check(
            patient,
            &operation("replace", "Patient.deceased", r#"{"name":"value","valueQuantity":{"value":1}}"#),
            "operation 0 at 'Patient.deceased': 'deceased' takes no Quantity",
        );
        check(
            patient,
            &operation(
                "add",
                "Patient",
                r#"{"name":"name","valueString":"deceased"},{"name":"value","valueBoolean":false}"#,
            ),
            "operation 0 at 'Patient': 'deceased' is there already and does not repeat",
        );
    }

    #[test]
    fn a_list_that_is_empty_takes_its_first_element() {
        check(
            r#"{"resourceType":"Patient"}"#,
            &operation(
                "insert",
                "Patient.name",
                r#"{"name":"index","valueInteger":0},{"name":"value","valueHumanName":{"text":"a"}}"#,
            ),
            r#"{"resourceType":"Patient","name":[{"text":"a"}]}"#,
        );
        check(
            r#"{"resourceType":"Patient"}"#,
            &operation(
                "insert",
                "Patient.name",
                r#"{"name":"index","valueInteger":1},{"name":"value","valueHumanName":{"text":"a"}}"#,
            ),
            "operation 0 at 'Patient.name': index 1 is past the end of a list of 0",
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let patient = r#"{"resourceType":"Patient","name":[{"text":"a"},{"text":"b"}]}"#;
        check(
            patient,
            &operation("delete", "Patient.name", ""),
            "operation 0 at 'Patient.name': one element is expected there, 2 are found",
        );
        check(
            patient,
            &operation("delete", "Patient", ""),
            "operation 0 at 'Patient': the resource itself cannot be deleted",
        );
        check(
            patient,
            &operation("delete", "Patient.name.(", ""),
            "operation 0 at 'Patient.name.(': not a FHIRPath: unexpected '(' at byte 13",
        );
        check(
            patient,
            &operation("delete", "Patient.name.count()", ""),
            "operation 0 at 'Patient.name.count()': the path gives a value that is not an element of the resource",
        );
        check(
            patient,
            &operation(
                "add",
                "Patient",
                r#"{"name":"name","valueString":"shoe"},{"name":"value","valueString":"x"}"#,
            ),
            "operation 0 at 'Patient': Patient has no element 'shoe'",
        );
        check(
            patient,
            &operation(
                "add",
                "Patient",
                r#"{"name":"name","valueString":"active"},{"name":"value","valueString":"x"}"#,
            ),
            "operation 0 at 'Patient': 'active' takes no string",
        );
        check(
            patient,
            &operation("jump", "Patient", ""),
            "operation 0 at 'Patient': 'jump' is not an operation of FHIRPath Patch",
        );
        check(patient, r#"{"name":"operation"}"#, "operation 0 at '': the part 'type' is missing");
    }
}
