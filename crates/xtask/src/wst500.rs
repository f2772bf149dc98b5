//! Writes the tables of the WS/T 500 shared documents from the schemas and field lists.
//!
//! The schemas (one XSD a document type) and the field lists (`cda_elements.csv`)
//! are test data and not part of the project. What is committed are facts in two
//! text tables: which elements and attributes a document of each type has, in
//! which order and with which values; and which data elements belong to it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tongmai_gateway::xml::{self, Element};

const GRAMMAR: &str = "crates/gateway/tables/wst500/grammar.txt";
const ELEMENTS: &str = "crates/gateway/tables/wst500/elements.txt";
const COVERAGE: &str = "docs/gateway/wst500-coverage.md";
/// Number of document types of WS/T 500-2016.
const TYPES: u32 = 53;

const GRAMMAR_HEADER: &str = "\
# Elements and attributes of the 53 shared documents of WS/T 500-2016. Written by
# `cargo xtask codegen-wst500` from the schemas of liaozhimingandy/django_hip_service
# (Apache-2.0); do not edit.
# %n a|b|c              a list of values
# =code title           a document type
# !name content attributes          a type that xsi:type may name
# .name[occurrence] content attributes      dots: depth; ? 0..1, * 0..n, + 1..n
#   content: any, str, elements, choice (elements in any order), mixed, or a type
#   @name[?][:type][=fixed]         ? optional
#   type: str with min/max/len, int[least,most], dec[digits], ts (14 digits), date (8), bool, %n
";

const ELEMENTS_HEADER: &str = "\
# Data elements of the 53 shared documents of WS/T 500-2016, as public integration projects tabulate
# them; C0005 and C0033 have no list of their own and take those of C0004 and C0032, which their
# schemas extend. Written by `cargo xtask codegen-wst500`; do not edit.
# =code
# data element|label|name in the list|length|cardinality
";

/// Writes the tables of documents and services from `data/cn-standards`.
pub fn run(data: &Path) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::create_dir_all(root.join("crates/gateway/tables/service"))?;
    for (path, text) in tables(data)?.into_iter().chain(services(data)?) {
        std::fs::write(root.join(path), &text).with_context(|| path.to_owned())?;
        println!("{path}: {} lines, {} bytes", text.lines().count(), text.len());
    }
    Ok(())
}

/// Writes the coverage page from the tables that are compiled in.
pub fn coverage() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::create_dir_all(root.join("docs/gateway"))?;
    std::fs::write(root.join(COVERAGE), tongmai_gateway::wst500::coverage::page()).context(COVERAGE)
}

const SERVICES: &str = "crates/gateway/tables/service/grammar.txt";
const FIELDS: &str = "crates/gateway/tables/service/fields.txt";

const SERVICES_HEADER: &str = "\
# Requests of the 69 services of the hospital information platform (HL7 version 3), in the form of
# ../wst500/grammar.txt. Written by `cargo xtask codegen-wst500` from the schemas of
# liaozhimingandy/django_hip_service (Apache-2.0); do not edit.
";
const FIELDS_HEADER: &str = "\
# Fields of the requests, as public integration projects tabulate them (49 of the 69 services). Written by
# `cargo xtask codegen-wst500`; do not edit.
# =service Chinese name
# path|label|data element|length
";

/// The text of the services' tables.
fn services(data: &Path) -> Result<Vec<(&'static str, String)>> {
    let folder = data.join("hip_schemas/services");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut titles: HashMap<String, String> = HashMap::new();
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let mut reader = csv::Reader::from_path(data.join("mapping/interaction_elements.csv"))?;
    for row in reader.records() {
        let row = row?;
        let field = |index: usize| row.get(index).unwrap_or_default().replace('|', " ").trim().to_owned();
        let name = field(0);
        let at = name.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(name.len());
        let (title, code) = name.split_at(at);
        titles.insert(
            code.to_owned(),
            title.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned(),
        );
        if fields.last().is_none_or(|(of, _)| of != code) {
            fields.push((code.to_owned(), Vec::new()));
        }
        let path: String = field(6).chars().filter(|c| !c.is_whitespace()).collect();
        if let (true, Some((_, rows))) = (field(1).contains("Request") && !path.is_empty(), fields.last_mut())
        {
            let element = Some(field(4)).filter(|element| element.starts_with("DE")).unwrap_or_default();
            rows.push(format!("{path}|{}|{element}|{}", field(2), field(5)));
        }
    }
    let mut lists = Lists::default();
    let mut body = String::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "xsd")) {
        let code = path.file_stem().and_then(|stem| stem.to_str()).context("a name")?;
        let text = std::fs::read_to_string(path)?;
        let schema = xml::read(&text, &mut Vec::new()).context("no XML")?;
        writeln!(body, "={code} {}", titles.get(code).map_or(code, String::as_str))?;
        lists.element(schema.child("element").context("no message")?, 1, &mut body);
    }
    let mut grammar = SERVICES_HEADER.to_owned();
    for (index, list) in lists.values.iter().enumerate() {
        writeln!(grammar, "%{index} {list}")?;
    }
    grammar.push_str(&body);
    let mut out = FIELDS_HEADER.to_owned();
    for (code, rows) in &fields {
        writeln!(out, "={code} {}", titles.get(code).map_or("", String::as_str))?;
        for row in rows {
            writeln!(out, "{row}")?;
        }
    }
    Ok(vec![(SERVICES, grammar), (FIELDS, out)])
}

/// The text of both tables.
pub fn tables(data: &Path) -> Result<Vec<(&'static str, String)>> {
    let mut lists = Lists::default();
    let mut body = String::new();
    for number in 1..=TYPES {
        let path = data.join(format!("hip_schemas/cdas/C{number:04}.xsd"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut findings = Vec::new();
        let schema = xml::read(&text, &mut findings).context("no XML")?;
        ensure!(findings.is_empty(), "{}: {findings:?}", path.display());
        let document = schema.child("element").context("no document element")?;
        let title = titles(document).next().unwrap_or_default();
        writeln!(body, "=C{number:04} {title}")?;
        for named in schema.children.iter().filter(|e| e.name == "complexType" || e.name == "simpleType") {
            let name = named.attribute("name").context("a type without a name")?;
            let (content, attributes, _) = lists.content(named);
            writeln!(body, "!{name} {content}{attributes}")?;
        }
        lists.element(document, 1, &mut body);
    }
    let mut grammar = GRAMMAR_HEADER.to_owned();
    for (index, list) in lists.values.iter().enumerate() {
        writeln!(grammar, "%{index} {list}")?;
    }
    grammar.push_str(&body);
    Ok(vec![(GRAMMAR, grammar), (ELEMENTS, elements(&data.join("mapping/cda_elements.csv"))?)])
}

/// The values that the schema allows for the title.
fn titles<'e>(document: &'e Element<'_>) -> impl Iterator<Item = String> + use<'e> {
    let sequence = document.at("complexType/sequence");
    let title = sequence
        .and_then(|sequence| sequence.all("element").find(|e| e.attribute("name") == Some("title")))
        .and_then(|title| title.at("simpleType/restriction"));
    title.into_iter().flat_map(|restriction| {
        restriction
            .all("enumeration")
            .filter_map(|e| e.attribute("value").map(str::to_owned))
            .collect::<Vec<_>>()
    })
}

/// Lists of values that are written once.
#[derive(Default)]
struct Lists {
    numbers: HashMap<String, usize>,
    values: Vec<String>,
}

impl Lists {
    fn number(&mut self, list: String) -> usize {
        *self.numbers.entry(list.clone()).or_insert_with(|| {
            self.values.push(list);
            self.values.len() - 1
        })
    }

    fn element(&mut self, element: &Element<'_>, depth: usize, out: &mut String) {
        let name = element.attribute("name").unwrap_or_default();
        let least = element.attribute("minOccurs").unwrap_or("1");
        let most = element.attribute("maxOccurs").unwrap_or("1");
        let occurrence = match (least, most) {
            ("0", "1") => "?",
            ("0", _) => "*",
            (_, "1") => "",
            _ => "+",
        };
        let (content, attributes, children) = match (element.attribute("type"), element.child("complexType"))
        {
            (Some(named), _) => (primitive(named), String::new(), Vec::new()),
            (None, Some(complex)) => self.content(complex),
            (None, None) => match element.child("simpleType") {
                Some(simple) => (self.simple(simple), String::new(), Vec::new()),
                None => ("any".to_owned(), String::new(), Vec::new()),
            },
        };
        out.extend(std::iter::repeat_n('.', depth));
        let _ = writeln!(out, "{name}{occurrence} {content}{attributes}");
        for child in children {
            self.element(child, depth + 1, out);
        }
    }

    /// Content, attributes and children of a type.
    fn content<'e, 't>(&mut self, complex: &'e Element<'t>) -> (String, String, Vec<&'e Element<'t>>) {
        if complex.name == "simpleType" {
            return (self.simple(complex), String::new(), Vec::new());
        }
        if let Some(extension) = complex.at("simpleContent/extension") {
            let attributes = self.attributes(extension);
            return ("str".to_owned(), attributes, Vec::new());
        }
        let attributes = self.attributes(complex);
        let Some(group) = complex.child("sequence").or_else(|| complex.child("choice")) else {
            return ("elements".to_owned(), attributes, Vec::new());
        };
        let (content, group) = match group.child("choice") {
            Some(choice) => ("choice", choice),
            None if group.name == "choice" => ("choice", group),
            None if complex.attribute("mixed") == Some("true") => ("mixed", group),
            None => ("elements", group),
        };
        (content.to_owned(), attributes, group.all("element").collect())
    }

    fn attributes(&mut self, holder: &Element<'_>) -> String {
        let mut out = String::new();
        for attribute in holder.all("attribute") {
            let name = attribute.attribute("name").unwrap_or_default();
            let optional = if attribute.attribute("use") == Some("required") { "" } else { "?" };
            let kind = match (attribute.attribute("type"), attribute.child("simpleType")) {
                (Some(named), _) => primitive(named),
                (None, Some(simple)) => self.simple(simple),
                (None, None) => "str".to_owned(),
            };
            let _ = write!(out, " @{name}{optional}");
            if kind != "str" {
                let _ = write!(out, ":{kind}");
            }
            if let Some(fixed) = attribute.attribute("fixed") {
                let number = self.number(fixed.to_owned());
                let _ = write!(out, ":%{number}");
            }
        }
        out
    }

    fn simple(&mut self, simple: &Element<'_>) -> String {
        let Some(restriction) = simple.child("restriction") else { return "str".to_owned() };
        let values: Vec<&str> = restriction.all("enumeration").filter_map(|e| e.attribute("value")).collect();
        if !values.is_empty() {
            return format!("%{}", self.number(values.join("|")));
        }
        let patterns: Vec<&str> = restriction.all("pattern").filter_map(|e| e.attribute("value")).collect();
        if let Some(kind) = patterns.iter().find_map(|pattern| pattern_kind(pattern)) {
            return kind.to_owned();
        }
        let value = |name: &str| restriction.child(name).and_then(|e| e.attribute("value"));
        let base = primitive(restriction.attribute("base").unwrap_or_default());
        if base == "str" {
            let mut out = base;
            for (facet, short) in [("length", "len"), ("minLength", "min"), ("maxLength", "max")] {
                if let Some(value) = value(facet) {
                    let _ = write!(out, ",{short}{value}");
                }
            }
            return out;
        }
        match (value("minInclusive"), value("maxInclusive")) {
            (Some(least), Some(most)) => format!("int[{least},{most}]"),
            _ => base,
        }
    }
}

/// What a pattern of the schemas asks for.
fn pattern_kind(pattern: &str) -> Option<&'static str> {
    if pattern.contains("0[13578]") {
        return Some(if pattern.ends_with("([0-5][0-9])([0-5][0-9])") { "ts" } else { "date" });
    }
    match pattern {
        r"-?\d+(\.\d{2})" | r"(0|[1-9]\d{0,3})\.\d{2}" | r"\d+\.\d{2}" => Some("dec2"),
        _ if pattern.contains(r"\.\d{4}") => Some("dec4"),
        _ => None,
    }
}

fn primitive(name: &str) -> String {
    match name.trim_start_matches("xs:") {
        "byte" => "int[-128,127]",
        "short" => "int[-32768,32767]",
        "int" => "int[-2147483648,2147483647]",
        "long" | "integer" => "int",
        "nonNegativeInteger" => "int[0,]",
        "positiveInteger" => "int[1,]",
        "float" | "decimal" => "dec",
        "boolean" => "bool",
        _ => "str",
    }
    .to_owned()
}

/// The list of data elements, without rows that have none.
fn elements(path: &Path) -> Result<String> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    let mut of: HashMap<String, Vec<String>> = HashMap::new();
    for row in reader.records() {
        let row = row?;
        let field =
            |index: usize| row.get(index).unwrap_or_default().replace(['|', '\n'], " ").trim().to_owned();
        let (document, label, name, element) = (field(0), field(1), field(2), field(3));
        if !element.is_empty() {
            let cardinality = Some(field(5)).filter(|c| c.contains("..")).unwrap_or_default();
            let line = format!("{element}|{label}|{name}|{}|{cardinality}", field(4));
            of.entry(document).or_default().push(line);
        }
    }
    let mut out = ELEMENTS_HEADER.to_owned();
    for number in 1..=TYPES {
        let code = format!("C{number:04}");
        let from = match code.as_str() {
            "C0005" => "C0004",
            "C0033" => "C0032",
            other => other,
        };
        let rows = of.get(from).with_context(|| format!("no elements of {from}"))?;
        writeln!(out, "={code}")?;
        for row in rows {
            writeln!(out, "{row}")?;
        }
        for row in extra_elements(&code) {
            writeln!(out, "{row}")?;
        }
    }
    Ok(out)
}

/// What the schemas of the Chinese-medicine variants name beyond their western ones.
fn extra_elements(code: &str) -> &'static [&'static str] {
    match code {
        "C0005" => &[
            "DE05.10.130.00|中医病名代码|ChineseDiag.Code|9|0..1",
            "DE05.10.172.00|中医病名名称|ChineseDiag.Name|50|0..1",
            "DE05.10.130.00|中医证候代码|ChineseSymptom.Code|9|0..1",
            "DE05.10.172.00|中医证候名称|ChineseSymptom.Name|50|0..1",
            "DE08.50.049.00|中药饮片处方|HerbPrescription|500|0..1",
            "DE08.50.050.00|中药饮片剂数|HerbDoses|2|0..1",
            "DE08.50.047.00|中药饮片煎煮法|HerbDecoction|100|0..1",
            "DE06.00.136.00|中药用药方法|HerbUse|100|0..1",
            "DE08.50.032.00|处方类别代码|PrescriptionCategory|1|0..1",
            "DE06.00.300.00|治则治法|TreatmentPrinciple|100|0..1",
        ],
        "C0033" => &[
            "DE05.10.130.00|门（急）诊诊断-中医诊断代码|OutpatientChineseDiag.Code|9|0..1",
            "DE05.10.172.00|门（急）诊诊断-中医诊断名称|OutpatientChineseDiag.Name|50|0..1",
            "DE05.10.130.00|门（急）诊诊断-中医证候代码|OutpatientChineseSymptom.Code|9|0..1",
            "DE05.10.172.00|门（急）诊诊断-中医证候名称|OutpatientChineseSymptom.Name|50|0..1",
            "DE05.10.130.00|出院中医诊断-主病代码|DischargeChineseDiag.Code|9|0..1",
            "DE05.10.172.00|出院中医诊断-主病名称|DischargeChineseDiag.Name|50|0..1",
            "DE05.10.130.00|出院中医诊断-主证代码|DischargeChineseSymptom.Code|9|0..1",
            "DE05.10.172.00|出院中医诊断-主证名称|DischargeChineseSymptom.Name|50|0..1",
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_tables_are_what_the_data_says() {
        let Some(data) = tongmai_testkit::data("cn-standards") else { return };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, text) in tables(&data).expect("tables").into_iter().chain(services(&data).expect("tables"))
        {
            let committed = std::fs::read_to_string(root.join(path)).expect("a table");
            assert!(committed == text, "{path} differs: run cargo xtask codegen-wst500");
        }
    }
}
