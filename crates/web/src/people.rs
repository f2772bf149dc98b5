//! Finding a person.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::search::Page;
use tongmai_engine::{Outcome, Reason, Resource};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};

use crate::county::CITIZEN;
use crate::format::{When, age};
use crate::frame::{Frame, encoded};
use crate::language::Language;
use crate::record::Person;
use crate::{Site, framed, render};

/// Parts of what is asked for at most.
const PARTS: usize = 6;
/// Patient records on a page.
const PAGE: &str = "30";

/// A person who was found, with the organisations that keep a record.
struct Found {
    id: String,
    person: Person,
    age: Option<String>,
    places: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    page: Frame,
    l: Language,
    problem: Option<String>,
    understood: String,
    found: Vec<Found>,
    next: Option<String>,
}

framed!(People);

/// What is asked for, as parameters of a search, and in words.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    pairs: Vec<(String, String)>,
    words: Vec<(&'static str, String)>,
}

/// Reads what was typed: each part is a number, a birth date, or belongs to the name.
fn understand(asked: &str) -> Option<Understood> {
    // Full-width digits and commas are what a Chinese keyboard gives.
    let plain: String = asked
        .chars()
        .map(|c| match c {
            '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '－' => {
                char::from_u32(c as u32 - 0xFEE0).unwrap_or(c)
            }
            ',' | '，' | '、' | '　' => ' ',
            c => c,
        })
        .collect();
    let parts: Vec<&str> = plain.split_whitespace().collect();
    if parts.len() > PARTS {
        return None;
    }
    let mut understood = Understood { pairs: Vec::new(), words: Vec::new() };
    for part in parts {
        let (parameter, word, value) = meaning(part);
        understood.pairs.push((parameter.to_owned(), escaped(&value)));
        understood.words.push((word, part.to_owned()));
    }
    Some(understood)
}

fn meaning(part: &str) -> (&'static str, &'static str, String) {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let number = digits == part.len() || digits + 1 == part.len() && part.ends_with(['X', 'x']);
    if let Some(date) = birth_date(part) {
        return ("birthdate", "understood-birth", date);
    }
    if number && matches!(part.len(), 15 | 18) {
        return ("identifier", "understood-number", part.to_ascii_uppercase());
    }
    if number && part.len() == 11 && part.starts_with('1') {
        return ("phone", "understood-phone", part.to_owned());
    }
    if digits > 0 && part.is_ascii() {
        return ("identifier", "understood-number", part.to_owned());
    }
    ("name", "understood-name", part.to_owned())
}

/// `1961-03-08`, `1961/3/8`, `1961.3.8`, `1961年3月8日`, `19610308` as FHIR writes it.
fn birth_date(part: &str) -> Option<String> {
    let date = if part.len() == 8 && part.bytes().all(|b| b.is_ascii_digit()) {
        format!("{}-{}-{}", &part[..4], &part[4..6], &part[6..])
    } else {
        let mut numbers = part.trim_end_matches('日').split(['-', '/', '.', '年', '月']);
        let year = numbers.next().filter(|year| year.len() == 4)?;
        let (month, day) = (numbers.next()?, numbers.next()?);
        let two = |n: &str| n.parse::<u32>().ok().filter(|n| *n > 0);
        if numbers.next().is_some() {
            return None;
        }
        format!("{year}-{:02}-{:02}", two(month)?, two(day)?)
    };
    When::read(&date).map(|_| date)
}

/// Signs with a meaning in a search are taken as they are.
fn escaped(value: &str) -> String {
    value.chars().flat_map(|c| if matches!(c, '|' | '$' | '\\') { vec!['\\', c] } else { vec![c] }).collect()
}

/// `/people?q=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let l = frame.language;
    let page = frame.in_section("nav-people");
    let mut people =
        People { l, problem: None, understood: String::new(), found: Vec::new(), next: None, page };
    if people.page.asked.trim().is_empty() {
        return render(asked, 200, &people);
    }
    let Some(understood) = understand(&people.page.asked) else {
        people.problem = Some(l.say("too-many-words").into_owned());
        return render(asked, 400, &people);
    };
    let words = understood.words.iter().map(|(key, text)| format!("{} {text}", l.say(key)));
    people.understood = words.collect::<Vec<_>>().join(&l.say("comma"));
    let start = people.page.parameter("page").map(|link| site.engine.open_link(link)).transpose()?;
    let mut pairs = understood.pairs;
    pairs.push(("_count".into(), PAGE.into()));
    let sealed = site
        .work(move |site| {
            let kind = resource_type_id("Patient").unwrap_or_default();
            let query = site.engine.query(&[kind], None, &pairs, false)?;
            site.engine.search(&site.sight(), &query, start)
        })
        .await;
    match sealed {
        Ok(sealed) => {
            let found = site.release(sealed).await?.into_inner();
            people.next = next(site, &people.page.asked, &found);
            people.found = united(&found.matches, l, site.today());
            render(asked, 200, &people)
        }
        // What cannot be searched for is said beside what was typed.
        Err(failure)
            if matches!(failure.reason, Reason::Invalid | Reason::TooLarge | Reason::NotSupported) =>
        {
            people.problem = failure.findings.first().map(|finding| finding.message.clone());
            render(asked, 400, &people)
        }
        Err(failure) => Err(failure),
    }
}

fn next(site: &Site, asked: &str, page: &Page) -> Option<String> {
    let next = page.next?;
    Some(format!("/people?q={}&page={}", encoded(asked), encoded(&site.engine.seal_link(&next))))
}

/// Records with the same citizen's number are one person.
fn united(matches: &[Resource], l: Language, today: i64) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for resource in matches {
        let Ok(patient) = Json::parse(&resource.text) else { continue };
        let person = Person::read(&patient);
        let place = patient.get("managingOrganization").and_then(|o| o.text("display")).unwrap_or("");
        let same =
            found.iter_mut().find(|f| !person.citizen.is_empty() && f.person.citizen == person.citizen);
        match same {
            Some(there) if !there.places.contains(place) => {
                there.places.push_str(&l.say("comma"));
                there.places.push_str(place);
            }
            Some(_) => {}
            None => found.push(Found {
                id: resource.id.clone(),
                age: person.birth.as_ref().and_then(|birth| age(l, birth, today)),
                person,
                places: place.to_owned(),
            }),
        }
    }
    found
}

/// All patient records of a citizen's number, as a token search; the old number of 15 digits too.
pub fn token(number: &str) -> String {
    let mut token = format!("{CITIZEN}|{}", escaped(number));
    if number.len() == 18 && number.is_ascii() && number[6..].starts_with("19") {
        // The old number is the new one without the century and the check digit.
        token.push_str(&format!(",{CITIZEN}|{}{}", &number[..6], &number[8..17]));
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood() {
        let cases = [
            ("卓玛", "name=卓玛"),
            ("wang fang", "name=wang name=fang"),
            ("９９０１２３１９６１０３０８６７６４", "identifier=990123196103086764"),
            ("11010519491231002x", "identifier=11010519491231002X"),
            ("990123610308676", "identifier=990123610308676"),
            ("12345678901", "phone=12345678901"),
            ("王 1996年5月12日", "name=王 birthdate=1996-05-12"),
            ("19610308", "birthdate=1961-03-08"),
            ("1961/3/8，卓玛", "birthdate=1961-03-08 name=卓玛"),
            ("ZY-0042", "identifier=ZY-0042"),
            ("1961-13-08", "identifier=1961-13-08"),
            ("a|b", "name=a\\|b"),
        ];
        for (asked, expected) in cases {
            let understood = understand(asked).expect(asked);
            let pairs: Vec<String> = understood.pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
            assert_eq!(pairs.join(" "), expected, "{asked}");
        }
        assert_eq!(understand("a b c d e f g"), None);
    }

    #[test]
    fn the_old_number_is_the_same_person() {
        let both = format!("{CITIZEN}|990123196103086764,{CITIZEN}|990123610308676");
        assert_eq!(token("990123196103086764"), both);
        assert_eq!(token("990123200103086764"), format!("{CITIZEN}|990123200103086764"));
    }
}
