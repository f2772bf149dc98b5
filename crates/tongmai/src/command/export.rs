//! `tongmai export`: all current resources as NDJSON, one file a type.

use std::path::PathBuf;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tongmai_access::Requester;
use tongmai_engine::Validation;
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_types};
use tongmai_http::write_files;

use crate::installation::{Installation, Place};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Folder for the files; it is made.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these types, parted by commas.
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut types: Vec<ResourceTypeId> = Vec::new();
    for name in &arguments.types {
        match resource_type_id(name) {
            Some(type_id) => types.push(type_id),
            None => bail!(
                "--types: '{name}' is not a resource type of FHIR R4; write it as in Patient,Observation"
            ),
        }
    }
    if types.is_empty() {
        types = (0..resource_types().len() as ResourceTypeId).collect();
    }
    let installation = Installation::open(&arguments.place, Validation::Accept)?;
    let requester = Requester::installation("export", "HSYSADMIN");
    let begun = std::time::Instant::now();
    let progress = ProgressBar::new(0);
    progress
        .set_style(ProgressStyle::with_template("{bar:32} {human_pos}/{human_len} resources  ETA {eta}")?);
    let files = write_files(
        &installation.engine,
        &installation.access,
        &requester,
        &arguments.out,
        &types,
        None,
        &|total| progress.set_length(total),
        &|more| {
            progress.inc(more);
            true
        },
    )
    .map_err(anyhow::Error::msg)?;
    progress.finish_and_clear();
    let total: u64 = files.iter().map(|(_, count)| count).sum();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{total} resources in {seconds:.1} s ({:.0} resources/s)", total as f64 / seconds.max(1e-9));
    Ok(())
}
