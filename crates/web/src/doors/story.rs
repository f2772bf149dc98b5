//! The story's messages, sent through the doors when somebody walks the tour.

use std::sync::Arc;

use tongmai_engine::{Failure, Outcome};
use tongmai_gateway::door::Doors;
use tongmai_gateway::emit::county;
use tongmai_http::Answer;

use crate::{Site, reply};

/// The seed of the county that is told of; a demo of another seed has other numbers but the same people.
const SEED: u64 = 1;

/// `POST /doors/story/{time}`
pub async fn send(site: &Arc<Site>, doors: &Arc<Doors>, time: &str) -> Outcome<Answer> {
    let unknown = || Failure::not_found(format!("the step {time} of the story"));
    let (door, bytes) = county::story(time, SEED, site.today()).ok_or_else(unknown)?;
    let format = doors.format(door).ok_or_else(unknown)?;
    let receipt = doors.receive(format, &bytes).await;
    Ok(reply::see_other(format!("/doors/message/{}", receipt.number)))
}
