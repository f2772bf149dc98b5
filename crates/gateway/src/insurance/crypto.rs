//! SM2 signatures (GB/T 32918), SM3 digests (GB/T 32905) and SM4 encryption (GB/T 32907), as the
//! envelope uses them. The primitives are RustCrypto's; the modes here are CBC with PKCS #7 and
//! HMAC (RFC 2104).

use sm2::dsa::signature::Verifier;
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use sm4::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

/// The identity that GB/T 35276 sets where no other is agreed on.
pub const IDENTITY: &str = "1234567812345678";
/// Bytes of an SM4 block, key and initial value.
pub const BLOCK: usize = 16;
/// Bytes of an SM3 block, for HMAC.
const SM3_BLOCK: usize = 64;

/// The SM3 digest.
pub fn sm3(message: &[u8]) -> [u8; 32] {
    Sm3::digest(message).into()
}

/// HMAC with SM3.
pub fn hmac_sm3(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; SM3_BLOCK];
    if key.len() > SM3_BLOCK {
        block[..32].copy_from_slice(&sm3(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sm3::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sm3::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// Whether two texts are equal, in a time that does not tell where they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Whether `signature` (r and s, 64 bytes, or in DER) is that of the key's owner. The public key is
/// 65 bytes that begin with 4, or 64 without it.
pub fn is_signed(public_key: &[u8], identity: &str, message: &[u8], signature: &[u8]) -> bool {
    let mut whole = vec![4];
    let key = match public_key.len() {
        64 => {
            whole.extend_from_slice(public_key);
            &whole
        }
        _ => public_key,
    };
    let Ok(key) = VerifyingKey::from_sec1_bytes(identity, key) else { return false };
    let signature = match signature.len() {
        64 => Signature::from_slice(signature),
        _ => Signature::from_der(signature),
    };
    signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// Signs with a secret key of 32 bytes; `None` when that is no key.
pub fn sign(secret_key: &[u8], identity: &str, message: &[u8]) -> Option<Vec<u8>> {
    use sm2::dsa::signature::Signer;
    let key = SigningKey::from_slice(identity, secret_key).ok()?;
    Some(key.try_sign(message).ok()?.to_bytes().to_vec())
}

/// The public key of a secret one, 65 bytes; `None` when that is no key.
pub fn public_key(secret_key: &[u8]) -> Option<Vec<u8>> {
    let key = SigningKey::from_slice(IDENTITY, secret_key).ok()?;
    Some(key.verifying_key().to_sec1_bytes().into_vec())
}

/// Encrypts by SM4 in CBC mode with PKCS #7; the initial value stands before the text.
pub fn sm4_encrypt(key: &[u8; BLOCK], initial: &[u8; BLOCK], plain: &[u8]) -> Vec<u8> {
    let cipher = Sm4::new(&Array::from(*key));
    let mut padded = plain.to_vec();
    let more = BLOCK - plain.len() % BLOCK;
    padded.extend(std::iter::repeat_n(more as u8, more));
    let mut out = initial.to_vec();
    let mut before = *initial;
    for chunk in padded.chunks_exact(BLOCK) {
        let mut block = Array::from(before);
        block.iter_mut().zip(chunk).for_each(|(byte, plain)| *byte ^= plain);
        cipher.encrypt_block(&mut block);
        before = block.into();
        out.extend_from_slice(&before);
    }
    out
}

/// Decrypts what [`sm4_encrypt`] made; `None` when it is not that, or of another key.
pub fn sm4_decrypt(key: &[u8; BLOCK], sealed: &[u8]) -> Option<Vec<u8>> {
    if sealed.len() < 2 * BLOCK || !sealed.len().is_multiple_of(BLOCK) {
        return None;
    }
    let cipher = Sm4::new(&Array::from(*key));
    let mut out = Vec::with_capacity(sealed.len());
    let mut chunks = sealed.chunks_exact(BLOCK);
    let mut before = chunks.next()?;
    for chunk in chunks {
        let mut block: Array<u8, _> = Array::from(<[u8; BLOCK]>::try_from(chunk).ok()?);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(before).map(|(byte, before)| byte ^ before));
        before = chunk;
    }
    let more = usize::from(*out.last()?);
    let is_padding =
        (1..=BLOCK).contains(&more) && out[out.len() - more..].iter().all(|b| usize::from(*b) == more);
    is_padding.then(|| {
        out.truncate(out.len() - more);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    fn hex(text: &str) -> Vec<u8> {
        HEX.decode(text.as_bytes()).expect("hex")
    }

    /// GB/T 32905, appendix A.
    #[test]
    fn sm3_of_the_standard() {
        let expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(sm3(b"abc").to_vec(), hex(expected));
        let expected = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
        assert_eq!(sm3("abcd".repeat(16).as_bytes()).to_vec(), hex(expected));
    }

    /// GB/T 32918.5, appendix A: the signature of `message digest`.
    #[test]
    fn sm2_of_the_standard() {
        let key = hex(concat!(
            "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020",
            "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
        ));
        let signature = hex(concat!(
            "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3",
            "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
        ));
        assert!(is_signed(&key, IDENTITY, b"message digest", &signature));
        assert!(!is_signed(&key, IDENTITY, b"message digesT", &signature));
        assert!(!is_signed(&key, "another identity", b"message digest", &signature));
        assert!(!is_signed(&key[1..], IDENTITY, b"message digest", &signature));
        assert!(!is_signed(&key, IDENTITY, b"message digest", &signature[1..]));
        let secret = hex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8");
        assert_eq!(public_key(&secret).map(|key| key[1..].to_vec()), Some(key.clone()));
        let own = sign(&secret, IDENTITY, "住院".as_bytes()).expect("a key");
        assert!(is_signed(&key, IDENTITY, "住院".as_bytes(), &own));
    }

    /// GB/T 32907, appendix A, example 1.
    #[test]
    fn sm4_of_the_standard() {
        let key: [u8; 16] = hex("0123456789abcdeffedcba9876543210").try_into().expect("16 bytes");
        let sealed = sm4_encrypt(&key, &[0; 16], &key);
        assert_eq!(sealed[16..32].to_vec(), hex("681edf34d206965e86b3e94f536e4246"));
        assert_eq!(sm4_decrypt(&key, &sealed).as_deref(), Some(&key[..]));
        for length in 0..40 {
            let plain = vec![7; length];
            let sealed = sm4_encrypt(&key, &[9; 16], &plain);
            assert_eq!(sm4_decrypt(&key, &sealed), Some(plain));
            assert_eq!(sm4_decrypt(&key, &sealed[1..]), None);
        }
    }

    #[test]
    fn hmac_depends_on_key_and_message() {
        assert_ne!(hmac_sm3(b"k", b"m"), hmac_sm3(b"k", b"n"));
        assert_ne!(hmac_sm3(&[1; 65], b"m"), hmac_sm3(&[1; 64], b"m"));
        assert!(same(b"ab", b"ab") && !same(b"ab", b"ac") && !same(b"a", b"ab"));
    }
}
