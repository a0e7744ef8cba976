//! OData as Microsoft Graph speaks it: resource paths, query options, `$metadata` and error bodies.
//!
//! Text comes in, typed values go out: [`path`] and [`query`] read a request against the entity types
//! described with [`edm`]; [`evaluate`] says what a filter means, for SQL made elsewhere must agree with it;
//! [`project`] shapes the answer; [`error`] and [`csdl`] write what is not an entity.
//!
//! Nothing here does I/O, asks the clock or keeps state. All input is hostile: each reader has limits, named
//! at its head, and whatever it cannot read for certain is an error, never a guess. Start with
//! [`query::Options::parse`].

pub mod csdl;
pub mod edm;
pub mod error;
pub mod evaluate;
pub mod path;
pub mod project;
pub mod query;
pub mod value;

#[cfg(test)]
mod sample;
