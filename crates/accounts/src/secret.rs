//! Passwords, one-time codes and tokens.
//!
//! What is kept of a secret is never the secret: of a password its Argon2id hash, of a token and of a
//! printed code their SHA-256. Only the key of a time-based code has to be kept as it is.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use ring::{digest, hmac};

/// Memory in KiB, passes and lanes of Argon2id: the second choice of RFC 9106 is too much for a clinic's
/// box that serves at the same time; these are the ones OWASP's Password Storage Cheat Sheet names.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Shortest password in characters, and longest in bytes.
pub const PASSWORD_CHARACTERS: usize = 10;
/// Longest password in bytes.
pub const PASSWORD_BYTES: usize = 256;
/// Seconds of a step of a time-based code; RFC 6238.
pub const STEP_SECONDS: i64 = 30;
/// Steps that a clock may be off, to either side.
const DRIFT: i64 = 1;
/// Signs of a printed code: no letter that looks like a digit (Crockford's base 32).
const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// SHA-256 of a text, as lower-case hexadecimal digits.
pub fn fingerprint(text: &str) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// A token of 256 bits.
pub fn token(random: fn() -> [u8; 16]) -> String {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&random());
    bytes[16..].copy_from_slice(&random());
    BASE64URL_NOPAD.encode(&bytes)
}

/// A code for paper: ten signs, 50 bits, in two groups.
pub fn printed_code(random: fn() -> [u8; 16]) -> String {
    let signs: Vec<u8> = random()[..10].iter().map(|byte| SIGNS[usize::from(byte % 32)]).collect();
    let signs = String::from_utf8_lossy(&signs).into_owned();
    format!("{}-{}", &signs[..5], &signs[5..])
}

/// A code as somebody typed it: small letters, spaces, and letters that look like digits.
pub fn read_code(typed: &str) -> String {
    let signs = typed.chars().filter(|sign| !sign.is_whitespace() && !matches!(sign, '-' | '—' | '－'));
    let signs: String = signs
        .map(|sign| match sign.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            'U' => 'V',
            other => other,
        })
        .collect();
    match (signs.len(), signs.is_ascii()) {
        (10, true) => format!("{}-{}", &signs[..5], &signs[5..]),
        _ => signs,
    }
}

/// Why a password is not taken.
pub fn refuse_password(password: &str, account: &str) -> Option<&'static str> {
    let signs: std::collections::BTreeSet<char> = password.chars().collect();
    if password.chars().count() < PASSWORD_CHARACTERS {
        return Some("a password has at least 10 characters");
    }
    if password.len() > PASSWORD_BYTES {
        return Some("a password has at most 256 bytes");
    }
    if signs.len() < 5 {
        return Some("a password has at least five different characters");
    }
    let name = account.split('@').next().unwrap_or(account);
    if name.len() >= 4 && password.to_lowercase().contains(&name.to_lowercase()) {
        return Some("a password does not contain the name of its account");
    }
    None
}

fn stretch(password: &str, salt: &[u8]) -> Option<[u8; 32]> {
    let parameters = argon2::Params::new(MEMORY, PASSES, LANES, Some(32)).ok()?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let mut out = [0; 32];
    argon.hash_password_into(password.as_bytes(), salt, &mut out).ok()?;
    Some(out)
}

/// The hash of a password with its salt: `argon2id$19456,2,1$salt$hash`.
pub fn hash_password(password: &str, salt: &[u8; 16]) -> Option<String> {
    let hash = stretch(password, salt)?;
    let (salt, hash) = (BASE64URL_NOPAD.encode(salt), BASE64URL_NOPAD.encode(&hash));
    Some(format!("argon2id${MEMORY},{PASSES},{LANES}${salt}${hash}"))
}

/// Whether a password is the one that was hashed; takes as long when there is none to compare with.
pub fn is_password(password: &str, hashed: Option<&str>) -> bool {
    let parts = hashed.and_then(|hashed| {
        let mut parts = hashed.split('$').skip(2);
        let salt = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        let hash = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        Some((salt, hash))
    });
    let known = parts.is_some();
    let (salt, hash) = parts.unwrap_or((vec![7; 16], vec![0; 32]));
    let found = stretch(password, &salt).unwrap_or([1; 32]);
    known && same(&found, &hash)
}

/// Compares in a time that does not depend on where the two differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    // Two digests under a key of one process tell nothing of what they are made from.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    let tag = hmac::sign(&key, left);
    hmac::verify(&key, right, tag.as_ref()).is_ok()
}

/// The key of a time-based code, as an authenticator takes it: base 32.
pub fn code_key(random: fn() -> [u8; 16]) -> String {
    let (first, second) = (random(), random());
    BASE32_NOPAD.encode(&[&first[..], &second[..4]].concat())
}

/// The time-based code of a step; RFC 6238 with SHA-1 and six digits, which every authenticator knows.
fn code_of_step(key: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 15);
    let four = [tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]];
    format!("{:06}", u32::from_be_bytes(four) % 1_000_000)
}

/// The time-based code of an instant in milliseconds.
pub fn code_at(key: &str, milliseconds: i64) -> Option<String> {
    let key = BASE32_NOPAD.decode(key.as_bytes()).ok()?;
    let step = u64::try_from(milliseconds.div_euclid(1000 * STEP_SECONDS)).ok()?;
    Some(code_of_step(&key, step))
}

/// The step of which a typed code is the time-based code; `None` when it is none of a step after `last`.
pub fn step_of_code(key: &str, typed: &str, milliseconds: i64, last: u64) -> Option<u64> {
    let key = BASE32_NOPAD.decode(key.as_bytes()).ok()?;
    let now = milliseconds.div_euclid(1000 * STEP_SECONDS);
    let steps = (now - DRIFT..=now + DRIFT).filter_map(|step| u64::try_from(step).ok());
    steps
        .filter(|step| *step > last)
        .find(|step| same(code_of_step(&key, *step).as_bytes(), typed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_based_codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of eight digits.
        let key = BASE32_NOPAD.encode(b"12345678901234567890");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = seconds * 1000;
            assert_eq!(code_at(&key, now).as_deref(), Some(code));
            let step = step_of_code(&key, code, now, 0).expect("it is the code");
            assert_eq!(step_of_code(&key, code, now + 30_000, 0), Some(step), "a clock may be off a step");
            assert_eq!(step_of_code(&key, code, now + 61_000, 0), None);
            assert_eq!(step_of_code(&key, code, now, step), None, "a code is used once");
        }
    }

    #[test]
    fn a_password_is_known_by_its_hash() {
        let hashed = hash_password("长长的口令-for-tests", &[3; 16]).expect("hashed");
        assert!(hashed.starts_with("argon2id$19456,2,1$"));
        assert!(is_password("长长的口令-for-tests", Some(&hashed)));
        assert!(!is_password("长长的口令-for-test", Some(&hashed)));
        assert!(!is_password("", None));
        assert_ne!(hash_password("长长的口令-for-tests", &[4; 16]), Some(hashed));
    }

    #[test]
    fn weak_passwords_are_refused_by_name() {
        for weak in ["short", "aaaaaaaaaaaaaaa", "zhuoma-1234567", &"x1y2z".repeat(60)] {
            assert!(refuse_password(weak, "zhuoma").is_some(), "{weak}");
        }
        assert_eq!(refuse_password("three cups of tea", "zhuoma"), None);
    }

    #[test]
    fn a_printed_code_is_read_as_it_is_typed() {
        let code = printed_code(|| [31, 0, 1, 2, 3, 4, 5, 6, 7, 40, 9, 9, 9, 9, 9, 9]);
        assert_eq!(code, "Z0123-45678");
        for typed in ["z0123-45678", " Zo123 45678", "Z0l23—45678"] {
            assert_eq!(read_code(typed), code, "{typed}");
        }
    }
}
