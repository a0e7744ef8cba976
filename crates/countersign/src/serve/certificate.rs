//! What the directory needs to know of a certificate.

use aws_lc_rs::digest;
use countersign_model::time::{SECOND, Timestamp};
use countersign_token::jwt::PublicKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Largest certificate that is read.
const BYTES_MAX: usize = 16 << 10;

/// A certificate that can verify assertions.
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) sha1: Vec<u8>,
}

impl Certificate {
    /// Reads DER, or PEM, which some clients send. The text of an error ends a sentence.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, Vec<u8>), String> {
        let der = match pem(bytes) {
            Some(der) => der,
            None => bytes.to_vec(),
        };
        if der.len() > BYTES_MAX {
            return Err(format!("it is larger than {BYTES_MAX} bytes"));
        }
        let (rest, certificate) =
            X509Certificate::from_der(&der).map_err(|_| "it is no X.509 certificate in DER")?;
        if !rest.is_empty() {
            return Err("there are bytes behind it".to_owned());
        }
        PublicKey::from_certificate(&der).map_err(|error| error.to_string())?;
        let at = |seconds: i64| Timestamp(seconds.saturating_mul(SECOND));
        let validity = certificate.validity();
        let parsed = Certificate {
            subject: certificate.subject().to_string(),
            not_before: at(validity.not_before.timestamp()),
            not_after: at(validity.not_after.timestamp()),
            sha1: digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref().to_vec(),
        };
        Ok((parsed, der))
    }
}

fn pem(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    super::graph::decode_base64(body)
}
