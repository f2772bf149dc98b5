//! The pages of surveillance 监测预警: signals, diseases, line lists, cards, contacts, figures.

mod board;
mod boundaries;
mod cards;
mod chains;
mod curve;
mod disease;
mod figures;
mod lines;
mod live;
mod story;
mod syndromes;
mod tiles;

use std::borrow::Cow;
use std::sync::Arc;

use hyper::Method;
use tongmai_access::{Aggregates, Requester, Role, Sight};
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_http::{Answer, Asked};
use tongmai_surveillance::case::Phase;
use tongmai_views::surveillance::fact::day_of;
use tongmai_views::surveillance::{Card, Cases, Decision, Items, VisibleCases};

use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, problem};

/// Counts below this are hidden from whoever is not responsible, class A apart.
const SMALL_CELL: u32 = 5;
/// Diseases whose patients are shown under a code.
const UNDER_CODE: [&str; 1] = ["hiv"];

/// Whose desk it is: the responsible county, or a level above it that sees counts alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Desk {
    /// The county whose single cases are shown; none above it.
    county: Option<String>,
    /// Small counts are hidden.
    small_hidden: bool,
    /// They are hidden of other counties in any case.
    rules: bool,
}

/// Who looks: what they may see, and the county that their organisation answers for.
struct Looker {
    sight: Sight,
    county: Option<String>,
}

impl Looker {
    /// Where rules decide, the county of an epidemiologist is that of the organisation's address.
    fn of(site: &Site) -> Outcome<Looker> {
        let sight = site.sight();
        let asks = sight.limits().is_some() && site.requester.is(Role::Epidemiologist);
        let kind =
            resource_type_id("Organization").filter(|_| asks && !site.requester.organization.is_empty());
        let county = match kind.map(|kind| site.engine.read(&sight, kind, &site.requester.organization)) {
            Some(Ok(sealed)) => {
                let found = site.release_here(sealed)?;
                let json = Json::parse(&found.text).ok();
                json.and_then(|json| Some(json.items("address").first()?.text("city")?.to_owned()))
            }
            Some(Err(failure)) if failure.reason != Reason::NotFound => return Err(failure),
            _ => None,
        };
        Ok(Looker { sight, county })
    }
}

impl Desk {
    /// The desk of a request: `desk=above`, or a county, else the first county with data. Who neither
    /// investigates nor treats sees counts alone, and so does everybody outside their own county where
    /// rules decide; an open installation lets everybody choose.
    fn of(frame: &Frame, cases: &Cases, looker: &Looker) -> Desk {
        let requester = looker.sight.requester();
        let single_cases =
            requester.is(Role::Installation) || requester.is(Role::Epidemiologist) || requester.is_clinical();
        let own = || looker.county.clone().unwrap_or_else(|| Desk::first(cases));
        let outside = |county: &str| looker.sight.limits().is_some() && county != own();
        let county = match frame.parameter("desk") {
            _ if !single_cases => None,
            Some("above") => None,
            Some(county) if cases.counties().contains(county) => {
                (!outside(county)).then(|| county.to_owned())
            }
            _ => Some(own()),
        };
        let small_hidden = county.is_none() || looker.sight.aggregates() != Aggregates::Exact;
        Desk { county, small_hidden, rules: looker.sight.limits().is_some() }
    }

    /// The county with the most visits: the installation's own.
    fn first(cases: &Cases) -> String {
        use tongmai_views::surveillance::Stratum;
        use tongmai_views::surveillance::cases::VISITS;
        let total =
            |county: &&String| cases.counts(VISITS, &Stratum::county(county)).map_or(0, |it| it.total());
        cases.counties().iter().max_by_key(total).cloned().unwrap_or_default()
    }

    fn is_above(&self) -> bool {
        self.county.is_none()
    }

    fn county(&self) -> &str {
        self.county.as_deref().unwrap_or("")
    }

    /// As a parameter of an address.
    fn query(&self) -> &str {
        self.county.as_deref().unwrap_or("above")
    }

    /// Whether a count is too small for this desk.
    fn hides(&self, count: u32, class_a: bool) -> bool {
        self.small_hidden && !class_a && (1..SMALL_CELL).contains(&count)
    }

    /// A count of a county as this desk sees it.
    fn cell_of(&self, county: &str, count: u32, class_a: bool) -> String {
        let elsewhere = self.rules && county != self.county();
        Desk { small_hidden: self.small_hidden || elsewhere, ..self.clone() }.cell(count, class_a)
    }

    /// A count as this desk sees it.
    fn cell(&self, count: u32, class_a: bool) -> String {
        if self.hides(count, class_a) { format!("<{SMALL_CELL}") } else { count.to_string() }
    }
}

/// What a page shows, looked at through the reader's sight, logged and released. The look gives the positions
/// of what it shows; counts have none, and that they were looked at is logged all the same.
async fn show<T>(
    site: &Arc<Site>,
    frame: &Frame,
    look: impl FnOnce(&VisibleCases<'_>, &Desk) -> (T, Vec<u64>),
) -> Outcome<T> {
    let sealed = tokio::task::block_in_place(|| {
        let looker = Looker::of(site)?;
        site.surveillance.show(&looker.sight, |cases| look(cases, &Desk::of(frame, cases, &looker)))
    })?;
    Ok(site.release(sealed).await?.into_inner())
}

/// Whether somebody sends a form of these pages: who treats patients suspects and reports, and the rest of the
/// work is the epidemiologist's.
fn may_send(requester: &Requester, path: &[&str]) -> bool {
    match path {
        ["card" | "suspect", ..] | ["report"] => {
            requester.is(Role::Installation) || requester.is(Role::Epidemiologist) || requester.is_clinical()
        }
        _ => requester.is(Role::Installation) || requester.is(Role::Epidemiologist),
    }
}

/// `/surveillance/…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    let frame = frame.in_section("nav-surveillance");
    match (&asked.method, path) {
        (&Method::POST, _) if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") => {
            Ok(problem::show(asked, frame, 403, "wrong", ""))
        }
        (&Method::POST, path) if !may_send(&site.requester, path) => {
            Ok(problem::show(asked, frame, 403, "closed", ""))
        }
        (&Method::POST, ["signal", id]) => board::answer(site, asked, id).await,
        (&Method::POST, ["report"]) => board::report(site, asked).await,
        (&Method::POST, ["card", id]) => cards::step(site, asked, id).await,
        (&Method::POST, ["suspect", patient]) => cards::suspect(site, asked, patient).await,
        (&Method::POST, ["missed"]) => figures::report_missed(site, asked).await,
        (&Method::POST, ["duplicates"]) => cards::rule(site, asked).await,
        (&Method::POST, ["contacts", card]) => chains::add(site, asked, card).await,
        (&Method::POST, ["contact", id]) => chains::follow_up(site, asked, id).await,
        (&Method::POST, ["reconcile"]) => figures::reconcile(site, asked, frame).await,
        (&Method::POST, ["map"]) => disease::put_map(site, asked).await,
        (&Method::POST, ["story", step]) => story::play(site, step).await,
        (&Method::POST, _) => Ok(problem::show(asked, frame, 405, "wrong", "")),
        (_, []) => board::page(site, asked, frame).await,
        (_, ["live"]) => live::events(site, asked, frame).await,
        (_, ["board"]) => board::part(site, asked, frame).await,
        (_, ["signal", id]) => board::signal(site, asked, frame, id).await,
        (_, ["disease", code]) => disease::page(site, asked, frame, code).await,
        (_, ["disease", code, "counts.csv"]) => disease::csv(site, asked, frame, code).await,
        (_, ["map"]) => disease::map(site, asked, frame).await,
        (_, ["syndromes"]) => syndromes::page(site, asked, frame).await,
        (_, ["lines"]) => lines::page(site, asked, frame).await,
        (_, ["lines.csv"]) => lines::csv(site, asked, frame).await,
        (_, ["cards"]) => cards::desk(site, asked, frame).await,
        (_, ["card", id]) => cards::card(site, asked, frame, id).await,
        (_, ["card", id, "document"]) => cards::document(site, asked, id).await,
        (_, ["duplicates"]) => cards::duplicates(site, asked, frame).await,
        (_, ["contacts", card]) => chains::page(site, asked, frame, card).await,
        (_, ["figures"]) => figures::page(site, asked, frame).await,
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// What a form says: who decides and why, the rest as items.
struct Form(Vec<(String, String)>);

impl Form {
    fn of(asked: &Asked) -> Outcome<Form> {
        let invalid = || Failure::new(Reason::Invalid, "form", "invalid", "the form is not in UTF-8");
        Ok(Form(parse_pairs(std::str::from_utf8(&asked.body).map_err(|_| invalid())?)))
    }

    fn field(&self, name: &str) -> &str {
        self.0.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.as_str())
    }

    fn decision(&self) -> Decision {
        let own = |name: &str| !matches!(name, "who" | "why" | "step");
        let items: Items = self.0.iter().filter(|pair| own(&pair.0) && !pair.1.is_empty()).cloned().collect();
        Decision { who: self.field("who").to_owned(), why: self.field("why").to_owned(), items }
    }
}

/// The name of a disease in the reader's language.
fn disease_name(cases: &Cases, l: Language, code: &str) -> String {
    if let Some(disease) = cases.rules().disease(code, i64::MAX) {
        return if l.is_english() { disease.english.clone() } else { disease.name.clone() };
    }
    if let Some(syndrome) = cases.rules().syndrome(code) {
        return if l.is_english() { syndrome.english.clone() } else { syndrome.name.clone() };
    }
    l.code("disease", code).into_owned()
}

/// The phase of a clock with what is left or over, in words.
fn clock_text(
    l: Language,
    card: &tongmai_surveillance::case::Clock,
    now: i64,
    written: i64,
) -> (Phase, String) {
    let phase = card.phase(now, written);
    let left = (card.deadline() - now.max(written)) / 60_000;
    let span = |minutes: i64| match minutes {
        minutes if minutes >= 2 * 24 * 60 => l.count("span-days", minutes / (24 * 60)).into_owned(),
        minutes if minutes >= 120 => l.count("span-hours", minutes / 60).into_owned(),
        minutes => l.count("span-minutes", minutes).into_owned(),
    };
    let text = if left >= 0 { l.name("clock-left", &span(left)) } else { l.name("clock-over", &span(-left)) };
    (phase, text.into_owned())
}

/// The name on a card as a list shows it: under a code where the law wants it.
fn shown_name(card: &Card) -> Cow<'_, str> {
    if UNDER_CODE.contains(&card.disease.as_str()) {
        // The end of the card's id: stable, and nobody's.
        return Cow::Owned(format!("编码 {}", card.id.get(card.id.len().saturating_sub(6)..).unwrap_or("")));
    }
    Cow::Borrowed(card.item("name"))
}

/// What a note says, its first word in the reader's language where it is a step or a state.
fn note_text(l: Language, text: &str) -> String {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let known = ["card-step", "signal-state", "contact-state"];
    match known.iter().find_map(|list| l.find(&format!("{list}-{first}"), None)) {
        Some(word) => format!("{word} {rest}").trim().to_owned(),
        None => text.to_owned(),
    }
}

/// The age of a case in whole years on the day of the card.
fn age_of(l: Language, card: &Card) -> String {
    let birth = When::read(card.item("birth-date"));
    birth.and_then(|birth| crate::format::age(l, &birth, day_of(card.start))).unwrap_or_default()
}

/// A field of a CSV file: quoted where it must be, and never a formula of a spreadsheet.
fn csv_field(text: &str, out: &mut String) {
    let risky = text.starts_with(['=', '+', '-', '@', '\t']);
    if risky || text.contains([',', '"', '\n', '\r']) {
        out.push('"');
        if risky {
            out.push('\'');
        }
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}

fn csv_row<'t>(fields: impl Iterator<Item = &'t str>, out: &mut String) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(',');
        }
        csv_field(field, out);
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cells_are_hidden_above() {
        let above = Desk { county: None, small_hidden: true, rules: false };
        assert_eq!(above.cell(4, false), "<5");
        assert_eq!(above.cell(0, false), "0");
        assert_eq!(above.cell(5, false), "5");
        assert_eq!(above.cell(1, true), "1");
        assert_eq!(Desk { county: Some("x".into()), small_hidden: false, rules: true }.cell(1, false), "1");
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        let mut out = String::new();
        csv_row(["=1+1", "a,b", "q\"q", "plain"].into_iter(), &mut out);
        assert_eq!(out, "\"'=1+1\",\"a,b\",\"q\"\"q\",plain\r\n");
    }
}
