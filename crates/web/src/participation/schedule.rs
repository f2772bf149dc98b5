//! Questionnaires that a goal or a programme asks for every few weeks, as CarePlans of the record; what is overdue
//! is told to the resident.

use std::sync::Arc;

use serde_json::{Value, json};
use tongmai_engagement::reported::schedule::{Due, Schedule};
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::adaptive::{DEMONSTRATION, demonstration_title};
use super::block::{Block, Card, Form, Kind};
use super::enter::{day, failure, field, pairs, put, replace};
use super::personal::{DLQI, EQ5D, of_person, parsed, read as read_goal, search, theirs};
use super::{date, questionnaire};
use crate::format::When;
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, problem, reply};

/// What marks a CarePlan as ours.
const SYSTEM: &str = "urn:tongmai:care";
const CODE: &str = "questionnaire-schedule";
/// Days of a week.
const WEEK: i64 = 7;
/// An answer this many days early or late counts; less where a questionnaire is asked often.
const WINDOW: i64 = 7;

/// A schedule in the record.
struct Asks {
    id: String,
    version: u32,
    plan: Value,
    questionnaire: String,
    /// Id of the Questionnaire, of one that was uploaded.
    form: String,
    title: String,
    goal: String,
    weeks: i64,
    schedule: Schedule,
}

fn read(plan: Value, id: &str, version: u32) -> Option<Asks> {
    let coding = &plan["category"][0]["coding"][0];
    if coding["system"] != SYSTEM || coding["code"] != CODE || plan["status"] != "active" {
        return None;
    }
    let detail = &plan["activity"][0]["detail"];
    let weeks = detail["scheduledTiming"]["repeat"]["period"].as_f64()? as i64;
    let first = day(plan["period"]["start"].as_str()?).ok()?;
    let until = plan["period"]["end"].as_str().and_then(|text| day(text).ok());
    let schedule = Schedule { first, every: weeks * WEEK, window: WINDOW, until };
    Some(Asks {
        id: id.to_owned(),
        version,
        questionnaire: detail["instantiatesCanonical"][0].as_str()?.to_owned(),
        form: detail["instantiatesUri"][0].as_str().unwrap_or("").to_owned(),
        title: plan["title"].as_str().unwrap_or("").to_owned(),
        goal: plan["goal"][0]["display"].as_str().unwrap_or("").to_owned(),
        weeks,
        schedule,
        plan,
    })
}

async fn of(site: &Arc<Site>, person: &str) -> Outcome<Vec<Asks>> {
    let plans = of_person(site, "CarePlan", person).await?;
    Ok(plans.iter().filter_map(|plan| read(parsed(plan)?, &plan.id, plan.version)).collect())
}

/// Days on which a questionnaire was answered to its end.
fn answered_on(answered: &[Value], questionnaire: &str) -> Vec<i64> {
    let own = answered.iter().filter(|r| r["questionnaire"] == questionnaire && r["status"] == "completed");
    own.filter_map(|r| Some(When::read(r["authored"].as_str()?)?.day())).collect()
}

/// What is asked for, overdue first.
pub async fn blocks(site: &Arc<Site>, person: &str, answered: &[Value], l: Language) -> Outcome<Vec<Block>> {
    let today = site.today();
    let mut asked: Vec<(Due, Asks)> = of(site, person)
        .await?
        .into_iter()
        .map(|asks| (asks.schedule.due(&answered_on(answered, &asks.questionnaire), today), asks))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let waits = |due: &Due| match due {
        Due::Missed(day) => (0, *day),
        Due::Now(day) => (1, *day),
        Due::Later(day) => (2, *day),
        Due::Over => (3, 0),
    };
    asked.sort_by_key(|(due, _)| waits(due));
    let cards = asked.iter().map(|(due, asks)| card(*due, asks, person, l)).collect();
    Ok(vec![Block::Heading(l.say("ca-asked-for").into_owned()), Block::Cards(cards)])
}

fn card(due: Due, asks: &Asks, person: &str, l: Language) -> Card {
    let (tag, strong) = match due {
        Due::Missed(day) => (l.name("ca-overdue-since", &date(day)), true),
        Due::Now(day) => (l.name("ca-due-now", &date(day)), true),
        Due::Later(day) => (l.name("ca-due-later", &date(day)), false),
        Due::Over => (l.say("ca-over"), false),
    };
    let mut lines = vec![l.count("ca-every-weeks", asks.weeks).into_owned()];
    if !asks.goal.is_empty() {
        lines.push(l.name("ca-for-goal", &asks.goal).into_owned());
    }
    let stop = Form { action: "/participation/schedule".into(), ..Form::default() }
        .with("person", person)
        .with("id", asks.id.as_str())
        .with("version", asks.version.to_string())
        .button("stop", l.say("ca-stop-asking"));
    Card {
        title: asks.title.clone(),
        link: address(&asks.questionnaire, &asks.form, person),
        tag: tag.into_owned(),
        strong,
        lines,
        forms: vec![stop],
    }
}

/// Where a questionnaire is answered.
fn address(questionnaire: &str, form: &str, person: &str) -> String {
    let person = encoded(person);
    match questionnaire {
        EQ5D | DLQI => format!("/participation/questionnaires?person={person}"),
        DEMONSTRATION => format!("/participation/adaptive/demonstration?person={person}"),
        _ => format!("/participation/questionnaires?person={person}&form={}", encoded(form)),
    }
}

/// One line for the resident when something is overdue.
pub async fn reminder(site: &Arc<Site>, person: &str, l: Language) -> Outcome<Vec<Block>> {
    let asked = of(site, person).await?;
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let responses = of_person(site, "QuestionnaireResponse", person).await?;
    let answered: Vec<Value> = responses.iter().filter_map(parsed).collect();
    let waits = |asks: &&Asks| {
        let answered = answered_on(&answered, &asks.questionnaire);
        matches!(asks.schedule.due(&answered, site.today()), Due::Missed(_) | Due::Now(_))
    };
    let waiting = asked.iter().filter(waits).count() as i64;
    if waiting == 0 {
        return Ok(Vec::new());
    }
    let link = format!("/participation/questionnaires?person={}", encoded(person));
    Ok(vec![
        Block::Attention(l.count("ca-questionnaires-wait", waiting).into_owned()),
        Block::Links(vec![(link, l.say("pa-questionnaires").into_owned())]),
    ])
}

/// The form with which a questionnaire is asked for again and again.
pub async fn form(site: &Arc<Site>, person: &str, l: Language) -> Outcome<Form> {
    let say = |key: &str| l.say(key).into_owned();
    let mut choices = vec![
        (EQ5D.to_owned(), say("pa-eq5d")),
        (DLQI.to_owned(), say("pa-dlqi")),
        (DEMONSTRATION.to_owned(), demonstration_title(l)),
    ];
    choices
        .extend(questionnaire::offered(site).await?.into_iter().map(|(address, _, title)| (address, title)));
    let mut goals = vec![(String::new(), say("ca-no-goal"))];
    goals.extend(of_person(site, "Goal", person).await?.iter().filter_map(|resource| {
        let goal = read_goal(&parsed(resource)?)?;
        Some((resource.id.clone(), goal.text))
    }));
    Ok(Form { action: "/participation/schedule".into(), ..Form::default() }
        .titled(say("ca-ask-regularly"))
        .with("person", person)
        .field("questionnaire", say("ca-field-questionnaire"), Kind::Choice(choices))
        .field("weeks", say("ca-field-weeks"), Kind::Number(1, 104))
        .holding("4")
        .optional("goal", say("ca-field-goal"), Kind::Choice(goals))
        .field("first", say("ca-field-first"), Kind::Day)
        .holding(date(site.today()))
        .optional("until", say("pa-field-until"), Kind::Day)
        .button("", say("ca-ask")))
}

/// `POST /participation/schedule`
pub async fn schedule(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let person = field(&pairs, "person").to_owned();
    theirs(site, &person)?;
    let back = format!("/participation/questionnaires?person={}", encoded(&person));
    let id = field(&pairs, "id");
    if !id.is_empty() {
        let asks = of(site, &person).await?.into_iter().find(|asks| asks.id == id);
        let mut plan = asks.ok_or_else(|| failure("id: there is no such schedule"))?.plan;
        plan["status"] = "revoked".into();
        replace(site, id, field(&pairs, "version").parse().ok(), &plan).await?;
        return Ok(reply::see(&back));
    }
    let plan = plan(site, &pairs, &person, frame.language).await?;
    put(site, &plan).await?;
    Ok(reply::see(&back))
}

async fn plan(site: &Arc<Site>, pairs: &[(String, String)], person: &str, l: Language) -> Outcome<Value> {
    let wanted = field(pairs, "questionnaire");
    let mut uploaded = String::new();
    let title = match wanted {
        EQ5D => l.say("pa-eq5d").into_owned(),
        DLQI => l.say("pa-dlqi").into_owned(),
        DEMONSTRATION => demonstration_title(l),
        other => {
            let offered =
                questionnaire::offered(site).await?.into_iter().find(|(address, ..)| address == other);
            let (_, id, title) = offered.ok_or_else(|| failure("questionnaire: there is no such one"))?;
            uploaded = id;
            title
        }
    };
    let weeks: i64 = field(pairs, "weeks").parse().unwrap_or(0);
    if !(1..=104).contains(&weeks) {
        return Err(failure("weeks: choose 1 to 104"));
    }
    let first = field(pairs, "first");
    let began = day(first).map_err(|why| failure(format!("first: {why}")))?;
    let mut period = json!({ "start": first });
    let until = field(pairs, "until");
    if !until.is_empty() {
        let ends = day(until).map_err(|why| failure(format!("until: {why}")))?;
        if ends < began {
            return Err(failure("until: the term ends before it begins"));
        }
        period["end"] = until.into();
    }
    let mut plan = json!({
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "category": [{ "coding": [{ "system": SYSTEM, "code": CODE }] }],
        "title": title,
        "subject": { "reference": format!("Patient/{person}") },
        "period": period,
        "activity": [{ "detail": {
            "kind": "Task",
            "instantiatesCanonical": [wanted],
            "status": "scheduled",
            "scheduledTiming": { "repeat": { "frequency": 1, "period": weeks, "periodUnit": "wk" } },
        } }],
    });
    if !uploaded.is_empty() {
        plan["activity"][0]["detail"]["instantiatesUri"] = json!([uploaded]);
    }
    let goal = field(pairs, "goal");
    if !goal.is_empty() {
        let of = [("_id", goal.to_owned()), ("subject", format!("Patient/{person}"))];
        let found = search(site, "Goal", &of).await?;
        let found = found.first().and_then(parsed).ok_or_else(|| failure("goal: there is no such goal"))?;
        let display = found["description"]["text"].as_str().unwrap_or("");
        plan["goal"] = json!([{ "reference": format!("Goal/{goal}"), "display": display }]);
    }
    Ok(plan)
}
