//! The shared documents of WS/T 500: every type out, in, and out again.

use std::collections::BTreeMap;
use std::process::Command;

use tongmai_base::Severity;
use tongmai_gateway::{Understood, wst500};

fn emitted(understood: &Understood, code: &str) -> String {
    let resources = understood.entries.iter().map(|entry| (entry.full_url.clone(), &entry.resource));
    wst500::write(resources, code).expect("a type").0
}

fn example(code: &str) -> String {
    wst500::example::xml(code).expect("a type")
}

#[test]
fn every_type_comes_back_as_it_went_out() {
    let mut differing = Vec::new();
    for (code, title) in wst500::types() {
        let first = example(code);
        let understood = wst500::read(first.as_bytes());
        let second = emitted(&understood, code);
        let (before, after) = (wst500::canonical(&first), wst500::canonical(&second));
        assert!(before.len() > 20, "{code} has {} values", before.len());
        if before != after {
            differing.push(code);
            println!("== {code} {title}");
            for line in before.iter().filter(|line| !after.contains(line)) {
                println!("  - {line}");
            }
            for line in after.iter().filter(|line| !before.contains(line)) {
                println!("  + {line}");
            }
        }
    }
    assert!(differing.is_empty(), "{} differ: {differing:?}", differing.len());
}

#[test]
fn examples_are_understood_without_remainder() {
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for (code, _) in wst500::types() {
        let understood = wst500::read(example(code).as_bytes());
        assert!(understood.entries.len() > 3, "{code}");
        for finding in &understood.findings {
            if finding.severity >= Severity::Warning {
                println!("{code} {finding}");
                *codes.entry(finding.code.clone()).or_default() += 1;
            }
        }
    }
    assert!(codes.is_empty(), "{codes:?}");
}

#[test]
fn what_is_emitted_is_valid() {
    let Some(schemas) = tongmai_testkit::data("cn-standards/hip_schemas/cdas") else { return };
    if Command::new("xmllint").arg("--version").output().is_err() {
        tongmai_testkit::skipped("xmllint is not installed (libxml2-utils)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut invalid = 0;
    for (code, _) in wst500::types() {
        let understood = wst500::read(example(code).as_bytes());
        for (name, text) in [("example", example(code)), ("emitted", emitted(&understood, code))] {
            let path = folder.path().join(format!("{code}-{name}.xml"));
            std::fs::write(&path, text).expect("written");
            let schema = schemas.join(format!("{code}.xsd"));
            let run = Command::new("xmllint").arg("--noout").arg("--schema").arg(schema).arg(&path).output();
            let run = run.expect("xmllint runs");
            if !run.status.success() {
                invalid += 1;
                println!("== {code} {name}\n{}", String::from_utf8_lossy(&run.stderr));
            }
        }
    }
    assert_eq!(invalid, 0, "documents that their schema does not accept");
}

#[test]
fn the_coverage_page_is_what_the_tables_say() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gateway/wst500-coverage.md");
    let written = std::fs::read_to_string(page).expect("the page");
    assert!(written == wst500::coverage::page(), "run cargo xtask coverage-wst500");
    let all = wst500::coverage::all();
    let (rows, mapped) = all.iter().fold((0, 0), |(rows, mapped), c| (rows + c.rows, mapped + c.mapped));
    assert!(rows >= 2199 && mapped * 100 >= rows * 95, "{mapped} of {rows}");
    assert!(all.iter().all(|c| c.rows == c.mapped + c.unmapped.len()));
}

fn codes(understood: &Understood) -> Vec<&str> {
    understood
        .findings
        .iter()
        .filter(|f| f.severity > Severity::Information)
        .map(|f| f.code.as_str())
        .collect()
}

#[test]
fn character_sets_of_hospitals_are_read() {
    let text = example("C0002");
    let expected = wst500::read(text.as_bytes());
    let declared = text.replace("encoding=\"UTF-8\"", "encoding=\"GBK\"");
    let undeclared = text.replace(" encoding=\"UTF-8\"", "");
    for (bytes, wanted) in [
        (encoding_rs::GBK.encode(&declared).0.into_owned(), vec![]),
        (encoding_rs::GB18030.encode(&undeclared).0.into_owned(), vec!["charset-assumed"]),
        ([b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat(), vec![]),
    ] {
        let understood = wst500::read(&bytes);
        assert_eq!(codes(&understood), wanted);
        let resources = |u: &Understood| u.entries.iter().map(|e| e.resource.to_string()).collect::<Vec<_>>();
        assert_eq!(resources(&understood), resources(&expected));
    }
}

/// Dirt as it is found, and what is said about it.
#[test]
fn dirt_is_named_with_its_data_element_and_its_repair() {
    let birth = "<birthTime value=\"20260315\"/>";
    for (from, to, code, says) in [
        (birth, "<birthTime value=\"-\"/>", "placeholder", "DE02.01.005.01"),
        (birth, "<birthTime value=\"张三\"/>", "format", "DE02.01.005.01"),
        ("<name>患者姓名甲</name>", "", "mandatory-missing", "DE02.01.039.00"),
        ("<name>患者姓名甲</name>", "<name>NULL</name>", "placeholder", "DE02.01.039.00"),
        ("code=\"1\"", "code=\"男\"", "format", "DE02.01.040.00"),
        (">主诉描述甲<", ">-<", "placeholder", "DE04.01.119.00"),
        ("</section>", "", "malformed", "section"),
        ("<setId>", "<colour value=\"red\"/><setId>", "unmapped", "red"),
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>",
            "doctype",
            "document type",
        ),
    ] {
        let text = example("C0003");
        assert!(text.contains(from), "{from}");
        let understood = wst500::read(text.replacen(from, to, 1).as_bytes());
        let found = understood
            .findings
            .iter()
            .find(|finding| finding.code == code && finding.to_string().contains(says));
        let found =
            found.unwrap_or_else(|| panic!("{to}: no {code} of {says} in {:#?}", understood.findings));
        assert!(!found.path.is_empty() && !found.repair.is_empty(), "{found}");
        assert!(understood.entries.len() > 20, "{to}: {} resources", understood.entries.len());
    }
    // A person who says 无 has answered.
    let answered = example("C0003").replace("过敏史详细描述甲", "无");
    let understood = wst500::read(answered.as_bytes());
    assert!(
        understood.entries.iter().any(|e| e.resource.to_string().contains("\"text\":\"无\"")),
        "{:?}",
        codes(&understood)
    );
}

#[test]
fn dates_in_other_ways_are_repaired() {
    let text = example("C0003")
        .replace("<birthTime value=\"20260315\"/>", "<birthTime value=\"1980-01-02 00:00:00\"/>");
    let understood = wst500::read(text.as_bytes());
    let patient = understood
        .entries
        .iter()
        .find(|e| e.resource.text("resourceType") == Some("Patient"))
        .expect("a patient");
    assert_eq!(patient.resource.text("birthDate"), Some("1980-01-02"));
}

/// What is not a document of the standard is refused, with the field, the code and the repair.
#[test]
fn what_is_no_document_is_refused() {
    for (text, code) in [
        ("", "empty"),
        ("<a/>", "not-a-document"),
        ("<ClinicalDocument><code code=\"C0054\"/></ClinicalDocument>", "document-type"),
        ("<ClinicalDocument/>", "document-type"),
    ] {
        let understood = wst500::read(text.as_bytes());
        assert!(
            understood.is_refused() && codes(&understood).contains(&code),
            "{text}: {:?}",
            understood.findings
        );
    }
}

/// A record that came as a document of one type goes out as one of any other, with what that has room for.
#[test]
fn a_record_goes_out_as_any_type() {
    for from in ["C0032", "C0034", "C0002"] {
        let understood = wst500::read(example(from).as_bytes());
        for (code, _) in wst500::types() {
            let text = emitted(&understood, code);
            let again = wst500::read(text.as_bytes());
            assert_eq!(again.source.kind, code);
            let name = |u: &Understood| {
                let patient = u.entries.iter().find(|e| e.resource.text("resourceType") == Some("Patient"));
                patient.map(|patient| patient.resource.items("name").first().map(ToString::to_string))
            };
            assert_eq!(name(&again), name(&understood), "{from} as {code}");
            assert!(!codes(&again).contains(&"format"), "{from} as {code}: {:?}", again.findings);
        }
    }
}

/// What came by another door has no document: its resources find their places by their codes.
#[test]
fn resources_of_other_doors_go_out_too() {
    let resources = [
        r#"{"resourceType":"Patient","name":[{"text":"王小明"}],"gender":"male","birthDate":"1980-01-02"}"#,
        r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"period":{"start":"2026-03-15T08:30:00+08:00"}}"#,
        r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":128,"unit":"mmHg"}}"#,
        r#"{"resourceType":"Condition","code":{"coding":[{"system":"urn:oid:2.16.156.10011.2.3.3.11","code":"I10","display":"原发性高血压"}]},"subject":{"display":"x"}}"#,
    ];
    let parsed: Vec<_> = resources
        .iter()
        .map(|text| tongmai_fhir::json::Json::parse_str(text).expect("JSON").into_owned())
        .collect();
    let addressed = parsed.iter().enumerate().map(|(index, resource)| (index.to_string(), resource));
    let (text, findings) = wst500::write(addressed, "C0034").expect("a type");
    for part in ["<name>王小明</name>", "20260315083000", "DE04.10.174.00", "value=\"128\"", "code=\"I10\""]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    // What the schema demands and the record lacks is named, not made up.
    assert!(findings.iter().any(|finding| finding.code == "mandatory-missing" && !finding.repair.is_empty()));
}

#[test]
fn what_is_planned_is_not_told_as_done() {
    let understood = wst500::read(example("C0026").as_bytes());
    let procedures =
        understood.entries.iter().filter(|e| e.resource.text("resourceType") == Some("Procedure"));
    let states: Vec<_> = procedures.map(|procedure| procedure.resource.text("status")).collect();
    assert_eq!(states, [Some("preparation")]);
    assert!(emitted(&understood, "C0026").contains("moodCode=\"INT\""));
}

/// A document of WS/T 483 (health records) is read by the tables that it shares with WS/T 500.
#[test]
fn health_records_are_read_as_far_as_the_tables_know_their_elements() {
    let text = wst500::example::xml("C0002").expect("a type");
    let template = "2.16.156.10011.2.1.1.";
    let (number, _) =
        text.split_once(template).map(|(_, rest)| rest.split_once('"').expect("a root")).expect("a template");
    let plain = wst500::read(text.as_bytes());
    for part in [1, 12, 20] {
        let record = text
            .replace(&format!("{template}{number}\""), &format!("{template}{part}\""))
            .replace("code=\"C0002\"", "code=\"HSDB00\"");
        let understood = wst500::read(record.as_bytes());
        assert!(!understood.is_refused(), "{part}: {:?}", understood.findings);
        assert!(understood.findings.iter().any(|finding| finding.code == "health-record"));
        assert_eq!(understood.census().get("Patient"), plain.census().get("Patient"));
        assert_eq!(understood.census().get("Observation"), plain.census().get("Observation"));
    }
    let none = text.replace("code=\"C0002\"", "code=\"HSDB00\"");
    assert!(wst500::read(none.as_bytes()).is_refused(), "another type without the template is still refused");
}
