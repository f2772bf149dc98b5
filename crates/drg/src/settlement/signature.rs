//! Signatures (Ed25519) of packs and clearings: who stands for this content.
//!
//! Deterministic; keys come from outside. A key is 32 bytes, written as 64 hexadecimal digits.

use crate::pack::Files;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tongmai_base::Finding;

/// The file of a pack's signatures, beside `pack.json`.
pub const FILE: &str = "signatures.json";

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Who signs, in words.
    pub who: String,
    /// What for: `prepared`, `approved`, `published`.
    pub role: String,
    /// The public key, 64 hexadecimal digits.
    pub key: String,
    /// The signature, 128 hexadecimal digits.
    pub signature: String,
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.trim();
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The public key of a secret one, as text.
pub fn public_key(secret: &[u8; 32]) -> String {
    hex(SigningKey::from_bytes(secret).verifying_key().as_bytes())
}

fn message(role: &str, who: &str, digest: &str) -> Vec<u8> {
    format!("tongmai drg\n{role}\n{who}\n{digest}\n").into_bytes()
}

/// Signs a digest in a role.
pub fn sign(secret: &[u8; 32], who: &str, role: &str, digest: &str) -> Signed {
    let key = SigningKey::from_bytes(secret);
    let signature = key.sign(&message(role, who, digest));
    let (who, role) = (who.to_string(), role.to_string());
    Signed { who, role, key: hex(key.verifying_key().as_bytes()), signature: hex(&signature.to_bytes()) }
}

impl Signed {
    /// Whether the signature is one of this digest by its key.
    pub fn holds(&self, digest: &str) -> bool {
        let key = unhex(&self.key).and_then(|bytes: [u8; 32]| VerifyingKey::from_bytes(&bytes).ok());
        let signature = unhex(&self.signature).map(|bytes: [u8; 64]| Signature::from_bytes(&bytes));
        key.zip(signature).is_some_and(|(key, signature)| {
            key.verify(&message(&self.role, &self.who, digest), &signature).is_ok()
        })
    }
}

/// The digest of a pack: that of `pack.json`, which names its tables by theirs.
pub fn pack_digest(files: &Files) -> Option<String> {
    files.get("pack.json").map(|bytes| hex(&Sha256::digest(bytes)))
}

/// What is wrong with the signatures of a digest. `trusted` are public keys; when there are some, one of them
/// must have signed.
pub fn check(digest: &str, signatures: &[Signed], trusted: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for signed in signatures.iter().filter(|signed| !signed.holds(digest)) {
        let message = format!("the signature of {} is not one of this content", signed.who);
        findings.push(
            Finding::error(FILE, "signature", message)
                .with_repair("get the content from its publisher again"),
        );
    }
    let known = |signed: &&Signed| signed.holds(digest) && trusted.iter().any(|key| key.trim() == signed.key);
    if !trusted.is_empty() && !signatures.iter().any(|signed| known(&signed)) {
        let message = "no trusted key has signed this content";
        findings.push(
            Finding::error(FILE, "untrusted", message).with_repair("name the publisher's key with --trust"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_content_its_role_and_its_signer_only() {
        let files = crate::demo::pack().files();
        let digest = pack_digest(&files).unwrap();
        let signed = sign(&[7; 32], "清禾县医保局", "published", &digest);
        assert!(signed.holds(&digest));
        assert_eq!(signed.key, public_key(&[7; 32]));
        assert!(!signed.holds("0"));
        let other = Signed { role: "approved".into(), ..signed.clone() };
        assert!(!other.holds(&digest));
        let trusted = vec![public_key(&[7; 32])];
        assert_eq!(check(&digest, std::slice::from_ref(&signed), &trusted), []);
        let codes = |signatures: &[Signed], trusted: &[String]| {
            check(&digest, signatures, trusted).into_iter().map(|f| f.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[other], &trusted), ["signature", "untrusted"]);
        assert_eq!(codes(&[signed], &[public_key(&[8; 32])]), ["untrusted"]);
        let broken =
            Signed { key: "zz".into(), signature: "é".repeat(64), who: String::new(), role: String::new() };
        assert!(!broken.holds(&digest));
    }
}
