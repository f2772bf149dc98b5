//! When a questionnaire is due again.

use serde::{Deserialize, Serialize};

/// How often a questionnaire is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Day of the first one.
    pub first: i64,
    /// Days between two; 0: once.
    pub every: i64,
    /// Days before and after its day in which an answer counts for it.
    pub window: i64,
    /// Last day; none: as long as the illness lasts.
    pub until: Option<i64>,
}

/// What is to be done today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// Nothing; the next one is on this day.
    Later(i64),
    /// Asked for, due on this day.
    Now(i64),
    /// The window of this day has passed without an answer; the one of today goes before it.
    Missed(i64),
    /// Nothing more.
    Over,
}

impl Schedule {
    /// Whether one is due on `today`, given the days of the answers so far, in any order.
    pub fn due(&self, answered: &[i64], today: i64) -> Due {
        let window = if self.every > 0 { self.window.clamp(0, (self.every - 1) / 2) } else { self.window };
        let nth = |n: i64| self.first + n * self.every.max(0);
        let current =
            if self.every > 0 { (today + window - self.first).div_euclid(self.every).max(0) } else { 0 };
        let day = nth(current);
        let done = answered.iter().any(|a| (a - day).abs() <= window);
        let over = |day: i64| self.until.is_some_and(|until| day > until);
        if !done && !over(day) && today >= day - window {
            if today <= day + window {
                return Due::Now(day);
            }
            return Due::Missed(day);
        }
        let next = if today < day - window { day } else { nth(current + 1) };
        if over(next) || (self.every <= 0 && today >= self.first - window) {
            return Due::Over;
        }
        Due::Later(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarterly_questionnaire() {
        let quarterly = Schedule { first: 100, every: 90, window: 14, until: Some(400) };
        for (answered, today, due) in [
            (&[][..], 50, Due::Later(100)),
            (&[], 86, Due::Now(100)),
            (&[], 114, Due::Now(100)),
            (&[], 115, Due::Missed(100)),
            (&[90], 95, Due::Later(190)),
            (&[90], 176, Due::Now(190)),
            (&[90, 190, 280, 370], 371, Due::Over),
        ] {
            assert_eq!(quarterly.due(answered, today), due, "{answered:?} {today}");
        }
        let once = Schedule { first: 10, every: 0, window: 3, until: None };
        assert_eq!(once.due(&[], 8), Due::Now(10));
        assert_eq!(once.due(&[9], 11), Due::Over);
    }
}
