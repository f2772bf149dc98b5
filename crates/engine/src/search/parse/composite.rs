//! Composites: several values that must hold of one item.

use tongmai_fhir::search::query::parse_quantity_query;
use tongmai_fhir::search::{self, Kind, fold};

use super::number::number_range;
use super::{Condition, invalid, split, unescape, unsupported};
use crate::failure::Outcome;
use crate::search::predicate::{ComponentMatch, Predicate, ValueMatch};

impl Condition<'_> {
    /// Each component narrows by its own index where it has one; that they hold of one item is then
    /// verified on the values.
    pub(super) fn composite(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        if self.modifier.is_some() {
            return Err(self.wrong_modifier());
        }
        let mut wanted = Vec::new();
        let mut narrowed = Vec::new();
        for text in alternatives {
            let parts = split(text, '$');
            if parts.len() != self.parameter.components.len() {
                let count = self.parameter.components.len();
                return Err(invalid(self.name, format!("write {count} values parted by '$'")));
            }
            let mut matches = Vec::new();
            let mut all = Vec::new();
            for (component, text) in self.parameter.components.iter().zip(parts) {
                let definition = search::by_id(component.definition)
                    .ok_or_else(|| unsupported(self.name, "a component is not known"))?;
                matches.push(self.component(definition.kind, text)?);
                // The component's own parameter finds a superset when it is one of this type.
                if search::parameter(self.type_id, definition.code).is_some_and(|p| p.id == definition.id) {
                    all.push(self.engine.predicate(self.type_id, definition.code, text, 0)?);
                }
            }
            wanted.push(matches);
            narrowed.push(Predicate::All(all));
        }
        let exact = Predicate::Values(self.parameter.id, ValueMatch::Composite(wanted));
        let narrowing = if narrowed.len() == 1 { narrowed.remove(0) } else { Predicate::Any(narrowed) };
        Ok(Predicate::All(vec![narrowing, exact]))
    }

    fn component(&self, kind: Kind, text: &str) -> Outcome<ComponentMatch> {
        Ok(match kind {
            Kind::Token => match split(text, '|').as_slice() {
                [code] => ComponentMatch::Token { system: None, code: Some(unescape(code)) },
                [system, code] => ComponentMatch::Token {
                    system: Some(unescape(system)),
                    code: (!code.is_empty()).then(|| unescape(code)),
                },
                _ => return Err(invalid(self.name, "write code or system|code")),
            },
            Kind::String => ComponentMatch::Text(fold(&unescape(text))),
            Kind::Date => ComponentMatch::Period(self.engine.period(self.name, text)?),
            Kind::Number | Kind::Quantity => {
                let text = unescape(text);
                let asked = parse_quantity_query(&text).map_err(|why| invalid(self.name, why))?;
                let number = asked.number;
                let (low, high, outside) = number_range(number.prefix, number.value, number.low, number.high);
                ComponentMatch::Number {
                    low,
                    high,
                    outside,
                    code: asked.code.map(str::to_owned),
                    system: asked.system.map(str::to_owned),
                }
            }
            Kind::Reference => ComponentMatch::Reference(unescape(text)),
            Kind::Uri => ComponentMatch::Uri(unescape(text)),
            Kind::Composite | Kind::Special => {
                return Err(unsupported(self.name, "a component of this kind"));
            }
        })
    }
}
