//! Self-assessment by the interoperability maturity scheme 互联互通 of 2020 (hospital scheme), row by row.
//!
//! What the software answers for is judged from what is there; what only the hospital can answer
//! (how many systems and outside bodies are connected) is counted where it can be, and said to be open.

use std::collections::BTreeSet;

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_gateway::door::Doors;
use tongmai_gateway::{service, wst500};
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::language::Language;
use crate::{framed, render};

/// The levels, the lowest first: 三级, 四级乙等, 四级甲等, 五级乙等, 五级甲等.
pub const LEVELS: [&str; 5] = ["three", "four-b", "four-a", "five-b", "five-a"];

/// One requirement as it is met here.
struct Row {
    /// Key of the requirement's words.
    key: &'static str,
    /// What is needed for each level, as the scheme prints it.
    needed: [&'static str; 5],
    /// What is here.
    here: String,
    /// How many levels are met, from the lowest; `None` where only the hospital can say.
    met: Option<usize>,
    /// Page that shows the evidence.
    evidence: &'static str,
}

#[derive(Template)]
#[template(path = "doors/assessment.html")]
struct Assessment {
    page: Frame,
    l: Language,
    rows: Vec<Row>,
    level: Option<&'static str>,
    open: i64,
}

framed!(Assessment);

impl Row {
    fn level(&self) -> Option<&'static str> {
        self.met.and_then(|met| met.checked_sub(1)).map(|at| LEVELS[at.min(4)])
    }
}

/// How many of rising thresholds a count reaches.
fn reached(count: usize, thresholds: [usize; 5]) -> usize {
    thresholds.iter().take_while(|threshold| count >= **threshold).count()
}

/// The rows of the scheme.
fn rows(doors: &Doors, l: Language) -> Vec<Row> {
    let services = service::services().count();
    let documents = wst500::types().count();
    let channels = doors.channels().all();
    let senders: BTreeSet<&str> = channels.iter().map(|(_, sender, _)| sender.as_str()).collect();
    let slowest = channels.iter().map(|(_, _, channel)| channel.delay(99)).max().unwrap_or(0);
    let delay = if slowest == 0 { "–".to_owned() } else { format!("≤ {} ms", slowest.div_ceil(1_000)) };
    let said = |key: &str| l.say(key).into_owned();
    let whole = if documents >= 53 { 5 } else { 0 };
    let row = |key, needed, here: String, met, evidence| Row { key, needed, here, met, evidence };
    vec![
        row(
            "services",
            ["3", "13", "46", "69", "69"],
            services.to_string(),
            Some(reached(services, [3, 13, 46, 69, 69])),
            "/doors/coverage#services",
        ),
        row("documents", ["53"; 5], documents.to_string(), Some(whole), "/doors/coverage"),
        row(
            "integration",
            ["P2P", "MSG", "ESB", "OAuth 2", "OAuth 2"],
            said("assess-integration-here"),
            Some(3),
            "/doors",
        ),
        row("freshness", ["–", "T+1", "< T+1", "< T+1", "< T+1"], delay, Some(5), "/doors"),
        row(
            "recovery",
            ["–", "24 h / 24 h", "4 h / 6 h", "15 min / 15 min", "CDP"],
            said("assess-recovery-here"),
            Some(4),
            "/tour#check",
        ),
        row("systems", ["–", "8", "15", "26", "30"], senders.len().to_string(), None, "/doors"),
        row("bodies", ["2", "3", "5", "7", "9"], "–".to_owned(), None, "/doors"),
        row(
            "consoles",
            ["–", "3", "6", "8", "10"],
            "6".to_owned(),
            Some(reached(6, [0, 3, 6, 8, 10])),
            "/doors",
        ),
        row("audit", ["✓"; 5], said("assess-audit-here"), Some(2), "/ledger"),
        row("alerts", ["–", "–", "–", "30", "50"], "0".to_owned(), Some(3), "/help"),
    ]
}

/// `/doors/assessment`
pub fn page(doors: &Doors, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let rows = rows(doors, page.language);
    let lowest = rows.iter().filter_map(|row| row.met).min().unwrap_or(0);
    let assessment = Assessment {
        l: page.language,
        level: lowest.checked_sub(1).map(|at| LEVELS[at.min(4)]),
        open: rows.iter().filter(|row| row.met.is_none()).count() as i64,
        rows,
        page,
    };
    render(asked, 200, &assessment)
}
