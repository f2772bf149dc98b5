//! Names: family and given name, the remaining words, and names that are none.

use crate::han::{is_han, surname_length};
use crate::record::Sex;
use crate::text;

/// A name taken apart. Parts are in normal form; empty means unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// Family name; empty for people without one (Tibetan, Yi, Uyghur names).
    pub family: String,
    /// Given name without blanks.
    pub given: String,
    /// Further words: middle names, titles, former names.
    pub others: Vec<String>,
    /// Set when the name only says whose newborn it is (`王芳之子`).
    pub newborn: Option<Newborn>,
}

/// A child known by its mother's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newborn {
    /// The mother's name in normal form.
    pub mother: String,
    /// Sex that the words tell.
    pub sex: Option<Sex>,
    /// Birth order among twins: 大 or A is 1, 二, 小 or B is 2.
    pub order: Option<u8>,
}

/// Words that stand where a name should be.
const NO_NAME: &[&str] = &[
    "无名氏",
    "无名",
    "无名女",
    "无名男",
    "佚名",
    "未知",
    "不详",
    "未取名",
    "未命名",
    "待定",
    "新生儿",
    "男婴",
    "女婴",
    "婴儿",
    "弃婴",
    "患者",
    "流浪人员",
    "unknown",
    "no name",
    "noname",
    "anonymous",
    "baby",
    "baby boy",
    "baby girl",
    "newborn",
    "john doe",
    "jane doe",
    "test",
    "na",
    "n a",
    "null",
    "none",
];

/// Endings that make a mother's name the name of her newborn.
const NEWBORN_ENDINGS: &[(&str, Option<Sex>)] = &[
    ("之子", Some(Sex::Male)),
    ("之女", Some(Sex::Female)),
    ("的儿子", Some(Sex::Male)),
    ("的女儿", Some(Sex::Female)),
    ("之婴", None),
    ("之男婴", Some(Sex::Male)),
    ("之女婴", Some(Sex::Female)),
    ("婴儿", None),
];

fn is_no_name(name: &str) -> bool {
    // Most names begin with none of these and are not compared with all.
    name.starts_with(|c: char| "无佚未不待新男女婴弃患流unabjt".contains(c)) && NO_NAME.contains(&name)
}

fn newborn(name: &str) -> Option<Newborn> {
    if !name.contains(['之', '的', '婴']) {
        return None;
    }
    let (mut stem, mut order) = (name, None);
    for (mark, number) in [("大", 1), ("a", 1), ("1", 1), ("二", 2), ("小", 2), ("b", 2), ("2", 2)] {
        if let Some(rest) = name.strip_suffix(mark)
            && NEWBORN_ENDINGS.iter().any(|(ending, _)| rest.ends_with(ending))
        {
            (stem, order) = (rest, Some(number));
        }
    }
    // 之长子, 之次子: the order stands before the last character.
    for (mark, plain, number) in
        [("之长子", "之子", 1), ("之次子", "之子", 2), ("之长女", "之女", 1), ("之次女", "之女", 2)]
    {
        if let Some(mother) = stem.strip_suffix(mark) {
            let sex = NEWBORN_ENDINGS.iter().find(|(ending, _)| *ending == plain).and_then(|(_, sex)| *sex);
            return (!mother.is_empty()).then(|| Newborn {
                mother: mother.to_owned(),
                sex,
                order: Some(number),
            });
        }
    }
    let (ending, sex) = NEWBORN_ENDINGS
        .iter()
        .filter(|(ending, _)| stem.ends_with(ending))
        .max_by_key(|(ending, _)| ending.len())?;
    let mother = stem[..stem.len() - ending.len()].trim();
    let long_enough = mother.chars().count() >= 2 && mother.chars().all(is_han);
    long_enough.then(|| Newborn { mother: mother.to_owned(), sex: *sex, order })
}

impl Name {
    /// Takes apart what the columns say. Explicit parts win over the whole name;
    /// the words of the whole name that they do not explain become `others`.
    pub fn read(full: &str, given: &str, family: &str) -> Name {
        let mut name = Name::default();
        let (given, family) = (text::normalise(given), text::normalise(family));
        if !is_no_name(&given) {
            name.given = given.replace(' ', "");
        }
        if !is_no_name(&family) {
            name.family = family.replace(' ', "");
        }
        let explicit = !name.given.is_empty() || !name.family.is_empty();
        let normal = text::normalise(full);
        if normal.is_empty() || is_no_name(&normal) {
            return name;
        }
        if explicit {
            name.others = normal
                .split(' ')
                .filter(|word| *word != given && *word != family)
                .map(str::to_owned)
                .collect();
            return name;
        }
        name.newborn = newborn(&normal);
        if name.newborn.is_some() {
            return name;
        }
        if normal.chars().all(|c| is_han(c) || c == ' ') {
            return name.with_han(&normal, full);
        }
        name.with_words(&normal, full)
    }

    /// A name in Chinese characters: surname first, unless a middle dot or the
    /// length says that there is no surname.
    fn with_han(mut self, normal: &str, raw: &str) -> Name {
        let dotted = raw.contains(['·', '•', '・', '‧', '．', '.']);
        let characters: Vec<char> = normal.chars().filter(|c| *c != ' ').collect();
        let length = surname_length(&characters);
        if dotted || (characters.len() >= 4 && length == 1) || characters.len() == 1 {
            self.given = characters.iter().collect();
        } else {
            self.family = characters[..length].iter().collect();
            self.given = characters[length..].iter().collect();
        }
        self
    }

    /// A name in words: given name first, unless a comma puts the family name first.
    fn with_words(mut self, normal: &str, raw: &str) -> Name {
        let mut words: Vec<&str> = normal.split(' ').collect();
        if let Some((head, tail)) = raw.split_once([',', '，']) {
            let head = text::normalise(head);
            if !head.is_empty() && !head.contains(' ') && !tail.trim().is_empty() {
                self.family = head;
                words.remove(0);
            }
        }
        self.given = words.remove(0).to_owned();
        if self.family.is_empty()
            && let Some(last) = words.pop()
        {
            self.family = last.to_owned();
        }
        self.others = words.into_iter().map(str::to_owned).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names() {
        for (full, family, given, others) in [
            ("王伟", "王", "伟", ""),
            ("歐陽 修", "欧阳", "修", ""),
            ("扎西·次仁", "", "扎西次仁", ""),
            ("扎西次仁", "", "扎西次仁", ""),
            ("YU YINGNA", "yingna", "yu", ""),
            ("Thomas de Barry", "barry", "thomas", "de"),
            ("Smith, John Paul", "smith", "john", "paul"),
            ("无名氏", "", "", ""),
            ("Baby Boy", "", "", ""),
            ("", "", "", ""),
        ] {
            let name = Name::read(full, "", "");
            assert_eq!(
                (name.family.as_str(), name.given.as_str(), name.others.join(" ").as_str()),
                (family, given, others)
            );
        }
        let name = Name::read("thomas clifford, 1st baron clifford of chudleigh", "thomas", "chudleigh");
        assert_eq!(name.others, ["clifford", "1st", "baron", "clifford", "of"]);
    }

    #[test]
    fn newborns_are_known_by_their_mother() {
        for (full, mother, sex, order) in [
            ("王芳之子", "王芳", Some(Sex::Male), None),
            ("王芳之女二", "王芳", Some(Sex::Female), Some(2)),
            ("王芳之长女", "王芳", Some(Sex::Female), Some(1)),
            ("王芳婴儿", "王芳", None, None),
        ] {
            let found = Name::read(full, "", "").newborn.unwrap();
            assert_eq!((found.mother.as_str(), found.sex, found.order), (mother, sex, order), "{full}");
        }
        assert_eq!(Name::read("王之子", "", "").newborn, None);
    }
}
