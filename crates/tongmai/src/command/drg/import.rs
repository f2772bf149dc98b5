//! `tongmai drg import …`: published rules into packs.

use super::{files, tables};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use tongmai_base::{Finding, Severity};
use tongmai_drg::Pack;
use tongmai_drg::condition::Position;
use tongmai_drg::import::opendrg::Ambiguity;

/// The collections that are understood.
#[derive(Subcommand)]
pub enum Command {
    /// OpenDRG: one JSON of gates, lists and conditions, and its tables (MCC, CC, CCE, SS_VALID).
    Opendrg(OpenDrg),
    /// CHS-DRG 2.0 as published text tables (DRG.dat, ADRG/*.dat, MDC/*.dat, MCC, CC, CCE).
    ChsText(ChsText),
    /// A city's own tables: a folder of groups.csv, lists.csv, severity.csv …, or a workbook with such sheets.
    Template(Template),
    /// The official configuration workbook of CHS-DRG 3.0; its numbers of MDC, ADRG and DRG are asserted.
    Workbook(Template),
    /// MS-DRG tables (TSV and JSONL, plain or packed) of one version.
    Msdrg(MsDrg),
}

/// Arguments of `drg import chs-text`.
#[derive(Args)]
pub struct ChsText {
    /// Folder of the tables.
    folder: PathBuf,
    /// Folder to write the pack to.
    #[arg(long, value_name = "PACK")]
    out: PathBuf,
}

/// Arguments of `drg import template` and `workbook`.
#[derive(Args)]
pub struct Template {
    /// The folder or the workbook (.xlsx, .xls, .ods).
    tables: PathBuf,
    /// Folder to write the pack to.
    #[arg(long, value_name = "PACK")]
    out: PathBuf,
}

/// Arguments of `drg import msdrg`.
#[derive(Args)]
pub struct MsDrg {
    /// Folder of the tables (diagnosis.tsv, drg_formulas.jsonl, …).
    folder: PathBuf,
    /// Version, e.g. 43.1.
    #[arg(long)]
    version: String,
    /// Folder to write the pack to.
    #[arg(long, value_name = "PACK")]
    out: PathBuf,
}

/// Arguments of `drg import opendrg`.
#[derive(Args)]
pub struct OpenDrg {
    /// The pack (.json, .json.zst or .json.gz).
    pack: PathBuf,
    /// Folder of the tables, or of a folder named like the pack.
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// Where the ambiguous group (歧义组 QY) is live: `off`, or `main:LETTERS` or `any:LETTERS` for
    /// a test on the main or on any procedure in these categories. Inferred when absent.
    #[arg(long, value_name = "WHERE", value_parser = ambiguity)]
    qy: Option<Ambiguity>,
    /// Folder to write the pack to.
    #[arg(long, value_name = "PACK")]
    out: PathBuf,
}

fn ambiguity(text: &str) -> Result<Ambiguity, String> {
    if text == "off" {
        return Ok(Ambiguity { position: Position::Main, mdcs: String::new() });
    }
    let (position, letters) = text.split_once(':').ok_or("off, main:LETTERS or any:LETTERS expected")?;
    let position = match position {
        "main" => Position::Main,
        "any" => Position::Any,
        other => return Err(format!("main or any expected, found {other}")),
    };
    Ok(Ambiguity { position, mdcs: letters.to_uppercase() })
}

/// Runs one import.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Opendrg(arguments) => {
            let tables = arguments.tables.as_deref();
            let (pack, findings) = files::read_opendrg(&arguments.pack, tables, arguments.qy.as_ref())?;
            write(&pack, &findings, &arguments.out)
        }
        Command::ChsText(arguments) => {
            let files = files::texts(&arguments.folder, &["", "ADRG", "MDC"])?;
            let (pack, findings) = tongmai_drg::import::text::read(&files)
                .map_err(|finding| anyhow::anyhow!("{}: {finding}", arguments.folder.display()))?;
            write(&pack, &findings, &arguments.out)
        }
        Command::Template(arguments) => {
            let sheets = tables::sheets(&arguments.tables)?;
            let (pack, weights, findings) = tongmai_drg::import::template::read(&sheets)
                .map_err(|finding| anyhow::anyhow!("{}: {finding}", arguments.tables.display()))?;
            write(&pack, &findings, &arguments.out)?;
            let rows: String = weights.iter().map(|(group, weight)| format!("{group},{weight}\n")).collect();
            std::fs::write(arguments.out.join("weights.csv"), format!("group,weight\n{rows}"))?;
            Ok(())
        }
        Command::Workbook(arguments) => {
            use tongmai_drg::import::workbook::{CHS_DRG_3, read};
            let sheets = tables::workbook(&arguments.tables)?;
            let (pack, findings) = read(&sheets, CHS_DRG_3)
                .map_err(|finding| anyhow::anyhow!("{}: {finding}", arguments.tables.display()))?;
            write(&pack, &findings, &arguments.out)
        }
        Command::Msdrg(arguments) => {
            let pack = files::read_msdrg(&arguments.folder, &arguments.version)?;
            files::write_pack(&pack.files(), &arguments.out)?;
            let formulas = pack.tables.get("formulas").map_or(0, |text| text.lines().count());
            let clusters = pack.tables.get("clusters").is_some_and(|text| !text.is_empty());
            println!(
                "{}: {formulas} formulas, clusters of procedures {}",
                pack.manifest.id,
                if clusters { "included" } else { "absent (clusters.tsv)" }
            );
            Ok(())
        }
    }
}

fn write(pack: &Pack, findings: &[Finding], out: &Path) -> Result<()> {
    for finding in findings {
        eprintln!("{finding}");
    }
    files::write_pack(&pack.files(), out)?;
    let errors = findings.iter().filter(|f| f.severity >= Severity::Error).count();
    println!(
        "{}: {} MDC, {} ADRG entries, {} DRG, {} sets; {} findings, {errors} of them errors",
        pack.manifest.id,
        pack.mdcs.len(),
        pack.mdcs.iter().map(|mdc| mdc.adrgs.len()).sum::<usize>(),
        pack.drgs().count(),
        pack.sets.len(),
        findings.len(),
    );
    Ok(())
}
