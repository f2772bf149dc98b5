//! The people of the story *One day in Qinghe County*: the first households of
//! every county, whatever its seed.

use crate::County;
use crate::catalogue::system;
use crate::county::patient_system;
use crate::names::{Ethnicity, Name, Sex};
use crate::population::{Household, Member, Role};
use tongmai_base::time::days_from_civil;

/// Which household of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum House {
    /// Auntie 卓玛 and her daughter, in 格桑村.
    Zhuoma,
    /// 王芳, her husband and their newborn twins, in 芦滩村.
    WangFang,
}

/// Citizen identity number of Auntie 卓玛.
pub const ZHUOMA: &str = "990123196103086764";
/// Citizen identity number of her daughter.
pub const DAUGHTER: &str = "990123198807211921";
/// Citizen identity number of 王芳, the mother of the newborn twins.
pub const WANG_FANG: &str = "990123199605125026";

/// The search token of a citizen's number: `urn:oid:2.16.156.10011.1.3|9901…`.
pub fn token(number: &str) -> String {
    format!("{}|{number}", system::CITIZEN)
}

/// The search tokens of 王芳's twins, who have no citizen's number yet: their patient
/// numbers at the township clinic. They depend on the county's seed.
pub fn twins(county: &County) -> Vec<String> {
    let newborn = county.household(1).into_iter().filter(|person| !person.twins.is_empty());
    newborn
        .filter_map(|person| {
            let record = person.records.into_iter().next()?;
            let provider = &county.directory.providers[record.provider].code;
            Some(format!("{}|{}", patient_system(provider), record.number))
        })
        .collect()
}

impl House {
    /// The house with this household number.
    pub fn of(index: u64) -> Option<House> {
        match index {
            0 => Some(House::Zhuoma),
            1 => Some(House::WangFang),
            _ => None,
        }
    }

    /// Who lives in it.
    pub fn household(self, index: u64, today: i64) -> Household {
        let member = |role, sex, birth| Member { role, sex, birth };
        let (village, people, members) = match self {
            House::Zhuoma => (
                21,
                Ethnicity::Tibetan,
                vec![
                    member(Role::Head, Sex::Female, days_from_civil(1961, 3, 8)),
                    member(Role::Child, Sex::Female, days_from_civil(1988, 7, 21)),
                ],
            ),
            House::WangFang => (
                6,
                Ethnicity::Han,
                vec![
                    member(Role::Head, Sex::Male, days_from_civil(1994, 11, 2)),
                    member(Role::Partner, Sex::Female, days_from_civil(1996, 5, 12)),
                    member(Role::Child, Sex::Male, today - 3),
                    member(Role::Child, Sex::Male, today - 3),
                ],
            ),
        };
        Household { index, first: 0, village, people, origin: None, members, due: None, story: Some(self) }
    }

    /// The name of an adult member.
    pub fn name(self, member: usize) -> Option<Name> {
        let tibetan = |given: &str, latin: &str, script: &str| Name {
            given: given.into(),
            latin_given: latin.into(),
            script: script.into(),
            ..Name::default()
        };
        match (self, member) {
            (House::Zhuoma, 0) => Some(tibetan("卓玛", "Zhuoma", "སྒྲོལ་མ")),
            (House::Zhuoma, 1) => Some(tibetan("央金拉姆", "Yangchen Lhamo", "དབྱངས་ཅན་ལྷ་མོ")),
            (House::WangFang, 0) => Some(Name::han("陈", "Chen", "志强", "Zhiqiang")),
            (House::WangFang, 1) => Some(Name::han("王", "Wang", "芳", "Fang")),
            _ => None,
        }
    }
}
