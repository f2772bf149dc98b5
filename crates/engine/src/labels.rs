//! What a version is labelled with: who deposited it, its category, how sensitive it is.
//!
//! A label is worked out once, when a version is written, and is a small number in the event and in
//! each of its index rows, so that a search can judge a row without its body. What a number stands
//! for is a symbol of the store whose text begins with [`PREFIX`]; the n-th of these is label n.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use tongmai_access::category_of;
use tongmai_consent::{Category, SensitiveCodes, Sensitivity, builtin_sensitive_codes};
use tongmai_fhir::compartment::{self, Compartment};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_name};
use tongmai_fhir::json::Json;
use tongmai_store::{Result, Store};

/// Beginning of the symbols that are labels.
const PREFIX: &str = "label|";
/// Symbols without a text that end the search for labels when a store is opened.
const GAP: u32 = 64;

/// The number of what was written before there were labels: nobody with limits sees it.
pub const UNLABELLED: u16 = 0;

/// The label of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    /// The organisation that deposited it, as a symbol; 0 when unknown.
    pub depositor: u32,
    /// Its category.
    pub category: Category,
    /// Sensitivities of the whole resource, as a mask.
    pub whole: u8,
    /// Sensitivities of elements within it that the whole does not have.
    pub parts: u8,
    /// Whose it is.
    pub of: Of,
    /// Its processing is restricted.
    pub restricted: bool,
}

/// Whose a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// Nobody's.
    Nobody,
    /// One patient's.
    One,
    /// Several patients': all of them must be visible.
    Several,
}

impl Label {
    fn text(&self) -> String {
        let of = match self.of {
            Of::Nobody => 0,
            Of::One => 1,
            Of::Several => 2,
        };
        let (depositor, category) = (self.depositor, self.category.code());
        let restricted = u8::from(self.restricted);
        format!("{PREFIX}{depositor}|{category}|{}|{}|{of}|{restricted}", self.whole, self.parts)
    }

    fn read(text: &str) -> Option<Label> {
        let parts: Vec<&str> = text.strip_prefix(PREFIX)?.split('|').collect();
        let [depositor, category, whole, parts, of, restricted] = parts.as_slice() else { return None };
        Some(Label {
            depositor: depositor.parse().ok()?,
            category: Category::from_code(category)?,
            whole: whole.parse().ok()?,
            parts: parts.parse().ok()?,
            of: match *of {
                "0" => Of::Nobody,
                "1" => Of::One,
                "2" => Of::Several,
                _ => return None,
            },
            restricted: *restricted == "1",
        })
    }
}

/// The labels of a store.
pub(crate) struct Labels {
    codes: SensitiveCodes,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    labels: Vec<Label>,
    numbers: HashMap<Label, u16>,
}

impl Known {
    fn add(&mut self, label: Label) -> u16 {
        self.labels.push(label);
        let number = self.labels.len() as u16;
        self.numbers.insert(label, number);
        number
    }
}

impl Labels {
    /// The labels that a store has.
    pub(crate) fn open(store: &dyn Store) -> Result<Labels> {
        let mut known = Known::default();
        let (mut symbol, mut missing) = (1, 0);
        while missing < GAP {
            match store.symbol_text(symbol)? {
                Some(text) => {
                    missing = 0;
                    if let Some(label) = Label::read(&text) {
                        known.add(label);
                    }
                }
                None => missing += 1,
            }
            symbol += 1;
        }
        let codes = SensitiveCodes::read(builtin_sensitive_codes())
            .map_err(|error| tongmai_store::StoreError(format!("the table of sensitive codes: {error}")))?;
        Ok(Labels { codes, known: RwLock::new(known) })
    }

    /// Which codes are sensitive.
    pub(crate) fn codes(&self) -> &SensitiveCodes {
        &self.codes
    }

    /// What a number stands for.
    pub(crate) fn label(&self, number: u16) -> Option<Label> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.labels.get(usize::from(number).wrapping_sub(1)).copied()
    }

    /// The number of a label, given out if it has none. When all numbers are given out, the depositor
    /// is left out, which only takes away; then it is as if it had no label.
    pub(crate) fn number(&self, store: &dyn Store, label: &Label) -> Result<u16> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(label) {
            return Ok(*number);
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(label) {
            return Ok(*number);
        }
        if known.labels.len() >= usize::from(u16::MAX) {
            let without = Label { depositor: 0, ..*label };
            return Ok(known.numbers.get(&without).copied().unwrap_or(UNLABELLED));
        }
        // Under the lock, so that numbers have the order of the symbols.
        store.symbol(&label.text())?;
        Ok(known.add(*label))
    }

    /// The label of a resource, but for who deposited it, and of how many patients it is.
    pub(crate) fn of(&self, type_id: ResourceTypeId, json: &Json<'_>, patients: usize) -> Label {
        let whole = self.whole(json)
            | if json.text("resourceType") == Some("MolecularSequence") {
                Sensitivity::Genetic.bit()
            } else {
                0
            };
        Label {
            depositor: 0,
            category: category(type_id, json),
            whole,
            parts: self.within(json) & !whole,
            of: match patients {
                0 => Of::Nobody,
                1 => Of::One,
                _ => Of::Several,
            },
            restricted: false,
        }
    }

    /// Sensitivities of the whole resource: those of its security labels, and of what it is about.
    fn whole(&self, json: &Json<'_>) -> u8 {
        const ABOUT: &[&str] = &[
            "code",
            "medicationCodeableConcept",
            "vaccineCode",
            "valueCodeableConcept",
            "type",
            "category",
            "component",
        ];
        let labels = json.get("meta").map_or(&[][..], |meta| meta.items("security"));
        let mut mask = labels.iter().fold(0, |mask, label| mask | self.coding(label));
        for name in ABOUT {
            if let Some(value) = json.get(name) {
                mask |= self.within(value);
            }
        }
        mask
    }

    /// Sensitivities of everything within a value.
    pub(crate) fn within(&self, json: &Json<'_>) -> u8 {
        match json {
            Json::Array(items) => items.iter().fold(0, |mask, item| mask | self.within(item)),
            Json::Object(properties) => {
                properties.iter().fold(self.coding(json), |mask, (_, value)| mask | self.within(value))
            }
            _ => 0,
        }
    }

    /// Sensitivities of a Coding itself.
    fn coding(&self, json: &Json<'_>) -> u8 {
        match (json.text("system"), json.text("code")) {
            (Some(system), Some(code)) => self.codes.of(system, code),
            _ => 0,
        }
    }

    /// Takes elements out of a resource whose sensitivities are hidden, with the whole concept that
    /// has the code; `narrative` says whether the text for people may stay.
    pub(crate) fn redact(&self, json: &mut Json<'_>, hidden: u8, narrative: bool) {
        if let Json::Object(properties) = json {
            if !narrative {
                properties.retain(|(name, _)| name != "text");
            }
            properties.retain_mut(|(name, value)| {
                // The security labels say what the whole is, which may be seen.
                name == "meta" || !self.strip(value, hidden, narrative)
            });
        }
    }

    /// Strips a value; whether nothing of it may stay.
    fn strip(&self, json: &mut Json<'_>, hidden: u8, narrative: bool) -> bool {
        match json {
            Json::Array(items) => {
                items.retain_mut(|item| !self.strip(item, hidden, narrative));
                items.is_empty()
            }
            Json::Object(properties) => {
                let own = properties.iter().any(|(name, value)| {
                    // A concept goes with each of its codings: its text says the same in words.
                    let codings: &[Json<'_>] = match (name.as_ref(), value) {
                        ("coding" | "extension", Json::Array(items)) => items,
                        _ => &[],
                    };
                    codings.iter().any(|coding| self.coding_of(coding) & hidden != 0)
                });
                if own || self.coding(json) & hidden != 0 {
                    return true;
                }
                let Json::Object(properties) = json else { return false };
                let contained = properties.iter().any(|(name, _)| name == "resourceType");
                if contained {
                    if self.whole(json) & hidden != 0 {
                        return true;
                    }
                    self.redact(json, hidden, narrative);
                    return false;
                }
                let Json::Object(properties) = json else { return false };
                properties.retain_mut(|(_, value)| !self.strip(value, hidden, narrative));
                properties.is_empty()
            }
            _ => false,
        }
    }

    /// Sensitivities of a Coding, or of the Coding that an extension labels an element with.
    fn coding_of(&self, json: &Json<'_>) -> u8 {
        self.coding(json) | json.get("valueCoding").map_or(0, |coding| self.coding(coding))
    }
}

/// The category of a resource.
fn category(type_id: ResourceTypeId, json: &Json<'_>) -> Category {
    let name = resource_type_name(type_id).unwrap_or("");
    let has = |wanted: &[&str]| {
        json.items("category")
            .iter()
            .flat_map(|concept| concept.items("coding"))
            .any(|coding| coding.text("code").is_some_and(|code| wanted.contains(&code)))
    };
    match name {
        "Observation" if has(&["laboratory"]) => Category::Laboratory,
        "Observation" if has(&["imaging"]) => Category::Imaging,
        "Observation" if has(&["survey"]) => Category::Reported,
        // What is to be done says of a person what the work is about, so it has the kind of that.
        "Task" | "Communication" => work(json).unwrap_or_else(|| category_of(name).unwrap_or(Category::Plan)),
        "DiagnosticReport" if has(&["RAD", "CT", "NMR", "RUS", "NMS", "imaging"]) => Category::Imaging,
        _ => category_of(name).unwrap_or_else(|| {
            let in_compartment = compartment::members(Compartment::Patient).any(|member| member == type_id);
            if in_compartment { Category::Document } else { Category::Directory }
        }),
    }
}

/// The category of work that the platform itself files: a report card and a contact of a case tell a diagnosis,
/// a signal counts and names nobody, and a person's requests are governance.
fn work(json: &Json<'_>) -> Option<Category> {
    let concepts = json.items("category").iter().chain(json.get("code"));
    concepts.flat_map(|concept| concept.items("coding")).find_map(|coding| {
        match (coding.text("system")?, coding.text("code")?) {
            ("urn:tongmai:surveillance", "signal") => Some(Category::Directory),
            ("urn:tongmai:surveillance", _) => Some(Category::Diagnosis),
            ("urn:tongmai:request", _) => Some(Category::Governance),
            _ => None,
        }
    })
}

/// The Organization that a resource itself names as the one it comes from, as `Organization/id`.
pub(crate) fn own_organisation<'j>(json: &'j Json<'_>) -> Option<&'j str> {
    fn reference<'j>(json: &'j Json<'_>) -> Option<&'j str> {
        json.text("reference").filter(|reference| reference.starts_with("Organization/"))
    }
    const NAMES: &[&str] = &["serviceProvider", "managingOrganization", "custodian", "provider", "requester"];
    NAMES.iter().find_map(|name| json.get(name).and_then(reference)).or_else(|| {
        ["performer", "author"].into_iter().find_map(|name| {
            json.items(name)
                .iter()
                .find_map(|item| reference(item).or_else(|| item.get("actor").and_then(reference)))
        })
    })
}

#[cfg(test)]
mod tests {
    use tongmai_fhir::definition::resource_type_id;
    use tongmai_store::memory::MemoryStore;

    use super::*;

    #[test]
    fn labels_are_the_same_after_a_restart() {
        let store = MemoryStore::new([7; 32]);
        let labels = Labels::open(&store).expect("labels");
        let json = Json::parse_str(
            r#"{"resourceType":"Observation","code":{"coding":[
            {"system":"http://loinc.org","code":"68961-2"}]}}"#,
        )
        .expect("JSON");
        let type_id = resource_type_id("Observation").expect("a type");
        let one = labels.of(type_id, &json, 1);
        assert_eq!((one.whole, one.parts), (Sensitivity::Hiv.bit(), 0));
        let other = Label { depositor: 9, ..one };
        store.symbol("something else").expect("a symbol");
        assert_eq!(labels.number(&store, &one).expect("a number"), 1);
        assert_eq!(labels.number(&store, &other).expect("a number"), 2);
        assert_eq!(labels.number(&store, &one).expect("a number"), 1);
        let again = Labels::open(&store).expect("labels");
        assert_eq!((again.label(1), again.label(2)), (Some(one), Some(other)));
        assert_eq!((again.label(UNLABELLED), again.label(3)), (None, None));
    }

    #[test]
    fn hidden_elements_go_with_all_that_says_the_same() {
        let labels = Labels::open(&MemoryStore::new([7; 32])).expect("labels");
        let check = |hidden: u8, narrative: bool, text: &str, expected: &str| {
            let mut json = Json::parse_str(text).expect("JSON");
            labels.redact(&mut json, hidden, narrative);
            let mut out = String::new();
            json.write(&mut out);
            assert_eq!(out, expected);
        };
        let (hiv, icd) = (Sensitivity::Hiv.bit(), "http://hl7.org/fhir/sid/icd-10");
        let reason = format!(r#"{{"coding":[{{"system":"{icd}","code":"B20"}}],"text":"HIV"}}"#);
        let other = format!(r#"{{"coding":[{{"system":"{icd}","code":"I10"}}]}}"#);
        let with = |reasons: &str| format!(r#"{{"resourceType":"Encounter","id":"e"{reasons}}}"#);
        check(
            hiv,
            true,
            &with(&format!(r#","reasonCode":[{reason},{other}]"#)),
            &with(&format!(r#","reasonCode":[{other}]"#)),
        );
        check(hiv, true, &with(&format!(r#","reasonCode":[{reason}]"#)), &with(""));
        check(
            Sensitivity::Mental.bit(),
            true,
            &with(&format!(r#","reasonCode":[{reason}]"#)),
            &with(&format!(r#","reasonCode":[{reason}]"#)),
        );
        let contained = format!(r#","contained":[{{"resourceType":"Condition","id":"c","code":{reason}}}]"#);
        check(hiv, true, &with(&contained), &with(""));
        check(0, false, &with(r#","text":{"status":"generated","div":"<div/>"}"#), &with(""));
    }
}
