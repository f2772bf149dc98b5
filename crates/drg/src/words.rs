//! Rules as people read them, in English and in Chinese.

use crate::condition::{Condition, Field, Position};
use crate::expression::Expression;
use crate::pack::Rule;

/// The language of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

impl Tongue {
    /// The one or the other.
    pub fn either<T>(self, english: T, chinese: T) -> T {
        match self {
            Tongue::English => english,
            Tongue::Chinese => chinese,
        }
    }
}

/// A rule in English.
pub fn words(rule: &Rule) -> String {
    words_in(rule, Tongue::English)
}

/// A rule in the language of its reader.
pub fn words_in(rule: &Rule, tongue: Tongue) -> String {
    part(rule, false, tongue)
}

fn part(rule: &Rule, inner: bool, tongue: Tongue) -> String {
    let join = |parts: &[Rule], word: &str| {
        let text: Vec<String> = parts.iter().map(|p| part(p, true, tongue)).collect();
        let text = text.join(word);
        match inner {
            true => tongue.either(format!("({text})"), format!("（{text}）")),
            false => text,
        }
    };
    match rule {
        Expression::Always => tongue.either("always", "无条件").into(),
        Expression::Never => tongue.either("never", "永不成立").into(),
        Expression::All(parts) => join(parts, tongue.either(" and ", " 且 ")),
        Expression::Any(parts) => join(parts, tongue.either(" or ", " 或 ")),
        Expression::Not(inner) => format!("{}{}", tongue.either("not ", "非 "), part(inner, true, tongue)),
        Expression::Test(condition) => match tongue {
            Tongue::English => condition.to_string(),
            Tongue::Chinese => chinese(condition),
        },
    }
}

fn field(field: Field) -> &'static str {
    match field {
        Field::Age => "年龄",
        Field::AgeDays => "日龄",
        Field::BirthWeight => "出生体重",
        Field::Stay => "住院天数",
        Field::IntensiveCareHours => "重症监护小时数",
        Field::Sex => "性别",
        Field::Diagnoses => "诊断个数",
        Field::Procedures => "手术操作个数",
    }
}

fn chinese(condition: &Condition<String>) -> String {
    let at = |position: &Position| match position {
        Position::Main => "主要",
        Position::Other => "其他",
        Position::Any => "任一",
    };
    match condition {
        Condition::Diagnosis { position, set } => format!("{}诊断属于 {set}", at(position)),
        Condition::Procedure { position, set } => format!("{}手术操作属于 {set}", at(position)),
        Condition::Labels { set, at_least } => format!("{set} 中的诊断涉及至少 {at_least} 个部位"),
        Condition::Labelled { set, label } => format!("{set} 中有标为 {label} 的手术操作"),
        Condition::Severity(level) => format!("有计入的 {}", level.code()),
        Condition::Number { field: of, is, value } => format!("{} {} {value}", field(*of), is.sign()),
        Condition::Stated(of) => format!("已填{}", field(*of)),
        Condition::Discharge(codes) => format!("离院方式为 {}", codes.join(" 或 ")),
        Condition::Department(names) => format!("科室为 {}", names.join(" 或 ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::rule::parse;

    #[test]
    fn what_a_city_writes_in_chinese_is_read_back_in_chinese() {
        for (written, read) in [
            ("principal in I21 and (MCC or age >= 70)", "主要诊断属于 I21 且 （有计入的 MCC 或 年龄 ≥ 70）"),
            ("not (procedure in OPS) and stay > 60", "非 任一手术操作属于 OPS 且 住院天数 > 60"),
            ("always", "无条件"),
        ] {
            let rule = parse(written).expect("a rule");
            assert_eq!(words_in(&rule, Tongue::Chinese), read);
        }
    }
}
