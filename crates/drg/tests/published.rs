//! CHS-DRG 2.0 from its published text: every line is understood, every group is reached.

use std::collections::BTreeMap;
use tongmai_drg::import::text;
use tongmai_drg::{Grouper, witness};
use tongmai_testkit::{data, read_text};

#[test]
fn version_2_0_is_compiled_and_every_group_is_reached() {
    let Some(folder) = data("drg/opendrg_rules/CHS_DRG_20") else { return };
    let mut files = BTreeMap::new();
    for below in ["", "ADRG", "MDC"] {
        for entry in std::fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                let name = entry.file_name().into_string().unwrap();
                let name = name.strip_suffix(".zst").unwrap_or(&name).to_string();
                let path = if below.is_empty() { name } else { format!("{below}/{name}") };
                files.insert(path, read_text(&entry.path()));
            }
        }
    }
    let (pack, findings) = text::read(&files).expect("the tables are there");
    assert!(findings.is_empty(), "{} findings: {:#?}", findings.len(), &findings[..findings.len().min(10)]);
    assert_eq!(pack.mdcs.len(), 26);
    assert_eq!(pack.mdcs.iter().map(|mdc| mdc.adrgs.len()).sum::<usize>(), 409);
    assert_eq!(pack.drgs().count(), 634);
    let grouper = Grouper::new(&pack);
    let found = witness::witnesses(&pack, &grouper);
    let missing: Vec<&str> =
        found.iter().filter(|(_, case)| case.is_none()).map(|(code, _)| code.as_str()).collect();
    assert!(missing.is_empty(), "{} of {} groups have no witness: {missing:?}", missing.len(), found.len());
}
