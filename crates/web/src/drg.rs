//! Pages of grouping and payment: the coder, the department head and the insurer.
//!
//! Records are shown after their read is in the log; indicators and settlements show sums only.

mod case;
mod indicators;
mod money;
mod preview;
mod quality;
mod rules;
mod settlement;
mod special;
mod worklist;

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::Method;
use tongmai_access::{Operation, Role, Sealed};
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};
use tongmai_views::drg::desk::Grouping;
use tongmai_views::drg::{Grouped, Shelf};

use crate::frame::Frame;
use crate::{Site, problem};

/// The views of the section: address and key of the name.
pub const VIEWS: [(&str, &str); 6] = [
    ("/drg", "drg-worklist"),
    ("/drg/indicators", "drg-indicators"),
    ("/drg/quality", "drg-quality"),
    ("/drg/settlement", "drg-settlement"),
    ("/drg/rules", "drg-rules"),
    ("/drg/workshop", "drg-workshop"),
];

/// `/drg…`
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame, rest: &[&str]) -> Outcome<Answer> {
    let frame = frame.in_section("nav-drg");
    if asked.method == Method::POST {
        if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") {
            return Ok(problem::show(asked, frame, 403, "wrong", ""));
        }
        // Lists are written by who codes or treats.
        if !(site.requester.is(Role::Installation)
            || site.requester.is(Role::Coder)
            || site.requester.is_clinical()
            || site.requester.is(Role::Insurer))
        {
            return Ok(problem::show(asked, frame, 403, "closed", ""));
        }
        return match rest {
            ["case", id] => case::save(site, asked, id).await,
            ["special", id] => special::step(site, asked, id).await,
            _ => Ok(problem::show(asked, frame, 405, "wrong", "")),
        };
    }
    match rest {
        [] => worklist::page(site, asked, frame).await,
        ["case", id] => case::page(site, asked, frame, id).await,
        ["preview", id] => preview::part(site, asked, frame, id).await,
        ["special", id] => special::page(site, asked, frame, id).await,
        ["of", patient] => case::of_patient(site, asked, frame, patient).await,
        ["indicators"] => indicators::page(site, asked, frame).await,
        ["quality"] => quality::page(site, asked, frame).await,
        ["settlement"] => settlement::page(site, asked, frame).await,
        ["rules"] => rules::page(site, asked, frame).await,
        ["rules", pack, adrg] => rules::entry(site, asked, frame, pack, adrg).await,
        ["workshop"] => rules::workshop(site, asked, frame).await,
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// The stays of which single cases may be shown to a reader.
struct Singles(Option<BTreeSet<String>>);

impl Singles {
    fn has(&self, encounter: &str) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.contains(encounter))
    }

    /// The stay, if it may be shown.
    fn get<'g>(&self, grouping: &'g Grouping, encounter: &str) -> Option<&'g Arc<Grouped>> {
        grouping.stays.get(encounter).filter(|_| self.has(encounter))
    }
}

/// Looks at the groups as far as whoever asks may see them: the stays of which every part is shown to them.
/// The insurer counts over all stays, whom it pays for, and sees single ones only where its sight shows them.
fn look<T>(site: &Site, look: impl FnOnce(&Grouping, &Shelf, &Singles) -> T) -> Outcome<T> {
    let sight = site.sight();
    let counts_all = site.requester.is(Role::Insurer);
    let judged = site.drg.look(&site.engine, |grouping, shelf| -> Outcome<T> {
        if sight.limits().is_none() {
            return Ok(look(grouping, shelf, &Singles(None)));
        }
        let things: Vec<&[u64]> = grouping.stays.values().map(|it| it.stay.positions.as_slice()).collect();
        let verdicts = site.engine.sees_each(&sight, &things)?;
        let seen = grouping.stays.keys().zip(verdicts).filter(|(_, seen)| *seen);
        let singles = Singles(Some(seen.map(|(id, _)| id.clone()).collect()));
        if counts_all {
            return Ok(look(grouping, shelf, &singles));
        }
        Ok(look(&grouping.part(|it| singles.has(&it.stay.encounter)), shelf, &singles))
    });
    judged?
}

/// What was read of these positions, to be logged and released.
fn sealed<T>(content: T, positions: Vec<u64>) -> Sealed<T> {
    Sealed::new(content, Operation::Page, positions)
}

/// The fields of a form.
fn form(asked: &Asked) -> Outcome<Vec<(String, String)>> {
    let body = std::str::from_utf8(&asked.body)
        .map_err(|_| Failure::new(Reason::Invalid, "form", "unreadable", "the form is not UTF-8"))?;
    Ok(parse_pairs(body))
}

fn field<'p>(pairs: &'p [(String, String)], name: &str) -> &'p str {
    pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.trim())
}

/// Codes of a text: between blanks, commas or lines; what follows a code is its name.
fn codes(text: &str) -> Vec<String> {
    let mut codes = Vec::new();
    for part in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '，' | ';' | '；' | '、' | '|'))
    {
        let code = tongmai_drg::case::usual_code(part);
        let begins = code.starts_with(|first: char| first.is_ascii_alphanumeric());
        if begins && code.contains(|c: char| c.is_ascii_digit()) && code.is_ascii() && !codes.contains(&code)
        {
            codes.push(code);
        }
    }
    codes
}

/// A date of a day since 1970.
fn date(day: i64) -> String {
    let (year, month, day) = tongmai_base::time::civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A redirection after a form was sent.
fn see_other(address: &str) -> Answer {
    let mut answer = crate::reply::see_other("/drg");
    if let Ok(value) = hyper::header::HeaderValue::from_str(address) {
        answer.headers_mut().insert(hyper::header::LOCATION, value);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn codes_are_picked_out_of_what_people_type() {
        assert_eq!(codes("i10 高血压\nE11.5，糖尿病足; e87.6、"), ["I10", "E11.5", "E87.6"]);
        assert_eq!(codes("86.22 清创 86.22"), ["86.22"]);
        assert_eq!(codes("<script>, 高血压"), [] as [&str; 0]);
    }
}
