//! What a guard is told.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::StartError;

/// How long nothing may be heard from the issuer before tokens that can be revoked are not served any more. A request for
/// events is answered after half a minute at the latest.
pub const MAX_SILENCE: Duration = Duration::from_mins(1);

/// Which tokens are taken, and as whom events are fetched.
pub struct Settings {
    pub(crate) base: String,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) max_silence: Duration,
}

impl Settings {
    /// `base` is scheme, host and port of the issuer, as clients call it. `tenant` is a GUID. `client_id` and `secret` are of an
    /// application that may have a stream, which needs `SharedSignals.ReadWrite.All` of Microsoft Graph and is this process's
    /// alone. `audience` is the API's: its appId or one of its identifier URIs.
    pub fn new(
        base: impl Into<String>,
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self {
            base: base.into(),
            tenant: tenant.into(),
            client_id: client_id.into(),
            secret: Zeroizing::new(secret.into()),
            audiences: vec![audience.into()],
            authorities: Vec::new(),
            max_silence: MAX_SILENCE,
        }
    }

    /// Another name of the API: a token of version 1 carries the identifier URI that was asked for, one of version 2 the appId.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// A certificate in PEM of an authority that is trusted beside the system's.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// [`MAX_SILENCE`] unless said otherwise. With less than half a minute, silence is also that nothing happened.
    #[must_use]
    pub fn max_silence(mut self, silence: Duration) -> Self {
        self.max_silence = silence;
        self
    }

    /// Scheme, host and port without a slash at the end. Plain HTTP goes to this machine only: secrets are sent there.
    pub(crate) fn base(&self) -> Result<String, StartError> {
        let base = self.base.trim_end_matches('/');
        let url =
            reqwest::Url::parse(base).map_err(|_| StartError::Settings("the issuer's address is none"))?;
        if url.origin().ascii_serialization() != base {
            return Err(StartError::Settings("the issuer's address must be scheme, host and port alone"));
        }
        if url.scheme() == "https" || is_this_machine(&url) {
            return Ok(base.to_owned());
        }
        Err(StartError::Settings("the issuer's address must begin with `https://`"))
    }

    pub(crate) fn tenant(&self) -> Result<Uuid, StartError> {
        self.tenant.parse().map_err(|_| StartError::Settings("the tenant is no GUID"))
    }

    /// appId of the resource for challenges: the API's own, if it is one of its names.
    pub(crate) fn resource(&self) -> Result<Uuid, StartError> {
        let named = self.audiences.iter().find_map(|audience| audience.parse().ok());
        match named {
            Some(id) => Ok(id),
            None => self.client_id.parse().map_err(|_| StartError::Settings("the client id is no GUID")),
        }
    }
}

/// Whether a request to that address stays on this machine.
pub(crate) fn is_this_machine(url: &reqwest::Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("base", &self.base)
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("audiences", &self.audiences)
            .field("max_silence", &self.max_silence)
            .finish_non_exhaustive()
    }
}
