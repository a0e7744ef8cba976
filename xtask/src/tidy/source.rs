//! What rules about source text read: the lines of the product, without those of its tests.

/// True for a file that is all tests.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs")
}

/// Lines with their numbers, up to the tests, which stand at the end of a file.
pub(crate) fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut lines = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (at, line) = lines.next()?;
        let opens_tests = line.trim() == "#[cfg(test)]"
            && lines.peek().is_some_and(|(_, next)| next.contains("mod ") && next.trim_end().ends_with('{'));
        (!opens_tests).then_some((at + 1, line))
    })
}

/// True when `code` holds `word` as a word of its own.
pub(crate) fn says(code: &str, word: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).any(|(at, _)| {
        let after = code[at + word.len()..].chars().next();
        !code[..at].ends_with(is_name) && !after.is_some_and(is_name)
    })
}
