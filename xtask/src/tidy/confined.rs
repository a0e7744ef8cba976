//! What only listed files may say: calls that are right in one place, read with care, and dangerous anywhere else.
//! Tests may.

use super::File;
use super::source::{is_test, product_lines};

/// Calls of one kind, and who may make them.
struct Confined {
    /// How such a call begins.
    calls: &'static [&'static str],
    /// Whether what stands behind the parenthesis makes it another call: of the same name, without an argument.
    takes_an_argument: bool,
    reason: &'static str,
    files: &'static [&'static str],
}

const CONFINED: [Confined; 2] = [
    Confined {
        calls: &[".scope(", "Store::scope("],
        // `Scoped::scope()` only says whose it is.
        takes_an_argument: true,
        reason: "makes the right to touch a tenant's rows: take a `&TenantScope` as an argument",
        files: &[
            "crates/store/src/tenants.rs",
            // Where somebody signs in to the tenant or was found to have done so, or where the operator works on the
            // data itself.
            "crates/countersign/src/serve/accounts.rs",
            "crates/countersign/src/serve/bearer.rs",
            "crates/countersign/src/serve/forward_auth.rs",
            "crates/countersign/src/serve/init.rs",
            "crates/countersign/src/serve/load.rs",
            "crates/countersign/src/serve/managed_identity.rs",
            "crates/countersign/src/serve/mod.rs",
            "crates/countersign/src/serve/people/authorize.rs",
            "crates/countersign/src/serve/people/device.rs",
            "crates/countersign/src/serve/people/exchange.rs",
            "crates/countersign/src/serve/people/external.rs",
            "crates/countersign/src/serve/policy_command.rs",
            // Whose events wait, and who brings some.
            "crates/countersign/src/serve/signals/heard.rs",
            "crates/countersign/src/serve/signals/push.rs",
            "crates/countersign/src/serve/token.rs",
        ],
    },
    Confined {
        calls: &["AssertSqlSafe("],
        takes_an_argument: false,
        reason: "passes text as SQL unseen: make a `Statement`, which keeps values apart from it",
        files: &["crates/store/src/database.rs", "crates/store/src/migrations.rs"],
    },
];

/// No other file makes such a call.
pub(crate) fn calls(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_product(&file.path)) {
        for (number, line) in product_lines(&file.text) {
            let code = line.split("//").next().unwrap_or_default();
            for confined in CONFINED.iter().filter(|confined| !confined.files.contains(&file.path.as_str())) {
                for call in confined.calls.iter().filter(|call| is_made(code, call, confined)) {
                    complaints.push(format!("{}:{number}: `{call}…)` {}", file.path, confined.reason));
                }
            }
        }
    }
    complaints
}

fn is_product(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some("crates") && parts.nth(1) == Some("src") && !is_test(path)
}

/// An argument may also stand on the next line.
fn is_made(code: &str, call: &str, confined: &Confined) -> bool {
    code.match_indices(call)
        .any(|(at, _)| !confined.takes_an_argument || !code[at + call.len()..].trim_start().starts_with(')'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::example::file;

    const GRAPH: &str = "crates/countersign/src/serve/graph/users.rs";

    #[test]
    fn the_right_to_a_tenants_rows_is_made_in_few_places() {
        let makes = "fn a() {\n    let scope = server.store.scope(&tenant);\n}\n";
        for path in CONFINED[0].files {
            assert_eq!(calls(&[file(path, makes)]), [] as [String; 0], "{path}");
        }
        let complaints = calls(&[file(GRAPH, makes)]);
        assert_eq!(
            complaints,
            [format!(
                "{GRAPH}:2: `.scope(…)` makes the right to touch a tenant's rows: take a `&TenantScope` as an argument"
            )]
        );
        for other in
            ["store.scope(tenant)", "    .scope(", "Store::scope(&store, &tenant)", "x.scope( & tenant )"]
        {
            assert_eq!(calls(&[file(GRAPH, other)]).len(), 1, "{other}");
        }
        for harmless in [
            "scoped.scope()",
            "std::thread::scope(|scope| {})",
            "scope.spawn(work)",
            "// store.scope(&tenant)",
            "parameters.scope",
        ] {
            assert_eq!(calls(&[file(GRAPH, harmless)]), [] as [String; 0], "{harmless}");
        }
    }

    #[test]
    fn text_becomes_sql_in_one_crate_only() {
        for text in ["sqlx::AssertSqlSafe(text)", "let text = AssertSqlSafe(*text).into_sql_str();"] {
            for path in CONFINED[1].files {
                assert_eq!(calls(&[file(path, text)]), [] as [String; 0], "{path}");
            }
            for path in ["crates/store/src/records.rs", "crates/countersign/src/serve/mod.rs"] {
                let complaints = calls(&[file(path, text)]);
                assert_eq!(complaints.len(), 1, "{path}");
                assert!(
                    complaints[0].contains(":1: `AssertSqlSafe(…)` passes text as SQL unseen"),
                    "{complaints:?}"
                );
            }
        }
    }

    #[test]
    fn tests_may() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    store.scope(&tenant);\n}\n";
        assert_eq!(calls(&[file(GRAPH, text)]), [] as [String; 0]);
        for path in
            ["crates/store/tests/store/support.rs", "crates/store/src/records/tests.rs", "xtask/src/a.rs"]
        {
            let text = "store.scope(&tenant); AssertSqlSafe(text)";
            assert_eq!(calls(&[file(path, text)]), [] as [String; 0], "{path}");
        }
    }
}
