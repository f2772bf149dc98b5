//! Functions that evaluate their arguments for each item, or only when needed.

use std::collections::HashSet;

use super::{Evaluator, Scope, Values};
use crate::compare::{self, SortKey};
use crate::error::Error;
use crate::function::Lambda;
use crate::syntax::Node;
use crate::value::Value;

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn lambda(
        &self,
        at: usize,
        function: Lambda,
        values: Values<'r>,
        arguments: &[Node],
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        match (function, arguments) {
            (Lambda::Exists, []) => Ok(vec![Value::Boolean(!values.is_empty())]),
            (Lambda::Exists, [criterion, ..]) => {
                for (index, value) in values.iter().enumerate() {
                    if self.criterion(criterion, value, index, scope)? {
                        return Ok(vec![Value::Boolean(true)]);
                    }
                }
                Ok(vec![Value::Boolean(false)])
            }
            (Lambda::All, [criterion, ..]) => {
                for (index, value) in values.iter().enumerate() {
                    if !self.criterion(criterion, value, index, scope)? {
                        return Ok(vec![Value::Boolean(false)]);
                    }
                }
                Ok(vec![Value::Boolean(true)])
            }
            (Lambda::Where, [criterion, ..]) => {
                let mut out = Vec::new();
                for (index, value) in values.into_iter().enumerate() {
                    if self.criterion(criterion, &value, index, scope)? {
                        out.push(value);
                    }
                }
                Ok(out)
            }
            (Lambda::Select, [projection, ..]) => {
                let mut out = Vec::new();
                for (index, value) in values.iter().enumerate() {
                    out.extend(self.each(projection, value, index, scope)?);
                    self.spend(at, 1)?;
                }
                Ok(out)
            }
            (Lambda::Repeat, [projection, ..]) => self.repeat(at, values, projection, scope),
            (Lambda::Aggregate, [aggregator, start @ ..]) => {
                let mut total = start.first().map(|s| self.node(s, scope)).transpose()?.unwrap_or_default();
                for (index, value) in values.iter().enumerate() {
                    let this = std::slice::from_ref(value);
                    total = self.node(aggregator, Scope { this, index: Some(index), total: Some(&total) })?;
                }
                Ok(total)
            }
            (Lambda::Iif, [criterion, then, otherwise @ ..]) => {
                self.conditional(at, values, [criterion, then], otherwise.first(), scope)
            }
            // There is no log here: what is traced goes on unchanged.
            (Lambda::Trace, _) => Ok(values),
            (Lambda::Coalesce, alternatives) => {
                for alternative in alternatives {
                    let found = self.node(alternative, scope)?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Ok(Vec::new())
            }
            _ => Err(Error::semantic(at, "an argument is missing")),
        }
    }

    fn each(
        &self,
        node: &Node,
        value: &Value<'r>,
        index: usize,
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        self.node(node, Scope { this: std::slice::from_ref(value), index: Some(index), total: scope.total })
    }

    fn criterion(
        &self,
        node: &Node,
        value: &Value<'r>,
        index: usize,
        scope: Scope<'_, 'r>,
    ) -> Result<bool, Error> {
        let found = self.each(node, value, index, scope)?;
        Ok(self.truth(node.at, found)? == Some(true))
    }

    /// Projects again what the projection gives, until nothing new comes.
    fn repeat(
        &self,
        at: usize,
        values: Values<'r>,
        projection: &Node,
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        let mut seen = HashSet::new();
        let mut out: Values<'r> = Vec::new();
        let mut level = values;
        while !level.is_empty() {
            let mut next = Vec::new();
            for (index, value) in level.iter().enumerate() {
                for found in self.each(projection, value, index, scope)? {
                    if seen.insert(self.key(at, &found)?) {
                        next.push(found);
                    }
                }
            }
            out.extend(next.iter().cloned());
            level = next;
        }
        Ok(out)
    }

    fn conditional(
        &self,
        at: usize,
        values: Values<'r>,
        [criterion, then]: [&Node; 2],
        otherwise: Option<&Node>,
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        if values.len() > 1 {
            return Err(Error::execution(at, "iif() takes at most one item"));
        }
        let scope = Scope { this: &values, ..scope };
        let chosen = match self.single(at, self.node(criterion, scope)?)?.map(|value| value.system()) {
            None => false,
            Some(Some(Value::Boolean(chosen))) => chosen,
            Some(_) if self.environment.strict => {
                return Err(Error::semantic(criterion.at, "the condition of iif() is not a Boolean"));
            }
            Some(_) => true,
        };
        match (chosen, otherwise) {
            (true, _) => self.node(then, scope),
            (false, Some(otherwise)) => self.node(otherwise, scope),
            (false, None) => Ok(Vec::new()),
        }
    }

    /// Sorts by the keys in turn; what has no key comes first in either direction (the official suite, testSort10).
    /// Without keys the items are the keys.
    pub(super) fn sort(
        &self,
        at: usize,
        keys: &[(Node, bool)],
        values: Values<'r>,
        scope: Scope<'_, 'r>,
    ) -> Result<Values<'r>, Error> {
        let mut keyed: Vec<(Vec<SortKey>, Value<'r>)> = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let mut found = Vec::new();
            for (node, _) in keys {
                let key = self.single(node.at, self.each(node, &value, index, scope)?)?;
                found.push(compare::sort_key(key.as_ref()));
            }
            if keys.is_empty() {
                found.push(compare::sort_key(Some(&value)));
            }
            self.spend(at, 16)?;
            keyed.push((found, value));
        }
        keyed.sort_by(|(left, _), (right, _)| {
            let mut pairs = left.iter().zip(right).enumerate();
            let first = pairs.find_map(|(index, (left, right))| {
                let order = left.cmp(right);
                let known = *left != SortKey::Empty && *right != SortKey::Empty;
                let descending = known && keys.get(index).is_some_and(|(_, descending)| *descending);
                order.is_ne().then(|| if descending { order.reverse() } else { order })
            });
            first.unwrap_or(std::cmp::Ordering::Equal)
        });
        Ok(keyed.into_iter().map(|(_, value)| value).collect())
    }
}
