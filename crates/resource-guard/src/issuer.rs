//! Requests to the issuer: keys, our own token, our stream and its events.

use std::time::Duration;

use countersign_signals::event::EventType;
use countersign_signals::poll::Answer;
use countersign_signals::stream::POLL;
use countersign_token::federated::{JWKS_BYTES_MAX, Jwks};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::settings::{Settings, is_this_machine};
use crate::{Fault, StartError, clock};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request for events may take: the issuer answers after 30 seconds at the latest.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// A connection over which nothing comes is asked for a sign of life that often: a firewall may have forgotten it.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Largest answer that is read: a hundred events of a few kilobytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What is asked for; the rest means nothing to a table of revocations.
const EVENTS: [EventType; 6] = [
    EventType::SessionRevoked,
    EventType::AccountDisabled,
    EventType::AccountEnabled,
    EventType::AccountPurged,
    EventType::CredentialChange,
    EventType::CredentialCompromise,
];

/// The issuer as a client of it sees it.
pub(crate) struct Issuer {
    http: reqwest::Client,
    base: String,
    tenant: Uuid,
    client_id: String,
    secret: Zeroizing<String>,
    /// What the stream is described with: this process, and no other.
    mark: String,
    /// Our own token for its API, until it is refused.
    token: Mutex<Option<Zeroizing<String>>>,
}

/// Our stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: String,
    /// `aud` of its events.
    pub(crate) audience: String,
    endpoint: String,
}

/// What a request for events says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Poll {
    pub(crate) ack: Vec<String>,
    /// `setErrs`.
    pub(crate) errors: Map<String, Value>,
    pub(crate) return_immediately: bool,
}

impl Issuer {
    pub(crate) fn new(settings: &Settings) -> Result<Self, StartError> {
        // A process has one; ours only where it has none yet.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let base = settings.base()?;
        let is_local = reqwest::Url::parse(&base).is_ok_and(|url| is_this_machine(&url));
        let mut authorities = Vec::with_capacity(settings.authorities.len());
        for pem in &settings.authorities {
            let authority = reqwest::Certificate::from_pem(pem);
            authorities.push(authority.map_err(|_| StartError::Settings("an authority is no certificate"))?);
        }
        let builder = reqwest::Client::builder()
            .https_only(!is_local)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .tcp_keepalive(KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE)
            .tcp_keepalive_retries(2)
            .user_agent(concat!("countersign-resource-guard/", env!("CARGO_PKG_VERSION")))
            .tls_certs_merge(authorities);
        Ok(Self {
            http: builder.build().map_err(|error| StartError::Issuer(error.into()))?,
            base,
            tenant: settings.tenant()?,
            client_id: settings.client_id.clone(),
            secret: settings.secret.clone(),
            mark: format!("resource guard {}-{}", std::process::id(), clock::now().0),
            token: Mutex::new(None),
        })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The keys that tokens and events are signed with.
    pub(crate) async fn keys(&self) -> Result<Jwks, Fault> {
        let url = format!("{}/{}/discovery/v2.0/keys", self.base, self.tenant);
        let (status, body) = read(self.http.get(url).send().await?, JWKS_BYTES_MAX).await?;
        if status != StatusCode::OK {
            return Err(Fault::Status(status.as_u16()));
        }
        Jwks::parse(&body).map_err(|_| Fault::Answer)
    }

    /// Our stream with what we want of it, made if there is none yet.
    pub(crate) async fn stream(&self, issuer: &str) -> Result<Stream, Fault> {
        let url = format!("{}/{}/signals/streams", self.base, self.tenant);
        let wanted = json!({
            "events_requested": EVENTS.map(EventType::uri),
            "delivery": {"method": POLL},
            "description": self.mark,
        });
        let mut answer = self.call(Method::POST, &url, Some(&wanted), TIMEOUT).await;
        if let Err(Fault::Status(409)) = answer {
            let found = json(&self.call(Method::GET, &url, None, TIMEOUT).await?)?;
            let found = found.get(0).ok_or(Fault::Answer)?;
            let id = found["stream_id"].as_str().ok_or(Fault::Answer)?;
            if found["iss"] == issuer {
                let mut whole = wanted.clone();
                whole["stream_id"] = id.into();
                answer = self.call(Method::PUT, &url, Some(&whole), TIMEOUT).await;
            } else {
                // Made under another name of the issuer, which its events would carry for ever.
                self.call(Method::DELETE, &format!("{url}?stream_id={id}"), None, TIMEOUT).await?;
                answer = self.call(Method::POST, &url, Some(&wanted), TIMEOUT).await;
            }
        }
        let made = json(&answer?)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(Fault::Answer);
        let stream = Stream {
            id: text(&made["stream_id"])?,
            audience: text(&made["aud"])?,
            endpoint: text(&made["delivery"]["endpoint_url"])?,
        };
        // Our token goes there.
        if made["iss"] != issuer || !stream.endpoint.starts_with(&format!("{}/", self.base)) {
            return Err(Fault::Answer);
        }
        self.enable(&stream).await?;
        Ok(stream)
    }

    /// Whether no other process has taken the stream since.
    pub(crate) async fn is_ours(&self, stream: &Stream) -> Result<bool, Fault> {
        let url = format!("{}/{}/signals/streams?stream_id={}", self.base, self.tenant, stream.id);
        let found = json(&self.call(Method::GET, &url, None, TIMEOUT).await?)?;
        Ok(found["description"] == self.mark)
    }

    /// Makes the stream deliver, whatever it did before.
    pub(crate) async fn enable(&self, stream: &Stream) -> Result<(), Fault> {
        let url = format!("{}/{}/signals/status", self.base, self.tenant);
        let wanted = json!({"stream_id": stream.id, "status": "enabled"});
        self.call(Method::POST, &url, Some(&wanted), TIMEOUT).await.map(|_| ())
    }

    /// Acknowledges, and fetches what waits.
    pub(crate) async fn poll(&self, stream: &Stream, poll: &Poll) -> Result<Answer, Fault> {
        let mut body = json!({"ack": poll.ack, "returnImmediately": poll.return_immediately});
        if !poll.errors.is_empty() {
            body["setErrs"] = poll.errors.clone().into();
        }
        let answer = self.call(Method::POST, &stream.endpoint, Some(&body), POLL_TIMEOUT).await?;
        serde_json::from_slice(&answer).map_err(|_| Fault::Answer)
    }

    /// One request with our token; a second one with a new token if the first is refused.
    async fn call(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Vec<u8>, Fault> {
        let mut kept = self.token.lock().await;
        let mut is_new = false;
        loop {
            let token = if let Some(token) = kept.take() {
                token
            } else {
                is_new = true;
                self.own_token().await?
            };
            let mut request = self.http.request(method.clone(), url).bearer_auth(&*token).timeout(timeout);
            if let Some(body) = body {
                request = request.header("content-type", "application/json").body(body.to_string());
            }
            let (status, answer) = read(request.send().await?, ANSWER_BYTES_MAX).await?;
            match status {
                StatusCode::UNAUTHORIZED if !is_new => continue,
                StatusCode::UNAUTHORIZED => return Err(Fault::Status(status.as_u16())),
                _ => *kept = Some(token),
            }
            return if status.is_success() { Ok(answer) } else { Err(Fault::Status(status.as_u16())) };
        }
    }

    async fn own_token(&self) -> Result<Zeroizing<String>, Fault> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "client_credentials"),
                ("client_id", &self.client_id),
                ("client_secret", &self.secret),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .finish();
        let url = format!("{}/{}/oauth2/v2.0/token", self.base, self.tenant);
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        let (status, answer) = read(request.body(form).send().await?, ANSWER_BYTES_MAX).await?;
        if status != StatusCode::OK {
            return Err(Fault::Status(status.as_u16()));
        }
        let answer = json(&answer)?;
        answer["access_token"].as_str().map(|token| Zeroizing::new(token.to_owned())).ok_or(Fault::Answer)
    }
}

fn json(bytes: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(bytes).map_err(|_| Fault::Answer)
}

async fn read(mut response: reqwest::Response, bytes_max: usize) -> Result<(StatusCode, Vec<u8>), Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(Fault::Answer);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((response.status(), bytes))
}
