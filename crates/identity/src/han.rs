//! Chinese characters as names use them: simplified form, Mandarin and
//! Cantonese readings, surnames.

use pinyin::{ToPinyin, ToPinyinMulti};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Traditional and simplified characters in turn. Facts tabulated from
/// OpenCC's character tables (Apache-2.0).
const SIMPLIFIED: &str = include_str!("han/simplified.txt");
/// Jyutping syllables with their characters, most common reading only. Facts
/// tabulated from rime-cantonese (CC BY 4.0).
const JYUTPING: &str = include_str!("han/jyutping.txt");

/// Surnames of two characters that are still in use.
const COMPOUND_SURNAMES: &str = "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 司徒 长孙 宇文 夏侯 轩辕 端木 \
    百里 东郭 南宫 呼延 申屠 司空 闻人 澹台 公冶 宗政 濮阳 淳于 单于 太叔 钟离 鲜于 闾丘 亓官 司寇 拓跋 独孤 \
    赫连 万俟 第五 西门 南门 左丘 梁丘 谷梁 羊舌 公羊 纳兰 叶赫 完颜 耶律 爱新觉罗 哥舒";

/// Characters whose reading as a surname differs from their usual one.
const SURNAME_READINGS: &str = "单shan 仇qiu 任ren 区ou 盖ge 解xie 曾zeng 查zha 朴piao 尉wei 缪miao 洗xian 冼xian \
    华hua 宁ning 翟zhai 覃qin 种chong 召shao 卜bu 乐yue 员yun 佴nai 折she 隗wei 逄pang 黑he 车che 郗xi 晟cheng \
    繁po 秘bi 谌chen 撒sa 燕yan 哈ha 万wan 葛ge 纪ji 臧zang 薄bo 柏bai 牟mu 芮rui 应ying 重chong 石shi 都du 冯feng \
    贾jia 瞿qu 过guo 佘she 褚chu 那na 阚kan 祭zhai 幺yao 能nai 适kuo 令ling 尹yin 尧yao 俞yu 余yu 沈shen 吕lü";

/// Surnames whose holders write `lü`, `nü` as `lv`, `lyu` or `lu`: one spelling for all.
fn plain(syllable: &str) -> String {
    syllable.replace('ü', "v")
}

/// The characters that a table by place holds: most that are written at all.
const PLACED: std::ops::RangeInclusive<u32> = 0x3400..=0x9FFF;

struct Tables {
    /// Simplified forms by place from the first of [`PLACED`]; 0 where a character is its own.
    placed: Vec<u32>,
    /// Those of all other characters.
    simplified: HashMap<char, char>,
    traditional: HashMap<char, char>,
    jyutping: HashMap<char, &'static str>,
    compound: Vec<Vec<char>>,
    surname: HashMap<char, String>,
    syllables: HashSet<String>,
    longest_syllable: usize,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let pairs: Vec<char> = SIMPLIFIED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let mut traditional = HashMap::new();
    for pair in pairs.chunks_exact(2) {
        traditional.entry(pair[1]).or_insert(pair[0]);
    }
    let mut jyutping = HashMap::new();
    for line in JYUTPING.lines().filter(|line| !line.starts_with('#')) {
        if let Some((syllable, characters)) = line.split_once(' ') {
            jyutping.extend(characters.chars().map(|c| (c, syllable)));
        }
    }
    let surname = SURNAME_READINGS
        .split_whitespace()
        .filter_map(|entry| {
            let c = entry.chars().next()?;
            Some((c, plain(&entry[c.len_utf8()..])))
        })
        .collect();
    let syllables: HashSet<String> = (0x4E00u32..=0x9FA5)
        .filter_map(char::from_u32)
        .filter_map(|c| c.to_pinyin())
        .map(|reading| plain(reading.plain()))
        .filter(|syllable| syllable.is_ascii() && syllable.len() <= 6)
        .collect();
    let mut placed = vec![0; (PLACED.end() - PLACED.start() + 1) as usize];
    let mut simplified = HashMap::new();
    for pair in pairs.chunks_exact(2) {
        match PLACED.contains(&u32::from(pair[0])) {
            true => placed[(u32::from(pair[0]) - PLACED.start()) as usize] = u32::from(pair[1]),
            false => _ = simplified.insert(pair[0], pair[1]),
        }
    }
    Tables {
        placed,
        simplified,
        traditional,
        jyutping,
        compound: COMPOUND_SURNAMES.split_whitespace().map(|name| name.chars().collect()).collect(),
        surname,
        longest_syllable: syllables.iter().map(String::len).max().unwrap_or(0),
        syllables,
    }
});

/// Whether `c` is a Chinese character.
pub fn is_han(c: char) -> bool {
    matches!(c as u32, 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x323AF)
}

/// The simplified form of a character; other characters stay as they are.
pub fn simplified(c: char) -> char {
    let tables = &*TABLES;
    if PLACED.contains(&u32::from(c)) {
        match tables.placed[(u32::from(c) - PLACED.start()) as usize] {
            0 => c,
            other => char::from_u32(other).unwrap_or(c),
        }
    } else if is_han(c) {
        tables.simplified.get(&c).copied().unwrap_or(c)
    } else {
        c
    }
}

/// The usual Mandarin reading of a character without tone, `ü` written `v`.
pub fn pinyin(c: char) -> Option<String> {
    c.to_pinyin().map(|reading| plain(reading.plain()))
}

/// All Mandarin readings of a character without tone, the usual one first.
pub fn readings(c: char) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for reading in c.to_pinyin_multi().into_iter().flatten() {
        let reading = plain(reading.plain());
        if !found.contains(&reading) {
            found.push(reading);
        }
    }
    found
}

/// The reading of a surname: its own where it has one (单 is `shan`), else the usual.
pub fn surname_pinyin(surname: &str) -> String {
    let mut characters = surname.chars();
    if let (Some(c), None) = (characters.next(), characters.next())
        && let Some(reading) = TABLES.surname.get(&c)
    {
        return reading.clone();
    }
    name_pinyin(surname)
}

/// The readings of all characters of a given name, joined; Latin letters pass through.
pub fn name_pinyin(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match pinyin(c) {
            Some(reading) => out.push_str(&reading),
            None if c != ' ' => out.push(c),
            None => {}
        }
    }
    out
}

/// The Cantonese readings (Jyutping with tones) of a name, parted by blanks;
/// `None` when a character has no reading in the table. Takes either script.
pub fn jyutping(name: &str) -> Option<String> {
    let tables = &*TABLES;
    let syllable = |c: char| {
        tables.jyutping.get(&c).or_else(|| tables.jyutping.get(tables.traditional.get(&c)?)).copied()
    };
    let syllables: Option<Vec<&str>> = name.chars().map(syllable).collect();
    syllables.filter(|found| !found.is_empty()).map(|found| found.join(" "))
}

/// How many leading characters of a Chinese full name are its surname.
pub fn surname_length(name: &[char]) -> usize {
    let begins = |compound: &&Vec<char>| {
        name.starts_with(compound) && (name.len() > compound.len() || compound.len() == 2)
    };
    // The longer one first: 爱新觉罗.
    if let Some(longest) = TABLES.compound.iter().filter(begins).map(Vec::len).max() {
        return longest;
    }
    usize::from(!name.is_empty())
}

/// Whether a Latin word can be read as Mandarin syllables (`yingna`), at most four of them.
pub fn is_pinyin(word: &str) -> bool {
    fn reads(word: &str, syllables: usize) -> bool {
        if word.is_empty() {
            return true;
        }
        syllables > 0
            && (1..=word.len().min(TABLES.longest_syllable)).any(|length| {
                word.is_char_boundary(length)
                    && TABLES.syllables.contains(&word[..length])
                    && reads(&word[length..], syllables - 1)
            })
    }
    !word.is_empty() && word.is_ascii() && reads(word, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surnames_have_their_own_readings() {
        for (surname, expected) in
            [("单", "shan"), ("仇", "qiu"), ("解", "xie"), ("欧阳", "ouyang"), ("王", "wang")]
        {
            assert_eq!(surname_pinyin(surname), expected);
        }
        assert_eq!(pinyin('单').as_deref(), Some("dan"));
        assert!(readings('乐').contains(&"yue".to_string()) && readings('乐').contains(&"le".to_string()));
        assert_eq!(surname_pinyin("吕"), "lv");
    }

    #[test]
    fn compound_surnames_are_kept_whole() {
        for (name, expected) in
            [("欧阳修", 2), ("司马光", 2), ("王伟", 1), ("爱新觉罗溥仪", 4), ("张", 1), ("", 0)]
        {
            assert_eq!(surname_length(&name.chars().collect::<Vec<_>>()), expected, "{name}");
        }
    }

    #[test]
    fn scripts_and_readings() {
        assert_eq!("張偉黃麗".chars().map(simplified).collect::<String>(), "张伟黄丽");
        assert_eq!(jyutping("黃大文").as_deref(), Some("wong4 daai6 man4"));
        assert_eq!(jyutping("陈"), jyutping("陳"));
        assert!(is_pinyin("yingna") && is_pinyin("zhang") && !is_pinyin("smith") && !is_pinyin(""));
    }
}
