//! A tower layer for APIs whose tokens come from Countersign: it verifies them, follows revocations, and refuses a token within
//! a second of its end, with the claims challenge of continuous access evaluation where the client can answer it.
//!
//! [`Guard::start`] fetches the issuer's keys and finds its stream of security events; [`Guard::layer`] goes around routes and
//! puts a [`Caller`] into the extensions of each request. What decides is pure: [`check`] reads a token, [`table`] knows what
//! has happened. Where that cannot be known, the answer is no: see decision 13.
//!
//! ```no_run
//! # async fn example(secret: String) -> Result<axum::Router, countersign_resource_guard::StartError> {
//! use countersign_resource_guard::{Guard, Settings};
//!
//! let tenant = "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10";
//! let client_id = "0b1a5c4e-7b7c-4c39-9b39-3f5a0c5d2e11";
//! let guard = Guard::start(Settings::new("https://login.example", tenant, client_id, secret, "api://orders")).await?;
//! let routes = axum::Router::new().route("/orders", axum::routing::get(|| async { "[]" }));
//! Ok(routes.layer(guard.layer().require_role("Orders.Read")))
//! # }
//! ```

pub mod check;
pub mod table;

mod clock;
mod follow;
mod issuer;
mod keys;
mod layer;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

pub use crate::check::Caller;
pub use crate::follow::Health;
pub use crate::layer::{GuardLayer, Guarded};
pub use crate::settings::{MAX_SILENCE, Settings};

use crate::check::Rules;
use crate::follow::Following;
use crate::issuer::Issuer;
use crate::keys::Keys;

/// Why the issuer could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It could not be reached.
    #[error("the issuer cannot be reached")]
    Request(#[from] reqwest::Error),
    /// It said no. 401 is a wrong secret, 403 a missing `SharedSignals.ReadWrite.All`.
    #[error("the issuer answered {0}")]
    Status(u16),
    /// It said something else than it should.
    #[error("the issuer's answer cannot be used")]
    Answer,
    /// Another process listens with the same application: each of the two would hear half.
    #[error("another process has taken the stream: each needs an application of its own")]
    Taken,
    /// An event is signed with a key that it does not publish.
    #[error("an event is signed by nobody who is known")]
    Key,
}

/// Why a guard does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be.
    #[error("{0}")]
    Settings(&'static str),
    /// The issuer, without which no token can be verified.
    #[error("cannot follow the issuer's revocations")]
    Issuer(#[from] Fault),
}

/// Verifies tokens and follows revocations, as long as it or one of its layers is there.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    following: Arc<Following>,
    /// `authorization_uri` of challenges.
    authorization_uri: String,
    /// appId of the resource.
    resource: Uuid,
    task: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("resource", &self.0.resource).finish_non_exhaustive()
    }
}

impl Guard {
    /// Starts to follow, on the runtime that it is called on. Returns after about six seconds, when every token that is issued from
    /// then on can be judged ([`table::SETTLING`]). An error if the issuer cannot be asked: let whatever started the process
    /// start it again.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let issuer = Issuer::new(&settings)?;
        let (tenant, resource) = (settings.tenant()?, settings.resource()?);
        let rules = Rules::new(issuer.base(), tenant, &settings.audiences);
        let authorization_uri = format!("{}/common/oauth2/authorize", issuer.base());
        let keys = Keys::fetch(&issuer).await?;
        let following = Arc::new(Following::new(issuer, rules, keys, tenant, settings.max_silence));
        let (stream, poll, from) = following.begin().await?;
        let task = tokio::spawn({
            let following = Arc::clone(&following);
            async move { following.follow(stream, poll).await }
        });
        let guard = Self(Arc::new(Inner { following, authorization_uri, resource, task }));
        let micros = u64::try_from(from.since(clock::now())).unwrap_or_default();
        tokio::time::sleep(Duration::from_micros(micros)).await;
        Ok(guard)
    }

    /// The layer, for any valid token. [`GuardLayer::require_role`] asks for more.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer::new(self.clone())
    }

    /// Whether it hears of revocations: for the API's own health check, and its log.
    pub fn health(&self) -> Health {
        self.0.following.health()
    }
}
