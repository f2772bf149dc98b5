//! The FHIRPath of search parameters, read into steps.
//!
//! R4's 1,375 expressions are unions of paths with `where(field='value')`,
//! `where(resolve() is T)`, `as T` and `.as(T)`; two stand apart:
//! `Bundle.entry[0].resource` and `Patient.deceased.exists() and …`. What does
//! not fit gives `None`, and a test holds that nothing of R4 does.

/// One step along a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Into an element, by its name without `[x]`.
    Field(&'static str),
    /// Only the first item.
    First,
    /// Only items of this type.
    As(&'static str),
    /// Only items whose `field` is `value`.
    Where(&'static str, &'static str),
    /// Only references to this resource type.
    ResolveIs(&'static str),
    /// True when the element is there and not `false`.
    NotFalse,
}

/// One branch of a union.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// The type that the path begins with; empty where the path does not name it, as in the
    /// components of composites.
    pub root: &'static str,
    /// The steps from there.
    pub steps: Vec<Step>,
}

/// Reads an expression that begins with resource types.
pub(super) fn parse(expression: &'static str) -> Option<Vec<Path>> {
    // The one expression that is a condition and not a path.
    if let Some((element, condition)) = expression.split_once(".exists() and ")
        && condition.strip_suffix(" != false") == Some(element)
    {
        let mut path = path(element, true)?;
        path.steps.push(Step::NotFalse);
        return Some(vec![path]);
    }
    expression.split(" | ").map(|branch| path(branch, true)).collect()
}

/// Reads the expression of a component: it begins at the composite's item, or with `%resource`.
pub(super) fn parse_component(expression: &'static str) -> Option<Vec<Path>> {
    expression.split(" | ").map(|branch| path(branch, branch.starts_with("%resource"))).collect()
}

fn path(text: &'static str, rooted: bool) -> Option<Path> {
    let text = text.trim();
    let mut steps = Vec::new();
    let (first, rest) = match text.strip_prefix('(') {
        Some(text) => {
            let (inner, rest) = text.split_once(')')?;
            (inner, rest.strip_prefix('.').unwrap_or(rest))
        }
        None => (text, ""),
    };
    let (main, of_type) = match first.rsplit_once(" as ") {
        Some((main, of_type)) => (main, Some(of_type)),
        None => (first, None),
    };
    // `InsurancePlan-name` does not name its root.
    let rooted = rooted && !main.starts_with(|c: char| c.is_ascii_lowercase());
    let (root, main) = match (rooted, main.split_once('.')) {
        (true, Some((root, main))) => (root, main),
        (true, None) => (main, ""),
        (false, _) => ("", main),
    };
    read_steps(main, &mut steps)?;
    steps.extend(of_type.map(as_type));
    read_steps(rest, &mut steps)?;
    Some(Path { root, steps })
}

fn read_steps(mut text: &'static str, steps: &mut Vec<Step>) -> Option<()> {
    while !text.is_empty() {
        let mut depth = 0;
        let end = text.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == '.' && depth == 0
        });
        let (step, rest) = match end {
            Some(end) => (&text[..end], &text[end + 1..]),
            None => (text, ""),
        };
        text = rest;
        if let Some(condition) = step.strip_prefix("where(").and_then(|s| s.strip_suffix(')')) {
            steps.push(match condition.strip_prefix("resolve() is ") {
                Some(of_type) => Step::ResolveIs(of_type),
                None => {
                    let (field, value) = condition.split_once('=')?;
                    Step::Where(field, value.strip_prefix('\'')?.strip_suffix('\'')?)
                }
            });
        } else if let Some(of_type) = step.strip_prefix("as(").and_then(|s| s.strip_suffix(')')) {
            steps.push(as_type(of_type));
        } else {
            let plain = step.strip_suffix("[0]");
            let name = plain.unwrap_or(step);
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return None;
            }
            steps.push(Step::Field(name));
            steps.extend(plain.map(|_| Step::First));
        }
    }
    Some(())
}

fn as_type(name: &'static str) -> Step {
    // One component of R4 writes the type with a capital.
    Step::As(if name == "DateTime" { "dateTime" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_of_r4_is_understood() {
        for parameter in super::super::all() {
            assert!(
                parameter.expression.is_empty() || parse(parameter.expression).is_some(),
                "{}: {}",
                parameter.url,
                parameter.expression
            );
            for component in parameter.components {
                assert!(parse_component(component.expression).is_some(), "{}", component.expression);
            }
        }
    }

    #[test]
    fn steps_are_read() {
        let read =
            |text| parse(text).map(|paths| paths.into_iter().map(|p| (p.root, p.steps)).collect::<Vec<_>>());
        assert_eq!(
            read("(Observation.value as CodeableConcept).text"),
            Some(vec![(
                "Observation",
                vec![Step::Field("value"), Step::As("CodeableConcept"), Step::Field("text")]
            )])
        );
        assert_eq!(
            read("A.b.where(system='x.y').c | A.d.where(resolve() is Patient)"),
            Some(vec![
                ("A", vec![Step::Field("b"), Step::Where("system", "x.y"), Step::Field("c")]),
                ("A", vec![Step::Field("d"), Step::ResolveIs("Patient")]),
            ])
        );
        assert_eq!(read("Patient.name.first()"), None);
        assert_eq!(read("Patient.x = 'y'"), None);
    }
}
