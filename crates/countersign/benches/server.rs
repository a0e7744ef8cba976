//! How fast the server is: tokens per CPU-second beside the raw rate of the crypto library and beside another token server
//! under the same load, and the time of a page out of a million risky service principals.
//!
//! `cargo bench -p countersign --bench server` starts the real binary. What it takes is read from the kernel's account of the
//! process, so that the load generator does not count. PostgreSQL is measured where `COUNTERSIGN_TEST_DATABASE` names a
//! server; the comparison is made where node is installed.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_model::time::{DAY, Timestamp};
use countersign_token::keys::{Algorithm, SigningKey};
use serde_json::Value;
use tempfile::TempDir;

mod running;

use running::{Outcome, Server, Times, client, init, serve};

/// Connections of the load, each with one request at a time.
const CONNECTIONS: usize = 256;
/// How long each load lasts.
const LOAD: Duration = Duration::from_secs(8);
/// Rows of the big list.
const ROWS: i64 = 1_000_000;
/// Pages asked for.
const PAGES: usize = 400;

/// CPU time of a process so far, with its threads.
fn cpu_of(pid: u32) -> Outcome<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// What a load did to a server.
struct Load {
    answers: u64,
    cpu: Duration,
    wall: Duration,
}

impl Load {
    fn per_cpu_second(&self) -> f64 {
        self.answers as f64 / self.cpu.as_secs_f64()
    }
}

/// Posts the same form over and over on every connection.
async fn load(server: &Server, authority: &Path, path: &str, form: &str) -> Outcome<Load> {
    let url = format!("{}{path}", server.base);
    let pid = server.child.id();
    let mut tasks = Vec::new();
    let (start, cpu) = (Instant::now(), cpu_of(pid)?);
    for _ in 0..CONNECTIONS {
        let (client, url, form) = (client(authority)?, url.clone(), form.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut answers = 0;
            while start.elapsed() < LOAD {
                let request = client.post(&url).header("content-type", "application/x-www-form-urlencoded");
                let answer = request.body(form.clone()).send().await.expect("an answer");
                assert!(answer.status().is_success(), "{}", answer.status());
                answer.bytes().await.expect("a body");
                answers += 1;
            }
            answers
        }));
    }
    let mut answers = 0;
    for task in tasks {
        answers += task.await?;
    }
    Ok(Load { answers, cpu: cpu_of(pid)?.checked_sub(cpu).unwrap(), wall: start.elapsed() })
}

/// Signatures per CPU-second, with nothing around them. On all cores at once, as under the load: cores that are two threads
/// of one are slower together, and a rate of an otherwise idle machine would be another machine's.
fn raw_rate(algorithm: Algorithm) -> Outcome<f64> {
    let (from, until) = (Timestamp(0), Timestamp(40_000 * DAY));
    let (key, _) = SigningKey::generate(algorithm, "bench", from, until)?;
    let message = [b'x'; 900];
    let cores = std::thread::available_parallelism()?.get();
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let (start, cpu) = (Instant::now(), cpu_of(std::process::id())?);
        let signed: u32 = std::thread::scope(|scope| {
            let sign = || {
                let mut count = 0;
                while start.elapsed() < Duration::from_secs(1) {
                    std::hint::black_box(key.sign_bytes(&message).expect("a signature"));
                    count += 1;
                }
                count
            };
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(sign)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a count")).sum()
        });
        let spent = cpu_of(std::process::id())?.checked_sub(cpu).ok_or("time went backwards")?;
        best = best.max(f64::from(signed) / spent.as_secs_f64());
    }
    Ok(best)
}

async fn tokens() -> Outcome<()> {
    println!("\nTokens by client secret over TLS, {CONNECTIONS} connections, sign-in record durable");
    println!(
        "{:<8} {:>12} {:>14} {:>9} {:>16} {:>9}",
        "", "raw/s", "tokens/CPU-s", "ratio", "oidc-provider", "times"
    );
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let raw = raw_rate(algorithm)?;
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        let created = init(&data, algorithm.name(), None)?;
        let server = serve(&data, None, "")?;
        let authority = data.join("ca.pem");
        let text =
            |pointer: &str| created.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
            text("/adminApp/clientId"),
            text("/adminApp/clientSecret")
        );
        let path = format!("/{}/oauth2/v2.0/token", text("/tenantId"));
        let ours = load(&server, &authority, &path, &form).await?;
        drop(server);
        let ratio = ours.per_cpu_second() / raw;
        let other = oidc_provider(algorithm).await?;
        let (theirs, times) = match other {
            Some(theirs) => {
                let rate = theirs.per_cpu_second();
                (format!("{rate:.0}"), format!("{:.1}", ours.per_cpu_second() / rate))
            }
            None => ("no node".to_owned(), String::new()),
        };
        println!(
            "{:<8} {raw:>12.0} {:>14.0} {ratio:>9.2} {theirs:>16} {times:>9}   ({:.0}/s on the clock)",
            algorithm.name(),
            ours.per_cpu_second(),
            ours.answers as f64 / ours.wall.as_secs_f64(),
        );
    }
    Ok(())
}

/// The same load on node's `oidc-provider`, which keeps nothing.
async fn oidc_provider(algorithm: Algorithm) -> Outcome<Option<Load>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/oidc-provider");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider");
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "server.mjs"] {
        std::fs::copy(source.join(file), folder.join(file))?;
    }
    if !folder.join("node_modules").exists() {
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder);
        if !install.status().is_ok_and(|status| status.success()) {
            return Ok(None);
        }
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let mut command = Command::new("node");
    command.arg("server.mjs").arg(algorithm.name()).args([&certificate, &key]).current_dir(&folder);
    let server = Server::start(&mut command, |line| Some(format!("https://localhost:{}", line.trim())))?;
    let form = "grant_type=client_credentials&client_id=bench&client_secret=bench-secret";
    load(&server, &certificate, "/token", form).await.map(Some)
}

/// Rows as the server would have made them, by the database itself: a million requests would take too long.
fn seed(is_postgres: bool) -> [String; 2] {
    let (series, id, time) = if is_postgres {
        (
            format!("generate_series(cast(1 as bigint), {ROWS}) as n(i)"),
            "lpad(to_hex((i * 2654435761) % 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(i), 12, '0')",
            "to_char(to_timestamp(1780000000 + i) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        )
    } else {
        (
            format!(
                "(with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS}) select i from n)"
            ),
            "printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i)",
            "strftime('%Y-%m-%dT%H:%M:%SZ', 1780000000 + i, 'unixepoch')",
        )
    };
    let level = "case when i % 50 = 0 then 'high' when i % 10 = 0 then 'medium' else 'low' end";
    let risky = format!(
        "insert into risky_service_principal (tenant_id, id, version, app_id, display_name, risk_level, risk_state, \
         risk_last_updated_us, body) select $1, id, 1, id, 'principal', level, 'atrisk', us, \
         '{{\"id\":\"' || id || '\",\"appId\":\"' || id || '\",\"displayName\":\"Principal\",\"isEnabled\":true,\
         \"isProcessing\":false,\"riskDetail\":\"none\",\"riskLastUpdatedDateTime\":\"' || time || '\",\
         \"riskLevel\":\"' || level || '\",\"riskState\":\"atRisk\",\"servicePrincipalType\":\"Application\"}}' \
         from (select {id} as id, {level} as level, (1780000000 + i) * 1000000 as us, {time} as time from {series}) as rows"
    );
    let principals = format!(
        "insert into service_principal (tenant_id, id, version, app_id, display_name, service_principal_type, \
         account_enabled, body) select $1, id, 1, id, 'principal', 'application', true, \
         '{{\"id\":\"' || id || '\",\"appId\":\"' || id || '\",\"displayName\":\"Principal\",\"accountEnabled\":true,\
         \"servicePrincipalType\":\"Application\",\"appRoles\":[],\"tags\":[]}}' \
         from (select i, {id} as id from {series}) as rows"
    );
    [risky, principals]
}

async fn fill(data: &Path, database: Option<&str>, tenant_id: &str) -> Outcome<()> {
    for statement in seed(database.is_some()) {
        let statement = sqlx::AssertSqlSafe(statement);
        if let Some(url) = database {
            let pool = sqlx::PgPool::connect(url).await?;
            sqlx::query(statement).bind(tenant_id).execute(&pool).await?;
            sqlx::query("analyze").execute(&pool).await?;
            pool.close().await;
        } else {
            let file = format!("sqlite://{}", data.join("countersign.db").display());
            let pool = sqlx::SqlitePool::connect(&file).await?;
            sqlx::query(statement).bind(tenant_id).execute(&pool).await?;
            pool.close().await;
        }
    }
    Ok(())
}

async fn times_of(client: &reqwest::Client, token: &str, first: &str) -> Outcome<Times> {
    let mut times = Vec::new();
    let mut url = first.to_owned();
    for _ in 0..PAGES {
        let start = Instant::now();
        let answer = client.get(&url).bearer_auth(token).send().await?.error_for_status()?;
        let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(body["value"].as_array().is_some_and(|value| !value.is_empty()), "{body}");
        // The pages of the whole list, one after the other; at its end from the beginning.
        body["@odata.nextLink"].as_str().unwrap_or(first).clone_into(&mut url);
    }
    Ok(Times::new(times))
}

async fn big_lists() -> Outcome<()> {
    println!(
        "\nPages of 100 out of {ROWS} risky service principals, {PAGES} pages each, milliseconds with TLS"
    );
    println!("{:<11} {:<58} {:>7} {:>7} {:>7}", "", "filter", "p50", "p99", "max");
    let server = std::env::var("COUNTERSIGN_TEST_DATABASE").ok();
    let mut databases: Vec<Option<String>> = vec![None];
    match &server {
        Some(server) => {
            let pool = sqlx::PgPool::connect(server).await?;
            sqlx::query("drop database if exists countersign_bench with (force)").execute(&pool).await?;
            sqlx::query("create database countersign_bench").execute(&pool).await?;
            let (base, _) = server.rsplit_once('/').ok_or("no database in the address")?;
            databases.push(Some(format!("{base}/countersign_bench")));
        }
        None => println!("PostgreSQL: not measured, COUNTERSIGN_TEST_DATABASE is not set"),
    }
    for database in databases {
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        let created = init(&data, "RS256", database.as_deref())?;
        let text =
            |pointer: &str| created.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        fill(&data, database.as_deref(), &text("/tenantId")).await?;
        let name = if database.is_some() { "PostgreSQL" } else { "SQLite" };
        let start = Instant::now();
        let server = serve(&data, database.as_deref(), "")?;
        let started = start.elapsed();
        let client = client(&data.join("ca.pem"))?;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
            text("/adminApp/clientId"),
            text("/adminApp/clientSecret")
        );
        let url = format!("{}/{}/oauth2/v2.0/token", server.base, text("/tenantId"));
        let request = client.post(&url).header("content-type", "application/x-www-form-urlencoded");
        let answer: Value = serde_json::from_slice(&request.body(form).send().await?.bytes().await?)?;
        let token = answer["access_token"].as_str().ok_or("no token")?;
        let first_token = start.elapsed();
        for filter in [
            "",
            "&$filter=riskLevel eq 'high'",
            "&$filter=riskState eq 'atRisk' and riskLevel eq 'medium'",
            "&$filter=riskLastUpdatedDateTime ge 2026-06-01T00:00:00Z&$orderby=riskLastUpdatedDateTime desc",
        ] {
            let list =
                format!("{}/v1.0/identityProtection/riskyServicePrincipals?$top=100{filter}", server.base);
            let times = times_of(&client, token, &list).await?;
            println!(
                "{name:<11} {:<58} {:>7.1} {:>7.1} {:>7.1}",
                filter.trim_start_matches('&').chars().take(58).collect::<String>(),
                times.quantile(0.5),
                times.quantile(0.99),
                times.quantile(1.0)
            );
        }
        println!(
            "{name:<11} start with {ROWS} service principals: ready after {:.2} s, first token after {:.2} s",
            started.as_secs_f64(),
            first_token.as_secs_f64()
        );
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // `cargo test --benches` builds it and runs nothing.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wants = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        if wants("tokens") {
            tokens().await?;
        }
        if wants("lists") {
            big_lists().await?;
        }
        Ok(())
    })
}
