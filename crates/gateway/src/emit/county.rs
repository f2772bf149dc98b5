//! The visits of the synthetic county, as facts to be emitted.

use tongmai_base::time::civil_from_days;
use tongmai_region::person::{Class, Person, Value, Visit as Lived};
use tongmai_region::{County, catalogue};

use super::Visit;

/// `YYYYMMDDhhmmss` of minutes since 1970 on a clock in China.
fn stamp(minutes: i64) -> String {
    let (year, month, day) = civil_from_days(minutes.div_euclid(1_440));
    let rest = minutes.rem_euclid(1_440);
    format!("{year:04}{month:02}{day:02}{:02}{:02}00", rest / 60, rest % 60)
}

/// `YYYYMMDDhhmmss` on a clock in China of milliseconds since 1970.
pub fn stamp_of(milliseconds: i64) -> String {
    let minutes = milliseconds.div_euclid(60_000) + tongmai_base::time::CHINA_OFFSET_MINUTES;
    format!("{}{:02}", &stamp(minutes)[..12], milliseconds.div_euclid(1_000).rem_euclid(60))
}

fn day(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}{month:02}{day:02}")
}

/// One visit of a person, as its provider registered the person.
pub fn visit(county: &County, person: &Person, lived: &Lived) -> Visit {
    let provider = &county.directory.providers[lived.provider];
    let doctor = &county.directory.staff[lived.practitioner];
    let record = &person.records[lived.record];
    let over = lived.end <= county.now();
    let diagnoses = lived.conditions.iter().map(|serial| {
        let diagnosis = person.conditions[*serial].diagnosis;
        (diagnosis.icd.to_owned(), diagnosis.chinese.to_owned())
    });
    Visit {
        organization: provider.code.clone(),
        organization_name: provider.name.clone(),
        patient: record.number.clone(),
        citizen: record.identity_number.clone().unwrap_or_default(),
        family: record.name.family.clone(),
        given: record.name.given.clone(),
        sex: person.sex.code().to_owned(),
        birth: day(record.birth),
        phone: record.phone.clone().unwrap_or_default(),
        number: format!("{}{:06}{:03}", &stamp(lived.start)[2..8], person.index, lived.serial),
        inpatient: lived.class == Class::Inpatient,
        start: stamp(lived.start),
        end: if over { stamp(lived.end) } else { String::new() },
        department: doctor.department.code.to_owned(),
        department_name: doctor.department.name.to_owned(),
        doctor: doctor.code.clone(),
        doctor_name: doctor.name.text(),
        diagnoses: diagnoses.collect(),
        fen: lived.total(),
        more: more(person, lived),
    }
}

/// What the county knows of a visit beyond what every door carries, by the names of `tables/wst500/county.txt`.
fn more(person: &Person, lived: &Lived) -> Vec<(&'static str, String)> {
    let mut more = vec![
        ("patient.age", person.age(lived.start.div_euclid(1_440)).to_string()),
        ("visit.days", lived.bed_days().to_string()),
        ("visit.cost", format!("{}.{:02}", lived.total() / 100, lived.total() % 100)),
    ];
    for measured in &lived.measurements {
        match measured.value {
            Value::Pressure(systolic, diastolic) => more.extend([
                ("vital.systolic", systolic.to_string()),
                ("vital.diastolic", diastolic.to_string()),
            ]),
            Value::Number(number) => {
                let name = match measured.analyte.loinc {
                    "8867-4" => "vital.heart-rate",
                    "8310-5" => "vital.temperature",
                    "9279-1" => "vital.respiration",
                    "29463-7" => "vital.weight",
                    "8302-2" => "vital.height",
                    _ => continue,
                };
                more.push((name, decimal(number, measured.analyte.places)));
            }
            Value::Coded(_) => {}
        }
    }
    if let Some(prescription) = lived.prescriptions.first() {
        more.push(("medicine.name", prescription.medicine.chinese.to_owned()));
    }
    if let Some((done, _)) = lived.interventions.iter().find(|(done, _)| !done.icd9.is_empty()) {
        more.push(("operation.code", done.icd9.to_owned()));
        more.push(("operation.name", done.term.chinese.to_owned()));
    }
    more
}

/// A number of 10^-`places` units.
fn decimal(number: i64, places: u32) -> String {
    match 10_i64.pow(places) {
        1 => number.to_string(),
        unit => format!("{}.{:0width$}", number / unit, number % unit, width = places as usize),
    }
}

/// The visits of the county, person by person.
pub fn visits(county: &County) -> impl Iterator<Item = Visit> + '_ {
    county.everyone().flat_map(move |person| {
        let all: Vec<Visit> = person
            .visits
            .iter()
            .filter(|lived| lived.start <= county.now() && lived.class != Class::Home)
            .map(|lived| visit(county, &person, lived))
            .collect();
        all
    })
}

/// Auntie 卓玛's admission of this morning (the story's 08:30): a slightly different name, and the number
/// of 15 digits that was in force until 1999.
pub fn admission(county: &County) -> Option<Visit> {
    let person = county.household(0).into_iter().next()?;
    let at = county
        .directory
        .providers
        .iter()
        .position(|of| of.kind == tongmai_region::place::ProviderKind::CountyHospital)?;
    let provider = &county.directory.providers[at];
    let doctor = county.directory.staff.iter().find(|doctor| doctor.provider == at)?;
    let now = stamp(county.now());
    let hypertension = &catalogue::HYPERTENSION;
    Some(Visit {
        organization: provider.code.clone(),
        organization_name: provider.name.clone(),
        patient: format!("ZY{}", &now[2..8]),
        citizen: tongmai_region::number::legacy(person.identity_number.as_deref()?)?,
        family: String::new(),
        given: "卓瑪".to_owned(),
        sex: person.sex.code().to_owned(),
        birth: day(person.birth),
        phone: person.phone.clone().unwrap_or_default(),
        number: format!("{}0830", &now[2..8]),
        inpatient: true,
        start: now,
        end: String::new(),
        department: doctor.department.code.to_owned(),
        department_name: doctor.department.name.to_owned(),
        doctor: doctor.code.clone(),
        doctor_name: doctor.name.text(),
        diagnoses: vec![(hypertension.icd.to_owned(), hypertension.chinese.to_owned())],
        fen: 0,
        more: Vec::new(),
    })
}

/// Last month's visit of 卓玛 at a private clinic (the story's 08:45).
pub fn clinic_visit(county: &County) -> Option<Visit> {
    let person = county.household(0).into_iter().next()?;
    let at = county
        .directory
        .providers
        .iter()
        .position(|of| of.kind == tongmai_region::place::ProviderKind::PrivateClinic)?;
    let provider = &county.directory.providers[at];
    let doctor = county.directory.staff.iter().find(|doctor| doctor.provider == at)?;
    let start = county.now() - 30 * 1_440 + 95;
    let diabetes = &catalogue::DIABETES;
    Some(Visit {
        organization: provider.code.clone(),
        organization_name: provider.name.clone(),
        patient: "MZ00017".to_owned(),
        citizen: person.identity_number.clone()?,
        family: person.name.family.clone(),
        given: person.name.given.clone(),
        sex: person.sex.code().to_owned(),
        birth: day(person.birth),
        phone: String::new(),
        number: format!("{}0845", &stamp(start)[2..8]),
        inpatient: false,
        start: stamp(start),
        end: stamp(start + 25),
        department: doctor.department.code.to_owned(),
        department_name: doctor.department.name.to_owned(),
        doctor: doctor.code.clone(),
        doctor_name: doctor.name.text(),
        diagnoses: vec![(diabetes.icd.to_owned(), diabetes.chinese.to_owned())],
        fen: 0,
        more: Vec::new(),
    })
}

/// The messages of the story's morning, by its times: the door and the bytes, as the systems send them at `now`, milliseconds
/// since 1970. `0831-tampered` is the insurer's message as somebody changed it on the way.
pub fn story(time: &str, seed: u64, now: i64) -> Option<(&'static str, Vec<u8>)> {
    let minutes = now.div_euclid(60_000) + tongmai_base::time::CHINA_OFFSET_MINUTES;
    let county = County::new(seed, 10, minutes.div_euclid(1_440));
    match time {
        "0830" => {
            let message = super::hl7v2(&admission(&county)?).remove(0).replace("UTF-8", "GB18030");
            Some(("hl7v2", encoding_rs::GB18030.encode(&message).0.into_owned()))
        }
        "0831" | "0831-tampered" => {
            let message = super::insurer::coverage(&county, &stamp_of(now), time != "0831")?;
            Some((crate::insurance::door::NAME, message.into_bytes()))
        }
        "0845" => {
            let document = super::wst500(&clinic_visit(&county)?);
            Some(("wst500", super::dirt::placeholders(&document, 3).into_bytes()))
        }
        _ => None,
    }
}
