//! An API whose callers lose access within a second of their revocation:
//! `cargo run -p countersign-resource-guard --example guarded_api`, with the settings in the environment.

use std::error::Error;

use axum::routing::get;
use axum::{Extension, Router};
use countersign_resource_guard::{Caller, Guard, Settings};

async fn orders(Extension(caller): Extension<Caller>) -> String {
    format!("orders for {}\n", caller.app_id)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [issuer, tenant, client_id, secret, authority] =
        ["ISSUER", "TENANT", "CLIENT_ID", "CLIENT_SECRET", "CA_FILE"].map(std::env::var);

    let settings = Settings::new(issuer?, tenant?, client_id?, secret?, "api://orders")
        .authority(std::fs::read(authority?)?);
    let guard = Guard::start(settings).await?;
    let routes = Router::new().route("/orders", get(orders)).layer(guard.layer().require_role("Orders.Read"));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:9000").await?;
    Ok(axum::serve(listener, routes).await?)
}
