//! The server's certificate: the operator's, or one of a development authority that lives in the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use axum_server::tls_rustls::RustlsConfig;
use countersign_model::time::{DAY, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::config::Config;
use super::files::write_private;

/// Lifetime of the development authority.
const AUTHORITY_DAYS: i64 = 3_650;
/// Lifetime of a development certificate: a new one is made at every start.
const CERTIFICATE_DAYS: i64 = 90;

/// Where the authority's certificate is, for clients to trust.
pub(crate) fn authority_file(data: &Path) -> PathBuf {
    data.join("ca.pem")
}

/// Makes the development authority of a new data folder.
pub(crate) fn create_authority(data: &Path, now: Timestamp) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Countersign development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(now, AUTHORITY_DAYS)?;
    let certificate = params.self_signed(&key)?;
    write_private(&data.join("ca.key"), key.serialize_pem().as_bytes())?;
    fs::write(authority_file(data), certificate.pem())
        .with_context(|| format!("cannot write `{}`", authority_file(data).display()))
}

/// Loads the certificate that clients will see.
pub(crate) async fn load(config: &Config, now: Timestamp) -> Result<RustlsConfig> {
    if let Some((certificate, key)) = &config.certificate {
        return RustlsConfig::from_pem_file(certificate, key).await.with_context(|| {
            format!("cannot use the certificate `{}` with the key `{}`", certificate.display(), key.display())
        });
    }
    let (certificate, key) = issue(config, now)?;
    Ok(RustlsConfig::from_pem(certificate.into_bytes(), key.into_bytes()).await?)
}

/// A fresh certificate of the development authority, for the names that clients use.
fn issue(config: &Config, now: Timestamp) -> Result<(String, String)> {
    let authority = authority_file(&config.data);
    let read =
        |file: &Path| fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()));
    let authority_pem = read(&authority)?;
    let authority_key = KeyPair::from_pem(&read(&config.data.join("ca.key"))?)?;
    let issuer = Issuer::from_ca_cert_pem(&authority_pem, authority_key)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(config.names.clone())?;
    params.distinguished_name.push(DnType::CommonName, config.names[0].as_str());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, CERTIFICATE_DAYS)?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((format!("{}{authority_pem}", certificate.pem()), key.serialize_pem()))
}

/// From a day ago, for clocks that differ, to `days` from now.
fn validity(now: Timestamp, days: i64) -> Result<(time::OffsetDateTime, time::OffsetDateTime)> {
    let at = |time: Timestamp| time::OffsetDateTime::from_unix_timestamp(time.0 / 1_000_000);
    Ok((at(now.plus(-DAY))?, at(now.plus(days * DAY))?))
}
