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
            close(json[key].as_f64().unwrap(), reference[key].as_f64().unwrap(), 1e-9, &format!("{name} {key}"));
        }
        for wtp in &estimate.willingness {
            let want = &reference["wtp"][&wtp.column];
            close(wtp.value, want["wtp"].as_f64().unwrap(), 1e-8, &format!("{name} wtp {}", wtp.column));
            close(wtp.delta_error, want["se_delta"].as_f64().unwrap(), 1e-8, &format!("{name} {}", wtp.column));
        }
    }
}
