//! Contacts of a case: who was met and where, the chain of infection, follow-up day by day, and the
//! import of lists.

use std::sync::Arc;

use askama::Template;
use tongmai_base::Finding;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};
use tongmai_surveillance::chain::{Exposure, Node, forest, shared_sites};
use tongmai_views::surveillance::{Card, Contact, Items, NewContact, VisibleCases};

use super::cards::of_county;
use super::{Form, disease_name, shown_name};
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render, reply};

/// Contacts on the page.
const ROWS: usize = 200;
/// Contacts of one import.
const IMPORTED: usize = 100_000;

struct Row {
    id: String,
    name: String,
    phone: String,
    relation: String,
    site: String,
    met: String,
    until: String,
    state: String,
    code: String,
    last: String,
    became: String,
}

struct Link {
    card: String,
    name: String,
    indent: i64,
    infected: i64,
    contacts: i64,
    here: bool,
}

#[derive(Template)]
#[template(path = "surveillance/contacts.html")]
struct Contacts {
    page: Frame,
    l: Language,
    card: String,
    name: String,
    disease: String,
    rows: Vec<Row>,
    total: i64,
    chain: Vec<Link>,
    sites: Vec<(String, i64)>,
    above: bool,
    cards: Vec<(String, String)>,
}

framed!(Contacts);

/// `/surveillance/contacts/{card}`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame, id: &str) -> Outcome<Answer> {
    let l = frame.language;
    let page = super::show(site, &frame, |cases, desk| {
        let Some(card) = cases.card(id).filter(|card| of_county(card, desk)) else {
            return (None, Vec::new());
        };
        let contacts: Vec<&Contact> = cases.contacts_of(id).collect();
        let mut positions: Vec<u64> = contacts.iter().take(ROWS).map(|it| it.position).collect();
        positions.push(card.position);
        let others = cases.cards().filter(|other| other.disease == card.disease && other.id != card.id);
        let page = Contacts {
            l,
            card: id.to_owned(),
            name: shown_name(card).into_owned(),
            disease: disease_name(cases, l, &card.disease),
            total: contacts.len() as i64,
            rows: contacts.iter().take(ROWS).map(|contact| row(l, contact)).collect(),
            chain: chain(cases, card),
            sites: sites(cases, card),
            above: desk.is_above(),
            cards: others
                .map(|it| (it.id.clone(), format!("{} {}", shown_name(it), it.item("found-on"))))
                .collect(),
            page: frame.clone(),
        };
        (Some(page), positions)
    })
    .await?;
    render(asked, 200, &page.ok_or_else(|| Failure::not_found(format!("report card {id}")))?)
}

fn row(l: Language, contact: &Contact) -> Row {
    let last = contact.items.iter().rfind(|(code, _)| code.starts_with("day-"));
    Row {
        id: contact.id.clone(),
        name: contact.item("name").to_owned(),
        phone: contact.item("phone").to_owned(),
        relation: contact.item("relation").to_owned(),
        site: contact.item("site").to_owned(),
        met: contact.item("met-on").to_owned(),
        until: contact.item("until").to_owned(),
        state: l.code("contact-state", &contact.state).into_owned(),
        code: contact.state.clone(),
        last: last
            .map_or(String::new(), |(code, text)| format!("{} {text}", code.trim_start_matches("day-"))),
        became: contact.became.clone(),
    }
}

/// The chains of the card's disease, those that hold the card first.
fn chain(cases: &VisibleCases<'_>, card: &Card) -> Vec<Link> {
    let of = cases.contacts().filter(|contact| contact.disease == card.disease);
    let exposures: Vec<Exposure> = of
        .map(|contact| Exposure {
            source: contact.card.clone(),
            contact: if contact.became.is_empty() { contact.id.clone() } else { contact.became.clone() },
            became_case: !contact.became.is_empty(),
            site: contact.item("site").to_owned(),
        })
        .collect();
    let nodes = forest(&exposures);
    let name =
        |key: &str| cases.card(key).map_or_else(|| key.to_owned(), |card| shown_name(card).into_owned());
    let link = |node: &Node| Link {
        card: node.key.clone(),
        name: name(&node.key),
        indent: i64::from(node.generation.min(8)),
        infected: node.infected as i64,
        contacts: node.contacts as i64,
        here: node.key == card.id,
    };
    nodes
        .iter()
        .filter(|node| node.infected > 0 || node.generation > 0 || node.key == card.id)
        .map(link)
        .collect()
}

fn sites(cases: &VisibleCases<'_>, card: &Card) -> Vec<(String, i64)> {
    let same = cases.cards().filter(|other| other.disease == card.disease);
    let mut visits: Vec<(&str, &str)> = same.map(|it| (it.id.as_str(), it.item("exposure-site"))).collect();
    let contacts = cases.contacts().filter(|contact| contact.disease == card.disease);
    visits.extend(contacts.map(|it| (it.card.as_str(), it.item("site"))));
    shared_sites(visits.into_iter())
        .into_iter()
        .map(|(site, count)| (site.to_owned(), count as i64))
        .collect()
}

/// `POST /surveillance/contacts/{card}`: one contact, or a list.
pub async fn add(site: &Arc<Site>, asked: &Asked, card: &str) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let contacts = match form.field("list") {
        "" => vec![NewContact { card: card.to_owned(), items: form.decision().items }],
        list => {
            let (contacts, findings) = read_list(card, list);
            if !findings.is_empty() {
                return Err(Failure { reason: Reason::Invalid, findings });
            }
            contacts
        }
    };
    site.surveillance.add_contacts(&site.requester, &contacts).await?;
    Ok(reply::see_other_at(&format!("/surveillance/contacts/{card}")))
}

/// Reads a list of contacts: `name,phone,relation,site,met-on,until`, one a line; a header is passed over.
fn read_list(card: &str, list: &str) -> (Vec<NewContact>, Vec<Finding>) {
    const COLUMNS: [&str; 6] = ["name", "phone", "relation", "site", "met-on", "until"];
    let (mut contacts, mut findings) = (Vec::new(), Vec::new());
    for (index, line) in list.lines().enumerate() {
        let cells: Vec<&str> = line.split([',', '，', '\t']).map(str::trim).collect();
        if line.trim().is_empty() || cells[0] == "name" || cells[0] == "姓名" {
            continue;
        }
        if contacts.len() == IMPORTED {
            let what = format!("a list has at most {IMPORTED} contacts");
            findings.push(Finding::error("list", "too-many", what).with_repair("send several"));
            break;
        }
        let items: Items = COLUMNS
            .iter()
            .zip(&cells)
            .filter(|(_, text)| !text.is_empty())
            .map(|(code, text)| ((*code).to_owned(), (*text).to_owned()))
            .collect();
        let bad_date = ["met-on", "until"]
            .iter()
            .find(|code| items.get(**code).is_some_and(|text| When::read(text).is_none()));
        if !items.contains_key("name") || bad_date.is_some() {
            let what = bad_date.map_or("the name is missing".to_owned(), |code| format!("{code} is no date"));
            let at = format!("line {}", index + 1);
            findings.push(
                Finding::error(at, "bad-line", what)
                    .with_repair("name,phone,relation,site,2026-11-21,2026-12-05"),
            );
            continue;
        }
        contacts.push(NewContact { card: card.to_owned(), items });
    }
    (contacts, findings)
}

/// `POST /surveillance/contact/{id}`
pub async fn follow_up(site: &Arc<Site>, asked: &Asked, id: &str) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let mut decision = form.decision();
    let state = decision.items.remove("state").unwrap_or_default();
    let became = decision.items.remove("became").unwrap_or_default();
    let contact = site.surveillance.follow_up(&site.requester, id, &state, &became, &decision).await?;
    Ok(reply::see_other_at(&format!("/surveillance/contacts/{}", contact.card)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_line_by_line() {
        let (contacts, findings) = read_list(
            "c",
            "姓名,电话\n张三,13900000000,同事,市场,2026-11-19,2026-12-03\n\n李四，\n,139\n王五,,,,昨天\n",
        );
        assert_eq!(contacts.len(), 2);
        assert_eq!(contacts[0].items["site"], "市场");
        assert_eq!(findings.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["line 5", "line 6"]);
    }
}
