//! `countersign serve`: the token endpoint and Microsoft Graph's API over one HTTPS port.
//!
//! [`run`] reads as a table of contents. What happens to a token request is in [`token`], to a call of the API in
//! [`graph`]; both work on the [`countersign_store::Store`].

pub(crate) mod accounts;
mod bearer;
mod bootstrap;
mod certificate;
mod clock;
mod config;
mod directory;
mod files;
mod forward_auth;
mod graph;
mod ids;
pub(crate) mod init;
mod issuers;
mod keys;
mod limits;
pub(crate) mod load;
mod log;
mod managed_identity;
mod outbound;
mod passwords;
mod peer;
mod people;
mod policies;
pub(crate) mod policy_command;
mod routes;
mod sign_in;
mod signals;
mod tenants;
mod tls;
mod token;
mod under_way;
mod watermarks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum_server::Handle;
use countersign_enrichment::table::IpTable;
use countersign_store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Serve;
use config::{Config, RawConfig};

/// How often what is due is looked after: keys, deleted objects, ended grants.
const HOUSEKEEPING: Duration = Duration::from_mins(1);

/// How long no request may come, once clients were told to send no more, before the connections that are left count as idle:
/// for what was on its way, and for the last bytes of an answer.
const QUIET: Duration = Duration::from_secs(1);

/// Everything that requests share.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) keys: keys::Keys,
    pub(crate) limits: limits::Limits,
    pub(crate) passwords: passwords::Passwords,
    pub(crate) tenants: tenants::Tenants,
    pub(crate) outbound: outbound::Outbound,
    pub(crate) issuers: issuers::Issuers,
    pub(crate) used: token::UsedAssertions,
    pub(crate) policies: policies::Policies,
    /// Another provider of sign-in for people.
    pub(crate) provider: people::external::Provider,
    /// Networks and countries of addresses.
    pub(crate) addresses: IpTable,
    /// The port that was bound.
    pub(crate) port: AtomicU16,
}

/// The async runtime of a command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    // One provider for TLS in the whole process; a second call finds it there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Serves until SIGTERM or an interrupt.
pub(crate) fn run(arguments: &Serve) -> Result<()> {
    let mut raw = RawConfig::load(arguments.config.as_deref())?;
    raw.listen = arguments.listen.clone().or(raw.listen);
    raw.database = arguments.data.database.clone().or(raw.database);
    let config = raw.resolve(&arguments.data.data)?;
    runtime()?.block_on(serve(config))
}

/// Everything that requests share, of a data folder.
async fn open(config: Config) -> Result<Server> {
    let store = init::open(&config.data, config.database.as_deref()).await?;
    let outbound = outbound::Outbound::new(&config)?;
    Ok(Server {
        keys: keys::Keys::open(&store, config.key_rotation_days, clock::now()).await?,
        limits: limits::Limits::new(&config.limits),
        passwords: passwords::Passwords::new(),
        tenants: tenants::Tenants::default(),
        issuers: issuers::Issuers::new(outbound.clone()),
        outbound,
        used: token::UsedAssertions::default(),
        policies: policies::Policies::default(),
        provider: people::external::Provider::default(),
        addresses: IpTable::embedded(),
        port: AtomicU16::new(config.listen.port()),
        store,
        config,
    })
}

async fn serve(config: Config) -> Result<()> {
    let now = clock::now();
    let server = Arc::new(open(config).await?);
    let listener = std::net::TcpListener::bind(server.config.listen)
        .with_context(|| format!("cannot listen on `{}`", server.config.listen))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    server.port.store(address.port(), Ordering::Relaxed);
    let tls = tls::load(&server.config, now).await?;

    let handle = Handle::new();
    let others = tokio::spawn({
        let store = server.store.clone();
        async move { store.hear_others().await }
    });
    let housekeeping = tokio::spawn(housekeeping(Arc::clone(&server)));
    let stop_sending = Arc::new(tokio::sync::Notify::new());
    let sender = tokio::spawn(signals::push::run(Arc::clone(&server), Arc::clone(&stop_sending)));
    let managed = managed_identity::start(&server).await?;
    let under_way = under_way::UnderWay::default();
    // Before anybody is told that it listens: who is told may end it at once.
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(stop_on_signal(signals, handle.clone(), under_way.clone(), server.config.drain));
    crate::output::say(&format!("listening on {}", address_of(address)));
    let counted = axum::middleware::from_fn_with_state(under_way, under_way::count);
    let service = routes::router(Arc::clone(&server))
        .layer(counted)
        .into_make_service_with_connect_info::<SocketAddr>();
    // Nobody holds connections by opening them alone; the body of a request is watched by its route.
    let idle = server.config.idle;
    let mut https = axum_server::from_tcp_rustls(listener, tls)?.first_request_timeout(idle);
    https.http_builder().http1().header_read_timeout(idle);
    https.http_builder().http2().keep_alive_interval(idle).keep_alive_timeout(idle);
    https.handle(handle).serve(service).await?;

    stop_sending.notify_one();
    let _ = sender.await;
    for task in [Some(others), Some(housekeeping), managed].into_iter().flatten() {
        task.abort();
        let _ = task.await;
    }
    if let Some(server) = Arc::into_inner(server) {
        server.store.close().await;
    }
    Ok(())
}

fn address_of(address: SocketAddr) -> String {
    format!("https://{address}")
}

/// Lets requests that are under way end, and takes no new ones.
async fn stop_on_signal(
    (mut terminate, mut interrupt): (Signal, Signal),
    handle: Handle<SocketAddr>,
    under_way: under_way::UnderWay,
    drain: Duration,
) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.graceful_shutdown(Some(drain));
    // A client that reads nothing between two requests, as most libraries do, sees no GOAWAY and keeps its connection.
    under_way.quiet_for(QUIET).await;
    handle.shutdown();
}

async fn housekeeping(server: Arc<Server>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    loop {
        ticks.tick().await;
        let now = clock::now();
        server.limits.forget_idle();
        server.used.sweep(now);
        if let Err(error) = server.keys.rotate(&server.store, server.config.key_rotation_days, now).await {
            log::error("keys", &format!("{error:#}"));
        }
        if let Err(error) = server.store.sweep_grants(now).await {
            log::error("database", &error);
        }
        if let Err(error) = purge_deleted(&server, now).await {
            log::error("database", &error);
        }
    }
}

/// Removes for good what was deleted thirty days ago.
async fn purge_deleted(
    server: &Server,
    now: countersign_model::time::Timestamp,
) -> Result<(), countersign_store::StoreError> {
    for tenant in server.store.tenants().await? {
        let mut scoped = server.store.begin(&server.store.scope(&tenant)).await?;
        if graph::deleted::sweep(&mut scoped, now).await? > 0 {
            scoped.commit().await?;
        }
    }
    Ok(())
}
