//! A choice survey from what an organiser writes down to what people find worth how much.
//!
//! Each attribute is a line: its name, a colon, its levels between bars. Questions come from
//! [`super::design`]; answers are estimated by the conditional logit on effect-coded levels, so that the
//! levels of one attribute have values that sum to nothing (Bech and Gyrd-Hansen 2005).

use super::design::{Design, Plan};
use super::{ChoiceData, Refusal, Specification, estimate};

/// Alternatives of a question: two stand side by side on the smallest screen.
const ALTERNATIVES: usize = 2;
/// Questions that one person is asked.
pub const MOST_TASKS: u32 = 16;
/// Attributes, and levels of one: more than that nobody weighs at once.
const MOST_ATTRIBUTES: usize = 6;
const MOST_LEVELS: usize = 5;
/// 97.5 % of the standard normal distribution lie below.
const TWO_SIDED: f64 = 1.959_963_984_540_054;

/// Something in which the alternatives differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its levels.
    pub levels: Vec<String>,
}

/// The attributes of a survey.
///
/// # Errors
/// A line of another shape, or too many of something.
pub fn attributes(lines: &[String]) -> Result<Vec<Attribute>, String> {
    let attributes: Vec<Attribute> = lines.iter().map(|line| attribute(line)).collect::<Result<_, _>>()?;
    if !(2..=MOST_ATTRIBUTES).contains(&attributes.len()) {
        return Err("attributes: write 2 to 6, one a line".into());
    }
    Ok(attributes)
}

fn attribute(line: &str) -> Result<Attribute, String> {
    let (name, levels) = line
        .split_once([':', '：'])
        .ok_or("attributes: each line is a name, a colon, and its levels between bars")?;
    let levels: Vec<String> =
        levels.split(['|', '｜']).map(|level| level.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    if name.trim().is_empty() || !(2..=MOST_LEVELS).contains(&levels.len()) {
        return Err("attributes: each has a name and 2 to 5 levels".into());
    }
    if levels.iter().enumerate().any(|(at, level)| levels[..at].contains(level)) {
        return Err("attributes: two levels of one attribute are the same".into());
    }
    Ok(Attribute { name: name.trim().to_owned(), levels })
}

/// The plan of the questions.
///
/// # Errors
/// Too many questions, or too few to estimate every level.
pub fn plan(attributes: &[Attribute], tasks: u32) -> Result<Plan, String> {
    let levels: Vec<usize> = attributes.iter().map(|attribute| attribute.levels.len()).collect();
    let plan =
        Plan { levels, tasks: tasks as usize, alternatives: ALTERNATIVES, prior: vec![], order: vec![] };
    if tasks > MOST_TASKS {
        return Err("tasks: ask one person at most 16 questions".into());
    }
    if plan.tasks < plan.columns() {
        return Err("tasks: there are too few for so many levels".into());
    }
    plan.check()?;
    Ok(plan)
}

/// What a level is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth {
    /// Attribute and level by number.
    pub attribute: usize,
    /// Level.
    pub level: usize,
    /// Value on the scale of the logit; the values of an attribute sum to 0.
    pub value: f64,
    /// Half the width of its 95 % interval.
    pub within: f64,
}

/// What people find worth how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Tastes {
    /// Every level of every attribute.
    pub worths: Vec<Worth>,
    /// Share of each attribute in all that decides, from the best to the worst level (importance).
    pub importance: Vec<f64>,
    /// Answers used.
    pub answers: usize,
}

/// Estimates what the answers `(question, alternative)` of all people say.
///
/// # Errors
/// As [`estimate`]: some level was never weighed against another, or always won.
pub fn tastes(
    attributes: &[Attribute],
    design: &Design,
    answers: impl Iterator<Item = (u32, u32)>,
) -> Result<Tastes, Refusal> {
    let width = |attribute: &Attribute| attribute.levels.len() - 1;
    let columns: Vec<String> = attributes
        .iter()
        .flat_map(|a| (0..width(a)).map(move |level| format!("{}: {}", a.name, a.levels[level])))
        .collect();
    let mut data = ChoiceData { columns: columns.clone(), offsets: vec![0], ..ChoiceData::default() };
    for (task, chosen) in answers {
        let Some(alternatives) = design.get(task as usize) else { continue };
        for (number, alternative) in alternatives.iter().enumerate() {
            for (&level, attribute) in alternative.iter().zip(attributes) {
                let last = width(attribute);
                data.values.extend((0..last).map(|column| match level {
                    level if level == column => 1.0,
                    level if level == last => -1.0,
                    _ => 0.0,
                }));
            }
            data.chosen.push(number == chosen as usize);
        }
        data.offsets.push(data.chosen.len());
    }
    let found = estimate(&data, &Specification { columns, ..Specification::default() })?;
    let (mut worths, mut ranges) = (Vec::new(), Vec::new());
    let mut from = 0;
    for (number, attribute) in attributes.iter().enumerate() {
        let own = from..from + width(attribute);
        from = own.end;
        let mut values: Vec<(f64, f64)> =
            own.clone().map(|i| (found.coefficients[i], found.variance.at(i, i))).collect();
        // The last level is minus the sum of the others, and so is its variance the sum over all their pairs.
        let spread: f64 = own
            .clone()
            .flat_map(|i| own.clone().map(move |j| (i, j)))
            .map(|(i, j)| found.variance.at(i, j))
            .sum();
        values.push((-values.iter().map(|v| v.0).sum::<f64>(), spread));
        let best = values.iter().map(|v| v.0).fold(f64::NEG_INFINITY, f64::max);
        let worst = values.iter().map(|v| v.0).fold(f64::INFINITY, f64::min);
        ranges.push(best - worst);
        worths.extend(values.iter().enumerate().map(|(level, (value, variance))| Worth {
            attribute: number,
            level,
            value: *value,
            within: TWO_SIDED * variance.max(0.0).sqrt(),
        }));
    }
    let whole: f64 = ranges.iter().sum();
    let importance = ranges.iter().map(|range| if whole > 0.0 { range / whole } else { 0.0 }).collect();
    Ok(Tastes { worths, importance, answers: data.strata() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn lines() -> Vec<String> {
        ["取药地点：村卫生室｜乡镇卫生院｜县医院", "每次配药: 4 周 | 12 周", "自付: 0 元 | 10 元 | 30 元"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn what_people_weigh_is_found_again() {
        let attributes = attributes(&lines()).expect("attributes");
        let design = plan(&attributes, 8).and_then(|plan| plan.generate(1)).expect("a design");
        let truth = [[0.8, 0.1, -0.9].as_slice(), &[-0.4, 0.4], &[0.6, 0.2, -0.8]];
        let mut random = Random::new(5);
        let mut answers = Vec::new();
        for _ in 0..600 {
            for (task, alternatives) in design.iter().enumerate() {
                let utility = |alternative: &Vec<usize>| {
                    alternative.iter().zip(truth).map(|(&level, values)| values[level]).sum::<f64>()
                };
                let odds = (utility(&alternatives[1]) - utility(&alternatives[0])).exp();
                answers.push((task as u32, u32::from(random.uniform() < odds / (1.0 + odds))));
            }
        }
        let tastes = tastes(&attributes, &design, answers.into_iter()).expect("an estimate");
        assert_eq!((tastes.worths.len(), tastes.answers), (8, 4800));
        for worth in &tastes.worths {
            let truth = truth[worth.attribute][worth.level];
            assert!((worth.value - truth).abs() < 1.7 * worth.within, "{worth:?} against {truth}");
        }
        assert!((tastes.importance.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(tastes.importance[0] > tastes.importance[1], "{:?}", tastes.importance);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let with = |line: &str| attributes(&[lines()[0].clone(), line.to_owned()]);
        for wrong in ["no levels", "one: level", ": a | b", "same: a | a", "six: 1|2|3|4|5|6"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        assert!(attributes(&lines()[..1]).is_err());
        let attributes = attributes(&lines()).expect("attributes");
        assert!(plan(&attributes, 3).is_err() && plan(&attributes, 17).is_err());
        assert!(tastes(&attributes, &vec![], [(0, 0)].into_iter()).is_err(), "nobody was asked anything");
    }
}
