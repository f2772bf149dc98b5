//! `tongmai demo`: a living county on this machine.

mod evening;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tongmai_access::{Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Validation};
use tongmai_region::County;
use tongmai_region::fhir::Counts;

use super::serve::{Door, LAW, policy, serve, start_log};
use crate::installation::{Cipher, Installation, Place, now};
use crate::{login, master_key};

#[derive(clap::Args)]
pub struct Arguments {
    /// People of the county.
    #[arg(long, default_value_t = 2_000)]
    people: usize,
    /// The number from which the whole county follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the county; a county that is there already is served as it is.
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    data: PathBuf,
    /// Begin a new county, even when the folder holds one.
    #[arg(long)]
    fresh: bool,
    /// Address to listen on; a port of 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// No login: everybody on this machine sees everything.
    #[arg(long)]
    open: bool,
    /// What each role sees of each record follows from this law: mainland, hongkong or hipaa.
    #[arg(long, value_name = "LAW", default_value = LAW, conflicts_with = "open")]
    rules: String,
    /// Make the county and end.
    #[arg(long)]
    no_serve: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    start_log();
    let mark = arguments.data.join("county");
    let wanted = format!("seed {} people {}\n", arguments.seed, arguments.people);
    let there = std::fs::read_to_string(&mark).is_ok_and(|text| text == wanted);
    if (!there || arguments.fresh) && arguments.data.exists() {
        std::fs::remove_dir_all(&arguments.data)
            .with_context(|| format!("cannot empty {}", arguments.data.display()))?;
    }
    std::fs::create_dir_all(&arguments.data)
        .with_context(|| format!("cannot make the folder {}", arguments.data.display()))?;
    let key = master_key::of_the_demo(&arguments.data);
    if !there || arguments.fresh {
        // It lies beside what it protects, which 'tongmai doctor' says: all people are invented.
        master_key::make(&key)?;
    }
    let place =
        Place { data: arguments.data.clone(), store: None, key_file: None, cipher: Cipher::default() };
    let installation = Installation::open(&place, Validation::Reject)?;
    if !there || arguments.fresh {
        let today = (now() + tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000).div_euclid(86_400_000);
        let county = County::new(arguments.seed, arguments.people, today);
        fill(&installation.engine, &county)?;
        super::doors::write_keys(&installation.folder, &county)?;
        let views = Some(installation.folder.join("views"));
        let pages = tongmai_web::pages(installation.engine.clone(), installation.access.clone(), views);
        println!("the evening of the story: a hall, three hundred online, needs and offers");
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(evening::play(&pages, &county))?;
        std::fs::write(&mark, wanted)?;
    }
    if arguments.no_serve {
        return Ok(());
    }
    let policy = policy(arguments.open, &arguments.rules)?;
    // Made without rules, read under them.
    drop(installation);
    let installation = Installation::under(&place, Validation::Reject, policy)?;
    let accounts = if arguments.open { None } else { Some(login::accounts(&installation.folder)?) };
    let logins = match &accounts {
        Some(accounts) => login::invent(&installation, accounts)?,
        None => Vec::new(),
    };
    serve(installation, Door::here(arguments.listen, accounts)?, |address| {
        println!();
        println!("  清禾县 Qinghe County is alive:  http://{address}/");
        println!("  Take the tour:                 http://{address}/tour");
        if !logins.is_empty() {
            println!();
            println!(
                "  Log in at http://{address}/login as one of these; the passwords are new with each start:"
            );
            for login in &logins {
                println!("    {:14} {:13} {}", login.id, login.password, login.who);
            }
            println!();
        }
        println!("  FHIR R4:                       http://{address}/fhir/metadata");
        println!();
        println!("  All people are invented. Stop with Ctrl-C.");
    })
}

/// Makes the county through the same door as everybody's data.
pub fn fill(engine: &Engine, county: &County) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let requester = Requester::installation("synthetic county", "HSYSADMIN");
    let sight = Policy::Open.sight(&requester);
    let progress = ProgressBar::new(county.households());
    progress.set_style(ProgressStyle::with_template("making the county {bar:32} {percent}%  ETA {eta}")?);
    let (mut counts, mut bundle) = (Counts::default(), String::new());
    county.write_directory_bundle(&mut bundle, &mut counts);
    let send = |bundle: &str| -> Result<()> {
        let work = engine.process(&sight, bundle.as_bytes(), Ids::Of("county"));
        runtime.block_on(work).map(drop).map_err(|failure| anyhow::anyhow!("{failure}"))
    };
    send(&bundle).context("the organisations of the county")?;
    for household in 0..county.households() {
        for person in county.household(household) {
            bundle.clear();
            county.write_bundle(&person, &mut bundle, &mut counts);
            send(&bundle).with_context(|| format!("a person of household {household}"))?;
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    println!("{} resources of {} people", counts.iter().sum::<u64>(), county.people);
    Ok(())
}
