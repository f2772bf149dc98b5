//! `Patient/$match`: who may this be?

use tongmai_access::{Operation, Point, Sealed, Sight};
use tongmai_base::limits;
use tongmai_fhir::json::Json;
use tongmai_identity::link::Zone;
use tongmai_identity::linker::{Demographics, Weighed};

use crate::failure::{Failure, Outcome, Reason};
use crate::person::demographics;
use crate::rows::patient_type;
use crate::{Engine, Resource};

/// Probability from which a candidate that is not certain is called probable.
const PROBABLE: f64 = 0.9;
/// Candidates that are looked through for those that may be seen.
const LOOKED_THROUGH: usize = 10_000;

/// A question: whom, and what answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is known of the person.
    pub said: Demographics,
    /// Only an answer that the rules would link without asking.
    pub only_certain: bool,
    /// Most candidates.
    pub count: usize,
}

/// A patient who may be the one.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The Patient.
    pub resource: Resource,
    /// How the two compare.
    pub weighed: Weighed,
    /// Number of the person that it is a record of.
    pub person: u64,
}

impl Candidate {
    /// The code of FHIR's `match-grade`.
    pub fn grade(&self) -> &'static str {
        match self.weighed.zone {
            Zone::Automatic => "certain",
            Zone::Review if self.weighed.probability >= PROBABLE => "probable",
            Zone::Review => "possible",
            Zone::Apart => "certainly-not",
        }
    }
}

/// The answer, the likeliest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Candidates.
    pub candidates: Vec<Candidate>,
    /// Only a certain match was wanted, and several persons are certain.
    pub ambiguous: bool,
}

fn invalid(path: &str, code: &str, message: impl Into<String>, repair: &str) -> Failure {
    Failure::new(Reason::Invalid, path, code, message).repair(repair)
}

impl Engine {
    /// Reads the Parameters of `$match`; a bare Patient is taken as well.
    pub fn question(&self, text: &[u8]) -> Outcome<Question> {
        const EXAMPLE: &str = "send Parameters with a Patient as the parameter 'resource'";
        let json = Json::parse(text).map_err(|error| {
            let (line, column) = error.position(text);
            invalid(&format!("{line}:{column}"), "json", error.message, EXAMPLE)
        })?;
        let (mut patient, mut only_certain, mut count) = (None, false, limits::PAGE_DEFAULT);
        if json.text("resourceType") == Some("Parameters") {
            let parameters = json.items("parameter");
            if parameters.len() > limits::SEARCH_PARAMETERS {
                let message = format!("more than {} parameters", limits::SEARCH_PARAMETERS);
                return Err(invalid("Parameters.parameter", "too-many", message, EXAMPLE));
            }
            for parameter in parameters {
                match parameter.text("name").unwrap_or("") {
                    "resource" => patient = parameter.get("resource").cloned(),
                    "onlyCertainMatches" => match parameter.get("valueBoolean") {
                        Some(Json::Bool(value)) => only_certain = *value,
                        _ => {
                            return Err(invalid(
                                "onlyCertainMatches",
                                "invalid",
                                "it is no boolean",
                                "send \"valueBoolean\": true",
                            ));
                        }
                    },
                    "count" => count = number(parameter)?,
                    other => {
                        let known = "known are resource, onlyCertainMatches and count";
                        return Err(invalid(
                            other,
                            "unknown",
                            format!("$match has no parameter '{other}'"),
                            known,
                        ));
                    }
                }
            }
        } else {
            patient = Some(json);
        }
        let patient = patient
            .ok_or_else(|| invalid("resource", "cardinality", "there is no Patient to match", EXAMPLE))?;
        let checked = self.check_json(patient, patient_type())?;
        let said = demographics::read(&checked.json, &self.person_rules());
        let enough = said.forms.iter().any(|form| {
            let number = [&form.identity_number, &form.insurance_number, &form.phone, &form.address];
            number.iter().any(|value| !value.is_empty())
                || !(form.name.is_empty() || form.birth_date.is_empty())
        });
        if !enough {
            return Err(invalid(
                "resource",
                "too-little",
                "nothing in this Patient can be looked up",
                "give a name with a birth date, or a number, a telephone or an address",
            ));
        }
        Ok(Question { said, only_certain, count })
    }

    /// Who may this be, as of now.
    pub fn match_patient(&self, sight: &Sight, question: &Question) -> Outcome<Sealed<Answer>> {
        let mut snapshot = self.store.snapshot()?;
        let eye = self.eye(sight, &mut *snapshot)?;
        let desk = self.desk()?;
        let guarded = eye.guards(Point::Match);
        let mut found =
            desk.linker.find(&question.said, if guarded { LOOKED_THROUGH } else { question.count });
        if guarded {
            // Whoever is not seen is no candidate, and does not take a candidate's place.
            let mut seen = Vec::new();
            for (record, weighed) in found {
                if self.seen_member(&eye, Point::Match, &mut *snapshot, &desk, record)?.is_some() {
                    seen.push((record, weighed));
                }
            }
            seen.truncate(question.count);
            found = seen;
        }
        let mut answer = Answer::default();
        if question.only_certain {
            found.retain(|(_, weighed)| weighed.zone == Zone::Automatic);
            let mut persons: Vec<_> =
                found.iter().map(|(record, _)| desk.linker.person_of(*record)).collect();
            persons.dedup();
            if persons.len() > 1 {
                answer.ambiguous = true;
                found.clear();
            }
        }
        for (record, weighed) in found {
            let person = desk.linker.person_of(record).unwrap_or(0);
            if let Some(member) = self.seen_member(&eye, Point::Match, &mut *snapshot, &desk, record)? {
                let weighed = if guarded { by_grade(weighed) } else { weighed };
                answer.candidates.push(Candidate { resource: member.resource, weighed, person });
            }
        }
        let positions = answer.candidates.iter().map(|candidate| candidate.resource.seq).collect();
        Ok(Sealed::new(answer, Operation::Search, positions))
    }
}

/// What is told to somebody from whom records could be hidden: the grade, and which fields speak for or against.
/// Exact weights follow from how often a name is met, in the hidden records too.
fn by_grade(weighed: Weighed) -> Weighed {
    let probability = match weighed.zone {
        Zone::Automatic => 0.99,
        Zone::Review if weighed.probability >= PROBABLE => PROBABLE,
        Zone::Review => 0.5,
        Zone::Apart => 0.0,
    };
    let sign = |bits: f64| if bits == 0.0 { 0.0 } else { bits.signum() };
    Weighed { probability, prior: 0.0, evidence: weighed.evidence.map(sign), ..weighed }
}

fn number(parameter: &Json<'_>) -> Outcome<usize> {
    let digits = match parameter.get("valueInteger").or(parameter.get("valuePositiveInt")) {
        Some(Json::Number(digits)) => digits.parse::<usize>().ok(),
        _ => None,
    };
    let wrong = || {
        let repair = format!("send \"valueInteger\" from 1 to {}", limits::MATCH_CANDIDATES);
        Failure::new(Reason::Invalid, "count", "invalid", "it is not a number that can be answered")
            .repair(repair)
    };
    digits.filter(|count| (1..=limits::MATCH_CANDIDATES).contains(count)).ok_or_else(wrong)
}
