//! The OAuth 2.0 token service for workloads: what a client sends is read, checked and answered here.
//!
//! A request goes through [`request::TokenRequest::parse`] and [`assertion::authenticate`]; a token comes out of
//! [`claims::AccessToken`] and [`keys::SigningKey::sign`]; whatever is refused is a [`refusal::Refusal`], the one
//! place that knows the AADSTS numbers. The forms are those that unmodified Microsoft clients send and read.
//!
//! Nothing here does I/O, asks the clock or keeps state; the only impurity is the random source of signatures and
//! new keys. All input is hostile: each reader has limits, named at its head. Secrets are compared in constant
//! time and shown by no `Debug`. What is not yet checked is [`jwt::Unverified`], and only [`jwt::Verified`] gives
//! access to the claims that decide something.

pub mod assertion;
pub mod claims;
pub mod discovery;
pub mod federated;
pub mod jwt;
pub mod keys;
pub mod pkce;
pub mod refusal;
pub mod request;
pub mod resource;
pub mod totp;
