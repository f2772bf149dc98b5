//! The envelope around each message of the insurance platform: what must stand in it, who signed
//! it, and that nothing comes twice.
//!
//! `msgid` is the institution's code (12), the time (14) and a number (4). `signtype` says how
//! `cainfo` was made: `SM2`, a signature in Base64 or hexadecimal; `SM3`, an HMAC of a shared secret. What is
//! signed is `infno|msgid|inf_time|fixmedins_code|` and the text of `input` exactly as it was sent. An
//! input that is a text instead of an object is SM4 (CBC, the initial value first) in Base64. The texts of the
//! national specification were not at hand: a site whose region signs otherwise states so, and the
//! gate refuses by name what does not fit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError, RwLock};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use tongmai_base::{Finding, Severity, limits};
use tongmai_fhir::json::Json;

use super::crypto;
use crate::build::{Node, object, text};

/// How far a message's time may be from the clock, in seconds.
pub const WINDOW: i64 = 15 * 60;

/// What an envelope must carry: field, and how many characters (0: any number).
const FIELDS: &[(&str, usize)] = &[
    ("infno", 4),
    ("msgid", 30),
    ("mdtrtarea_admvs", 6),
    ("insuplc_admdvs", 6),
    ("recer_sys_code", 0),
    ("infver", 0),
    ("opter_type", 0),
    ("opter", 0),
    ("opter_name", 0),
    ("inf_time", 0),
    ("fixmedins_code", 12),
];

/// Keys of one institution.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Public key of its SM2 signatures, 64 or 65 bytes.
    pub sm2: Vec<u8>,
    /// Shared secret of its SM3 codes; empty where none is agreed on.
    pub sm3: Vec<u8>,
    /// Key of encrypted inputs.
    pub sm4: Option<[u8; crypto::BLOCK]>,
    /// The code by which the other doors know the institution; empty where it is that of the insurer.
    pub organization: String,
}

/// Judges envelopes: whose they are, and whether they come in time and once.
///
/// What a signature covers is a property of the message and holds for ever ([`Gate::open`]); whether it comes in time is one of
/// its arrival ([`Gate::admit`]). So a message that was kept can be read again, and never with another content.
#[derive(Debug, Default)]
pub struct Gate {
    keys: RwLock<HashMap<String, Keys>>,
    /// Time and number of what came within the window, with the digest of its bytes.
    seen: Mutex<BTreeMap<(i64, String), String>>,
}

/// An envelope that passed.
#[derive(Debug)]
pub struct Opened {
    /// `4101`, …
    pub number: String,
    /// The sender's number of the message.
    pub message_id: String,
    /// Who sent it.
    pub institution: String,
    /// The code by which the other doors know the sender.
    pub organization: String,
    /// The input as text, decrypted where it was encrypted.
    pub input: String,
}

impl Gate {
    /// A gate that knows these institutions' keys.
    pub fn new(keys: HashMap<String, Keys>) -> Gate {
        Gate { keys: RwLock::new(keys), seen: Mutex::default() }
    }

    /// Puts these institutions' keys in the place of those it knows.
    pub fn learn(&self, keys: HashMap<String, Keys>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Opens an envelope: its fields, its signature, its encryption. `Err` names each fault.
    ///
    /// # Errors
    /// One finding or more, each fatal, with the field and the repair.
    pub fn open(&self, bytes: &[u8]) -> Result<Opened, Vec<Finding>> {
        if bytes.len() > limits::MESSAGE_BYTES {
            let message = format!("{} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
            return Err(vec![fault("/", "size", message, "send a smaller message")]);
        }
        let decoded = crate::charset::decode(bytes, None, "/");
        let root = Json::parse_str(&decoded.text).map_err(|error| {
            vec![fault("/", "json", format!("it is no JSON: {error}"), "send one whole JSON object")]
        })?;
        let faults = fields(&root);
        if !faults.is_empty() {
            return Err(faults);
        }
        let of = |name: &str| root.text(name).unwrap_or_default().to_owned();
        let (message_id, institution) = (of("msgid"), of("fixmedins_code"));
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = keys.get(&institution) else {
            let message = format!("no key of institution {institution} is known");
            let repair = "register the institution's key in insurance-keys.toml of the data folder";
            return Err(vec![fault("fixmedins_code", "key-unknown", message, repair)]);
        };
        let input = input_text(&decoded.text, &root).unwrap_or_default();
        let signed = signed(&of("infno"), &message_id, &of("inf_time"), &institution, input);
        check_signature(keys, &of("signtype"), &of("cainfo"), signed.as_bytes())?;
        let input = match root.get("input") {
            Some(Json::String(sealed)) => open_input(keys, sealed)?,
            _ => input.to_owned(),
        };
        let organization =
            if keys.organization.is_empty() { institution.clone() } else { keys.organization.clone() };
        Ok(Opened { number: of("infno"), message_id, institution, organization, input })
    }

    /// Whether a message that was opened comes in time (`now`: seconds since 1970) and for the first time. The same bytes
    /// may come again, since a sender who got no answer sends again; `digest` tells them from others of the same number.
    /// What fails is not remembered, so that a mended message may use its number again.
    ///
    /// # Errors
    /// One fatal finding of the field `msgid`.
    pub fn admit(
        &self,
        message_id: &str,
        institution: &str,
        digest: &str,
        now: i64,
    ) -> Result<(), Vec<Finding>> {
        let whose = message_id.get(..12).unwrap_or_default();
        if whose != institution {
            let message = format!("msgid begins with {whose}, the institution is {institution}");
            return Err(vec![fault(
                "msgid",
                "msgid-institution",
                message,
                "begin msgid with fixmedins_code",
            )]);
        }
        let time = message_id.get(12..26).and_then(seconds);
        let Some(time) = time.filter(|time| (now - time).abs() <= WINDOW) else {
            let message = format!("the time within msgid is not within {WINDOW} seconds of the clock");
            return Err(vec![fault(
                "msgid",
                "message-time",
                message,
                "set the clock, and send with a new msgid",
            )]);
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.split_off(&(now - 2 * WINDOW, String::new()));
        let known = seen.entry((time, message_id.to_owned())).or_insert_with(|| digest.to_owned());
        if known.as_str() != digest {
            let message = format!("message {message_id} came before with another content");
            return Err(vec![fault("msgid", "replayed", message, "give each message a msgid of its own")]);
        }
        Ok(())
    }
}

/// What is signed.
fn signed(number: &str, message_id: &str, time: &str, institution: &str, input: &str) -> String {
    format!("{number}|{message_id}|{time}|{institution}|{input}")
}

/// What a sender writes: an envelope around an input, encrypted where the institution agreed on an SM4 key, signed with
/// its secret SM2 key. `time` is `YYYYMMDDhhmmss`, `initial` the initial value of the encryption; `None` when the key is none.
pub fn seal(
    letter: &Letter<'_>,
    secret: &[u8],
    sm4: Option<&[u8; 16]>,
    initial: &[u8; 16],
) -> Option<String> {
    let Letter { number, institution, time, serial, region, input } = letter;
    let message_id = format!("{institution}{time}{serial:04}");
    let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default();
    let written = format!(
        "{}-{}-{} {}:{}:{}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    let sealed = sm4.map(|key| BASE64.encode(&crypto::sm4_encrypt(key, initial, input.as_bytes())));
    let bare = sealed.as_deref().unwrap_or(input);
    let signed = signed(number, &message_id, &written, institution, bare);
    let signature = BASE64.encode(&crypto::sign(secret, crypto::IDENTITY, signed.as_bytes())?);
    let input = sealed.as_ref().map_or_else(|| (*input).to_owned(), |sealed| format!("\"{sealed}\""));
    Some(format!(
        "{{\"infno\":\"{number}\",\"msgid\":\"{message_id}\",\"mdtrtarea_admvs\":\"{region}\",\"insuplc_admdvs\":\"{region}\",\
         \"recer_sys_code\":\"TONGMAI\",\"infver\":\"V1.0\",\"opter_type\":\"1\",\"opter\":\"1\",\"opter_name\":\"接口\",\
         \"inf_time\":\"{written}\",\"fixmedins_code\":\"{institution}\",\"signtype\":\"SM2\",\"cainfo\":\"{signature}\",\
         \"input\":{input}}}"
    ))
}

/// What stands in an envelope that is to be sealed.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'l> {
    /// `4101`, …
    pub number: &'l str,
    /// Code of the sender, 12 characters.
    pub institution: &'l str,
    /// When it is sent, `YYYYMMDDhhmmss`.
    pub time: &'l str,
    /// The sender's count of its messages.
    pub serial: u32,
    /// Code of the region, 6 digits.
    pub region: &'l str,
    /// The input as JSON.
    pub input: &'l str,
}

/// The answer to a message, as the platform gives it: `infcode` 0, or -1 with the fault in words.
pub fn answer(message_id: &str, fault: Option<&Finding>, output: Option<Node>, now: &str) -> Node {
    object([
        ("infcode", text(if fault.is_some() { "-1" } else { "0" })),
        ("inf_refmsgid", text(message_id)),
        ("respond_time", text(now)),
        ("err_msg", text(fault.map(ToString::to_string).unwrap_or_default())),
        ("output", output.unwrap_or(Json::Null)),
    ])
}

fn fields(root: &Json<'_>) -> Vec<Finding> {
    let mut faults = Vec::new();
    for (name, length) in FIELDS {
        let value = root.text(name).unwrap_or_default();
        if value.is_empty() {
            faults.push(fault(
                name,
                "envelope-field",
                format!("{name} is missing"),
                "write the field as a text",
            ));
        } else if *length > 0 && value.chars().count() != *length {
            let message = format!("{name} has {} characters, not {length}", value.chars().count());
            faults.push(fault(name, "envelope-field", message, &format!("write {length} characters")));
        }
    }
    if root.get("input").is_none() {
        faults.push(fault(
            "input",
            "envelope-field",
            "input is missing".to_owned(),
            "write the message's input",
        ));
    }
    faults
}

fn check_signature(keys: &Keys, kind: &str, written: &str, signed: &[u8]) -> Result<(), Vec<Finding>> {
    if written.is_empty() {
        let message = "cainfo is empty: nobody signed the message".to_owned();
        return Err(vec![fault(
            "cainfo",
            "signature-missing",
            message,
            "sign the message with the institution's key",
        )]);
    }
    let bytes =
        BASE64.decode(written.as_bytes()).ok().filter(|bytes| matches!(bytes.len(), 64 | 70..=72 | 32));
    let bytes = bytes.or_else(|| HEXLOWER_PERMISSIVE.decode(written.as_bytes()).ok()).unwrap_or_default();
    let is_right = match kind {
        "SM2" => crypto::is_signed(&keys.sm2, crypto::IDENTITY, signed, &bytes),
        "SM3" => !keys.sm3.is_empty() && crypto::same(&crypto::hmac_sm3(&keys.sm3, signed), &bytes),
        other => {
            let message = format!("signtype '{other}' is not known");
            return Err(vec![fault("signtype", "signature-type", message, "write SM2 or SM3")]);
        }
    };
    if is_right {
        return Ok(());
    }
    let message = format!("cainfo is not the {kind} signature of this message by this institution");
    Err(vec![fault(
        "cainfo",
        "signature-wrong",
        message,
        "sign infno|msgid|inf_time|fixmedins_code|input as sent",
    )])
}

fn open_input(keys: &Keys, sealed: &str) -> Result<String, Vec<Finding>> {
    let plain = keys.sm4.as_ref().and_then(|key| {
        let plain = crypto::sm4_decrypt(key, &BASE64.decode(sealed.as_bytes()).ok()?)?;
        String::from_utf8(plain).ok()
    });
    plain.ok_or_else(|| {
        let message = "input is a text that is not SM4 of the agreed key".to_owned();
        vec![fault(
            "input",
            "input-encryption",
            message,
            "encrypt with SM4-CBC, the initial value first, in Base64",
        )]
    })
}

/// The text of `input` exactly as it stands in the message: signatures are over bytes, not meanings.
fn input_text<'t>(whole: &'t str, root: &Json<'_>) -> Option<&'t str> {
    if let Some(Json::String(text)) = root.get("input") {
        let at = whole.find(text.as_ref())?;
        return whole.get(at..at + text.len());
    }
    let bytes = whole.as_bytes();
    let (mut depth, mut quoted, mut escaped, mut word) = (0_usize, false, false, 0);
    let mut from = None;
    for (at, byte) in bytes.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    quoted = false;
                    if depth == 1 && from.is_none() && whole.get(word..at) == Some("input") {
                        let after = whole[at + 1..].trim_start();
                        if let Some(value) = after.strip_prefix(':') {
                            let value = value.trim_start();
                            from = Some(whole.len() - value.len());
                        }
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => (quoted, word) = (true, at + 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if let Some(from) = from.filter(|from| depth == 1 && at >= *from) {
                    return whole.get(from..=at);
                }
            }
            _ => {}
        }
    }
    None
}

/// `YYYYMMDDhhmmss` in China Standard Time as seconds since 1970.
fn seconds(written: &str) -> Option<i64> {
    let instant = crate::wst500::convert::time(written)?;
    let found = tongmai_fhir::search::date::parse(&instant)?;
    Some(found.low / 1000)
}

fn fault(path: &str, code: &str, message: String, repair: &str) -> Finding {
    Finding::new(Severity::Fatal, path, code, message).with_repair(repair)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSPITAL: &str = "H99510100001";
    const SECRET: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const PUBLIC: &str = concat!(
        "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020",
        "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    );

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).expect("hex")
    }

    fn gate() -> (Gate, i64) {
        let (sm2, sm3) = (hex(PUBLIC), b"shared".to_vec());
        let keys = Keys { sm2, sm3, sm4: Some([3; 16]), organization: String::new() };
        let now = seconds("20261127093000").expect("a time");
        (Gate::new(HashMap::from([(HOSPITAL.to_owned(), keys)])), now)
    }

    /// A message with a number and an input, signed as `kind` says.
    fn message(serial: u32, input: &str, kind: &str) -> String {
        let id = format!("{HOSPITAL}20261127092500{serial:04}");
        let bare = input.strip_prefix('"').and_then(|input| input.strip_suffix('"')).unwrap_or(input);
        let signed = format!("4101|{id}|2026-11-27 09:25:00|{HOSPITAL}|{bare}");
        let signature = match kind {
            "SM2" => BASE64
                .encode(&crypto::sign(&hex(SECRET), crypto::IDENTITY, signed.as_bytes()).expect("a key")),
            _ => HEXLOWER_PERMISSIVE.encode(&crypto::hmac_sm3(b"shared", signed.as_bytes())),
        };
        format!(
            r#"{{"infno":"4101","msgid":"{id}","mdtrtarea_admvs":"995101","insuplc_admdvs":"995101",
            "recer_sys_code":"T","infver":"V1.0","opter_type":"1","opter":"1","opter_name":"input","inf_time":"2026-11-27 09:25:00",
            "fixmedins_code":"{HOSPITAL}","signtype":"{kind}","cainfo":"{signature}", "input" : {input} }}"#
        )
    }

    /// Opens and admits, as the door does.
    fn pass(gate: &Gate, message: &str, now: i64) -> Result<Opened, Vec<Finding>> {
        let opened = gate.open(message.as_bytes())?;
        let digest = crate::pipeline::number(message.as_bytes());
        gate.admit(&opened.message_id, &opened.institution, &digest, now)?;
        Ok(opened)
    }

    fn refused(gate: &Gate, message: &str, now: i64) -> String {
        let faults = pass(gate, message, now).expect_err("refused");
        assert!(faults.iter().all(|f| !f.path.is_empty() && !f.repair.is_empty()));
        faults[0].code.clone()
    }

    #[test]
    fn a_signed_message_passes_once() {
        let (gate, now) = gate();
        for (serial, kind) in [(1, "SM2"), (2, "SM3")] {
            let first = message(serial, r#"{"setlinfo":{"psn_name":"王}"}}"#, kind);
            let opened = pass(&gate, &first, now).expect("passes");
            assert_eq!(opened.input, r#"{"setlinfo":{"psn_name":"王}"}}"#);
            assert_eq!(opened.organization, HOSPITAL);
            // Sent again for want of an answer it is the same message; another one of its number is not.
            assert!(pass(&gate, &first, now).is_ok());
            let other = message(serial, r#"{"setlinfo":{"psn_name":"李"}}"#, kind);
            assert_eq!(refused(&gate, &other, now), "replayed");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        let (gate, now) = gate();
        let good = message(1, r#"{"a":"1"}"#, "SM2");
        for (changed, code) in [
            (good.replace(r#"{"a":"1"}"#, r#"{"a":"2"}"#), "signature-wrong"),
            (good.replace("\"SM2\"", "\"SM3\""), "signature-wrong"),
            (good.replace("\"SM2\"", "\"RSA\""), "signature-type"),
            (good.replace(HOSPITAL, "H99510100002"), "key-unknown"),
            (good.replace("\"infno\":\"4101\"", "\"infno\":\"41\""), "envelope-field"),
            (good.replace("\"cainfo\"", "\"other\""), "signature-missing"),
            (good.replace("\"input\" :", "\"output\" :"), "envelope-field"),
            ("{".to_owned(), "json"),
        ] {
            assert_eq!(refused(&gate, &changed, now), code);
        }
        assert_eq!(refused(&gate, &good, now + WINDOW + 301), "message-time");
        // A refused message uses nothing up.
        assert!(pass(&gate, &good, now).is_ok());
    }

    #[test]
    fn an_encrypted_input_is_opened() {
        let (gate, now) = gate();
        let sealed = BASE64.encode(&crypto::sm4_encrypt(&[3; 16], &[1; 16], r#"{"a":"王"}"#.as_bytes()));
        let opened = pass(&gate, &message(1, &format!("\"{sealed}\""), "SM2"), now).expect("passes");
        assert_eq!(opened.input, r#"{"a":"王"}"#);
        let other = BASE64.encode(&crypto::sm4_encrypt(&[4; 16], &[1; 16], b"{}"));
        assert_eq!(refused(&gate, &message(2, &format!("\"{other}\""), "SM2"), now), "input-encryption");
    }

    #[test]
    fn what_is_sealed_is_opened() {
        let (gate, now) = gate();
        let letter = Letter {
            number: "1101",
            institution: HOSPITAL,
            time: "20261127092500",
            serial: 7,
            region: "995101",
            input: r#"{"baseinfo":{"psn_name":"王"}}"#,
        };
        for key in [None, Some(&[3; 16])] {
            let sealed = seal(&letter, &hex(SECRET), key, &[9; 16]).expect("a key");
            assert_eq!(pass(&gate, &sealed, now).expect("passes").input, letter.input);
            gate.seen.lock().expect("not poisoned").clear();
        }
    }

    #[test]
    fn answers_carry_the_worst_fault() {
        let wrong = fault("cainfo", "signature-wrong", "no".to_owned(), "sign");
        let node = answer("1", Some(&wrong), None, "t");
        assert_eq!(node.text("infcode"), Some("-1"));
        assert!(node.text("err_msg").is_some_and(|text| text.contains("no")));
        assert_eq!(answer("1", None, None, "t").text("infcode"), Some("0"));
    }
}
