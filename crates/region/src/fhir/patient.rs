//! Patient, RelatedPerson, Coverage and AllergyIntolerance.

use super::{Context, Kind, Sink, coding, concept, concept_members};
use crate::catalogue::{ALLERGENS, system};
use crate::county::patient_system;
use crate::json::Json;
use crate::names::{Ethnicity, Name, Sex};
use crate::person::Marital;
use crate::place;

/// The invented province.
pub(super) const PROVINCE: &str = "禾州省";

const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

pub(super) fn write(context: &Context, sink: &mut impl Sink, record: usize) {
    patient(context, sink, record);
    if context.person.mother.is_some() {
        mother(context, sink, record);
    }
    coverage(context, sink, record);
    if let (0, Some(allergy)) = (record, context.person.allergy) {
        allergy_intolerance(context, sink, allergy);
    }
}

/// The names in hanzi, in Latin letters, and in Tibetan script where there is one.
pub(super) fn names(json: &mut Json, name: &Name) {
    json.array("name").open();
    representation(json, "IDE");
    json.text("use", "official").text("text", &name.text());
    if !name.family.is_empty() {
        json.text("family", &name.family);
    }
    json.array("given").value(&name.given).end().close().open();
    representation(json, "SYL");
    json.text("use", "official").text("text", &name.latin());
    if !name.latin_family.is_empty() {
        json.text("family", &name.latin_family);
    }
    json.array("given").value(&name.latin_given).end().close();
    if !name.script.is_empty() {
        json.open().text("use", "usual").text("text", &name.script);
        json.array("given").value(&name.script).end().close();
    }
    json.end();
}

fn representation(json: &mut Json, code: &str) {
    json.array("extension").open().text("url", REPRESENTATION).text("valueCode", code).close().end();
}

fn identifier(json: &mut Json, usage: &str, kind: (&str, &str), system: &str, value: &str) {
    json.open().text("use", usage).object("type").array("coding");
    coding(json, IDENTIFIER_TYPE, kind.0, kind.1);
    json.end().close().text("system", system).text("value", value).close();
}

fn citizen(json: &mut Json, number: &str) {
    identifier(json, "official", ("NI", "National unique individual identifier"), system::CITIZEN, number);
}

fn phone(json: &mut Json, number: &str) {
    json.array("telecom")
        .open()
        .text("system", "phone")
        .text("value", number)
        .text("use", "mobile")
        .close()
        .end();
}

fn patient(context: &Context, sink: &mut impl Sink, record: usize) {
    let person = context.person;
    let it = context.record(record);
    let provider = &context.county.directory.providers[it.provider];
    let mut json = Json(sink.begin(Kind::Patient, it.id));
    json.object("meta").array("security");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST", "test health data");
    json.end().close();
    let (code, chinese, english) = person.people.coding();
    json.array("extension").open().text("url", "https://qinghe.example/StructureDefinition/ethnicity");
    json.object("valueCodeableConcept").array("coding");
    coding(&mut json, "https://qinghe.example/CodeSystem/gbt-3304", code, english);
    json.end().text("text", chinese).close().close().end();
    json.array("identifier");
    if let Some(number) = &it.identity_number {
        citizen(&mut json, number);
    }
    identifier(
        &mut json,
        "usual",
        ("MR", "Medical record number"),
        &patient_system(&provider.code),
        &it.number,
    );
    json.end().raw("\"active\":true");
    names(&mut json, &it.name);
    if let Some(number) = &it.phone {
        phone(&mut json, number);
    }
    json.text("gender", person.sex.code()).date("birthDate", it.birth);
    if let Some(died) = person.died {
        json.date("deceasedDateTime", died);
    }
    home(&mut json, context);
    if person.age(context.county.today) >= 20 {
        let (code, display) = match person.marital {
            Marital::Single => ("S", "Never Married"),
            Marital::Married => ("M", "Married"),
            Marital::Widowed => ("W", "Widowed"),
        };
        json.object("maritalStatus").array("coding");
        coding(&mut json, "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", code, display);
        json.end().close();
    }
    if let Some(&other) = person.twins.first() {
        json.integer("multipleBirthInteger", if person.index < other { 1 } else { 2 });
    }
    let (language, display) = match person.people {
        Ethnicity::Han => ("zh-CN", "Chinese (China)"),
        Ethnicity::Tibetan => ("bo", "Tibetan"),
        Ethnicity::Yi => ("ii", "Sichuan Yi"),
    };
    json.array("communication").open().object("language").array("coding");
    coding(&mut json, "urn:ietf:bcp:47", language, display);
    json.end().close().close().end();
    json.object("managingOrganization");
    context.organization(&mut json, it.provider);
    json.close();
    sink.end(Kind::Patient, None);
}

fn home(json: &mut Json, context: &Context) {
    let person = context.person;
    let (township, village, _) = place::village(person.village);
    let mut line = String::from(village);
    crate::json::digits(&mut line, person.house, 1);
    line.push('号');
    json.array("address").open().text("use", "home").text("type", "physical");
    json.text("text", &format!("{PROVINCE}清禾县{}{line}", township.name));
    json.array("line").value(&line).end();
    json.text("city", "清禾县").text("district", township.name).text("state", PROVINCE);
    json.text("postalCode", "990100").text("country", "CN").close().end();
}

/// The mother of a small child, by her number: she has a record of her own.
fn mother(context: &Context, sink: &mut impl Sink, record: usize) {
    let Some(mother) = &context.person.mother else { return };
    let mut json = Json(sink.begin(Kind::RelatedPerson, context.id(Kind::RelatedPerson, record as u64)));
    if let Some(number) = &mother.identity_number {
        json.array("identifier");
        citizen(&mut json, number);
        json.end();
    }
    json.raw("\"active\":true");
    context.subject(&mut json, "patient", record);
    json.array("relationship").open().array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", "mother");
    json.end().text("text", "母亲").close().end();
    names(&mut json, &mother.name);
    if let Some(number) = &mother.phone {
        phone(&mut json, number);
    }
    json.text("gender", Sex::Female.code());
    sink.end(Kind::RelatedPerson, None);
}

fn coverage(context: &Context, sink: &mut impl Sink, record: usize) {
    let person = context.person;
    let (code, english, chinese) = if person.employee {
        ("310", "Basic medical insurance for employees", "城镇职工基本医疗保险")
    } else {
        ("390", "Basic medical insurance for urban and rural residents", "城乡居民基本医疗保险")
    };
    let mut json = Json(sink.begin(Kind::Coverage, context.id(Kind::Coverage, record as u64)));
    json.text("status", "active").object("type").array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/v3-ActCode", "PUBLICPOL", "public healthcare");
    coding(&mut json, "https://qinghe.example/CodeSystem/insurance-type", code, english);
    json.end().text("text", chinese).close();
    let mut number = String::from("99");
    crate::json::digits(&mut number, (person.key % 10_000_000_000) as i64, 10);
    json.text("subscriberId", &number);
    context.subject(&mut json, "beneficiary", record);
    json.object("relationship").array("coding");
    coding(&mut json, "http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self", "Self");
    json.end().close();
    let (year, _, _) = tongmai_base::time::civil_from_days(context.county.today);
    let first = tongmai_base::time::days_from_civil(year, 1, 1).max(person.birth);
    json.object("period").date("start", first);
    json.date("end", tongmai_base::time::days_from_civil(year, 12, 31)).close();
    json.array("payor").open();
    context.organization(&mut json, place::INSURER);
    json.close().end();
    sink.end(Kind::Coverage, None);
}

fn allergy_intolerance(context: &Context, sink: &mut impl Sink, allergy: usize) {
    let (substance, reaction, category) = ALLERGENS[allergy % ALLERGENS.len()];
    let mut json = Json(sink.begin(Kind::AllergyIntolerance, context.id(Kind::AllergyIntolerance, 0)));
    json.object("clinicalStatus").array("coding");
    let clinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
    coding(&mut json, clinical, "active", "Active");
    json.end().close().object("verificationStatus").array("coding");
    let verification = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
    coding(&mut json, verification, "confirmed", "Confirmed");
    json.end().close().text("type", "allergy").array("category").value(category).end();
    let severe = reaction.code == crate::catalogue::ANAPHYLAXIS.code;
    json.text("criticality", if severe { "high" } else { "low" });
    concept(&mut json, "code", substance);
    context.subject(&mut json, "patient", 0);
    json.array("reaction").open().array("manifestation").open();
    concept_members(&mut json, reaction);
    json.close().end().text("severity", if severe { "severe" } else { "mild" }).close().end();
    sink.end(Kind::AllergyIntolerance, None);
}
