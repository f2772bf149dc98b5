//! From bytes to text: UTF-8, GB 18030 and GBK, and what to do when the label lies.
//!
//! Chinese systems label messages rarely and wrongly. UTF-8 is recognised by
//! itself: hardly any text in GB 18030 is valid UTF-8 by chance. What is not
//! UTF-8 is read by its label, and without a usable label as GB 18030, of which
//! GBK and GB 2312 are parts.

use std::borrow::Cow;

use encoding_rs::{BIG5, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use tongmai_base::{Finding, Severity};

/// Decoded text, how it was encoded, and what was wrong.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The text, without a byte order mark; borrowed when the bytes were UTF-8.
    pub text: Cow<'a, str>,
    /// Name of the character set that was used, as the Encoding Standard writes it.
    pub charset: &'static str,
    /// What was assumed or replaced.
    pub findings: Vec<Finding>,
}

/// The encoding that a label means: names of HL7 table 0211, IANA names, and the ways in which
/// Chinese systems write them.
pub fn by_label(label: &str) -> Option<&'static Encoding> {
    let label = label.trim();
    let hl7 = match label.to_ascii_uppercase().as_str() {
        "UNICODE" | "UNICODE UTF-8" | "UTF8" | "ASCII" => Some(UTF_8),
        "UNICODE UTF-16" => Some(UTF_16BE),
        "GB 18030-2000" | "GB 18030" | "GB18030-2005" | "GB18030-2022" | "CP936" | "GB2312-80" => {
            Some(GB18030)
        }
        "BIG-5" | "CP950" => Some(BIG5),
        _ => None,
    };
    // GBK is read as GB 18030, which has the same codes and more.
    hl7.or_else(|| match Encoding::for_label(label.as_bytes())? {
        found if found == encoding_rs::GBK => Some(GB18030),
        found => Some(found),
    })
}

/// Reads `bytes` as text. `label` is what the message or its carrier says of its character set;
/// `place` is where it says so, for the findings.
pub fn decode<'a>(bytes: &'a [u8], label: Option<&str>, place: &str) -> Decoded<'a> {
    let mut findings = Vec::new();
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(&bytes[mark..]);
        replaced(broken, encoding, place, &mut findings);
        return Decoded { text, charset: encoding.name(), findings };
    }
    let named = label.filter(|label| !label.trim().is_empty()).and_then(by_label);
    if let Some(label) = label.filter(|label| !label.trim().is_empty() && named.is_none()) {
        findings.push(
            Finding::warning(place, "charset-unknown", format!("the character set '{label}' is not known"))
                .with_repair("name UNICODE UTF-8 or GB 18030-2000"),
        );
    }
    let wide = named.filter(|encoding| *encoding == UTF_16BE || *encoding == UTF_16LE);
    if wide.is_none()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        if let Some(named) = named.filter(|named| *named != UTF_8 && !text.is_ascii()) {
            findings.push(
                Finding::warning(
                    place,
                    "charset-differs",
                    format!("named as {} but written in UTF-8, and read so", named.name()),
                )
                .with_repair("name UNICODE UTF-8"),
            );
        }
        return Decoded { text: Cow::Borrowed(text), charset: UTF_8.name(), findings };
    }
    let encoding = match named {
        Some(encoding) if encoding != UTF_8 => encoding,
        _ => {
            findings.push(
                Finding::warning(
                    place,
                    "charset-assumed",
                    "not UTF-8 and no other character set is named; read as GB 18030",
                )
                .with_repair("name the character set: GB 18030-2000"),
            );
            GB18030
        }
    };
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    replaced(broken, encoding, place, &mut findings);
    Decoded { text, charset: encoding.name(), findings }
}

fn replaced(broken: bool, encoding: &'static Encoding, place: &str, findings: &mut Vec<Finding>) {
    if broken {
        let message = format!("bytes that are no {} were replaced by U+FFFD", encoding.name());
        findings.push(
            Finding::new(Severity::Error, place, "charset-broken", message)
                .with_repair("send the text in one character set, and name it"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_hl7_and_of_chinese_systems_are_known() {
        for (label, name) in [
            ("UNICODE UTF-8", "UTF-8"),
            ("utf-8", "UTF-8"),
            ("GB 18030-2000", "gb18030"),
            ("GBK", "gb18030"),
            ("gb2312", "gb18030"),
            ("BIG-5", "Big5"),
            ("8859/1", ""),
            ("ISO-8859-1", "windows-1252"),
        ] {
            assert_eq!(by_label(label).map_or("", Encoding::name), name, "{label}");
        }
    }

    #[test]
    fn what_is_utf_8_is_read_so_whatever_the_label_says() {
        let utf_8 = "王小明".as_bytes();
        let (gbk, _, _) = encoding_rs::GBK.encode("王小明");
        for (bytes, label, charset, codes) in [
            (utf_8, None, "UTF-8", vec![]),
            (utf_8, Some("GBK"), "UTF-8", vec!["charset-differs"]),
            (utf_8, Some("??"), "UTF-8", vec!["charset-unknown"]),
            (&gbk[..], Some("GBK"), "gb18030", vec![]),
            (&gbk[..], None, "gb18030", vec!["charset-assumed"]),
            (&gbk[..], Some("UTF-8"), "gb18030", vec!["charset-assumed"]),
        ] {
            let decoded = decode(bytes, label, "MSH-18");
            assert_eq!((decoded.text.as_ref(), decoded.charset), ("王小明", charset), "{label:?}");
            assert_eq!(
                decoded.findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(),
                codes,
                "{label:?}"
            );
        }
        let broken = decode(b"\xff\xff\xff", Some("GBK"), "MSH-18");
        assert_eq!(broken.findings[0].code, "charset-broken");
        assert_eq!(decode(b"\xef\xbb\xbfMSH", None, "").text, "MSH");
    }
}
