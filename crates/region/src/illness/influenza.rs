//! Influenza: a season every winter, and planted outbreaks in single villages.
//!
//! States: *well* → *infected* → at home without care (not seen here), or *seen*
//! in the village room, the township clinic or the county hospital → recovered,
//! or *pneumonia* in a bed → recovered or dead.

use super::Life;
use crate::catalogue::*;
use crate::person::{Measurement, Report, Value};
use crate::place::{self, VILLAGES};
use crate::rng::Rng;
use crate::uid;

/// A planted outbreak of influenza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbreak {
    /// Number.
    pub index: usize,
    /// Village.
    pub village: usize,
    /// Its first day, a Monday, days since 1970-01-01.
    pub first_day: i64,
    /// How many weeks it lasts.
    pub weeks: i64,
    /// People who fall ill and are seen, in 1,000.
    pub attack: u64,
}

/// Share of a year's background cases in each month from January, in 1,000.
const SEASON: [u32; 12] = [260, 190, 90, 30, 15, 15, 30, 25, 15, 30, 80, 220];

impl Outbreak {
    /// The planted outbreaks of a county: one under way at present, the others in
    /// the past, never two in one village.
    pub fn plan(seed: u64, today: i64) -> Vec<Outbreak> {
        let mut rng = Rng::new(seed, uid::STREAM_OUTBREAK, 0);
        let mut villages: Vec<usize> = (0..VILLAGES).collect();
        // 1970-01-05 was a Monday.
        let this_monday = today - (today - 4).rem_euclid(7);
        (0..7)
            .map(|index| {
                let village = villages.swap_remove(rng.below(villages.len() as u64) as usize);
                let back = if index == 0 { 2 } else { rng.range(6, 98) };
                let weeks = if index == 0 { 2 } else { rng.range(2, 3) };
                let attack = 220 + rng.below(140);
                Outbreak { index, village, first_day: this_monday - 7 * back, weeks, attack }
            })
            .collect()
    }
}

pub(super) fn run(life: &mut Life) {
    if life.household.story.is_some() {
        return;
    }
    let county = life.county;
    let village = life.person.village;
    for outbreak in county.outbreaks.iter().filter(|o| o.village == village) {
        if life.rng.chance(outbreak.attack) {
            let day = outbreak.first_day + life.rng.range(0, outbreak.weeks * 7 - 1);
            if day >= life.person.birth + 30 && infection(life, day) {
                life.person.outbreaks.push((outbreak.index, day));
            }
        }
    }
    vaccination(life);
    let mut year_start = life.first_day();
    while year_start < life.today() {
        let age = life.person.age(year_start);
        let risk = if age < 15 {
            60
        } else if age > 64 {
            45
        } else {
            25
        };
        if life.rng.chance(risk) {
            let month = life.rng.weighted(&SEASON) as i64;
            let (year, _, _) = tongmai_base::time::civil_from_days(year_start);
            let first = tongmai_base::time::days_from_civil(year, month as u32 + 1, 1);
            let day = first + life.rng.range(0, 27);
            let day = if day < year_start { day + 365 } else { day };
            if day >= life.person.birth + 30 {
                infection(life, day);
            }
        }
        year_start += 365;
    }
}

/// Vaccination in October and November: older people and some others.
fn vaccination(life: &mut Life) {
    let age = life.person.age(life.today());
    if !life.rng.chance(if age > 64 { 420 } else { 60 }) || age < 3 {
        return;
    }
    for years in [1, 0] {
        let (year, _, _) = tongmai_base::time::civil_from_days(life.today() - years * 365);
        let day = tongmai_base::time::days_from_civil(year, 10, 8) + life.rng.range(0, 40);
        let provider = life.township_clinic();
        if let Some(mut visit) = life.visit(day, provider, &place::PREVENTION, &VACCINATION) {
            let lot = life.rng.range(202_400, 202_699) as u32;
            visit.doses.push(crate::person::Dose { vaccine: &INFLUENZA_VACCINE, number: 1, lot });
            life.file(visit);
        }
    }
}

/// One infection that is seen; false when it would lie outside the history.
fn infection(life: &mut Life, day: i64) -> bool {
    let room = life.village_room();
    let clinic = life.township_clinic();
    let (provider, department) = match life.rng.below(10) {
        0..5 => (room, &place::GENERAL),
        5..8 => (clinic, &place::GENERAL),
        8 => (place::PRIVATE_CLINIC, &place::GENERAL),
        _ => (place::COUNTY_HOSPITAL, &place::INTERNAL),
    };
    let Some(mut visit) = life.visit(day, provider, department, &CONSULTATION) else { return false };
    let tested = provider != room && life.rng.chance(700);
    let diagnosis = if tested { &INFLUENZA_CONFIRMED } else { &INFLUENZA_CLINICAL };
    let lasts = life.rng.range(5, 9);
    life.diagnose(&mut visit, diagnosis, day - 1, Some(lasts));
    let temperature = life.rng.bell(388, 5).clamp(375, 405);
    visit.observe(&TEMPERATURE, temperature);
    visit.observe(&HEART_RATE, life.rng.bell(72, 6) + (temperature - 370));
    if tested {
        antigen(life, &mut visit);
    }
    if provider != room && life.rng.chance(350) {
        let at = visit.start + 10;
        life.blood_count(&mut visit, at, -1);
    }
    let antiviral = tested && life.rng.chance(600);
    if antiviral {
        visit.prescribe(&OSELTAMIVIR, 5);
    }
    visit.prescribe(&PARACETAMOL, 3);
    if life.rng.chance(400) {
        visit.prescribe(&LIANHUA, 5);
    }
    life.file(visit);
    let age = life.person.age(day);
    if !(2..65).contains(&age) && life.rng.chance(70) {
        pneumonia(life, day + 3);
    }
    true
}

fn antigen(life: &mut Life, visit: &mut crate::person::Visit) {
    let type_a = life.rng.chance(800);
    let at = visit.start + 8;
    let finding = |analyte, found| Measurement {
        analyte,
        value: Value::Coded(if found { &POSITIVE } else { &NEGATIVE }),
        at,
    };
    let results = vec![finding(&INFLUENZA_A, type_a), finding(&INFLUENZA_B, !type_a)];
    visit.reports.push(Report { panel: &INFLUENZA_ANTIGEN, at, results });
}

fn pneumonia(life: &mut Life, day: i64) {
    let nights = life.rng.range(5, 9);
    let child = life.person.age(day) < 14;
    let department = if child { &place::PAEDIATRICS } else { &place::INTERNAL };
    let provider = place::COUNTY_HOSPITAL;
    let Some(mut visit) = life.admission(day, nights, provider, department, &ADMISSION) else { return };
    life.diagnose(&mut visit, &INFLUENZA_PNEUMONIA, day, Some(21));
    antigen(life, &mut visit);
    let at = visit.start + 25;
    life.blood_count(&mut visit, at, 2);
    if let Some(report) = visit.reports.last_mut() {
        let value = Value::Number(life.rng.bell(620, 180).max(110));
        report.results.push(Measurement { analyte: &C_REACTIVE, value, at });
    }
    visit.perform(&CHEST_RADIOGRAPH, 60);
    for night in 0..nights.min(4) {
        let at = visit.start + night * 1_440 + 30;
        for (analyte, value) in [
            (&TEMPERATURE, 391 - 5 * night),
            (&SATURATION, (90 + 2 * night).min(98)),
            (&RESPIRATION, 27 - 2 * night),
        ] {
            visit.measurements.push(Measurement { analyte, value: Value::Number(value), at });
        }
    }
    visit.prescribe(&CEFTRIAXONE, nights);
    visit.prescribe(&OSELTAMIVIR, 5);
    visit.prescribe(&AMBROXOL, nights);
    if life.person.age(day) > 79 && life.rng.chance(120) {
        life.person.died = Some(visit.end.div_euclid(1_440)).filter(|&d| d < life.today());
    }
    life.file(visit);
}
