//! Rights: who may see or deposit what, under which law, and why.
//!
//! [`decide`] answers one question: may this requester do this with this item of this person, now?
//! The answer is *no* unless all of these hold (default deny):
//!
//! > token scope ∩ role ∩ agreement of the organisation ∩ (consent or another legal basis)
//!
//! and nothing refuses: no refusal of the person, no restriction, no missing release of a sensitive
//! category, no border. Each rule has a name ([`Rule`]), a clause of the law that it comes from (in a
//! [`Pack`], which is data), and a repair: what would change the answer.
//!
//! The crate is pure. What it is told of a person ([`Side`]) is kept by whoever calls it; a
//! [`Register`] is a ready index for that.

mod decide;
pub mod incident;
mod pack;
mod register;
mod request;
pub mod retention;
mod rule;
mod sensitive;
mod subject;

pub use decide::{Decision, decide, decide_with};
pub use pack::{Pack, PackError, Roles, builtin_packs, builtin_roles};
pub use register::Register;
pub use request::{
    Action, Agreement, BreakGlass, Category, Item, Jurisdiction, Purpose, Request, Role, Scope, Sensitivity,
    Ward,
};
pub use rule::{Rule, Rules};
pub use sensitive::{SensitiveCodes, builtin_sensitive_codes};
pub use subject::{Effect, Grant, Relation, Side, Subject};

/// An instant in milliseconds since 1970.
pub type Time = i64;

/// The end of what has no end.
pub const FOR_EVER: Time = Time::MAX;

/// Whether `now` lies in `[from, until)`.
fn within(now: Time, from: Time, until: Time) -> bool {
    from <= now && now < until
}
