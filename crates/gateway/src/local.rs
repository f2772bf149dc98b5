//! Local services: an engineer adds an interface by a table, an example and its expected result.
//!
//! A table has a head (`name value` a line), a line `---`, and rules as in [`mapping`](crate::mapping)
//! without the family: `path|FHIR|conversion`. A measurement takes one line: `path|quantity code name
//! [unit]` (LOINC code, UCUM unit), a coded remark `path|text code name`. Messages are XML or JSON; a
//! JSON property is an element, an item of a list a repeated one. `docs/gateway/local-services.md`
//! shows how it is done in half an hour.

use std::path::Path;

use tongmai_base::{Finding, Severity};
use tongmai_fhir::json::Json;

use crate::door::Format;
use crate::mapping::{self, Rule, Rules};
use crate::wst500::{Target, table::Conversion};
use crate::xml::{self, Element};
use crate::{Source, Understood, charset, wst500};

/// The shipped example: records of a dialysis system.
pub const DIALYSIS: &str = include_str!("../tables/local/dialysis.table");
/// A record of it, as XML.
pub const DIALYSIS_EXAMPLE: &str = include_str!("../tables/local/dialysis.example.xml");

/// A local service.
#[derive(Debug)]
pub struct Local {
    name: &'static str,
    /// Its name for people.
    pub title: String,
    root: String,
    message: Vec<String>,
    sender: Vec<String>,
    sent: Vec<String>,
    class: String,
    rules: Rules,
}

impl Local {
    /// Reads a table.
    ///
    /// # Errors
    /// The line, what is wrong with it, and how to mend it.
    pub fn parse(table: &str) -> Result<Local, Finding> {
        let mut local = Local {
            name: "",
            title: String::new(),
            root: String::new(),
            message: Vec::new(),
            sender: Vec::new(),
            sent: Vec::new(),
            class: "AMB".to_owned(),
            rules: Rules::default(),
        };
        let mut in_rules = false;
        for (number, line) in table.lines().enumerate() {
            let line = line.trim();
            let wrong = |what: String, repair: &str| {
                Finding::error(format!("line {}", number + 1), "table", what).with_repair(repair)
            };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == "---" {
                in_rules = true;
            } else if in_rules {
                local.rule(line).map_err(|(what, repair)| wrong(what, repair))?;
            } else {
                let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                let value = value.trim();
                let steps = || value.split('/').map(str::to_owned).collect::<Vec<String>>();
                match name {
                    "service" => {
                        local.name = named(value).ok_or_else(|| {
                            wrong(format!("'{value}' is no name"), "write 1 to 40 letters a-z, digits and -")
                        })?
                    }
                    "title" => value.clone_into(&mut local.title),
                    "root" => value.clone_into(&mut local.root),
                    "message" => local.message = steps(),
                    "sender" => local.sender = steps(),
                    "sent" => local.sent = steps(),
                    "class" => value.clone_into(&mut local.class),
                    _ => {
                        let repair = "write service, title, root, message, sender, sent or class";
                        return Err(wrong(
                            format!("'{name}' is nothing that a table says of itself"),
                            repair,
                        ));
                    }
                }
            }
        }
        for (what, is_there) in [
            ("service", !local.name.is_empty()),
            ("root", !local.root.is_empty()),
            ("message", !local.message.is_empty()),
            ("sender", !local.sender.is_empty()),
        ] {
            if !is_there {
                let finding = Finding::error("line 1", "table", format!("the table names no {what}"));
                return Err(finding.with_repair(format!("add a line '{what} …' above ---")));
            }
        }
        Ok(local)
    }

    fn rule(&mut self, line: &str) -> Result<(), (String, &'static str)> {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [path, short] = parts.as_slice() else {
            self.rules.add(mapping::rule(&format!("*|{line}"))?);
            return Ok(());
        };
        let words: Vec<&str> = short.split_whitespace().collect();
        let (kind, code, rest) = match words.as_slice() {
            [kind @ ("quantity" | "text"), code, rest @ ..] if !rest.is_empty() => (*kind, *code, rest),
            _ => {
                return Err((
                    format!("'{short}' is no measurement"),
                    "write quantity CODE name unit, or text CODE name",
                ));
            }
        };
        let (name, unit) = match (kind, rest) {
            ("quantity", [name @ .., unit]) if !name.is_empty() => (name.join(" "), *unit),
            ("quantity", _) => {
                return Err((format!("'{short}' has no unit"), "write the UCUM unit at the end"));
            }
            _ => (rest.join(" "), ""),
        };
        let resource = format!("Observation:{}", code.replace(|c: char| !c.is_ascii_alphanumeric(), "x"));
        let mut constant = |target: &str, value: &str| {
            self.rules.add(Rule {
                family: "*".to_owned(),
                path: Vec::new(),
                root: String::new(),
                target: Target::parse(&format!("{resource}.{target}")),
                each: String::new(),
                conversion: Conversion::Text,
                constant: Some(value.to_owned()),
            });
        };
        constant("code.coding[0].system", "http://loinc.org");
        constant("code.coding[0].code", code);
        constant("code.text", &name);
        let value = if kind == "quantity" {
            constant("valueQuantity.unit", unit);
            constant("valueQuantity.system", "http://unitsofmeasure.org");
            constant("valueQuantity.code", unit);
            format!("*|{path}|{resource}.valueQuantity.value|dec")
        } else {
            format!("*|{path}|{resource}.valueString|text")
        };
        self.rules.add(mapping::rule(&value)?);
        Ok(())
    }

    /// Compares what is understood of an example with what is expected: the entries' resources, one a line.
    pub fn check(&self, example: &[u8], expected: &str) -> Vec<String> {
        let understood = self.understand(example);
        let made: Vec<String> = understood.entries.iter().map(|entry| entry.resource.to_string()).collect();
        let expected: Vec<&str> = expected.lines().filter(|line| !line.trim().is_empty()).collect();
        let mut out = Vec::new();
        for line in &expected {
            if !made.iter().any(|made| made == line) {
                out.push(format!("missing: {line}"));
            }
        }
        for made in &made {
            if !expected.contains(&made.as_str()) {
                out.push(format!("not expected: {made}"));
            }
        }
        out
    }
}

/// The tables of a folder (`*.table`).
///
/// # Errors
/// The file, the line, and what is wrong.
pub fn open(folder: &Path) -> Result<Vec<Local>, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut out: Vec<Local> = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|of| of == "table")) {
        let shown = path.display();
        let table = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        let local = Local::parse(&table).map_err(|finding| format!("{shown}: {finding}"))?;
        if out.iter().any(|other| other.name == local.name) {
            return Err(format!("{shown}: there is a service '{}' already", local.name));
        }
        out.push(local);
    }
    Ok(out)
}

/// A name that may stand in an address; it lives as long as the program, like the tables that ship.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    let is_name = !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    is_name.then(|| &*Box::leak(name.to_owned().into_boxed_str()))
}

impl Format for Local {
    fn name(&self) -> &'static str {
        self.name
    }

    fn content_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn understand(&self, bytes: &[u8]) -> Understood {
        let mut findings = Vec::new();
        let decoded = charset::decode(bytes, None, "/");
        findings.extend(decoded.findings);
        let words = decoded.text.trim_start();
        let source = Source { format: self.name.to_owned(), kind: self.name.to_owned(), ..Source::default() };
        let refused = |source, findings| Understood { source, entries: Vec::new(), findings };
        let parsed;
        let root = if words.starts_with('{') {
            match Json::parse(words.as_bytes()) {
                Ok(json) => {
                    parsed = json;
                    Some(element(&self.root, &parsed))
                }
                Err(error) => {
                    let (line, column) = error.position(words.as_bytes());
                    let place = format!("{line}:{column}");
                    let finding = Finding::new(Severity::Fatal, place, "json", error.message);
                    findings.push(finding.with_repair("send one JSON object"));
                    None
                }
            }
        } else {
            xml::read(words, &mut findings)
        };
        let Some(root) = root else { return refused(source, findings) };
        let Some(root) = named_element(&root, &self.root) else {
            let message = format!("there is no element {} in it", self.root);
            let finding = Finding::new(Severity::Fatal, format!("/{}", root.name), "root", message);
            findings.push(finding.with_repair(format!("send a {} by this door", self.root)));
            return refused(source, findings);
        };
        self.read(root, source, findings)
    }
}

impl Local {
    fn read(&self, root: &Element<'_>, source: Source, mut findings: Vec<Finding>) -> Understood {
        let sender = at(root, &self.sender);
        let source = Source {
            message_id: at(root, &self.message),
            organization: sender.clone(),
            sent: wst500::time(&at(root, &self.sent)).unwrap_or_default(),
            sender,
            ..source
        };
        for (what, value, path) in
            [("identifier", &source.message_id, &self.message), ("sender", &source.sender, &self.sender)]
        {
            if value.is_empty() {
                let message = format!("the record has no {what}");
                let finding = Finding::new(
                    Severity::Fatal,
                    format!("/{}", path.join("/")),
                    "mandatory-missing",
                    message,
                );
                findings.push(finding.with_repair("fill it in where the record is written"));
            }
        }
        // What the head of the table names is no content.
        let heads = [&self.message, &self.sender, &self.sent];
        let mut of_head: Vec<&str> =
            heads.into_iter().filter(|path| path.len() == 1).map(|path| path[0].as_str()).collect();
        of_head.retain(|name| self.rules.find(self.name, &[name], "").is_none());
        of_head.extend(of_head.clone().iter().filter_map(|name| name.strip_prefix('@')));
        let mut made = mapping::read(&self.rules, self.name, root, &of_head, &mut findings);
        for made in made.iter_mut().filter(|made| made.key == "Encounter") {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
            let class = crate::build::object([
                ("system", crate::build::text(system)),
                ("code", crate::build::text(self.class.as_str())),
            ]);
            *crate::build::property(&mut made.node, "class") = class;
        }
        let identity = ["local", self.name, source.sender.as_str(), source.message_id.as_str()];
        let entries = mapping::entries(made, &identity);
        let mut understood = Understood { source, entries, findings };
        understood.settle();
        understood
    }
}

/// The text at a path of elements, or of the attribute at its end.
fn at(root: &Element<'_>, path: &[String]) -> String {
    let mut here = root;
    for step in path {
        if let Some(name) = step.strip_prefix('@') {
            // JSON has no attributes: what is one in XML is a property there.
            let property = || here.child(name).map(|child| child.text.as_ref());
            return here.attribute(name).or_else(property).unwrap_or_default().trim().to_owned();
        }
        match here.child(step) {
            Some(child) => here = child,
            None => return String::new(),
        }
    }
    here.text.trim().to_owned()
}

fn named_element<'e, 't>(element: &'e Element<'t>, name: &str) -> Option<&'e Element<'t>> {
    if element.name == name {
        return Some(element);
    }
    element.children.iter().find_map(|child| named_element(child, name))
}

/// JSON as elements.
fn element(name: &str, json: &Json<'_>) -> Element<'static> {
    let mut out = Element::new(name.to_owned());
    match json {
        Json::Object(properties) => {
            for (name, value) in properties {
                match value {
                    Json::Array(items) => out.children.extend(items.iter().map(|item| element(name, item))),
                    value => out.children.push(element(name, value)),
                }
            }
        }
        Json::Array(items) => out.children.extend(items.iter().map(|item| element("item", item))),
        Json::Null => {}
        Json::String(text) => out.text = text.to_string().into(),
        other => out.text = other.to_string().into(),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialysis_record_is_understood_by_its_table_as_xml_and_as_json() {
        let local = Local::parse(DIALYSIS).expect("a table");
        assert_eq!(local.name(), "dialysis");
        let understood = local.understand(DIALYSIS_EXAMPLE.as_bytes());
        assert!(understood.findings.is_empty(), "{:#?}", understood.findings);
        let census = understood.census();
        assert_eq!((census["Patient"], census["Encounter"], census["Observation"]), (1, 1, 6), "{census:?}");
        let all: Vec<String> = understood.entries.iter().map(|entry| entry.resource.to_string()).collect();
        let expected = all.join("\n");
        assert!(
            expected.contains(r#""value":58.5,"unit":"kg""#) || expected.contains(r#""value":58.5"#),
            "{expected}"
        );
        assert!(local.check(DIALYSIS_EXAMPLE.as_bytes(), &expected).is_empty());
        assert_eq!(local.check(DIALYSIS_EXAMPLE.as_bytes(), "").len(), all.len());
        let json = r#"{"recordId":"D1","organization":"9901","patient":{"number":"7","name":"王芳"},"pre":{"weight":"58.5"}}"#;
        let understood = local.understand(json.as_bytes());
        assert_eq!(understood.source.sender, "9901");
        assert_eq!(understood.census()["Observation"], 1);
    }

    #[test]
    fn a_wrong_table_names_line_and_repair() {
        for (table, line, words) in [
            ("service a b", "line 1", "no name"),
            ("service a\nroot R\nmessage @id\nsender @s\n---\nx|Patient", "line 6", "no measurement"),
            (
                "service a\nroot R\nmessage @id\nsender @s\n---\nx|Patient.name|colour",
                "line 6",
                "no conversion",
            ),
            ("service a", "line 1", "names no root"),
            ("colour red", "line 1", "nothing that a table says"),
        ] {
            let finding = Local::parse(table).expect_err("a fault");
            assert_eq!(finding.path, line, "{finding}");
            assert!(finding.message.contains(words) && !finding.repair.is_empty(), "{finding}");
        }
    }
}
