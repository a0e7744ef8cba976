//! What may come into the build, as `deny.toml` says: bans, duplicate versions, licences and sources. The same file is
//! read by `cargo deny`; docs/decisions/0001 says why this reads it, too.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::{Metadata, Package};

/// Every package of the one public registry that Cargo knows without being told.
const REGISTRY: &str = "registry+https://github.com/rust-lang/";

/// The part of `deny.toml` that is read here.
#[derive(Debug, Deserialize)]
pub(crate) struct Deny {
    #[serde(default)]
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

impl Deny {
    /// The systems that the product is built for.
    pub(crate) fn targets(&self) -> &[String] {
        &self.graph.targets
    }
}

#[derive(Debug, Default, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// Licences that one crate alone may have.
#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    krate: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Named>,
    skip: Vec<Named>,
}

/// A crate, or versions of one as `name@1.2`, and why it is listed.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    krate: String,
    reason: String,
}

impl Named {
    fn is(&self, package: &Package) -> bool {
        match self.krate.split_once('@') {
            None => self.krate == package.name,
            Some((name, version)) => {
                let rest = package.version.strip_prefix(version);
                name == package.name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
        }
    }
}

/// Packages that are built, for any of the targets.
fn built(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    let ids: HashSet<&str> = metadata.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
    metadata.packages.iter().filter(move |package| ids.contains(package.id.as_str()))
}

/// No banned crate is built, and every ban has its reason.
pub(crate) fn bans(metadata: &Metadata, deny: &Deny) -> Vec<String> {
    let unexplained = deny
        .bans
        .deny
        .iter()
        .chain(&deny.bans.skip)
        .filter(|named| named.reason.trim().is_empty())
        .map(|named| format!("deny.toml: `{}` has no reason", named.krate));
    let banned = built(metadata).filter_map(|package| {
        let ban = deny.bans.deny.iter().find(|ban| ban.is(package))?;
        Some(format!("`{}` {} is banned: {}", package.name, package.version, ban.reason))
    });
    let wildcards = metadata.members().flat_map(|package| {
        let wild = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.req == "*" && dependency.source.is_some());
        wild.map(|dependency| format!("crate `{}` takes any version of `{}`", package.name, dependency.name))
    });
    unexplained.chain(banned).chain(wildcards).collect()
}

/// One version of each crate, but for the exceptions; and no exception that is no longer needed.
pub(crate) fn duplicates(metadata: &Metadata, deny: &Deny) -> Vec<String> {
    let is_skipped = |package: &Package| deny.bans.skip.iter().any(|skip| skip.is(package));
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in built(metadata).filter(|package| !is_skipped(package)) {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let duplicates = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| format!("`{name}` is built in versions {}", versions.join(" and ")));
    let needless = deny
        .bans
        .skip
        .iter()
        .filter(|skip| {
            let name = skip.krate.split('@').next().unwrap_or_default();
            let of_that_name = built(metadata).filter(|package| package.name == name);
            of_that_name.count() < 2 || !built(metadata).any(|package| skip.is(package))
        })
        .map(|skip| format!("deny.toml: the exception for `{}` is no longer needed", skip.krate));
    duplicates.chain(needless).collect()
}

/// Every package from outside has a licence that is allowed, to all or to it alone; and no exception that is no longer
/// needed.
pub(crate) fn licenses(metadata: &Metadata, deny: &Deny) -> Vec<String> {
    let needless = deny
        .licenses
        .exceptions
        .iter()
        .filter(|exception| !built(metadata).any(|package| package.name == exception.krate))
        .map(|exception| {
            format!("deny.toml: the licences of `{}` alone are no longer needed", exception.krate)
        });
    built(metadata)
        .filter_map(|package| {
            let name = &package.name;
            let Some(expression) = &package.license else {
                return Some(format!("`{name}` {} names no licence", package.version));
            };
            let own = deny.licenses.exceptions.iter().filter(|exception| exception.krate == *name);
            let own: Vec<&String> = own.flat_map(|exception| &exception.allow).collect();
            let is_allowed = |license: &str| {
                deny.licenses.allow.iter().chain(own.iter().copied()).any(|one| one == license)
            };
            match satisfied(expression, &is_allowed) {
                Some(true) => None,
                Some(false) => {
                    Some(format!("`{name}` {}: licence `{expression}` is not allowed", package.version))
                }
                None => Some(format!("`{name}` {}: licence `{expression}` cannot be read", package.version)),
            }
        })
        .chain(needless)
        .collect()
}

/// Every package from outside is from the public registry.
pub(crate) fn sources(metadata: &Metadata) -> Vec<String> {
    metadata
        .packages
        .iter()
        .filter_map(|package| Some((package, package.source.as_ref()?)))
        .filter(|(_, source)| !source.starts_with(REGISTRY))
        .map(|(package, source)| {
            format!("`{}` comes from `{source}`: only the public registry is allowed", package.name)
        })
        .collect()
}

/// Whether an SPDX expression can be met with allowed licences alone. `/` is how `OR` was once written.
fn satisfied(expression: &str, is_allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, is_allowed)?;
    rest.is_empty().then_some(met)
}

fn any(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    let mut met = all(words, is_allowed)?;
    while let ["OR", rest @ ..] = words {
        *words = rest;
        met |= all(words, is_allowed)?;
    }
    Some(met)
}

fn all(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    let mut met = one(words, is_allowed)?;
    while let ["AND", rest @ ..] = words {
        *words = rest;
        met &= one(words, is_allowed)?;
    }
    Some(met)
}

fn one(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any(words, is_allowed)?;
            let [")", rest @ ..] = words else { return None };
            *words = rest;
            Some(met)
        }
        [license, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(is_allowed(&format!("{license} WITH {exception}")))
        }
        [")" | "OR" | "AND" | "WITH", ..] | [] => None,
        [license, rest @ ..] => {
            *words = rest;
            Some(is_allowed(license))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::example::metadata;

    fn deny(text: &str) -> Deny {
        toml::from_str(text).unwrap()
    }

    fn usual() -> Deny {
        deny(
            "[licenses]\nallow = ['MIT', 'Zlib', 'Apache-2.0 WITH LLVM-exception']\n[bans]\n\
             deny = [{ crate = 'rsa', reason = 'no fix' }]\nskip = [{ crate = 'syn@2', reason = 'old macros' }]",
        )
    }

    #[test]
    fn a_banned_crate_is_named_with_the_reason() {
        let packages = metadata(&[
            ("countersign", "0.1.0", &["jose"]),
            ("jose", "1.0.0", &["rsa"]),
            ("rsa", "0.9.10", &[]),
        ]);
        assert_eq!(bans(&packages, &usual()), ["`rsa` 0.9.10 is banned: no fix"]);
        let without_reason =
            deny("[licenses]\nallow = []\n[bans]\ndeny = [{ crate = 'x', reason = ' ' }]\nskip = []");
        assert_eq!(bans(&metadata(&[]), &without_reason), ["deny.toml: `x` has no reason"]);
    }

    #[test]
    fn any_version_of_a_crate_from_outside_is_refused() {
        let mut packages = metadata(&[("countersign", "0.1.0", &["serde"]), ("serde", "1.0.0", &[])]);
        packages.packages[0].dependencies[0].req = "*".to_owned();
        assert_eq!(bans(&packages, &usual()), [] as [String; 0], "paths of the workspace have no version");
        packages.packages[0].dependencies[0].source = Some(format!("{REGISTRY}x"));
        assert_eq!(bans(&packages, &usual()), ["crate `countersign` takes any version of `serde`"]);
    }

    #[test]
    fn a_second_version_needs_an_exception_and_an_exception_a_second_version() {
        let packages = |versions: &[(&'static str, &'static str)]| {
            let list: Vec<(&str, &str, &[&str])> =
                versions.iter().map(|(name, version)| (*name, *version, &[] as &[&str])).collect();
            metadata(&list)
        };
        let two = packages(&[("syn", "2.0.119"), ("syn", "3.0.10"), ("time", "0.2.0"), ("time", "0.3.0")]);
        assert_eq!(duplicates(&two, &usual()), ["`time` is built in versions 0.2.0 and 0.3.0"]);
        let one = packages(&[("syn", "3.0.10")]);
        assert_eq!(duplicates(&one, &usual()), ["deny.toml: the exception for `syn@2` is no longer needed"]);
        let longer = packages(&[("syn", "20.0.0"), ("syn", "3.0.10")]);
        assert_eq!(duplicates(&longer, &usual()).len(), 2, "`syn@2` is not version 20");
    }

    #[test]
    fn licences_are_read_as_expressions() {
        for (license, expected) in [
            ("MIT", None),
            ("MIT/Apache-2.0", None),
            ("GPL-3.0 OR (MIT AND Zlib)", None),
            ("Apache-2.0 WITH LLVM-exception", None),
            ("MIT AND GPL-3.0", Some("is not allowed")),
            ("Apache-2.0", Some("is not allowed")),
            ("MIT AND", Some("cannot be read")),
            ("(MIT", Some("cannot be read")),
        ] {
            let mut packages = metadata(&[("x", "1.0.0", &[])]);
            packages.packages[0].license = Some(license.to_owned());
            let complaints = licenses(&packages, &usual());
            match expected {
                None => assert_eq!(complaints, [] as [String; 0], "{license}"),
                Some(words) => assert!(complaints[0].ends_with(words), "{license}: {complaints:?}"),
            }
        }
        let mut packages = metadata(&[("x", "1.0.0", &[])]);
        packages.packages[0].license = None;
        assert_eq!(licenses(&packages, &usual()), ["`x` 1.0.0 names no licence"]);
    }

    #[test]
    fn a_licence_may_be_allowed_to_one_crate_alone() {
        let alone = "[licenses]\nallow = ['MIT']\nexceptions = [{ crate = 'x', allow = ['CC0-1.0'] }]\n[bans]\ndeny = []\nskip = []";
        let mut packages = metadata(&[("x", "1.0.0", &[]), ("y", "1.0.0", &[])]);
        for package in &mut packages.packages {
            package.license = Some("CC0-1.0".to_owned());
        }
        let complaints = licenses(&packages, &deny(alone));
        assert_eq!(complaints, ["`y` 1.0.0: licence `CC0-1.0` is not allowed"]);
        packages.packages.retain(|package| package.name == "y");
        packages.resolve.nodes.retain(|node| node.id != "x");
        packages.packages[0].license = Some("MIT".to_owned());
        let complaints = licenses(&packages, &deny(alone));
        assert_eq!(complaints, ["deny.toml: the licences of `x` alone are no longer needed"]);
    }

    #[test]
    fn other_registries_and_repositories_are_refused() {
        let mut packages = metadata(&[("x", "1.0.0", &[])]);
        packages.packages[0].source = Some("git+https://example.org/x".to_owned());
        assert_eq!(sources(&packages).len(), 1);
        packages.packages[0].source = Some(format!("{REGISTRY}index"));
        assert_eq!(sources(&packages), [] as [String; 0]);
    }
}
