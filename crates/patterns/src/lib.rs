//! Known attack patterns: Sigma rules, which users bring along, over events as they are whatever log they came in.
//!
//! Rules are written for the columns of exported logs, in several spellings, and most of them for users. So each is
//! translated when it is loaded: its log source to one of the three kinds of event, its fields to what events hold
//! ([`fields`]), operation names to the spelling without dashes' and full stops' variety ([`translate`]). A rule that
//! names what no event holds is refused with the reason, for a condition on an absent field can be true of everything.
//!
//! No file is read and no clock is asked: texts come in, and correlations count in event time.

mod documents;
mod fields;
mod rules;
mod translate;
mod view;

pub use rules::{Builder, Refused, Rules, RulesSummary};
