//! `tongmai serve`: FHIR and pages over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tongmai_access::{Policy, Rulebook};
use tongmai_accounts::Accounts;
use tongmai_base::limits;
use tongmai_blob::Blobs;
use tongmai_dicom::web::{Ask, DicomWeb};
use tongmai_engine::Validation;
use tongmai_gateway::hl7v2::listen::Listener;
use tongmai_http::tls::Tls;
use tongmai_http::{Answer, Asked, Pages, Service};
use tongmai_views::surveillance::{Rules, Surveillance, install_rules};

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
    #[command(flatten)]
    protection: Protection,
    /// No login: everybody who reaches the address sees everything. Only on a loopback address, for synthetic data.
    #[arg(long, conflicts_with = "behind_proxy")]
    open: bool,
    /// What each role sees of each record follows from this law, its agreements and consents: mainland, hongkong
    /// or hipaa.
    #[arg(long, value_name = "LAW", default_value = LAW, conflicts_with = "open")]
    rules: String,
    /// Keep content that breaks a rule, with its findings, instead of refusing it.
    #[arg(long)]
    accept_invalid: bool,
}

/// How what is served is protected on its way.
#[derive(clap::Args, Default)]
pub struct Protection {
    /// PEM file with the server's certificate and those above it: FHIR and pages are served by TLS. Read again at SIGHUP.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// HL7 v2 is taken in by TLS too, with the same certificate.
    #[arg(long, requires_all = ["certificate", "mllp"])]
    mllp_tls: bool,
    /// A proxy before this server speaks TLS (or TLCP) with the clients, and nobody else reaches the addresses
    /// that are listened on.
    #[arg(long, conflicts_with = "certificate")]
    behind_proxy: bool,
}

impl Protection {
    /// The certificate, where one is named.
    fn certificate(&self) -> Result<Option<Arc<Tls>>> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        Ok(Some(Arc::new(Tls::read(certificate, key)?)))
    }

    /// Refuses to listen where others could read along.
    fn admit(&self, listen: SocketAddr, mllp: Option<SocketAddr>) -> Result<()> {
        if self.behind_proxy {
            return Ok(());
        }
        if self.certificate.is_none() && !listen.ip().is_loopback() {
            bail!(
                "{listen} can be reached from outside, and there is no certificate: give --certificate FILE and \
                 --key FILE, or --behind-proxy when a proxy before it speaks TLS, or listen on 127.0.0.1:{}",
                listen.port()
            );
        }
        if let Some(mllp) = mllp
            && !self.mllp_tls
            && !mllp.ip().is_loopback()
        {
            bail!(
                "HL7 v2 at {mllp} can be reached from outside without TLS: give --mllp-tls with --certificate \
                 FILE and --key FILE, or --behind-proxy when a proxy before it speaks TLS, or --mllp 127.0.0.1:{}",
                mllp.port()
            );
        }
        Ok(())
    }
}

/// The law under which records are read unless another is chosen.
pub const LAW: &str = "mainland";

/// The policy of a law that comes with the program, every organisation with a full agreement; open, where
/// nobody has to come in.
pub fn policy(open: bool, law: &str) -> Result<Policy> {
    if open {
        return Ok(Policy::Open);
    }
    let book = Rulebook::builtin(law).map_err(|error| anyhow::anyhow!("--rules: {error}"))?;
    Ok(Policy::Rules(Arc::new(book.with_others(Rulebook::full_agreement()))))
}

pub fn run(arguments: &Arguments) -> Result<()> {
    start_log();
    // What is refused is refused before a folder is made.
    arguments.protection.admit(arguments.listen, arguments.mllp)?;
    if arguments.open && !arguments.listen.ip().is_loopback() {
        bail!("--open shows everything to everybody: leave it out, or listen on 127.0.0.1");
    }
    let tls = arguments.protection.certificate()?;
    let validation = if arguments.accept_invalid { Validation::Accept } else { Validation::Reject };
    let installation =
        Installation::under(&arguments.place, validation, policy(arguments.open, &arguments.rules)?)?;
    let accounts = if arguments.open { None } else { Some(login::accounts(&installation.folder)?) };
    if accounts.as_ref().is_some_and(|accounts| accounts.state().accounts.is_empty()) {
        println!("Nobody has an account yet: stop, and open one with 'tongmai account new'.");
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let door = Door {
        listen: arguments.listen,
        mllp: arguments.mllp,
        accounts,
        secure: tls.is_some() || arguments.protection.behind_proxy,
        mllp_tls: tls.clone().filter(|_| arguments.protection.mllp_tls),
        tls,
    };
    serve(installation, door, |address| {
        println!("Tongmai 通脉 listens on {scheme}://{address}  (FHIR at {scheme}://{address}/fhir)");
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
    /// The certificate of FHIR and pages.
    pub tls: Option<Arc<Tls>>,
    /// The certificate of HL7 v2.
    pub mllp_tls: Option<Arc<Tls>>,
    /// Clients come by TLS, here or at a proxy.
    pub secure: bool,
}

impl Door {
    /// A door on this machine alone, without TLS.
    pub fn here(listen: SocketAddr, accounts: Option<Arc<Accounts>>) -> Result<Door> {
        Protection::default().admit(listen, None)?;
        Ok(Door { listen, mllp: None, accounts, tls: None, mllp_tls: None, secure: false })
    }
}

/// Serves an installation until it is told to stop.
pub fn serve(installation: Installation, door: Door, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let Door { listen, mllp, accounts, tls, mllp_tls, secure } = door;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(64).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}: choose another with --listen"))?;
        let address = listener.local_addr()?;
        let views = installation.folder.join("views");
        let (desk, findings) =
            tongmai_views::drg::desk::open(Some(views.clone()), Some(installation.folder.join("packs")));
        findings.iter().for_each(|finding| tracing::warn!(%finding, "a rule pack could not be read"));
        let desk = Arc::new(desk);
        let doors = super::doors::open(&installation)?;
        load_rules(&installation.folder)?;
        let (engine, access) = (installation.engine.clone(), installation.access.clone());
        let surveillance = Arc::new(Surveillance::new(engine, access, Some(views.clone())));
        surveillance.follow()?;
        let trail = login::trail(&installation.folder)?;
        let settings = tongmai_web::Settings {
            folder: Some(views),
            accounts: accounts.clone(),
            trail: Some(trail.clone()),
            secure,
            doors: Some(doors.clone()),
            drg: Some(desk.clone()),
            surveillance: Some(surveillance.clone()),
        };
        let pages =
            tongmai_web::pages_with(installation.engine.clone(), installation.access.clone(), settings);
        let pages = super::doors::before(doors.clone(), pages);
        let service = Service::new(
            installation.engine.clone(),
            installation.access.clone(),
            Some(with_images(pages, &installation)?),
            installation.folder.join("exports"),
            installation.remote_store,
        )
        .with_drg(desk)
        .with_trail(trail);
        let service = if secure { service.reached_by_tls() } else { service };
        let service = Arc::new(match accounts {
            Some(accounts) => service.with_login(accounts),
            None => service,
        });
        let grouping = tokio::spawn(group_discharges(service.clone()));
        if let Some(address) = mllp {
            let socket = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}: choose another with --mllp"))?;
            let door = Arc::new(Listener::new(doors.clone()));
            tracing::info!(%address, "taking in HL7 v2");
            match mllp_tls {
                None => tokio::spawn(door.serve(socket)),
                Some(tls) => tokio::spawn(door.serve_over(socket, move |stream| {
                    let tls = tls.clone();
                    async move { tls.accept(stream).await }
                })),
            };
        }
        if let Some(tls) = &tls {
            reload_when_told(tls.clone())?;
        }
        let queue = tokio::spawn(doors.work_on_the_queue());
        let housekeeper = tokio::spawn(keep_house(service.clone()));
        ready(address);
        tracing::info!(%address, "serving");
        let stop = async {
            stopped().await;
            surveillance.close();
        };
        tongmai_http::serve_over(service, listener, tls, stop).await?;
        housekeeper.abort();
        queue.abort();
        grouping.abort();
        tracing::info!("stopped");
        Ok(())
    })
}

/// How long a discharge waits for its group at most.
const GROUPING: Duration = Duration::from_secs(1);
/// How long after a failure grouping is tried again.
const GROUPING_AGAIN: Duration = Duration::from_secs(30);

/// Groups discharges as they arrive, and writes their groups into the ledger.
async fn group_discharges(service: Arc<Service>) {
    loop {
        let worker = service.clone();
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let sight = worker.access.sight(&tongmai_views::drg::Desk::writer());
            runtime.block_on(worker.drg.write(&worker.engine, &sight))
        });
        let pause = match done.await {
            Ok(Ok(0)) => GROUPING,
            Ok(Ok(_)) => Duration::ZERO,
            Ok(Err(failure)) => {
                tracing::error!(%failure, "groups could not be written");
                GROUPING_AGAIN
            }
            Err(_) => GROUPING_AGAIN,
        };
        if let Some(trouble) = service.drg.take_trouble() {
            tracing::warn!(trouble, "the checkpoint of the groups could not be saved");
        }
        tokio::time::sleep(pause).await;
    }
}

/// Puts the operator's list of notifiable diseases in force, where `rules/notifiable.csv` or
/// `rules/case-rules.csv` lies in the data folder. Other rules make surveillance fold every record anew.
fn load_rules(folder: &Path) -> Result<()> {
    let read = |name: &str, shipped: &str| match std::fs::read_to_string(folder.join("rules").join(name)) {
        Ok(text) => Ok((text, true)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((shipped.to_owned(), false)),
        Err(error) => Err(error).with_context(|| format!("cannot read rules/{name}")),
    };
    let (pack, own_pack) = read("notifiable.csv", tongmai_surveillance::notifiable::SHIPPED)?;
    let (case, own_case) = read("case-rules.csv", tongmai_surveillance::rules::SHIPPED)?;
    if own_pack || own_case {
        let (rules, findings) = Rules::parse(&pack, &case);
        for finding in &findings {
            tracing::warn!(%finding, "a row of the rules was left out");
        }
        install_rules(rules);
    }
    Ok(())
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

/// Reads the certificate again at each SIGHUP.
fn reload_when_told(tls: Arc<Tls>) -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut told = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while told.recv().await.is_some() {
                match tls.reload() {
                    Ok(()) => tracing::info!("the certificate was read again"),
                    Err(error) => {
                        tracing::error!(%error, "the certificate cannot be used: the old one stays in use");
                    }
                }
            }
        });
    }
    Ok(())
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

/// The pages, with DICOMweb beside them at `/dicom-web`.
fn with_images(pages: Pages, installation: &Installation) -> Result<Pages> {
    let folder = installation.folder.join("blobs");
    let blobs = Blobs::open(&folder).with_context(|| format!("cannot keep blobs in {}", folder.display()))?;
    let blobs = match installation.vault.keyring() {
        Some(_) => blobs.sealed(installation.vault.clone()),
        None => blobs,
    };
    let web = Arc::new(DicomWeb::new(installation.engine.clone(), installation.access.clone(), blobs));
    Ok(Arc::new(move |asked: Asked| -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let is_ours = asked.path == "/dicom-web" || asked.path.starts_with("/dicom-web/");
        if !is_ours {
            return pages(asked);
        }
        let web = web.clone();
        Box::pin(async move {
            let query: Vec<(String, String)> =
                form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
            let ask = Ask {
                method: asked.method.as_str(),
                path: asked.path.strip_prefix("/dicom-web").unwrap_or_default(),
                query: &query,
                content_type: asked.header("content-type"),
                body: &asked.body,
            };
            let reply = web.answer(&asked.requester, ask).await;
            tongmai_http::plain(reply.status, reply.content_type, reply.body)
        })
    }))
}
