//! The pages people see: server-rendered, small, Chinese and English.
//!
//! Every page is whole without a script. What it shows of records comes out of
//! `access`, which logged the read; counts come from a view over the change feed.

mod account;
mod asset;
mod chart;
mod county;
mod desk;
mod doors;
mod drg;
mod duties;
mod emergency;
mod format;
mod frame;
mod gate;
mod language;
mod ledger;
mod me;
mod overview;
mod participation;
mod people;
mod person;
mod privacy;
mod problem;
mod record;
mod reply;
mod resource;
mod surveillance;
mod tour;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use hyper::Method;
use tongmai_access::{Access, Released, Requester, Sealed, Sight};
use tongmai_accounts::Accounts;
use tongmai_ballots::Office;
use tongmai_base::time::CHINA_OFFSET_MINUTES;
use tongmai_engine::views::Running;
use tongmai_engine::{Engine, Failure, Outcome, Reason};
use tongmai_gateway::door::Doors;
use tongmai_http::{Answer, Asked, Pages};
use tongmai_views::drg::Desk;
use tongmai_views::follow_up::FollowUps;
use tongmai_views::local_codes::LocalCodes;
use tongmai_views::outcome::Outcomes;
use tongmai_views::participation::Participation;
use tongmai_views::surveillance::Surveillance;
use tongmai_views::trail::Trail;

use crate::frame::Frame;
use crate::gate::Gate;

/// How often the views are brought up to date when nobody looks.
const RUN_VIEWS: Duration = Duration::from_secs(60);

/// What the pages have beside the engine.
#[derive(Default)]
pub struct Settings {
    /// Folder of the checkpoints of their views; without one they are folded anew after a restart.
    pub folder: Option<PathBuf>,
    /// Who may come in; without accounts everybody is in.
    pub accounts: Option<Arc<Accounts>>,
    /// Who looked at whose record.
    pub trail: Option<Arc<Trail>>,
    /// They are reached by TLS alone.
    pub secure: bool,
    /// The doors, where there are any.
    pub doors: Option<Arc<Doors>>,
    /// The desk that groups discharges; without one the pages keep their own, of the packs that are shipped.
    pub drg: Option<Arc<Desk>>,
    /// Surveillance that somebody keeps running; without one it goes on when somebody looks.
    pub surveillance: Option<Arc<Surveillance>>,
}

/// The pages over an engine without a login; the checkpoints of their views lie in `folder`.
pub fn pages(engine: Arc<Engine>, access: Arc<Access>, folder: Option<PathBuf>) -> Pages {
    pages_with(engine, access, Settings { folder, ..Settings::default() })
}

/// The pages over an engine.
pub fn pages_with(engine: Arc<Engine>, access: Arc<Access>, settings: Settings) -> Pages {
    let Settings { folder, accounts, trail, secure, doors, drg, surveillance } = settings;
    let own_desk = || Arc::new(Desk::new(folder.clone(), tongmai_views::drg::Shelf::default()));
    let drg = drg.unwrap_or_else(own_desk);
    let own_surveillance = || Arc::new(Surveillance::new(engine.clone(), access.clone(), folder.clone()));
    let surveillance = surveillance.unwrap_or_else(own_surveillance);
    let started = engine.now();
    // Ballots lie beside the views, in a folder of their own: they are no view, and nothing rebuilds them.
    let ballots = folder.as_deref().and_then(Path::parent).map(|data| data.join("ballots"));
    let ballots = ballots.map(|folder| Office::new(&folder, engine.secret()));
    let shared = Arc::new(Shared {
        participation: Running::new(folder.clone()),
        outcomes: Running::new(folder.clone()),
        follow_ups: Running::new(folder.clone()),
        followed: participation::Followed::default(),
        ballots,
        engine,
        access,
        local_codes: Running::new(folder.clone()),
        counter: county::Counter::new(folder),
        doors,
        check: tour::Check::default(),
        drg,
        surveillance,
        started,
        accounts,
        trail,
        secure,
        offers: me::sharing::Offers::default(),
    });
    run_views(&shared);
    Arc::new(move |asked| {
        let site = Arc::new(Site { shared: shared.clone(), requester: asked.requester.clone() });
        Box::pin(async move { answer(&site, &asked).await })
    })
}

/// Brings the views up to date as long as there is a site: what was purged must leave their
/// checkpoints, and the first to look after a quiet night must not wait.
fn run_views(shared: &Arc<Shared>) {
    let site = Arc::downgrade(shared);
    let run = move || {
        loop {
            std::thread::sleep(RUN_VIEWS);
            let Some(site) = site.upgrade() else { return };
            let participation = site.participation.now(&site.engine, |_, _| ());
            let outcomes = participation.and_then(|()| site.outcomes.now(&site.engine, |_, _| ()));
            let follow_ups = outcomes.and_then(|()| site.follow_ups.now(&site.engine, |_, _| ()));
            if let Err(failure) = follow_ups.and_then(|()| site.counter.advance(&site.engine)) {
                tracing::error!(%failure, "the views could not be brought up to date");
            }
            if let Err(failure) = site.engine.follow_persons() {
                tracing::error!(%failure, "persons could not be brought up to date");
            }
            if let Some(trouble) = site.engine.take_persons_trouble() {
                tracing::warn!(%trouble, "the checkpoint of persons could not be saved");
            }
            let followed = site.trail.as_ref().map(|trail| trail.follow(&site.engine, &site.access));
            if let Some(Err(failure)) = followed {
                tracing::error!(%failure, "the trail of reads could not be brought up to date");
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("views".into()).spawn(run) {
        tracing::warn!(%error, "views are brought up to date only when somebody looks");
    }
}

/// What all pages share.
struct Shared {
    engine: Arc<Engine>,
    access: Arc<Access>,
    counter: county::Counter,
    local_codes: Running<LocalCodes>,
    doors: Option<Arc<Doors>>,
    check: tour::Check,
    drg: Arc<Desk>,
    surveillance: Arc<Surveillance>,
    participation: Running<Participation>,
    outcomes: Running<Outcomes>,
    follow_ups: Running<FollowUps>,
    /// Conversations whose opinion groups pages follow.
    followed: participation::Followed,
    /// The ballot office; none without a folder to keep ballots in.
    ballots: Option<Office>,
    started: i64,
    accounts: Option<Arc<Accounts>>,
    trail: Option<Arc<Trail>>,
    secure: bool,
    offers: me::sharing::Offers,
}

/// Everything that one page needs: what all share, and who asks for it.
struct Site {
    shared: Arc<Shared>,
    requester: Arc<Requester>,
}

impl std::ops::Deref for Site {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Site {
    /// What the one who looks may see.
    fn sight(&self) -> Sight {
        self.access.sight(&self.requester)
    }

    /// Under what a form of a page writes, once the page has decided that it may be sent.
    fn pen(&self) -> Sight {
        self.access.pen(&self.requester)
    }

    /// Has what was read logged and released to the page's reader.
    async fn release<T>(&self, sealed: Sealed<T>) -> Outcome<Released<T>> {
        let released = self.access.release(&self.requester, sealed).await;
        released.map_err(|failure| Failure::new(Reason::Internal, "", "exception", failure.0))
    }

    /// As [`Site::release`], within work of the engine.
    fn release_here<T>(&self, sealed: Sealed<T>) -> Outcome<T> {
        let released = self.access.release_blocking(&self.requester, sealed);
        let failed =
            |failure: tongmai_access::LogFailure| Failure::new(Reason::Internal, "", "exception", failure.0);
        released.map(Released::into_inner).map_err(failed)
    }

    /// Runs work of the engine off the threads that answer requests.
    async fn work<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Site) -> T + Send + 'static) -> T {
        let site = self.clone();
        match tokio::task::spawn_blocking(move || work(&site)).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// The day now, in China Standard Time.
    fn today(&self) -> i64 {
        (self.engine.now() + CHINA_OFFSET_MINUTES * 60_000).div_euclid(86_400_000)
    }
}

/// The frame of a page for whoever asks.
fn frame(site: &Site, asked: &Asked) -> Frame {
    let mut frame = Frame::of(asked);
    if let Some(accounts) = &site.accounts {
        frame.login = true;
        frame.limited = site.sight().limits().is_some();
        frame.account = accounts.account(&site.requester.actor).map_or(String::new(), |account| account.name);
    }
    frame
}

async fn answer(site: &Arc<Site>, asked: &Asked) -> Answer {
    let page = frame(site, asked);
    let parts = parts(&asked.path);
    match gate::of(site, &site.requester, &parts) {
        Gate::Open => {}
        Gate::Login => {
            let there =
                format!("{}{}{}", asked.path, if asked.query.is_empty() { "" } else { "?" }, asked.query);
            let there = if asked.method == Method::GET { there } else { String::new() };
            return reply::lead(&format!("/login?next={}", frame::encoded(&there)), &[]);
        }
        // A resident has no overview of a region; where they begin is their own page.
        Gate::Closed if parts.is_empty() => return reply::lead(account::home_address(&site.requester), &[]),
        Gate::Closed => {
            let whose = gate::said(page.language, parts.first().copied().unwrap_or(""));
            return problem::show(asked, page, 403, "closed", &whose);
        }
    }
    if asked.method == Method::POST && !gate::is_own_form(site, asked) {
        return problem::show(asked, page, 403, "wrong", "");
    }
    let result = match (&asked.method, parts.as_slice()) {
        (_, path @ ["login" | "logout" | "invitation" | "oauth", ..]) => {
            account::answer(site, asked, page, path).await
        }
        (_, ["me", rest @ ..]) => me::answer(site, asked, page, rest).await,
        (_, ["privacy", rest @ ..]) => privacy::answer(site, asked, page, rest).await,
        (_, ["emergency", rest @ ..]) => emergency::answer(site, asked, page, rest).await,
        (&Method::POST, ["share"]) => me::sharing::bring(site, asked, page).await,
        (_, ["doors", rest @ ..]) => doors::answer(site, asked, page, rest).await,
        (&Method::GET | &Method::HEAD | &Method::POST, ["surveillance", rest @ ..]) => {
            surveillance::page(site, asked, page, rest).await
        }
        (_, ["participation", rest @ ..]) => participation::answer(site, asked, page, rest).await,
        (&Method::GET | &Method::HEAD, path) => shown(site, asked, page, path).await,
        (&Method::POST, ["drg", rest @ ..]) => drg::answer(site, asked, page, rest).await,
        (&Method::POST, ["desk", rest @ ..]) => desk::answer(site, asked, page, rest).await,
        (&Method::POST, ["tour", "verify"]) => tour::verify(site, asked, page),
        _ => Ok(problem::show(asked, page, 405, "wrong", "")),
    };
    match result {
        Ok(answer) => answer,
        Err(failure) => problem::failed(asked, frame(site, asked), &failure),
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

async fn shown(site: &Arc<Site>, asked: &Asked, frame: Frame, path: &[&str]) -> Outcome<Answer> {
    match path {
        [] => overview::page(site, asked, frame).await,
        ["live"] => overview::part(site, asked, frame).await,
        ["live", "verify"] => tour::part(site, asked, frame),
        ["people"] => people::page(site, asked, frame).await,
        ["person", id] => person::page(site, asked, frame, id).await,
        ["person", id, "visits"] => person::visits(site, asked, frame, id).await,
        ["person", id, "trends"] => person::trends(site, asked, frame, id).await,
        ["resource", kind, id] => resource::page(site, asked, frame, kind, id, None).await,
        ["resource", kind, id, version] => resource::page(site, asked, frame, kind, id, Some(version)).await,
        ["ledger"] => ledger::page(site, asked, frame).await,
        ["drg", rest @ ..] => drg::answer(site, asked, frame, rest).await,
        ["desk", rest @ ..] => desk::answer(site, asked, frame, rest).await,
        ["tour"] => tour::page(site, asked, frame).await,
        ["home"] => account::home(site, asked, frame).await,
        ["share"] => me::sharing::share(asked, frame),
        ["duties"] => duties::page(asked, frame),
        ["help"] => {
            let l = frame.language;
            render(asked, 200, &Help { l, page: frame })
        }
        _ => match asset::at(&asked.path) {
            Some(asset) => Ok(reply::asset(asked, asset)),
            None => Ok(problem::show(asked, frame, 404, "lost", "")),
        },
    }
}

/// A template that stands in a frame.
trait Framed: Template {
    fn frame(&self) -> &Frame;
}

/// Renders a page as an answer.
fn render(asked: &Asked, status: u16, page: &impl Framed) -> Outcome<Answer> {
    Ok(reply::page(asked, status, markup(page)?, &page.frame().cookies))
}

fn markup(template: &impl Template) -> Outcome<String> {
    template.render().map_err(|error| Failure::new(Reason::Internal, "", "exception", error.to_string()))
}

/// Says that a template has its frame in the field `page`.
macro_rules! framed {
    ($($template:ty),*) => {$(
        impl crate::Framed for $template {
            fn frame(&self) -> &crate::frame::Frame {
                &self.page
            }
        }
    )*};
}
use framed;

#[derive(Template)]
#[template(path = "help.html")]
struct Help {
    l: language::Language,
    page: Frame,
}

framed!(Help);
