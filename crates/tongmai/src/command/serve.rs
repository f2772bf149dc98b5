//! `tongmai serve`: FHIR and pages over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tongmai_accounts::Accounts;
use tongmai_base::limits;
use tongmai_engine::Validation;
use tongmai_gateway::hl7v2::{self, listen::Listener};
use tongmai_gateway::pipeline::Pipeline;
use tongmai_http::Service;

use crate::installation::{Installation, Place, now};
use crate::login;

/// How often superseded index rows are dropped that no page link can ask for any more.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address on which HL7 v2 messages are taken in over MLLP.
    #[arg(long, value_name = "ADDRESS:PORT")]
    mllp: Option<SocketAddr>,
    /// No login: everybody who reaches the address sees everything. Only on a loopback address, for synthetic data.
    #[arg(long)]
    open: bool,
    /// Keep content that breaks a rule, with its findings, instead of refusing it.
    #[arg(long)]
    accept_invalid: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    start_log();
    let validation = if arguments.accept_invalid { Validation::Accept } else { Validation::Reject };
    let installation = Installation::open(&arguments.place, validation)?;
    let accounts = if arguments.open { None } else { Some(login::accounts(&installation.folder)?) };
    if accounts.as_ref().is_some_and(|accounts| accounts.state().accounts.is_empty()) {
        println!("Nobody has an account yet: stop, and open one with 'tongmai account new'.");
    }
    let door = Door { listen: arguments.listen, mllp: arguments.mllp, accounts };
    serve(installation, door, |address| {
        println!("Tongmai 通脉 listens on http://{address}  (FHIR at http://{address}/fhir)");
    })
}

/// Structured lines on standard error; `RUST_LOG` chooses how many. They hold no patient data.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// Where an installation is reached, and by whom.
pub struct Door {
    /// Address of FHIR and pages.
    pub listen: SocketAddr,
    /// Address of HL7 v2.
    pub mllp: Option<SocketAddr>,
    /// Who may come in; `None` is everybody on this machine.
    pub accounts: Option<Arc<Accounts>>,
}

/// Serves an installation until it is told to stop.
pub fn serve(installation: Installation, door: Door, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let Door { listen, mllp, accounts } = door;
    if let Some(open) = [Some(listen), mllp].into_iter().flatten().find(|address| !address.ip().is_loopback())
    {
        bail!("without TLS only a loopback address is served: listen on 127.0.0.1:{}", open.port());
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}: choose another with --listen"))?;
        let address = listener.local_addr()?;
        let trail = login::trail(&installation.folder)?;
        let settings = tongmai_web::Settings {
            folder: Some(installation.folder.join("views")),
            accounts: accounts.clone(),
            trail: Some(trail.clone()),
            ..tongmai_web::Settings::default()
        };
        let pages =
            tongmai_web::pages_with(installation.engine.clone(), installation.access.clone(), settings);
        let service = Service::new(
            installation.engine.clone(),
            installation.access.clone(),
            Some(pages),
            installation.folder.join("exports"),
            installation.remote_store,
        )
        .with_trail(trail);
        let service = Arc::new(match accounts {
            Some(accounts) => service.with_login(accounts),
            None => service,
        });
        if let Some(address) = mllp {
            let pipeline = Pipeline::new(installation.engine.clone(), installation.access.clone());
            let socket = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}: choose another with --mllp"))?;
            let door = Arc::new(Listener::new(pipeline, hl7v2::Options::default(), now));
            tracing::info!(%address, "taking in HL7 v2");
            tokio::spawn(door.serve(socket));
        }
        let housekeeper = tokio::spawn(keep_house(service.clone()));
        ready(address);
        tracing::info!(%address, "serving");
        tongmai_http::serve(service, listener, stopped()).await?;
        housekeeper.abort();
        tracing::info!("stopped");
        Ok(())
    })
}

async fn keep_house(service: Arc<Service>) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        let engine = service.engine.clone();
        let done = tokio::task::spawn_blocking(move || {
            let store = engine.store();
            let expired = now() - limits::PAGE_LINK_SECONDS * 1000;
            let position = store.snapshot()?.position_at(expired)?;
            store.forget_superseded(position.saturating_sub(1))
        });
        match done.await {
            Ok(Ok(rows)) if rows > 0 => tracing::info!(rows, "superseded index rows were dropped"),
            Ok(Err(error)) => tracing::error!(%error, "housekeeping failed"),
            _ => {}
        }
    }
}

/// Resolves when the process is asked to end.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
