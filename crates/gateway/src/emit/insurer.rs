//! The insurance platform of the synthetic county: codes and keys of its institutions, and 卓玛's coverage.
//!
//! The keys follow from the codes, so everybody can sign in the name of these institutions: they are for invented
//! people only.

use std::collections::HashMap;

use tongmai_region::{County, place};

use crate::insurance::crypto::{self, BLOCK};
use crate::insurance::envelope::{Keys, Letter, seal};

/// Code of the county, under the invented province 99.
pub const REGION: &str = "990123";

/// The insurer's code of an institution: `H`, the region, five digits.
pub fn code(organization: &str) -> String {
    let digits: Vec<char> = organization.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits[digits.len().saturating_sub(5)..].iter().collect();
    format!("H{REGION}{last:0>5}")
}

/// Secret key of the signatures of an institution.
pub fn secret(institution: &str) -> [u8; 32] {
    crypto::sm3(format!("synthetic county, signatures of {institution}").as_bytes())
}

/// Key of the encrypted inputs of an institution.
pub fn cipher_key(institution: &str) -> [u8; BLOCK] {
    first(crypto::sm3(format!("synthetic county, inputs of {institution}").as_bytes()))
}

/// The initial value of the encryption of a letter; another for each letter.
pub fn initial(letter: &Letter<'_>) -> [u8; BLOCK] {
    first(crypto::sm3(format!("{}{}{}", letter.institution, letter.time, letter.serial).as_bytes()))
}

fn first(digest: [u8; 32]) -> [u8; BLOCK] {
    std::array::from_fn(|at| digest[at])
}

/// The keys by which a platform knows the institutions of a county.
pub fn keys(county: &County) -> HashMap<String, Keys> {
    let institutions = county.directory.providers.iter().map(|provider| {
        let institution = code(&provider.code);
        let keys = Keys {
            sm2: crypto::public_key(&secret(&institution)).unwrap_or_default(),
            sm3: Vec::new(),
            sm4: Some(cipher_key(&institution)),
            organization: provider.code.clone(),
        };
        (institution, keys)
    });
    institutions.collect()
}

/// The insurer's message of what 卓玛 is insured by (the story's 08:31), signed and encrypted. `time` is `YYYYMMDDhhmmss`. With
/// `tampered` somebody changed it on the way, after it was signed.
pub fn coverage(county: &County, time: &str, tampered: bool) -> Option<String> {
    let person = county.household(0).into_iter().next()?;
    let (year, month, day) = tongmai_base::time::civil_from_days(person.birth);
    let gender = if person.sex.code() == "male" { "1" } else { "2" };
    let input = format!(
        "{{\"baseinfo\":{{\"psn_no\":\"51000000{:08}\",\"psn_cert_type\":\"01\",\"certno\":\"{}\",\"psn_name\":\"{}\",\"gend\":\"{gender}\",\
         \"brdy\":\"{year:04}-{month:02}-{day:02}\"}},\"insuinfo\":[{{\"insutype\":\"390\",\"psn_type\":\"15\",\"psn_insu_stas\":\"1\",\
         \"psn_insu_date\":\"2019-01-01\",\"insuplc_admdvs\":\"{REGION}\",\"balc\":\"126.40\"}}]}}",
        person.index,
        person.identity_number.as_deref()?,
        person.name.text(),
    );
    let institution = code(&county.directory.providers.get(place::INSURER)?.code);
    // What came before with this time has another number.
    let serial = u32::from(tampered);
    let letter =
        Letter { number: "1101", institution: &institution, time, serial, region: REGION, input: &input };
    let sealed = seal(&letter, &secret(&institution), Some(&cipher_key(&institution)), &initial(&letter))?;
    if !tampered {
        return Some(sealed);
    }
    // The operator's line of the message stays readable, the last letters of the input do not fit its signature any more.
    let at = sealed.rfind("\"}")?;
    let changed = if sealed[..at].ends_with('A') { 'B' } else { 'A' };
    Some(format!("{}{changed}{}", &sealed[..at - 1], &sealed[at..]))
}
