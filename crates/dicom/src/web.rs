//! DICOMweb (PS3.18): STOW stores, QIDO searches, WADO gives back.
//!
//! A stored file lies in the blob store; the ImagingStudy in the ledger names it, instance by
//! instance, and is what is searched. So a file is reached only through a resource that was released,
//! and each retrieval stands in the log of reads.

use std::sync::Arc;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use tokio::sync::Mutex;
use tongmai_access::{Access, Requester};
use tongmai_base::Finding;
use tongmai_blob::{Blobs, Digest};
use tongmai_engine::Engine;
use tongmai_engine::bundle::Ids;
use tongmai_engine::search::Page;
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_gateway::Request;
use tongmai_gateway::build::{Node, object, property, push, text};

use crate::header;
use crate::json::attribute;
use crate::multipart;
use crate::study::{self, Instance};

/// Media type of the JSON model.
const DICOM_JSON: &str = "application/dicom+json";
/// Studies of an answer where the client names no limit.
const DEFAULT_LIMIT: usize = 100;
/// Most studies of an answer.
const MOST: usize = 1_000;
/// Failure reasons of STOW (PS3.18, table 10.5.3-1; PS3.4, annex B).
const CANNOT_UNDERSTAND: &str = "49152";
const OTHER_STUDY: &str = "43264";
const PROCESSING: &str = "272";
/// (0000,0902), the element for a fault in words.
const ERROR_COMMENT: Tag = Tag(0x0000, 0x0902);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP's status.
    pub status: u16,
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a client asks.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path behind `/dicom-web`: `/studies/1.2.3/metadata`.
    pub path: &'a str,
    /// Names and values of the query, decoded.
    pub query: &'a [(String, String)],
    /// The media type of the body.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// DICOMweb over an engine and a blob store.
pub struct DicomWeb {
    engine: Arc<Engine>,
    access: Arc<Access>,
    blobs: Blobs,
    /// One study is written at a time: its index is read, extended and put back.
    writing: Mutex<()>,
}

/// Why a part was not kept.
struct Fault {
    instance: Instance,
    /// The code that STOW's answer gives.
    reason: &'static str,
    finding: Finding,
}

/// A stored study with its patient.
struct Study {
    node: Node,
    patient: Option<Node>,
}

impl DicomWeb {
    /// Over these.
    pub fn new(engine: Arc<Engine>, access: Arc<Access>, blobs: Blobs) -> DicomWeb {
        DicomWeb { engine, access, blobs, writing: Mutex::new(()) }
    }

    /// Answers one request.
    pub async fn answer(&self, requester: &Requester, ask: Ask<'_>) -> Reply {
        let parts: Vec<&str> = ask.path.split('/').filter(|part| !part.is_empty()).collect();
        match (ask.method, parts.as_slice()) {
            ("POST", ["studies"]) => self.store(requester, ask, None).await,
            ("POST", ["studies", study]) => self.store(requester, ask, Some(*study)).await,
            ("GET", ["studies"]) => self.search(requester, ask.query, Level::Study, None, None).await,
            ("GET", ["series"]) => self.search(requester, ask.query, Level::Series, None, None).await,
            ("GET", ["instances"]) => self.search(requester, ask.query, Level::Instance, None, None).await,
            ("GET", ["studies", study, "series"]) => {
                self.search(requester, ask.query, Level::Series, Some(*study), None).await
            }
            ("GET", ["studies", study, "instances"]) => {
                self.search(requester, ask.query, Level::Instance, Some(*study), None).await
            }
            ("GET", ["studies", study, "series", series, "instances"]) => {
                self.search(requester, ask.query, Level::Instance, Some(*study), Some(*series)).await
            }
            ("GET", ["studies", rest @ ..]) => self.retrieve(requester, rest).await,
            _ => fault(
                404,
                "no such resource: write /studies, /studies/UID, /studies/UID/series/UID/instances/UID, …",
            ),
        }
    }

    /// STOW: each part is kept or refused by itself.
    async fn store(&self, requester: &Requester, ask: Ask<'_>, wanted: Option<&str>) -> Reply {
        let Some(parts) = multipart::parts(ask.content_type, ask.body) else {
            return fault(415, "send multipart/related; type=\"application/dicom\"; boundary=…");
        };
        let _turn = self.writing.lock().await;
        let (mut kept, mut refused): (Vec<Node>, Vec<Node>) = (Vec::new(), Vec::new());
        for part in parts {
            match self.keep(requester, part, wanted).await {
                Ok(instance) => kept.push(referenced(&instance, None)),
                Err(fault) => {
                    let mut item = referenced(&fault.instance, Some(fault.reason));
                    // Why, in words, beside the code that the standard gives.
                    attribute(&mut item, ERROR_COMMENT, VR::LO, &fault.finding.to_string());
                    refused.push(item);
                }
            }
        }
        let status = match (kept.is_empty(), refused.is_empty()) {
            (false, true) => 200,
            (false, false) => 202,
            _ => 409,
        };
        let mut body = Json::Object(Vec::new());
        for (code, items) in [("00081199", kept), ("00081198", refused)] {
            if !items.is_empty() {
                *property(&mut body, code) = object([("vr", text("SQ")), ("Value", Json::Array(items))]);
            }
        }
        Reply { status, content_type: DICOM_JSON, body: body.to_string().into_bytes() }
    }

    async fn keep(
        &self,
        requester: &Requester,
        bytes: &[u8],
        wanted: Option<&str>,
    ) -> Result<Instance, Box<Fault>> {
        let unknown =
            |finding| Box::new(Fault { instance: Instance::default(), reason: CANNOT_UNDERSTAND, finding });
        let header = header::read(bytes).map_err(unknown)?;
        let mut instance = study::instance(&header, "").map_err(unknown)?;
        if wanted.is_some_and(|wanted| wanted != instance.study) {
            let finding = Finding::error(
                "(0020,000D) StudyInstanceUID",
                "other-study",
                "the object is of another study",
            )
            .with_repair("post it to /studies, or to the address of its study");
            return Err(Box::new(Fault { instance, reason: OTHER_STUDY, finding }));
        }
        let failed = |instance: &Instance, why: String| {
            let finding = Finding::error("store", "not-kept", why).with_repair("send the object again later");
            Box::new(Fault { instance: instance.clone(), reason: PROCESSING, finding })
        };
        let digest = self.blobs.put(bytes).map_err(|error| failed(&instance, error.to_string()))?;
        instance.blob = digest.to_string();
        let before = self.study(requester, &instance.study).await.map_err(|why| failed(&instance, why))?;
        let before = before.as_ref().map(|study| &study.node);
        let mut understood = study::of_study(&header, before, std::slice::from_ref(&instance));
        for entry in &mut understood.entries {
            // A study that is known keeps its patient.
            let known = before.and_then(|study| study.get("subject"));
            if let (Some(subject), true) = (known, matches!(entry.request, Request::Update(_))) {
                *property(&mut entry.resource, "subject") = subject.clone();
            }
        }
        if understood.is_refused() {
            let worst =
                understood.findings.iter().max_by_key(|finding| finding.severity).map(ToString::to_string);
            return Err(failed(&instance, worst.unwrap_or_default()));
        }
        let bundle = understood.transaction().to_string();
        let source = format!("dicom:{}", understood.source.sender);
        let sight = self.access.sight(requester);
        let done = self.engine.process_counting(&sight, bundle.as_bytes(), Ids::Of(&source)).await;
        match done {
            Ok(_) => Ok(instance),
            Err(failure) => {
                let why = failure.findings.first().map(ToString::to_string).unwrap_or_default();
                Err(failed(&instance, why))
            }
        }
    }

    /// The stored study of a UID.
    async fn study(&self, requester: &Requester, uid: &str) -> Result<Option<Study>, String> {
        let asked = vec![("identifier".to_owned(), format!("{}|urn:oid:{}", study::UID, plain(uid)))];
        Ok(self.studies(requester, asked).await?.into_iter().next())
    }

    async fn studies(
        &self,
        requester: &Requester,
        mut asked: Vec<(String, String)>,
    ) -> Result<Vec<Study>, String> {
        let type_id = resource_type_id("ImagingStudy").ok_or("no ImagingStudy")?;
        asked.push(("_include".to_owned(), "ImagingStudy:subject".to_owned()));
        let words = |failure: tongmai_engine::Failure| {
            failure
                .findings
                .first()
                .map(ToString::to_string)
                .unwrap_or_else(|| "the search failed".to_owned())
        };
        let query = self.engine.query(&[type_id], None, &asked, false).map_err(words)?;
        let page = self.engine.search(&self.access.sight(requester), &query, None).map_err(words)?;
        let page = self.access.release(requester, page).await.map_err(|error| error.to_string())?;
        Ok(paired(&page))
    }

    /// QIDO.
    async fn search(
        &self,
        requester: &Requester,
        query: &[(String, String)],
        level: Level,
        of_study: Option<&str>,
        of_series: Option<&str>,
    ) -> Reply {
        let wanted = match Wanted::read(query, of_study, of_series) {
            Ok(wanted) => wanted,
            Err(why) => return fault(400, &why),
        };
        let studies = match self.studies(requester, wanted.parameters()).await {
            Ok(studies) => studies,
            Err(why) => return fault(400, &why),
        };
        let mut found = Vec::new();
        for study in &studies {
            let instances = study::instances_of(&study.node);
            let fits = |instance: &&Instance| wanted.fits(instance, level);
            match level {
                Level::Study => found.push(described(study, None, &instances, level)),
                Level::Series => {
                    for series in instances.chunk_by(|a, b| a.series == b.series) {
                        if fits(&&series[0]) {
                            found.push(described(study, Some(&series[0]), series, level));
                        }
                    }
                }
                Level::Instance => {
                    let fitting = instances.iter().filter(fits);
                    found.extend(
                        fitting.map(|one| described(study, Some(one), std::slice::from_ref(one), level)),
                    );
                }
            }
        }
        let page: Vec<Node> = found.into_iter().skip(wanted.offset).take(wanted.limit).collect();
        let status = if page.is_empty() { 204 } else { 200 };
        let body = if page.is_empty() { Vec::new() } else { Json::Array(page).to_string().into_bytes() };
        Reply { status, content_type: DICOM_JSON, body }
    }

    /// WADO: instances as multipart, or their metadata.
    async fn retrieve(&self, requester: &Requester, path: &[&str]) -> Reply {
        let (path, metadata) = match path {
            [before @ .., "metadata"] => (before, true),
            path => (path, false),
        };
        let (uid, series, instance) = match path {
            [study] => (study, None, None),
            [study, "series", series] => (study, Some(*series), None),
            [study, "series", series, "instances", instance] => (study, Some(*series), Some(*instance)),
            _ => return fault(404, "no such resource"),
        };
        let study = match self.study(requester, uid).await {
            Ok(Some(study)) => study,
            Ok(None) => return fault(404, "no such study"),
            Err(why) => return fault(500, &why),
        };
        let wanted = study::instances_of(&study.node).into_iter().filter(|known| {
            series.is_none_or(|uid| uid == known.series) && instance.is_none_or(|uid| uid == known.uid)
        });
        let (mut files, mut described) = (Vec::new(), Vec::new());
        for known in wanted {
            let Some(digest) = Digest::parse(&known.blob) else { continue };
            let bytes = match self.blobs.get(digest) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return fault(410, "the file of an instance is gone"),
                Err(error) => return fault(500, &error.to_string()),
            };
            if metadata {
                match header::read(&bytes) {
                    Ok(header) => described.push(crate::json::metadata(&header)),
                    Err(finding) => return fault(500, &finding.to_string()),
                }
            } else {
                files.push(bytes);
            }
        }
        if files.is_empty() && described.is_empty() {
            return fault(404, "no such instance");
        }
        if metadata {
            let body = Json::Array(described).to_string().into_bytes();
            return Reply { status: 200, content_type: DICOM_JSON, body };
        }
        Reply { status: 200, content_type: multipart::MEDIA_TYPE, body: multipart::write(&files) }
    }
}

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Study,
    Series,
    Instance,
}

/// What a query asks.
struct Wanted {
    parameters: Vec<(String, String)>,
    series: Option<String>,
    instance: Option<String>,
    modality: Option<String>,
    limit: usize,
    offset: usize,
}

impl Wanted {
    fn read(query: &[(String, String)], study: Option<&str>, series: Option<&str>) -> Result<Wanted, String> {
        let mut wanted = Wanted {
            parameters: Vec::new(),
            series: series.map(str::to_owned),
            instance: None,
            modality: None,
            limit: DEFAULT_LIMIT,
            offset: 0,
        };
        let of_uid = |uid: &str| format!("{}|urn:oid:{}", study::UID, plain(uid));
        if let Some(study) = study {
            wanted.parameters.push(("identifier".to_owned(), of_uid(study)));
        }
        for (name, value) in query {
            let mut add = |name: &str, value: String| wanted.parameters.push((name.to_owned(), value));
            match name.as_str() {
                "StudyInstanceUID" | "0020000D" => {
                    let uids: Vec<String> = value.split([',', '\\']).map(of_uid).collect();
                    add("identifier", uids.join(","));
                }
                "PatientID" | "00100020" => add("patient.identifier", plain(value)),
                "PatientName" | "00100010" => {
                    add(
                        "patient.name",
                        plain(value.trim_end_matches('*').split(['^', '=']).next().unwrap_or_default()),
                    );
                }
                "AccessionNumber" | "00080050" => {
                    add("identifier", format!("urn:tongmai:dicom:accession|{}", plain(value)));
                }
                "StudyDate" | "00080020" => {
                    for (prefix, date) in range(value)? {
                        add("started", format!("{prefix}{date}"));
                    }
                }
                "ModalitiesInStudy" | "00080061" => add("modality", plain(value)),
                "Modality" | "00080060" => {
                    add("modality", plain(value));
                    wanted.modality = Some(value.clone());
                }
                "SeriesInstanceUID" | "0020000E" => wanted.series = Some(value.clone()),
                "SOPInstanceUID" | "00080018" => wanted.instance = Some(value.clone()),
                "limit" => {
                    wanted.limit = value.parse().map_err(|_| format!("limit '{value}' is no number"))?
                }
                "offset" => {
                    wanted.offset = value.parse().map_err(|_| format!("offset '{value}' is no number"))?
                }
                "includefield" | "fuzzymatching" => {}
                other => return Err(format!("attribute '{other}' is not searched: leave it out")),
            }
        }
        wanted.limit = wanted.limit.min(MOST);
        wanted.parameters.push(("_count".to_owned(), MOST.to_string()));
        Ok(wanted)
    }

    fn parameters(&self) -> Vec<(String, String)> {
        self.parameters.clone()
    }

    fn fits(&self, instance: &Instance, level: Level) -> bool {
        self.series.as_ref().is_none_or(|uid| *uid == instance.series)
            && self.modality.as_ref().is_none_or(|code| *code == instance.modality)
            && (level != Level::Instance || self.instance.as_ref().is_none_or(|uid| *uid == instance.uid))
    }
}

/// A value without the signs that search gives a meaning to.
fn plain(value: &str) -> String {
    let mut out = String::new();
    for character in value.chars() {
        if matches!(character, ',' | '$' | '|' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// `20260101-20261231`, an open range, or a day, as prefixes and dates of FHIR.
fn range(value: &str) -> Result<Vec<(&'static str, String)>, String> {
    let date = |text: &str| {
        let whole = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        whole
            .then(|| format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))
            .ok_or_else(|| format!("StudyDate '{text}' is no date: write YYYYMMDD or YYYYMMDD-YYYYMMDD"))
    };
    match value.split_once('-') {
        None => Ok(vec![("eq", date(value)?)]),
        Some((from, to)) => {
            let mut bounds = Vec::new();
            if !from.is_empty() {
                bounds.push(("ge", date(from)?));
            }
            if !to.is_empty() {
                bounds.push(("le", date(to)?));
            }
            Ok(bounds)
        }
    }
}

/// Studies of a page, each with its patient.
fn paired(page: &Page) -> Vec<Study> {
    let read = |bytes: &[u8]| Json::parse(bytes).ok().map(Json::into_owned);
    let patients: Vec<(String, Node)> = page
        .included
        .iter()
        .filter_map(|resource| Some((format!("Patient/{}", resource.id), read(&resource.text)?)))
        .collect();
    page.matches
        .iter()
        .filter_map(|resource| {
            let node = read(&resource.text)?;
            let subject = node.get("subject").and_then(|subject| subject.text("reference"));
            let patient = patients.iter().find(|(address, _)| Some(address.as_str()) == subject);
            Some(Study { patient: patient.map(|(_, patient)| patient.clone()), node })
        })
        .collect()
}

/// A study, series or instance in the JSON model.
fn described(study: &Study, one: Option<&Instance>, members: &[Instance], level: Level) -> Node {
    let mut out = Json::Object(Vec::new());
    let node = &study.node;
    let started = node.text("started").unwrap_or_default();
    let (date, time) = started.split_once('T').unwrap_or((started, ""));
    let time: String = time.chars().take(8).filter(char::is_ascii_digit).collect();
    attribute(&mut out, tags::STUDY_DATE, VR::DA, &date.replace('-', ""));
    attribute(&mut out, tags::STUDY_TIME, VR::TM, &time);
    let accession =
        node.items("identifier").iter().find(|i| i.text("system") == Some("urn:tongmai:dicom:accession"));
    let accession = accession.and_then(|identifier| identifier.text("value")).unwrap_or_default();
    attribute(&mut out, tags::ACCESSION_NUMBER, VR::SH, accession);
    let mut modalities: Vec<&str> =
        node.items("modality").iter().filter_map(|coding| coding.text("code")).collect();
    modalities.sort_unstable();
    attribute(&mut out, tags::MODALITIES_IN_STUDY, VR::CS, &modalities.join("\\"));
    attribute(&mut out, tags::STUDY_DESCRIPTION, VR::LO, node.text("description").unwrap_or_default());
    attribute(&mut out, tags::STUDY_INSTANCE_UID, VR::UI, &study::study_uid(node).unwrap_or_default());
    if let Some(patient) = &study.patient {
        let names = patient.items("name");
        // The alphabetic form was kept behind the ideographic one.
        let is_ascii = |name: &&Node| name.text("text").is_some_and(str::is_ascii);
        let of =
            |found: Option<&Node>| found.and_then(|name| name.text("text")).unwrap_or_default().to_owned();
        let alphabetic = of(names.iter().find(is_ascii)).replace(' ', "^");
        let ideographic = of(names.iter().find(|name| !is_ascii(name)));
        attribute(&mut out, tags::PATIENT_NAME, VR::PN, &format!("{alphabetic}={ideographic}"));
        let id = patient.items("identifier").first().and_then(|identifier| identifier.text("value"));
        attribute(&mut out, tags::PATIENT_ID, VR::LO, id.unwrap_or_default());
        let birth = patient.text("birthDate").unwrap_or_default().replace('-', "");
        attribute(&mut out, tags::PATIENT_BIRTH_DATE, VR::DA, &birth);
        let sex = match patient.text("gender") {
            Some("male") => "M",
            Some("female") => "F",
            Some(_) => "O",
            None => "",
        };
        attribute(&mut out, tags::PATIENT_SEX, VR::CS, sex);
    }
    if level == Level::Study {
        let series = members.chunk_by(|a, b| a.series == b.series).count();
        attribute(&mut out, tags::NUMBER_OF_STUDY_RELATED_SERIES, VR::IS, &series.to_string());
        attribute(&mut out, tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, &members.len().to_string());
    }
    let Some(one) = one else { return out };
    attribute(&mut out, tags::MODALITY, VR::CS, &one.modality);
    attribute(&mut out, tags::SERIES_INSTANCE_UID, VR::UI, &one.series);
    attribute(&mut out, tags::SERIES_NUMBER, VR::IS, &one.series_number);
    attribute(&mut out, tags::SERIES_DESCRIPTION, VR::LO, &one.series_description);
    if level == Level::Series {
        attribute(&mut out, tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, &members.len().to_string());
    } else {
        attribute(&mut out, tags::SOP_CLASS_UID, VR::UI, &one.class);
        attribute(&mut out, tags::SOP_INSTANCE_UID, VR::UI, &one.uid);
        attribute(&mut out, tags::INSTANCE_NUMBER, VR::IS, &one.number);
    }
    out
}

/// An item of STOW's answer.
fn referenced(instance: &Instance, reason: Option<&str>) -> Node {
    let mut item = Json::Object(Vec::new());
    attribute(&mut item, tags::REFERENCED_SOP_CLASS_UID, VR::UI, &instance.class);
    attribute(&mut item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &instance.uid);
    match reason {
        Some(reason) => attribute(&mut item, tags::FAILURE_REASON, VR::US, reason),
        None => {
            let Instance { study, series, uid, .. } = instance;
            let address = format!("/dicom-web/studies/{study}/series/{series}/instances/{uid}");
            attribute(&mut item, tags::RETRIEVE_URL, VR::UR, &address);
        }
    }
    item
}

fn fault(status: u16, why: &str) -> Reply {
    let mut body = Json::Object(Vec::new());
    push(&mut body, "errors", text(escaped_free(why)));
    Reply { status, content_type: "application/json", body: body.to_string().into_bytes() }
}

fn escaped_free(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).collect()
}
