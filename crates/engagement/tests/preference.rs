//! Preference models against published results and against known truth.

use serde_json::Value;
use std::path::PathBuf;
use tongmai_engagement::preference::{self, Estimate, Specification};
use tongmai_testkit::{data, read_text};

fn fit(table: &str, specification: &Value) -> Estimate {
    let specification: Specification = serde_json::from_value(specification.clone()).unwrap();
    let (data, findings) = preference::read(table, &specification).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    preference::estimate(&data, &specification).unwrap()
}

fn close(got: f64, want: f64, relative: f64, what: &str) {
    assert!((got - want).abs() <= relative * want.abs().max(1e-300), "{what}: {got} against {want}");
}

/// Every reference file found, whatever it is called.
#[test]
fn conditional_logit_equals_every_reference() {
    let Some(folder) = data("engagement/dce") else { return };
    let mut references: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_string_lossy().ends_with(".ref.json"))
        .collect();
    references.sort();
    assert!(!references.is_empty());
    for path in references {
        let reference: Value = serde_json::from_str(&read_text(&path)).unwrap();
        let table = read_text(&PathBuf::from(path.to_string_lossy().replace(".ref.json", ".long.csv")));
        let estimate = fit(&table, &reference);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for (i, column) in estimate.columns.iter().enumerate() {
            let want = |key: &str| reference[key][column].as_f64().unwrap();
            close(estimate.coefficients[i], want("coef"), 1e-9, &format!("{name} {column}"));
            let error = estimate.standard_errors()[i];
            close(error, want("se_hessian"), 1e-8, &format!("{name} se {column}"));
        }
        for (i, row) in reference["vcov"].as_array().unwrap().iter().enumerate() {
            for (j, want) in row.as_array().unwrap().iter().enumerate() {
                let scale = (estimate.variance.at(i, i) * estimate.variance.at(j, j)).sqrt();
                let error = estimate.variance.at(i, j) - want.as_f64().unwrap();
                assert!(error.abs() <= 1e-8 * scale, "{name} vcov {i} {j}");
            }
        }
        let json = estimate.to_json();
        for key in ["loglik", "loglik_null", "mcfadden_r2", "mcfadden_r2_adj", "aic", "bic", "lr_stat"] {
            close(
                json[key].as_f64().unwrap(),
                reference[key].as_f64().unwrap(),
                1e-9,
                &format!("{name} {key}"),
            );
        }
        for wtp in &estimate.willingness {
            let want = &reference["wtp"][&wtp.column];
            close(wtp.value, want["wtp"].as_f64().unwrap(), 1e-8, &format!("{name} wtp {}", wtp.column));
            close(
                wtp.delta_error,
                want["se_delta"].as_f64().unwrap(),
                1e-8,
                &format!("{name} {}", wtp.column),
            );
        }
    }
}

/// A long table of the electricity data: 361 persons, 12 tasks of 4 suppliers.
fn electricity() -> Option<String> {
    let text = read_text(&data("engagement/dce/electricity.csv")?);
    let mut out = String::from("task,id,chosen,pf,cl,loc,wk,tod,seas\n");
    for (task, line) in text.lines().skip(1).enumerate() {
        let field: Vec<&str> = line.split(',').collect();
        for alternative in 1..=4 {
            let chosen = u8::from(field[0] == alternative.to_string());
            let attributes: Vec<&str> = (0..6).map(|a| field[2 + a * 4 + alternative - 1]).collect();
            out += &format!("{task},{},{chosen},{}\n", field[1], attributes.join(","));
        }
    }
    Some(out)
}

/// The mixed logit of Train's electricity exercise. The published fits use 100 Halton draws
/// (R package mlogit, vignette on the mixed logit); the band is the simulation error of draws so few.
#[test]
fn mixed_logit_is_within_simulation_error_of_the_published_fit() {
    let Some(table) = electricity() else { return };
    let specification = serde_json::json!({
        "columns": ["pf", "cl", "loc", "wk", "tod", "seas"],
        "choice": "chosen", "stratum": "task", "person": "id", "draws": 100,
        "random": { "pf": "n", "cl": "n", "loc": "n", "wk": "n", "tod": "n", "seas": "n" },
    });
    let estimate = fit(&table, &specification);
    let published =
        [("pf", -0.973), ("cl", -0.206), ("loc", 2.076), ("wk", 1.476), ("tod", -9.053), ("seas", -9.104)];
    for (name, want) in published {
        let i = estimate.columns.iter().position(|c| c == name).unwrap();
        let error = estimate.standard_errors()[i];
        let got = estimate.coefficients[i];
        assert!((got - want).abs() < 2.0 * error, "{name}: {got} (se {error}) against {want}");
    }
    assert!((estimate.log_likelihood - -3952.5).abs() < 40.0, "{}", estimate.log_likelihood);
}

/// A ranking that names only the first choice is the conditional logit; a full one is the product of its stages.
#[test]
fn rankings_explode_into_choices() {
    let Some(path) = data("engagement/dce/drugchoice_mnl.long.csv") else { return };
    let table = read_text(&path);
    let columns = ["brand_Artemis", "char_fast", "price"];
    let spec = |extra: Value| {
        let mut spec = serde_json::json!({ "columns": columns, "choice": "choice", "stratum": "obs" });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        spec
    };
    let choice = fit(&table, &spec(serde_json::json!({})));
    let first = fit(&table, &spec(serde_json::json!({ "rank": "choice" })));
    assert_eq!(first.coefficients, choice.coefficients);
    let full = fit(&table, &spec(serde_json::json!({ "rank": ["choice", "second", "third", "worst"] })));
    assert_eq!(full.model, "rank-ordered logit");
    // Three choices a task tell more than one.
    for (a, b) in full.standard_errors().iter().zip(choice.standard_errors()) {
        assert!(*a < b);
    }
    let best_worst = fit(&table, &spec(serde_json::json!({ "worst": "worst" })));
    assert!(best_worst.coefficients.iter().zip(&full.coefficients).all(|(a, b)| a.signum() == b.signum()));
}

/// 95 % intervals for willingness to pay by the delta method over simulated studies with known truth.
#[test]
fn intervals_cover_as_promised() {
    use tongmai_engagement::random::Random;
    // PREFERENCE_STUDIES=2000 for the figure of the conformance page.
    let studies = std::env::var("PREFERENCE_STUDIES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let (tasks, truth) = (250, [0.8, -0.5, 1.0]);
    let mut random = Random::new(20_261_121);
    let (mut covered, mut cells) = (0, 0);
    for _ in 0..studies {
        let mut table = String::from("task,a,b,cost,chosen\n");
        for task in 0..tasks {
            let rows: Vec<[f64; 3]> = (0..3)
                .map(|_| [random.below(2) as f64, random.below(3) as f64, (1 + random.below(5)) as f64])
                .collect();
            let utility =
                |r: &[f64; 3], noise: f64| truth[0] * r[0] + truth[1] * r[1] - truth[2] * r[2] / 2.0 + noise;
            let noisy: Vec<f64> = rows.iter().map(|r| utility(r, -(-random.uniform().ln()).ln())).collect();
            let best = (0..3).max_by(|&i, &j| noisy[i].total_cmp(&noisy[j])).unwrap();
            for (i, r) in rows.iter().enumerate() {
                table += &format!("{task},{},{},{},{}\n", r[0], r[1], r[2], u8::from(i == best));
            }
        }
        let estimate = fit(
            &table,
            &serde_json::json!({ "columns": ["a", "b", "cost"], "choice": "chosen", "stratum": "task", "wtp_cost": "cost" }),
        );
        for (wtp, want) in estimate.willingness.iter().zip([1.6, -1.0]) {
            covered += u32::from(wtp.delta.holds(want));
            cells += 1;
        }
    }
    let share = f64::from(covered) / f64::from(cells);
    eprintln!("{studies} studies: {covered} of {cells} intervals hold the truth, {share:.4}");
    assert!((0.93..=0.97).contains(&share), "{share}");
}

#[test]
fn what_cannot_be_estimated_is_refused_by_name() {
    let refuse = |rows: &str| {
        let specification: Specification =
            serde_json::from_str(r#"{"columns":["x","y"],"choice":"c","stratum":"s"}"#).unwrap();
        let table = format!("s,c,x,y\n{rows}");
        let (data, _) = preference::read(&table, &specification).unwrap();
        preference::estimate(&data, &specification).unwrap_err().to_string()
    };
    assert!(refuse("1,1,1,5\n1,0,2,5\n2,0,1,5\n2,1,2,5\n").contains("column y is the same"));
    assert!(refuse("1,1,1,2\n1,0,2,4\n2,0,1,2\n2,1,2,4\n").contains("column y is a combination"));
    assert!(refuse("1,1,1,1\n1,0,0,3\n2,1,5,4\n2,0,4,3\n3,1,3,1\n3,0,2,2\n").contains("no finite estimate"));
    assert!(refuse("1,0,1,2\n1,0,2,4\n").contains("no choice task"));
}
