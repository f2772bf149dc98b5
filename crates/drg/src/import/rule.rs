//! Rules as people write them in a table: `principal in I21 and (MCC or age >= 70)`.
//!
//! One grammar for the CSV template of a city and for patches. Words may be English or Chinese:
//!
//! | test | English | Chinese |
//! |---|---|---|
//! | diagnoses | `principal`, `secondary`, `diagnosis` `in SET` | `主要诊断`, `其他诊断`, `任一诊断` `属于 SET` |
//! | procedures | `main-procedure`, `other-procedure`, `procedure` `in SET` | `主要手术`, `其他手术`, `任一手术` `属于 SET` |
//! | severity | `MCC`, `CC` | the same |
//! | numbers | `age`, `age-days`, `birth-weight`, `stay`, `icu-hours`, `sex`, `diagnoses`, `procedures` and `= < <= > >=` | `年龄`, `日龄`, `出生体重`, `住院天数`, `重症监护小时`, `性别`, `诊断数`, `手术数` |
//! | stated | `stated age` | `已填 年龄` |
//! | lists | `discharge in 2,5`, `department in ICU,重症医学科` | `离院方式`, `科室` `属于` |
//! | labels | `sites of SET >= 2`, `labelled SET 1` | the same |
//! | constants | `always`, `never` | `总是`, `从不` |
//!
//! joined by `and`, `or`, `not` (`且`, `或`, `非`) and parentheses; `and` binds closer than `or`.

use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::pack::Rule;

/// Deepest nesting of parentheses and `not`.
const DEPTH: usize = 32;

/// Reads one rule.
///
/// # Errors
/// What was expected where.
pub fn parse(text: &str) -> Result<Rule, String> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0 };
    let rule = reader.any(DEPTH)?;
    match reader.peek() {
        None => Ok(rule),
        Some(rest) => Err(format!("'{rest}' stands after the end of the rule")),
    }
}

/// Words, parentheses and comparisons; a list `2,5` is one word.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            tokens.push(std::mem::take(word));
        }
    };
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '（' => '(',
            '）' => ')',
            '，' => ',',
            '≥' | '≤' | '＞' | '＜' | '＝' => {
                end(&mut word, &mut tokens);
                let sign = match letter {
                    '≥' => ">=",
                    '≤' => "<=",
                    '＞' => ">",
                    '＜' => "<",
                    _ => "=",
                };
                tokens.push(sign.into());
                continue;
            }
            other => other,
        };
        match letter {
            '(' | ')' => {
                end(&mut word, &mut tokens);
                tokens.push(letter.into());
            }
            '<' | '>' | '=' => {
                end(&mut word, &mut tokens);
                let or_equal = letters.next_if_eq(&'=').is_some();
                let sign = if letter == '=' {
                    "=".into()
                } else if or_equal {
                    format!("{letter}=")
                } else {
                    letter.into()
                };
                tokens.push(sign);
            }
            space if space.is_whitespace() => end(&mut word, &mut tokens),
            other => word.push(other),
        }
    }
    end(&mut word, &mut tokens);
    tokens
}

struct Reader<'t> {
    tokens: &'t [String],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self, expected: &str) -> Result<&'t str, String> {
        let token = self.peek().ok_or_else(|| format!("the rule ends where {expected} is expected"))?;
        self.at += 1;
        Ok(token)
    }

    fn takes(&mut self, words: &[&str]) -> bool {
        let taken = self.peek().is_some_and(|token| words.iter().any(|w| token.eq_ignore_ascii_case(w)));
        self.at += usize::from(taken);
        taken
    }

    fn any(&mut self, depth: usize) -> Result<Rule, String> {
        let mut parts = vec![self.all(depth)?];
        while self.takes(&["or", "或"]) {
            parts.push(self.all(depth)?);
        }
        Ok(Expression::any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Rule, String> {
        let mut parts = vec![self.part(depth)?];
        while self.takes(&["and", "且"]) {
            parts.push(self.part(depth)?);
        }
        Ok(Expression::all(parts))
    }

    fn part(&mut self, depth: usize) -> Result<Rule, String> {
        let depth = depth.checked_sub(1).ok_or("the rule is nested too deeply")?;
        if self.takes(&["not", "非"]) {
            return Ok(Expression::negate(self.part(depth)?));
        }
        if self.takes(&["("]) {
            let inner = self.any(depth)?;
            return if self.takes(&[")"]) {
                Ok(inner)
            } else {
                Err("a closing parenthesis is missing".into())
            };
        }
        self.test()
    }

    fn test(&mut self) -> Result<Rule, String> {
        let word = self.next("a test")?;
        let lower = word.to_ascii_lowercase();
        if let Some(position) = position(&lower) {
            let set = self.set()?;
            let (position, diagnosis) = position;
            return Ok(Expression::Test(if diagnosis {
                Condition::Diagnosis { position, set }
            } else {
                Condition::Procedure { position, set }
            }));
        }
        if let Some(field) = field(&lower) {
            let (is, value) = self.comparison()?;
            return Ok(Expression::Test(Condition::Number { field, is, value }));
        }
        let condition = match lower.as_str() {
            "always" | "总是" => return Ok(Expression::Always),
            "never" | "从不" => return Ok(Expression::Never),
            "mcc" => Condition::Severity(Level::Mcc),
            "cc" => Condition::Severity(Level::Cc),
            "stated" | "已填" => {
                let name = self.next("the name of a number")?;
                let stated = field(&name.to_ascii_lowercase());
                Condition::Stated(stated.ok_or_else(|| format!("'{name}' is no number of a case"))?)
            }
            "discharge" | "离院方式" => Condition::Discharge(self.list()?),
            "department" | "科室" => Condition::Department(self.list()?),
            "sites" => {
                if !self.takes(&["of"]) {
                    return Err("'of' is expected after 'sites'".into());
                }
                let set = self.next("the name of a list")?.to_string();
                let (is, value) = self.comparison()?;
                let at_least = u8::try_from(value).ok().filter(|_| is == Comparison::AtLeast);
                Condition::Labels { set, at_least: at_least.ok_or("'>=' and a small number are expected")? }
            }
            "labelled" => Condition::Labelled {
                set: self.next("the name of a list")?.to_string(),
                label: self.next("a label")?.to_string(),
            },
            _ => return Err(format!("'{word}' is no test")),
        };
        Ok(Expression::Test(condition))
    }

    fn set(&mut self) -> Result<String, String> {
        if !self.takes(&["in", "属于"]) {
            return Err("'in' and the name of a list are expected".into());
        }
        Ok(self.next("the name of a list")?.to_string())
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        let list = self.set()?;
        Ok(list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_string).collect())
    }

    fn comparison(&mut self) -> Result<(Comparison, i32), String> {
        let is = match self.next("a comparison")? {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::Greater,
            ">=" => Comparison::AtLeast,
            other => return Err(format!("a comparison is expected, not '{other}'")),
        };
        let number = self.next("a number")?;
        Ok((is, number.parse().map_err(|_| format!("'{number}' is no whole number"))?))
    }
}

/// The position, and whether it is one of diagnoses.
fn position(word: &str) -> Option<(Position, bool)> {
    Some(match word {
        "principal" | "主要诊断" => (Position::Main, true),
        "secondary" | "其他诊断" => (Position::Other, true),
        "diagnosis" | "任一诊断" => (Position::Any, true),
        "main-procedure" | "主要手术" => (Position::Main, false),
        "other-procedure" | "其他手术" => (Position::Other, false),
        "procedure" | "任一手术" => (Position::Any, false),
        _ => return None,
    })
}

fn field(word: &str) -> Option<Field> {
    Some(match word {
        "age" | "年龄" => Field::Age,
        "age-days" | "日龄" => Field::AgeDays,
        "birth-weight" | "出生体重" => Field::BirthWeight,
        "stay" | "住院天数" => Field::Stay,
        "icu-hours" | "重症监护小时" => Field::IntensiveCareHours,
        "sex" | "性别" => Field::Sex,
        "diagnoses" | "诊断数" => Field::Diagnoses,
        "procedures" | "手术数" => Field::Procedures,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::words;

    #[test]
    fn rules_are_read_in_both_languages() {
        for (text, meaning) in [
            ("always", "always"),
            ("principal in I21 and MCC", "principal diagnosis in I21 and a counting MCC"),
            ("主要诊断 属于 I21 且 MCC", "principal diagnosis in I21 and a counting MCC"),
            (
                "procedure in P or (age >= 70 and not CC)",
                "some procedure in P or (age ≥ 70 and not a counting CC)",
            ),
            ("住院天数＜5 且 离院方式 属于 2,5", "inHospitalTime < 5 and leavingType is 2 or 5"),
            ("stated birth-weight", "weight is stated"),
            ("sites of TRAUMA >= 2", "diagnoses of TRAUMA at ≥ 2 sites"),
            ("labelled ROBOT 1", "a procedure of ROBOT labelled 1"),
        ] {
            assert_eq!(parse(text).map(|rule| words(&rule)), Ok(meaning.to_string()), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_says_why() {
        for (text, word) in [
            ("", "ends"),
            ("principal I21", "'in'"),
            ("age > ten", "'ten'"),
            ("age ~ 3", "comparison"),
            ("(MCC", "parenthesis"),
            ("MCC MCC", "after the end"),
            ("weight > 3", "no test"),
            ("sites of A > 2", "'>='"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(parse(&"not ".repeat(100)).is_err());
    }
}
