//! The domain engines as views over the ledger.
//!
//! The engines are pure and know no resource; here, for each of them, is what reads the feed and hands
//! it over. A view can be thrown away and folded again to the same state ([`tongmai_engine::views`]).

pub mod local_codes;

pub mod drg;

pub mod surveillance;

pub mod follow_up;
pub mod outcome;
pub mod participation;

pub mod trail;
