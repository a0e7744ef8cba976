//! Documents that do not drift: indexes, links, what the README promises, and words that have no place here.

use std::collections::HashSet;
use std::path::Path;

use super::File;

/// What a newcomer is told to type, word for word.
const README_COMMANDS: [&str; 2] = ["cargo run --release -- analyze examples/", "cargo xtask test"];

/// Largest file of the examples: they are cloned by everybody.
const EXAMPLE_BYTES_MAX: u64 = 5 << 20;

/// Words that are true on one machine only, and hosts of package registries: an address belongs into the reader's own
/// configuration. In two parts each, so that this file does not hold them.
const FORBIDDEN: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/tmp/tar", "get"),
    ("crates", ".io"),
    ("npmjs", ".com"),
    ("npmjs", ".org"),
    ("pypi", ".org"),
    ("deb.debian", ".org"),
    ("ftp.debian", ".org"),
    ("proxy.golang", ".org"),
];

fn is_page(file: &File) -> bool {
    Path::new(&file.path).extension().is_some_and(|extension| extension == "md")
}

/// Every decision is in the index.
pub(crate) fn decisions(files: &[File]) -> Vec<String> {
    const INDEX: &str = "docs/decisions/README.md";
    let Some(index) = files.iter().find(|file| file.path == INDEX) else {
        return vec![format!("{INDEX} is missing")];
    };
    files
        .iter()
        .filter(|file| file.path != INDEX && is_page(file))
        .filter_map(|file| file.path.strip_prefix("docs/decisions/"))
        .filter(|page| !index.text.contains(&format!("({page})")))
        .map(|page| format!("{INDEX} does not list `{page}`"))
        .collect()
}

/// Every relative link of a page leads to a file or folder.
pub(crate) fn links(files: &[File]) -> Vec<String> {
    let mut known: HashSet<&str> = HashSet::from([""]);
    for file in files {
        known.insert(&file.path);
        known.extend(file.path.match_indices('/').map(|(at, _)| &file.path[..at]));
    }
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_page(file)) {
        for (number, target) in link_targets(&file.text) {
            let is_elsewhere =
                target.contains("://") || target.starts_with("mailto:") || target.starts_with('#');
            let place = target.split('#').next().unwrap_or_default();
            if !is_elsewhere && resolve(&file.path, place).is_none_or(|path| !known.contains(path.as_str())) {
                complaints.push(format!("{}:{number}: link to `{target}` leads nowhere", file.path));
            }
        }
    }
    complaints
}

/// Targets of `[text](target)` outside code, with their lines.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        // Every second part of a line is code between backticks.
        let mut is_code = false;
        for (start, _) in line.match_indices(['`', ']']) {
            let rest = &line[start..];
            if rest.starts_with('`') {
                is_code = !is_code;
            } else if let Some(rest) = rest.strip_prefix("](").filter(|_| !is_code) {
                let end = rest.find([')', ' ']).unwrap_or(rest.len());
                targets.push((at + 1, rest[..end].trim_matches(['<', '>'])));
            }
        }
    }
    targets
}

/// The path from the root that `target` means on the page `from`; nothing when it leaves the project.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The README holds the two commands.
pub(crate) fn readme(files: &[File]) -> Vec<String> {
    let text = files.iter().find(|file| file.path == "README.md").map_or("", |file| file.text.as_str());
    README_COMMANDS
        .iter()
        .filter(|command| !text.contains(*command))
        .map(|command| format!("README.md does not say `{command}`"))
        .collect()
}

/// No file holds a forbidden word. Cargo writes lock files.
pub(crate) fn words(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for (number, line) in file.text.lines().enumerate() {
            for word in FORBIDDEN.map(|(head, tail)| format!("{head}{tail}")) {
                if line.contains(&word) {
                    complaints.push(format!("{}:{}: `{word}` is forbidden", file.path, number + 1));
                }
            }
        }
    }
    complaints
}

/// Examples stay small.
pub(crate) fn examples(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.path.starts_with("examples/") && file.bytes >= EXAMPLE_BYTES_MAX)
        .map(|file| format!("{} has {} MB: at most 5", file.path, file.bytes >> 20))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::example::file;

    #[test]
    fn a_decision_outside_the_index_is_named() {
        let page = || file("docs/decisions/0001-a.md", "");
        let index = |text| file("docs/decisions/README.md", text);
        assert_eq!(decisions(&[page(), index("| 1 | [A](0001-a.md) |")]), [] as [String; 0]);
        assert_eq!(
            decisions(&[page(), index("# Decisions")]),
            ["docs/decisions/README.md does not list `0001-a.md`"]
        );
        assert_eq!(decisions(&[page()]), ["docs/decisions/README.md is missing"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named_with_its_line() {
        let good = "[a](../README.md) [b](https://example.org/x) [c](#part) [d](guide.md#part) [e](../crates)\n\
                    `[not](a-link.md)`\n```\n[nor](this.md)\n```\n";
        let files = |text| [file("docs/guide.md", text), file("README.md", ""), file("crates/a/lib.rs", "")];
        assert_eq!(links(&files(good)), [] as [String; 0]);
        assert_eq!(
            links(&files("\nsee [x](missing.md)")),
            ["docs/guide.md:2: link to `missing.md` leads nowhere"]
        );
        assert_eq!(
            links(&files("[x](../../out.md)")),
            ["docs/guide.md:1: link to `../../out.md` leads nowhere"]
        );
    }

    #[test]
    fn the_readme_holds_both_commands() {
        let complaints = readme(&[file("README.md", "run `cargo xtask test`")]);
        assert_eq!(complaints, ["README.md does not say `cargo run --release -- analyze examples/`"]);
        assert_eq!(readme(&[]).len(), 2);
        assert_eq!(readme(&[file("README.md", &README_COMMANDS.join("\n"))]), [] as [String; 0]);
    }

    #[test]
    fn every_forbidden_word_is_found() {
        for (head, tail) in FORBIDDEN {
            let text = format!("fine\nsee {head}{tail}x\n");
            let complaints = words(&[file("docs/a.md", &text), file("Cargo.lock", &text)]);
            assert_eq!(complaints, [format!("docs/a.md:2: `{head}{tail}` is forbidden")]);
        }
    }

    #[test]
    fn a_large_example_is_named() {
        let mut large = file("examples/logs.json.gz", "");
        large.bytes = 5 << 20;
        assert_eq!(examples(&[large]), ["examples/logs.json.gz has 5 MB: at most 5"]);
        let mut elsewhere = file("crates/enrichment/data/table", "");
        elsewhere.bytes = 50 << 20;
        assert_eq!(examples(&[elsewhere, file("examples/small", "x")]), [] as [String; 0]);
    }
}
