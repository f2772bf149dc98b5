//! The facts of a visit as each door wants them: the same truth in every format.
//!
//! [`Visit`] is plain data; [`county`] makes it of the synthetic county. The table of what all doors
//! carry alike is [`SHARED`].

use std::fmt::Write as _;

use crate::build::{Node, number, object, push, text};
use crate::service;
use crate::wst500;

pub mod county;
pub mod dirt;
pub mod documents;
pub mod forms;
pub mod insurer;

/// What every door carries of a visit, as it stands in the ledger: name, element.
pub const SHARED: &[(&str, &str)] = &[
    ("organisation 医疗机构代码", "Encounter.identifier (urn:tongmai:visit:…)"),
    ("visit number 就诊流水号", "Encounter.identifier (urn:tongmai:visit:…)"),
    ("class 就诊类别", "Encounter.class.code"),
    ("admission or visit time 入院/就诊时间", "Encounter.period.start"),
    ("discharge time 出院时间 (inpatients)", "Encounter.period.end"),
    ("national identity number 身份证号", "Patient.identifier (urn:oid:2.16.156.10011.1.3)"),
    ("name 姓名", "Patient.name.text"),
    ("sex 性别", "Patient.gender"),
    ("date of birth 出生日期", "Patient.birthDate"),
    ("phone 联系电话", "Patient.telecom.value"),
    ("diagnoses 诊断 (code and name; no service of outpatient visits has them)", "Condition.code.coding"),
];

/// A visit, with the person and the place. Times are `YYYYMMDDhhmmss` in China Standard Time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visit {
    /// Code of the organisation.
    pub organization: String,
    /// Its name.
    pub organization_name: String,
    /// The organisation's number of the patient.
    pub patient: String,
    /// National identity number; empty for those who have none.
    pub citizen: String,
    /// Family name; empty for names that have none.
    pub family: String,
    /// Given name.
    pub given: String,
    /// `male` or `female`.
    pub sex: String,
    /// `YYYYMMDD`.
    pub birth: String,
    /// Phone; may be empty.
    pub phone: String,
    /// The organisation's number of the visit.
    pub number: String,
    /// Whether it is an inpatient stay.
    pub inpatient: bool,
    /// When it began.
    pub start: String,
    /// When it ended; empty for a stay that goes on.
    pub end: String,
    /// Code of the department.
    pub department: String,
    /// Name of the department.
    pub department_name: String,
    /// Number of the doctor.
    pub doctor: String,
    /// Name of the doctor.
    pub doctor_name: String,
    /// Diagnoses, the principal one first: ICD-10 code and name.
    pub diagnoses: Vec<(String, String)>,
    /// The sum of the bill, in fen.
    pub fen: i64,
    /// What else is known, by the names of `tables/wst500/county.txt`: `vital.systolic`, `medicine.name`.
    pub more: Vec<(&'static str, String)>,
}

impl Visit {
    /// The name in one piece.
    pub fn name(&self) -> String {
        format!("{}{}", self.family, self.given)
    }

    /// Whether it has an end.
    pub fn is_over(&self) -> bool {
        !self.end.is_empty()
    }

    /// Class within HL7 v3's ActCode.
    fn class(&self) -> &'static str {
        if self.inpatient { "IMP" } else { "AMB" }
    }

    /// When the last message of it is sent.
    fn told(&self) -> &str {
        if self.is_over() { &self.end } else { &self.start }
    }

    /// Identifier system of the number of the visit in the national documents.
    fn number_oid(&self) -> &'static str {
        if self.inpatient { "2.16.156.10011.1.12" } else { "2.16.156.10011.1.11" }
    }
}

/// The messages of HL7 v2: admission (or registration) and discharge (or the end of the visit).
pub fn hl7v2(visit: &Visit) -> Vec<String> {
    let mut out = vec![message(visit, if visit.inpatient { "A01" } else { "A04" }, &visit.start, false)];
    if visit.is_over() {
        out.push(message(visit, "A03", &visit.end, true));
    }
    out
}

fn message(visit: &Visit, event: &str, time: &str, is_end: bool) -> String {
    let escaped = |word: &str| {
        let mut out = String::new();
        for letter in word.chars() {
            match letter {
                '|' => out.push_str("\\F\\"),
                '^' => out.push_str("\\S\\"),
                '~' => out.push_str("\\R\\"),
                '&' => out.push_str("\\T\\"),
                '\\' => out.push_str("\\E\\"),
                letter => out.push(letter),
            }
        }
        out
    };
    let at = &visit.organization;
    let mut out = format!(
        "MSH|^~\\&|HIS|{at}|TONGMAI|REGION|{time}||ADT^{event}|{}-{event}|P|2.4|||||CHN|UTF-8\r",
        visit.number
    );
    let _ = write!(out, "EVN|{event}|{time}\r");
    let mut numbers = format!("{}^^^{at}^MR", escaped(&visit.patient));
    if !visit.citizen.is_empty() {
        let _ = write!(numbers, "~{}^^^^NI", visit.citizen);
    }
    let sex = if visit.sex == "male" { "M" } else { "F" };
    let name = format!("{}^{}", escaped(&visit.family), escaped(&visit.given));
    let _ = write!(out, "PID|1||{numbers}||{name}||{}|{sex}|||||{}\r", visit.birth, visit.phone);
    let class = if visit.inpatient { "I" } else { "O" };
    let place = format!("{}^^^{at}", escaped(&visit.department));
    let doctor = format!("{}^{}", escaped(&visit.doctor), escaped(&visit.doctor_name));
    let end = if is_end { visit.end.as_str() } else { "" };
    let _ = write!(
        out,
        "PV1|1|{class}|{place}||||{doctor}||||||||||||{}^^^{at}|||||||||||||||||||||||||{}|{end}\r",
        escaped(&visit.number),
        visit.start
    );
    for (rank, (code, name)) in visit.diagnoses.iter().enumerate() {
        let _ = write!(out, "DG1|{}||{code}^{}^I10||{time}|F\r", rank + 1, escaped(name));
    }
    out
}

/// An instant of FHIR from `YYYYMMDDhhmmss`.
fn instant(time: &str) -> String {
    wst500::time(time).unwrap_or_default()
}

fn identified(system: &str, value: &str) -> Node {
    object([("system", text(format!("urn:oid:{system}"))), ("value", text(value))])
}

/// The resources of a visit, with the addresses by which they refer to each other.
pub fn resources(visit: &Visit) -> Vec<(String, Node)> {
    let to = |key: &str| object([("reference", text(address(visit, key)))]);
    let list = |node: Node| tongmai_fhir::json::Json::Array(vec![node]);
    let mut numbers = vec![identified("2.16.156.10011.2.5.1.4", &visit.patient)];
    if !visit.citizen.is_empty() {
        numbers.insert(0, identified("2.16.156.10011.1.3", &visit.citizen));
    }
    let mut patient = object([
        ("resourceType", text("Patient")),
        ("identifier", tongmai_fhir::json::Json::Array(numbers)),
        ("name", list(object([("text", text(visit.name()))]))),
        ("gender", text(visit.sex.as_str())),
        ("birthDate", text(instant(&visit.birth))),
        ("managingOrganization", to("organization")),
    ]);
    if !visit.phone.is_empty() {
        push(
            &mut patient,
            "telecom",
            object([("system", text("phone")), ("value", text(visit.phone.as_str()))]),
        );
    }
    let organization = object([
        ("resourceType", text("Organization")),
        ("identifier", list(identified("2.16.156.10011.1.5", &visit.organization))),
        ("name", text(visit.organization_name.as_str())),
    ]);
    let doctor = object([
        ("resourceType", text("Practitioner")),
        ("identifier", list(identified("2.16.156.10011.1.4", &visit.doctor))),
        ("name", list(object([("text", text(visit.doctor_name.as_str()))]))),
    ]);
    let department = object([
        ("resourceType", text("Location")),
        ("identifier", list(identified("2.16.156.10011.1.26", &visit.department))),
        ("name", text(visit.department_name.as_str())),
    ]);
    let mut out = vec![
        (address(visit, "patient"), patient),
        (address(visit, "organization"), organization),
        (address(visit, "doctor"), doctor),
        (address(visit, "department"), department),
    ];
    let mut encounter = encounter(visit, &to);
    for (rank, (code, name)) in visit.diagnoses.iter().enumerate() {
        let key = format!("diagnosis{rank}");
        let coding = object([
            ("system", text("http://hl7.org/fhir/sid/icd-10")),
            ("code", text(code.as_str())),
            ("display", text(name.as_str())),
        ]);
        let condition = object([
            ("resourceType", text("Condition")),
            ("code", object([("coding", list(coding))])),
            ("subject", to("patient")),
            ("encounter", to("encounter")),
        ]);
        push(
            &mut encounter,
            "diagnosis",
            object([("condition", to(&key)), ("rank", number((rank + 1).to_string()))]),
        );
        out.push((address(visit, &key), condition));
    }
    out.push((address(visit, "encounter"), encounter));
    out
}

fn encounter(visit: &Visit, to: &dyn Fn(&str) -> Node) -> Node {
    let list = |node: Node| tongmai_fhir::json::Json::Array(vec![node]);
    let mut period = object([("start", text(instant(&visit.start)))]);
    if visit.is_over() {
        *crate::build::property(&mut period, "end") = text(instant(&visit.end));
    }
    let kind = if visit.inpatient { ("3", "住院") } else { ("1", "门诊") };
    let kind = object([
        ("system", text("urn:oid:2.16.156.10011.2.3.1.271")),
        ("code", text(kind.0)),
        ("display", text(kind.1)),
    ]);
    object([
        ("resourceType", text("Encounter")),
        ("identifier", list(identified(visit.number_oid(), &visit.number))),
        ("status", text(if visit.is_over() { "finished" } else { "in-progress" })),
        (
            "class",
            object([
                ("system", text("http://terminology.hl7.org/CodeSystem/v3-ActCode")),
                ("code", text(visit.class())),
            ]),
        ),
        ("type", list(object([("coding", list(kind))]))),
        ("subject", to("patient")),
        ("participant", list(object([("individual", to("doctor"))]))),
        ("period", period),
        ("location", list(object([("location", to("department"))]))),
        ("serviceProvider", to("organization")),
    ])
}

fn address(visit: &Visit, key: &str) -> String {
    format!("urn:uuid:{}", crate::stable_id(&["emitted", &visit.organization, &visit.number, key]))
}

/// A Bundle of FHIR for the door `fhir`.
pub fn fhir(visit: &Visit) -> String {
    let entries = resources(visit)
        .into_iter()
        .map(|(address, resource)| object([("fullUrl", text(address)), ("resource", resource)]));
    object([
        ("resourceType", text("Bundle")),
        (
            "identifier",
            object([("system", text("urn:tongmai:emitted")), ("value", text(visit.number.as_str()))]),
        ),
        ("type", text("collection")),
        ("timestamp", text(instant(visit.told()))),
        ("entry", tongmai_fhir::json::Json::Array(entries.collect())),
    ])
    .to_string()
}

/// The document of WS/T 500: a record of an outpatient visit (C0002) or a discharge summary (C0053).
pub fn wst500(visit: &Visit) -> String {
    document(visit, if visit.inpatient { "C0053" } else { "C0002" })
}

/// The visit as a document of any of the 53 types, as far as the type has room for it.
pub fn document(visit: &Visit, code: &str) -> String {
    let mut all = resources(visit);
    let list = |node: Node| tongmai_fhir::json::Json::Array(vec![node]);
    let to = |key: &str| object([("reference", text(address(visit, key)))]);
    let id = format!("{:0>32}", format!("{}{}", visit.number, code).to_lowercase());
    let kind = object([("system", text("urn:oid:2.16.156.10011.2.4")), ("code", text(code))]);
    let authors = tongmai_fhir::json::Json::Array(vec![to("doctor"), to("organization")]);
    let composition = object([
        ("resourceType", text("Composition")),
        ("identifier", object([("system", text("urn:oid:2.16.156.10011.1.1")), ("value", text(id))])),
        ("status", text("final")),
        ("type", object([("coding", list(kind))])),
        ("subject", to("patient")),
        ("encounter", to("encounter")),
        ("date", text(instant(visit.told()))),
        ("author", authors),
        ("title", text("文档")),
        ("custodian", to("organization")),
    ]);
    all.push((address(visit, "composition"), composition));
    let resources = all.iter().map(|(address, node)| (address.clone(), node));
    wst500::write(resources, code).map(|(text, _)| text).unwrap_or_default()
}

/// The messages of the platform services: the person, the visit, and its end.
pub fn services(visit: &Visit) -> Vec<String> {
    let all = resources(visit);
    let of = |key: &str| all.iter().find(|(known, _)| *known == address(visit, key)).map(|(_, node)| node);
    let mut nodes: Vec<(String, &Node)> = Vec::new();
    for (key, name) in [
        ("patient", "Patient"),
        ("encounter", "Encounter"),
        ("organization", "Organization:provider"),
        ("doctor", "Practitioner:doctor"),
        ("department", "Location:department"),
    ] {
        nodes.extend(of(key).map(|node| (name.to_owned(), node)));
    }
    for rank in 0..visit.diagnoses.len() {
        nodes.extend(of(&format!("diagnosis{rank}")).map(|node| (format!("Condition:dx{rank}"), node)));
    }
    let add = if visit.inpatient { "InPatientInfoAdd" } else { "OutPatientInfoAdd" };
    let mut wanted = vec![("PatientInfoRegister", visit.start.as_str()), (add, visit.start.as_str())];
    if visit.inpatient && visit.is_over() {
        wanted.push(("DischargeInfoAdd", visit.end.as_str()));
    }
    let message = |(name, time): &(&str, &str)| {
        let id = crate::stable_id(&["service", &visit.organization, &visit.number, name]).replace('-', "");
        service::message(name, &nodes, &id, time, &visit.organization)
    };
    wanted.iter().filter_map(message).collect()
}
