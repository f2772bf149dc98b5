//! The epidemic curve: cases of each week as columns, the expected band behind them.

use std::fmt::Write;

use super::Desk;
use crate::chart::escape;
use tongmai_views::surveillance::cases::Cases;
use tongmai_views::surveillance::watch_date;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 632.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 152.0;

/// One week of a curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Week {
    /// Its last day.
    pub end: i64,
    /// Cases; 0 where they are hidden.
    pub cases: u32,
    /// They are too few to be shown to this reader.
    pub hidden: bool,
    /// Expected cases, low and high.
    pub band: (f64, f64),
    /// Expected cases.
    pub expected: f64,
}

impl Week {
    /// Its last day as it is written.
    pub fn date(&self) -> String {
        watch_date(self.end)
    }

    /// Its cases as they are written.
    pub fn cases_text(&self) -> String {
        if self.hidden { format!("<{}", super::SMALL_CELL) } else { self.cases.to_string() }
    }

    /// The expected cases as they are written.
    pub fn expected_text(&self) -> String {
        format!("{:.1}", self.expected)
    }

    /// Whether it lies above what is expected.
    pub fn is_above(&self) -> bool {
        f64::from(self.cases) > self.band.1
    }
}

/// The weeks of a disease in a county up to today, as a desk sees them.
pub fn weeks(cases: &Cases, desk: &Desk, disease: &str, county: &str, today: i64, count: i64) -> Vec<Week> {
    use tongmai_surveillance::monitor::Watch;
    use tongmai_views::surveillance::Stratum;
    let none = tongmai_surveillance::monitor::DailyCounts::default();
    let counts = cases.counts(disease, &Stratum::county(county)).unwrap_or(&none);
    let since = cases.since().unwrap_or(today);
    let class_a = cases.rules().disease(disease, today).is_some_and(|disease| disease.as_class_a);
    let (watch, mut weeks) = (Watch::default(), Vec::new());
    for back in (0..count).rev() {
        let end = today - 7 * back;
        if end < since {
            continue;
        }
        let background = watch.background(counts, since, end);
        let spread = 2.0 * (background.week * background.dispersion).sqrt();
        let count = counts.between(end - 6, end);
        let hidden = desk.hides(count, class_a);
        weeks.push(Week {
            end,
            cases: if hidden { 0 } else { count },
            hidden,
            expected: background.week,
            band: ((background.week - spread).max(0.0), background.week + spread),
        });
    }
    weeks
}

/// The curve as SVG. What lies above the band is darker and has its number on it.
pub fn draw(weeks: &[Week], title: &str) -> String {
    let highest = weeks.iter().map(|week| f64::from(week.cases).max(week.band.1)).fold(1.0, f64::max);
    let step = (RIGHT - LEFT) / weeks.len().max(1) as f64;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / highest;
    let x = |index: usize| LEFT + step * index as f64;
    let mut svg = format!("<svg class=curve viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img><title>");
    escape(title, &mut svg);
    svg.push_str("</title>");
    let mut band = String::new();
    for (index, week) in weeks.iter().enumerate() {
        let sign = if index == 0 { 'M' } else { 'L' };
        let _ = write!(
            band,
            "{sign}{:.1} {:.1}L{:.1} {:.1}",
            x(index),
            y(week.band.1),
            x(index + 1),
            y(week.band.1)
        );
    }
    for (index, week) in weeks.iter().enumerate().rev() {
        let _ =
            write!(band, "L{:.1} {:.1}L{:.1} {:.1}", x(index + 1), y(week.band.0), x(index), y(week.band.0));
    }
    let _ = write!(svg, "<path class=band d=\"{band}Z\"/>");
    for (index, week) in weeks.iter().enumerate().filter(|(_, week)| week.cases > 0) {
        let class = if week.is_above() { " class=out" } else { "" };
        let top = y(f64::from(week.cases));
        let _ = write!(
            svg,
            "<rect{class} x={:.1} y={top:.1} width={:.1} height={:.1} />",
            x(index) + 1.0,
            (step - 2.0).max(1.0),
            BOTTOM - top
        );
        if week.is_above() {
            let middle = x(index) + step / 2.0;
            let _ = write!(
                svg,
                "<text class=out x={middle:.1} y={:.1}>{}</text>",
                (top - 3.0).max(9.0),
                week.cases
            );
        }
    }
    let _ = write!(svg, "<path class=axis d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>");
    for value in [highest, highest / 2.0] {
        let at = y(value.round());
        let _ = write!(
            svg,
            "<text class=edge x={} y={:.1} text-anchor=end>{:.0}</text>",
            LEFT - 4.0,
            at + 4.0,
            value.round()
        );
    }
    let labels = 4.min(weeks.len());
    for label in 0..labels {
        let index = label * (weeks.len() - 1) / labels.max(2).saturating_sub(1).max(1);
        let middle = (x(index) + step / 2.0).clamp(LEFT + 28.0, RIGHT - 28.0);
        let _ = write!(svg, "<text class=edge x={middle:.1} y=170>{}</text>", watch_date(weeks[index].end));
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_marks_what_is_above_the_band() {
        let week = |end, cases| Week { end, cases, hidden: false, expected: 2.0, band: (0.0, 4.0) };
        let svg = draw(&[week(20_000, 2), week(20_007, 9), week(20_014, 0)], "霍乱 <1>");
        assert_eq!(svg.matches("<rect class=out").count(), 1);
        assert!(svg.contains(">9<") && svg.contains("&lt;1&gt;") && svg.contains("class=band"));
        assert!(!draw(&[], "").contains("NaN") && !draw(&[week(0, 0)], "").contains("NaN"));
    }
}
