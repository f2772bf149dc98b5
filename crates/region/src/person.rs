//! A person with everything that has happened to them, before it is written in
//! any format.

use crate::catalogue::{Analyte, Diagnosis, Intervention, Medicine, Panel, Service, Term, Vaccine};
use crate::names::{Ethnicity, Name, Sex};
use crate::population::Role;

/// How a registration differs from the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The 15-digit number that was issued until 1999.
    LegacyNumber,
    /// A name character replaced by one of the same sound.
    Homophone,
    /// Two neighbouring digits of the number swapped.
    NumberTypo,
    /// Day and month of the date of birth swapped.
    SwappedBirth,
    /// No phone.
    MissingPhone,
    /// No identity number.
    MissingNumber,
    /// The name in traditional script.
    Traditional,
    /// The interpunct of the name put in or left out.
    Punctuation,
    /// A newborn registered as "mother's name + 之子/之女".
    Placeholder,
}

impl Variant {
    /// A short stable name, for the truth files.
    pub fn code(self) -> &'static str {
        match self {
            Variant::LegacyNumber => "legacy-number",
            Variant::Homophone => "homophone",
            Variant::NumberTypo => "number-typo",
            Variant::SwappedBirth => "swapped-birth",
            Variant::MissingPhone => "missing-phone",
            Variant::MissingNumber => "missing-number",
            Variant::Traditional => "traditional",
            Variant::Punctuation => "punctuation",
            Variant::Placeholder => "placeholder",
        }
    }
}

/// One registration of a person at one provider: a `Patient` resource.
#[derive(Debug, Clone)]
pub struct Record {
    /// Resource id.
    pub id: u128,
    /// Index of the provider that registered the person.
    pub provider: usize,
    /// The provider's own patient number.
    pub number: String,
    /// Name as it was written down.
    pub name: Name,
    /// Identity number as it was written down.
    pub identity_number: Option<String>,
    /// Date of birth as it was written down, days since 1970-01-01.
    pub birth: i64,
    /// Phone.
    pub phone: Option<String>,
    /// In what it differs from the truth.
    pub variants: Vec<Variant>,
}

/// The class of an encounter (HL7 v3 ActEncounterCode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Outpatient.
    Ambulatory,
    /// Emergency.
    Emergency,
    /// Inpatient.
    Inpatient,
    /// At home.
    Home,
}

/// An observed value.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// A number of 10^-`places` units of the analyte.
    Number(i64),
    /// Systolic and diastolic pressure in mmHg.
    Pressure(i64, i64),
    /// A coded finding.
    Coded(&'static Term),
}

/// One observation.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// What was observed.
    pub analyte: &'static Analyte,
    /// The value.
    pub value: Value,
    /// Minutes since 1970-01-01T00:00 on a clock in China.
    pub at: i64,
}

/// A laboratory order with its results.
#[derive(Debug)]
pub struct Report {
    /// What was ordered.
    pub panel: &'static Panel,
    /// When the specimen was taken.
    pub at: i64,
    /// Results; they are released 40 minutes later.
    pub results: Vec<Measurement>,
}

/// A prescription.
#[derive(Debug, Clone, Copy)]
pub struct Prescription {
    /// The medicine.
    pub medicine: &'static Medicine,
    /// For how many days.
    pub days: i64,
    /// The condition it is for, by serial number.
    pub reason: Option<usize>,
}

/// A dose of a vaccine.
#[derive(Debug, Clone, Copy)]
pub struct Dose {
    /// The vaccine.
    pub vaccine: &'static Vaccine,
    /// Number of the dose in its series.
    pub number: i64,
    /// Lot number.
    pub lot: u32,
}

/// A condition of a person.
#[derive(Debug)]
pub struct Condition {
    /// The diagnosis.
    pub diagnosis: &'static Diagnosis,
    /// Day of onset.
    pub onset: i64,
    /// Day on which it ended.
    pub abated: Option<i64>,
    /// Whether it stands on the problem list.
    pub chronic: bool,
    /// Serial number of the visit in which it was recorded.
    pub visit: usize,
}

/// One encounter with all that was done in it.
#[derive(Debug)]
pub struct Visit {
    /// Serial number among the person's visits; stable, unlike the order.
    pub serial: usize,
    /// Index of the record under which it was filed.
    pub record: usize,
    /// Provider.
    pub provider: usize,
    /// Practitioner.
    pub practitioner: usize,
    /// Class.
    pub class: Class,
    /// Kind of visit.
    pub service: &'static Service,
    /// Start, minutes since 1970-01-01T00:00 on a clock in China.
    pub start: i64,
    /// End; later than the county's present for somebody who is still there.
    pub end: i64,
    /// Conditions by serial number, the principal one first.
    pub conditions: Vec<usize>,
    /// Vital signs and other observations outside the laboratory.
    pub measurements: Vec<Measurement>,
    /// Laboratory orders.
    pub reports: Vec<Report>,
    /// Prescriptions.
    pub prescriptions: Vec<Prescription>,
    /// Interventions and when they began.
    pub interventions: Vec<(&'static Intervention, i64)>,
    /// Vaccines.
    pub doses: Vec<Dose>,
    /// Whether the insurance is billed; public health services are not.
    pub billed: bool,
}

/// One line of a bill.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// Code of the price list's chapter.
    pub chapter: &'static str,
    /// Chinese name.
    pub chinese: &'a str,
    /// English name.
    pub english: &'a str,
    /// Count.
    pub quantity: i64,
    /// Price of one, in fen.
    pub fen: i64,
}

impl Visit {
    /// Days in a bed; a stay within one day counts as one.
    pub fn bed_days(&self) -> i64 {
        (self.end.div_euclid(1_440) - self.start.div_euclid(1_440)).max(1)
    }

    /// The bill.
    pub fn charges(&self) -> impl Iterator<Item = Charge<'_>> {
        let days = if self.class == Class::Inpatient { self.bed_days() } else { 1 };
        let line = |chapter, term: &'static Term, quantity, fen| Charge {
            chapter,
            chinese: term.chinese,
            english: term.english,
            quantity,
            fen,
        };
        let fee = (self.service.fen > 0).then(|| line("CARE", &self.service.term, days, self.service.fen));
        let laboratory = self.reports.iter().map(move |r| line("LAB", &r.panel.term, 1, r.panel.fen));
        let done = self.interventions.iter().map(move |(i, _)| line("PROC", &i.term, 1, i.fen));
        let medicines = self.prescriptions.iter().map(|p| Charge {
            chapter: "DRUG",
            chinese: p.medicine.chinese,
            english: p.medicine.english,
            quantity: p.days * p.medicine.daily,
            fen: p.medicine.fen,
        });
        fee.into_iter().chain(laboratory).chain(done).chain(medicines)
    }

    /// The sum of the bill in fen.
    pub fn total(&self) -> i64 {
        self.charges().map(|c| c.quantity * c.fen).sum()
    }
}

/// The mother of a newborn, as the newborn's record names her.
#[derive(Debug, Clone)]
pub struct Mother {
    /// Number of the person.
    pub index: u64,
    /// Name.
    pub name: Name,
    /// Identity number.
    pub identity_number: Option<String>,
    /// Phone.
    pub phone: Option<String>,
}

/// Marital status, as far as it is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marital {
    /// Never married 未婚.
    Single,
    /// Married 已婚.
    Married,
    /// Widowed 丧偶.
    Widowed,
}

/// A person.
#[derive(Debug)]
pub struct Person {
    /// Number in the county, from 0.
    pub index: u64,
    /// Number of the household.
    pub household: u64,
    /// Place in the household.
    pub role: Role,
    /// Village of residence.
    pub village: usize,
    /// House number.
    pub house: i64,
    /// People (民族).
    pub people: Ethnicity,
    /// Sex.
    pub sex: Sex,
    /// Date of birth, days since 1970-01-01.
    pub birth: i64,
    /// Day of death.
    pub died: Option<i64>,
    /// True name.
    pub name: Name,
    /// True identity number; newborns have none yet.
    pub identity_number: Option<String>,
    /// Phone.
    pub phone: Option<String>,
    /// Whether they moved in from another (invented) county.
    pub migrant: bool,
    /// Marital status.
    pub marital: Marital,
    /// Insured as an employee (职工) rather than as a resident (城乡居民).
    pub employee: bool,
    /// The mother, for children of less than six years.
    pub mother: Option<Mother>,
    /// People born together with this one.
    pub twins: Vec<u64>,
    /// Key of the person's ids.
    pub key: u64,
    /// Registrations, the true one first.
    pub records: Vec<Record>,
    /// Index into the allergens of the catalogue.
    pub allergy: Option<usize>,
    /// Conditions by serial number.
    pub conditions: Vec<Condition>,
    /// Visits in order of time.
    pub visits: Vec<Visit>,
    /// Conditions that have a plan of care, by serial number.
    pub plans: Vec<usize>,
    /// Outbreaks that this person was a case of, with the day.
    pub outbreaks: Vec<(usize, i64)>,
}

impl Person {
    /// Age in whole years on a day.
    pub fn age(&self, day: i64) -> i64 {
        (day - self.birth) * 4 / 1_461
    }
}
