use countersign_signals::event::{Circumstances, CredentialChange};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_780_000_000 * SECOND);
const WHO: Uuid = Uuid::from_u128(1);
const KEY: Uuid = Uuid::from_u128(100);

fn event(body: Body, generation: Option<u64>, at: Timestamp) -> Event {
    let circumstances = Circumstances { event_timestamp: Some(at), generation, ..Circumstances::default() };
    Event { body, circumstances }
}

fn credential(change_type: ChangeType) -> Body {
    Body::CredentialChange(CredentialChange {
        credential_type: "app".to_owned(),
        change_type,
        friendly_name: None,
        x509_issuer: None,
        x509_serial: None,
        fido2_aaguid: None,
        key_id: Some(KEY.to_string()),
    })
}

fn compromise(key_id: Option<Uuid>) -> Body {
    Body::CredentialCompromise { credential_type: "app".to_owned(), key_id: key_id.map(|id| id.to_string()) }
}

/// A table that has known everything for an hour.
fn table() -> Table {
    let mut table = Table::default();
    table.begin(NOW.plus(-HOUR));
    table
}

/// A token of a minute ago.
fn token(is_cae: bool, generation: u64) -> TokenFacts {
    TokenFacts { principal: WHO, issued_at: NOW.plus(-60 * SECOND), is_cae, generation, key_id: Some(KEY) }
}

fn challenged(at: Timestamp) -> Verdict {
    Verdict::Challenge(Challenge {
        code: Code::TokenIssuedBeforeRevocationTimestamp,
        not_before: at.0 / SECOND,
        address: None,
    })
}

#[test]
fn what_each_event_ends() {
    use Verdict::{Accept, Refuse};
    let at = NOW.plus(-10 * SECOND);
    let over = challenged(at);
    let disabled = Body::AccountDisabled(None);
    for (what, events, generation, plain, cae) in [
        ("nothing", vec![], 0, Accept, Accept),
        ("revoked", vec![(Body::SessionRevoked, Some(1))], 0, Accept, over),
        ("knows of it", vec![(Body::SessionRevoked, Some(1))], 1, Accept, Accept),
        (
            "again, out of order",
            vec![(Body::SessionRevoked, Some(2)), (Body::SessionRevoked, Some(1))],
            1,
            Accept,
            over,
        ),
        ("disabled", vec![(disabled.clone(), Some(1))], 1, Refuse, over),
        ("purged", vec![(Body::AccountPurged, None)], 9, Refuse, over),
        ("enabled again", vec![(disabled.clone(), Some(1)), (Body::AccountEnabled, None)], 0, Refuse, over),
        ("of after that", vec![(disabled.clone(), Some(1)), (Body::AccountEnabled, None)], 1, Accept, Accept),
        ("revoked by time", vec![(Body::SessionRevoked, None)], 9, Accept, over),
        ("disabled by time", vec![(disabled, None), (Body::AccountEnabled, None)], 9, Refuse, over),
        ("credential removed", vec![(credential(ChangeType::Delete), None)], 9, Accept, over),
        ("credential revoked", vec![(credential(ChangeType::Revoke), None)], 9, Accept, over),
        ("credential made", vec![(credential(ChangeType::Create), None)], 0, Accept, Accept),
        ("credential changed", vec![(credential(ChangeType::Update), None)], 0, Accept, Accept),
        ("credential known", vec![(compromise(Some(KEY)), None)], 9, Accept, over),
        ("another one known", vec![(compromise(Some(WHO)), None)], 0, Accept, Accept),
        ("some one known", vec![(compromise(None), None)], 9, Accept, over),
        ("claims", vec![(Body::TokenClaimsChange(serde_json::Map::new()), None)], 0, Accept, Accept),
    ] {
        let mut table = table();
        for (body, generation) in events {
            table.apply(WHO, &event(body, generation, at), at, NOW);
        }
        assert_eq!(table.decide(&token(false, generation), NOW), plain, "{what}, which cannot be challenged");
        assert_eq!(table.decide(&token(true, generation), NOW), cae, "{what}, which can");
        let other = TokenFacts { principal: Uuid::from_u128(2), ..token(true, 0) };
        assert_eq!(table.decide(&other, NOW), Accept, "{what} happened to somebody else");
    }
}

#[test]
fn a_time_ends_what_was_issued_within_its_second_and_no_more() {
    let second = NOW.plus(-10 * SECOND);
    let mut table = table();
    table.apply(WHO, &event(Body::SessionRevoked, None, second), second, NOW);
    for (micros, is_over) in [(-1, true), (0, true), (SECOND - 1, true), (SECOND, false)] {
        let token = TokenFacts { issued_at: second.plus(micros), ..token(true, 0) };
        assert_eq!(table.decide(&token, NOW) != Verdict::Accept, is_over, "{micros}");
    }
}

#[test]
fn a_time_after_that_of_issue_does_not_count() {
    let mut table = table();
    table.apply(WHO, &event(Body::SessionRevoked, None, NOW.plus(HOUR)), NOW.plus(-120 * SECOND), NOW);
    assert_eq!(table.decide(&token(true, 0), NOW), Verdict::Accept);
}

#[test]
fn what_was_issued_before_the_table_knew_everything_is_not_believed() {
    let mut table = Table::default();
    assert_eq!(table.decide(&token(true, 0), NOW), Verdict::Unavailable);
    // Nobody waits for those that live an hour.
    assert_eq!(table.decide(&token(false, 0), NOW), Verdict::Accept);
    let from = table.begin(NOW.plus(1));
    assert_eq!(from, NOW.plus(6 * SECOND), "a full second");
    assert_eq!(table.decide(&token(true, 0), from.plus(-1)), Verdict::Unavailable);
    assert_eq!(table.decide(&token(true, 0), from), challenged(from));
    let brought = TokenFacts { issued_at: from, ..token(true, 0) };
    assert_eq!(table.decide(&brought, from), Verdict::Accept);
    // A gap, and a clock that was set back.
    assert_eq!(table.begin(NOW.plus(HOUR)), NOW.plus(HOUR + SETTLING));
    assert_eq!(table.begin(NOW), NOW.plus(HOUR + SETTLING));
    assert_ne!(table.decide(&brought, NOW.plus(2 * HOUR)), Verdict::Accept);
}

#[test]
fn that_one_was_enabled_again_may_be_what_a_gap_swallowed() {
    let mut table = table();
    table.apply(WHO, &event(Body::AccountDisabled(None), Some(1), NOW), NOW, NOW);
    let from = table.begin(NOW);
    let of = |is_cae, generation| TokenFacts { issued_at: from, ..token(is_cae, generation) };
    for is_cae in [false, true] {
        assert_ne!(table.decide(&of(is_cae, 0), from), Verdict::Accept);
        assert_eq!(table.decide(&of(is_cae, 1), from), Verdict::Accept);
    }
}

#[test]
fn what_no_token_can_be_concerned_by_is_forgotten() {
    let mut table = table();
    table.apply(WHO, &event(credential(ChangeType::Delete), None, NOW), NOW, NOW);
    assert_eq!(table.len(), 2);
    let later = NOW.plus(KEPT);
    table.apply(KEY, &event(Body::SessionRevoked, Some(1), later), later, later);
    assert_eq!(table.len(), 1);
    let recent = TokenFacts { issued_at: later, ..token(true, 0) };
    assert_eq!(table.decide(&recent, later), Verdict::Accept);
}

#[test]
fn what_is_forgotten_to_make_room_ends_all_tokens_of_before() {
    let mut table = Table::new(8);
    table.begin(NOW.plus(-HOUR));
    for number in 0..9 {
        let at = NOW.plus(number * 60 * SECOND);
        let who = Uuid::from_u128(1 + number as u128);
        table.apply(who, &event(Body::SessionRevoked, Some(1), at), at, at);
    }
    assert_eq!(table.len(), 6, "the first three made room");
    let (forgotten, now) = (NOW.plus(2 * 60 * SECOND + SETTLING), NOW.plus(HOUR));
    for is_cae in [false, true] {
        let of = |micros| TokenFacts { issued_at: forgotten.plus(micros), ..token(is_cae, 0) };
        let over = if is_cae { challenged(forgotten) } else { Verdict::Refuse };
        assert_eq!(table.decide(&of(-1), now), over);
        assert_eq!(table.decide(&of(0), now), Verdict::Accept);
    }
    // One workload with more than there is room for.
    for number in 0..20 {
        table.apply(WHO, &event(compromise(Some(Uuid::from_u128(number))), None, now), now, now);
        assert!(table.len() <= 8);
    }
}

/// What happened, as a list that forgets nothing.
#[derive(Clone, Debug)]
enum Happened {
    Told { who: u128, body: Body, generation: Option<u64>, at: Timestamp },
    Gap { at: Timestamp },
}

fn happened() -> impl Strategy<Value = Vec<Happened>> {
    let body = prop_oneof![
        Just(Body::SessionRevoked),
        Just(Body::AccountDisabled(None)),
        Just(Body::AccountEnabled),
        Just(Body::AccountPurged),
        Just(credential(ChangeType::Delete)),
        Just(compromise(Some(KEY))),
        Just(compromise(None)),
    ];
    let told = (1..4_u128, body, prop::option::of(0..4_u64), 0..20_i64).prop_map(
        |(who, body, generation, seconds)| Happened::Told {
            who,
            body,
            generation,
            at: NOW.plus(seconds * SECOND),
        },
    );
    let gap = (0..20_i64).prop_map(|seconds| Happened::Gap { at: NOW.plus(seconds * SECOND) });
    prop::collection::vec(prop_oneof![9 => told, 1 => gap], 0..24)
}

/// Whether a token is good, by going through all that happened for each question.
fn is_good(all: &[Happened], token: &TokenFacts) -> bool {
    let (mut is_active, mut is_over) = (true, false);
    for one in all {
        match one {
            Happened::Gap { at } => {
                is_active = true;
                is_over |= token.is_cae && token.issued_at < at.plus(SETTLING);
            }
            Happened::Told { who, .. } if Uuid::from_u128(*who) != token.principal => {}
            Happened::Told { body, generation, at, .. } => {
                let is_before = match generation {
                    Some(generation) => token.generation < *generation,
                    None => token.issued_at.0 / SECOND <= at.0 / SECOND,
                };
                let is_until = token.issued_at.0 / SECOND <= at.0 / SECOND;
                match body {
                    Body::SessionRevoked => is_over |= token.is_cae && is_before,
                    Body::AccountDisabled(_) => {
                        is_active = false;
                        is_over |= is_before;
                    }
                    Body::AccountPurged => {
                        is_active = false;
                        is_over |= is_until;
                    }
                    Body::AccountEnabled => is_active = true,
                    Body::CredentialCompromise { key_id: None, .. } => is_over |= token.is_cae && is_until,
                    _ => is_over |= token.is_cae && token.key_id == Some(KEY),
                }
            }
        }
    }
    is_active && !is_over
}

proptest! {
    #[test]
    fn the_table_says_what_the_list_says(
        all in happened(),
        tokens in prop::collection::vec(
            (1..4_u128, 0..20_000_000_i64, any::<bool>(), 0..4_u64, any::<bool>()), 1..8),
    ) {
        let mut table = Table::default();
        table.begin(NOW.plus(-HOUR));
        let now = NOW.plus(60 * SECOND);
        for one in &all {
            match one {
                Happened::Told { who, body, generation, at } => {
                    table.apply(Uuid::from_u128(*who), &event(body.clone(), *generation, *at), *at, now);
                }
                Happened::Gap { at } => drop(table.begin(*at)),
            }
        }
        for (who, micros, is_cae, generation, has_key) in tokens {
            let token = TokenFacts {
                principal: Uuid::from_u128(who),
                issued_at: NOW.plus(micros),
                is_cae,
                generation,
                key_id: has_key.then_some(KEY),
            };
            prop_assert_eq!(table.decide(&token, now) == Verdict::Accept, is_good(&all, &token), "{:?}", token);
        }
    }

    #[test]
    fn a_table_that_is_too_small_refuses_more_and_never_less(all in happened(), is_cae: bool, who in 1..4_u128) {
        let (mut small, mut large) = (Table::new(2), Table::default());
        for table in [&mut small, &mut large] {
            table.begin(NOW.plus(-HOUR));
        }
        for (index, one) in all.iter().enumerate() {
            let Happened::Told { who, body, generation, at } = one else { continue };
            let heard = NOW.plus((20 + index as i64) * SECOND);
            for table in [&mut small, &mut large] {
                table.apply(Uuid::from_u128(*who), &event(body.clone(), *generation, *at), *at, heard);
            }
            prop_assert!(small.len() <= 2);
        }
        let now = NOW.plus(600 * SECOND);
        // Of before anything was heard: what was issued later, its issuer knew.
        for seconds in -10..20 {
            let issued_at = NOW.plus(seconds * SECOND);
            let token =
                TokenFacts { principal: Uuid::from_u128(who), issued_at, is_cae, generation: 0, key_id: Some(KEY) };
            if large.decide(&token, now) != Verdict::Accept {
                prop_assert_ne!(small.decide(&token, now), Verdict::Accept);
            }
        }
    }
}
