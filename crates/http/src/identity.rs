//! Persons over FHIR: `Patient/$match`, `$merge`, `$ihe-pix`, `Patient/[id]/$person` and `Person/[number]`.

use std::fmt::Write;
use std::sync::Arc;

use tongmai_base::{Finding, Severity, limits};
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::person::cross::CrossReference;
use tongmai_engine::person::matching::{Answer as Found, Candidate};
use tongmai_engine::person::{FIELDS, Person, Weighed};
use tongmai_engine::{Failure, Reason};
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
        let finding = Finding::warning(
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

/// How the id of a Person begins that is a view of the records and no resource that somebody wrote.
const PERSON: &str = "tongmai-";

/// The number of a person in the id of such a Person.
pub(crate) fn person_number(id: &str) -> Option<u64> {
    id.strip_prefix(PERSON)?.parse().ok()
}

/// `GET Person/tongmai-[number]`.
pub(crate) async fn person_numbered(service: &Arc<Service>, asked: &Asked, number: u64) -> Outcome<Answer> {
    let sight = sight(service, asked);
    let sealed = service.work(true, move |service| service.engine.person_numbered(&sight, number)).await?;
    let person = release(service, &asked.requester, sealed).await?;
    Ok(fhir(200, resource(&asked.base(), &person)))
}

/// `GET Patient/$ihe-pix` (IHE PIXm, ITI-83): the other numbers of a number's person.
pub(crate) async fn cross_reference(service: &Arc<Service>, asked: &Asked) -> Outcome<Answer> {
    let (mut source, mut targets) = (None, Vec::new());
    for (name, value) in parse_pairs(&asked.query) {
        match name.as_str() {
            "sourceIdentifier" => source = Some(value),
            "targetSystem" if targets.len() < limits::SEARCH_PARAMETERS => targets.push(value),
            "_format" => {}
            other => {
                let message = format!("$ihe-pix has no parameter '{other}', or too many of them");
                return Err(Failure::new(Reason::Invalid, other, "invalid", message)
                    .repair("known are sourceIdentifier and targetSystem"));
            }
        }
    }
    let missing = || {
        Failure::new(Reason::Invalid, "sourceIdentifier", "required", "it is missing, or has no system")
            .repair("write sourceIdentifier=system|value")
    };
    let source = source.ok_or_else(missing)?;
    let (system, value) =
        source.split_once('|').filter(|(s, v)| !s.is_empty() && !v.is_empty()).ok_or_else(missing)?;
    let (system, value) = (system.to_owned(), value.to_owned());
    let sight = sight(service, asked);
    let work = move |service: &Service| service.engine.cross_reference(&sight, &system, &value, &targets);
    let sealed = service.work(true, work).await?;
    let found = release(service, &asked.requester, sealed).await?;
    Ok(fhir(200, cross_references(&asked.base(), &found)))
}

fn cross_references(base: &str, found: &CrossReference) -> String {
    let mut parameters: Vec<String> = Vec::new();
    for number in &found.numbers {
        let mut out = String::from("{\"name\":\"targetIdentifier\",\"valueIdentifier\":{");
        if !number.system.is_empty() {
            out.push_str("\"system\":");
            write_string(&number.system, &mut out);
            out.push(',');
        }
        out.push_str("\"value\":");
        write_string(&number.value, &mut out);
        out.push_str("}}");
        parameters.push(out);
    }
    for patient in &found.patients {
        let mut out = String::from("{\"name\":\"targetId\",\"valueReference\":{\"reference\":");
        write_string(&format!("{base}/Patient/{patient}"), &mut out);
        out.push_str("}}");
        parameters.push(out);
    }
    format!("{{\"resourceType\":\"Parameters\",\"parameter\":[{}]}}", parameters.join(","))
}

/// `POST Patient/$merge`, as FHIR R5 has it.
pub(crate) async fn merge(service: &Arc<Service>, asked: &Asked) -> Outcome<Answer> {
    let (sight, body) = (sight(service, asked), asked.body.clone());
    let by = sight.clone();
    let merge = service.work(true, move |service| service.engine.merge_question(&body, &by)).await?;
    let sealed = service.engine.merge_patients(&sight, &merge).await?;
    let merged = release(service, &asked.requester, sealed).await?;
    let message = match (merge.preview, merged.waits) {
        (true, _) => "this is what would become of the target; nothing was written",
        (false, true) => "kept; something stands against it, and a second person must merge the same two",
        (false, false) => "the two are records of one person",
    };
    let finding = Finding::new(Severity::Information, "", "informational", message);
    let mut out =
        String::from("{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"input\",\"resource\":");
    out.push_str(std::str::from_utf8(&asked.body).unwrap_or("{}"));
    out.push_str("},{\"name\":\"outcome\",\"resource\":");
    out.push_str(&outcome(&[finding]));
    out.push_str("},{\"name\":\"result\",\"resource\":");
    out.push_str(std::str::from_utf8(&merged.target.text).unwrap_or("{}"));
    if let Some(ruling) = &merged.ruling {
        out.push_str("},{\"name\":\"ruling\",\"valueReference\":{\"reference\":");
        write_string(&format!("Provenance/{ruling}"), &mut out);
        out.push('}');
    }
    out.push_str("}]}");
    Ok(fhir(200, out))
}

fn resource(base: &str, person: &Person) -> String {
    let value = |field: &str| person.golden.get(field).map(|surviving| surviving.value.as_str());
    let mut out = format!(
        "{{\"resourceType\":\"Person\",\"id\":\"{}{}\",\"meta\":{{\"versionId\":\"{}\"}}",
        PERSON, person.number, person.version
    );
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
