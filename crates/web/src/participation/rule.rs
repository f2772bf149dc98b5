//! Refusals in the reader's language. Engines say field and rule in English, `field: rule`; here each rule is a
//! key of the locale, made from its own words, so that a rule without a translation is still told as it is.

use fluent_bundle::{FluentArgs, FluentValue};
use tongmai_engine::{Failure, Reason};

use crate::language::Language;

/// A refusal in words: the field by its label, then the rule.
pub fn told(l: Language, why: &str) -> String {
    let Some((field, rule)) = why.split_once(": ") else { return rule_words(l, why) };
    // Some refusals repeat what was given: `role is "doctor"`.
    let name = field.split(' ').next().unwrap_or(field);
    format!("{} — {}", l.code("pa-field", name), rule_words(l, rule))
}

/// The same of a failure that a page shows.
pub fn in_words(l: Language, mut failure: Failure) -> Failure {
    if failure.reason == Reason::Invalid {
        failure.findings.iter_mut().for_each(|finding| finding.message = told(l, &finding.message));
    }
    failure
}

fn rule_words(l: Language, rule: &str) -> String {
    let literal = format!("pr-{}", slug(rule));
    if let Some(words) = l.find(&literal, None) {
        return words.into_owned();
    }
    let (general, given) = without_values(rule);
    let mut arguments = FluentArgs::new();
    arguments.set("x", FluentValue::from(given));
    let key = format!("pr-{}", slug(&general));
    l.find(&key, Some(&arguments)).map_or_else(|| rule.to_owned(), std::borrow::Cow::into_owned)
}

/// The words of a text as a key.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// A rule with what was given taken out of it: quotations, numbers and what stands in brackets; and the first
/// of these.
fn without_values(rule: &str) -> (String, String) {
    let rule = rule.split(" (").next().unwrap_or(rule);
    let (mut general, mut given) = (String::new(), String::new());
    let mut rest = rule;
    while let Some(first) = rest.chars().next() {
        let value = if first == '"' {
            rest[1..].find('"').map_or(rest, |end| &rest[..end + 2])
        } else {
            &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]
        };
        if value.is_empty() {
            general.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if given.is_empty() {
            value.trim_matches('"').clone_into(&mut given);
        }
        general.push('x');
        rest = &rest[value.len()..];
    }
    (general, given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_the_language_of_the_page() {
        let told = |why| (told(Language::Chinese, why), told(Language::English, why));
        assert_eq!(
            told("title: is empty; fill it in"),
            ("标题 — 没有填写，请填上".into(), "Title — is empty; fill it in".into())
        );
        let (chinese, english) = told("text: is longer than 140 characters; say one thing at a time");
        assert!(chinese.contains("140") && !chinese.contains("longer"), "{chinese}");
        assert!(english.contains("140 characters"), "{english}");
        let (chinese, _) = told("day: \"24.12.2026\" is no day: write it as 2026-11-27");
        assert!(chinese.contains("24.12.2026"), "{chinese}");
        let (chinese, _) = told("role is \"doctor\": patients and carers rate, nobody else");
        assert!(chinese.starts_with("我是 — 只有"), "{chinese}");
        let (chinese, _) = told("offer: may not serve this need (NoConsent)");
        assert!(!chinese.contains("serve"), "{chinese}");
        assert_eq!(told("strange thing").1, "strange thing");
    }

    /// Every rule that an engine states has its words: the sources are read for them.
    #[test]
    fn no_rule_of_the_institution_is_untranslated() {
        let source = include_str!("../../../engagement/src/institution/mod.rs");
        let rules: Vec<&str> = source
            .split("ensure(")
            .skip(1)
            .filter_map(|call| call.split(")?").next())
            .filter_map(|call| call.rsplit('"').nth(1))
            .filter(|rule| rule.contains(' ') && !rule.contains('{'))
            .map(|rule| match rule.split_once(": ") {
                Some((field, rest)) if !field.contains(' ') => rest,
                _ => rule,
            })
            .collect();
        assert!(rules.len() > 20, "{}", rules.len());
        for rule in rules {
            assert_ne!(rule_words(Language::Chinese, rule), rule);
        }
    }
}
