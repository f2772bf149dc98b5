//! The list of notifiable diseases as a dated pack: which diseases are on it on
//! a given day, by which codes, and how many hours there are to report.

use crate::table::parse_date;
use tongmai_base::Finding;

/// The pack that ships with this crate; an operator may load another.
pub const SHIPPED: &str = include_str!("../packs/notifiable-cn.csv");

/// Class 类别 of a disease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 甲类.
    A,
    /// 乙类.
    B,
    /// 丙类.
    C,
    /// 重点监测的其他传染病.
    Monitored,
}

/// A part of a disease that is reported by its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Name.
    pub name: String,
    /// Code prefixes, without dots.
    pub codes: Vec<String>,
    /// Hours to report.
    pub hours: u32,
}

/// A disease in one period of validity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disease {
    /// Stable code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub english: String,
    /// Class.
    pub class: Class,
    /// First day of validity, in days since 1970-01-01.
    pub from: i64,
    /// Last day of validity, if it has ended.
    pub until: Option<i64>,
    /// Hours to report.
    pub hours: u32,
    /// Class B that is managed as class A 乙类甲管, or class A itself.
    pub as_class_a: bool,
    /// Prefixes of ICD-10, without dots.
    pub codes: Vec<String>,
    /// Codes beside which this disease is not reported.
    pub exclude: Vec<String>,
    /// Parts with their own name.
    pub items: Vec<Item>,
    /// Names in running text.
    pub terms: Vec<String>,
    /// Names of laboratory targets whose detection triggers.
    pub laboratory: Vec<String>,
    /// Short names of the sources.
    pub sources: Vec<String>,
}

/// All diseases and periods.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    /// Rows in the order of the file.
    pub diseases: Vec<Disease>,
}

/// A disease found for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Disease.
    pub disease: &'a Disease,
    /// Its part, when the code names one.
    pub item: Option<&'a Item>,
    /// Hours to report.
    pub hours: u32,
}

/// A code in capitals without dots, spaces and the marks † * +.
pub fn plain_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn longest_prefix(code: &str, prefixes: &[String]) -> Option<usize> {
    prefixes.iter().filter(|p| code.starts_with(p.as_str())).map(String::len).max()
}

/// Length of the longest of these plain prefixes that a code as written begins with.
pub fn longest_prefix_of(code: &str, prefixes: &[String]) -> Option<usize> {
    longest_prefix(&plain_code(code), prefixes)
}

impl Disease {
    /// Whether the disease is on the list on this day.
    pub fn in_force(&self, day: i64) -> bool {
        day >= self.from && self.until.is_none_or(|until| day <= until)
    }

    /// The part that a plain code names.
    fn item_of(&self, code: &str) -> Option<&Item> {
        self.items
            .iter()
            .filter_map(|item| Some((longest_prefix(code, &item.codes)?, item)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, item)| item)
    }

    /// The disease, or the part of it whose name is in the text.
    pub fn listed_as(&self, term: &str) -> Listed<'_> {
        let item = self.items.iter().find(|item| term.contains(&item.name));
        Listed { disease: self, item, hours: item.map_or(self.hours, |item| item.hours) }
    }
}

impl Pack {
    /// Reads a pack. A row that breaks a rule is left out, with a finding.
    pub fn parse(text: &str) -> (Pack, Vec<Finding>) {
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).has_headers(true).from_reader(text.as_bytes());
        let mut pack = Pack::default();
        let mut findings = Vec::new();
        for (index, record) in reader.records().enumerate() {
            let at = format!("row {}", index + 1);
            match record.map_err(|e| e.to_string()).and_then(|record| read_row(&record)) {
                Ok(disease) => pack.diseases.push(disease),
                Err(what) => findings.push(Finding::error(at, "bad-row", what)),
            }
        }
        findings.extend(pack.overlaps());
        (pack, findings)
    }

    /// Two diseases that claim one code at one time.
    fn overlaps(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (i, a) in self.diseases.iter().enumerate() {
            for b in &self.diseases[..i] {
                let together = a.in_force(b.from) || b.in_force(a.from);
                if together && a.codes.iter().any(|code| b.codes.contains(code)) {
                    let message = format!("{} and {} claim the same code at the same time", a.code, b.code);
                    findings.push(Finding::error(&a.code, "doubled-code", message));
                }
            }
        }
        findings
    }

    /// Diseases on the list on a day.
    pub fn on(&self, day: i64) -> impl Iterator<Item = &Disease> {
        self.diseases.iter().filter(move |disease| disease.in_force(day))
    }

    /// The disease to which a code of ICD-10 belongs on a day: the longest prefix wins.
    pub fn by_code(&self, code: &str, day: i64) -> Option<Listed<'_>> {
        let code = plain_code(code);
        let (_, disease) = self
            .on(day)
            .filter_map(|disease| Some((longest_prefix(&code, &disease.codes)?, disease)))
            .max_by_key(|(length, _)| *length)?;
        let item = disease.item_of(&code);
        Some(Listed { disease, item, hours: item.map_or(disease.hours, |item| item.hours) })
    }
}

fn read_row(record: &csv::StringRecord) -> Result<Disease, String> {
    let cell = |i: usize| record.get(i).unwrap_or("").trim();
    let codes = |text: &str| text.split_whitespace().map(plain_code).collect::<Vec<_>>();
    let names = |text: &str| text.split('|').filter(|t| !t.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let hours = |text: &str| match text.parse::<u32>() {
        Ok(hours) if (1..=24 * 30).contains(&hours) => Ok(hours),
        _ => Err(format!("hours \"{text}\" are not between 1 and 720")),
    };
    let class = match cell(3) {
        "A" => Class::A,
        "B" => Class::B,
        "C" => Class::C,
        "M" => Class::Monitored,
        other => return Err(format!("class \"{other}\" is none of A, B, C, M")),
    };
    let from = parse_date(cell(4)).ok_or(format!("\"{}\" is no date", cell(4)))?;
    let until = match cell(5) {
        "" => None,
        text => Some(parse_date(text).ok_or(format!("\"{text}\" is no date"))?),
    };
    if until.is_some_and(|until| until < from) {
        return Err("the row ends before it begins".into());
    }
    let items = names(cell(10)).into_iter().map(|item| {
        let (name, rest) = item.split_once('=').ok_or(format!("item \"{item}\" has no codes"))?;
        let (list, time) = rest.split_once('@').ok_or(format!("item \"{item}\" has no hours"))?;
        Ok(Item { name: name.into(), codes: codes(list), hours: hours(time)? })
    });
    if cell(0).is_empty() || cell(13).is_empty() {
        return Err("code and sources must be given".into());
    }
    Ok(Disease {
        code: cell(0).into(),
        name: cell(1).into(),
        english: cell(2).into(),
        class,
        from,
        until,
        hours: hours(cell(6))?,
        as_class_a: cell(7) == "1",
        codes: codes(cell(8)),
        exclude: codes(cell(9)),
        items: items.collect::<Result<_, String>>()?,
        terms: names(cell(11)),
        laboratory: names(cell(12)),
        sources: cell(13).split_whitespace().map(str::to_owned).collect(),
    })
}
