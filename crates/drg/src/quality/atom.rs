//! The tests of a rule: few, so that a table carries hundreds of rules.
//!
//! | test | holds when |
//! |---|---|
//! | `principal:R`, `other:R`, `any:R` | a diagnosis there is in the ranges R (`C60-C63,I21.0`) |
//! | `main:R`, `procedure:R` | a procedure there is |
//! | `sex=1`, `age<15`, `days<29`, `weight>6000`, `stay>60`, `diagnoses>11`, `procedures=0`, `cost=0`, `ratio<0.4` | the number stands so |
//! | `discharge:5` | the way of discharge is one of these |
//! | `missing:field` | the field says nothing |
//! | `lab`, `lab:2823-3`, `lab:2823-3<3.5`, `lab:80382-5+` | the record has results, one of this code, below, positive |
//! | `date:discharged<admitted` … | the days stand so |
//! | `repeated:diagnosis`, `repeated:procedure`, `malformed:diagnosis`, `malformed:procedure` | a code is so |
//! | `settlement:principal`, `settlement:main`, `settlement:lacks` | the settlement list differs from the front page so |
//! | `!…` | the test does not hold |

use super::page::{FIELDS, Field, FrontPage};
use crate::case::{Number, usual_code};
use crate::condition::Comparison;

/// One test, perhaps negated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Test {
    negated: bool,
    what: What,
}

type Range = (String, String);

#[derive(Debug, Clone, PartialEq)]
enum What {
    Diagnosis(Place, Vec<Range>),
    Procedure(Place, Vec<Range>),
    Count(Counted, Comparison, f64),
    Discharge(Vec<String>),
    Missing(Field),
    Results,
    Result(String, Option<(Comparison, f64)>, bool),
    Days(Day, Comparison, Day),
    Stay,
    Repeated(bool),
    Malformed(bool),
    Settlement(Difference),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    First,
    Rest,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Counted {
    Sex,
    Age,
    Days,
    Weight,
    Stay,
    Intensive,
    Diagnoses,
    Procedures,
    Cost,
    Ratio,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Day {
    Birth,
    Admitted,
    Discharged,
    Procedure,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Difference {
    Principal,
    Main,
    Lacks,
}

const COUNTED: [(&str, Counted); 10] = [
    ("sex", Counted::Sex),
    ("age", Counted::Age),
    ("days", Counted::Days),
    ("weight", Counted::Weight),
    ("stay", Counted::Stay),
    ("icu", Counted::Intensive),
    ("diagnoses", Counted::Diagnoses),
    ("procedures", Counted::Procedures),
    ("cost", Counted::Cost),
    ("ratio", Counted::Ratio),
];

fn comparison(text: &str) -> Option<(&str, Comparison, &str)> {
    let signs = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
        ("=", Comparison::Equal),
    ];
    let at = text.find(['<', '>', '='])?;
    let (left, rest) = text.split_at(at);
    let (sign, is) = signs.iter().find(|(sign, _)| rest.starts_with(sign))?;
    Some((left, *is, &rest[sign.len()..]))
}

fn stands(left: f64, is: Comparison, right: f64) -> bool {
    match is {
        Comparison::Equal => (left - right).abs() < 1e-9,
        Comparison::Less => left < right,
        Comparison::AtMost => left <= right,
        Comparison::Greater => left > right,
        Comparison::AtLeast => left >= right,
    }
}

fn ranges(text: &str) -> Vec<Range> {
    let range = |part: &str| match part.split_once('-') {
        Some((from, to)) => (from.to_string(), to.to_string()),
        None => (part.to_string(), part.to_string()),
    };
    text.split(',').filter(|part| !part.is_empty()).map(range).collect()
}

/// Whether a code lies between both bounds, each taken as a beginning: `C61.9` is in `C60-C63`.
fn within(code: &str, (from, to): &Range) -> bool {
    code >= from.as_str() && code.get(..to.len()).unwrap_or(code) <= to.as_str()
}

impl Test {
    pub(super) fn read(text: &str) -> Result<Test, String> {
        let (negated, body) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let what = what(body).ok_or_else(|| format!("'{text}' is no test"))?;
        Ok(Test { negated, what })
    }

    /// Whether the test holds; a positive test adds what made it so.
    pub(super) fn holds(&self, page: &FrontPage<'_>, evidence: &mut Vec<String>) -> bool {
        let mut found = Vec::new();
        let holds = self.what.holds(page, &mut found);
        if holds && !self.negated {
            evidence.append(&mut found);
        }
        holds != self.negated
    }
}

fn what(text: &str) -> Option<What> {
    if text == "lab" {
        return Some(What::Results);
    }
    if text == "date:stay" {
        return Some(What::Stay);
    }
    if let Some(rest) = text.strip_prefix("lab:") {
        if let Some(code) = rest.strip_suffix('+') {
            return Some(What::Result(code.into(), None, true));
        }
        return match comparison(rest) {
            Some((code, is, value)) => {
                Some(What::Result(code.into(), Some((is, value.parse().ok()?)), false))
            }
            None => Some(What::Result(rest.into(), None, false)),
        };
    }
    if let Some(rest) = text.strip_prefix("date:") {
        let (left, is, right) = comparison(rest)?;
        return Some(What::Days(day(left)?, is, day(right)?));
    }
    if let Some((word, list)) = text.split_once(':') {
        return Some(match word {
            "principal" => What::Diagnosis(Place::First, ranges(list)),
            "other" => What::Diagnosis(Place::Rest, ranges(list)),
            "any" => What::Diagnosis(Place::Any, ranges(list)),
            "main" => What::Procedure(Place::First, ranges(list)),
            "procedure" => What::Procedure(Place::Any, ranges(list)),
            "discharge" => What::Discharge(list.split(',').map(str::to_string).collect()),
            "missing" => What::Missing(FIELDS.iter().find(|(name, _)| *name == list)?.1),
            "repeated" => What::Repeated(kind(list)?),
            "malformed" => What::Malformed(kind(list)?),
            "settlement" => What::Settlement(match list {
                "principal" => Difference::Principal,
                "main" => Difference::Main,
                "lacks" => Difference::Lacks,
                _ => return None,
            }),
            _ => return None,
        });
    }
    let (name, is, value) = comparison(text)?;
    let counted = COUNTED.iter().find(|(known, _)| *known == name)?.1;
    Some(What::Count(counted, is, value.parse().ok()?))
}

fn kind(text: &str) -> Option<bool> {
    match text {
        "diagnosis" => Some(true),
        "procedure" => Some(false),
        _ => None,
    }
}

fn day(text: &str) -> Option<Day> {
    Some(match text {
        "birth" => Day::Birth,
        "admitted" => Day::Admitted,
        "discharged" => Day::Discharged,
        "procedure" => Day::Procedure,
        _ => return None,
    })
}

impl What {
    fn holds(&self, page: &FrontPage<'_>, found: &mut Vec<String>) -> bool {
        match self {
            What::Diagnosis(place, ranges) => codes(&page.case.diagnoses, *place, ranges, found),
            What::Procedure(place, ranges) => codes(&page.case.procedures, *place, ranges, found),
            What::Count(counted, is, value) => {
                let number = number(page, *counted).filter(|number| stands(*number, *is, *value));
                found.extend(number.map(trimmed));
                number.is_some()
            }
            What::Discharge(list) => list.iter().any(|code| *code == page.case.discharge),
            What::Missing(field) => page.lacks(*field),
            What::Results => !page.results.is_empty(),
            What::Result(code, bound, positive) => result(page, code, *bound, *positive, found),
            What::Days(left, is, right) => days(page, *left, *is, *right),
            What::Stay => match (page.admitted, page.discharged, page.case.stay) {
                (Some(from), Some(to), Number::Is(stay)) if to >= from => {
                    (to - from).max(1) != i64::from(stay)
                }
                _ => false,
            },
            What::Repeated(diagnosis) => repeated(page, *diagnosis, found),
            What::Malformed(diagnosis) => malformed(page, *diagnosis, found),
            What::Settlement(difference) => settlement(page, *difference, found),
        }
    }
}

fn trimmed(number: f64) -> String {
    format!("{}", (number * 100.0).round() / 100.0)
}

fn codes(
    codes: &[std::borrow::Cow<'_, str>],
    place: Place,
    ranges: &[Range],
    found: &mut Vec<String>,
) -> bool {
    let from = usize::from(place == Place::Rest);
    let to = if place == Place::First { 1 } else { usize::MAX };
    for code in codes.iter().take(to).skip(from) {
        let code = usual_code(code);
        if ranges.iter().any(|range| within(&code, range)) {
            found.push(code);
            return true;
        }
    }
    false
}

fn number(page: &FrontPage<'_>, counted: Counted) -> Option<f64> {
    let of = |number: Number| number.value().map(f64::from);
    match counted {
        Counted::Sex => of(page.case.sex),
        Counted::Age => of(page.case.age),
        Counted::Days => of(page.case.age_days),
        Counted::Weight => of(page.case.birth_weight),
        Counted::Stay => of(page.case.stay),
        Counted::Intensive => of(page.case.intensive_care_hours),
        Counted::Diagnoses => Some(page.case.diagnoses.len() as f64),
        Counted::Procedures => Some(page.case.procedures.len() as f64),
        Counted::Cost => page.cost.map(|fen| fen as f64 / 100.0),
        Counted::Ratio => page.ratio,
    }
}

fn result(
    page: &FrontPage<'_>,
    code: &str,
    bound: Option<(Comparison, f64)>,
    positive: bool,
    found: &mut Vec<String>,
) -> bool {
    let fits = page.results.iter().find(|reading| {
        reading.code == code
            && (!positive || reading.positive)
            && bound.is_none_or(|(is, limit)| reading.value.is_some_and(|value| stands(value, is, limit)))
    });
    if let Some(reading) = fits {
        let value = reading.value.map_or(String::new(), |value| format!(" {}", trimmed(value)));
        found.push(format!("{code}{value}"));
    }
    fits.is_some()
}

fn days(page: &FrontPage<'_>, left: Day, is: Comparison, right: Day) -> bool {
    let of = |day: Day| -> Vec<i64> {
        match day {
            Day::Birth => page.born.into_iter().collect(),
            Day::Admitted => page.admitted.into_iter().collect(),
            Day::Discharged => page.discharged.into_iter().collect(),
            Day::Procedure => page.procedure_days.iter().copied().flatten().collect(),
        }
    };
    let right = of(right);
    of(left).iter().any(|a| right.iter().any(|b| stands(*a as f64, is, *b as f64)))
}

fn repeated(page: &FrontPage<'_>, diagnosis: bool, found: &mut Vec<String>) -> bool {
    let codes = if diagnosis { &page.case.diagnoses } else { &page.case.procedures };
    let usual: Vec<String> = codes.iter().map(|code| usual_code(code)).collect();
    let twice = usual
        .iter()
        .enumerate()
        .find(|(at, code)| usual[..*at].contains(code) && diagnosis_counts(code, diagnosis));
    found.extend(twice.map(|(_, code)| code.clone()));
    twice.is_some()
}

/// The same procedure may be done twice; its code stands twice then only with different days, which the page
/// does not compare. A diagnosis stands once.
fn diagnosis_counts(code: &str, diagnosis: bool) -> bool {
    diagnosis || !code.starts_with("39.95")
}

/// `A00`, `A00.0`, `A00.000`, `I10.x00`, `A00.000x001`, `M80000/3`; `00.00`, `00.0000`, `00.00x001`.
fn malformed(page: &FrontPage<'_>, diagnosis: bool, found: &mut Vec<String>) -> bool {
    let fits = |code: &str| {
        let code = code.split(['+', '*']).next().unwrap_or_default();
        let mut bytes = code.bytes();
        if diagnosis {
            let head = [bytes.next(), bytes.next(), bytes.next()];
            let [Some(letter), Some(one), Some(two)] = head else { return false };
            letter.is_ascii_uppercase()
                && one.is_ascii_digit()
                && two.is_ascii_digit()
                && rest_fits(&code[3..])
        } else {
            let head = [bytes.next(), bytes.next()];
            let [Some(one), Some(two)] = head else { return false };
            one.is_ascii_digit() && two.is_ascii_digit() && (code.len() == 2 || rest_fits(&code[2..]))
        }
    };
    let codes = if diagnosis { &page.case.diagnoses } else { &page.case.procedures };
    let broken = codes.iter().map(|code| usual_code(code)).find(|code| !fits(code));
    found.extend(broken.iter().cloned());
    broken.is_some()
}

fn rest_fits(rest: &str) -> bool {
    rest.is_empty()
        || rest.strip_prefix(['.', '/']).is_some_and(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'x' || byte == b'/')
        })
        || rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'/')
}

fn settlement(page: &FrontPage<'_>, difference: Difference, found: &mut Vec<String>) -> bool {
    let Some((diagnoses, procedures)) = &page.settlement else { return false };
    let first =
        |codes: &[std::borrow::Cow<'_, str>]| codes.first().map_or(String::new(), |code| usual_code(code));
    match difference {
        Difference::Principal => {
            let (front, list) = (first(&page.case.diagnoses), first(diagnoses));
            let differs = front != list;
            if differs {
                found.push(format!("{front} ≠ {list}"));
            }
            differs
        }
        Difference::Main => {
            let (front, list) = (first(&page.case.procedures), first(procedures));
            let differs = front != list;
            if differs {
                found.push(format!("{front} ≠ {list}"));
            }
            differs
        }
        Difference::Lacks => {
            let on_list: Vec<String> =
                diagnoses.iter().chain(procedures).map(|code| usual_code(code)).collect();
            let on_page =
                page.case.diagnoses.iter().chain(&page.case.procedures).map(|code| usual_code(code));
            let lacking: Vec<String> = on_page.filter(|code| !on_list.contains(code)).collect();
            found.extend(lacking.iter().cloned());
            !lacking.is_empty()
        }
    }
}
