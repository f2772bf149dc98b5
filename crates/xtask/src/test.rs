//! `cargo xtask test`: the whole suite, with what it needs.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::shell;

/// What the suite needs from Debian: a program by which its presence is known, and the packages.
const NEEDED: &[(&str, &str, &[&str])] = &[
    ("PostgreSQL 15", "/usr/lib/postgresql/15/bin/initdb", &["postgresql-15"]),
    ("Chromium and its driver", "/usr/bin/chromedriver", &["chromium", "chromium-driver"]),
    ("xmllint", "/usr/bin/xmllint", &["libxml2-utils"]),
    ("Chinese type", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", &["fonts-noto-cjk"]),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Only the tests; not formatting and clippy.
    #[arg(long)]
    quick: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut skipped = provide()?;
    let strict = std::env::var_os("CI").is_some();
    if std::env::var_os("TONGMAI_DATA").is_none() && !Path::new("../shared/data").is_dir() {
        skipped.push("tests on real data: set TONGMAI_DATA to the data folder".to_owned());
    }
    ensure!(
        !strict || skipped.is_empty(),
        "nothing may be skipped here, but would be: {}",
        skipped.join("; ")
    );
    if !arguments.quick {
        shell("cargo", &["fmt", "--check"])?;
        shell("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    }
    shell("cargo", &["test", "--workspace"])?;
    for what in &skipped {
        println!("SKIPPED: {what}");
    }
    println!("{}", if skipped.is_empty() { "everything was run" } else { "all that could be run was run" });
    Ok(())
}

/// Installs what is missing when that is possible; returns what stays missing.
fn provide() -> Result<Vec<String>> {
    let missing = || NEEDED.iter().filter(|(_, program, _)| !Path::new(program).exists());
    let packages: Vec<&str> = missing().flat_map(|(_, _, packages)| packages.iter().copied()).collect();
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !packages.is_empty() && is_root && Path::new("/usr/bin/apt-get").exists() {
        println!("installing {}", packages.join(" "));
        shell("apt-get", &["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(packages);
        shell("apt-get", &arguments)?;
    }
    Ok(missing().map(|(name, _, packages)| format!("{name}: install {}", packages.join(" "))).collect())
}
