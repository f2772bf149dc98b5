//! JSON Patch (RFC 6902) with JSON Pointer (RFC 6901).
//!
//! Numbers are compared by value, not by spelling (RFC 6902, 4.6), but are kept
//! as they were written.

use tongmai_base::limits;
use tongmai_fhir::json::{Json, Object};

use crate::patch::PatchError;

/// Work that one patch may cause, in values visited. Copying a value, looking up a property and shifting an
/// array are counted, so that a small patch cannot keep a server busy.
pub const WORK: usize = 50_000_000;

type Rule = String;

/// Applies `patch`, an array of operations, to `document` and returns the result.
///
/// All operations succeed or none is applied. The result may not be nested deeper than
/// [`limits::JSON_DEPTH`] nor grow by more than [`limits::BODY_BYTES`].
pub fn apply(document: &Json<'_>, patch: &Json<'_>) -> Result<Json<'static>, PatchError> {
    let operations =
        patch.as_array().ok_or_else(|| PatchError::shape("a JSON Patch is an array of operations"))?;
    let mut patched = Patched { root: document.clone().into_owned(), work: WORK, growth: limits::BODY_BYTES };
    for (index, operation) in operations.iter().enumerate() {
        let path = operation.text("path").unwrap_or("");
        patched.operation(operation).map_err(|rule| PatchError::at(index, path, rule))?;
    }
    Ok(patched.root)
}

struct Patched {
    root: Json<'static>,
    work: usize,
    growth: usize,
}

impl Patched {
    fn operation(&mut self, operation: &Json<'_>) -> Result<(), Rule> {
        if operation.as_object().is_none() {
            return Err("an operation is an object".into());
        }
        let name = operation.text("op").ok_or("'op' is missing or not a string")?;
        let path = pointer(operation, "path")?;
        match name {
            "add" => {
                let value = self.charged(member(operation, "value")?)?.clone().into_owned();
                self.add(&path, value)
            }
            "remove" => self.remove(&path).map(drop),
            "replace" => {
                let value = self.charged(member(operation, "value")?)?.clone().into_owned();
                self.fits(&path, &value)?;
                *self.find(&path)? = value;
                Ok(())
            }
            "move" => {
                let from = pointer(operation, "from")?;
                if from.len() < path.len() && path.starts_with(&from) {
                    return Err("a value cannot be moved into itself".into());
                }
                if from == path {
                    return self.find(&path).map(drop);
                }
                let value = self.remove(&from)?;
                self.add(&path, value)
            }
            "copy" => {
                let value = self.find(&pointer(operation, "from")?)?.clone();
                self.charged(&value)?;
                self.add(&path, value)
            }
            "test" => {
                let expected = member(operation, "value")?;
                self.spend(weight(expected))?;
                if same(self.find(&path)?, expected) {
                    Ok(())
                } else {
                    Err("the value is not the one that was tested for".into())
                }
            }
            other => Err(format!("'{other}' is not an operation of JSON Patch")),
        }
    }

    fn spend(&mut self, amount: usize) -> Result<(), Rule> {
        self.work = self.work.checked_sub(amount).ok_or("the patch causes too much work")?;
        Ok(())
    }

    /// Counts a value that is about to enter the document.
    fn charged<'j, 'a>(&mut self, value: &'j Json<'a>) -> Result<&'j Json<'a>, Rule> {
        let weight = weight(value);
        self.growth = self.growth.checked_sub(weight).ok_or("the patch makes the document too large")?;
        self.spend(weight)?;
        Ok(value)
    }

    fn fits(&self, path: &[String], value: &Json<'_>) -> Result<(), Rule> {
        if path.len() + height(value) > limits::JSON_DEPTH {
            return Err("the patch makes the document nested too deep".into());
        }
        Ok(())
    }

    fn find(&mut self, path: &[String]) -> Result<&mut Json<'static>, Rule> {
        let mut at = &mut self.root;
        for token in path {
            let (next, cost) = step(at, token)?;
            self.work = self.work.checked_sub(cost).ok_or("the patch causes too much work")?;
            at = next;
        }
        Ok(at)
    }

    fn add(&mut self, path: &[String], value: Json<'static>) -> Result<(), Rule> {
        self.fits(path, &value)?;
        let Some((last, parents)) = path.split_last() else {
            self.root = value;
            return Ok(());
        };
        let cost = match self.find(parents)? {
            Json::Object(properties) => {
                let cost = properties.len();
                match position(properties, last) {
                    Some(index) => properties[index].1 = value,
                    None => properties.push((last.clone().into(), value)),
                }
                cost
            }
            Json::Array(items) => {
                let index = if last == "-" { items.len() } else { array_index(last)? };
                if index > items.len() {
                    return Err(format!("index {index} is past the end of the array"));
                }
                items.insert(index, value);
                items.len() - index
            }
            _ => return Err("the parent is neither an object nor an array".into()),
        };
        self.spend(cost)
    }

    fn remove(&mut self, path: &[String]) -> Result<Json<'static>, Rule> {
        let (last, parents) = path.split_last().ok_or("the whole document cannot be removed")?;
        let (removed, cost) = match self.find(parents)? {
            Json::Object(properties) => {
                let index = position(properties, last).ok_or_else(|| absent(last))?;
                (properties.remove(index).1, properties.len())
            }
            Json::Array(items) => {
                let index = array_index(last)?;
                if index >= items.len() {
                    return Err(format!("the array has no element {index}"));
                }
                (items.remove(index), items.len() - index)
            }
            _ => return Err("the parent is neither an object nor an array".into()),
        };
        self.spend(cost)?;
        Ok(removed)
    }
}

fn absent(name: &str) -> Rule {
    format!("there is no property '{name}'")
}

fn member<'j, 'a>(operation: &'j Json<'a>, name: &str) -> Result<&'j Json<'a>, Rule> {
    operation.get(name).ok_or_else(|| format!("'{name}' is missing"))
}

pub(crate) fn position(properties: &Object<'_>, name: &str) -> Option<usize> {
    properties.iter().position(|(key, _)| key == name)
}

/// The value below `at` that `token` names, and what the search cost.
fn step<'j>(at: &'j mut Json<'static>, token: &str) -> Result<(&'j mut Json<'static>, usize), Rule> {
    match at {
        Json::Object(properties) => {
            let index = position(properties, token).ok_or_else(|| absent(token))?;
            Ok((&mut properties[index].1, index + 1))
        }
        Json::Array(items) => {
            let index = array_index(token)?;
            let item = items.get_mut(index).ok_or_else(|| format!("the array has no element {index}"))?;
            Ok((item, 1))
        }
        _ => Err(format!("'{token}' is looked for in a value that has no parts")),
    }
}

/// The reference tokens of a JSON Pointer (RFC 6901, section 3 and 4).
fn pointer(operation: &Json<'_>, name: &str) -> Result<Vec<String>, Rule> {
    let text = operation.text(name).ok_or_else(|| format!("'{name}' is missing or not a string"))?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text.strip_prefix('/').ok_or_else(|| format!("'{name}' does not begin with '/'"))?;
    let tokens = rest.split('/').map(unescaped).collect::<Result<Vec<_>, _>>()?;
    if tokens.len() > limits::JSON_DEPTH {
        return Err(format!("'{name}' has more than {} steps", limits::JSON_DEPTH));
    }
    Ok(tokens)
}

fn unescaped(token: &str) -> Result<String, Rule> {
    let mut parts = token.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.as_bytes().first() {
            Some(b'0') => out.push('~'),
            Some(b'1') => out.push('/'),
            _ => return Err("'~' stands only before 0 or 1 in a JSON Pointer".into()),
        }
        out.push_str(&part[1..]);
    }
    Ok(out)
}

fn array_index(token: &str) -> Result<usize, Rule> {
    let digits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit());
    let canonical = token == "0" || !token.starts_with('0');
    match token.parse() {
        Ok(index) if digits && canonical => Ok(index),
        _ => Err(format!("'{token}' is not the index of an array element")),
    }
}

/// Values and text bytes of a document: what copying it costs.
pub(crate) fn weight(value: &Json<'_>) -> usize {
    match value {
        Json::Null | Json::Bool(_) => 1,
        Json::Number(text) | Json::String(text) => 1 + text.len(),
        Json::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Json::Object(properties) => {
            1 + properties.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>()
        }
    }
}

/// Levels of values below `value`.
pub(crate) fn height(value: &Json<'_>) -> usize {
    match value {
        Json::Array(items) => items.iter().map(|item| 1 + height(item)).max().unwrap_or(0),
        Json::Object(properties) => properties.iter().map(|(_, value)| 1 + height(value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// Equality of RFC 6902, 4.6: objects whatever the order of their properties, numbers by value.
pub(crate) fn same(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => number_key(left) == number_key(right),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Json::Object(left), Json::Object(right)) => {
            if left.len() != right.len() {
                return false;
            }
            let mut left: Vec<_> = left.iter().collect();
            let mut right: Vec<_> = right.iter().collect();
            left.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            right.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            left.iter().zip(right).all(|(l, r)| l.0 == r.0 && same(&l.1, &r.1))
        }
        (left, right) => left == right,
    }
}

/// Sign, significant digits without zeros at either end, and the power of ten of the first digit; two
/// spellings of one number have the same key, however large it is.
fn number_key(text: &str) -> (bool, String, i128) {
    let negative = text.starts_with('-');
    let unsigned = text.trim_start_matches('-');
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let leading_zeros = digits.len() - significant.len();
    // An exponent beyond i64 is no number that anyone stores; such spellings compare by saturation.
    let exponent =
        exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let power = i128::from(exponent) + whole.len() as i128 - leading_zeros as i128;
    (negative, significant.trim_end_matches('0').to_owned(), power)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document, a patch, and the result or the error.
    fn check(document: &str, patch: &str, expected: &str) {
        let document = Json::parse_str(document).expect("a document");
        let patch = Json::parse_str(patch).expect("a patch");
        let shown = match apply(&document, &patch) {
            Ok(result) => result.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{patch}");
    }

    #[test]
    fn a_refused_operation_names_itself() {
        check(
            r#"{"a":1}"#,
            r#"[{"op":"add","path":"/b","value":2},{"op":"remove","path":"/c"}]"#,
            "operation 1 at '/c': there is no property 'c'",
        );
        check(
            "[1]",
            r#"[{"op":"add","path":"/01","value":2}]"#,
            "operation 0 at '/01': '01' is not the index of an array element",
        );
        check(
            "[1]",
            r#"[{"op":"add","path":"/2","value":2}]"#,
            "operation 0 at '/2': index 2 is past the end of the array",
        );
        check(
            "[1]",
            r#"[{"op":"remove","path":"/-"}]"#,
            "operation 0 at '/-': '-' is not the index of an array element",
        );
        check("{}", r#"[{"op":"add","path":"/a"}]"#, "operation 0 at '/a': 'value' is missing");
        check("{}", r#"{"op":"add"}"#, "a JSON Patch is an array of operations");
        check(
            r#"{"a":{"b":{}}}"#,
            r#"[{"op":"move","from":"/a","path":"/a/b/c"}]"#,
            "operation 0 at '/a/b/c': a value cannot be moved into itself",
        );
    }

    #[test]
    fn numbers_are_tested_by_value_and_kept_as_written() {
        check("[1.10]", r#"[{"op":"test","path":"/0","value":11e-1}]"#, "[1.10]");
        check("[100]", r#"[{"op":"test","path":"/0","value":1E2}]"#, "[100]");
        check("[0]", r#"[{"op":"test","path":"/0","value":-0.0}]"#, "[0]");
        check(
            "[1]",
            r#"[{"op":"test","path":"/0","value":1.0000000000000000000000000000000001}]"#,
            "operation 0 at '/0': the value is not the one that was tested for",
        );
    }

    #[test]
    fn objects_are_tested_whatever_their_order() {
        check(
            r#"{"x":{"a":1,"b":[2]}}"#,
            r#"[{"op":"test","path":"/x","value":{"b":[2],"a":1}}]"#,
            r#"{"x":{"a":1,"b":[2]}}"#,
        );
    }

    #[test]
    fn a_patch_that_doubles_the_document_again_and_again_is_refused() {
        let doubling = r#"{"op":"copy","from":"","path":"/a/-"}"#;
        let patch = format!("[{}]", vec![doubling; 60].join(","));
        let text = "x".repeat(1000);
        let document = format!(r#"{{"a":["{text}"]}}"#);
        let result = apply(&Json::parse_str(&document).unwrap(), &Json::parse_str(&patch).unwrap());
        let error = result.expect_err("too large");
        assert!(error.rule.contains("too large"), "{error}");
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let document = nested(limits::JSON_DEPTH - 4);
        let path = "/0".repeat(limits::JSON_DEPTH - 4);
        let add = |value: String| {
            let patch = format!(r#"[{{"op":"add","path":"{path}","value":{value}}}]"#);
            apply(&Json::parse_str(&document).unwrap(), &Json::parse_str(&patch).unwrap())
        };
        assert!(add(nested(5)).is_ok());
        assert!(add(nested(6)).expect_err("too deep").rule.contains("too deep"));
    }
}
