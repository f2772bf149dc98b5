//! Opinion groups and group-informed consensus (Small, Bjorkegren, Erkkilä, Shaw and Megill 2021,
//! "Polis: Scaling deliberation by mapping high dimensional opinion spaces"), own implementation
//! from the published method.
//!
//! The result is a function of the votes alone: the same file gives the same
//! bytes on every machine, so that anyone can replay a published conversation.

pub mod capture;
mod cluster;
mod components;
mod follow;
pub mod live;
mod representative;
mod votes;

pub use cluster::{Cluster, Grouping, Stages, group, silhouette};
pub use components::{Components, components};
pub use representative::{
    Consensus, Count, Side, Stance, consensus, count_all, count_by_group, group_informed, one_share_test,
    priorities, probability, representative, two_share_test,
};
pub use votes::{Comment, Votes, read_comments, read_votes};

use serde_json::{Map, Value, json};

/// Votes that bring a participant onto the map, or all statements if there are fewer.
const LEAST_VOTES: usize = 7;
/// The first to arrive are on the map whatever they voted: a young conversation needs somebody on it.
const FOUNDERS: usize = 15;
/// Below this many participants neither map nor rows are shown: they would show persons.
pub const LEAST_SHOWN: usize = 11;

/// Everything computed from one set of votes.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// Means, components and places.
    pub components: Components,
    /// Group of each participant; none for those with too few votes.
    pub group_of: Vec<Option<u32>>,
    /// Number of groups.
    pub groups: usize,
    /// Silhouette by number of groups.
    pub silhouettes: Vec<(usize, f64)>,
    /// Votes by group and statement.
    pub counts: Vec<Vec<Count>>,
    /// Votes by statement.
    pub all: Vec<Count>,
}

/// Participants on the map, by index.
pub fn on_the_map(votes: &Votes) -> Vec<usize> {
    let least = LEAST_VOTES.min(votes.statements.len());
    (0..votes.participants.len()).filter(|&p| p < FOUNDERS || votes.count(p) >= least).collect()
}

/// Computes components, groups and counts.
pub fn opinion(votes: &Votes) -> Opinion {
    opinion_in_stages(votes, Stages::default())
}

/// [`opinion`] with another replay of arrivals.
pub fn opinion_in_stages(votes: &Votes, stages: Stages) -> Opinion {
    grouped(votes, components(votes), stages)
}

/// Groups and counts on a map that is there already.
fn grouped(votes: &Votes, components: Components, stages: Stages) -> Opinion {
    let members = on_the_map(votes);
    let points: Vec<[f64; 2]> = members.iter().map(|&p| components.participants[p]).collect();
    let grouping = group(&points, stages);
    let mut group_of = vec![None; votes.participants.len()];
    let chosen = grouping.by_number.iter().find(|(k, _, _)| *k == grouping.number);
    let mut groups: Vec<Vec<usize>> = chosen
        .map(|(_, clusters, _)| clusters.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|c| {
            c.members.iter().flat_map(|&b| grouping.base[b].members.iter().map(|&i| members[i])).collect()
        })
        .collect();
    // The largest group is number 0; of equal ones the one whose first member came first.
    groups.sort_by_key(|g| (std::cmp::Reverse(g.len()), g.iter().min().copied()));
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|&p| group_of[p] = Some(number as u32));
    }
    let counts = count_by_group(votes, &group_of, groups.len());
    let silhouettes = grouping.by_number.iter().map(|(k, _, s)| (*k, *s)).collect();
    Opinion { components, group_of, groups: groups.len(), silhouettes, counts, all: count_all(votes) }
}

impl Opinion {
    /// The published result. Below [`LEAST_SHOWN`] participants it holds no map and no person's group.
    pub fn to_json(&self, votes: &Votes) -> Value {
        let statement = |s: usize| votes.statements[s].clone();
        let by_statement = |value: &dyn Fn(usize) -> Value| -> Map<String, Value> {
            (0..votes.statements.len()).map(|s| (statement(s), value(s))).collect()
        };
        let all_consensus = |side: Side| -> Vec<Value> {
            consensus(votes, &self.all, side)
                .iter()
                .map(|c| {
                    json!({
                        "statement": statement(c.statement),
                        "votes": c.votes,
                        "seen": c.seen,
                        "probability": c.probability,
                        "test": c.test,
                    })
                })
                .collect()
        };
        let urgent = priorities(votes, &self.components, &self.counts);
        let sizes: Vec<usize> = (0..self.groups)
            .map(|g| self.group_of.iter().flatten().filter(|&&x| x as usize == g).count())
            .collect();
        let mut out = json!({
            "participants": votes.participants.len(),
            "on_the_map": self.group_of.iter().flatten().count(),
            "votes": votes.columns.len(),
            "statements": votes.statements,
            "excluded": (0..votes.statements.len()).filter(|&s| votes.excluded[s]).map(statement).collect::<Vec<_>>(),
            "group_count": self.groups,
            "group_sizes": sizes,
            "silhouettes": self.silhouettes.iter().map(|(k, s)| (k.to_string(), json!(s))).collect::<Map<_, _>>(),
            "mean": self.components.mean,
            "components": self.components.axes,
            "singular_values": self.components.singular,
            "extremity": by_statement(&|s| json!(self.components.extremity(s))),
            "consensus": { "agree": all_consensus(Side::Agree), "disagree": all_consensus(Side::Disagree) },
            "group_informed_consensus": by_statement(&|s| {
                let (agree, disagree) = group_informed(&self.counts, s);
                json!({ "agree": agree, "disagree": disagree })
            }),
            "representative": self.representative_json(votes),
            "priorities": by_statement(&|s| json!(urgent[s])),
            "group_votes": (0..self.groups).map(|g| {
                let counts = by_statement(&|s| {
                    let c = self.counts[g][s];
                    json!({ "agree": c.agree, "disagree": c.disagree, "seen": c.seen })
                });
                (g.to_string(), Value::Object(counts))
            }).collect::<Map<_, _>>(),
        });
        let shown = votes.participants.len() >= LEAST_SHOWN;
        let person = |p: usize| votes.participants[p].clone();
        let grouped = (0..votes.participants.len()).filter(|_| shown);
        let groups: Map<String, Value> =
            grouped.clone().filter_map(|p| self.group_of[p].map(|g| (person(p), json!(g)))).collect();
        let places: Map<String, Value> =
            grouped.map(|p| (person(p), json!(self.components.participants[p]))).collect();
        out["groups"] = Value::Object(groups);
        out["projections"] = Value::Object(places);
        out
    }

    fn representative_json(&self, votes: &Votes) -> Map<String, Value> {
        representative(votes, &self.counts)
            .iter()
            .enumerate()
            .map(|(g, stances)| {
                let list: Vec<Value> = stances
                    .iter()
                    .map(|s| {
                        json!({
                            "statement": votes.statements[s.statement],
                            "side": s.side.name(),
                            "votes": s.votes,
                            "seen": s.seen,
                            "probability": s.probability,
                            "test": s.test,
                            "ratio": s.ratio,
                            "ratio_test": s.ratio_test,
                            "best_agree": s.best_agree,
                        })
                    })
                    .collect();
                (g.to_string(), Value::Array(list))
            })
            .collect()
    }
}
