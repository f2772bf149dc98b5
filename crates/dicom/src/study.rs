//! From headers to an ImagingStudy with its series and instances, its patient and institution.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use tongmai_base::{Finding, Severity};
use tongmai_fhir::json::Json;
use tongmai_gateway::build::{Node, number, object, property, prune, text};
use tongmai_gateway::form::{Cell, Form, Record};
use tongmai_gateway::{Request, Source, Understood};

use crate::header::{Header, name_groups};

/// Addresses of UIDs (PS3.18 and FHIR).
pub const UID: &str = "urn:dicom:uid";
/// Extension of an instance: the name of its blob.
pub const BLOB: &str = "urn:tongmai:dicom:blob";
/// Code system of modalities (PS3.16, CID 29).
const MODALITIES: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// The table of study and patient.
///
/// # Panics
/// When the shipped table cannot be read; a test reads it.
pub fn form() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(|| {
        Form::read(include_str!("../tables/study.txt")).unwrap_or_else(|error| panic!("dicom: {error}"))
    })
}

/// What is said of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// Study, series and instance.
    pub study: String,
    /// Series UID.
    pub series: String,
    /// SOP instance UID.
    pub uid: String,
    /// SOP class UID.
    pub class: String,
    /// Modality: `CT`, …
    pub modality: String,
    /// Number of the series.
    pub series_number: String,
    /// Its description.
    pub series_description: String,
    /// The part of the body.
    pub body_part: String,
    /// Number of the instance.
    pub number: String,
    /// Name of its blob; empty where it is not kept.
    pub blob: String,
}

/// The instance of a header. `Err` names the identifier that is missing or is none.
pub fn instance(header: &Header, blob: &str) -> Result<Instance, Finding> {
    let uid = |tag: Tag, name: &str| {
        let found = header.text(tag).unwrap_or_default();
        let is_uid = found.len() <= 64
            && found
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        if is_uid {
            return Ok(found);
        }
        let message = format!("'{}' is no UID", found.chars().take(70).collect::<String>());
        let path = format!("({:04X},{:04X}) {name}", tag.0, tag.1);
        Err(Finding::new(Severity::Fatal, path, "uid", message).with_repair("write the UID of the object"))
    };
    let of = |tag: Tag| header.text(tag).unwrap_or_default();
    Ok(Instance {
        study: uid(tags::STUDY_INSTANCE_UID, "StudyInstanceUID")?,
        series: uid(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
        uid: uid(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
        class: uid(tags::SOP_CLASS_UID, "SOPClassUID")?,
        modality: of(tags::MODALITY),
        series_number: of(tags::SERIES_NUMBER),
        series_description: of(tags::SERIES_DESCRIPTION),
        body_part: of(tags::BODY_PART_EXAMINED),
        number: of(tags::INSTANCE_NUMBER),
        blob: blob.to_owned(),
    })
}

/// Reads files of any studies; one result a study, with what was wrong with its files. Files that
/// cannot be read are a result of their own.
pub fn understand(files: &[(String, &[u8])]) -> Vec<Understood> {
    let mut studies: BTreeMap<String, (Header, Vec<Instance>, Vec<Finding>)> = BTreeMap::new();
    let mut out = Vec::new();
    for (name, bytes) in files {
        let read = crate::header::read(bytes).and_then(|header| Ok((instance(&header, "")?, header)));
        match read {
            Ok((instance, mut header)) => {
                let found = std::mem::take(&mut header.findings);
                let entry =
                    studies.entry(instance.study.clone()).or_insert_with(|| (header, Vec::new(), Vec::new()));
                entry.1.push(instance);
                entry.2.extend(found.into_iter().map(|finding| at(name, finding)));
            }
            Err(finding) => {
                let source = Source { format: "dicom".to_owned(), ..Source::default() };
                out.push(Understood { source, entries: Vec::new(), findings: vec![at(name, finding)] });
            }
        }
    }
    for (_, (header, instances, findings)) in studies {
        let mut understood = of_study(&header, None, &instances);
        understood.findings.splice(0..0, findings);
        out.push(understood);
    }
    out
}

fn at(name: &str, mut finding: Finding) -> Finding {
    if !name.is_empty() {
        finding.path = format!("{name} {}", finding.path);
    }
    finding
}

/// The resources of a study: what a header says, with these instances beside those of `before`, the
/// ImagingStudy that is stored.
pub fn of_study(header: &Header, before: Option<&Node>, instances: &[Instance]) -> Understood {
    let form = form();
    let mut understood = form.understand(&record(form, header));
    let mut all = before.map(instances_of).unwrap_or_default();
    for instance in instances {
        all.retain(|known| known.uid != instance.uid);
        all.push(instance.clone());
    }
    for entry in &mut understood.entries {
        if entry.resource.text("resourceType") == Some("ImagingStudy") {
            let study = instances.first().map(|instance| instance.study.as_str()).unwrap_or_default();
            entry.request = Request::Update(format!("identifier={UID}%7Curn:oid:{study}"));
            series(&mut entry.resource, all.clone());
            prune(&mut entry.resource);
        }
    }
    understood.settle();
    understood
}

fn record(form: &Form, header: &Header) -> Record {
    let mut record = Record::default();
    let mut push = |code: &str, text: String| {
        if let Some((column, number)) = form.column(code).filter(|_| !text.is_empty()) {
            record.cells.push(Cell { column, number, text });
        }
    };
    for (tag, code) in [(tags::PATIENT_NAME, "00100010"), (tags::REFERRING_PHYSICIAN_NAME, "00080090")] {
        let [alphabetic, ideographic, phonetic] = name_groups(&header.text(tag).unwrap_or_default());
        // A name that is written in Chinese alone stands in the first group.
        let (alphabetic, ideographic) = match ideographic.is_empty() && !alphabetic.is_ascii() {
            true => (String::new(), alphabetic),
            false => (alphabetic, ideographic),
        };
        push(&format!("{code}.i"), ideographic.replace('^', ""));
        push(&format!("{code}.a"), alphabetic.replace('^', " "));
        push(&format!("{code}.p"), phonetic.replace('^', " "));
    }
    for column in &form.columns {
        let Some(tag) = tag_of(&column.code) else { continue };
        let Some(text) = header.text(tag) else { continue };
        push(&column.code, if tag == tags::STUDY_INSTANCE_UID { format!("urn:oid:{text}") } else { text });
    }
    let date = header.text(tags::STUDY_DATE).unwrap_or_default();
    let time: String = header
        .text(tags::STUDY_TIME)
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .take(6)
        .collect();
    let time = if time.len().is_multiple_of(2) && time.len() >= 4 { time } else { String::new() };
    if !date.is_empty() {
        push("started", format!("{}{time}", date.replace('.', "")));
    }
    record
}

/// The tag that eight hexadecimal digits name.
pub fn tag_of(code: &str) -> Option<Tag> {
    if code.len() != 8 {
        return None;
    }
    let number = u32::from_str_radix(code, 16).ok()?;
    Some(Tag((number >> 16) as u16, number as u16))
}

fn series(study: &mut Node, mut instances: Vec<Instance>) {
    let count = instances.len();
    let order = |text: &str| text.trim().parse::<i64>().unwrap_or(i64::MAX);
    instances.sort_by(|a, b| {
        (order(&a.series_number), &a.series, order(&a.number), &a.uid).cmp(&(
            order(&b.series_number),
            &b.series,
            order(&b.number),
            &b.uid,
        ))
    });
    let modality = |code: &str| object([("system", text(MODALITIES)), ("code", text(code))]);
    let mut modalities: Vec<&str> =
        instances.iter().map(|i| i.modality.as_str()).filter(|m| !m.is_empty()).collect();
    modalities.sort_unstable();
    modalities.dedup();
    *property(study, "modality") = Json::Array(modalities.iter().map(|code| modality(code)).collect());
    let mut list = Vec::new();
    for group in instances.chunk_by(|a, b| a.series == b.series) {
        let first = &group[0];
        let whole = |digits: &str| match digits.trim().parse::<u32>() {
            Ok(found) => number(found.to_string()),
            Err(_) => Json::Null,
        };
        let members = group.iter().map(|instance| {
            let blob = object([("url", text(BLOB)), ("valueString", text(instance.blob.as_str()))]);
            let is_kept = !instance.blob.is_empty();
            object([
                ("extension", Json::Array(if is_kept { vec![blob] } else { Vec::new() })),
                ("uid", text(instance.uid.as_str())),
                (
                    "sopClass",
                    object([
                        ("system", text("urn:ietf:rfc:3986")),
                        ("code", text(format!("urn:oid:{}", instance.class))),
                    ]),
                ),
                ("number", whole(&instance.number)),
            ])
        });
        list.push(object([
            ("uid", text(first.series.as_str())),
            ("number", whole(&first.series_number)),
            ("modality", modality(if first.modality.is_empty() { "OT" } else { &first.modality })),
            ("description", text(first.series_description.as_str())),
            ("numberOfInstances", number(group.len().to_string())),
            ("bodySite", object([("display", text(first.body_part.as_str()))])),
            ("instance", Json::Array(members.collect())),
        ]));
    }
    *property(study, "numberOfSeries") = number(list.len().to_string());
    *property(study, "numberOfInstances") = number(count.to_string());
    *property(study, "series") = Json::Array(list);
}

/// The instances of a stored ImagingStudy.
pub fn instances_of(study: &Json<'_>) -> Vec<Instance> {
    let uid = study_uid(study).unwrap_or_default();
    let digits = |node: &Json<'_>, name: &str| node.get(name).map(|n| n.to_string()).unwrap_or_default();
    let mut out = Vec::new();
    for series in study.items("series") {
        for instance in series.items("instance") {
            let blob =
                instance.items("extension").iter().find(|extension| extension.text("url") == Some(BLOB));
            let class = instance.get("sopClass").and_then(|class| class.text("code")).unwrap_or_default();
            out.push(Instance {
                study: uid.clone(),
                series: series.text("uid").unwrap_or_default().to_owned(),
                uid: instance.text("uid").unwrap_or_default().to_owned(),
                class: class.trim_start_matches("urn:oid:").to_owned(),
                modality: series.get("modality").and_then(|m| m.text("code")).unwrap_or_default().to_owned(),
                series_number: digits(series, "number"),
                series_description: series.text("description").unwrap_or_default().to_owned(),
                body_part: series
                    .get("bodySite")
                    .and_then(|b| b.text("display"))
                    .unwrap_or_default()
                    .to_owned(),
                number: digits(instance, "number"),
                blob: blob.and_then(|blob| blob.text("valueString")).unwrap_or_default().to_owned(),
            });
        }
    }
    out
}

/// The UID of a stored ImagingStudy.
pub fn study_uid(study: &Json<'_>) -> Option<String> {
    let identifiers = study.items("identifier");
    let uid = identifiers.iter().find(|identifier| identifier.text("system") == Some(UID))?;
    uid.text("value")?.strip_prefix("urn:oid:").map(str::to_owned)
}
