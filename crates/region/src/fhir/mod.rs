//! The county as FHIR R4: transaction Bundles, or NDJSON by type.
//!
//! Resources are written straight into text. A Bundle refers to its own entries
//! by `urn:uuid` and to organisations and staff by conditional references; NDJSON
//! refers to everything by `Type/id`.

mod billing;
mod clinical;
mod directory;
mod patient;

use crate::County;
use crate::catalogue::Term;
use crate::json::{Json, uuid};
use crate::person::{Person, Record};
use crate::uid;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// The resource types of the county.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum Kind { $($kind),* }

        impl Kind {
            /// All of them, in the order in which a bulk import should read them.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The name of the type.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind)),* }
            }
        }
    };
}

kinds! {
    Organization, Location, Practitioner, PractitionerRole, Patient, RelatedPerson, Coverage,
    AllergyIntolerance, Encounter, Condition, Observation, ServiceRequest, DiagnosticReport,
    MedicationRequest, Procedure, Immunization, CarePlan, Claim, ExplanationOfBenefit,
}

/// How many resources of each type, indexed by [`Kind`].
pub type Counts = [u64; Kind::ALL.len()];

/// Where resources are written.
trait Sink {
    /// Whether references are written as `Type/id`.
    fn resolved(&self) -> bool;
    /// Begins a resource; its members follow.
    fn begin(&mut self, kind: Kind, id: u128) -> &mut String;
    /// Ends it. `condition` is the identifier of a conditional create.
    fn end(&mut self, kind: Kind, condition: Option<&str>);
}

fn head(out: &mut String, kind: Kind, id: u128) {
    out.push_str("{\"resourceType\":\"");
    out.push_str(kind.name());
    out.push_str("\",\"id\":\"");
    uuid(out, id);
    out.push('"');
}

/// A transaction Bundle.
struct BundleSink<'a> {
    out: &'a mut String,
    counts: &'a mut Counts,
}

impl<'a> BundleSink<'a> {
    fn open(out: &'a mut String, counts: &'a mut Counts) -> Self {
        out.push_str(r#"{"resourceType":"Bundle","type":"transaction","entry":["#);
        BundleSink { out, counts }
    }

    fn close(self) {
        self.out.push_str("]}");
    }
}

impl Sink for BundleSink<'_> {
    fn resolved(&self) -> bool {
        false
    }

    fn begin(&mut self, kind: Kind, id: u128) -> &mut String {
        if self.out.ends_with('}') {
            self.out.push(',');
        }
        self.out.push_str("{\"fullUrl\":\"urn:uuid:");
        uuid(self.out, id);
        self.out.push_str("\",\"resource\":");
        head(self.out, kind, id);
        self.out
    }

    fn end(&mut self, kind: Kind, condition: Option<&str>) {
        self.counts[kind as usize] += 1;
        let mut json = Json(self.out);
        json.close().object("request").text("method", "POST").text("url", kind.name());
        if let Some(identifier) = condition {
            json.text("ifNoneExist", &format!("identifier={identifier}"));
        }
        json.close().close();
    }
}

/// NDJSON, one text for each type.
#[derive(Debug, Default)]
pub struct Lines {
    texts: Vec<String>,
    counts: Counts,
}

impl Lines {
    /// No resources yet.
    pub fn new() -> Lines {
        Lines { texts: vec![String::new(); Kind::ALL.len()], counts: Counts::default() }
    }

    /// The lines of one type that have been written since the last [`Lines::clear`].
    pub fn of(&self, kind: Kind) -> &str {
        &self.texts[kind as usize]
    }

    /// Counts since the beginning.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Forgets the text, after it has been written out; counts stay.
    pub fn clear(&mut self) {
        self.texts.iter_mut().for_each(String::clear);
    }
}

impl Sink for Lines {
    fn resolved(&self) -> bool {
        true
    }

    fn begin(&mut self, kind: Kind, id: u128) -> &mut String {
        let text = &mut self.texts[kind as usize];
        head(text, kind, id);
        text
    }

    fn end(&mut self, kind: Kind, _condition: Option<&str>) {
        self.counts[kind as usize] += 1;
        self.texts[kind as usize].push_str("}\n");
    }
}

impl County {
    /// Appends the Bundle of organisations, departments and staff; it comes first.
    pub fn write_directory_bundle(&self, out: &mut String, counts: &mut Counts) {
        let mut sink = BundleSink::open(out, counts);
        directory::write(self, &mut sink);
        sink.close();
    }

    /// Appends the organisations, departments and staff as lines.
    pub fn write_directory_lines(&self, lines: &mut Lines) {
        directory::write(self, lines);
    }

    /// Appends one person's transaction Bundle.
    pub fn write_bundle(&self, person: &Person, out: &mut String, counts: &mut Counts) {
        let mut sink = BundleSink::open(out, counts);
        write_person(self, person, &mut sink);
        sink.close();
    }

    /// Appends one person's resources as lines.
    pub fn write_lines(&self, person: &Person, lines: &mut Lines) {
        write_person(self, person, lines);
    }
}

fn write_person(county: &County, person: &Person, sink: &mut impl Sink) {
    let context = Context { county, person, resolved: sink.resolved() };
    let mut written = Written::default();
    for record in 0..person.records.len() {
        patient::write(&context, sink, record);
    }
    for visit in &person.visits {
        clinical::write(&context, sink, visit, &mut written);
        if visit.billed && visit.end < county.now() {
            billing::write(&context, sink, visit);
        }
    }
    clinical::write_plans(&context, sink);
}

/// Numbers of resources without one of their own.
#[derive(Default)]
struct Written {
    observations: u64,
    reports: u64,
    prescriptions: u64,
    procedures: u64,
    doses: u64,
}

/// What every resource of a person needs.
struct Context<'a> {
    county: &'a County,
    person: &'a Person,
    resolved: bool,
}

impl Context<'_> {
    /// The id of one of the person's resources.
    fn id(&self, kind: Kind, number: u64) -> u128 {
        match kind {
            Kind::Patient => self.person.records[number as usize].id,
            _ => uid::of(self.person.key, 1_000 + kind as u64, number),
        }
    }

    fn record(&self, record: usize) -> &Record {
        &self.person.records[record]
    }

    /// `"name":{"reference":…}` to a resource of the same person.
    fn own(&self, json: &mut Json, name: &str, kind: Kind, number: u64) {
        json.object(name);
        self.own_reference(json, kind, number);
        json.close();
    }

    fn own_reference(&self, json: &mut Json, kind: Kind, number: u64) {
        own_reference(json, self.resolved, kind, self.id(kind, number));
    }

    /// `"name":{"reference":…,"display":…}` to the patient of a record.
    fn subject(&self, json: &mut Json, name: &str, record: usize) {
        json.object(name);
        self.own_reference(json, Kind::Patient, record as u64);
        json.text("display", &self.record(record).name.text()).close();
    }

    fn organization(&self, json: &mut Json, provider: usize) {
        organization(self.county, json, self.resolved, provider);
    }

    fn practitioner(&self, json: &mut Json, practitioner: usize) {
        practitioner_reference(self.county, json, self.resolved, practitioner);
    }

    fn location(&self, json: &mut Json, provider: usize, department: usize) {
        let (code, id) = directory::location(self.county, provider, department);
        let name = directory::location_name(self.county, provider, department);
        foreign(json, self.resolved, Kind::Location, crate::catalogue::system::LOCATION, &code, id);
        json.text("display", &name);
    }
}

fn own_reference(json: &mut Json, resolved: bool, kind: Kind, id: u128) {
    json.key("reference");
    json.0.push('"');
    if resolved {
        json.0.push_str(kind.name());
        json.0.push('/');
    } else {
        json.0.push_str("urn:uuid:");
    }
    uuid(json.0, id);
    json.0.push('"');
}

/// A reference to something that has been loaded before, by its fixed identifier.
fn foreign(json: &mut Json, resolved: bool, kind: Kind, system: &str, value: &str, id: u128) {
    json.key("reference");
    json.0.push('"');
    json.0.push_str(kind.name());
    if resolved {
        json.0.push('/');
        uuid(json.0, id);
    } else {
        json.0.extend(["?identifier=", system, "|", value]);
    }
    json.0.push('"');
}

fn organization(county: &County, json: &mut Json, resolved: bool, provider: usize) {
    let provider = &county.directory.providers[provider];
    let system = crate::catalogue::system::ORGANIZATION;
    foreign(json, resolved, Kind::Organization, system, &provider.code, provider.id);
    json.text("display", &provider.name);
}

fn practitioner_reference(county: &County, json: &mut Json, resolved: bool, practitioner: usize) {
    let practitioner = &county.directory.staff[practitioner];
    let system = crate::catalogue::system::PRACTITIONER;
    foreign(json, resolved, Kind::Practitioner, system, &practitioner.code, practitioner.id);
    json.text("display", &practitioner.name.text());
}

/// `{"system":…,"code":…,"display":…}` as an element.
fn coding(json: &mut Json, system: &str, code: &str, display: &str) {
    json.open().text("system", system).text("code", code).text("display", display).close();
}

/// `"name":{"coding":[{…}],"text":…}` with the English display and the Chinese text.
fn concept(json: &mut Json, name: &str, term: &Term) {
    json.object(name);
    concept_members(json, term);
    json.close();
}

fn concept_members(json: &mut Json, term: &Term) {
    if !term.code.is_empty() {
        json.array("coding");
        coding(json, term.system, term.code, term.english);
        json.end();
    }
    json.text("text", term.chinese);
}

/// `"start":…,"end":…`, the end only when it has passed.
fn period(json: &mut Json, name: &str, start: i64, end: i64, now: i64) {
    json.object(name).time("start", start);
    if end <= now {
        json.time("end", end);
    }
    json.close();
}

/// `{"value":…,"unit":…,"system":…,"code":…}` as the value of a member.
fn quantity(json: &mut Json, name: &str, value: i64, places: u32, ucum: &str) {
    json.object(name).decimal("value", value, places).text("unit", unit(ucum));
    json.text("system", "http://unitsofmeasure.org").text("code", ucum).close();
}

/// How a UCUM unit is shown.
fn unit(ucum: &str) -> &str {
    match ucum {
        "mm[Hg]" => "mmHg",
        "Cel" => "°C",
        "10*9/L" => "10^9/L",
        "10*12/L" => "10^12/L",
        "umol/L" => "μmol/L",
        "kg/m2" => "kg/m²",
        "mL/min/{1.73_m2}" => "mL/min/1.73m²",
        "{score}" => "score",
        "[iU]" => "IU",
        "ug" => "μg",
        other => other,
    }
}

/// `{"value":12.34,"currency":"CNY"}` as the value of a member.
fn money(json: &mut Json, name: &str, fen: i64) {
    json.object(name).decimal("value", fen, 2).text("currency", "CNY").close();
}
