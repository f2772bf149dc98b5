//! 60,000 claims with the groups that the reference gives for v43.1 and v44.0.

use tongmai_drg::ms::{Claim, MsGrouper, MsPack};
use tongmai_testkit::{data, read_text};

fn check(version: &str, key: &str) {
    let Some(folder) = data("drg/msdrg") else { return };
    let mut file = |name: &str| {
        ["", ".zst"]
            .iter()
            .map(|end| folder.join(format!("{name}{end}")))
            .find(|path| path.exists())
            .map(|path| read_text(&path))
    };
    let pack = MsPack::import(version, &mut file).expect("the tables are there");
    let files = pack.files();
    let read = MsPack::read(&mut |name| files.get(name).cloned()).expect("what was written is read");
    let grouper = MsGrouper::new(&read).expect("every formula is read");
    let mut scratch = grouper.scratch();
    let text = file("random_claims_expected.jsonl").expect("the claims are there");
    let (mut all, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let expected: serde_json::Value = serde_json::from_str(line).unwrap();
        let expected = &expected["exp"][key];
        let claim = Claim::from_json(line).unwrap();
        let got = grouper.group(&claim, &mut scratch);
        let result = serde_json::json!([
            got.initial_drg,
            got.final_drg,
            got.initial_mdc,
            got.final_mdc,
            got.code.code()
        ]);
        all += 1;
        if result != *expected {
            wrong.push(format!("{result} instead of {expected}: {line}"));
        }
    }
    // Clusters of procedures are not among the tables: at most 4 of the claims need one.
    assert!(all == 60_000 && wrong.len() <= 6, "v{version}: {} of {all} wrong:\n{}", wrong.len(), {
        wrong.truncate(12);
        wrong.join("\n")
    });
    println!("v{version}: {} of {all} wrong", wrong.len());
}

#[test]
fn version_43_1() {
    check("43.1", "431");
}

#[test]
fn version_44_0() {
    check("44.0", "440");
}
