//! What a transmitter tells of a workload becomes a finding.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use countersign_detection::risk::{Risk, RiskEvent};
use countersign_model::risk::{RiskLevel, RiskState};
use countersign_model::time::Timestamp;
use countersign_odata::value::parse_instant;
use countersign_signals::event::InitiatingEntity;
use countersign_signals::receive::{Effect, Finding, Standing, effect, standing};
use countersign_signals::set::{ErrorCode, Expected, MEDIA_TYPE, Received, Refusal, Unverified};
use countersign_signals::signal::Signal;
use countersign_signals::subject;
use countersign_store::entity::{
    APPLICATION, RISK_HISTORY, RISKY_SERVICE_PRINCIPAL, SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION,
};
use countersign_store::{Record, Scoped, StoreError, StoredTransmitter, TenantScope, is_equal};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::told::{self, Cause};
use crate::serve::graph::risk;
use crate::serve::policies::TenantPolicies;
use crate::serve::{Server, clock, ids, log};

/// Largest token that is read.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// Member of a detection's body: the issuer of the transmitter that told it.
const TRANSMITTER: &str = "_transmitter";

/// A delivery (RFC 8935 section 2.1).
pub(crate) struct Delivery<'a> {
    pub(crate) method: &'a Method,
    pub(crate) tenant: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) base: &'a str,
}

enum No {
    /// 400 with what the standard has for it.
    Refused(Refusal),
    /// Another status, without a word.
    Status(StatusCode),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        No::Refused(refusal)
    }
}

/// Answers a delivery: 202 after what it means is durable.
pub(crate) async fn answer(server: &Server, delivery: &Delivery<'_>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    match hear(server, delivery).await {
        Ok(()) => *response.status_mut() = StatusCode::ACCEPTED,
        Err(No::Status(status)) => {
            *response.status_mut() = status;
            if status == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
        }
        Err(No::Refused(refusal)) => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
            *response.body_mut() = Body::from(refusal.to_json().to_string());
        }
    }
    response
}

async fn hear(server: &Server, delivery: &Delivery<'_>) -> Result<(), No> {
    if delivery.method != Method::POST {
        return Err(No::Status(StatusCode::METHOD_NOT_ALLOWED));
    }
    if delivery.body.len() > TOKEN_BYTES_MAX {
        return Err(No::Status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let now = clock::now();
    let unavailable = |error: StoreError| {
        log::error("database", &error);
        No::Status(StatusCode::SERVICE_UNAVAILABLE)
    };
    let stranger = || Refusal::new(ErrorCode::AuthenticationFailed, "the transmitter is not listened to");
    let tenant = server.tenants.find(&server.store, delivery.tenant, now).await.map_err(unavailable)?;
    let tenant = tenant.ok_or_else(stranger)?;
    let scope = server.store.scope(&tenant);
    let transmitter = authenticate(server, &scope, delivery.headers).await.map_err(unavailable)?;
    let transmitter = transmitter.ok_or_else(stranger)?;
    if server.limits.graph(&transmitter.id).is_err() {
        return Err(No::Status(StatusCode::TOO_MANY_REQUESTS));
    }
    let received = verify(server, delivery, &transmitter, now).await?;
    let issuer = countersign_token::claims::issuer(2, delivery.base, &tenant.id);
    let named = subject::Tenant { issuer: &issuer, id: tenant.id.parse().unwrap_or_default() };
    let Effect::Finding(finding) = effect(&received, &named) else { return Ok(()) };
    let news = News { transmitter: &transmitter, received: &received, finding: &finding, now };
    match news.take(server, &scope).await {
        Ok(()) => Ok(()),
        // Another delivery of the same event was faster.
        Err(Failed::Store(StoreError::Duplicate(what)))
            if what == SERVICE_PRINCIPAL_RISK_DETECTION.entity.name =>
        {
            Ok(())
        }
        Err(Failed::Store(error)) => Err(unavailable(error)),
        Err(Failed::Other(error)) => {
            log::error("shared signals", &format!("{error:#}"));
            Err(No::Status(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

/// The transmitter that a request's header belongs to. All are compared, so that time tells nothing of which.
async fn authenticate(
    server: &Server,
    scope: &TenantScope,
    headers: &HeaderMap,
) -> Result<Option<StoredTransmitter>, StoreError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, secret)) = value.and_then(|value| value.split_once(' ')) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let hash = server.store.master_key().hash(secret.trim().as_bytes());
    let mut found = None;
    for transmitter in server.store.read(scope).await?.transmitters().await? {
        if is_equal(&transmitter.hash, &hash) {
            found = Some(transmitter);
        }
    }
    Ok(found)
}

async fn verify(
    server: &Server,
    delivery: &Delivery<'_>,
    transmitter: &StoredTransmitter,
    now: Timestamp,
) -> Result<Received, No> {
    let kind = delivery.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(MEDIA_TYPE) {
        let why = format!("the content type is not `{MEDIA_TYPE}`");
        return Err(Refusal::new(ErrorCode::InvalidRequest, why).into());
    }
    let text = std::str::from_utf8(delivery.body).map(str::trim);
    let text = text.map_err(|_| Refusal::new(ErrorCode::InvalidRequest, "the body is not a token"))?;
    let token = Unverified::decode(text)?;
    // Nobody's keys are asked for on the word of a stranger.
    if !token.is_from(&transmitter.issuer) {
        return Err(Refusal::new(ErrorCode::InvalidIssuer, "the issuer is not the transmitter").into());
    }
    let kid = token.kid().map(str::to_owned);
    let keys = Box::pin(server.issuers.keys_at(&transmitter.jwks_uri, kid.as_deref(), now)).await;
    let keys = keys.map_err(|error| {
        log::error("shared signals", &format!("the keys of `{}`: {error:#}", transmitter.issuer));
        No::Status(StatusCode::SERVICE_UNAVAILABLE)
    })?;
    let expected = Expected { issuer: &transmitter.issuer, audience: &transmitter.audience };
    Ok(token.verify(&keys, expected, now)?)
}

enum Failed {
    Store(StoreError),
    Other(anyhow::Error),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Failed::Store(error)
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Failed::Other(error)
    }
}

/// A finding of somebody else.
struct News<'a> {
    transmitter: &'a StoredTransmitter,
    received: &'a Received,
    finding: &'a Finding,
    now: Timestamp,
}

impl News<'_> {
    /// Writes the finding with all its consequences, once.
    async fn take(&self, server: &Server, scope: &TenantScope) -> Result<(), Failed> {
        let policies = server.policies.of(&server.store, scope).await?;
        let mut scoped = server.store.begin(scope).await?;
        let Some(principal) = self.workload(&mut scoped).await? else { return Ok(()) };
        if scoped.get(&SERVICE_PRINCIPAL_RISK_DETECTION, &self.id()).await?.is_some() {
            return Ok(());
        }
        let own = own_credentials(&mut scoped, &principal).await?;
        let earlier = self.earlier(&mut scoped, &principal).await?;
        let newest = earlier.iter().filter_map(|detection| instant(detection, "activityDateTime")).max();
        let standing =
            if self.finding.is_level() { standing(newest, self.finding.at) } else { Standing::Newest };
        if standing == Standing::Newest {
            settle(&mut scoped, earlier, self.now).await?;
        }
        scoped.insert(&SERVICE_PRINCIPAL_RISK_DETECTION, self.detection(&principal, &own, standing)).await?;
        if standing == Standing::Newest {
            self.raise(&mut scoped, &policies, &principal, &own).await?;
        }
        Ok(scoped.commit().await?)
    }

    /// The service principal that the event names by its id or by that of its application.
    async fn workload(&self, scoped: &mut Scoped) -> Result<Option<Record>, StoreError> {
        let id = self.finding.workload.to_string();
        let found = match scoped.get(&SERVICE_PRINCIPAL, &id).await? {
            Some(found) => Some(found),
            None => scoped.get_by(&SERVICE_PRINCIPAL, "app_id", &id).await?,
        };
        Ok(found.filter(|principal| principal.deleted.is_none()))
    }

    /// The id of the detection: the same for the same event of the same transmitter.
    fn id(&self) -> String {
        let mut hash = Sha256::new();
        for part in ["security event", self.transmitter.id.as_str(), self.received.jti.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        ids::hexadecimal(&hash.finalize())
    }

    /// Levels that this transmitter said before of the same workload, as far as they count.
    async fn earlier(&self, scoped: &mut Scoped, principal: &Record) -> Result<Vec<Record>, StoreError> {
        if !self.finding.is_level() {
            return Ok(Vec::new());
        }
        let mut all = detections(scoped, &principal.id).await?;
        all.retain(|detection| {
            detection.text(TRANSMITTER) == Some(&self.transmitter.issuer)
                && detection.text("riskEventType") == Some(self.finding.risk_event_type.as_str())
        });
        Ok(all)
    }

    fn detection(
        &self,
        principal: &Record,
        own: &[Uuid],
        standing: Standing,
    ) -> serde_json::Map<String, Json> {
        let additional = json!([
            { "Key": "transmitter", "Value": self.transmitter.issuer },
            { "Key": "reason", "Value": self.finding.reason },
        ]);
        let key_ids: Vec<String> = self.finding.key_ids(own).iter().map(Uuid::to_string).collect();
        let state = match standing {
            Standing::Newest => RiskState::AtRisk,
            Standing::Outdated => RiskState::Remediated,
        };
        let mut body = risk::detection(&principal.body, &self.id(), self.now);
        for (name, value) in [
            ("activityDateTime", self.finding.at.to_string().into()),
            ("additionalInfo", additional.to_string().into()),
            ("keyIds", key_ids.into()),
            ("riskDetail", "none".into()),
            ("riskEventType", self.finding.risk_event_type.as_str().into()),
            ("riskLevel", self.finding.risk_level.as_str().into()),
            ("riskState", state.as_str().into()),
            (TRANSMITTER, self.transmitter.issuer.as_str().into()),
        ] {
            body.insert(name.to_owned(), value);
        }
        body
    }

    /// What the finding makes of the risk of the workload, and what follows from that.
    async fn raise(
        &self,
        scoped: &mut Scoped,
        policies: &TenantPolicies,
        principal: &Record,
        own: &[Uuid],
    ) -> Result<(), Failed> {
        let known = scoped.get(&RISKY_SERVICE_PRINCIPAL, &principal.id).await?;
        let mut risky = if let Some(risky) = known {
            risky
        } else {
            let body = risk::risky_body(&principal.body, self.now);
            scoped.insert(&RISKY_SERVICE_PRINCIPAL, body).await?
        };
        let before = risk::risk_of(&risky);
        let mut risk = before.clone();
        risk.apply(&RiskEvent::Findings(self.finding.risk_level), self.now);
        if risk.state == RiskState::AtRisk {
            // A transmitter may say less than it said before, so the risk is what is open now.
            risk.level = open_level(scoped, &principal.id).await?;
        }
        if (risk.level, risk.state) != (before.level, before.state) {
            risk::set(&mut risky, &risk, "none", self.now);
            risky = scoped.update(&RISKY_SERVICE_PRINCIPAL, risky).await?;
            let types = [self.finding.risk_event_type.as_str().to_owned()];
            let item = risk::history_item(&risky, None, &types, self.now)?;
            scoped.insert(&RISK_HISTORY, item).await?;
        }
        self.tell(scoped, policies, principal, (&before, &risk), own).await
    }

    async fn tell(
        &self,
        scoped: &mut Scoped,
        policies: &TenantPolicies,
        principal: &Record,
        (before, after): (&Risk, &Risk),
        own: &[Uuid],
    ) -> Result<(), Failed> {
        let txn = self.received.txn.as_deref().unwrap_or(&self.received.jti);
        let cause = Cause { at: self.now, by: InitiatingEntity::System, txn };
        if let Some(kind) = self.finding.credential {
            // Whoever has the credential may have asked for tokens since the risk was high.
            risk::revoke(scoped, &principal.id, self.now).await?;
            let key_id = self.finding.key_ids(own).first().copied();
            let leaked = Signal::CredentialLeaked { kind, key_id, previous: before.level };
            told::tell(scoped, &principal.id, [leaked], &cause);
            return Ok(());
        }
        let reason = Some(self.finding.risk_event_type);
        let changed = Signal::RiskChanged { previous: before.level, current: after.level, reason };
        told::tell(scoped, &principal.id, [changed], &cause);
        if risk::end_tokens(scoped, policies, &principal.id, (before.level, before.state), after, self.now)
            .await?
        {
            told::tell(scoped, &principal.id, [Signal::Revoked], &cause);
        }
        Ok(())
    }
}

fn instant(record: &Record, name: &str) -> Option<Timestamp> {
    record.text(name).and_then(parse_instant).map(Timestamp)
}

/// Ids of all credentials with which a service principal may sign in.
async fn own_credentials(scoped: &mut Scoped, principal: &Record) -> Result<Vec<Uuid>, StoreError> {
    let app_id = principal.text("appId").unwrap_or_default();
    let application = scoped.get_by(&APPLICATION, "app_id", app_id).await?;
    let of = |record: &Record| -> Vec<Uuid> {
        let lists = ["passwordCredentials", "keyCredentials"].into_iter().flat_map(|list| record.list(list));
        lists.filter_map(|credential| credential.get("keyId")?.as_str()?.parse().ok()).collect()
    };
    Ok([Some(principal), application.as_ref()].into_iter().flatten().flat_map(of).collect())
}

/// All detections of a service principal.
async fn detections(scoped: &mut Scoped, id: &str) -> Result<Vec<Record>, StoreError> {
    scoped.all(&SERVICE_PRINCIPAL_RISK_DETECTION, &[("service_principal_id", id)]).await
}

/// What a transmitter said before does not count any more.
async fn settle(scoped: &mut Scoped, earlier: Vec<Record>, now: Timestamp) -> Result<(), StoreError> {
    for mut detection in earlier {
        if detection.text("riskState") == Some(RiskState::AtRisk.as_str()) {
            detection.body.insert("riskState".into(), RiskState::Remediated.as_str().into());
            detection.body.insert("lastUpdatedDateTime".into(), now.to_string().into());
            scoped.update(&SERVICE_PRINCIPAL_RISK_DETECTION, detection).await?;
        }
    }
    Ok(())
}

/// The highest level among what is open.
async fn open_level(scoped: &mut Scoped, id: &str) -> Result<RiskLevel, StoreError> {
    let all = detections(scoped, id).await?;
    let open = all.iter().filter(|detection| detection.text("riskState") == Some(RiskState::AtRisk.as_str()));
    Ok(open.map(|detection| risk::risk_of(detection).level).max().unwrap_or(RiskLevel::None))
}
