//! A token that is issued while something ends tokens: every order in which that can happen, at one node and at two.
//!
//! Whoever issues reads what is known, and signs later. Whoever revokes writes, and other nodes hear of it later still. Clocks
//! play no part: a token that is signed from what was known before has a later time than the event that it does not know.

use std::net::{IpAddr, Ipv4Addr};

use countersign_access::continuous::{Decision, TokenFacts, Watermarks, decide};
use countersign_access::evaluate::{Place, Risk, SignIn, WhereCountry};
use countersign_access::principal::{Attributes, Principal, Scope};
use countersign_access::snapshot::Snapshot;
use countersign_model::risk::RiskLevel;
use countersign_model::time::{HOUR, Timestamp};
use uuid::Uuid;

/// What a directory says of a workload: its account, what has ended its tokens, whether the credential is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    is_active: bool,
    ended: u64,
    revoked: u64,
    has_credential: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Disable,
    Enable,
    Revoke,
    RemoveCredential,
    /// The node that issues hears of what was written.
    Hear,
    /// It reads what it knows, to issue a token.
    Read,
    /// It signs the token.
    Sign,
}

const STEPS: [Step; 7] =
    [Step::Disable, Step::Enable, Step::Revoke, Step::RemoveCredential, Step::Hear, Step::Read, Step::Sign];

#[derive(Clone, Copy, Debug)]
struct Token {
    facts: TokenFacts,
    /// The sequence number of what was known when it was made.
    knows: usize,
}

/// Whether a resource that knows everything takes a token.
fn is_taken(token: &Token, truth: Facts) -> bool {
    let watermarks = Watermarks {
        is_active: truth.is_active,
        ended: truth.ended,
        revoked: truth.revoked,
        revoked_at: Some(Timestamp(0)),
        policies_changed_at: None,
    };
    let snapshot = Snapshot::default();
    let evaluation = snapshot.evaluate(&SignIn {
        principal: Principal {
            id: Uuid::nil(),
            scope: Scope::SingleTenantApplication,
            attributes: &Attributes::default(),
        },
        resource: Uuid::nil(),
        risk: Risk::Level(RiskLevel::None),
        place: Place { address: None, country: WhereCountry::Unknown },
        place_at_resource: None,
    });
    let facts = TokenFacts { is_credential_gone: !truth.has_credential, ..token.facts };
    let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    decide(&facts, &watermarks, Some(&evaluation), address, Timestamp(HOUR)) == Decision::Accept
}

/// Plays the steps; the number of tokens that were refused and taken.
fn play(steps: &[Step], is_cae: bool) -> (u32, u32) {
    let begin = Facts { is_active: true, ended: 0, revoked: 0, has_credential: true };
    // What was written, one after the other, and how much of it the issuing node has heard.
    let mut written = vec![(begin, None)];
    let mut heard = 0;
    let mut read: Option<usize> = None;
    let mut tokens: Vec<Token> = Vec::new();
    for (time, step) in steps.iter().enumerate() {
        let (mut facts, _) = written[written.len() - 1];
        match step {
            Step::Disable => {
                facts.ended += u64::from(facts.is_active);
                facts.is_active = false;
            }
            Step::Enable => facts.is_active = true,
            Step::Revoke => facts.revoked += 1,
            Step::RemoveCredential => facts.has_credential = false,
            Step::Hear => heard = written.len() - 1,
            Step::Read => {
                read = Some(heard).filter(|at| written[*at].0.is_active && written[*at].0.has_credential);
            }
            Step::Sign => {
                if let Some(knows) = read.take() {
                    let known = written[knows].0;
                    let generation = known.ended + if is_cae { known.revoked } else { 0 };
                    let facts = TokenFacts {
                        // Always later than every event so far.
                        issued_at: Timestamp(time as i64 + 1),
                        expires_at: Timestamp(25 * HOUR),
                        is_cae,
                        generation,
                        is_credential_gone: false,
                    };
                    tokens.push(Token { facts, knows });
                }
            }
        }
        if matches!(step, Step::Disable | Step::Enable | Step::Revoke | Step::RemoveCredential) {
            written.push((facts, Some(*step)));
        }
    }
    let truth = written[written.len() - 1].0;
    let (mut refused, mut taken) = (0, 0);
    for token in &tokens {
        let missed = written[token.knows + 1..].iter().filter_map(|(_, step)| *step);
        let ends = |step: Step| match step {
            Step::Disable => true,
            Step::Revoke | Step::RemoveCredential => is_cae,
            _ => false,
        };
        let expected = truth.is_active && !missed.clone().any(ends);
        let found = is_taken(token, truth);
        assert_eq!(found, expected, "{steps:?}, {token:?}, missed {:?}", missed.collect::<Vec<_>>());
        *(if found { &mut taken } else { &mut refused }) += 1;
    }
    (refused, taken)
}

#[test]
fn no_token_is_good_that_does_not_know_what_ended_it() {
    const LENGTH: u32 = 6;
    for is_cae in [true, false] {
        let (mut refused, mut taken) = (0, 0);
        for number in 0..STEPS.len().pow(LENGTH) {
            let mut rest = number;
            let mut steps = [Step::Hear; LENGTH as usize];
            for step in &mut steps {
                *step = STEPS[rest % STEPS.len()];
                rest /= STEPS.len();
            }
            let (of_refused, of_taken) = play(&steps, is_cae);
            refused += of_refused;
            taken += of_taken;
        }
        // Both happen, and often.
        assert!(refused > 1_000 && taken > 1_000, "{refused} refused, {taken} taken");
    }
}
