//! Adaptive questionnaires of the PROMIS kind: after each answer the question that tells most is asked next, and
//! the test is over when the score is precise enough.
//!
//! A bank is a Questionnaire whose items carry the parameters of the graded response model as extensions
//! ([`SLOPE`], [`THRESHOLD`]); an operator with a licence uploads one through FHIR. Every answer is kept as the
//! next version of the QuestionnaireResponse when it is given.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use tongmai_base::time::Instant;
use tongmai_engagement::reported::adaptive::{Bank, Item, Score};
use tongmai_engine::{Failure, Outcome};
use tongmai_http::{Answer, Asked};

use super::block::{Block, Form, Table};
use super::enter::{failure, field, pairs, put, replace};
use super::personal::{ask, parsed, search, theirs, whose};
use super::questionnaire::{address, title};
use super::{Sheet, show};
use crate::chart::{Line, trend};
use crate::format::When;
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, problem, reply};

/// Extensions of an item: its discrimination, and each of its thresholds in rising order.
const SLOPE: &str = "urn:tongmai:item-slope";
const THRESHOLD: &str = "urn:tongmai:item-threshold";
/// Translations of a text, as FHIR has them.
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";
/// The bank that is shown when no operator has uploaded one.
pub const DEMONSTRATION: &str = "urn:tongmai:questionnaire:self-management-demonstration";
/// Where the tests of PROMIS stop: at this standard error of θ, after at least and at most so many items.
const PRECISE: f64 = 0.3;
const LEAST: usize = 4;
const MOST: usize = 12;
/// 97.5 % of the standard normal distribution lie below.
const TWO_SIDED: f64 = 1.959_963_984_540_054;

static BANK: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../packs/self-management-demonstration.json")).unwrap_or_default()
});

/// Title of the demonstration.
pub fn demonstration_title(l: Language) -> String {
    translated(&BANK, "title", l)
}

/// Whether a Questionnaire carries the parameters of a bank.
pub fn is_adaptive(form: &Value) -> bool {
    bank(form).is_some()
}

/// The bank of a Questionnaire; none when an item lacks its parameters.
fn bank(form: &Value) -> Option<Bank> {
    let items = form["item"].as_array().filter(|items| !items.is_empty())?;
    let item = |item: &Value| {
        let values = |url: &str| -> Vec<f64> {
            let own = item["extension"].as_array().into_iter().flatten().filter(|e| e["url"] == url);
            own.filter_map(|e| e["valueDecimal"].as_f64()).collect()
        };
        let (slope, thresholds) = (*values(SLOPE).first()?, values(THRESHOLD));
        let levels = item["answerOption"].as_array()?.len();
        let id = item["linkId"].as_str()?.to_owned();
        (levels == thresholds.len() + 1).then_some(Item { id, slope, thresholds })
    };
    let items = items.iter().map(item).collect::<Option<Vec<_>>>()?;
    let bank =
        Bank { name: title(form), source: String::new(), items, precise: PRECISE, least: LEAST, most: MOST };
    // What the engine would refuse is no bank.
    Bank::read(&serde_json::to_string(&bank).ok()?).ok()
}

/// A text of an element in the reader's language, when it was translated.
fn translated(element: &Value, name: &str, l: Language) -> String {
    let extensions = element[format!("_{name}")]["extension"].as_array();
    let found = extensions.into_iter().flatten().filter(|e| e["url"] == TRANSLATION).find_map(|e| {
        let part = |url: &str| e["extension"].as_array()?.iter().find(|x| x["url"] == url);
        (part("lang")?["valueCode"] == l.tag()).then(|| part("content")?["valueString"].as_str()).flatten()
    });
    found.or_else(|| element[name].as_str()).unwrap_or("").to_owned()
}

/// The Questionnaire of an address: the demonstration, or one that was uploaded.
async fn form(site: &Arc<Site>, id: &str) -> Outcome<Value> {
    if id == "demonstration" {
        return Ok(BANK.clone());
    }
    let found = search(site, "Questionnaire", &[("_id", id.to_owned())]).await?;
    let form = found.first().and_then(parsed).filter(is_adaptive);
    form.ok_or_else(|| Failure::not_found(format!("adaptive questionnaire {id}")))
}

/// Answers as numbers of items and levels.
fn levels(form: &Value, bank: &Bank, response: &Value) -> Vec<(usize, usize)> {
    let given = response["item"].as_array().into_iter().flatten();
    let read = |item: &Value| {
        let number = bank.items.iter().position(|known| item["linkId"] == known.id.as_str())?;
        let options = form["item"][number]["answerOption"].as_array()?;
        let code = &item["answer"][0]["valueCoding"]["code"];
        Some((number, options.iter().position(|option| option["valueCoding"]["code"] == *code)?))
    };
    given.filter_map(read).collect()
}

fn t(score: &Score) -> String {
    format!("{:.0}", score.t())
}

fn interval(score: &Score) -> String {
    let within = 10.0 * TWO_SIDED * score.error;
    format!("{:.0} – {:.0}", score.t() - within, score.t() + within)
}

/// Adaptive questionnaires on the page of questionnaires: where each begins, and its scores so far.
pub async fn blocks(site: &Arc<Site>, person: &str, answered: &[Value], l: Language) -> Outcome<Vec<Block>> {
    let say = |key: &str| l.say(key).into_owned();
    let mut forms = vec![("demonstration".to_owned(), BANK.clone())];
    let uploaded =
        search(site, "Questionnaire", &[("status", "active".into()), ("_count", "20".into())]).await?;
    forms.extend(uploaded.iter().filter_map(|r| Some((r.id.clone(), parsed(r).filter(is_adaptive)?))));
    let mut blocks = vec![Block::Heading(say("ca-adaptive")), Block::Text(say("ca-adaptive-words"))];
    blocks.push(Block::Links(
        forms
            .iter()
            .map(|(id, form)| {
                (
                    format!("/participation/adaptive/{id}?person={}", encoded(person)),
                    translated(form, "title", l),
                )
            })
            .collect(),
    ));
    for (id, form) in &forms {
        let Some(bank) = bank(form) else { continue };
        let address = address(form, id);
        let mut scores: Vec<(When, Score, usize)> = answered
            .iter()
            .filter(|r| r["questionnaire"] == address.as_str() && r["status"] == "completed")
            .filter_map(|r| {
                let levels = levels(form, &bank, r);
                Some((When::read(r["authored"].as_str()?)?, bank.score(&levels).ok()?, levels.len()))
            })
            .collect();
        if scores.is_empty() {
            continue;
        }
        scores.sort_by_key(|(when, ..)| when.at);
        let name = translated(form, "title", l);
        if scores.len() > 1 {
            let points = scores.iter().map(|(when, score, _)| (when.at, score.t())).collect();
            let last = scores.last().map_or_else(String::new, |(_, score, _)| t(score));
            let line = Line { name: String::new(), points, range: (None, None), last };
            blocks.push(Block::Drawing(trend(&[line], &name), say("ca-t-caption")));
        }
        let heads = [
            say("pa-field-day"),
            format!("#{}", say("ca-t")),
            format!("#{}", say("ca-interval")),
            format!("#{}", say("ca-asked")),
        ];
        let mut table = Table::new(name, &heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (when, score, asked) in scores.iter().rev() {
            table.row(vec![
                when.date().into(),
                t(score).into(),
                interval(score).into(),
                asked.to_string().into(),
            ]);
        }
        blocks.push(Block::Table(table));
    }
    Ok(blocks)
}

/// `/participation/adaptive/{form}?person=…&response=…`: the next question, or the score.
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let l = frame.language;
    let say = |key: &str| l.say(key).into_owned();
    let form = form(site, id).await?;
    let bank = bank(&form).ok_or_else(|| Failure::not_found(format!("bank {id}")))?;
    let title = translated(&form, "title", l);
    let mut blocks = Vec::new();
    let Some(person) = whose(site, &frame).await? else {
        blocks.push(Block::Empty(say("pa-questionnaires-empty")));
        blocks.push(ask(l, &format!("/participation/adaptive/{id}")));
        return show(asked, frame, 200, sheet(title, String::new(), blocks));
    };
    let response = match frame.parameter("response").filter(|r| tongmai_fhir::format::is_id(r)) {
        Some(response) => Some(begun(site, response, &person).await?),
        None => None,
    };
    let so_far = response.as_ref().map_or_else(Vec::new, |(value, _)| levels(&form, &bank, value));
    match bank.next(&so_far).map_err(failure)? {
        Some(item) => {
            blocks.push(Block::Heading(l.count("ca-question", so_far.len() as i64 + 1).into_owned()));
            let asks = &form["item"][item];
            let mut question = Form { action: "/participation/adaptive".into(), ..Form::default() }
                .titled(translated(asks, "text", l))
                .with("person", person.as_str())
                .with("form", id)
                .with("item", bank.items[item].id.as_str())
                .with("response", frame.parameter("response").unwrap_or(""));
            for (level, option) in asks["answerOption"].as_array().into_iter().flatten().enumerate() {
                question =
                    question.button(&level.to_string(), translated(&option["valueCoding"], "display", l));
            }
            blocks.push(Block::Form(question));
            blocks.push(Block::Text(say("ca-kept-so-far")));
        }
        None => {
            let score = bank.score(&so_far).map_err(failure)?;
            blocks.push(Block::Heading(say("ca-thanks")));
            blocks.push(Block::Figures(vec![
                (t(&score), say("ca-t")),
                (interval(&score), say("ca-interval")),
                (so_far.len().to_string(), say("ca-asked")),
            ]));
            blocks.push(Block::Heading(say("ca-what-it-measures")));
            blocks.push(Block::Text(say("ca-t-words")));
            let back = format!("/participation/questionnaires?person={}", encoded(&person));
            blocks.push(Block::Links(vec![(back, say("pa-questionnaires"))]));
        }
    }
    let lead = translated(&form, "description", l);
    show(asked, frame, 200, sheet(title, lead, blocks))
}

fn sheet(title: String, lead: String, blocks: Vec<Block>) -> Sheet {
    Sheet { title, lead, tab: "pa-questionnaires", narrow: true, blocks }
}

/// Answers that somebody began to give, with their version.
async fn begun(site: &Arc<Site>, response: &str, person: &str) -> Outcome<(Value, u32)> {
    let of = [("_id", response.to_owned()), ("subject", format!("Patient/{person}"))];
    let found = search(site, "QuestionnaireResponse", &of).await?;
    let found = found.first().and_then(|resource| Some((parsed(resource)?, resource.version)));
    found.ok_or_else(|| Failure::not_found(format!("answers {response}")))
}

/// `POST /participation/adaptive`: one answer.
pub async fn answered(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let (person, id) = (field(&pairs, "person").to_owned(), field(&pairs, "form").to_owned());
    theirs(site, &person)?;
    let form = form(site, &id).await?;
    let bank = bank(&form).ok_or_else(|| Failure::not_found(format!("bank {id}")))?;
    let response = field(&pairs, "response").to_owned();
    let (mut value, version) = if response.is_empty() {
        let fresh = json!({
            "resourceType": "QuestionnaireResponse",
            "questionnaire": address(&form, &id),
            "status": "in-progress",
            "subject": { "reference": format!("Patient/{person}") },
            "item": [],
        });
        (fresh, None)
    } else {
        let (value, version) = begun(site, &response, &person).await?;
        (value, Some(version))
    };
    let item = field(&pairs, "item");
    let number = bank.items.iter().position(|known| known.id == item);
    let number = number.ok_or_else(|| failure("item: the bank has no such question"))?;
    let level: usize =
        field(&pairs, "button").parse().map_err(|_| failure("button: choose one of the answers"))?;
    let option = &form["item"][number]["answerOption"][level]["valueCoding"];
    if option.is_null() {
        return Err(failure("button: choose one of the answers"));
    }
    let known = levels(&form, &bank, &value).iter().any(|(asked, _)| *asked == number);
    let mut into = response;
    // Somebody went back and pressed once more: the first answer stands.
    if !known && value["status"] != "completed" {
        let answer =
            json!({ "system": option["system"], "code": option["code"], "display": option["display"] });
        if let Some(items) = value["item"].as_array_mut() {
            items.push(json!({ "linkId": item, "answer": [{ "valueCoding": answer }] }));
        }
        value["authored"] = Instant(site.engine.now()).to_fhir().into();
        if bank.next(&levels(&form, &bank, &value)).map_err(failure)?.is_none() {
            value["status"] = "completed".into();
        }
        match version {
            None => into = put(site, &value).await?,
            Some(_) => replace(site, &into, version, &value).await?,
        }
    }
    let person = encoded(&person);
    Ok(reply::see(&format!("/participation/adaptive/{id}?person={person}&response={into}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demonstration_is_a_bank_in_three_languages() {
        let bank = bank(&BANK).expect("a bank");
        assert_eq!(bank.items.len(), 12);
        for language in [Language::English, Language::Traditional] {
            for item in BANK["item"].as_array().expect("items") {
                assert_ne!(translated(item, "text", language), translated(item, "text", Language::Chinese));
            }
        }
        // Whatever somebody answers throughout, the test comes to its end.
        for level in 0..5 {
            let mut answers = Vec::new();
            while let Some(item) = bank.next(&answers).expect("a next one") {
                answers.push((item, level));
            }
            assert!((LEAST..=MOST).contains(&answers.len()), "{level}: {}", answers.len());
        }
    }

    #[test]
    fn what_lacks_a_parameter_is_no_bank() {
        let mut form = BANK.clone();
        form["item"][3]["extension"] = json!([]);
        assert!(!is_adaptive(&form));
        assert!(!is_adaptive(&json!({ "item": [] })) && !is_adaptive(&json!({})));
    }
}
