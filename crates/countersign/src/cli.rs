//! What a user can say on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use countersign_detection::budget::Budget;
use countersign_model::risk::RiskLevel;
use countersign_model::time::Timestamp;

/// Open, self-hosted risk protection for workload identities
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find the risky service principals in exported logs, and say why
    Analyze(Box<Analyze>),
    /// Make the logs of a synthetic tenant, with attacks and a truth file
    Simulate(Simulate),
    /// Measure how good the detections are, on simulated tenants or on logs with injected attacks
    Evaluate(Evaluate),
    /// Make the data folder of a server: a tenant, its keys, an administrator
    Init(Init),
    /// Run the server: tokens, directory, risk, over HTTPS
    Serve(Serve),
    /// Create, list and change the tenants of a server
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Conditional Access: which workload identities get no token, and what would happen if
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Passwords and authenticators of the people who sign in to a server
    #[command(subcommand)]
    User(UserCommand),
    /// Identities of workloads on the server's own machine
    #[command(subcommand)]
    ManagedIdentity(ManagedIdentityCommand),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyCommon {
    #[command(flatten)]
    pub(crate) data: DataArguments,

    /// Id or domain of the tenant, when there are several
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,

    /// Print what Graph's API answers instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  countersign policy list --data data
  countersign policy create --data data --name 'Block high risk' --include all --risk high
  countersign policy what-if --data data --principal APPID --risk high --ip 203.0.113.10
  countersign policy enable --data data ID

A server that runs knows of a new policy within seconds.")]
pub(crate) enum PolicyCommand {
    /// List the policies of a tenant
    #[command(after_help = "\
Examples:
  countersign policy list --data data
  countersign policy list --data data --json | jq '.[] | select(.state == \"enabled\")'")]
    List {
        #[command(flatten)]
        common: PolicyCommon,
    },
    /// Make a policy; it only reports, unless told otherwise
    #[command(after_help = "\
Examples:
  countersign policy create --data data --name 'Block high risk' --include all --risk high
  countersign policy create --data data --name 'Only from here' --state enabled --include all \\
      --exclude APPID --location all --exclude-location all-trusted
  countersign policy create --data data --file policy.json

A PRINCIPAL is the object id of a service principal or its appId, a LOCATION the id or the name of a
named location. A new policy is report-only: it blocks nobody, and each sign-in says what it would do.

Exit status: 0 done, 2 nothing was made.")]
    Create {
        #[command(flatten)]
        common: PolicyCommon,
        #[command(flatten)]
        settings: Box<PolicySettings>,
    },
    /// Put a policy into force: it blocks from now on
    #[command(after_help = "\
Examples:
  countersign policy enable --data data ID
  countersign policy enable --data data ID --json

Exit status: 0 done, 2 nothing was changed.")]
    Enable {
        #[command(flatten)]
        common: PolicyCommon,
        /// Id of the policy, as `countersign policy list` shows it
        id: String,
    },
    /// Take a policy out of force: it does nothing from now on
    #[command(after_help = "\
Examples:
  countersign policy disable --data data ID
  countersign policy disable --data data ID --json

It needs no token, so it also helps when a policy blocks the workload that administers the tenant.
A tenant without the premium plan can only delete its policies.

Exit status: 0 done, 2 nothing was changed.")]
    Disable {
        #[command(flatten)]
        common: PolicyCommon,
        /// Id of the policy, as `countersign policy list` shows it
        id: String,
    },
    /// Delete a policy; Graph's API can restore it for 30 days
    #[command(after_help = "\
Examples:
  countersign policy delete --data data ID
  countersign policy delete --data data ID --json > policy.json

With --json the policy is printed as it was.

Exit status: 0 done, 2 nothing was deleted.")]
    Delete {
        #[command(flatten)]
        common: PolicyCommon,
        /// Id of the policy, as `countersign policy list` shows it
        id: String,
    },
    /// Ask which policies would apply to a sign-in, and why the others would not
    #[command(after_help = "\
Examples:
  countersign policy what-if --data data --principal APPID --risk high
  countersign policy what-if --data data --principal APPID --ip 203.0.113.10 --applied-only --json

What is not said is not made up: a policy that depends on it does not apply, and says so.
The last line says `allowed` or `blocked by` and the policies; the status is 0 in both cases.")]
    WhatIf {
        #[command(flatten)]
        common: PolicyCommon,
        /// Who: object id of the service principal, or appId
        #[arg(long, value_name = "PRINCIPAL")]
        principal: String,
        /// For which resource; Microsoft Graph unless told otherwise
        #[arg(long, value_name = "APPID")]
        resource: Option<String>,
        /// From which address
        #[arg(long, value_name = "ADDRESS")]
        ip: Option<String>,
        /// From which country, in two letters; found by the address unless told otherwise
        #[arg(long, value_name = "CODE")]
        country: Option<String>,
        /// At which risk
        #[arg(long, value_name = "LEVEL")]
        risk: Option<PolicyRisk>,
        /// Only the policies that apply
        #[arg(long)]
        applied_only: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PolicySettings {
    /// A policy as Graph's API takes it; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "name", "state", "include", "exclude", "include_filter", "exclude_filter", "scope", "resource",
        "exclude_resource", "risk", "location", "exclude_location",
    ])]
    pub(crate) file: Option<PathBuf>,

    /// How it is called
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    pub(crate) name: Option<String>,

    /// Whether it blocks
    #[arg(long, value_name = "STATE", default_value = "report-only")]
    pub(crate) state: PolicyState,

    /// Whom it is about; several times for several, `all` for everybody
    #[arg(long, value_name = "PRINCIPAL|all")]
    pub(crate) include: Vec<String>,

    /// Whom it is not about
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) exclude: Vec<String>,

    /// Rule over custom security attributes: it is about whoever matches, too
    #[arg(long, value_name = "RULE", conflicts_with = "exclude_filter")]
    pub(crate) include_filter: Option<String>,

    /// Rule over custom security attributes: it is not about whoever matches
    #[arg(long, value_name = "RULE")]
    pub(crate) exclude_filter: Option<String>,

    /// Whom beyond applications of this tenant alone it may be about
    #[arg(long, value_name = "KIND")]
    pub(crate) scope: Vec<PolicyScope>,

    /// For which resource; all unless told otherwise
    #[arg(long, value_name = "APPID|all")]
    pub(crate) resource: Vec<String>,

    /// For which resource not
    #[arg(long, value_name = "APPID")]
    pub(crate) exclude_resource: Vec<String>,

    /// At which risk, separated by commas; at any unless told otherwise
    #[arg(long, value_name = "LEVEL", value_delimiter = ',')]
    pub(crate) risk: Vec<PolicyRisk>,

    /// From where; from everywhere unless told otherwise
    #[arg(long, value_name = "LOCATION|all|all-trusted")]
    pub(crate) location: Vec<String>,

    /// From where not; needs --location
    #[arg(long, value_name = "LOCATION|all-trusted")]
    pub(crate) exclude_location: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyState {
    /// It blocks nobody, and sign-ins say what it would do
    ReportOnly,
    /// It blocks
    Enabled,
    /// It does nothing
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyScope {
    /// Applications for several tenants, or of another one
    MultiTenant,
    /// Managed identities
    ManagedIdentity,
}

impl PolicyScope {
    /// Our word in a policy.
    pub(crate) fn as_graph(self) -> &'static str {
        match self {
            PolicyScope::MultiTenant => "multiTenantApplications",
            PolicyScope::ManagedIdentity => "managedIdentities",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyRisk {
    None,
    Low,
    Medium,
    High,
}

impl PolicyRisk {
    /// Graph's word.
    pub(crate) fn as_graph(self) -> &'static str {
        match self {
            PolicyRisk::None => "none",
            PolicyRisk::Low => "low",
            PolicyRisk::Medium => "medium",
            PolicyRisk::High => "high",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Account {
    #[command(flatten)]
    pub(crate) data: DataArguments,

    /// Id or domain of the tenant, when there are several
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,

    /// User principal name
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Give a user an authenticator, and print its secret for the app
    Totp {
        #[command(flatten)]
        account: Account,
        /// Take it away instead
        #[arg(long)]
        remove: bool,
    },
    /// Give a user a new password, and print it
    Password {
        #[command(flatten)]
        account: Account,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManagedIdentityCommand {
    /// Make a managed identity
    Create {
        #[command(flatten)]
        data: DataArguments,
        /// Id or domain of the tenant, when there are several
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// Display name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign init --data data
  countersign init --data data --tenant-name Contoso --json | jq -r .adminApp.clientSecret
  countersign init --data data --database postgres://countersign@localhost/countersign

Prints the administrator's password and the client secret of an application with every
permission, once. A folder or a database that is in use already is left as it is.

Exit status: 0 done, 2 nothing was made.")]
pub(crate) struct Init {
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,

    #[command(flatten)]
    pub(crate) tenant: TenantArguments,

    /// PostgreSQL database to use instead of a file in the folder
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<String>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TenantArguments {
    /// Name of the tenant
    #[arg(long = "tenant-name", alias = "name", value_name = "NAME", default_value = "Countersign")]
    pub(crate) tenant_name: String,

    /// Domain of the tenant; made from the name when it is left out
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) tenant_domain: Option<String>,

    /// Id of the tenant, when it must be that of an Entra tenant whose logs are analysed
    #[arg(long, value_name = "GUID")]
    pub(crate) tenant_id: Option<String>,

    /// Algorithm that tokens are signed with
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    pub(crate) signing_algorithm: SigningAlgorithm,
}

/// Algorithms that tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SigningAlgorithm {
    /// RSA 2048: what Entra's clients and APIs expect
    #[value(name = "RS256")]
    Rs256,
    /// P-256: many times faster to sign
    #[value(name = "ES256")]
    Es256,
}

impl SigningAlgorithm {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SigningAlgorithm::Rs256 => "RS256",
            SigningAlgorithm::Es256 => "ES256",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign serve --data data
  countersign serve --data data --listen 0.0.0.0:8443 --config countersign.toml
  COUNTERSIGN_NAMES=id.example.com countersign serve --data data

Prints one line when it is ready. SIGTERM ends it: requests that are under way are answered
first. Without a certificate of yours it uses one of the authority in the data folder; clients
must trust DIR/ca.pem. All settings are in docs/configuration.md.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) data: DataArguments,

    /// Address and port to listen on [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,

    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    /// Data folder that `countersign init` made
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,

    /// PostgreSQL database to use instead of the file in the folder
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Make another tenant, with an administrator of its own
    Create {
        #[command(flatten)]
        data: DataArguments,
        #[command(flatten)]
        tenant: TenantArguments,
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// List the tenants
    List {
        #[command(flatten)]
        data: DataArguments,
        /// Print one JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Change plan or signing algorithm of a tenant
    Update {
        #[command(flatten)]
        data: DataArguments,
        /// Id or domain of the tenant
        #[arg(long, value_name = "TENANT")]
        tenant: String,
        /// How much of a finding is shown
        #[arg(long, value_name = "PLAN")]
        plan: Option<PlanName>,
        /// Length of a trial
        #[arg(long, value_name = "D", default_value = "90")]
        trial_days: u16,
        /// Algorithm that tokens are signed with
        #[arg(long, value_name = "ALG")]
        signing_algorithm: Option<SigningAlgorithm>,
    },
}

/// Plans of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanName {
    /// That there is a finding
    Free,
    /// Everything, for a time
    Trial,
    /// Everything
    Premium,
}

impl PlanName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            PlanName::Free => "free",
            PlanName::Trial => "trial",
            PlanName::Premium => "premium",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign analyze examples/
  countersign analyze --report report.html 'insights-logs-*/**/PT1H.json'
  zcat exports/*.gz | countersign analyze --json - | jq '.riskyServicePrincipals[].displayName'
  countersign analyze --threat-intel tor-exits.txt --detections out.ndjson --fail-on high logs/

Reads sign-ins of service principals and managed identities, directory audits and Graph activity,
from Azure Monitor (storage, Event Hubs), Microsoft Graph, Log Analytics and the unified audit
log: JSON in any container, CSV, gzip, zstd.

Exit status: 0 done, 1 a finding reached --fail-on, 2 the input cannot be used, 130 interrupted.")]
pub(crate) struct Analyze {
    /// Files, folders (searched through), patterns, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,

    /// Write each detection as a Graph servicePrincipalRiskDetection, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) detections: Option<PathBuf>,

    /// Write one self-contained HTML report
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Write CSV tables into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) csv: Option<PathBuf>,

    /// Indicators to match: lists, CSV, STIX 2, MISP, OTX (may be given more than once)
    #[arg(long, value_name = "FILE")]
    pub(crate) threat_intel: Vec<PathBuf>,

    /// Objects of the directory: applications and service principals as Graph gives them (may be given more than once)
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Vec<PathBuf>,

    /// List of applications known to be abused, as JSON with `appId` (may be given more than once)
    #[arg(long, value_name = "FILE")]
    pub(crate) rogue_apps: Vec<PathBuf>,

    /// Known attack patterns: Sigma rules, a file or a folder of them (may be given more than once)
    #[arg(long, value_name = "PATH")]
    pub(crate) sigma: Vec<PathBuf>,

    /// MaxMind or IPinfo database to ask before the built-in address table (may be given more than once)
    #[arg(long, value_name = "FILE")]
    pub(crate) mmdb: Vec<PathBuf>,

    /// False alarms to accept, in findings per 1,000 identities and day
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_budget)]
    pub(crate) budget: Budget,

    /// Report only what went on at or after this time; earlier events are still learnt from
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Timestamp>,

    /// Leave out events after this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Timestamp>,

    /// Report only this service principal: its object id, application id or name
    #[arg(long, value_name = "ID")]
    pub(crate) principal: Option<String>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Treat a record that cannot be read as an error
    #[arg(long)]
    pub(crate) strict: bool,

    /// Exit with status 1 when there is a finding of this level or above
    #[arg(long, value_name = "LEVEL")]
    pub(crate) fail_on: Option<Level>,

    /// Memory for sorting events, in MB; beyond it, sorted events go to disk
    #[arg(long, value_name = "MB", default_value = "1024")]
    pub(crate) memory: usize,

    /// Folder for sorted events that do not fit into memory
    #[arg(long, value_name = "DIR")]
    pub(crate) temp_dir: Option<PathBuf>,

    /// Put what is found into the data folder of a server, for its console and API
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign simulate --out tenant --principals 200 --days 60 --seed 7
  countersign simulate --out quiet --attacks none && countersign analyze quiet
  countersign simulate --inject logs/ --out drill --attacks 0.02 && countersign analyze drill

The folder gets the logs in Azure Storage's layout and truth.ndjson, which names every attack and
every harmless episode that looks like one. With --inject it gets a copy of your logs, unchanged,
attacks on your own identities in the folder injected, and truth.ndjson, which names them.")]
pub(crate) struct Simulate {
    /// Folder to write to; made if it does not exist, and must be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Workload identities
    #[arg(long, value_name = "N", default_value = "200")]
    pub(crate) principals: u32,

    /// Days of logs
    #[arg(long, value_name = "D", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,

    /// Seed: the same gives the same bytes
    #[arg(long, value_name = "S", default_value = "1")]
    pub(crate) seed: u64,

    /// Share of identities that are attacked, 0 to 1, or none
    #[arg(long, value_name = "SHARE", default_value = "0.06", value_parser = parse_share)]
    pub(crate) attacks: f64,

    /// Put attacks onto the identities of these logs, a file or folder, instead of making a tenant
    #[arg(long, value_name = "LOGS", conflicts_with_all = ["principals", "days", "sign_ins", "calls", "layout"])]
    pub(crate) inject: Option<PathBuf>,

    /// Calls of directory APIs, as a factor of what is usual; 0 for none
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    pub(crate) calls: f64,

    /// Sign-ins per identity and day, instead of each one's own habit
    #[arg(long, value_name = "N")]
    pub(crate) sign_ins: Option<f64>,

    /// How files are laid out
    #[arg(long, value_enum, default_value = "storage")]
    pub(crate) layout: Layout,

    /// Compress the files with gzip
    #[arg(long)]
    pub(crate) gzip: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign evaluate --seeds 1..5
  countersign evaluate --seeds 101..120 --json > quality.json
  countersign evaluate --logs injected --report quality.html

Prints recall at 0.1, 0.5, 1 and 5 false alarms per 1,000 identities and day, beside the rules that
people use today, the worst family, look-alikes that call somebody, and the calibration of evidence.")]
pub(crate) struct Evaluate {
    /// Seeds of simulated tenants: one, or a range with both ends
    #[arg(long, value_name = "FROM..TO", default_value = "1..3", value_parser = parse_seeds)]
    pub(crate) seeds: std::ops::RangeInclusive<u64>,

    /// Workload identities in each
    #[arg(long, value_name = "N", default_value = "200")]
    pub(crate) principals: u32,

    /// Days of logs
    #[arg(long, value_name = "D", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,

    /// Share of identities that are attacked, 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.06", value_parser = parse_share)]
    pub(crate) attacks: f64,

    /// Evaluate on these logs instead: a folder that `simulate --inject` wrote
    #[arg(long, value_name = "DIR", conflicts_with = "seeds")]
    pub(crate) logs: Option<String>,

    /// What is an attack in them; truth.ndjson in their folder when it is not said
    #[arg(long, value_name = "FILE", requires = "logs")]
    pub(crate) truth: Option<PathBuf>,

    /// False alarms to accept, in findings per 1,000 identities and day
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_budget)]
    pub(crate) budget: Budget,

    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,

    /// Write one self-contained HTML page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// How a simulated tenant is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// Azure Storage: one blob per category and hour
    Storage,
    /// One file per category and day
    Daily,
    /// One file per category
    Single,
}

/// A risk level that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Low,
    Medium,
    High,
}

impl From<Level> for RiskLevel {
    fn from(level: Level) -> RiskLevel {
        match level {
            Level::Low => RiskLevel::Low,
            Level::Medium => RiskLevel::Medium,
            Level::High => RiskLevel::High,
        }
    }
}

fn parse_budget(text: &str) -> Result<Budget, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Budget::new(number).ok_or_else(|| "must be more than 0 and at most 1000".to_owned())
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    countersign_logs::parse_time(text)
        .ok_or_else(|| "not a time: write 2026-05-02 or 2026-05-02T13:00:00Z".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    if text == "none" {
        return Ok(0.0);
    }
    let share: f64 =
        text.parse().map_err(|_| "not a number: write a share such as 0.06, or none".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("must be between 0 and 1".to_owned()) }
}

/// Reads a range of seeds: `7`, or `1..20` with both ends.
fn parse_seeds(text: &str) -> Result<std::ops::RangeInclusive<u64>, String> {
    let number =
        |text: &str| text.trim_start_matches('=').parse::<u64>().map_err(|_| "write 7 or 1..20".to_owned());
    let range = match text.split_once("..") {
        Some((from, to)) => number(from)?..=number(to)?,
        None => number(text)?..=number(text)?,
    };
    if range.is_empty() { Err("the first seed is after the last".to_owned()) } else { Ok(range) }
}
