//! One stay as grouping, checks and payment see it.

use std::borrow::Cow;

use tongmai_drg::case::Number;
use tongmai_drg::quality::{FrontPage, Reading};
use tongmai_drg::{Case, settlement::Stay};

use super::facts::{Discharges, Fact};

/// LOINC codes of the weight at birth, in the order in which they are believed.
const BIRTH_WEIGHT: [&str; 2] = ["8339-4", "29463-7"];

/// A code with its name, and the resource that says it (empty when somebody is typing it).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coded {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// `Condition/…` or `Procedure/…`.
    pub source: String,
    /// Day of a procedure.
    pub day: Option<i64>,
}

/// One stay in hospital. Days count from 1970-01-01 on a clock in China.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Discharge {
    /// Id of the Encounter.
    pub encounter: String,
    /// Id of the Patient.
    pub patient: String,
    /// Name of the patient.
    pub patient_name: String,
    /// 1 male, 2 female, 0 unknown.
    pub sex: u8,
    /// Day of birth.
    pub born: Option<i64>,
    /// Day of admission.
    pub admitted: Option<i64>,
    /// Day of discharge; `None` as long as the person is in hospital.
    pub discharged: Option<i64>,
    /// 离院方式.
    pub disposition: String,
    /// Id of the hospital's Organization.
    pub hospital: String,
    /// Name of the hospital.
    pub hospital_name: String,
    /// Department.
    pub department: String,
    /// Doctor.
    pub doctor: String,
    /// Visit number.
    pub number: String,
    /// Diagnoses, the principal one first.
    pub diagnoses: Vec<Coded>,
    /// Procedures, the main one first.
    pub procedures: Vec<Coded>,
    /// Results: LOINC, number, positive, and the Observation.
    pub results: Vec<(String, Option<f64>, bool, String)>,
    /// Fen; `None` when there is no bill.
    pub cost: Option<i64>,
    /// `employee`, `resident`, or empty.
    pub insurance: &'static str,
    /// Id of the Coverage.
    pub coverage: String,
    /// The settlement list: codes of diagnoses and procedures.
    pub list: Option<(Vec<String>, Vec<String>)>,
    /// Fen that experts approved (特例单议).
    pub approved: Option<i64>,
    /// Birth weight in grams.
    pub birth_weight: Option<i32>,
    /// Positions in the ledger of all that this was read from.
    pub positions: Vec<u64>,
}

impl Discharge {
    /// The stay of this id, as far as the ledger knows it.
    pub fn of(facts: &Discharges, encounter: &str) -> Option<Discharge> {
        let Some(Fact::Encounter {
            patient,
            admitted,
            discharged,
            disposition,
            hospital,
            hospital_name,
            department,
            doctor,
            number,
            conditions,
        }) = facts.fact(&format!("Encounter/{encounter}"))
        else {
            return None;
        };
        let mut stay = Discharge {
            encounter: encounter.to_owned(),
            patient: patient.clone(),
            admitted: *admitted,
            discharged: *discharged,
            disposition: disposition.clone(),
            hospital: hospital.clone(),
            hospital_name: hospital_name.clone(),
            department: department.clone(),
            doctor: doctor.clone(),
            number: number.clone(),
            ..Discharge::default()
        };
        if let Some(Fact::Patient { born, sex, name }) = facts.fact(&format!("Patient/{patient}")) {
            (stay.born, stay.sex, stay.patient_name) = (*born, *sex, name.clone());
        }
        for id in conditions {
            let address = format!("Condition/{id}");
            if let Some(Fact::Condition { code, name, .. }) = facts.fact(&address) {
                stay.diagnoses.push(Coded {
                    code: code.clone(),
                    name: name.clone(),
                    source: address,
                    day: None,
                });
            }
        }
        let mut procedures = Vec::new();
        let mut cost = None;
        for (id, fact) in facts.parts(encounter) {
            match fact {
                Fact::Condition { code, name, .. } => {
                    let source = format!("Condition/{id}");
                    if !stay.diagnoses.iter().any(|known| known.source == source) {
                        stay.diagnoses.push(Coded {
                            code: code.clone(),
                            name: name.clone(),
                            source,
                            day: None,
                        });
                    }
                }
                Fact::Procedure { code, name, day, at, .. } => {
                    let source = format!("Procedure/{id}");
                    let coded = Coded { code: code.clone(), name: name.clone(), source, day: *day };
                    procedures.push((is_examination(code), at.clone(), coded));
                }
                Fact::Result { code, value, positive, .. } => {
                    stay.results.push((
                        code.clone(),
                        value.parse().ok(),
                        *positive,
                        format!("Observation/{id}"),
                    ));
                }
                Fact::Claim { fen, coverage, list, .. } => {
                    *cost.get_or_insert(0) += fen;
                    stay.coverage.clone_from(coverage);
                    if list.is_some() {
                        stay.list.clone_from(list);
                    }
                }
                Fact::Approved { fen, .. } => stay.approved = Some(*fen),
                _ => {}
            }
        }
        stay.cost = cost;
        stay.positions = facts.positions(encounter);
        let others = [format!("Encounter/{encounter}"), format!("Patient/{patient}")];
        stay.positions.extend(others.iter().filter_map(|address| facts.position(address)));
        // What treats stands before what looks, and within both in the order of time.
        procedures.sort_by(|a, b| (a.0, &a.1, &a.2.source).cmp(&(b.0, &b.1, &b.2.source)));
        stay.procedures = procedures.into_iter().map(|(_, _, coded)| coded).collect();
        if let Some(Fact::Coverage { kind }) = facts.fact(&format!("Coverage/{}", stay.coverage)) {
            stay.insurance = match kind.as_str() {
                "310" => "employee",
                "390" => "resident",
                _ => "",
            };
        }
        stay.birth_weight = BIRTH_WEIGHT.iter().find_map(|code| {
            let kilograms = stay.results.iter().find(|result| result.0 == *code)?.1?;
            let newborn = stay.age_days().is_some_and(|days| days <= 28);
            let grams = if kilograms < 20.0 { kilograms * 1000.0 } else { kilograms };
            (newborn && grams < 15_000.0).then_some(grams.round() as i32)
        });
        Some(stay)
    }

    /// Completed years at admission.
    pub fn age(&self) -> Option<i32> {
        let (born, admitted) = (self.born?, self.admitted?);
        let (year, month, day) = tongmai_base::time::civil_from_days(born);
        let (now, this_month, today) = tongmai_base::time::civil_from_days(admitted);
        let years = now - year - i64::from((this_month, today) < (month, day));
        i32::try_from(years).ok()
    }

    /// Days of age at admission, of children under a year.
    pub fn age_days(&self) -> Option<i32> {
        let days = self.admitted? - self.born?;
        (self.age()? < 1).then(|| i32::try_from(days).ok()).flatten()
    }

    /// What is paid: the codes of the settlement list, where there is one, in place of the front page's.
    #[must_use]
    pub fn as_paid(&self) -> Discharge {
        match &self.list {
            Some((diagnoses, procedures)) => self.clone().typed(diagnoses, procedures),
            None => self.clone(),
        }
    }

    /// Days in hospital; a stay within a day counts as one.
    pub fn days(&self) -> Option<u32> {
        u32::try_from((self.discharged? - self.admitted?).max(1)).ok()
    }

    /// Whether the person died.
    pub fn died(&self) -> bool {
        self.disposition == "5"
    }

    /// What grouping reads.
    pub fn case(&self) -> Case<'_> {
        let number = |value: Option<i32>| value.map_or(Number::Missing, Number::Is);
        let codes = |list: &'_ [Coded]| list.iter().map(|coded| Cow::Owned(coded.code.clone())).collect();
        Case {
            sex: if self.sex == 0 { Number::Missing } else { Number::Is(self.sex.into()) },
            age: number(self.age()),
            age_days: number(self.age_days()),
            birth_weight: number(self.birth_weight),
            stay: number(self.days().and_then(|days| i32::try_from(days).ok())),
            intensive_care_hours: Number::Missing,
            discharge: Cow::Borrowed(&self.disposition),
            department: Cow::Borrowed(&self.department),
            diagnoses: codes(&self.diagnoses),
            procedures: codes(&self.procedures),
            has_result: false,
        }
    }

    /// What the checks read; `ratio` is the cost as a multiple of its group's mean.
    pub fn front_page(&self, ratio: Option<f64>) -> FrontPage<'_> {
        let reading = |result: &'_ (String, Option<f64>, bool, String)| Reading {
            code: Cow::Owned(result.0.clone()),
            value: result.1,
            positive: result.2,
        };
        let list = |(diagnoses, procedures): &'_ (Vec<String>, Vec<String>)| {
            let owned = |codes: &[String]| codes.iter().map(|code| Cow::Owned(code.clone())).collect();
            (owned(diagnoses), owned(procedures))
        };
        FrontPage {
            case: self.case(),
            born: self.born,
            admitted: self.admitted,
            discharged: self.discharged,
            procedure_days: self.procedures.iter().map(|procedure| procedure.day).collect(),
            present: Vec::new(),
            cost: self.cost,
            results: self.results.iter().map(reading).collect(),
            settlement: self.list.as_ref().map(list),
            ratio,
        }
    }

    /// What payment reads.
    pub fn stay(&self, group: &str) -> Stay {
        let date = |day: i64| {
            let (year, month, day) = tongmai_base::time::civil_from_days(day);
            format!("{year:04}-{month:02}-{day:02}")
        };
        Stay {
            id: self.encounter.clone(),
            hospital: self.hospital.clone(),
            department: self.department.clone(),
            insurance: self.insurance.to_owned(),
            group: group.to_owned(),
            cost: self.cost.unwrap_or(0),
            days: self.days().unwrap_or(0),
            discharged: self.discharged.map_or(String::new(), date),
            approved: self.approved,
            ..Stay::default()
        }
    }

    /// The same with what somebody types in place of the codes.
    #[must_use]
    pub fn typed(mut self, diagnoses: &[String], procedures: &[String]) -> Discharge {
        let keep = |known: &[Coded], codes: &[String]| -> Vec<Coded> {
            let of = |code: &String| known.iter().find(|coded| coded.code == *code).cloned();
            let new = |code: &String| Coded { code: code.clone(), ..Coded::default() };
            codes.iter().map(|code| of(code).unwrap_or_else(|| new(code))).collect()
        };
        self.diagnoses = keep(&self.diagnoses, diagnoses);
        self.procedures = keep(&self.procedures, procedures);
        self
    }
}

/// Whether a procedure only looks: it stands behind what treats.
fn is_examination(code: &str) -> bool {
    code.get(..2).is_some_and(|chapter| ("87"..="91").contains(&chapter))
}
