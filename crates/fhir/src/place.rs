//! Where a value stands within a resource.

use std::fmt;

/// A place on the way down a resource; shown as `Patient.contact[0].organization`.
/// It lives on the stack and is put into words only when someone asks.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    /// The place of a whole resource.
    pub fn root(name: &'p str) -> Place<'p> {
        Place { parent: None, step: Step::Name(name) }
    }

    /// A property of the object here.
    pub fn property<'q>(&'q self, name: &'q str) -> Place<'q> {
        Place { parent: Some(self), step: Step::Name(name) }
    }

    /// An item of the array here.
    pub fn item(&self, index: usize) -> Place<'_> {
        Place { parent: Some(self), step: Step::Index(index) }
    }

    /// The name of the nearest property; that of the array for its items.
    pub fn name(&self) -> &str {
        match (self.step, self.parent) {
            (Step::Index(_), Some(parent)) => parent.name(),
            (Step::Name(name), _) => name,
            (Step::Index(_), None) => "",
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if matches!(self.step, Step::Name(_)) {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Name(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
