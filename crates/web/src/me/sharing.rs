//! *Sharing*: consent at the point of care, and what was consented to.
//!
//! The resident shows a code; whoever treats them scans or types it; the resident sees who that is and says
//! yes. Three taps: *Sharing*, *Show a code*, *Yes*. The consent is a FHIR Consent, bound to the hash of the
//! notice that the resident read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use data_encoding::HEXLOWER;
use qrcode::render::svg;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tongmai_access::Requester;
use tongmai_accounts::secret::{fingerprint, printed_code, read_code, token};
use tongmai_base::time::Instant;
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_http::{Answer, Asked};

use super::{Person, chosen, json as read_json, search};
use crate::account::Form;
use crate::format::When;
use crate::frame::Frame;
use crate::language::Language;
use crate::{Site, framed, markup, problem, render, reply};

/// How long a code counts, in milliseconds.
const CODE_MILLISECONDS: i64 = 10 * 60 * 1000;
/// Wrong codes that somebody may type before they have to wait.
const TRIES: u32 = 5;
/// How long a consent at the point of care lasts, in days: a course of treatment.
const DAYS: i64 = 30;
const DAY: i64 = 86_400_000;

/// A code that a resident shows.
#[derive(Debug, Clone)]
struct Offer {
    person: Person,
    /// Account of the resident.
    account: String,
    until: i64,
    /// Who scanned it: account, name, organisation's id and name.
    claimed: Option<Claim>,
}

/// Who scanned a code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    account: String,
    name: String,
    organization: String,
    organization_name: String,
}

/// The codes that are shown now; they live for minutes, in memory.
#[derive(Debug, Default)]
pub struct Offers(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// By the fingerprint of the code for scanning, and of the typed one.
    codes: HashMap<String, String>,
    /// By the account of the resident: one at a time.
    offers: HashMap<String, Offer>,
    /// Wrong codes of an account, and when the last was typed.
    wrong: HashMap<String, (u32, i64)>,
}

impl Offers {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new code of a resident; the one before no longer counts. Gives the code for scanning and the typed one.
    fn begin(&self, account: &str, person: Person, now: i64, random: fn() -> [u8; 16]) -> (String, String) {
        let (scanned, typed) = (token(random), printed_code(random));
        let mut inside = self.inside();
        inside.offers.retain(|_, offer| now < offer.until);
        let alive: Vec<String> = inside.offers.keys().cloned().collect();
        inside.codes.retain(|_, of| *of != account && alive.contains(of));
        let (account, until) = (account.to_owned(), now + CODE_MILLISECONDS);
        inside.codes.insert(fingerprint(&scanned), account.clone());
        inside.codes.insert(fingerprint(&typed), account.clone());
        inside.offers.insert(account.clone(), Offer { person, account, until, claimed: None });
        (scanned, typed)
    }

    /// Somebody who treats the resident brings the code.
    fn claim(&self, code: &str, claim: Claim, now: i64) -> Result<Person, Refused> {
        let mut inside = self.inside();
        let (wrong, last) = inside.wrong.get(&claim.account).copied().unwrap_or_default();
        if wrong >= TRIES && now < last + CODE_MILLISECONDS {
            return Err(Refused::Wait);
        }
        let of =
            inside.codes.get(&fingerprint(code)).or_else(|| inside.codes.get(&fingerprint(&read_code(code))));
        let of = of.cloned();
        let offer = of.and_then(|of| inside.offers.get_mut(&of)).filter(|offer| now < offer.until);
        match offer {
            // Who scans second is told that it is no code: it is used once.
            Some(offer) if offer.claimed.as_ref().is_none_or(|other| *other == claim) => {
                offer.claimed = Some(claim);
                Ok(offer.person.clone())
            }
            _ => {
                let before = if now < last + CODE_MILLISECONDS { wrong } else { 0 };
                inside.wrong.insert(claim.account, (before + 1, now));
                Err(Refused::Wrong)
            }
        }
    }

    fn of(&self, account: &str, now: i64) -> Option<Offer> {
        self.inside().offers.get(account).filter(|offer| now < offer.until).cloned()
    }

    fn end(&self, account: &str) -> Option<Offer> {
        let mut inside = self.inside();
        inside.codes.retain(|_, of| *of != account);
        inside.offers.remove(account)
    }
}

/// Why a code was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Wrong,
    Wait,
}

/// A consent as it is shown.
struct Given {
    id: String,
    organization: String,
    from: Option<When>,
    until: Option<When>,
    active: bool,
    /// It was given for another text of the notice than the one in force.
    stale: bool,
}

#[derive(Template)]
#[template(path = "me/sharing.html")]
struct Sharing {
    page: Frame,
    l: Language,
    person: Person,
    given: Vec<Given>,
    days: i64,
}

#[derive(Template)]
#[template(path = "me/code.html")]
struct Code {
    page: Frame,
    l: Language,
    /// The picture of the code, and the code for typing; none when there is none.
    shown: Option<(String, String)>,
    live: String,
}

#[derive(Template)]
#[template(path = "me/claimed.html")]
struct Claimed {
    l: Language,
    claim: Option<Claim>,
    waits: bool,
    days: i64,
}

framed!(Sharing, Code);

/// The notice that a consent is bound to, as it stands in the words of a language.
fn notice(l: Language) -> String {
    format!("{}\n{}", l.say("notice-title"), l.count("notice-text", DAYS))
}

/// The hash of the notice.
pub fn notice_hash(l: Language) -> String {
    HEXLOWER.encode(&Sha256::digest(notice(l).as_bytes()))
}

fn is_current(policy: &str) -> bool {
    Language::ALL.iter().any(|l| policy.ends_with(&notice_hash(*l)))
}

/// `/me/sharing?of=…`
pub async fn page(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-sharing");
    let person = chosen(site, page.parameter("of"))?;
    let given = consents(site, &person.patients).await?;
    render(asked, 200, &Sharing { l: page.language, page, person, given, days: DAYS })
}

async fn consents(site: &Arc<Site>, patients: &[String]) -> Outcome<Vec<Given>> {
    let references: Vec<String> = patients.iter().map(|id| format!("Patient/{id}")).collect();
    let references = references.join(",");
    let pairs = [("patient", references.as_str()), ("_sort", "-date"), ("_count", "100")];
    let mut given: Vec<Given> = Vec::new();
    for consent in search(site, "Consent", &pairs).await? {
        let consent = read_json(&consent)?;
        let one = read(&consent, site.engine.now());
        // One consent covers the records of several providers: it is shown once.
        if !given.iter().any(|other| {
            (&other.organization, &other.from, other.active) == (&one.organization, &one.from, one.active)
        }) {
            given.push(one);
        }
    }
    Ok(given)
}

fn read(consent: &Value, now: i64) -> Given {
    let provision = &consent["provision"];
    let time = |end: &str| provision["period"][end].as_str().and_then(When::read);
    let until = time("end");
    let live = until.as_ref().is_none_or(|until| now < until.at);
    let actor = &provision["actor"][0]["reference"];
    let name = actor["display"].as_str().or(actor["reference"].as_str()).unwrap_or("");
    Given {
        id: consent["id"].as_str().unwrap_or("").to_owned(),
        organization: name.to_owned(),
        from: time("start").or_else(|| consent["dateTime"].as_str().and_then(When::read)),
        active: consent["status"] == "active" && live,
        until,
        stale: consent["policy"][0]["uri"].as_str().is_some_and(|policy| !is_current(policy)),
    }
}

/// `POST /me/sharing/code`: the second tap.
pub async fn begin(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let person = chosen(site, Some(form.field("of")))?;
    let Some(accounts) = &site.accounts else { return Err(Failure::not_found("accounts")) };
    let random = accounts.surroundings().random;
    let (scanned, typed) = site.offers.begin(&site.requester.actor, person, site.engine.now(), random);
    let origin = asked.base();
    let origin = origin.strip_suffix("/fhir").unwrap_or("");
    let picture = picture(&format!("{origin}/share?code={scanned}"))?;
    let page = frame.in_section("nav-sharing");
    let live = claimed(site, page.language)?;
    render(asked, 200, &Code { l: page.language, page, shown: Some((picture, typed)), live })
}

/// `/me/sharing/code`: whether somebody scanned it.
pub fn code(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-sharing");
    let live = claimed(site, page.language)?;
    render(asked, 200, &Code { l: page.language, page, shown: None, live })
}

/// The part of it that follows.
pub fn live(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    Ok(reply::part(asked, claimed(site, frame.language)?))
}

fn claimed(site: &Site, l: Language) -> Outcome<String> {
    let offer = site.offers.of(&site.requester.actor, site.engine.now());
    let waits = offer.is_some();
    markup(&Claimed { l, claim: offer.and_then(|offer| offer.claimed), waits, days: DAYS })
}

/// A code for scanning as SVG.
fn picture(text: &str) -> Outcome<String> {
    let broken = |why: String| Failure::new(Reason::Internal, "", "exception", why);
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::M);
    let code = code.map_err(|error| broken(error.to_string()))?;
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    // The declaration of a file does not stand in a page.
    Ok(drawn.split_once("?>").map_or(drawn.clone(), |(_, svg)| svg.to_owned()))
}

/// `POST /me/sharing/answer`: the third tap.
pub async fn answer(site: &Arc<Site>, asked: &Asked) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let offer = site.offers.end(&site.requester.actor);
    let yes = form.field("answer") == "yes";
    let Some((offer, claim)) = offer.and_then(|offer| Some((offer.clone(), offer.claimed?))) else {
        return Ok(reply::see_other("/me/sharing"));
    };
    // Whoever was on the page must be whoever gets the right: a second claim cannot slip in between.
    if yes && form.field("account") == claim.account && offer.account == site.requester.actor {
        let l = Frame::of(asked).language;
        for patient in &offer.person.patients {
            let consent = consent(patient, &offer.person.name, &claim, site.engine.now(), l);
            super::write(site, &consent).await?;
        }
    }
    Ok(reply::see_other("/me/sharing"))
}

fn coding(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

/// A consent to see a record, except what is sensitive: that is released each time.
fn consent(patient: &str, name: &str, claim: &Claim, now: i64, l: Language) -> Value {
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let hidden = ["PSY", "SUD", "HIV", "SEX", "GDIS", "ADOL", "VIO"];
    let hidden: Vec<Value> = hidden.iter().map(|code| json!({"system": act, "code": code})).collect();
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coding("http://loinc.org", "59284-0")],
        "patient": {"reference": format!("Patient/{patient}"), "display": name},
        "dateTime": Instant(now).to_fhir(),
        "performer": [{"reference": format!("Patient/{patient}")}],
        "policy": [{"uri": format!("urn:tongmai:notice:sha-256:{}", notice_hash(l))}],
        "provision": {
            "type": "permit",
            "period": {"start": Instant(now).to_fhir(), "end": Instant(now + DAYS * DAY).to_fhir()},
            "actor": [{
                "role": coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
                "reference": {"reference": format!("Organization/{}", claim.organization),
                    "display": claim.organization_name},
            }],
            "action": [coding("http://terminology.hl7.org/CodeSystem/consentaction", "access")],
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
            "provision": [{"type": "deny", "securityLabel": hidden}],
        },
    })
}

/// `POST /me/sharing`: a consent is withdrawn, with one tap.
pub async fn change(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let person = chosen(site, Some(form.field("of")))?;
    let organization = form.field("organization").to_owned();
    let references: Vec<String> = person.patients.iter().map(|id| format!("Patient/{id}")).collect();
    let references = references.join(",");
    let pairs = [("patient", references.as_str()), ("status", "active"), ("_count", "100")];
    let mut ended = 0;
    for found in search(site, "Consent", &pairs).await? {
        let consent = read_json(&found)?;
        if read(&consent, site.engine.now()).organization == organization {
            super::change(site, "Consent", &found.id, |consent| {
                consent["status"] = "inactive".into();
                Ok(())
            })
            .await?;
            ended += 1;
        }
    }
    if ended == 0 {
        return Ok(problem::show(asked, frame, 404, "lost", ""));
    }
    Ok(reply::lead(&format!("/me/sharing?of={}", person.id()), &[]))
}

#[derive(Template)]
#[template(path = "me/share.html")]
struct Share {
    page: Frame,
    l: Language,
    problem: Option<String>,
    code: String,
    /// Whose record will be shared: id and name.
    waits: Option<(String, String)>,
}

framed!(Share);

/// `/share?code=…`: whoever treats a resident brings their code.
pub fn share(asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let page = frame.in_section("nav-share");
    let code = page.parameter("code").unwrap_or("").to_owned();
    render(asked, 200, &Share { l: page.language, page, problem: None, code, waits: None })
}

/// `POST /share`
pub async fn bring(site: &Arc<Site>, asked: &Asked, frame: Frame) -> Outcome<Answer> {
    let form = Form::of(asked)?;
    let page = frame.in_section("nav-share");
    let l = page.language;
    let code = form.field("code").trim().to_owned();
    let claim = claim(site, &site.requester);
    let done = match claim {
        Some(claim) => site.offers.claim(&code, claim, site.engine.now()),
        None => Err(Refused::Wrong),
    };
    let (status, problem, waits) = match done {
        Ok(person) => (200, None, Some((person.id().to_owned(), person.name))),
        Err(Refused::Wrong) => (400, Some(l.say("share-wrong").into_owned()), None),
        Err(Refused::Wait) => (429, Some(l.say("share-wait").into_owned()), None),
    };
    render(asked, status, &Share { l, page, problem, code, waits })
}

fn claim(site: &Site, requester: &Requester) -> Option<Claim> {
    let account = site.accounts.as_ref()?.account(&requester.actor)?;
    Some(Claim {
        account: account.id,
        name: account.name,
        organization: account.organization,
        organization_name: account.organization_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> [u8; 16] {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(
            &NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes(),
        );
        bytes
    }

    fn somebody() -> Person {
        Person { patients: vec!["p".into()], name: "卓玛".into(), categories: None, own: true }
    }

    fn doctor(account: &str) -> Claim {
        let text = |text: &str| text.to_owned();
        Claim {
            account: text(account),
            name: text("李"),
            organization: text("o"),
            organization_name: text("县医院"),
        }
    }

    #[test]
    fn a_code_is_used_once_and_five_wrong_ones_are_enough() {
        let offers = Offers::default();
        let (scanned, typed) = offers.begin("zhuoma", somebody(), 0, random);
        assert!(scanned.len() >= 43, "256 bits for the scanner");
        assert_eq!(offers.claim(&typed.to_lowercase(), doctor("li"), 1), Ok(somebody()));
        assert_eq!(offers.claim(&scanned, doctor("wang"), 2), Err(Refused::Wrong), "another doctor is late");
        assert_eq!(offers.claim(&scanned, doctor("li"), 2), Ok(somebody()));
        // A new code ends the one before, and time ends both.
        let (later, _) = offers.begin("zhuoma", somebody(), 3, random);
        assert_eq!(offers.claim(&scanned, doctor("li"), 4), Err(Refused::Wrong));
        assert_eq!(offers.claim(&later, doctor("li"), 3 + CODE_MILLISECONDS), Err(Refused::Wrong));
        let (_, fresh) = offers.begin("zhuoma", somebody(), 5, random);
        for n in 0..5 {
            assert_eq!(offers.claim("00000-00000", doctor("guesser"), 10 + n), Err(Refused::Wrong));
        }
        assert_eq!(offers.claim(&fresh, doctor("guesser"), 20), Err(Refused::Wait), "even the right one");
        assert!(
            offers.claim(&fresh, doctor("guesser"), 20 + CODE_MILLISECONDS).is_err(),
            "it is over by then"
        );
    }

    #[test]
    fn a_consent_names_its_notice_and_leaves_out_what_is_sensitive() {
        let consent = consent("p", "卓玛", &doctor("li"), 0, Language::Chinese);
        let policy = consent["policy"][0]["uri"].as_str().expect("a policy");
        assert!(is_current(policy));
        assert!(!is_current("urn:tongmai:notice:sha-256:00"));
        assert_eq!(consent["provision"]["provision"][0]["type"], "deny");
        let given = read(&consent, 1);
        assert!(given.active && !given.stale);
        assert!(!read(&consent, DAYS * DAY + 1).active, "it ends by itself");
    }
}
