//! Instants and the calendar arithmetic that everything shares.
//!
//! No clock is read here: the binary is the only reader of the clock and hands
//! instants down.

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub i64);

/// Offset of China Standard Time from UTC, in minutes. Times without a zone
/// are Asia/Shanghai unless the source says otherwise.
pub const CHINA_OFFSET_MINUTES: i64 = 480;

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
/// `month` is 1–12; a day past the month's end runs over into the next month.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_index = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date `(year, month, day)` of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Number of days in a month.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    let (ny, nm) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (days_from_civil(ny, nm, 1) - days_from_civil(year, month, 1)) as u32
}

impl Instant {
    /// The instant as FHIR writes it: `2026-11-21T07:40:00.000+08:00`.
    pub fn to_fhir(self) -> String {
        let mut out = String::with_capacity(29);
        self.write_fhir(&mut out);
        out
    }

    /// Appends what [`Instant::to_fhir`] returns, without an allocation.
    pub fn write_fhir(self, out: &mut String) {
        use std::fmt::Write;
        let local = self.0 + CHINA_OFFSET_MINUTES * 60_000;
        let days = local.div_euclid(86_400_000);
        let ms = local.rem_euclid(86_400_000);
        let (y, m, d) = civil_from_days(days);
        let _ = write!(
            out,
            "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{:03}+08:00",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1000 % 60,
            ms % 1000
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_round_trip() {
        for days in (-800_000..800_000).step_by(13) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
        assert_eq!(days_in_month(2024, 2), 29);
        assert_eq!(days_in_month(2100, 2), 28);
    }

    #[test]
    fn instants_are_written_in_china_standard_time() {
        assert_eq!(Instant(0).to_fhir(), "1970-01-01T08:00:00.000+08:00");
        assert_eq!(Instant(-1).to_fhir(), "1970-01-01T07:59:59.999+08:00");
    }
}
