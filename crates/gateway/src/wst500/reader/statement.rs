//! Statements: which resource each becomes, or which element of the one around it.

use tongmai_base::{Severity, limits};
use tongmai_fhir::json::Json;

use super::super::convert::{self, to_fhir};
use super::super::document::{Leaf, Statement, Value, is_filler, is_placeholder};
use super::super::path::{REPETITIONS, Target};
use super::super::skeleton;
use super::super::table::{Conversion, Meaning, is_single, tables};
use super::{Builder, in_attribute, too_long};
use crate::build::{Node, object, property, push, reference, text};

/// The resource around a statement.
#[derive(Clone, Copy)]
pub(super) struct Around {
    index: usize,
    /// Its type in the tables' words.
    context: &'static str,
}

impl Builder<'_> {
    fn place_of(&self, statement: &Statement) -> String {
        let at = self.places.of(statement.offset);
        format!("{at} {} {}", statement.code.code, statement.code.display).trim_end().to_owned()
    }

    fn leaf_place(&self, statement: &Statement, leaf: &Leaf) -> String {
        format!("{} {}", self.place_of(statement), leaf.path)
    }

    pub(super) fn statement(
        &mut self,
        statement: &Statement,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) {
        if self.made.len() >= limits::BUNDLE_ENTRIES {
            let message = format!("more than {} resources; this is not read", limits::BUNDLE_ENTRIES);
            self.found(
                Severity::Error,
                self.place_of(statement),
                "limit",
                message,
                "send a smaller document",
            );
            return;
        }
        let own = match statement.kind {
            "procedure" => {
                let around = self.act("Procedure", "Procedure", statement, entries);
                if statement.planned {
                    *property(&mut self.made[around.index].node, "status") = text("preparation");
                }
                Some(around)
            }
            "substanceAdministration" => {
                let kind = match self.grammar.code {
                    "C0004" | "C0005" => "MedicationRequest",
                    "C0022" => "SupplyDelivery",
                    _ => "MedicationAdministration",
                };
                Some(self.act(kind, kind, statement, entries))
            }
            _ => self.observation(statement, around, entries),
        };
        let next = own.or(around);
        for within in &statement.within {
            self.statement(within, next, entries);
        }
    }

    /// A resource with the leaves of a statement.
    fn act(
        &mut self,
        resource: &str,
        context: &'static str,
        statement: &Statement,
        entries: &mut Vec<usize>,
    ) -> Around {
        let index = self.another(resource);
        entries.push(index);
        self.leaves(index, context, statement);
        Around { index, context }
    }

    fn leaves(&mut self, index: usize, context: &str, statement: &Statement) {
        for leaf in &statement.leaves {
            if leaf.number > REPETITIONS {
                let (path, message) = (self.leaf_place(statement, leaf), "repeated too often".to_owned());
                self.found(Severity::Error, path, "limit", message, "write fewer of them");
                break;
            }
            self.seen.insert(format!("{} {}", statement.kind, leaf.path));
            let places = tables().statement_places(context);
            let fit = |path: &str| {
                places.iter().find(|place| place.path == path && (leaf.number == 0 || place.repeats))
            };
            let place = fit(&leaf.path).or_else(|| in_attribute(&leaf.path, fit));
            let Some(place) = place else {
                let (path, message) = (self.leaf_place(statement, leaf), leaf.value.clone());
                self.found(
                    Severity::Warning,
                    path,
                    "unmapped",
                    message,
                    "nothing is lost: the document is kept as it came",
                );
                continue;
            };
            let filler = if place.conversion == Conversion::Text {
                is_filler(&leaf.value)
            } else {
                is_placeholder(&leaf.value)
            };
            if filler {
                let (path, message) = (
                    self.leaf_place(statement, leaf),
                    format!("'{}' stands for a value that is missing", leaf.value),
                );
                self.found(
                    Severity::Warning,
                    path,
                    "placeholder",
                    message,
                    "write the value, or leave the element out",
                );
                continue;
            }
            match to_fhir(place.conversion, &leaf.value) {
                Ok(value) => {
                    if !place.target.set(&mut self.made[index].node, leaf.number, &leaf.mark, value) {
                        let (path, message) = (
                            self.leaf_place(statement, leaf),
                            format!("'{}' comes after another value for the same", leaf.value),
                        );
                        self.found(Severity::Warning, path, "repeated", message, "write it once");
                    }
                }
                Err(expected) => {
                    let (path, message) =
                        (self.leaf_place(statement, leaf), format!("'{}' is not {expected}", leaf.value));
                    self.found(Severity::Error, path, "format", message, expected);
                }
            }
        }
    }

    fn observation(
        &mut self,
        statement: &Statement,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Option<Around> {
        let code = statement.code.code.as_str();
        if self.layout.body_element(code).is_some() {
            self.seen.insert(code.to_owned());
        }
        let placeholder = statement.value.as_ref().is_some_and(Value::is_placeholder);
        if placeholder {
            let shown = statement.value.as_ref().map(convert::words).unwrap_or_default();
            let message = format!("'{shown}' stands for a value that is missing");
            self.found(
                Severity::Warning,
                self.place_of(statement),
                "placeholder",
                message,
                "write the value, or leave the element out",
            );
        }
        let value = statement.value.as_ref().filter(|_| !placeholder);
        if value.is_none() && statement.leaves.is_empty() {
            return around;
        }
        if let Some(value) = value {
            let element = self.layout.body_element(code);
            if too_long(element, &convert::words(value)) {
                self.length(element, &convert::words(value), &self.place_of(statement));
            }
        }
        if let (Some(around), Some(value)) = (around, value)
            && self.into(around, statement, value)
        {
            return Some(around);
        }
        let meaning = tables().meaning(code)?;
        if !code.starts_with("DE") {
            let message = format!("{code:?} is no data element");
            self.found(
                Severity::Information,
                self.place_of(statement),
                "code",
                message,
                "write the data element's code (DE…) of the catalogue",
            );
        }
        self.alone(meaning, statement, value, around, entries)
    }

    /// Writes a value into the resource around it, where that has an element for it.
    fn into(&mut self, around: Around, statement: &Statement, value: &Value) -> bool {
        let Some(meaning) = tables().meaning_within(&statement.code.code, around.context) else {
            return false;
        };
        if meaning.target == "Specimen.type" {
            let index = self.another("Specimen");
            self.tag(index, statement);
            *property(&mut self.made[index].node, "type") = convert::concept(value);
            self.leaves(index, "Specimen", statement);
            let address = self.address(index);
            *property(&mut self.made[around.index].node, "specimen") = reference(&address);
            return true;
        }
        if !statement.leaves.is_empty() || !statement.code.qualifier.is_empty() {
            return false;
        }
        let target = meaning.path();
        let Some(node) = fitting(meaning, value) else { return false };
        if !target.set(&mut self.made[around.index].node, 0, "", node) {
            return false;
        }
        // The table's words are not repeated; others are kept.
        let label = self.layout.body_element(&statement.code.code).map(|element| element.label);
        if label != Some(statement.code.display.as_str()) {
            self.tag(around.index, statement);
        }
        true
    }

    /// A statement that becomes a resource of its own, or an element of the patient or visit.
    fn alone(
        &mut self,
        meaning: &'static Meaning,
        statement: &Statement,
        value: Option<&Value>,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Option<Around> {
        let target = meaning.target;
        if let Some(category) = target.strip_prefix("Observation ") {
            return Some(self.plain_observation(category, meaning, statement, value, around, entries));
        }
        match (target, value) {
            ("LaboratoryItem", Some(value)) => {
                let index = self.another("Observation");
                entries.push(index);
                self.tag(index, statement);
                let node = &mut self.made[index].node;
                *property(node, "category") = skeleton::category("laboratory");
                *property(node, "code") = convert::concept(value);
                self.leaves(index, "Observation", statement);
                Some(Around { index, context: "LaboratoryItem" })
            }
            ("Invoice", Some(value @ Value::Money { .. })) if statement.leaves.is_empty() => {
                self.invoice(statement, value, entries);
                around
            }
            ("Condition.code" | "Condition.code.text", Some(value))
                if around.is_none_or(|a| a.context == "Condition" || a.context == "Observation") =>
            {
                self.condition(meaning, statement, value, around, entries)
            }
            (target, Some(value))
                if is_single(target)
                    && statement.leaves.is_empty()
                    && statement.code.qualifier.is_empty() =>
            {
                let path = meaning.path();
                let index = self.make(path.resource.clone());
                let node = fitting(meaning, value);
                if node.is_some_and(|node| path.set(&mut self.made[index].node, 0, "", node)) {
                    return around;
                }
                Some(self.plain_observation("survey", meaning, statement, Some(value), around, entries))
            }
            (target, Some(value)) if around.is_none() && target.contains('.') && !is_single(target) => {
                let path = meaning.path();
                let Some(node) = fitting(meaning, value) else {
                    return Some(self.plain_observation(
                        "survey",
                        meaning,
                        statement,
                        Some(value),
                        around,
                        entries,
                    ));
                };
                let index = self.another(&path.resource);
                entries.push(index);
                self.tag(index, statement);
                path.set(&mut self.made[index].node, 0, "", node);
                let context = skeleton::context(&path.resource);
                self.leaves(index, context, statement);
                Some(Around { index, context })
            }
            _ => Some(self.plain_observation("survey", meaning, statement, value, around, entries)),
        }
    }

    fn plain_observation(
        &mut self,
        category: &str,
        meaning: &Meaning,
        statement: &Statement,
        value: Option<&Value>,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Around {
        let index = self.another("Observation");
        entries.push(index);
        let mut codings = vec![skeleton::element_coding(&statement.code.code, &statement.code.display)];
        if !meaning.loinc.is_empty() {
            codings.push(object([("system", text("http://loinc.org")), ("code", text(meaning.loinc))]));
        }
        let words =
            Some(&statement.code.qualifier).filter(|q| !q.is_empty()).unwrap_or(&statement.code.display);
        let code = object([("coding", Json::Array(codings)), ("text", text(words.as_str()))]);
        let parent = around.map(|around| self.address(around.index));
        let node = &mut self.made[index].node;
        *property(node, "category") = skeleton::category(category);
        *property(node, "code") = code;
        if let Some(value) = value {
            let (name, value) = convert::value_x(value);
            *property(node, name) = value;
        }
        if let Some(parent) = parent {
            push(node, "focus", reference(&parent));
        }
        if !statement.code.qualifier.is_empty() {
            let qualifier = Target::parse("extension{qualifier}.valueString");
            qualifier.set(node, 0, "", text(statement.code.qualifier.as_str()));
        }
        self.leaves(index, "Observation", statement);
        Around { index, context: "Observation" }
    }

    /// The data element that a resource was made from, and the words for it.
    fn tag(&mut self, index: usize, statement: &Statement) {
        let coding = skeleton::element_coding(&statement.code.code, &statement.code.display);
        let node = &mut self.made[index].node;
        push(property(node, "meta"), "tag", coding);
        if !statement.code.qualifier.is_empty() {
            let qualifier = Target::parse("extension{qualifier}.valueString");
            qualifier.set(node, 0, "", text(statement.code.qualifier.as_str()));
        }
    }

    /// A diagnosis: its name and its code are two statements, which make one condition.
    fn condition(
        &mut self,
        meaning: &Meaning,
        statement: &Statement,
        value: &Value,
        around: Option<Around>,
        entries: &mut Vec<usize>,
    ) -> Option<Around> {
        let is_name = meaning.target.ends_with("text");
        let chinese = statement.code.code.starts_with("DE05.10.1");
        let candidate = match around {
            Some(around) => Some(around.index),
            None => entries.last().copied(),
        };
        let other = candidate.filter(|index| {
            let making = &self.made[*index];
            let code = making.node.get("code");
            let taken = code.and_then(|code| code.get(if is_name { "text" } else { "coding" })).is_some();
            let tag = making.node.get("meta").and_then(|meta| meta.items("tag").first());
            let same =
                tag.and_then(|tag| tag.text("code")).is_some_and(|of| of.starts_with("DE05.10.1") == chinese);
            making.key.starts_with("Condition:") && !taken && same && statement.leaves.is_empty()
        });
        let index = match other {
            Some(index) => index,
            None => {
                let index = self.another("Condition");
                entries.push(index);
                index
            }
        };
        self.tag(index, statement);
        let code = property(&mut self.made[index].node, "code");
        match (is_name, value) {
            (true, value) => *property(code, "text") = text(convert::words(value)),
            (false, Value::Code { .. }) => {
                if let Some(coding) = convert::concept(value).items("coding").first() {
                    *property(code, "coding") = Json::Array(vec![coding.clone()]);
                } else {
                    *property(code, "text") = text(convert::words(value));
                }
            }
            // A code that the schema leaves no attributes for.
            (false, value) => {
                let coding = object([("code", text(convert::words(value)))]);
                let is_code = convert::words(value).bytes().all(|b| b.is_ascii_graphic());
                match is_code {
                    true => *property(code, "coding") = Json::Array(vec![coding]),
                    false => *property(code, "text") = text(convert::words(value)),
                }
            }
        }
        self.leaves(index, "Condition", statement);
        Some(Around { index, context: "Condition" })
    }

    fn invoice(&mut self, statement: &Statement, value: &Value, entries: &mut Vec<usize>) {
        let index = self.make("Invoice:fees".to_owned());
        if !entries.contains(&index) {
            entries.push(index);
        }
        let Value::Money { value, currency } = value else { return };
        let amount = match convert::decimal(value) {
            Some(digits) => object([("value", crate::build::number(digits)), ("currency", text("CNY"))]),
            None => {
                let message = format!("'{value}' is not an amount");
                self.found(
                    Severity::Error,
                    self.place_of(statement),
                    "format",
                    message,
                    "a number with two decimals",
                );
                return;
            }
        };
        let component = object([("type", text("base")), ("amount", amount)]);
        let coding = skeleton::element_coding(&statement.code.code, &statement.code.display);
        let item = object([
            ("coding", Json::Array(vec![coding])),
            ("text", text(statement.code.qualifier.as_str())),
        ]);
        let line =
            object([("chargeItemCodeableConcept", item), ("priceComponent", Json::Array(vec![component]))]);
        push(&mut self.made[index].node, "lineItem", line);
        if !matches!(currency.as_str(), "" | "元" | "CNY" | "RMB") {
            let message = format!("'{currency}' is taken for 元");
            self.found(Severity::Warning, self.place_of(statement), "currency", message, "write 元");
        }
    }
}

/// A value as the element that a meaning names wants it; nothing where it does not fit.
fn fitting(meaning: &Meaning, value: &Value) -> Option<Node> {
    let last = meaning.target.rsplit('.').next().unwrap_or_default();
    match last {
        "quantity" | "expectedSupplyDuration" | "length" => match value {
            Value::Quantity { .. } => {
                Some(convert::quantity(value)).filter(|node| !matches!(node, Json::Null))
            }
            _ => None,
        },
        "value" if meaning.target == "valueQuantity.value" => match value {
            Value::Quantity { value, unit } if unit.is_empty() => {
                convert::decimal(value).map(crate::build::number)
            }
            _ => None,
        },
        "deceasedDateTime" => match value {
            Value::Time(stamp) => convert::time(stamp).map(text),
            _ => None,
        },
        "text" | "display" | "value" | "unit" | "valueString" | "description" | "conclusion" => match value {
            Value::Text(words) => Some(text(words.as_str())),
            _ => None,
        },
        _ => match value {
            Value::Code { .. } | Value::Text(_) => Some(convert::concept(value)),
            _ => None,
        },
    }
}
