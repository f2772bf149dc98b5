//! FHIR Consent: read into grants, and written from them.
//!
//! A Consent of R4 has one root provision and exceptions within it. Here a permit with exceptions is a
//! permit and refusals; a refusal with exceptions is no grant but the exceptions, since what nobody
//! permits is denied anyway; a refusal alone refuses. What R4 has no element for stands in extensions
//! whose addresses begin with [`EXTENSION`].

use tongmai_access::categories_of;
use tongmai_consent::{Action, Category, Effect, FOR_EVER, Grant, Purpose, SensitiveCodes, Sensitivity};
use tongmai_fhir::json::{Json, write_string};
use tongmai_fhir::search::date;

/// Addresses of our extensions, and of our code systems, begin so.
pub const EXTENSION: &str = "urn:tongmai:consent:";
const LABELS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PURPOSES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ACTIONS: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
/// Levels of provisions that are read.
const DEPTH: usize = 8;

/// One provision with names instead of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision {
    /// Everything but organisation and account.
    pub grant: Grant,
    /// `Organization/id`; empty for all.
    pub organisation: String,
    /// The account; empty for all.
    pub account: String,
}

/// What a Consent says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Id of the patient.
    pub patient: String,
    /// The person joins the exchange, from this instant.
    pub joined: Option<i64>,
    /// Its provisions; none when it is not active.
    pub provisions: Vec<Provision>,
}

/// Reads a Consent; `None` when it names no patient of this installation.
pub fn read(json: &Json<'_>, codes: &SensitiveCodes) -> Option<Said> {
    let patient = json.get("patient")?.text("reference")?.strip_prefix("Patient/")?.to_owned();
    let mut said = Said { patient, ..Said::default() };
    if json.text("status") != Some("active") {
        return Some(said);
    }
    let given = json.text("dateTime").and_then(date::parse).map_or(i64::MIN, |period| period.low);
    let joins = json.items("category").iter().flat_map(|c| c.items("coding")).any(|coding| {
        coding.text("code") == Some("joining")
            && coding.text("system").is_some_and(|system| system.starts_with(EXTENSION))
    });
    if joins {
        said.joined = Some(given);
    }
    if let Some(root) = json.get("provision") {
        let root_effect = if root.text("type") == Some("deny") { Effect::Refuse } else { Effect::Permit };
        let template = Provision {
            grant: Grant {
                effect: root_effect,
                actions: Action::View.bit(),
                organisation: 0,
                account: 0,
                purposes: if root_effect == Effect::Permit { Purpose::Treatment.bit() } else { u16::MAX },
                categories: u16::MAX,
                sensitivities: 0,
                border: false,
                presence: flag(json, "presence"),
                notice: notice(json),
                from: given,
                until: FOR_EVER,
            },
            organisation: String::new(),
            account: String::new(),
        };
        let exceptions = root.items("provision");
        let own = narrowed(&template, root, codes);
        if root_effect == Effect::Permit || exceptions.is_empty() {
            said.provisions.push(own.clone());
        }
        nested(&own, exceptions, codes, DEPTH, &mut said.provisions);
    }
    Some(said)
}

fn nested(
    outer: &Provision,
    items: &[Json<'_>],
    codes: &SensitiveCodes,
    depth: usize,
    out: &mut Vec<Provision>,
) {
    if depth == 0 {
        return;
    }
    for item in items {
        let mut inner = outer.clone();
        inner.grant.effect = match item.text("type") {
            Some("permit") => Effect::Permit,
            Some("deny") => Effect::Refuse,
            _ if outer.grant.effect == Effect::Permit => Effect::Refuse,
            _ => Effect::Permit,
        };
        if inner.grant.effect == Effect::Permit && inner.grant.purposes == u16::MAX {
            inner.grant.purposes = Purpose::Treatment.bit();
        }
        let inner = narrowed(&inner, item, codes);
        out.push(inner.clone());
        nested(&inner, item.items("provision"), codes, depth - 1, out);
    }
}

/// An extension of ours that is a boolean.
fn flag(json: &Json<'_>, name: &str) -> bool {
    json.items("extension").iter().any(|extension| {
        extension.text("url").and_then(|url| url.strip_prefix(EXTENSION)) == Some(name)
            && matches!(extension.get("valueBoolean"), Some(Json::Bool(true)))
    })
}

/// The hash of the notice that was shown.
fn notice(json: &Json<'_>) -> u64 {
    json.items("extension")
        .iter()
        .find(|extension| extension.text("url").and_then(|url| url.strip_prefix(EXTENSION)) == Some("notice"))
        .and_then(|extension| u64::from_str_radix(extension.text("valueString")?, 16).ok())
        .unwrap_or(0)
}

fn narrowed(outer: &Provision, json: &Json<'_>, codes: &SensitiveCodes) -> Provision {
    let mut inner = outer.clone();
    let grant = &mut inner.grant;
    if let Some(period) = json.get("period") {
        if let Some(start) = period.text("start").and_then(date::parse) {
            grant.from = grant.from.max(start.low);
        }
        if let Some(end) = period.text("end").and_then(date::parse) {
            grant.until = grant.until.min(end.high);
        }
    }
    let listed = |name: &str| json.items(name).iter();
    if json.get("action").is_some() {
        let concepts = listed("action").flat_map(|concept| concept.items("coding"));
        grant.actions = concepts.filter_map(|coding| coding.text("code")).fold(0, |mask, code| {
            mask | match code {
                "collect" => Action::Deposit.bit(),
                "access" | "use" | "disclose" => Action::View.bit(),
                _ => 0,
            }
        });
    }
    if json.get("purpose").is_some() {
        let known = listed("purpose").filter_map(|coding| Purpose::from_code(coding.text("code")?));
        grant.purposes = known.fold(0, |mask, purpose| mask | purpose.bit());
    }
    if json.get("class").is_some() {
        grant.categories = listed("class").filter_map(|coding| coding.text("code")).fold(0, |mask, code| {
            mask | Category::from_code(code).map_or_else(|| categories_of(code), Category::bit)
        });
    }
    if json.get("securityLabel").is_some() {
        grant.sensitivities = listed("securityLabel").fold(0, |mask, coding| {
            mask | match (coding.text("system"), coding.text("code")) {
                (Some(system), Some(code)) => codes.of(system, code),
                _ => 0,
            }
        });
    }
    grant.border |= flag(json, "cross-border");
    for actor in json.items("actor") {
        let Some(reference) = actor.get("reference") else { continue };
        if let Some(target) = reference.text("reference").filter(|target| target.starts_with("Organization/"))
        {
            inner.organisation = target.to_owned();
        }
        if let Some(account) = reference.get("identifier").and_then(|identifier| identifier.text("value")) {
            inner.account = account.to_owned();
        }
    }
    inner
}

/// Writes a Consent with one provision a grant, each within a root that refuses, so that a reader of
/// R4 understands the same: nothing but what is listed.
pub fn write(said: &Said, status: &str) -> String {
    let mut out = String::from("{\"resourceType\":\"Consent\"");
    let first = said.provisions.first();
    let mut extensions = Vec::new();
    if first.is_some_and(|provision| provision.grant.presence) {
        extensions.push(format!("{{\"url\":\"{EXTENSION}presence\",\"valueBoolean\":true}}"));
    }
    if let Some(notice) = first.map(|provision| provision.grant.notice).filter(|notice| *notice != 0) {
        extensions.push(format!("{{\"url\":\"{EXTENSION}notice\",\"valueString\":\"{notice:x}\"}}"));
    }
    if !extensions.is_empty() {
        out.push_str(&format!(",\"extension\":[{}]", extensions.join(",")));
    }
    out.push_str(",\"status\":");
    write_string(status, &mut out);
    out.push_str(",\"scope\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/consentscope\",\"code\":\"patient-privacy\"}]}");
    let (system, code) = match said.joined {
        Some(_) => (format!("{EXTENSION}category"), "joining"),
        None => ("http://loinc.org".to_owned(), "59284-0"),
    };
    out.push_str(&format!(
        ",\"category\":[{{\"coding\":[{{\"system\":\"{system}\",\"code\":\"{code}\"}}]}}]"
    ));
    out.push_str(",\"patient\":{\"reference\":");
    write_string(&format!("Patient/{}", said.patient), &mut out);
    out.push('}');
    let given = said.joined.or(first.map(|provision| provision.grant.from)).unwrap_or(i64::MIN);
    if given > i64::MIN {
        out.push_str(&format!(",\"dateTime\":\"{}\"", tongmai_base::time::Instant(given).to_fhir()));
    }
    out.push_str(",\"policyRule\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"OPTIN\"}]}");
    if !said.provisions.is_empty() {
        let inner: Vec<String> = said.provisions.iter().map(provision).collect();
        out.push_str(&format!(",\"provision\":{{\"type\":\"deny\",\"provision\":[{}]}}", inner.join(",")));
    }
    out.push('}');
    out
}

fn provision(provision: &Provision) -> String {
    let grant = &provision.grant;
    let mut out = String::from("{");
    if grant.border {
        out.push_str(&format!(
            "\"extension\":[{{\"url\":\"{EXTENSION}cross-border\",\"valueBoolean\":true}}],"
        ));
    }
    out.push_str(if grant.effect == Effect::Permit { "\"type\":\"permit\"" } else { "\"type\":\"deny\"" });
    let instant = |time: i64| tongmai_base::time::Instant(time).to_fhir();
    let mut ends = Vec::new();
    if grant.from > i64::MIN {
        ends.push(format!("\"start\":\"{}\"", instant(grant.from)));
    }
    if grant.until < FOR_EVER {
        // A period of FHIR includes its end.
        ends.push(format!("\"end\":\"{}\"", instant(grant.until - 1)));
    }
    if !ends.is_empty() {
        out.push_str(&format!(",\"period\":{{{}}}", ends.join(",")));
    }
    let mut actors = Vec::new();
    for (name, member) in [(&provision.organisation, "reference"), (&provision.account, "account")] {
        if name.is_empty() {
            continue;
        }
        let mut text = String::new();
        write_string(name, &mut text);
        let reference = match member {
            "reference" => format!("\"reference\":{text}"),
            _ => format!("\"identifier\":{{\"system\":\"{EXTENSION}account\",\"value\":{text}}}"),
        };
        let role = "{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ParticipationType\",\"code\":\"IRCP\"}]}";
        actors.push(format!("{{\"role\":{role},\"reference\":{{{reference}}}}}"));
    }
    if !actors.is_empty() {
        out.push_str(&format!(",\"actor\":[{}]", actors.join(",")));
    }
    let coding = |system: &str, code: &str| format!("{{\"system\":\"{system}\",\"code\":\"{code}\"}}");
    let mut actions = Vec::new();
    if grant.actions & Action::View.bit() != 0 {
        actions.push(format!("{{\"coding\":[{}]}}", coding(ACTIONS, "access")));
    }
    if grant.actions & Action::Deposit.bit() != 0 {
        actions.push(format!("{{\"coding\":[{}]}}", coding(ACTIONS, "collect")));
    }
    out.push_str(&format!(",\"action\":[{}]", actions.join(",")));
    if grant.sensitivities != 0 {
        let kinds = Sensitivity::ALL.iter().filter(|kind| grant.sensitivities & kind.bit() != 0);
        let labels: Vec<String> = kinds
            .map(|kind| {
                let system = if *kind == Sensitivity::Restricted {
                    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
                } else {
                    LABELS
                };
                coding(system, label_of(*kind))
            })
            .collect();
        out.push_str(&format!(",\"securityLabel\":[{}]", labels.join(",")));
    }
    let purposes = Purpose::ALL.iter().filter(|purpose| grant.purposes & purpose.bit() != 0);
    let purposes: Vec<String> = purposes.map(|purpose| coding(PURPOSES, purpose.code())).collect();
    out.push_str(&format!(",\"purpose\":[{}]", purposes.join(",")));
    if grant.categories != u16::MAX {
        let kinds = Category::ALL.iter().filter(|kind| grant.categories & kind.bit() != 0);
        let system = format!("{EXTENSION}kind");
        let kinds: Vec<String> = kinds.map(|kind| coding(&system, kind.code())).collect();
        out.push_str(&format!(",\"class\":[{}]", kinds.join(",")));
    }
    out.push('}');
    out
}

/// The security label of HL7 for a kind.
fn label_of(kind: Sensitivity) -> &'static str {
    match kind {
        Sensitivity::Mental => "PSY",
        Sensitivity::Hiv => "HIV",
        Sensitivity::Reproductive => "SEX",
        Sensitivity::Substance => "SUD",
        Sensitivity::Abuse => "SDV",
        Sensitivity::Genetic => "GDIS",
        Sensitivity::Adolescent => "ADOL",
        Sensitivity::Restricted => "R",
    }
}

#[cfg(test)]
mod tests {
    use tongmai_consent::builtin_sensitive_codes;

    use super::*;

    fn codes() -> SensitiveCodes {
        SensitiveCodes::read(builtin_sensitive_codes()).expect("a table")
    }

    #[test]
    fn a_consent_reads_back_as_it_was_written() {
        let grant = Grant {
            effect: Effect::Permit,
            actions: 3,
            organisation: 0,
            account: 0,
            purposes: Purpose::Treatment.bit() | Purpose::Research.bit(),
            categories: Category::Laboratory.bit() | Category::Imaging.bit(),
            sensitivities: Sensitivity::Hiv.bit() | Sensitivity::Restricted.bit(),
            border: false,
            presence: true,
            notice: 0xfeed,
            from: 1_795_222_800_000,
            until: 1_795_222_900_000,
        };
        let named = Provision { grant, organisation: "Organization/a".into(), account: "li \"x\"".into() };
        let refusal = Grant {
            effect: Effect::Refuse,
            categories: u16::MAX,
            sensitivities: 0,
            until: FOR_EVER,
            ..grant
        };
        let border = Grant { border: true, ..grant };
        let said = Said {
            patient: "p".into(),
            joined: None,
            provisions: vec![
                named.clone(),
                Provision { grant: refusal, organisation: String::new(), account: String::new() },
                Provision { grant: border, ..named },
            ],
        };
        let text = write(&said, "active");
        let json = Json::parse_str(&text).expect("JSON");
        let findings = tongmai_fhir::validate::validate(&json, &Default::default());
        assert!(!tongmai_fhir::validate::is_invalid(&findings), "{findings:?}\n{text}");
        assert_eq!(read(&json, &codes()), Some(said.clone()), "{text}");
        let withdrawn = write(&said, "inactive");
        let json = Json::parse_str(&withdrawn).expect("JSON");
        assert_eq!(read(&json, &codes()), Some(Said { patient: "p".into(), ..Said::default() }));
    }

    #[test]
    fn a_permit_with_exceptions_is_a_permit_and_refusals() {
        let text = r#"{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/p"},
            "provision":{"type":"permit","provision":[{"type":"deny","class":[{"code":"ImagingStudy"}]}]}}"#;
        let said = read(&Json::parse_str(text).expect("JSON"), &codes()).expect("a consent");
        let shape: Vec<_> = said.provisions.iter().map(|p| (p.grant.effect, p.grant.categories)).collect();
        assert_eq!(shape, [(Effect::Permit, u16::MAX), (Effect::Refuse, Category::Imaging.bit())]);
        let all = r#"{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/p"},
            "provision":{"type":"deny"}}"#;
        let said = read(&Json::parse_str(all).expect("JSON"), &codes()).expect("a consent");
        assert_eq!(
            (said.provisions[0].grant.effect, said.provisions[0].grant.purposes),
            (Effect::Refuse, u16::MAX)
        );
    }
}
