//! Who is due for a follow-up 随访: the daily list of a village doctor, overdue first, to print and take along.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use tongmai_access::{Operation, Sealed};
use tongmai_care::follow_up::{Decision, Due, Rules};
use tongmai_engine::Outcome;
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};
use tongmai_views::follow_up::Enrolled;

use super::block::{Block, Cell, Form, Kind, Table};
use super::personal::search;
use super::{Sheet, date, show};
use crate::Site;
use crate::frame::Frame;
use crate::language::Language;
use crate::record::Person;

/// Rows of one list.
const ROWS: usize = 60;
/// Days ahead that a list looks.
const AHEAD: i64 = 14;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::mainland_china);

/// `/participation/due?place=…&programme=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let today = site.today();
    let (place, programme) = (
        frame.parameter("place").unwrap_or("").to_owned(),
        frame.parameter("programme").unwrap_or("").to_owned(),
    );
    let sealed = site
        .work(move |site| {
            site.follow_ups.now(&site.engine, |view, position| {
                let found = (view.enrolled(&RULES, today), view.places());
                Sealed::new(found, Operation::Page, vec![position])
            })
        })
        .await?;
    let (enrolled, places) = site.release(sealed).await?.into_inner();
    let own = |e: &&Enrolled| {
        (place.is_empty() || e.place == place) && (programme.is_empty() || e.programme == programme)
    };
    let here: Vec<&Enrolled> = enrolled.iter().filter(own).collect();
    let soon: Vec<&Enrolled> =
        here.iter().copied().filter(|e| !matches!(e.due, Due::Later(day) if day > today + AHEAD)).collect();
    let overdue = soon.iter().filter(|e| matches!(e.due, Due::Late(_) | Due::ReferralUnchecked(_))).count();
    let now = soon.iter().filter(|e| matches!(e.due, Due::Now(_) | Due::CheckReferral(_))).count();
    let mut blocks = vec![
        Block::Form(filter(&places.into_iter().collect::<Vec<_>>(), &place, &programme, l)),
        Block::Figures(vec![
            (overdue.to_string(), say("ca-overdue-count")),
            (now.to_string(), say("ca-now-count")),
            (here.len().to_string(), say("ca-enrolled-count")),
        ]),
    ];
    let rows: Vec<&Enrolled> = soon.into_iter().take(ROWS).collect();
    let people = names(site, &rows).await?;
    let mut table = Table::new(
        say("ca-due-list"),
        &[
            &say("ca-person"),
            &say("ca-due"),
            &say("ca-programme"),
            &say("ca-last-visit"),
            &say("ca-place"),
            &say("ca-telephone"),
        ],
    );
    let mut hidden = 0i64;
    for row in rows {
        let Some((name, phone)) = people.get(&row.patient) else {
            hidden += 1;
            continue;
        };
        table.row(vec![
            Cell::link(name.as_str(), format!("/person/{}", row.patient)),
            due(row.due, today, l).into(),
            l.code("ca-programme-of", &row.programme).into(),
            row.last.as_ref().map_or_else(|| say("ca-never"), |(day, d)| last(*day, d, l)).into(),
            row.place.as_str().into(),
            phone.as_str().into(),
        ]);
    }
    blocks.push(if table.rows.is_empty() { Block::Empty(say("ca-nobody-due")) } else { Block::Table(table) });
    if hidden > 0 {
        blocks.push(Block::Text(l.count("ca-hidden", hidden).into_owned()));
    }
    blocks.push(Block::Heading(say("ca-rules")));
    blocks.push(Block::Text(l.name("ca-rules-by", &RULES.source).into_owned()));
    blocks.push(Block::Table(rules(l)));
    let (title, lead) = (say("ca-due-title"), say("ca-due-lead"));
    show(asked, frame, 200, Sheet { title, lead, tab: "pa-due", blocks, ..Sheet::default() })
}

fn filter(places: &[String], place: &str, programme: &str, l: Language) -> Form {
    let all = || (String::new(), l.say("ca-all").into_owned());
    let places = std::iter::once(all()).chain(places.iter().map(|p| (p.clone(), p.clone()))).collect();
    let programmes = RULES.programmes.iter().map(|p| {
        let name = l.code("ca-programme-of", &p.id).into_owned();
        (p.id.clone(), name)
    });
    let programmes = std::iter::once(all()).chain(programmes).collect();
    Form { action: "/participation/due".into(), get: true, ..Form::default() }
        .optional("place", l.say("ca-place"), Kind::Choice(places))
        .holding(place)
        .optional("programme", l.say("ca-programme"), Kind::Choice(programmes))
        .holding(programme)
        .button("", l.say("ca-show"))
}

/// Name and telephone of those whom the reader may see, by Patient.
async fn names(site: &Arc<Site>, rows: &[&Enrolled]) -> Outcome<HashMap<String, (String, String)>> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.patient.as_str()).collect();
    let found = search(site, "Patient", &[("_id", ids.join(",")), ("_count", "100".into())]).await?;
    let read = |patient: &tongmai_engine::Resource| {
        let json = Json::parse(&patient.text).ok()?;
        let person = Person::read(&json);
        Some((patient.id.clone(), (person.name, person.phone)))
    };
    Ok(found.iter().filter_map(read).collect())
}

/// When somebody is due, in words.
fn due(due: Due, today: i64, l: Language) -> String {
    let (key, day) = match due {
        Due::Later(day) => ("ca-due-later", day),
        Due::Now(day) => ("ca-due-now", day),
        Due::Late(day) => ("ca-due-late", day),
        Due::CheckReferral(day) => ("ca-due-check", day),
        Due::ReferralUnchecked(day) => ("ca-due-unchecked", day),
    };
    let late = today - day;
    let words = l.name(key, &date(day)).into_owned();
    if late > 0 { format!("{words} · {}", l.count("ca-days-late", late)) } else { words }
}

/// What the last visit came out as.
fn last(day: i64, decision: &Decision, l: Language) -> String {
    let outcome = serde_json::to_value(decision.outcome).ok();
    let outcome = outcome.as_ref().and_then(|o| o.as_str()).unwrap_or("");
    let reasons: Vec<String> = decision.reasons.iter().map(|reason| told(reason, l)).collect();
    let words = format!("{} {}", date(day), l.code("ca-outcome", outcome));
    if reasons.is_empty() { words } else { format!("{words}（{}）", reasons.join("，")) }
}

/// A reason as the rules name it (`systolic 186`, `side_effect`), in the reader's language.
fn told(reason: &str, l: Language) -> String {
    match reason.split_once(' ') {
        Some((measure, value)) => format!("{} {value}", l.code("ca-measure", measure)),
        None => l.code("ca-sign", reason).into_owned(),
    }
}

/// The rules of all programmes in words: data, as they stand in the pack.
fn rules(l: Language) -> Table {
    let head = [
        "ca-programme",
        "ca-controlled-when",
        "ca-urgent-when",
        "ca-next-controlled",
        "ca-next-not",
        "ca-after-referral",
    ]
    .map(|key| l.say(key));
    let heads: Vec<&str> = head.iter().map(|h| &**h).collect();
    let mut table = Table::new(l.say("ca-rules"), &heads);
    let limits = |limits: &[tongmai_care::follow_up::Limit]| -> Vec<String> {
        limits.iter().map(|limit| limit_words(limit, l)).collect()
    };
    for programme in &RULES.programmes {
        let mut controlled = limits(&programme.controlled).join("，");
        if let Some(old) = &programme.controlled_from_age {
            controlled = format!(
                "{controlled}；{}{}",
                l.count("ca-from-age", i64::from(old.age)),
                limits(&old.controlled).join("，")
            );
        }
        let mut urgent = limits(&programme.urgent);
        urgent.extend(programme.urgent_signs.iter().map(|sign| l.code("ca-sign", sign).into_owned()));
        table.row(vec![
            l.code("ca-programme-of", &programme.id).into(),
            controlled.into(),
            urgent.join("，").into(),
            l.count("ca-days", programme.next_when_controlled).into(),
            l.count("ca-days", programme.next_when_not).into(),
            l.count("ca-days", programme.after_referral).into(),
        ]);
    }
    table
}

fn limit_words(limit: &tongmai_care::follow_up::Limit, l: Language) -> String {
    let name = l.code("ca-measure", &limit.measure);
    let bounds = [("≥", limit.at_least), ("≤", limit.at_most), ("<", limit.below)];
    let bounds: Vec<String> =
        bounds.iter().filter_map(|(sign, value)| Some(format!("{sign} {}", (*value)?))).collect();
    format!("{name} {}", bounds.join(" "))
}
