//! `cargo xtask sbom`: every package that the lock file names, as a software bill of materials in the JSON of
//! CycloneDX 1.5, which is what is asked for by whoever runs the program.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// One package of the lock file.
struct Package<'l> {
    name: &'l str,
    version: &'l str,
    source: Option<&'l str>,
    checksum: Option<&'l str>,
}

/// Prints the bill of the lock file of this checkout.
pub fn run() -> Result<()> {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let text = std::fs::read_to_string(lock).context("the lock file")?;
    println!("{:#}", bill(&text)?);
    Ok(())
}

fn packages(lock: &str) -> Vec<Package<'_>> {
    let field = |block: &'_ str, name: &str| -> Option<(usize, usize)> {
        let start = block.find(&format!("\n{name} = \""))? + name.len() + 5;
        Some((start, start + block[start..].find('"')?))
    };
    lock.split("[[package]]")
        .skip(1)
        .filter_map(|block| {
            let text = |name| field(block, name).map(|(from, to)| &block[from..to]);
            Some(Package {
                name: text("name")?,
                version: text("version")?,
                source: text("source"),
                checksum: text("checksum"),
            })
        })
        .collect()
}

/// The bill; refused when a package is not pinned by its checksum.
fn bill(lock: &str) -> Result<Value> {
    let mut components = Vec::new();
    for package in packages(lock) {
        let Package { name, version, source, checksum } = package;
        let address = format!("pkg:cargo/{name}@{version}");
        let mut component = json!({"type": "library", "bom-ref": address, "name": name, "version": version});
        if let Some(source) = source {
            ensure!(
                source.starts_with("registry+"),
                "{name} {version} is from {source}, which no checksum pins"
            );
            let checksum = checksum.with_context(|| format!("{name} {version} has no checksum"))?;
            component["purl"] = json!(address);
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        components.push(component);
    }
    Ok(json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_and_in_the_bill() {
        let lock = include_str!("../../../Cargo.lock");
        let bill = bill(lock).expect("all are pinned");
        let components = bill["components"].as_array().expect("components");
        assert_eq!(components.len(), lock.matches("[[package]]").count());
        let pinned = components.iter().filter(|component| component["hashes"].is_array()).count();
        assert_eq!(pinned, lock.matches("\nchecksum = ").count());
        let ours = components.iter().filter(|component| component["hashes"].is_null());
        assert!(
            ours.clone().count() > 20
                && ours.clone().all(|of| {
                    let name = of["name"].as_str().expect("a name");
                    name.starts_with("tongmai") || name == "xtask"
                })
        );
    }

    #[test]
    fn what_is_not_pinned_is_refused() {
        let from =
            |source: &str| format!("[[package]]\nname = \"x\"\nversion = \"1\"\nsource = \"{source}\"\n");
        let refused = |lock: &str| bill(lock).expect_err("refused").to_string();
        assert!(refused(&from("git+https://example.test/x#abc")).contains("no checksum pins"));
        assert!(refused(&from("registry+https://example.test")).contains("no checksum"));
    }
}
