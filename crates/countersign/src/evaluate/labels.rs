//! What really happened, from a simulation or from its truth file.

use std::path::Path;

use anyhow::{Context, Result, bail};
use countersign_simulation::evaluation::Label;
use countersign_simulation::{Episode, EpisodeKind};
use serde::Deserialize;

/// The label of an episode.
pub(super) fn of_episode(episode: &Episode) -> Label {
    Label {
        is_attack: episode.kind == EpisodeKind::Attack,
        family: episode.family.clone(),
        principals: episode.service_principal_ids.clone(),
        from: episode.from,
        to: episode.to,
        events: episode.event_ids.clone(),
    }
}

/// One line of a truth file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    kind: EpisodeKind,
    family: String,
    service_principal_id: String,
    #[serde(default)]
    service_principal_ids: Vec<String>,
    from: String,
    to: String,
    event_ids: Vec<String>,
}

/// Reads a truth file.
pub(super) fn read(path: &Path) -> Result<Vec<Label>> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read `{}`: --truth names the file that tells what is an attack", path.display())
    })?;
    let mut labels = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = || format!("`{}:{}`", path.display(), number + 1);
        let line: Line = serde_json::from_str(line).with_context(|| format!("{} is no episode", at()))?;
        let time = |field: &str, text: &str| {
            countersign_logs::parse_time(text)
                .with_context(|| format!("{}: field `{field}` is no time", at()))
        };
        let principals = if line.service_principal_ids.is_empty() {
            vec![line.service_principal_id]
        } else {
            line.service_principal_ids
        };
        labels.push(Label {
            is_attack: line.kind == EpisodeKind::Attack,
            family: line.family,
            principals,
            from: time("from", &line.from)?,
            to: time("to", &line.to)?,
            events: line.event_ids,
        });
    }
    if labels.is_empty() {
        bail!("`{}` holds no episode", path.display());
    }
    Ok(labels)
}
