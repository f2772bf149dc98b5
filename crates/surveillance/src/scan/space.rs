//! Circles around places.

use std::f64::consts::PI;

/// A place on the globe, or on a plane with coordinates in kilometres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// Degrees.
    Globe {
        /// Latitude, north positive.
        latitude: f64,
        /// Longitude, east positive.
        longitude: f64,
    },
    /// Kilometres.
    Plane {
        /// East.
        x: f64,
        /// North.
        y: f64,
    },
}

/// Mean radius of the earth that SaTScan uses, in kilometres.
const EARTH_KM: f64 = 6_367.0;

/// Distance along the great circle, in kilometres; 0 for unlike kinds of places.
pub fn great_circle_km(a: &Place, b: &Place) -> f64 {
    let chord = chord_squared(vector(a), vector(b)).sqrt();
    match a {
        Place::Globe { .. } => 2.0 * EARTH_KM * (chord / 2.0).min(1.0).asin(),
        Place::Plane { .. } => chord,
    }
}

fn vector(place: &Place) -> [f64; 3] {
    match *place {
        Place::Plane { x, y } => [x, y, 0.0],
        Place::Globe { latitude, longitude } => {
            let (lat, lon) = (latitude * PI / 180.0, longitude * PI / 180.0);
            [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
        }
    }
}

fn chord_squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum()
}

/// For every centre its neighbours by distance, as far as the limits allow.
pub struct Circles {
    /// Neighbours of all centres, one after the other.
    rings: Vec<u32>,
    distances: Vec<f64>,
    starts: Vec<usize>,
}

impl Circles {
    /// `weights` limit a circle: their sum inside stays at or below `most`.
    pub fn new(places: &[Place], weights: &[f64], most: f64, largest_radius: Option<f64>) -> Self {
        let vectors: Vec<[f64; 3]> = places.iter().map(vector).collect();
        let globe = matches!(places.first(), Some(Place::Globe { .. }));
        let limit = largest_radius.map_or(f64::INFINITY, |km| match globe {
            true => (2.0 * (km / (2.0 * EARTH_KM)).min(PI / 2.0).sin()).powi(2),
            false => km * km,
        });
        let mut circles = Circles { rings: Vec::new(), distances: Vec::new(), starts: vec![0] };
        // Sorted by one coordinate, only a band of places can be near enough.
        let mut sorted: Vec<u32> = (0..places.len() as u32).collect();
        sorted.sort_by(|&a, &b| vectors[a as usize][2].total_cmp(&vectors[b as usize][2]));
        let keys: Vec<f64> = sorted.iter().map(|&p| vectors[p as usize][2]).collect();
        let mut near: Vec<(f64, u32)> = Vec::new();
        for centre in 0..places.len() {
            near.clear();
            let band = if globe && limit.is_finite() {
                let z = vectors[centre][2];
                let reach = limit.sqrt();
                keys.partition_point(|k| *k < z - reach)..keys.partition_point(|k| *k <= z + reach)
            } else {
                0..places.len()
            };
            for &place in &sorted[band] {
                let distance = chord_squared(vectors[centre], vectors[place as usize]);
                if distance <= limit {
                    near.push((distance, place));
                }
            }
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut sum = 0.0;
            for &(distance, place) in &near {
                sum += weights[place as usize];
                if sum > most {
                    break;
                }
                circles.rings.push(place);
                circles.distances.push(distance.sqrt());
            }
            circles.starts.push(circles.rings.len());
        }
        if globe {
            for distance in &mut circles.distances {
                *distance = 2.0 * EARTH_KM * (*distance / 2.0).min(1.0).asin();
            }
        }
        circles
    }

    /// Number of centres; every place is one.
    pub fn centres(&self) -> usize {
        self.starts.len() - 1
    }

    /// Neighbours of a centre, nearest first, the centre among them.
    pub fn ring(&self, centre: usize) -> &[u32] {
        &self.rings[self.starts[centre]..self.starts[centre + 1]]
    }

    /// Whether a circle may end at this position: the next place is further away.
    pub fn closes(&self, centre: usize, position: usize) -> bool {
        let distances = &self.distances[self.starts[centre]..self.starts[centre + 1]];
        distances.get(position + 1).is_none_or(|next| *next > distances[position])
    }

    /// The `size` places nearest to a centre.
    pub fn members(&self, centre: usize, size: usize) -> Vec<usize> {
        self.ring(centre)[..size].iter().map(|&p| p as usize).collect()
    }

    /// Radius of a circle in kilometres.
    pub fn radius(&self, centre: usize, size: usize) -> f64 {
        self.distances[self.starts[centre] + size - 1]
    }
}
