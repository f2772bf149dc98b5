//! Charts as SVG: drawn by the server, labelled directly, the expected band behind the line.
//!
//! Shapes carry classes, never style attributes: the pages' content policy allows none, and
//! the stylesheet colours them for light, dark and paper.

use std::fmt::Write;

use crate::format::When;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 116.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 262.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 94.0;

/// One line of a chart.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Its name, shown at its end when there are several.
    pub name: String,
    /// Time in milliseconds since 1970 and value, oldest first.
    pub points: Vec<(i64, f64)>,
    /// Reference range: low and high.
    pub range: (Option<f64>, Option<f64>),
    /// The last value as it was written.
    pub last: String,
}

impl Line {
    fn abnormal(&self, value: f64) -> bool {
        self.range.0.is_some_and(|low| value < low) || self.range.1.is_some_and(|high| value > high)
    }
}

/// A trend: lines over the same time and the same unit. `title` is read out in its place.
pub fn trend(lines: &[Line], title: &str) -> String {
    let times = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.0));
    let values = || {
        let ends = |line: &Line| [line.range.0, line.range.1].into_iter().flatten().collect::<Vec<f64>>();
        lines
            .iter()
            .flat_map(move |line| line.points.iter().map(|p| p.1).chain(ends(line)).collect::<Vec<_>>())
    };
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return String::new() };
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let room = ((high - low) * 0.08).max(high.abs() * 0.01).max(1e-9);
    let (low, high) = (low - room, high + room);
    let x = |time: i64| LEFT + (RIGHT - LEFT) * (time - first) as f64 / ((last - first).max(1)) as f64;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low);

    let mut svg = format!("<svg class=trend viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img><title>");
    escape(title, &mut svg);
    svg.push_str("</title>");
    for line in lines {
        band(&mut svg, line, &y);
    }
    let _ = write!(svg, "<path class=axis d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>");
    for line in lines {
        let mut path = String::new();
        for (index, &(time, value)) in line.points.iter().enumerate() {
            let _ = write!(path, "{}{:.0} {:.0}", if index == 0 { 'M' } else { 'L' }, x(time), y(value));
        }
        let _ = write!(svg, "<path class=line d=\"{path}\"/>");
        for &(time, value) in &line.points {
            point(&mut svg, x(time), y(value), line.abnormal(value));
        }
    }
    edges(&mut svg, lines, &y);
    ends(&mut svg, lines, &y);
    let (from, to) = (When::moment(first).date(), When::moment(last).date());
    let _ = write!(svg, "<text x={LEFT} y=110>{from}</text>");
    if to != from {
        let _ = write!(svg, "<text x={RIGHT} y=110 text-anchor=end>{to}</text>");
    }
    svg.push_str("</svg>");
    svg
}

fn band(svg: &mut String, line: &Line, y: &impl Fn(f64) -> f64) {
    let top = line.range.1.map_or(TOP, y);
    let bottom = line.range.0.map_or(BOTTOM, y);
    if line.range == (None, None) || bottom <= top {
        return;
    }
    let _ = write!(
        svg,
        "<rect class=band x={LEFT} y={top:.0} width={} height={:.0} />",
        RIGHT - LEFT,
        (bottom - top).max(1.0)
    );
}

/// The ends of the ranges at the left, without those that would stand on another.
fn edges(svg: &mut String, lines: &[Line], y: &impl Fn(f64) -> f64) {
    let mut taken: Vec<f64> = Vec::new();
    for value in lines.iter().flat_map(|line| [line.range.1, line.range.0]).flatten() {
        let at = y(value) + 4.0;
        if taken.iter().all(|other| (at - other).abs() >= 11.0) {
            taken.push(at);
            let _ = write!(svg, "<text class=edge x={} y={at:.0} text-anchor=end>{value}</text>", LEFT - 4.0);
        }
    }
}

/// What is outside of the range is larger and square: not told by colour alone.
fn point(svg: &mut String, x: f64, y: f64, abnormal: bool) {
    let _ = if abnormal {
        write!(svg, "<rect class=out x={:.0} y={:.0} width=6 height=6 />", x - 3.0, y - 3.0)
    } else {
        write!(svg, "<circle cx={x:.0} cy={y:.0} r=2 />")
    };
}

/// The last value of each line at its end, kept apart from each other; with several lines the name
/// stands under it.
fn ends(svg: &mut String, lines: &[Line], y: &impl Fn(f64) -> f64) {
    let mut labels: Vec<(f64, &Line)> =
        lines.iter().filter_map(|line| Some((y(line.points.last()?.1) + 4.0, line))).collect();
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::NEG_INFINITY;
    for (at, line) in labels {
        let at = at.max(above + 14.0);
        above = at;
        if lines.len() > 1 {
            above += 12.0;
            // Its first word tells two parts of one measurement apart.
            let _ = write!(svg, "<text class=name x={} y={above:.0}>", RIGHT + 6.0);
            escape(line.name.split(' ').next().unwrap_or(""), svg);
            svg.push_str("</text>");
        }
        let value = line.points.last().map_or(0.0, |point| point.1);
        let class = if line.abnormal(value) { "last out" } else { "last" };
        let _ = write!(svg, "<text class=\"{class}\" x={} y={at:.0}>", RIGHT + 6.0);
        escape(&line.last, svg);
        svg.push_str("</text>");
    }
}

/// Columns over days: `(day since 1970, count)`, one for each day without gaps.
pub fn columns(days: &[(i64, i64)], title: &str) -> String {
    let most = days.iter().map(|day| day.1).max().unwrap_or(0).max(1) as f64;
    let step = (WIDTH - 8.0) / days.len().max(1) as f64;
    let mut svg = format!("<svg class=columns viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img><title>");
    escape(title, &mut svg);
    svg.push_str("</title>");
    for (index, &(day, count)) in days.iter().enumerate() {
        let height = (BOTTOM - TOP - 8.0) * count as f64 / most;
        let left = 4.0 + step * index as f64;
        let middle = left + step / 2.0;
        let today = if index + 1 == days.len() { " class=today" } else { "" };
        let _ = write!(
            svg,
            "<rect{today} x={left:.1} y={:.1} width={:.1} height={height:.1} /><text x={middle:.1} y={:.1}>{count}</text>",
            BOTTOM - height,
            step - 3.0,
            BOTTOM - height - 4.0,
        );
        let (_, month, date) = tongmai_base::time::civil_from_days(day);
        if index == 0 || date == 1 || index + 1 == days.len() || index == days.len() / 2 {
            let middle = middle.clamp(18.0, WIDTH - 18.0);
            let _ = write!(svg, "<text class=edge x={middle:.1} y=110>{month}-{date:02}</text>");
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Appends text to markup.
pub fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_tells_what_it_shows() {
        let day = 86_400_000;
        let line = Line {
            name: "收缩压".into(),
            points: vec![(0, 130.0), (day, 150.0), (9 * day, 186.0)],
            range: (Some(90.0), Some(139.0)),
            last: "186 ↑".into(),
        };
        let svg = trend(&[line], "血压 <b>");
        assert!(svg.contains("<title>血压 &lt;b&gt;</title>"));
        assert!(svg.contains("186 ↑") && svg.contains(">139<") && svg.contains(">90<"));
        assert_eq!(svg.matches("class=out").count(), 2, "two of three values are outside");
        assert!(svg.contains("1970-01-01") && svg.contains("1970-01-10"));
        assert_eq!(trend(&[], "nothing"), "");
    }

    #[test]
    fn one_value_and_equal_values_stay_in_the_picture() {
        for points in [vec![(5, 0.0)], vec![(5, 7.0), (6, 7.0)]] {
            let svg = trend(&[Line { points, ..Line::default() }], "");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn columns_carry_their_numbers() {
        let svg = columns(&[(20_000, 3), (20_001, 0), (20_002, 12)], "visits");
        assert!(svg.contains(">12<") && svg.contains(">0<"));
        assert!(!columns(&[], "none").contains("NaN"));
    }
}
