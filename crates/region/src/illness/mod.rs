//! What happens to people, as small state machines that book visits.
//!
//! Each machine walks through time for one person and leaves visits and
//! conditions behind; measurements follow from the state that the illness has
//! reached. The machines know nothing of any format.

mod everyday;
mod hypertension;
mod influenza;
mod pregnancy;
mod stays;

pub use influenza::Outbreak;

use crate::catalogue::*;
use crate::county::County;
use crate::names::Sex;
use crate::person::*;
use crate::place::{self, Department};
use crate::population::Household;
use crate::rng::Rng;
use crate::uid;

/// Days of history before the county's present.
pub const HISTORY_DAYS: i64 = 730;

/// A person's bodily constitution, from which measurements follow.
pub struct Body {
    /// Height of an adult in millimetres.
    pub height: i64,
    /// Body mass index in tenths.
    pub mass_index: i64,
    /// Usual systolic pressure without illness.
    pub systolic: i64,
    /// Usual fasting glucose in tenths of mmol/L.
    pub glucose: i64,
    /// Usual creatinine in µmol/L.
    pub creatinine: i64,
    /// Usual total cholesterol in hundredths of mmol/L.
    pub cholesterol: i64,
    /// Smoking status.
    pub smoking: &'static Term,
}

/// One person's life under way.
pub struct Life<'a> {
    /// The county.
    pub county: &'a County,
    /// The household.
    pub household: &'a Household,
    /// Which member of it.
    pub member: usize,
    /// The person, with visits in order of booking.
    pub person: Person,
    /// The body.
    pub body: Body,
    /// Random numbers.
    pub rng: Rng,
}

/// Lets every machine run over a person.
pub fn live(county: &County, household: &Household, member: usize, person: Person) -> Person {
    let mut rng = Rng::new(county.seed, uid::STREAM_LIFE, person.index);
    let body = Body::new(&mut rng, &person, county.today);
    let mut life = Life { county, household, member, person, body, rng };
    pregnancy::run(&mut life);
    influenza::run(&mut life);
    hypertension::run(&mut life);
    everyday::run(&mut life);
    stays::run(&mut life);
    life.finish()
}

impl Body {
    fn new(rng: &mut Rng, person: &Person, today: i64) -> Body {
        let age = person.age(today);
        let man = person.sex == Sex::Male;
        let smoker = if man { 430 } else { 20 };
        let smoking = match rng.below(1_000) {
            draw if age < 16 || draw >= smoker + 120 => &NEVER_SMOKER,
            draw if draw < smoker => &SMOKER,
            _ => &FORMER_SMOKER,
        };
        Body {
            height: rng.bell(if man { 1_690 } else { 1_575 }, 58),
            mass_index: rng.bell(236 + (age.min(60) - 40) / 4, 30).max(165),
            systolic: rng.bell(112 + age.clamp(0, 80) / 5, 8),
            glucose: rng.bell(51, 4),
            creatinine: rng.bell(if man { 76 } else { 59 }, 9) + (age - 60).max(0) / 2,
            cholesterol: rng.bell(475, 70),
            smoking,
        }
    }
}

impl Life<'_> {
    /// Today.
    pub fn today(&self) -> i64 {
        self.county.today
    }

    /// The first day of history: the window's, or the day of birth.
    pub fn first_day(&self) -> i64 {
        (self.county.today - HISTORY_DAYS).max(self.person.birth)
    }

    /// A day on which the person is not in a hospital bed: this one or the first one after.
    fn free_day(&self, mut day: i64) -> i64 {
        for visit in self.person.visits.iter().filter(|v| v.class == Class::Inpatient) {
            if (visit.start.div_euclid(1_440)..=visit.end.div_euclid(1_440)).contains(&day) {
                day = visit.end.div_euclid(1_440) + 1;
            }
        }
        day
    }

    /// A day from which on nothing else is booked for so many nights: this one or a later one.
    /// The emergency room just before an admission does not count.
    fn free_stay(&self, mut day: i64, nights: i64) -> i64 {
        let days = |v: &Visit| (v.start.div_euclid(1_440), v.end.div_euclid(1_440));
        while self.person.visits.iter().any(|v| {
            let (first, last) = days(v);
            first <= day + nights && last >= day && !(v.class == Class::Emergency && last <= day)
        }) {
            day += 1;
        }
        day
    }

    /// Where this person goes: the room of the village.
    pub fn village_room(&self) -> usize {
        place::VILLAGE_ROOM + self.person.village
    }

    /// Where this person goes: the clinic of the township.
    pub fn township_clinic(&self) -> usize {
        place::TOWNSHIP_CLINIC + self.person.village / 5
    }

    /// A visit of a few minutes in opening hours. `None` when it would lie in the future,
    /// before the person's history or after their death.
    pub fn visit(
        &mut self,
        day: i64,
        provider: usize,
        department: &'static Department,
        service: &'static Service,
    ) -> Option<Visit> {
        let day = self.free_day(day);
        let start = day * 1_440 + self.rng.range(8 * 60, 17 * 60);
        let minutes = self.rng.range(8, 35);
        self.book(start, start + minutes, provider, department, service, Class::Ambulatory)
    }

    /// A visit to the emergency room at any hour.
    pub fn emergency(&mut self, day: i64) -> Option<Visit> {
        let start = self.free_day(day) * 1_440 + self.rng.range(0, 1_439);
        let minutes = self.rng.range(50, 400);
        let department = &place::EMERGENCY_ROOM;
        self.book(start, start + minutes, place::COUNTY_HOSPITAL, department, &EMERGENCY, Class::Emergency)
    }

    /// A stay of this many nights.
    pub fn admission(
        &mut self,
        day: i64,
        nights: i64,
        provider: usize,
        department: &'static Department,
        service: &'static Service,
    ) -> Option<Visit> {
        let start = self.free_stay(day, nights) * 1_440 + self.rng.range(0, 1_439);
        let end = (start.div_euclid(1_440) + nights) * 1_440 + self.rng.range(9 * 60, 16 * 60);
        self.book(start, end.max(start + 240), provider, department, service, Class::Inpatient)
    }

    fn book(
        &mut self,
        start: i64,
        end: i64,
        provider: usize,
        department: &'static Department,
        service: &'static Service,
        class: Class,
    ) -> Option<Visit> {
        let day = start.div_euclid(1_440);
        let dead = self.person.died.is_some_and(|died| day > died);
        if day < self.first_day() || start >= self.county.now() || dead {
            return None;
        }
        Some(Visit {
            serial: self.person.visits.len(),
            record: 0,
            provider,
            practitioner: self.county.directory.someone(&mut self.rng, provider, department),
            class,
            service,
            start,
            end,
            conditions: Vec::new(),
            measurements: Vec::new(),
            reports: Vec::new(),
            prescriptions: Vec::new(),
            interventions: Vec::new(),
            doses: Vec::new(),
            billed: service.fen > 0,
        })
    }

    /// Files a visit. Village rooms are paid by the head, not by the visit (门诊统筹按人头付费).
    pub fn file(&mut self, mut visit: Visit) {
        visit.billed &= visit.provider < place::VILLAGE_ROOM;
        self.person.visits.push(visit);
    }

    /// A new condition, recorded in this visit; returns its serial number.
    pub fn diagnose(
        &mut self,
        visit: &mut Visit,
        diagnosis: &'static Diagnosis,
        onset: i64,
        lasts: Option<i64>,
    ) -> usize {
        let serial = self.person.conditions.len();
        let abated = lasts.map(|days| onset + days).filter(|&day| day < self.county.today);
        self.person.conditions.push(Condition {
            diagnosis,
            onset,
            abated,
            chronic: lasts.is_none(),
            visit: visit.serial,
        });
        visit.conditions.push(serial);
        serial
    }

    /// The pressure that the body shows today, around this systolic value.
    pub fn pressure(&mut self, systolic: i64) -> Value {
        let systolic = self.rng.bell(systolic, 6).clamp(82, 238);
        let diastolic = (systolic * 52 / 100 + self.rng.bell(14, 5)).clamp(45, 130);
        Value::Pressure(systolic, diastolic)
    }

    /// Weight in tenths of a kg.
    pub fn weight(&self) -> i64 {
        self.body.mass_index * self.body.height / 1_000 * self.body.height / 1_000
    }

    /// Body measures of a check-up: height, weight, body mass index, waist, smoking.
    pub fn measure_body(&mut self, visit: &mut Visit) {
        let weight = self.weight() + self.rng.range(-6, 6);
        visit.observe(&HEIGHT, self.body.height);
        visit.observe(&WEIGHT, weight);
        visit.observe(&BODY_MASS_INDEX, weight * 1_000 / self.body.height * 1_000 / self.body.height);
        let man = self.person.sex == Sex::Male;
        let waist = self.body.mass_index * 29 / 10 + if man { 155 } else { 120 };
        visit.observe(&WAIST, waist + self.rng.range(-20, 20));
        let at = visit.start + 4;
        visit.measurements.push(Measurement {
            analyte: &SMOKING,
            value: Value::Coded(self.body.smoking),
            at,
        });
    }

    /// A blood count; `strain` is how hard the body fights bacteria (−1 a virus, 0 none, 3 hard).
    pub fn blood_count(&mut self, visit: &mut Visit, at: i64, strain: i64) {
        let man = self.person.sex == Sex::Male;
        let neutrophils = self.rng.bell(580 + strain * 75, 40).clamp(200, 940);
        let results = [
            (&LEUKOCYTES, self.rng.bell(620 + strain * 190, 110).max(180)),
            (&HEMOGLOBIN, self.rng.bell(if man { 150 } else { 132 }, 9)),
            (&ERYTHROCYTES, self.rng.bell(if man { 498 } else { 446 }, 28)),
            (&PLATELETS, self.rng.bell(224 + strain * 12, 45).max(60)),
            (&NEUTROPHILS, neutrophils),
            (&LYMPHOCYTES, (930 - neutrophils).max(40)),
        ];
        visit.order(&BLOOD_COUNT, at, &results);
    }

    /// Kidney function and electrolytes.
    pub fn kidney_panel(&mut self, visit: &mut Visit, at: i64) {
        let creatinine = self.rng.bell(self.body.creatinine, 4);
        let age = self.person.age(at.div_euclid(1_440));
        let man = self.person.sex == Sex::Male;
        // A straight line through CKD-EPI 2021 near its middle: for plausible data, not for care.
        let filtration = (if man { 186 } else { 174 } - age * 6 / 10 - creatinine).clamp(12, 138);
        let results = [
            (&CREATININE, creatinine),
            (&EGFR, filtration),
            (&UREA, self.rng.bell(52, 9) + (creatinine - 70).max(0) / 3),
            (&URATE, self.rng.bell(if man { 352 } else { 278 }, 55)),
            (&POTASSIUM, self.rng.bell(415, 32)),
            (&SODIUM, self.rng.bell(141, 2)),
        ];
        visit.order(&KIDNEY, at, &results);
    }

    /// Blood lipids.
    pub fn lipid_panel(&mut self, visit: &mut Visit, at: i64, treated: bool) {
        let cholesterol = self.rng.bell(self.body.cholesterol, 25) * if treated { 78 } else { 100 } / 100;
        let triglyceride = self.rng.bell(90 + (self.body.mass_index - 200).max(0), 30).max(45);
        let high = self.rng.bell(132, 22).max(65);
        let results = [
            (&CHOLESTEROL, cholesterol),
            (&TRIGLYCERIDE, triglyceride),
            (&HDL, high),
            (&LDL, (cholesterol - high - triglyceride * 45 / 100).max(60)),
        ];
        visit.order(&LIPIDS, at, &results);
    }

    /// Sorts the visits, ends a life at its end, and files each visit under the
    /// record of its provider where the person has one there.
    fn finish(mut self) -> Person {
        let person = &mut self.person;
        if let Some(died) = person.died {
            person.visits.retain(|v| v.start.div_euclid(1_440) <= died);
        }
        person.visits.sort_by_key(|v| (v.start, v.serial));
        self.county.register(&mut self.rng, self.household, &mut self.person);
        self.person
    }
}

impl Visit {
    /// Adds an observation a few minutes into the visit.
    pub fn observe(&mut self, analyte: &'static Analyte, value: i64) {
        self.note(analyte, Value::Number(value));
    }

    /// Adds an observation of any kind of value.
    pub fn note(&mut self, analyte: &'static Analyte, value: Value) {
        let at = self.start + 4;
        self.measurements.push(Measurement { analyte, value, at });
    }

    /// Adds a laboratory order whose results are numbers.
    pub fn order(&mut self, panel: &'static Panel, at: i64, results: &[(&'static Analyte, i64)]) {
        let results =
            results.iter().map(|&(analyte, value)| Measurement { analyte, value: Value::Number(value), at });
        self.reports.push(Report { panel, at, results: results.collect() });
    }

    /// Prescribes a medicine for the principal condition.
    pub fn prescribe(&mut self, medicine: &'static Medicine, days: i64) {
        self.prescriptions.push(Prescription { medicine, days, reason: self.conditions.first().copied() });
    }

    /// Adds an intervention some minutes after the start.
    pub fn perform(&mut self, intervention: &'static Intervention, after: i64) {
        self.interventions.push((intervention, self.start + after));
    }
}
