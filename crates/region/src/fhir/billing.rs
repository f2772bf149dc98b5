//! Claim and ExplanationOfBenefit; every sum is exact to the fen.

use super::{Context, Kind, Sink, coding, money, period};
use crate::catalogue::system;
use crate::json::Json;
use crate::person::{Class, Person, Visit};
use crate::place::{self, ProviderKind};

/// What the fund pays of a bill, in fen. The rest is the patient's.
pub fn benefit(kind: ProviderKind, person: &Person, visit: &Visit) -> i64 {
    let inpatient = visit.class == Class::Inpatient;
    let (deductible, percent) = match (kind, inpatient) {
        (ProviderKind::CountyHospital, true) => (50_000, 75),
        (ProviderKind::PrivateHospital, true) => (40_000, 70),
        (_, true) => (20_000, 85),
        (ProviderKind::VillageRoom | ProviderKind::TownshipClinic, false) => (0, 60),
        _ => (3_000, 50),
    };
    let percent = percent + if person.employee { 8 } else { 0 };
    // Half a fen is rounded down: the fund never pays more than its share.
    (visit.total() - deductible).max(0) * percent / 100
}

pub(super) fn write(context: &Context, sink: &mut impl Sink, visit: &Visit) {
    if visit.total() == 0 {
        return;
    }
    claim(context, sink, visit);
    if visit.class == Class::Inpatient {
        explanation(context, sink, visit);
    }
}

/// The members that a claim and its settlement share.
fn common(context: &Context, json: &mut Json, visit: &Visit) {
    json.text("status", "active").object("type").array("coding");
    let (code, display) = match visit.class {
        Class::Inpatient => ("institutional", "Institutional"),
        _ => ("professional", "Professional"),
    };
    coding(json, "http://terminology.hl7.org/CodeSystem/claim-type", code, display);
    json.end().close().text("use", "claim");
    context.subject(json, "patient", visit.record);
    period(json, "billablePeriod", visit.start, visit.end, context.county.now());
    json.time("created", visit.end).object("insurer");
    context.organization(json, place::INSURER);
    json.close().object("provider");
    context.organization(json, visit.provider);
    json.close();
}

fn claim(context: &Context, sink: &mut impl Sink, visit: &Visit) {
    let mut json = Json(sink.begin(Kind::Claim, context.id(Kind::Claim, visit.serial as u64)));
    common(context, &mut json, visit);
    json.object("priority").array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/processpriority", "normal", "Normal");
    json.end().close();
    let recorded = visit.conditions.first().filter(|&&s| context.person.conditions[s].visit == visit.serial);
    if let Some(&serial) = recorded {
        json.array("diagnosis").open().integer("sequence", 1);
        context.own(&mut json, "diagnosisReference", Kind::Condition, serial as u64);
        json.close().end();
    }
    json.array("insurance").open().integer("sequence", 1).raw("\"focal\":true");
    context.own(&mut json, "coverage", Kind::Coverage, visit.record as u64);
    json.close().end().array("item");
    for (number, charge) in visit.charges().enumerate() {
        json.open().integer("sequence", number as i64 + 1);
        json.object("productOrService").array("coding");
        coding(&mut json, system::CHARGE, charge.chapter, charge.english);
        json.end().text("text", charge.chinese).close();
        json.object("quantity").integer("value", charge.quantity).close();
        money(&mut json, "unitPrice", charge.fen);
        money(&mut json, "net", charge.fen * charge.quantity);
        json.array("encounter").open();
        context.own_reference(&mut json, Kind::Encounter, visit.serial as u64);
        json.close().end().close();
    }
    json.end();
    money(&mut json, "total", visit.total());
    sink.end(Kind::Claim, None);
}

fn explanation(context: &Context, sink: &mut impl Sink, visit: &Visit) {
    let kind = context.county.directory.providers[visit.provider].kind;
    let benefit = benefit(kind, context.person, visit);
    let id = context.id(Kind::ExplanationOfBenefit, visit.serial as u64);
    let mut json = Json(sink.begin(Kind::ExplanationOfBenefit, id));
    common(context, &mut json, visit);
    context.own(&mut json, "claim", Kind::Claim, visit.serial as u64);
    json.text("outcome", "complete").array("insurance").open().raw("\"focal\":true");
    context.own(&mut json, "coverage", Kind::Coverage, visit.record as u64);
    json.close().end().array("total");
    let total = visit.total();
    for (code, display, fen) in [
        ("submitted", "Submitted Amount", total),
        ("benefit", "Benefit Amount", benefit),
        ("copay", "CoPay", total - benefit),
    ] {
        json.open().object("category").array("coding");
        coding(&mut json, "http://terminology.hl7.org/CodeSystem/adjudication", code, display);
        json.end().close();
        money(&mut json, "amount", fen);
        json.close();
    }
    json.end().object("payment");
    money(&mut json, "amount", benefit);
    json.close();
    sink.end(Kind::ExplanationOfBenefit, None);
}
