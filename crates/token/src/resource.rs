//! What a resource is asked for by: application id, application id URI, any service principal name.

use uuid::Uuid;

/// Longest name of a resource, in bytes; Graph keeps `identifierUris` below 256 characters.
pub const RESOURCE_BYTES_MAX: usize = 1_024;

/// The text by which two names of one resource are equal: lower case, without trailing slashes, a GUID in its
/// usual form. `https://eventhubs.azure.net//` and `HTTPS://eventhubs.azure.net` have the same key.
///
/// A store that keeps the key of each of [`countersign_model::client::Resource::names`] and of the application id
/// answers with one look-up.
pub fn key(name: &str) -> String {
    let name = name.trim_end_matches('/');
    match Uuid::try_parse(name) {
        Ok(id) => id.hyphenated().to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// Whether both name the same resource.
pub fn same(a: &str, b: &str) -> bool {
    key(a) == key(b)
}

/// Names to look a resource up by, best first and none twice, for a store that knows only exact names: as asked
/// for, without and with a trailing slash, and both in lower case.
pub fn candidates(resource: &str) -> Vec<String> {
    let bare = resource.trim_end_matches('/');
    let key = key(resource);
    let forms = [resource.to_owned(), bare.to_owned(), format!("{bare}/"), format!("{key}/"), key];
    let mut candidates = Vec::with_capacity(forms.len());
    for form in forms {
        if !form.is_empty() && form != "/" && !candidates.contains(&form) {
            candidates.push(form);
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_resource_have_one_key() {
        for (a, b) in [
            ("https://eventhubs.azure.net/", "https://eventhubs.azure.net"),
            ("https://management.core.windows.net//", "https://Management.core.windows.net"),
            ("00000003-0000-0000-C000-000000000000", "00000003-0000-0000-c000-000000000000"),
            ("{00000003-0000-0000-c000-000000000000}", "00000003-0000-0000-c000-000000000000/"),
            ("api://B1D2C3AA-2f4e-4f3c-8d55-6a7b8c9d0e1f", "api://b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        assert!(!same("https://graph.microsoft.com", "http://graph.microsoft.com"));
        assert!(!same("api://00000003-0000-0000-c000-000000000000", "00000003-0000-0000-c000-000000000000"));
    }

    #[test]
    fn candidates_hold_each_form_once() {
        assert_eq!(
            candidates("https://Vault.azure.net//"),
            [
                "https://Vault.azure.net//",
                "https://Vault.azure.net",
                "https://Vault.azure.net/",
                "https://vault.azure.net/",
                "https://vault.azure.net"
            ]
        );
        assert_eq!(candidates("api://a"), ["api://a", "api://a/"]);
        assert!(candidates("//").iter().all(|form| form == "//"));
    }
}
