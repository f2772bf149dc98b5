//! Two records side by side: what differs is marked, and each field's evidence is a step of a waterfall.

use tongmai_engine::person::{FIELDS, Member, Pair, Weighed};

use crate::format::{When, covered};
use crate::language::Language;

/// A text in three parts, of which the middle one differs.
pub struct Marked {
    pub before: String,
    pub differs: String,
    pub after: String,
}

/// One field of two records.
pub struct Row {
    pub field: &'static str,
    pub left: Marked,
    pub right: Marked,
    pub differs: bool,
    /// Empty where nothing could be compared.
    pub bits: String,
    pub against: bool,
    /// None where nothing could be compared.
    pub step: Option<Step>,
}

/// A bar of a waterfall, in hundredths of its width.
pub struct Step {
    pub from: i64,
    pub width: i64,
}

/// A pair as the page shows it.
pub struct Shown {
    pub left: String,
    pub right: String,
    pub left_name: String,
    pub right_name: String,
    pub percent: String,
    pub since: When,
    pub prior: String,
    pub prior_step: Step,
    pub total: String,
    /// Where neither side is favoured.
    pub zero: i64,
    pub objection: bool,
    pub needs_two: bool,
    pub automatic: bool,
    pub rows: Vec<Row>,
}

/// Prepares a pair for showing.
pub fn shown(pair: &Pair, l: Language) -> Shown {
    let weighed = &pair.review.weighed;
    let scale = Scale::of(weighed);
    let mut reached = weighed.prior;
    let mut rows = Vec::new();
    for (field, bits) in FIELDS.iter().zip(weighed.evidence) {
        let (left, right) = (value(&pair.left, field, l), value(&pair.right, field, l));
        let step = (bits != 0.0).then(|| scale.step(reached, reached + bits));
        reached += bits;
        if left.is_empty() && right.is_empty() {
            continue;
        }
        // Numbers that different providers gave differ and say nothing.
        let differs = bits != 0.0 && left != right && !left.is_empty() && !right.is_empty();
        let (left, right) = if differs { marked(&left, &right) } else { (plain(left), plain(right)) };
        rows.push(Row {
            field,
            left,
            right,
            differs,
            bits: if bits == 0.0 { String::new() } else { format!("{bits:+.1}") },
            against: bits < 0.0,
            step,
        });
    }
    let name = |member: &Member| member.said.forms.first().map_or(String::new(), |form| form.name.clone());
    Shown {
        left: pair.left.resource.id.clone(),
        right: pair.right.resource.id.clone(),
        left_name: name(&pair.left),
        right_name: name(&pair.right),
        percent: percent(weighed.probability),
        since: When::moment(pair.review.since),
        prior: format!("{:+.1}", weighed.prior),
        prior_step: scale.step(0.0, weighed.prior),
        total: format!("{reached:+.1}"),
        zero: scale.at(0.0),
        objection: weighed.objection,
        needs_two: pair.needs_two,
        automatic: weighed.zone == tongmai_engine::person::Zone::Automatic,
        rows,
    }
}

/// A probability in words of a hundred; never 100 while it is not certain.
pub fn percent(probability: f64) -> String {
    match 100.0 * probability {
        share if share > 99.9 => "> 99.9".into(),
        share => format!("{share:.1}"),
    }
}

/// All running sums of a waterfall lie between these.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(weighed: &Weighed) -> Scale {
        let (mut least, mut most, mut reached) = (weighed.prior.min(0.0), 0.0f64, weighed.prior);
        for bits in weighed.evidence {
            reached += bits;
            (least, most) = (least.min(reached), most.max(reached));
        }
        Scale { least, most: most.max(least + 1.0) }
    }

    fn at(&self, bits: f64) -> i64 {
        (100.0 * (bits - self.least) / (self.most - self.least)).round() as i64
    }

    fn step(&self, from: f64, to: f64) -> Step {
        let (left, right) = (self.at(from.min(to)), self.at(from.max(to)));
        Step { from: left.min(99), width: (right - left).max(1) }
    }
}

fn plain(text: String) -> Marked {
    Marked { before: text, differs: String::new(), after: String::new() }
}

/// Parts that both texts have at their beginning and end, and what differs between.
fn marked(left: &str, right: &str) -> (Marked, Marked) {
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if a.is_empty() || b.is_empty() {
        return (plain(left.to_owned()), plain(right.to_owned()));
    }
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let part = |text: &[char]| Marked {
        before: text[..head].iter().collect(),
        differs: text[head..text.len() - tail].iter().collect(),
        after: text[text.len() - tail..].iter().collect(),
    };
    (part(&a), part(&b))
}

/// All that a record says of a field, numbers with their middle covered.
pub fn value(member: &Member, field: &str, l: Language) -> String {
    let mut found: Vec<String> = Vec::new();
    for form in &member.said.forms {
        let text = match field {
            "identity-number" => covered(&form.identity_number).into_owned(),
            "insurance-number" => covered(own_part(&form.insurance_number)).into_owned(),
            "patient-number" => own_part(&form.patient_number).to_owned(),
            "telephone" => form.phone.clone(),
            "address" => form.address.clone(),
            "name" => form.name.clone(),
            "birth-date" => form.birth_date.clone(),
            _ if form.sex.is_empty() => String::new(),
            _ => l.code("gender", &form.sex).into_owned(),
        };
        if !text.is_empty() && !found.contains(&text) {
            found.push(text);
        }
    }
    found.join(" / ")
}

/// The number without the kind or the provider before it.
fn own_part(number: &str) -> &str {
    number.rsplit('|').next().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked() {
        for (left, right, expected) in [
            ("卓玛", "卓马", ("卓", "玛", "")),
            ("990123196103086764", "990123610308676", ("990123", "196103086", "764")),
            ("同", "同", ("同", "", "")),
            ("", "王", ("", "", "")),
        ] {
            let (found, _) = marked(left, right);
            let text = format!("{}{}{}", found.before, found.differs, found.after);
            assert_eq!(text, left);
            if !left.starts_with("9901") {
                assert_eq!((&*found.before, &*found.differs, &*found.after), expected);
            }
        }
    }

    #[test]
    fn a_waterfall_stays_within_its_width() {
        let weighed = Weighed {
            probability: 0.5,
            zone: tongmai_engine::person::Zone::Review,
            prior: -13.3,
            evidence: [23.0, 0.0, -1.5, 0.0, 9.0, 14.5, -7.0, 0.0],
            objection: false,
        };
        let scale = Scale::of(&weighed);
        let mut reached = weighed.prior;
        for bits in weighed.evidence {
            let step = scale.step(reached, reached + bits);
            reached += bits;
            assert!(step.from >= 0 && step.width >= 1 && step.from + step.width <= 100, "{bits}");
        }
        assert_eq!(scale.at(0.0), scale.step(0.0, -13.3).width);
        assert_eq!((percent(0.99999), percent(0.5)), ("> 99.9".into(), "50.0".into()));
    }
}
