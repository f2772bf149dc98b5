//! Which points of former years are compared with a point of this year.

use crate::series::Series;
use tongmai_base::time::{civil_from_days, days_from_civil, days_in_month};

/// The same date `years` back; 29 February becomes 1 March, as in R's `seq` by year.
fn years_before(day: i64, years: i64) -> i64 {
    let (year, month, date) = civil_from_days(day);
    days_from_civil(year - years, month, date)
}

/// The day nearest to `day` that falls on the weekday of `like`.
fn nearest_same_weekday(day: i64, like: i64) -> i64 {
    let forward = (like - day).rem_euclid(7);
    if forward <= 3 { day + forward } else { day + forward - 7 }
}

/// Index of the point `years` before `index`: by date when the series has
/// dates (weeks: the nearest same weekday, so that week 53 does no harm), else
/// by counting points.
pub(super) fn year_before(series: &Series, index: usize, years: usize) -> Option<usize> {
    match &series.dates {
        None => index.checked_sub(years * series.frequency),
        Some(dates) => {
            let day = dates[index];
            let mut wanted = years_before(day, years as i64);
            if series.frequency == 52 {
                wanted = nearest_same_weekday(wanted, day);
            }
            dates.binary_search(&wanted).ok()
        }
    }
}

/// Indices of the `2w + 1` points around the point `years` before; with dates
/// each is moved to the weekday (weeks) or day of the month (months) of the point.
pub(super) fn window_years_before(
    series: &Series,
    index: usize,
    years: usize,
    w: usize,
) -> Vec<Option<usize>> {
    let offsets = -(w as i64)..=w as i64;
    let Some(dates) = &series.dates else {
        let middle = index as i64 - (years * series.frequency) as i64;
        return offsets.map(|o| usize::try_from(middle + o).ok()).collect();
    };
    let day = dates[index];
    let middle = years_before(day, years as i64);
    offsets
        .map(|offset| {
            let wanted = match series.frequency {
                52 => nearest_same_weekday(middle + 7 * offset, day),
                12 => months_after(middle, offset),
                _ => middle + offset,
            };
            dates.binary_search(&wanted).ok()
        })
        .collect()
}

fn months_after(day: i64, months: i64) -> i64 {
    let (year, month, date) = civil_from_days(day);
    let total = year * 12 + i64::from(month) - 1 + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
    days_from_civil(year, month, date.min(days_in_month(year, month)))
}
