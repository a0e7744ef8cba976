//! How soon a revoked token is refused, and what forward authentication costs: `cargo bench -p countersign --bench revocation`.
//!
//! The real binary with ten thousand live tokens. Of each revocation the time is measured from the moment it is asked for until
//! the token is refused by our Graph API and behind nginx, and until the event is in the hands of a receiver that is pushed to
//! and of one that polls, each with a connection of its own. nginx is measured where it is installed.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

mod running;

use running::{Outcome, Times, client, init, serve};

/// Workloads, each with as many live tokens.
const WORKLOADS: usize = 100;
const TOKENS_OF_EACH: usize = 100;
/// Workloads that are revoked, one after the other.
const REVOCATIONS: usize = WORKLOADS;
/// How long forward authentication is asked, over so many connections, with so many requests a second.
const LOAD: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 16;
const RATES: [u32; 4] = [500, 1_000, 2_000, 4_000];
const API: &str = "api://orders";

/// A tenant with everything allowed.
struct Tenant {
    http: reqwest::Client,
    base: String,
    id: String,
    admin: (String, String),
    bearer: String,
}

impl Tenant {
    async fn token(&self, (id, secret): &(String, String), more: &[(&str, &str)]) -> Outcome<String> {
        let url = format!("{}/{}/oauth2/v2.0/token", self.base, self.id);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
        ]);
        form.extend_pairs(more);
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        let body = request.body(form.finish()).send().await?.error_for_status()?.bytes().await?;
        let answer: Value = serde_json::from_slice(&body)?;
        Ok(answer["access_token"].as_str().ok_or("no token")?.to_owned())
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: &Value) -> Outcome<Value> {
        let url = format!("{}{path}", self.base);
        let request = self.http.request(method, url).bearer_auth(&self.bearer);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if !status.is_success() {
            return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
    }

    /// An application with a secret: app id, secret, id of the service principal.
    async fn workload(&self, properties: &Value) -> Outcome<(String, String, String)> {
        let post = reqwest::Method::POST;
        let application = self.call(post.clone(), "/v1.0/applications", properties).await?;
        let (id, app_id) = (text(&application, "id"), text(&application, "appId"));
        let principal =
            self.call(post.clone(), "/v1.0/servicePrincipals", &json!({ "appId": app_id })).await?;
        let secret = self.call(post, &format!("/v1.0/applications/{id}/addPassword"), &json!({})).await?;
        Ok((app_id, text(&secret, "secretText"), text(&principal, "id")))
    }

    /// A client that may have a stream, and the stream.
    async fn stream(&self, delivery: &Value) -> Outcome<(String, Value)> {
        let (id, secret, principal) =
            self.workload(&json!({ "displayName": "receiver", "signInAudience": "AzureADMyOrg" })).await?;
        let get = reqwest::Method::GET;
        let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
        let graph = self.call(get, graph, &Value::Null).await?;
        let role = graph["appRoles"].as_array().into_iter().flatten();
        let role =
            role.clone().find(|role| role["value"] == "SharedSignals.ReadWrite.All").ok_or("no such role")?;
        let grant = json!({ "principalId": principal, "resourceId": graph["id"], "appRoleId": role["id"] });
        let path = format!("/v1.0/servicePrincipals/{principal}/appRoleAssignments");
        self.call(reqwest::Method::POST, &path, &grant).await?;
        let bearer = self.token(&(id, secret), &[("scope", "https://graph.microsoft.com/.default")]).await?;
        let request =
            self.http.post(format!("{}/{}/signals/streams", self.base, self.id)).bearer_auth(&bearer);
        let wanted = json!({
            "events_requested": ["https://schemas.openid.net/secevent/caep/event-type/session-revoked"],
            "delivery": delivery,
        });
        let request = request.header("content-type", "application/json").body(wanted.to_string());
        let body = request.send().await?.error_for_status()?.bytes().await?;
        Ok((bearer, serde_json::from_slice(&body)?))
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The service principal that an event is about.
fn principal_of(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["sub_id"]["application"]["sub"].as_str()?.to_owned())
}

type Arrivals = UnboundedReceiver<(String, Instant)>;

/// A receiver that is pushed to; its address and what arrives.
fn receiver(folder: &Path) -> Outcome<(String, Arrivals)> {
    let (sender, arrivals) = unbounded_channel();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    std::fs::write(folder.join("receiver.pem"), certified.cert.pem())?;
    let key = certified.signing_key.serialize_der();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(
        vec![certified.cert.der().clone()],
        rustls::pki_types::PrivateKeyDer::Pkcs8(key.into()),
    )?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = format!("https://localhost:{}/", listener.local_addr()?.port());
    let service = Router::new().route("/", post(take)).with_state(sender).into_make_service();
    let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    tokio::spawn(axum_server::from_tcp_rustls(listener, config)?.serve(service));
    Ok((address, arrivals))
}

async fn take(State(sender): State<UnboundedSender<(String, Instant)>>, body: Bytes) -> StatusCode {
    let now = Instant::now();
    if let Some(principal) = std::str::from_utf8(&body).ok().and_then(principal_of) {
        let _ = sender.send((principal, now));
    }
    StatusCode::ACCEPTED
}

/// A receiver that polls, again and again.
fn poller(http: reqwest::Client, bearer: String, url: String) -> Arrivals {
    let (sender, arrivals) = unbounded_channel();
    tokio::spawn(async move {
        let mut ack: Vec<String> = Vec::new();
        loop {
            let request = http.post(&url).bearer_auth(&bearer).header("content-type", "application/json");
            // The server ends before this does.
            let Ok(answer) = request.body(json!({ "ack": ack }).to_string()).send().await else { return };
            let body = answer.error_for_status().expect("events").bytes().await.expect("a body");
            let now = Instant::now();
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            let sets = answer["sets"].as_object().cloned().unwrap_or_default();
            for principal in sets.values().filter_map(|token| principal_of(token.as_str()?)) {
                let _ = sender.send((principal, now));
            }
            ack = sets.keys().cloned().collect();
        }
    });
    arrivals
}

/// nginx in front of an API that answers everybody, until it is dropped.
struct Gateway {
    child: Child,
    url: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    /// None where there is no nginx.
    fn start(folder: &Path, server: &str, authority: &Path, question: &str) -> Outcome<Option<Self>> {
        let found = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].map(PathBuf::from);
        let Some(nginx) = found.into_iter().find(|nginx| nginx.exists()) else { return Ok(None) };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let upstream = server.rsplit_once(':').ok_or("no port")?.1;
        let configuration = format!(
            r#"
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    upstream countersign {{ server 127.0.0.1:{upstream}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ auth_request /_check; try_files /nothing =204; }}
        location = /_check {{
            internal;
            proxy_pass https://countersign/access/check?{question};
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Host localhost:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ssl_name localhost; proxy_ssl_server_name on;
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca};
        }}
    }}
}}
"#,
            folder = folder.display(),
            ca = authority.display(),
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let child = Command::new(nginx)
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Some(Self { child, url: format!("http://127.0.0.1:{port}/") }))
    }
}

/// Asks until the token is refused.
async fn refused(http: reqwest::Client, url: String, token: String) -> Outcome<Instant> {
    loop {
        let answer = http.get(&url).bearer_auth(&token).send().await?;
        let (status, now) = (answer.status(), Instant::now());
        answer.bytes().await?;
        if status == StatusCode::UNAUTHORIZED {
            return Ok(now);
        }
        assert!(status.is_success() || status == StatusCode::FORBIDDEN, "{status}");
    }
}

async fn arrived(arrivals: &mut Arrivals, principal: &str) -> Instant {
    loop {
        let (about, at) = arrivals.recv().await.expect("an event");
        if about == principal {
            return at;
        }
    }
}

struct Workload {
    principal: String,
    of_graph: String,
    of_api: String,
}

async fn workloads(tenant: &Tenant) -> Outcome<Vec<Workload>> {
    let capable = json!({ "access_token": { "xms_cc": { "values": ["cp1"] } } }).to_string();
    let mut all = Vec::new();
    for number in 0..WORKLOADS {
        let properties =
            json!({ "displayName": format!("workload {number}"), "signInAudience": "AzureADMyOrg" });
        let (app_id, secret, principal) = tenant.workload(&properties).await?;
        let own = (app_id, secret);
        let (of_graph, of_api) = ("https://graph.microsoft.com/.default", format!("{API}/.default"));
        let mut last = HashMap::new();
        for token in 0..TOKENS_OF_EACH {
            let scope = if token % 2 == 0 { of_graph } else { of_api.as_str() };
            let text = tenant.token(&own, &[("scope", scope), ("claims", &capable)]).await?;
            last.insert(token % 2, text);
        }
        let mut take = |which| last.remove(&which).ok_or("no token");
        all.push(Workload { principal, of_graph: take(0)?, of_api: take(1)? });
    }
    Ok(all)
}

async fn revocations(
    tenant: &Tenant,
    (address, mut pushed): (String, Arrivals),
    gateway: Option<&Gateway>,
    all: &[Workload],
) -> Outcome<()> {
    println!(
        "\nFrom asking for a revocation until it is known, {} live tokens, {REVOCATIONS} revocations, milliseconds",
        WORKLOADS * TOKENS_OF_EACH
    );
    println!("{:<34} {:>7} {:>7} {:>7}", "", "p50", "p99", "max");
    let method = "urn:ietf:rfc:8935";
    tenant.stream(&json!({ "method": method, "endpoint_url": address })).await?;
    let (bearer, stream) = tenant.stream(&Value::Null).await?;
    let url = text(&stream["delivery"], "endpoint_url");
    let mut polled = poller(tenant.http.clone(), bearer, url);
    let names = [
        "answered",
        "refused by our Graph API",
        "refused behind nginx",
        "pushed to a receiver",
        "polled by a receiver",
    ];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for (number, workload) in all.iter().take(REVOCATIONS).enumerate() {
        let graph = format!("{}/v1.0/servicePrincipals?$top=1", tenant.base);
        let at_graph =
            tokio::spawn(refused(tenant.http.clone(), graph, workload.of_graph.clone()).into_send());
        let at_nginx = gateway.map(|gateway| {
            tokio::spawn(
                refused(reqwest::Client::new(), gateway.url.clone(), workload.of_api.clone()).into_send(),
            )
        });
        // Each is served once before.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let asked = Instant::now();
        let ids = json!({ "servicePrincipalIds": [workload.principal] });
        if number % 2 == 0 {
            let path = format!("/v1.0/servicePrincipals/{}", workload.principal);
            tenant.call(reqwest::Method::PATCH, &path, &json!({ "accountEnabled": false })).await?;
        } else {
            let path = "/v1.0/identityProtection/riskyServicePrincipals/confirmCompromised";
            tenant.call(reqwest::Method::POST, path, &ids).await?;
        }
        let mut note = |which: usize, at: Instant| times[which].push((at - asked).as_secs_f64() * 1e3);
        note(0, Instant::now());
        note(1, at_graph.await??);
        if let Some(at_nginx) = at_nginx {
            note(2, at_nginx.await??);
        }
        note(3, arrived(&mut pushed, &workload.principal).await);
        note(4, arrived(&mut polled, &workload.principal).await);
    }
    for (name, times) in names.iter().zip(times) {
        if times.is_empty() {
            println!("{name:<34} not measured: there is no nginx");
            continue;
        }
        let times = Times::new(times);
        println!(
            "{name:<34} {:>7.1} {:>7.1} {:>7.1}",
            times.quantile(0.5),
            times.quantile(0.99),
            times.quantile(1.0)
        );
    }
    Ok(())
}

/// Errors of tasks are texts: boxed ones do not go between threads.
trait IntoSend {
    fn into_send(self) -> impl Future<Output = Result<Instant, String>> + Send;
}

impl<F: Future<Output = Outcome<Instant>>> IntoSend for F
where
    F: Send,
{
    async fn into_send(self) -> Result<Instant, String> {
        self.await.map_err(|error| error.to_string())
    }
}

async fn forward_authentication(tenant: &Tenant, authority: &Path, all: &[Workload]) -> Outcome<()> {
    println!(
        "\nForward authentication over {CONNECTIONS} connections with TLS, another of {} tokens each time, milliseconds",
        all.len()
    );
    println!("{:<34} {:>7} {:>7} {:>7} {:>9}", "requests a second", "p50", "p99", "max", "answered");
    let url = format!("{}/access/check?tenant={}&audience={API}", tenant.base, tenant.id);
    let tokens: Arc<Vec<String>> = Arc::new(all.iter().map(|workload| workload.of_api.clone()).collect());
    for rate in RATES {
        let begun = Instant::now() + Duration::from_millis(200);
        let pause = Duration::from_secs(1) / rate * CONNECTIONS as u32;
        let mut tasks = Vec::new();
        for connection in 0..CONNECTIONS {
            let (http, url, tokens) = (client(authority)?, url.clone(), Arc::clone(&tokens));
            // The first answer has the connection in it.
            http.get(&url).bearer_auth(&tokens[0]).send().await?.bytes().await?;
            tasks.push(tokio::spawn(async move {
                let mut times = Vec::new();
                let mut due = begun + pause / CONNECTIONS as u32 * connection as u32;
                for token in tokens.iter().cycle().skip(connection * 7) {
                    if due > begun + LOAD {
                        break;
                    }
                    // What has to wait for a slow one is slow, too. The timer's own millisecond is nobody's.
                    let start = if due < Instant::now() {
                        due
                    } else {
                        tokio::time::sleep_until(due.into()).await;
                        Instant::now()
                    };
                    let answer = http.get(&url).bearer_auth(token).send().await.expect("an answer");
                    assert_eq!(answer.status(), StatusCode::OK);
                    answer.bytes().await.expect("a body");
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                    due += pause;
                }
                times
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await?);
        }
        let answered = times.len() as f64 / LOAD.as_secs_f64();
        let times = Times::new(times);
        println!(
            "{rate:<34} {:>7.2} {:>7.2} {:>7.2} {answered:>9.0}",
            times.quantile(0.5),
            times.quantile(0.99),
            times.quantile(1.0)
        );
    }
    Ok(())
}

async fn measure() -> Outcome<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let created = init(&data, "RS256", None)?;
    let ca = folder.path().join("receiver.pem");
    let settings = format!("[outbound]\nallow_private = true\nca = {:?}\n", ca.display().to_string());
    let receiver = receiver(folder.path())?;
    let server = serve(&data, None, &settings)?;
    let authority = data.join("ca.pem");
    let of = |pointer: &str| created.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut tenant = Tenant {
        http: client(&authority)?,
        base: server.base.clone(),
        id: of("/tenantId"),
        admin: (of("/adminApp/clientId"), of("/adminApp/clientSecret")),
        bearer: String::new(),
    };
    let graph = [("scope", "https://graph.microsoft.com/.default")];
    tenant.bearer = tenant.token(&tenant.admin, &graph).await?;
    let api = json!({
        "displayName": "Orders", "signInAudience": "AzureADMyOrg", "identifierUris": [API],
        "optionalClaims": { "accessToken": [{ "name": "xms_cc" }] },
    });
    tenant.workload(&api).await?;
    let all = workloads(&tenant).await?;
    let question = format!("tenant={}&audience={API}", tenant.id);
    let gateway = Gateway::start(folder.path(), &server.base, &authority, &question)?;
    forward_authentication(&tenant, &authority, &all).await?;
    revocations(&tenant, receiver, gateway.as_ref(), &all).await
}

fn main() -> Outcome<()> {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}
