//! Sealing: authenticated encryption of bytes under a key, with what they belong to as associated data.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::consts::{U12, U16};
use aes_gcm::aes::cipher::{BlockCipherEncrypt, BlockSizeUser};
use aes_gcm::{AeadInOut, AesGcm, KeyInit};
use sm4::Sm4;

/// Bytes of a key as the keyring keeps it.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce; each is random and used once.
pub const NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub const TAG_BYTES: usize = 16;

/// A cipher under one key.
pub trait Cipher: Send + Sync {
    /// Encrypts `bytes` in place and returns the tag over them and over `about`.
    fn seal(&self, nonce: &[u8; NONCE_BYTES], about: &[u8], bytes: &mut [u8]) -> [u8; TAG_BYTES];

    /// Decrypts `bytes` in place; `false`, and nothing is changed, when they or `about` are not what was sealed.
    fn open(&self, nonce: &[u8; NONCE_BYTES], about: &[u8], bytes: &mut [u8], tag: &[u8; TAG_BYTES]) -> bool;
}

/// A way to seal. This is the seam for certified modules: a suite of the site's may keep its keys elsewhere.
pub trait Suite: Send + Sync {
    /// Its number in stored bytes, below 16.
    fn number(&self) -> u8;

    /// Its name, as people read it.
    fn name(&self) -> &'static str;

    /// The cipher under a key.
    fn cipher(&self, key: &[u8; KEY_BYTES]) -> Box<dyn Cipher>;
}

/// The suites that come with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// AES-256-GCM (FIPS 197, NIST SP 800-38D).
    #[default]
    Aes256,
    /// SM4-GCM (GB/T 32907; RFC 8998). A key has 128 bits: the first half of what the keyring keeps.
    Sm4,
}

impl Profile {
    /// The profile of a stored number.
    pub fn from_number(number: u8) -> Option<Profile> {
        [Profile::Aes256, Profile::Sm4].into_iter().find(|profile| profile.number() == number)
    }
}

impl Suite for Profile {
    fn number(&self) -> u8 {
        match self {
            Profile::Aes256 => 0,
            Profile::Sm4 => 1,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Profile::Aes256 => "AES-256-GCM",
            Profile::Sm4 => "SM4-GCM",
        }
    }

    fn cipher(&self, key: &[u8; KEY_BYTES]) -> Box<dyn Cipher> {
        match self {
            Profile::Aes256 => Box::new(Gcm(AesGcm::<Aes256, U12>::new(key.into()))),
            Profile::Sm4 => {
                let mut half = [0; KEY_BYTES / 2];
                half.copy_from_slice(&key[..KEY_BYTES / 2]);
                Box::new(Gcm(AesGcm::<Sm4, U12>::new(&half.into())))
            }
        }
    }
}

/// Galois/Counter Mode over a cipher with blocks of 128 bits; SP 800-38D admits any such one.
struct Gcm<Block>(AesGcm<Block, U12>);

impl<Block> Cipher for Gcm<Block>
where
    Block: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn seal(&self, nonce: &[u8; NONCE_BYTES], about: &[u8], bytes: &mut [u8]) -> [u8; TAG_BYTES] {
        let sealed = self.0.encrypt_inout_detached(nonce.into(), about, InOutBuf::from(bytes));
        // Only a text of 64 GiB is refused; the limits of a body are far below.
        sealed.map(Into::into).expect("a body is shorter than 64 GiB")
    }

    fn open(&self, nonce: &[u8; NONCE_BYTES], about: &[u8], bytes: &mut [u8], tag: &[u8; TAG_BYTES]) -> bool {
        self.0.decrypt_inout_detached(nonce.into(), about, InOutBuf::from(bytes), tag.into()).is_ok()
    }
}

/// Nonce, encrypted bytes, tag.
pub(crate) fn sealed(
    cipher: &dyn Cipher,
    nonce: [u8; NONCE_BYTES],
    about: &[u8],
    head: u8,
    bytes: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + NONCE_BYTES + bytes.len() + TAG_BYTES);
    out.push(head);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(bytes);
    let tag = cipher.seal(&nonce, about, &mut out[1 + NONCE_BYTES..]);
    out.extend_from_slice(&tag);
    out
}

/// What [`sealed`] sealed; `None` when it is not that.
pub(crate) fn opened(cipher: &dyn Cipher, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.get(1..)?.split_first_chunk::<NONCE_BYTES>()?;
    let (bytes, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let mut bytes = bytes.to_vec();
    cipher.open(nonce, about, &mut bytes, tag).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE;

    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        bytes(text).try_into().expect("the length")
    }

    fn bytes(text: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).expect("hexadecimal digits")
    }

    fn check(
        profile: Profile,
        key: [u8; 32],
        nonce: &str,
        about: &str,
        plain: &str,
        expected: &str,
        tag: &str,
    ) {
        let cipher = profile.cipher(&key);
        let (nonce, about, mut text) = (hex(nonce), bytes(about), bytes(plain));
        assert_eq!(cipher.seal(&nonce, &about, &mut text), hex::<16>(tag), "{}", profile.name());
        assert_eq!(text, bytes(expected), "{}", profile.name());
        assert!(cipher.open(&nonce, &about, &mut text, &hex(tag)));
        assert_eq!(text, bytes(plain));
    }

    /// The Galois/Counter Mode of Operation (McGrew, Viega), test case 16.
    #[test]
    fn aes_256_gcm_of_its_authors() {
        check(
            Profile::Aes256,
            hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        );
    }

    /// RFC 8998, appendix A.1.
    #[test]
    fn sm4_gcm_of_rfc_8998() {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&hex::<16>("0123456789abcdeffedcba9876543210"));
        check(
            Profile::Sm4,
            key,
            "00001234567800000000abcd",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd\
             eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
             d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
            "83de3541e4c2b58177e065a9bf7b62ec",
        );
    }

    #[test]
    fn what_was_changed_does_not_open() {
        for profile in [Profile::Aes256, Profile::Sm4] {
            let cipher = profile.cipher(&[7; 32]);
            let whole = sealed(&*cipher, [9; 12], b"about", 0x10, b"a body");
            assert_eq!(opened(&*cipher, b"about", &whole).as_deref(), Some(&b"a body"[..]));
            assert_eq!(opened(&*cipher, b"other", &whole), None);
            assert_eq!(opened(&*profile.cipher(&[8; 32]), b"about", &whole), None);
            for at in 1..whole.len() {
                let mut spoilt = whole.clone();
                spoilt[at] ^= 1;
                assert_eq!(opened(&*cipher, b"about", &spoilt), None, "byte {at}");
                assert_eq!(opened(&*cipher, b"about", &whole[..at]), None, "cut at {at}");
            }
        }
    }
}
