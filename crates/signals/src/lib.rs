//! OpenID Shared Signals Framework 1.0 with CAEP 1.0 and RISC 1.0, for workload identities.
//!
//! Outwards: a [`signal::Signal`] is what happened to a workload; it becomes [`event::Event`]s about a
//! [`subject::Subject`], each of which is signed as a security event token by [`set::Draft::sign`], for every
//! [`stream::Stream`] that delivers it. [`delivery::Queue`] says which one is pushed next, [`poll`] which are handed to
//! a receiver that asks. Inwards: [`set::Unverified`] is what somebody posted, [`receive::effect`] what it means here.
//!
//! Nothing here does I/O, asks the clock or draws chance: times and ids are arguments. What comes from outside has
//! limits, named at the head of each module. Start with [`signal`].

pub mod delivery;
pub mod event;
pub mod invalid;
pub mod poll;
pub mod receive;
pub mod set;
pub mod signal;
pub mod stream;
pub mod subject;

mod json;
