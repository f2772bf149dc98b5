//! A token, and how it is blinded: what runs on the voter's side.

use blind_rsa_signatures::{
    BlindSignature, DefaultRng, MessageRandomizer, Options, PublicKey, Secret, Signature,
};
use data_encoding::BASE64URL_NOPAD;
use tongmai_engagement::ballot::Serial;

use crate::Trouble;

/// Bytes of a 2048-bit modulus.
pub(crate) const MODULUS: usize = 256;

/// The right to one vote on each statement of one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Random, chosen by the voter's side.
    pub serial: Serial,
    /// The random prefix that was signed with it.
    pub randomizer: [u8; 32],
    /// The signature, unblinded.
    pub signature: Vec<u8>,
}

/// What the voter's side keeps between asking and receiving.
pub struct Blinding {
    serial: Serial,
    /// Empty when it was taken up again: it is not needed to unblind.
    blinded: Vec<u8>,
    secret: Secret,
    randomizer: [u8; 32],
    message: Vec<u8>,
}

/// What is signed: the conversation and the serial.
pub(crate) fn message(conversation: &str, serial: &Serial) -> Vec<u8> {
    [b"tongmai ballot ".as_slice(), conversation.as_bytes(), b" ", serial].concat()
}

impl Blinding {
    /// Blinds a token with this serial, which must be random.
    ///
    /// # Errors
    /// The library's.
    pub fn new(key: &PublicKey, conversation: &str, serial: Serial) -> Result<Blinding, Trouble> {
        let message = message(conversation, &serial);
        let result = key.blind(&mut DefaultRng, &message, true, &Options::default())?;
        let randomizer = result.msg_randomizer.map_or([0; 32], |r| r.0);
        Ok(Blinding { serial, blinded: result.blind_msg.0, secret: result.secret, randomizer, message })
    }

    /// What is sent to the office.
    pub fn blinded(&self) -> &[u8] {
        &self.blinded
    }

    /// Unblinds what the office sent back.
    ///
    /// # Errors
    /// The signature is not the office's.
    pub fn finish(&self, key: &PublicKey, signed: &[u8]) -> Result<Token, Trouble> {
        let blind = BlindSignature(signed.to_vec());
        let randomizer = Some(MessageRandomizer(self.randomizer));
        let signature = key.finalize(&blind, &self.secret, randomizer, &self.message, &Options::default())?;
        Ok(Token { serial: self.serial, randomizer: self.randomizer, signature: signature.0 })
    }

    /// What must be kept secret until [`Blinding::finish`], for a voter's side that cannot keep it in memory.
    pub fn secret(&self) -> Vec<u8> {
        [self.serial.as_slice(), &self.randomizer, &self.secret.0].concat()
    }

    /// Takes up again what [`Blinding::secret`] gave.
    pub fn from_secret(secret: &[u8], conversation: &str) -> Option<Blinding> {
        let (serial, rest) = secret.split_first_chunk::<16>()?;
        let (randomizer, rest) = rest.split_first_chunk::<32>()?;
        Some(Blinding {
            serial: *serial,
            blinded: Vec::new(),
            secret: Secret(rest.to_vec()),
            randomizer: *randomizer,
            message: message(conversation, serial),
        })
    }
}

impl Token {
    /// The token as a text: what a voter keeps.
    pub fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(&[self.serial.as_slice(), &self.randomizer, &self.signature].concat())
    }

    /// Reads [`Token::to_text`].
    pub fn from_text(text: &str) -> Option<Token> {
        let bytes = BASE64URL_NOPAD.decode(text.trim().as_bytes()).ok()?;
        Token::from_parts(&bytes)
    }

    pub(crate) fn from_parts(bytes: &[u8]) -> Option<Token> {
        let (serial, rest) = bytes.split_first_chunk::<16>()?;
        let (randomizer, signature) = rest.split_first_chunk::<32>()?;
        let whole = signature.len() == MODULUS;
        whole.then(|| Token { serial: *serial, randomizer: *randomizer, signature: signature.to_vec() })
    }

    /// Randomizer and signature as the ballot log carries them.
    pub fn proof(&self) -> Vec<u8> {
        [self.randomizer.as_slice(), &self.signature].concat()
    }

    pub(crate) fn verifies(serial: &Serial, proof: &[u8], key: &PublicKey, conversation: &str) -> bool {
        let Some((randomizer, signature)) = proof.split_first_chunk::<32>() else { return false };
        let signature = Signature(signature.to_vec());
        let message = message(conversation, serial);
        key.verify(&signature, Some(MessageRandomizer(*randomizer)), message, &Options::default()).is_ok()
    }
}
