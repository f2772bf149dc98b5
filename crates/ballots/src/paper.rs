//! Ballots on paper: a stack of sheets, each with a code of its own, given out against an attendance list.
//!
//! Codes are made for as many people as stand on the list and shuffled, so that nobody knows who holds
//! which sheet. The token lies in the office under the hash of the code, encrypted by nothing but the fact
//! that it takes the sheet to find it: whoever reads the disk finds tokens, and still no person.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::token::Token;

/// Random bytes of a code: 80 bits.
const CODE_BYTES: usize = 10;

/// One sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperBallot {
    /// The code that is printed on it: sixteen letters and digits in groups of four.
    pub code: String,
}

/// A code from random bytes.
pub(crate) fn code(random: [u8; CODE_BYTES]) -> String {
    let text = BASE32_NOPAD.encode(&random);
    text.as_bytes()
        .chunks(4)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect::<Vec<_>>()
        .join("-")
}

/// The hash under which the token of a code lies. Whatever stands between letters and digits, and how they are
/// written, does not matter; the letters that are mistaken for digits are read as letters.
pub(crate) fn filed_under(code: &str, secret: &[u8; 32]) -> [u8; 32] {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| match c.to_ascii_uppercase() {
            '0' => 'O',
            '1' => 'I',
            '8' => 'B',
            other => other,
        })
        .collect();
    Sha256::new().chain_update(secret).chain_update(b"paper").chain_update(plain.as_bytes()).finalize().into()
}

/// An entry of the journal of sheets.
pub(crate) fn entry(filed: &[u8; 32], token: &Token) -> Vec<u8> {
    [filed.as_slice(), &token.serial, &token.randomizer, &token.signature].concat()
}

/// Reads an entry.
pub(crate) fn read(entry: &[u8]) -> Option<([u8; 32], Token)> {
    let (filed, rest) = entry.split_first_chunk::<32>()?;
    Some((*filed, Token::from_parts(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = code([7, 200, 13, 99, 0, 255, 1, 2, 3, 4]);
        assert_eq!(code.len(), 19);
        let messy = code.replace('-', " ").to_lowercase();
        assert_eq!(filed_under(&code, &[1; 32]), filed_under(&messy, &[1; 32]));
        assert_ne!(filed_under(&code, &[1; 32]), filed_under(&code, &[2; 32]));
    }
}
