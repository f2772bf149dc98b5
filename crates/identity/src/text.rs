//! One normal form for everything that is compared as text.
//!
//! NFKC (which folds full width to half width), lower case, combining marks of
//! Latin letters dropped, traditional characters made simplified, anything
//! that is neither a letter nor a digit turned into one blank.

use crate::han;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The normal form of `raw`: lower case, simplified, words parted by single blanks.
pub fn normalise(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    if raw.is_ascii() {
        for byte in raw.bytes() {
            push_folded(&mut out, char::from(byte.to_ascii_lowercase()));
        }
    } else if raw.chars().all(is_plain) {
        raw.chars().for_each(|c| push_folded(&mut out, han::simplified(c.to_ascii_lowercase())));
    } else {
        for c in raw.nfkc().flat_map(char::to_lowercase) {
            if c.is_ascii() {
                push_folded(&mut out, c);
            } else if (c as u32) < 0x2000 {
                std::iter::once(c)
                    .nfd()
                    .filter(|c| !is_combining_mark(*c))
                    .for_each(|c| push_folded(&mut out, c));
            } else {
                push_folded(&mut out, han::simplified(c));
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// ASCII and the common Chinese characters, which NFKC leaves as they are.
fn is_plain(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{4E00}'..='\u{9FA5}')
}

/// Appends a letter or digit; an apostrophe vanishes, and all else becomes a blank.
fn push_folded(out: &mut String, c: char) {
    // Chinese characters are letters; to look them up as such takes longer than all else.
    if matches!(c, '\u{4E00}'..='\u{9FA5}') || c.is_alphanumeric() {
        out.push(c);
    } else if !matches!(c, '\'' | '’' | '`') && !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// The normal form without blanks, for addresses and codes whose spacing is arbitrary.
pub fn compact(raw: &str) -> String {
    let mut text = normalise(raw);
    text.retain(|c| c != ' ');
    text
}

/// Letters and digits in upper case, for identifiers.
pub fn code(raw: &str) -> String {
    if raw.is_ascii() {
        let kept = raw.bytes().filter(u8::is_ascii_alphanumeric);
        return kept.map(|byte| char::from(byte.to_ascii_uppercase())).collect();
    }
    raw.nfkc().flat_map(char::to_uppercase).filter(|c| c.is_alphanumeric()).collect()
}

/// Digits only, full width folded.
pub fn digits(raw: &str) -> String {
    if raw.is_ascii() {
        return raw.chars().filter(char::is_ascii_digit).collect();
    }
    raw.nfkc().filter(char::is_ascii_digit).collect()
}

/// Whether the text says that nothing is known: `unknown`, `不详`, `NULL`, a lone dash.
pub fn is_placeholder(raw: &str) -> bool {
    const UNKNOWN: &[&str] = &[
        "",
        "na",
        "n a",
        "nan",
        "null",
        "none",
        "nil",
        "unknown",
        "unk",
        "not known",
        "not stated",
        "不详",
        "不明",
        "未知",
        "无",
        "未提供",
        "不清",
        "拒绝提供",
        "其他",
        "无电话",
        "无身份证",
    ];
    // Most texts are longer, or begin with none of these.
    let may_be = |c: char| matches!(c, 'n' | 'u' | '不' | '未' | '无' | '拒' | '其');
    raw.len() <= 12 && (raw.is_empty() || raw.starts_with(may_be)) && UNKNOWN.contains(&raw)
}

/// A 64-bit hash with fixed constants: the same on every machine and in every run.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state, u64::from_le_bytes(word));
    }
    mix(state, 0xD6E8_FEB8_6659_FD93)
}

/// Mixes one word into a hash (multiply and fold, as in wyhash).
pub fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word ^ 0xA076_1D64_78BD_642F) * u128::from(word ^ 0xE703_7ED1_A0B4_28DB);
    (product as u64) ^ ((product >> 64) as u64) ^ state.rotate_left(23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms() {
        for (raw, expected) in [
            ("  O'Brien-Smith ", "obrien smith"),
            ("ＺＨＡＮＧ　ｗｅｉ", "zhang wei"),
            ("José  Müller", "jose muller"),
            ("張偉", "张伟"),
            ("黃麗華", "黄丽华"),
            ("扎西·次仁", "扎西 次仁"),
            ("１２３号", "123号"),
            ("", ""),
            ("--", ""),
        ] {
            assert_eq!(normalise(raw), expected, "{raw}");
        }
        assert_eq!(compact("pridham street"), "pridhamstreet");
        assert_eq!(code(" a123456(3)"), "A1234563");
    }
}
