//! The examples of the national standards: SM3 (GB/T 32905), SM4 (GB/T 32907), SM2 (GB/T 32918.5).

use data_encoding::HEXLOWER;
use sm2::dsa::signature::hazmat::PrehashVerifier;
use sm2::dsa::{Signature, VerifyingKey};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

fn bytes(digits: &str) -> Vec<u8> {
    HEXLOWER.decode(digits.to_ascii_lowercase().as_bytes()).expect("digits")
}

#[test]
fn sm3_is_that_of_gb_t_32905() {
    // Appendix A.1 and A.2.
    let abc = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
    assert_eq!(HEXLOWER.encode(&Sm3::digest(b"abc")), abc);
    let long = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
    assert_eq!(HEXLOWER.encode(&Sm3::digest("abcd".repeat(16))), long);
    let profile = tongmai_audit::Profile::Sm3;
    assert_eq!(HEXLOWER.encode(&profile.hash(&[b"a", b"bc"])), abc);
}

#[test]
fn sm4_is_that_of_gb_t_32907() {
    // Appendix A.1: one block, and a million times over.
    let key = bytes("0123456789abcdeffedcba9876543210");
    let cipher = Sm4::new_from_slice(&key).expect("a key");
    let mut block = sm4::cipher::array::Array::try_from(key.as_slice()).expect("a block");
    cipher.encrypt_block(&mut block);
    assert_eq!(HEXLOWER.encode(&block), "681edf34d206965e86b3e94f536e4246");
    cipher.decrypt_block(&mut block);
    assert_eq!(block[..], key[..]);
    for _ in 0..1_000_000 {
        cipher.encrypt_block(&mut block);
    }
    assert_eq!(HEXLOWER.encode(&block), "595298c7c6fd271f0402f804c33d3f66");
}

#[test]
fn sm2_verifies_the_signature_of_gb_t_32918() {
    // GB/T 32918.5, appendix A.2: the message digest under the recommended curve.
    let key = format!(
        "04{}{}",
        "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020",
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
    );
    let signature = format!(
        "{}{}",
        "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3",
        "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
    );
    let key = VerifyingKey::from_sec1_bytes("1234567812345678", &bytes(&key)).expect("a key");
    let signature = Signature::from_slice(&bytes(&signature)).expect("a signature");
    let digest = bytes("F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640");
    assert!(key.verify_prehash(&digest, &signature).is_ok());
    let mut other = digest;
    other[0] ^= 1;
    assert!(key.verify_prehash(&other, &signature).is_err());
}
