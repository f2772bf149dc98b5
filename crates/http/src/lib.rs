//! FHIR REST and bulk data over HTTP/1.1.
//!
//! A thin door: it reads a request, asks the engine, has the answer released by
//! `access`, and writes bytes. Stored text is copied into the answer as it is.

mod answer;
mod audit;
mod bundle;
mod capability;
mod drg;
mod export;
mod identity;
mod metrics;
mod oauth;
mod request;
mod rest;
mod subset;
pub mod tls;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{HeaderValue, STRICT_TRANSPORT_SECURITY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tongmai_access::{Access, EverybodyIsLocal, Identify, Role};
use tongmai_accounts::Accounts;
use tongmai_base::limits;
use tongmai_engine::Engine;
use tongmai_views::drg::Desk;
use tongmai_views::trail::Trail;

use crate::tls::Tls;

pub use answer::{Answer, plain, refuse};
pub use export::write_files;
pub use metrics::Metrics;
pub use request::{Asked, SESSION_COOKIE, cookie, read_body};

/// How long a client may take to send its headers, or its body.
const SLOWEST: Duration = Duration::from_secs(30);
/// Bundles longer than this take turns.
const LARGE_BUNDLE: usize = 256 << 10;
/// How long requests under way may take to end after a stop was asked for.
const FAREWELL: Duration = Duration::from_secs(10);

/// For a year, browsers ask this server by TLS alone.
const STAY_WITH_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What answers everything that is not FHIR: the pages.
pub type Pages = Arc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Everything that a request needs.
pub struct Service {
    /// Writes, reads and searches.
    pub engine: Arc<Engine>,
    /// Releases what was read.
    pub access: Arc<Access>,
    /// Says who asks.
    pub identify: Arc<dyn Identify>,
    /// Who may come in, where people and clients have to say who they are.
    pub accounts: Option<Arc<Accounts>>,
    /// Who looked at whose record.
    pub trail: Option<Arc<Trail>>,
    /// Numbers for the operator.
    pub metrics: Arc<Metrics>,
    /// The pages, where there are any.
    pub pages: Option<Pages>,
    /// Groups discharges.
    pub drg: Arc<Desk>,
    /// Bulk exports.
    pub exports: export::Exports,
    /// Requests that may still be taken in.
    room: Semaphore,
    /// Large Bundles that may still be worked on: each takes many times its size in memory.
    large: Semaphore,
    /// The engine's store waits for a network, so its work must leave the reactor's threads.
    remote_store: bool,
    /// Clients reach it by TLS, here or at a proxy before it.
    secure: bool,
}

impl Service {
    /// A service; exports are written below `folder`.
    pub fn new(
        engine: Arc<Engine>,
        access: Arc<Access>,
        pages: Option<Pages>,
        folder: PathBuf,
        remote_store: bool,
    ) -> Service {
        Service {
            engine,
            access,
            identify: Arc::new(EverybodyIsLocal),
            accounts: None,
            trail: None,
            metrics: Arc::new(Metrics::default()),
            pages,
            drg: Arc::default(),
            exports: export::Exports::new(folder),
            room: Semaphore::new(limits::CONCURRENT_REQUESTS),
            large: Semaphore::new(cores() + 1),
            remote_store,
            secure: false,
        }
    }

    /// The same, but requests have to say who asks.
    #[must_use]
    pub fn with_login(mut self, accounts: Arc<Accounts>) -> Service {
        self.identify = accounts.clone();
        self.accounts = Some(accounts);
        self
    }

    /// The same, reached by TLS alone: addresses begin with `https`, and browsers are told to stay with it.
    #[must_use]
    pub fn reached_by_tls(mut self) -> Service {
        self.secure = true;
        self
    }

    /// The same with the trail of reads, which is read as AuditEvents.
    #[must_use]
    pub fn with_trail(mut self, trail: Arc<Trail>) -> Service {
        self.trail = Some(trail);
        self
    }

    /// The same with a desk that others look at too.
    #[must_use]
    pub fn with_drg(mut self, desk: Arc<Desk>) -> Service {
        self.drg = desk;
        self
    }

    /// Runs work of the engine where it may take its time.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        long: bool,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> T {
        if !long && !self.remote_store {
            return work(self);
        }
        let service = self.clone();
        match tokio::task::spawn_blocking(move || work(&service)).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Serves until `stop` resolves; then ends what is under way.
pub async fn serve(
    service: Arc<Service>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    serve_over(service, listener, None, stop).await
}

/// Serves by TLS where there is a certificate.
pub async fn serve_over(
    service: Arc<Service>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles, most likely: give the others time to end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let (service, watcher) = (service.clone(), graceful.watcher());
        match tls.clone() {
            None => {
                tokio::spawn(converse(service, stream, watcher));
            }
            Some(tls) => {
                tokio::spawn(async move {
                    // Who speaks no TLS, or does not trust the certificate, is no event either.
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(service, stream, watcher).await;
                    }
                });
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(FAREWELL) => tracing::warn!("requests were cut off by the stop"),
    }
    Ok(())
}

/// Answers the requests of one connection until it ends.
async fn converse<S>(service: Arc<Service>, stream: S, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let secure = service.secure;
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move {
            let mut answer = handle(service, request).await;
            if secure {
                answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, STAY_WITH_TLS);
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST)
        .max_buf_size(64 * 1024)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that goes away in the middle is no event.
    let _ = watcher.watch(connection).await;
}

async fn handle(service: Arc<Service>, request: hyper::Request<Incoming>) -> Answer {
    let begun = Instant::now();
    let Ok(_place) = service.room.try_acquire() else {
        service.metrics.refused_busy();
        return answer::busy();
    };
    let asked = match request::read(request, &*service.identify, service.secure).await {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let kind = metrics::kind(&asked);
    let noted = service.accounts.is_some().then(|| (asked.requester.clone(), asked.path.clone()));
    if let Some(accounts) = &service.accounts
        && !accounts.may_ask(&asked.requester)
    {
        accounts.note_refusal(&asked.requester, &asked.path, 429);
        return answer::too_many();
    }
    if let Some(accounts) = &service.accounts
        && let Some(answer) = oauth::answer(accounts, &asked).await
    {
        service.metrics.answered(kind, answer.status().as_u16(), begun.elapsed());
        return answer;
    }
    let answer = match asked.path.as_str() {
        "/health/live" => plain(200, "text/plain", "alive\n"),
        "/health/ready" => ready(&service).await,
        // Counts of requests, of no record; where people come in, they are for who keeps the machines running.
        "/metrics" if !may_measure(&service, &asked) => plain(
            403,
            "text/plain; charset=utf-8",
            "come in as a system administrator, or as a service client\n",
        ),
        "/metrics" => plain(200, "text/plain; version=0.0.4", service.metrics.show()),
        path if path == "/fhir" || path.starts_with("/fhir/") => rest::answer(&service, asked).await,
        path if path.starts_with("/cds-services") => drg::hooks(&service, &asked).await,
        _ => match &service.pages {
            Some(pages) => pages(asked).await,
            None => plain(404, "text/plain; charset=utf-8", "FHIR is at /fhir\n"),
        },
    };
    let status = answer.status().as_u16();
    if let (Some(accounts), Some((who, path))) = (&service.accounts, noted)
        && matches!(status, 401 | 403)
    {
        accounts.note_refusal(&who, &path, status);
    }
    service.metrics.answered(kind, status, begun.elapsed());
    answer
}

fn may_measure(service: &Service, asked: &Asked) -> bool {
    let roles = [Role::Installation, Role::SystemAdministrator, Role::AuditAdministrator, Role::Service];
    service.accounts.is_none() || roles.into_iter().any(|role| asked.requester.is(role))
}

async fn ready(service: &Arc<Service>) -> Answer {
    let able = service.work(false, |service| service.engine.store().snapshot().map(|_| ())).await;
    match able {
        Ok(()) => plain(200, "text/plain", "ready\n"),
        Err(_) => plain(503, "text/plain", "the store cannot be read\n"),
    }
}
