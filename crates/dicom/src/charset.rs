//! Text of DICOM elements (PS3.5, section 6.1): single character sets and those that switch by escapes.
//!
//! Chinese devices write `ISO_IR 192` (UTF-8), `GB18030`, `GBK`, or `ISO 2022 IR 58` (GB 2312 beside
//! ASCII, by `ESC $ ) A`). Each value of a multi-valued Specific Character Set is known, since one
//! name may hold Latin, Chinese and Japanese groups.

use encoding_rs::{
    EUC_KR, Encoding, GB18030, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

const ESCAPE: u8 = 0x1b;

/// Whether a character set is known.
pub fn is_known(name: &str) -> bool {
    name.trim().is_empty() || encoding(name).is_some()
}

/// The encoding of a defined term (PS3.3, C.12.1.1.2), and of the names that devices write for it.
fn encoding(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().to_ascii_uppercase().replace('_', " ").replace("ISO 2022 IR", "ISO IR");
    Some(match name.as_str() {
        "ISO IR 6" | "ISO IR 100" | "" => WINDOWS_1252,
        "ISO IR 192" | "UTF-8" | "UTF8" => UTF_8,
        "GB18030" | "GBK" | "GB2312" | "ISO IR 58" => GB18030,
        "ISO IR 101" => ISO_8859_2,
        "ISO IR 109" => ISO_8859_3,
        "ISO IR 110" => ISO_8859_4,
        "ISO IR 144" => ISO_8859_5,
        "ISO IR 127" => ISO_8859_6,
        "ISO IR 126" => ISO_8859_7,
        "ISO IR 138" => ISO_8859_8,
        "ISO IR 148" => WINDOWS_1254,
        "ISO IR 166" => WINDOWS_874,
        "ISO IR 13" => SHIFT_JIS,
        "ISO IR 87" | "ISO IR 159" => ISO_2022_JP,
        "ISO IR 149" => EUC_KR,
        _ => return None,
    })
}

/// Decodes the bytes of a text. `sets` are the values of Specific Character Set, as they came.
pub fn decode(bytes: &[u8], sets: &[String]) -> String {
    let first = sets.first().map_or("", String::as_str);
    // What is UTF-8 beyond ASCII is hardly anything else, whatever the header says.
    if !bytes.is_ascii()
        && !bytes.contains(&ESCAPE)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    let initial = match encoding(first) {
        // Two-byte sets begin with an escape where they are one of several.
        Some(found) if found == ISO_2022_JP => WINDOWS_1252,
        Some(found) => found,
        None => GB18030,
    };
    // A device that names only the second set writes its bytes without an escape all the same.
    let second = sets.get(1).and_then(|name| encoding(name));
    let plain =
        if first.trim().is_empty() && !bytes.contains(&ESCAPE) { second.unwrap_or(initial) } else { initial };
    let mut out = String::new();
    let (mut current, mut from, mut at) = (plain, 0, 0);
    let mut japanese = false;
    while at < bytes.len() {
        if bytes[at] == ESCAPE {
            append(&bytes[from..at], current, japanese, &mut out);
            let (next, length, is_japanese) = switched(&bytes[at..], plain);
            (current, japanese) = (next, is_japanese);
            from = at + length;
            at = from;
            continue;
        }
        // Delimiters of names and lines return to the first set.
        if bytes[at] < 0x80 && matches!(bytes[at], b'=' | b'\r' | b'\n') && current != plain {
            append(&bytes[from..at], current, japanese, &mut out);
            (current, japanese, from) = (plain, false, at);
        }
        at += 1;
    }
    append(&bytes[from.min(bytes.len())..], current, japanese, &mut out);
    out
}

/// The set that an escape switches to, how long the escape is, and whether it is JIS X 0208.
fn switched(bytes: &[u8], plain: &'static Encoding) -> (&'static Encoding, usize, bool) {
    match bytes {
        [_, b'$', b')', b'A', ..] => (GB18030, 4, false),
        [_, b'$', b')', b'C', ..] => (EUC_KR, 4, false),
        [_, b'$', b'(', b'D', ..] => (ISO_2022_JP, 4, true),
        [_, b'$', b'B', ..] => (ISO_2022_JP, 3, true),
        [_, b'(', b'B' | b'J', ..] => (plain, 3, false),
        [_, b')', b'I', ..] => (SHIFT_JIS, 3, false),
        [_, b'-', which, ..] => {
            let found = match which {
                b'B' => ISO_8859_2,
                b'C' => ISO_8859_3,
                b'D' => ISO_8859_4,
                b'L' => ISO_8859_5,
                b'G' => ISO_8859_6,
                b'F' => ISO_8859_7,
                b'H' => ISO_8859_8,
                b'M' => WINDOWS_1254,
                b'T' => WINDOWS_874,
                _ => WINDOWS_1252,
            };
            (found, 3, false)
        }
        _ => (plain, 1, false),
    }
}

fn append(bytes: &[u8], encoding: &'static Encoding, japanese: bool, out: &mut String) {
    if bytes.is_empty() {
        return;
    }
    if japanese {
        let whole = [b"\x1b$B".as_slice(), bytes, b"\x1b(B"].concat();
        out.push_str(&ISO_2022_JP.decode_without_bom_handling(&whole).0);
    } else {
        out.push_str(&encoding.decode_without_bom_handling(bytes).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of PS3.5, annexes H to K, and what devices write besides.
    #[test]
    fn names_of_all_character_sets() {
        for (bytes, sets, expected) in [
            (&b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1="[..], &["ISO_IR 192"][..], "Wang^XiaoDong=王^小東="),
            (b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", &["GB18030"], "Wang^XiaoDong=王^小东="),
            (b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", &["GBK"], "Wang^XiaoDong=王^小东="),
            (
                b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
                &["", "ISO 2022 IR 58"],
                "Zhang^XiaoDong=张^小东=",
            ),
            (b"\xcd\xf5^\xd0\xa1\xb6\xab", &["", "ISO 2022 IR 58"], "王^小东"),
            (b"\xcd\xf5", &["ISO 2022 IR 58"], "王"),
            (b"\xcd\xf5", &["unknown"], "王"),
            (
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
                &["", "ISO 2022 IR 87"],
                "Yamada^Tarou=山田^太郎",
            ),
            (
                b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
                &["", "ISO 2022 IR 149"],
                "Hong^Gildong=洪^吉洞=홍^길동",
            ),
            (b"Buc^J\xe9r\xf4me", &["ISO_IR 100"], "Buc^Jérôme"),
        ] {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            assert_eq!(decode(bytes, &sets), expected);
        }
        assert!(is_known("ISO 2022 IR 58") && is_known("") && !is_known("KLINGON"));
    }
}
