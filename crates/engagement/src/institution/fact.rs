//! What people enter: each fact is small, dated, and never changed by a later one.

use crate::feasibility::Rating;
use crate::gate::{Evidence, Exception};
use serde::{Deserialize, Serialize};

/// Declares the facts with their names in the ledger.
macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $tag:literal),* $(,)?) => {
        /// Everything that can be entered.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "fact")]
        pub enum Fact {
            $($(#[$doc])* #[serde(rename = $tag)] $name($name),)*
        }

        impl Fact {
            /// Names of all facts.
            pub const NAMES: &'static [&'static str] = &[$($tag),*];

            /// The name of this fact.
            pub fn name(&self) -> &'static str {
                match self { $(Fact::$name(_) => $tag,)* }
            }
        }
    };
}

facts! {
    /// An actor joins the register.
    Actor = "actor",
    /// A patient representative is named.
    Representative = "representative",
    /// A project begins.
    Project = "project",
    /// Evidence is attached to a project.
    Attached = "evidence",
    /// A requirement is waived.
    Waiver = "exception",
    /// A stage is left.
    Advance = "advance",
    /// The outcome indicator is fixed.
    Indicator = "indicator",
    /// A conversation is opened.
    Conversation = "conversation",
    /// Somebody says something.
    Statement = "statement",
    /// A statement is moderated.
    Moderation = "moderation",
    /// A statement is answered.
    Reply = "answer",
    /// The asker says that the answer is none.
    Dispute = "dispute",
    /// The asker is content with the answer, or it was carried out.
    Commitment = "commitment",
    /// A promise is kept, or given up with a reason.
    Closure = "closure",
    /// A draft is rated.
    Rated = "rating",
    /// A meeting is called.
    Meeting = "meeting",
    /// A meeting was held.
    Minutes = "minutes",
    /// Somebody needs something.
    Needed = "need",
    /// Somebody offers something.
    Offered = "offer",
    /// A need and an offer come together.
    Matched = "match",
    /// A fund opens.
    Fund = "fund",
    /// Money was given, paid or moved, elsewhere.
    Donation = "donation",
    /// A training, a campaign, a mentoring.
    Activity = "activity",
    /// A case that its owner shares.
    SharedCase = "case",
    /// Somebody reports a retaliation: only the protected office reads it.
    Complaint = "complaint",
    /// The protected office has dealt with a complaint.
    Relief = "relief",
    /// A choice survey is opened.
    Survey = "survey",
    /// Somebody begins to answer a choice survey.
    Answering = "answering",
    /// One question of a choice survey is answered.
    Chosen = "choice",
}

/// What kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// Patient organisation 患者组织.
    #[default]
    PatientOrganisation,
    /// Charity 慈善组织.
    Charity,
    /// Enterprise 企业.
    Enterprise,
    /// Platform 平台.
    Platform,
    /// Agency 主管部门.
    Agency,
}

impl ActorKind {
    /// All, in the order of the register.
    pub const ALL: [ActorKind; 5] = [
        ActorKind::PatientOrganisation,
        ActorKind::Charity,
        ActorKind::Enterprise,
        ActorKind::Platform,
        ActorKind::Agency,
    ];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            ActorKind::PatientOrganisation => "patient_organisation",
            ActorKind::Charity => "charity",
            ActorKind::Enterprise => "enterprise",
            ActorKind::Platform => "platform",
            ActorKind::Agency => "agency",
        }
    }
}

/// Declares structs whose fields all have defaults: a fact written by an older version is read.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}

records! {
    /// An actor.
    Actor {
        /// Name.
        name: String,
        /// Kind.
        kind: ActorKind,
        /// Number under which it is registered with the authorities.
        registration: String,
        /// Kinds of help for which it holds a licence.
        licences: Vec<String>,
        /// Who pays it: shown wherever it speaks.
        sponsors: Vec<String>,
    }
    /// A patient representative.
    Representative {
        /// Name, or the chosen name in front.
        name: String,
        /// The organisation that sends them.
        organisation: String,
        /// What they may speak for.
        mandate: String,
        /// First day of the term.
        from: i64,
        /// Last day of the term.
        until: i64,
        /// Declared conflict of interest; empty: none declared.
        conflict: String,
        /// Organisations the conflict is with.
        conflict_with: Vec<String>,
        /// Allowance for a day, in fen: representatives are paid.
        allowance_fen: u64,
    }
    /// A project.
    Project {
        /// Title.
        title: String,
        /// Kind, as gate packs name it.
        kind: String,
        /// Whether the gates bind it.
        major: bool,
        /// The agency behind it.
        agency: String,
        /// The statement in which patients asked for it; empty: the agency's own idea.
        need: String,
        /// Disease it is about; empty: all.
        disease: String,
        /// People it affects.
        affected: u64,
    }
    /// Evidence for a project.
    Attached {
        /// Project.
        project: String,
        /// The evidence.
        evidence: Evidence,
    }
    /// A waiver.
    Waiver {
        /// Project.
        project: String,
        /// The exception.
        exception: ExceptionRecord,
    }
    /// A stage is left.
    Advance {
        /// Project.
        project: String,
        /// Day.
        day: i64,
        /// Who says so.
        who: String,
    }
    /// How the outcome will be measured; fixed before the launch.
    Indicator {
        /// Project.
        project: String,
        /// The measure, as the platform computes it.
        measure: String,
        /// Kind of place that the change reaches.
        region: String,
        /// Kind of place it is compared with.
        comparison: String,
        /// First day of the time before.
        from: i64,
        /// Day on which the change begins.
        launch: i64,
        /// Days after the launch that are looked at.
        days: i64,
        /// Change wished for, in thousandths.
        wished: i64,
    }
    /// A conversation.
    Conversation {
        /// Project it belongs to.
        project: String,
        /// The question.
        title: String,
        /// First day.
        opens: i64,
        /// Last day.
        closes: i64,
        /// Clauses of its moderation policy.
        policy: Vec<String>,
        /// The evidence pack shown beside the question.
        evidence: Vec<String>,
        /// Longest statement, in characters.
        longest: u32,
    }
    /// A statement.
    Statement {
        /// Conversation.
        conversation: String,
        /// The words.
        text: String,
        /// The chosen name in front.
        name: String,
        /// A seed statement of the organiser.
        seed: bool,
        /// The words in other languages: `en: …`.
        translations: Vec<String>,
        /// Day it was made.
        day: i64,
    }
    /// What moderation did.
    Moderation {
        /// Statement.
        statement: String,
        /// `accept`, `refuse` or `merge`.
        decision: String,
        /// The clause that a refused statement breaks.
        clause: String,
        /// The statement that this one repeats.
        into: String,
        /// Who decided.
        who: String,
        /// Day.
        day: i64,
    }
    /// An answer.
    Reply {
        /// Statement.
        statement: String,
        /// Whether something changes.
        changed: bool,
        /// Why.
        why: String,
        /// Who answers, with the office.
        who: String,
        /// The rule or text that changed.
        change: String,
        /// Day.
        day: i64,
    }
    /// The asker is not content.
    Dispute {
        /// Statement.
        statement: String,
        /// Day.
        day: i64,
    }
    /// A promise made to patients.
    Commitment {
        /// Project.
        project: String,
        /// Statement it answers; may be empty.
        statement: String,
        /// What is promised.
        text: String,
        /// Who.
        who: String,
        /// Day it was made.
        day: i64,
        /// Day it is due.
        due: i64,
    }
    /// The end of a promise.
    Closure {
        /// The promise.
        commitment: String,
        /// Whether it was kept.
        kept: bool,
        /// What was done, or why not.
        why: String,
        /// Day.
        day: i64,
    }
    /// A rating.
    Rated {
        /// The rating.
        rating: Rating,
    }
    /// A meeting.
    Meeting {
        /// Project.
        project: String,
        /// Conversation whose votes are taken in the room as well.
        conversation: String,
        /// Title.
        title: String,
        /// Where.
        place: String,
        /// Day of the notice.
        notice: i64,
        /// Day of the meeting.
        day: i64,
        /// Points of the agenda.
        agenda: Vec<String>,
        /// How participants are chosen.
        selection: String,
    }
    /// Minutes.
    Minutes {
        /// Meeting.
        meeting: String,
        /// How many came.
        attended: u64,
        /// Of them, patients and carers.
        patients: u64,
        /// What was said.
        text: String,
        /// What is to be done, by whom.
        actions: Vec<String>,
        /// Minutes that each participant spent.
        burden_minutes: u64,
        /// Paid to participants, in fen.
        paid_fen: u64,
    }
    /// A need: of one person, who is not named here.
    Needed {
        /// Kind of help.
        kind: String,
        /// Region.
        region: String,
        /// Disease.
        disease: String,
        /// Stage of illness.
        stage: String,
        /// The person agreed to be matched.
        consent: bool,
        /// Organisations the person does not want.
        excluded: Vec<String>,
        /// Urgency, 0–3.
        urgency: u8,
        /// Words of the person.
        text: String,
        /// Day it was told.
        day: i64,
    }
    /// An offer.
    Offered {
        /// The organisation.
        organisation: String,
        /// Kind of help.
        kind: String,
        /// What it is.
        title: String,
        /// Regions served; empty: all.
        regions: Vec<String>,
        /// Diseases served.
        diseases: Vec<String>,
        /// Stages served.
        stages: Vec<String>,
        /// Whether this help takes a licence.
        needs_licence: bool,
        /// Needs it can serve.
        places: u32,
        /// Day.
        day: i64,
    }
    /// A match, as the assignment made it and somebody confirmed.
    Matched {
        /// Need.
        need: String,
        /// Offer.
        offer: String,
        /// Points.
        points: i64,
        /// Day.
        day: i64,
        /// Day the help arrived; none yet.
        served: Option<i64>,
    }
    /// A fund.
    Fund {
        /// The charity that holds it.
        organisation: String,
        /// Purpose.
        purpose: String,
        /// First day.
        from: i64,
        /// Last day.
        until: i64,
        /// In answer to an emergency.
        emergency: bool,
    }
    /// A line of the ledger. The platform records and links, and never takes money.
    Donation {
        /// Fund.
        fund: String,
        /// `receipt`, `payment` or `transfer`.
        what: String,
        /// Amount in fen.
        fen: u64,
        /// The fund that a transfer goes to.
        to: String,
        /// The clause of the charter for a transfer.
        clause: String,
        /// Who gave, or for what it was paid; never a patient's name.
        note: String,
        /// The match that a payment served.
        served: String,
        /// Day.
        day: i64,
    }
    /// Training, campaign or mentoring.
    Activity {
        /// `training`, `campaign` or `mentoring`.
        what: String,
        /// The organisation.
        organisation: String,
        /// Title.
        title: String,
        /// Stage of illness it is for; empty: all.
        stage: String,
        /// People reached.
        reached: u64,
        /// Certificates given.
        certificates: u64,
        /// Right answers to the health literacy questions before, in thousandths.
        literacy_before: u64,
        /// And after.
        literacy_after: u64,
        /// Research question that came of it.
        question: String,
        /// Result, as it was told to those who raised it.
        result: String,
        /// Day.
        day: i64,
    }
    /// A shared case.
    SharedCase {
        /// Disease.
        disease: String,
        /// Stage of illness.
        stage: String,
        /// The chosen name in front.
        name: String,
        /// The story.
        text: String,
        /// The owner agreed to its publication.
        consent: bool,
        /// Day.
        day: i64,
    }
    /// A complaint of retaliation.
    Complaint {
        /// What it is about.
        about: String,
        /// The words.
        text: String,
        /// Organisation complained of: it never reads this.
        against: String,
        /// Day.
        day: i64,
    }
    /// What became of a complaint.
    Relief {
        /// Complaint.
        complaint: String,
        /// What was done.
        text: String,
        /// Who.
        who: String,
        /// Day.
        day: i64,
    }
    /// A choice survey: people choose between described alternatives, again and again.
    Survey {
        /// Project it is evidence for; empty: none.
        project: String,
        /// Title.
        title: String,
        /// What it measures, and what will be done with it.
        purpose: String,
        /// One line an attribute: its name, a colon, and its levels between bars.
        attributes: Vec<String>,
        /// Questions.
        tasks: u32,
        /// First day.
        opens: i64,
        /// Last day.
        closes: i64,
    }
    /// Somebody begins to answer. No name: the id of this fact stands for the person from here on.
    Answering {
        /// Survey.
        survey: String,
        /// `patient` or `carer`.
        role: String,
        /// Day.
        day: i64,
    }
    /// One answer of a choice survey.
    Chosen {
        /// Who answers: an id of an `answering`.
        answering: String,
        /// Question, from 0.
        task: u32,
        /// The alternative that was chosen, from 0.
        alternative: u32,
        /// Day.
        day: i64,
    }
    /// An exception as it is entered.
    ExceptionRecord {
        /// Stage, as packs name it.
        stage: String,
        /// Kind of evidence waived.
        evidence: String,
        /// Who answers for it, by name.
        person: String,
        /// Why.
        reason: String,
        /// Day it was published.
        published: Option<i64>,
    }
}

impl ExceptionRecord {
    /// The exception, when the stage is one.
    pub fn read(&self) -> Option<Exception> {
        Some(Exception {
            stage: crate::gate::Stage::ALL.into_iter().find(|stage| stage.code() == self.stage)?,
            evidence: self.evidence.clone(),
            person: self.person.clone(),
            reason: self.reason.clone(),
            published: self.published,
        })
    }
}
