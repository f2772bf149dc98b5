//! Writing: drafts of cards that are due, and what people decide on cards, signals and contacts.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use serde_json::Value;
use tongmai_access::{Requester, Sight};
use tongmai_engine::write::{Conditions, Target};
use tongmai_engine::{Failure, Outcome, Reason, Resource};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};
use tongmai_fhir::json::Json;
use tongmai_store::Seq;
use tongmai_surveillance::case::{CardState, Classification, Clock, Step};
use tongmai_surveillance::signal::{SignalState, SignalStep};

use super::cases::{Case, Cases, age_band};
use super::fact::{day_of, person_name};
use super::task::{self, Card, Contact, Items, Note, Signal, Work};
use super::watch::date_of;
use super::{Surveillance, VisibleCases};

/// Cases that are drafted side by side.
const DRAFTED: usize = 64;
/// Longest name or reason that a person may give, in bytes.
const TEXT: usize = 2_000;
/// Identity number of a citizen, as WS/T 500 numbers its system.
const CITIZEN: &str = "urn:oid:2.16.156.10011.1.3";
/// The disease of a card for what nobody can name 不明原因疾病.
pub const UNEXPLAINED: &str = "unexplained";
/// Hours to report what is unexplained.
const UNEXPLAINED_HOURS: u32 = 2;
/// Items of a card that a person may fill or change.
pub const FILLED: [&str; 15] = [
    "name",
    "guardian",
    "identity-number",
    "birth-date",
    "phone",
    "workplace",
    "belongs-to",
    "address",
    "occupation",
    "onset",
    "death-date",
    "item",
    "exposure-site",
    "remark",
    "author",
];

/// What a person decides, and why.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// Who, as the person writes it.
    pub who: String,
    /// Why; needed where something is sent back, taken back or excluded.
    pub why: String,
    /// Items that change.
    pub items: Items,
}

/// A contact to be entered.
#[derive(Debug, Clone, Default)]
pub struct NewContact {
    /// The card of the case that was met.
    pub card: String,
    /// Name, phone, site, relation, met-on, until.
    pub items: Items,
}

fn task_type() -> Outcome<ResourceTypeId> {
    resource_type_id("Task").ok_or_else(|| Failure::not_found("Task"))
}

fn invalid(path: &str, code: &str, message: impl Into<String>, repair: &str) -> Failure {
    Failure::new(Reason::Invalid, path, code, message).repair(repair)
}

impl Surveillance {
    /// Drafts what is due and raises what alarms; gives back how many Tasks were written. What was
    /// interrupted is due again: drafts have ids that follow from the case, and are written once.
    pub async fn catch_up(&self) -> Outcome<usize> {
        let _turn = self.turn.lock().await;
        let mut written = 0;
        loop {
            let (pending, position) = self.running.now(&self.engine, |cases, at| (cases.pending(), at))?;
            let mut drafted = 0;
            for chunk in pending.chunks(DRAFTED) {
                drafted += self.draft_all(chunk).await?;
            }
            drafted += self.raise().await?;
            written += drafted;
            if drafted == 0 {
                self.tell(position);
                return Ok(written);
            }
        }
    }

    fn tell(&self, position: Seq) {
        self.changed.send_if_modified(|known| std::mem::replace(known, position) != position);
    }

    /// Drafts cases side by side, so that they share the waiting for the disk. Of cases that may be one
    /// person's the first is drafted; the others are due again in the next round, when its card is known.
    async fn draft_all(&self, cases: &[Case]) -> Outcome<usize> {
        let persons = together(cases.iter().map(|case| self.same_person(&case.patient))).await;
        let mut claimed: BTreeSet<(String, &str)> = BTreeSet::new();
        let mut due = Vec::new();
        for (case, persons) in cases.iter().zip(persons) {
            let persons = persons?;
            let key = |patient: &String| (patient.clone(), case.disease.as_str());
            if persons.iter().any(|patient| claimed.contains(&key(patient))) {
                continue;
            }
            claimed.extend(persons.iter().map(key));
            due.push((case, persons));
        }
        let drafted = together(due.iter().map(|(case, persons)| self.draft(case, persons))).await;
        drafted.into_iter().try_fold(0, |sum, one| Ok(sum + usize::from(one?)))
    }

    /// Writes the draft of a case, or adds the case to the card that the person has already.
    async fn draft(&self, case: &Case, persons: &[String]) -> Outcome<bool> {
        let there = self.look(|cases| cases.card_for(persons, &case.disease, case.day).cloned())?;
        let now = self.engine.now();
        if let Some(mut card) = there {
            if card.patients.contains(&case.patient) {
                return Ok(false);
            }
            card.patients.push(case.patient.clone());
            card.evidence.extend(case.findings.iter().map(|finding| finding.source.clone()));
            let text = format!("同一人在{}再次诊断", case.findings[0].organization);
            card.notes.push(Note { time: now, who: String::new(), text });
            card.written = now.max(card.written);
            let conditions = Conditions { if_match: Some(card.version), ..Conditions::default() };
            self.put(&Surveillance::requester(), &card.to_task(), &conditions).await?;
            return Ok(true);
        }
        let Some(patient) = self.read("Patient", &case.patient).await? else { return Ok(false) };
        let json = Json::parse(&patient.text).map_err(|_| Failure::not_found("Patient"))?;
        let provider = self.provider(&case.encounter, &json).await?;
        let clock = Clock::of(Some(case.at), case.received, case.hours);
        let card = Card {
            id: format!("card-{}", stable_id(&[&case.patient, &case.disease, &case.day.to_string()])),
            version: 1,
            patients: vec![case.patient.clone()],
            encounter: case.encounter.clone(),
            provider,
            disease: case.disease.clone(),
            classification: classification(case).code().to_owned(),
            state: CardState::Draft.code().to_owned(),
            start: clock.start,
            hours: clock.hours,
            created: now,
            written: now,
            items: fill(&json, case),
            evidence: case.findings.iter().map(|finding| finding.source.clone()).collect(),
            answers: Items::new(),
            notes: Vec::new(),
            position: 0,
        };
        self.put_once(&card.to_task()).await
    }

    /// The organisation of an encounter, or else the one that keeps the patient's record.
    async fn provider(&self, encounter: &str, patient: &Json<'_>) -> Outcome<String> {
        let of = |json: &Json<'_>, name: &str| {
            let reference = json.get(name).and_then(|it| it.text("reference"));
            reference.filter(|it| it.starts_with("Organization/")).map(str::to_owned)
        };
        let kept = of(patient, "managingOrganization").unwrap_or_default();
        let Some(id) = encounter.strip_prefix("Encounter/") else { return Ok(kept) };
        let Some(found) = self.read("Encounter", id).await? else { return Ok(kept) };
        let json = Json::parse(&found.text).ok();
        Ok(json.and_then(|json| of(&json, "serviceProvider")).unwrap_or(kept))
    }

    /// Ids of all records of the person that a record belongs to, the record itself first.
    async fn same_person(&self, patient: &str) -> Outcome<Vec<String>> {
        let mut ids = vec![patient.to_owned()];
        match self.engine.person(&self.own_sight(), patient) {
            Ok(sealed) => {
                let person = self.release(&Surveillance::requester(), sealed).await?;
                let others = person.members.iter().map(|member| member.resource.id.clone());
                ids.extend(others.filter(|other| other != patient));
                Ok(ids)
            }
            Err(failure) if failure.reason == Reason::NotFound => Ok(ids),
            Err(failure) => Err(failure),
        }
    }

    async fn read(&self, kind: &str, id: &str) -> Outcome<Option<Resource>> {
        self.read_as(&Surveillance::requester(), kind, id).await
    }

    async fn read_as(&self, requester: &Requester, kind: &str, id: &str) -> Outcome<Option<Resource>> {
        let Some(kind) = resource_type_id(kind) else { return Ok(None) };
        match self.engine.read(&self.access.sight(requester), kind, id) {
            Ok(sealed) => Ok(Some(self.release(requester, sealed).await?.into_inner())),
            Err(failure) if matches!(failure.reason, Reason::NotFound | Reason::Gone) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Writes a Task under its id unless there was ever one; says whether it wrote.
    pub(super) async fn put_once(&self, task: &Value) -> Outcome<bool> {
        let conditions = Conditions { if_none_match: true, ..Conditions::default() };
        match self.put(&Surveillance::requester(), task, &conditions).await {
            Ok(()) => Ok(true),
            Err(failure) if matches!(failure.reason, Reason::Precondition | Reason::Conflict) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn put(
        &self,
        requester: &Requester,
        task: &Value,
        conditions: &Conditions,
    ) -> Outcome<()> {
        let text = task.to_string();
        let checked = self.engine.check(text.as_bytes(), Some(task_type()?))?;
        let target = Target::Id(task["id"].as_str().unwrap_or("").to_owned());
        self.engine.update(&self.pen(requester), &target, &checked, conditions).await.map(drop)
    }

    /// Under what a form of these pages writes. A card stays the deposit of the organisation that it names,
    /// whoever takes a step with it.
    fn pen(&self, requester: &Requester) -> Sight {
        self.access.pen(&Requester { organization: String::new(), ..requester.clone() })
    }

    /// The Task with this id, as the ledger has it now.
    pub async fn work(&self, requester: &Requester, id: &str) -> Outcome<Work> {
        let sealed = self.engine.read(&self.access.sight(requester), task_type()?, id)?;
        let resource = self.release(requester, sealed).await?;
        let json = Json::parse(&resource.text).map_err(|_| Failure::not_found(format!("Task/{id}")))?;
        let work = task::read(&json).ok_or_else(|| Failure::not_found(format!("Task/{id}")))?;
        Ok(match work {
            Work::Card(card) => Work::Card(Card { version: resource.version, ..card }),
            Work::Signal(signal) => Work::Signal(Signal { version: resource.version, ..signal }),
            Work::Contact(contact) => Work::Contact(Contact { version: resource.version, ..contact }),
            done @ Work::Reconciliation(_) => done,
        })
    }

    /// A card by its id, as the ledger has it now.
    pub async fn card(&self, requester: &Requester, id: &str) -> Outcome<Card> {
        match self.work(requester, id).await? {
            Work::Card(card) => Ok(card),
            _ => Err(Failure::not_found(format!("report card {id}"))),
        }
    }

    /// A person, or 网络直报, takes a step with a card.
    ///
    /// # Errors
    /// The step has no place after the card's state, somebody else was faster, or a name, reason or
    /// number is missing.
    pub async fn step(
        &self,
        requester: &Requester,
        id: &str,
        step: Step,
        decision: &Decision,
    ) -> Outcome<Card> {
        admit(decision)?;
        let mut card = self.card(requester, id).await?;
        let Some(next) = card.state().after(step) else {
            let message = format!("\"{}\" has no place after \"{}\"", step.code(), card.state);
            return Err(Failure::new(Reason::Conflict, "step", "conflict", message)
                .repair("look at the card as it is now"));
        };
        let now = self.engine.now();
        apply(&mut card, step, decision)?;
        next.code().clone_into(&mut card.state);
        card.written = now.max(card.written);
        let text = format!("{} {}", step.code(), decision.why).trim().to_owned();
        card.notes.push(Note { time: now, who: decision.who.clone(), text });
        let conditions = Conditions { if_match: Some(card.version), ..Conditions::default() };
        self.put(requester, &card.to_task(), &conditions).await?;
        self.catch_up().await?;
        Ok(card)
    }

    /// A person says of two cards that they are not one illness of one person.
    pub async fn not_duplicate(
        &self,
        requester: &Requester,
        id: &str,
        other: &str,
        decision: &Decision,
    ) -> Outcome<()> {
        admit(decision)?;
        let mut card = self.card(requester, id).await?;
        let known = card.items.entry("not-duplicate-of".into()).or_default();
        if !known.split(' ').any(|it| it == other) {
            known.push_str(if known.is_empty() { "" } else { " " });
            known.push_str(other);
        }
        let now = self.engine.now();
        card.written = now.max(card.written);
        card.notes.push(Note {
            time: now,
            who: decision.who.clone(),
            text: format!("not-duplicate {}", decision.why),
        });
        let conditions = Conditions { if_match: Some(card.version), ..Conditions::default() };
        self.put(requester, &card.to_task(), &conditions).await
    }

    /// A doctor suspects a notifiable or unexplained disease that no code, result or word names yet.
    ///
    /// # Errors
    /// The patient is unknown, the disease is not on the list, or a name or reason is missing.
    pub async fn suspect(
        &self,
        requester: &Requester,
        patient: &str,
        disease: &str,
        decision: &Decision,
    ) -> Outcome<Card> {
        admit(decision)?;
        if decision.why.trim().is_empty() {
            return Err(invalid("why", "required", "a suspicion says what it rests on", "describe it"));
        }
        let now = self.engine.now();
        let rules = self.look(|cases| cases.rules().clone())?;
        let known = rules.pack.on(day_of(now)).find(|known| known.code == disease);
        if known.is_none() && disease != UNEXPLAINED {
            return Err(invalid(
                "disease",
                "unknown",
                format!("\"{disease}\" is not on the list"),
                "choose one",
            ));
        }
        let found = self.read_as(requester, "Patient", patient).await?;
        let found = found.ok_or_else(|| Failure::not_found(format!("Patient/{patient}")))?;
        let json = Json::parse(&found.text).map_err(|_| Failure::not_found("Patient"))?;
        let mut items = person_items(&json, day_of(now));
        items.insert("found-on".into(), date_of(day_of(now)));
        items.insert("evidence".into(), decision.why.clone());
        items.insert("author".into(), decision.who.clone());
        let card = Card {
            id: format!("card-{}", stable_id(&[patient, disease, &now.to_string()])),
            version: 1,
            patients: vec![patient.to_owned()],
            encounter: String::new(),
            provider: match requester.organization.as_str() {
                "" => self.provider("", &json).await?,
                id => format!("Organization/{id}"),
            },
            disease: disease.to_owned(),
            classification: Classification::Suspected.code().to_owned(),
            state: CardState::Draft.code().to_owned(),
            start: now,
            hours: known.map_or(UNEXPLAINED_HOURS, |known| known.hours),
            created: now,
            written: now,
            items,
            evidence: Vec::new(),
            answers: Items::new(),
            notes: vec![Note { time: now, who: decision.who.clone(), text: decision.why.clone() }],
            position: 0,
        };
        self.put(requester, &card.to_task(), &Conditions::default()).await?;
        self.catch_up().await?;
        Ok(card)
    }

    /// The county answers a signal, or goes on with it.
    ///
    /// # Errors
    /// The step has no place after the signal's state, or a name or reason is missing.
    pub async fn answer(
        &self,
        requester: &Requester,
        id: &str,
        step: SignalStep,
        decision: &Decision,
    ) -> Outcome<Signal> {
        admit(decision)?;
        let Work::Signal(mut signal) = self.work(requester, id).await? else {
            return Err(Failure::not_found(format!("signal {id}")));
        };
        let Some(next) = signal.state().after(step) else {
            let message = format!("the step has no place after \"{}\"", signal.state);
            return Err(Failure::new(Reason::Conflict, "step", "conflict", message)
                .repair("look at the signal as it is now"));
        };
        let reason = decision.items.get("reason").map_or("", String::as_str);
        if matches!(next, SignalState::Confirmed | SignalState::Excluded)
            && !tongmai_surveillance::signal::REASONS.contains(&reason)
        {
            return Err(invalid(
                "reason",
                "required",
                "a final answer has a reason",
                "choose one from the list",
            ));
        }
        let now = self.engine.now();
        next.code().clone_into(&mut signal.state);
        if !reason.is_empty() {
            signal.items.insert("reason".into(), reason.to_owned());
        }
        signal.answered.get_or_insert(now);
        signal.written = now.max(signal.written);
        let text = format!("{} {}", next.code(), decision.why).trim().to_owned();
        signal.notes.push(Note { time: now, who: decision.who.clone(), text });
        let conditions = Conditions { if_match: Some(signal.version), ..Conditions::default() };
        self.put(requester, &signal.to_task(), &conditions).await?;
        self.catch_up().await?;
        Ok(signal)
    }

    /// Somebody reports an outbreak or a cluster of unexplained illness by hand: a red signal.
    pub async fn report_outbreak(
        &self,
        requester: &Requester,
        disease: &str,
        decision: &Decision,
    ) -> Outcome<Signal> {
        admit(decision)?;
        if decision.why.trim().is_empty() {
            return Err(invalid("why", "required", "a report says what was seen", "describe it"));
        }
        let now = self.engine.now();
        let mut items = decision.items.clone();
        items.insert("rule".into(), "report".into());
        items.insert("level".into(), "red".into());
        items.insert("day".into(), date_of(day_of(now)));
        let signal = Signal {
            id: format!("signal-{}", stable_id(&["report", disease, &now.to_string(), &decision.why])),
            version: 1,
            disease: disease.to_owned(),
            state: SignalState::Open.code().to_owned(),
            created: now,
            written: now,
            answered: None,
            items,
            evidence: Vec::new(),
            notes: vec![Note { time: now, who: decision.who.clone(), text: decision.why.clone() }],
            position: 0,
        };
        self.put(requester, &signal.to_task(), &Conditions::default()).await?;
        self.catch_up().await?;
        Ok(signal)
    }

    /// Enters contacts of cases, a hundred at a time in one transaction; gives back how many.
    ///
    /// # Errors
    /// A card is unknown, or a contact has no name. What was entered before stays: each contact has an id that
    /// follows from what is written of it, so that sending a list again changes nothing.
    pub async fn add_contacts(&self, requester: &Requester, contacts: &[NewContact]) -> Outcome<usize> {
        let now = self.engine.now();
        let mut tasks = Vec::with_capacity(contacts.len());
        let mut cards: BTreeMap<&str, Card> = BTreeMap::new();
        for (index, new) in contacts.iter().enumerate() {
            let path = format!("contact[{index}]");
            let text = |code: &str| new.items.get(code).map_or("", |text| text.trim());
            if text("name").is_empty() {
                return Err(invalid(&path, "required", "a contact has a name", "fill it in"));
            }
            if !cards.contains_key(new.card.as_str()) {
                // Who may not see the card enters nothing beside it.
                cards.insert(&new.card, self.card(requester, &new.card).await?);
            }
            let card = &cards[new.card.as_str()];
            let contact = Contact {
                id: format!(
                    "contact-{}",
                    stable_id(&[&new.card, text("name"), text("phone"), text("site"), text("met-on")])
                ),
                version: 1,
                disease: card.disease.clone(),
                state: "followed".into(),
                card: new.card.clone(),
                patient: card.patients.first().cloned().unwrap_or_default(),
                became: String::new(),
                created: now,
                written: now,
                items: new.items.clone(),
                notes: Vec::new(),
                position: 0,
            };
            tasks.push(contact.to_task());
        }
        for chunk in tasks.chunks(100) {
            let entries: Vec<Value> = chunk
                .iter()
                .map(|task| {
                    let url = format!("Task/{}", task["id"].as_str().unwrap_or(""));
                    serde_json::json!({"resource": task, "request": {"method": "PUT", "url": url}})
                })
                .collect();
            let bundle =
                serde_json::json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
            let bundle = bundle.to_string();
            self.engine
                .process_counting(&self.pen(requester), bundle.as_bytes(), tongmai_engine::bundle::Ids::Fresh)
                .await?;
        }
        Ok(tasks.len())
    }

    /// Notes a follow-up of a contact: how the contact is on a day, that the contact became a case, is
    /// released or lost.
    pub async fn follow_up(
        &self,
        requester: &Requester,
        id: &str,
        state: &str,
        became: &str,
        decision: &Decision,
    ) -> Outcome<Contact> {
        admit(decision)?;
        if !["followed", "became-case", "released", "lost"].contains(&state) {
            return Err(invalid(
                "state",
                "unknown",
                format!("\"{state}\" is no state of a contact"),
                "choose one",
            ));
        }
        let Work::Contact(mut contact) = self.work(requester, id).await? else {
            return Err(Failure::not_found(format!("contact {id}")));
        };
        if state == "became-case" {
            let there = self.look(|cases| cases.card(became).is_some())?;
            if !there || became == contact.card {
                return Err(invalid(
                    "became",
                    "unknown",
                    "the contact's own card is not known",
                    "name its number",
                ));
            }
            became.clone_into(&mut contact.became);
        }
        let now = self.engine.now();
        state.clone_into(&mut contact.state);
        contact.items.extend(decision.items.clone());
        contact.items.insert(format!("day-{}", date_of(day_of(now))), decision.why.clone());
        contact.written = now.max(contact.written);
        contact.notes.push(Note {
            time: now,
            who: decision.who.clone(),
            text: format!("{state} {}", decision.why),
        });
        let conditions = Conditions { if_match: Some(contact.version), ..Conditions::default() };
        self.put(requester, &contact.to_task(), &conditions).await?;
        Ok(contact)
    }

    /// Drafts the cards of history that the search for missed reports found and a person chose 补报.
    pub async fn report_missed(&self, requester: &Requester, patient: &str, disease: &str) -> Outcome<usize> {
        let sight = self.access.sight(requester);
        let cases = self.look(|cases: &Cases| {
            let shown = VisibleCases::new(&self.engine, &sight, cases)?;
            let of = shown.missed().filter(|case| case.patient == patient && case.disease == disease);
            Ok::<_, Failure>(of.cloned().collect::<Vec<_>>())
        })??;
        let mut drafted = 0;
        for case in &cases {
            let persons = self.same_person(&case.patient).await?;
            drafted += usize::from(self.draft(case, &persons).await?);
        }
        Ok(drafted)
    }
}

fn admit(decision: &Decision) -> Outcome<()> {
    if decision.who.trim().is_empty() {
        return Err(invalid("who", "required", "a decision says who made it", "write a name"));
    }
    let texts = [("who", &decision.who), ("why", &decision.why)].into_iter();
    let items = decision.items.iter().map(|(code, text)| (code.as_str(), text));
    for (path, text) in texts.chain(items) {
        if text.len() > TEXT {
            return Err(invalid(path, "too-long", "the text is longer than 2000 bytes", "shorten it"));
        }
    }
    Ok(())
}

/// What a step does to a card beside its state.
fn apply(card: &mut Card, step: Step, decision: &Decision) -> Outcome<()> {
    let needs_why = matches!(step, Step::Reject | Step::Withdraw | Step::Correct);
    if needs_why && decision.why.trim().is_empty() {
        return Err(invalid("why", "required", "this step needs a reason", "write it"));
    }
    match step {
        Step::Accept => {
            let number = decision.items.get("national-number").map_or("", |number| number.trim());
            if number.is_empty() {
                let repair = "copy it from the answer of the national system";
                return Err(invalid("national-number", "required", "an accepted card has a number", repair));
            }
            card.answers.insert("national-number".into(), number.to_owned());
            card.answers.remove("rejection");
        }
        Step::Reject => drop(card.answers.insert("rejection".into(), decision.why.clone())),
        Step::Correct => {
            if let Some(code) = decision.items.get("classification") {
                let class = Classification::of(code);
                let class = class
                    .ok_or_else(|| invalid("classification", "unknown", "no such class", "choose one"))?;
                class.code().clone_into(&mut card.classification);
            }
            if card.answers.contains_key("national-number") {
                card.items.insert("kind".into(), "correction".into());
            }
        }
        Step::Submit | Step::ReviewPrefecture | Step::ReviewProvince | Step::Withdraw => {}
    }
    if matches!(step, Step::Correct | Step::Submit) {
        for (code, text) in decision.items.iter().filter(|(code, _)| FILLED.contains(&code.as_str())) {
            card.items.insert(code.clone(), text.trim().to_owned());
        }
    }
    Ok(())
}

fn classification(case: &Case) -> Classification {
    let carrier = |text: &str| text.contains("带菌") || text.contains("携带者");
    match case.certainty {
        _ if case.findings.iter().any(|finding| carrier(&finding.evidence)) => Classification::Carrier,
        0 => Classification::Suspected,
        1 => Classification::Clinical,
        _ => Classification::Confirmed,
    }
}

/// Fills a card from the record.
fn fill(patient: &Json<'_>, case: &Case) -> Items {
    let mut items = person_items(patient, case.day);
    let mut put = |code: &str, text: &str| {
        if !text.is_empty() {
            items.insert(code.to_owned(), text.to_owned());
        }
    };
    let first = &case.findings[0];
    let onset = case.findings.iter().filter_map(|finding| finding.onset).min();
    put("onset", &onset.map_or(String::new(), date_of));
    put("found-on", &date_of(case.day));
    put("item", &case.item);
    put(
        "organization",
        case.findings.iter().map(|it| it.organization.as_str()).find(|it| !it.is_empty()).unwrap_or(""),
    );
    put("author", &first.author);
    put("county", &case.stratum.county);
    put("town", &case.stratum.town);
    let evidence: Vec<String> =
        case.findings.iter().map(|it| format!("{}: {}", it.kind, it.evidence)).collect();
    put("evidence", &evidence.join("; ").chars().take(600).collect::<String>());
    items
}

fn person_items(patient: &Json<'_>, day: i64) -> Items {
    let mut items = Items::new();
    let mut put = |code: &str, text: &str| {
        if !text.is_empty() {
            items.insert(code.to_owned(), text.to_owned());
        }
    };
    put("name", &person_name(patient));
    put("sex", patient.text("gender").unwrap_or(""));
    put("birth-date", patient.text("birthDate").unwrap_or(""));
    let birth = patient.text("birthDate").and_then(tongmai_fhir::search::date::parse);
    let birth = birth.map(|read| day_of(read.low));
    put("age-band", &age_band(birth, day).to_string());
    let citizen = patient.items("identifier").iter().find(|it| it.text("system") == Some(CITIZEN));
    put("identity-number", citizen.and_then(|it| it.text("value")).unwrap_or(""));
    let phone = patient.items("telecom").iter().find(|it| matches!(it.text("system"), None | Some("phone")));
    put("phone", phone.and_then(|it| it.text("value")).unwrap_or(""));
    if let Some(address) = patient.items("address").first() {
        let lines: Vec<&str> = address.items("line").iter().filter_map(Json::as_str).collect();
        let part = |name: &str| address.text(name).unwrap_or("");
        let written = format!("{}{}{}{}", part("state"), part("city"), part("district"), lines.concat());
        put("address", address.text("text").unwrap_or(&written));
        put("county", address.text("city").unwrap_or(""));
        put("town", address.text("district").unwrap_or(""));
    }
    put("death-date", patient.text("deceasedDateTime").unwrap_or(""));
    items
}

/// Runs futures side by side and gives back what they came to, in their order.
async fn together<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs).filter(|entry| entry.1.is_none()) {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                *output = Some(done);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// An id that follows from what it names: the same again after a restart.
pub(super) fn stable_id(parts: &[&str]) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}
