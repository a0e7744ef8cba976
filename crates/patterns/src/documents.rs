//! One text of rules into its YAML documents, so that a damaged one costs itself and not the ones behind it.

/// The documents of a text, each with its title for messages: the first `title:` at its margin, or its number.
///
/// Texts with collection actions (`action: global` and the like) stay whole, for their documents rest on each other.
pub(crate) fn split(text: &str) -> Vec<(String, &str)> {
    let has_actions = text.lines().any(|line| line.starts_with("action:"));
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let is_separator = line.trim_end() == "---" || line.starts_with("--- ");
        if is_separator && !has_actions {
            documents.push(&text[start..at]);
            start = at;
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents
        .into_iter()
        .filter(|document| {
            document.lines().any(|line| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#') && line != "---" && line != "..."
            })
        })
        .enumerate()
        .map(|(index, document)| (title(document).unwrap_or_else(|| format!("rule {}", index + 1)), document))
        .collect()
}

fn title(document: &str) -> Option<String> {
    let line = document.lines().find_map(|line| line.strip_prefix("title:"))?;
    let title = line.trim().trim_matches(['"', '\'']).trim();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart_and_named() {
        let text = "# rules\n---\ntitle: 'First'\na: 1\n---\n\n--- # more\na: 2\n";
        let found = split(text);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["First", "rule 2"]);
        assert!(split("").is_empty() && split("---\n# nothing\n").is_empty());
        assert_eq!(split("action: global\na: 1\n---\ntitle: x\n").len(), 1);
    }
}
