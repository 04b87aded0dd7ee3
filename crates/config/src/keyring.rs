//! The keys by which secret fields are encrypted at rest.
//!
//! compat: apache/apisix `apisix/ssl.lua`: AES in CBC mode with PKCS#7 padding, the first sixteen
//! bytes of the key as the initialisation vector, the whole in Base64. Equal texts therefore give
//! equal ciphertexts, and nothing tells that one was altered: it keeps secrets from those who read
//! a disk or a backup, and from nobody who writes there.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_128, AES_128_KEY_LEN, AES_256, AES_256_KEY_LEN, DecryptionContext, EncryptionContext,
    PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Secret;

/// The bytes of an initialisation vector.
const VECTOR_LEN: usize = 16;

/// The bytes of which ciphertexts are multiples.
const BLOCK_LEN: usize = 16;

/// The keys by which secret fields are encrypted at rest: the first encrypts, all are tried to
/// decrypt.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keyring(Vec<Key>);

/// One key.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    secret: Secret,
    vector: [u8; VECTOR_LEN],
}

/// A key that is of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a key of 16 or 32 bytes, found one of {length}")]
pub struct KeyLength {
    /// The place in the list.
    pub index: usize,
    /// How many bytes it has.
    pub length: usize,
}

/// The cipher refused to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cipher failed")]
pub struct CipherFault;

// === impl Keyring ===

impl Keyring {
    /// A keyring of these keys; without any, texts stay as they are.
    ///
    /// # Errors
    ///
    /// [`KeyLength`] for the first key that has neither 16 nor 32 bytes.
    pub fn new(keys: &[Secret]) -> Result<Self, KeyLength> {
        let keys = keys.iter().enumerate().map(|(index, secret)| {
            let length = secret.expose().len();
            let wrong = KeyLength { index, length };
            let vector = secret.expose().as_bytes().first_chunk().ok_or(wrong)?;
            let key = Key {
                vector: *vector,
                secret: secret.clone(),
            };
            let fits = matches!(length, AES_128_KEY_LEN | AES_256_KEY_LEN);
            fits.then_some(key).ok_or(wrong)
        });
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text encrypted by the first key, in Base64; the text itself when there is no key.
    ///
    /// # Errors
    ///
    /// [`CipherFault`] when the cipher fails.
    pub fn encrypt(&self, text: &str) -> Result<String, CipherFault> {
        match self.0.first() {
            Some(key) => key.encrypt(text).map_err(|_| CipherFault),
            None => Ok(text.to_owned()),
        }
    }

    /// What [`Keyring::encrypt`] was given, by whichever key decrypts it to a text.
    pub fn decrypt(&self, encrypted: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = STANDARD.decode(encrypted).ok()?;
        self.0.iter().find_map(|key| key.decrypt(bytes.clone()))
    }

    /// Whether a text has the form of what [`Keyring::encrypt`] gives, by whatever key.
    pub fn resembles_encrypted(text: &str) -> bool {
        let bytes = STANDARD.decode(text).ok();
        bytes.is_some_and(|bytes| !bytes.is_empty() && bytes.len().is_multiple_of(BLOCK_LEN))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keyring({} keys)", self.0.len())
    }
}

// === impl Key ===

impl Key {
    fn unbound(&self) -> Result<UnboundCipherKey, Unspecified> {
        let bytes = self.secret.expose().as_bytes();
        let algorithm = match bytes.len() {
            AES_128_KEY_LEN => &AES_128,
            _ => &AES_256,
        };
        UnboundCipherKey::new(algorithm, bytes)
    }

    fn encrypt(&self, text: &str) -> Result<String, Unspecified> {
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(self.unbound()?)?;
        let mut bytes = text.as_bytes().to_vec();
        let vector = EncryptionContext::Iv128((&self.vector).into());
        key.less_safe_encrypt(&mut bytes, vector)?;
        Ok(STANDARD.encode(bytes))
    }

    fn decrypt(&self, mut bytes: Vec<u8>) -> Option<String> {
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(self.unbound().ok()?).ok()?;
        let vector = DecryptionContext::Iv128((&self.vector).into());
        let plain = key.decrypt(&mut bytes, vector).ok()?;
        // A wrong key may give a padding that looks right by chance, but then hardly a text.
        String::from_utf8(plain.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests;
