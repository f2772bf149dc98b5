//! Participation as a view: facts in the ledger, folded into the institution.
//!
//! A fact is a resource under the region's key. Its first version counts in the place where it was entered;
//! a later version corrects it in that place, and a deletion takes it out, so that the state is that of a
//! ledger in which it had always stood so.

pub mod resource;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tongmai_base::time::CHINA_OFFSET_MINUTES;
use tongmai_engagement::gate::Pack;
use tongmai_engagement::institution::Institution;
use tongmai_engagement::institution::fact::Fact;
use tongmai_engine::views::View;
use tongmai_engine::views::bytes::{Reader, put, put_text};
use tongmai_fhir::definition::resource_type_name;
use tongmai_store::{Event, EventKind, ResourceKey, Seq};

/// One fact with its place.
struct Entered {
    id: String,
    /// The event of its newest version.
    newest: Seq,
    /// Day it was entered, in China Standard Time.
    day: i64,
    fact: Fact,
}

/// All facts, and what they come to.
pub struct Participation {
    facts: BTreeMap<Seq, Entered>,
    places: HashMap<ResourceKey, Seq>,
    state: Arc<Institution>,
}

impl Participation {
    /// The institution as it stands; shared, so that a page can go on with it.
    pub fn state(&self) -> Arc<Institution> {
        self.state.clone()
    }

    /// How many facts there are.
    pub fn facts(&self) -> usize {
        self.facts.len()
    }

    /// The type of the resource that holds a fact, for a link to its record.
    pub fn resource_of(&self, id: &str) -> Option<&'static str> {
        let entered = self.facts.values().find(|entered| entered.id == id)?;
        Some(match entered.fact {
            Fact::Actor(_) => "Organization",
            Fact::Statement(_) | Fact::Reply(_) => "Communication",
            Fact::Rated(_) => "QuestionnaireResponse",
            _ => "Basic",
        })
    }

    fn refold(&mut self) {
        let mut state = Institution::new(Pack::mainland_china());
        for entered in self.facts.values() {
            state.apply(&entered.id, entered.day, &entered.fact);
        }
        self.state = Arc::new(state);
    }

    fn put(&mut self, event: &Event, id: String, fact: Fact) {
        let day = day_of(event);
        match self.places.get(&event.key).copied() {
            Some(place) => {
                if let Some(entered) = self.facts.get_mut(&place) {
                    (entered.newest, entered.fact) = (event.seq, fact);
                }
                self.refold();
            }
            None => {
                Arc::make_mut(&mut self.state).apply(&id, day, &fact);
                self.places.insert(event.key, event.seq);
                self.facts.insert(event.seq, Entered { id, newest: event.seq, day, fact });
            }
        }
    }

    fn forget(&mut self, key: ResourceKey) {
        if let Some(place) = self.places.remove(&key) {
            self.facts.remove(&place);
            self.refold();
        }
    }
}

/// The day of an event in China Standard Time.
fn day_of(event: &Event) -> i64 {
    (event.milliseconds() + CHINA_OFFSET_MINUTES * 60_000).div_euclid(86_400_000)
}

impl View for Participation {
    const NAME: &'static str = "participation";
    const DEFINITION: &'static str = "1: facts of participation in the order of their first versions";

    fn new(_: &[u8; 32]) -> Participation {
        Participation {
            facts: BTreeMap::new(),
            places: HashMap::new(),
            state: Arc::new(Institution::new(Pack::mainland_china())),
        }
    }

    fn apply(&mut self, event: &Event) {
        let kind = resource_type_name(event.type_id).unwrap_or("");
        if !resource::TYPES.contains(&kind) {
            return;
        }
        match event.kind {
            EventKind::Put | EventKind::Move => {}
            EventKind::Delete | EventKind::Purge => return self.forget(event.key),
            EventKind::Restrict | EventKind::Release => return,
        }
        let mut text = Vec::new();
        let unpacked = tongmai_codec::unpack(&event.body, &mut text).is_ok();
        // Most Organizations and answered questionnaires are not ours: they are not read to their end.
        let ours = || memchr::memmem::find(&text, resource::SYSTEM.as_bytes()).is_some();
        let parsed = (unpacked && ours()).then(|| serde_json::from_slice(&text).ok()).flatten();
        let Some(json): Option<serde_json::Value> = parsed else { return self.forget(event.key) };
        match (json["id"].as_str(), resource::read(&json)) {
            (Some(id), Some(fact)) => self.put(event, id.to_owned(), fact),
            // It was a fact once, and a later version made it none.
            _ => self.forget(event.key),
        }
    }

    fn canonical(&self) -> String {
        let facts: Vec<String> = self
            .facts
            .iter()
            .map(|(seq, e)| format!("{seq} {} {} {} {:?}", e.newest, e.day, e.id, e.fact))
            .collect();
        format!("{}\n{:?}", facts.join("\n"), self.state.refused)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let keys: HashMap<Seq, ResourceKey> = self.places.iter().map(|(key, seq)| (*seq, *key)).collect();
        put(self.facts.len() as i64, out);
        for (seq, entered) in &self.facts {
            put(seq.cast_signed(), out);
            put(entered.newest.cast_signed(), out);
            put(entered.day, out);
            put(keys.get(seq).map_or(0, |key| key.0), out);
            put_text(&entered.id, out);
            put_text(&serde_json::to_string(&entered.fact).unwrap_or_default(), out);
        }
    }

    fn read(secret: &[u8; 32], from: &mut Reader<'_>) -> Option<Participation> {
        let mut view = Participation::new(secret);
        from.list(&mut |item| {
            let (seq, newest, day) = (item.number()?, item.number()?, item.number()?);
            let (key, id) = (ResourceKey(item.number()?), item.text()?.to_owned());
            let fact: Fact = serde_json::from_str(item.text()?).ok()?;
            view.places.insert(key, seq);
            view.facts.insert(seq, Entered { id, newest, day, fact });
            Some(())
        })?;
        view.refold();
        Some(view)
    }
}
