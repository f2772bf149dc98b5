//! The tour: one day in Qinghe County, each step live or openly still to come.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use tongmai_engine::Outcome;
use tongmai_engine::verify::Report;
use tongmai_fhir::definition::resource_type_id;
use tongmai_http::{Answer, Asked};

use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::people::token;
use crate::{Site, framed, markup, problem, render, reply};

/// Citizen's number of Auntie 卓玛 in the synthetic county: under the invented province 99.
const ZHUOMA: &str = "990123196103086764";

/// Citizen's number of 王芳, the mother of the newborn twins.
const WANG_FANG: &str = "990123199605125026";

/// The times of the day and whether the step can be walked.
const STEPS: [(&str, bool); 22] = [
    ("07:40", false),
    ("08:05", false),
    ("08:10", true),
    ("08:30", true),
    ("08:31", true),
    ("08:45", true),
    ("08:50", false),
    ("09:00", true),
    ("09:20", true),
    ("09:25", true),
    ("10:00", false),
    ("11:00", false),
    ("14:00", false),
    ("14:10", true),
    ("15:00", true),
    ("16:00", false),
    ("17:00", false),
    ("18:00", true),
    ("18:30", true),
    ("19:00", true),
    ("20:00", true),
    ("23:00", true),
];

/// One step.
struct Step {
    time: &'static str,
    live: bool,
}

impl Step {
    /// One of its texts.
    fn say(&self, l: &Language, part: &str) -> Cow<'static, str> {
        l.say(&self.key(part))
    }

    /// The page of participation where the step is walked, with the name of the page.
    fn page(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.time {
            "18:00" => ("/participation/office", "pa-office"),
            "18:30" => ("/participation/say", "pa-say"),
            "19:00" => ("/participation", "pa-home"),
            "20:00" => ("/participation/organisations", "pa-organisations"),
            _ => return None,
        })
    }

    /// What one press enters by the forms of these pages, for somebody who only wants to look.
    fn press(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.time {
            "18:00" => ("/participation/story/policy", "ca-story-policy"),
            "18:30" => ("/participation/story/evening", "ca-story-evening"),
            "19:00" => ("/participation/story/policy", "ca-story-answer"),
            "20:00" => ("/participation/story/needs", "ca-story-needs"),
            _ => return None,
        })
    }

    fn key(&self, part: &str) -> String {
        format!("step-{}-{part}", self.time.replace(':', ""))
    }
}

/// What is known of the check of the store.
#[derive(Clone)]
enum State {
    Never,
    Running(u64, u64),
    Done(Arc<Checked>),
    Failed,
}

struct Checked {
    report: Report,
    when: When,
}

/// The check of the store that somebody asked for.
pub struct Check {
    state: Mutex<State>,
    done: AtomicU64,
    of: AtomicU64,
}

impl Default for Check {
    fn default() -> Check {
        Check { state: Mutex::new(State::Never), done: AtomicU64::new(0), of: AtomicU64::new(1) }
    }
}

impl Check {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> State {
        match &*self.lock() {
            State::Running(..) => {
                State::Running(self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
            }
            state => state.clone(),
        }
    }

    /// Runs the check to its end.
    fn run(&self, site: &Site) {
        let result = site.engine.verify(&mut |done, of| {
            self.done.store(done, Ordering::Relaxed);
            self.of.store(of.max(1), Ordering::Relaxed);
        });
        let when = When::moment(site.engine.now());
        *self.lock() = match result {
            Ok(report) => State::Done(Arc::new(Checked { report, when })),
            Err(failure) => {
                tracing::error!(%failure, "the check of the store could not be finished");
                State::Failed
            }
        };
    }
}

#[derive(Template)]
#[template(path = "tour.html")]
struct Tour {
    page: Frame,
    l: Language,
    steps: Vec<Step>,
    live_steps: i64,
    zhuoma: Option<String>,
    wang_fang: &'static str,
    position: i64,
    started: When,
    check: State,
}

framed!(Tour);

#[derive(Template)]
#[template(path = "verify.html")]
struct Verify {
    l: Language,
    check: State,
}

/// `/tour`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-tour");
    let (position, sealed) = site
        .work(|site| {
            let kind = resource_type_id("Patient").unwrap_or_default();
            let pairs = [("identifier".into(), token(ZHUOMA)), ("_count".into(), "1".into())];
            let query = site.engine.query(&[kind], None, &pairs, false)?;
            let position = site.engine.position()?;
            Ok::<_, tongmai_engine::Failure>((position, site.engine.search(&site.sight(), &query, None)?))
        })
        .await?;
    let zhuoma = site.release(sealed).await?.into_inner().matches.into_iter().next().map(|p| p.id);
    // These steps are of people who come in; the sharing of a record means something only where rights decide.
    let login = site.accounts.is_some();
    let rights = login && !matches!(site.access.policy(), tongmai_access::Policy::Open);
    let live = |time: &str| (time == "17:00" && login) || (time == "08:50" && rights);
    let steps: Vec<Step> =
        STEPS.into_iter().map(|(time, built)| Step { time, live: built || live(time) }).collect();
    let tour = Tour {
        l: page.language,
        page,
        live_steps: steps.iter().filter(|step| step.live).count() as i64,
        steps,
        zhuoma,
        wang_fang: WANG_FANG,
        position: position.cast_signed(),
        started: When::moment(site.started),
        check: site.check.state(),
    };
    render(asked, 200, &tour)
}

/// `/live/verify`: how far the check is.
pub fn part(site: &Site, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    Ok(reply::part(asked, markup(&Verify { l: frame.language, check: site.check.state() })?))
}

/// `POST /tour/verify`: begins a check, unless one is under way.
pub fn verify(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    if !matches!(asked.header("sec-fetch-site"), "" | "same-origin" | "none") {
        return Ok(problem::show(asked, frame, 403, "wrong", ""));
    }
    let mut state = site.check.lock();
    if !matches!(*state, State::Running(..)) {
        *state = State::Running(0, 1);
        let site = site.clone();
        tokio::task::spawn_blocking(move || site.check.run(&site));
    }
    drop(state);
    Ok(reply::see_other("/tour#check"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_words() {
        for language in [Language::Chinese, Language::English] {
            for (time, live) in STEPS {
                for part in ["who", "what", "shows"] {
                    let key = Step { time, live }.key(part);
                    assert!(language.find(&key, None).is_some(), "{language:?} {key}");
                }
            }
        }
    }

    #[test]
    fn the_people_of_the_story_are_those_of_the_county() {
        assert_eq!(ZHUOMA, tongmai_region::story::ZHUOMA);
        assert_eq!(WANG_FANG, tongmai_region::story::WANG_FANG);
        assert!(token(ZHUOMA).starts_with(&tongmai_region::story::token(ZHUOMA)));
    }
}
