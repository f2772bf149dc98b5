//! How long what is kept: a schedule as data, judged on a day that the caller names.

use tongmai_base::time::{civil_from_days, days_from_civil};

use crate::pack::{PackError, lines, wrong};

/// A class of what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its code.
    pub code: String,
    /// Law and clause.
    pub clause: String,
    /// What the term runs from, in words.
    pub from: String,
    months: i64,
}

/// What the schedule says of something on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is to be kept until this day, in days since 1970; an erasure before is refused.
    Kept {
        /// The first day on which it is due.
        until: i64,
    },
    /// The term is over since this day: it is erased, or nothing but stored (PIPL 47).
    Due {
        /// The first day on which it is due.
        since: i64,
    },
}

/// The schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(pub Vec<Class>);

impl Schedule {
    /// The schedule that comes along.
    ///
    /// # Errors
    /// None, as a test shows.
    pub fn builtin() -> Result<Schedule, PackError> {
        Schedule::read(include_str!("../packs/retention.txt"))
    }

    /// Reads a schedule.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn read(text: &str) -> Result<Schedule, PackError> {
        let mut classes: Vec<Class> = Vec::new();
        for (line, text) in lines(text) {
            let cells: Vec<&str> = text.split('|').map(str::trim).collect();
            let [code, clause, term, from] = cells.as_slice() else {
                return wrong(line, "a line is: class | clause | years and months | what it runs from");
            };
            let numbers: Vec<i64> = term.split(' ').filter_map(|part| part.parse().ok()).collect();
            let &[years @ 0..=200, months @ 0..=11] = numbers.as_slice() else {
                return wrong(line, "a term is years and months, such as '15 0'");
            };
            if years + months == 0 || classes.iter().any(|class| class.code == *code) {
                return wrong(line, format!("'{code}' has no term, or stands there twice"));
            }
            let (code, clause, from) = ((*code).into(), (*clause).into(), (*from).into());
            classes.push(Class { code, clause, from, months: 12 * years + months });
        }
        Ok(Schedule(classes))
    }

    /// The class of a code.
    pub fn class(&self, code: &str) -> Option<&Class> {
        self.0.iter().find(|class| class.code == code)
    }
}

impl Class {
    /// What stands on `today` of something whose term runs from a day; days since 1970.
    pub fn standing(&self, from: i64, today: i64) -> Standing {
        let (year, month, day) = civil_from_days(from);
        let months = year * 12 + i64::from(month) - 1 + self.months;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
        // A term from the last day of a long month ends with the shorter one.
        let next =
            if month == 12 { days_from_civil(year + 1, 1, 1) } else { days_from_civil(year, month + 1, 1) };
        let end = days_from_civil(year, month, day).min(next - 1);
        if today < end { Standing::Kept { until: end } } else { Standing::Due { since: end } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: u32, day: u32) -> i64 {
        days_from_civil(year, month, day)
    }

    #[test]
    fn every_class_is_due_on_its_day_and_not_before() {
        let schedule = Schedule::builtin().expect("a schedule");
        let from = day(2026, 11, 27);
        for (code, end) in [
            ("outpatient-record", day(2041, 11, 27)),
            ("inpatient-record", day(2056, 11, 27)),
            ("network-log", day(2027, 5, 27)),
            ("impact-assessment", day(2029, 11, 27)),
            ("entrusted-processing", day(2029, 11, 27)),
            ("request", day(2029, 11, 27)),
        ] {
            let class = schedule.class(code).expect(code);
            for today in (from..end).step_by(97).chain([end - 1]) {
                assert_eq!(class.standing(from, today), Standing::Kept { until: end }, "{code} on {today}");
            }
            for today in [end, end + 1, end + 40_000] {
                assert_eq!(class.standing(from, today), Standing::Due { since: end }, "{code} on {today}");
            }
        }
        assert_eq!(schedule.0.len(), 6, "every class is travelled through");
    }

    #[test]
    fn a_term_ends_with_the_month_where_the_day_is_missing() {
        let schedule = Schedule::read("log | x | 0 6 | y\nrecord | x | 15 0 | y").expect("a schedule");
        let log = schedule.class("log").expect("a class");
        assert_eq!(log.standing(day(2026, 8, 31), 0), Standing::Kept { until: day(2027, 2, 28) });
        let record = schedule.class("record").expect("a class");
        assert_eq!(record.standing(day(2028, 2, 29), 0), Standing::Kept { until: day(2043, 2, 28) });
    }

    #[test]
    fn a_schedule_says_where_it_is_wrong() {
        for (text, line) in
            [("a | b | 1 0", 1), ("a | b | soon | c", 1), ("a | b | 1 0 | c\na | b | 2 0 | c", 2)]
        {
            assert_eq!(Schedule::read(text).expect_err(text).line, line, "{text}");
        }
    }
}
