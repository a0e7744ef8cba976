//! Conditional Access for workload identities.
//!
//! Policies and named locations come in as Graph's JSON and are read once into [`policy::Policy`] and
//! [`location::NamedLocation`], with every refusal that needs no directory.
//!
//! Nothing here does I/O, asks the clock or keeps state. Start with [`policy`].

pub mod document;
pub mod invalid;
pub mod location;
pub mod policy;
pub mod principal;
pub mod rule;

mod bits;
mod json;
mod network;
