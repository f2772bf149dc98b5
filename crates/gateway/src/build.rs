//! Small makers of owned JSON, so that doors write resources without ceremony.

use std::borrow::Cow;

use tongmai_fhir::json::Json;

/// Owned JSON, as doors make it.
pub type Node = Json<'static>;

/// A string.
pub fn text(value: impl Into<String>) -> Node {
    Json::String(Cow::Owned(value.into()))
}

/// A number with the digits as given; the caller knows that they are one.
pub fn number(digits: impl Into<String>) -> Node {
    Json::Number(Cow::Owned(digits.into()))
}

/// An object of these properties, in this order.
pub fn object<const N: usize>(properties: [(&'static str, Node); N]) -> Node {
    Json::Object(properties.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

/// A reference to another entry of the same transaction.
pub fn reference(full_url: &str) -> Node {
    object([("reference", text(full_url))])
}

/// The property `name` of an object, made as null where it is absent; a value that is no object becomes one.
pub fn property<'n>(node: &'n mut Node, name: &str) -> &'n mut Node {
    if !matches!(node, Json::Object(_)) {
        *node = Json::Object(Vec::new());
    }
    let Json::Object(properties) = node else { unreachable!("it was made an object") };
    let at = properties.iter().position(|(key, _)| key == name).unwrap_or_else(|| {
        properties.push((Cow::Owned(name.to_owned()), Json::Null));
        properties.len() - 1
    });
    &mut properties[at].1
}

/// Item `index` of an array, which grows by nulls up to it; a value that is no array becomes one.
pub fn item(node: &mut Node, index: usize) -> &mut Node {
    if !matches!(node, Json::Array(_)) {
        *node = Json::Array(Vec::new());
    }
    let Json::Array(items) = node else { unreachable!("it was made an array") };
    while items.len() <= index {
        items.push(Json::Null);
    }
    &mut items[index]
}

/// Appends to an array property, making it where it is absent.
pub fn push(node: &mut Node, name: &str, value: Node) {
    match property(node, name) {
        Json::Array(items) => items.push(value),
        other => *other = Json::Array(vec![value]),
    }
}

/// Drops nulls, empty texts, empty objects and empty arrays, however deep; says whether anything is left.
pub fn prune(node: &mut Node) -> bool {
    match node {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => {
            items.retain_mut(prune);
            !items.is_empty()
        }
        Json::Object(properties) => {
            properties.retain_mut(|(_, value)| prune(value));
            !properties.is_empty()
        }
        Json::Bool(_) | Json::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_as_they_are_walked_and_empty_places_go() {
        let mut node = Json::Null;
        *property(item(property(&mut node, "name"), 1), "family") = text("王");
        *property(item(property(&mut node, "name"), 0), "family") = text("");
        push(&mut node, "line", text("a"));
        push(&mut node, "line", text("b"));
        assert!(prune(&mut node));
        assert_eq!(node.to_string(), r#"{"name":[{"family":"王"}],"line":["a","b"]}"#);
    }
}
