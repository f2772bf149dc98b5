//! Hypertension with its companions: diabetes, dyslipidaemia, stroke.
//!
//! States: *found* → *treated* at a step of the ladder of medicines, up when the
//! pressure stays high → now and then a *crisis* or a *stroke* in hospital.
//! Follow-up is every quarter in the village room or township clinic, as the
//! national basic public health services ask (国家基本公共卫生服务规范).

use super::Life;
use crate::catalogue::*;
use crate::names::Sex;
use crate::person::{Value, Visit};
use crate::place;
use crate::story::House;

/// The ladder of medicines; each step adds one. With diabetes the second is an inhibitor.
const LADDER: [&Medicine; 4] = [&AMLODIPINE, &VALSARTAN, &HYDROCHLOROTHIAZIDE, &METOPROLOL];

/// Share of people under care for hypertension in 1,000, by age in decades. About as
/// many again have it and do not know.
fn prevalence(age: i64) -> u64 {
    match age {
        ..=29 => 6,
        30..=39 => 30,
        40..=49 => 80,
        50..=59 => 150,
        60..=69 => 230,
        _ => 290,
    }
}

struct Illness {
    /// Systolic pressure without medicine.
    untreated: i64,
    /// How many medicines of the ladder are taken.
    step: usize,
    /// Whether the medicines are taken most days.
    adherent: bool,
    diabetic: bool,
    /// HbA1c in tenths of a per cent.
    glycated: i64,
    /// Serial numbers of the conditions once recorded.
    hypertension: Option<usize>,
    diabetes: Option<usize>,
    dyslipidaemia: Option<usize>,
    kidneys: Option<usize>,
}

pub(super) fn run(life: &mut Life) {
    let age = life.person.age(life.today());
    let zhuoma = life.household.story == Some(House::Zhuoma) && life.member == 0;
    let other_story = life.household.story.is_some() && !zhuoma;
    if !zhuoma && (other_story || age < 20 || !life.rng.chance(prevalence(age))) {
        return;
    }
    let diabetic = zhuoma || life.rng.chance(if age > 50 { 240 } else { 110 });
    let mut illness = Illness {
        untreated: if zhuoma { 186 } else { life.rng.bell(163, 11).max(142) },
        step: life.rng.range(0, 2) as usize,
        adherent: !zhuoma && life.rng.chance(640),
        diabetic,
        glycated: if zhuoma { 89 } else { life.rng.bell(76, 10).max(58) },
        hypertension: None,
        diabetes: None,
        dyslipidaemia: None,
        kidneys: None,
    };
    if diabetic {
        life.body.glucose = illness.glycated;
    }
    // Half have been under care before the history begins, the others are found within it.
    let found = if zhuoma || life.rng.chance(650) { 0 } else { life.rng.range(60, 600) };
    let mut day = life.first_day() + found + life.rng.range(3, 60);
    let mut quarter = 0;
    while day < life.today() {
        follow_up(life, &mut illness, day, quarter);
        quarter += 1;
        day += life.rng.range(84, 130);
    }
    if zhuoma {
        super::everyday::zhuoma(life, illness.hypertension);
    }
}

fn follow_up(life: &mut Life, illness: &mut Illness, day: i64, quarter: i64) {
    let yearly = quarter % 4 == 0;
    let provider = if yearly || life.rng.chance(250) { life.township_clinic() } else { life.village_room() };
    let Some(mut visit) = life.visit(day, provider, &place::GENERAL, &FOLLOW_UP) else { return };
    record_conditions(life, illness, &mut visit, day);
    let relief = if illness.adherent { 13 } else { 6 };
    let systolic = illness.untreated - relief * illness.step as i64;
    let Value::Pressure(systolic, diastolic) = life.pressure(systolic) else { return };
    visit.note(&BLOOD_PRESSURE, Value::Pressure(systolic, diastolic));
    visit.observe(&HEART_RATE, life.rng.bell(76, 7));
    if yearly {
        let weight = life.weight() + life.rng.range(-10, 10);
        visit.observe(&WEIGHT, weight);
    }
    if systolic >= 140 && illness.step < LADDER.len() && life.rng.chance(600) {
        illness.step += 1;
    }
    for medicine in LADDER.into_iter().take(illness.step) {
        let diabetic = illness.diabetic && std::ptr::eq(medicine, &VALSARTAN);
        visit.prescribe(if diabetic { &ENALAPRIL } else { medicine }, 90);
    }
    diabetes_care(life, illness, &mut visit, yearly);
    if yearly {
        let at = visit.start + 15;
        life.kidney_panel(&mut visit, at);
        life.lipid_panel(&mut visit, at, illness.dyslipidaemia.is_some());
    }
    visit.billed = !visit.prescriptions.is_empty() || yearly;
    life.file(visit);
    if systolic >= 180 {
        crisis(life, illness, day);
    } else if systolic >= 150 && life.rng.chance(9) {
        stroke(life, illness, day + 20);
    }
}

/// Puts the conditions on the problem list the first time, and refers to them later.
fn record_conditions(life: &mut Life, illness: &mut Illness, visit: &mut Visit, day: i64) {
    match illness.hypertension {
        Some(known) => visit.conditions.push(known),
        None => {
            let onset = day - life.rng.range(0, 2_400);
            let known = life.diagnose(visit, &HYPERTENSION, onset, None);
            illness.hypertension = Some(known);
            life.person.plans.push(known);
        }
    }
    if illness.diabetic {
        match illness.diabetes {
            Some(known) => visit.conditions.push(known),
            None => {
                let onset = day - life.rng.range(0, 1_900);
                illness.diabetes = Some(life.diagnose(visit, &DIABETES, onset, None));
            }
        }
    }
    if illness.dyslipidaemia.is_none() && life.body.cholesterol > 540 {
        illness.dyslipidaemia = Some(life.diagnose(visit, &DYSLIPIDAEMIA, day, None));
    }
    let worn = life.body.creatinine > if life.person.sex == Sex::Male { 94 } else { 76 };
    if illness.kidneys.is_none() && illness.untreated > 160 && worn {
        // Long pressure has worn the kidneys: from here on the laboratory shows it.
        life.body.creatinine += 45;
        illness.kidneys = Some(life.diagnose(visit, &KIDNEY_DISEASE, day, None));
    }
}

fn diabetes_care(life: &mut Life, illness: &mut Illness, visit: &mut Visit, yearly: bool) {
    if let Some(known) = illness.diabetes {
        let at = visit.start + 15;
        let glycated = life.rng.bell(illness.glycated, 3);
        let glucose = life.rng.bell(glycated - 5, 6).max(40);
        let mut results = vec![(&GLUCOSE, glucose), (&HBA1C, glycated)];
        if yearly {
            let leak = if illness.kidneys.is_some() { 840 } else { 140 };
            results.push((&ALBUMIN_CREATININE, life.rng.bell(leak, leak / 4)));
        }
        visit.order(&GLYCAEMIA, at, &results);
        let place = visit.prescriptions.len();
        visit.prescribe(&METFORMIN, 90);
        if glycated > 80 {
            visit.prescribe(if illness.glycated > 86 { &INSULIN_GLARGINE } else { &GLICLAZIDE }, 90);
        }
        for prescription in &mut visit.prescriptions[place..] {
            prescription.reason = Some(known);
        }
        if yearly {
            visit.perform(&FOOT_EXAMINATION, 20);
        }
    }
    if let Some(known) = illness.dyslipidaemia {
        visit.prescribe(&ATORVASTATIN, 90);
        if let Some(last) = visit.prescriptions.last_mut() {
            last.reason = Some(known);
        }
    }
}

/// Pressure of 180 or more: the emergency room of the county hospital, on the same or the next day.
fn crisis(life: &mut Life, illness: &Illness, day: i64) {
    let after = life.rng.range(0, 1);
    let Some(mut visit) = life.emergency(day + after) else { return };
    visit.conditions.extend(illness.hypertension);
    for minutes in [3, 65] {
        let at = visit.start + minutes;
        let value = life.pressure(illness.untreated - minutes / 4);
        visit.measurements.push(crate::person::Measurement { analyte: &BLOOD_PRESSURE, value, at });
    }
    visit.observe(&HEART_RATE, life.rng.bell(92, 8));
    visit.observe(&SATURATION, life.rng.range(95, 99));
    visit.perform(&ELECTROCARDIOGRAM, 12);
    let at = visit.start + 20;
    life.kidney_panel(&mut visit, at);
    visit.prescribe(&NIFEDIPINE, 7);
    life.file(visit);
}

fn stroke(life: &mut Life, illness: &Illness, day: i64) {
    let nights = life.rng.range(7, 14);
    let provider = place::COUNTY_HOSPITAL;
    let Some(mut visit) = life.admission(day, nights, provider, &place::INTERNAL, &ADMISSION) else { return };
    let onset = visit.start.div_euclid(1_440);
    let known = life.diagnose(&mut visit, &STROKE, onset, None);
    visit.conditions.extend(illness.hypertension);
    visit.conditions.extend(illness.diabetes);
    visit.perform(&HEAD_CT, 35);
    visit.perform(&ELECTROCARDIOGRAM, 55);
    if life.rng.chance(180) {
        visit.perform(&THROMBOLYSIS, 90);
    }
    let at = visit.start + 30;
    life.blood_count(&mut visit, at, 1);
    life.kidney_panel(&mut visit, at);
    life.lipid_panel(&mut visit, at, false);
    for night in 0..nights.min(5) {
        let value = life.pressure(illness.untreated - 5 * night);
        let at = visit.start + night * 1_440 + 45;
        visit.measurements.push(crate::person::Measurement { analyte: &BLOOD_PRESSURE, value, at });
    }
    for medicine in [&ASPIRIN, &CLOPIDOGREL, &ATORVASTATIN] {
        visit.prescribe(medicine, 30);
    }
    life.person.plans.push(known);
    let older = life.person.age(onset) > 70;
    let man = life.person.sex == Sex::Male;
    if older && life.rng.chance(if man { 130 } else { 110 }) {
        life.person.died = Some(visit.end.div_euclid(1_440)).filter(|&d| d < life.today());
    }
    life.file(visit);
}
