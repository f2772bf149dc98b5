//! SMART App Launch: what is granted, and every trick that is refused.

mod common;

use common::{Here, PASSWORD, account, here, open, wait};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tongmai_access::{Credentials, Identify, Requester, Role};
use tongmai_accounts::oauth::authorize::AskRefused;
use tongmai_accounts::oauth::client::{Client, Proof, keys_of};
use tongmai_accounts::{Account, Binding};

const BASE: &str = "https://here/fhir";
const TOKEN: &str = "https://here/oauth/token";
const BACK: &str = "https://app.example/back";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn client(id: &str, proof: Proof) -> Client {
    let scopes =
        ["openid", "fhirUser", "launch", "launch/patient", "offline_access", "patient/*.rs", "user/*.rs"];
    Client {
        id: id.into(),
        name: "an app".into(),
        organization: "hospital".into(),
        proof,
        redirects: vec![BACK.into()],
        scopes: scopes.map(str::to_owned).to_vec(),
        purpose: "PATRQT".into(),
        locked: false,
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn challenge() -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()).as_ref())
}

/// A request with some parameters changed; an empty value takes one away.
fn request(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = challenge();
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("scope", "openid fhirUser launch/patient offline_access patient/Observation.rs"),
        ("state", "word of the app"),
        ("aud", BASE),
        ("nonce", "once"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        all.retain(|pair| pair.0 != *name);
        all.push((name, value));
    }
    pairs(&all)
}

fn ready() -> (Here, Requester) {
    let here = here();
    here.with("zhuoma", "resident");
    let (checked_by, document) = ("clerk".into(), "identity-card".into());
    here.accounts
        .bind("zhuoma", Binding { patients: vec!["p1".into()], checked_by, document })
        .expect("bound");
    here.accounts.register(client("app", Proof::Public)).expect("registered");
    let requester = here.accounts.requester("zhuoma").expect("an account");
    (here, requester)
}

/// The parameter of an address.
fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(found.replace("%20", " "))
}

fn code(here: &Here, requester: &Requester) -> String {
    let asked = here.accounts.ask(&request(&[]), BASE).expect("asked");
    let address = here.accounts.grant(&asked, requester, Some("p1")).expect("granted");
    assert!(address.starts_with("https://app.example/back?code="), "{address}");
    assert_eq!(parameter(&address, "state").as_deref(), Some("word of the app"));
    parameter(&address, "code").expect("a code")
}

fn exchange(here: &Here, code: &str, changes: &[(&str, &str)]) -> Result<Value, &'static str> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        form.retain(|pair| pair.0 != *name);
        form.push((name, value));
    }
    here.accounts.token(&pairs(&form), "", TOKEN).map_err(|refused| refused.code)
}

fn text<'v>(answer: &'v Value, name: &str) -> &'v str {
    answer[name].as_str().unwrap_or_else(|| panic!("{name} of {answer}"))
}

fn bearer(here: &Here, token: &str) -> Option<Requester> {
    let credentials = Credentials { bearer: Some(token), session: None };
    here.accounts.identify(credentials).ok().map(|requester| (*requester).clone())
}

#[test]
fn a_code_becomes_tokens_that_say_who_asks() {
    let (here, requester) = ready();
    let answer = exchange(&here, &code(&here, &requester), &[]).expect("tokens");
    assert_eq!((text(&answer, "token_type"), text(&answer, "patient")), ("Bearer", "p1"));
    let asks = bearer(&here, text(&answer, "access_token")).expect("it counts");
    assert_eq!(
        (asks.actor.as_str(), asks.client.as_str(), asks.patient.as_deref()),
        ("zhuoma", "app", Some("p1"))
    );
    let scopes = asks.scopes.expect("scopes");
    assert!(scopes.contains(&"patient/Observation.rs".to_owned()));
    // The id token is signed by the key of the key set and says what it must.
    let token = text(&answer, "id_token");
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let claims =
        BASE64URL_NOPAD.decode(message.split('.').nth(1).expect("claims").as_bytes()).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["nonce"]),
        (&json!("https://here"), &json!("app"), &json!("once"))
    );
    assert_eq!(claims["fhirUser"], "https://here/fhir/Patient/p1");
    let key = &here.accounts.key_set()["keys"][0];
    let part =
        |name: &str| BASE64URL_NOPAD.decode(key[name].as_str().unwrap_or("").as_bytes()).expect("base64");
    let point = [&[4][..], &part("x"), &part("y")].concat();
    let known = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64");
    assert!(known.verify(message.as_bytes(), &signature).is_ok());
    // It is over after five minutes, and at once when the account is locked.
    let fresh = exchange(&here, &code(&here, &requester), &[]).expect("tokens");
    here.accounts.lock("zhuoma", "lost").expect("locked");
    assert!(bearer(&here, text(&fresh, "access_token")).is_none());
    here.accounts.lock("zhuoma", "").expect("opened");
    let fresh = exchange(&here, &code(&here, &requester), &[]).expect("tokens");
    wait(300_000);
    assert!(bearer(&here, text(&fresh, "access_token")).is_none());
}

#[test]
fn a_code_that_comes_twice_ends_all_that_came_of_it() {
    let (here, requester) = ready();
    let code = code(&here, &requester);
    let answer = exchange(&here, &code, &[]).expect("tokens");
    assert!(bearer(&here, text(&answer, "access_token")).is_some());
    assert_eq!(exchange(&here, &code, &[]), Err("invalid_grant"));
    assert!(
        bearer(&here, text(&answer, "access_token")).is_none(),
        "the thief and the robbed are told apart by nobody"
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", text(&answer, "refresh_token")),
    ];
    assert!(here.accounts.token(&pairs(&form), "", TOKEN).is_err());
}

#[test]
fn proof_of_possession_cannot_be_downgraded() {
    let (here, requester) = ready();
    for changes in [
        &[("code_challenge_method", "plain")][..],
        &[("code_challenge_method", "")],
        &[("code_challenge", "")],
        &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
        &[("code_challenge", "c2hvcnQ")],
    ] {
        let refused = here.accounts.ask(&request(changes), BASE);
        assert!(
            matches!(&refused, Err(AskRefused::There(to)) if to.contains("error=invalid_request")),
            "{changes:?}: {refused:?}"
        );
    }
    for verifier in ["", "short", &challenge(), &"x".repeat(43), &"x".repeat(129)] {
        let code = code(&here, &requester);
        assert_eq!(
            exchange(&here, &code, &[("code_verifier", verifier)]),
            Err("invalid_grant"),
            "{verifier}"
        );
        assert_eq!(exchange(&here, &code, &[]), Err("invalid_grant"), "one try is all");
    }
}

#[test]
fn a_code_goes_to_the_registered_address_and_nowhere_else() {
    let (here, requester) = ready();
    for other in [
        "",
        "https://evil.example/back",
        "https://app.example/back/",
        "https://app.example/back?x=1",
        "https://app.example/back/../evil",
        "https://app.example.evil/back",
        "https://app.example@evil/back",
        "http://app.example/back",
        "HTTPS://app.example/back",
        "https://app.example/back#x",
        "javascript:alert(1)",
    ] {
        let refused = here.accounts.ask(&request(&[("redirect_uri", other)]), BASE);
        assert!(matches!(refused, Err(AskRefused::Here(_))), "{other}: never sent anywhere");
        let code = code(&here, &requester);
        assert_eq!(exchange(&here, &code, &[("redirect_uri", other)]), Err("invalid_grant"), "{other}");
    }
    // Two addresses in one request.
    let mut twice = request(&[]);
    twice.push(("redirect_uri".into(), "https://evil.example".into()));
    assert!(matches!(here.accounts.ask(&twice, BASE), Err(AskRefused::Here(_))));
    for bad in
        ["http://app.example/back", "https://*.example/", "https://a/b#c", "myapp", "http://127.0.0.1.evil/"]
    {
        let wrong = Client { redirects: vec![bad.into()], ..client("bad", Proof::Public) };
        assert!(here.accounts.register(wrong).is_err(), "{bad}");
    }
    let device =
        Client { redirects: vec!["http://127.0.0.1:7777/back".into()], ..client("device", Proof::Public) };
    here.accounts.register(device).expect("an app on a device");
}

#[test]
fn requests_that_are_not_whole_are_refused_where_they_belong() {
    let (here, requester) = ready();
    for (changes, error) in [
        (&[("response_type", "token")][..], "unsupported_response_type"),
        (&[("response_type", "id_token token")], "unsupported_response_type"),
        (&[("state", "")], "invalid_request"),
        (&[("aud", "")], "invalid_request"),
        (&[("aud", "https://elsewhere/fhir")], "invalid_request"),
        (&[("scope", "system/*.rs")], "invalid_scope"),
        (&[("scope", "user/*.cud admin")], "invalid_scope"),
        (&[("launch", "invented")], "invalid_request"),
    ] {
        let refused = here.accounts.ask(&request(changes), BASE);
        assert!(
            matches!(&refused, Err(AskRefused::There(to)) if to.contains(error)),
            "{changes:?}: {refused:?}"
        );
    }
    assert!(matches!(
        here.accounts.ask(&request(&[("client_id", "nobody")]), BASE),
        Err(AskRefused::Here(_))
    ));
    // A resident grants their own record, or that of somebody for whom they speak.
    let asked = here.accounts.ask(&request(&[]), BASE).expect("asked");
    assert!(here.accounts.grant(&asked, &requester, Some("p2")).is_err());
    assert!(here.accounts.grant(&asked, &requester, None).is_err());
    assert!(here.accounts.deny(&asked).contains("error=access_denied"));
    // A launch from the page of a patient brings its context; a code is over after a minute.
    let launch = here.accounts.launch("zhuoma", "p1");
    let asked = here.accounts.ask(&request(&[("launch", &launch)]), BASE).expect("asked");
    assert_eq!(asked.patient.as_deref(), Some("p1"));
    let address = here.accounts.grant(&asked, &requester, None).expect("granted");
    wait(60_000);
    assert_eq!(exchange(&here, &parameter(&address, "code").expect("a code"), &[]), Err("invalid_grant"));
}

#[test]
fn a_refresh_token_is_used_once_and_a_replay_ends_the_grant() {
    let (here, requester) = ready();
    let answer = exchange(&here, &code(&here, &requester), &[]).expect("tokens");
    let refresh = |here: &Here, token: &str, client: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
            ("scope", scope),
        ];
        here.accounts.token(&pairs(&form), "", TOKEN).map_err(|refused| refused.code)
    };
    here.accounts.register(client("thief", Proof::Public)).expect("registered");
    let first = text(&answer, "refresh_token").to_owned();
    assert_eq!(refresh(&here, &first, "thief", ""), Err("invalid_grant"), "it is bound to its client");
    assert_eq!(refresh(&here, &first, "app", "user/*.rs"), Err("invalid_scope"), "no more than was granted");
    let second = refresh(&here, &first, "app", "patient/Observation.r").expect("tokens");
    let narrow = bearer(&here, text(&second, "access_token")).expect("it counts").scopes;
    assert_eq!(narrow, Some(vec!["patient/Observation.r".to_owned()]));
    assert_eq!(refresh(&here, &first, "app", ""), Err("invalid_grant"), "a replay");
    assert!(bearer(&here, text(&second, "access_token")).is_none());
    assert_eq!(refresh(&here, text(&second, "refresh_token"), "app", ""), Err("invalid_grant"));
    // It outlives a restart; only its fingerprint lies on the disk.
    let answer = exchange(&here, &code(&here, &requester), &[]).expect("tokens");
    let token = text(&answer, "refresh_token").to_owned();
    let again = Here { accounts: open(here.folder.path()), folder: tempfile::tempdir().expect("a folder") };
    assert!(refresh(&again, &token, "app", "").is_ok());
}

#[test]
fn a_client_with_a_secret_proves_it_and_may_ask_what_a_token_is() {
    let (here, requester) = ready();
    let (secret, proof) = here.accounts.client_secret();
    here.accounts.register(client("app", proof)).expect("registered");
    let code = code(&here, &requester);
    assert_eq!(
        exchange(&here, &code, &[]),
        Err("invalid_client"),
        "no secret, and the code is not spent by it"
    );
    assert_eq!(exchange(&here, &code, &[("client_secret", "wrong")]), Err("invalid_client"));
    let answer = exchange(&here, &code, &[("client_secret", &secret)]).expect("tokens");
    let token = text(&answer, "access_token").to_owned();
    let basic = format!("Basic {}", BASE64.encode(format!("app:{secret}").as_bytes()));
    let ask = |token: &str, authorization: &str| {
        here.accounts
            .introspect(&pairs(&[("token", token)]), authorization, TOKEN)
            .map_err(|refused| refused.code)
    };
    let known = ask(&token, &basic).expect("told");
    assert_eq!(
        (&known["active"], &known["sub"], &known["client_id"]),
        (&json!(true), &json!("zhuoma"), &json!("app"))
    );
    assert_eq!(ask("invented", &basic), Ok(json!({"active": false})));
    assert_eq!(ask(&token, ""), Err("invalid_client"));
    here.accounts.register(client("public", Proof::Public)).expect("registered");
    let public = here.accounts.introspect(&pairs(&[("token", &token), ("client_id", "public")]), "", TOKEN);
    assert!(public.is_err(), "who proves nothing is told nothing");
    // Another client cannot end it, its own can, with all that came of the grant.
    here.accounts.revoke(&pairs(&[("token", &token), ("client_id", "public")]), "", TOKEN).expect("answered");
    assert!(bearer(&here, &token).is_some());
    here.accounts.revoke(&pairs(&[("token", text(&answer, "refresh_token"))]), &basic, TOKEN).expect("ended");
    assert!(bearer(&here, &token).is_none());
}

struct Service {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Service {
    fn new() -> Service {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, made.as_ref(), &random);
        Service { pair: pair.expect("a key"), random }
    }

    fn key(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-384", "kid": "one", "x": part(&point[1..49]), "y": part(&point[49..])})
    }

    fn signed(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(head), part(claims));
        let signature = self.pair.sign(&self.random, message.as_bytes()).expect("signed");
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

fn head() -> Value {
    json!({"alg": "ES384", "kid": "one", "typ": "JWT"})
}

fn claims(id: &str) -> Value {
    json!({"iss": "exporter", "sub": "exporter", "aud": TOKEN, "exp": common::now() / 1000 + 240, "jti": id})
}

fn service(here: &Here, assertion: &str) -> Result<Value, &'static str> {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "system/Patient.rs system/*.cud"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    here.accounts.token(&pairs(&form), "", TOKEN).map_err(|refused| refused.code)
}

fn with_service() -> (Here, Service) {
    let (here, service) = (here(), Service::new());
    let keys = keys_of(&json!({"keys": [service.key()]})).expect("keys");
    let scopes = vec!["system/*.rs".to_owned()];
    let exporter = Client {
        scopes,
        redirects: Vec::new(),
        purpose: "HSYSADMIN".into(),
        ..client("exporter", Proof::Keys(keys))
    };
    here.accounts.register(exporter).expect("registered");
    (here, service)
}

#[test]
fn a_service_proves_itself_by_a_signed_assertion_once() {
    let (here, key) = with_service();
    let assertion = key.signed(&head(), &claims("a"));
    let answer = service(&here, &assertion).expect("a token");
    assert_eq!(text(&answer, "scope"), "system/Patient.rs", "no more than it registered");
    assert!(answer.get("refresh_token").is_none());
    let asks = bearer(&here, text(&answer, "access_token")).expect("it counts");
    assert_eq!(
        (asks.actor.as_str(), &asks.roles[..], asks.purpose.as_str()),
        ("exporter", &[Role::Service][..], "HSYSADMIN")
    );
    assert_eq!(service(&here, &assertion), Err("invalid_client"), "a replay");
    let change = |name: &str, value: Value| {
        let mut claims = claims(&format!("b{name}{value}"));
        claims[name] = value;
        service(&here, &key.signed(&head(), &claims))
    };
    for (name, value) in [
        ("iss", json!("other")),
        ("sub", json!("other")),
        ("aud", json!("https://elsewhere/token")),
        ("aud", json!([TOKEN, "https://elsewhere/token"])),
        ("exp", json!(common::now() / 1000)),
        ("exp", json!(common::now() / 1000 + 4_000)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(i64::MIN)),
        ("nbf", json!(i64::MAX)),
        ("exp", Value::Null),
        ("nbf", json!(common::now() / 1000 + 1_000)),
        ("jti", json!("")),
    ] {
        assert_eq!(change(name, value.clone()), Err("invalid_client"), "{name} {value}");
    }
    assert!(service(&here, &key.signed(&head(), &claims("c"))).is_ok());
    // A client without a key gets nothing for itself.
    let mut wide = client("wide", Proof::Public);
    wide.scopes.push("system/*.rs".into());
    assert!(here.accounts.register(wide).is_err());
}

#[test]
fn neither_none_nor_a_confused_key_signs() {
    let (here, key) = with_service();
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    // `none`, in all its spellings, with and without a signature.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let head = json!({"alg": alg, "kid": "one"});
        let bare = format!("{}.{}.", part(&head), part(&claims("n")));
        assert_eq!(service(&here, &bare), Err("invalid_client"), "{alg}");
        assert_eq!(service(&here, &key.signed(&head, &claims("m"))), Err("invalid_client"), "{alg}");
    }
    // The public key as the secret of a keyed hash, and other kinds of signature.
    let public = key.key().to_string();
    for (alg, algorithm) in [("HS256", ring::hmac::HMAC_SHA256), ("HS384", ring::hmac::HMAC_SHA384)] {
        let message = format!("{}.{}", part(&json!({"alg": alg, "kid": "one"})), part(&claims("h")));
        for secret in [public.as_bytes(), key.pair.public_key().as_ref()] {
            let tag = ring::hmac::sign(&ring::hmac::Key::new(algorithm, secret), message.as_bytes());
            let forged = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
            assert_eq!(service(&here, &forged), Err("invalid_client"), "{alg}");
        }
    }
    for alg in ["ES256", "RS384", "PS384", "EdDSA"] {
        let head = json!({"alg": alg, "kid": "one"});
        assert_eq!(service(&here, &key.signed(&head, &claims("o"))), Err("invalid_client"), "{alg}");
    }
    // A key that the token brings itself, or that is fetched from somewhere.
    let other = Service::new();
    for (name, value) in [
        ("jwk", other.key()),
        ("jku", json!("https://evil/jwks")),
        ("x5u", json!("https://evil")),
        ("crit", json!(["b64"])),
    ] {
        let mut head = head();
        head[name] = value;
        assert_eq!(service(&here, &other.signed(&head, &claims("p"))), Err("invalid_client"), "{name}");
        assert_eq!(service(&here, &key.signed(&head, &claims("q"))), Err("invalid_client"), "{name}");
    }
    assert_eq!(service(&here, &other.signed(&head(), &claims("r"))), Err("invalid_client"), "another key");
    let mut unknown = head();
    unknown["kid"] = json!("two");
    assert_eq!(service(&here, &key.signed(&unknown, &claims("s"))), Err("invalid_client"));
    // Claims that were changed behind the signature.
    let signed = key.signed(&head(), &claims("t"));
    let mut parts: Vec<&str> = signed.split('.').collect();
    let changed = part(&claims("u"));
    parts[1] = &changed;
    assert_eq!(service(&here, &parts.join(".")), Err("invalid_client"));
    for broken in ["", ".", "..", "a.b.c", &"x".repeat(20_000)] {
        assert_eq!(service(&here, broken), Err("invalid_client"));
    }
}

#[test]
fn an_rsa_key_signs_too_and_a_weak_one_does_not() {
    let here = here();
    let mut lines = include_str!("rs384.txt").lines();
    let (modulus, assertion) = (lines.next().expect("a modulus"), lines.next().expect("an assertion"));
    let key = |n: &str| json!({"keys": [{"kty": "RSA", "kid": "rsa-1", "n": n, "e": "AQAB"}]});
    let keys = keys_of(&key(modulus)).expect("a key");
    let exporter = Client { scopes: vec!["system/*.rs".into()], ..client("exporter-rsa", Proof::Keys(keys)) };
    here.accounts.register(exporter).expect("registered");
    assert!(service(&here, assertion).is_ok());
    assert!(keys_of(&key(&modulus[..170])).is_err(), "1024 bits");
    assert!(
        keys_of(&json!({"keys": [{"kty": "oct", "kid": "x", "k": "c2VjcmV0"}]})).is_err(),
        "a shared secret is no key"
    );
}

#[test]
fn a_locked_client_and_a_second_factor_are_no_way_around() {
    let (here, requester) = ready();
    let answer = exchange(&here, &code(&here, &requester), &[]).expect("tokens");
    let token = text(&answer, "access_token").to_owned();
    here.accounts.register(Client { locked: true, ..client("app", Proof::Public) }).expect("locked");
    assert!(bearer(&here, &token).is_none());
    assert!(here.accounts.ask(&request(&[]), BASE).is_err());
    // There is no grant that takes a password.
    here.accounts.keep(Account { ..account("dr-li", "doctor") }).expect("kept");
    here.accounts.set_password("dr-li", PASSWORD).expect("set");
    here.accounts.register(client("app", Proof::Public)).expect("open again");
    for kind in ["password", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange", ""] {
        let form =
            [("grant_type", kind), ("client_id", "app"), ("username", "dr-li"), ("password", PASSWORD)];
        let refused = here.accounts.token(&pairs(&form), "", TOKEN).expect_err("refused");
        assert_eq!(refused.code, "unsupported_grant_type");
    }
}
