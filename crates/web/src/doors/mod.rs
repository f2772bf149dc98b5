//! The doors 接口: channels, messages, what was set aside, mappings, coverage, self-assessment.

use std::sync::Arc;

use hyper::Method;
use tongmai_engine::bundle::parse_pairs;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_gateway::door::Doors;
use tongmai_http::{Answer, Asked};

use crate::frame::Frame;
use crate::{Site, problem};

mod assessment;
mod channels;
mod coverage;
mod desk;
mod mapping;
mod message;
mod story;

pub use assessment::LEVELS as LEVEL_NAMES;

/// `/doors/…`
pub async fn answer(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    let Some(doors) = site.doors.clone() else {
        return Ok(problem::show(asked, frame, 404, "lost", ""));
    };
    let frame = frame.in_section("nav-doors");
    if asked.method == Method::POST {
        if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") {
            return Ok(problem::show(asked, frame, 403, "wrong", ""));
        }
        let form = Form::read(asked)?;
        return match path {
            ["set-aside"] => desk::decide(site, &doors, &form).await,
            ["mapping"] => mapping::decide(&doors, &form).await,
            ["story", time] => story::send(site, &doors, time).await,
            _ => Ok(problem::show(asked, frame, 405, "wrong", "")),
        };
    }
    match path {
        [] => channels::page(site, &doors, asked, frame).await,
        ["set-aside"] => desk::page(site, &doors, asked, frame).await,
        ["message", number] => message::page(site, &doors, asked, frame, number).await,
        ["message", number, "original"] => message::original(site, &doors, number).await,
        ["mapping"] => mapping::page(site, asked, frame).await,
        ["coverage"] => coverage::page(asked, frame),
        ["assessment"] => assessment::page(&doors, asked, frame),
        _ => Ok(problem::show(asked, frame, 404, "lost", "")),
    }
}

/// A form that was sent.
struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    fn read(asked: &Asked) -> Outcome<Form> {
        let body = std::str::from_utf8(&asked.body);
        let body =
            body.map_err(|_| Failure::new(Reason::Invalid, "form", "invalid", "the form is not in UTF-8"))?;
        Ok(Form { pairs: parse_pairs(body) })
    }

    /// A field; empty when it is not there.
    fn field(&self, name: &str) -> &str {
        self.pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.as_str())
    }

    /// A field that must be filled in.
    fn wanted(&self, name: &str) -> Outcome<&str> {
        match self.field(name).trim() {
            "" => Err(Failure::new(Reason::Invalid, name, "invalid", "the form is not complete")
                .repair("fill in this field")),
            value => Ok(value),
        }
    }
}

/// How many messages wait or were set aside, for the heads of pages.
async fn set_aside(
    site: &Arc<Site>,
    doors: &Arc<Doors>,
    count: usize,
) -> Outcome<Vec<tongmai_gateway::pipeline::original::Original>> {
    let of = doors.clone();
    let sealed = site.work(move |site| of.set_aside(&site.sight(), count)).await?;
    Ok(site.release(sealed).await?.into_inner())
}
