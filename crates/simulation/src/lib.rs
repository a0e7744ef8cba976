//! Synthetic tenants: workload identities with habits, benign episodes that resemble attacks, and attacks, as the
//! records that Azure Monitor would deliver, with the truth beside them.
//!
//! Nothing here reads a file, a clock or the system's chance: the same [`Parameters`] give the same bytes on every
//! machine. Nothing here knows how records are scored: the simulator was written from incidents and published
//! quantities alone, because a generator that knows the scorer proves nothing about it. What it says about
//! detection is still relative: habits and attacks were drawn by the people who also wrote the detections.
//!
//! Start with [`Simulation`] for a tenant of any size, with [`scenario`] for a history of a few lines in a test, with
//! [`injection`] for attacks on the principals of real logs.
//!
//! ```
//! use countersign_simulation::{Parameters, Simulation};
//!
//! let mut simulation = Simulation::new(Parameters { principals: 20, days: 3, ..Parameters::default() });
//! let mut records = 0;
//! simulation.for_each_record(|record| {
//!     assert!(record.line.starts_with(b"{\"time\":"));
//!     records += 1;
//! });
//! assert!(records > 100);
//! assert!(!simulation.truth().is_empty());
//! ```

mod archetypes;
mod attacks;
mod background;
mod calendar;
mod catalogue;
mod changes;
mod envelopes;
pub mod evaluation;
mod habits;
pub mod injection;
mod json;
mod look_alikes;
pub mod networks;
mod parameters;
mod plan;
mod rng;
pub mod scenario;
mod simulation;
mod tenant;
mod traffic;
mod truth;

pub use archetypes::{Archetype, Shares};
pub use attacks::ATTACK_FAMILIES;
pub use envelopes::{Category, daily_path_of, path_of};
pub use look_alikes::LOOK_ALIKE_FAMILIES;
pub use parameters::{Attacks, DEFAULT_START, Parameters};
pub use simulation::{Record, Simulation};
pub use truth::{Episode, EpisodeKind, LOOK_ALIKE_EVENTS_MAX};
