//! Which crate may use which, what crates are called, and that all share the lints.

use std::path::Path;

use anyhow::{Context, Result};

use super::Metadata;

/// The layout: each crate with the crates of the workspace that it may use, its tests included.
const ALLOWED: &[(&str, &[&str])] = &[
    ("countersign-model", &[]),
    ("countersign-logs", &["countersign-model"]),
    ("countersign-enrichment", &["countersign-model"]),
    ("countersign-detection", &["countersign-model"]),
    ("countersign-patterns", &["countersign-model"]),
    ("countersign-simulation", &["countersign-model"]),
    ("countersign-odata", &[]),
    ("countersign-access", &["countersign-model"]),
    ("countersign-store", &["countersign-model", "countersign-odata", "countersign-signals"]),
    ("countersign-token", &["countersign-model"]),
    ("countersign-signals", &["countersign-model", "countersign-token"]),
    (
        "countersign-resource-guard",
        &["countersign-model", "countersign-access", "countersign-token", "countersign-signals"],
    ),
    (
        "countersign",
        &[
            "countersign-model",
            "countersign-logs",
            "countersign-enrichment",
            "countersign-detection",
            "countersign-patterns",
            "countersign-simulation",
            "countersign-odata",
            "countersign-access",
            "countersign-signals",
            "countersign-store",
            "countersign-token",
            // For its tests: the layer is tried against the real server.
            "countersign-resource-guard",
        ],
    ),
    ("xtask", &["countersign-model", "countersign-enrichment"]),
];

/// Names that say nothing, and so collect everything.
const EMPTY_NAMES: [&str; 8] = ["common", "core", "utils", "util", "shared", "helpers", "misc", "lib"];

/// Every edge between crates of the workspace is one that the layout allows.
pub(crate) fn allowed(metadata: &Metadata) -> Vec<String> {
    let members: Vec<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    let mut complaints = Vec::new();
    for package in metadata.members() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            complaints.push(format!(
                "crate `{}` is not in the layout: say what it may use in xtask/src/tidy/edges.rs and in ARCHITECTURE.md",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if members.contains(&name) && !allowed.contains(&name) {
                complaints
                    .push(format!("crate `{}` may not use `{name}`: see ARCHITECTURE.md", package.name));
            }
        }
    }
    complaints
}

/// No crate has a name that could hold anything.
pub(crate) fn names(metadata: &Metadata) -> Vec<String> {
    metadata
        .members()
        .filter(|package| {
            let name = package.name.strip_prefix("countersign-").unwrap_or(&package.name);
            EMPTY_NAMES.contains(&name)
        })
        .map(|package| format!("crate `{}`: name it after its duty", package.name))
        .collect()
}

/// Every crate takes the lints of the workspace.
pub(crate) fn lints(metadata: &Metadata, root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in metadata.members() {
        let manifest = std::fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("cannot read the manifest of `{}`", package.name))?;
        let place = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path).display();
        complaints.extend(lints_of(&manifest).map(|problem| format!("{place}: {problem}")));
    }
    Ok(complaints)
}

fn lints_of(manifest: &str) -> Option<&'static str> {
    let Ok(manifest) = manifest.parse::<toml::Table>() else { return Some("cannot be read") };
    let shared =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    (shared != Some(true)).then_some("`[lints] workspace = true` is missing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::example::metadata;

    #[test]
    fn an_edge_that_the_layout_does_not_allow_is_named() {
        let good = metadata(&[
            ("countersign-model", "0.1.0", &[]),
            ("countersign-logs", "0.1.0", &["countersign-model", "memchr"]),
            ("memchr", "2.8.3", &[]),
        ]);
        assert_eq!(allowed(&good), [] as [String; 0]);
        let bad = metadata(&[
            ("countersign-model", "0.1.0", &[]),
            ("countersign-enrichment", "0.1.0", &["countersign-model"]),
            ("countersign-detection", "0.1.0", &["countersign-model", "countersign-enrichment"]),
        ]);
        assert_eq!(
            allowed(&bad),
            ["crate `countersign-detection` may not use `countersign-enrichment`: see ARCHITECTURE.md"]
        );
    }

    #[test]
    fn a_crate_that_the_layout_does_not_know_is_named() {
        let complaints = allowed(&metadata(&[("countersign-more", "0.1.0", &[])]));
        assert!(complaints[0].starts_with("crate `countersign-more` is not in the layout"), "{complaints:?}");
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        let packages = metadata(&[("countersign-common", "0.1.0", &[]), ("countersign-logs", "0.1.0", &[])]);
        assert_eq!(names(&packages), ["crate `countersign-common`: name it after its duty"]);
    }

    #[test]
    fn lints_are_shared() {
        assert_eq!(lints_of("[package]\nname = \"a\"\n[lints]\nworkspace = true\n"), None);
        for bad in [
            "[package]\nname = \"a\"\n",
            "[lints]\nworkspace = false\n",
            "[lints.rust]\nunsafe_code = \"warn\"\n",
        ] {
            assert_eq!(lints_of(bad), Some("`[lints] workspace = true` is missing"), "{bad}");
        }
        assert_eq!(lints_of("["), Some("cannot be read"));
    }
}
