//! Encounter and what is found, ordered, given and done in it.

use super::{Context, Kind, Sink, Written, coding, concept, concept_members, period, quantity};
use crate::catalogue::*;
use crate::json::Json;
use crate::names::Sex;
use crate::person::*;

/// Minutes from specimen to result.
const TURNAROUND: i64 = 40;

pub(super) fn write(context: &Context, sink: &mut impl Sink, visit: &Visit, written: &mut Written) {
    encounter(context, sink, visit);
    for &serial in &visit.conditions {
        if context.person.conditions[serial].visit == visit.serial {
            condition(context, sink, visit, serial);
        }
    }
    let now = context.county.now();
    for measurement in visit.measurements.iter().filter(|m| m.at <= now) {
        observation(context, sink, visit, measurement, None, written.observations);
        written.observations += 1;
    }
    for report in visit.reports.iter().filter(|r| r.at + TURNAROUND <= now) {
        let number = written.reports;
        let first = written.observations;
        order(context, sink, visit, report, number);
        for result in &report.results {
            observation(context, sink, visit, result, Some(number), written.observations);
            written.observations += 1;
        }
        diagnostic_report(context, sink, visit, report, number, first);
        written.reports += 1;
    }
    for prescription in &visit.prescriptions {
        medication_request(context, sink, visit, prescription, written.prescriptions);
        written.prescriptions += 1;
    }
    for &(intervention, start) in visit.interventions.iter().filter(|(i, at)| at + i.minutes <= now) {
        procedure(context, sink, visit, intervention, start, written.procedures);
        written.procedures += 1;
    }
    for dose in &visit.doses {
        immunization(context, sink, visit, dose, written.doses);
        written.doses += 1;
    }
}

/// `"encounter":{"reference":…}`
fn encounter_reference(context: &Context, json: &mut Json, visit: &Visit) {
    context.own(json, "encounter", Kind::Encounter, visit.serial as u64);
}

fn practitioner(context: &Context, json: &mut Json, name: &str, visit: &Visit) {
    json.object(name);
    context.practitioner(json, visit.practitioner);
    json.close();
}

/// Whether a condition was recorded under the same record as this visit: only then may the
/// visit refer to it, for it lies in the same patient's compartment.
fn condition_of_record(context: &Context, visit: &Visit, serial: usize) -> bool {
    let recorded = context.person.conditions[serial].visit;
    context.person.visits.iter().any(|v| v.serial == recorded && v.record == visit.record)
}

fn encounter(context: &Context, sink: &mut impl Sink, visit: &Visit) {
    let now = context.county.now();
    let over = visit.end <= now;
    let provider = &context.county.directory.providers[visit.provider];
    let id = context.id(Kind::Encounter, visit.serial as u64);
    let mut json = Json(sink.begin(Kind::Encounter, id));
    let mut number = String::new();
    let (year, month, day) = tongmai_base::time::civil_from_days(visit.start.div_euclid(1_440));
    crate::json::digits(
        &mut number,
        (year * 10_000 + i64::from(month) * 100 + i64::from(day)) % 1_000_000,
        6,
    );
    crate::json::digits(&mut number, (id >> 64) as i64 & 0xFFF_FFFF, 9);
    json.array("identifier").open().text("use", "official");
    json.key("system").0.extend(["\"", system::VISIT, &provider.code, "\""]);
    json.text("value", &number).close().end();
    json.text("status", if over { "finished" } else { "in-progress" });
    let (code, display) = match visit.class {
        Class::Ambulatory => ("AMB", "ambulatory"),
        Class::Emergency => ("EMER", "emergency"),
        Class::Inpatient => ("IMP", "inpatient encounter"),
        Class::Home => ("HH", "home health"),
    };
    json.key("class");
    json.open().text("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode");
    json.text("code", code).text("display", display).close();
    json.array("type").open();
    concept_members(&mut json, &visit.service.term);
    json.close().end();
    context.subject(&mut json, "subject", visit.record);
    json.array("participant").open().array("type").open().array("coding");
    let participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
    coding(&mut json, participation, "PPRF", "primary performer");
    json.end().text("text", "primary performer").close().end();
    practitioner(context, &mut json, "individual", visit);
    json.close().end();
    period(&mut json, "period", visit.start, visit.end, now);
    reasons(context, &mut json, visit);
    if visit.class == Class::Inpatient {
        hospitalization(context, &mut json, visit, over);
    }
    let department = context.county.directory.staff[visit.practitioner].department_index;
    json.array("location").open().object("location");
    context.location(&mut json, visit.provider, department);
    json.close().close().end().object("serviceProvider");
    context.organization(&mut json, visit.provider);
    json.close();
    sink.end(Kind::Encounter, None);
}

fn reasons(context: &Context, json: &mut Json, visit: &Visit) {
    let Some(&first) = visit.conditions.first() else { return };
    let diagnosis = context.person.conditions[first].diagnosis;
    json.array("reasonCode").open().array("coding");
    coding(json, system::SNOMED, diagnosis.snomed, diagnosis.english);
    json.end().text("text", diagnosis.chinese).close().end();
    let own = |serial: &&usize| condition_of_record(context, visit, **serial);
    if !visit.conditions.iter().any(|s| own(&s)) {
        return;
    }
    json.array("diagnosis");
    for (rank, &serial) in visit.conditions.iter().filter(own).enumerate() {
        json.open();
        context.own(json, "condition", Kind::Condition, serial as u64);
        let (code, display) = match (visit.class, rank) {
            (Class::Inpatient, 0) => ("DD", "Discharge diagnosis"),
            (_, 0) => ("CC", "Chief complaint"),
            _ => ("CM", "Comorbidity diagnosis"),
        };
        json.object("use").array("coding");
        coding(json, "http://terminology.hl7.org/CodeSystem/diagnosis-role", code, display);
        json.end().close().integer("rank", rank as i64 + 1).close();
    }
    json.end();
}

fn hospitalization(context: &Context, json: &mut Json, visit: &Visit, over: bool) {
    let newborn = visit.start.div_euclid(1_440) == context.person.birth;
    let emergency = std::ptr::eq(visit.service, &ADMISSION);
    let (code, display) = match (newborn, emergency) {
        (true, _) => ("born", "Born in hospital"),
        (_, true) => ("emd", "From accident/emergency department"),
        _ => ("outp", "From outpatient department"),
    };
    json.object("hospitalization").object("admitSource").array("coding");
    coding(json, "http://terminology.hl7.org/CodeSystem/admit-source", code, display);
    json.end().close();
    if over {
        let died = context.person.died == Some(visit.end.div_euclid(1_440));
        let (code, display) = if died { ("exp", "Expired") } else { ("home", "Home") };
        json.object("dischargeDisposition").array("coding");
        coding(json, "http://terminology.hl7.org/CodeSystem/discharge-disposition", code, display);
        json.end().close();
    }
    json.close();
}

fn condition(context: &Context, sink: &mut impl Sink, visit: &Visit, serial: usize) {
    let condition = &context.person.conditions[serial];
    let diagnosis = condition.diagnosis;
    let mut json = Json(sink.begin(Kind::Condition, context.id(Kind::Condition, serial as u64)));
    let (code, display) = match condition.abated {
        Some(_) => ("resolved", "Resolved"),
        None => ("active", "Active"),
    };
    json.object("clinicalStatus").array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/condition-clinical", code, display);
    json.end().close().object("verificationStatus").array("coding");
    let clinical = std::ptr::eq(diagnosis, &INFLUENZA_CLINICAL);
    let (code, display) = if clinical { ("provisional", "Provisional") } else { ("confirmed", "Confirmed") };
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/condition-ver-status", code, display);
    json.end().close().array("category").open().array("coding");
    let (code, display) = if condition.chronic {
        ("problem-list-item", "Problem List Item")
    } else {
        ("encounter-diagnosis", "Encounter Diagnosis")
    };
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/condition-category", code, display);
    json.end().close().end().object("code").array("coding");
    coding(&mut json, system::ICD10, diagnosis.icd, diagnosis.chinese);
    coding(&mut json, system::SNOMED, diagnosis.snomed, diagnosis.english);
    json.end().text("text", diagnosis.chinese).close();
    context.subject(&mut json, "subject", visit.record);
    encounter_reference(context, &mut json, visit);
    json.date("onsetDateTime", condition.onset);
    if let Some(day) = condition.abated {
        json.date("abatementDateTime", day);
    }
    json.time("recordedDate", visit.start + 6);
    practitioner(context, &mut json, "recorder", visit);
    sink.end(Kind::Condition, None);
}

fn observation(
    context: &Context,
    sink: &mut impl Sink,
    visit: &Visit,
    measurement: &Measurement,
    order: Option<u64>,
    number: u64,
) {
    let analyte = measurement.analyte;
    let mut json = Json(sink.begin(Kind::Observation, context.id(Kind::Observation, number)));
    if analyte.group == Group::Vital {
        json.raw(r#""meta":{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]}"#);
    }
    if let Some(order) = order {
        json.array("basedOn").open();
        context.own_reference(&mut json, Kind::ServiceRequest, order);
        json.close().end();
    }
    json.text("status", "final").array("category").open().array("coding");
    let (code, display) = match analyte.group {
        Group::Vital => ("vital-signs", "Vital Signs"),
        Group::Exam => ("exam", "Exam"),
        Group::Laboratory => ("laboratory", "Laboratory"),
        Group::Survey => ("survey", "Survey"),
        Group::Social => ("social-history", "Social History"),
    };
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/observation-category", code, display);
    json.end().close().end();
    code_of(&mut json, analyte);
    context.subject(&mut json, "subject", visit.record);
    encounter_reference(context, &mut json, visit);
    let issued = measurement.at + if order.is_some() { TURNAROUND } else { 1 };
    json.time("effectiveDateTime", measurement.at).time("issued", issued);
    json.array("performer").open();
    context.practitioner(&mut json, visit.practitioner);
    json.close().end();
    match measurement.value {
        Value::Number(value) => number_value(&mut json, context.person.sex, analyte, value),
        Value::Coded(term) => {
            concept(&mut json, "valueCodeableConcept", term);
            match term.code {
                code if code == POSITIVE.code => interpretation(&mut json, "POS", "Positive"),
                code if code == NEGATIVE.code => interpretation(&mut json, "NEG", "Negative"),
                _ => {}
            }
        }
        Value::Pressure(systolic, diastolic) => {
            json.array("component");
            for (part, value) in [(&SYSTOLIC, systolic), (&DIASTOLIC, diastolic)] {
                json.open();
                code_of(&mut json, part);
                number_value(&mut json, context.person.sex, part, value);
                json.close();
            }
            json.end();
        }
    }
    sink.end(Kind::Observation, None);
}

fn code_of(json: &mut Json, analyte: &Analyte) {
    json.object("code").array("coding");
    coding(json, system::LOINC, analyte.loinc, analyte.english);
    json.end().text("text", analyte.chinese).close();
}

fn interpretation(json: &mut Json, code: &str, display: &str) {
    json.array("interpretation").open().array("coding");
    coding(json, "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", code, display);
    json.end().close().end();
}

/// Value, interpretation and reference range.
fn number_value(json: &mut Json, sex: Sex, analyte: &Analyte, value: i64) {
    quantity(json, "valueQuantity", value, analyte.places, analyte.ucum);
    let women = analyte.range_women.filter(|_| sex == Sex::Female);
    let Some((low, high)) = women.or(analyte.range) else { return };
    match value {
        v if v < low => interpretation(json, "L", "Low"),
        v if v > high => interpretation(json, "H", "High"),
        _ => interpretation(json, "N", "Normal"),
    }
    json.array("referenceRange").open();
    if low > 0 {
        quantity(json, "low", low, analyte.places, analyte.ucum);
    }
    quantity(json, "high", high, analyte.places, analyte.ucum);
    json.close().end();
}

fn order(context: &Context, sink: &mut impl Sink, visit: &Visit, report: &Report, number: u64) {
    let mut json = Json(sink.begin(Kind::ServiceRequest, context.id(Kind::ServiceRequest, number)));
    json.text("status", "completed").text("intent", "order").array("category").open().array("coding");
    coding(&mut json, system::SNOMED, "108252007", "Laboratory procedure");
    json.end().close().end();
    json.text("priority", if visit.class == Class::Emergency { "urgent" } else { "routine" });
    concept(&mut json, "code", &report.panel.term);
    context.subject(&mut json, "subject", visit.record);
    encounter_reference(context, &mut json, visit);
    json.time("authoredOn", report.at - 5);
    practitioner(context, &mut json, "requester", visit);
    json.array("performer").open();
    context.organization(&mut json, visit.provider);
    json.close().end();
    sink.end(Kind::ServiceRequest, None);
}

fn diagnostic_report(
    context: &Context,
    sink: &mut impl Sink,
    visit: &Visit,
    report: &Report,
    number: u64,
    first: u64,
) {
    let mut json = Json(sink.begin(Kind::DiagnosticReport, context.id(Kind::DiagnosticReport, number)));
    json.array("basedOn").open();
    context.own_reference(&mut json, Kind::ServiceRequest, number);
    json.close().end().text("status", "final").array("category").open().array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory");
    json.end().close().end();
    concept(&mut json, "code", &report.panel.term);
    context.subject(&mut json, "subject", visit.record);
    encounter_reference(context, &mut json, visit);
    json.time("effectiveDateTime", report.at).time("issued", report.at + TURNAROUND);
    json.array("performer").open();
    context.organization(&mut json, visit.provider);
    json.close().end().array("result");
    for (place, result) in report.results.iter().enumerate() {
        json.open();
        context.own_reference(&mut json, Kind::Observation, first + place as u64);
        json.text("display", result.analyte.chinese).close();
    }
    json.end();
    sink.end(Kind::DiagnosticReport, None);
}

fn medication_request(
    context: &Context,
    sink: &mut impl Sink,
    visit: &Visit,
    prescription: &Prescription,
    number: u64,
) {
    let medicine = prescription.medicine;
    let ends = visit.start + prescription.days * 1_440;
    let mut json = Json(sink.begin(Kind::MedicationRequest, context.id(Kind::MedicationRequest, number)));
    json.text("status", if ends > context.county.now() { "active" } else { "completed" });
    json.text("intent", "order").array("category").open().array("coding");
    let (code, display) = match visit.class {
        Class::Inpatient => ("inpatient", "Inpatient"),
        _ => ("outpatient", "Outpatient"),
    };
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/medicationrequest-category", code, display);
    json.end().close().end().object("medicationCodeableConcept");
    if !medicine.atc.is_empty() {
        json.array("coding");
        coding(&mut json, system::ATC, medicine.atc, medicine.english);
        json.end();
    }
    json.text("text", medicine.chinese).close();
    context.subject(&mut json, "subject", visit.record);
    encounter_reference(context, &mut json, visit);
    json.time("authoredOn", visit.start + 9);
    practitioner(context, &mut json, "requester", visit);
    if let Some(serial) = prescription.reason.filter(|&s| condition_of_record(context, visit, s)) {
        json.array("reasonReference").open();
        context.own_reference(&mut json, Kind::Condition, serial as u64);
        json.text("display", context.person.conditions[serial].diagnosis.chinese).close().end();
    }
    dosage(&mut json, medicine);
    json.object("dispenseRequest");
    quantity(&mut json, "quantity", prescription.days * medicine.daily, 0, "{dose}");
    quantity(&mut json, "expectedSupplyDuration", prescription.days, 0, "d");
    json.close();
    sink.end(Kind::MedicationRequest, None);
}

fn dosage(json: &mut Json, medicine: &Medicine) {
    let mut text = format!("{}，一日{}次，每次", medicine.route.chinese, medicine.daily);
    crate::json::decimal(&mut text, medicine.dose, medicine.places);
    text.push_str(super::unit(medicine.unit));
    json.array("dosageInstruction").open().integer("sequence", 1).text("text", &text);
    json.object("timing").object("repeat").integer("frequency", medicine.daily);
    json.integer("period", 1).text("periodUnit", "d").close().close();
    concept(json, "route", medicine.route);
    json.array("doseAndRate").open().object("type").array("coding");
    coding(json, "http://terminology.hl7.org/CodeSystem/dose-rate-type", "ordered", "Ordered");
    json.end().close();
    quantity(json, "doseQuantity", medicine.dose, medicine.places, medicine.unit);
    json.close().end().close().end();
}

fn procedure(
    context: &Context,
    sink: &mut impl Sink,
    visit: &Visit,
    intervention: &Intervention,
    start: i64,
    number: u64,
) {
    let mut json = Json(sink.begin(Kind::Procedure, context.id(Kind::Procedure, number)));
    json.text("status", "completed").object("category").array("coding");
    let diagnostic =
        intervention.icd9.starts_with('8') && intervention.icd9 != "86.22" || intervention.icd9.is_empty();
    let (code, display) =
        if diagnostic { ("103693007", "Diagnostic procedure") } else { ("387713003", "Surgical procedure") };
    coding(&mut json, system::SNOMED, code, display);
    json.end().close().object("code").array("coding");
    if !intervention.term.code.is_empty() {
        coding(&mut json, system::SNOMED, intervention.term.code, intervention.term.english);
    }
    if !intervention.icd9.is_empty() {
        coding(&mut json, system::ICD9CM, intervention.icd9, intervention.term.chinese);
    }
    json.end().text("text", intervention.term.chinese).close();
    context.subject(&mut json, "subject", visit.record);
    encounter_reference(context, &mut json, visit);
    json.object("performedPeriod").time("start", start).time("end", start + intervention.minutes).close();
    json.array("performer").open().object("actor");
    context.practitioner(&mut json, visit.practitioner);
    json.close().close().end();
    sink.end(Kind::Procedure, None);
}

fn immunization(context: &Context, sink: &mut impl Sink, visit: &Visit, dose: &Dose, number: u64) {
    let mut json = Json(sink.begin(Kind::Immunization, context.id(Kind::Immunization, number)));
    json.text("status", "completed").object("vaccineCode").array("coding");
    coding(&mut json, system::CVX, dose.vaccine.cvx, dose.vaccine.english);
    json.end().text("text", dose.vaccine.chinese).close();
    context.subject(&mut json, "patient", visit.record);
    encounter_reference(context, &mut json, visit);
    json.time("occurrenceDateTime", visit.start + 5).raw("\"primarySource\":true");
    let mut lot = String::new();
    crate::json::digits(&mut lot, i64::from(dose.lot), 6);
    json.object("location");
    let department = context.county.directory.staff[visit.practitioner].department_index;
    context.location(&mut json, visit.provider, department);
    json.close().text("lotNumber", &lot).array("performer").open().object("actor");
    context.practitioner(&mut json, visit.practitioner);
    json.close().close().end().array("protocolApplied").open();
    json.integer("doseNumberPositiveInt", dose.number).close().end();
    sink.end(Kind::Immunization, None);
}

/// Plans of care for chronic conditions.
pub(super) fn write_plans(context: &Context, sink: &mut impl Sink) {
    let person = context.person;
    for (number, &serial) in person.plans.iter().enumerate() {
        let condition = &person.conditions[serial];
        let Some(visit) = person.visits.iter().find(|v| v.serial == condition.visit) else { continue };
        let mut json = Json(sink.begin(Kind::CarePlan, context.id(Kind::CarePlan, number as u64)));
        json.text("status", if person.died.is_some() { "completed" } else { "active" });
        json.text("intent", "plan").array("category").open().array("coding");
        coding(&mut json, system::SNOMED, "734163000", "Care plan");
        json.end().close().end();
        let title = format!("{}管理计划", condition.diagnosis.chinese);
        json.text("title", &title);
        context.subject(&mut json, "subject", visit.record);
        encounter_reference(context, &mut json, visit);
        json.object("period").date("start", visit.start.div_euclid(1_440)).close();
        json.time("created", visit.start + 12);
        practitioner(context, &mut json, "author", visit);
        json.array("addresses").open();
        context.own_reference(&mut json, Kind::Condition, serial as u64);
        json.close().end().array("activity");
        for term in activities(condition.diagnosis) {
            json.open().object("detail");
            concept(&mut json, "code", term);
            json.text("status", "in-progress").close().close();
        }
        json.end();
        sink.end(Kind::CarePlan, None);
    }
}

fn activities(diagnosis: &Diagnosis) -> &'static [&'static Term] {
    static PRESSURE: [&Term; 3] = [&LOW_SALT, &EXERCISE, &HOME_PRESSURE];
    static FEET: [&Term; 2] = [&FOOT_CARE, &DIABETIC_DIET];
    static OTHERS: [&Term; 2] = [&EXERCISE, &REHABILITATION];
    if std::ptr::eq(diagnosis, &HYPERTENSION) {
        &PRESSURE
    } else if std::ptr::eq(diagnosis, &DIABETIC_FOOT) {
        &FEET
    } else {
        &OTHERS
    }
}
