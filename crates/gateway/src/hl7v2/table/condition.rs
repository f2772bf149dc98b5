//! Conditions of rows: `!3 & 2=ISO,UUID | #5>1`.

/// A place in a message: a field and parts of it, in this segment or in one near it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Another segment's name; empty for the one at hand.
    pub segment: String,
    /// Field of a segment, or component of a data type; 0 for the whole.
    pub field: u16,
    /// Component; 0 for all.
    pub component: u16,
    /// Subcomponent; 0 for all.
    pub subcomponent: u16,
}

impl Place {
    /// Reads `5`, `5.1`, `5.1.2`, `OBR-2.1` or `*`.
    pub fn parse(text: &str) -> Result<Place, String> {
        if text == "*" {
            return Ok(Place::default());
        }
        let wrong = || format!("'{text}' is no place: write 5, 5.1 or *");
        let (segment, numbers) = text.split_once('-').unwrap_or(("", text));
        let mut parts = numbers.split('.').map(|number| number.parse::<u16>().map_err(|_| wrong()));
        let field = parts.next().ok_or_else(wrong)??;
        let component = parts.next().transpose()?.unwrap_or(0);
        let subcomponent = parts.next().transpose()?.unwrap_or(0);
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Place { segment: segment.to_owned(), field, component, subcomponent })
    }
}

/// What is asked of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// There is a value.
    Valued,
    /// There is none.
    Empty,
    /// It is one of these.
    In(Vec<String>),
    /// It is none of these.
    NotIn(Vec<String>),
    /// Its text is longer than this.
    Longer(usize),
    /// It has more repetitions than this.
    Repeats(usize),
    /// It has exactly this many repetitions.
    Exactly(usize),
    /// It has fewer repetitions than this.
    Fewer(usize),
    /// The segment before is one of these (`$after`).
    After(Vec<String>),
    /// The last step of the flow began a resource (`$new`).
    Began,
    /// A resource of this name is at hand (`$Encounter`).
    Current(String),
    /// None is.
    NoCurrent(String),
}

/// A test of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where.
    pub place: Place,
    /// What.
    pub test: Test,
}

/// Alternatives of terms that all hold; none at all always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// Any of these.
    pub any: Vec<Vec<Term>>,
}

impl Condition {
    /// Reads `a & b | c`.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let any = text
            .split('|')
            .map(|all| all.split('&').map(|term| Term::parse(term.trim())).collect())
            .collect::<Result<_, _>>()?;
        Ok(Condition { any })
    }
}

impl Term {
    fn parse(text: &str) -> Result<Term, String> {
        let list = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
        let term = |place: &str, test| Ok(Term { place: Place::parse(place.trim())?, test });
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| format!("'{text}' is no number"));
        if let Some(names) = text.strip_prefix("$after=") {
            return Ok(Term { place: Place::default(), test: Test::After(list(names)) });
        }
        if text == "$new" {
            return Ok(Term { place: Place::default(), test: Test::Began });
        }
        if let Some(name) = text.strip_prefix('$') {
            return Ok(Term { place: Place::default(), test: Test::Current(name.to_owned()) });
        }
        if let Some(name) = text.strip_prefix("!$") {
            return Ok(Term { place: Place::default(), test: Test::NoCurrent(name.to_owned()) });
        }
        if let Some(rest) = text.strip_prefix('#') {
            let (place, count) =
                rest.split_once(['>', '<', '=']).ok_or_else(|| format!("'{text}' asks for no number"))?;
            let test = match rest.as_bytes()[place.len()] {
                b'>' => Test::Repeats(number(count)?),
                b'<' => Test::Fewer(number(count)?),
                _ => Test::Exactly(number(count)?),
            };
            return term(place, test);
        }
        if let Some((place, length)) = text.strip_prefix("len ").and_then(|rest| rest.split_once('>')) {
            return term(place, Test::Longer(number(length)?));
        }
        if let Some((place, values)) = text.split_once("!=") {
            return term(place, Test::NotIn(list(values)));
        }
        if let Some((place, values)) = text.split_once('=') {
            return term(place, Test::In(list(values)));
        }
        match text.strip_prefix('!') {
            Some(place) => term(place, Test::Empty),
            None => term(text, Test::Valued),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let condition = Condition::parse("!3 & 2.1=ISO,UUID | #OBR-5>1 | $after=OBX").expect("a condition");
        assert_eq!(condition.any.len(), 3);
        assert_eq!(condition.any[0][0].test, Test::Empty);
        assert_eq!(condition.any[0][1].test, Test::In(vec!["ISO".into(), "UUID".into()]));
        assert_eq!(condition.any[1][0].place, Place { segment: "OBR".into(), field: 5, ..Place::default() });
        assert!(Condition::parse("").is_err() && Condition::parse("3 & x").is_err());
    }
}
