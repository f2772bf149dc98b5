//! Texts: strings, which are folded, and addresses, which are not.

use tongmai_fhir::search::fold;

use super::{Condition, unescape};
use crate::failure::Outcome;
use crate::rows::cut;
use crate::search::predicate::{Predicate, TextMatch, ValueMatch};

impl Condition<'_> {
    pub(super) fn string(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let slot = self.slot()?;
        let texts: Vec<String> = alternatives.iter().map(|text| unescape(text)).collect();
        let (contains, exact) = match self.modifier {
            None => (false, false),
            Some("contains") => (true, false),
            Some("exact") => (false, true),
            Some("text") => (false, false),
            Some(_) => return Err(self.wrong_modifier()),
        };
        let folded: Vec<String> = texts.iter().map(|text| fold(text)).collect();
        let cut_short = folded.iter().any(|text| cut(text) != *text);
        let whole = |text: String| if contains { TextMatch::Contains(text) } else { TextMatch::Begins(text) };
        let in_rows = if contains && cut_short {
            None
        } else {
            Some(Predicate::Texts { slot, any: folded.iter().map(|text| whole(cut(text))).collect() })
        };
        let exactly = if exact {
            Some(ValueMatch::ExactText(texts))
        } else if contains || cut_short {
            // A row may have cut off what is looked for.
            Some(ValueMatch::LongText(folded.into_iter().map(whole).collect()))
        } else {
            None
        };
        Ok(match (in_rows, exactly) {
            (Some(_), Some(fit)) if contains => Predicate::Values(self.parameter.id, fit),
            (Some(rows), None) => rows,
            (Some(rows), Some(fit)) => Predicate::All(vec![rows, Predicate::Values(self.parameter.id, fit)]),
            (None, Some(fit)) => Predicate::Values(self.parameter.id, fit),
            (None, None) => Predicate::Any(Vec::new()),
        })
    }

    pub(super) fn uri(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let texts: Vec<String> = alternatives.iter().map(|text| unescape(text)).collect();
        match self.modifier {
            None => {
                let keys = &self.engine.keys;
                Ok(Predicate::Equal(
                    texts.iter().flat_map(|uri| self.equal(keys.address(uri), None)).collect(),
                ))
            }
            Some("below") => Ok(Predicate::Values(self.parameter.id, ValueMatch::UriBelow(texts))),
            Some("above") => Ok(Predicate::Values(self.parameter.id, ValueMatch::UriAbove(texts))),
            Some(_) => Err(self.wrong_modifier()),
        }
    }
}
