//! Requests per time: per client, per address, per application. Generous by default; what they stop is a loop, not a user.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::config::Limits as Settings;
use super::people::device::INTERVAL_SECONDS;

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// The limits, with what was used of them.
pub(crate) struct Limits {
    clients: Keyed<String>,
    refusals: Keyed<IpAddr>,
    applications: Keyed<String>,
    passwords: Keyed<String>,
    codes: Keyed<String>,
    devices: Keyed<Vec<u8>>,
}

/// Passwords tried for one person and minute.
const PASSWORDS_PER_MINUTE: u32 = 10;
/// Codes of an authenticator tried for one person and hour: three of a million are right at any time.
const CODES_PER_HOUR: u32 = 20;
/// How often a device may ask whether the person is done: a second less than it is told to wait, for clocks and networks.
const DEVICE_INTERVAL: Duration = Duration::from_secs(INTERVAL_SECONDS - 1);

fn keyed<K: std::hash::Hash + Eq + Clone>(requests: u32, per: Duration) -> Keyed<K> {
    let requests = NonZeroU32::new(requests.max(1)).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(per / requests.get())
        .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
        .allow_burst(requests);
    RateLimiter::dashmap(quota)
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        let minute = Duration::from_mins(1);
        Self {
            clients: keyed(settings.token_per_client_minute, minute),
            refusals: keyed(settings.refusals_per_address_minute, minute),
            applications: keyed(settings.graph_per_application_ten_seconds, Duration::from_secs(10)),
            passwords: keyed(PASSWORDS_PER_MINUTE, minute),
            codes: keyed(CODES_PER_HOUR, Duration::from_hours(1)),
            devices: keyed(1, DEVICE_INTERVAL),
        }
    }

    /// Whether a client may ask for another token; otherwise how long it must wait.
    pub(crate) fn token(&self, client: &str) -> Result<(), Duration> {
        let client = client.to_owned();
        self.clients.check_key(&client).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Counts a refused token request; `Err` when the address had too many.
    pub(crate) fn refused(&self, address: IpAddr) -> Result<(), Duration> {
        self.refusals.check_key(&address).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Whether an application may make another call; otherwise how long it must wait.
    pub(crate) fn graph(&self, app_id: &str) -> Result<(), Duration> {
        let app_id = app_id.to_owned();
        self.applications
            .check_key(&app_id)
            .map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// As [`Limits::graph`], for a part of a batch.
    pub(crate) fn allows_graph(&self, app_id: &str) -> bool {
        self.graph(app_id).is_ok()
    }

    /// Whether another password may be tried for a person.
    pub(crate) fn password(&self, user: &str) -> bool {
        self.passwords.check_key(&user.to_owned()).is_ok()
    }

    /// Whether another code may be tried for a person.
    pub(crate) fn code(&self, user_id: &str) -> bool {
        self.codes.check_key(&user_id.to_owned()).is_ok()
    }

    /// Whether a device, known by the hash of its code, has waited as long as it was told.
    pub(crate) fn device(&self, code: &[u8]) -> bool {
        self.devices.check_key(&code.to_vec()).is_ok()
    }

    /// Forgets whoever has been quiet: memory stays bounded by who is active.
    pub(crate) fn forget_idle(&self) {
        self.clients.retain_recent();
        self.refusals.retain_recent();
        self.applications.retain_recent();
        self.passwords.retain_recent();
        self.codes.retain_recent();
        self.devices.retain_recent();
    }
}
