//! `tongmai export`: all current resources as NDJSON, one file a type.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use tongmai_access::Requester;
use tongmai_engine::Validation;
use tongmai_fhir::definition::{ResourceTypeId, resource_types};

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
    let installation = Installation::open(&arguments.place, Validation::Accept)?;
    std::fs::create_dir_all(&arguments.out)?;
    let requester = Requester { actor: "export".into(), purpose: "HSYSADMIN".into() };
    let (mut total, mut as_of) = (0u64, None);
    let begun = std::time::Instant::now();
    for name in &arguments.types {
        if tongmai_fhir::definition::resource_type_id(name).is_none() {
            anyhow::bail!("'{name}' is not a resource type of FHIR R4");
        }
    }
    for (index, name) in resource_types().enumerate() {
        if !arguments.types.is_empty() && !arguments.types.iter().any(|wanted| wanted == name) {
            continue;
        }
        let (mut after, mut file) = (0, None);
        loop {
            let sealed = installation
                .engine
                .export_chunk(index as ResourceTypeId, after, as_of, None, 1_000)
                .map_err(|failure| anyhow::anyhow!("{failure}"))?;
            let chunk = installation.access.release_blocking(&requester, sealed)?;
            as_of = Some(chunk.as_of);
            if chunk.count > 0 {
                let out = match &mut file {
                    Some(out) => out,
                    None => {
                        let path = arguments.out.join(format!("{name}.ndjson"));
                        let new = File::create(&path)
                            .with_context(|| format!("cannot write {}", path.display()))?;
                        file.insert(BufWriter::new(new))
                    }
                };
                out.write_all(&chunk.lines)?;
                total += chunk.count as u64;
            }
            match chunk.next {
                Some(next) => after = next,
                None => break,
            }
        }
        if let Some(mut file) = file {
            file.flush()?;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{total} resources in {seconds:.1} s ({:.0} resources/s)", total as f64 / seconds.max(1e-9));
    Ok(())
}
