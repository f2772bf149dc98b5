//! Cases, the executable specification, and chance: shared by tests and the long run.

#![allow(dead_code, reason = "each test uses a part")]

pub mod chance;
pub mod spec;

use tongmai_consent::{Item, Pack, Request, Roles, Side, Subject, builtin_packs, builtin_roles};

/// One question with all that it depends on.
#[derive(Debug, Clone)]
pub struct Case {
    pub pack: usize,
    pub request: Request,
    pub item: Item,
    pub sides: Vec<Side>,
    pub confirmed: bool,
}

impl Case {
    pub fn subject(&self) -> Subject<'_> {
        Subject { sides: &self.sides, confirmed: self.confirmed }
    }
}

/// The laws and roles of the crate.
pub struct Laws {
    pub packs: Vec<Pack>,
    pub roles: Roles,
}

pub fn laws() -> Laws {
    let packs = builtin_packs().iter().map(|(name, text)| Pack::read(text).expect(name)).collect();
    Laws { packs, roles: Roles::read(builtin_roles()).expect("roles") }
}
