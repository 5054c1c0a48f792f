//! `hash`: what stands in the place of a value so that its rows can be grouped, and by which key it was made.
//!
//! A hash is `<id>:<digits>`: eight hexadecimal digits that tell the key from others, and the 64 of HMAC-SHA256 of the value.
//! The id is derived from the key: it cannot be forgotten when the key is changed, and nothing has to be configured for it.
//! Hashes of earlier versions of the program are the digits alone; both are left as they are when met again.

use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// How many digits a hash has: 32 bytes in hexadecimal.
const DIGITS: usize = 64;
/// How many the id of its key has.
const ID_DIGITS: usize = 8;
/// What the id is made of: no value that is stored, so that no hash says the id of another key.
const TOLD_BY: &[u8] = b"fuelsync: which key is it\0";

/// The key of `hash`.
#[derive(Clone)]
pub struct HashKey {
    mac: Hmac<Sha256>,
    id: String,
}

impl HashKey {
    /// The key, ready to be used; a key of any length is.
    pub fn new(key: &SecretString) -> Option<Self> {
        let mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
        let id = hexadecimal(mac.clone().chain_update(TOLD_BY), ID_DIGITS)?;
        Some(Self { mac, id })
    }

    /// What tells this key from others, in the hashes made with it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is stored of a value.
    pub(super) fn hash(&self, value: &str) -> Option<String> {
        Some(format!("{}:{}", self.id, self.digits(value)?))
    }

    /// The digits alone.
    pub(super) fn digits(&self, value: &str) -> Option<String> {
        hexadecimal(self.mac.clone().chain_update(value.as_bytes()), DIGITS)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether a value is a hash already, by whatever key.
pub(super) fn is_hash(value: &str) -> bool {
    let is_of =
        |text: &str, digits| text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match value.split_once(':') {
        Some((id, digits)) => is_of(id, ID_DIGITS) && is_of(digits, DIGITS),
        None => is_of(value, DIGITS),
    }
}

/// The first digits of a code.
fn hexadecimal(mac: Hmac<Sha256>, digits: usize) -> Option<String> {
    let mut text = String::with_capacity(DIGITS);
    for byte in mac.finalize().into_bytes().iter().take(digits / 2) {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text)
}
