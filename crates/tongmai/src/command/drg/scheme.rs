//! `tongmai drg settle --scheme`, `clear`, `sign`, `verify`, `reconcile`: payment by a scheme, four-eyes
//! clearing, and what the insurer returned beside what was expected.

use super::{files, records, tables};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use tongmai_drg::payment::{Decimal, yuan};
use tongmai_drg::settlement::clearing::{Clearing, clear as draw_up, closes, lines, recompute};
use tongmai_drg::settlement::reconcile::{Entry, reconcile as compared};
use tongmai_drg::settlement::scheme::Scheme;
use tongmai_drg::settlement::signature::{self, Signed};
use tongmai_drg::settlement::{Settled, Stay, community, presettle, settle};

/// Reads a scheme and says what cannot be meant in it.
pub fn read(path: &Path) -> Result<Scheme> {
    let text = crate::input::read_text(path)?;
    let (scheme, findings) =
        Scheme::from_json(&text).map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))?;
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    if !findings.is_empty() {
        bail!("{} has {} faults", path.display(), findings.len());
    }
    Ok(scheme)
}

/// The only pool of a scheme, for cases that name none.
fn usual_insurance(scheme: &Scheme) -> String {
    let mut codes = scheme.insurances.keys();
    match (codes.next(), codes.next()) {
        (Some(only), None) => only.clone(),
        _ => String::new(),
    }
}

fn stays(scheme: &Scheme, input: &Path) -> Result<(Vec<serde_json::Value>, Vec<Stay>)> {
    let records = records::read(input)?;
    let insurance = usual_insurance(scheme);
    let stays =
        records.iter().enumerate().map(|(at, record)| records::stay(record, at, &insurance)).collect();
    Ok((records, stays))
}

/// Settles cases by a scheme and writes each with its payment and the rule that gave it.
pub fn pay(scheme: &Path, input: &Path, out: &Path, month: Option<&[(String, Decimal)]>) -> Result<()> {
    let scheme = read(scheme)?;
    let (mut records, stays) = stays(&scheme, input)?;
    let settled = match month {
        Some(values) => presettle(&scheme, &stays, &values.iter().cloned().collect()),
        None => settle(&scheme, &stays),
    };
    let settled = settled.map_err(|finding| anyhow::anyhow!("{finding}"))?;
    let mut out = files::create(out)?;
    for (record, line) in records.iter_mut().zip(&settled.lines) {
        record["rule"] = json!(line.kind.code());
        record["points"] = json!(line.points.to_string());
        record["payment"] = json!(yuan(line.payment));
        if let Some(ratio) = line.ratio {
            record["ratio"] = json!(format!("{ratio:.4}"));
        }
        if line.capped > 0 {
            record["capped"] = json!(yuan(line.capped));
        }
        writeln!(out, "{record}")?;
    }
    out.flush()?;
    told(&scheme, &stays, &settled);
    Ok(())
}

fn told(scheme: &Scheme, stays: &[Stay], settled: &Settled) {
    for (code, pool) in &settled.pools {
        let budget = pool.budget.map_or("open".into(), yuan);
        eprintln!(
            "pool {code}: budget {budget}, paid {}, of it by experts {}, reserve {}, points {:.4}, {:.6} yuan a point",
            yuan(pool.paid),
            yuan(pool.special),
            yuan(pool.reserve),
            pool.points,
            pool.point_value
        );
    }
    for (code, share) in &settled.hospitals {
        eprintln!(
            "{code}\t{} cases\tcost {}\tpayment {}\thigh {} low {} long {} special {} unpaid {}",
            share.cases,
            yuan(share.cost),
            yuan(share.payment),
            share.high,
            share.low,
            share.long,
            share.special,
            share.unpaid
        );
    }
    for (code, balance) in community::balances(scheme, stays, settled) {
        eprintln!(
            "community {code}: budget {}, inside {}, outside {}, elsewhere {}, surplus {}, to its hospitals {}",
            yuan(balance.budget),
            yuan(balance.inside),
            yuan(balance.outside),
            yuan(balance.elsewhere),
            yuan(balance.surplus),
            yuan(balance.to_hospitals)
        );
    }
}

/// Arguments of `drg clear`.
#[derive(Args)]
pub struct ClearArguments {
    /// The payment scheme (.json).
    #[arg(long, value_name = "FILE")]
    scheme: PathBuf,
    /// The year's grouped cases (.jsonl, .csv or Excel).
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// First and last day, e.g. 2026-01-01 2026-12-31.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    period: Vec<String>,
    /// What each hospital was paid in advance: a table of `hospital` and `paid` in yuan.
    #[arg(long, value_name = "FILE")]
    advanced: Option<PathBuf>,
    /// What share of its payment each hospital loses for want of quality: a table of `hospital` and `share`.
    #[arg(long, value_name = "FILE")]
    quality: Option<PathBuf>,
    /// Folder for the tables of the hospitals, a file each.
    #[arg(long, value_name = "DIR")]
    lines: PathBuf,
    /// Where the clearing goes (.json).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn by_hospital(path: Option<&PathBuf>, column: &str) -> Result<BTreeMap<String, Decimal>> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let mut table = BTreeMap::new();
    for record in records::read(path)? {
        let value = records::exact(&record, &[column]);
        let value =
            value.with_context(|| format!("{}: '{column}' is no number in {record}", path.display()))?;
        table.insert(records::text(&record, &["hospital", "医疗机构"]), value);
    }
    Ok(table)
}

/// Runs `drg clear`.
pub fn clear(arguments: &ClearArguments) -> Result<()> {
    let scheme = read(&arguments.scheme)?;
    let (_, stays) = stays(&scheme, &arguments.input)?;
    let settled = settle(&scheme, &stays).map_err(|finding| anyhow::anyhow!("{finding}"))?;
    let advanced = by_hospital(arguments.advanced.as_ref(), "paid")?;
    let advanced = advanced.into_iter().map(|(hospital, yuan)| (hospital, yuan.fen())).collect();
    let quality = by_hospital(arguments.quality.as_ref(), "share")?;
    let [from, to] = arguments.period.as_slice() else { bail!("--period FROM TO is needed") };
    let clearing = draw_up(&scheme, (from, to), &stays, &settled, &advanced, &quality);
    if !closes(&clearing) {
        bail!("the pools do not close: this is a fault of the program");
    }
    std::fs::create_dir_all(&arguments.lines)?;
    for hospital in settled.hospitals.keys() {
        let name: String =
            hospital.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let path = arguments.lines.join(format!("{name}.tsv"));
        std::fs::write(&path, lines(hospital, &stays, &settled))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    std::fs::write(&arguments.out, serde_json::to_vec_pretty(&clearing)?)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    told(&scheme, &stays, &settled);
    println!("the clearing closes to the fen; have it signed by two persons with `drg sign`");
    Ok(())
}

/// Arguments of `drg sign`.
#[derive(Args)]
pub struct SignArguments {
    /// A clearing (.json) or the folder of a pack.
    content: PathBuf,
    /// File of the secret key (64 hexadecimal digits); made when it is not there.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who signs.
    #[arg(long)]
    who: String,
    /// What for: prepared or approved (a clearing), published (a pack).
    #[arg(long)]
    role: String,
}

fn secret(path: &Path) -> Result<[u8; 32]> {
    if !path.exists() {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        std::fs::write(path, signature::hex(&bytes))
            .with_context(|| format!("cannot write {}", path.display()))?;
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        eprintln!("a new key was made: {}", path.display());
    }
    signature::unhex(&crate::input::read_text(path)?)
        .with_context(|| format!("{} holds no key", path.display()))
}

fn signatures_of(folder: &Path) -> Result<Vec<Signed>> {
    match std::fs::read_to_string(folder.join(signature::FILE)) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{} cannot be read", signature::FILE))
        }
        Err(_) => Ok(Vec::new()),
    }
}

fn pack_digest(folder: &Path) -> Result<String> {
    let json = std::fs::read(folder.join("pack.json"))
        .with_context(|| format!("{} is no pack", folder.display()))?;
    let files = [("pack.json".to_string(), json)].into();
    signature::pack_digest(&files).context("the pack has no pack.json")
}

/// Runs `drg sign`.
pub fn sign(arguments: &SignArguments) -> Result<()> {
    let secret = secret(&arguments.key)?;
    if arguments.content.is_dir() {
        files::open_pack(&arguments.content, None)?;
        let mut signatures = signatures_of(&arguments.content)?;
        signatures.push(signature::sign(
            &secret,
            &arguments.who,
            &arguments.role,
            &pack_digest(&arguments.content)?,
        ));
        std::fs::write(arguments.content.join(signature::FILE), serde_json::to_vec_pretty(&signatures)?)?;
    } else {
        let mut clearing: Clearing = serde_json::from_str(&crate::input::read_text(&arguments.content)?)
            .with_context(|| format!("{} is no clearing", arguments.content.display()))?;
        clearing
            .sign(&secret, &arguments.who, &arguments.role)
            .map_err(|finding| anyhow::anyhow!("{finding}"))?;
        std::fs::write(&arguments.content, serde_json::to_vec_pretty(&clearing)?)?;
    }
    println!("signed by {} with {}", arguments.who, signature::public_key(&secret));
    Ok(())
}

/// Arguments of `drg verify`.
#[derive(Args)]
pub struct VerifyArguments {
    /// A clearing (.json) or the folder of a pack.
    content: PathBuf,
    /// Public keys that are trusted; one of them must have signed.
    #[arg(long, value_name = "KEY")]
    trust: Vec<String>,
    /// The hospital whose table is computed again.
    #[arg(long, requires = "lines")]
    hospital: Option<String>,
    /// Its table.
    #[arg(long, value_name = "FILE", requires = "hospital")]
    lines: Option<PathBuf>,
    /// The cap of the scheme, where it has one.
    #[arg(long, value_parser = super::pay::decimal)]
    cap: Option<Decimal>,
}

/// Runs `drg verify`.
pub fn verify(arguments: &VerifyArguments) -> Result<()> {
    let findings = if arguments.content.is_dir() {
        files::open_pack(&arguments.content, None)?;
        let signatures = signatures_of(&arguments.content)?;
        if signatures.is_empty() && arguments.trust.is_empty() {
            println!("the pack is whole; nobody has signed it");
        }
        signature::check(&pack_digest(&arguments.content)?, &signatures, &arguments.trust)
    } else {
        let clearing: Clearing = serde_json::from_str(&crate::input::read_text(&arguments.content)?)
            .with_context(|| format!("{} is no clearing", arguments.content.display()))?;
        let mut findings = clearing.check(&arguments.trust);
        if !closes(&clearing) {
            bail!("payments and reserve are not the budget");
        }
        if let (Some(hospital), Some(lines)) = (&arguments.hospital, &arguments.lines) {
            findings.extend(recompute(&clearing, hospital, &crate::input::read_text(lines)?, arguments.cap));
        }
        findings
    };
    findings.iter().for_each(|finding| println!("{finding}"));
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("everything holds");
    Ok(())
}

/// Arguments of `drg reconcile`.
#[derive(Args)]
pub struct ReconcileArguments {
    /// What we expect: cases with `id`, `drg` and `payment` (.jsonl, .csv or Excel).
    #[arg(long, value_name = "FILE")]
    ours: PathBuf,
    /// What the insurer returned, with the same columns.
    #[arg(long, value_name = "FILE")]
    theirs: PathBuf,
    /// Payments that differ by no more than this agree.
    #[arg(long, value_name = "YUAN", value_parser = super::pay::decimal, default_value = "0")]
    tolerance: Decimal,
    /// Where the differences go (.jsonl).
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

fn entries(path: &Path) -> Result<Vec<Entry>> {
    let records = records::read(path)?;
    let entry = |(at, record): (usize, &serde_json::Value)| Entry {
        id: records::stay(record, at, "").id,
        group: records::text(record, &["dip", "drg", "group", "病组", "DRG编码"]),
        payment: records::exact(record, &["payment", "支付金额", "支付标准"]).map(Decimal::fen),
    };
    Ok(records.iter().enumerate().map(entry).collect())
}

/// Runs `drg reconcile`.
pub fn reconcile(arguments: &ReconcileArguments) -> Result<()> {
    let (ours, theirs) = (entries(&arguments.ours)?, entries(&arguments.theirs)?);
    let result = compared(&ours, &theirs, arguments.tolerance.fen());
    let mut out = files::create(&arguments.out)?;
    for row in &result.rows {
        let yuan = |fen: Option<i64>| fen.map(yuan);
        let row = json!({
            "id": row.id, "difference": row.difference, "expected_group": row.expected_group,
            "returned_group": row.returned_group, "expected": yuan(row.expected), "returned": yuan(row.returned),
        });
        writeln!(out, "{row}")?;
    }
    out.flush()?;
    for (difference, (cases, fen)) in &result.sums {
        eprintln!("{}\t{cases} cases\t{}", serde_json::to_string(difference)?.trim_matches('"'), yuan(*fen));
    }
    eprintln!(
        "{} agree; expected {}, returned {}, difference {}",
        result.agree,
        yuan(result.expected),
        yuan(result.returned),
        yuan(result.returned - result.expected)
    );
    Ok(())
}

/// Arguments of `drg dip`.
#[derive(Args)]
pub struct DipArguments {
    /// The catalogue: a folder of catalogue.csv, treatments.csv, auxiliary.csv …, or a workbook with such sheets.
    #[arg(long, value_name = "DIR")]
    catalogue: PathBuf,
    /// The cases, as `drg group` takes them.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the cases with their scores go.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Say why: the line of the catalogue, the groups that were not taken, the factors.
    #[arg(long)]
    trace: bool,
    /// Write the scores as the `weights` of a payment scheme, too.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

/// Runs `drg dip`.
pub fn dip(arguments: &DipArguments) -> Result<()> {
    let sheets = tables::sheets(&arguments.catalogue)?;
    let id =
        arguments.catalogue.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (catalogue, findings) =
        tongmai_drg::dip::Catalogue::read(&id, &sheets).map_err(|finding| anyhow::anyhow!("{finding}"))?;
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    let (core, comprehensive) = catalogue.size();
    eprintln!("{core} core and {comprehensive} comprehensive groups");
    if let Some(path) = &arguments.weights {
        std::fs::write(path, serde_json::to_vec_pretty(&catalogue.scores())?)?;
    }
    let mut scratch = catalogue.scratch();
    let mut out = files::create(&arguments.out)?;
    let (mut cases, mut scored) = (0_u64, 0_u64);
    for mut record in records::read(&arguments.input)? {
        let text = record.to_string();
        cases += 1;
        match tongmai_drg::Case::from_json(&text) {
            Ok(case) => {
                let found = catalogue.score(&case, &mut scratch);
                scored += u64::from(!found.group.is_empty());
                record["dip"] = json!(found.group);
                record["name"] = json!(found.name);
                record["status"] = json!(found.status);
                record["score"] = json!(found.score);
                record["points"] = json!(found.points);
                if !found.reason.is_empty() {
                    record["reason"] = json!(found.reason);
                }
                if arguments.trace {
                    record["trace"] = json!(found.why);
                }
            }
            Err(message) => {
                record =
                    json!({"input": text, "status": "invalid", "reason": "unreadable", "notes": [message]});
            }
        }
        writeln!(out, "{record}")?;
    }
    out.flush()?;
    eprintln!("{cases} cases, {scored} in a group");
    Ok(())
}
