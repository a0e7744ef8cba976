//! Pure crates do no I/O, ask no clock, draw no chance and wait for nothing: neither through what they depend on nor in
//! their own source. Tests may. Below the binary the store is not pure, for a database is what it is about, and beside it the
//! resource guard, which follows a server.

use std::collections::HashSet;

use super::source::{is_test, product_lines, says};
use super::{File, Metadata};

/// Folders of the crates that are pure.
const PURE: [&str; 10] = [
    "model",
    "logs",
    "enrichment",
    "detection",
    "patterns",
    "simulation",
    "odata",
    "access",
    "token",
    "signals",
];

/// What no pure crate may be built with, however far down.
const IMPURE_DEPENDENCIES: [&str; 18] = [
    "actix-rt",
    "async-std",
    // A source of chance.
    "aws-lc-rs",
    "axum",
    "chrono",
    "ctrlc",
    "curl",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tracing",
    "ureq",
];

/// Crates that a pure crate is built with all the same, and why that does no harm.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    (
        "patterns",
        "chrono",
        "rsigma-eval reads time stamps with it; clippy.toml forbids the functions of it that ask the clock",
    ),
    ("token", "aws-lc-rs", "signs and checks; of its source of chance see EXCEPTED_WORDS"),
    ("signals", "aws-lc-rs", "through `token`, whose keys sign security event tokens"),
];

/// What no pure crate may say, with the reason.
const IMPURE_WORDS: [(&str, &str); 27] = [
    ("std::fs", "reads files: take bytes"),
    ("std::env", "reads the environment: take an argument"),
    ("std::process", "starts or ends processes"),
    ("std::thread", "starts threads: the caller decides how work is spread"),
    ("std::io::stdin", "reads standard input: take bytes"),
    ("std::io::stdout", "prints: return the text"),
    ("std::io::stderr", "prints: return the text"),
    ("TcpStream", "opens a connection"),
    ("TcpListener", "opens a connection"),
    ("UdpSocket", "opens a connection"),
    ("UnixStream", "opens a connection"),
    ("ToSocketAddrs", "asks the name service"),
    ("SystemTime", "asks the clock: take `now` as an argument"),
    ("Instant", "asks the clock: take `now` as an argument"),
    ("Timestamp::now", "asks the clock: take `now` as an argument"),
    ("Zoned::now", "asks the clock: take `now` as an argument"),
    ("Utc::now", "asks the clock: take `now` as an argument"),
    ("Local::now", "asks the clock: take `now` as an argument"),
    ("OffsetDateTime::now_utc", "asks the clock: take `now` as an argument"),
    ("Uuid::now_v7", "asks the clock: take the id as an argument"),
    ("Uuid::new_v4", "draws chance: take the id as an argument"),
    ("SystemRandom", "draws chance: take bytes as an argument"),
    ("rand::fill", "draws chance: take bytes as an argument"),
    ("println!", "prints: return the text"),
    ("eprintln!", "prints: return the text"),
    ("print!", "prints: return the text"),
    ("eprint!", "prints: return the text"),
];

/// Words that one file may say all the same, and why.
const EXCEPTED_WORDS: [(&str, &str, &str); 1] = [(
    "crates/token/src/keys.rs",
    "SystemRandom",
    "keys and signatures are made of chance, or they are worth nothing; that is all the token service draws itself",
)];

/// Modules of `std` that may also be taken in by `use std::{…}`.
const IMPURE_MODULES: [&str; 4] = ["fs", "env", "process", "thread"];

/// No pure crate is built with anything that does I/O.
pub(crate) fn dependencies(metadata: &Metadata) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in metadata.members() {
        let Some(name) = package.name.strip_prefix("countersign-").filter(|name| PURE.contains(name)) else {
            continue;
        };
        let mut seen = HashSet::new();
        let mut open = vec![(package.id.as_str(), Vec::new())];
        while let Some((id, way)) = open.pop() {
            let Some(node) = metadata.resolve.nodes.iter().find(|node| node.id == id) else { continue };
            for dependency in &node.deps {
                let is_usual = dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
                let Some(package) = metadata.package(&dependency.pkg).filter(|_| is_usual) else { continue };
                if !seen.insert(&package.id) {
                    continue;
                }
                let way = [way.as_slice(), &[package.name.as_str()]].concat();
                let is_excepted =
                    EXCEPTIONS.iter().any(|(of, with, _)| *of == name && *with == package.name.as_str());
                if IMPURE_DEPENDENCIES.contains(&package.name.as_str()) && !is_excepted {
                    complaints
                        .push(format!("crate `{name}` is pure but is built with `{}`", way.join("` → `")));
                }
                open.push((&package.id, way));
            }
        }
    }
    complaints
}

/// No pure crate does I/O or asks the clock in its own source.
pub(crate) fn sources(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_pure_source(&file.path)) {
        for (number, line) in product_lines(&file.text) {
            let code = line.split("//").next().unwrap_or_default();
            for (word, reason) in IMPURE_WORDS {
                let is_excepted =
                    EXCEPTED_WORDS.iter().any(|(of, what, _)| *of == file.path && *what == word);
                if says(code, word) && !is_excepted {
                    complaints.push(format!("{}:{number}: `{word}` {reason}", file.path));
                }
            }
            if let Some((_, list)) = code.split_once("use std::{") {
                for module in IMPURE_MODULES.iter().filter(|module| says(list, module)) {
                    complaints.push(format!("{}:{number}: `std::{module}` in a pure crate", file.path));
                }
            }
        }
    }
    complaints
}

fn is_pure_source(path: &str) -> bool {
    PURE.iter().any(|name| path.starts_with(&format!("crates/{name}/src/"))) && !is_test(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::example::{file, metadata};

    #[test]
    fn a_pure_crate_may_not_be_built_with_a_runtime_however_far_down() {
        let packages = metadata(&[
            ("countersign-logs", "0.1.0", &["kafka"]),
            ("countersign", "0.1.0", &["tokio"]),
            ("kafka", "1.0.0", &["tokio"]),
            ("tokio", "1.54.1", &[]),
        ]);
        assert_eq!(dependencies(&packages), ["crate `logs` is pure but is built with `kafka` → `tokio`"]);
    }

    #[test]
    fn dependencies_of_tests_may_do_what_they_like() {
        let mut packages = metadata(&[("countersign-logs", "0.1.0", &["tokio"]), ("tokio", "1.54.1", &[])]);
        packages.resolve.nodes[0].deps[0].dep_kinds[0].kind = Some("dev".to_owned());
        assert_eq!(dependencies(&packages), [] as [String; 0]);
    }

    #[test]
    fn the_token_service_signs_and_draws_its_keys_and_nothing_else() {
        let packages =
            |krate: &'static str| metadata(&[(krate, "0.1.0", &["aws-lc-rs"]), ("aws-lc-rs", "1.19.0", &[])]);
        assert_eq!(dependencies(&packages("countersign-token")), [] as [String; 0]);
        assert_eq!(dependencies(&packages("countersign-store")), [] as [String; 0], "it is not pure");
        assert_eq!(
            dependencies(&packages("countersign-odata")),
            ["crate `odata` is pure but is built with `aws-lc-rs`"]
        );
        let draws = "let random = SystemRandom::new();\n";
        assert_eq!(sources(&[file("crates/token/src/keys.rs", draws)]), [] as [String; 0]);
        assert_eq!(
            sources(&[file("crates/token/src/claims.rs", draws)]),
            ["crates/token/src/claims.rs:1: `SystemRandom` draws chance: take bytes as an argument"]
        );
        assert_eq!(sources(&[file("crates/token/src/keys.rs", "SystemTime::now()\n")]).len(), 1);
    }

    #[test]
    fn every_impure_word_is_found() {
        for (word, _) in IMPURE_WORDS {
            let source = file("crates/logs/src/lib.rs", &format!("fn a() {{\n    x({word}(1));\n}}\n"));
            let complaints = sources(&[source]);
            assert!(
                complaints.iter().any(|complaint| complaint.contains(&format!(":2: `{word}`"))),
                "{complaints:?}"
            );
        }
        for module in IMPURE_MODULES {
            let source = file("crates/model/src/a.rs", &format!("use std::{{fmt, {module}}};\n"));
            assert_eq!(
                sources(&[source]),
                [format!("crates/model/src/a.rs:1: `std::{module}` in a pure crate")]
            );
        }
    }

    #[test]
    fn tests_comments_longer_words_and_other_crates_are_left_alone() {
        let allowed = [
            file(
                "crates/logs/src/a.rs",
                "// std::fs is not used\nstruct InstantMessage;\nuse std::net::IpAddr;\n",
            ),
            file("crates/logs/src/b.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
            file("crates/enrichment/src/threat_intel/tests.rs", "use std::fs;\n"),
            file("crates/logs/tests/real.rs", "use std::fs;\n"),
            file("crates/countersign/src/main.rs", "use std::fs;\n"),
        ];
        assert_eq!(sources(&allowed), [] as [String; 0]);
    }
}
