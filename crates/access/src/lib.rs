//! Conditional Access for workload identities: which policies apply to a sign-in, and what becomes of a token whose world
//! has changed since it was issued.
//!
//! Policies and named locations come in as Graph's JSON and are read once into [`policy::Policy`] and
//! [`location::NamedLocation`], with every refusal that needs no directory. A tenant's policies are compiled into one
//! [`snapshot::Snapshot`], which never changes; [`snapshot::Snapshot::evaluate`] answers a sign-in out of it without a
//! lock and without an allocation, and [`evaluate::Evaluation`] tells what the token endpoint, the sign-in log and What
//! If want to know. [`continuous::decide`] is the question that a resource asks about a token.
//!
//! Nothing here does I/O, asks the clock or keeps state. What cannot be known for certain is decided against the
//! workload: a risk that cannot be read matches every policy that is about risk. Start with [`evaluate`].

pub mod continuous;
pub mod document;
pub mod evaluate;
pub mod invalid;
pub mod location;
pub mod policy;
pub mod principal;
pub mod question;
pub mod rule;
pub mod snapshot;

mod bits;
mod json;
mod network;
