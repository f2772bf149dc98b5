//! The table of a form.
//!
//! A line a column: `code | names | data element | place in FHIR | conversion | rules`.
//! `*` in a code or a name stands for a number that counts repeated columns (`C06x*C`), `[*]` for
//! one from zero. Names are parted by `;`. A place is `Key.path`: `Patient.birthDate`,
//! `Condition:other[*].code.coding[0]`. `Observation` and `Invoice` without a path make an
//! Observation with the data element's code, or a line of the invoice.
//!
//! `= Key.path | value [| Key2]` writes a fixed value wherever the key (or the second one) is there; `#1`
//! is the number of the key plus one. `& Key.path | Key2` refers to another key. `root Key` is the
//! key that a record is written from. `map name | code | code` is a code map. `! rule | code | message |
//! repair` compares columns: `B15 >= B12`, `D01 = D11 + D12`. `identifier CODE…` names the columns
//! that a record is known by, `sender CODE` the one that says who sent it, `sent CODE…` those of which the first that is
//! filled says when it was said. `existing Key` names what other
//! messages bring, and what is only referred to here.

use std::collections::HashMap;

use crate::build::Node;
use crate::wst500::path::Target;

use super::value::normal;

/// A form, ready for use.
#[derive(Debug, Default)]
pub struct Form {
    /// Name of the format: `hqms`, `4101`, …
    pub format: String,
    /// What kind of document it is.
    pub kind: String,
    /// Columns in the order in which they are written.
    pub columns: Vec<Column>,
    pub(super) fixed: Vec<Fixed>,
    pub(super) links: Vec<Link>,
    pub(super) rules: Vec<Rule>,
    pub(super) root: String,
    pub(super) identifier: Vec<usize>,
    pub(super) sender: Option<usize>,
    pub(super) sent: Vec<usize>,
    /// Keys that other messages bring: looked for by their identifier, and left as they are.
    pub(super) existing: Vec<String>,
    maps: HashMap<String, Vec<(String, String)>>,
    exact: HashMap<String, usize>,
    patterns: Vec<(String, String, usize, usize)>,
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Its code: `A11`, `psn_no`, `setlinfo.psn_no`.
    pub code: String,
    /// Its name, and others under which it is known.
    pub names: Vec<String>,
    /// Code of its data element (WS 445, WS 363); empty where it has none.
    pub element: String,
    pub(super) target: Target,
    pub(super) conversion: Conversion,
    pub(super) checks: Vec<Check>,
    /// Whether it repeats.
    pub repeats: bool,
}

/// How a text becomes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conversion {
    Text,
    /// A Coding of this system.
    Code(String),
    Date,
    DateTime,
    Integer,
    Decimal,
    /// A Quantity of this unit.
    Quantity(String),
    Money,
    /// A price component of this type, in these words.
    Price(String, String),
    Boolean,
    Map(String),
    /// Not written to FHIR; the reason stands in the table.
    Unmapped,
}

/// What a text must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Required,
    /// Most characters.
    Longest(usize),
    /// One of these.
    OneOf(Vec<String>),
    /// The beginning of a code of ICD-10 or ICD-9-CM-3.
    Icd10,
    Icd9,
    /// A citizen's number with its check digit (GB 11643).
    Citizen,
    /// Digits only.
    Digits,
    /// Exactly so many characters.
    Length(usize),
    /// A column that sites add: it is read, and not written.
    Site,
}

#[derive(Debug)]
pub(super) struct Fixed {
    pub target: Target,
    pub value: String,
    /// The key that must be there; that of the target where none is named.
    pub when: String,
}

#[derive(Debug)]
pub(super) struct Link {
    pub target: Target,
    pub to: String,
}

/// A comparison of columns.
#[derive(Debug)]
pub(super) struct Rule {
    pub left: usize,
    pub order: Order,
    /// One column, or several that are added.
    pub right: Vec<usize>,
    pub code: String,
    pub message: String,
    pub repair: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    NotLess,
    Equal,
}

impl Form {
    /// Reads a table. `Err` names the line that cannot be read.
    pub fn read(text: &str) -> Result<Form, String> {
        let mut form = Form::default();
        let lines = text.lines().map(str::trim).enumerate();
        let mut later = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let at = |error: String| format!("line {}: {error}: {line}", number + 1);
            if ["! ", "identifier ", "sender ", "sent "].iter().any(|word| line.starts_with(word)) {
                later.push((number, line));
            } else {
                form.line(line).map_err(at)?;
            }
        }
        form.index();
        for (number, line) in later {
            form.about_columns(line).map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
        }
        for column in &form.columns {
            if let Conversion::Map(name) = &column.conversion
                && !form.maps.contains_key(name)
            {
                return Err(format!("column {}: there is no map '{name}'", column.code));
            }
        }
        Ok(form)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(words) = line.strip_prefix("format ") {
            let (format, kind) = words.split_once(' ').unwrap_or((words, ""));
            (self.format, self.kind) = (format.to_owned(), kind.to_owned());
            return Ok(());
        }
        if let Some(root) = line.strip_prefix("root ") {
            self.root = root.to_owned();
            return Ok(());
        }
        if let Some(key) = line.strip_prefix("existing ") {
            self.existing.push(key.trim().to_owned());
            return Ok(());
        }
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        if let Some(target) = parts[0].strip_prefix("= ") {
            let [_, value, ..] = parts[..] else { return Err("a fixed value without a value".to_owned()) };
            let target = Target::parse(target.trim());
            let when = parts.get(2).map_or_else(|| target.resource.clone(), |key| (*key).to_owned());
            self.fixed.push(Fixed { target, value: value.to_owned(), when });
            return Ok(());
        }
        if let Some(target) = parts[0].strip_prefix("& ") {
            let [_, to] = parts[..] else { return Err("a reference without a key".to_owned()) };
            self.links.push(Link { target: Target::parse(target.trim()), to: to.to_owned() });
            return Ok(());
        }
        if let Some(name) = parts[0].strip_prefix("map ") {
            let [_, from, to] = parts[..] else { return Err("a map row without two codes".to_owned()) };
            self.maps.entry(name.trim().to_owned()).or_default().push((from.to_owned(), to.to_owned()));
            return Ok(());
        }
        let [code, names, element, target, conversion, ..] = parts[..] else {
            return Err("not five parts".to_owned());
        };
        let checks = parts.get(5).map(|rules| checks(rules)).transpose()?.unwrap_or_default();
        let target = Target::parse(target);
        self.columns.push(Column {
            code: code.to_owned(),
            names: names.split(';').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect(),
            element: element.trim_matches('-').to_owned(),
            conversion: Conversion::parse(conversion)?,
            checks,
            repeats: code.contains('*'),
            target,
        });
        Ok(())
    }

    fn index(&mut self) {
        for (at, column) in self.columns.iter().enumerate() {
            for name in std::iter::once(&column.code).chain(&column.names) {
                match name.split_once('*') {
                    Some((before, after)) => {
                        let first = usize::from(!before.ends_with('['));
                        self.patterns.push((normal(before), normal(after), at, first));
                    }
                    None => {
                        self.exact.entry(normal(name)).or_insert(at);
                    }
                }
            }
        }
    }

    fn about_columns(&mut self, line: &str) -> Result<(), String> {
        let column = |form: &Form, code: &str| {
            form.columns
                .iter()
                .position(|c| c.code == code)
                .ok_or_else(|| format!("there is no column '{code}'"))
        };
        if let Some(codes) = line.strip_prefix("identifier ") {
            self.identifier =
                codes.split_whitespace().map(|code| column(self, code)).collect::<Result<_, _>>()?;
            return Ok(());
        }
        if let Some(codes) = line.strip_prefix("sent ") {
            self.sent = codes.split_whitespace().map(|code| column(self, code)).collect::<Result<_, _>>()?;
            return Ok(());
        }
        if let Some(code) = line.strip_prefix("sender ") {
            self.sender = Some(column(self, code.trim())?);
            return Ok(());
        }
        let parts: Vec<&str> = line[2..].split('|').map(str::trim).collect();
        let [rule, code, message, repair] = parts[..] else { return Err("not four parts".to_owned()) };
        let (left, order, right) = match (rule.split_once(">="), rule.split_once('=')) {
            (Some((left, right)), _) => (left, Order::NotLess, right),
            (None, Some((left, right))) => (left, Order::Equal, right),
            _ => return Err("neither >= nor =".to_owned()),
        };
        self.rules.push(Rule {
            left: column(self, left.trim())?,
            order,
            right: right.split('+').map(|code| column(self, code.trim())).collect::<Result<_, _>>()?,
            code: code.to_owned(),
            message: message.to_owned(),
            repair: repair.to_owned(),
        });
        Ok(())
    }

    /// The column that a name means, and its number from 0.
    pub fn column(&self, name: &str) -> Option<(usize, usize)> {
        let name = normal(name);
        if let Some(at) = self.exact.get(&name) {
            return Some((*at, 0));
        }
        self.patterns.iter().find_map(|(before, after, at, first)| {
            let number = name.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
            let digits = !number.is_empty() && number.len() < 4 && number.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| number.parse::<usize>().ok()).flatten()?;
            Some((*at, number.checked_sub(*first)?))
        })
    }

    pub(super) fn mapped(&self, map: &str, code: &str) -> Option<&str> {
        self.maps.get(map)?.iter().find(|(from, _)| from == code).map(|(_, to)| to.as_str())
    }

    pub(super) fn mapped_back(&self, map: &str, code: &str) -> Option<&str> {
        self.maps.get(map)?.iter().find(|(_, to)| to == code).map(|(from, _)| from.as_str())
    }

    /// The codes that a map knows.
    pub(super) fn map_codes(&self, map: &str) -> String {
        let codes = self.maps.get(map).into_iter().flatten().map(|(from, _)| from.as_str());
        codes.collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    /// Its code with a number in place of `*`: `C06x01C`.
    pub fn code_of(&self, number: usize) -> String {
        numbered(&self.code, number, 2)
    }

    /// Its name with a number.
    pub fn name_of(&self, number: usize) -> String {
        numbered(self.names.first().unwrap_or(&self.code), number, 1)
    }

    /// Whether it is one that sites add.
    pub fn is_of_site(&self) -> bool {
        self.checks.contains(&Check::Site)
    }

    /// Whether it must have a value.
    pub fn is_required(&self) -> bool {
        self.checks.contains(&Check::Required)
    }

    /// Where it goes, for lists of coverage; empty where it is unmapped.
    pub fn place(&self) -> String {
        if self.conversion == Conversion::Unmapped { String::new() } else { self.target.to_string() }
    }
}

fn numbered(pattern: &str, number: usize, digits: usize) -> String {
    match pattern.split_once('*') {
        None => pattern.to_owned(),
        Some((before, after)) if before.ends_with('[') => format!("{before}{number}{after}"),
        Some((before, after)) => format!("{before}{:0digits$}{after}", number + 1),
    }
}

fn checks(rules: &str) -> Result<Vec<Check>, String> {
    rules
        .split_whitespace()
        .filter(|rule| *rule != "-")
        .map(|rule| {
            let number = |text: &str| text.parse().map_err(|_| format!("'{rule}' has no number"));
            Ok(match rule.split_once('=').unwrap_or((rule, "")) {
                ("required", _) => Check::Required,
                ("max", most) => Check::Longest(number(most)?),
                ("length", exact) => Check::Length(number(exact)?),
                ("in", codes) => Check::OneOf(codes.split(',').map(str::to_owned).collect()),
                ("icd10", _) => Check::Icd10,
                ("icd9", _) => Check::Icd9,
                ("citizen", _) => Check::Citizen,
                ("digits", _) => Check::Digits,
                ("site", _) => Check::Site,
                _ => return Err(format!("'{rule}' is no rule")),
            })
        })
        .collect()
}

impl Conversion {
    fn parse(text: &str) -> Result<Conversion, String> {
        let (word, argument) = text.split_once(' ').unwrap_or((text, ""));
        let argument = argument.trim().to_owned();
        Ok(match word {
            "text" => Conversion::Text,
            "code" => Conversion::Code(argument),
            "date" => Conversion::Date,
            "time" => Conversion::DateTime,
            "int" => Conversion::Integer,
            "dec" => Conversion::Decimal,
            "quantity" => Conversion::Quantity(argument),
            "money" => Conversion::Money,
            "price" => {
                let (kind, words) = argument.split_once(' ').ok_or("price needs a type and words")?;
                Conversion::Price(kind.to_owned(), words.to_owned())
            }
            "bool" => Conversion::Boolean,
            "map" => Conversion::Map(argument),
            "unmapped" => Conversion::Unmapped,
            _ => return Err(format!("'{word}' is no conversion")),
        })
    }
}

/// The type of the resource that a key names: `Condition` of `Condition:other[*]`.
pub(super) fn type_of(key: &str) -> &str {
    key.split([':', '[']).next().unwrap_or(key)
}

/// Whether a key repeats.
pub(super) fn is_running(key: &str) -> bool {
    key.ends_with("[*]")
}

/// What a path finds, unless it is nothing.
pub(super) fn at<'n>(target: &Target, node: &'n Node, number: usize) -> Option<&'n Node> {
    target.get(node, number, "").filter(|found| !matches!(found, Node::Null))
}
