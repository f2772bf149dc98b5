//! FHIR's dates and times as ranges of instants.

use tongmai_base::time::{CHINA_OFFSET_MINUTES, days_from_civil, days_in_month};

const DAY: i64 = 86_400_000;

/// How exactly a date or time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Precision {
    Year,
    Month,
    Day,
    Minute,
    Second,
    Fraction,
}

/// A date or time of FHIR, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// First millisecond since 1970-01-01T00:00Z.
    pub low: i64,
    /// The millisecond after the last.
    pub high: i64,
    /// How exactly it is given.
    pub precision: Precision,
    /// Whether the zone is written; without one the time is Asia/Shanghai.
    pub has_zone: bool,
}

/// Reads `2026`, `2026-11`, `2026-11-21`, `2026-11-21T07:40`, `…:00`, `…:00.123`, each time
/// with or without a zone (`Z`, `+08:00`). `None` for anything else, days that do not exist included.
pub fn parse(text: &str) -> Option<DateTime> {
    let bytes = text.as_bytes();
    let year = digits(bytes, 0, 4)?;
    if year == 0 {
        return None;
    }
    let zone = CHINA_OFFSET_MINUTES * 60_000;
    let days = |low: i64, high: i64, precision| {
        Some(DateTime { low: low * DAY - zone, high: high * DAY - zone, precision, has_zone: false })
    };
    if bytes.len() == 4 {
        return days(days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1), Precision::Year);
    }
    let month = separated(bytes, 4, b'-', 1..=12)? as u32;
    if bytes.len() == 7 {
        let first = days_from_civil(year, month, 1);
        return days(first, first + i64::from(days_in_month(year, month)), Precision::Month);
    }
    let day = separated(bytes, 7, b'-', 1..=31)? as u32;
    if day > days_in_month(year, month) {
        return None;
    }
    let day = days_from_civil(year, month, day);
    if bytes.len() == 10 {
        return days(day, day + 1, Precision::Day);
    }
    time(bytes, day)
}

/// Reads the time behind a day.
fn time(bytes: &[u8], day: i64) -> Option<DateTime> {
    let hour = separated(bytes, 10, b'T', 0..=23)?;
    let minute = separated(bytes, 13, b':', 0..=59)?;
    let mut low = day * DAY + hour * 3_600_000 + minute * 60_000;
    let (mut width, mut precision, mut at) = (60_000, Precision::Minute, 16);
    if bytes.get(at) == Some(&b':') {
        // A leap second is written as :60.
        low += separated(bytes, at, b':', 0..=60)? * 1000;
        (width, precision, at) = (1000, Precision::Second, 19);
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let start = at;
            while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
                // What is finer than a millisecond is cut off.
                if width > 1 {
                    width /= 10;
                    low += i64::from(digit - b'0') * width;
                }
                at += 1;
            }
            if at == start {
                return None;
            }
            precision = Precision::Fraction;
        }
    }
    let offset = match bytes.get(at..)? {
        [] => None,
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), ..] if bytes.len() == at + 6 => {
            let hours = digits(bytes, at + 1, 2).filter(|hours| *hours <= 14)?;
            let minutes = hours * 60 + separated(bytes, at + 3, b':', 0..=59)?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => return None,
    };
    low -= offset.unwrap_or(CHINA_OFFSET_MINUTES) * 60_000;
    Some(DateTime { low, high: low + width, precision, has_zone: offset.is_some() })
}

/// A separator and two digits behind it.
fn separated(bytes: &[u8], at: usize, separator: u8, allowed: std::ops::RangeInclusive<i64>) -> Option<i64> {
    if bytes.get(at) != Some(&separator) {
        return None;
    }
    digits(bytes, at + 1, 2).filter(|value| allowed.contains(value))
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let mut value = 0;
    for byte in bytes.get(at..at + count)? {
        value = value * 10 + i64::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tongmai_base::time::Instant;

    /// A text, its first millisecond, and its width in milliseconds.
    fn check(text: &str, low: &str, width: i64) {
        let read = parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(Instant(read.low).to_fhir(), low, "{text}");
        assert_eq!(read.high - read.low, width, "{text}");
    }

    #[test]
    fn each_precision_is_a_range() {
        check("2024", "2024-01-01T00:00:00.000+08:00", 366 * DAY);
        check("2024-02", "2024-02-01T00:00:00.000+08:00", 29 * DAY);
        check("2024-02-29", "2024-02-29T00:00:00.000+08:00", DAY);
        check("2024-02-29T07:40", "2024-02-29T07:40:00.000+08:00", 60_000);
        check("2024-02-29T07:40:59", "2024-02-29T07:40:59.000+08:00", 1000);
        check("2024-02-29T07:40:59.5", "2024-02-29T07:40:59.500+08:00", 100);
        check("2024-02-29T07:40:59.1234Z", "2024-02-29T15:40:59.123+08:00", 1);
        check("2024-02-29T07:40:59-03:30", "2024-02-29T19:10:59.000+08:00", 1000);
        check("2016-12-31T23:59:60Z", "2017-01-01T08:00:00.000+08:00", 1000);
        check("0001-01-01", "0001-01-01T00:00:00.000+08:00", DAY);
        check("9999", "9999-01-01T00:00:00.000+08:00", 365 * DAY);
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "202",
            "20244",
            "2024-",
            "2024-1",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "2024-02-30",
            "2024-02-2",
            "2024-02-29T",
            "2024-02-29T07",
            "2024-02-29T24:00",
            "2024-02-29T07:60",
            "2024-02-29T07:40:61",
            "2024-02-29T07:40:59.",
            "2024-02-29T07:40:59.1x",
            "2024-02-29T07:40:59+8",
            "2024-02-29T07:40:59+15:00",
            "2024-02-29 07:40",
            "2024-02-29T07:40:59z",
            "0000",
            "٢٠٢٤",
            "2024-02-29T07:40:59+08:00:00",
            "-024",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
