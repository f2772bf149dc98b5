//! Channels: what came by each door and sender, how fast, and the last fault.

use std::sync::Arc;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_gateway::door::Doors;
use tongmai_http::{Answer, Asked};

use super::set_aside;
use crate::format::{When, grouped};
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, render};

/// Originals that are counted for the head of the page.
const COUNTED: usize = 100;

struct Row {
    door: String,
    sender: String,
    received: i64,
    committed: i64,
    before: i64,
    aside: i64,
    not_now: i64,
    hour: i64,
    p50: String,
    p99: String,
    last: When,
    fault: Option<(When, String, String)>,
    /// Points of the line of the last hour.
    line: String,
    most: i64,
}

struct Waiting {
    number: String,
    door: String,
    since: When,
    tries: i64,
    due: When,
    why: String,
}

#[derive(Template)]
#[template(path = "doors/channels.html")]
struct Channels {
    page: Frame,
    l: Language,
    rows: Vec<Row>,
    waiting: Vec<Waiting>,
    waiting_bytes: i64,
    aside: i64,
    doors: Vec<&'static str>,
}

framed!(Channels);

/// `/doors`
pub async fn page(site: &Arc<Site>, doors: &Arc<Doors>, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let aside = set_aside(site, doors, COUNTED).await?.len() as i64;
    let now = doors.now();
    let rows = doors.channels().all().into_iter().map(|(door, sender, channel)| {
        let rates = channel.rates(now);
        let most = i64::from(rates.iter().copied().max().unwrap_or(0));
        let line = rates.iter().enumerate().map(|(at, count)| {
            let height = 30 - (i64::from(*count) * 28 / most.max(1));
            format!("{},{height}", at * 2)
        });
        Row {
            received: channel.received() as i64,
            committed: channel.committed as i64,
            before: channel.before as i64,
            aside: channel.set_aside as i64,
            not_now: channel.not_now as i64,
            hour: rates.iter().map(|count| i64::from(*count)).sum(),
            p50: milliseconds(channel.delay(50)),
            p99: milliseconds(channel.delay(99)),
            last: When::moment(channel.last),
            line: line.collect::<Vec<_>>().join(" "),
            most,
            fault: channel.fault.map(|(when, number, fault)| (When::moment(when), number, fault)),
            door,
            sender,
        }
    });
    let channels = Channels {
        l: page.language,
        rows: rows.collect(),
        waiting: doors
            .queue()
            .waiting()
            .into_iter()
            .take(50)
            .map(|message| Waiting {
                number: message.number,
                door: message.door,
                since: When::moment(message.since),
                tries: i64::from(message.tries),
                due: When::moment(message.due),
                why: message.why,
            })
            .collect(),
        waiting_bytes: doors.queue().size() as i64,
        aside,
        doors: doors.formats().map(tongmai_gateway::door::Format::name).collect(),
        page,
    };
    render(asked, 200, &channels)
}

/// Microseconds in milliseconds, as an upper bound.
fn milliseconds(microseconds: u64) -> String {
    match microseconds {
        0 => "–".to_owned(),
        few if few < 10_000 => format!("≤ {}.{}", few / 1_000, few % 1_000 / 100),
        many => format!("≤ {}", grouped((many / 1_000) as i64)),
    }
}
