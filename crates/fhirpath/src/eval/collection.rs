//! Functions over whole collections.

use std::collections::HashSet;

use super::{Evaluator, Values};
use crate::error::Error;
use crate::function::Collection;
use crate::value::Value;

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn collection(
        &self,
        at: usize,
        function: Collection,
        mut values: Values<'r>,
        argument: Values<'r>,
    ) -> Result<Values<'r>, Error> {
        use Collection as C;
        Ok(match function {
            C::Empty => vec![Value::Boolean(values.is_empty())],
            C::Not => self.truth(at, values)?.map(|truth| Value::Boolean(!truth)).into_iter().collect(),
            C::AllTrue => vec![Value::Boolean(self.truths(at, &values)?.iter().all(|truth| *truth))],
            C::AnyTrue => vec![Value::Boolean(self.truths(at, &values)?.iter().any(|truth| *truth))],
            C::AllFalse => vec![Value::Boolean(self.truths(at, &values)?.iter().all(|truth| !*truth))],
            C::AnyFalse => vec![Value::Boolean(self.truths(at, &values)?.iter().any(|truth| !*truth))],
            C::Count => vec![Value::Integer(values.len() as i64)],
            C::Distinct => self.distinct(at, values)?,
            C::IsDistinct => {
                let count = values.len();
                vec![Value::Boolean(self.distinct(at, values)?.len() == count)]
            }
            C::SubsetOf => vec![Value::Boolean(self.subset(at, &values, &argument)?)],
            C::SupersetOf => vec![Value::Boolean(self.subset(at, &argument, &values)?)],
            C::Single => self.single(at, values)?.into_iter().collect(),
            C::First => {
                values.truncate(1);
                values
            }
            C::Last => values.pop().into_iter().collect(),
            C::Tail => values.into_iter().skip(1).collect(),
            C::Skip => {
                let count = self.count(at, argument)?;
                values.into_iter().skip(count).collect()
            }
            C::Take => {
                values.truncate(self.count(at, argument)?);
                values
            }
            C::Intersect => {
                let other = self.keys(at, &argument)?;
                let common = self.filtered(at, values, |key| other.contains(key))?;
                self.distinct(at, common)?
            }
            C::Exclude => {
                let other = self.keys(at, &argument)?;
                self.filtered(at, values, |key| !other.contains(key))?
            }
            C::Union => self.union(at, values, argument)?,
            C::Combine => {
                values.extend(argument);
                values
            }
            C::Children => self.children(&values),
            C::Descendants => self.descendants(at, &values)?,
        })
    }

    /// The items as Booleans; anything else among them is an error.
    fn truths(&self, at: usize, values: &[Value<'r>]) -> Result<Vec<bool>, Error> {
        let truth = |value: &Value<'r>| match value.system() {
            Some(Value::Boolean(value)) => Ok(value),
            _ => Err(Error::execution(at, format!("{} is not a Boolean", value.type_info().name))),
        };
        values.iter().map(truth).collect()
    }

    /// A number of items; a negative one counts as none.
    fn count(&self, at: usize, argument: Values<'r>) -> Result<usize, Error> {
        match self.single(at, argument)?.and_then(|value| value.system()) {
            Some(Value::Integer(count)) => Ok(usize::try_from(count).unwrap_or(0)),
            _ => Err(Error::execution(at, "the number of items is an integer")),
        }
    }

    fn keys(&self, at: usize, values: &[Value<'r>]) -> Result<HashSet<String>, Error> {
        values.iter().map(|value| self.key(at, value)).collect()
    }

    fn filtered(
        &self,
        at: usize,
        values: Values<'r>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<Values<'r>, Error> {
        let mut out = Vec::new();
        for value in values {
            if keep(&self.key(at, &value)?) {
                out.push(value);
            }
        }
        Ok(out)
    }

    fn distinct(&self, at: usize, values: Values<'r>) -> Result<Values<'r>, Error> {
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for value in values {
            if seen.insert(self.key(at, &value)?) {
                out.push(value);
            }
        }
        Ok(out)
    }

    pub(super) fn union(
        &self,
        at: usize,
        mut left: Values<'r>,
        right: Values<'r>,
    ) -> Result<Values<'r>, Error> {
        left.extend(right);
        self.distinct(at, left)
    }

    fn subset(&self, at: usize, part: &[Value<'r>], whole: &[Value<'r>]) -> Result<bool, Error> {
        Ok(self.keys(at, part)?.is_subset(&self.keys(at, whole)?))
    }

    pub(super) fn children(&self, values: &[Value<'r>]) -> Values<'r> {
        let mut out = Vec::new();
        for value in values {
            if let Value::Element(element) = value {
                element.children(&mut out);
            }
        }
        out
    }

    /// All elements below, level by level.
    fn descendants(&self, at: usize, values: &[Value<'r>]) -> Result<Values<'r>, Error> {
        let mut out = Vec::new();
        let mut level = self.children(values);
        while !level.is_empty() {
            self.spend(at, level.len())?;
            let next = self.children(&level);
            out.append(&mut level);
            level = next;
        }
        Ok(out)
    }
}
