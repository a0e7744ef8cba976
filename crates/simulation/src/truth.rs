//! What really happened: the answers that an evaluation compares findings with.

use std::collections::BTreeMap;

use countersign_model::time::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

/// Whether an episode is an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EpisodeKind {
    /// Somebody else uses the principal.
    Attack,
    /// Benign, but resembles an attack.
    LookAlike,
}

/// Something that happened to one principal and that an evaluation wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Episode {
    /// Whether it is an attack.
    pub kind: EpisodeKind,
    /// Name of its class, such as `stolenSecretVps` or `egressChange`.
    pub family: String,
    /// Object id of the principal.
    pub service_principal_id: String,
    /// Its application id.
    pub app_id: String,
    /// Its display name.
    pub name: String,
    /// Its archetype, such as `steadyPoller`.
    pub archetype: String,
    /// Object ids of all principals concerned, whether they act or are acted upon, `service_principal_id` first.
    pub service_principal_ids: Vec<String>,
    /// Begin, in event time.
    #[serde(serialize_with = "rfc3339")]
    pub from: Timestamp,
    /// End, in event time; of lasting changes, when they stop being new.
    #[serde(serialize_with = "rfc3339")]
    pub to: Timestamp,
    /// Ids of its records: all of an attack, the first [`LOOK_ALIKE_EVENTS_MAX`] of a look-alike.
    pub event_ids: Vec<String>,
    /// What else is known about it: how the credential was obtained, used and so on, or, of look-alikes that move
    /// several principals, the `group` they share.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub traits: BTreeMap<&'static str, String>,
}

/// Event ids kept for one look-alike: some last for the whole simulation.
pub const LOOK_ALIKE_EVENTS_MAX: usize = 100;

impl Episode {
    /// One line of NDJSON, without the line break.
    pub fn to_json(&self) -> String {
        // Text, numbers and lists of text: nothing that can fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::DEFAULT_START;

    #[test]
    fn is_one_line() {
        let episode = Episode {
            kind: EpisodeKind::LookAlike,
            family: "egressChange".into(),
            service_principal_id: "s".into(),
            app_id: "a".into(),
            name: "svc \"x\"".into(),
            archetype: "pool".into(),
            service_principal_ids: vec!["s".into(), "t".into()],
            from: DEFAULT_START,
            to: DEFAULT_START.plus(1),
            event_ids: vec!["e".into()],
            traits: BTreeMap::from([("group", "egress-1".into())]),
        };
        assert_eq!(
            episode.to_json(),
            concat!(
                r#"{"kind":"lookAlike","family":"egressChange","servicePrincipalId":"s","appId":"a","#,
                r#""name":"svc \"x\"","archetype":"pool","servicePrincipalIds":["s","t"],"from":"2026-03-02T00:00:00.000000Z","to":"2026-03-02T00:00:00.000001Z","#,
                r#""eventIds":["e"],"traits":{"group":"egress-1"}}"#
            )
        );
    }
}
