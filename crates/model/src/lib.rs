//! The nouns of Countersign: ids, events, facts about sources, findings, risk.
//!
//! No behaviour beyond parsing and printing lives here, and no I/O. Serialised names are Microsoft Graph's.
//! Start with [`event::Event`], what comes in, and [`finding::Finding`], what goes out.

pub mod client;
pub mod event;
pub mod finding;
pub mod id;
pub mod inventory;
pub mod risk;
pub mod source;
pub mod time;
