//! Facts.
pub mod agent;
pub mod build;
mod column;
mod date;
pub mod ip;
pub mod table;
pub mod threat_intel;
