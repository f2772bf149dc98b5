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
        let centres = Centres::new(&clusters);
        let distances = points.iter().enumerate().map(|(i, &point)| (centres.nearest(point).0, i));
        let farthest = distances.max_by(|a, b| a.0.total_cmp(&b.0));
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

/// Centres in the order of their first coordinate, so that few are looked at for a point.
struct Centres(Vec<([f64; 2], usize)>);

impl Centres {
    fn new(clusters: &[Cluster]) -> Centres {
        let mut centres: Vec<([f64; 2], usize)> =
            clusters.iter().enumerate().map(|(at, c)| (c.centre, at)).collect();
        centres.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
        Centres(centres)
    }

    /// The nearest centre, the first of equally near ones, and the square of its distance: that of a search
    /// through all. Centres are looked at outwards from the point until the first coordinate alone is too far.
    fn nearest(&self, point: [f64; 2]) -> (f64, usize) {
        let middle = self.0.partition_point(|(centre, _)| centre[0] < point[0]);
        let mut best = (f64::INFINITY, usize::MAX);
        let mut look = |&(centre, at): &([f64; 2], usize)| {
            let across = point[0] - centre[0];
            if across * across > best.0 {
                return false;
            }
            let distance = square(point, centre);
            if distance < best.0 || distance == best.0 && at < best.1 {
                best = (distance, at);
            }
            true
        };
        let (left, right) = self.0.split_at(middle);
        let (mut left, mut right) = (left.iter().rev(), right.iter());
        let (mut go_left, mut go_right) = (true, true);
        while go_left || go_right {
            go_left = go_left && left.next().is_some_and(&mut look);
            go_right = go_right && right.next().is_some_and(&mut look);
        }
        best
    }
}

/// Weighted k-means from `clusters`; empty clusters die.
fn k_means(points: &[[f64; 2]], weights: &[f64], mut clusters: Vec<Cluster>, rounds: usize) -> Vec<Cluster> {
    for _ in 0..=rounds {
        let before: Vec<[f64; 2]> = clusters.iter().map(|c| c.centre).collect();
        let centres = Centres::new(&clusters);
        clusters.iter_mut().for_each(|c| c.members.clear());
        for (i, &point) in points.iter().enumerate() {
            if let Some(cluster) = clusters.get_mut(centres.nearest(point).1) {
                cluster.members.push(i);
            }
        }
        clusters.retain(|c| !c.members.is_empty());
        clusters.iter_mut().for_each(|c| c.centre = centre(points, weights, &c.members));
        if at_rest(before, clusters.iter().map(|c| c.centre).collect()) {
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

/// Distances between all points, row after row.
fn distances(points: &[[f64; 2]]) -> Vec<f64> {
    let n = points.len();
    let mut table = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let distance = square(points[i], points[j]).sqrt();
            table[i * n + j] = distance;
            table[j * n + i] = distance;
        }
    }
    table
}

/// Mean silhouette (Rousseeuw 1987) over points that stand for so many people each, as over the people
/// themselves: a base cluster of one must not weigh as much as one of forty. A point alone in its cluster
/// counts 0.
pub fn silhouette(points: &[[f64; 2]], weights: &[f64], clusters: &[Cluster]) -> f64 {
    silhouette_by(&distances(points), weights, clusters)
}

/// [`silhouette`] from a table of distances.
fn silhouette_by(distances: &[f64], weights: &[f64], clusters: &[Cluster]) -> f64 {
    let points = weights.len();
    let (mut total, mut count) = (0.0, 0.0);
    let people = |c: &Cluster| c.members.iter().map(|&j| weights[j]).sum::<f64>();
    for (own, cluster) in clusters.iter().enumerate() {
        for &i in &cluster.members {
            count += weights[i];
            if cluster.members.len() == 1 || clusters.len() < 2 {
                continue;
            }
            let row = &distances[i * points..(i + 1) * points];
            let sum = |c: &Cluster| c.members.iter().map(|&j| weights[j] * row[j]).sum::<f64>();
            let inside = sum(cluster) / (people(cluster) - weights[i]);
            let outside = clusters
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != own)
                .map(|(_, c)| sum(c) / people(c))
                .fold(f64::INFINITY, f64::min);
            total += weights[i] * (outside - inside) / outside.max(inside);
        }
    }
    if count == 0.0 { 0.0 } else { total / count }
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
}

impl Default for Stages {
    fn default() -> Self {
        Stages { founders: super::FOUNDERS, least: 10, share: 0.25 }
    }
}

/// Groups `points`, carrying clusters on as the points arrive in their order.
pub fn group(points: &[[f64; 2]], stages: Stages) -> Grouping {
    let unit = vec![1.0; points.len()];
    let mut grouping = Grouping::default();
    let (mut present, mut arriving) = (0, stages.founders);
    while present < points.len() {
        let before = present;
        present = (present + arriving).min(points.len());
        arriving = stages.least.max((present as f64 * stages.share) as usize);
        let (here, weights) = (&points[..present], &unit[..present]);
        let start = if grouping.base.is_empty() {
            first_points(here, BASE)
        } else {
            carried_on(here, weights, BASE, &grouping.base)
        };
        let base = k_means(here, weights, start, BASE_ROUNDS);
        // How good each number of groups is matters at the end, and before it when only a few are still to come.
        let to_come = points.len() - present;
        grouping.by_number = group_base(&grouping, &base, to_come == 0, to_come < stages.least);
        grouping.base = base;
        // A conversation stays at its last votes for as long as people look at it, so the number that is best
        // then is the one that lasts; but a handful of arrivals does not overturn it.
        if present - before >= stages.least || grouping.number == 0 {
            let best = grouping.by_number.iter().max_by(|a, b| a.2.total_cmp(&b.2));
            grouping.number = best.map_or(0, |best| best.0);
        }
    }
    grouping
}

/// Groups the base clusters for every number of groups, from the groups of last time; how good each number is
/// is asked when it is `judged`.
fn group_base(
    last: &Grouping,
    base: &[Cluster],
    last_stage: bool,
    judged: bool,
) -> Vec<(usize, Vec<Cluster>, f64)> {
    let centres: Vec<[f64; 2]> = base.iter().map(|c| c.centre).collect();
    let weights: Vec<f64> = base.iter().map(|c| c.members.len() as f64).collect();
    let most = MOST_GROUPS.min(2 + centres.len() / 12);
    let distances = if judged { distances(&centres) } else { Vec::new() };
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
            let quality = if judged { silhouette_by(&distances, &weights, &groups) } else { 0.0 };
            (k, groups, quality)
        })
        .collect()
}
