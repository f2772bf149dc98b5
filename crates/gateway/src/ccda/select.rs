//! Paths into a document: `entryRelationship{@typeCode=MFST}/observation{2.16.840…}/value/@code`.
//!
//! A step is a name (or `*`) with conditions in braces: a template identifier, an attribute that is
//! there (`@value`), an attribute's value (`@typeCode=MFST`), the code of a child (`code=8302-2`).
//! `!` before a condition turns it round. `^` begins at the element that the resource was made of,
//! `.` is the element itself. The last step may be an attribute or `text()`. Commas part
//! alternatives: the first one that finds something counts.

use crate::xml::Element;

/// A path with its alternatives.
#[derive(Debug, Clone)]
pub struct Select(Vec<Alternative>);

#[derive(Debug, Clone)]
struct Alternative {
    from_root: bool,
    steps: Vec<Step>,
    part: Part,
}

/// One step: a name with its conditions.
#[derive(Debug, Clone)]
pub(super) struct Step {
    name: String,
    conditions: Vec<(bool, Condition)>,
}

#[derive(Debug, Clone)]
enum Condition {
    Template(String),
    Has(String),
    Attribute(String, String),
    Code(String),
    Child(String),
}

/// What of the element is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Whole,
    Attribute(String),
    Text,
}

/// Something that a path found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'e, 't> {
    /// The element.
    pub element: &'e Element<'t>,
    /// Its attribute or text, where the path names one.
    pub text: Option<&'e str>,
}

impl Select {
    /// Reads a path of the tables.
    pub fn parse(path: &str) -> Result<Select, String> {
        path.split(" , ").map(Alternative::parse).collect::<Result<_, _>>().map(Select)
    }

    /// What is found from `element`; `root` is where `^` begins.
    pub fn find<'e, 't>(&self, element: &'e Element<'t>, root: &'e Element<'t>) -> Vec<Found<'e, 't>> {
        for alternative in &self.0 {
            let found = alternative.find(element, root);
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

impl Alternative {
    fn parse(path: &str) -> Result<Alternative, String> {
        let mut parts = parted(path.trim());
        let from_root = parts.first() == Some(&"^");
        if from_root {
            parts.remove(0);
        }
        let part = match parts.last() {
            Some(&"text()") => Part::Text,
            Some(last) if last.starts_with('@') => Part::Attribute(last[1..].to_owned()),
            _ => Part::Whole,
        };
        if part != Part::Whole {
            parts.pop();
        }
        let steps = parts.into_iter().map(Step::parse).collect::<Result<_, _>>()?;
        Ok(Alternative { from_root, steps, part })
    }

    fn find<'e, 't>(&self, element: &'e Element<'t>, root: &'e Element<'t>) -> Vec<Found<'e, 't>> {
        let mut at = vec![if self.from_root { root } else { element }];
        for step in &self.steps {
            let next: Vec<_> = match step.name.as_str() {
                "." => at,
                _ => at.into_iter().flat_map(|element| element.children.iter()).collect(),
            };
            at = next.into_iter().filter(|element| step.fits(element)).collect();
        }
        at.into_iter()
            .filter_map(|element| {
                let text = match &self.part {
                    Part::Whole => None,
                    Part::Text => Some(element.text.as_ref()).filter(|text| !text.is_empty()).map(Some)?,
                    Part::Attribute(name) => element.attribute(name).filter(|t| !t.is_empty()).map(Some)?,
                };
                Some(Found { element, text })
            })
            .collect()
    }
}

/// The steps of a path; slashes within braces part nothing.
fn parted(path: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, character) in path.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            '/' if depth == 0 => {
                parts.push(&path[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&path[from..]);
    parts
}

impl Step {
    pub(super) fn parse(part: &str) -> Result<Step, String> {
        let (name, mut rest) = part.split_at(part.find('{').unwrap_or(part.len()));
        let mut conditions = Vec::new();
        while let Some(inner) = rest.strip_prefix('{') {
            let (condition, after) =
                inner.split_once('}').ok_or_else(|| format!("'{part}' is not closed"))?;
            let (turned, condition) = match condition.strip_prefix('!') {
                Some(condition) => (true, condition),
                None => (false, condition),
            };
            conditions.push((turned, Condition::parse(condition)));
            rest = after;
        }
        if name.is_empty() || !rest.is_empty() {
            return Err(format!("'{part}' is no step"));
        }
        Ok(Step { name: name.to_owned(), conditions })
    }

    pub(super) fn fits(&self, element: &Element<'_>) -> bool {
        (matches!(self.name.as_str(), "*" | ".") || element.name == self.name)
            && self.conditions.iter().all(|(turned, condition)| condition.holds(element) != *turned)
    }
}

impl Condition {
    fn parse(text: &str) -> Condition {
        match (text.strip_prefix('@'), text.split_once('=')) {
            (Some(_), Some((name, value))) => Condition::Attribute(name[1..].to_owned(), value.to_owned()),
            (Some(name), None) => Condition::Has(name.to_owned()),
            (None, Some(("code", value))) => Condition::Code(value.to_owned()),
            _ if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
                Condition::Template(text.to_owned())
            }
            _ => Condition::Child(text.to_owned()),
        }
    }

    fn holds(&self, element: &Element<'_>) -> bool {
        match self {
            Condition::Template(root) => has_template(element, root),
            Condition::Has(name) => element.attribute(name).is_some(),
            Condition::Attribute(name, value) => element.attribute(name) == Some(value),
            Condition::Code(code) => element.child("code").and_then(|c| c.attribute("code")) == Some(code),
            Condition::Child(name) => element.child(name).is_some(),
        }
    }
}

/// Whether an element declares a template.
pub fn has_template(element: &Element<'_>, root: &str) -> bool {
    element.all("templateId").any(|template| template.attribute("root") == Some(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &[&str]) {
        let text = r#"<o><templateId root="1.2"/><er typeCode="MFST"><a><code code="x"/><value value="1"/></a></er>
            <er typeCode="SUBJ"><a><value value="2"/></a></er><t>words</t></o>"#;
        let root = crate::xml::read(text, &mut Vec::new()).expect("XML");
        let found = Select::parse(path).expect(path).find(&root, &root);
        assert_eq!(found.iter().map(|f| f.text.unwrap_or("-")).collect::<Vec<_>>(), expected, "{path}");
    }

    #[test]
    fn paths_find_what_their_conditions_say() {
        check("er/a/value/@value", &["1", "2"]);
        check("er{@typeCode=MFST}/a/value/@value", &["1"]);
        check("er{!@typeCode=MFST}/a/value/@value", &["2"]);
        check("er/a{code=x}/value/@value", &["1"]);
        check("er/a{!code}/value/@value", &["2"]);
        check("x/@y , t/text()", &["words"]);
        check("^/er{@typeCode}", &["-", "-"]);
        check("./er/a/value/@none", &[]);
        check(".{1.2}/t/text()", &["words"]);
        check(".{1.3}/t", &[]);
        assert!(Select::parse("a{b").is_err());
    }
}
