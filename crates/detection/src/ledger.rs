//! The change ledger: what the directory audit log says was changed, by whom, and whether that actor does such
//! things. A rotation that was announced explains a new credential; one by a rare actor does not.

use std::collections::HashMap;

use countersign_model::event::{Actor, DirectoryAudit, ModifiedProperty};
use countersign_model::id::Id;
use countersign_model::time::Timestamp;
use foldhash::fast::FixedState;

use crate::constants::{ACTOR_KNOWN, LEDGER, PEER_RUNS, RARE_ACTOR_LN};

/// Chance that a change is made by an actor who never made one, before anything is learnt: one change in ten.
const NEW_ACTOR_RATE: f64 = 0.1;
/// Chance that an attacker's change is made by such an actor.
const ATTACKER_NEW_ACTOR: f64 = 0.5;
/// Most changes kept for one identity.
const CHANGES_MAX: usize = 64;

/// What kind of change, as far as sign-ins care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    CredentialAdded { key: Id<'static>, kind: String, label: String },
    CredentialRemoved { key: Id<'static> },
    FederatedCredentialAdded { issuer: String, subject: String },
    AppRoleGranted { role: String, resource: String },
    Enabled(bool),
}

/// One entry of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) time: Timestamp,
    pub(crate) kind: ChangeKind,
    pub(crate) actor: String,
    pub(crate) is_rare_actor: bool,
    pub(crate) event: String,
}

/// All changes of one tenant that may explain, or taint, what identities do.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By key id, service principal id, application id or application object id.
    subjects: HashMap<Id<'static>, usize, FixedState>,
    changes: Vec<Vec<Change>>,
    /// First change and number of changes of each actor, and whether it was rare when it came.
    actors: HashMap<String, (Timestamp, u32, bool), FixedState>,
    /// Changes made, and actors that made exactly one.
    changes_made: f64,
    actors_once: f64,
    pub(crate) has_audit: bool,
}

impl Ledger {
    /// Enters the changes of one audit record; answers the service principals it concerns with each change.
    pub(crate) fn enter(&mut self, audit: &DirectoryAudit<'_>) -> Vec<(Id<'static>, Change)> {
        self.has_audit = true;
        if !audit.succeeded {
            return Vec::new();
        }
        let kinds = kinds(audit);
        if kinds.is_empty() {
            return Vec::new();
        }
        let actor = actor_name(&audit.initiated_by);
        let is_rare_actor = self.is_rare(&actor, audit.time);
        let mut entered = Vec::new();
        for (subject, kind) in kinds {
            let change = Change {
                time: audit.time,
                kind,
                actor: actor.clone(),
                is_rare_actor,
                event: audit.id.to_string(),
            };
            if let ChangeKind::CredentialAdded { key, .. } = &change.kind {
                self.push(key.clone(), change.clone());
            }
            self.push(subject.clone(), change.clone());
            if !audit.app.is_none() && audit.app.0 != subject {
                self.push(audit.app.0.to_owned_id(), change.clone());
            }
            entered.push((subject, change));
        }
        entered
    }

    fn push(&mut self, subject: Id<'static>, change: Change) {
        let at = *self.subjects.entry(subject).or_insert(self.changes.len());
        if at == self.changes.len() {
            self.changes.push(Vec::new());
        }
        let changes = &mut self.changes[at];
        if changes.len() == CHANGES_MAX {
            changes.remove(0);
        }
        changes.push(change);
    }

    /// Judges the actor of a change by how often changes are made by newcomers, and remembers it.
    fn is_rare(&mut self, actor: &str, time: Timestamp) -> bool {
        let newcomer_rate = (PEER_RUNS * NEW_ACTOR_RATE + self.actors_once) / (PEER_RUNS + self.changes_made);
        let ln = (ATTACKER_NEW_ACTOR / newcomer_rate).ln();
        self.changes_made += 1.0;
        let (first, changes, was_rare) =
            self.actors.entry(actor.to_owned()).or_insert((time, 0, ln > RARE_ACTOR_LN));
        *changes += 1;
        match changes {
            1 => self.actors_once += 1.0,
            2 => self.actors_once -= 1.0,
            _ => {}
        }
        *was_rare && time.since(*first) < ACTOR_KNOWN
    }

    fn of(&self, subject: &Id<'_>) -> &[Change] {
        let subjects: &HashMap<Id<'_>, usize, FixedState> = &self.subjects;
        subjects.get(subject).map_or(&[], |at| &self.changes[*at])
    }

    /// The last change of a subject before `time` that `wanted` accepts, at most [`LEDGER`] ago.
    pub(crate) fn last(
        &self,
        subject: &Id<'_>,
        time: Timestamp,
        wanted: impl Fn(&ChangeKind) -> bool,
    ) -> Option<&Change> {
        self.of(subject).iter().rev().find(|change| {
            let age = time.since(change.time);
            (0..=LEDGER).contains(&age) && wanted(&change.kind)
        })
    }

    /// The addition of a credential, however long ago.
    pub(crate) fn addition(&self, key: &Id<'_>) -> Option<&Change> {
        let is_addition = |change: &&Change| matches!(change.kind, ChangeKind::CredentialAdded { .. });
        self.of(key).iter().rev().find(is_addition)
    }
}

/// Names are not unique, so an application is told apart by its id.
pub(crate) fn actor_name(actor: &Actor<'_>) -> String {
    match actor {
        Actor::App { name, service_principal, .. } if !name.is_empty() => {
            format!("{actor} ({service_principal})")
        }
        _ => actor.to_string(),
    }
}

/// The changes in an audit record, each with its subject.
fn kinds(audit: &DirectoryAudit<'_>) -> Vec<(Id<'static>, ChangeKind)> {
    let operation = audit.operation.to_ascii_lowercase();
    let mut kinds = Vec::new();
    for target in &audit.targets {
        for property in &target.modified {
            let subject = || target.id.to_owned_id();
            match property.name.as_ref() {
                "KeyDescription" => {
                    let (old, new) = (keys(&property.old), keys(&property.new));
                    let added = new.iter().filter(|key| !old.iter().any(|other| other.id == key.id));
                    kinds.extend(added.map(|key| {
                        let (kind, label) = (key.kind.clone(), key.label.clone());
                        (
                            subject(),
                            ChangeKind::CredentialAdded { key: Id::parse(&key.id).into_owned(), kind, label },
                        )
                    }));
                    let removed = old.iter().filter(|key| !new.iter().any(|other| other.id == key.id));
                    kinds.extend(removed.map(|key| {
                        (subject(), ChangeKind::CredentialRemoved { key: Id::parse(&key.id).into_owned() })
                    }));
                }
                "FederatedIdentityCredentials" => {
                    let (old, new) = (trusts(&property.old), trusts(&property.new));
                    kinds.extend(new.into_iter().filter(|trust| !old.contains(trust)).map(
                        |(issuer, subject_claim)| {
                            (
                                subject(),
                                ChangeKind::FederatedCredentialAdded { issuer, subject: subject_claim },
                            )
                        },
                    ));
                }
                "AccountEnabled" if operation.contains("service principal") => {
                    kinds.push((subject(), ChangeKind::Enabled(property.new.contains("true"))));
                }
                _ => {}
            }
        }
    }
    if operation == "add app role assignment to service principal"
        && let Some(grant) = app_role(audit)
    {
        kinds.push(grant);
    }
    kinds
}

/// The client of an app role assignment is the second target, and the property `ServicePrincipal.ObjectID`.
fn app_role(audit: &DirectoryAudit<'_>) -> Option<(Id<'static>, ChangeKind)> {
    let resource = audit.targets.first()?;
    let property = |name: &str| {
        let found =
            resource.modified.iter().find(|property: &&ModifiedProperty<'_>| property.name == name)?;
        Some(found.new.trim_matches('"').to_owned())
    };
    let client = property("ServicePrincipal.ObjectID").map(|id| Id::parse(&id).into_owned());
    let client = client.or_else(|| audit.targets.get(1).map(|target| target.id.to_owned_id()))?;
    let role = property("AppRole.Value")?;
    Some((client, ChangeKind::AppRoleGranted { role, resource: resource.name.to_string() }))
}

#[derive(Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: String,
    kind: String,
    label: String,
}

/// `["[KeyIdentifier=<guid>,KeyType=Password,KeyUsage=Verify,DisplayName=text]", …]`. The display name may hold
/// `,` and `=`, so it is split at the four known keys only.
pub(crate) fn keys(value: &str) -> Vec<Key> {
    let entries: Vec<String> = match serde_json::from_str(value) {
        Ok(entries) => entries,
        Err(_) => return Vec::new(),
    };
    entries
        .iter()
        .filter_map(|entry| {
            let entry = entry.strip_prefix('[')?.strip_suffix(']')?;
            let (head, label) = entry.split_once(",DisplayName=").unwrap_or((entry, ""));
            let part = |name: &str| head.split(',').find_map(|part| part.strip_prefix(name));
            Some(Key {
                id: part("KeyIdentifier=")?.to_owned(),
                kind: part("KeyType=").unwrap_or("").to_owned(),
                label: label.to_owned(),
            })
        })
        .collect()
}

/// Issuers and subjects of federated credentials.
pub(crate) fn trusts(value: &str) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Array(entries)) = serde_json::from_str(value) else { return Vec::new() };
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap_or("").to_owned();
    entries.iter().map(|entry| (text(entry, "Issuer"), text(entry, "Subject"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_may_hold_commas_and_equals_signs() {
        let value = r#"["[KeyIdentifier=a,KeyType=AsymmetricX509Cert,KeyUsage=Verify,DisplayName=E=x, CN=y, OU=z]","[KeyIdentifier=b,KeyType=Password,KeyUsage=Verify,DisplayName=]"]"#;
        let found = keys(value);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].id.as_str(), found[0].kind.as_str(), found[0].label.as_str()),
            ("a", "AsymmetricX509Cert", "E=x, CN=y, OU=z")
        );
        assert_eq!((found[1].id.as_str(), found[1].label.as_str()), ("b", ""));
        assert_eq!(keys("not json"), []);
        // The unified audit log writes lists over several lines.
        let value = "[\r\n  \"[KeyIdentifier=a,KeyType=Password,KeyUsage=Verify,DisplayName=x]\"\r\n]";
        assert_eq!(keys(value).len(), 1);
    }

    #[test]
    fn the_first_federated_credential_has_no_old_value() {
        let new = r#"[{"Name":"n","Issuer":"https://token.actions.githubusercontent.com","Subject":"repo:o/r:ref:refs/heads/main"}]"#;
        let (old, new) = (trusts("[]"), trusts(new));
        assert!(old.is_empty());
        assert_eq!(new[0].0, "https://token.actions.githubusercontent.com");
    }

    #[test]
    fn a_newcomer_among_few_known_actors_is_rare() {
        let mut ledger = Ledger::default();
        assert!(!ledger.is_rare("admin", Timestamp(0)), "nothing is learnt yet");
        for change in 1..60 {
            assert!(!ledger.is_rare("admin", Timestamp(change * ACTOR_KNOWN)));
        }
        assert!(ledger.is_rare("stranger", Timestamp(60 * ACTOR_KNOWN)));
        assert!(ledger.is_rare("stranger", Timestamp(60 * ACTOR_KNOWN + 1)), "no better the second time");
    }
}
