//! Projects, their stages, and the gates that patient evidence opens.
//!
//! Which kind of project needs which evidence at which stage is a pack. A major
//! project leaves a stage only when every requirement of the stage is met by
//! evidence that counts, or waived by a named person with a published reason.
//! A project is the fold of its events, so that the way it went can be replayed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Stages in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The question is asked.
    Initiation,
    /// What is known.
    Research,
    /// Whether it can work for patients.
    Feasibility,
    /// The decision.
    Decision,
    /// Putting it to work.
    Implementation,
    /// What came of it.
    Evaluation,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Stage; 6] = [
        Stage::Initiation,
        Stage::Research,
        Stage::Feasibility,
        Stage::Decision,
        Stage::Implementation,
        Stage::Evaluation,
    ];

    /// Its code in packs and facts.
    pub fn code(self) -> &'static str {
        match self {
            Stage::Initiation => "initiation",
            Stage::Research => "research",
            Stage::Feasibility => "feasibility",
            Stage::Decision => "decision",
            Stage::Implementation => "implementation",
            Stage::Evaluation => "evaluation",
        }
    }
}

/// Degrees of participation (IAP2 spectrum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Participation {
    /// People are told.
    Inform,
    /// People are asked.
    Consult,
    /// People work along.
    Involve,
    /// People decide along.
    Collaborate,
    /// People decide.
    Empower,
}

impl Participation {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Participation::Inform => "inform",
            Participation::Consult => "consult",
            Participation::Involve => "involve",
            Participation::Collaborate => "collaborate",
            Participation::Empower => "empower",
        }
    }
}

/// One thing a stage asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Requirement {
    /// Kind of project.
    pub kind: String,
    /// Stage that cannot be left without it.
    pub stage: Stage,
    /// Kind of evidence.
    pub evidence: String,
    /// Least degree of participation.
    pub least: Participation,
    /// A step of the procedure itself (a review, an expert argument), not a hearing of patients: it
    /// names its document instead of whom it heard.
    #[serde(default)]
    pub formal: bool,
}

/// Requirements of one jurisdiction.
#[derive(Debug, Clone, Deserialize)]
pub struct Pack {
    /// Short name.
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// The law behind it.
    pub source: String,
    /// Version.
    pub version: String,
    /// Least days a public comment period is open.
    pub comment_days: i64,
    /// What is asked for.
    pub requirements: Vec<Requirement>,
}

impl Pack {
    /// Reads a pack.
    ///
    /// # Errors
    /// JSON of another shape.
    pub fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    /// The pack of mainland China.
    pub fn mainland_china() -> Self {
        Pack::read(include_str!("../packs/gates-cn.json")).expect("the pack is part of the program")
    }
}

/// Evidence that patients were heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Kind, as the pack names it.
    pub kind: String,
    /// First and last day it was gathered, as days since 1970-01-01.
    pub gathered: (i64, i64),
    /// People affected by the project: the denominator.
    pub affected: u64,
    /// People heard.
    pub heard: u64,
    /// Of those heard, people of rural areas.
    pub rural: Option<u64>,
    /// Of those heard, by age: under 18, 18–44, 45–64, 65 and over.
    pub ages: Option<[u64; 4]>,
    /// What the patient representatives dissented from; an empty text says they did not.
    pub dissent: Option<String>,
    /// Degree of participation.
    pub participation: Participation,
    /// Where it can be read: the name or address of the published document.
    pub source: String,
}

impl Default for Evidence {
    fn default() -> Self {
        Evidence {
            kind: String::new(),
            gathered: (0, 0),
            affected: 0,
            heard: 0,
            rural: None,
            ages: None,
            dissent: None,
            participation: Participation::Inform,
            source: String::new(),
        }
    }
}

/// Why a piece of evidence does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Gathered after the decision, or on a day to come.
    TooLate,
    /// Nobody affected is named, or nobody was heard, or more were heard than are affected.
    Denominator,
    /// The rural share is not given, or is larger than all heard.
    RuralMix,
    /// The ages are not given, or do not add up to those heard.
    AgeMix,
    /// Not said whether representatives dissented.
    Dissent,
    /// Below the degree of participation asked for.
    Participation,
    /// The comment period was too short.
    CommentPeriod,
    /// A step of the procedure that names no document.
    Source,
}

impl Fault {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Fault::TooLate => "too_late",
            Fault::Denominator => "denominator",
            Fault::RuralMix => "rural_mix",
            Fault::AgeMix => "age_mix",
            Fault::Dissent => "dissent",
            Fault::Participation => "participation",
            Fault::CommentPeriod => "comment_period",
            Fault::Source => "source",
        }
    }
}

impl Evidence {
    /// Whether it counts for `requirement` on `today`, the decision having been taken on `decided`.
    ///
    /// # Errors
    /// The first fault.
    pub fn counts(
        &self,
        requirement: &Requirement,
        pack: &Pack,
        decided: Option<i64>,
        today: i64,
    ) -> Result<(), Fault> {
        let (first, last) = self.gathered;
        // Only what belongs to a later stage may be gathered after the decision.
        let latest =
            if requirement.stage > Stage::Decision { today } else { decided.unwrap_or(today).min(today) };
        let of_patients = !requirement.formal;
        let ages_add_up =
            self.ages.is_some_and(|a| a.iter().try_fold(0u64, |s, x| s.checked_add(*x)) == Some(self.heard));
        let nobody = self.affected == 0 || self.heard == 0 || self.heard > self.affected;
        let faults = [
            (first > last || last > latest, Fault::TooLate),
            (requirement.formal && self.source.trim().is_empty(), Fault::Source),
            (of_patients && nobody, Fault::Denominator),
            (of_patients && self.rural.is_none_or(|r| r > self.heard), Fault::RuralMix),
            (of_patients && !ages_add_up, Fault::AgeMix),
            (of_patients && self.dissent.is_none(), Fault::Dissent),
            (self.participation < requirement.least, Fault::Participation),
            (
                requirement.evidence == "public_comment" && last - first + 1 < pack.comment_days,
                Fault::CommentPeriod,
            ),
        ];
        faults.into_iter().find(|(is_fault, _)| *is_fault).map_or(Ok(()), |(_, fault)| Err(fault))
    }
}

/// A waiver of one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Stage of the requirement.
    pub stage: Stage,
    /// Kind of evidence waived.
    pub evidence: String,
    /// Who answers for it, by name.
    pub person: String,
    /// Why.
    pub reason: String,
    /// Day it was published.
    pub published: Option<i64>,
}

impl Exception {
    fn holds(&self, requirement: &Requirement, today: i64) -> bool {
        self.stage == requirement.stage
            && self.evidence == requirement.evidence
            && !self.person.trim().is_empty()
            && !self.reason.trim().is_empty()
            && self.published.is_some_and(|day| day <= today)
    }
}

/// What can happen to a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Evidence is attached.
    Evidence(Evidence),
    /// A requirement is waived.
    Exception(Exception),
    /// The stage is to be left.
    Advance {
        /// Day of it.
        day: i64,
    },
}

/// A requirement that stands in the way, with what is wrong with the evidence there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Stage.
    pub stage: Stage,
    /// Kind of evidence.
    pub evidence: String,
    /// Fault of each piece of that kind.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be left without {}", self.stage, self.evidence)?;
        self.faults.iter().try_for_each(|fault| write!(f, " (one piece does not count: {fault:?})"))
    }
}

/// A project as it stands.
#[derive(Debug, Clone)]
pub struct Project {
    /// Kind, as packs name it.
    pub kind: String,
    /// Whether the gates bind it.
    pub major: bool,
    /// Where it is; `None` when the last stage is over.
    pub stage: Option<Stage>,
    /// Day the decision stage was left.
    pub decided: Option<i64>,
    evidence: Vec<Evidence>,
    exceptions: Vec<Exception>,
    /// Stages that were left, with the day.
    left: Vec<(Stage, i64)>,
}

impl Project {
    /// A project at its start.
    pub fn new(kind: &str, major: bool) -> Self {
        Project {
            kind: kind.into(),
            major,
            stage: Some(Stage::Initiation),
            decided: None,
            evidence: Vec::new(),
            exceptions: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Evidence so far, in the order it came.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Requirements that were waived, or that somebody asks to waive.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Stages that were left, each with its day.
    pub fn left(&self) -> &[(Stage, i64)] {
        &self.left
    }

    /// Applies one event. A refused event changes nothing.
    ///
    /// # Errors
    /// Everything that stands in the way of advancing.
    pub fn apply(&mut self, event: Event, pack: &Pack) -> Result<(), Vec<Missing>> {
        match event {
            Event::Evidence(evidence) => self.evidence.push(evidence),
            Event::Exception(exception) => self.exceptions.push(exception),
            Event::Advance { day } => {
                let Some(stage) = self.stage else { return Ok(()) };
                let missing = self.missing(stage, pack, day);
                if !missing.is_empty() {
                    return Err(missing);
                }
                self.left.push((stage, day));
                if stage == Stage::Decision {
                    self.decided = Some(day);
                }
                self.stage = Stage::ALL.into_iter().find(|next| *next > stage);
            }
        }
        Ok(())
    }

    /// What `stage` still asks for on `day`; nothing for a project that is not major.
    /// A major project of a kind the pack does not know can go nowhere.
    pub fn missing(&self, stage: Stage, pack: &Pack, day: i64) -> Vec<Missing> {
        if !self.major {
            return Vec::new();
        }
        let of_kind = |r: &&Requirement| r.kind == self.kind;
        if !pack.requirements.iter().any(|r| of_kind(&r)) {
            let evidence = format!("rules for projects of kind {:?}", self.kind);
            return vec![Missing { stage, evidence, faults: Vec::new() }];
        }
        pack.requirements
            .iter()
            .filter(of_kind)
            .filter(|r| r.stage == stage && !self.exceptions.iter().any(|e| e.holds(r, day)))
            .filter_map(|r| {
                let mut faults = Vec::new();
                for evidence in self.evidence.iter().filter(|e| e.kind == r.evidence) {
                    match evidence.counts(r, pack, self.decided, day) {
                        Ok(()) => return None,
                        Err(fault) => faults.push(fault),
                    }
                }
                Some(Missing { stage, evidence: r.evidence.clone(), faults })
            })
            .collect()
    }
}
