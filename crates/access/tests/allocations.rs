//! A decision allocates nothing, with policies of every kind.

use countersign_access::continuous::{Decision, TokenFacts, Watermarks, decide};
use countersign_model::time::Timestamp;

#[path = "../benches/decision/tenant.rs"]
mod tenant;

#[test]
fn a_decision_allocates_nothing() {
    let tenant = tenant::Tenant::with_policies(200);
    let token = TokenFacts {
        issued_at: Timestamp(1),
        expires_at: Timestamp(3),
        is_cae: true,
        generation: 3,
        is_credential_gone: false,
    };
    let watermarks = Watermarks {
        is_active: true,
        ended: 1,
        revoked: 2,
        revoked_at: Some(Timestamp(1)),
        policies_changed_at: None,
    };
    let (mut blocked, mut allowed) = (0, 0);
    for sign_in in tenant.sign_ins() {
        let mut is_blocked = false;
        let found = allocation_counter::measure(|| {
            let evaluation = tenant.snapshot.evaluate(&sign_in);
            let address = sign_in.place.address.unwrap();
            let decision = decide(&token, &watermarks, Some(&evaluation), address, Timestamp(2));
            is_blocked = evaluation.is_blocked();
            assert_eq!(decision == Decision::Accept, !is_blocked);
            assert_eq!(evaluation.blocking().count() > 0, is_blocked);
            assert_eq!(
                evaluation.outcomes().filter(|outcome| outcome.result() == "failure").count() > 0,
                is_blocked
            );
        });
        assert_eq!(found.count_total, 0, "{sign_in:?}");
        *(if is_blocked { &mut blocked } else { &mut allowed }) += 1;
    }
    // The measure counts what there is to count, and both kinds of decision were made.
    assert_eq!(allocation_counter::measure(|| drop(Box::new(blocked))).count_total, 1);
    assert!(blocked > 10 && allowed > 10, "{blocked} blocked, {allowed} allowed");
}
