//! Words and numbers as the report shows them.

pub(super) use countersign_detection::number as factor;

pub(super) use crate::output::{count, grouped};

use std::borrow::Cow;
use std::fmt::Write as _;

use maud::{Markup, html};

/// Text from logs, fit to be looked at. Markup escapes what HTML reads; this makes visible what people cannot
/// see: controls, and the marks that turn the direction of writing and so make one name look like another.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(shown, "⟨U+{:04X}⟩", character as u32);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Joiners (U+200C, U+200D) are not among them: several scripts cannot be written without.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// At most `characters_max` characters, with an ellipsis in place of the rest.
pub(super) fn clip(text: &str, characters_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters_max) {
        None => visible(text),
        Some((end, _)) => Cow::Owned(format!("{}…", visible(&text[..end]))),
    }
}

/// Text from logs in its own direction of writing, clipped.
pub(super) fn clipped(text: &str, characters_max: usize) -> Markup {
    html! { bdi { (clip(text, characters_max)) } }
}

/// Text from logs in full; what is beyond `characters_max` is folded away.
pub(super) fn folded(text: &str, characters_max: usize) -> Markup {
    let length = text.chars().count();
    html! {
        (clipped(text, characters_max))
        @if length > characters_max {
            details {
                summary { "All " (count(length as u64, "character")) }
                p.full { bdi { (visible(text)) } }
            }
        }
    }
}

/// `2.1 GB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_becomes_visible() {
        assert_eq!(visible("payroll\u{202e}gpj.exe"), "payroll⟨U+202E⟩gpj.exe");
        assert_eq!(visible("a\nb\0c"), "a⟨U+000A⟩b⟨U+0000⟩c");
        assert_eq!(visible("Ärger 日本 \u{200d}"), "Ärger 日本 \u{200d}");
    }

    #[test]
    fn clipping_counts_characters_not_bytes() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äöü…");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1, "event") + ", " + &count(0, "identity"), "1 event, 0 identities");
        assert_eq!(count(1, "identity") + ", " + &count(12_345, "event"), "1 identity, 12,345 events");
        assert_eq!(
            [41_234.0, 5.43, 0.22, 0.000_1, 0.0].map(factor),
            ["41,000", "5.4", "0.22", "below 0.001", "0"]
        );
        assert_eq!(
            [0, 999, 1_500, 999_700, 2_100_000_000].map(bytes),
            ["0 B", "999 B", "1.5 kB", "1.0 MB", "2.1 GB"]
        );
    }
}
