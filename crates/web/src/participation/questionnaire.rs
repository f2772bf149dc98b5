//! Any Questionnaire that an operator uploaded, as a form that works on an old phone (the basics of SDC):
//! texts, choices, numbers, dates, groups, required items, and items that depend on others.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tongmai_base::time::Instant;
use tongmai_engine::Outcome;
use tongmai_http::{Answer, Asked};

use super::block::{Block, Form, Kind};
use super::enter::{failure, field, pairs, put};
use super::personal::{search, theirs};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::{Site, problem, reply};

/// Questionnaires that are offered.
const OFFERED: &str = "20";
/// Items of a questionnaire, groups included, that are shown.
const ITEMS: usize = 200;

/// Questionnaires on offer that are answered as a form: address, id and title.
pub async fn offered(site: &Arc<Site>) -> Outcome<Vec<(String, String, String)>> {
    let found =
        search(site, "Questionnaire", &[("status", "active".into()), ("_count", OFFERED.into())]).await?;
    let read = |resource: &tongmai_engine::Resource| {
        let form: Value = serde_json::from_slice(&resource.text).ok()?;
        let plain = !super::adaptive::is_adaptive(&form);
        plain.then(|| (address(&form, &resource.id), resource.id.clone(), title(&form)))
    };
    Ok(found.iter().filter_map(read).collect())
}

/// How answers name their questionnaire.
pub fn address(form: &Value, id: &str) -> String {
    form["url"].as_str().map_or_else(|| format!("Questionnaire/{id}"), str::to_owned)
}

/// The questionnaires on offer, and the one that is open.
pub async fn blocks(site: &Arc<Site>, person: &str, frame: &Frame) -> Outcome<Vec<Block>> {
    let l = frame.language;
    let found =
        search(site, "Questionnaire", &[("status", "active".into()), ("_count", OFFERED.into())]).await?;
    let parsed: Vec<(String, Value)> = found
        .iter()
        .filter_map(|resource| Some((resource.id.clone(), serde_json::from_slice(&resource.text).ok()?)))
        .filter(|(_, form)| !super::adaptive::is_adaptive(form))
        .collect();
    let mut blocks = vec![Block::Heading(l.say("pa-uploaded").into_owned())];
    if parsed.is_empty() {
        blocks.push(Block::Empty(l.say("pa-uploaded-empty").into_owned()));
        return Ok(blocks);
    }
    let links = parsed.iter().map(|(id, form)| {
        (
            format!("/participation/questionnaires?person={}&form={}", encoded(person), encoded(id)),
            title(form),
        )
    });
    blocks.push(Block::Links(links.collect()));
    if let Some((id, open)) = parsed.iter().find(|(id, _)| Some(id.as_str()) == frame.parameter("form")) {
        let mut form = Form { action: "/participation/answered".into(), ..Form::default() }
            .titled(title(open))
            .with("person", person)
            .with("form", id.as_str());
        let mut room = ITEMS;
        fields(&open["item"], &mut form, &mut room, l);
        blocks.push(Block::Form(form.button("", l.say("pa-hand-in"))));
    }
    Ok(blocks)
}

pub fn title(form: &Value) -> String {
    let named = form["title"].as_str().or_else(|| form["name"].as_str()).or_else(|| form["id"].as_str());
    named.unwrap_or("").to_owned()
}

fn fields(items: &Value, form: &mut Form, room: &mut usize, l: Language) {
    for item in items.as_array().into_iter().flatten() {
        if *room == 0 {
            return;
        }
        *room -= 1;
        let (link, text) = (item["linkId"].as_str().unwrap_or(""), item["text"].as_str().unwrap_or(""));
        let required = item["required"] == true && item["enableWhen"].is_null();
        if let Some(kind) = kind(item, l) {
            let taken = std::mem::take(form);
            let name = format!("i:{link}");
            *form = if required { taken.field(&name, text, kind) } else { taken.optional(&name, text, kind) };
        }
        fields(&item["item"], form, room, l);
    }
}

/// The field of an item; none for a group or a text that is only shown.
fn kind(item: &Value, l: Language) -> Option<Kind> {
    Some(match item["type"].as_str()? {
        "boolean" => Kind::Radio(super::options(l, "pa-answer-of", &["yes", "no"])),
        "integer" => Kind::Number(-1_000_000, 1_000_000),
        "date" => Kind::Day,
        "text" => Kind::Area,
        "choice" | "open-choice" => {
            let options: Vec<(String, String)> = item["answerOption"]
                .as_array()?
                .iter()
                .enumerate()
                .map(|(n, o)| (n.to_string(), label(o)))
                .collect();
            match (item["repeats"] == true, options.len()) {
                (true, _) => Kind::Checks(options),
                (false, ..=7) => Kind::Radio(options),
                (false, _) => Kind::Choice(options),
            }
        }
        "group" | "display" => return None,
        _ => Kind::Line(400),
    })
}

fn label(option: &Value) -> String {
    let coding = &option["valueCoding"];
    let text = coding["display"]
        .as_str()
        .or_else(|| coding["code"].as_str())
        .or_else(|| option["valueString"].as_str());
    text.map_or_else(|| option["valueInteger"].to_string(), str::to_owned)
}

/// `POST /participation/answered`
pub async fn answered(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let Some(pairs) = pairs(asked) else { return Ok(problem::show(asked, frame, 403, "wrong", "")) };
    let (person, id) = (field(&pairs, "person").to_owned(), field(&pairs, "form").to_owned());
    theirs(site, &person)?;
    let found = search(site, "Questionnaire", &[("_id", id.clone())]).await?;
    let form: Value = found
        .first()
        .and_then(|resource| serde_json::from_slice(&resource.text).ok())
        .ok_or_else(|| failure("form: there is no such questionnaire"))?;
    let response = respond(&form, &id, &pairs).map_err(failure)?;
    let mut response = response;
    response["subject"] = json!({ "reference": format!("Patient/{person}") });
    response["authored"] = Instant(site.engine.now()).to_fhir().into();
    put(site, &response).await?;
    Ok(reply::see(&format!("/participation/questionnaires?person={}", encoded(&person))))
}

/// The response that a form's values make. Items that are not enabled are left out, whatever was sent.
///
/// # Errors
/// A required item without an answer, or an answer of another kind, by its text.
fn respond(form: &Value, id: &str, pairs: &[(String, String)]) -> Result<Value, String> {
    let mut answers = Map::new();
    collect(&form["item"], pairs, &mut answers)?;
    let address = address(form, id);
    let items = items(&form["item"], &answers)?;
    Ok(json!({
        "resourceType": "QuestionnaireResponse",
        "questionnaire": address,
        "status": "completed",
        "item": items,
    }))
}

/// Every answer that was given, by linkId.
fn collect(list: &Value, pairs: &[(String, String)], into: &mut Map<String, Value>) -> Result<(), String> {
    for item in list.as_array().into_iter().flatten() {
        let link = item["linkId"].as_str().unwrap_or("");
        let name = format!("i:{link}");
        let mut given = Vec::new();
        for (_, text) in pairs.iter().filter(|pair| pair.0 == name && !pair.1.trim().is_empty()) {
            given.push(value(item, text.trim())?);
        }
        if item["repeats"] != true {
            given.truncate(1);
        }
        if !given.is_empty() {
            into.insert(link.to_owned(), given.into());
        }
        collect(&item["item"], pairs, into)?;
    }
    Ok(())
}

fn value(item: &Value, text: &str) -> Result<Value, String> {
    let wrong = |rule: &str| format!("{}: {rule}", item["text"].as_str().unwrap_or("item"));
    Ok(match item["type"].as_str().unwrap_or("") {
        "boolean" => json!({ "valueBoolean": text == "yes" }),
        "integer" => json!({ "valueInteger": text.parse::<i32>().map_err(|_| wrong("is no whole number"))? }),
        "decimal" => json!({ "valueDecimal": text.parse::<f64>().map_err(|_| wrong("is no number"))? }),
        "date" => {
            super::enter::day(text).map_err(|why| wrong(&why))?;
            json!({ "valueDate": text })
        }
        "choice" | "open-choice" => {
            let option = text.parse::<usize>().ok().and_then(|n| item["answerOption"].get(n));
            option.cloned().ok_or_else(|| wrong("choose one of the list"))?
        }
        _ => json!({ "valueString": text }),
    })
}

fn items(list: &Value, answers: &Map<String, Value>) -> Result<Vec<Value>, String> {
    let mut out = Vec::new();
    for item in list.as_array().into_iter().flatten() {
        if !is_enabled(item, answers) {
            continue;
        }
        let link = item["linkId"].as_str().unwrap_or("");
        let inner = items(&item["item"], answers)?;
        let own = answers.get(link);
        let answerable = !matches!(item["type"].as_str(), Some("group" | "display"));
        if answerable && item["required"] == true && own.is_none() {
            return Err(format!("{}: is required", item["text"].as_str().unwrap_or(link)));
        }
        if own.is_none() && inner.is_empty() {
            continue;
        }
        let mut entry = json!({ "linkId": link });
        if let Some(own) = own {
            entry["answer"] = own.clone();
        }
        if !inner.is_empty() {
            entry["item"] = inner.into();
        }
        out.push(entry);
    }
    Ok(out)
}

/// Whether the conditions of an item hold; all of them, or any where it says so.
fn is_enabled(item: &Value, answers: &Map<String, Value>) -> bool {
    let Some(conditions) = item["enableWhen"].as_array() else { return true };
    let mut hold = conditions.iter().map(|condition| {
        let given = answers.get(condition["question"].as_str().unwrap_or("")).and_then(Value::as_array);
        let given = given.map_or(&[][..], Vec::as_slice);
        let wanted =
            ["answerCoding", "answerBoolean", "answerInteger", "answerString", "answerDecimal", "answerDate"]
                .iter()
                .find_map(|name| condition.get(name));
        let Some(wanted) = wanted else { return false };
        let same = |answer: &Value| {
            let held = answer.as_object().and_then(|o| o.values().next()).unwrap_or(&Value::Null);
            held == wanted || (wanted["code"].is_string() && held["code"] == wanted["code"])
        };
        let number = |answer: &Value| {
            answer.as_object().and_then(|o| o.values().next()).and_then(Value::as_f64).zip(wanted.as_f64())
        };
        match condition["operator"].as_str().unwrap_or("") {
            "exists" => given.is_empty() != (wanted == true),
            "=" => given.iter().any(same),
            "!=" => !given.iter().any(same),
            ">" => given.iter().filter_map(number).any(|(a, b)| a > b),
            "<" => given.iter().filter_map(number).any(|(a, b)| a < b),
            ">=" => given.iter().filter_map(number).any(|(a, b)| a >= b),
            "<=" => given.iter().filter_map(number).any(|(a, b)| a <= b),
            _ => false,
        }
    });
    if item["enableBehavior"] == "any" { hold.any(|h| h) } else { hold.all(|h| h) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_depend_on_others_are_asked_and_kept_only_then() {
        let form = json!({ "item": [
            { "linkId": "1", "text": "Do your feet hurt?", "type": "boolean", "required": true },
            { "linkId": "2", "text": "How much?", "type": "integer", "required": true,
              "enableWhen": [{ "question": "1", "operator": "=", "answerBoolean": true }] },
            { "linkId": "3", "type": "group", "item": [
                { "linkId": "3.1", "text": "Which?", "type": "choice", "repeats": true,
                  "answerOption": [{ "valueString": "left" }, { "valueString": "right" }] } ] },
        ]});
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let yes =
            respond(&form, "f", &pairs(&[("i:1", "yes"), ("i:2", "7"), ("i:3.1", "0"), ("i:3.1", "1")]));
        let yes = yes.expect("a response");
        assert_eq!(yes["item"][1]["answer"][0]["valueInteger"], 7);
        assert_eq!(yes["item"][2]["item"][0]["answer"][1]["valueString"], "right");
        assert!(respond(&form, "f", &pairs(&[("i:1", "yes")])).expect_err("required").contains("How much?"));
        let no = respond(&form, "f", &pairs(&[("i:1", "no"), ("i:2", "7")])).expect("a response");
        assert_eq!(no["item"].as_array().map(Vec::len), Some(1));
        assert!(respond(&form, "f", &pairs(&[("i:1", "yes"), ("i:2", "very")])).is_err());
        assert!(respond(&form, "f", &pairs(&[("i:1", "yes"), ("i:2", "1"), ("i:3.1", "9")])).is_err());
    }
}
