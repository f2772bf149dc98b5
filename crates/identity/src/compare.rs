//! Two records side by side: one level for each attribute, packed into a code.
//!
//! A code holds 4 bits for each attribute. Level 0 is "missing on either
//! side" and is no evidence; level 1 is full agreement.

use crate::date::Date;
use crate::identifier::{Relation, relate};
use crate::population::{CHECKED, FEMALE, MALE, Population, RecordId, Role};
use crate::similarity::{dice, edit_distance, jaro_winkler};
use crate::values::ValueId;

/// Levels of all attributes, 4 bits each, the first attribute lowest.
pub type Code = u64;

/// Number of levels an attribute can have, the missing one counted.
pub const LEVELS: usize = 10;

/// The level of full agreement.
pub const SAME: u8 = 1;

/// Levels of names.
pub mod name {
    /// Sounds the same (homophones; Chinese characters and their pinyin).
    pub const SOUND: u8 = 2;
    /// One slip of the pen.
    pub const SLIP: u8 = 3;
    /// Close by Jaro–Winkler.
    pub const CLOSE: u8 = 4;
    /// One is a part of the other: initial, short form, dropped character.
    pub const PART: u8 = 5;
    /// Found among the other record's further names.
    pub const ELSEWHERE: u8 = 6;
    /// Some likeness; for Chinese names one shared character.
    pub const LIKE: u8 = 7;
    /// Different.
    pub const DIFFERENT: u8 = 8;
}

/// Levels of numbers.
pub mod number {
    /// The same number, which contradicts the birth date or sex of one of the records.
    pub const SAME_BUT_CONTRADICTS: u8 = 2;
    /// One slip of the pen.
    pub const SLIP: u8 = 3;
    /// Two slips of the pen.
    pub const TWO_SLIPS: u8 = 4;
    /// Different.
    pub const DIFFERENT: u8 = 5;
    /// Both confirmed by their check characters, and different.
    pub const VALID_BUT_DIFFERENT: u8 = 6;
    /// Different, and one contradicts its own record: perhaps a relative's.
    pub const RELATIVES: u8 = 7;
}

/// Levels of addresses beside those of all texts.
pub mod address {
    /// Another address that begins alike: province, city and district are the same.
    pub const SAME_AREA: u8 = 6;
}

/// Units that two addresses of one area have in common at their beginning (禾州省清禾县, 510105).
const AREA: usize = 6;

fn begins_alike(left: &[u16], right: &[u16]) -> bool {
    left.len() > AREA && right.len() > AREA && left[..AREA] == right[..AREA]
}

/// The level of one attribute in a code.
pub fn level(code: Code, slot: usize) -> u8 {
    (code >> (4 * slot) & 15) as u8
}

/// How the given names of two records compare. Where names were compared crosswise (`WU WENJUN` beside 武东超),
/// either of the two may be the given name, and the worse one counts.
fn given_level(code: Code) -> u8 {
    let (given, family) = (level(code, 0), level(code, 1));
    match level(code, 2) {
        2 if given == 0 || family == 0 => 0,
        2 => given.max(family),
        _ => given,
    }
}

/// Why two records are not linked without asking, whatever their score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// Two confirmed numbers that differ, and none that is equal.
    OtherNumber,
    /// An equal number that contradicts name and birth date: a relative's card.
    RelativesNumber,
    /// Nothing but shared life speaks for one person; the given names leave twins possible.
    PerhapsTwins,
}

/// Compares the records of one population.
pub struct Comparer<'a> {
    people: &'a Population,
    has_names: bool,
    has_others: bool,
    birth: Option<usize>,
    sex: Option<usize>,
}

impl<'a> Comparer<'a> {
    /// A comparer of these records.
    pub fn new(people: &'a Population) -> Comparer<'a> {
        Comparer {
            people,
            has_names: people.slot(Role::Given) == Some(0),
            has_others: people.slot(Role::Others).is_some(),
            birth: people.slot(Role::BirthDate),
            sex: people.slot(Role::Sex),
        }
    }

    /// The code of two records.
    pub fn code(&self, left: RecordId, right: RecordId) -> Code {
        let (a, b) = (self.people.row(left), self.people.row(right));
        let mut code = 0;
        let mut first = 0;
        if self.has_names {
            code = self.names(a, b);
            first = if self.has_others { 4 } else { 3 };
        }
        for slot in first..a.len() {
            let found = if a[slot] == 0 || b[slot] == 0 { 0 } else { self.attribute(slot, a, b) };
            code |= u64::from(found) << (4 * slot);
        }
        code
    }

    fn names(&self, a: &[ValueId], b: &[ValueId]) -> Code {
        let mut given = self.name(a[0], b[0], false);
        let mut family = self.name(a[1], b[1], true);
        let mut order = u8::from(given > 0 && family > 0);
        let weak = |level: u8| level == 0 || level >= name::LIKE;
        if weak(given) && weak(family) {
            let crossed = [self.name(a[0], b[1], false), self.name(a[1], b[0], false)];
            if crossed.iter().any(|level| !weak(*level)) {
                (given, family, order) = (crossed[0], crossed[1], 2);
            }
        }
        let mut code = 0;
        if self.has_others {
            let words = |row: &[ValueId]| &self.people.word_sets[row[3] as usize];
            let elsewhere = |value: ValueId, row: &[ValueId]| value > 0 && words(row).contains(&value);
            if family >= name::LIKE && (elsewhere(a[1], b) || elsewhere(b[1], a)) {
                family = name::ELSEWHERE;
            }
            if given >= name::LIKE && (elsewhere(a[0], b) || elsewhere(b[0], a)) {
                given = name::ELSEWHERE;
            }
            code |= u64::from(self.others(words(a), words(b))) << 12;
        }
        code | u64::from(given) | u64::from(family) << 4 | u64::from(order) << 8
    }

    /// Levels of the further names: 1 the same words, 2 a shared word, 3 a near word, 4 nothing shared.
    fn others(&self, a: &[ValueId], b: &[ValueId]) -> u8 {
        if a.is_empty() || b.is_empty() {
            return 0;
        }
        if a == b {
            return SAME;
        }
        let long = |value: &ValueId| self.people.names.get(*value).len() > 2;
        if a.iter().any(|word| long(word) && b.contains(word)) {
            return 2;
        }
        let near = |x: ValueId, y: ValueId| matches!(self.name(x, y, false), 1..=name::PART);
        if a.iter().any(|x| b.iter().any(|y| near(*x, *y))) { 3 } else { 4 }
    }

    /// The level of two words of names.
    fn name(&self, a: ValueId, b: ValueId, surname: bool) -> u8 {
        if a == 0 || b == 0 {
            return 0;
        }
        if a == b {
            return SAME;
        }
        let sounds = if surname { &self.people.surname_sounds } else { &self.people.sounds };
        if sounds[a as usize] == sounds[b as usize] {
            return name::SOUND;
        }
        let (x, y) = (self.people.names.get(a), self.people.names.get(b));
        let (short, long) = if x.len() <= y.len() { (x, y) } else { (y, x) };
        let is_han = |units: &[u16]| units.iter().any(|unit| *unit >= 0x2E80);
        if is_han(x) || is_han(y) {
            let shared = short.iter().filter(|unit| long.contains(unit)).count();
            return match shared {
                0 => name::DIFFERENT,
                _ if shared == short.len() && short.len() < long.len() => name::PART,
                _ => name::LIKE,
            };
        }
        let slips = edit_distance(x, y, 2);
        if slips == 1 && long.len() >= 4 {
            return name::SLIP;
        }
        if long.starts_with(short) || (short.len() >= 4 && long.ends_with(short)) {
            return name::PART;
        }
        if slips == 2 && long.len() >= 7 {
            return name::CLOSE;
        }
        match jaro_winkler(x, y) {
            likeness if likeness >= 0.88 => name::CLOSE,
            likeness if likeness >= 0.75 => name::LIKE,
            _ => name::DIFFERENT,
        }
    }

    /// What stands against linking two compared records without asking.
    pub fn objection(&self, left: RecordId, right: RecordId, code: Code) -> Option<Objection> {
        let (mut differ, mut equal, mut lent, mut birth) = (false, 0, false, 0);
        for (slot, attribute) in self.people.attributes.iter().enumerate() {
            let level = level(code, slot);
            match attribute.role {
                Role::Identifier => {
                    differ |= level == number::VALID_BUT_DIFFERENT;
                    equal += u8::from(level == SAME);
                    lent |= level == number::SAME_BUT_CONTRADICTS;
                }
                Role::BirthDate => birth = birth.max(level),
                _ => {}
            }
        }
        let given = if self.has_names { given_level(code) } else { 0 };
        // Twins lend each other their cards: another given name outweighs one equal number.
        let needed = if given >= name::LIKE { 2 } else { 1 };
        if differ && equal == 0 {
            Some(Objection::OtherNumber)
        } else if lent && given >= name::LIKE && birth > crate::date::Relation::YearOnly as u8 + 1 {
            Some(Objection::RelativesNumber)
        } else if equal < needed && self.given_names_open(left, right, code) {
            Some(Objection::PerhapsTwins)
        } else {
            None
        }
    }

    /// Whether the given names leave open that the two are twins or a parent's
    /// and a child's record: Chinese names with another or no given name, one of
    /// them perhaps written in pinyin, or a newborn known by its mother. Siblings
    /// often share a character of their given names, so a changed character is no
    /// slip of the pen.
    pub fn given_names_open(&self, left: RecordId, right: RecordId, code: Code) -> bool {
        if !self.has_names {
            return false;
        }
        let (a, b) = (self.people.row(left), self.people.row(right));
        let newborn = a[2] != 0 || b[2] != 0;
        let han = |row: &[ValueId]| {
            row[..2]
                .iter()
                .any(|value| self.people.names.get(*value).first().is_some_and(|unit| *unit >= 0x2E80))
        };
        let given = given_level(code);
        newborn || ((given == 0 || given >= name::PART) && (han(a) || han(b)))
    }

    fn attribute(&self, slot: usize, a: &[ValueId], b: &[ValueId]) -> u8 {
        let attribute = &self.people.attributes[slot];
        let (x, y) = (a[slot], b[slot]);
        if attribute.role == Role::Identifier {
            return self.identifier(slot, a, b);
        }
        if x == y {
            return SAME;
        }
        let (left, right) = (attribute.values.get(x), attribute.values.get(y));
        match attribute.role {
            Role::Sex => 2,
            Role::BirthDate => {
                let date = |value: ValueId| Date::from_number(attribute.dates[value as usize]);
                date(x).relate(date(y)) as u8 + 1
            }
            Role::Phone => {
                let tail = |units: &'_ [u16]| units.len() >= 7;
                let same_tail =
                    tail(left) && tail(right) && left[left.len() - 7..] == right[right.len() - 7..];
                if same_tail || edit_distance(left, right, 1) == 1 { 2 } else { 3 }
            }
            Role::Postcode => {
                let common = left.iter().zip(right).take_while(|(p, q)| p == q).count();
                if edit_distance(left, right, 1) == 1 {
                    2
                } else if common * 2 >= left.len().max(right.len()) {
                    3
                } else {
                    4
                }
            }
            Role::Mother => match edit_distance(left, right, 1) {
                1 if left.len().max(right.len()) >= 3 => 2,
                _ => 3,
            },
            _ => {
                let likeness = dice(attribute.bigrams[x as usize], attribute.bigrams[y as usize]);
                let slips = if likeness > 0.4 { edit_distance(left, right, 2) } else { 3 };
                let short = left.len().min(right.len());
                if slips == 1 || likeness >= 0.8 || (slips == 2 && short >= 6) {
                    2
                } else if likeness >= 0.6 {
                    3
                } else if attribute.role == Role::Address && begins_alike(left, right) {
                    address::SAME_AREA
                } else if likeness >= 0.4 {
                    4
                } else {
                    5
                }
            }
        }
    }

    fn identifier(&self, slot: usize, a: &[ValueId], b: &[ValueId]) -> u8 {
        let attribute = &self.people.attributes[slot];
        let (x, y) = (a[slot] as usize, b[slot] as usize);
        if x == y {
            let contradicts = self.contradicts(slot, x, a) || self.contradicts(slot, x, b);
            return if contradicts { number::SAME_BUT_CONTRADICTS } else { SAME };
        }
        let checked = |value: usize| attribute.flags[value] & CHECKED != 0;
        match relate(attribute.values.get(a[slot]), checked(x), attribute.values.get(b[slot]), checked(y)) {
            Relation::Equal => SAME,
            Relation::OneSlip => number::SLIP,
            Relation::TwoSlips => number::TWO_SLIPS,
            Relation::ValidButDifferent if self.miscopied(slot, a, b) => number::TWO_SLIPS,
            _ if self.contradicts(slot, x, a) || self.contradicts(slot, y, b) => number::RELATIVES,
            Relation::ValidButDifferent => number::VALID_BUT_DIFFERENT,
            Relation::Different => number::DIFFERENT,
        }
    }

    /// Whether one of two confirmed numbers is a near copy of the other whose
    /// birth date is not that of its own record: a slip with a new check character.
    fn miscopied(&self, slot: usize, a: &[ValueId], b: &[ValueId]) -> bool {
        let Some(birth) = self.birth else { return false };
        let attribute = &self.people.attributes[slot];
        let strange = |row: &[ValueId]| {
            let inside = attribute.dates[row[slot] as usize];
            row[birth] != 0
                && inside != 0
                && inside != self.people.attributes[birth].dates[row[birth] as usize]
        };
        strange(a) != strange(b)
            && edit_distance(attribute.values.get(a[slot]), attribute.values.get(b[slot]), 3) <= 3
    }

    /// Whether a number says another birth date or sex than its own record.
    /// A date that is one slip or a known short form away does not contradict.
    pub fn contradicts(&self, slot: usize, number: usize, row: &[ValueId]) -> bool {
        let attribute = &self.people.attributes[slot];
        let flags = attribute.flags[number];
        if attribute.dates[number] != 0
            && let Some(birth) = self.birth
            && row[birth] != 0
        {
            let own = Date::from_number(self.people.attributes[birth].dates[row[birth] as usize]);
            let inside = Date::from_number(attribute.dates[number]);
            if own.relate(inside) > crate::date::Relation::TwoParts {
                return true;
            }
        }
        match self.sex {
            Some(sex) if flags & (MALE | FEMALE) != 0 && row[sex] != 0 => {
                let own = self.people.attributes[sex].values.get(row[sex]);
                (own == [u16::from(b'm')] && flags & FEMALE != 0)
                    || (own == [u16::from(b'f')] && flags & MALE != 0)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Builder;
    use crate::schema::Schema;

    #[test]
    fn twins_are_told_by_their_given_names_in_either_script() {
        let mapping = "r = \"record_id\"\nname = \"full_name\"\nsex = \"sex\"\ndob = \"birth_date\"\n\
            id = \"national_id\"\naddr = \"address\"\n";
        let address = "992120设大道51号2215";
        let number = "992120195806105536";
        for (left, right, numbers, expected) in [
            // Surname first in characters, given name first in letters: the surnames sound alike, the given names not.
            ("WU WENJUN", "武东超", ["", ""], Some(Objection::PerhapsTwins)),
            ("WENJUN WU", "武东超", ["", ""], Some(Objection::PerhapsTwins)),
            ("武文军", "武东超", ["", ""], Some(Objection::PerhapsTwins)),
            ("WU WENJUN", "武文军", ["", ""], None),
            ("WENJUN WU", "武文军", ["", ""], None),
            // One lent card does not make twins one; a dropped character beside an equal number is no twin.
            ("武文军", "武东超", [number, number], Some(Objection::PerhapsTwins)),
            ("武文军", "武文", [number, number], None),
        ] {
            let mut builder = Builder::new(Schema::read(mapping).expect("a mapping").0);
            for (at, name) in [left, right].into_iter().enumerate() {
                let key = at.to_string();
                builder.push(0, "", &[&key, name, "M", "1958-06-10", numbers[at], address]);
            }
            let (people, _) = builder.finish();
            let comparer = Comparer::new(&people);
            let code = comparer.code(0, 1);
            assert_eq!(comparer.objection(0, 1, code), expected, "{left} {right} {numbers:?}");
        }
    }
}
