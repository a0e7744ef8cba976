//! What must hold of any subject and any event: what is printed reads back the same, and matching has its laws.

use std::collections::BTreeMap;

use countersign_model::time::{SECOND, Timestamp};
use countersign_signals::event::{
    Body, ChangeType, Circumstances, CredentialChange, DisabledReason, Event, InitiatingEntity, Level,
    RiskLevelChange, Status,
};
use countersign_signals::stream::Subjects;
use countersign_signals::subject::{Format, Simple, Subject};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Few letters, so that subjects meet.
fn simple() -> impl Strategy<Value = Simple> {
    let texts = prop::sample::select(&Format::ALL[..]).prop_flat_map(|format| {
        let count = format.definition().1.len();
        prop::collection::vec("[ab]", count).prop_map(move |values| Simple::Texts(format, values))
    });
    prop_oneof![
        3 => "[ab]".prop_map(|id| Simple::opaque(&id)),
        1 => texts,
        1 => prop::collection::vec("[ab]", 1..3).prop_map(Simple::IpAddresses),
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    let names = prop_oneof![Just("user"), Just("application"), Just("tenant"), Just("x")];
    let members = prop::collection::btree_map(names.prop_map(str::to_owned), simple(), 1..4);
    prop_oneof![
        1 => simple().prop_map(Subject::Simple),
        1 => prop::collection::vec(simple(), 1..3).prop_map(Subject::Aliases),
        3 => members.prop_map(Subject::Complex),
    ]
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé\" \\\\]{1,8}"
}

fn optional() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text())
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::Low), Just(Level::Medium), Just(Level::High)]
}

fn credential_change() -> impl Strategy<Value = Body> {
    let change_type = prop_oneof![
        Just(ChangeType::Create),
        Just(ChangeType::Revoke),
        Just(ChangeType::Update),
        Just(ChangeType::Delete)
    ];
    (text(), change_type, optional(), optional(), optional(), optional(), optional()).prop_map(
        |(credential_type, change_type, friendly_name, x509_issuer, x509_serial, fido2_aaguid, key_id)| {
            Body::CredentialChange(CredentialChange {
                credential_type,
                change_type,
                friendly_name,
                x509_issuer,
                x509_serial,
                fido2_aaguid,
                key_id,
            })
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let claims = prop::collection::btree_map(text(), text(), 0..3).prop_map(|claims| {
        let claims = claims.into_iter().map(|(name, value)| (name, Value::from(value)));
        Body::TokenClaimsChange(claims.collect::<Map<_, _>>())
    });
    let risk = (text(), level(), prop::option::of(level()), optional()).prop_map(
        |(principal, current_level, previous_level, risk_reason)| {
            Body::RiskLevelChange(RiskLevelChange { principal, current_level, previous_level, risk_reason })
        },
    );
    let reason = prop_oneof![Just(DisabledReason::Hijacking), Just(DisabledReason::BulkAccount)];
    prop_oneof![
        Just(Body::SessionRevoked),
        Just(Body::AccountEnabled),
        Just(Body::AccountPurged),
        claims,
        credential_change(),
        risk,
        prop::option::of(reason).prop_map(Body::AccountDisabled),
        (text(), optional())
            .prop_map(|(credential_type, key_id)| Body::CredentialCompromise { credential_type, key_id }),
        optional().prop_map(Body::Verification),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let who = prop_oneof![
        Just(InitiatingEntity::Admin),
        Just(InitiatingEntity::User),
        Just(InitiatingEntity::Policy),
        Just(InitiatingEntity::System)
    ];
    let reasons = || prop::collection::btree_map("[a-z]{2}", text(), 0..3);
    let time = prop::option::of(0..253_402_300_799_i64);
    let generation = prop::option::of(any::<u64>());
    let circumstances = (time, prop::option::of(who), reasons(), reasons(), generation).prop_map(
        |(seconds, initiating_entity, reason_admin, reason_user, generation): (
            _,
            _,
            BTreeMap<_, _>,
            _,
            _,
        )| Circumstances {
            event_timestamp: seconds.map(|seconds| Timestamp(seconds * SECOND)),
            initiating_entity,
            reason_admin,
            reason_user,
            generation,
        },
    );
    (body(), circumstances).prop_map(|(body, circumstances)| Event { body, circumstances })
}

proptest! {
    #[test]
    fn a_subject_reads_back_the_same(subject in subject()) {
        prop_assert_eq!(Subject::read(&subject.to_json()), Ok(subject));
    }

    #[test]
    fn an_event_reads_back_the_same(event in event()) {
        let json = event.to_json();
        prop_assert_eq!(Event::read(event.event_type(), json.as_object().unwrap()), Ok(event));
    }

    #[test]
    fn matching_is_reflexive_and_symmetric(one in subject(), two in subject()) {
        prop_assert!(one.matches(&one) && one.is_meant_by(&one));
        prop_assert_eq!(one.matches(&two), two.matches(&one));
        prop_assert_eq!(one.is_meant_by(&two), two.is_meant_by(&one));
        prop_assert!(one.matches(&two) || !one.is_meant_by(&two), "narrower");
    }

    /// SSF 1.0 section 8.1.3.1: a member less matches whatever matched before.
    #[test]
    fn what_says_less_matches_more(one in subject(), two in subject(), which in any::<prop::sample::Index>()) {
        if let Subject::Complex(members) = &one {
            let mut fewer = members.clone();
            fewer.remove(*which.get(&members.keys().collect::<Vec<_>>()));
            prop_assert!(!one.matches(&two) || Subject::Complex(fewer).matches(&two));
        }
    }

    /// Whatever was asked for before, the last word about a subject counts.
    #[test]
    fn the_last_word_about_a_subject_counts(
        words in prop::collection::vec((subject(), any::<bool>()), 0..12),
        last in subject(),
    ) {
        let mut subjects = Subjects::default();
        for (subject, is_added) in words {
            if is_added { subjects.add(&subject) } else { subjects.remove(subject).unwrap() }
        }
        subjects.add(&last);
        prop_assert!(subjects.contains(&last));
        subjects.remove(last.clone()).unwrap();
        prop_assert!(!subjects.contains(&last));
    }

    #[test]
    fn a_status_reads_back_the_same(reason in optional()) {
        for status in [Status::Enabled, Status::Paused, Status::Disabled] {
            let event = Event {
                body: Body::StreamUpdated { status, reason: reason.clone() },
                circumstances: Circumstances::default(),
            };
            let json = event.to_json();
            prop_assert_eq!(Event::read(event.event_type(), json.as_object().unwrap()), Ok(event));
        }
    }
}
