//! Knox's test of space–time interaction (Applied Statistics 1964;13:25).

use crate::counts::CountDistribution;

/// An event: day, and plane coordinates in one unit of length.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Time.
    pub time: f64,
    /// Coordinate.
    pub x: f64,
    /// Coordinate.
    pub y: f64,
}

/// Result of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knox {
    /// Pairs near in time and in space.
    pub observed: usize,
    /// Pairs expected if time and space were independent.
    pub expected: f64,
    /// Poisson probability of more pairs than observed, R's approximation.
    pub p_poisson: f64,
}

/// Counts pairs at most `near_time` and `near_space` apart.
pub fn knox(events: &[Event], near_time: f64, near_space: f64) -> Knox {
    let (mut both, mut time, mut space, mut pairs) = (0usize, 0.0, 0.0, 0.0);
    for (i, a) in events.iter().enumerate() {
        for b in &events[..i] {
            let in_time = (a.time - b.time).abs() <= near_time;
            let in_space = (a.x - b.x).hypot(a.y - b.y) <= near_space;
            pairs += 1.0;
            time += f64::from(u8::from(in_time));
            space += f64::from(u8::from(in_space));
            both += usize::from(in_time && in_space);
        }
    }
    let expected = if pairs > 0.0 { time * space / pairs } else { 0.0 };
    Knox { observed: both, expected, p_poisson: CountDistribution::Poisson(expected).above(both as f64) }
}
