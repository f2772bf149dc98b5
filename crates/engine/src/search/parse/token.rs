//! Tokens: codes, identifiers, and what lies above and below a code.

use tongmai_fhir::search::fold;

use super::{Condition, invalid, split, unescape, unsupported};
use crate::failure::Outcome;
use crate::search::predicate::{Equal, NumberBetween, Predicate, ValueMatch};

impl Condition<'_> {
    fn one_token(&self, text: &str) -> Outcome<Predicate> {
        let parts = split(text, '|');
        let rows = match parts.as_slice() {
            [code] => self.equal(self.engine.keys.code(&unescape(code)), None),
            [system, code] if !code.is_empty() => {
                let (system, code) = (unescape(system), unescape(code));
                let value = self.engine.keys.code(&code);
                match self.system(&system)? {
                    Some(extra) => self.equal(value, Some(extra)),
                    // Nothing here has the system yet. It may come before the search is answered, and a
                    // conditional create must not overlook it then: so the values decide.
                    None => {
                        let exact = Predicate::Values(self.parameter.id, ValueMatch::Token(system, code));
                        return Ok(Predicate::All(vec![Predicate::Equal(self.equal(value, None)), exact]));
                    }
                }
            }
            [system, _] => {
                let Some(extra) = self.system(&unescape(system))? else {
                    // Not an alternative among others that could be left out: what is decided on it must be decided again
                    // when the system comes.
                    return Ok(Predicate::All(vec![Predicate::Equal(Vec::new())]));
                };
                let of_system = |slot| NumberBetween {
                    slot,
                    low: i64::MIN,
                    high: i64::MAX,
                    extra: Some(extra),
                    outside: false,
                };
                return Ok(Predicate::Numbers(self.slots().iter().copied().map(of_system).collect()));
            }
            _ => return Err(invalid(self.name, "write code, system|code, |code or system|")),
        };
        Ok(Predicate::Equal(rows))
    }

    pub(super) fn token(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let values = |fit| Ok(Predicate::Values(self.parameter.id, fit));
        match self.modifier {
            None | Some("not") => {
                let any =
                    alternatives.iter().map(|text| self.one_token(text)).collect::<Outcome<Vec<_>>>()?;
                let any = flatten(any);
                Ok(if self.modifier.is_some() { Predicate::Not(Box::new(any)) } else { any })
            }
            Some("text") => {
                values(ValueMatch::TokenText(alternatives.iter().map(|t| fold(&unescape(t))).collect()))
            }
            Some("of-type") => {
                let mut rows = Vec::new();
                let mut wanted = Vec::new();
                for text in alternatives {
                    let parts = split(text, '|');
                    let [system, code, value] = parts.as_slice() else {
                        return Err(invalid(self.name, "write system|code|value"));
                    };
                    rows.extend(self.equal(self.engine.keys.code(&unescape(value)), None));
                    wanted.push((unescape(system), unescape(code), unescape(value)));
                }
                let exact = Predicate::Values(self.parameter.id, ValueMatch::OfType(wanted));
                Ok(Predicate::All(vec![Predicate::Equal(rows), exact]))
            }
            Some(modifier @ ("in" | "not-in" | "below" | "above")) => {
                let mut rows = Vec::new();
                for text in alternatives {
                    rows.extend(self.expanded(modifier, &unescape(text))?);
                }
                let any = Predicate::Equal(rows);
                Ok(if modifier == "not-in" { Predicate::Not(Box::new(any)) } else { any })
            }
            Some(_) => Err(self.wrong_modifier()),
        }
    }

    /// The codes of a value set, or above or below a code, as rows.
    fn expanded(&self, modifier: &str, text: &str) -> Outcome<Vec<Equal>> {
        let mut rows = Vec::new();
        let mut add = |system: &str, code: &str| -> Outcome<()> {
            if let Some(extra) = self.system(system)? {
                rows.extend(self.equal(self.engine.keys.code(code), Some(extra)));
            }
            Ok(())
        };
        if matches!(modifier, "in" | "not-in") {
            let set =
                tongmai_terminology::value_set(text).filter(|set| set.is_complete()).ok_or_else(|| {
                    unsupported(self.name, format!("the value set '{text}' is not here in full"))
                })?;
            for (system, code) in set.members_listed() {
                add(system, code)?;
            }
            return Ok(rows);
        }
        let (system, code) = text.split_once('|').ok_or_else(|| invalid(self.name, "write system|code"))?;
        let related = if modifier == "below" {
            tongmai_terminology::descendants(system, code)
        } else {
            tongmai_terminology::ancestors(system, code)
        };
        let related = related.ok_or_else(|| {
            unsupported(self.name, format!("the code system '{system}' is not here with its hierarchy"))
        })?;
        add(system, code)?;
        for code in related {
            add(system, code)?;
        }
        Ok(rows)
    }
}

/// Joins alternatives of equal rows into one predicate.
fn flatten(any: Vec<Predicate>) -> Predicate {
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for predicate in any {
        match predicate {
            Predicate::Equal(more) => rows.extend(more),
            other => others.push(other),
        }
    }
    if others.is_empty() {
        return Predicate::Equal(rows);
    }
    if !rows.is_empty() {
        others.push(Predicate::Equal(rows));
    }
    if others.len() == 1 { others.remove(0) } else { Predicate::Any(others) }
}
