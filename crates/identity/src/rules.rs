//! Rules as data: weights, thresholds, survivorship, and what a number stands for.
//!
//! A file has a version, a day from which it holds, a source and examples that are checked when it is
//! read. [`Rules::standard`] is compiled in; an installation may bring its own. The digest names the
//! rules: what was decided under others is worked out anew.

use crate::person::{Policy, Survivorship};
use crate::register::Weights;
use crate::text;
use std::collections::BTreeMap;
use std::fmt;
use toml::{Table, Value};

/// The rules that hold where an installation brings none.
pub const STANDARD: &str = include_str!("rules/default.toml");

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// One for life: identity card, passport.
    Identity,
    /// Insurance or health card.
    Insurance,
    /// Electronic health code 电子健康码.
    HealthCode,
    /// Code of the national insurance platform 医保码.
    InsuranceCode,
    /// A provider's own number of its patient.
    Patient,
}

const KINDS: &[(&str, NumberKind)] = &[
    ("identity", NumberKind::Identity),
    ("insurance", NumberKind::Insurance),
    ("health-code", NumberKind::HealthCode),
    ("insurance-code", NumberKind::InsuranceCode),
    ("patient", NumberKind::Patient),
];

impl NumberKind {
    /// Its word in the file.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// One line that says what a number is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    system: Option<String>,
    types: Vec<String>,
    kind: NumberKind,
}

/// Everything that decides who is who at the door.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Version, as the file says.
    pub version: String,
    /// First day on which they hold, `yyyy-mm-dd`.
    pub effective: String,
    /// Where they come from.
    pub source: String,
    /// Evidence and thresholds.
    pub weights: Weights,
    /// Which value survives.
    pub policy: Policy,
    lines: Vec<Line>,
    digest: u64,
}

/// Why a file of rules cannot be used: the field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError(pub String);

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RulesError {}

type Read<T> = Result<T, RulesError>;

fn wrong<T>(field: &str, message: impl fmt::Display) -> Read<T> {
    Err(RulesError(format!("{field}: {message}")))
}

impl Default for Rules {
    fn default() -> Rules {
        Rules::standard()
    }
}

impl Rules {
    /// The rules that are compiled in.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn standard() -> Rules {
        Rules::read(STANDARD).expect("the compiled rules are read by a test")
    }

    /// Reads a file of rules.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn read(file: &str) -> Read<Rules> {
        let table: Table = file.parse().or_else(|error: toml::de::Error| wrong("file", error))?;
        known(
            &table,
            "",
            &["version", "effective", "source", "thresholds", "weights", "survivorship"],
            true,
        )?;
        let text_of = |name: &str| match table.get(name).and_then(Value::as_str) {
            Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
            _ => wrong(name, "write a text"),
        };
        let rules = Rules {
            version: text_of("version")?,
            effective: text_of("effective")?,
            source: text_of("source")?,
            weights: weights(&table)?,
            policy: survivorship(&table)?,
            lines: tables(&table, "identifier")?.into_iter().map(line).collect::<Read<_>>()?,
            digest: text::hash(file.as_bytes()),
        };
        if crate::date::Date::read(&rules.effective, Some("%Y-%m-%d")).is_none_or(|date| !date.exists()) {
            return wrong("effective", "write a day as 2026-01-01");
        }
        for example in tables(&table, "example")? {
            let text_of = |name: &str| example.get(name).and_then(Value::as_str).unwrap_or("");
            let found = rules.kind(text_of("system"), text_of("type")).map_or("", NumberKind::word);
            if found != text_of("kind") {
                let message = format!("{:?} was expected, the lines say {found:?}", text_of("kind"));
                return wrong("example", message);
            }
        }
        Ok(rules)
    }

    /// Names these rules: another file has another digest.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What a number of this system, or of this code of type, stands for; the system decides first.
    pub fn kind(&self, system: &str, type_code: &str) -> Option<NumberKind> {
        let by_system = |line: &&Line| !system.is_empty() && line.system.as_deref() == Some(system);
        let by_type = |line: &&Line| line.types.iter().any(|code| code == type_code);
        let line = self.lines.iter().find(by_system).or_else(|| self.lines.iter().find(by_type));
        line.map(|line| line.kind)
    }
}

/// Refuses names that nobody reads: a slip of the pen would otherwise change nothing and say nothing.
fn known(table: &Table, place: &str, names: &[&str], lists: bool) -> Read<()> {
    let is_known = |name: &&String| {
        !(names.contains(&name.as_str()) || (lists && matches!(name.as_str(), "identifier" | "example")))
    };
    match table.keys().find(is_known) {
        Some(name) => {
            wrong(&format!("{place}{name}"), format!("not known here; known are {}", names.join(", ")))
        }
        None => Ok(()),
    }
}

fn section<'t>(table: &'t Table, name: &str) -> Read<&'t Table> {
    table.get(name).and_then(Value::as_table).map_or_else(|| wrong(name, "the section is missing"), Ok)
}

fn tables<'t>(table: &'t Table, name: &str) -> Read<Vec<&'t Table>> {
    let Some(list) = table.get(name) else { return Ok(Vec::new()) };
    let found: Option<Vec<&Table>> =
        list.as_array().and_then(|list| list.iter().map(Value::as_table).collect());
    found.map_or_else(|| wrong(name, format!("write [[{name}]]")), Ok)
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64)).filter(|n| n.is_finite())
}

fn bits<const N: usize>(section: &Table, name: &str) -> Read<[f64; N]> {
    let field = format!("weights.{name}");
    let list: Vec<f64> = match section.get(name) {
        Some(Value::Array(list)) => list.iter().filter_map(number).collect(),
        Some(one) => number(one).into_iter().collect(),
        None => return wrong(&field, "it is missing"),
    };
    if list.iter().any(|bits| bits.abs() > 60.0) {
        return wrong(&field, "evidence is between -60 and 60 bits");
    }
    list.try_into().or_else(|_| wrong(&field, format!("write {N} numbers")))
}

fn weights(table: &Table) -> Read<Weights> {
    let (at, limits) = (section(table, "weights")?, section(table, "thresholds")?);
    let fields = [
        "identity",
        "insurance",
        "phone",
        "address",
        "patient",
        "birth",
        "sex",
        "given",
        "family",
        "household",
    ];
    known(at, "weights.", &fields, false)?;
    known(limits, "thresholds.", &["automatic", "review"], false)?;
    let share = |name: &str| match limits.get(name).and_then(number) {
        Some(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => wrong(&format!("thresholds.{name}"), "write a probability below 1"),
    };
    let (automatic, review) = (share("automatic")?, share("review")?);
    if automatic <= review {
        return wrong("thresholds", "automatic must be above review");
    }
    Ok(Weights {
        automatic,
        review,
        identity: bits(at, "identity")?,
        insurance: bits(at, "insurance")?,
        phone: bits(at, "phone")?,
        address: bits(at, "address")?,
        patient: bits(at, "patient")?,
        birth: bits(at, "birth")?,
        sex: bits(at, "sex")?,
        given: bits(at, "given")?,
        family: bits::<1>(at, "family")?[0],
        household: bits::<1>(at, "household")?[0],
    })
}

fn survivorship(table: &Table) -> Read<Policy> {
    let mut policy = Policy::default();
    for (field, value) in section(table, "survivorship")? {
        let place = format!("survivorship.{field}");
        let rule = match value {
            Value::Array(list) => {
                let sources: Option<Vec<String>> =
                    list.iter().map(|source| source.as_str().map(str::to_owned)).collect();
                sources.map_or_else(
                    || wrong(&place, "a list holds texts"),
                    |list| Ok(Survivorship::Sources(list)),
                )
            }
            _ => match value.as_str() {
                Some("most-recent") => Ok(Survivorship::MostRecent),
                Some("most-frequent") => Ok(Survivorship::MostFrequent),
                Some("longest") => Ok(Survivorship::Longest),
                _ => wrong(&place, "write most-recent, most-frequent, longest or a list of organisations"),
            },
        }?;
        match field.as_str() {
            "otherwise" => policy.otherwise = rule,
            _ => _ = policy.fields.insert(field.clone(), rule),
        }
    }
    Ok(policy)
}

fn line(table: &Table) -> Read<Line> {
    known(table, "identifier.", &["system", "type", "kind"], false)?;
    let word = table.get("kind").and_then(Value::as_str).unwrap_or("");
    let words = || KINDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    let kind = KINDS.iter().find(|(known, _)| *known == word);
    let Some((_, kind)) = kind else {
        return wrong("identifier.kind", format!("{word:?} is none of {}", words()));
    };
    let system = table.get("system").and_then(Value::as_str).map(str::to_owned);
    let types: Vec<String> = match table.get("type") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) => return wrong("identifier.type", "write a code or a list of codes"),
    };
    if system.is_none() && types.is_empty() {
        return wrong("identifier", "give a system or a type");
    }
    Ok(Line { system, types, kind: *kind })
}

/// Fields of a golden record and the words of their rules, for showing.
pub fn words(policy: &Policy) -> BTreeMap<String, String> {
    let word = |rule: &Survivorship| match rule {
        Survivorship::MostRecent => "most-recent".to_owned(),
        Survivorship::MostFrequent => "most-frequent".to_owned(),
        Survivorship::Longest => "longest".to_owned(),
        Survivorship::Sources(sources) => sources.join(" > "),
    };
    let mut words: BTreeMap<String, String> =
        policy.fields.iter().map(|(field, rule)| (field.clone(), word(rule))).collect();
    words.insert("otherwise".into(), word(&policy.otherwise));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_rules_are_those_of_the_code() {
        let rules = Rules::standard();
        assert_eq!(rules.weights, Weights::default());
        assert_eq!(rules.policy.fields.get("name"), Some(&Survivorship::MostFrequent));
        for (system, code, kind) in [
            ("urn:oid:2.16.156.10011.1.3", "", Some(NumberKind::Identity)),
            ("urn:oid:2.16.156.10011.1.3", "MR", Some(NumberKind::Identity)),
            ("urn:other", "MR", Some(NumberKind::Patient)),
            ("", "EHC", Some(NumberKind::HealthCode)),
            ("urn:other", "", None),
            ("", "", None),
        ] {
            assert_eq!(rules.kind(system, code), kind, "{system} {code}");
        }
        assert_ne!(rules.digest(), Rules::read(&STANDARD.replace("\"2\"", "\"3\"")).unwrap().digest());
    }

    #[test]
    fn a_slip_in_the_rules_is_named() {
        for (from, to, part) in [
            ("version = \"2\"", "", "version"),
            ("2026-01-01", "2026-13-01", "effective"),
            ("automatic = 0.9999", "automatic = 0.01", "automatic must be above"),
            ("phone = [20.0, -1.5]", "phone = [20.0]", "weights.phone: write 2"),
            ("phone = [20.0, -1.5]", "fone = [20.0, -1.5]", "weights.fone"),
            ("sex = [1.0, -7.0]", "sex = [1.0, -700.0]", "weights.sex"),
            ("name = \"most-frequent\"", "name = \"best\"", "survivorship.name"),
            ("kind = \"health-code\"", "kind = \"code\"", "identifier.kind"),
            ("type = \"MR\"\nkind = \"patient\"", "type = \"MR\"\nkind = \"identity\"", "example"),
            ("[thresholds]", "[threshold]", "threshold"),
        ] {
            let file = STANDARD.replacen(from, to, 1);
            match Rules::read(&file) {
                Ok(_) => assert!(part.is_empty(), "{to} was taken"),
                Err(error) => assert!(error.0.contains(part), "{to}: {error}"),
            }
        }
    }

    #[test]
    fn organisations_may_come_first() {
        let file =
            STANDARD.replace("name = \"most-frequent\"", "name = [\"Organization/a\", \"Organization/b\"]");
        let rules = Rules::read(&file).unwrap();
        assert_eq!(words(&rules.policy)["name"], "Organization/a > Organization/b");
        assert_eq!(words(&rules.policy)["otherwise"], "most-recent");
    }
}
