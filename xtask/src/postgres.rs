//! `cargo xtask postgres COMMAND…`: runs a command beside a PostgreSQL of its own, which is thrown away afterwards.
//!
//! The tests of the store and those with real clients want a server that is reached as in earnest, over TCP and with
//! its promises of durability, and that holds nobody's data. So each run gets one: a cluster under `target/postgres`,
//! on a free port of 127.0.0.1, where everybody is trusted. Who sets `COUNTERSIGN_TEST_DATABASE` gets none: theirs is
//! used.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::command::{output, succeed, succeeds, target_folder};

/// Tells tests on which server they may make databases.
const VARIABLE: &str = "COUNTERSIGN_TEST_DATABASE";

/// How long a server may take to accept connections.
const START_MAX: Duration = Duration::from_mins(1);

/// How often a port is chosen, should somebody else take it first.
const PORTS_MAX: u32 = 3;

/// Durability is what some tests are about, so `fsync` stays on. Each test has databases and pools of its own: they
/// need more connections than the usual 100.
const SETTINGS: [&str; 4] = [
    "listen_addresses=127.0.0.1",
    // No socket in a folder: its path may have 107 bytes at most, and a checkout may lie deeper.
    "unix_socket_directories=",
    "fsync=on",
    "max_connections=300",
];

/// Runs a command, with a server in its environment.
pub(crate) fn run(root: &Path, command: &[&str]) -> Result<()> {
    with_server(root, |database| succeed(root, command, &[database]))
}

/// Does something while a server runs. It is given the variable that says where, with its value.
pub(crate) fn with_server(root: &Path, work: impl FnOnce((&str, &str)) -> Result<()>) -> Result<()> {
    if let Some(address) = std::env::var(VARIABLE).ok().filter(|address| !address.is_empty()) {
        println!("    PostgreSQL is the one that {VARIABLE} names");
        return work((VARIABLE, &address));
    }
    let begun = Instant::now();
    let cluster = Cluster::create(&target_folder(root)?.join("postgres"))?;
    let server = cluster.serve_on_a_free_port()?;
    println!("    PostgreSQL is up after {:.1} s", begun.elapsed().as_secs_f64());
    work((VARIABLE, &format!("postgres://postgres@127.0.0.1:{}/postgres", server.port)))
}

/// The folder of a cluster; it goes when this is dropped.
struct Cluster {
    programs: PathBuf,
    owner: Owner,
    folder: TempDir,
    /// Held as long as the folder is needed: [`clean`].
    _in_use: File,
}

impl Cluster {
    fn create(base: &Path) -> Result<Self> {
        let programs = match programs() {
            Some(programs) => programs,
            None => install()?,
        };
        let owner = Owner::of_this_process()?;
        let in_use = clean(base)?;
        let folder = tempfile::tempdir_in(base).context("cannot make a folder for PostgreSQL")?;
        let mut cluster = Self { programs, owner, folder, _in_use: in_use };
        cluster.hand_over()?;
        if !succeeds(cluster.command("test").arg("-w").arg(cluster.folder.path())) {
            // The checkout lies where the owner may not go, as in the home of root.
            cluster.folder = tempfile::tempdir().context("cannot make a folder for PostgreSQL")?;
            cluster.hand_over()?;
        }
        let mut initdb = cluster.program("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        if output(cluster.program("initdb").arg("--help"))?.contains("--icu-locale") {
            // Texts are sorted as people do, not byte by byte: so are they on most servers, and the product must not
            // rely on the other.
            initdb.args(["--locale-provider=icu", "--icu-locale=en-US"]);
        }
        output(initdb.arg("--pgdata").arg(cluster.data())).context("cannot make a PostgreSQL cluster")?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn hand_over(&self) -> Result<()> {
        match &self.owner {
            Owner::Caller => Ok(()),
            Owner::Other { user, .. } => {
                output(Command::new("chown").arg(user).arg(self.folder.path())).map(|_| ())
            }
        }
    }

    fn program(&self, name: &str) -> Command {
        self.command(self.programs.join(name))
    }

    /// A command of the owner, in a folder that the owner may read.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.owner.command(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn serve_on_a_free_port(&self) -> Result<Server<'_>> {
        let mut attempt = 1;
        loop {
            match self.serve(free_port()?) {
                Err(_) if attempt < PORTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    fn serve(&self, port: u16) -> Result<Server<'_>> {
        let log = File::create(self.log()).context("cannot write PostgreSQL's log")?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &port.to_string()]);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        command.stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().context("cannot start PostgreSQL")?;
        let mut server = Server { cluster: self, process, port };
        server.wait_until_ready().with_context(|| {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            format!("PostgreSQL does not start; its log:\n{}", log.trim_end())
        })?;
        Ok(server)
    }
}

/// A running server; it ends when this is dropped.
struct Server<'a> {
    cluster: &'a Cluster,
    process: Child,
    port: u16,
}

impl Server<'_> {
    fn wait_until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended with {status}");
            }
            let state = std::fs::read_to_string(self.cluster.data().join("postmaster.pid"));
            if state.is_ok_and(|state| is_ready(&state)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("it accepts no connection after {} s", START_MAX.as_secs())
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // At once, as after a crash: nobody needs the data again. Not killed, for then its memory would stay behind.
        let mut stop = self.cluster.program("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--pgdata"]).arg(self.cluster.data());
        let has_ended = matches!(self.process.try_wait(), Ok(Some(_)));
        if !has_ended && !succeeds(&mut stop) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// What the server says of itself in `postmaster.pid`: its eighth line.
fn is_ready(state: &str) -> bool {
    state.lines().nth(7).is_some_and(|line| line.trim_end() == "ready")
}

/// Whose the cluster is. PostgreSQL refuses to run as root.
enum Owner {
    Caller,
    Other { user: &'static str, group: String },
}

impl Owner {
    fn of_this_process() -> Result<Self> {
        if !is_root() {
            return Ok(Owner::Caller);
        }
        for user in ["postgres", "nobody"] {
            if let Ok(group) = output(Command::new("id").args(["-g", user])) {
                return Ok(Owner::Other { user, group: group.trim().to_owned() });
            }
        }
        bail!("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`")
    }

    /// A command that ends with this process however that ends, where the system can do that.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=INT");
        match self {
            Owner::Caller if !has_setpriv() => return Command::new(program),
            Owner::Caller => {}
            Owner::Other { user, group } => {
                command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--init-groups"]);
            }
        }
        command.arg(program);
        command
    }
}

fn has_setpriv() -> bool {
    succeeds(Command::new("setpriv").args(["--pdeathsig=INT", "true"]))
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Removes what killed runs left, unless another run is going on. No other run does while the file is held.
fn clean(base: &Path) -> Result<File> {
    std::fs::create_dir_all(base).with_context(|| format!("cannot make `{}`", base.display()))?;
    let in_use = File::create(base.join("in-use")).context("cannot write beside PostgreSQL's data")?;
    if in_use.try_lock().is_ok() {
        for entry in std::fs::read_dir(base)? {
            let path = entry?.path();
            // A server that should still run there ends by itself when it misses its files.
            if path.is_dir() {
                std::fs::remove_dir_all(&path)
                    .with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
        in_use.unlock()?;
    }
    in_use.lock_shared()?;
    Ok(in_use)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// The folder of PostgreSQL's programs: where the shell finds them, or where Debian puts them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| has_programs(folder));
    on_path.or_else(|| newest(Path::new("/usr/lib/postgresql")))
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"].iter().all(|name| folder.join(name).is_file())
}

/// Programs of the highest version in a folder of versions.
fn newest(folder: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(folder).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        Some((version, path.join("bin"))).filter(|(_, programs)| has_programs(programs))
    });
    versions.max().map(|(_, programs)| programs)
}

fn install() -> Result<PathBuf> {
    const PACKAGE: &str = "postgresql";
    let has_apt = succeeds(Command::new("apt-get").arg("--version"));
    ensure!(
        is_root() && has_apt,
        "PostgreSQL is missing: install it (on Debian the package `{PACKAGE}`), or let {VARIABLE} name a server to test with"
    );
    println!("    installing PostgreSQL");
    output(Command::new("apt-get").arg("update"))?;
    output(
        Command::new("apt-get")
            .args(["install", "--yes", "--no-install-recommends", PACKAGE])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    programs().context("PostgreSQL was installed, and its programs are not where they should be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_when_it_says_so() {
        let state = |status: &str| format!("4711\n/data\n1780000000\n5432\n\n127.0.0.1\n  3 4\n{status}\n");
        assert!(is_ready(&state("ready   ")));
        assert!(!is_ready(&state("starting")));
        assert!(!is_ready("4711\n/data\n"), "it is written line by line");
    }

    #[test]
    fn the_newest_complete_installation_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for (version, programs) in [("9", true), ("13", true), ("15", true), ("17", false), ("common", true)]
        {
            let bin = folder.path().join(version).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            for name in ["initdb", "postgres", "pg_ctl"].iter().filter(|_| programs) {
                std::fs::write(bin.join(name), "").unwrap();
            }
        }
        assert_eq!(newest(folder.path()), Some(folder.path().join("15/bin")));
        assert_eq!(newest(&folder.path().join("missing")), None);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_unless_another_run_goes_on() {
        let base = tempfile::tempdir().unwrap();
        let left = base.path().join("left");
        let running = clean(base.path()).unwrap();
        std::fs::create_dir(&left).unwrap();
        let beside = clean(base.path()).unwrap();
        assert!(left.exists(), "it may be that of the run that goes on");
        drop((running, beside));
        clean(base.path()).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn every_setting_is_a_name_and_a_value() {
        for setting in SETTINGS {
            assert!(setting.contains('='), "{setting}");
        }
    }
}
