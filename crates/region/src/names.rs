//! Names of people: Han, Tibetan and Yi, in several scripts, and the ways in
//! which a registration desk gets them wrong.

use crate::rng::Rng;

/// Sex as it is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
}

impl Sex {
    /// FHIR's `administrative-gender`.
    pub fn code(self) -> &'static str {
        match self {
            Sex::Male => "male",
            Sex::Female => "female",
        }
    }
}

/// The peoples (民族) of the county, with their codes of GB/T 3304.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ethnicity {
    /// Han 汉族.
    Han,
    /// Tibetan 藏族.
    Tibetan,
    /// Yi 彝族.
    Yi,
}

impl Ethnicity {
    /// Code, Chinese and English name.
    pub fn coding(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Ethnicity::Han => ("01", "汉族", "Han"),
            Ethnicity::Tibetan => ("04", "藏族", "Tibetan"),
            Ethnicity::Yi => ("07", "彝族", "Yi"),
        }
    }
}

/// A person's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// Family name in hanzi; empty for most Tibetan names.
    pub family: String,
    /// Given name in hanzi.
    pub given: String,
    /// What stands between the two: nothing, or the interpunct of many Yi names.
    pub joint: &'static str,
    /// Family name in Latin letters.
    pub latin_family: String,
    /// Given name in Latin letters.
    pub latin_given: String,
    /// The name in Tibetan script; empty for others.
    pub script: String,
}

impl Name {
    /// The whole name in hanzi.
    pub fn text(&self) -> String {
        format!("{}{}{}", self.family, self.joint, self.given)
    }

    /// The whole name in Latin letters.
    pub fn latin(&self) -> String {
        format!("{} {}", self.latin_family, self.latin_given).trim().to_string()
    }

    /// A Han name out of its parts: `("王", "Wang", "芳", "Fang")`.
    pub fn han(family: &str, latin_family: &str, given: &str, latin_given: &str) -> Name {
        Name {
            family: family.into(),
            given: given.into(),
            latin_family: latin_family.into(),
            latin_given: latin_given.into(),
            ..Name::default()
        }
    }
}

/// Surnames with their pinyin and their share in 1,000.
const SURNAMES: &[(&str, &str, u32)] = &[
    ("王", "Wang", 72),
    ("李", "Li", 70),
    ("张", "Zhang", 66),
    ("刘", "Liu", 52),
    ("陈", "Chen", 46),
    ("杨", "Yang", 33),
    ("黄", "Huang", 24),
    ("赵", "Zhao", 22),
    ("吴", "Wu", 20),
    ("周", "Zhou", 20),
    ("徐", "Xu", 15),
    ("孙", "Sun", 15),
    ("马", "Ma", 14),
    ("朱", "Zhu", 13),
    ("胡", "Hu", 13),
    ("郭", "Guo", 12),
    ("何", "He", 12),
    ("高", "Gao", 11),
    ("林", "Lin", 11),
    ("罗", "Luo", 10),
    ("郑", "Zheng", 9),
    ("梁", "Liang", 9),
    ("谢", "Xie", 8),
    ("宋", "Song", 8),
    ("唐", "Tang", 7),
    ("许", "Xu", 7),
    ("韩", "Han", 7),
    ("邓", "Deng", 6),
    ("冯", "Feng", 6),
    ("曹", "Cao", 6),
    ("彭", "Peng", 6),
    ("曾", "Zeng", 6),
    ("肖", "Xiao", 6),
    ("田", "Tian", 5),
    ("董", "Dong", 5),
    ("潘", "Pan", 5),
    ("袁", "Yuan", 5),
    ("蔡", "Cai", 5),
    ("蒋", "Jiang", 5),
    ("余", "Yu", 5),
    ("于", "Yu", 5),
    ("杜", "Du", 4),
    ("叶", "Ye", 4),
    ("程", "Cheng", 4),
    ("魏", "Wei", 4),
    ("苏", "Su", 4),
    ("吕", "Lü", 4),
    ("丁", "Ding", 4),
    ("任", "Ren", 4),
    ("卢", "Lu", 4),
    ("单", "Shan", 2),
    ("仇", "Qiu", 2),
    ("解", "Xie", 2),
    ("覃", "Qin", 2),
    ("盖", "Ge", 1),
    ("欧阳", "Ouyang", 2),
    ("司马", "Sima", 1),
    ("上官", "Shangguan", 1),
    ("诸葛", "Zhuge", 1),
];

/// Given-name characters with pinyin: for men, for women, for both. Characters of
/// one sound stand side by side: a desk that hears the name may write its neighbour.
const MEN: &[(&str, &str)] = &[
    ("伟", "wei"),
    ("玮", "wei"),
    ("炜", "wei"),
    ("强", "qiang"),
    ("军", "jun"),
    ("君", "jun"),
    ("钧", "jun"),
    ("建", "jian"),
    ("健", "jian"),
    ("剑", "jian"),
    ("国", "guo"),
    ("勇", "yong"),
    ("永", "yong"),
    ("峰", "feng"),
    ("锋", "feng"),
    ("丰", "feng"),
    ("辉", "hui"),
    ("晖", "hui"),
    ("刚", "gang"),
    ("钢", "gang"),
    ("志", "zhi"),
    ("智", "zhi"),
    ("涛", "tao"),
    ("韬", "tao"),
    ("斌", "bin"),
    ("彬", "bin"),
    ("滨", "bin"),
    ("浩", "hao"),
    ("皓", "hao"),
    ("昊", "hao"),
    ("德", "de"),
    ("福", "fu"),
    ("富", "fu"),
    ("宏", "hong"),
    ("洪", "hong"),
    ("海", "hai"),
    ("龙", "long"),
    ("杰", "jie"),
    ("捷", "jie"),
    ("鹏", "peng"),
    ("超", "chao"),
];
const WOMEN: &[(&str, &str)] = &[
    ("芳", "fang"),
    ("方", "fang"),
    ("丽", "li"),
    ("莉", "li"),
    ("俐", "li"),
    ("静", "jing"),
    ("婧", "jing"),
    ("娟", "juan"),
    ("涓", "juan"),
    ("秀", "xiu"),
    ("绣", "xiu"),
    ("英", "ying"),
    ("瑛", "ying"),
    ("颖", "ying"),
    ("霞", "xia"),
    ("燕", "yan"),
    ("艳", "yan"),
    ("雁", "yan"),
    ("梅", "mei"),
    ("玫", "mei"),
    ("兰", "lan"),
    ("桂", "gui"),
    ("凤", "feng"),
    ("珍", "zhen"),
    ("贞", "zhen"),
    ("琴", "qin"),
    ("芹", "qin"),
    ("红", "hong"),
    ("虹", "hong"),
    ("萍", "ping"),
    ("苹", "ping"),
    ("云", "yun"),
    ("芸", "yun"),
    ("莲", "lian"),
    ("雪", "xue"),
    ("怡", "yi"),
    ("依", "yi"),
    ("思", "si"),
    ("丝", "si"),
    ("梓", "zi"),
    ("紫", "zi"),
    ("涵", "han"),
    ("晗", "han"),
];
const EITHER: &[(&str, &str)] = &[
    ("明", "ming"),
    ("铭", "ming"),
    ("华", "hua"),
    ("桦", "hua"),
    ("平", "ping"),
    ("文", "wen"),
    ("雯", "wen"),
    ("林", "lin"),
    ("琳", "lin"),
    ("霖", "lin"),
    ("春", "chun"),
    ("玉", "yu"),
    ("宇", "yu"),
    ("雨", "yu"),
    ("晨", "chen"),
    ("辰", "chen"),
    ("佳", "jia"),
    ("嘉", "jia"),
    ("欣", "xin"),
    ("鑫", "xin"),
    ("昕", "xin"),
    ("轩", "xuan"),
    ("萱", "xuan"),
    ("慧", "hui"),
    ("惠", "hui"),
    ("敏", "min"),
    ("珉", "min"),
    ("洁", "jie"),
];
/// Characters that forms, fonts and databases stumble over; several lie outside
/// the Basic Multilingual Plane.
const RARE: &[(&str, &str)] = &[
    ("喆", "zhe"),
    ("犇", "ben"),
    ("翀", "chong"),
    ("旻", "min"),
    ("珺", "jun"),
    ("玥", "yue"),
    ("彧", "yu"),
    ("䶮", "yan"),
    ("㛃", "jie"),
    ("𠮷", "ji"),
    ("𫖯", "fu"),
    ("𬱖", "di"),
    ("𬀩", "wei"),
    ("𬭼", "sui"),
    ("𣲘", "wei"),
    ("𬬭", "lun"),
];

/// Parts of Tibetan names: hanzi, Latin, Tibetan script.
const TIBETAN_EITHER: &[(&str, &str, &str)] = &[
    ("扎西", "Tashi", "བཀྲ་ཤིས"),
    ("次仁", "Tsering", "ཚེ་རིང"),
    ("达瓦", "Dawa", "ཟླ་བ"),
    ("尼玛", "Nyima", "ཉི་མ"),
    ("白玛", "Pema", "པདྨ"),
    ("格桑", "Kelsang", "སྐལ་བཟང"),
    ("平措", "Phuntsok", "ཕུན་ཚོགས"),
    ("索朗", "Sonam", "བསོད་ནམས"),
    ("洛桑", "Lobsang", "བློ་བཟང"),
    ("丹增", "Tenzin", "བསྟན་འཛིན"),
];
const TIBETAN_MEN: &[(&str, &str, &str)] = &[
    ("多吉", "Dorje", "རྡོ་རྗེ"),
    ("罗布", "Norbu", "ནོར་བུ"),
    ("顿珠", "Dondrup", "དོན་གྲུབ"),
    ("旺堆", "Wangdu", "དབང་འདུས"),
];
const TIBETAN_WOMEN: &[(&str, &str, &str)] = &[
    ("卓玛", "Drolma", "སྒྲོལ་མ"),
    ("拉姆", "Lhamo", "ལྷ་མོ"),
    ("央金", "Yangchen", "དབྱངས་ཅན"),
    ("措姆", "Tsomo", "མཚོ་མོ"),
];

/// Yi clan names and given names.
const YI_FAMILIES: &[(&str, &str)] = &[
    ("沙马", "Shama"),
    ("吉克", "Jike"),
    ("曲比", "Qubi"),
    ("马海", "Mahai"),
    ("的莫", "Dimo"),
    ("吉木", "Jimu"),
    ("阿苏", "Asu"),
    ("俄木", "Emu"),
    ("罗洪", "Luohong"),
];
const YI_MEN: &[(&str, &str)] = &[
    ("拉铁", "Latie"),
    ("尔哈", "Erha"),
    ("木呷", "Muga"),
    ("史布", "Shibu"),
    ("伍呷", "Wuga"),
    ("阿木", "Amu"),
];
const YI_WOMEN: &[(&str, &str)] = &[
    ("阿依", "Ayi"),
    ("伍牛", "Wuniu"),
    ("阿甘", "Agan"),
    ("石作", "Shizuo"),
    ("日洛", "Riluo"),
    ("尔扎", "Erza"),
];

/// Characters with another form in traditional script, of those used here.
const TRADITIONAL: &[(char, char)] = &[
    ('张', '張'),
    ('刘', '劉'),
    ('陈', '陳'),
    ('杨', '楊'),
    ('黄', '黃'),
    ('赵', '趙'),
    ('吴', '吳'),
    ('孙', '孫'),
    ('马', '馬'),
    ('罗', '羅'),
    ('郑', '鄭'),
    ('谢', '謝'),
    ('许', '許'),
    ('韩', '韓'),
    ('邓', '鄧'),
    ('冯', '馮'),
    ('肖', '蕭'),
    ('蒋', '蔣'),
    ('叶', '葉'),
    ('苏', '蘇'),
    ('吕', '呂'),
    ('卢', '盧'),
    ('单', '單'),
    ('欧', '歐'),
    ('阳', '陽'),
    ('诸', '諸'),
    ('伟', '偉'),
    ('玮', '瑋'),
    ('炜', '煒'),
    ('强', '強'),
    ('军', '軍'),
    ('钧', '鈞'),
    ('剑', '劍'),
    ('国', '國'),
    ('锋', '鋒'),
    ('丰', '豐'),
    ('辉', '輝'),
    ('晖', '暉'),
    ('刚', '剛'),
    ('钢', '鋼'),
    ('涛', '濤'),
    ('韬', '韜'),
    ('滨', '濱'),
    ('龙', '龍'),
    ('杰', '傑'),
    ('鹏', '鵬'),
    ('丽', '麗'),
    ('静', '靜'),
    ('绣', '繡'),
    ('颖', '穎'),
    ('艳', '豔'),
    ('兰', '蘭'),
    ('凤', '鳳'),
    ('贞', '貞'),
    ('红', '紅'),
    ('苹', '蘋'),
    ('云', '雲'),
    ('莲', '蓮'),
    ('丝', '絲'),
    ('铭', '銘'),
    ('华', '華'),
    ('桦', '樺'),
    ('轩', '軒'),
    ('洁', '潔'),
    ('达', '達'),
    ('玛', '瑪'),
    ('顿', '頓'),
    ('铁', '鐵'),
];

/// A surname and its pinyin.
pub fn surname(rng: &mut Rng) -> (&'static str, &'static str) {
    let total: u32 = SURNAMES.iter().map(|s| s.2).sum();
    let mut draw = rng.below(u64::from(total)) as u32;
    for &(hanzi, pinyin, weight) in SURNAMES {
        if draw < weight {
            return (hanzi, pinyin);
        }
        draw -= weight;
    }
    (SURNAMES[0].0, SURNAMES[0].1)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn given_character(rng: &mut Rng, sex: Sex) -> (&'static str, &'static str) {
    match rng.below(100) {
        0 | 1 => *rng.pick(RARE),
        2..35 => *rng.pick(EITHER),
        _ if sex == Sex::Male => *rng.pick(MEN),
        _ => *rng.pick(WOMEN),
    }
}

/// A Han name with this surname.
pub fn han(rng: &mut Rng, family: (&str, &str), sex: Sex) -> Name {
    let first = given_character(rng, sex);
    let (mut given, mut latin) = (first.0.to_string(), first.1.to_string());
    if rng.chance(620) {
        let second = given_character(rng, sex);
        given.push_str(second.0);
        latin.push_str(second.1);
    }
    Name::han(family.0, family.1, &given, &capitalised(&latin))
}

/// A Tibetan name: two parts, no family name.
pub fn tibetan(rng: &mut Rng, sex: Sex) -> Name {
    let first = rng.pick(TIBETAN_EITHER);
    let second = rng.pick(if sex == Sex::Male { TIBETAN_MEN } else { TIBETAN_WOMEN });
    Name {
        given: format!("{}{}", first.0, second.0),
        latin_given: format!("{} {}", first.1, second.1),
        script: format!("{}་{}", first.2, second.2),
        ..Name::default()
    }
}

/// A Yi clan name.
pub fn yi_family(rng: &mut Rng) -> (&'static str, &'static str) {
    *rng.pick(YI_FAMILIES)
}

/// A Yi name with this clan name; half of them are written with an interpunct.
pub fn yi(rng: &mut Rng, family: (&str, &str), sex: Sex) -> Name {
    let given = rng.pick(if sex == Sex::Male { YI_MEN } else { YI_WOMEN });
    let joint = if rng.chance(500) { "·" } else { "" };
    Name { joint, ..Name::han(family.0, family.1, given.0, given.1) }
}

/// The name in traditional script, when that differs.
pub fn traditional(name: &Name) -> Option<Name> {
    let convert = |text: &str| -> String {
        text.chars().map(|c| TRADITIONAL.iter().find(|(s, _)| *s == c).map_or(c, |(_, t)| *t)).collect()
    };
    let other = Name { family: convert(&name.family), given: convert(&name.given), ..name.clone() };
    (other != *name).then_some(other)
}

/// The name with one given character replaced by another of the same sound.
pub fn homophone(rng: &mut Rng, name: &Name) -> Option<Name> {
    let tables = [MEN, WOMEN, EITHER];
    let all = || tables.iter().flat_map(|t| t.iter());
    for (place, character) in name.given.char_indices() {
        let written = &name.given[place..place + character.len_utf8()];
        let Some(sound) = all().find(|(c, _)| *c == written).map(|(_, p)| *p) else { continue };
        let others: Vec<&str> =
            all().filter(|(c, p)| *p == sound && *c != written).map(|(c, _)| *c).collect();
        if others.is_empty() {
            continue;
        }
        let mut given = name.given.clone();
        given.replace_range(
            place..place + character.len_utf8(),
            others[rng.below(others.len() as u64) as usize],
        );
        return Some(Name { given, ..name.clone() });
    }
    None
}

/// The name with its interpunct put in, or left out. `None` for a name of one part.
pub fn repunctuated(name: &Name) -> Option<Name> {
    if name.family.is_empty() {
        let split = name.given.char_indices().nth(2)?.0;
        let (first, second) = name.given.split_at(split);
        return Some(Name { given: format!("{first}·{second}"), ..name.clone() });
    }
    (name.latin_family.len() > 2 && name.family.chars().count() == 2)
        .then(|| Name { joint: if name.joint.is_empty() { "·" } else { "" }, ..name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_name_sound_alike() {
        let mut rng = Rng::new(1, 1, 1);
        let name = Name::han("张", "Zhang", "国伟", "Guowei");
        assert_eq!(traditional(&name).map(|n| n.text()).as_deref(), Some("張國偉"));
        let other = homophone(&mut rng, &name).map(|n| n.text());
        assert!(matches!(other.as_deref(), Some("张国玮" | "张国炜")), "{other:?}");
        let zhuoma = Name { given: "次仁卓玛".into(), ..Name::default() };
        assert_eq!(repunctuated(&zhuoma).map(|n| n.text()).as_deref(), Some("次仁·卓玛"));
        assert_eq!(traditional(&Name::han("王", "Wang", "明", "Ming")), None);
        assert_eq!(repunctuated(&Name::han("王", "Wang", "明", "Ming")), None);
    }
}
