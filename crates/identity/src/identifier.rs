//! Identity numbers as structure, not as strings.
//!
//! Resident identity number 公民身份号码 (GB 11643-1999): region of six digits,
//! birth date of eight, sequence of three (odd for men), check character by
//! ISO 7064 MOD 11-2. The same scheme carries the residence permits of people
//! from Hong Kong, Macau and Taiwan (regions 81, 82, 83). The older number of
//! 15 digits lacks the century and the check character.

use crate::date::Date;
use crate::record::Sex;

/// What kind of number it is, as far as its own form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Resident identity number, 18 characters, or 15 digits made into 18.
    Resident,
    /// Hong Kong identity card, with its check character.
    HongKong,
    /// Macau resident identity card; no public check rule is known, so form only.
    Macau,
    /// Taiwan national identification number, with its check digit.
    Taiwan,
    /// Home-return permit of Hong Kong and Macau residents 港澳居民来往内地通行证; form only.
    HomeReturnPermit,
    /// Passport; form only (its check digit is found in the machine-readable zone alone).
    Passport,
    /// Any other number: compared as it stands.
    Plain,
}

impl Scheme {
    /// The scheme that a mapping names, `None` for an unknown word.
    pub fn from_name(name: &str) -> Option<Scheme> {
        Some(match name {
            "resident" | "cn" | "prc" => Scheme::Resident,
            "hong_kong" | "hk" => Scheme::HongKong,
            "macau" | "mo" => Scheme::Macau,
            "taiwan" | "tw" => Scheme::Taiwan,
            "home_return_permit" => Scheme::HomeReturnPermit,
            "passport" => Scheme::Passport,
            "plain" | "insurance" | "hospital" | "ssn" => Scheme::Plain,
            _ => return None,
        })
    }
}

/// A number read by its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// What it is.
    pub scheme: Scheme,
    /// Upper case without separators; 15 digits are written as 18.
    pub canonical: String,
    /// Whether a check character confirmed it.
    pub checked: bool,
    /// Birth date inside the number.
    pub birth_date: Option<Date>,
    /// Sex inside the number.
    pub sex: Option<Sex>,
}

/// How two numbers of one kind relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same number.
    Equal,
    /// Both confirmed by their check characters, and different: strong evidence against.
    ValidButDifferent,
    /// One slip of the pen apart, at least one of them not confirmed.
    OneSlip,
    /// Two slips apart, at least one of them not confirmed.
    TwoSlips,
    /// Different otherwise.
    Different,
}

/// The check character of 17 digits by ISO 7064 MOD 11-2. `None` unless there are 17 digits.
pub fn resident_check(first: &[u8]) -> Option<u8> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if first.len() != 17 || !first.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum: u32 = first.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    Some(b"10X98765432"[(sum % 11) as usize])
}

/// Whether 18 characters are a resident identity number with a true check
/// character and a date that exists.
pub fn is_resident(number: &str) -> bool {
    let bytes = number.as_bytes();
    bytes.len() == 18 && resident_check(&bytes[..17]) == Some(bytes[17]) && resident_birth(bytes).is_some()
}

fn resident_birth(bytes: &[u8]) -> Option<Date> {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        std::str::from_utf8(bytes.get(range)?).ok()?.parse().ok()
    };
    let date = Date::new(number(6..10)?, number(10..12)?, number(12..14)?);
    (date.exists() && (1850..=2150).contains(&date.year())).then_some(date)
}

/// Makes 15 digits into 18: the century 19 is put in and the check character computed.
pub fn lengthen(number: &str) -> Option<String> {
    if number.len() != 15 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut long = format!("{}19{}", &number[..6], &number[6..]);
    resident_birth(long.as_bytes())?;
    let check = resident_check(long.as_bytes())?;
    long.push(char::from(check));
    Some(long)
}

/// Check character of a Hong Kong identity card: letters count A=10 … Z=35, a
/// missing first letter counts 36, weights 9 to 2, modulo 11, ten written `A`.
fn hong_kong_check(number: &str) -> bool {
    let letters = number.bytes().take_while(u8::is_ascii_uppercase).count();
    let bytes = number.as_bytes();
    if !(1..=2).contains(&letters) || bytes.len() != letters + 7 {
        return false;
    }
    if !bytes[letters..letters + 6].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = |b: u8| if b.is_ascii_digit() { u32::from(b - b'0') } else { u32::from(b - b'A') + 10 };
    let mut sum =
        if letters == 1 { 36 * 9 + value(bytes[0]) * 8 } else { value(bytes[0]) * 9 + value(bytes[1]) * 8 };
    for (i, byte) in bytes[letters..letters + 6].iter().enumerate() {
        sum += value(*byte) * (7 - i as u32);
    }
    let check = (11 - sum % 11) % 11;
    let last = bytes[letters + 6];
    last == if check == 10 { b'A' } else { b'0' + check as u8 }
}

/// Check digit of a Taiwan number: the letter is a two-digit number, weights 1 9 8 7 6 5 4 3 2 1 1, modulo 10.
fn taiwan_check(number: &str) -> bool {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let bytes = number.as_bytes();
    if bytes.len() != 10
        || !bytes[1..].iter().all(u8::is_ascii_digit)
        || !matches!(bytes[1], b'1' | b'2' | b'8' | b'9')
    {
        return false;
    }
    let Some(index) = LETTERS.iter().position(|l| *l == bytes[0]) else { return false };
    let letter = index as u32 + 10;
    let mut sum = letter / 10 + letter % 10 * 9;
    for (digit, weight) in bytes[1..].iter().zip([8, 7, 6, 5, 4, 3, 2, 1, 1]) {
        sum += u32::from(digit - b'0') * weight;
    }
    sum.is_multiple_of(10)
}

impl Identifier {
    /// Reads a number (letters and digits in upper case). With `scheme` it is
    /// read as that; without, its own form decides.
    pub fn read(code: &str, scheme: Option<Scheme>) -> Identifier {
        let plain = |scheme, checked| Identifier {
            scheme,
            canonical: code.to_owned(),
            checked,
            birth_date: None,
            sex: None,
        };
        let wanted = |candidate| scheme.is_none_or(|s| s == candidate);
        if wanted(Scheme::Resident)
            && let Some(found) = Identifier::resident(code)
        {
            return found;
        }
        let bytes = code.as_bytes();
        let letters = bytes.iter().take_while(|b| b.is_ascii_uppercase()).count();
        let digits = bytes.len() - letters;
        let then_digits = bytes[letters..].iter().all(u8::is_ascii_digit);
        if wanted(Scheme::HongKong) && hong_kong_check(code) {
            return plain(Scheme::HongKong, true);
        }
        if wanted(Scheme::Taiwan) && taiwan_check(code) {
            let sex = match bytes[1] {
                b'1' | b'8' => Sex::Male,
                _ => Sex::Female,
            };
            return Identifier { sex: Some(sex), ..plain(Scheme::Taiwan, true) };
        }
        if then_digits && letters == 1 && matches!(bytes[0], b'H' | b'M') && matches!(digits, 8 | 10) {
            return plain(Scheme::HomeReturnPermit, false);
        }
        if then_digits && (1..=2).contains(&letters) && (7..=8).contains(&digits) && wanted(Scheme::Passport)
        {
            return plain(Scheme::Passport, false);
        }
        if letters == 0 && digits == 8 && scheme == Some(Scheme::Macau) {
            return plain(Scheme::Macau, false);
        }
        plain(scheme.unwrap_or(Scheme::Plain), false)
    }

    fn resident(code: &str) -> Option<Identifier> {
        let long;
        let (canonical, checked) = match code.len() {
            18 if code.is_ascii() && is_resident(code) => (code, true),
            15 => {
                long = lengthen(code)?;
                (long.as_str(), false)
            }
            _ => return None,
        };
        let bytes = canonical.as_bytes();
        let sex = if (bytes[16] - b'0') % 2 == 1 { Sex::Male } else { Sex::Female };
        Some(Identifier {
            scheme: Scheme::Resident,
            canonical: canonical.to_owned(),
            checked,
            birth_date: resident_birth(bytes),
            sex: Some(sex),
        })
    }
}

/// How two canonical numbers relate; `checked` says which were confirmed.
pub fn relate(a: &[u16], a_checked: bool, b: &[u16], b_checked: bool) -> Relation {
    if a == b {
        return Relation::Equal;
    }
    if a_checked && b_checked {
        return Relation::ValidButDifferent;
    }
    match crate::similarity::edit_distance(a, b, 2) {
        0 | 1 => Relation::OneSlip,
        2 => Relation::TwoSlips,
        _ => Relation::Different,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of valid numbers of the invented region 99.
    fn numbers(count: usize) -> impl Iterator<Item = String> {
        let mut state = 20_261_121u64;
        let mut draw = move |below: u64| {
            state = crate::text::mix(state, 1);
            state % below
        };
        (0..count).map(move |_| {
            let head = format!(
                "99{:04}{:04}{:02}{:02}{:03}",
                draw(10_000),
                1900 + draw(126),
                1 + draw(12),
                1 + draw(28),
                draw(1000)
            );
            let check = resident_check(head.as_bytes()).unwrap();
            format!("{head}{}", char::from(check))
        })
    }

    #[test]
    fn every_single_error_and_adjacent_swap_is_caught() {
        for number in numbers(100_000) {
            let mut bytes: [u8; 18] = number.as_bytes().try_into().unwrap();
            assert!(is_resident(&number), "{number}");
            let caught = |bytes: &[u8; 18]| resident_check(&bytes[..17]) != Some(bytes[17]);
            for place in 0..18 {
                let right = bytes[place];
                let alphabet: &[u8] = if place == 17 { b"0123456789X" } else { b"0123456789" };
                for &wrong in alphabet.iter().filter(|b| **b != right) {
                    bytes[place] = wrong;
                    assert!(caught(&bytes), "{number} place {place}");
                }
                bytes[place] = right;
            }
            for place in 0..17 {
                if bytes[place] != bytes[place + 1] {
                    bytes.swap(place, place + 1);
                    assert!(caught(&bytes), "{number} swap {place}");
                    bytes.swap(place, place + 1);
                }
            }
        }
    }

    #[test]
    fn schemes_are_told_by_their_form() {
        for (code, scheme, checked) in [
            ("11010519491231002X", Scheme::Resident, true),
            ("110105194912310021", Scheme::Plain, false),
            ("A1234563", Scheme::HongKong, true),
            ("G123456A", Scheme::HongKong, true),
            ("AB9876543", Scheme::HongKong, true),
            ("A123456789", Scheme::Taiwan, true),
            ("A123456788", Scheme::Plain, false),
            ("H12345678", Scheme::HomeReturnPermit, false),
            ("E12345678", Scheme::Passport, false),
            ("8328406", Scheme::Plain, false),
            ("", Scheme::Plain, false),
        ] {
            let found = Identifier::read(code, None);
            assert_eq!((found.scheme, found.checked), (scheme, checked), "{code}");
        }
        let old = Identifier::read("110105491231002", None);
        assert_eq!(old.canonical, "11010519491231002X");
        assert_eq!((old.sex, old.birth_date), (Some(Sex::Female), Some(Date::new(1949, 12, 31))));
    }

    #[test]
    fn relations() {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        for (a, b, checked, expected) in [
            ("8328406", "8328406", false, Relation::Equal),
            ("8328406", "8324806", false, Relation::OneSlip),
            ("8328406", "8324860", false, Relation::TwoSlips),
            ("8328406", "1111111", false, Relation::Different),
            ("8328406", "8324806", true, Relation::ValidButDifferent),
        ] {
            assert_eq!(relate(&units(a), checked, &units(b), checked), expected);
        }
    }
}
