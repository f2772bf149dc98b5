//! How a body is stored: zstd with a shipped dictionary.
//!
//! A packed body is one byte that names the form, and the payload:
//!
//! | form | payload |
//! |---|---|
//! | 0 | the text itself (where compression would not help) |
//! | 1 | length of the text (LEB128), then a magicless zstd frame with dictionary 1 |
//! | 2 | length (LEB128) of a packed note, the packed note, the packed text |
//!
//! A note is what is kept beside a text and is not part of it: whoever unpacks the
//! text does not see it, and it goes where the body goes, into the hash chain, into a
//! backup, and away with a purge.
//!
//! A dictionary holds raw pieces of what it was trained on, so a shipped one is
//! trained on the synthetic county only. It never changes: a better one gets the
//! next number, and the old one stays for what was written with it.

use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, DParameter, FrameFormat};

/// Dictionary 1, trained on the synthetic county by `cargo xtask train-dictionary`.
pub static DICTIONARY_1: &[u8] = include_bytes!("../dictionary/1.zdict");

const FORM_PLAIN: u8 = 0;
const FORM_DICTIONARY_1: u8 = 1;
const FORM_NOTED: u8 = 2;
const LEVEL: i32 = 3;
/// Longest text that a packed body may claim to hold.
const LARGEST: usize = 256 * 1024 * 1024;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_1, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY_1));

/// A packed body that cannot be unpacked: the store is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored body cannot be unpacked: the store is damaged")
    }
}

impl std::error::Error for Damaged {}

fn new_compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
    compressor.set_parameter(CParameter::Format(FrameFormat::Magicless))?;
    compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    Ok(compressor)
}

fn new_decompressor() -> std::io::Result<Decompressor<'static>> {
    let mut decompressor = Decompressor::with_prepared_dictionary(&DECODER)?;
    decompressor.set_parameter(DParameter::Format(FrameFormat::Magicless))?;
    Ok(decompressor)
}

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Packs a text.
pub fn pack(text: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(text.len()) + 8);
    packed.push(FORM_DICTIONARY_1);
    write_length(text.len(), &mut packed);
    let head = packed.len();
    let compressed = COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(new_compressor().ok()?),
        };
        packed.resize(packed.capacity(), 0);
        compressor.compress_to_buffer(text, &mut packed[head..]).ok()
    });
    match compressed {
        Some(length) if head + length <= text.len() => {
            packed.truncate(head + length);
            packed.shrink_to_fit();
            packed
        }
        _ => {
            packed.clear();
            packed.push(FORM_PLAIN);
            packed.extend_from_slice(text);
            packed
        }
    }
}

/// Packs a text with a note beside it; an empty note is none.
pub fn pack_with_note(text: &[u8], note: &[u8]) -> Vec<u8> {
    let text = pack(text);
    if note.is_empty() {
        return text;
    }
    let note = pack(note);
    let mut packed = Vec::with_capacity(text.len() + note.len() + 6);
    packed.push(FORM_NOTED);
    write_length(note.len(), &mut packed);
    packed.extend_from_slice(&note);
    packed.extend_from_slice(&text);
    packed
}

/// The packed note and the packed text of a body.
fn parts(packed: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Damaged> {
    let Some((&FORM_NOTED, rest)) = packed.split_first() else { return Ok((None, packed)) };
    let (length, rest) = read_length(rest).ok_or(Damaged)?;
    let (note, text) = rest.split_at_checked(length).ok_or(Damaged)?;
    Ok((Some(note), text))
}

/// The note beside the text of a packed body; empty when there is none.
pub fn note(packed: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut out = Vec::new();
    if let (Some(note), _) = parts(packed)? {
        unpack_text(note, &mut out)?;
    }
    Ok(out)
}

/// Appends the text of a packed body to `out`.
pub fn unpack(packed: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    unpack_text(parts(packed)?.1, out)
}

fn unpack_text(packed: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    match packed.split_first() {
        Some((&FORM_PLAIN, text)) => {
            out.extend_from_slice(text);
            Ok(())
        }
        Some((&FORM_DICTIONARY_1, rest)) => {
            let (length, frame) = read_length(rest).ok_or(Damaged)?;
            if length > LARGEST {
                return Err(Damaged);
            }
            let start = out.len();
            out.resize(start + length, 0);
            let written = DECOMPRESSOR.with_borrow_mut(|slot| {
                let decompressor = match slot {
                    Some(decompressor) => decompressor,
                    None => slot.insert(new_decompressor().ok()?),
                };
                decompressor.decompress_to_buffer(frame, &mut out[start..]).ok()
            });
            if written == Some(length) {
                Ok(())
            } else {
                out.truncate(start);
                Err(Damaged)
            }
        }
        _ => Err(Damaged),
    }
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0usize;
    for (index, &byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((length, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &[u8]) -> usize {
        let packed = pack(text);
        let mut out = b"before".to_vec();
        unpack(&packed, &mut out).expect("what was packed unpacks");
        assert_eq!(&out[6..], text);
        packed.len()
    }

    #[test]
    fn texts_come_back() {
        assert_eq!(round_trip(b""), 1);
        round_trip("{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"卓玛\"}]}".as_bytes());
        let long = "{\"resourceType\":\"Observation\",\"status\":\"final\"}".repeat(1000);
        assert!(round_trip(long.as_bytes()) < 1000);
        let noise: Vec<u8> = (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(round_trip(&noise) <= noise.len() + 1);
    }

    #[test]
    fn a_note_lies_beside_its_text() {
        let text = b"{\"resourceType\":\"Patient\",\"gender\":\"?\"}".repeat(9);
        let packed = pack_with_note(&text, "性别 is not a code".as_bytes());
        let mut out = Vec::new();
        unpack(&packed, &mut out).expect("the text");
        assert_eq!(out, text);
        assert_eq!(note(&packed).expect("the note"), "性别 is not a code".as_bytes());
        assert_eq!(pack_with_note(&text, b""), pack(&text));
        assert_eq!(note(&pack(&text)), Ok(Vec::new()));
        for cut in 1..packed.len() {
            let mut out = Vec::new();
            assert!(unpack(&packed[..cut], &mut out).is_err() && out.is_empty());
        }
        // A body within a body is none.
        let mut nested = vec![FORM_NOTED, 2, FORM_PLAIN, b'x'];
        nested.extend_from_slice(&packed);
        assert_eq!(unpack(&nested, &mut Vec::new()), Err(Damaged));
    }

    #[test]
    fn damage_is_an_error() {
        let mut out = Vec::new();
        assert_eq!(unpack(b"", &mut out), Err(Damaged));
        assert_eq!(unpack(&[7, 1, 2], &mut out), Err(Damaged));
        assert_eq!(unpack(&[1, 0xff, 0xff, 0xff, 0xff, 0x7f], &mut out), Err(Damaged));
        let packed = pack(&b"a long enough text ".repeat(20));
        for cut in 0..packed.len() {
            assert!(unpack(&packed[..cut], &mut out).is_err());
        }
        assert!(out.is_empty());
    }
}
