//! What brings people to a doctor on an ordinary day: colds, stomachs, backs,
//! broken arms, check-ups, low spirits.

use super::{HISTORY_DAYS, Life};
use crate::catalogue::*;
use crate::person::{Class, Value, Visit};
use crate::place::{self, Department};

/// A short illness: how often by age, how it is treated.
struct Acute {
    diagnosis: &'static Diagnosis,
    /// Cases seen in 10,000 person-years under 15, from 15 to 59, from 60.
    yearly: [u64; 3],
    lasts: (i64, i64),
    medicines: &'static [&'static Medicine],
    days: i64,
    fever: bool,
    /// How hard the body fights bacteria; `None` when no blood is taken.
    strain: Option<i64>,
}

static ACUTE: [Acute; 10] = [
    Acute {
        diagnosis: &COLD,
        yearly: [4_200, 1_300, 1_300],
        lasts: (4, 9),
        medicines: &[&BANLANGEN, &PARACETAMOL],
        days: 3,
        fever: true,
        strain: None,
    },
    Acute {
        diagnosis: &BRONCHITIS,
        yearly: [900, 350, 800],
        lasts: (7, 16),
        medicines: &[&AMBROXOL, &AMOXICILLIN],
        days: 7,
        fever: true,
        strain: Some(1),
    },
    Acute {
        diagnosis: &GASTROENTERITIS,
        yearly: [700, 420, 380],
        lasts: (2, 6),
        medicines: &[&SMECTITE],
        days: 3,
        fever: true,
        strain: Some(1),
    },
    Acute {
        diagnosis: &GASTRITIS,
        yearly: [30, 420, 500],
        lasts: (14, 60),
        medicines: &[&OMEPRAZOLE],
        days: 14,
        fever: false,
        strain: None,
    },
    Acute {
        diagnosis: &BACK_PAIN,
        yearly: [5, 600, 800],
        lasts: (10, 45),
        medicines: &[&IBUPROFEN],
        days: 5,
        fever: false,
        strain: None,
    },
    Acute {
        diagnosis: &KNEE_ARTHROSIS,
        yearly: [0, 160, 1_250],
        lasts: (60, 200),
        medicines: &[&IBUPROFEN],
        days: 10,
        fever: false,
        strain: None,
    },
    Acute {
        diagnosis: &CARIES,
        yearly: [620, 300, 240],
        lasts: (5, 20),
        medicines: &[],
        days: 0,
        fever: false,
        strain: None,
    },
    Acute {
        diagnosis: &URINARY_INFECTION,
        yearly: [40, 240, 330],
        lasts: (4, 8),
        medicines: &[&LEVOFLOXACIN],
        days: 5,
        fever: false,
        strain: Some(1),
    },
    Acute {
        diagnosis: &ANAEMIA,
        yearly: [120, 190, 150],
        lasts: (60, 150),
        medicines: &[&IRON],
        days: 30,
        fever: false,
        strain: Some(0),
    },
    Acute {
        diagnosis: &PNEUMONIA,
        yearly: [90, 25, 130],
        lasts: (12, 24),
        medicines: &[&AZITHROMYCIN],
        days: 5,
        fever: true,
        strain: Some(3),
    },
];

pub(super) fn run(life: &mut Life) {
    if life.household.story.is_none() {
        for acute in &ACUTE {
            let age = life.person.age(life.today());
            let band = if age < 15 {
                0
            } else if age < 60 {
                1
            } else {
                2
            };
            let days = life.today() - life.first_day();
            // Two draws a history: nobody has more than two of one kind.
            for _ in 0..2 {
                if life.rng.below(10_000 * 365 * 2) < acute.yearly[band] * days as u64 {
                    let day = life.first_day() + life.rng.range(0, days);
                    short_illness(life, acute, day);
                }
            }
        }
        surgery(life);
        low_spirits(life);
        old_heart_and_lungs(life);
    }
    check_ups(life);
    if life.rng.chance(55) {
        life.person.allergy = Some(life.rng.below(ALLERGENS.len() as u64) as usize);
    }
}

fn short_illness(life: &mut Life, acute: &Acute, day: i64) {
    let blood = acute.strain.filter(|_| life.rng.chance(450));
    let (provider, department): (usize, &'static Department) = match life.rng.below(100) {
        0..40 if blood.is_none() => (life.village_room(), &place::GENERAL),
        0..70 => (life.township_clinic(), &place::GENERAL),
        70..80 if blood.is_none() => (place::PRIVATE_CLINIC, &place::GENERAL),
        70..90 => (place::PRIVATE_HOSPITAL + life.rng.below(2) as usize, &place::INTERNAL),
        _ if life.person.age(day) < 14 => (place::COUNTY_HOSPITAL, &place::PAEDIATRICS),
        _ => (place::COUNTY_HOSPITAL, &place::INTERNAL),
    };
    let Some(mut visit) = life.visit(day, provider, department, &CONSULTATION) else { return };
    let lasts = life.rng.range(acute.lasts.0, acute.lasts.1);
    let before = life.rng.range(0, 3);
    life.diagnose(&mut visit, acute.diagnosis, day - before, Some(lasts));
    if acute.fever {
        visit.observe(&TEMPERATURE, life.rng.bell(376, 5).clamp(361, 398));
    }
    if life.person.age(day) > 35 {
        let pressure = life.pressure(life.body.systolic);
        visit.note(&BLOOD_PRESSURE, pressure);
    }
    if let Some(strain) = blood {
        let at = visit.start + 10;
        life.blood_count(&mut visit, at, strain);
    }
    if std::ptr::eq(acute.diagnosis, &PNEUMONIA) {
        visit.perform(&CHEST_RADIOGRAPH, 15);
    }
    for medicine in acute.medicines {
        visit.prescribe(medicine, acute.days);
    }
    life.file(visit);
}

/// An appendix or a broken forearm: emergency room, then a bed.
fn surgery(life: &mut Life) {
    let appendix = life.rng.chance(4);
    if life.first_day() <= life.person.birth + 1_500 || !(appendix || life.rng.chance(9)) {
        return;
    }
    let (diagnosis, intervention, nights) = if appendix {
        (&APPENDICITIS, &APPENDECTOMY, life.rng.range(4, 7))
    } else {
        (&FOREARM_FRACTURE, &FRACTURE_REDUCTION, life.rng.range(2, 6))
    };
    let day = life.first_day() + life.rng.range(0, HISTORY_DAYS);
    let Some(mut first) = life.emergency(day) else { return };
    let onset = first.start.div_euclid(1_440);
    let known = life.diagnose(&mut first, diagnosis, onset, Some(30));
    let pressure = life.pressure(life.body.systolic + 8);
    first.note(&BLOOD_PRESSURE, pressure);
    first.observe(&HEART_RATE, life.rng.bell(96, 8));
    let at = first.start + 20;
    life.blood_count(&mut first, at, if appendix { 3 } else { 0 });
    let from = first.end;
    life.file(first);
    let department = &place::SURGERY;
    let provider = place::COUNTY_HOSPITAL;
    let Some(mut visit) = life.admission(onset, nights, provider, department, &ADMISSION) else { return };
    visit.start = from + 20;
    visit.end = visit.end.max(from + 1_440);
    visit.conditions.push(known);
    visit.perform(intervention, 180);
    visit.observe(&TEMPERATURE, life.rng.bell(372, 4));
    visit.prescribe(&CEFTRIAXONE, 3);
    visit.prescribe(&IBUPROFEN, 4);
    life.file(visit);
}

/// From sixty on: a stay for the heart or the lungs, which some do not survive.
fn old_heart_and_lungs(life: &mut Life) {
    let age = life.person.age(life.today());
    if age < 60 || !life.rng.chance(if age < 75 { 50 } else { 110 }) {
        return;
    }
    let heart = life.rng.chance(450);
    let day = life.first_day() + life.rng.range(0, HISTORY_DAYS);
    let nights = life.rng.range(5, 12);
    let department = if heart { &place::CARDIOLOGY } else { &place::INTERNAL };
    let provider = place::COUNTY_HOSPITAL;
    let Some(mut visit) = life.admission(day, nights, provider, department, &ADMISSION) else { return };
    let before = life.rng.range(0, 1_500);
    let diagnosis = if heart { &CORONARY } else { &LUNG_DISEASE };
    let known = life.diagnose(&mut visit, diagnosis, day - before, None);
    life.person.plans.push(known);
    let pressure = life.pressure(life.body.systolic + 12);
    visit.note(&BLOOD_PRESSURE, pressure);
    visit.observe(&HEART_RATE, life.rng.bell(98, 9));
    visit.observe(&SATURATION, life.rng.range(86, 96));
    let at = visit.start + 30;
    life.blood_count(&mut visit, at, i64::from(!heart));
    life.kidney_panel(&mut visit, at);
    visit.perform(&ELECTROCARDIOGRAM, 20);
    visit.perform(&CHEST_RADIOGRAPH, 70);
    let medicines: [&Medicine; 2] = if heart { [&ASPIRIN, &METOPROLOL] } else { [&SALBUTAMOL, &CEFTRIAXONE] };
    for medicine in medicines {
        visit.prescribe(medicine, nights);
    }
    if life.rng.chance(if age < 75 { 60 } else { 170 }) {
        life.person.died = Some(visit.end.div_euclid(1_440)).filter(|&d| d < life.today());
    }
    life.file(visit);
}

/// Depression, treated at the county hospital.
fn low_spirits(life: &mut Life) {
    if life.person.age(life.today()) < 16 || !life.rng.chance(14) {
        return;
    }
    let first = life.first_day() + life.rng.range(10, HISTORY_DAYS);
    let score = life.rng.range(12, 19);
    depression(life, first, 4, score);
}

fn depression(life: &mut Life, first: i64, visits: i64, score: i64) {
    let mut known = None;
    for number in 0..visits {
        let day = first + number * 30;
        let provider = place::COUNTY_HOSPITAL;
        let Some(mut visit) = life.visit(day, provider, &place::MENTAL, &MENTAL_HEALTH) else { continue };
        match known {
            Some(serial) => visit.conditions.push(serial),
            None => known = Some(life.diagnose(&mut visit, &DEPRESSION, day - 60, None)),
        }
        visit.observe(&PHQ_9, (score - number * 3).max(3));
        visit.prescribe(&SERTRALINE, 30);
        life.file(visit);
    }
}

/// Yearly check-ups from 65 on, rarer ones before.
fn check_ups(life: &mut Life) {
    let age = life.person.age(life.today());
    let yearly = if age >= 65 {
        380
    } else if age >= 35 {
        45
    } else {
        30
    };
    for years in 0..2 {
        if age < 7 || !life.rng.chance(yearly) {
            continue;
        }
        let day = life.first_day() + years * 365 + life.rng.range(5, 350);
        let provider = life.township_clinic();
        let Some(mut visit) = life.visit(day, provider, &place::PREVENTION, &CHECK_UP) else { continue };
        let pressure = life.pressure(life.body.systolic);
        visit.note(&BLOOD_PRESSURE, pressure);
        visit.observe(&HEART_RATE, life.rng.bell(74, 8));
        life.measure_body(&mut visit);
        if age >= 35 {
            let at = visit.start + 10;
            life.blood_count(&mut visit, at, 0);
            let enzymes = [(&ALT, life.rng.bell(24, 9).max(5)), (&AST, life.rng.bell(25, 6).max(8))];
            visit.order(&LIVER, at, &enzymes);
            if life.rng.chance(500) {
                life.kidney_panel(&mut visit, at);
                life.lipid_panel(&mut visit, at, false);
            }
            let glucose = life.rng.bell(life.body.glucose, 4);
            visit.order(&GLYCAEMIA, at, &[(&GLUCOSE, glucose)]);
            visit.perform(&ELECTROCARDIOGRAM, 25);
        }
        life.file(visit);
    }
}

/// What Auntie 卓玛's story needs beyond her follow-ups: this morning's 186/112 in the
/// village room, her feet, the private clinic, the mental-health department.
pub(super) fn zhuoma(life: &mut Life, hypertension: Option<usize>) {
    let today = life.today();
    let room = life.village_room();
    let start = today * 1_440 + 7 * 60 + 40;
    let morning = life.book(start, start + 8, room, &place::GENERAL, &FOLLOW_UP, Class::Ambulatory);
    if let Some(mut visit) = morning {
        visit.conditions.extend(hypertension);
        visit.note(&BLOOD_PRESSURE, Value::Pressure(186, 112));
        visit.observe(&HEART_RATE, 84);
        life.file(visit);
    }
    depression(life, today - 200, 2, 14);
    let private = life.visit(today - 34, place::PRIVATE_CLINIC, &place::GENERAL, &CONSULTATION);
    if let Some(mut visit) = private {
        visit.conditions.extend(hypertension);
        feet(life, &mut visit, today - 60);
        let pressure = life.pressure(172);
        visit.note(&BLOOD_PRESSURE, pressure);
        visit.prescribe(&IBUPROFEN, 7);
        life.file(visit);
    }
    let second = life.visit(today - 12, place::PRIVATE_HOSPITAL, &place::SURGERY, &CONSULTATION);
    if let Some(mut visit) = second {
        visit.perform(&DEBRIDEMENT, 20);
        visit.prescribe(&LEVOFLOXACIN, 7);
        let at = visit.start + 25;
        life.blood_count(&mut visit, at, 1);
        life.file(visit);
    }
}

fn feet(life: &mut Life, visit: &mut Visit, onset: i64) {
    let known = life.diagnose(visit, &DIABETIC_FOOT, onset, None);
    life.person.plans.push(known);
    visit.perform(&FOOT_EXAMINATION, 6);
}
