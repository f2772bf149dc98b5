//! Signed instruments in the ledger: agreements of organisations, and impact assessments of purposes. Both are FHIR
//! Contracts, so that who signed what, from when to when, has a history and is never lost.

use tongmai_consent::{Agreement, Category, FOR_EVER, Purpose};
use tongmai_fhir::json::{Json, write_string};
use tongmai_fhir::search::date;

/// Code system of the kinds of instrument.
pub const KIND: &str = "urn:tongmai:compliance";
const PURPOSE: &str = "urn:tongmai:compliance:purpose";
const CATEGORY: &str = "urn:tongmai:compliance:category";

/// What an instrument says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instrument {
    /// An organisation may process for some purposes and kinds, for a time (PIPL 21, 23).
    Agreement {
        /// `Organization/id`.
        organisation: String,
        /// Purposes, kinds and time.
        agreement: Agreement,
    },
    /// An impact assessment of some purposes stands (PIPL 55, 56).
    Assessment {
        /// Purposes, as a mask.
        purposes: u16,
        /// It counts from here …
        from: i64,
        /// … until here.
        until: i64,
    },
}

/// Reads a Contract; `None` when it is none of these. One that is not executed counts for nobody: its organisation
/// has an agreement for no purpose.
pub fn read(contract: &Json<'_>) -> Option<Instrument> {
    let kind = contract.get("type")?.items("coding").iter().find(|it| it.text("system") == Some(KIND))?;
    let codes = |address: &str| -> Vec<&str> {
        let own = contract.items("extension").iter().filter(|it| it.text("url") == Some(address));
        own.filter_map(|it| it.text("valueCode")).collect()
    };
    let period = contract.get("applies");
    let bound = |name: &str| period.and_then(|it| it.text(name)).and_then(date::parse);
    let from = bound("start").map_or(i64::MIN, |start| start.low);
    let until = bound("end").map_or(FOR_EVER, |end| end.high);
    let counts = contract.text("status") == Some("executed");
    let purposes =
        codes(PURPOSE).into_iter().filter_map(Purpose::from_code).fold(0, |all, one| all | one.bit());
    let purposes = if counts { purposes } else { 0 };
    match kind.text("code")? {
        "agreement" => {
            let organisation = contract.items("subject").first()?.text("reference")?.to_owned();
            let categories = codes(CATEGORY);
            let known = categories.iter().filter_map(|code| Category::from_code(code));
            let categories =
                if categories.is_empty() { u16::MAX } else { known.fold(0, |all, one| all | one.bit()) };
            let agreement = Agreement { purposes, categories, default_in: false, notice: 0, from, until };
            Some(Instrument::Agreement { organisation, agreement })
        }
        "impact-assessment" => Some(Instrument::Assessment { purposes, from, until }),
        _ => None,
    }
}

/// A Contract as the register of the privacy office writes it.
///
/// `kind` is `agreement` or `impact-assessment`, `subject` the organisation of an agreement, `text` what was weighed
/// or agreed, `signer` who signs; times in milliseconds since 1970.
pub fn write(
    kind: &str,
    subject: Option<&str>,
    purposes: &[&str],
    categories: &[&str],
    (from, until): (i64, i64),
    (text, signer): (&str, &str),
) -> String {
    let instant = |time: i64| tongmai_base::time::Instant(time).to_fhir();
    let mut out = String::from("{\"resourceType\":\"Contract\"");
    let listed = [(PURPOSE, purposes), (CATEGORY, categories)];
    let codes = listed.iter().flat_map(|(address, codes)| codes.iter().map(move |code| (address, code)));
    let extensions: Vec<String> =
        codes.map(|(address, code)| format!("{{\"url\":\"{address}\",\"valueCode\":\"{code}\"}}")).collect();
    if !extensions.is_empty() {
        out.push_str(&format!(",\"extension\":[{}]", extensions.join(",")));
    }
    out.push_str(",\"status\":\"executed\",\"issued\":");
    write_string(&instant(from), &mut out);
    out.push_str(&format!(",\"applies\":{{\"start\":\"{}\",\"end\":\"{}\"}}", instant(from), instant(until)));
    if let Some(subject) = subject {
        out.push_str(",\"subject\":[{\"reference\":");
        write_string(&format!("Organization/{subject}"), &mut out);
        out.push_str("}]");
    }
    for (name, text) in [("title", text), ("subtitle", signer)] {
        out.push_str(&format!(",\"{name}\":"));
        write_string(text, &mut out);
    }
    out.push_str(&format!(",\"type\":{{\"coding\":[{{\"system\":\"{KIND}\",\"code\":\"{kind}\"}}]}}}}"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instrument_is_valid_and_read_as_it_was_written() {
        let check = |text: &str, expected: Option<Instrument>| {
            let json = Json::parse_str(text).expect("JSON");
            assert_eq!(tongmai_fhir::validate::validate(&json, &Default::default()), [], "{text}");
            assert_eq!(read(&json), expected, "{text}");
        };
        let (from, until) = (1_795_222_800_000, 1_795_309_200_000);
        let agreement = write(
            "agreement",
            Some("h"),
            &["HPAYMT", "TREAT"],
            &["billing"],
            (from, until),
            ("结算", "何静"),
        );
        let agreed = |purposes| Instrument::Agreement {
            organisation: "Organization/h".into(),
            agreement: Agreement {
                purposes,
                categories: Category::Billing.bit(),
                default_in: false,
                notice: 0,
                from,
                until: until + 1,
            },
        };
        check(&agreement, Some(agreed(Purpose::Payment.bit() | Purpose::Treatment.bit())));
        check(&agreement.replace("executed", "terminated"), Some(agreed(0)));
        let assessment = write("impact-assessment", None, &["HRESCH"], &[], (from, until), ("科研", "何静"));
        let purposes = Purpose::Research.bit();
        check(&assessment, Some(Instrument::Assessment { purposes, from, until: until + 1 }));
        check(&assessment.replace("impact-assessment", "something-else"), None);
    }
}
