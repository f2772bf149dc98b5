//! Numbers of persons: the citizen identity number (公民身份号码, GB 11643) and phones.
//!
//! Real provinces have the prefixes 11–82; 99 is invented, as are phones that
//! start with 12. So no number made here can belong to a real person.

use tongmai_base::time::{civil_from_days, days_from_civil};

/// The area code of Qinghe County under the invented province prefix 99.
pub const COUNTY_AREA: u32 = 990_123;

/// The check character of the first 17 digits, ISO 7064 MOD 11-2.
/// `None` when they are not 17 digits.
pub fn check_character(digits: &str) -> Option<char> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if digits.len() != 17 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let sum: u32 = digits.bytes().zip(WEIGHTS).map(|(b, w)| u32::from(b - b'0') * w).sum();
    "10X98765432".chars().nth((sum % 11) as usize)
}

/// The 18-character number: area, date of birth, sequence (odd for men), check character.
pub fn identity_number(area: u32, birth: i64, sequence: u32) -> String {
    let (year, month, day) = civil_from_days(birth);
    let mut number = format!("{area:06}{year:04}{month:02}{day:02}{sequence:03}");
    if let Some(check) = check_character(&number) {
        number.push(check);
    }
    number
}

/// Whether an 18-character number has a correct check character and a date that exists.
pub fn is_valid(number: &str) -> bool {
    number.is_ascii()
        && number.len() == 18
        && check_character(&number[..17]) == number.chars().last()
        && birth_of(number).is_some()
}

/// The date of birth inside an 18-character number, as days since 1970-01-01.
pub fn birth_of(number: &str) -> Option<i64> {
    let year: i64 = number.get(6..10)?.parse().ok()?;
    let month: u32 = number.get(10..12)?.parse().ok()?;
    let day: u32 = number.get(12..14)?.parse().ok()?;
    let days = days_from_civil(year, month, day);
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// The 15-digit form that was issued until 1999: no century and no check character.
/// `None` for a person who was born after it was given up.
pub fn legacy(number: &str) -> Option<String> {
    (number.len() == 18 && &number[6..8] == "19").then(|| format!("{}{}", &number[..6], &number[8..17]))
}

/// A phone number of eleven digits out of a key; it starts with 12.
pub fn phone(key: u64) -> String {
    format!("12{:09}", key % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_characters_follow_the_standard() {
        // The worked example of GB 11643-1999, clause 4.
        assert_eq!(check_character("11010519491231002"), Some('X'));
        assert_eq!(check_character("44052418800101001"), Some('4'));
        assert_eq!(check_character("1101051949123100"), None);
        let number = identity_number(COUNTY_AREA, days_from_civil(1961, 3, 8), 24);
        assert!(is_valid(&number), "{number}");
        assert_eq!(birth_of(&number), Some(days_from_civil(1961, 3, 8)));
        assert_eq!(legacy(&number).as_deref(), Some("990123610308024"));
        assert_eq!(legacy(&identity_number(COUNTY_AREA, days_from_civil(2001, 1, 1), 1)), None);
        assert!(!is_valid("99012319610230024X"), "the 30th of February");
    }

    #[test]
    fn phones_start_with_12() {
        assert_eq!(phone(7), "12000000007");
        assert_eq!(phone(u64::MAX).len(), 11);
    }
}
