//! Tokens for people: authorization code with PKCE, device code, refresh.

use countersign_model::client::Client;
use countersign_store::Tenant;
use countersign_token::refusal::Refusal;
use countersign_token::request::TokenRequest;

use super::Server;
use super::sign_in::Attempt;
use super::token::{Issued, TokenCall};

/// Exchanges a code or a refresh token.
pub(crate) async fn exchange(
    _server: &Server,
    _call: &TokenCall<'_>,
    request: &TokenRequest,
    _tenant: &Tenant,
    _client: &Client,
    _attempt: &mut Attempt,
) -> Result<Issued, Refusal> {
    Err(Refusal::unsupported_grant(request.grant.name()))
}
