//! Streams: what may be asked for, what becomes of it, and the words in which it is shown.

use countersign_signals::event::{Body, EventType, Status};
use countersign_signals::stream::{
    Authorization, Delivery, POLL, PUSH, SUBJECTS_MAX, Stream, StreamStatus, Subjects, Transmitter,
    is_too_early, keeps, sends, stream_id, verification,
};
use countersign_signals::subject::{Simple, Subject, Tenant};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const TRANSMITTER: Transmitter<'_> = Transmitter {
    issuer: "https://login.example/t/v2.0",
    jwks_uri: "https://login.example/t/keys",
    base: "https://login.example/t/signals",
};
const ID: Uuid = Uuid::from_u128(7);

fn object(json: &Value) -> &Map<String, Value> {
    json.as_object().unwrap()
}

fn create(body: &Value) -> Result<Stream, String> {
    Stream::create(&TRANSMITTER, ID, "receiver", object(body)).map_err(|invalid| invalid.to_string())
}

fn push() -> Value {
    json!({"method": PUSH, "endpoint_url": "https://receiver.example/events", "authorization_header": "Bearer s"})
}

fn pushed() -> Stream {
    create(&json!({"events_requested": [REVOKED, DISABLED], "delivery": push(), "description": "SIEM"}))
        .unwrap()
}

fn header(stream: &Stream) -> Option<&str> {
    match &stream.configuration.delivery {
        Delivery::Push { authorization_header, .. } => {
            authorization_header.as_ref().map(Authorization::expose)
        }
        Delivery::Poll => None,
    }
}

/// SSF 1.0 section 7.1, with the addresses of our contract.
#[test]
fn the_metadata() {
    assert_eq!(
        TRANSMITTER.metadata(),
        json!({
            "spec_version": "1_0",
            "issuer": "https://login.example/t/v2.0",
            "jwks_uri": "https://login.example/t/keys",
            "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
            "configuration_endpoint": "https://login.example/t/signals/streams",
            "status_endpoint": "https://login.example/t/signals/status",
            "add_subject_endpoint": "https://login.example/t/signals/subjects/add",
            "remove_subject_endpoint": "https://login.example/t/signals/subjects/remove",
            "verification_endpoint": "https://login.example/t/signals/verify",
            "critical_subject_members": ["application", "tenant"],
            "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
            "default_subjects": "ALL",
        })
    );
}

/// SSF 1.0 section 8.1.1.
#[test]
fn a_new_stream_is_shown_without_its_secret() {
    let stream = pushed();
    let mut shown = stream.to_json(&TRANSMITTER);
    let supported = shown.as_object_mut().unwrap().remove("events_supported").unwrap();
    assert_eq!(supported.as_array().unwrap().len(), 8);
    assert!(shown["min_verification_interval"].take().as_i64().unwrap() > 0);
    assert_eq!(
        shown,
        json!({
            "stream_id": "00000000-0000-0000-0000-000000000007",
            "iss": "https://login.example/t/v2.0",
            "aud": "receiver",
            "events_requested": [REVOKED, DISABLED],
            "events_delivered": [REVOKED, DISABLED],
            "delivery": {"method": PUSH, "endpoint_url": "https://receiver.example/events"},
            "description": "SIEM",
            "min_verification_interval": null,
        })
    );
    assert_eq!(header(&stream), Some("Bearer s"));
    assert!(!format!("{stream:?}").contains("Bearer"), "a secret is not printed");
}

#[test]
fn only_what_was_asked_for_and_is_supported_is_delivered_once() {
    for (requested, delivered) in [
        (json!([REVOKED, "https://example.com/unheard-of"]), json!([REVOKED])),
        (json!([DISABLED, REVOKED, DISABLED]), json!([DISABLED, REVOKED])),
        // It comes unasked and is not among those that are supported.
        (json!([VERIFICATION]), json!([])),
        (json!([]), json!([])),
        (json!(null), json!([])),
    ] {
        let stream = create(&json!({"events_requested": requested})).unwrap();
        assert_eq!(stream.to_json(&TRANSMITTER)["events_delivered"], delivered, "{requested}");
    }
    let (subject, subjects) = (Subject::of_stream(ID), Subjects::default());
    let stream = pushed();
    assert!(stream.delivers(EventType::SessionRevoked, &subject, &subjects));
    assert!(!stream.delivers(EventType::AccountEnabled, &subject, &subjects));
    // SSF 1.0 sections 8.1.4.1 and 8.1.5: whatever was asked for or taken away.
    let without_itself = Subjects::without(vec![subject.clone()]);
    assert!(!stream.delivers(EventType::SessionRevoked, &subject, &without_itself));
    assert!(stream.delivers(EventType::Verification, &subject, &without_itself));
    assert!(stream.delivers(EventType::StreamUpdated, &subject, &without_itself));
}

/// SSF 1.0 section 8.1.1.1: without `delivery` it is poll, at an address of the transmitter's.
#[test]
fn without_delivery_a_stream_is_polled() {
    let own = "https://login.example/t/signals/poll/00000000-0000-0000-0000-000000000007";
    for delivery in [json!(null), json!({"method": POLL}), json!({"method": POLL, "endpoint_url": own})] {
        let stream = create(&json!({"delivery": delivery})).unwrap();
        assert_eq!(
            stream.to_json(&TRANSMITTER)["delivery"],
            json!({"method": POLL, "endpoint_url": own}),
            "{delivery}"
        );
    }
}

#[test]
fn streams_that_cannot_be() {
    let at = |url: &str| json!({"delivery": {"method": PUSH, "endpoint_url": url}});
    let with = |header: &str| json!({"delivery": {"method": PUSH, "endpoint_url": "https://r.example", "authorization_header": header}});
    let beginning = "`delivery.endpoint_url` must begin with `https://`";
    let host = "`delivery.endpoint_url` must have a host, and a port that is one";
    let character = "`delivery.endpoint_url` has a character that no URL has";
    let value = "`delivery.authorization_header` must be the value of a header";
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    for (body, expected) in [
        (json!({"events_requested": "all"}), "`events_requested` must be a list"),
        (json!({"events_requested": [1]}), "`events_requested` must be a list of texts, none too long"),
        (json!({"events_requested": many}), "`events_requested` has too many entries"),
        (json!({"description": ["a"]}), "`description` must be text"),
        (json!({"delivery": "push"}), "`delivery` must be an object"),
        (json!({"delivery": {}}), "`delivery.method` is missing"),
        (json!({"delivery": {"method": PUSH}}), "`delivery.endpoint_url` is missing"),
        (
            json!({"delivery": {"method": "urn:example:carrier-pigeon"}}),
            "`delivery.method` must be that of RFC 8935 or of RFC 8936",
        ),
        (
            json!({"delivery": {"method": POLL, "endpoint_url": "https://receiver.example"}}),
            "`delivery.endpoint_url` is the transmitter's to say",
        ),
        (
            json!({"delivery": {"method": POLL, "authorization_header": "Bearer s"}}),
            "`delivery.authorization_header` is only for push",
        ),
        (at("http://receiver.example/events"), beginning),
        (at("ftp://receiver.example"), beginning),
        (at("events"), beginning),
        (at("//receiver.example"), beginning),
        (at("https://"), host),
        (at("https:///events"), host),
        (at("https://:443/"), host),
        (at("https://receiver.example:https/"), host),
        (at("https://receiver.example:65536/"), host),
        (at("https://[::1]x/"), host),
        (at("https://a:[::1]/"), host),
        (at("https://user:password@receiver.example/"), "`delivery.endpoint_url` must not have a user"),
        (at("https://receiver.example/#here"), "`delivery.endpoint_url` must not have a fragment"),
        // Readers of URLs disagree on which host this is.
        (at("https://receiver.example\\@127.0.0.1/"), character),
        (at("https://receiver.example/a b"), character),
        (at("https://receiver.example/\r\nHost: b"), character),
        (at("https://empfänger.example/"), character),
        (with("a\r\nHost: b"), value),
        (with("Bearer ü"), value),
        (with(" "), value),
        // SSF 1.0 section 8.1.1.3: what the transmitter supplies must be right.
        (json!({"aud": "somebody else"}), "`aud` is the transmitter's to say"),
        (json!({"iss": "https://issuer.example"}), "`iss` is the transmitter's to say"),
        (json!({"stream_id": "mine"}), "`stream_id` is the transmitter's to say"),
        (json!({"events_supported": []}), "`events_supported` is the transmitter's to say"),
        (json!({"inactivity_timeout": 5}), "`inactivity_timeout` is the transmitter's to say"),
    ] {
        assert_eq!(create(&body), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn addresses_that_can_be() {
    for url in [
        "https://receiver.example",
        "https://receiver.example:8443/events?tenant=1&x=%20",
        "HTTPS://receiver.example/",
        "https://198.51.100.1/",
        "https://[2001:db8::1]/",
        "https://[2001:db8::1]:8443/",
        // The user's sign in a path names nobody.
        "https://receiver.example/@events",
    ] {
        let body = json!({"delivery": {"method": PUSH, "endpoint_url": url}});
        assert_eq!(create(&body).unwrap().to_json(&TRANSMITTER)["delivery"]["endpoint_url"], url);
    }
}

/// SSF 1.0 section 8.1.1.3.
#[test]
fn a_patch_changes_what_it_names() {
    let stream = pushed();
    let patch = |body: Value| stream.patch(&TRANSMITTER, object(&body)).unwrap();
    assert_eq!(patch(json!({"stream_id": ID.to_string()})), stream);
    let fewer = patch(json!({"events_requested": [REVOKED]}));
    assert_eq!(fewer.configuration.delivered(), [EventType::SessionRevoked]);
    assert_eq!(fewer.configuration.description.as_deref(), Some("SIEM"));
    assert_eq!(patch(json!({"description": null})).configuration.description, None);
    // Who sends back what it read, changed, keeps the secret that it was not shown.
    let mut read = stream.to_json(&TRANSMITTER);
    read["events_requested"] = json!([REVOKED]);
    assert_eq!(patch(read), fewer);
    let elsewhere = patch(json!({"delivery": {"method": PUSH, "endpoint_url": "https://other.example"}}));
    assert_eq!(header(&elsewhere), None, "a secret does not go elsewhere unasked");
    let mut renewed = push();
    renewed["authorization_header"] = "Bearer renewed".into();
    assert_eq!(header(&patch(json!({"delivery": renewed}))), Some("Bearer renewed"));
    assert_eq!(patch(json!({"delivery": {"method": POLL}})).configuration.delivery, Delivery::Poll);
}

/// SSF 1.0 section 8.1.1.4: what is missing is to be deleted.
#[test]
fn a_put_takes_away_what_it_leaves_out() {
    let stream = pushed();
    let body = json!({"stream_id": ID.to_string(), "events_requested": [DISABLED], "delivery": push()});
    let replaced = stream.replace(&TRANSMITTER, object(&body)).unwrap();
    assert_eq!(replaced.configuration.description, None);
    assert_eq!(replaced.configuration.delivered(), [EventType::AccountDisabled]);
    assert_eq!((replaced.id, &replaced.audience), (stream.id, &stream.audience));
    let bare = stream.replace(&TRANSMITTER, object(&json!({}))).unwrap();
    assert_eq!(bare.configuration.delivery, Delivery::Poll);
    assert!(bare.configuration.delivered().is_empty());
    let without_secret =
        json!({"delivery": {"method": PUSH, "endpoint_url": "https://receiver.example/events"}});
    assert_eq!(header(&stream.replace(&TRANSMITTER, object(&without_secret)).unwrap()), None);
}

#[test]
fn what_the_transmitter_says_is_not_changed() {
    let stream = pushed();
    for (body, member) in [
        (json!({"aud": "somebody else"}), "aud"),
        (json!({"iss": "https://issuer.example"}), "iss"),
        (json!({"events_supported": []}), "events_supported"),
        (json!({"min_verification_interval": 0}), "min_verification_interval"),
        (json!({"stream_id": "another"}), "stream_id"),
        // Section 8.1.1.3: it must be what it was before the update, and not what it becomes.
        (json!({"events_requested": [REVOKED], "events_delivered": [REVOKED]}), "events_delivered"),
    ] {
        let expected = format!("`{member}` is the transmitter's to say");
        for changed in
            [stream.patch(&TRANSMITTER, object(&body)), stream.replace(&TRANSMITTER, object(&body))]
        {
            assert_eq!(changed.unwrap_err().to_string(), expected, "{body}");
        }
    }
    // Lists of events have no order.
    let turned = json!({"events_delivered": [DISABLED, REVOKED]});
    assert_eq!(stream.patch(&TRANSMITTER, object(&turned)), Ok(stream));
    assert_eq!(stream_id(object(&json!({"stream_id": "a"}))), Ok("a"));
    assert_eq!(stream_id(object(&json!({}))).unwrap_err().to_string(), "`stream_id` is missing");
}

/// SSF 1.0 sections 8.1.2 and 8.1.5.
#[test]
fn a_status_is_told_when_it_changes() {
    let status =
        |status: Status, reason: Option<&str>| StreamStatus { status, reason: reason.map(str::to_owned) };
    let all = [Status::Enabled, Status::Paused, Status::Disabled];
    for from in all {
        for to in all {
            let change = status(from, None).change(&status(to, Some("maintenance")));
            assert_eq!(change.discards, to == Status::Disabled && from != to, "{from:?} {to:?}");
            let told = change.told.map(|event| (event.event_type(), event.to_json()));
            let expected = json!({"status": to.as_str(), "reason": "maintenance"});
            assert_eq!(told, (from != to).then_some((EventType::StreamUpdated, expected)));
        }
    }
    assert_eq!(all.map(keeps), [true, true, false]);
    assert_eq!(all.map(|status| sends(status, false)), [true, false, false]);
    assert_eq!(all.map(|status| sends(status, true)), [true, true, true]);
}

#[test]
fn a_status_is_read_and_shown() {
    let read = |body: &Value| StreamStatus::read(object(body)).map_err(|invalid| invalid.to_string());
    let paused = read(&json!({"stream_id": "x", "status": "paused", "reason": "maintenance"})).unwrap();
    let id = ID.to_string();
    assert_eq!(paused.to_json(ID), json!({"stream_id": id, "status": "paused", "reason": "maintenance"}));
    assert_eq!(StreamStatus::default().to_json(ID), json!({"stream_id": id, "status": "enabled"}));
    assert_eq!(
        read(&json!({"status": "asleep"})),
        Err("`status` has a value that it cannot have".to_owned())
    );
    assert_eq!(read(&json!({"stream_id": "x"})), Err("`status` is missing".to_owned()));
    let long = json!({"status": "paused", "reason": "x".repeat(1_025)});
    assert_eq!(read(&long), Err("`reason` is too long".to_owned()));
}

/// SSF 1.0 section 8.1.4.
#[test]
fn a_verification_has_the_state_that_was_asked_for() {
    let event = |body: &Value| verification(object(body)).unwrap().body;
    assert_eq!(event(&json!({"stream_id": "x", "state": "a"})), Body::Verification(Some("a".to_owned())));
    assert_eq!(event(&json!({"stream_id": "x"})), Body::Verification(None));
    assert!(verification(object(&json!({"state": 1}))).is_err());
    assert!(!is_too_early(None));
    assert!(is_too_early(Some(0)) && is_too_early(Some(9_999_999)));
    assert!(!is_too_early(Some(10_000_000)));
}

#[test]
fn subjects_are_taken_away_and_put_back() {
    let tenant = Tenant { issuer: TRANSMITTER.issuer, id: Uuid::from_u128(1) };
    let (one, two) = (tenant.subject(Uuid::from_u128(2)), tenant.subject(Uuid::from_u128(3)));
    let mut subjects = Subjects::default();
    assert!(subjects.contains(&one), "`default_subjects` is `ALL`");
    subjects.remove(one.clone()).unwrap();
    subjects.remove(one.clone()).unwrap();
    assert_eq!(subjects.removed().len(), 1);
    assert!(!subjects.contains(&one) && subjects.contains(&two));
    subjects.add(&two);
    assert!(!subjects.contains(&one));
    subjects.add(&one);
    assert_eq!(subjects, Subjects::default());
    // Section 8.1.3.1: a member that is missing is a wildcard, so this is every workload of the tenant.
    let everyone = Subject::read(&json!({"format": "complex", "tenant": two.to_json()["tenant"]})).unwrap();
    subjects.remove(everyone).unwrap();
    assert!(!subjects.contains(&one) && !subjects.contains(&two));
    subjects.add(&one);
    assert!(subjects.contains(&one));
    // Some user is no workload, and takes none away.
    let person = json!({"format": "complex", "user": {"format": "email", "email": "a@b.example"}});
    subjects.remove(Subject::read(&person).unwrap()).unwrap();
    assert!(subjects.contains(&one));
}

#[test]
fn so_many_subjects_and_no_more_are_taken_away() {
    let mut subjects = Subjects::default();
    let number = |number: usize| Subject::Simple(Simple::opaque(&number.to_string()));
    for one in 0..SUBJECTS_MAX {
        subjects.remove(number(one)).unwrap();
    }
    assert!(subjects.remove(number(SUBJECTS_MAX)).is_err());
    assert!(subjects.contains(&number(SUBJECTS_MAX)));
    subjects.remove(number(0)).unwrap();
}
