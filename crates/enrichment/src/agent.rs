//! Reduces a user agent to its family: what stays the same over patch and minor releases.
//!
//! A family is compared against the families a principal has shown before, so the one rule is that upgrading
//! a library keeps the family as long as the major version stays, and that two different programs never share
//! one by accident.

use std::borrow::Cow;

use countersign_model::source::{AgentFamily, Platform};

/// Longest user agent that is read; the rest of a longer one is ignored. Servers cut at 8 KB or less.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Longest product name that is kept: bounds what a made-up agent can put into a baseline.
const PRODUCT_BYTES_MAX: usize = 64;

/// Clients that name their transport first or their product late, by a token that gives them away. In this
/// order, because the later tokens occur beside the earlier ones.
const TELLING: &[(&str, &str)] = &[
    ("AADInternals", "AADInternals"),
    ("ROADtools", "ROADtools"),
    ("roadrecon", "ROADtools"),
    ("HashiCorp Terraform", "terraform"),
    ("Terraform/", "terraform"),
    ("terraform-provider-", "terraform"),
    ("Pulumi", "pulumi"),
    ("AZURECLI/", "azure-cli"),
    ("AzurePowershell/", "Azure PowerShell"),
    ("AzurePowerShell/", "Azure PowerShell"),
    ("Az.Accounts/", "Azure PowerShell"),
    ("WindowsPowerShell/", "PowerShell"),
    ("PowerShell/", "PowerShell"),
    ("Microsoft Azure Graph Client Library", "Microsoft Azure Graph Client Library"),
    ("aiohttp/", "aiohttp"),
];

/// Browsers by the token that only they carry: Edge names Chrome, and Chrome names Safari.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("Edge/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("HeadlessChrome/", "HeadlessChrome"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("Trident/", "Internet Explorer"),
    ("MSIE ", "Internet Explorer"),
];

/// Platforms by a word in lower case. Android names Linux and iPhones name Mac OS X, so those come first;
/// `darwin` holds `win`, so Windows is looked for by longer words.
const PLATFORMS: &[(&str, Platform)] = &[
    ("android", Platform::Mobile),
    ("iphone", Platform::Mobile),
    ("ipad", Platform::Mobile),
    ("ios/", Platform::Mobile),
    ("darwin", Platform::MacOs),
    ("macos", Platform::MacOs),
    ("mac os x", Platform::MacOs),
    ("macintosh", Platform::MacOs),
    ("osx", Platform::MacOs),
    ("windows", Platform::Windows),
    ("win32", Platform::Windows),
    ("win64", Platform::Windows),
    ("winnt", Platform::Windows),
    ("linux", Platform::Linux),
    ("ubuntu", Platform::Linux),
    ("debian", Platform::Linux),
];

/// The family of a user agent. Borrows from it, and allocates nothing.
pub fn family(user_agent: &str) -> AgentFamily<'_> {
    let text = cut(user_agent.trim(), TEXT_BYTES_MAX);
    if text.is_empty() {
        return AgentFamily { product: Cow::Borrowed(""), ..AgentFamily::default() };
    }
    let (product, major) = product(text);
    AgentFamily { product: Cow::Borrowed(cut(product, PRODUCT_BYTES_MAX)), major, platform: platform(text) }
}

fn product(text: &str) -> (&str, Option<u32>) {
    if text.starts_with("graph-")
        && let Some(found) = version_in_name(text)
    {
        return found;
    }
    // Most workloads send `name/version` and nothing else; only longer texts can hide a better name.
    if text.bytes().any(|byte| byte == b' ') {
        if let Some(found) = telling(text, TELLING) {
            return found;
        }
        if text.starts_with("Mozilla/") {
            return browser(text);
        }
    }
    first_product(text)
}

/// The first of `known` whose token occurs, with the major version behind the token.
fn telling<'k>(text: &str, known: &[(&str, &'k str)]) -> Option<(&'k str, Option<u32>)> {
    let (index, at) = first_of(text.as_bytes(), known, |text, token| text == token)?;
    let (token, product) = known[index];
    Some((product, major(text[at + token.len()..].trim_start_matches(['/', ' ', 'v', '(']))))
}

/// Which of `known` occurs, the earliest in the list, and where it occurs first. In one pass over the words
/// of `text`: a token counts at the start of a word only, so `axios/` is no `ios/`.
fn first_of<T>(
    text: &[u8],
    known: &[(&str, T)],
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<(usize, usize)> {
    let mut best = None;
    let mut before = b' ';
    for (at, byte) in text.iter().enumerate() {
        if byte.is_ascii_alphabetic() && !before.is_ascii_alphabetic() {
            let better = &known[..best.map_or(known.len(), |(index, _)| index)];
            let starts = |token: &str| {
                // The first letter rules out nearly all.
                token.as_bytes()[0].eq_ignore_ascii_case(byte)
                    && text.get(at..at + token.len()).is_some_and(|part| same(part, token.as_bytes()))
            };
            best = better.iter().position(|(token, _)| starts(token)).map(|index| (index, at)).or(best);
        }
        before = *byte;
    }
    best
}

fn browser(text: &str) -> (&str, Option<u32>) {
    if let Some(known) = telling(text, BROWSERS) {
        return known;
    }
    // `Mozilla/5.0 (compatible; ExampleBot/2.1; …)` names itself inside the comment.
    let comment = text.split_once("(compatible;").map_or("", |(_, rest)| rest.trim_start());
    let name = comment.split([';', ')']).next().unwrap_or_default().trim();
    if name.is_empty() { first_product(text) } else { first_product(name) }
}

/// The first product token and its major version.
fn first_product(text: &str) -> (&str, Option<u32>) {
    // `azsdk-python-identity/1.15.0 Python/3.11 (Linux)`: the product ends at the slash.
    if let Some(slash) = text.find('/') {
        let name = &text[..slash];
        // A slash inside a comment or a later word belongs to something else. A first word without a
        // version before it is a prefix of the name (`Azure Graph Client/1`), unless it carries one.
        if !name.contains(['(', ';', ',']) && name.split(' ').count() <= 5 && !has_version_word(name) {
            return (name.trim_end(), major(&text[slash + 1..]));
        }
    }
    // `MSAL.Python 1.39.0`, `Apache-HttpClient`, `Boto3 v1.2`: name and version are words.
    let words = text.find(['(', ';', ',']).map_or(text, |end| &text[..end]).trim_end();
    for (at, word) in words.match_indices(' ').map(|(at, _)| (at, words[at + 1..].trim_start())) {
        if let Some(major) = version_word(word) {
            return (words[..at].trim_end(), Some(major));
        }
    }
    let first = text.split([' ', ';', ',']).next().unwrap_or(text);
    match first.split_once('/') {
        Some((name, version)) => (name, major(version)),
        None if words.is_empty() => (first, None),
        None => (words, None),
    }
}

/// Graph libraries write the version into the name: `graph-dotnet-5.44.0/1.0`.
fn version_in_name(text: &str) -> Option<(&str, Option<u32>)> {
    let name = text.split(['/', ' ', ',']).next()?;
    let at = name.match_indices('-').map(|(at, _)| at).find(|at| version_word(&name[at + 1..]).is_some())?;
    Some((&name[..at], version_word(&name[at + 1..])))
}

fn has_version_word(text: &str) -> bool {
    text.split(' ').skip(1).any(|word| version_word(word).is_some())
}

/// The major version of a word that is a version: `1.39.0`, `v2`.
fn version_word(word: &str) -> Option<u32> {
    let word = word.split(' ').next().unwrap_or_default();
    let digits = word.strip_prefix(['v', 'V']).unwrap_or(word);
    digits.starts_with(|first: char| first.is_ascii_digit()).then(|| major(digits)).flatten()
}

/// The digits before the first other character. Numbers beyond 32 bits are no versions.
fn major(version: &str) -> Option<u32> {
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

fn platform(text: &str) -> Platform {
    first_of(text.as_bytes(), PLATFORMS, <[u8]>::eq_ignore_ascii_case)
        .map_or(Platform::Unknown, |(index, _)| PLATFORMS[index].1)
}

/// At most `bytes_max` bytes, cut between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Platform::{Linux, MacOs, Mobile, Unknown, Windows};
    use proptest::prelude::*;

    #[test]
    fn families() {
        let table: &[(&str, &str, Option<u32>, Platform)] = &[
            ("", "", None, Unknown),
            ("   ", "", None, Unknown),
            ("python-requests/2.31.0", "python-requests", Some(2), Unknown),
            ("Python/3.11 aiohttp/3.12.15", "aiohttp", Some(3), Unknown),
            ("Python-urllib/3.11", "Python-urllib", Some(3), Unknown),
            (
                "azsdk-python-identity/1.15.0 Python/3.11.4 (Linux-5.15.0-x86_64-with-glibc2.35)",
                "azsdk-python-identity",
                Some(1),
                Linux,
            ),
            (
                "azsdk-net-Identity/1.10.4 (.NET 8.0.1; Microsoft Windows 10.0.20348)",
                "azsdk-net-Identity",
                Some(1),
                Windows,
            ),
            ("azsdk-go-azidentity/v1.5.1 (go1.21.5; linux)", "azsdk-go-azidentity", Some(1), Linux),
            ("azsdk-js-identity/4.0.0 Node/18.19.0 OS/(x64-Linux-5.15)", "azsdk-js-identity", Some(4), Linux),
            (
                "azsdk-java-azure-identity/1.11.1 (17.0.9; Linux; 5.15)",
                "azsdk-java-azure-identity",
                Some(1),
                Linux,
            ),
            ("MSAL.Python 1.39.0", "MSAL.Python", Some(1), Unknown),
            ("MSAL.Desktop 4.60.3.0", "MSAL.Desktop", Some(4), Unknown),
            ("MSAL.NetCore/4.60.3.0 (Linux)", "MSAL.NetCore", Some(4), Linux),
            ("Go-http-client/1.1", "Go-http-client", Some(1), Unknown),
            ("Go-http-client/2.0", "Go-http-client", Some(2), Unknown),
            ("curl/8.5.0", "curl", Some(8), Unknown),
            ("okhttp/4.12.0", "okhttp", Some(4), Unknown),
            ("Java/17.0.9", "Java", Some(17), Unknown),
            ("Java/1.8.0_392", "Java", Some(1), Unknown),
            ("axios/1.6.7", "axios", Some(1), Unknown),
            ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "node-fetch", Some(1), Unknown),
            ("node-fetch", "node-fetch", None, Unknown),
            ("Apache-HttpClient/4.5.14 (Java/17.0.9)", "Apache-HttpClient", Some(4), Unknown),
            (
                "Microsoft Azure Graph Client Library 1.0",
                "Microsoft Azure Graph Client Library",
                Some(1),
                Unknown,
            ),
            (
                "HashiCorp Terraform/1.6.6 (+https://www.terraform.io) Terraform Plugin SDK/2.10.1",
                "terraform",
                Some(1),
                Unknown,
            ),
            (
                "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.20348.2227",
                "PowerShell",
                Some(5),
                Windows,
            ),
            ("Mozilla/5.0 (Linux; Ubuntu 22.04; en-US) PowerShell/7.4.1", "PowerShell", Some(7), Linux),
            ("graph-dotnet-5.44.0/1.0", "graph-dotnet", Some(5), Unknown),
            ("graph-dotnet-beta-5.44.0", "graph-dotnet-beta", Some(5), Unknown),
            ("graph-python-core/1.0.0", "graph-python-core", Some(1), Unknown),
            ("kiota-dotnet/1.7.5", "kiota-dotnet", Some(1), Unknown),
            ("AADInternals", "AADInternals", None, Unknown),
            ("Mozilla/5.0 AADInternals/0.9.3", "AADInternals", Some(0), Unknown),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91",
                "Edge",
                Some(120),
                Windows,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36",
                "Chrome",
                Some(119),
                MacOs,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
                "Firefox",
                Some(121),
                Linux,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
                "Safari",
                Some(17),
                Mobile,
            ),
            (
                "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://example.org/bot)",
                "ExampleBot",
                Some(2),
                Unknown,
            ),
            ("Mozilla/5.0", "Mozilla", Some(5), Unknown),
            ("Example Tool", "Example Tool", None, Unknown),
            ("Example Tool/3.2 (Darwin)", "Example Tool", Some(3), MacOs),
            ("(weird)", "(weird)", None, Unknown),
        ];
        for (text, product, major, platform) in table {
            let found = family(text);
            assert_eq!(
                (&*found.product, found.major, found.platform),
                (*product, *major, *platform),
                "{text}"
            );
            assert!(matches!(found.product, Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_patch_or_minor_upgrade_keeps_the_family() {
        let pairs = [
            ("python-requests/2.31.0", "python-requests/2.32.3"),
            ("MSAL.Python 1.24.0", "MSAL.Python 1.39.0"),
            ("Python/3.11 aiohttp/3.8.1", "Python/3.13 aiohttp/3.12.15"),
            ("graph-dotnet-5.44.0/1.0", "graph-dotnet-5.61.0/1.0"),
            (
                "azsdk-python-identity/1.15.0 Python/3.11.4 (Linux-5.15.0)",
                "azsdk-python-identity/1.19.1 Python/3.13.0 (Linux-6.8.0)",
            ),
        ];
        for (before, after) in pairs {
            assert_eq!(family(before), family(after));
        }
    }

    #[test]
    fn a_made_up_agent_takes_bounded_space() {
        assert!(family(&"é".repeat(100_000)).product.len() <= PRODUCT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_has_a_family(text in "\\PC*") {
            let _ = family(&text);
        }

        #[test]
        fn any_text_of_telling_parts_has_a_family(parts in prop::collection::vec(prop::sample::select(vec![
            "Mozilla/5.0", " ", "(", ")", "compatible;", "/", "Edg/", "v", "é", "MSAL", "1.2", ";", "Terraform/", ",", "graph-dotnet-",
        ]), 0..12)) {
            let _ = family(&parts.concat());
        }
    }
}
