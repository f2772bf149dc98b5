//! Dates, times and instants that know how precisely they were written.
//!
//! Two values of different precision are neither equal nor unequal where the
//! known parts agree (FHIRPath, "Date/Time Comparison").

use std::cmp::Ordering;
use std::fmt;

/// Which of the three System types a [`Temporal`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemporalKind {
    /// `System.Date`
    Date,
    /// `System.DateTime`
    DateTime,
    /// `System.Time`
    Time,
}

/// The finest part that was written. Seconds and their fraction are one precision when compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `2014`
    Year,
    /// `2014-01`
    Month,
    /// `2014-01-05`
    Day,
    /// `T10`
    Hour,
    /// `T10:30`
    Minute,
    /// `T10:30:00`
    Second,
    /// `T10:30:00.000`
    Fraction,
}

/// A date, a time of day, or both, in the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Temporal {
    /// Date, dateTime or time.
    pub kind: TemporalKind,
    /// The finest part that was written; parts below it hold their least value.
    pub precision: Precision,
    /// 1 to 9999; 1 for a time of day.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// Nanoseconds of the fraction.
    pub nanos: u32,
    /// Digits of the fraction as written, at most 9.
    pub fraction_digits: u8,
    /// Minutes east of UTC, when written.
    pub offset: Option<i16>,
}

/// A unit of calendar arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    /// 12 months.
    Year,
    /// A calendar month.
    Month,
    /// 7 days.
    Week,
    /// A calendar day.
    Day,
    /// 60 minutes.
    Hour,
    /// 60 seconds.
    Minute,
    /// A second.
    Second,
    /// A thousandth of a second.
    Millisecond,
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar
/// (H. Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01 (the inverse of [`days_from_civil`]).
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
    let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u8;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days of a month.
pub(crate) fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads digits of a text from its front.
struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn digits(&self, from: usize, count: usize) -> Option<u32> {
        let digits = self.bytes.get(from..from + count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    }

    fn leads(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    /// Two digits behind `separator`, if both are there.
    fn part(&mut self, separator: u8) -> Option<u8> {
        if !self.leads(separator) {
            return None;
        }
        let value = self.digits(self.at + 1, 2)?;
        self.at += 3;
        Some(value as u8)
    }
}

impl Temporal {
    const START: Temporal = Temporal {
        kind: TemporalKind::Date,
        precision: Precision::Year,
        year: 1,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        fraction_digits: 0,
        offset: None,
    };

    /// Reads a date or dateTime (`2014`, `2014-01T`, `2014-01-05T10:30:00.5+08:00`) from the front of
    /// `text`; gives it and the bytes that it took. A part out of range is no date.
    pub fn date_prefix(text: &str) -> Option<(Temporal, usize)> {
        let mut scanner = Scanner { bytes: text.as_bytes(), at: 4 };
        let mut out = Temporal { year: scanner.digits(0, 4)? as u16, ..Temporal::START };
        if let Some(month) = scanner.part(b'-') {
            (out.month, out.precision) = (month, Precision::Month);
            if let Some(day) = scanner.part(b'-') {
                (out.day, out.precision) = (day, Precision::Day);
            }
        }
        if scanner.leads(b'T') {
            out.kind = TemporalKind::DateTime;
            if scanner.digits(scanner.at + 1, 2).is_some() {
                out.clock(&mut scanner, b'T');
                out.zone(&mut scanner);
            } else {
                scanner.at += 1;
            }
        }
        out.in_range().then_some((out, scanner.at))
    }

    /// Reads a time of day (`14`, `14:30`, `14:30:00.5`) from the front of `text`.
    pub fn time_prefix(text: &str) -> Option<(Temporal, usize)> {
        let mut scanner = Scanner { bytes: text.as_bytes(), at: 2 };
        let hour = scanner.digits(0, 2)? as u8;
        let mut out =
            Temporal { kind: TemporalKind::Time, hour, precision: Precision::Hour, ..Temporal::START };
        out.below_hour(&mut scanner);
        out.in_range().then_some((out, scanner.at))
    }

    fn clock(&mut self, scanner: &mut Scanner<'_>, separator: u8) {
        if let Some(hour) = scanner.part(separator) {
            (self.hour, self.precision) = (hour, Precision::Hour);
            self.below_hour(scanner);
        }
    }

    fn below_hour(&mut self, scanner: &mut Scanner<'_>) {
        let Some(minute) = scanner.part(b':') else { return };
        (self.minute, self.precision) = (minute, Precision::Minute);
        let Some(second) = scanner.part(b':') else { return };
        (self.second, self.precision) = (second, Precision::Second);
        if !scanner.leads(b'.') {
            return;
        }
        let count = scanner.bytes[scanner.at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return;
        }
        let kept = count.min(9);
        let value = scanner.digits(scanner.at + 1, kept).unwrap_or(0);
        self.nanos = value * 10_u32.pow(9 - kept as u32);
        self.fraction_digits = kept as u8;
        self.precision = Precision::Fraction;
        scanner.at += 1 + count;
    }

    fn zone(&mut self, scanner: &mut Scanner<'_>) {
        if scanner.leads(b'Z') {
            self.offset = Some(0);
            scanner.at += 1;
        } else if scanner.leads(b'+') || scanner.leads(b'-') {
            let sign = if scanner.leads(b'-') { -1 } else { 1 };
            let hours = scanner.digits(scanner.at + 1, 2);
            let minutes = scanner.digits(scanner.at + 4, 2);
            if let (Some(hours), Some(b':'), Some(minutes)) =
                (hours, scanner.bytes.get(scanner.at + 3), minutes)
            {
                self.offset = Some(sign * (hours * 60 + minutes) as i16);
                scanner.at += 6;
            }
        }
    }

    fn in_range(&self) -> bool {
        self.year >= 1
            && (1..=12).contains(&self.month)
            && self.day >= 1
            && self.day <= days_in_month(self.year, self.month)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.offset.is_none_or(|minutes| minutes.abs() <= 14 * 60)
    }

    /// A whole text as a date.
    pub fn date(text: &str) -> Option<Temporal> {
        Temporal::whole(Temporal::date_prefix(text), text).filter(|t| t.kind == TemporalKind::Date)
    }

    /// A whole text as a dateTime; a date is a dateTime of lower precision.
    pub fn date_time(text: &str) -> Option<Temporal> {
        let found = Temporal::whole(Temporal::date_prefix(text), text)?;
        Some(Temporal { kind: TemporalKind::DateTime, ..found })
    }

    /// A whole text as a time of day.
    pub fn time(text: &str) -> Option<Temporal> {
        Temporal::whole(Temporal::time_prefix(text), text)
    }

    fn whole(found: Option<(Temporal, usize)>, text: &str) -> Option<Temporal> {
        found.filter(|(_, length)| *length == text.len()).map(|(temporal, _)| temporal)
    }

    fn days(&self) -> i64 {
        days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day))
    }

    /// Nanoseconds since 1970-01-01T00:00 on the clock that is written (not shifted to UTC).
    fn local_nanos(&self) -> i128 {
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        i128::from(self.days()) * NANOS_PER_DAY
            + i128::from(seconds) * NANOS_PER_SECOND
            + i128::from(self.nanos)
    }

    /// The same value with its date and clock set to `nanos` since 1970-01-01T00:00; `None` past year 9999.
    fn with_local_nanos(&self, nanos: i128) -> Option<Temporal> {
        let (year, month, day) = civil_from_days(i64::try_from(nanos.div_euclid(NANOS_PER_DAY)).ok()?);
        if !(1..=9999).contains(&year) {
            return None;
        }
        let of_day = nanos.rem_euclid(NANOS_PER_DAY);
        let seconds = (of_day / NANOS_PER_SECOND) as u32;
        Some(Temporal {
            year: year as u16,
            month,
            day,
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            nanos: (of_day % NANOS_PER_SECOND) as u32,
            ..*self
        })
    }

    /// The same instant on the clock of UTC, when an offset is known.
    pub(crate) fn to_utc(self) -> Temporal {
        match self.offset {
            Some(offset) if self.precision >= Precision::Hour => {
                let nanos = self.local_nanos() - i128::from(offset) * 60 * NANOS_PER_SECOND;
                self.with_local_nanos(nanos).map_or(self, |utc| Temporal { offset: Some(0), ..utc })
            }
            _ => self,
        }
    }

    /// Order of two values; `None` when their precision or a missing offset leaves it open.
    /// A time of day is not comparable with a date; the caller tells the two apart by [`TemporalKind`].
    pub fn compare(&self, other: &Temporal) -> Option<Ordering> {
        let both_clocks = self.precision >= Precision::Hour && other.precision >= Precision::Hour;
        let (left, right) = match (self.offset, other.offset) {
            (Some(_), Some(_)) => (self.to_utc(), other.to_utc()),
            (None, None) => (*self, *other),
            _ if both_clocks => {
                // The missing offset may be anything up to 14 hours.
                let difference = self.local_nanos() - other.local_nanos();
                let open = 28 * 3600 * NANOS_PER_SECOND;
                return (difference.abs() > open).then(|| difference.cmp(&0));
            }
            _ => (*self, *other),
        };
        let parts = |t: &Temporal| {
            [
                (Precision::Year, u64::from(t.year)),
                (Precision::Month, u64::from(t.month)),
                (Precision::Day, u64::from(t.day)),
                (Precision::Hour, u64::from(t.hour)),
                (Precision::Minute, u64::from(t.minute)),
                (Precision::Second, u64::from(t.second) * NANOS_PER_SECOND as u64 + u64::from(t.nanos)),
            ]
        };
        for ((precision, l), (_, r)) in parts(&left).into_iter().zip(parts(&right)) {
            match (left.precision >= precision, right.precision >= precision) {
                (true, true) if l != r => return Some(l.cmp(&r)),
                (true, true) => {}
                (false, false) => return Some(Ordering::Equal),
                _ => return None,
            }
        }
        Some(Ordering::Equal)
    }

    /// Adds a whole amount of a calendar unit. A unit finer than the precision is first brought to it, with
    /// what is left over dropped; a day past the end of a month becomes its last day; a time of day wraps at
    /// midnight (FHIRPath, "Date/Time Arithmetic"). `None` outside the years 1 to 9999.
    pub fn add(&self, amount: i64, unit: CalendarUnit) -> Option<Temporal> {
        use CalendarUnit as U;
        if self.kind == TemporalKind::Time {
            let nanos = self.local_nanos() + self.clock_amount(amount, unit)?;
            let start = Temporal { kind: TemporalKind::Time, ..Temporal::START }.local_nanos();
            return self.with_local_nanos(start + (nanos - start).rem_euclid(NANOS_PER_DAY));
        }
        let days = match unit {
            U::Year => return self.add_months(amount.checked_mul(12)?),
            U::Month if self.precision == Precision::Year => return self.add_months(amount / 12 * 12),
            U::Month => return self.add_months(amount),
            U::Week => amount.checked_mul(7)?,
            U::Day => amount,
            U::Hour => amount / 24,
            U::Minute => amount / (24 * 60),
            U::Second => amount / 86_400,
            U::Millisecond => amount / 86_400_000,
        };
        match self.precision {
            Precision::Year => self.add_months((days / 365).checked_mul(12)?),
            Precision::Month => self.add_months(days / 30),
            Precision::Day => {
                self.with_local_nanos(self.local_nanos().checked_add(i128::from(days) * NANOS_PER_DAY)?)
            }
            _ => self.with_local_nanos(self.local_nanos() + self.clock_amount(amount, unit)?),
        }
    }

    /// Nanoseconds of an amount, cut to what the precision can show.
    fn clock_amount(&self, amount: i64, unit: CalendarUnit) -> Option<i128> {
        let unit_nanos = match unit {
            CalendarUnit::Week => 7 * NANOS_PER_DAY,
            CalendarUnit::Day => NANOS_PER_DAY,
            CalendarUnit::Hour => 3600 * NANOS_PER_SECOND,
            CalendarUnit::Minute => 60 * NANOS_PER_SECOND,
            CalendarUnit::Second => NANOS_PER_SECOND,
            CalendarUnit::Millisecond => NANOS_PER_SECOND / 1000,
            CalendarUnit::Year | CalendarUnit::Month => return None,
        };
        let shown = match self.precision {
            Precision::Hour => 3600 * NANOS_PER_SECOND,
            Precision::Minute => 60 * NANOS_PER_SECOND,
            Precision::Second => NANOS_PER_SECOND,
            _ => 1,
        };
        Some(i128::from(amount) * unit_nanos / shown * shown)
    }

    fn add_months(&self, months: i64) -> Option<Temporal> {
        let total = (i64::from(self.year) * 12 + i64::from(self.month) - 1).checked_add(months)?;
        let year = u16::try_from(total.div_euclid(12)).ok().filter(|y| (1..=9999).contains(y))?;
        let month = (total.rem_euclid(12) + 1) as u8;
        Some(Temporal { year, month, day: self.day.min(days_in_month(year, month)), ..*self })
    }

    /// The date part alone, as a date.
    pub(crate) fn to_date(self) -> Temporal {
        let precision = self.precision.min(Precision::Day);
        Temporal { kind: TemporalKind::Date, precision, offset: None, ..self.cut(precision) }
    }

    /// The value with every part below `precision` at its least.
    fn cut(self, precision: Precision) -> Temporal {
        let start = Temporal::START;
        let mut out = Temporal { precision, ..self };
        if precision < Precision::Month {
            out.month = start.month;
        }
        if precision < Precision::Day {
            out.day = start.day;
        }
        if precision < Precision::Hour {
            (out.hour, out.offset) = (0, None);
        }
        if precision < Precision::Minute {
            out.minute = 0;
        }
        if precision < Precision::Second {
            out.second = 0;
        }
        if precision < Precision::Fraction {
            (out.nanos, out.fraction_digits) = (0, 0);
        }
        out
    }

    /// Digits of the value as written: 4 for a year, 17 for a dateTime to the millisecond, 9 for such a time.
    pub fn digits(&self) -> u32 {
        let date = if self.kind == TemporalKind::Time { 0 } else { 8 };
        match self.precision {
            Precision::Year => 4,
            Precision::Month => 6,
            Precision::Day => 8,
            Precision::Hour => date + 2,
            Precision::Minute => date + 4,
            Precision::Second => date + 6,
            Precision::Fraction => date + 6 + u32::from(self.fraction_digits),
        }
    }

    /// The earliest (`high` false) or latest instant that the value may mean, written with `digits` digits;
    /// `None` when no precision has that many. An unknown offset is taken as +14:00 or −12:00.
    pub fn boundary(&self, high: bool, digits: Option<u32>) -> Option<Temporal> {
        let is_time = self.kind == TemporalKind::Time;
        let default = match self.kind {
            TemporalKind::Date => 8,
            TemporalKind::DateTime => 17,
            TemporalKind::Time => 9,
        };
        let digits = digits.unwrap_or(default);
        let precision = match (digits, is_time) {
            (4, false) => Precision::Year,
            (6, false) => Precision::Month,
            (8, false) => Precision::Day,
            (10, false) | (2, true) => Precision::Hour,
            (12, false) | (4, true) => Precision::Minute,
            (14, false) | (6, true) => Precision::Second,
            (17, false) | (9, true) => Precision::Fraction,
            _ => return None,
        };
        let mut out = *self;
        if high {
            if self.precision < Precision::Month {
                out.month = 12;
            }
            if self.precision < Precision::Day {
                out.day = days_in_month(out.year, out.month);
            }
            if self.precision < Precision::Hour {
                out.hour = 23;
            }
            if self.precision < Precision::Minute {
                out.minute = 59;
            }
            if self.precision < Precision::Second {
                out.second = 59;
            }
            if self.precision < Precision::Fraction {
                out.nanos = 999_000_000;
            }
        }
        if precision >= Precision::Hour && !is_time {
            out.kind = TemporalKind::DateTime;
            out.offset = out.offset.or(Some(if high { -12 * 60 } else { 14 * 60 }));
        }
        out.fraction_digits = 3;
        Some(out.cut(precision))
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != TemporalKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.precision >= Precision::Fraction {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", &digits[..usize::from(self.fraction_digits)])?;
        }
        match self.offset {
            Some(0) => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Temporal {
        Temporal::date_prefix(text).or_else(|| Temporal::time_prefix(text)).expect("a date or time").0
    }

    #[test]
    fn days_and_civil_dates_are_inverse() {
        for days in (-700_000..2_900_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, i64::from(month), i64::from(day)), days);
        }
    }

    #[test]
    fn what_is_written_is_shown() {
        for text in [
            "2014",
            "2014-02",
            "2016-02-29",
            "2014-01-05T10",
            "2014-01-05T10:30:00.5+08:00",
            "2014-01-05T10:30Z",
        ] {
            assert_eq!(at(text).to_string(), text);
        }
        assert_eq!(Temporal::time("10:30:00.123").unwrap().to_string(), "10:30:00.123");
        assert_eq!(Temporal::date("2015-02-29"), None);
        assert_eq!(Temporal::date("2015-13"), None);
        assert_eq!(Temporal::time("24:00"), None);
    }

    #[test]
    fn months_end_at_their_last_day_and_coarse_dates_drop_what_is_finer() {
        let add = |text: &str, amount, unit| at(text).add(amount, unit).map(|t| t.to_string());
        assert_eq!(add("2012-02-29", 1, CalendarUnit::Year).as_deref(), Some("2013-02-28"));
        assert_eq!(add("2014-01-31", 1, CalendarUnit::Month).as_deref(), Some("2014-02-28"));
        assert_eq!(add("2014", 25, CalendarUnit::Month).as_deref(), Some("2016"));
        assert_eq!(add("2014-03", 40, CalendarUnit::Day).as_deref(), Some("2014-04"));
        assert_eq!(add("2014-03-01", 47, CalendarUnit::Hour).as_deref(), Some("2014-03-02"));
        assert_eq!(add("2014-03-01T23:59Z", 90, CalendarUnit::Second).as_deref(), Some("2014-03-02T00:00Z"));
        assert_eq!(add("9999-12-31", 1, CalendarUnit::Day), None);
        let late = Temporal::time("23:30").unwrap();
        assert_eq!(late.add(1, CalendarUnit::Hour).unwrap().to_string(), "00:30");
    }

    #[test]
    fn order_is_open_where_precision_or_offset_is_missing() {
        let compare = |a: &str, b: &str| at(a).compare(&at(b));
        assert_eq!(compare("2018-03", "2018-03-01"), None);
        assert_eq!(compare("2018-03", "2018-04-01"), Some(Ordering::Less));
        assert_eq!(compare("2012-04-15T15:00:00Z", "2012-04-15T10:00:00"), None);
        assert_eq!(compare("2012-04-15T15:00:00Z", "2012-04-20T10:00:00"), Some(Ordering::Less));
        assert_eq!(compare("2012-04-15T23:30:00-02:00", "2012-04-16T01:30:00Z"), Some(Ordering::Equal));
    }
}
