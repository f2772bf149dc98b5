//! Facts of participation as FHIR resources, and back.
//!
//! Where R4 has a resource for a fact it is used, with the fact's plain fields in the elements that are
//! meant for them: an actor is an Organization, a statement and an answer are Communications, a rating is a
//! QuestionnaireResponse. Everything else is a Basic, which R4 keeps for what it has no resource for. Fields
//! without an element of their own are extensions under [`FIELD`]; days are dates, so that an export reads
//! as people write. Nothing of a fact stands in two places. See `docs/decisions/` on participation.

use serde_json::{Map, Value, json};
use tongmai_base::time::{civil_from_days, days_from_civil};
use tongmai_engagement::institution::fact::Fact;

/// The code system of facts.
pub const SYSTEM: &str = "urn:tongmai:participation";
/// Address of a field's extension, followed by its name.
const FIELD: &str = "urn:tongmai:participation:";

/// Fields that are days.
const DAYS: &[&str] = &[
    "day",
    "from",
    "until",
    "opens",
    "closes",
    "published",
    "launch",
    "due",
    "notice",
    "gathered",
    "served",
];

/// The resource of a fact, and where its plain fields stand.
struct Form {
    fact: &'static str,
    resource: &'static str,
    /// Field and path of its element; `[]` is the first entry of a list.
    elements: &'static [(&'static str, &'static str)],
}

const FORMS: &[Form] = &[
    Form { fact: "actor", resource: "Organization", elements: &[("name", "name")] },
    Form {
        fact: "statement",
        resource: "Communication",
        elements: &[("text", "payload[].contentString"), ("name", "sender.display")],
    },
    Form {
        fact: "answer",
        resource: "Communication",
        elements: &[("why", "payload[].contentString"), ("who", "sender.display")],
    },
];

fn form(fact: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.fact == fact)
}

/// Types of resources that may hold a fact.
pub const TYPES: [&str; 4] = ["Basic", "Organization", "Communication", "QuestionnaireResponse"];

/// The resource that says a fact.
pub fn write(fact: &Fact) -> Value {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(fact) else { return Value::Null };
    fields.remove("fact");
    let name = fact.name();
    // No dissent is something else than not having asked.
    if let Some(dissent) =
        fields.get_mut("evidence").and_then(|e| e.get_mut("dissent")).filter(|d| d.as_str() == Some(""))
    {
        *dissent = false.into();
    }
    if let Fact::Rated(rated) = fact {
        return rating(&rated.rating);
    }
    let coded = json!({ "coding": [{ "system": SYSTEM, "code": name }] });
    let mut resource = match form(name) {
        Some(form) => {
            let mut resource = json!({ "resourceType": form.resource });
            if form.resource == "Communication" {
                resource["status"] = "completed".into();
                resource["category"] = json!([coded]);
            } else {
                resource["type"] = json!([coded]);
            }
            for (field, path) in form.elements {
                // An element is never empty: an empty field is simply not there.
                if let Some(Value::String(text)) = fields.remove(*field).filter(|v| v != "") {
                    put(&mut resource, path, text.into());
                }
            }
            resource
        }
        None => json!({ "resourceType": "Basic", "code": coded }),
    };
    let extensions = extensions(&fields, FIELD);
    if !extensions.is_empty() {
        resource["extension"] = extensions.into();
    }
    resource
}

/// The fact that a resource says; `None` when it says none.
pub fn read(resource: &Value) -> Option<Fact> {
    let kind = resource["resourceType"].as_str()?;
    if kind == "QuestionnaireResponse" {
        return read_rating(resource);
    }
    let coded = match kind {
        "Basic" => &resource["code"],
        "Organization" => &resource["type"][0],
        "Communication" => &resource["category"][0],
        _ => return None,
    };
    let coding = &coded["coding"][0];
    let name = coding["code"].as_str().filter(|_| coding["system"] == SYSTEM)?;
    let mut fields = Map::new();
    for extension in resource["extension"].as_array().into_iter().flatten() {
        if let Some(field) = extension["url"].as_str().and_then(|url| url.strip_prefix(FIELD)) {
            fields.insert(field.to_owned(), value(extension)?);
        }
    }
    for (field, path) in form(name).map_or(&[][..], |form| form.elements) {
        if let Some(found) = get(resource, path) {
            fields.insert((*field).to_owned(), found.clone());
        }
    }
    if let Some(dissent) =
        fields.get_mut("evidence").and_then(|e| e.get_mut("dissent")).filter(|d| d.as_bool() == Some(false))
    {
        *dissent = "".into();
    }
    fields.insert("fact".into(), name.into());
    serde_json::from_value(Value::Object(fields)).ok()
}

fn put(resource: &mut Value, path: &str, value: Value) {
    let mut place = resource;
    for part in path.split('.') {
        place = match part.strip_suffix("[]") {
            Some(list) => {
                if place[list].is_null() {
                    place[list] = json!([{}]);
                }
                &mut place[list][0]
            }
            None => &mut place[part],
        };
    }
    *place = value;
}

fn get<'v>(resource: &'v Value, path: &str) -> Option<&'v Value> {
    let found = path.split('.').fold(resource, |place, part| match part.strip_suffix("[]") {
        Some(list) => &place[list][0],
        None => &place[part],
    });
    (!found.is_null()).then_some(found)
}

fn extensions(fields: &Map<String, Value>, prefix: &str) -> Vec<Value> {
    fields.iter().filter_map(|(name, value)| extension(format!("{prefix}{name}"), name, value)).collect()
}

/// One field as an extension; nothing for what is empty, since that is what a missing field reads as.
fn extension(url: String, name: &str, value: &Value) -> Option<Value> {
    let (element, content) = content(name, value)?;
    let mut extension = json!({ "url": url });
    extension[element] = content;
    Some(extension)
}

/// The element that holds a value, and what stands in it.
fn content(name: &str, value: &Value) -> Option<(&'static str, Value)> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        Value::String(_) => ("valueString", value.clone()),
        Value::Bool(_) => ("valueBoolean", value.clone()),
        Value::Number(day) if DAYS.contains(&name) => ("valueDate", date(day.as_i64()?).into()),
        Value::Number(number) => match number.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(small) => ("valueInteger", small.into()),
            None => ("valueDecimal", value.clone()),
        },
        Value::Array(items) => {
            let items = items.iter().filter_map(|item| extension("item".into(), name, item));
            some_of(items.collect())?
        }
        Value::Object(fields) => some_of(extensions(fields, ""))?,
    })
}

fn some_of(extensions: Vec<Value>) -> Option<(&'static str, Value)> {
    (!extensions.is_empty()).then(|| ("extension", extensions.into()))
}

fn date(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year: i64 = parts.next().filter(|y| y.len() == 4)?.parse().ok()?;
    let month: u32 = parts.next().filter(|m| m.len() == 2)?.parse().ok()?;
    let day: u32 = parts.next().filter(|d| d.len() == 2)?.parse().ok()?;
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| days_from_civil(year, month, day))
}

/// The value of an extension.
fn value(extension: &Value) -> Option<Value> {
    for (name, value) in extension.as_object()? {
        match name.as_str() {
            "valueDate" => return Some(day(value.as_str()?)?.into()),
            "valueString" | "valueBoolean" | "valueInteger" => return Some(value.clone()),
            "valueDecimal" => {
                let text = value.to_string();
                let whole = text.parse::<u64>().ok().map(Value::from);
                return Some(whole.unwrap_or_else(|| value.clone()));
            }
            _ => {}
        }
    }
    let inner = extension["extension"].as_array()?;
    if inner.iter().all(|item| item["url"] == "item") {
        return inner.iter().map(value).collect::<Option<Vec<_>>>().map(Value::Array);
    }
    let mut fields = Map::new();
    for field in inner {
        fields.insert(field["url"].as_str()?.to_owned(), value(field)?);
    }
    Some(Value::Object(fields))
}

/// The questionnaire of ratings.
const RATING: &str = "urn:tongmai:participation:feasibility-rating";

/// A rating is an answered questionnaire.
fn rating(rating: &tongmai_engagement::feasibility::Rating) -> Value {
    let Ok(Value::Object(fields)) = serde_json::to_value(rating) else { return Value::Null };
    let answer = |name: &str, value: &Value| {
        let (element, content) = content(name, value)?;
        let mut answer = json!({});
        answer[element] = content;
        Some(answer)
    };
    let items: Vec<Value> = fields
        .iter()
        .filter_map(|(name, value)| {
            let answers: Vec<Value> = match value {
                Value::Array(values) => values.iter().filter_map(|value| answer(name, value)).collect(),
                value => answer(name, value).into_iter().collect(),
            };
            (!answers.is_empty()).then(|| json!({ "linkId": name, "answer": answers }))
        })
        .collect();
    json!({ "resourceType": "QuestionnaireResponse", "questionnaire": RATING, "status": "completed", "item": items })
}

fn read_rating(resource: &Value) -> Option<Fact> {
    if resource["questionnaire"] != RATING {
        return None;
    }
    let mut fields = Map::new();
    for item in resource["item"].as_array()? {
        let name = item["linkId"].as_str()?;
        let mut answers = item["answer"].as_array()?.iter().map(value).collect::<Option<Vec<_>>>()?;
        let found = if name == "barriers" { Value::Array(answers) } else { answers.pop()? };
        fields.insert(name.to_owned(), found);
    }
    serde_json::from_value(json!({ "fact": "rating", "rating": fields })).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tongmai_engagement::feasibility::Rating;
    use tongmai_engagement::gate::{Evidence, Participation};
    use tongmai_engagement::institution::fact::*;

    fn facts() -> Vec<Fact> {
        vec![
            Fact::Actor(Actor {
                name: "清禾县糖友会".into(),
                licences: vec!["foot_care".into()],
                ..Actor::default()
            }),
            Fact::Statement(Statement {
                conversation: "c".into(),
                text: "村里配不到第二个月的药".into(),
                seed: true,
                translations: vec!["en: no second month".into()],
                day: 20_778,
                ..Statement::default()
            }),
            Fact::Reply(Reply {
                statement: "s".into(),
                changed: true,
                why: "规则改了".into(),
                day: 20_780,
                ..Reply::default()
            }),
            Fact::Attached(Attached {
                project: "p".into(),
                evidence: Evidence {
                    kind: "patient_rating".into(),
                    gathered: (20_700, 20_778),
                    affected: 900,
                    heard: 21,
                    rural: Some(20),
                    ages: Some([0, 0, 1, 20]),
                    dissent: Some(String::new()),
                    participation: Participation::Involve,
                    source: "minutes 3".into(),
                },
            }),
            Fact::Rated(Rated {
                rating: Rating {
                    project: "p".into(),
                    difficulty: 2,
                    experience: 3,
                    satisfaction: 4,
                    barriers: vec!["travel".into(), "stock".into()],
                    role: "carer".into(),
                    rural: true,
                    age: 67,
                    day: 20_778,
                    ..Rating::default()
                },
            }),
            Fact::Donation(Donation {
                fund: "f".into(),
                what: "receipt".into(),
                fen: 9_000_000_000,
                ..Donation::default()
            }),
            Fact::Matched(Matched {
                need: "n".into(),
                offer: "o".into(),
                points: 250,
                served: Some(20_790),
                ..Matched::default()
            }),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_valid() {
        for fact in facts() {
            let resource = write(&fact);
            let text = resource.to_string();
            let json = tongmai_fhir::json::Json::parse_str(&text).expect("JSON");
            let findings =
                tongmai_fhir::validate::validate(&json, &tongmai_fhir::validate::Options::default());
            assert!(findings.is_empty(), "{text}: {findings:?}");
            let read = read(&serde_json::from_str(&text).expect("JSON"));
            assert_eq!(read.as_ref(), Some(&fact), "{text}");
        }
        assert_eq!(
            read(&json!({"resourceType": "Basic", "code": {"coding": [{"system": "x", "code": "actor"}]}})),
            None
        );
        assert_eq!(read(&json!({"resourceType": "Organization", "name": "医院"})), None);
    }

    #[test]
    fn dates_read_as_people_write_them() {
        let text = write(&facts()[3]).to_string();
        assert!(text.contains("2026-11-21"), "{text}");
    }
}
