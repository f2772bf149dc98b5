//! The log of reads as FHIR AuditEvents, made when somebody asks: IHE Basic Audit Log Patterns, *Patient Read*.

use std::fmt::Write;
use std::sync::Arc;

use tongmai_access::{Operation, Requester, Role, Sealed};
use tongmai_audit::Entry;
use tongmai_base::limits;
use tongmai_base::time::Instant;
use tongmai_engine::Failure;
use tongmai_engine::bundle::parse_pairs;
use tongmai_fhir::json::write_string;

use crate::Service;
use crate::answer::{Answer, fhir, refuse};
use crate::bundle;
use crate::request::Asked;
use crate::rest::release;

const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead";

/// Whether somebody may read the log of a patient: the person, who speaks for them with nothing held back, and
/// who watches over the log.
fn may(requester: &Requester, patient: &str, now: i64) -> bool {
    let watches = [Role::Installation, Role::PrivacyOfficer, Role::AuditAdministrator];
    let held_back = |one: &tongmai_access::Represented| {
        one.categories.is_some() && one.patients.iter().any(|id| id == patient)
    };
    watches.into_iter().any(|role| requester.is(role))
        || (requester.is(Role::Resident)
            && requester.speaks_for(patient, now)
            && !requester.represents.iter().any(held_back))
}

/// Answers `AuditEvent?patient=…` from the trail; `None` when it is another question.
pub(crate) async fn search(service: &Arc<Service>, asked: &Asked) -> Option<Result<Answer, Failure>> {
    service.trail.as_ref()?;
    let pairs = parse_pairs(&asked.query);
    let patient = pairs.iter().find(|pair| pair.0 == "patient").map(|pair| pair.1.as_str())?;
    let patient = patient.strip_prefix("Patient/").unwrap_or(patient).to_owned();
    let count = pairs.iter().find(|pair| pair.0 == "_count").and_then(|pair| pair.1.parse().ok());
    let count = count.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE_ENTRIES);
    Some(answer(service, asked, patient, count).await)
}

async fn answer(
    service: &Arc<Service>,
    asked: &Asked,
    patient: String,
    count: usize,
) -> Result<Answer, Failure> {
    // Whether there is such a patient plays no part in the refusal.
    if !may(&asked.requester, &patient, service.engine.now()) {
        let repair = "the person, and the privacy officer, read the log of a record";
        return Ok(refuse(403, "forbidden", "this log is not yours to read", repair));
    }
    let id = patient.clone();
    let work = move |service: &Service| -> Result<_, Failure> {
        let Some(trail) = &service.trail else { return Ok((0, Vec::new())) };
        trail.follow(&service.engine, &service.access)?;
        let record = service.engine.record_of(&id)?;
        let entries = trail.of_records(record.as_slice(), count)?;
        Ok((record.map_or(0, |record| trail.count(record)), entries))
    };
    let (total, entries) = service.work(true, work).await?;
    // Reading the log is a read, and stands in it.
    let sealed = Sealed::new(entries, Operation::Search, Vec::new());
    let entries = release(service, &asked.requester, sealed).await?.into_inner();
    let base = asked.base();
    let mut out = bundle::begin("searchset", entries.len(), Some(total));
    out.push_str("{\"relation\":\"self\",\"url\":");
    write_string(&format!("{base}/AuditEvent?patient={patient}&_count={count}"), &mut out);
    out.push_str("}],\"entry\":[");
    for (index, (place, entry)) in entries.iter().enumerate() {
        out.push_str(if index > 0 { ",{\"fullUrl\":" } else { "{\"fullUrl\":" });
        write_string(&format!("{base}/AuditEvent/read-{place}-{}", entry.record), &mut out);
        out.push_str(",\"resource\":");
        resource(*place, entry, &patient, &mut out);
        out.push_str(",\"search\":{\"mode\":\"match\"}}");
    }
    Ok(fhir(200, bundle::end(out.into_bytes(), entries.is_empty())))
}

fn resource(place: u64, entry: &Entry, patient: &str, out: &mut String) {
    let (record, count) = (entry.record, entry.count);
    let _ = write!(
        out,
        "{{\"resourceType\":\"AuditEvent\",\"id\":\"read-{place}-{record}\",\"meta\":{{\"profile\":[\"{PROFILE}\"]}},"
    );
    let interaction = match entry.operation {
        1 => "read",
        2 => "vread",
        3 => "history-instance",
        4 => "search-type",
        8 => "update",
        _ => "operation",
    };
    out.push_str(
        "\"type\":{\"system\":\"http://terminology.hl7.org/CodeSystem/audit-event-type\",\"code\":\"rest\"},",
    );
    let _ = write!(
        out,
        "\"subtype\":[{{\"system\":\"http://hl7.org/fhir/restful-interaction\",\"code\":\"{interaction}\"}}],\"action\":\"R\",\"recorded\":"
    );
    write_string(&Instant(entry.time).to_fhir(), out);
    out.push_str(",\"outcome\":\"0\",\"purposeOfEvent\":[{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActReason\",\"code\":");
    write_string(&entry.purpose, out);
    out.push_str("}]}],\"agent\":[{\"type\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ParticipationType\",\"code\":\"IRCP\"}]},\"who\":{\"identifier\":{\"system\":\"urn:tongmai:account\",\"value\":");
    write_string(&entry.actor, out);
    out.push_str("}},\"requestor\":true}],\"source\":{\"observer\":{\"display\":\"Tongmai\"}},\"entity\":[{\"what\":{\"reference\":");
    write_string(&format!("Patient/{patient}"), out);
    out.push_str("},\"type\":{\"system\":\"http://terminology.hl7.org/CodeSystem/audit-entity-type\",\"code\":\"1\"},\"role\":{\"system\":\"http://terminology.hl7.org/CodeSystem/object-role\",\"code\":\"1\"}}");
    // The counter of the record, and the place in the tree: what a proof is asked for by.
    let _ = write!(
        out,
        ",{{\"type\":{{\"system\":\"urn:tongmai:trail\",\"code\":\"leaf\"}},\"detail\":[{{\"type\":\"place\",\"valueString\":\"{place}\"}},{{\"type\":\"count\",\"valueString\":\"{count}\"}},{{\"type\":\"items\",\"valueString\":\"{}\"}}]}}]}}",
        entry.shown.len()
    );
}
