//! The records in the form in which they are compared: every value normalised
//! once, kept once, and known by a number.

use crate::date::Date;
use crate::han;
use crate::identifier::{Identifier, Scheme};
use crate::name::Name;
use crate::record::Sex;
use crate::schema::{Kind, Schema};
use crate::similarity::bigrams;
use crate::text;
use crate::values::{ValueId, Values};
use std::collections::HashMap;
use tongmai_base::Finding;

/// Number of a record, from 0 in order of reading.
pub type RecordId = u32;

/// What an attribute compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Given name.
    Given,
    /// Family name.
    Family,
    /// Further words of the name.
    Others,
    /// Whether given and family name stand in the same order in both records; derived.
    Order,
    /// Sex.
    Sex,
    /// Birth date.
    BirthDate,
    /// Telephone.
    Phone,
    /// Address or a part of it.
    Address,
    /// Locality.
    Locality,
    /// Postcode.
    Postcode,
    /// Mother's name.
    Mother,
    /// A person's number.
    Identifier,
    /// Anything else.
    Other,
}

/// Most attributes of a record: a comparison code packs 4 bits of each into 64.
pub const MOST_ATTRIBUTES: usize = 16;

/// Bit of [`Attribute::flags`]: a check character confirmed the number.
pub const CHECKED: u8 = 1;
/// Bit of [`Attribute::flags`]: the number says that its holder is male.
pub const MALE: u8 = 2;
/// Bit of [`Attribute::flags`]: the number says that its holder is female.
pub const FEMALE: u8 = 4;

/// Value of [`Role::Order`] in the row of a newborn known only by its mother.
pub const NEWBORN: ValueId = 1;

/// One compared attribute and the table of its values.
pub struct Attribute {
    /// What it compares.
    pub role: Role,
    /// The column it comes from, or the part of the name.
    pub label: String,
    /// Distinct values; given, family and other names share the table of [`Population::names`].
    pub values: Values,
    /// How many records have each value.
    pub counts: Vec<u32>,
    /// How many records have any value.
    pub present: u32,
    /// Bigram set of each value, for attributes compared by likeness.
    pub bigrams: Vec<u128>,
    /// Birth date inside each number (`yyyymmdd`, 0 for none).
    pub dates: Vec<u32>,
    /// What each number tells: [`CHECKED`], [`MALE`], [`FEMALE`].
    pub flags: Vec<u8>,
}

impl Attribute {
    fn new(role: Role, label: &str) -> Attribute {
        Attribute {
            role,
            label: label.to_owned(),
            values: Values::new(),
            counts: Vec::new(),
            present: 0,
            bigrams: Vec::new(),
            dates: Vec::new(),
            flags: Vec::new(),
        }
    }
}

/// All records of one run.
pub struct Population {
    /// Compared attributes, names first.
    pub attributes: Vec<Attribute>,
    /// Words of names.
    pub names: Values,
    /// How each word of a name sounds: a hash of its pinyin or its letters.
    pub sounds: Vec<u64>,
    /// The same for the word as a surname, which may have its own reading.
    pub surname_sounds: Vec<u64>,
    /// Coarser key of each word: the consonants of Latin words, the sound of Chinese ones.
    pub skeletons: Vec<u64>,
    /// The words of each value of [`Role::Others`].
    pub word_sets: Vec<Box<[ValueId]>>,
    rows: Vec<ValueId>,
    /// The records' own keys one after another, and where each ends.
    keys: String,
    key_ends: Vec<u32>,
    sources: Vec<u8>,
}

/// Reads rows and makes a [`Population`].
pub struct Builder {
    schema: Schema,
    population: Population,
    /// For each column of the schema, its attribute; `usize::MAX` for names and the record key.
    slots: Vec<usize>,
    birth: Option<usize>,
    sex: Option<usize>,
    mother: Option<usize>,
    findings: Vec<Finding>,
    finding_counts: HashMap<&'static str, usize>,
    found: usize,
    /// For each column, the texts of sexes and birth dates that were read before without a finding.
    remembered: Vec<hashbrown::HashMap<Box<str>, ValueId>>,
    /// Whole names that were read before and are nothing but a given and a family name.
    plain_names: hashbrown::HashMap<Box<str>, (ValueId, ValueId)>,
}

/// Most names, and most dates, that are remembered while rows are read.
const MOST_PLAIN: usize = 200_000;

/// Findings of one code that are listed one by one; the rest is only counted.
const LISTED_FINDINGS: usize = 1000;

fn role_of(kind: Kind) -> Option<Role> {
    Some(match kind {
        Kind::Sex => Role::Sex,
        Kind::BirthDate => Role::BirthDate,
        Kind::Phone => Role::Phone,
        Kind::Address => Role::Address,
        Kind::Locality => Role::Locality,
        Kind::Postcode => Role::Postcode,
        Kind::MotherName => Role::Mother,
        Kind::NationalId => Role::Identifier,
        Kind::Other => Role::Other,
        Kind::RecordId | Kind::FullName | Kind::GivenName | Kind::FamilyName => return None,
    })
}

impl Builder {
    /// A builder for rows of this schema. Columns past the sixteenth attribute are reported and ignored.
    pub fn new(schema: Schema) -> Builder {
        let mut attributes = Vec::new();
        let has = |kind| schema.columns.iter().any(|column| column.kind == kind);
        if has(Kind::FullName) || has(Kind::GivenName) || has(Kind::FamilyName) {
            attributes.push(Attribute::new(Role::Given, "given name"));
            attributes.push(Attribute::new(Role::Family, "family name"));
            attributes.push(Attribute::new(Role::Order, "order of names"));
            if has(Kind::FullName) {
                attributes.push(Attribute::new(Role::Others, "other names"));
            }
        }
        let mut findings = Vec::new();
        let mut slots = Vec::new();
        for column in &schema.columns {
            let mut slot = usize::MAX;
            if let Some(role) = role_of(column.kind) {
                if attributes.len() < MOST_ATTRIBUTES {
                    slot = attributes.len();
                    attributes.push(Attribute::new(role, &column.name));
                } else {
                    findings.push(Finding::warning(
                        &column.name,
                        "too-many-columns",
                        format!("column is not compared: only {MOST_ATTRIBUTES} attributes can be"),
                    ));
                }
            }
            slots.push(slot);
        }
        let first = |role| attributes.iter().position(|attribute: &Attribute| attribute.role == role);
        let (birth, sex, mother) = (first(Role::BirthDate), first(Role::Sex), first(Role::Mother));
        Builder {
            remembered: schema.columns.iter().map(|_| hashbrown::HashMap::new()).collect(),
            found: 0,
            schema,
            slots,
            birth,
            sex,
            mother,
            findings,
            finding_counts: HashMap::new(),
            plain_names: hashbrown::HashMap::new(),
            population: Population {
                attributes,
                names: Values::new(),
                sounds: vec![0],
                surname_sounds: vec![0],
                skeletons: vec![0],
                word_sets: vec![Box::default()],
                rows: Vec::new(),
                keys: String::new(),
                key_ends: Vec::new(),
                sources: Vec::new(),
            },
        }
    }

    fn find(&mut self, path: String, code: &'static str, message: String) {
        self.found += 1;
        let count = self.finding_counts.entry(code).or_default();
        *count += 1;
        if *count <= LISTED_FINDINGS {
            self.findings.push(Finding::warning(path, code, message));
        }
    }

    /// Adds one record: `fields` holds one text for each column of the schema.
    /// `place` names the line for findings.
    pub fn push(&mut self, source: u8, place: &str, fields: &[&str]) {
        let start = self.population.rows.len();
        let stride = self.population.attributes.len();
        self.population.rows.resize(start + stride, 0);
        self.population.sources.push(source);
        let mut key = "";
        let (mut full, mut given, mut family) = (String::new(), String::new(), String::new());
        for column in 0..self.schema.columns.len() {
            let raw = fields.get(column).copied().unwrap_or("").trim();
            match self.schema.columns[column].kind {
                Kind::RecordId => key = raw,
                Kind::FullName => append(&mut full, raw),
                Kind::GivenName => append(&mut given, raw),
                Kind::FamilyName => append(&mut family, raw),
                _ if raw.is_empty() || self.slots[column] == usize::MAX => {}
                _ => {
                    let value = self.remembered_value(column, raw, place);
                    self.population.rows[start + self.slots[column]] = value;
                }
            }
        }
        if key.is_empty() {
            self.find(place.to_owned(), "no-record-id", "record has no key; its place is used".into());
        }
        self.population.keys.push_str(if key.is_empty() { place } else { key });
        self.population.key_ends.push(self.population.keys.len() as u32);
        if full.is_empty() && given.is_empty() && family.is_empty() {
            return;
        }
        let whole = given.is_empty() && family.is_empty();
        if let Some((given, family)) = self.plain_names.get(full.as_str()).filter(|_| whole) {
            (self.population.rows[start], self.population.rows[start + 1]) = (*given, *family);
            return;
        }
        let name = Name::read(&full, &given, &family);
        self.push_name(start, &name);
        if whole && name.newborn.is_none() && name.others.is_empty() && self.plain_names.len() < MOST_PLAIN {
            let row = (self.population.rows[start], self.population.rows[start + 1]);
            self.plain_names.insert(full.into(), row);
        }
    }

    fn push_name(&mut self, start: usize, name: &Name) {
        let given = self.population.intern_name(&name.given);
        let family = self.population.intern_name(&name.family);
        self.population.rows[start] = given;
        self.population.rows[start + 1] = family;
        if !name.others.is_empty() {
            let mut words: Vec<ValueId> =
                name.others.iter().map(|word| self.population.intern_name(word)).collect();
            words.sort_unstable();
            words.dedup();
            let joined: String = words.iter().map(|word| format!("{word} ")).collect();
            let others = self.population.attributes[3].values.intern(&joined);
            if others as usize == self.population.word_sets.len() {
                self.population.word_sets.push(words.into());
            }
            self.population.rows[start + 3] = others;
        }
        if let Some(newborn) = &name.newborn {
            self.population.rows[start + 2] = NEWBORN;
            if let Some(slot) = self.mother
                && self.population.rows[start + slot] == 0
            {
                let mother = self.population.attributes[slot].values.intern(&newborn.mother.replace(' ', ""));
                self.population.rows[start + slot] = mother;
            }
            if let (Some(slot), Some(sex)) = (self.sex, newborn.sex)
                && self.population.rows[start + slot] == 0
            {
                let sex = self.population.attributes[slot].values.intern(sex_text(sex));
                self.population.rows[start + slot] = sex;
            }
        }
    }

    /// The same as [`Builder::value`], without reading a sex or a birth date twice.
    fn remembered_value(&mut self, column: usize, raw: &str, place: &str) -> ValueId {
        if !matches!(self.schema.columns[column].kind, Kind::Sex | Kind::BirthDate) {
            return self.value(column, raw, place);
        }
        if let Some(value) = self.remembered[column].get(raw) {
            return *value;
        }
        let found = self.found;
        let value = self.value(column, raw, place);
        if self.found == found && self.remembered[column].len() < MOST_PLAIN {
            self.remembered[column].insert(raw.into(), value);
        }
        value
    }

    /// The number of a normalised value of a column, 0 when it says nothing.
    fn value(&mut self, column: usize, raw: &str, place: &str) -> ValueId {
        let slot = self.slots[column];
        let kind = self.schema.columns[column].kind;
        let text = match kind {
            Kind::Sex => match Sex::read(raw) {
                Some(sex) => sex_text(sex).to_owned(),
                None => {
                    let normal = text::normalise(raw);
                    if !text::is_placeholder(&normal) && !matches!(normal.as_str(), "9" | "0" | "u") {
                        self.find(self.path(place, column), "unknown-sex", "not a known code of sex".into());
                    }
                    String::new()
                }
            },
            Kind::BirthDate => {
                let date = Date::read(raw, self.schema.columns[column].format.as_deref());
                match date {
                    Some(date) => {
                        if !date.exists() {
                            let message = format!("no such day: {raw}; its digits are still compared");
                            self.find(self.path(place, column), "impossible-date", message);
                        }
                        format!("{:08}", date.number())
                    }
                    None => {
                        if !text::is_placeholder(&text::normalise(raw)) {
                            self.find(
                                self.path(place, column),
                                "unreadable-date",
                                format!("not a date: {raw:?}"),
                            );
                        }
                        String::new()
                    }
                }
            }
            Kind::Phone => {
                let digits = text::digits(raw);
                let national = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86"));
                let digits = national.filter(|rest| rest.len() >= 10).unwrap_or(&digits);
                if digits.len() < 5 || repeats_one(digits) { String::new() } else { digits.to_owned() }
            }
            Kind::NationalId => {
                let code = text::code(raw);
                if code.len() < 4 || repeats_one(&code) { String::new() } else { code }
            }
            Kind::MotherName => text::compact(raw),
            Kind::Other => {
                let normal = text::normalise(raw);
                if text::is_placeholder(&normal) { String::new() } else { raw.trim().to_lowercase() }
            }
            _ => {
                let mut normal = text::normalise(raw);
                if text::is_placeholder(&normal) {
                    normal.clear();
                }
                normal.retain(|c| c != ' ');
                normal
            }
        };
        self.population.attributes[slot].values.intern(&text)
    }

    fn path(&self, place: &str, column: usize) -> String {
        format!("{place} {}", self.schema.columns[column].name)
    }

    /// Ends the reading: numbers are read by their scheme, values counted, and
    /// what likeness needs is prepared. Returns what was wrong with the rows.
    pub fn finish(mut self) -> (Population, Vec<Finding>) {
        let columns: Vec<(usize, Option<Scheme>)> = (0..self.schema.columns.len())
            .filter(|column| {
                self.schema.columns[*column].kind == Kind::NationalId && self.slots[*column] != usize::MAX
            })
            .map(|column| (self.slots[column], self.schema.columns[column].scheme))
            .collect();
        for (slot, scheme) in columns {
            self.population.read_identifiers(slot, scheme);
        }
        if let Some(birth) = self.birth {
            let attribute = &mut self.population.attributes[birth];
            attribute.dates = (0..=attribute.values.len() as u32)
                .map(|value| attribute.values.text(value).parse().unwrap_or(0))
                .collect();
        }
        self.population.prepare();
        for (code, count) in &self.finding_counts {
            if *count > LISTED_FINDINGS {
                let message =
                    format!("{count} findings of this kind in all; the first {LISTED_FINDINGS} are listed");
                self.findings.push(Finding::warning("", code, message));
            }
        }
        self.findings.sort_by(|a, b| (a.path.is_empty(), &a.code).cmp(&(b.path.is_empty(), &b.code)));
        (self.population, self.findings)
    }
}

fn append(text: &mut String, part: &str) {
    if !text.is_empty() && !part.is_empty() {
        text.push(' ');
    }
    text.push_str(part);
}

fn sex_text(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "m",
        Sex::Female => "f",
        Sex::Other => "o",
    }
}

/// `00000000`, `99999999`: a form that had to be filled.
fn repeats_one(code: &str) -> bool {
    code.bytes().all(|byte| Some(byte) == code.bytes().next())
}

/// First letter and the following consonants, doubles once; for Latin words.
fn skeleton(word: &str) -> u64 {
    let mut key = Vec::with_capacity(8);
    for (place, byte) in word.bytes().enumerate() {
        let byte = match byte {
            b'c' | b'k' | b'q' => b'k',
            b'z' => b's',
            b'v' => b'f',
            other => other,
        };
        let vowel = matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b'h' | b'w');
        if (place == 0 || !vowel) && key.last() != Some(&byte) {
            key.push(byte);
        }
    }
    key.truncate(5);
    text::hash(&key)
}

impl Population {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.key_ends.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.key_ends.is_empty()
    }

    /// The values of a record, one for each attribute.
    pub fn row(&self, record: RecordId) -> &[ValueId] {
        let stride = self.attributes.len();
        &self.rows[record as usize * stride..(record as usize + 1) * stride]
    }

    /// The record's own key.
    pub fn key(&self, record: RecordId) -> &str {
        let record = record as usize;
        let start = if record == 0 { 0 } else { self.key_ends[record - 1] };
        &self.keys[start as usize..self.key_ends[record] as usize]
    }

    /// The file that the record came from.
    pub fn source(&self, record: RecordId) -> u8 {
        self.sources[record as usize]
    }

    /// The first attribute of a role.
    pub fn slot(&self, role: Role) -> Option<usize> {
        self.attributes.iter().position(|attribute| attribute.role == role)
    }

    /// The values of an attribute: names share one table.
    pub fn values(&self, slot: usize) -> &Values {
        match self.attributes[slot].role {
            Role::Given | Role::Family => &self.names,
            _ => &self.attributes[slot].values,
        }
    }

    fn intern_name(&mut self, word: &str) -> ValueId {
        let value = self.names.intern(word);
        if value as usize == self.sounds.len() {
            let han_name = word.chars().any(han::is_han);
            let sound = |reading: String| text::hash(reading.as_bytes());
            if han_name {
                self.sounds.push(sound(han::name_pinyin(word)));
                self.surname_sounds.push(sound(han::surname_pinyin(word)));
                self.skeletons.push(self.surname_sounds[value as usize]);
            } else {
                self.sounds.push(sound(word.to_owned()));
                self.surname_sounds.push(self.sounds[value as usize]);
                self.skeletons.push(if word.is_ascii() {
                    skeleton(word)
                } else {
                    self.sounds[value as usize]
                });
            }
        }
        value
    }

    /// Reads the numbers of a column by the scheme, or by the one that most of
    /// its values have, and gives equal numbers (15 and 18 digits) one value.
    fn read_identifiers(&mut self, slot: usize, scheme: Option<Scheme>) {
        let count = self.attributes[slot].values.len() as u32;
        let read: Vec<Identifier> = (0..=count)
            .map(|value| Identifier::read(&self.attributes[slot].values.text(value), scheme))
            .collect();
        let resident = read.iter().filter(|number| number.scheme == Scheme::Resident).count();
        // A few 15-digit insurance numbers look like old identity numbers by chance.
        let residents = scheme == Some(Scheme::Resident) || resident * 2 > read.len();
        let mut renamed: HashMap<ValueId, ValueId> = HashMap::new();
        let attribute = &mut self.attributes[slot];
        attribute.dates = vec![0; count as usize + 1];
        attribute.flags = vec![0; count as usize + 1];
        for (value, number) in (0..=count).zip(read) {
            if number.scheme == Scheme::Resident && !residents {
                continue;
            }
            let mut target = value;
            if value > 0 && number.scheme == Scheme::Resident && !number.checked {
                target = attribute.values.intern(&number.canonical);
                attribute.dates.resize(attribute.values.len() + 1, 0);
                attribute.flags.resize(attribute.values.len() + 1, 0);
                renamed.insert(value, target);
            }
            let sex = number.sex.map_or(0, |sex| if sex == Sex::Male { MALE } else { FEMALE });
            attribute.dates[target as usize] = number.birth_date.map_or(0, Date::number);
            // A number made from 15 digits stays confirmed where another record wrote all 18.
            attribute.flags[target as usize] |= sex | if number.checked { CHECKED } else { 0 };
        }
        let stride = self.attributes.len();
        if !renamed.is_empty() {
            for value in self.rows.iter_mut().skip(slot).step_by(stride) {
                *value = renamed.get(value).copied().unwrap_or(*value);
            }
        }
    }

    fn prepare(&mut self) {
        let stride = self.attributes.len();
        for slot in 0..stride {
            let size = self.values(slot).len() + 1;
            if self.attributes[slot].role == Role::Order {
                continue;
            }
            let mut counts = vec![0u32; size];
            for value in self.rows.iter().skip(slot).step_by(stride) {
                counts[*value as usize] += 1;
            }
            let missing = std::mem::take(&mut counts[0]);
            let attribute = &mut self.attributes[slot];
            attribute.counts = counts;
            attribute.present = (self.key_ends.len() as u32) - missing;
            if matches!(attribute.role, Role::Address | Role::Locality | Role::Other) {
                attribute.bigrams =
                    (0..size as u32).map(|value| bigrams(attribute.values.get(value))).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(mapping: &str, rows: &[&[&str]]) -> (Population, Vec<Finding>) {
        let mut builder = Builder::new(Schema::read(mapping).unwrap().0);
        for (line, row) in rows.iter().enumerate() {
            builder.push(0, &format!("a.csv:{}", line + 2), row);
        }
        builder.finish()
    }

    #[test]
    fn old_and_new_numbers_are_one_value() {
        let mapping = "r = \"record_id\"\nid = \"national_id\"";
        let (people, _) = population(
            mapping,
            &[
                &["1", "110105491231002"],
                &["2", "11010519491231002x"],
                &["3", "11010519491231002X "],
                &["4", ""],
            ],
        );
        let values: Vec<ValueId> = (0..4).map(|record| people.row(record)[0]).collect();
        assert!(values[0] == values[1] && values[1] == values[2] && values[3] == 0);
        assert_eq!(people.attributes[0].counts[values[0] as usize], 3);
        assert_eq!(people.attributes[0].flags[values[0] as usize], CHECKED | FEMALE);
    }

    #[test]
    fn bad_values_are_reported_by_line_and_do_not_stop() {
        let mapping = "r = \"record_id\"\ndob = \"birth_date\"\nsex = \"sex\"";
        let (people, findings) = population(
            mapping,
            &[&["1", "1990-02-30", "M"], &["2", "oops", "horse"], &["", "1990-02-03", "F"]],
        );
        let codes: Vec<(&str, &str)> = findings.iter().map(|f| (f.path.as_str(), f.code.as_str())).collect();
        assert_eq!(
            codes,
            [
                ("a.csv:2 dob", "impossible-date"),
                ("a.csv:4", "no-record-id"),
                ("a.csv:3 sex", "unknown-sex"),
                ("a.csv:3 dob", "unreadable-date"),
            ]
        );
        assert_eq!(people.len(), 3);
        assert_eq!(people.key(2), "a.csv:4");
    }
}
