//! Replays the trace of every reference case of every pack and regroups every counterfactual:
//! `cargo run --release -p tongmai-drg --example explanations -- CASES.jsonl PACK [CASES PACK]…`.

use std::path::Path;
use tongmai_drg::{Case, Grouper, Pack};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut wrong = 0;
    for pair in arguments.chunks_exact(2) {
        let pack =
            Pack::read(&mut |name| std::fs::read(Path::new(&pair[1]).join(name)).ok()).expect("a pack");
        let grouper = Grouper::new(&pack);
        let mut scratch = grouper.scratch();
        let text = std::fs::read_to_string(&pair[0]).expect("the cases are readable");
        let (mut cases, mut said, mut failed) = (0_u64, 0_u64, 0_u64);
        for line in text.lines() {
            let Ok(case) = Case::from_json(line) else { continue };
            cases += 1;
            let outcome = grouper.group(&case, &mut scratch);
            let trace = grouper.trace(&case, &mut scratch);
            failed += u64::from(grouper.replay(&trace) != outcome);
            for change in grouper.counterfactuals(&case, &mut scratch) {
                said += 1;
                let mut changed: serde_json::Value = serde_json::from_str(line).expect("a case");
                changed["zdList"] = change.diagnoses.clone().into();
                changed["ssList"] = change.procedures.clone().into();
                for (field, value) in &change.numbers {
                    changed[*field] = (*value).into();
                }
                let again = changed.to_string();
                let regrouped = grouper.group(&Case::from_json(&again).expect("a case"), &mut scratch);
                let holds = grouper.drg(&regrouped) == change.drg && change.drg != grouper.drg(&outcome);
                failed += u64::from(!holds);
            }
        }
        println!(
            "{}: {cases} traces replayed, {said} counterfactuals regrouped, {failed} failed",
            pack.manifest.id
        );
        wrong += failed;
    }
    assert_eq!(wrong, 0, "explanations that do not hold");
}
