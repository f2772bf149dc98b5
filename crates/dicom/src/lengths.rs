//! Whether the lengths that a file claims fit its bytes.
//!
//! The parser makes room for what an element claims before it reads: a file of a hundred bytes could ask
//! for four gigabytes. So all lengths up to the pixels are looked at first.

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

/// Explicit representations, big endian: retired, and still sent.
const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const UNDEFINED: u32 = u32::MAX;
/// Group of the marks within sequences, whose length follows at once.
const MARKS: u16 = 0xFFFE;
/// Representations whose length has two bytes. All others, unknown ones too, have two bytes that are kept free
/// and a length of four.
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

/// How the data set behind the file's own elements is written.
#[derive(Clone, Copy)]
struct Syntax {
    explicit: bool,
    big_endian: bool,
}

/// The first element that claims more bytes than there are: its tag, what it claims, and what is left.
pub fn first_too_long(bytes: &[u8]) -> Option<(Tag, u32, usize)> {
    let mut at = 132;
    let mut syntax = Syntax { explicit: true, big_endian: false };
    let mut of_data = syntax;
    while let Some(head) = bytes.get(at..at + 8) {
        // The file's own elements are always of explicit representation and little endian.
        let own = head[..2] == [2, 0];
        syntax = if own { Syntax { explicit: true, big_endian: false } } else { of_data };
        let (tag, length, start) = element(bytes, at, head, syntax)?;
        if tag == tags::PIXEL_DATA {
            return None;
        }
        let left = bytes.len() - start.min(bytes.len());
        let steps_in = tag.group() == MARKS
            || (syntax.explicit && head[4..6] == *b"SQ")
            || length == UNDEFINED
            || bytes
                .get(start..start + 4)
                .is_some_and(|next| matches!(next, [0xFE, 0xFF, 0x00, 0xE0] | [0xFF, 0xFE, 0xE0, 0x00]));
        if length != UNDEFINED && length as usize > left {
            return Some((tag, length, left));
        }
        if own && tag == tags::TRANSFER_SYNTAX_UID {
            let text = String::from_utf8_lossy(&bytes[start..start + length as usize]);
            let uid = text.trim_end_matches(['\0', ' ']);
            of_data = Syntax {
                explicit: uid != uids::IMPLICIT_VR_LITTLE_ENDIAN,
                big_endian: uid == EXPLICIT_BIG_ENDIAN,
            };
        }
        at = if steps_in { start } else { start + length as usize };
    }
    None
}

/// Tag, length and where the value begins; `None` where the head is cut off.
fn element(bytes: &[u8], at: usize, head: &[u8], syntax: Syntax) -> Option<(Tag, u32, usize)> {
    let short = |from: &[u8]| {
        let pair = [from[0], from[1]];
        if syntax.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let long = |from: &[u8]| {
        let four = [from[0], from[1], from[2], from[3]];
        if syntax.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    let tag = Tag(short(&head[..2]), short(&head[2..4]));
    if tag.group() == MARKS || !syntax.explicit {
        return Some((tag, long(&head[4..8]), at + 8));
    }
    if SHORT.iter().any(|name| head[4..6] == name[..]) {
        return Some((tag, u32::from(short(&head[6..8])), at + 8));
    }
    Some((tag, long(bytes.get(at + 8..at + 12)?), at + 12))
}
