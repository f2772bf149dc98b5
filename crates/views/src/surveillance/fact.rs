//! What a resource says of notifiable diseases, with its evidence.

use serde::{Deserialize, Serialize};
use tongmai_fhir::json::Json;
use tongmai_fhir::search::date;
use tongmai_surveillance::notifiable::{Disease, Listed, plain_code};
use tongmai_surveillance::trigger::{Certainty, Diagnosis, Evidence, LaboratoryResult, Record, Trigger};

use super::rules::Rules;

const DAY: i64 = 86_400_000;
const CHINA: i64 = tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000;

/// The day of a moment in China Standard Time, since 1970.
pub fn day_of(milliseconds: i64) -> i64 {
    (milliseconds + CHINA).div_euclid(DAY)
}

/// One disease that one resource speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Code of the disease.
    pub disease: String,
    /// Its part, where it is named.
    pub item: String,
    /// Hours to report.
    pub hours: u32,
    /// 0 suspected, 1 diagnosed, 2 found by the laboratory.
    pub certainty: u8,
    /// Kind of evidence: `code`, `laboratory`, `text`, `medicine`.
    pub kind: String,
    /// The evidence itself: a code, a result, a clause, a medicine.
    pub evidence: String,
    /// The resource, as a reference.
    pub source: String,
    /// The encounter in which it was found, as a reference; empty without one.
    pub encounter: String,
    /// When it was diagnosed or reported, in milliseconds since 1970.
    pub at: i64,
    /// When it came in.
    pub received: i64,
    /// Who made it: the organisation's name.
    pub organization: String,
    /// Who made it: the doctor's or laboratory's name.
    pub author: String,
    /// First day of illness, where it is written.
    pub onset: Option<i64>,
    /// Position of the version that says it.
    pub position: u64,
}

/// What a resource of a patient's record says.
#[derive(Debug, Default)]
pub struct Said {
    /// Id of the patient.
    pub patient: String,
    /// Reference to the encounter; empty without one.
    pub encounter: String,
    /// Diseases.
    pub findings: Vec<Finding>,
}

/// Types that are read.
pub fn is_read(kind: &str) -> bool {
    matches!(
        kind,
        "Condition"
            | "Observation"
            | "DiagnosticReport"
            | "ClinicalImpression"
            | "Composition"
            | "MedicationRequest"
            | "Encounter"
    )
}

/// Reads a resource; `None` when it says nothing of a notifiable disease.
pub fn read(rules: &Rules, kind: &str, json: &Json<'_>, received: i64) -> Option<Said> {
    let status = json.text("status").unwrap_or("");
    if matches!(status, "entered-in-error" | "cancelled") {
        return None;
    }
    let patient = reference(json, "subject")?.strip_prefix("Patient/")?.to_owned();
    let at = said_at(kind, json);
    let day = day_of(at.unwrap_or(received).min(received));
    let triggers = triggers(rules, kind, json, day);
    if triggers.is_empty() {
        return None;
    }
    let source = format!("{kind}/{}", json.text("id").unwrap_or(""));
    let encounter = if kind == "Encounter" { &source } else { reference(json, "encounter").unwrap_or("") };
    let onset = json.text("onsetDateTime").and_then(date::parse).map(|read| day_of(read.low));
    let author = ["recorder", "asserter", "requester", "assessor"].iter().find_map(|name| json.get(name));
    let author = author.or_else(|| first_of(json, "performer")).or_else(|| first_of(json, "author"));
    let author = author.and_then(|who| who.text("display")).unwrap_or("").to_owned();
    let findings = triggers.into_iter().map(|(disease, item, hours, certainty, kind, evidence)| Finding {
        disease,
        item,
        hours,
        certainty,
        kind: kind.to_owned(),
        evidence,
        source: source.clone(),
        encounter: encounter.to_owned(),
        at: at.unwrap_or(received),
        received,
        organization: String::new(),
        author: author.clone(),
        onset,
        position: 0,
    });
    let findings = findings.collect();
    Some(Said { patient, encounter: encounter.to_owned(), findings })
}

pub(super) fn reference<'j>(json: &'j Json<'_>, name: &str) -> Option<&'j str> {
    json.get(name)?.text("reference")
}

fn first_of<'j, 'a>(json: &'j Json<'a>, name: &str) -> Option<&'j Json<'a>> {
    json.items(name).first()
}

pub(super) fn said_at(kind: &str, json: &Json<'_>) -> Option<i64> {
    let names: &[&str] = match kind {
        "Condition" => &["recordedDate", "onsetDateTime"],
        "Observation" | "DiagnosticReport" => &["issued", "effectiveDateTime"],
        "MedicationRequest" => &["authoredOn"],
        "Encounter" => return json.get("period")?.text("start").and_then(date::parse).map(|read| read.low),
        _ => &["date", "effectiveDateTime"],
    };
    names.iter().find_map(|name| json.text(name)).and_then(date::parse).map(|read| read.low)
}

type Triggered = (String, String, u32, u8, &'static str, String);

fn triggers(rules: &Rules, kind: &str, json: &Json<'_>, day: i64) -> Vec<Triggered> {
    match kind {
        "Condition" => condition(rules, json, day),
        "Observation" => observation(rules, json, day),
        "MedicationRequest" => medicine(rules, json, day),
        "Encounter" => {
            json.items("reasonCode").iter().flat_map(|it| concept(rules, it, false, false, day)).collect()
        }
        "DiagnosticReport" => texts(rules, &[json.text("conclusion").unwrap_or("")], day),
        "ClinicalImpression" => {
            texts(rules, &[json.text("summary").unwrap_or(""), json.text("description").unwrap_or("")], day)
        }
        "Composition" => {
            let found = narratives(json);
            let plain: Vec<&str> = found.iter().map(String::as_str).collect();
            texts(rules, &plain, day)
        }
        _ => Vec::new(),
    }
}

/// The narratives of a document's sections, without their tags.
pub(super) fn narratives(document: &Json<'_>) -> Vec<String> {
    let mut found = Vec::new();
    sections(document.items("section"), &mut found);
    found
}

fn sections(sections: &[Json<'_>], out: &mut Vec<String>) {
    for section in sections {
        if let Some(div) = section.get("text").and_then(|text| text.text("div")) {
            out.push(without_tags(div));
        }
        sections_below(section, out);
    }
}

fn sections_below(section: &Json<'_>, out: &mut Vec<String>) {
    sections(section.items("section"), out);
}

/// A narrative's words; the end of a block ends a sentence.
fn without_tags(div: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in div.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push('\n');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// All names of a concept.
pub(super) fn names(concept: Option<&Json<'_>>) -> String {
    let Some(concept) = concept else { return String::new() };
    let mut names: Vec<&str> = concept.text("text").into_iter().collect();
    for coding in concept.items("coding") {
        names.extend(coding.text("display").filter(|name| !names.contains(name)));
    }
    names.join(" ")
}

/// The name of a person as it is written in one piece.
pub fn person_name(patient: &Json<'_>) -> String {
    let Some(name) = patient.items("name").first() else { return String::new() };
    if let Some(text) = name.text("text") {
        return text.to_owned();
    }
    let family = name.text("family").unwrap_or("");
    let given: Vec<&str> = name.items("given").iter().filter_map(Json::as_str).collect();
    // Latin letters need a blank between, characters none.
    let blank = if family.is_ascii() && !given.is_empty() { " " } else { "" };
    format!("{family}{blank}{}", given.join(blank)).trim().to_owned()
}

/// Whether a code is written as ICD-10 writes them.
pub(super) fn is_icd(code: &str) -> bool {
    let bytes = code.as_bytes();
    (3..=12).contains(&bytes.len())
        && bytes[0].is_ascii_uppercase()
        && bytes[1].is_ascii_digit()
        && bytes[2].is_ascii_digit()
}

fn condition(rules: &Rules, json: &Json<'_>, day: i64) -> Vec<Triggered> {
    let status = |name: &str| {
        let codings = json.get(name).map_or(&[][..], |concept| concept.items("coding"));
        codings.iter().find_map(|coding| coding.text("code")).unwrap_or("").to_owned()
    };
    let verification = status("verificationStatus");
    if matches!(verification.as_str(), "refuted" | "entered-in-error") {
        return Vec::new();
    }
    let text = names(json.get("code"));
    let doubted = ["?", "？", "疑似", "待查", "待排"].iter().any(|mark| text.contains(mark));
    let suspected =
        doubted || matches!(verification.as_str(), "provisional" | "differential" | "unconfirmed");
    let recorded = json.text("recordedDate").and_then(date::parse).map_or(day, |read| day_of(read.low));
    let former = |name: &str, days: i64| {
        json.text(name).and_then(date::parse).is_some_and(|read| day_of(read.high - 1) + days < recorded)
    };
    let history = former("abatementDateTime", 30)
        || former("onsetDateTime", 365) && status("clinicalStatus") != "recurrence"
        || ["个人史", "病史", "治愈后"].iter().any(|word| text.contains(word));
    json.get("code").map_or(Vec::new(), |it| concept(rules, it, suspected, history, day))
}

/// A coded concept; where it has no code of ICD-10, its words.
fn concept(rules: &Rules, concept: &Json<'_>, suspected: bool, history: bool, day: i64) -> Vec<Triggered> {
    let codings = concept.items("coding").iter();
    let codes: Vec<&str> =
        codings.filter_map(|coding| coding.text("code")).filter(|code| is_icd(code)).collect();
    if codes.is_empty() {
        return if history { Vec::new() } else { texts(rules, &[&names(Some(concept))], day) };
    }
    let diagnoses: Vec<Diagnosis<'_>> =
        codes.iter().map(|code| Diagnosis { code, suspected, history }).collect();
    from(rules, &Record { diagnoses: &diagnoses, ..Record::default() }, day)
}

fn observation(rules: &Rules, json: &Json<'_>, day: i64) -> Vec<Triggered> {
    let mut found = one_result(rules, json, day);
    for component in json.items("component") {
        found.extend(one_result(rules, component, day));
    }
    found
}

fn one_result(rules: &Rules, json: &Json<'_>, day: i64) -> Vec<Triggered> {
    let mut value = json.text("valueString").unwrap_or("").to_owned();
    value.push_str(&names(json.get("valueCodeableConcept")));
    for interpretation in json.items("interpretation") {
        let codes = interpretation.items("coding").iter().filter_map(|coding| coding.text("code"));
        for code in codes {
            match code {
                // Positive, detected, and "abnormal" beside a result in words.
                "POS" | "DET" => value.push_str(" 阳性"),
                "NEG" | "ND" => value.push_str(" 阴性"),
                _ => {}
            }
        }
    }
    if value.is_empty() {
        return Vec::new();
    }
    let name = names(json.get("code"));
    let results = [LaboratoryResult { name: &name, value: value.trim() }];
    from(rules, &Record { results: &results, ..Record::default() }, day)
}

fn medicine(rules: &Rules, json: &Json<'_>, day: i64) -> Vec<Triggered> {
    let name = names(json.get("medicationCodeableConcept"));
    let Some((disease, found)) = rules.case.by_medicine(&name) else { return Vec::new() };
    let Some(disease) = rules.pack.on(day).find(|known| known.code == disease) else { return Vec::new() };
    vec![(disease.code.clone(), String::new(), disease.hours, 0, "medicine", found.to_owned())]
}

fn texts(rules: &Rules, texts: &[&str], day: i64) -> Vec<Triggered> {
    from(rules, &Record { texts, ..Record::default() }, day)
}

fn from(rules: &Rules, record: &Record<'_>, day: i64) -> Vec<Triggered> {
    rules.pack.triggers(record, day).into_iter().map(flat).collect()
}

fn flat(trigger: Trigger<'_>) -> Triggered {
    let Listed { disease, item, hours } = trigger.listed;
    let (kind, evidence) = match trigger.evidence {
        Evidence::Code(code) => ("code", code),
        Evidence::Laboratory(name, value) => ("laboratory", format!("{name}：{value}")),
        Evidence::Text(clause) => ("text", clause.chars().take(120).collect()),
    };
    let certainty = match trigger.certainty {
        Certainty::Suspected => 0,
        Certainty::Diagnosed => 1,
        Certainty::Laboratory => 2,
    };
    let item = item.map_or(String::new(), |item| item.name.clone());
    (disease.code.clone(), item, hours, certainty, kind, evidence)
}

/// Whether a finding of `disease` is superfluous beside another one.
pub fn is_superfluous(disease: &Disease, other: &Finding, other_disease: Option<&Disease>) -> bool {
    let excluded = |code: &str| disease.exclude.iter().any(|prefix| code.starts_with(prefix.as_str()));
    if other.kind == "code" {
        return excluded(&plain_code(&other.evidence));
    }
    other_disease.is_some_and(|known| known.codes.iter().any(|code| excluded(code)))
}
