//! The institution: registers, projects behind gates, statements on their way to an answer, needs and
//! offers, funds. A fold over facts in the order in which they were entered.
//!
//! A fact that cannot stand — it names a project that is not there, it would pass a closed gate — changes
//! nothing and is kept in [`Institution::refused`] with the reason: two offices that press the same button
//! at once are normal. The same check tells a page beforehand ([`Institution::check`]).

pub mod fact;
mod report;

pub use report::{AgendaShare, Report, report};

use crate::answer::{self, Answer, Standing};
use crate::feasibility::Rating;
use crate::gate::{self, Missing, Pack, Stage};
use crate::ledger::{Entry, Ledger};
use crate::matching;
use crate::preference::design::Design;
use crate::preference::survey::{self, Attribute};
use fact::{
    Activity, Actor, ActorKind, Commitment, Complaint, Conversation, Donation, Fact, Fund, Indicator,
    Matched, Meeting, Minutes, Moderation, Needed, Offered, Relief, Reply, Representative, SharedCase,
    Survey,
};
use std::collections::BTreeMap;

/// Longest statement when a conversation sets no limit of its own, in characters.
pub const STATEMENT_CHARACTERS: u32 = 200;
/// Longest free text of a fact, in bytes.
pub const TEXT_BYTES: usize = 4000;
/// Days within which the protected office looks at a complaint of retaliation.
pub const COMPLAINT_DAYS: i64 = 7;

/// Seed of the search for a survey's questions: the same survey asks the same everywhere.
const SURVEY_SEED: u64 = 1;

/// A project with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// As it was entered.
    pub project: fact::Project,
    /// Day it was entered.
    pub day: i64,
    /// Where it stands.
    pub gate: gate::Project,
    /// Its outcome indicator, once fixed.
    pub indicator: Option<Indicator>,
    /// Ratings of the draft.
    pub ratings: Vec<Rating>,
    /// Conversations, by id.
    pub conversations: Vec<String>,
    /// Meetings, by id.
    pub meetings: Vec<String>,
}

/// A conversation with the numbers of its statements.
#[derive(Debug, Clone)]
pub struct Forum {
    /// As it was entered.
    pub conversation: Conversation,
    /// Ids of its statements; the place in the list is the number under which votes name it.
    pub statements: Vec<String>,
    /// Everything moderation did, in order: published as it is.
    pub moderation: Vec<Moderation>,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Said {
    /// As it was entered.
    pub statement: fact::Statement,
    /// Its number in its conversation.
    pub number: u32,
    /// Where it stands.
    pub state: answer::Statement,
    /// Answers in their order: an answer that was sent back is followed by another.
    pub replies: Vec<Reply>,
}

/// A meeting and what came of it.
#[derive(Debug, Clone)]
pub struct Gathering {
    /// As it was called.
    pub meeting: Meeting,
    /// Once it was held.
    pub minutes: Option<Minutes>,
}

/// A promise.
#[derive(Debug, Clone)]
pub struct Promise {
    /// As it was made.
    pub commitment: Commitment,
    /// How it ended.
    pub closure: Option<fact::Closure>,
}

/// A fund with its lines.
#[derive(Debug, Clone)]
pub struct Purse {
    /// As it was opened.
    pub fund: Fund,
    /// Its lines, as they were entered.
    pub lines: Vec<Donation>,
}

/// A choice survey with its questions and the answers so far.
#[derive(Debug, Clone)]
pub struct Poll {
    /// As it was opened.
    pub survey: Survey,
    /// What is asked about.
    pub attributes: Vec<Attribute>,
    /// The questions.
    pub design: Design,
    /// Answers by who gave them: alternative by question.
    pub answers: BTreeMap<String, BTreeMap<u32, u32>>,
}

impl Poll {
    /// The first question without an answer; `None` when all have one.
    pub fn next(&self, answering: &str) -> Option<u32> {
        let given = self.answers.get(answering)?;
        (0..self.design.len() as u32).find(|task| !given.contains_key(task))
    }

    /// People who answered every question.
    pub fn complete(&self) -> usize {
        self.answers.values().filter(|given| given.len() == self.design.len()).count()
    }
}

/// Everything, as of the last fact.
#[derive(Debug, Clone)]
pub struct Institution {
    /// The gates in force.
    pub pack: Pack,
    /// Actors by id.
    pub actors: BTreeMap<String, Actor>,
    /// Patient representatives.
    pub representatives: BTreeMap<String, Representative>,
    /// Projects.
    pub projects: BTreeMap<String, ProjectFile>,
    /// Conversations.
    pub conversations: BTreeMap<String, Forum>,
    /// Statements.
    pub statements: BTreeMap<String, Said>,
    /// Meetings.
    pub meetings: BTreeMap<String, Gathering>,
    /// Promises.
    pub promises: BTreeMap<String, Promise>,
    /// Needs.
    pub needs: BTreeMap<String, Needed>,
    /// Offers.
    pub offers: BTreeMap<String, Offered>,
    /// Matches by need.
    pub matches: BTreeMap<String, Matched>,
    /// Funds.
    pub funds: BTreeMap<String, Purse>,
    /// Money over all funds.
    pub ledger: Ledger,
    /// Trainings, campaigns, mentorings.
    pub activities: BTreeMap<String, Activity>,
    /// Cases that their owners share.
    pub cases: BTreeMap<String, SharedCase>,
    /// Complaints of retaliation with what became of them: for the protected office alone.
    pub complaints: BTreeMap<String, (Complaint, Option<Relief>)>,
    /// Choice surveys.
    pub surveys: BTreeMap<String, Poll>,
    /// Survey of everybody who began to answer one.
    answering: BTreeMap<String, String>,
    /// Facts that could not stand: id and reason.
    pub refused: Vec<(String, String)>,
}

impl Institution {
    /// Nothing yet, under the gates of `pack`.
    pub fn new(pack: Pack) -> Self {
        Institution {
            pack,
            actors: BTreeMap::new(),
            representatives: BTreeMap::new(),
            projects: BTreeMap::new(),
            conversations: BTreeMap::new(),
            statements: BTreeMap::new(),
            meetings: BTreeMap::new(),
            promises: BTreeMap::new(),
            needs: BTreeMap::new(),
            offers: BTreeMap::new(),
            matches: BTreeMap::new(),
            funds: BTreeMap::new(),
            ledger: Ledger::default(),
            activities: BTreeMap::new(),
            cases: BTreeMap::new(),
            complaints: BTreeMap::new(),
            surveys: BTreeMap::new(),
            answering: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// Takes in the fact `id` of `day`; one that cannot stand is kept as refused.
    pub fn apply(&mut self, id: &str, day: i64, fact: &Fact) {
        if let Err(why) = self.check(day, fact) {
            self.refused.push((id.to_owned(), why));
            return;
        }
        self.put(id, day, fact.clone());
    }

    /// Whether a fact could stand now.
    ///
    /// # Errors
    /// Field, rule and what to do.
    pub fn check(&self, day: i64, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Actor(actor) => filled("name", &actor.name),
            Fact::Representative(who) => self.check_representative(who),
            Fact::Project(project) => self.check_project(project),
            Fact::Attached(x) => {
                let file = self.project(&x.project)?;
                let known = self.pack.requirements.iter().any(|r| r.evidence == x.evidence.kind);
                let kind = &x.evidence.kind;
                known.then_some(()).ok_or_else(|| format!("kind: no gate asks for {kind:?}"))?;
                ensure(file.gate.stage.is_some(), "project", "its last stage is over; begin a new one")
            }
            Fact::Waiver(x) => {
                self.project(&x.project)?;
                filled("person", &x.exception.person)?;
                filled("reason", &x.exception.reason)?;
                x.exception.read().map(drop).ok_or_else(|| "stage: choose one of the six stages".into())
            }
            Fact::Advance(x) => {
                filled("who", &x.who)?;
                ensure(x.day <= day, "day", "lies in the future")?;
                let missing = self.missing(&x.project, x.day)?;
                if missing.is_empty() { Ok(()) } else { Err(told(&missing)) }
            }
            Fact::Indicator(x) => {
                let file = self.project(&x.project)?;
                filled("measure", &x.measure)?;
                filled("region", &x.region)?;
                filled("comparison", &x.comparison)?;
                ensure(file.indicator.is_none(), "project", "its indicator is fixed and stays as it is")?;
                ensure(
                    x.region != x.comparison,
                    "comparison",
                    "must be another area than the one that changes",
                )?;
                ensure(x.from < x.launch && x.days > 0, "launch", "must come after the first day looked at")?;
                ensure(
                    x.launch >= day,
                    "launch",
                    "the indicator is fixed before the change begins, not after",
                )
            }
            Fact::Conversation(x) => {
                // One that belongs to no project is always open to needs.
                if !x.project.is_empty() {
                    self.project(&x.project)?;
                }
                filled("title", &x.title)?;
                ensure(
                    x.opens >= day,
                    "opens",
                    "lies in the past: a comment period cannot be made up afterwards",
                )?;
                ensure(x.opens <= x.closes, "closes", "must not come before it opens")?;
                ensure(!x.policy.is_empty(), "policy", "a conversation publishes its moderation policy")
            }
            Fact::Statement(x) => self.check_statement(x, day),
            Fact::Moderation(x) => {
                filled("who", &x.who)?;
                self.moved(&x.statement, &self.moderation_event(x)?)
            }
            Fact::Reply(x) => self.moved(&x.statement, &answer::Event::Answer(given(x))),
            Fact::Dispute(x) => self.moved(&x.statement, &answer::Event::Dispute),
            Fact::Commitment(x) => {
                self.project(&x.project)?;
                filled("text", &x.text)?;
                filled("who", &x.who)?;
                ensure(x.due >= x.day, "due", "must not lie before the promise")
            }
            Fact::Closure(x) => {
                let promise = self.promises.get(&x.commitment);
                let promise = promise.ok_or("commitment: there is no such promise")?;
                ensure(promise.closure.is_none(), "commitment", "is closed already")?;
                filled("why", &x.why)
            }
            Fact::Rated(x) => {
                self.project(&x.rating.project)?;
                x.rating.check()
            }
            Fact::Meeting(x) => {
                self.project(&x.project)?;
                filled("title", &x.title)?;
                ensure(!x.agenda.is_empty(), "agenda", "a notice says what will be talked about")?;
                ensure(x.notice < x.day, "notice", "must come before the meeting")
            }
            Fact::Minutes(x) => {
                let held = self.meetings.get(&x.meeting).ok_or("meeting: there is no such meeting")?;
                ensure(held.minutes.is_none(), "meeting", "has its minutes already")?;
                ensure(held.meeting.day <= day, "meeting", "has not been held yet")?;
                ensure(x.patients <= x.attended, "patients", "are more than those who came")?;
                filled("text", &x.text)
            }
            Fact::Needed(x) => filled("kind", &x.kind),
            Fact::Offered(x) => self.check_offer(x),
            Fact::Matched(x) => self.check_match(x),
            Fact::Fund(x) => {
                let holder = self.actor(&x.organisation)?;
                ensure(holder.kind == ActorKind::Charity, "organisation", "only a charity holds a fund")?;
                filled("purpose", &x.purpose)
            }
            Fact::Donation(x) => self.check_donation(x),
            Fact::Activity(x) => {
                self.actor(&x.organisation)?;
                filled("title", &x.title)
            }
            Fact::SharedCase(x) => {
                ensure(x.consent, "consent", "a case is shared only when its owner agrees")?;
                filled("text", &x.text)
            }
            Fact::Complaint(x) => filled("text", &x.text),
            Fact::Relief(x) => {
                let (_, relief) =
                    self.complaints.get(&x.complaint).ok_or("complaint: there is no such one")?;
                ensure(relief.is_none(), "complaint", "is dealt with already")?;
                filled("text", &x.text)
            }
            Fact::Survey(x) => {
                if !x.project.is_empty() {
                    self.project(&x.project)?;
                }
                filled("title", &x.title)?;
                filled("purpose", &x.purpose)?;
                ensure(x.opens <= x.closes, "closes", "must not come before it opens")?;
                survey::plan(&survey::attributes(&x.attributes)?, x.tasks).map(drop)
            }
            Fact::Answering(x) => {
                self.open_poll(&x.survey, day)?;
                ensure(matches!(x.role.as_str(), "patient" | "carer"), "role", "choose patient or carer")
            }
            Fact::Chosen(x) => {
                let survey = self.answering.get(&x.answering).ok_or("answering: begin the survey first")?;
                let poll = self.open_poll(survey, day)?;
                let task = poll.design.get(x.task as usize).ok_or("task: the survey has no such question")?;
                ensure((x.alternative as usize) < task.len(), "alternative", "choose one of those shown")?;
                let given = poll.answers.get(&x.answering).is_some_and(|given| given.contains_key(&x.task));
                ensure(!given, "task", "is answered already")
            }
        }
    }

    fn open_poll(&self, survey: &str, day: i64) -> Result<&Poll, String> {
        let poll = self.surveys.get(survey).ok_or("survey: there is no such one")?;
        let open = poll.survey.opens..=poll.survey.closes;
        ensure(open.contains(&day), "survey", "is not open today")?;
        Ok(poll)
    }

    /// The survey that somebody answers.
    pub fn answered_by(&self, answering: &str) -> Option<&str> {
        self.answering.get(answering).map(String::as_str)
    }

    fn check_representative(&self, who: &Representative) -> Result<(), String> {
        let sender = self.actor(&who.organisation)?;
        ensure(
            sender.kind == ActorKind::PatientOrganisation,
            "organisation",
            "representatives are sent by patient organisations",
        )?;
        filled("name", &who.name)?;
        filled("mandate", &who.mandate)?;
        ensure(who.from <= who.until, "until", "the term ends before it begins")?;
        ensure(who.allowance_fen > 0, "allowance_fen", "representatives are paid: name the allowance")
    }

    fn check_project(&self, project: &fact::Project) -> Result<(), String> {
        let agency = self.actor(&project.agency)?;
        let runs = matches!(agency.kind, ActorKind::Agency | ActorKind::Enterprise);
        ensure(runs, "agency", "an agency or an enterprise runs a project")?;
        filled("title", &project.title)?;
        ensure(project.affected > 0, "affected", "say how many people the project affects")?;
        if !project.need.is_empty() {
            ensure(self.statements.contains_key(&project.need), "need", "there is no such statement")?;
        }
        let known = self.pack.requirements.iter().any(|r| r.kind == project.kind);
        ensure(known, "kind", "the gates know no such kind of project")
    }

    fn check_statement(&self, x: &fact::Statement, day: i64) -> Result<(), String> {
        let forum = self.conversations.get(&x.conversation).ok_or("conversation: there is no such one")?;
        filled("text", &x.text)?;
        let open = forum.conversation.opens..=forum.conversation.closes;
        ensure(open.contains(&day), "conversation", "is not open today")?;
        let longest = match forum.conversation.longest {
            0 => STATEMENT_CHARACTERS,
            longest => longest,
        };
        if x.text.chars().count() > longest as usize {
            return Err(format!("text: is longer than {longest} characters; say one thing at a time"));
        }
        let same = |id: &String| self.statements[id].statement.text.trim() == x.text.trim();
        ensure(!forum.statements.iter().any(same), "text", "was said already; vote on it instead")
    }

    fn check_offer(&self, x: &Offered) -> Result<(), String> {
        let actor = self.actor(&x.organisation)?;
        filled("kind", &x.kind)?;
        filled("title", &x.title)?;
        ensure(x.places > 0, "places", "say how many needs it can serve")?;
        let licensed = !x.needs_licence || actor.licences.contains(&x.kind);
        ensure(licensed, "needs_licence", "the organisation has registered no licence for this help")
    }

    fn check_match(&self, x: &Matched) -> Result<(), String> {
        let need = self.need(&x.need, x.day).ok_or("need: there is no such need")?;
        let offer = self.offer(&x.offer).ok_or("offer: there is no such offer")?;
        if let Some(before) = self.matches.get(&x.need) {
            ensure(before.offer == x.offer && x.served.is_some(), "need", "is matched already")?;
            return Ok(());
        }
        let taken = self.matches.values().filter(|m| m.offer == x.offer).count();
        ensure(taken < offer.places as usize, "offer", "has no place left")?;
        match matching::score(&need, &offer) {
            Ok(_) => Ok(()),
            Err(reason) => Err(format!("offer: may not serve this need ({reason:?})")),
        }
    }

    fn check_donation(&self, x: &Donation) -> Result<(), String> {
        ensure(self.funds.contains_key(&x.fund), "fund", "there is no such fund")?;
        if x.what == "transfer" {
            ensure(self.funds.contains_key(&x.to), "to", "there is no such fund")?;
        }
        let entry = entry(x).ok_or("what: choose receipt, payment or transfer")?;
        let refused = |refusal| format!("fen: the ledger refuses it ({refusal:?})");
        self.ledger.clone().write(entry).map_err(refused)
    }

    fn put(&mut self, id: &str, day: i64, fact: Fact) {
        let id = id.to_owned();
        match fact {
            Fact::Actor(x) => drop(self.actors.insert(id, x)),
            Fact::Representative(x) => drop(self.representatives.insert(id, x)),
            Fact::Project(project) => {
                let gate = gate::Project::new(&project.kind, project.major);
                let file = ProjectFile {
                    project,
                    day,
                    gate,
                    indicator: None,
                    ratings: Vec::new(),
                    conversations: Vec::new(),
                    meetings: Vec::new(),
                };
                self.projects.insert(id, file);
            }
            Fact::Attached(x) => self.step(&x.project, gate::Event::Evidence(x.evidence)),
            Fact::Waiver(x) => {
                if let Some(exception) = x.exception.read() {
                    self.step(&x.project, gate::Event::Exception(exception));
                }
            }
            Fact::Advance(x) => self.step(&x.project, gate::Event::Advance { day: x.day }),
            Fact::Indicator(x) => self.in_project(&x.project.clone(), |file| file.indicator = Some(x)),
            Fact::Conversation(conversation) => {
                self.in_project(&conversation.project.clone(), |file| file.conversations.push(id.clone()));
                let forum = Forum { conversation, statements: Vec::new(), moderation: Vec::new() };
                self.conversations.insert(id, forum);
            }
            Fact::Statement(statement) => self.say(id, statement),
            Fact::Moderation(x) => self.moderate(x),
            Fact::Reply(x) => {
                if let Some(said) = self.statements.get_mut(&x.statement) {
                    let _ = said.state.apply(answer::Event::Answer(given(&x)));
                    said.replies.push(x);
                }
            }
            Fact::Dispute(x) => {
                if let Some(said) = self.statements.get_mut(&x.statement) {
                    let _ = said.state.apply(answer::Event::Dispute);
                }
            }
            Fact::Commitment(commitment) => {
                self.promises.insert(id, Promise { commitment, closure: None });
            }
            Fact::Closure(x) => {
                if let Some(promise) = self.promises.get_mut(&x.commitment) {
                    promise.closure = Some(x);
                }
            }
            Fact::Rated(x) => self.in_project(&x.rating.project.clone(), |file| file.ratings.push(x.rating)),
            Fact::Meeting(meeting) => {
                self.in_project(&meeting.project.clone(), |file| file.meetings.push(id.clone()));
                self.meetings.insert(id, Gathering { meeting, minutes: None });
            }
            Fact::Minutes(x) => {
                if let Some(gathering) = self.meetings.get_mut(&x.meeting) {
                    gathering.minutes = Some(x);
                }
            }
            Fact::Needed(x) => drop(self.needs.insert(id, x)),
            Fact::Offered(x) => drop(self.offers.insert(id, x)),
            Fact::Matched(x) => drop(self.matches.insert(x.need.clone(), x)),
            Fact::Fund(fund) => drop(self.funds.insert(id, Purse { fund, lines: Vec::new() })),
            Fact::Donation(x) => {
                if let Some(entry) = entry(&x) {
                    let _ = self.ledger.write(entry);
                }
                if let Some(purse) = self.funds.get_mut(&x.fund) {
                    purse.lines.push(x);
                }
            }
            Fact::Activity(x) => drop(self.activities.insert(id, x)),
            Fact::SharedCase(x) => drop(self.cases.insert(id, x)),
            Fact::Complaint(x) => drop(self.complaints.insert(id, (x, None))),
            Fact::Relief(x) => {
                if let Some(complaint) = self.complaints.get_mut(&x.complaint) {
                    complaint.1 = Some(x);
                }
            }
            Fact::Survey(survey) => {
                let attributes = survey::attributes(&survey.attributes).unwrap_or_default();
                let plan = survey::plan(&attributes, survey.tasks);
                let design = plan.and_then(|plan| plan.generate(SURVEY_SEED)).unwrap_or_default();
                let answers = BTreeMap::new();
                self.surveys.insert(id, Poll { survey, attributes, design, answers });
            }
            Fact::Answering(x) => {
                if let Some(poll) = self.surveys.get_mut(&x.survey) {
                    poll.answers.insert(id.clone(), BTreeMap::new());
                    self.answering.insert(id, x.survey);
                }
            }
            Fact::Chosen(x) => {
                let poll = self.answering.get(&x.answering).and_then(|survey| self.surveys.get_mut(survey));
                if let Some(given) = poll.and_then(|poll| poll.answers.get_mut(&x.answering)) {
                    given.insert(x.task, x.alternative);
                }
            }
        }
    }

    fn say(&mut self, id: String, statement: fact::Statement) {
        let Some(forum) = self.conversations.get_mut(&statement.conversation) else { return };
        let number = forum.statements.len() as u32;
        forum.statements.push(id.clone());
        let everywhere = self.statements.len() as u64;
        let mut state = answer::Statement::new(everywhere, statement.day);
        if statement.seed {
            // A seed is the organiser's own: it needs nobody's leave.
            let _ = state.apply(answer::Event::Accept);
        }
        self.statements.insert(id, Said { statement, number, state, replies: Vec::new() });
    }

    fn moderate(&mut self, x: Moderation) {
        let Ok(event) = self.moderation_event(&x) else { return };
        let Some(said) = self.statements.get_mut(&x.statement) else { return };
        let _ = said.state.apply(event);
        if let Some(forum) = self.conversations.get_mut(&said.statement.conversation) {
            forum.moderation.push(x);
        }
    }

    fn moderation_event(&self, x: &Moderation) -> Result<answer::Event, String> {
        Ok(match x.decision.as_str() {
            "accept" => answer::Event::Accept,
            "refuse" => answer::Event::Refuse { clause: x.clause.clone() },
            "merge" => {
                let into = self.statements.get(&x.into).ok_or("into: there is no such statement")?;
                answer::Event::Merge { into: into.state.id }
            }
            _ => return Err("decision: choose accept, refuse or merge".into()),
        })
    }

    fn moved(&self, statement: &str, event: &answer::Event) -> Result<(), String> {
        let said = self.statements.get(statement).ok_or("statement: there is no such one")?;
        said.state.clone().apply(event.clone()).map_err(|why| format!("statement: {why}"))
    }

    fn step(&mut self, project: &str, event: gate::Event) {
        let Institution { projects, pack, .. } = self;
        if let Some(file) = projects.get_mut(project) {
            let _ = file.gate.apply(event, pack);
        }
    }

    fn in_project(&mut self, project: &str, change: impl FnOnce(&mut ProjectFile)) {
        if let Some(file) = self.projects.get_mut(project) {
            change(file);
        }
    }

    fn project(&self, id: &str) -> Result<&ProjectFile, String> {
        self.projects.get(id).ok_or_else(|| "project: there is no such project".into())
    }

    fn actor(&self, id: &str) -> Result<&Actor, String> {
        self.actors.get(id).ok_or_else(|| "organisation: stands in no register; enter it first".into())
    }

    /// What stands between a project and its next stage.
    ///
    /// # Errors
    /// There is no such project, or it has no further stage.
    pub fn missing(&self, project: &str, day: i64) -> Result<Vec<Missing>, String> {
        let file = self.project(project)?;
        let stage = file.gate.stage.ok_or("project: its last stage is over")?;
        let mut missing = file.gate.missing(stage, &self.pack, day);
        // The document that names the indicator is not enough: it must be fixed so that it can be computed.
        let named = |m: &Missing| m.evidence == "outcome_indicator";
        if file.project.major
            && stage == Stage::Implementation
            && file.indicator.is_none()
            && !missing.iter().any(named)
        {
            missing.push(Missing { stage, evidence: "outcome_indicator".into(), faults: Vec::new() });
        }
        Ok(missing)
    }

    /// A need as the assignment sees it on `day`.
    pub fn need(&self, id: &str, day: i64) -> Option<matching::Need> {
        let need = self.needs.get(id)?;
        Some(matching::Need {
            id: id.to_owned(),
            kind: need.kind.clone(),
            region: need.region.clone(),
            disease: need.disease.clone(),
            stage: need.stage.clone(),
            consent: need.consent,
            excluded: need.excluded.clone(),
            urgency: need.urgency,
            waiting_days: u32::try_from(day - need.day).unwrap_or(0),
        })
    }

    /// An offer as the assignment sees it.
    pub fn offer(&self, id: &str) -> Option<matching::Offer> {
        let offer = self.offers.get(id)?;
        let licensed = self.actors.get(&offer.organisation).is_some_and(|a| a.licences.contains(&offer.kind));
        Some(matching::Offer {
            id: id.to_owned(),
            organisation: offer.organisation.clone(),
            kind: offer.kind.clone(),
            regions: offer.regions.clone(),
            diseases: offer.diseases.clone(),
            stages: offer.stages.clone(),
            needs_licence: offer.needs_licence,
            licensed,
            places: offer.places,
        })
    }

    /// The best assignment of all needs without a match to the places that are left.
    pub fn proposal(&self, day: i64) -> matching::Matching {
        let open = self.needs.keys().filter(|id| !self.matches.contains_key(*id));
        let needs: Vec<matching::Need> = open.filter_map(|id| self.need(id, day)).collect();
        let taken = |id: &String| self.matches.values().filter(|m| m.offer == *id).count() as u32;
        let offers: Vec<matching::Offer> = self
            .offers
            .keys()
            .filter_map(|id| self.offer(id).map(|offer| (id, offer)))
            .map(|(id, offer)| matching::Offer { places: offer.places.saturating_sub(taken(id)), ..offer })
            .collect();
        matching::match_all(&needs, &offers)
    }

    /// Representatives whose term covers `day` and who have no conflict with `agency`.
    pub fn may_speak(&self, agency: &str, day: i64) -> impl Iterator<Item = (&String, &Representative)> {
        self.representatives.iter().filter(move |(_, who)| {
            (who.from..=who.until).contains(&day) && !who.conflict_with.iter().any(|with| with == agency)
        })
    }

    /// Statements of a conversation that were let through, in their order.
    pub fn published<'i>(&'i self, forum: &'i Forum) -> impl Iterator<Item = (&'i String, &'i Said)> {
        let all = forum.statements.iter().map(|id| (id, &self.statements[id]));
        all.filter(|(_, said)| {
            matches!(said.state.standing, Standing::Open | Standing::Answered(_) | Standing::NotAnswered(_))
        })
    }
}

/// Every missing requirement in one sentence.
pub fn told(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn given(x: &Reply) -> Answer {
    Answer { changed: x.changed, why: x.why.clone(), who: x.who.clone(), day: x.day }
}

fn entry(x: &Donation) -> Option<Entry> {
    let (fund, fen) = (x.fund.clone(), x.fen);
    Some(match x.what.as_str() {
        "receipt" => Entry::Receipt { fund, fen },
        "payment" => Entry::Payment { fund, fen },
        "transfer" => Entry::Transfer { from: fund, to: x.to.clone(), fen, clause: x.clause.clone() },
        _ => return None,
    })
}

fn filled(field: &str, text: &str) -> Result<(), String> {
    ensure(!text.trim().is_empty(), field, "is empty; fill it in")?;
    ensure(text.len() <= TEXT_BYTES, field, "is longer than 4000 bytes; shorten it")
}

fn ensure(holds: bool, field: &str, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{field}: {rule}")) }
}
