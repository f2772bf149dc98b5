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

/// `/doors/assessment`
pub fn page(doors: &Doors, asked: &Asked, page: Frame) -> Outcome<Answer> {
    let services = service::services().count();
    let documents = wst500::types().count();
    let channels = doors.channels().all();
    let senders: BTreeSet<&str> = channels.iter().map(|(_, sender, _)| sender.as_str()).collect();
    let slowest = channels.iter().map(|(_, _, channel)| channel.delay(99)).max().unwrap_or(0);
    let l = page.language;
    let rows = vec![
        Row {
            key: "services",
            needed: ["3", "13", "46", "69", "69"],
            here: services.to_string(),
            met: Some(reached(services, [3, 13, 46, 69, 69])),
            evidence: "/doors/coverage#services",
        },
        Row {
            key: "documents",
            needed: ["53", "53", "53", "53", "53"],
            here: documents.to_string(),
            met: Some(if documents >= 53 { 5 } else { 0 }),
            evidence: "/doors/coverage",
        },
        Row {
            key: "integration",
            needed: ["P2P", "MSG", "ESB", "OAuth 2", "OAuth 2"],
            here: l.say("assess-integration-here").into_owned(),
            met: Some(3),
            evidence: "/doors",
        },
        Row {
            key: "freshness",
            needed: ["–", "T+1", "< T+1", "< T+1", "< T+1"],
            here: if slowest == 0 { "–".to_owned() } else { format!("≤ {} ms", slowest.div_ceil(1_000)) },
            met: Some(5),
            evidence: "/doors",
        },
        Row {
            key: "recovery",
            needed: ["–", "24 h / 24 h", "4 h / 6 h", "15 min / 15 min", "CDP"],
            here: l.say("assess-recovery-here").into_owned(),
            met: Some(4),
            evidence: "/tour#check",
        },
        Row {
            key: "systems",
            needed: ["–", "8", "15", "26", "30"],
            here: senders.len().to_string(),
            met: None,
            evidence: "/doors",
        },
        Row {
            key: "bodies",
            needed: ["2", "3", "5", "7", "9"],
            here: "–".to_owned(),
            met: None,
            evidence: "/doors",
        },
        Row {
            key: "consoles",
            needed: ["–", "3", "6", "8", "10"],
            here: "6".to_owned(),
            met: Some(reached(6, [0, 3, 6, 8, 10])),
            evidence: "/doors",
        },
        Row {
            key: "audit",
            needed: ["✓", "✓", "✓", "✓", "✓"],
            here: l.say("assess-audit-here").into_owned(),
            met: Some(2),
            evidence: "/ledger",
        },
        Row {
            key: "alerts",
            needed: ["–", "–", "–", "30", "50"],
            here: "0".to_owned(),
            met: Some(3),
            evidence: "/help",
        },
    ];
    let lowest = rows.iter().filter_map(|row| row.met).min().unwrap_or(0);
    let assessment = Assessment {
        l,
        level: lowest.checked_sub(1).map(|at| LEVELS[at.min(4)]),
        open: rows.iter().filter(|row| row.met.is_none()).count() as i64,
        rows,
        page,
    };
    render(asked, 200, &assessment)
}
