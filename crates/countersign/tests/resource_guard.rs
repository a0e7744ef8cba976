//! An API behind `countersign-resource-guard`, before the real server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_resource_guard::{Caller, Guard, MAX_SILENCE, Settings};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

mod run;

const API: &str = "api://orders";

/// The real binary, ended when it is dropped.
struct Server {
    child: Child,
    base: String,
    _data: TempDir,
    authority: Vec<u8>,
    created: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let path = data.to_str().unwrap();
        let created = run::countersign(&["init", "--json", "--data", path]).json();
        let mut command = run::command(&["serve", "--listen", "127.0.0.1:0", "--data", path]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let base = first.strip_prefix("listening on ").unwrap().replace("127.0.0.1", "localhost");
        // Read on, so that the pipe never fills.
        std::thread::spawn(move || for _ in lines {});
        let authority = std::fs::read(Path::new(path).join("ca.pem")).unwrap();
        Self { child, base, _data: folder, authority, created }
    }

    fn text(&self, pointer: &str) -> &str {
        self.created.pointer(pointer).and_then(Value::as_str).unwrap()
    }
}

/// A client of the server that may do everything.
struct Tenant<'s> {
    server: &'s Server,
    http: reqwest::Client,
    id: String,
    bearer: String,
}

/// An application with a secret.
struct Workload {
    id: String,
    app_id: String,
    principal: String,
    secret: String,
    key_id: String,
}

impl<'s> Tenant<'s> {
    async fn of(server: &'s Server) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = reqwest::Certificate::from_pem(&server.authority).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        let id = server.text("/tenantId").to_owned();
        let mut tenant = Self { server, http, id, bearer: String::new() };
        let (id, secret) = (server.text("/adminApp/clientId"), server.text("/adminApp/clientSecret"));
        tenant.bearer = tenant.token(id, secret, "https://graph.microsoft.com", None).await.unwrap();
        tenant
    }

    /// A token, or the answer that there is none.
    async fn token(
        &self,
        id: &str,
        secret: &str,
        resource: &str,
        claims: Option<&str>,
    ) -> Result<String, Value> {
        let scope = format!("{resource}/.default");
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "client_credentials"),
                ("client_id", id),
                ("client_secret", secret),
            ])
            .extend_pairs([("scope", scope.as_str())])
            .extend_pairs(claims.map(|claims| ("claims", claims)))
            .finish();
        let request = self.http.post(format!("{}/{}/oauth2/v2.0/token", self.server.base, self.id));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer: Value =
            serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
        answer["access_token"].as_str().map(str::to_owned).ok_or(answer)
    }

    /// A token of a workload for the API, for continuous access evaluation, with what a challenge asks for.
    async fn capable(&self, workload: &Workload, challenge: Option<&Value>) -> Result<String, Value> {
        let mut claims = challenge.cloned().unwrap_or(json!({"access_token": {}}));
        claims["access_token"]["xms_cc"] = json!({"values": ["cp1"]});
        self.token(&workload.app_id, &workload.secret, API, Some(&claims.to_string())).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.http.request(method, format!("{}/v1.0{path}", self.server.base));
        let request = request.bearer_auth(&self.bearer).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, body) = (answer.status(), answer.bytes().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() }
    }

    async fn workload(&self, mut properties: Value) -> Workload {
        properties["signInAudience"] = json!("AzureADMyOrg");
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let application = self.call(Method::POST, "/applications", &properties).await;
        let (id, app_id) = (text(&application, "id"), text(&application, "appId"));
        let principal = self.call(Method::POST, "/servicePrincipals", &json!({"appId": app_id})).await;
        let mut workload = Workload {
            id,
            app_id,
            principal: text(&principal, "id"),
            secret: String::new(),
            key_id: String::new(),
        };
        self.add_secret(&mut workload).await;
        workload
    }

    async fn add_secret(&self, workload: &mut Workload) {
        let path = format!("/applications/{}/addPassword", workload.id);
        let secret = self.call(Method::POST, &path, &json!({})).await;
        secret["secretText"].as_str().unwrap().clone_into(&mut workload.secret);
        secret["keyId"].as_str().unwrap().clone_into(&mut workload.key_id);
    }

    /// Grants a role of the API that has that appId.
    async fn grant(&self, workload: &Workload, resource: &str, role: &str) {
        let resource =
            self.call(Method::GET, &format!("/servicePrincipals(appId='{resource}')"), &Value::Null).await;
        let roles = resource["appRoles"].as_array().unwrap();
        let role = roles.iter().find(|known| known["value"] == role).unwrap();
        let grant =
            json!({"principalId": workload.principal, "resourceId": resource["id"], "appRoleId": role["id"]});
        self.call(
            Method::POST,
            &format!("/servicePrincipals/{}/appRoleAssignments", workload.principal),
            &grant,
        )
        .await;
    }

    async fn enable(&self, workload: &Workload, is_enabled: bool) {
        let path = format!("/servicePrincipals/{}", workload.principal);
        self.call(Method::PATCH, &path, &json!({"accountEnabled": is_enabled})).await;
    }

    async fn guard(&self, as_whom: &Workload, silence: Duration) -> Guard {
        let settings = Settings::new(&self.server.base, &self.id, &as_whom.app_id, &as_whom.secret, API);
        Guard::start(settings.authority(self.server.authority.clone()).max_silence(silence)).await.unwrap()
    }
}

/// An API behind a guard, until it is dropped.
struct Api {
    url: String,
    http: reqwest::Client,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Api {
    async fn behind(guard: &Guard) -> Self {
        async fn orders(Extension(caller): Extension<Caller>) -> String {
            caller.object_id.to_string()
        }
        let routes = Router::new().route("/", get(orders)).layer(guard.layer().require_role("Orders.Read"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, http: reqwest::Client::new(), task }
    }

    /// The status, and the claims of a challenge.
    async fn get(&self, token: &str) -> (u16, Option<Value>) {
        let answer = self.http.get(&self.url).bearer_auth(token).send().await.unwrap();
        let header = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        let claims = header.and_then(|header| header.split("claims=\"").nth(1)).map(|claims| {
            serde_json::from_slice(&STANDARD.decode(claims.trim_end_matches('"')).unwrap()).unwrap()
        });
        (answer.status().as_u16(), claims)
    }

    /// Asks until the token is not taken any more.
    async fn refused(&self, token: &str) -> (u16, Option<Value>) {
        for _ in 0..500 {
            let answered = self.get(token).await;
            if answered.0 != 200 {
                return answered;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the token was never refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_behind_the_guard_follows_the_server() {
    let server = Server::start();
    let tenant = Tenant::of(&server).await;
    let api = tenant
        .workload(json!({
            "displayName": "Orders", "identifierUris": [API],
            "optionalClaims": {"accessToken": [{"name": "xms_cc"}]},
            "appRoles": [{
                "id": "5c1d3f3e-8d5e-4f0c-9c4e-0a2f6b7d8e91", "value": "Orders.Read", "displayName": "Read",
                "description": "Reads orders", "allowedMemberTypes": ["Application"], "isEnabled": true,
            }],
        }))
        .await;
    tenant.grant(&api, "00000003-0000-0000-c000-000000000000", "SharedSignals.ReadWrite.All").await;
    let mut payroll = tenant.workload(json!({"displayName": "Payroll"})).await;
    let stranger = tenant.workload(json!({"displayName": "Stranger"})).await;
    tenant.grant(&payroll, &api.app_id, "Orders.Read").await;

    let before = tenant.capable(&payroll, None).await.unwrap();
    let guard = tenant.guard(&api, MAX_SILENCE).await;
    let orders = Api::behind(&guard).await;

    // From before the guard was there: its client comes back with a new token.
    let (status, challenge) = orders.get(&before).await;
    assert_eq!(status, 401);
    let token = tenant.capable(&payroll, challenge.as_ref()).await.unwrap();
    assert_eq!(orders.get(&token).await.0, 200);
    // Without any of the roles, and for another API.
    assert_eq!(orders.get(&tenant.capable(&stranger, None).await.unwrap()).await.0, 403);
    assert_eq!(orders.get(&tenant.bearer).await, (401, None));

    // Disabled: both kinds of tokens end, and stay so once it is enabled again.
    let plain = tenant.token(&payroll.app_id, &payroll.secret, API, None).await.unwrap();
    assert_eq!(orders.get(&plain).await.0, 200);
    tenant.enable(&payroll, false).await;
    let (status, challenge) = orders.refused(&token).await;
    assert_eq!(status, 401);
    assert!(challenge.is_some());
    assert_eq!(orders.refused(&plain).await, (401, None));
    assert!(tenant.capable(&payroll, challenge.as_ref()).await.is_err());
    tenant.enable(&payroll, true).await;
    let token = tenant.capable(&payroll, challenge.as_ref()).await.unwrap();
    let mut answered = orders.get(&token).await;
    for _ in 0..500 {
        if answered.0 == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        answered = orders.get(&token).await;
    }
    assert_eq!(answered.0, 200);
    assert_eq!(orders.get(&plain).await.0, 401);

    // Its secret removed: a token of another one is good.
    let removed = payroll.key_id.clone();
    tenant.add_secret(&mut payroll).await;
    let path = format!("/applications/{}/removePassword", payroll.id);
    tenant.call(Method::POST, &path, &json!({"keyId": removed})).await;
    let (status, challenge) = orders.refused(&token).await;
    assert_eq!(status, 401);
    let token = tenant.capable(&payroll, challenge.as_ref()).await.unwrap();
    assert_eq!(orders.get(&token).await.0, 200);

    // Another guard for the same application takes its stream, and knows nothing of before.
    drop(guard);
    drop(orders);
    let silence = Duration::from_secs(20);
    let guard = tenant.guard(&api, silence).await;
    let orders = Api::behind(&guard).await;
    let (status, challenge) = orders.get(&token).await;
    assert_eq!(status, 401);
    let token = tenant.capable(&payroll, challenge.as_ref()).await.unwrap();
    assert_eq!(orders.get(&token).await.0, 200);

    // The server is down: what is known is known, for a while.
    let (id, secret) = (payroll.app_id.clone(), payroll.secret.clone());
    let plain = tenant.token(&id, &secret, API, None).await.unwrap();
    drop(tenant);
    drop(server);
    assert_eq!(orders.get(&token).await.0, 200);
    assert_eq!(orders.get(&plain).await.0, 200);
    let deadline = std::time::Instant::now() + Duration::from_mins(2);
    while !guard.health().is_deaf && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(guard.health().silence > silence && guard.health().fault.is_some());
    assert_eq!(orders.get(&token).await, (503, None));
    assert_eq!(orders.get(&plain).await.0, 200);
}
