//! Laws and roles as data.

use std::fmt;

use tongmai_base::time::days_from_civil;

use crate::request::{Action, Category, Jurisdiction, Purpose, Role, Sensitivity};
use crate::rule::Rule;
use crate::{FOR_EVER, Time};

/// A regime: what a law makes of the rules, with the clause of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub name: String,
    /// Where it holds: a transfer from there crosses a border.
    pub home: Jurisdiction,
    /// In force from here …
    pub from: Time,
    /// … until here.
    pub until: Time,
    /// Actions for which care is a basis, as a mask.
    pub care_actions: u8,
    /// Purposes for which care is a basis, as a mask.
    pub care_purposes: u16,
    /// Age in years from which a person decides.
    pub age_of_decision: u8,
    /// A person joins, and records may be deposited from then on.
    pub joining: bool,
    /// Sharing with some organisations is taken as agreed once a person has joined.
    pub default_in: bool,
    /// A transfer abroad needs a ground and a separate consent.
    pub border: bool,
    /// Not in an emergency.
    pub emergency_crosses: bool,
    /// How long an emergency token opens a record, in milliseconds.
    pub break_glass: i64,
    /// The longest that a release of a sensitive kind counts as given for one occasion, in milliseconds.
    pub release_window: i64,
    /// Sensitivities that are released each time, as a mask.
    pub released_each_time: u8,
    /// Purposes of a statutory duty, as a mask.
    pub statutory_purposes: u16,
    /// Categories that a statutory duty may ask for, as a mask.
    pub statutory_categories: u16,
    /// Purposes that need an impact assessment first, as a mask.
    pub assessed_purposes: u16,
    clauses: Vec<(String, String)>,
}

/// What a pack or a table of roles has wrong: the line and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackError {
    /// The line, from 1; 0 for the whole.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for PackError {}

pub(crate) fn wrong<T>(line: usize, message: impl Into<String>) -> Result<T, PackError> {
    Err(PackError { line, message: message.into() })
}

/// The lines that say something, with their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// A mask from words.
fn mask<T: Copy>(
    line: usize,
    words: &str,
    of: impl Fn(&str) -> Option<T>,
    bit: impl Fn(T) -> u16,
) -> Result<u16, PackError> {
    let mut all = 0;
    for word in words.split_whitespace().filter(|word| *word != "none") {
        match of(word) {
            Some(one) => all |= bit(one),
            None => return wrong(line, format!("'{word}' is no known word")),
        }
    }
    Ok(all)
}

impl Pack {
    /// Reads a pack.
    ///
    /// # Errors
    /// An unknown word, a key that is missing, a rule without a clause.
    pub fn read(text: &str) -> Result<Pack, PackError> {
        let mut pack = Pack {
            name: String::new(),
            home: Jurisdiction::Elsewhere,
            from: FOR_EVER,
            until: FOR_EVER,
            care_actions: 0,
            care_purposes: 0,
            age_of_decision: 0,
            joining: false,
            default_in: false,
            border: false,
            emergency_crosses: false,
            break_glass: 0,
            release_window: 0,
            released_each_time: 0,
            statutory_purposes: 0,
            statutory_categories: 0,
            assessed_purposes: 0,
            clauses: vec![(String::new(), String::new()); Rule::ALL.len()],
        };
        let mut seen = Vec::new();
        for (line, text) in lines(text) {
            let (key, value) = text.split_once(' ').unwrap_or((text, ""));
            let value = value.trim();
            if key == "rule" {
                pack.read_rule(line, value)?;
                continue;
            }
            if seen.contains(&key) {
                return wrong(line, format!("'{key}' stands here twice"));
            }
            pack.read_key(line, key, value)?;
            seen.push(key);
        }
        const KEYS: [&str; 16] = [
            "pack",
            "home",
            "from",
            "care-actions",
            "care-purposes",
            "age-of-decision",
            "joining",
            "default-in",
            "border",
            "emergency-crosses",
            "break-glass-minutes",
            "release-hours",
            "released-each-time",
            "statutory-purposes",
            "statutory-categories",
            "assessed-purposes",
        ];
        if let Some(missing) = KEYS.iter().find(|key| !seen.contains(key)) {
            return wrong(0, format!("'{missing}' is missing"));
        }
        for (rule, (clause, _)) in Rule::ALL.iter().zip(&pack.clauses) {
            if clause.is_empty() {
                return wrong(0, format!("the rule '{}' has no clause: name one, or '-'", rule.code()));
            }
        }
        Ok(pack)
    }

    fn read_rule(&mut self, line: usize, value: &str) -> Result<(), PackError> {
        let parts: Vec<&str> = value.split('|').map(str::trim).collect();
        let [name, clause, words] = parts.as_slice() else {
            return wrong(line, "write: rule NAME | CLAUSE | WORDS");
        };
        match Rule::from_code(name) {
            Some(rule) => {
                self.clauses[rule as usize] = ((*clause).to_owned(), (*words).to_owned());
                Ok(())
            }
            None => wrong(line, format!("there is no rule '{name}'")),
        }
    }

    fn read_key(&mut self, line: usize, key: &str, value: &str) -> Result<(), PackError> {
        let yes = || match value {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => wrong(line, "write yes or no"),
        };
        let number = || value.parse::<u16>().or_else(|_| wrong(line, "write a whole number"));
        let purposes = || mask(line, value, Purpose::from_code, Purpose::bit);
        match key {
            "pack" => self.name = value.to_owned(),
            "home" => match Jurisdiction::from_code(value) {
                Some(home) => self.home = home,
                None => return wrong(line, format!("'{value}' is no jurisdiction known here")),
            },
            "from" => self.from = date(line, value)?,
            "until" => self.until = date(line, value)?,
            "care-actions" => {
                let of = |word: &str| match word {
                    "view" => Some(Action::View),
                    "deposit" => Some(Action::Deposit),
                    _ => None,
                };
                self.care_actions = mask(line, value, of, |action| u16::from(action.bit()))? as u8;
            }
            "care-purposes" => self.care_purposes = purposes()?,
            "age-of-decision" => self.age_of_decision = number()?.min(100) as u8,
            "joining" => self.joining = yes()?,
            "default-in" => self.default_in = yes()?,
            "border" => self.border = yes()?,
            "emergency-crosses" => self.emergency_crosses = yes()?,
            "break-glass-minutes" => self.break_glass = i64::from(number()?) * 60_000,
            "release-hours" => self.release_window = i64::from(number()?) * 3_600_000,
            "released-each-time" => {
                let kinds = mask(line, value, Sensitivity::from_code, |kind| u16::from(kind.bit()))?;
                self.released_each_time = kinds as u8;
            }
            "statutory-purposes" => self.statutory_purposes = purposes()?,
            "statutory-categories" => {
                self.statutory_categories = mask(line, value, Category::from_code, Category::bit)?
            }
            "assessed-purposes" => self.assessed_purposes = purposes()?,
            _ => return wrong(line, format!("there is no key '{key}'")),
        }
        Ok(())
    }

    /// The clause that a rule comes from, and its content in a few words.
    pub fn clause(&self, rule: Rule) -> (&str, &str) {
        let (clause, words) = &self.clauses[rule as usize];
        (clause, words)
    }
}

/// Midnight in China at the beginning of a date such as 2021-11-01.
fn date(line: usize, value: &str) -> Result<Time, PackError> {
    let parts: Vec<u32> = value.split('-').filter_map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [year, month @ 1..=12, day @ 1..=31] => {
            let days = days_from_civil(i64::from(*year), *month, *day);
            Ok(days * 86_400_000 - tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000)
        }
        _ => wrong(line, format!("'{value}' is no date such as 2021-11-01")),
    }
}

/// Which role may do what, for which purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// By role: purposes, categories to view, categories to deposit; masks.
    rights: Vec<(u16, u16, u16)>,
}

impl Roles {
    /// Reads a table of roles.
    ///
    /// # Errors
    /// An unknown word, a role that is missing or stands there twice.
    pub fn read(text: &str) -> Result<Roles, PackError> {
        let mut rights = vec![None; Role::ALL.len()];
        for (line, text) in lines(text) {
            let parts: Vec<&str> = text.split('|').map(str::trim).collect();
            let [role, purposes, view, deposit] = parts.as_slice() else {
                return wrong(line, "write: role | purposes | view | deposit");
            };
            let Some(role) = Role::from_code(role) else {
                return wrong(line, format!("there is no role '{role}'"));
            };
            let right = (
                mask(line, purposes, Purpose::from_code, Purpose::bit)?,
                categories(line, view)?,
                categories(line, deposit)?,
            );
            if rights[role as usize].replace(right).is_some() {
                return wrong(line, format!("the role '{}' stands here twice", role.code()));
            }
        }
        let mut all = Vec::new();
        for (role, right) in Role::ALL.iter().zip(rights) {
            match right {
                Some(right) => all.push(right),
                None => return wrong(0, format!("the role '{}' is missing", role.code())),
            }
        }
        Ok(Roles { rights: all })
    }

    /// Whether a role may do this for that purpose.
    pub fn may(&self, role: Role, purpose: Purpose, action: Action, category: Category) -> bool {
        let (purposes, view, deposit) = self.rights[role as usize];
        let categories = if action == Action::View { view } else { deposit };
        purposes & purpose.bit() != 0 && categories & category.bit() != 0
    }
}

fn categories(line: usize, words: &str) -> Result<u16, PackError> {
    let mut all = 0;
    for word in words.split_whitespace().filter(|word| *word != "none") {
        let (word, away) = word.strip_prefix('-').map_or((word, false), |word| (word, true));
        let bits = match (word, Category::from_code(word)) {
            ("*", _) => u16::MAX,
            (_, Some(category)) => category.bit(),
            _ => return wrong(line, format!("there is no category '{word}'")),
        };
        all = if away { all & !bits } else { all | bits };
    }
    Ok(all)
}

/// The packs that come with the crate, as text by name.
pub fn builtin_packs() -> [(&'static str, &'static str); 3] {
    [
        ("mainland", include_str!("../packs/mainland.txt")),
        ("hongkong", include_str!("../packs/hongkong.txt")),
        ("hipaa", include_str!("../packs/hipaa.txt")),
    ]
}

/// The table of roles that comes with the crate.
pub fn builtin_roles() -> &'static str {
    include_str!("../packs/roles.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packs_that_come_along_are_whole() {
        for (name, text) in builtin_packs() {
            let pack = Pack::read(text).expect(name);
            assert_eq!(pack.name, name);
            assert!(pack.clause(Rule::Consent).0.len() > 3);
        }
        Roles::read(builtin_roles()).expect("roles");
    }

    #[test]
    fn a_pack_says_where_it_is_wrong() {
        let (_, good) = builtin_packs()[0];
        let check = |from: &str, to: &str, expected: &str| {
            assert!(good.contains(from), "{from}");
            let error = Pack::read(&good.replacen(from, to, 1)).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("home CN", "home XX", "no jurisdiction");
        check("border yes", "border perhaps", "yes or no");
        check("border yes", "", "'border' is missing");
        check("joining no", "joining no\njoining no", "twice");
        check("from 2021-11-01", "from 2021-13-01", "no date");
        check("care-purposes TREAT", "care-purposes TREATT", "no known word");
        check("rule link |", "rule links |", "no rule 'links'");
        check("rule link | PIPL 8, 51 |", "rule link | |", "has no clause");
        let error = Roles::read("nurse | TREAT | * | none").expect_err("others are missing");
        assert!(error.message.contains("missing"), "{error}");
    }
}
