//! Pregnancy, birth and the first years.
//!
//! States of the mother: *pregnant* → antenatal visits by week, now and then with
//! diabetes or high pressure → *delivery* in a bed → visits after birth. Of the
//! child: *newborn* in a bed → well-child visits and vaccines by age.

use super::Life;
use crate::catalogue::*;
use crate::person::{Dose, Measurement, Value};
use crate::place;
use crate::population::Role;
use crate::rng::Rng;
use crate::uid;

/// Weeks of pregnancy at which antenatal visits are due.
const ANTENATAL_WEEKS: [i64; 8] = [10, 14, 18, 22, 26, 30, 34, 37];
/// Ages in months of the well-child visits.
const WELL_CHILD: [i64; 9] = [1, 3, 6, 8, 12, 18, 24, 30, 36];
/// Weight (tenths of a kg), length and head (tenths of a cm) of a boy in the middle at birth
/// and at the months of [`WELL_CHILD`]; after the WHO growth standards, rounded.
const GROWTH: [(i64, i64, i64); 10] = [
    (33, 499, 345),
    (45, 547, 373),
    (64, 614, 405),
    (79, 676, 433),
    (86, 706, 445),
    (96, 757, 461),
    (109, 823, 474),
    (122, 878, 483),
    (133, 919, 489),
    (143, 961, 495),
];

/// A birth as mother and child both see it: drawn from a stream of the household,
/// so that the two bundles tell the same.
struct Birth {
    day: i64,
    /// Minute of the day.
    minute: i64,
    twins: bool,
    caesarean: bool,
    provider: usize,
    nights: i64,
}

impl Birth {
    fn of(life: &Life, day: i64, twins: bool) -> Birth {
        let household = life.household.index;
        let mut rng = Rng::new(life.county.seed, uid::STREAM_BIRTH, household ^ ((day as u64) << 32));
        let story = life.household.story.is_some();
        let caesarean = rng.chance(if twins { 750 } else { 370 });
        let private = !story && rng.chance(150);
        Birth {
            day,
            minute: rng.range(0, 1_439),
            twins,
            caesarean,
            provider: if private { place::PRIVATE_HOSPITAL } else { place::COUNTY_HOSPITAL },
            nights: if caesarean { rng.range(4, 6) } else { rng.range(2, 3) },
        }
    }
}

pub(super) fn run(life: &mut Life) {
    if life.household.mother() == Some(life.member) {
        let mut births: Vec<(i64, usize)> = Vec::new();
        for child in life.household.members.iter().filter(|m| m.role == Role::Child) {
            match births.iter_mut().find(|(day, _)| *day == child.birth) {
                Some((_, count)) => *count += 1,
                None => births.push((child.birth, 1)),
            }
        }
        births.extend(life.household.due.map(|due| (due, 1)));
        let recent = life.first_day();
        for (day, children) in births.into_iter().filter(|(day, _)| *day > recent) {
            let birth = Birth::of(life, day, children > 1);
            pregnancy(life, &birth);
        }
    }
    let member = life.household.members[life.member];
    if member.role == Role::Child && life.person.age(life.today()) < 6 {
        childhood(life);
    }
}

fn pregnancy(life: &mut Life, birth: &Birth) {
    let length = if birth.twins { 256 } else { 277 };
    let first = birth.day - length;
    let diabetic = life.rng.chance(120);
    let hypertensive = life.rng.chance(60);
    let mut known = None;
    for week in ANTENATAL_WEEKS {
        let day = first + week * 7 + life.rng.range(-3, 3);
        if day >= birth.day || day < life.first_day() {
            continue;
        }
        let ultrasound = matches!(week, 10 | 22 | 30);
        let (provider, department) = if ultrasound || birth.twins {
            (birth.provider, &place::OBSTETRICS)
        } else {
            (life.township_clinic(), &place::PREVENTION)
        };
        let Some(mut visit) = life.visit(day, provider, department, &ANTENATAL_VISIT) else { continue };
        let lasting = birth.day - first;
        let diagnosis = if birth.twins { &TWIN_PREGNANCY } else { &PREGNANCY };
        match known {
            Some(serial) => visit.conditions.push(serial),
            None => known = Some(life.diagnose(&mut visit, diagnosis, first, Some(lasting))),
        }
        if week == 26 && diabetic {
            life.diagnose(&mut visit, &GESTATIONAL_DIABETES, day, Some(birth.day - day));
        }
        if week == 30 && hypertensive {
            life.diagnose(&mut visit, &GESTATIONAL_HYPERTENSION, day, Some(birth.day - day + 40));
        }
        antenatal_findings(life, &mut visit, week, diabetic, hypertensive);
        if ultrasound {
            visit.perform(&OBSTETRIC_ULTRASOUND, 20);
        }
        visit.prescribe(if week < 14 { &FOLIC_ACID } else { &IRON }, 28);
        life.file(visit);
    }
    if birth.day <= life.today() {
        delivery(life, birth, known);
    }
}

fn antenatal_findings(
    life: &mut Life,
    visit: &mut crate::person::Visit,
    week: i64,
    diabetic: bool,
    hypertensive: bool,
) {
    let systolic = if hypertensive && week >= 30 { 146 } else { 112 };
    let pressure = life.pressure(systolic);
    visit.note(&BLOOD_PRESSURE, pressure);
    visit.observe(&WEIGHT, life.weight() + week * 3);
    visit.observe(&GESTATION, week);
    if week >= 14 {
        visit.observe(&FETAL_HEART, life.rng.bell(144, 6));
    }
    if week >= 22 {
        visit.observe(&FUNDAL_HEIGHT, week - 1 + life.rng.range(-1, 2));
    }
    let at = visit.start + 12;
    let strip = |analyte, found: bool| Measurement {
        analyte,
        value: Value::Coded(if found { &POSITIVE } else { &NEGATIVE }),
        at,
    };
    let protein = hypertensive && week >= 34;
    let results = vec![strip(&URINE_PROTEIN, protein), strip(&URINE_GLUCOSE, diabetic && week >= 22)];
    visit.reports.push(crate::person::Report { panel: &URINALYSIS, at, results });
    if week == 10 {
        let groups = [&GROUP_A, &GROUP_B, &GROUP_O, &GROUP_AB];
        let group = groups[life.rng.weighted(&[28, 27, 35, 10])];
        let carrier = life.rng.chance(50);
        let blood = Measurement { analyte: &BLOOD_GROUP, value: Value::Coded(group), at };
        let results = vec![blood, strip(&HEPATITIS_B, carrier)];
        visit.reports.push(crate::person::Report { panel: &ANTENATAL, at, results });
    }
    if matches!(week, 10 | 30) {
        life.blood_count(visit, at, 0);
    }
    if week == 26 {
        let glucose = if diabetic { life.rng.bell(60, 5) } else { life.rng.bell(45, 3) };
        visit.order(&GLYCAEMIA, at, &[(&GLUCOSE, glucose)]);
    }
}

fn delivery(life: &mut Life, birth: &Birth, pregnancy: Option<usize>) {
    let Some(mut visit) =
        life.admission(birth.day, birth.nights, birth.provider, &place::OBSTETRICS, &PLANNED_ADMISSION)
    else {
        return;
    };
    let born = birth.day * 1_440 + birth.minute;
    visit.start = born - 400;
    let diagnosis = if birth.caesarean { &CAESAREAN_DELIVERY } else { &NORMAL_DELIVERY };
    life.diagnose(&mut visit, diagnosis, birth.day, Some(42));
    visit.conditions.extend(pregnancy);
    let pressure = life.pressure(122);
    visit.note(&BLOOD_PRESSURE, pressure);
    let at = visit.start + 30;
    life.blood_count(&mut visit, at, 1);
    let intervention = if birth.caesarean { &CAESAREAN } else { &VAGINAL_DELIVERY };
    visit.interventions.push((intervention, born - intervention.minutes.min(390)));
    visit.prescribe(&OXYTOCIN, 2);
    if birth.caesarean {
        visit.prescribe(&CEFTRIAXONE, 2);
    }
    life.file(visit);
    for (after, service) in [(9, &HOME_VISIT), (42, &POSTNATAL_VISIT)] {
        let provider = if after == 9 { life.village_room() } else { life.township_clinic() };
        let Some(mut visit) = life.visit(birth.day + after, provider, &place::GENERAL, service) else {
            continue;
        };
        if after == 9 {
            visit.class = crate::person::Class::Home;
        }
        let pressure = life.pressure(114);
        visit.note(&BLOOD_PRESSURE, pressure);
        visit.observe(&TEMPERATURE, life.rng.bell(366, 2));
        life.file(visit);
    }
}

fn childhood(life: &mut Life) {
    let born = life.person.birth;
    let twins = life.household.twins_of(life.member).next().is_some();
    if born > life.today() - super::HISTORY_DAYS {
        let birth = Birth::of(life, born, twins);
        newborn(life, &birth);
    }
    let clinic = life.township_clinic();
    for (number, &months) in WELL_CHILD.iter().enumerate() {
        let day = born + months * 61 / 2 + life.rng.range(0, 9);
        let Some(mut visit) = life.visit(day, clinic, &place::PREVENTION, &CHILD_VISIT) else { continue };
        growth(life, &mut visit, number + 1);
        if matches!(months, 8 | 18) {
            let at = visit.start + 10;
            visit.order(&BLOOD_COUNT, at, &[(&HEMOGLOBIN, life.rng.bell(118, 9))]);
        }
        life.file(visit);
    }
    for vaccine in PROGRAMME {
        for (number, &age) in vaccine.schedule.iter().enumerate().filter(|(_, age)| **age > 0) {
            let day = born + age + life.rng.range(0, 14);
            if !life.rng.chance(960) {
                continue;
            }
            let Some(mut visit) = life.visit(day, clinic, &place::PREVENTION, &VACCINATION) else { continue };
            let lot = life.rng.range(202_300, 202_699) as u32;
            visit.doses.push(Dose { vaccine, number: number as i64 + 1, lot });
            life.file(visit);
        }
    }
}

fn growth(life: &mut Life, visit: &mut crate::person::Visit, place: usize) {
    let (weight, length, head) = GROWTH[place.min(GROWTH.len() - 1)];
    visit.observe(&WEIGHT, life.rng.bell(weight, (weight / 12).max(2)));
    visit.observe(&HEIGHT, life.rng.bell(length, 18));
    visit.observe(&HEAD, life.rng.bell(head, 8));
}

fn newborn(life: &mut Life, birth: &Birth) {
    let department = &place::PAEDIATRICS;
    let Some(mut visit) =
        life.admission(birth.day, birth.nights, birth.provider, department, &PLANNED_ADMISSION)
    else {
        return;
    };
    visit.start = birth.day * 1_440 + birth.minute;
    life.diagnose(&mut visit, if birth.twins { &LIVEBORN_TWIN } else { &LIVEBORN }, birth.day, Some(28));
    if birth.twins {
        life.diagnose(&mut visit, &PRETERM, birth.day, Some(60));
    }
    growth(life, &mut visit, 0);
    if let (true, Some(weight)) = (birth.twins, visit.measurements.first_mut()) {
        weight.value = Value::Number(life.rng.bell(24, 2));
    }
    let first = life.rng.range(7, 10);
    visit.observe(&APGAR_1, first);
    visit.observe(&APGAR_5, (first + 1).min(10));
    visit.observe(&TEMPERATURE, life.rng.bell(367, 2));
    let yellow = life.rng.chance(if birth.twins { 350 } else { 130 });
    let at = visit.start + 2 * 1_440 - 300;
    let bilirubin = if yellow { life.rng.bell(2_560, 180) } else { life.rng.bell(1_150, 250) };
    visit.order(&LIVER, at, &[(&BILIRUBIN, bilirubin)]);
    if yellow {
        life.diagnose(&mut visit, &JAUNDICE, birth.day + 2, Some(12));
        visit.interventions.push((&PHOTOTHERAPY, at + 120));
    }
    visit.prescribe(&VITAMIN_K, 1);
    for vaccine in [&HEPATITIS_B_VACCINE, &BCG] {
        let lot = life.rng.range(202_300, 202_699) as u32;
        visit.doses.push(Dose { vaccine, number: 1, lot });
    }
    life.file(visit);
}
