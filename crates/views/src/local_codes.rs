//! Codes that only their sender knows, beside the standard ones that the ledger has names for.
//!
//! The mapping workbench shows the local ones that nobody has mapped yet, with the standard codes whose
//! names are most alike. What a person confirmed is a ConceptMap of the ledger.

use std::collections::BTreeMap;

use tongmai_engine::views::View;
use tongmai_engine::views::bytes::{Reader, put, put_text};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::Json;
use tongmai_store::{Event, EventKind};

/// Beginning of the addresses of the ConceptMaps that the workbench writes, one a local code.
pub const MAP: &str = "urn:tongmai:map:";
/// Most codes of each kind; further ones are not listed until some are mapped.
const CODES: usize = 20_000;
/// Most suggestions for a code.
const SUGGESTIONS: usize = 3;

/// System and code.
pub type Code = (String, String);

/// What is known of a code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its name; of several the longest, then the greatest.
    pub display: String,
    /// In how many versions of resources it stands.
    pub times: u64,
}

/// Local and standard codes, and what was mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalCodes {
    local: BTreeMap<Code, Said>,
    standard: BTreeMap<Code, Said>,
    mapped: BTreeMap<Code, (String, String, String)>,
}

/// Whether a system is nobody's but its sender's.
fn is_local(system: &str) -> bool {
    system.is_empty()
        || (system.starts_with("urn:tongmai:") && system.contains("hl7v2"))
        || system.starts_with("urn:tongmai:system:")
}

/// Whether names of a system are worth suggesting.
fn is_standard(system: &str) -> bool {
    matches!(
        system,
        "http://loinc.org"
            | "http://snomed.info/sct"
            | "http://hl7.org/fhir/sid/icd-10"
            | "http://hl7.org/fhir/sid/icd-9-cm"
            | "http://www.whocc.no/atc"
    ) || system.starts_with("urn:oid:2.16.156.10011.2.3.")
}

fn types() -> [Option<ResourceTypeId>; 7] {
    [
        "Observation",
        "Condition",
        "Procedure",
        "ServiceRequest",
        "MedicationRequest",
        "DiagnosticReport",
        "ConceptMap",
    ]
    .map(resource_type_id)
}

impl LocalCodes {
    /// Local codes that nobody has mapped, those first that are said most often.
    pub fn unmapped(&self) -> Vec<(&Code, &Said)> {
        let mut all: Vec<_> =
            self.local.iter().filter(|(code, _)| !self.mapped.contains_key(*code)).collect();
        all.sort_by_key(|(code, said)| (std::cmp::Reverse(said.times), (*code).clone()));
        all
    }

    /// What was mapped: the local code, and system, code and name of the standard one.
    pub fn mapped(&self) -> impl Iterator<Item = (&Code, &(String, String, String))> {
        self.mapped.iter()
    }

    /// The standard codes whose names are most alike, with how much (0 to 100).
    pub fn suggestions(&self, display: &str) -> Vec<(&Code, &Said, u32)> {
        let own = pairs(display);
        let mut all: Vec<_> = self
            .standard
            .iter()
            .map(|(code, said)| (code, said, likeness(&own, &pairs(&said.display))))
            .filter(|(_, _, alike)| *alike >= 30)
            .collect();
        all.sort_by_key(|(code, _, alike)| (std::cmp::Reverse(*alike), (*code).clone()));
        all.truncate(SUGGESTIONS);
        all
    }

    fn walk(&mut self, node: &Json<'_>, words: Option<&str>) {
        match node {
            Json::Array(items) => items.iter().for_each(|item| self.walk(item, words)),
            Json::Object(properties) => {
                let words = node.text("text").or(words);
                for (name, value) in properties {
                    match (name.as_ref(), value) {
                        ("meta" | "extension" | "contained" | "category", _) => {}
                        ("coding", Json::Array(codings)) => self.codings(codings, words),
                        _ => self.walk(value, None),
                    }
                }
            }
            _ => {}
        }
    }

    fn codings(&mut self, codings: &[Json<'_>], words: Option<&str>) {
        let has_standard = codings.iter().any(|coding| coding.text("system").is_some_and(is_standard));
        for coding in codings {
            let Some(code) = coding.text("code") else { continue };
            let system = coding.text("system").unwrap_or_default();
            let display = words.filter(|_| is_standard(system)).or(coding.text("display")).or(words);
            let map = match () {
                () if is_standard(system) => &mut self.standard,
                // Beside a standard code a local one needs no map.
                () if is_local(system) && !has_standard => &mut self.local,
                () => continue,
            };
            let key = (system.to_owned(), code.to_owned());
            if map.len() >= CODES && !map.contains_key(&key) {
                continue;
            }
            let said = map.entry(key).or_default();
            said.times += 1;
            let display = display.unwrap_or_default();
            if (display.len(), display) > (said.display.len(), said.display.as_str()) {
                display.clone_into(&mut said.display);
            }
        }
    }

    fn map(&mut self, map: &Json<'_>) {
        if !map.text("url").is_some_and(|url| url.starts_with(MAP)) {
            return;
        }
        for group in map.items("group") {
            let (from, to) =
                (group.text("source").unwrap_or_default(), group.text("target").unwrap_or_default());
            for element in group.items("element") {
                let Some(code) = element.text("code") else { continue };
                let key = (
                    if from == "urn:tongmai:none" { String::new() } else { from.to_owned() },
                    code.to_owned(),
                );
                let target = element.items("target").first();
                match (map.text("status"), target.and_then(|target| target.text("code"))) {
                    (Some("active"), Some(code)) => {
                        let display = target.and_then(|target| target.text("display")).unwrap_or_default();
                        self.mapped.insert(key, (to.to_owned(), code.to_owned(), display.to_owned()));
                    }
                    _ => {
                        self.mapped.remove(&key);
                    }
                }
            }
        }
    }
}

/// Neighbouring letters of a name, in order, without spaces.
fn pairs(text: &str) -> Vec<(char, char)> {
    let letters: Vec<char> =
        text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let mut pairs: Vec<(char, char)> = letters.windows(2).map(|two| (two[0], two[1])).collect();
    pairs.sort_unstable();
    pairs
}

/// Dice's coefficient of two names' pairs, in hundredths.
fn likeness(one: &[(char, char)], other: &[(char, char)]) -> u32 {
    let (mut a, mut b, mut same) = (0, 0, 0);
    while a < one.len() && b < other.len() {
        match one[a].cmp(&other[b]) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => (a, b, same) = (a + 1, b + 1, same + 1),
        }
    }
    let all = one.len() + other.len();
    usize::checked_div(200 * same, all).unwrap_or(0) as u32
}

impl View for LocalCodes {
    const NAME: &'static str = "local-codes";
    const DEFINITION: &'static str = "1: codes by system with their names, maps of the workbench";

    fn new(_: &[u8; 32]) -> LocalCodes {
        LocalCodes::default()
    }

    fn apply(&mut self, event: &Event) {
        if event.kind != EventKind::Put || event.body.is_empty() || !types().contains(&Some(event.type_id)) {
            return;
        }
        let mut text = Vec::new();
        if tongmai_codec::unpack(&event.body, &mut text).is_err() {
            return;
        }
        let Ok(json) = Json::parse(&text) else { return };
        if json.text("resourceType") == Some("ConceptMap") {
            self.map(&json);
        } else {
            self.walk(&json, None);
        }
    }

    fn canonical(&self) -> String {
        format!("{self:?}")
    }

    fn write(&self, out: &mut Vec<u8>) {
        for map in [&self.local, &self.standard] {
            put(map.len() as i64, out);
            for ((system, code), said) in map {
                for text in [system, code, &said.display] {
                    put_text(text, out);
                }
                put(said.times.cast_signed(), out);
            }
        }
        put(self.mapped.len() as i64, out);
        for ((system, code), (to, target, display)) in &self.mapped {
            for text in [system, code, to, target, display] {
                put_text(text, out);
            }
        }
    }

    fn read(_: &[u8; 32], from: &mut Reader<'_>) -> Option<LocalCodes> {
        let mut view = LocalCodes::default();
        for at in 0..2 {
            let mut map = BTreeMap::new();
            from.list(&mut |item| {
                let key = (read_text(item)?, read_text(item)?);
                let said = Said { display: read_text(item)?, times: item.number()? };
                map.insert(key, said);
                Some(())
            })?;
            *(if at == 0 { &mut view.local } else { &mut view.standard }) = map;
        }
        from.list(&mut |item| {
            let key = (read_text(item)?, read_text(item)?);
            view.mapped.insert(key, (read_text(item)?, read_text(item)?, read_text(item)?));
            Some(())
        })?;
        Some(view)
    }
}

fn read_text(from: &mut Reader<'_>) -> Option<String> {
    from.text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_codes_are_suggested_the_name_that_is_most_alike() {
        let mut view = LocalCodes::default();
        let standard = r#"{"code":{"coding":[{"system":"http://loinc.org","code":"718-7","display":"Hemoglobin"}],"text":"血红蛋白测定"}}"#;
        let other = r#"{"code":{"coding":[{"system":"http://loinc.org","code":"2160-0"}],"text":"肌酐"}}"#;
        let local = r#"{"code":{"coding":[{"system":"urn:tongmai:hl7v2:code-system/LIS","code":"HB","display":"血红蛋白"}]}}"#;
        for text in [standard, other, local, local] {
            view.walk(&Json::parse_str(text).expect("JSON"), None);
        }
        let unmapped = view.unmapped();
        assert_eq!((unmapped.len(), unmapped[0].1.times), (1, 2));
        let suggested = view.suggestions(&unmapped[0].1.display);
        assert_eq!(suggested[0].0.1, "718-7");
        let map = format!(
            r#"{{"resourceType":"ConceptMap","url":"{MAP}x","status":"active","group":[{{"source":"urn:tongmai:hl7v2:code-system/LIS","target":"http://loinc.org","element":[{{"code":"HB","target":[{{"code":"718-7"}}]}}]}}]}}"#
        );
        view.map(&Json::parse_str(&map).expect("JSON"));
        assert!(view.unmapped().is_empty());
        let mut bytes = Vec::new();
        view.write(&mut bytes);
        assert_eq!(LocalCodes::read(&[0; 32], &mut Reader::new(&bytes)), Some(view));
    }
}
