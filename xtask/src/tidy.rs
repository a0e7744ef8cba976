//! `cargo xtask tidy`: the rules of the house that neither compiler nor linter knows.
//!
//! Each rule is a function from what it looks at to complaints, so that its tests can show it failing. What it looks
//! at is read here, once: `cargo metadata`, and the text of every file of the project.

mod confined;
mod dependencies;
mod documents;
mod edges;
mod purity;
mod source;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use self::dependencies::Deny;
use crate::command::output;

/// A file with its path from the root, with `/` on every system.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    /// Its text; empty for files that are not UTF-8.
    pub(crate) text: String,
    pub(crate) bytes: u64,
}

/// What `cargo metadata` says, as far as the rules ask.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// Where it comes from; nothing for crates of the workspace.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency as its manifest declares it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) source: Option<String>,
    pub(crate) req: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// A package that is built, with what it is built with: see [`Metadata::keep_built`].
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<NodeDependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NodeDependency {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DependencyKind {
    /// Nothing for a usual dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Metadata {
    /// What is built for any of `targets`, tests and benchmarks included.
    fn read(root: &Path, targets: &[String]) -> Result<Metadata> {
        let metadata = output(
            Command::new("cargo").args(["metadata", "--format-version", "1", "--locked"]).current_dir(root),
        )?;
        let mut metadata: Metadata =
            serde_json::from_str(&metadata).context("cannot read what `cargo metadata` says")?;
        let tree = output(
            Command::new("cargo")
                .args(["tree", "--workspace", "--locked", "--edges", "normal,build,dev"])
                .args(["--prefix", "none", "--format", "{p}"])
                .args(targets.iter().flat_map(|target| ["--target", target]))
                .current_dir(root),
        )?;
        metadata.keep_built(&tree)?;
        Ok(metadata)
    }

    /// Leaves in the graph what `cargo tree` lists. `cargo metadata` alone says too much: it follows features that
    /// nobody asked for (`x?/y` brings it `x`), and so it once knew of a `ring` that was never built.
    fn keep_built(&mut self, tree: &str) -> Result<()> {
        let listed: HashSet<(&str, &str)> = tree
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                Some((words.next()?, words.next()?.strip_prefix('v')?))
            })
            .collect();
        let is_built =
            |package: &&Package| listed.contains(&(package.name.as_str(), package.version.as_str()));
        let built: HashSet<String> =
            self.packages.iter().filter(is_built).map(|package| package.id.clone()).collect();
        ensure!(
            listed.len() == built.len() && self.workspace_members.iter().all(|member| built.contains(member)),
            "`cargo tree` and `cargo metadata` do not speak of the same packages"
        );
        self.resolve.nodes.retain(|node| built.contains(&node.id));
        for node in &mut self.resolve.nodes {
            node.deps.retain(|dependency| built.contains(&dependency.pkg));
        }
        Ok(())
    }

    /// The crates of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    pub(crate) fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }
}

/// Checks every rule and prints all complaints.
pub(crate) fn run(root: &Path) -> Result<()> {
    let deny = std::fs::read_to_string(root.join("deny.toml")).context("cannot read `deny.toml`")?;
    let deny: Deny = toml::from_str(&deny).context("cannot read `deny.toml`")?;
    let metadata = Metadata::read(root, deny.targets())?;
    let files = files(root)?;
    let complaints: Vec<String> = [
        edges::allowed(&metadata),
        edges::names(&metadata),
        edges::lints(&metadata, root)?,
        purity::dependencies(&metadata),
        purity::sources(&files),
        confined::calls(&files),
        documents::decisions(&files),
        documents::links(&files),
        documents::readme(&files),
        documents::words(&files),
        documents::examples(&files),
        dependencies::bans(&metadata, &deny),
        dependencies::duplicates(&metadata, &deny),
        dependencies::licenses(&metadata, &deny),
        dependencies::sources(&metadata),
    ]
    .concat();
    for complaint in &complaints {
        println!("    {complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        1 => bail!("1 rule is broken"),
        count => bail!("{count} rules are broken"),
    }
}

/// Every file of the project: what git ignores lies in `target` folders or is made by fuzzing.
fn files(root: &Path) -> Result<Vec<File>> {
    const LEFT_OUT: [&str; 4] = ["target", ".git", "artifacts", "coverage"];
    let mut files = Vec::new();
    let walk = walkdir::WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !LEFT_OUT.contains(&entry.file_name().to_string_lossy().as_ref()));
    for entry in walk {
        let entry = entry.context("cannot look through the project")?;
        if !entry.file_type().is_file() {
            continue;
        }
        let bytes = std::fs::read(entry.path())
            .with_context(|| format!("cannot read `{}`", entry.path().display()))?;
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        files.push(File {
            path: path
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect::<Vec<_>>()
                .join("/"),
            bytes: bytes.len() as u64,
            text: String::from_utf8(bytes).unwrap_or_default(),
        });
    }
    Ok(files)
}

/// What the tests of the rules are made of.
#[cfg(test)]
pub(crate) mod example {
    use super::*;

    pub(crate) fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned(), bytes: text.len() as u64 }
    }

    /// Packages `(name, version, dependencies)`; those whose version is `0.1.0` are the workspace.
    pub(crate) fn metadata(packages: &[(&str, &str, &[&str])]) -> Metadata {
        let id = |name: &str| {
            let (name, version, _) =
                packages.iter().find(|package| package.0 == name).expect("a named package");
            format!("{name}@{version}")
        };
        Metadata {
            workspace_members: packages
                .iter()
                .filter(|package| package.1 == "0.1.0")
                .map(|p| id(p.0))
                .collect(),
            packages: packages
                .iter()
                .map(|(name, version, dependencies)| Package {
                    id: format!("{name}@{version}"),
                    name: (*name).to_owned(),
                    version: (*version).to_owned(),
                    license: Some("MIT".to_owned()),
                    source: None,
                    manifest_path: PathBuf::new(),
                    dependencies: dependencies
                        .iter()
                        .map(|name| Dependency {
                            name: (*name).to_owned(),
                            source: None,
                            req: "^1".to_owned(),
                        })
                        .collect(),
                })
                .collect(),
            resolve: Resolve {
                nodes: packages
                    .iter()
                    .map(|(name, version, dependencies)| Node {
                        id: format!("{name}@{version}"),
                        deps: dependencies
                            .iter()
                            .map(|name| NodeDependency {
                                pkg: id(name),
                                dep_kinds: vec![DependencyKind { kind: None }],
                            })
                            .collect(),
                    })
                    .collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_itself_is_read() {
        let root = crate::root();
        let metadata = Metadata::read(&root, &[]).unwrap();
        assert!(metadata.members().any(|package| package.name == "xtask"));
        assert!(metadata.resolve.nodes.len() > metadata.workspace_members.len());
        let files = files(&root).unwrap();
        assert!(files.iter().any(|file| file.path == "crates/model/src/lib.rs" && file.text.contains("//!")));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }

    #[test]
    fn what_is_only_named_is_not_built() {
        let packages = || {
            example::metadata(&[
                ("countersign", "0.1.0", &["rustls"]),
                ("rustls", "1.0.0", &["ring", "aws-lc-rs"]),
                ("ring", "0.17.14", &[]),
                ("aws-lc-rs", "1.19.0", &[]),
            ])
        };
        let mut kept = packages();
        kept.keep_built("countersign v0.1.0 (/a)\n\nrustls v1.0.0\naws-lc-rs v1.19.0\nrustls v1.0.0 (*)\n")
            .unwrap();
        let ids: Vec<&str> = kept.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["countersign@0.1.0", "rustls@1.0.0", "aws-lc-rs@1.19.0"]);
        assert_eq!(kept.resolve.nodes[1].deps.len(), 1);
        for partial in ["", "rustls v1.0.0\n", "countersign v0.1.0 (/a)\nunknown v1.0.0\n"] {
            assert!(packages().keep_built(partial).is_err(), "{partial}");
        }
    }
}
