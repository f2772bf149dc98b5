//! A person on the desk: the records, why they are one, what survives of them, and what was decided.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_engine::person::{Action, HistoryEntry, Member, Person, survivorship_words};
use tongmai_http::{Answer, Asked};

use super::pair::{Shown, percent, shown, value};
use crate::format::{When, covered};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Records that are compared with the one that was asked for.
const COMPARED: usize = 8;
/// Decisions that are shown.
const DECISIONS: usize = 30;

/// A value that survives.
struct Survivor {
    field: String,
    value: String,
    record: String,
    rule: String,
}

/// A record of the person.
struct Record {
    id: String,
    name: String,
    birth: String,
    number: String,
    here: bool,
}

/// Something that was decided.
struct Decided {
    when: When,
    what: &'static str,
    by_person: bool,
    who: String,
    why: String,
    ruling: Option<String>,
    refusal: bool,
}

/// A relative of a newborn.
struct Relative {
    id: String,
    name: String,
    birth: String,
    /// Key of the reason.
    why: &'static str,
    chance: Option<String>,
    unclear: bool,
}

#[derive(Template)]
#[template(path = "desk/person.html")]
struct Shows {
    page: Frame,
    l: Language,
    who: String,
    id: String,
    number: i64,
    version: i64,
    name: String,
    survivors: Vec<Survivor>,
    records: Vec<Record>,
    links: Vec<Shown>,
    mother: Option<Relative>,
    twins: Vec<Relative>,
    decided: Vec<Decided>,
}

framed!(Shows);

/// `/desk/person/[id of a Patient]`
pub(super) async fn page(site: &Arc<Site>, asked: &Asked, page: Frame, id: &str) -> Outcome<Answer> {
    let l = page.language;
    let wanted = id.to_owned();
    let (person, family) = site
        .work(move |site| {
            Ok::<_, tongmai_engine::Failure>((
                site.engine.person(&site.sight(), &wanted)?,
                site.engine.newborn(&site.sight(), &wanted)?,
            ))
        })
        .await?;
    let person = site.release(person).await?;
    let family = site.release(family).await?;
    let mut links = Vec::new();
    for member in person.members.iter().filter(|member| member.resource.id != id).take(COMPARED) {
        let (left, right) = (id.to_owned(), member.resource.id.clone());
        let sealed =
            site.work(move |site| site.engine.compare_patients(&site.sight(), &left, &right)).await?;
        links.push(shown(&site.release(sealed).await?.pair, l));
    }
    let relative = |member: &Member| Relative {
        id: member.resource.id.clone(),
        name: value(member, "name", l),
        birth: value(member, "birth-date", l),
        why: "desk-twin-why",
        chance: None,
        unclear: false,
    };
    let mother = family.mother.as_ref().map(|(member, kin)| Relative {
        why: if kin.weighed.is_some() { "desk-mother-found" } else { "desk-mother-chosen" },
        chance: kin.weighed.map(|weighed| percent(weighed.probability)),
        unclear: kin.women > 1,
        ..relative(member)
    });
    let policy = survivorship_words(&site.engine.person_rules().policy);
    let shows = Shows {
        l,
        who: tongmai_http::cookie(&asked.headers, super::WHO).map(super::decoded).unwrap_or_default(),
        id: id.to_owned(),
        number: person.number.cast_signed(),
        version: person.version.into(),
        name: person.golden.get("name").map_or(String::new(), |name| name.value.clone()),
        survivors: survivors(&person, &policy, l),
        records: records(&person, id, l),
        links,
        mother,
        twins: family.twins.iter().map(relative).collect(),
        decided: person.history.iter().rev().take(DECISIONS).map(decided).collect(),
        page,
    };
    render(asked, 200, &shows)
}

fn survivors(
    person: &Person,
    policy: &std::collections::BTreeMap<String, String>,
    l: Language,
) -> Vec<Survivor> {
    let rule =
        |field: &str| policy.get(field).or_else(|| policy.get("otherwise")).cloned().unwrap_or_default();
    let of = |record: u64| person.members.iter().find(|member| member.record == record);
    let shown = person.golden.iter().map(|(field, surviving)| Survivor {
        field: field.clone(),
        value: match field.as_str() {
            "identity-number" | "insurance-number" => {
                covered(surviving.value.rsplit('|').next().unwrap_or("")).into_owned()
            }
            "gender" => l.code("gender", &surviving.value).into_owned(),
            _ => surviving.value.clone(),
        },
        record: of(surviving.record).map_or(String::new(), |member| member.resource.id.clone()),
        rule: rule(field),
    });
    shown.collect()
}

fn records(person: &Person, id: &str, l: Language) -> Vec<Record> {
    let record = |member: &Member| Record {
        id: member.resource.id.clone(),
        name: value(member, "name", l),
        birth: value(member, "birth-date", l),
        number: value(member, "identity-number", l),
        here: member.resource.id == id,
    };
    person.members.iter().map(record).collect()
}

fn decided(entry: &HistoryEntry) -> Decided {
    let decision = &entry.decision;
    Decided {
        when: When::moment(decision.time),
        what: match decision.action {
            Action::Merge { .. } => "desk-did-merge",
            Action::NotSame { .. } => "desk-did-not-same",
            Action::Unmerge { .. } | Action::Split { .. } => "desk-did-split",
            _ => "desk-did-undo",
        },
        by_person: decision.by_person,
        who: decision.actor.clone(),
        why: decision.reason.clone(),
        ruling: entry.ruling.clone().filter(|_| decision.refusal.is_none()),
        refusal: decision.refusal.is_some(),
    }
}
