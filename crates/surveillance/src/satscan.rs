//! Reads the parameter and data files of SaTScan, so that a scan set up there
//! runs here unchanged.

use crate::scan::{Alive, Cases, Census, Cluster, Place, Scan, expected};
use crate::table::parse_date;
use std::collections::HashMap;
use tongmai_base::time::{civil_from_days, days_from_civil};

/// A parameter file (`.prm`).
#[derive(Debug, Clone)]
pub struct Parameters(HashMap<String, String>);

/// A scan ready to run.
#[derive(Debug, Clone)]
pub struct Study {
    /// Names of the places.
    pub names: Vec<String>,
    places: Vec<Place>,
    cases: Cases,
    expected: Option<Vec<f64>>,
    steps: Steps,
    /// Parameters of the scan.
    pub scan: Scan,
}

/// Time steps of a study.
#[derive(Debug, Clone, Copy)]
struct Steps {
    unit: Unit,
    length: i64,
    start: i64,
    end: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
}

impl Steps {
    /// Units since year 0, or days.
    fn index(&self, day: i64) -> i64 {
        let (year, month, _) = civil_from_days(day);
        match self.unit {
            Unit::Year => year,
            Unit::Month => year * 12 + i64::from(month) - 1,
            Unit::Day => day,
        }
    }

    /// Number of steps, counted back from the end, so that the last is whole.
    fn count(&self) -> usize {
        ((self.index(self.end) - self.index(self.start)) / self.length + 1).max(0) as usize
    }

    fn step(&self, day: i64) -> Option<u32> {
        let back = (self.index(self.end) - self.index(day)) / self.length;
        let step = self.count() as i64 - 1 - back;
        (day >= self.start && day <= self.end && step >= 0).then_some(step as u32)
    }

    fn first_day(&self, step: usize) -> i64 {
        let units = self.index(self.end) - (self.count() as i64 - 1 - step as i64) * self.length;
        let first = units - self.length + 1;
        let day = match self.unit {
            Unit::Year => days_from_civil(first, 1, 1),
            Unit::Month => days_from_civil(first.div_euclid(12), first.rem_euclid(12) as u32 + 1, 1),
            Unit::Day => first,
        };
        day.max(self.start)
    }

    fn last_day(&self, step: usize) -> i64 {
        if step + 1 == self.count() { self.end } else { self.first_day(step + 1) - 1 }
    }

    /// First day of every step, and the day after the end.
    fn bounds(&self) -> Vec<f64> {
        let mut bounds: Vec<f64> = (0..self.count()).map(|step| self.first_day(step) as f64).collect();
        bounds.push(self.end as f64 + 1.0);
        bounds
    }
}

impl Parameters {
    /// Reads `key=value` lines; sections and comments are skipped.
    pub fn parse(text: &str) -> Parameters {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with([';', '[']));
        Parameters(
            lines.filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.trim().into())).collect(),
        )
    }

    /// A value; empty when absent.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn number(&self, key: &str) -> Result<f64, String> {
        self.get(key).parse().map_err(|_| format!("{key}: \"{}\" is no number", self.get(key)))
    }

    fn date(&self, key: &str) -> Result<i64, String> {
        parse_date(self.get(key)).ok_or_else(|| format!("{key}: \"{}\" is no date", self.get(key)))
    }

    /// Puts a study together from the texts of the case, coordinates and population files.
    pub fn study(
        &self,
        cases: &str,
        coordinates: &str,
        population: Option<&str>,
        seed: u64,
    ) -> Result<Study, String> {
        let (names, places) = self.places(coordinates)?;
        let index: HashMap<&str, usize> =
            names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let unit = match self.get("TimeAggregationUnits") {
            "1" => Unit::Year,
            "2" => Unit::Month,
            "3" => Unit::Day,
            other => return Err(format!("TimeAggregationUnits={other} is not supported")),
        };
        let length = self.number("TimeAggregationLength")?.max(1.0) as i64;
        let (start, end) = (self.date("StartDate")?, self.date("EndDate")?);
        if start > end {
            return Err("the study ends before it starts".into());
        }
        let steps = Steps { unit, length, start, end };
        let (listed, strata) = read_cases(cases, &index, &steps)?;
        let expected = match (self.get("ModelType"), population) {
            ("2", _) => None,
            ("0", Some(text)) => {
                Some(expected(places.len(), &steps.bounds(), &read_population(text, &index)?, &strata)?)
            }
            ("0", None) => return Err("the Poisson model needs a population file".into()),
            (other, _) => return Err(format!("ModelType={other} is not supported: 0 and 2 are")),
        };
        let scan = self.scan(steps.count(), seed)?;
        Ok(Study {
            names,
            places,
            cases: Cases { cases: listed, steps: steps.count() },
            expected,
            steps,
            scan,
        })
    }

    fn scan(&self, steps: usize, seed: u64) -> Result<Scan, String> {
        let alive = match self.get("AnalysisType") {
            "3" => Alive::Retrospective,
            "4" => Alive::Prospective,
            other => return Err(format!("AnalysisType={other} is not supported: 3 and 4 are")),
        };
        let size = self.number("MaxTemporalSize")?;
        let longest = match self.get("MaxTemporalSizeInterpretation") {
            "1" => size,
            _ => size / 100.0 * steps as f64,
        };
        let by_radius = self.get("UseDistanceFromCenterOption") == "y";
        Ok(Scan {
            alive,
            longest: (longest as usize).clamp(1, steps),
            largest_share: self.number("MaxSpatialSizeInPopulationAtRisk")? / 100.0,
            largest_radius: by_radius
                .then(|| self.number("MaxSpatialSizeInDistanceFromCenter"))
                .transpose()?,
            fewest_cases: self.number("MinimumCasesInHighRateClusters").unwrap_or(2.0) as u32,
            replications: self.number("MonteCarloReps")? as usize,
            seed,
        })
    }

    fn places(&self, text: &str) -> Result<(Vec<String>, Vec<Place>), String> {
        let mut names = Vec::new();
        let mut places = Vec::new();
        for (line, cells) in rows(text) {
            let number = |i: usize| {
                cells
                    .get(i)
                    .and_then(|cell| cell.parse::<f64>().ok())
                    .filter(|value| value.is_finite())
                    .ok_or(format!("coordinates, line {line}: three columns are expected"))
            };
            let (a, b) = (number(1)?, number(2)?);
            places.push(match self.get("CoordinatesType") {
                "1" => Place::Globe { latitude: a, longitude: b },
                _ => Place::Plane { x: a, y: b },
            });
            names.push(cells[0].to_owned());
        }
        Ok((names, places))
    }
}

/// Lines of cells, with their numbers.
fn rows(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| {
            (i + 1, line.split([' ', '\t', ',']).filter(|cell| !cell.is_empty()).collect::<Vec<_>>())
        })
        .filter(|(_, cells)| !cells.is_empty())
}

/// A date, a year and month, or a year alone, which stands for its middle as
/// in SaTScan; two digits belong to the twentieth century.
fn loose_date(text: &str) -> Option<i64> {
    if let Some(day) = parse_date(text) {
        return Some(day);
    }
    let mut parts = text.split(['-', '/']);
    let year: i64 = parts.next()?.parse().ok()?;
    let year = if year < 100 { year + 1900 } else { year };
    match parts.next() {
        Some(month) => {
            let month = month.parse().ok().filter(|m| (1..=12).contains(m))?;
            Some(days_from_civil(year, month, 15))
        }
        None => Some(days_from_civil(year, 7, 1)),
    }
}

type Listed = (Vec<(u32, u32)>, Vec<String>);

/// Cases, one entry each, and their strata.
fn read_cases(text: &str, index: &HashMap<&str, usize>, steps: &Steps) -> Result<Listed, String> {
    let (mut cases, mut strata) = (Vec::new(), Vec::new());
    for (line, cells) in rows(text) {
        let at = |what: &str| format!("cases, line {line}: {what}");
        let [name, count, date, stratum @ ..] = cells.as_slice() else {
            return Err(at("place, number of cases and date are expected"));
        };
        let place =
            *index.get(name).ok_or_else(|| at(&format!("the place \"{name}\" has no coordinates")))?;
        let count: u32 = count.parse().map_err(|_| at("the number of cases is no whole number"))?;
        let day = loose_date(date).ok_or_else(|| at("no date"))?;
        let step = steps.step(day).ok_or_else(|| at("the date lies outside the study period"))?;
        if cases.len() + count as usize > MOST_CASES {
            return Err(at("too many cases"));
        }
        for _ in 0..count {
            cases.push((place as u32, step));
            strata.push(stratum.join(" "));
        }
    }
    Ok((cases, strata))
}

/// Most cases of one scan.
pub const MOST_CASES: usize = 10_000_000;

fn read_population(text: &str, index: &HashMap<&str, usize>) -> Result<Vec<Census>, String> {
    rows(text)
        .map(|(line, cells)| {
            let at = |what: &str| format!("population, line {line}: {what}");
            let [name, date, people, stratum @ ..] = cells.as_slice() else {
                return Err(at("place, date and people are expected"));
            };
            let place = *index.get(name).ok_or_else(|| at("the place has no coordinates"))?;
            let people = people.parse().map_err(|_| at("the number of people is no number"))?;
            let day = loose_date(date).ok_or_else(|| at("no date"))?;
            Ok(Census { place, time: day as f64, people, stratum: stratum.join(" ") })
        })
        .collect()
}

impl Study {
    /// Runs the scan.
    pub fn run(&self) -> Result<Vec<Cluster>, String> {
        match &self.expected {
            None => self.scan.permutation(&self.places, &self.cases),
            Some(expected) => self.scan.poisson(&self.places, &self.cases, expected),
        }
    }

    /// First and last day of a cluster, as days since 1970-01-01.
    pub fn days(&self, cluster: &Cluster) -> (i64, i64) {
        (self.steps.first_day(cluster.window.0), self.steps.last_day(cluster.window.1))
    }

    /// Number of cases.
    pub fn total_cases(&self) -> usize {
        self.cases.cases.len()
    }
}
