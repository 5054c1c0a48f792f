//! The signature of a request: a pure function of its parts and the key.
//!
//! `canonical = content_type,content_md5,request_uri,timestamp`; the signature is the Base64 of its HMAC-SHA256. The key
//! is the text as issued: the vendor's script decodes it too, into a variable that it never uses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The only content type of this API, sent and signed also where there is no content.
pub(super) const CONTENT_TYPE: &str = "application/json";

/// Who signs, and with what. `Debug` shows no key.
#[derive(Debug)]
pub(super) struct Signer {
    access_id: String,
    psk: SecretString,
}

impl Signer {
    pub(super) fn new(access_id: &str, psk: &SecretString) -> Self {
        Self { access_id: access_id.to_owned(), psk: psk.clone() }
    }

    /// The value of `Authorization` for a canonical string. None never happens: an HMAC takes keys of any length.
    pub(super) fn authorization(&self, canonical: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.psk.expose_secret().as_bytes()).ok()?;
        mac.update(canonical.as_bytes());
        Some(format!("APIAuth-HMAC-SHA256 {}:{}", self.access_id, STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// What is signed. `date` is the text of the `Date` header.
pub(super) fn canonical(body: &[u8], request_uri: &str, date: &str) -> String {
    format!("{CONTENT_TYPE},{},{request_uri},{date}", content_md5(body))
}

/// Lower-case hexadecimal of the body's MD5; empty when there is no body.
fn content_md5(body: &[u8]) -> String {
    use std::fmt::Write as _;
    if body.is_empty() {
        return String::new();
    }
    Md5::digest(body).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The part of a path and query that is signed: from `/api/` on, whatever a gateway put before it.
pub(super) fn request_uri(path_and_query: &str) -> &str {
    let path = path_and_query.split('?').next().unwrap_or_default();
    path.find("/api/").map_or(path_and_query, |at| &path_and_query[at..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        access_id: String,
        psk: String,
        path: String,
        query: String,
        body: String,
        date: String,
        content_md5: String,
        canonical_string: String,
        authorization: String,
    }

    #[test]
    fn signatures_are_those_of_the_vendors_own_script() {
        let text = include_str!("../../../tests/data/alexela-signature-vectors.json");
        let Vectors { vectors } = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), 3);
        for v in vectors {
            let uri = if v.query.is_empty() { v.path } else { format!("{}?{}", v.path, v.query) };
            let canonical = canonical(v.body.as_bytes(), request_uri(&uri), &v.date);
            assert_eq!(content_md5(v.body.as_bytes()), v.content_md5);
            assert_eq!(canonical, v.canonical_string);
            let signer = Signer::new(&v.access_id, &v.psk.into());
            assert_eq!(signer.authorization(&canonical).unwrap(), v.authorization);
        }
    }

    #[test]
    fn what_a_gateway_puts_before_the_api_is_not_signed() {
        for (sent, signed) in [
            ("/api/v1/ContractNumbers", "/api/v1/ContractNumbers"),
            ("/partners/eu/api/v1/EvTransactions?fromDate=a", "/api/v1/EvTransactions?fromDate=a"),
            ("/v1/ContractNumbers?next=/api/x", "/v1/ContractNumbers?next=/api/x"),
        ] {
            assert_eq!(request_uri(sent), signed);
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        let signer = Signer::new("partner-1", &"canary-key".to_owned().into());
        assert!(!format!("{signer:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn every_part_and_the_key_decide_the_signature(
            body in "[ -~]{0,40}", uri in "/api/v1/[A-Za-z?=&,-]{0,30}", second in 0i64..4_000_000_000, psk in "[0-9a-f]{128,200}",
        ) {
            let date = httpdate::fmt_http_date(chrono::DateTime::from_timestamp(second, 0).unwrap().into());
            let sign = |psk: &str, body: &str, uri: &str, date: &str| {
                Signer::new("id", &psk.to_owned().into()).authorization(&canonical(body.as_bytes(), uri, date)).unwrap()
            };
            let signed = sign(&psk, &body, &uri, &date);
            prop_assert_eq!(&signed, &sign(&psk, &body, &uri, &date));
            prop_assert_eq!(signed.len(), "APIAuth-HMAC-SHA256 id:".len() + 44);
            prop_assert_ne!(&signed, &sign(&psk, &format!("{body} "), &uri, &date));
            prop_assert_ne!(&signed, &sign(&psk, &body, &format!("{uri}x"), &date));
            prop_assert_ne!(&signed, &sign(&psk, &body, &uri, &date.replace("GMT", "UTC")));
            prop_assert_ne!(&signed, &sign(&format!("{psk}0"), &body, &uri, &date));
        }
    }
}
