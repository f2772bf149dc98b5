//! `tongmai drg check` and `tongmai drg diff`: the pack workshop.

use super::files;
use crate::input;
use anyhow::{Result, bail};
use clap::Args;
use std::io::BufRead;
use std::path::PathBuf;
use tongmai_base::Severity;
use tongmai_drg::payment::Decimal;
use tongmai_drg::settlement::scheme::{Insurance, Pay, Scheme};
use tongmai_drg::{Case, Grouper, check as checks, diff as diffs, witness};

/// Yuan of the budget that a table of weights is played through with.
const TRIAL_BUDGET: i128 = 100_000_001;

/// Arguments of `drg check`.
#[derive(Args)]
pub struct CheckArguments {
    /// The rule pack.
    #[arg(long, value_name = "PACK")]
    pack: PathBuf,
    /// Folder of the tables of an OpenDRG JSON.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Also look for a case of every group, and name the groups that none was found for.
    #[arg(long)]
    witness: bool,
    /// Also check a payment scheme (.json) beside the pack: weights, their order, and whether its budgets close.
    #[arg(long, value_name = "FILE", conflicts_with = "weights")]
    scheme: Option<PathBuf>,
    /// Also check a published table of weights (.csv) beside the pack, with a trial budget.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Fail when there is an error.
    #[arg(long)]
    strict: bool,
}

/// The scheme that is to be checked with the pack: a file of its own, or a table of weights with a trial budget.
fn scheme(arguments: &CheckArguments) -> Result<Option<Scheme>> {
    if let Some(path) = &arguments.scheme {
        let (scheme, _) = Scheme::from_json(&input::read_text(path)?)
            .map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))?;
        return Ok(Some(scheme));
    }
    let Some(path) = &arguments.weights else { return Ok(None) };
    let weights = super::pay::weights(path)?;
    let pool = Insurance { name: String::new(), pay: Pay::Budget(Decimal(TRIAL_BUDGET * Decimal::ONE.0)) };
    Ok(Some(Scheme { weights, insurances: [("trial".to_owned(), pool)].into(), ..Scheme::default() }))
}

/// Runs `drg check`.
pub fn check(arguments: &CheckArguments) -> Result<()> {
    let pack = files::open_pack(&arguments.pack, arguments.tables.as_deref())?;
    let mut findings = checks::check(&pack);
    if let Some(scheme) = scheme(arguments)? {
        findings.extend(checks::scheme::check(&pack, &scheme));
    }
    for remark in &pack.manifest.remarks {
        println!("import: {remark}");
    }
    for finding in &findings {
        println!("{finding}");
    }
    let of = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let errors = of(Severity::Error);
    println!(
        "{}: {errors} errors, {} warnings, {} remarks",
        pack.manifest.id,
        of(Severity::Warning),
        of(Severity::Information)
    );
    if arguments.witness {
        let found = witness::witnesses(&pack, &Grouper::new(&pack));
        let missing: Vec<&str> =
            found.iter().filter(|(_, case)| case.is_none()).map(|(code, _)| code.as_str()).collect();
        println!(
            "{} of {} groups are reached; not reached: {}",
            found.len() - missing.len(),
            found.len(),
            missing.join(" ")
        );
    }
    if arguments.strict && errors > 0 {
        bail!("{errors} errors");
    }
    Ok(())
}

/// Arguments of `drg diff`.
#[derive(Args)]
pub struct DiffArguments {
    /// The pack before.
    old: PathBuf,
    /// The pack after.
    new: PathBuf,
    /// Folder of the tables of OpenDRG JSONs.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Cases to group with both (.jsonl, packed or -).
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// The payment scheme of the old pack: with --scheme-new the shift of every hospital is told.
    #[arg(long, value_name = "FILE", requires_all = ["cases", "scheme_new"])]
    scheme_old: Option<PathBuf>,
    /// The payment scheme of the new pack.
    #[arg(long, value_name = "FILE", requires = "scheme_old")]
    scheme_new: Option<PathBuf>,
}

/// What every hospital gains or loses when the cases are grouped and paid the new way.
fn shift(old: &Grouper, new: &Grouper, lines: &[String], schemes: [&PathBuf; 2]) -> Result<()> {
    let settled = |grouper: &Grouper, scheme: &PathBuf| -> Result<_> {
        let scheme = super::scheme::read(scheme)?;
        let mut scratch = grouper.scratch();
        let only = scheme
            .insurances
            .keys()
            .next()
            .filter(|_| scheme.insurances.len() == 1)
            .cloned()
            .unwrap_or_default();
        let mut stays = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            let (Ok(case), Ok(record)) = (Case::from_json(line), serde_json::from_str(line)) else {
                continue;
            };
            let outcome = grouper.group(&case, &mut scratch);
            stays.push(tongmai_drg::settlement::Stay {
                group: grouper.drg(&outcome).to_string(),
                ..super::records::stay(&record, at, &only)
            });
        }
        tongmai_drg::settlement::settle(&scheme, &stays).map_err(|finding| anyhow::anyhow!("{finding}"))
    };
    let (before, after) = (settled(old, schemes[0])?, settled(new, schemes[1])?);
    for (hospital, shift) in tongmai_drg::settlement::shift(&before, &after) {
        let yuan = tongmai_drg::payment::yuan;
        println!(
            "{hospital}\t{} cases\tpoints {:.4} → {:.4}\tpayment {} → {}\t{}",
            shift.cases,
            shift.points_before,
            shift.points_after,
            yuan(shift.before),
            yuan(shift.after),
            yuan(shift.after - shift.before)
        );
    }
    Ok(())
}

/// Runs `drg diff`.
pub fn diff(arguments: &DiffArguments) -> Result<()> {
    let tables = arguments.tables.as_deref();
    let old = files::open_pack(&arguments.old, tables)?;
    let new = files::open_pack(&arguments.new, tables)?;
    let changes = diffs::rules(&old, &new);
    for change in &changes {
        println!("{}\t{}\t{}", change.what, change.code, change.change);
    }
    println!("{} changes from {} to {}", changes.len(), old.manifest.id, new.manifest.id);
    let Some(cases) = &arguments.cases else { return Ok(()) };
    let opened = input::open(cases)?;
    let lines: Vec<String> = opened.reader.lines().collect::<Result<_, _>>()?;
    opened.progress.finish_and_clear();
    let cases = lines.iter().filter_map(|line| Case::from_json(line).ok());
    let (before, after) = (Grouper::new(&old), Grouper::new(&new));
    let moves = diffs::moves(&before, &after, cases);
    let (mut all, mut moved) = (0, 0);
    for ((from, to), count) in &moves {
        all += count;
        if from != to {
            moved += count;
            println!("{from}\t{to}\t{count}");
        }
    }
    println!("{moved} of {all} cases change their group");
    match (&arguments.scheme_old, &arguments.scheme_new) {
        (Some(one), Some(other)) => shift(&before, &after, &lines, [one, other]),
        _ => Ok(()),
    }
}

/// Arguments of `drg patch`.
#[derive(Args)]
pub struct PatchArguments {
    /// The base pack.
    base: PathBuf,
    /// The patch (.json).
    patch: PathBuf,
    /// Folder to write the patched pack to.
    #[arg(long, value_name = "PACK")]
    out: PathBuf,
    /// Folder of the tables of an OpenDRG JSON.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
}

/// Runs `drg patch`.
pub fn patch(arguments: &PatchArguments) -> Result<()> {
    let base = files::open_pack(&arguments.base, arguments.tables.as_deref())?;
    let patch = tongmai_drg::patch::Patch::from_json(&input::read_text(&arguments.patch)?)
        .map_err(|finding| anyhow::anyhow!("{}: {finding}", arguments.patch.display()))?;
    let (pack, findings) = patch.apply(&base);
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    let errors = findings.iter().filter(|finding| finding.severity >= Severity::Error).count();
    if errors > 0 {
        bail!("{errors} changes do not fit {}", base.manifest.id);
    }
    files::write_pack(&pack.files(), &arguments.out)?;
    println!("{}: {} changes to {}", pack.manifest.id, diffs::rules(&base, &pack).len(), base.manifest.id);
    Ok(())
}
