//! Finds and opens packs, their tables, and the files that results go to.

use crate::input::read_text;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tongmai_base::Finding;
use tongmai_drg::Pack;
use tongmai_drg::import::opendrg::{self, Ambiguity, Tables};
use tongmai_drg::ms::MsPack;

/// The file of this name in the folder, plain or packed.
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    ["", ".zst", ".gz"].iter().map(|end| folder.join(format!("{name}{end}"))).find(|path| path.is_file())
}

fn table(folders: &[PathBuf], name: &str) -> Result<String> {
    match folders.iter().find_map(|folder| find(folder, &format!("{name}.dat"))) {
        Some(path) => read_text(&path),
        None => Ok(String::new()),
    }
}

/// Reads an OpenDRG pack; its tables are looked for in `tables`, in `tables/<pack id>`, and
/// beside the JSON.
pub fn read_opendrg(
    path: &Path,
    tables: Option<&Path>,
    ambiguity: Option<&Ambiguity>,
) -> Result<(Pack, Vec<Finding>)> {
    let json = read_text(path)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let id = name.split('.').next().unwrap_or_default().to_string();
    let beside = path.parent().unwrap_or(Path::new("."));
    let mut roots: Vec<PathBuf> = tables.into_iter().map(Path::to_path_buf).collect();
    roots.extend([beside.to_path_buf(), beside.join("tables"), beside.join("../pack_tables")]);
    let mut folders = Vec::new();
    for root in &roots {
        folders.extend([root.join(&id), root.join(&id).join("DATA"), root.clone(), root.join("DATA")]);
    }
    folders.retain(|folder| find(folder, "MCC.dat").is_some());
    folders.truncate(1);
    let Some(own) = folders.first().cloned() else {
        bail!("no MCC.dat found for {}; name its folder with --tables", path.display());
    };
    for root in [&own, &own.join(".."), &own.join("../..")] {
        folders.extend([root.join("_ICD"), root.join("ICD")]);
    }
    let names = ["MCC", "CC", "CCE", "SS_VALID", "DRG", "ZD_INFO", "SS_INFO", "ZD_MAP", "SS_MAP"];
    let texts = names.iter().map(|name| table(&folders, name)).collect::<Result<Vec<_>>>()?;
    let [mcc, cc, cce, ss_valid, drg, zd_info, ss_info, zd_map, ss_map] = texts.as_slice() else {
        bail!("nine tables were asked for");
    };
    let tables = Tables { mcc, cc, cce, ss_valid, drg, zd_info, ss_info, zd_map, ss_map };
    opendrg::read(&json, &tables, ambiguity)
        .map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))
}

/// Opens a pack that `drg import` made, or an OpenDRG JSON whose tables are found.
pub fn open_pack(path: &Path, tables: Option<&Path>) -> Result<Pack> {
    let folder = if path.is_dir() {
        path.to_path_buf()
    } else if path.file_name().is_some_and(|name| name == "pack.json") {
        path.parent().unwrap_or(Path::new(".")).to_path_buf()
    } else {
        let (pack, findings) = read_opendrg(path, tables, None)?;
        findings.iter().for_each(|finding| eprintln!("{finding}"));
        return Ok(pack);
    };
    Pack::read(&mut |name| fs::read(folder.join(name)).ok())
        .map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))
}

/// Every text file of these folders below `folder`, by its path without `.zst` or `.gz`.
pub fn texts(folder: &Path, below: &[&str]) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for name in below {
        let folder = folder.join(name);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if !path.is_file() {
                continue;
            }
            let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let plain = file.strip_suffix(".zst").or_else(|| file.strip_suffix(".gz")).unwrap_or(&file);
            let key = if name.is_empty() { plain.to_string() } else { format!("{name}/{plain}") };
            texts.insert(key, read_text(&path)?);
        }
    }
    Ok(texts)
}

/// Reads the tables of one version of MS-DRG.
pub fn read_msdrg(folder: &Path, version: &str) -> Result<MsPack> {
    let mut broken = None;
    let pack = MsPack::import(version, &mut |name| {
        let text = read_text(&find(folder, name)?);
        text.map_err(|error| broken = Some(error)).ok()
    });
    match (broken, pack) {
        (Some(error), _) => Err(error),
        (None, pack) => pack.map_err(|finding| anyhow::anyhow!("{}: {finding}", folder.display())),
    }
}

/// Opens an MS-DRG pack, or the folder of tables itself when the version is named.
pub fn open_msdrg(path: &Path, version: Option<&str>) -> Result<MsPack> {
    if !path.join("pack.json").is_file() {
        let version = version.context("name the version with --version")?;
        return read_msdrg(path, version);
    }
    let pack = MsPack::read(&mut |name| fs::read(path.join(name)).ok())
        .map_err(|finding| anyhow::anyhow!("{}: {finding}", path.display()))?;
    let wanted = version.map(|version| version.trim_start_matches('v'));
    if wanted.is_some_and(|v| v != pack.manifest.version && format!("{v}.0") != pack.manifest.version) {
        bail!("{} holds version {}", path.display(), pack.manifest.version);
    }
    Ok(pack)
}

/// Writes the files of a pack below `folder`.
pub fn write_pack(files: &tongmai_drg::pack::Files, folder: &Path) -> Result<()> {
    if folder.is_file() {
        bail!("{} is a file; a pack is a folder", folder.display());
    }
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))
            .with_context(|| format!("cannot create {}", path.display()))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Opens a file for results; `-` is standard output, `.zst` and `.gz` are packed.
pub fn create(path: &Path) -> Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let file = BufWriter::with_capacity(1 << 18, file);
    Ok(match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => Box::new(zstd::Encoder::new(file, 3)?.auto_finish()),
        Some("gz") => Box::new(flate2::write::GzEncoder::new(file, flate2::Compression::default())),
        _ => Box::new(file),
    })
}
