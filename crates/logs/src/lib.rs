//! Bytes to events: every shape in which Entra's logs arrive.
//!
//! Two steps, so that the cheap one can feed the dear one on several threads:
//! [`framing::Framer`] cuts a stream of bytes into records, whatever container holds them;
//! [`decode::decode`] turns each framed record into an [`Event`](countersign_model::event::Event), routed by
//! what the record is and never by the file it came in.
//!
//! This crate reads no file and asks no clock. A record it cannot read becomes a [`decode::Skip`] with its
//! line and reason, never an error that stops the rest. Events borrow from the framed bytes.

mod address;
mod api_activity;
mod csv;
pub mod decode;
mod directory_audit;
mod fields;
pub mod framing;
pub mod inventory;
mod json;
mod outcome;
mod sign_in;
mod tables;
mod text;
mod time;
mod unified_audit;

pub use time::parse as parse_time;
