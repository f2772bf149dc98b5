//! The story's messages, sent through the doors when somebody walks the tour.

use std::sync::Arc;

use tongmai_engine::{Failure, Outcome};
use tongmai_gateway::door::Doors;
use tongmai_gateway::emit::county;
use tongmai_gateway::insurance;
use tongmai_http::Answer;

use crate::{Site, reply};

/// The seed of the county that is told of; a demo of another seed has other numbers but the same people.
const SEED: u64 = 1;

/// `POST /doors/story/{time}`
pub async fn send(site: &Arc<Site>, doors: &Arc<Doors>, time: &str) -> Outcome<Answer> {
    let unknown = || Failure::not_found(format!("the step {time} of the story"));
    let (door, bytes) = county::story(time, SEED, site.engine.now()).ok_or_else(unknown)?;
    let receipt = match door {
        insurance::door::NAME => doors.take_in_envelope(&bytes).await.1,
        _ => doors.receive(doors.format(door).ok_or_else(unknown)?, &bytes).await,
    };
    Ok(reply::see_other(format!("/doors/message/{}", receipt.number)))
}
