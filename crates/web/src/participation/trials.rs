//! Sponsors and trials: the patient sees the match, the sponsor a count, and a name only after a yes; and the
//! dossier of patient experience data.
//!
//! A trial is a ResearchStudy in the ledger; a yes is a ResearchSubject in the person's own record. A trial is
//! matched where the record lives: nothing of a record leaves before the person agreed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tongmai_engagement::dossier::{Effect, OutcomeChoice, Visit, dossier};
use tongmai_engagement::institution::fact::ActorKind;
use tongmai_engagement::trial::{Ask, Criterion, Known, Outcome as Met, Trial, count, judge_all};
use tongmai_engine::everything::Everything;
use tongmai_engine::{Outcome, Resource};
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Card, Cell, Form, Kind, Table};
use super::enter::{failure, field, pairs, put};
use super::organisations::actors;
use super::personal::{search, theirs};
use super::residents::agency;
use super::{Sheet, State, share, show, yuan};
use crate::format::{When, grouped};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, problem, reply};

/// Where a trial's criteria stand, as the engine reads them.
const CRITERIA: &str = "urn:tongmai:participation:criteria";
/// Candidates that are looked at, at most, for one count.
const CANDIDATES: &str = "1000";

fn trial(resource: &Resource) -> Option<(String, Trial)> {
    let json: Value = serde_json::from_slice(&resource.text).ok()?;
    let extension = json["extension"].as_array()?.iter().find(|e| e["url"] == CRITERIA)?;
    let criteria: Vec<Criterion> = serde_json::from_str(extension["valueString"].as_str()?).ok()?;
    let sponsor = json["sponsor"]["reference"].as_str()?.strip_prefix("Organization/")?.to_owned();
    Some((resource.id.clone(), Trial { title: json["title"].as_str()?.to_owned(), sponsor, criteria }))
}

async fn trials(site: &Arc<Site>) -> Outcome<Vec<(String, Trial)>> {
    let found =
        search(site, "ResearchStudy", &[("status", "active".into()), ("_count", "50".into())]).await?;
    Ok(found.iter().filter_map(trial).collect())
}

/// What is known of the owner of these resources.
fn known(resources: &[Resource], today: i64) -> Known {
    let mut known = Known::default();
    for resource in resources {
        let Ok(json) = Json::parse(&resource.text) else { continue };
        let codes = |element: &str| -> Vec<String> {
            let coded = json.get(element).map(|c| c.items("coding")).unwrap_or_default();
            coded.iter().filter_map(|coding| coding.text("code").map(str::to_owned)).collect()
        };
        match json.text("resourceType").unwrap_or("") {
            "Patient" => {
                known.sex = json.text("gender").map(str::to_owned);
                let born = json.text("birthDate").and_then(When::read);
                known.age = born.and_then(|born| u32::try_from((today - born.day()) * 4 / 1461).ok());
            }
            "Condition" => known.conditions.get_or_insert_default().extend(codes("code")),
            "MedicationRequest" => {
                known.medicines.get_or_insert_default().extend(codes("medicationCodeableConcept"))
            }
            "Observation" => {
                let value =
                    json.get("valueQuantity").and_then(|q| q.get("value")).and_then(crate::format::number);
                let when = json.text("effectiveDateTime").and_then(When::read);
                if let (Some(value), Some(when)) = (value.and_then(|v| v.parse::<f64>().ok()), when) {
                    for code in codes("code") {
                        let held = known.values.entry(code).or_insert((value, i64::MIN));
                        if when.day() >= held.1 {
                            *held = (value, when.day());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    known
}

async fn record(site: &Arc<Site>, person: &str) -> Outcome<Vec<Resource>> {
    let person = person.to_owned();
    let sealed = site
        .work(move |site| site.engine.everything(&site.sight(), &person, &Everything::default(), None))
        .await?;
    Ok(site.release(sealed).await?.into_inner().matches)
}

/// How many residents may fit. The records are read for the count and released to nobody.
async fn fitting(site: &Arc<Site>, trial: &Trial) -> Outcome<Option<u64>> {
    // Whoever has none of the conditions asked for cannot fit: the rest is looked at one by one.
    let code = trial.criteria.iter().find_map(|c| match &c.ask {
        Ask::Condition(code) if !c.excludes => Some(code.clone()),
        _ => None,
    });
    let Some(code) = code else { return Ok(None) };
    let trial = trial.clone();
    let today = site.today();
    site.work(move |site| {
        let kind = tongmai_fhir::definition::resource_type_id("Condition").unwrap_or_default();
        let pairs = [("code".to_owned(), code), ("_count".to_owned(), CANDIDATES.to_owned())];
        let query = site.engine.query(&[kind], None, &pairs, false)?;
        let found = site.release_here(site.engine.search(&site.sight(), &query, None)?)?;
        let subject = |resource: &Resource| {
            let json = Json::parse(&resource.text).ok()?;
            json.get("subject")?.text("reference")?.strip_prefix("Patient/").map(str::to_owned)
        };
        let people: BTreeSet<String> = found.matches.iter().filter_map(subject).collect();
        let mut all = Vec::with_capacity(people.len());
        for person in people {
            let record = site.release_here(site.engine.everything(
                &site.sight(),
                &person,
                &Everything::default(),
                None,
            )?)?;
            let key = person
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
            all.push((key, known(&record.matches, today)));
        }
        Ok(count(&trial, all.iter().map(|(key, known)| (*key, known)), today))
    })
    .await
}

/// `/participation/sponsors`
pub async fn sponsors(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let (state, l) = (State::now(site).await?, frame.language);
    let say = |key: &str| l.say(key).into_owned();
    let mut blocks = vec![Block::Attention(say("pa-wall")), Block::Heading(say("pa-trials"))];
    let all = trials(site).await?;
    let mut cards = Vec::new();
    for (id, trial) in &all {
        let fit = fitting(site, trial).await?;
        let yes = search(
            site,
            "ResearchSubject",
            &[("study", format!("ResearchStudy/{id}")), ("_count", "100".into())],
        )
        .await?;
        let mut lines: Vec<String> = trial.criteria.iter().map(|c| criterion(c, l)).collect();
        lines.push(match fit {
            Some(count) => l.count("pa-may-fit", count.cast_signed()).into_owned(),
            None => say("pa-fewer-than-eleven"),
        });
        lines.push(l.count("pa-said-yes", yes.len() as i64).into_owned());
        for subject in &yes {
            let person = Json::parse(&subject.text).ok();
            let person = person.as_ref().and_then(|json| json.get("individual")?.text("reference"));
            lines.extend(person.map(|person| l.name("pa-yes-of", person).into_owned()));
        }
        cards.push(Card {
            title: trial.title.clone(),
            link: format!("/resource/ResearchStudy/{id}"),
            tag: agency(&state, &trial.sponsor),
            lines,
            ..Card::default()
        });
    }
    blocks.push(if cards.is_empty() { Block::Empty(say("pa-no-trials")) } else { Block::Cards(cards) });
    let who = actors(&state, &[ActorKind::Enterprise, ActorKind::Agency, ActorKind::Charity]);
    if who.is_empty() {
        blocks.push(Block::Empty(say("pa-register-first")));
    } else {
        blocks.push(Block::Form(
            Form { action: "/participation/trial".into(), ..Form::default() }
                .titled(say("pa-register-trial"))
                .field("title", say("pa-field-title"), Kind::Line(160))
                .field("sponsor", say("pa-field-organisation"), Kind::Choice(who))
                .field("condition", say("pa-field-condition"), Kind::Line(12))
                .field("age_from", say("pa-field-age-from"), Kind::Number(0, 120))
                .holding("18")
                .field("age_to", say("pa-field-age-to"), Kind::Number(0, 120))
                .holding("80")
                .optional("value_code", say("pa-field-value-code"), Kind::Line(12))
                .optional("value_from", say("pa-field-value-from"), Kind::Line(10))
                .optional("value_to", say("pa-field-value-to"), Kind::Line(10))
                .optional("without", say("pa-field-without"), Kind::Line(12))
                .button("", say("pa-enter")),
        ));
    }
    blocks.push(Block::Heading(say("pa-dossier")));
    blocks.push(Block::Text(say("pa-dossier-words")));
    blocks.push(Block::Form(
        Form { action: "/participation/dossier".into(), ..Form::default() }
            .field("title", say("pa-field-title"), Kind::Line(160))
            .field("visits", say("pa-field-visits"), Kind::Area)
            .holding("入组 90 60 no 20 0 20000\n电话随访 15 0 yes 0 0 0")
            .field("outcomes", say("pa-field-outcomes"), Kind::Area)
            .holding("能走路 60 8 120 yes\n不住院 44 12 120 no")
            .field("effects", say("pa-field-effects"), Kind::Area)
            .holding("溃疡愈合 0.15 0.03 1 0.1\n低血糖 0.03 0.01 -2 0.3")
            .button("", say("pa-make-dossier")),
    ));
    let sheet = Sheet {
        title: say("pa-sponsors"),
        lead: say("pa-sponsors-lead"),
        tab: "pa-sponsors",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}

fn criterion(criterion: &Criterion, l: Language) -> String {
    let sign = if criterion.excludes { "✗" } else { "✓" };
    let text = match &criterion.ask {
        Ask::Age { from, to } => format!("{} {from}–{to}", l.say("pa-field-age")),
        Ask::Sex(sex) => l.code("gender", sex).into_owned(),
        Ask::Condition(code) => format!("{} {code}", l.say("pa-field-condition")),
        Ask::Medicine(code) => format!("{} {code}", l.say("pa-medicine")),
        Ask::Value { code, from, to, .. } => format!("LOINC {code}: {from}–{to}"),
    };
    format!("{sign} {text}")
}

/// `POST /participation/trial`
pub async fn register(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let text = |name: &str| field(&pairs, name).to_owned();
    let number = |name: &str| {
        let given = field(&pairs, name);
        given.parse::<f64>().map_err(|_| failure(format!("{name}: {given:?} is no number")))
    };
    if text("title").is_empty() || text("condition").is_empty() {
        return Err(failure("condition: a trial has a title and a condition it is for"));
    }
    let state = State::now(site).await?;
    if !state.actors.contains_key(&text("sponsor")) {
        return Err(failure("sponsor: stands in no register; enter it first"));
    }
    let criterion = |ask, excludes| Criterion { text: String::new(), ask, excludes };
    let mut criteria = vec![
        criterion(Ask::Age { from: number("age_from")? as u32, to: number("age_to")? as u32 }, false),
        criterion(Ask::Condition(text("condition")), false),
    ];
    if !text("value_code").is_empty() {
        let ask = Ask::Value {
            code: text("value_code"),
            from: number("value_from")?,
            to: number("value_to")?,
            within_days: 365,
        };
        criteria.push(criterion(ask, false));
    }
    if !text("without").is_empty() {
        criteria.push(criterion(Ask::Medicine(text("without")), true));
    }
    let resource = json!({
        "resourceType": "ResearchStudy",
        "extension": [{ "url": CRITERIA, "valueString": serde_json::to_string(&criteria).unwrap_or_default() }],
        "title": text("title"),
        "status": "active",
        "sponsor": { "reference": format!("Organization/{}", text("sponsor")) },
    });
    put(site, &resource).await?;
    Ok(reply::see("/participation/sponsors"))
}

/// `/participation/trials?person=…`: what a person sees of trials.
pub async fn for_person(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let person = frame.parameter("person").filter(|person| theirs(site, person).is_ok()).map(str::to_owned);
    let mut blocks = Vec::new();
    match person {
        None => {
            blocks.push(Block::Empty(say("pa-trials-empty")));
        }
        Some(person) => {
            let (state, all) = (State::now(site).await?, trials(site).await?);
            let known = known(&record(site, &person).await?, site.today());
            let said: Vec<String> =
                search(site, "ResearchSubject", &[("individual", format!("Patient/{person}"))])
                    .await?
                    .iter()
                    .filter_map(|r| {
                        Some(Json::parse(&r.text).ok()?.get("study")?.text("reference")?.to_owned())
                    })
                    .collect();
            let cards: Vec<Card> = all
                .iter()
                .filter_map(|(id, trial)| {
                    let (outcomes, open) = judge_all(trial, &known, site.today());
                    let yes = said.contains(&format!("ResearchStudy/{id}"));
                    let lines = trial.criteria.iter().zip(&outcomes).map(|(c, outcome)| {
                        let met = match outcome {
                            Met::Met => "met",
                            Met::NotMet => "not-met",
                            Met::Unknown => "unknown",
                        };
                        format!("{} — {}", criterion(c, l), l.code("pa-criterion", met))
                    });
                    let form = Form { action: "/participation/join".into(), ..Form::default() }
                        .with("person", person.as_str())
                        .with("study", id.as_str())
                        .button("", say("pa-join"));
                    open.then(|| Card {
                        title: trial.title.clone(),
                        tag: if yes { say("pa-you-said-yes") } else { agency(&state, &trial.sponsor) },
                        strong: yes,
                        lines: lines.collect(),
                        forms: if yes { Vec::new() } else { vec![form] },
                        ..Card::default()
                    })
                })
                .collect();
            blocks.push(if cards.is_empty() {
                Block::Empty(say("pa-no-trial-for-you"))
            } else {
                Block::Cards(cards)
            });
            blocks.push(Block::Text(say("pa-join-words")));
        }
    }
    let sheet = Sheet {
        title: say("pa-trials"),
        lead: say("pa-trials-lead"),
        tab: "pa-questionnaires",
        narrow: true,
        blocks,
    };
    show(asked, frame, 200, sheet)
}

/// `POST /participation/join`: the person says yes; from now on the sponsor sees who.
pub async fn join(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let (person, study) = (field(&pairs, "person").to_owned(), field(&pairs, "study").to_owned());
    theirs(site, &person)?;
    if !trials(site).await?.iter().any(|(id, _)| *id == study) {
        return Err(failure("study: there is no such trial"));
    }
    let resource = json!({
        "resourceType": "ResearchSubject",
        "status": "candidate",
        "study": { "reference": format!("ResearchStudy/{study}") },
        "individual": { "reference": format!("Patient/{person}") },
    });
    put(site, &resource).await?;
    Ok(reply::see(&format!("/participation/trials?person={}", encoded(&person))))
}

/// Words of a line from the end: numbers and yes or no, after a name that may hold spaces.
fn line(text: &str, count: usize) -> Option<(String, Vec<&str>)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let split = words.len().checked_sub(count).filter(|at| *at > 0)?;
    Some((words[..split].join(" "), words[split..].to_vec()))
}

/// `POST /participation/dossier`: the report, made of what is sent; nothing is kept.
pub async fn dossier_page(_: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let l = frame.language;
    let wrong = |field: &str, text: &str| {
        failure(format!("{field}: the line {text:?} has another form than the example"))
    };
    let lines = |name: &str| {
        field(&pairs, name)
            .lines()
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut visits = Vec::new();
    for text in lines("visits") {
        let read = || {
            let (name, w) = line(&text, 6)?;
            let n = |i: usize| w[i].parse::<u32>().ok();
            Some(Visit {
                name,
                minutes: n(0)?,
                kilometres: n(1)?,
                at_home: w[2] == "yes",
                blood_millilitres: n(3)?,
                nights: n(4)?,
                paid_fen: w[5].parse().ok()?,
            })
        };
        visits.push(read().ok_or_else(|| wrong("visits", &text))?);
    }
    let mut outcomes = Vec::new();
    for text in lines("outcomes") {
        let read = || {
            let (name, w) = line(&text, 4)?;
            let n = |i: usize| w[i].parse::<u64>().ok();
            Some(OutcomeChoice { name, best: n(0)?, worst: n(1)?, shown: n(2)?, measured: w[3] == "yes" })
        };
        outcomes.push(read().ok_or_else(|| wrong("outcomes", &text))?);
    }
    let mut effects = Vec::new();
    for text in lines("effects") {
        let read = || {
            let (name, w) = line(&text, 4)?;
            let n = |i: usize| w[i].parse::<f64>().ok();
            Some(Effect { name, difference: n(0)?, error: n(1)?, weight: n(2)?, weight_error: n(3)? })
        };
        effects.push(read().ok_or_else(|| wrong("effects", &text))?);
    }
    let made = dossier(field(&pairs, "title"), &visits, &outcomes, &effects).map_err(failure)?;
    let say = |key: &str| l.say(key).into_owned();
    let number = |n: u32| grouped(i64::from(n));
    let b = made.burden;
    let mut blocks = vec![
        Block::Heading(say("pa-burden")),
        Block::Figures(vec![
            (number(b.journeys), say("pa-journeys")),
            (number(b.hours), say("pa-hours")),
            (number(b.kilometres), say("pa-kilometres")),
            (number(b.blood_millilitres), say("pa-blood")),
            (number(b.nights), say("pa-nights")),
            (yuan(b.paid_fen), say("pa-paid")),
        ]),
    ];
    let heads = [say("pa-outcome"), format!("#{}", say("pa-best-worst")), say("pa-measured")];
    let mut table =
        Table::new(say("pa-outcomes-ranked"), &heads.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, score, measured) in &made.outcomes {
        let cell = Cell::from(l.code("pa-answer-of", if *measured { "yes" } else { "no" }));
        table.row(vec![name.clone().into(), format!("{score:+.2}").into(), cell]);
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(l.count("pa-measured-of-three", made.measured_of_top_three as i64).into_owned()));
    let heads = [say("pa-effect"), format!("#{}", say("pa-weighted"))];
    let mut table = Table::new(say("pa-balance"), &heads.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, part) in &made.balance.parts {
        table.row(vec![name.clone().into(), format!("{part:+.3}").into()]);
    }
    let net = format!(
        "{:+.3} ({:+.3} … {:+.3})",
        made.balance.net, made.balance.interval.0, made.balance.interval.1
    );
    table.row(vec![say("pa-net").into(), net.into()]);
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(l.name("pa-favourable", &share(made.balance.favourable)).into_owned()));
    blocks.push(Block::Print(serde_json::to_string_pretty(&made).unwrap_or_default()));
    let sheet = Sheet {
        title: l.name("pa-dossier-of", &made.title).into_owned(),
        lead: say("pa-dossier-lead"),
        tab: "pa-sponsors",
        blocks,
        ..Sheet::default()
    };
    show(asked, frame, 200, sheet)
}
