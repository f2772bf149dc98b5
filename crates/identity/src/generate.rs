//! Invented Chinese records with their truth, for tests and benches.
//!
//! The region prefix 99 and telephones that begin with 12 are given to nobody,
//! so that no record can be a real person's. Names are combined from common
//! surnames and characters. The error rates are guesses, not measured in any
//! hospital: the set measures relative behaviour, never accuracy in the field.

use crate::identifier::resident_check;
use crate::text::mix;

/// Column names of a generated file, in the order of [`Record::fields`].
pub const HEADER: [&str; 10] =
    ["rec_id", "entity", "name", "sex", "dob", "id_no", "mi_no", "phone", "addr", "mother"];

/// One invented record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's key.
    pub key: u32,
    /// The person it belongs to.
    pub entity: u32,
    /// The compared fields in the order of [`HEADER`], from `name` on.
    pub fields: [String; 8],
}

/// Surnames with their weight in thousandths, roughly as common as they are.
const SURNAMES: &[(&str, u32)] = &[
    ("王", 72),
    ("李", 72),
    ("张", 68),
    ("刘", 54),
    ("陈", 45),
    ("杨", 31),
    ("赵", 23),
    ("黄", 22),
    ("周", 21),
    ("吴", 20),
    ("徐", 17),
    ("孙", 15),
    ("胡", 13),
    ("朱", 13),
    ("高", 12),
    ("林", 11),
    ("何", 11),
    ("郭", 11),
    ("马", 11),
    ("罗", 9),
    ("梁", 8),
    ("宋", 8),
    ("郑", 8),
    ("谢", 7),
    ("韩", 7),
    ("唐", 7),
    ("冯", 6),
    ("于", 6),
    ("董", 6),
    ("萧", 6),
    ("程", 6),
    ("曹", 6),
    ("袁", 5),
    ("邓", 5),
    ("许", 5),
    ("傅", 5),
    ("沈", 5),
    ("曾", 5),
    ("彭", 5),
    ("吕", 5),
    ("苏", 4),
    ("卢", 4),
    ("蒋", 4),
    ("蔡", 4),
    ("贾", 4),
    ("丁", 4),
    ("魏", 4),
    ("薛", 4),
    ("叶", 4),
    ("阎", 4),
    ("余", 4),
    ("潘", 4),
    ("杜", 4),
    ("戴", 3),
    ("夏", 3),
    ("钟", 3),
    ("汪", 3),
    ("田", 3),
    ("任", 3),
    ("姜", 3),
    ("范", 3),
    ("方", 3),
    ("石", 3),
    ("姚", 3),
    ("谭", 3),
    ("廖", 3),
    ("邹", 3),
    ("熊", 3),
    ("金", 3),
    ("陆", 3),
    ("郝", 3),
    ("孔", 3),
    ("白", 3),
    ("崔", 3),
    ("康", 2),
    ("毛", 2),
    ("邱", 2),
    ("秦", 2),
    ("江", 2),
    ("史", 2),
    ("顾", 2),
    ("侯", 2),
    ("邵", 2),
    ("孟", 2),
    ("龙", 2),
    ("万", 2),
    ("段", 2),
    ("雷", 2),
    ("钱", 2),
    ("汤", 2),
    ("尹", 2),
    ("黎", 2),
    ("易", 2),
    ("常", 2),
    ("武", 2),
    ("乔", 2),
    ("贺", 2),
    ("赖", 2),
    ("龚", 2),
    ("文", 2),
    ("欧阳", 1),
    ("司马", 1),
    ("单", 1),
    ("仇", 1),
];
const MALE: &str =
    "伟强磊军勇杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林阳建国志文博涵轩子睿晨东海峰永成康福民新";
const FEMALE: &str =
    "芳娜敏静丽艳娟霞秀兰玲桂英梅莉红云洁燕丹萍雪琳倩婷颖雅欣怡佳梦瑶萱妍诗慧淑珍凤琴蓉薇菊月彤思可晓雨";
/// Characters often confused because they sound alike.
const HOMOPHONES: &[&str] = &[
    "伟炜玮",
    "静婧靖",
    "艳燕雁",
    "丽莉俐",
    "英瑛颖",
    "芳方",
    "娜那",
    "建健剑",
    "军君钧",
    "明铭鸣",
    "杰洁捷",
    "涛滔",
    "波博",
    "辉晖",
    "峰锋丰",
    "玲灵铃",
    "霞侠",
    "云芸",
    "红虹宏",
    "梅玫",
    "佳嘉家",
    "雨宇羽",
    "晓小筱",
    "欣新鑫馨",
    "慧惠卉",
    "思丝",
    "婷亭",
    "兰岚",
    "文雯",
    "志智",
    "平萍苹",
    "强蔷",
    "勇永泳",
    "成诚程",
    "林琳霖",
    "桂贵",
];
const TRADITIONAL: &[(char, char)] = &[
    ('张', '張'),
    ('刘', '劉'),
    ('陈', '陳'),
    ('杨', '楊'),
    ('赵', '趙'),
    ('黄', '黃'),
    ('吴', '吳'),
    ('孙', '孫'),
    ('马', '馬'),
    ('罗', '羅'),
    ('郑', '鄭'),
    ('谢', '謝'),
    ('韩', '韓'),
    ('许', '許'),
    ('邓', '鄧'),
    ('苏', '蘇'),
    ('伟', '偉'),
    ('强', '強'),
    ('军', '軍'),
    ('杰', '傑'),
    ('涛', '濤'),
    ('刚', '剛'),
    ('辉', '輝'),
    ('鹏', '鵬'),
    ('华', '華'),
    ('飞', '飛'),
    ('丽', '麗'),
    ('艳', '豔'),
    ('兰', '蘭'),
    ('云', '雲'),
    ('红', '紅'),
    ('凤', '鳳'),
];
const STREETS: &str = "建设人民解放中山和平文化胜利新华东风长江春熙锦绣";

/// Makes people and their records, the same for the same seed.
pub struct Generator {
    state: u64,
    next_key: u32,
    next_entity: u32,
    waiting: Vec<Record>,
}

#[derive(Clone)]
struct Person {
    surname: &'static str,
    given: String,
    male: bool,
    birth: (u32, u32, u32),
    region: u32,
    id: String,
    insurance: String,
    phone: String,
    address: String,
    mother: String,
}

impl Generator {
    /// A generator for one seed.
    pub fn new(seed: u64) -> Generator {
        Generator {
            state: mix(seed, 0x7461_6E67_6D61_6921),
            next_key: 0,
            next_entity: 0,
            waiting: Vec::new(),
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.state = mix(self.state, 0x2545_F491_4F6C_DD1D);
        (self.state >> 11) % below
    }

    /// True with a chance in thousandths.
    fn chance(&mut self, thousandths: u64) -> bool {
        self.draw(1000) < thousandths
    }

    fn pick(&mut self, from: &'static str) -> char {
        let at = self.draw(from.chars().count() as u64) as usize;
        from.chars().nth(at).unwrap_or('明')
    }

    fn surname(&mut self) -> &'static str {
        let total: u32 = SURNAMES.iter().map(|(_, weight)| weight).sum();
        let mut at = self.draw(u64::from(total)) as u32;
        for (name, weight) in SURNAMES {
            if at < *weight {
                return name;
            }
            at -= weight;
        }
        "王"
    }

    fn given(&mut self, male: bool) -> String {
        let from = if male { MALE } else { FEMALE };
        let mut name = String::new();
        // Half of the draws are made twice, which makes some characters far more common than others.
        for _ in 0..if self.chance(750) { 2 } else { 1 } {
            let c = if self.chance(500) {
                let head = from.chars().count() as u64 / 4;
                let at = self.draw(head) as usize;
                from.chars().nth(at).unwrap_or('明')
            } else {
                self.pick(from)
            };
            name.push(c);
        }
        name
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.draw(10) as u8)).collect()
    }

    fn number(&mut self, person: &Person) -> String {
        let (year, month, day) = person.birth;
        let sequence = self.draw(500) as u32 * 2 + u32::from(person.male);
        let head = format!("{:06}{year:04}{month:02}{day:02}{:03}", person.region, sequence % 1000);
        let check = resident_check(head.as_bytes()).map_or('0', char::from);
        format!("{head}{check}")
    }

    fn phone(&mut self) -> String {
        format!("12{}", self.digits(9))
    }

    fn address(&mut self, region: u32) -> String {
        let street = self.pick(STREETS);
        let kind = ["路", "街", "巷", "大道"][self.draw(4) as usize];
        format!("{region:06}{street}{kind}{}号{}", 1 + self.draw(400), 1 + self.draw(3000))
    }

    fn person(&mut self) -> Person {
        let male = self.chance(500);
        let surname = self.surname();
        let region = 990_100 + self.draw(40) as u32 * 101;
        let birth = (1935 + self.draw(88) as u32, 1 + self.draw(12) as u32, 1 + self.draw(28) as u32);
        let mother = self.surname().to_owned() + &self.given(false);
        let mut person = Person {
            surname,
            given: self.given(male),
            male,
            birth,
            region,
            id: String::new(),
            insurance: format!("{region:06}{}", self.digits(9)),
            phone: self.phone(),
            address: self.address(region),
            mother,
        };
        person.id = self.number(&person);
        person
    }

    /// A twin: surname, birth date, address, telephone and mother are shared.
    fn twin(&mut self, of: &Person) -> Person {
        let male = if self.chance(600) { of.male } else { !of.male };
        let mut given = self.given(male);
        while given == of.given {
            given = self.given(male);
        }
        let mut twin = Person { male, given, ..of.clone() };
        twin.insurance = format!("{:06}{}", of.region, self.digits(9));
        twin.id = self.number(&twin);
        twin
    }

    fn records_of(&mut self, person: &Person, relative: &str) {
        let entity = self.next_entity;
        self.next_entity += 1;
        let copies = 1 + (0..4).take_while(|_| self.chance(300)).count();
        for _ in 0..copies {
            let fields = self.record(person, relative);
            self.waiting.push(Record { key: self.next_key, entity, fields });
            self.next_key += 1;
        }
    }

    fn record(&mut self, person: &Person, relative: &str) -> [String; 8] {
        let (year, mut month, mut day) = person.birth;
        let mut name = self.written_name(person);
        let mut id = if self.chance(150) { String::new() } else { person.id.clone() };
        if !id.is_empty() {
            id = match self.draw(1000) {
                0..15 if (1900..2000).contains(&year) => format!("{}{}", &id[..6], &id[8..17]),
                15..25 => slip(&id, 2 + self.draw(15) as usize, self.draw(9) as u8),
                25..33 => swap(&id, 2 + self.draw(15) as usize),
                33..38 => relative.to_owned(),
                _ => id,
            };
        }
        match self.draw(1000) {
            0..8 if day <= 12 => std::mem::swap(&mut month, &mut day),
            8..16 => day = 1 + self.draw(28) as u32,
            16..26 => (month, day) = (1, 1),
            _ => {}
        }
        let age_of_newborn = year >= 2020;
        if age_of_newborn && self.chance(40) {
            name = format!("{}{}", person.mother, if person.male { "之子" } else { "之女" });
            id.clear();
        }
        let phone = match self.draw(1000) {
            0..150 => String::new(),
            150..270 => self.phone(),
            _ => person.phone.clone(),
        };
        let address = match self.draw(1000) {
            0..150 => String::new(),
            150..270 => self.address(person.region),
            _ => person.address.clone(),
        };
        let insurance = if self.chance(400) { String::new() } else { person.insurance.clone() };
        let mother = if self.chance(850) { String::new() } else { person.mother.clone() };
        let sex = if self.chance(5) != person.male { "M" } else { "F" };
        [
            name,
            sex.to_owned(),
            format!("{year:04}-{month:02}-{day:02}"),
            id,
            insurance,
            phone,
            address,
            mother,
        ]
    }

    fn written_name(&mut self, person: &Person) -> String {
        let whole = format!("{}{}", person.surname, person.given);
        match self.draw(1000) {
            0..15 => {
                let mut given: Vec<char> = person.given.chars().collect();
                let at = self.draw(given.len() as u64) as usize;
                if let Some(group) = HOMOPHONES.iter().find(|group| group.contains(given[at])) {
                    let other = self.draw(group.chars().count() as u64) as usize;
                    given[at] = group.chars().nth(other).unwrap_or(given[at]);
                }
                format!("{}{}", person.surname, given.iter().collect::<String>())
            }
            15..25 => whole
                .chars()
                .map(|c| TRADITIONAL.iter().find(|(simple, _)| *simple == c).map_or(c, |(_, old)| *old))
                .collect(),
            25..31 => {
                let given = crate::han::name_pinyin(&person.given);
                format!("{} {given}", crate::han::surname_pinyin(person.surname)).to_uppercase()
            }
            31..35 if person.given.chars().count() > 1 => {
                let kept = person.given.chars().next().unwrap_or('明');
                format!("{}{kept}", person.surname)
            }
            35..41 => format!("{} {}", person.surname, person.given),
            _ => whole,
        }
    }
}

fn slip(number: &str, place: usize, by: u8) -> String {
    let mut bytes = number.as_bytes().to_vec();
    if bytes[place].is_ascii_digit() {
        bytes[place] = b'0' + (bytes[place] - b'0' + 1 + by) % 10;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn swap(number: &str, place: usize) -> String {
    let mut bytes = number.as_bytes().to_vec();
    bytes.swap(place, place + 1);
    String::from_utf8(bytes).unwrap_or_default()
}

impl Iterator for Generator {
    type Item = Record;

    /// The next record; the stream has no end.
    fn next(&mut self) -> Option<Record> {
        while self.waiting.is_empty() {
            let person = self.person();
            let relative = self.person().id;
            self.records_of(&person, &relative);
            if self.chance(6) {
                let twin = self.twin(&person);
                self.records_of(&twin, &person.id);
            }
            self.waiting.reverse();
        }
        self.waiting.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_people_and_nobody_real() {
        let first: Vec<Record> = Generator::new(7).take(2000).collect();
        assert_eq!(first, Generator::new(7).take(2000).collect::<Vec<_>>());
        assert_ne!(first, Generator::new(8).take(2000).collect::<Vec<_>>());
        assert!(first.iter().all(|r| r.fields[3].is_empty() || r.fields[3].starts_with("99")));
        assert!(first.iter().all(|r| r.fields[5].is_empty() || r.fields[5].starts_with("12")));
        let whole = first.iter().filter(|r| crate::identifier::is_resident(&r.fields[3])).count();
        assert!(whole > 1500, "{whole} whole numbers");
    }
}
