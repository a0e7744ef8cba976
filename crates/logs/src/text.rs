//! Text as logs spell it, made comparable.

use std::borrow::Cow;

/// The five spellings of "absent" that are text; a missing key and `null` are the other two.
pub(crate) fn is_absent(text: &str) -> bool {
    matches!(text, "" | "<null>" | "Not Available" | "null" | "N/A")
}

/// `Update application – Certificates and secrets management ` and
/// `Update application - Certificates and secrets management.` are one operation: trims, drops a final full
/// stop, makes every dash `-` and every run of blanks one.
pub(crate) fn operation(text: Cow<'_, str>) -> Cow<'_, str> {
    let needs_work = |text: &str| {
        text.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_control())
            || text.ends_with(['.', ' '])
            || text.starts_with(' ')
            || text.contains("  ")
    };
    if !needs_work(&text) {
        return text;
    }
    let trimmed = text.trim().trim_end_matches('.').trim_end();
    let mut normal = String::with_capacity(trimmed.len());
    for character in trimmed.chars() {
        match character {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => normal.push('-'),
            character if character.is_whitespace() => {
                if !normal.ends_with(' ') {
                    normal.push(' ');
                }
            }
            character => normal.push(character),
        }
    }
    Cow::Owned(normal)
}

/// A list in a string, ` Group.Read.All,` or `A.Read B.Read`: its items separated by single spaces.
pub(crate) fn list(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_plain = !text.starts_with(' ')
        && !text.ends_with([' ', ','])
        && !text.contains([',', '\n'])
        && !text.contains("  ");
    if is_plain {
        return text;
    }
    let items: Vec<&str> = text.split([' ', ',', '\n', '\r', '\t']).filter(|item| !item.is_empty()).collect();
    Cow::Owned(items.join(" "))
}

/// A request URI with `\u0026` that was escaped twice and doubled slashes in the path put right.
pub(crate) fn request_uri(text: Cow<'_, str>) -> Cow<'_, str> {
    let path_at = text.find("://").map_or(0, |scheme| scheme + 3);
    let has_double_slash = text.as_bytes()[path_at..].windows(2).any(|pair| pair == b"//");
    if !has_double_slash && !text.contains(r"\u0026") {
        return text;
    }
    let text = text.replace(r"\u0026", "&");
    let (head, path) = text.split_at(path_at);
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut normal = String::with_capacity(text.len());
    normal.push_str(head);
    for character in path.chars() {
        if !(character == '/' && normal.len() > head.len() && normal.ends_with('/')) {
            normal.push(character);
        }
    }
    if let Some(query) = query {
        normal.push('?');
        normal.push_str(query);
    }
    Cow::Owned(normal)
}
