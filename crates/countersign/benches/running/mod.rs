//! The real binary, as benchmarks run it.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// A process that is ended when it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(command: &mut Command, address: impl Fn(&str) -> Option<String>) -> Outcome<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let first = lines.next().ok_or("the server ended before it was ready")??;
        let base = address(&first).ok_or_else(|| format!("`{first}` is no address"))?;
        // Read on, so that the pipe never fills.
        std::thread::spawn(move || for _ in lines {});
        Ok(Self { child, base })
    }
}

pub(crate) fn countersign() -> Command {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
}

pub(crate) fn init(data: &Path, algorithm: &str, database: Option<&str>) -> Outcome<Value> {
    let mut command = countersign();
    command.args(["init", "--json", "--signing-algorithm", algorithm, "--data"]).arg(data);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Serves with `settings` in the configuration.
pub(crate) fn serve(data: &Path, database: Option<&str>, settings: &str) -> Outcome<Server> {
    let mut command = countersign();
    let config = data.join("countersign.toml");
    // One client asks for everything here, which the default limits are there to stop.
    let limits =
        "[limits]\ntoken_per_client_minute = 100000000\ngraph_per_application_ten_seconds = 100000000\n";
    std::fs::write(&config, format!("{limits}{settings}"))?;
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg("--config").arg(config);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    Server::start(&mut command, |line| {
        Some(line.strip_prefix("listening on ")?.replace("127.0.0.1", "localhost"))
    })
}

pub(crate) fn client(authority: &Path) -> Outcome<reqwest::Client> {
    let authority = reqwest::Certificate::from_pem(&std::fs::read(authority)?)?;
    Ok(reqwest::Client::builder().tls_certs_only([authority]).http1_only().build()?)
}

/// Times of requests, in milliseconds, sorted.
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    pub(crate) fn quantile(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part).round() as usize]
    }
}
