//! Baselines, detections, explanations, risk: a fold over enriched events in event time.
//!
//! [`Detector::observe`] takes one event and what enrichment says about it, and answers which findings
//! changed. It reads no file, asks no clock and holds no lock; the same events in the same order give the same
//! findings, byte for byte. Nothing crosses a tenant: every table lives inside the state of one tenant.
//!
//! Start with [`detector`] for the fold and `tenant.rs` for the way of an event, [`suspicious_signins`] for the evidence of a sign-in,
//! [`constants`] for every number that was chosen and where it comes from.

mod anomalous_service_principal_activity;
mod api_profile;
mod assessment;
pub mod baseline;
pub mod budget;
pub mod calibration;
pub mod constants;
pub mod detector;
mod directory;
mod directory_profile;
mod distinct;
mod evidence;
mod explanation;
mod failures;
pub mod graph;
mod hurdle;
mod incident;
pub mod investigations_threat_intelligence;
mod issued;
mod ledger;
pub mod order;
mod peers;
mod quality;
mod request;
pub mod risk;
mod suspicious_api_traffic;
mod suspicious_application;
pub mod suspicious_signins;
mod tail;
mod tenant;

pub use budget::Policy;
pub use detector::{Detector, Observed};
pub use explanation::number;
