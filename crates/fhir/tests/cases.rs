//! Validation and search values on small resources, as data.
//!
//! Each file holds cases: `## name`, the resource, `--`, the expected lines. With
//! `UPDATE_CASES=1` the expected lines are written anew; read the diff.

use std::path::Path;

use tongmai_base::time::Instant;
use tongmai_fhir::json::Json;
use tongmai_fhir::search::{self, SearchValue};
use tongmai_fhir::{definition, validate};

/// Runs `run` on the resource of every case of a file and compares what it gives.
fn check_file(name: &str, run: fn(&Json<'_>) -> Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    let text = std::fs::read_to_string(&path).expect(name);
    let (head, cases) = text.split_once("## ").expect("cases");
    let mut written = head.to_owned();
    let mut wrong = Vec::new();
    for case in cases.split("\n## ") {
        let (title, rest) = case.split_once('\n').expect("title");
        let (resource, expected) = rest.split_once("\n--\n").expect("resource and expectation");
        let parsed = Json::parse_str(resource).unwrap_or_else(|e| panic!("{name} {title}: {e}"));
        let found = run(&parsed).join("\n");
        if found != expected.trim_end() {
            wrong.push(format!("{title}\nexpected:\n{}\nfound:\n{found}\n", expected.trim_end()));
        }
        written += &format!("## {title}\n{resource}\n--\n{found}\n\n");
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, written.trim_end().to_owned() + "\n").expect("written");
    } else {
        assert!(wrong.is_empty(), "{name}\n{}", wrong.join("\n"));
    }
}

#[test]
fn validation() {
    check_file("validate.txt", |resource| {
        let findings = validate::validate(resource, &validate::Options::default());
        findings.iter().map(ToString::to_string).collect()
    });
}

#[test]
fn extraction() {
    check_file("extract.txt", |resource| {
        let id = resource.text("resourceType").and_then(definition::resource_type_id).expect("type");
        let mut lines: Vec<String> = search::extract(resource, id)
            .iter()
            .map(|(id, value)| {
                let parameter = search::by_id(*id).expect("known");
                format!("{} {} {}", parameter.code, parameter.kind.code(), shown(value))
            })
            .collect();
        lines.sort();
        lines
    });
}

fn shown(value: &SearchValue<'_>) -> String {
    match value {
        SearchValue::Token(token) => {
            let mut out = format!("{}|{}", token.system.unwrap_or(""), token.code.unwrap_or(""));
            if let Some(text) = token.text {
                out += &format!(" '{text}'");
            }
            for of in &token.types {
                out += &format!(" of {}|{}", of.system.unwrap_or(""), of.code);
            }
            out
        }
        SearchValue::String(text) => format!("'{text}'"),
        SearchValue::Reference(r) => {
            let name = r.resource_type.and_then(definition::resource_type_name);
            let parts =
                [("base", r.base), ("type", name), ("id", r.id), ("version", r.version), ("url", r.url)];
            let mut out: Vec<String> = parts
                .iter()
                .filter_map(|(part, value)| value.map(|value| format!("{part}={value}")))
                .collect();
            if let Some((system, value)) = r.identifier {
                out.push(format!("identifier={}|{value}", system.unwrap_or("")));
            }
            if r.is_contained() {
                out.push(format!("contained {}", r.raw));
            }
            out.join(" ")
        }
        SearchValue::Date { low, high } => {
            let show = |ms: i64| match ms {
                i64::MIN => "ever".to_owned(),
                i64::MAX => "ever".to_owned(),
                ms => Instant(ms).to_fhir(),
            };
            format!("{} until {}", show(*low), show(*high))
        }
        SearchValue::Number { low, high } => format!("{low} to {high}"),
        SearchValue::Quantity { low, high, system, code, unit } => {
            format!(
                "{low} to {high} {}|{} '{}'",
                system.unwrap_or(""),
                code.unwrap_or(""),
                unit.unwrap_or("")
            )
        }
        SearchValue::Uri(uri) => (*uri).to_owned(),
        SearchValue::Composite(parts) => parts.iter().map(shown).collect::<Vec<_>>().join(" & "),
    }
}
