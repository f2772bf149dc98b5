//! Opinion groups: k-means in two layers, as deliberation platforms draw them.
//!
//! At most a hundred base clusters stand for the participants; groups are
//! weighted k-means over them, their number chosen by silhouette. Where a
//! clustering ends depends on where it starts: a live conversation carries the
//! last one on as people arrive. [`group`] does the same over the order of
//! arrival, so that the groups are those people would have watched emerge.

/// A cluster of points by index.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Kept as long as the cluster lives, over all stages.
    pub id: usize,
    /// Points in it.
    pub members: Vec<usize>,
    /// Weighted mean of the points.
    pub centre: [f64; 2],
}

/// Most base clusters.
const BASE: usize = 100;
/// Centres that move less than this are at rest, in units of the map.
const AT_REST: f64 = 0.01;
/// Rounds for base clusters and for groups.
const BASE_ROUNDS: usize = 100;
const GROUP_ROUNDS: usize = 20;
/// Most groups.
const MOST_GROUPS: usize = 5;

fn square(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    x * x + y * y
}

fn centre(points: &[[f64; 2]], weights: &[f64], members: &[usize]) -> [f64; 2] {
    let (mut x, mut y, mut w) = (0.0, 0.0, 0.0);
    for &m in members {
        x += weights[m] * points[m][0];
        y += weights[m] * points[m][1];
        w += weights[m];
    }
    [x / w, y / w]
}

/// The first `k` distinct points, each a cluster without members.
fn first_points(points: &[[f64; 2]], k: usize) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for &point in points {
        if clusters.len() == k {
            break;
        }
        if clusters.iter().all(|c| c.centre != point) {
            clusters.push(Cluster { id: clusters.len(), members: Vec::new(), centre: point });
        }
    }
    clusters
}

/// The clusters of last time, moved to where their members are now and filled up
/// to `k` with the points farthest from all of them.
fn carried_on(points: &[[f64; 2]], weights: &[f64], k: usize, last: &[Cluster]) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for old in last.iter().filter(|c| !c.members.is_empty()) {
        let centre_now = centre(points, weights, &old.members);
        match clusters.iter_mut().find(|c| c.centre == centre_now) {
            Some(same) => {
                if old.members.len() >= same.members.len() {
                    same.id = old.id;
                }
                same.members.extend(&old.members);
            }
            None => clusters.push(Cluster { centre: centre_now, ..old.clone() }),
        }
    }
    while clusters.len() < k {
        let distance =
            |p: [f64; 2]| clusters.iter().map(|c| square(p, c.centre)).fold(f64::INFINITY, f64::min);
        let farthest = (0..points.len()).map(|i| (distance(points[i]), i)).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, point)) = farthest.filter(|f| f.0 > 0.0) else { break };
        for cluster in &mut clusters {
            if let Some(at) = cluster.members.iter().position(|&m| m == point) {
                cluster.members.remove(at);
                if !cluster.members.is_empty() {
                    cluster.centre = centre(points, weights, &cluster.members);
                }
            }
        }
        let id = clusters.iter().map(|c| c.id + 1).max().unwrap_or(0);
        clusters.push(Cluster { id, members: vec![point], centre: points[point] });
    }
    clusters
}

/// The nearest centre; the first of equally near ones.
fn nearest(point: [f64; 2], centres: &[[f64; 2]]) -> usize {
    // All distances first, in an array the compiler can fill several at a time.
    let mut distances = [f64::INFINITY; BASE];
    distances.iter_mut().zip(centres).for_each(|(d, &c)| *d = square(point, c));
    let least = distances.iter().copied().fold(f64::INFINITY, |a, b| if b < a { b } else { a });
    distances.iter().position(|&d| d == least).unwrap_or(0)
}

/// Weighted k-means from `clusters`; empty clusters die.
fn k_means(points: &[[f64; 2]], weights: &[f64], mut clusters: Vec<Cluster>, rounds: usize) -> Vec<Cluster> {
    for _ in 0..=rounds {
        let centres: Vec<[f64; 2]> = clusters.iter().map(|c| c.centre).collect();
        clusters.iter_mut().for_each(|c| c.members.clear());
        for (i, &point) in points.iter().enumerate() {
            clusters[nearest(point, &centres)].members.push(i);
        }
        clusters.retain(|c| !c.members.is_empty());
        clusters.iter_mut().for_each(|c| c.centre = centre(points, weights, &c.members));
        if at_rest(centres, clusters.iter().map(|c| c.centre).collect()) {
            break;
        }
    }
    clusters.sort_by_key(|c| c.id);
    clusters
}

/// Weighted sum of squared distances to the centres: what k-means makes small.
fn spread(points: &[[f64; 2]], weights: &[f64], clusters: &[Cluster]) -> f64 {
    clusters
        .iter()
        .map(|c| c.members.iter().map(|&m| weights[m] * square(points[m], c.centre)).sum::<f64>())
        .sum()
}

fn at_rest(mut before: Vec<[f64; 2]>, mut after: Vec<[f64; 2]>) -> bool {
    let order = |a: &[f64; 2], b: &[f64; 2]| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]));
    before.sort_by(order);
    after.sort_by(order);
    before.iter().zip(&after).all(|(a, b)| square(*a, *b) < AT_REST * AT_REST)
}

/// Mean silhouette (Rousseeuw 1987) over points; a point alone in its cluster counts 0.
pub fn silhouette(points: &[[f64; 2]], clusters: &[Cluster]) -> f64 {
    let mut total = 0.0;
    let mut count = 0;
    for (own, cluster) in clusters.iter().enumerate() {
        for &i in &cluster.members {
            count += 1;
            if cluster.members.len() == 1 || clusters.len() < 2 {
                continue;
            }
            let sum =
                |c: &Cluster| c.members.iter().map(|&j| square(points[i], points[j]).sqrt()).sum::<f64>();
            let inside = sum(cluster) / (cluster.members.len() - 1) as f64;
            let outside = clusters
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != own)
                .map(|(_, c)| sum(c) / c.members.len() as f64)
                .fold(f64::INFINITY, f64::min);
            total += (outside - inside) / outside.max(inside);
        }
    }
    if count == 0 { 0.0 } else { total / count as f64 }
}

/// Groups of participants as they stand after the last arrival.
#[derive(Debug, Clone, Default)]
pub struct Grouping {
    /// Clusters of points.
    pub base: Vec<Cluster>,
    /// For each number of groups: clusters of base clusters (by index), and the silhouette.
    pub by_number: Vec<(usize, Vec<Cluster>, f64)>,
    /// The number of groups chosen.
    pub number: usize,
}

/// How the arrival of participants is replayed.
#[derive(Debug, Clone, Copy)]
pub struct Stages {
    /// Participants there at the start.
    pub founders: usize,
    /// Fewest participants that arrive at once.
    pub least: usize,
    /// Share of those present that arrive at once.
    pub share: f64,
    /// Stages in a row that another number of groups must win before it is taken.
    pub patience: usize,
}

impl Default for Stages {
    fn default() -> Self {
        Stages { founders: super::FOUNDERS, least: 10, share: 0.25, patience: 2 }
    }
}

/// Groups `points`, carrying clusters on as the points arrive in their order.
pub fn group(points: &[[f64; 2]], stages: Stages) -> Grouping {
    let unit = vec![1.0; points.len()];
    let mut grouping = Grouping::default();
    let (mut present, mut arriving) = (0, stages.founders);
    let (mut leader, mut wins) = (0, 0);
    while present < points.len() {
        present = (present + arriving).min(points.len());
        arriving = stages.least.max((present as f64 * stages.share) as usize);
        let (here, weights) = (&points[..present], &unit[..present]);
        let start = if grouping.base.is_empty() {
            first_points(here, BASE)
        } else {
            carried_on(here, weights, BASE, &grouping.base)
        };
        let base = k_means(here, weights, start, BASE_ROUNDS);
        grouping.by_number = group_base(&grouping, &base, present == points.len());
        grouping.base = base;
        let best = grouping.by_number.iter().max_by(|a, b| a.2.total_cmp(&b.2)).map_or(0, |b| b.0);
        wins = if best == leader { wins + 1 } else { 1 };
        leader = best;
        if wins >= stages.patience || grouping.number == 0 {
            grouping.number = best;
        }
    }
    grouping
}

/// Groups the base clusters for every number of groups, from the groups of last time.
fn group_base(last: &Grouping, base: &[Cluster], last_stage: bool) -> Vec<(usize, Vec<Cluster>, f64)> {
    let centres: Vec<[f64; 2]> = base.iter().map(|c| c.centre).collect();
    let weights: Vec<f64> = base.iter().map(|c| c.members.len() as f64).collect();
    let most = MOST_GROUPS.min(2 + centres.len() / 12);
    (2..=most)
        .map(|k| {
            let before = last.by_number.iter().find(|(number, _, _)| *number == k);
            let start = match before {
                None => first_points(&centres, k),
                Some((_, groups, _)) => {
                    let now = |&old: &usize| base.iter().position(|c| c.id == last.base[old].id);
                    let moved: Vec<Cluster> = groups
                        .iter()
                        .map(|g| Cluster { members: g.members.iter().filter_map(now).collect(), ..g.clone() })
                        .collect();
                    carried_on(&centres, &weights, k, &moved)
                }
            };
            let mut groups = k_means(&centres, &weights, start, GROUP_ROUNDS);
            if last_stage {
                // A grouping carried on can be stuck; a fresh one replaces it where it is tighter.
                let fresh = k_means(&centres, &weights, first_points(&centres, k), GROUP_ROUNDS);
                if spread(&centres, &weights, &fresh) < spread(&centres, &weights, &groups) {
                    groups = fresh;
                }
            }
            let quality = silhouette(&centres, &groups);
            (k, groups, quality)
        })
        .collect()
}
