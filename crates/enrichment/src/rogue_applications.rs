//! Lists of applications that attackers are known to use: a list of objects with `appId`, or an object with a list
//! `applications` of objects with `appid`, as the two public collections are laid out.

use countersign_model::id::{AppId, Id};
use countersign_model::inventory::RogueApplication;
use serde_json::Value;
use thiserror::Error;

/// Why a list cannot be used.
#[derive(Debug, Error)]
pub enum ListError {
    /// The file is no JSON.
    #[error("`{0}` is no JSON: {1}")]
    Json(String, serde_json::Error),
    /// No application in it has an id.
    #[error("`{0}` names no application: an entry needs `appId`")]
    Empty(String),
}

/// Reads a list; answers the applications and how many entries had no application id.
pub fn read(list: &str, bytes: &[u8]) -> Result<(Vec<RogueApplication>, usize), ListError> {
    let document: Value =
        serde_json::from_slice(bytes).map_err(|error| ListError::Json(list.to_owned(), error))?;
    let entries = document.get("applications").unwrap_or(&document);
    let entries: Vec<&Value> = entries.as_array().into_iter().flatten().collect();
    let applications: Vec<RogueApplication> =
        entries.iter().filter_map(|entry| application(list, entry)).collect();
    if applications.is_empty() {
        return Err(ListError::Empty(list.to_owned()));
    }
    let without = entries.len() - applications.len();
    Ok((applications, without))
}

fn application(list: &str, entry: &Value) -> Option<RogueApplication> {
    let text = |keys: &[&str]| keys.iter().find_map(|key| entry.get(*key)?.as_str()).unwrap_or_default();
    let id = text(&["appId", "appid", "AppId"]).trim();
    let Id::Guid(_) = Id::parse(id) else { return None };
    let words = |key: &str| -> Vec<&str> {
        entry.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let purpose = [words("tags"), words("categories")].concat().join(", ");
    Some(RogueApplication {
        app: AppId(Id::parse(id).into_owned()),
        name: text(&["appDisplayName", "name"]).to_owned(),
        purpose,
        list: list.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_read_and_entries_without_an_id_are_counted() {
        let one = br#"[{"appId":"E9A7FEA1-1cc0-4cd9-a31b-9137ca5deedd","appDisplayName":"x","tags":["spam"]},{"appId":"?"}]"#;
        let (applications, without) = read("list.json", one).unwrap();
        assert_eq!((applications.len(), without), (1, 1));
        assert_eq!((applications[0].name.as_str(), applications[0].purpose.as_str()), ("x", "spam"));
        let other = br#"{"applications":[{"appid":"ff8d92dc-3d82-41d6-bcbd-b9174d163620","name":"y","categories":["a","b"]}]}"#;
        assert_eq!(read("list.json", other).unwrap().0[0].purpose, "a, b");
    }

    #[test]
    fn a_file_that_is_no_list_says_so() {
        assert!(read("l", b"x").unwrap_err().to_string().starts_with("`l` is no JSON"));
        assert!(read("l", b"{}").unwrap_err().to_string().contains("`appId`"));
    }
}
