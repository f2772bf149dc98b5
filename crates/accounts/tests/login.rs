//! Coming in: what is asked for, what is refused, and what ends.

mod common;

use common::{MINUTE, PASSWORD, account, here, open, wait};
use tongmai_access::{Credentials, Identify, Role};
use tongmai_accounts::account::Representation;
use tongmai_accounts::family::Basis;
use tongmai_accounts::session::{IDLE_MILLISECONDS, LONGEST_MILLISECONDS};
use tongmai_accounts::{Account, Binding, LoginRefused, secret};

fn binding(patient: &str) -> Binding {
    let (checked_by, document) = ("clerk".into(), "identity-card".into());
    Binding { patients: vec![patient.into()], checked_by, document }
}

#[test]
fn a_password_opens_a_session_and_nothing_is_said_of_what_was_wrong() {
    let here = here();
    here.with("zhuoma", "resident");
    let accounts = &here.accounts;
    let token = accounts.login("zhuoma", PASSWORD, "").expect("in");
    let requester = accounts.in_session(&token).expect("a session");
    assert_eq!((requester.actor.as_str(), &requester.roles[..]), ("zhuoma", &[Role::Resident][..]));
    assert_eq!(accounts.login("zhuoma", "wrong password!", ""), Err(LoginRefused::Wrong));
    assert_eq!(accounts.login("nobody", PASSWORD, ""), Err(LoginRefused::Wrong));
    assert!(accounts.in_session("forged").is_none());
    accounts.logout(&token);
    assert!(accounts.in_session(&token).is_none());
    // Without a session somebody is nobody, and that is no error; a forged bearer token is one.
    let nobody = accounts.identify(Credentials { session: Some("forged"), bearer: None }).expect("nobody");
    assert!(nobody.is_nobody());
    assert!(accounts.identify(Credentials { session: None, bearer: Some("forged") }).is_err());
}

#[test]
fn five_failures_lock_out_for_a_quarter_of_an_hour() {
    let here = here();
    here.with("zhuoma", "resident");
    for _ in 0..5 {
        assert_eq!(here.accounts.login("zhuoma", "wrong password!", ""), Err(LoginRefused::Wrong));
    }
    assert!(
        matches!(here.accounts.login("zhuoma", PASSWORD, ""), Err(LoginRefused::Wait(_))),
        "even the right one"
    );
    // A name that nobody has is answered in the same way: names cannot be told apart.
    for _ in 0..5 {
        assert_eq!(here.accounts.login("invented", "wrong password!", ""), Err(LoginRefused::Wrong));
    }
    assert!(matches!(here.accounts.login("invented", "x", ""), Err(LoginRefused::Wait(_))));
    wait(15 * MINUTE + 1);
    assert!(here.accounts.login("zhuoma", PASSWORD, "").is_ok());
}

#[test]
fn staff_need_a_second_factor_that_is_used_once() {
    let here = here();
    here.with("dr-li", "doctor");
    let accounts = &here.accounts;
    assert_eq!(accounts.login("dr-li", PASSWORD, ""), Err(LoginRefused::CodeNeeded));
    let codes = accounts.print_codes("dr-li").expect("codes");
    assert_eq!(codes.len(), 10);
    assert!(accounts.login("dr-li", PASSWORD, &codes[0].to_lowercase()).is_ok());
    assert_eq!(accounts.login("dr-li", PASSWORD, &codes[0]), Err(LoginRefused::Wrong), "a code is used once");
    let key = accounts.set_code_key("dr-li").expect("a key");
    let code = secret::code_at(&key, common::now()).expect("a code");
    assert!(accounts.login("dr-li", PASSWORD, &code).is_ok());
    assert_eq!(accounts.login("dr-li", PASSWORD, &code), Err(LoginRefused::Wrong), "a step is used once");
    // A new sheet ends the old one; all of it is there after a restart.
    let fresh = accounts.print_codes("dr-li").expect("codes");
    assert_eq!(accounts.login("dr-li", PASSWORD, &codes[1]), Err(LoginRefused::Wrong));
    let again = open(here.folder.path());
    assert!(again.login("dr-li", PASSWORD, &fresh[3]).is_ok());
    assert_eq!(again.login("dr-li", PASSWORD, &code), Err(LoginRefused::Wrong));
}

#[test]
fn sessions_end_by_themselves_and_are_rotated() {
    let here = here();
    here.with("zhuoma", "resident");
    let accounts = &here.accounts;
    let first = accounts.login("zhuoma", PASSWORD, "").expect("in");
    let second = accounts.login("zhuoma", PASSWORD, "").expect("in");
    assert_ne!(first, second, "each login has a token of its own");
    wait(IDLE_MILLISECONDS + 1);
    assert!(accounts.in_session(&first).is_none(), "nobody did anything");
    let third = accounts.login("zhuoma", PASSWORD, "").expect("in");
    for _ in 0..(LONGEST_MILLISECONDS / IDLE_MILLISECONDS) {
        wait(IDLE_MILLISECONDS - 1);
        accounts.in_session(&third);
    }
    wait(IDLE_MILLISECONDS - 1);
    assert!(accounts.in_session(&third).is_none(), "a session ends after twelve hours in any case");
    // A change of roles, a new password and a lock end what is open.
    let end = |act: &dyn Fn()| {
        let token = accounts.login("zhuoma", PASSWORD, "").expect("in");
        act();
        assert!(accounts.in_session(&token).is_none());
    };
    end(&|| {
        let changed = Account { purpose: "PATRQT".into(), ..account("zhuoma", "resident") };
        accounts.keep(changed).expect("kept");
    });
    end(&|| accounts.set_password("zhuoma", PASSWORD).expect("set"));
    end(&|| accounts.bind("zhuoma", binding("p1")).expect("bound"));
    end(&|| accounts.lock("zhuoma", "lost her bag").expect("locked"));
    assert_eq!(accounts.login("zhuoma", PASSWORD, ""), Err(LoginRefused::Locked));
    assert_eq!(
        accounts.login("zhuoma", "wrong password!", ""),
        Err(LoginRefused::Wrong),
        "only who knows it hears of the lock"
    );
    accounts.lock("zhuoma", "").expect("opened");
    assert!(accounts.login("zhuoma", PASSWORD, "").is_ok());
}

#[test]
fn training_that_is_over_keeps_out() {
    let here = here();
    let trained =
        Account { trained_until: Some(common::NOW + MINUTE), synthetic: true, ..account("dr-li", "doctor") };
    here.accounts.keep(trained).expect("kept");
    here.accounts.set_password("dr-li", PASSWORD).expect("set");
    assert!(here.accounts.login("dr-li", PASSWORD, "").is_ok());
    wait(MINUTE);
    assert_eq!(here.accounts.login("dr-li", PASSWORD, ""), Err(LoginRefused::Training));
}

#[test]
fn the_three_administrators_are_three_people() {
    let here = here();
    let administrator =
        |id: &str, role: &str, person: &str| Account { person: person.into(), ..account(id, role) };
    let keep = |account: Account| here.accounts.keep(account);
    keep(administrator("sys", "system-administrator", "a")).expect("the first");
    let other_house = |account: Account| Account { organization: "other".into(), ..account };
    for role in ["security-administrator", "audit-administrator"] {
        let refused = keep(other_house(administrator("two", role, "a"))).expect_err("the same person");
        assert!(refused.0.contains("system-administrator"), "{refused}");
    }
    let mut both = administrator("both", "security-administrator", "b");
    both.roles.push("audit-administrator".into());
    assert!(keep(both).is_err(), "one account with two of the roles");
    assert!(keep(administrator("unknown", "audit-administrator", "")).is_err(), "nobody was verified");
    keep(administrator("sec", "security-administrator", "b")).expect("the second");
    keep(administrator("aud", "audit-administrator", "c")).expect("the third");
    // An account that exists is not raised to a second role either.
    assert!(keep(administrator("sec", "audit-administrator", "c")).is_err());
}

#[test]
fn a_professional_has_one_account_at_a_provider() {
    let here = here();
    let doctor = |id: &str, organization: &str| Account {
        person: "the same".into(),
        organization: organization.into(),
        ..account(id, "doctor")
    };
    here.accounts.keep(doctor("li", "county")).expect("kept");
    assert!(here.accounts.keep(doctor("li2", "county")).is_err());
    here.accounts.keep(doctor("li3", "township")).expect("another provider");
    for bad in ["", "Li", "a b", "a/b", &"x".repeat(65)] {
        assert!(here.accounts.keep(account(bad, "doctor")).is_err(), "{bad}");
    }
    assert!(here.accounts.keep(account("king", "king")).is_err());
}

#[test]
fn an_invitation_binds_a_record_by_document_and_never_by_telephone() {
    let here = here();
    let accounts = &here.accounts;
    let printed = accounts.invite(account("zhuoma", "resident"), binding("p1"), "6764", 30).expect("printed");
    assert!(accounts.accept("00000-00000", "6764", PASSWORD).is_err());
    assert!(accounts.accept(&printed.code, "0000", PASSWORD).is_err());
    assert!(accounts.accept(&printed.code, "6764", "short").is_err());
    assert_eq!(accounts.accept(&printed.code.to_lowercase(), "6764", PASSWORD).as_deref(), Ok("zhuoma"));
    assert!(accounts.accept(&printed.code, "6764", PASSWORD).is_err(), "used once");
    let token = accounts.login("zhuoma", PASSWORD, "").expect("in");
    assert_eq!(accounts.in_session(&token).expect("a session").own, ["p1"]);
    // Five wrong proofs end an invitation, time does too.
    let guessed = accounts.invite(account("guess", "resident"), binding("p2"), "1234", 30).expect("printed");
    for _ in 0..5 {
        assert!(accounts.accept(&guessed.code, "9999", PASSWORD).is_err());
    }
    assert!(accounts.accept(&guessed.code, "1234", PASSWORD).is_err());
    let late = accounts.invite(account("late", "resident"), binding("p3"), "1234", 1).expect("printed");
    wait(24 * 60 * MINUTE);
    assert!(accounts.accept(&late.code, "1234", PASSWORD).is_err());
    // A telephone number proves nothing.
    let phone = Binding { document: "telephone".into(), ..binding("p4") };
    assert!(accounts.bind("zhuoma", phone).is_err());
    assert!(accounts.bind("zhuoma", Binding { checked_by: String::new(), ..binding("p4") }).is_err());
}

#[test]
fn a_representative_stops_on_the_birthday_and_in_a_dispute() {
    let here = here();
    here.with("mother", "resident");
    let accounts = &here.accounts;
    let birthday = common::NOW + 10 * MINUTE;
    let child = Representation {
        patients: vec!["child".into()],
        name: "扎西".into(),
        basis: Basis::Parent,
        categories: None,
        until: Some(birthday),
        frozen: None,
        evidence: "birth certificate".into(),
    };
    accounts.represent("mother", child.clone()).expect("represents");
    assert!(accounts.represent("mother", Representation { evidence: " ".into(), ..child }).is_err());
    let speaks = || accounts.requester("mother").expect("an account").speaks_for("child", common::now());
    assert!(speaks());
    assert_eq!(accounts.freeze("child", Some("the father disputes it")), Ok(1));
    assert!(!speaks());
    assert_eq!(accounts.freeze("child", None), Ok(1));
    assert!(speaks());
    // A session from before the birthday does not outlive it.
    let token = accounts.login("mother", PASSWORD, "").expect("in");
    wait(10 * MINUTE);
    let requester = accounts.in_session(&token).expect("a session");
    assert!(!requester.speaks_for("child", common::now()));
    assert!(!speaks());
    accounts.represent_no_more("mother", "child").expect("ended");
}

#[test]
fn an_emergency_opens_one_record_for_an_hour_with_a_new_token() {
    let here = here();
    let accounts = &here.accounts;
    accounts.keep(Account { synthetic: true, ..account("dr-li", "doctor") }).expect("kept");
    accounts.set_password("dr-li", PASSWORD).expect("set");
    let token = accounts.login("dr-li", PASSWORD, "").expect("in");
    let p1 = ["p1".to_owned()];
    assert!(accounts.begin_emergency(&token, &p1, "why").is_err(), "no reason");
    assert!(accounts.begin_emergency(&token, &[], "unconscious after a fall").is_err(), "nobody");
    let (other, emergency) =
        accounts.begin_emergency(&token, &p1, "unconscious after a fall").expect("opened");
    assert_ne!(other, token);
    assert!(accounts.in_session(&token).is_none(), "the session before is over");
    let requester = accounts.in_session(&other).expect("a session");
    assert_eq!((requester.purpose.as_str(), requester.emergency.as_ref()), ("ETREAT", Some(&emergency)));
    let back = accounts.end_emergency(&other).expect("ended");
    assert_eq!(accounts.in_session(&back).expect("a session").emergency, None);
    assert!(accounts.in_session(&other).is_none());
    // It ends by itself; the doctor's own work goes on.
    let (third, _) = accounts.begin_emergency(&back, &p1, "unconscious after a fall").expect("opened");
    for _ in 0..4 {
        wait(15 * MINUTE);
        accounts.in_session(&third);
    }
    let after = accounts.in_session(&third).expect("a session");
    assert_eq!((after.purpose.as_str(), &after.emergency), ("TREAT", &None));
    here.with("zhuoma", "resident");
    let resident = accounts.login("zhuoma", PASSWORD, "").expect("in");
    assert!(accounts.begin_emergency(&resident, &p1, "I would like to know").is_err());
}

#[test]
fn forms_carry_a_word_of_their_session() {
    let here = here();
    here.with("zhuoma", "resident");
    let token = here.accounts.login("zhuoma", PASSWORD, "").expect("in");
    let word = here.accounts.form_word(&token);
    assert!(here.accounts.is_form_word(&token, &word));
    for other in ["", "x", &here.accounts.form_word("other")] {
        assert!(!here.accounts.is_form_word(&token, other));
    }
}

#[test]
fn no_secret_lies_on_the_disk() {
    let here = here();
    here.with("zhuoma", "resident");
    let token = here.accounts.login("zhuoma", PASSWORD, "").expect("in");
    let codes = here.accounts.print_codes("zhuoma").expect("codes");
    let printed =
        here.accounts.invite(account("new", "resident"), binding("p1"), "6764", 1).expect("printed");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(here.folder.path()).expect("a folder").flatten() {
        all.extend(std::fs::read(entry.path()).expect("a file"));
    }
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("argon2id$"), "the log of accounts was read");
    for secret in [PASSWORD, &token, &codes[0], &printed.code] {
        assert!(!text.contains(secret), "{secret}");
    }
}
