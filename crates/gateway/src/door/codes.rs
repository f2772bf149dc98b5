//! Local codes and the standard ones that people mapped them to: ConceptMaps of the ledger, added to
//! what every door understands.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::RwLock;
use tongmai_base::time::Instant;
use tongmai_engine::Outcome;
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;

use crate::build::{Node, object, property, text};
use crate::pipeline::Pipeline;
use crate::{Understood, stable_id};

/// Beginning of the addresses of the ConceptMaps of the workbench, one a local code.
const MAP: &str = "urn:tongmai:map:";
/// The source of codes without a system.
const NONE: &str = "urn:tongmai:none";
/// Most maps that are used.
const MAPS: usize = 20_000;

/// What a person decided of a local code.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// System of the local code; empty where it has none.
    pub system: String,
    /// The local code.
    pub code: String,
    /// Its name.
    pub display: String,
    /// System of the standard code.
    pub to_system: String,
    /// The standard code.
    pub to_code: String,
    /// Its name.
    pub to_display: String,
    /// Who decided.
    pub who: String,
    /// When, in milliseconds since 1970.
    pub when: i64,
}

impl Decided {
    /// The ConceptMap that says so.
    pub fn concept_map(&self) -> Node {
        let address = stable_id(&["map", &self.system, &self.code]);
        let source = if self.system.is_empty() { NONE } else { &self.system };
        let target = object([
            ("code", text(self.to_code.as_str())),
            ("display", text(self.to_display.as_str())),
            ("equivalence", text("equivalent")),
        ]);
        let element = object([
            ("code", text(self.code.as_str())),
            ("display", text(self.display.as_str())),
            ("target", Json::Array(vec![target])),
        ]);
        let group = object([
            ("source", text(source)),
            ("target", text(self.to_system.as_str())),
            ("element", Json::Array(vec![element])),
        ]);
        let mut node = object([
            ("resourceType", text("ConceptMap")),
            ("url", text(format!("{MAP}{address}"))),
            ("status", text("active")),
            ("date", text(Instant(self.when).to_fhir())),
            ("publisher", text(self.who.as_str())),
            ("group", Json::Array(vec![group])),
        ]);
        crate::build::prune(&mut node);
        node
    }
}

type Known = HashMap<(String, String), (String, String, String)>;

/// The maps, read from the ledger when they are first needed.
#[derive(Default)]
pub struct Codes {
    known: RwLock<Option<Arc<Known>>>,
}

impl Codes {
    /// Has the maps read again with the next message.
    pub async fn forget(&self) {
        *self.known.write().await = None;
    }

    /// Adds the standard codes to the local ones. When the maps cannot be read now, the message goes on
    /// without; the store says the same of it soon enough.
    pub async fn add_to(&self, pipeline: &Pipeline, understood: &mut Understood) {
        let Ok(known) = self.all(pipeline).await else { return };
        if known.is_empty() {
            return;
        }
        for entry in &mut understood.entries {
            add(&mut entry.resource, &known);
        }
    }

    async fn all(&self, pipeline: &Pipeline) -> Outcome<Arc<Known>> {
        if let Some(known) = &*self.known.read().await {
            return Ok(known.clone());
        }
        let mut writing = self.known.write().await;
        if let Some(known) = &*writing {
            return Ok(known.clone());
        }
        let mut known = Known::new();
        let type_id = resource_type_id("ConceptMap").unwrap_or_default();
        let asked = [("status".to_owned(), "active".to_owned()), ("_count".to_owned(), "1000".to_owned())];
        let query = pipeline.engine().query(&[type_id], None, &asked, false)?;
        let mut start = None;
        loop {
            let sealed = pipeline.engine().search(&pipeline.sight(), &query, start.take())?;
            let page = pipeline.access().release(pipeline.requester(), sealed).await;
            let Ok(page) = page else { break };
            for found in &page.matches {
                if let Ok(json) = Json::parse(&found.text) {
                    read(&json, &mut known);
                }
            }
            let page = page.into_inner();
            match page.next {
                Some(next) if known.len() < MAPS => start = Some(next),
                _ => break,
            }
        }
        let known = Arc::new(known);
        *writing = Some(known.clone());
        Ok(known)
    }
}

fn read(map: &Json<'_>, known: &mut Known) {
    if !map.text("url").is_some_and(|url| url.starts_with(MAP)) {
        return;
    }
    for group in map.items("group") {
        let owned = |name: &str| group.text(name).unwrap_or_default().to_owned();
        let (from, to) = (owned("source"), owned("target"));
        let from = if from == NONE { String::new() } else { from };
        for element in group.items("element") {
            let Some(target) = element.items("target").first() else { continue };
            let (Some(code), Some(to_code)) = (element.text("code"), target.text("code")) else { continue };
            let display = target.text("display").unwrap_or_default().to_owned();
            known.insert((from.clone(), code.to_owned()), (to.clone(), to_code.to_owned(), display));
        }
    }
}

fn add(node: &mut Node, known: &Known) {
    match node {
        Json::Array(items) => items.iter_mut().for_each(|item| add(item, known)),
        Json::Object(properties) => {
            for (name, value) in properties {
                match (name.as_ref(), value) {
                    ("meta", _) => {}
                    ("coding", Json::Array(codings)) => add_to_codings(codings, known),
                    (_, value) => add(value, known),
                }
            }
        }
        _ => {}
    }
}

fn add_to_codings(codings: &mut Vec<Node>, known: &Known) {
    let mut more = Vec::new();
    for coding in codings.iter() {
        let Some(code) = coding.text("code") else { continue };
        let key = (coding.text("system").unwrap_or_default().to_owned(), code.to_owned());
        let Some((system, code, display)) = known.get(&key) else { continue };
        let is_there = |coding: &Node| {
            coding.text("system") == Some(system.as_str()) && coding.text("code") == Some(code.as_str())
        };
        if !codings.iter().any(is_there) {
            let mut added = object([("system", text(system.as_str())), ("code", text(code.as_str()))]);
            if !display.is_empty() {
                *property(&mut added, "display") = text(display.as_str());
            }
            more.push(added);
        }
    }
    codings.extend(more);
}
