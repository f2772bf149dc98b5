//! JSON Web Tokens: assertions of clients are checked, id tokens are signed.
//!
//! The key decides which signature is taken, never the token's own header: `none` and a public key used as
//! a secret are refused because no key here is of such a kind.

use std::io;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Refused, refused};

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES: usize = 16 * 1024;

/// A public key of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Its id.
    pub id: String,
    /// Its kind, which is the signature that it takes: `ES256`, `ES384` or `RS384`.
    pub kind: String,
    /// The point (uncompressed), or the modulus, in base64url.
    first: String,
    /// The exponent of an RSA key.
    second: String,
}

impl PublicKey {
    /// Reads a JSON Web Key.
    ///
    /// # Errors
    /// A key of another kind, or one that is too short.
    pub fn read(key: &Value) -> Result<PublicKey, Refused> {
        let text = |name: &str| key[name].as_str().unwrap_or("");
        let part = |name: &str| {
            BASE64URL_NOPAD
                .decode(text(name).as_bytes())
                .ok()
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| refused(format!("'{name}' of the key is no base64url")))
        };
        let (kind, first, second) = match (text("kty"), text("crv")) {
            ("EC", curve @ ("P-256" | "P-384")) => {
                let size = if curve == "P-256" { 32 } else { 48 };
                let (x, y) = (part("x")?, part("y")?);
                if x.len() != size || y.len() != size {
                    return Err(refused(format!("a point of {curve} has two numbers of {size} bytes")));
                }
                (if size == 32 { "ES256" } else { "ES384" }, [&[4], &x[..], &y[..]].concat(), Vec::new())
            }
            ("RSA", _) => {
                let n = part("n")?;
                if n.len() < 256 {
                    return Err(refused("an RSA key has at least 2048 bits"));
                }
                ("RS384", n, part("e")?)
            }
            _ => return Err(refused("keys are taken on P-256, P-384, or RSA with 2048 bits and more")),
        };
        if text("kid").is_empty() {
            return Err(refused("a key has a 'kid'"));
        }
        Ok(PublicKey {
            id: text("kid").to_owned(),
            kind: kind.to_owned(),
            first: BASE64URL_NOPAD.encode(&first),
            second: BASE64URL_NOPAD.encode(&second),
        })
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap_or_default();
        let first = decode(&self.first);
        match self.kind.as_str() {
            "ES256" => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, first).verify(message, signature).is_ok()
            }
            "ES384" => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, first).verify(message, signature).is_ok()
            }
            "RS384" => {
                let key = RsaPublicKeyComponents { n: first, e: decode(&self.second) };
                key.verify(&RSA_PKCS1_2048_8192_SHA384, message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// What an assertion says, once its signature was checked by one of a client's keys.
///
/// # Errors
/// Not three parts, another algorithm than the key's, an unknown key, a wrong signature.
pub fn verified(token: &str, keys: &[PublicKey]) -> Result<Value, Refused> {
    let invalid = || refused("the assertion is not valid");
    if token.len() > TOKEN_BYTES {
        return Err(invalid());
    }
    let (message, signature) = token.rsplit_once('.').ok_or_else(invalid)?;
    let (head, claims) = message.split_once('.').ok_or_else(invalid)?;
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
    };
    let head = read(head).ok_or_else(invalid)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| invalid())?;
    let kid = head["kid"].as_str().unwrap_or("");
    let key = keys.iter().find(|key| key.id == kid).ok_or_else(invalid)?;
    // Nothing in the header may bring a key of its own or ask for what is not understood.
    let strange = ["jku", "jwk", "x5u", "x5c", "crit"].iter().any(|name| !head[*name].is_null());
    if strange || head["alg"].as_str() != Some(&key.kind) || !key.verifies(message.as_bytes(), &signature) {
        return Err(invalid());
    }
    read(claims).filter(Value::is_object).ok_or_else(invalid)
}

/// Signs id tokens: ES256.
pub struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    /// The key in a file, made if there is none; nobody else may read the file.
    pub(crate) fn open(file: &Path) -> io::Result<Signer> {
        let random = SystemRandom::new();
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                let made = made.map_err(|_| io::Error::other("no key could be made"))?;
                keep_private(file, made.as_ref())?;
                made.as_ref().to_vec()
            }
            Err(error) => return Err(error),
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &random);
        let pair =
            pair.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the signing key is broken"))?;
        Ok(Signer { pair, random })
    }

    fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Id of the key.
    pub fn key_id(&self) -> String {
        crate::secret::fingerprint(&BASE64URL_NOPAD.encode(self.point()))[..16].to_owned()
    }

    /// The public key as a JSON Web Key Set.
    pub fn key_set(&self) -> Value {
        let point = self.point();
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id(),
            "x": BASE64URL_NOPAD.encode(&point[1..33]), "y": BASE64URL_NOPAD.encode(&point[33..65])}]})
    }

    /// A signed token.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let head = json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id()});
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&head), part(claims));
        let signature = self.pair.sign(&self.random, message.as_bytes()).ok()?;
        Some(format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref())))
    }
}

/// Writes a file that only its owner may read.
fn keep_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}
