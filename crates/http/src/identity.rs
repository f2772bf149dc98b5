//! Person matching over FHIR: `Patient/$match` and `Patient/[id]/$person`.

use std::fmt::Write;
use std::sync::Arc;

use tongmai_engine::Failure;
use tongmai_engine::person::matching::{Answer as Found, Candidate};
use tongmai_engine::person::{FIELDS, Person, Weighed};
use tongmai_fhir::json::write_string;

use crate::Service;
use crate::answer::{Answer, fhir, outcome};
use crate::bundle;
use crate::request::Asked;
use crate::rest::{release, sight};

type Outcome<T> = Result<T, Failure>;

const GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";
/// The comparison behind a score: bits of evidence by field, and what speaks against any two records.
const EVIDENCE: &str = "urn:tongmai:match-evidence";

/// Answers `$match` with a Bundle of type `searchset`, the likeliest first.
pub(crate) async fn matches(service: &Arc<Service>, asked: &Asked) -> Outcome<Answer> {
    let (sight, body) = (sight(service, asked), asked.body.clone());
    let work = move |service: &Service| {
        let question = service.engine.question(&body)?;
        service.engine.match_patient(&sight, &question)
    };
    let sealed = service.work(true, work).await?;
    let found = release(service, &asked.requester, sealed).await?;
    Ok(fhir(200, searchset(&asked.base(), &found)))
}

fn searchset(base: &str, found: &Found) -> Vec<u8> {
    let mut head = bundle::begin("searchset", found.candidates.len(), Some(found.candidates.len() as u64));
    head.push_str("{\"relation\":\"self\",\"url\":");
    write_string(&format!("{base}/Patient/$match"), &mut head);
    head.push_str("}],\"entry\":[");
    let mut out = head.into_bytes();
    for (index, candidate) in found.candidates.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        bundle::entry_head(base, &candidate.resource, &mut out);
        out.extend_from_slice(&candidate.resource.text);
        out.extend_from_slice(search(candidate).as_bytes());
    }
    if found.ambiguous {
        let finding = tongmai_base::Finding::warning(
            "onlyCertainMatches",
            "multiple-matches",
            "records of several persons match with certainty",
        );
        let finding = finding.with_repair("ask without onlyCertainMatches, and let a person choose");
        out.extend_from_slice(b"{\"resource\":");
        out.extend_from_slice(outcome(&[finding]).as_bytes());
        out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
    }
    bundle::end(out, found.candidates.is_empty() && !found.ambiguous)
}

fn search(candidate: &Candidate) -> String {
    let mut out = String::from(",\"search\":{\"extension\":[{\"url\":");
    write_string(GRADE, &mut out);
    let _ = write!(out, ",\"valueCode\":\"{}\"}},", candidate.grade());
    evidence(&candidate.weighed, &mut out);
    let probability = candidate.weighed.probability;
    let _ = write!(out, "],\"mode\":\"match\",\"score\":{probability:.6}}}}}");
    out
}

/// The waterfall: where the odds begin, and what each field adds or takes away.
fn evidence(weighed: &Weighed, out: &mut String) {
    out.push_str("{\"url\":");
    write_string(EVIDENCE, out);
    let _ = write!(out, ",\"extension\":[{{\"url\":\"prior\",\"valueDecimal\":{:.2}}}", weighed.prior);
    for (field, bits) in FIELDS.iter().zip(weighed.evidence).filter(|(_, bits)| *bits != 0.0) {
        let _ = write!(out, ",{{\"url\":\"{field}\",\"valueDecimal\":{bits:.2}}}");
    }
    let _ = write!(out, ",{{\"url\":\"objection\",\"valueBoolean\":{}}}]}}", weighed.objection);
}

/// The person of a patient as a FHIR Person: the golden record, and a link to each of its records.
pub(crate) async fn person(service: &Arc<Service>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let (sight, id) = (sight(service, asked), id.to_owned());
    let sealed = service.work(true, move |service| service.engine.person(&sight, &id)).await?;
    let person = release(service, &asked.requester, sealed).await?;
    Ok(fhir(200, resource(&asked.base(), &person)))
}

fn resource(base: &str, person: &Person) -> String {
    let value = |field: &str| person.golden.get(field).map(|surviving| surviving.value.as_str());
    let mut out = format!("{{\"resourceType\":\"Person\",\"meta\":{{\"versionId\":\"{}\"}}", person.version);
    let _ =
        write!(out, ",\"identifier\":[{{\"system\":\"urn:tongmai:person\",\"value\":\"{}\"}}", person.number);
    for (field, system) in [
        ("identity-number", "urn:oid:2.16.156.10011.1.3"),
        ("insurance-number", "urn:oid:2.16.156.10011.1.19"),
    ] {
        if let Some(number) = value(field) {
            let _ = write!(out, ",{{\"system\":\"{system}\",\"value\":");
            write_string(number, &mut out);
            out.push('}');
        }
    }
    out.push(']');
    for (field, before, after) in [
        ("name", ",\"name\":[{\"text\":", "}]"),
        ("telephone", ",\"telecom\":[{\"system\":\"phone\",\"value\":", "}]"),
        ("gender", ",\"gender\":", ""),
        ("birthDate", ",\"birthDate\":", ""),
        ("address", ",\"address\":[{\"text\":", "}]"),
    ] {
        if let Some(text) = value(field) {
            out.push_str(before);
            write_string(text, &mut out);
            out.push_str(after);
        }
    }
    out.push_str(",\"link\":[");
    for (index, member) in person.members.iter().enumerate() {
        out.push_str(if index > 0 { ",{\"target\":{\"reference\":" } else { "{\"target\":{\"reference\":" });
        write_string(&format!("{base}/Patient/{}", member.resource.id), &mut out);
        out.push_str("},\"assurance\":\"level3\"}");
    }
    out.push_str("]}");
    out
}
