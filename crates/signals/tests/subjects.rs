//! Subject identifiers: RFC 9493 and SSF 1.0, section 3, in their own examples; and whose workloads are ours.

use countersign_signals::event::{Event, EventType};
use countersign_signals::subject::{Simple, Subject, Tenant};
use serde_json::{Value, json};
use uuid::Uuid;

const ISSUER: &str = "https://login.example/7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10/v2.0";
const PRINCIPAL: Uuid = Uuid::from_u128(0x3fdb_2d30_06c4_4a33_9b4a_0d3a_1c4d_8a11);

fn tenant() -> Tenant<'static> {
    Tenant { issuer: ISSUER, id: Uuid::from_u128(0x7c1f_7a2e_0d0c_4c55_9a52_6f7f_0f2f_1a10) }
}

fn subject(json: &Value) -> Subject {
    Subject::read(json).unwrap_or_else(|invalid| panic!("{json}: {invalid}"))
}

fn ours() -> Value {
    json!({
        "format": "complex",
        "application": {"format": "iss_sub", "iss": ISSUER, "sub": "3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11"},
        "tenant": {"format": "opaque", "id": "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10"},
    })
}

#[test]
fn each_format_of_the_standards_is_read_and_written() {
    for json in [
        // RFC 9493 sections 3.2.1 to 3.2.8.
        json!({"format": "account", "uri": "acct:example.user@service.example.com"}),
        json!({"format": "email", "email": "user@example.com"}),
        json!({"format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573"}),
        json!({"format": "opaque", "id": "11112222333344445555"}),
        json!({"format": "phone_number", "phone_number": "+12065550100"}),
        json!({"format": "did", "url": "did:example:123456/did/url/path?versionId=1"}),
        json!({"format": "uri", "uri": "urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f"}),
        json!({
            "format": "aliases",
            "identifiers": [
                {"format": "email", "email": "user@example.com"},
                {"format": "phone_number", "phone_number": "+12065550100"},
            ],
        }),
        // SSF 1.0 section 3.5.
        json!({"format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515"}),
        json!({"format": "saml_assertion_id", "issuer": "https://idp.example.com/1/", "assertion_id": "_8e"}),
        json!({"format": "ip-addresses", "ip-addresses": ["10.29.37.75", "2001:0db8::7334"]}),
        // SSF 1.0 section 3.3, with a member that it does not name.
        json!({
            "format": "complex",
            "user": {"format": "email", "email": "bar@example.com"},
            "x-team": {"format": "opaque", "id": "1"},
        }),
        ours(),
    ] {
        assert_eq!(subject(&json).to_json(), json);
    }
}

#[test]
fn what_is_no_subject_says_why() {
    let long = "x".repeat(3_000);
    let many: Vec<Value> = (0..33).map(|_| json!({"format": "opaque", "id": "1"})).collect();
    let mut wide = json!({"format": "complex"});
    for number in 0..17 {
        wide[format!("m{number}")] = json!({"format": "opaque", "id": "1"});
    }
    for (json, expected) in [
        (json!("somebody"), "`subject` must be an object"),
        (json!(null), "`subject` must be an object"),
        (json!({"id": "x"}), "`subject.format` is missing"),
        (json!({"format": 1}), "`subject.format` must be text"),
        (json!({"format": "carrier-pigeon", "id": "x"}), "`subject.format` is not known here"),
        (json!({"format": "iss_sub", "iss": "https://issuer.example"}), "`subject.sub` is missing"),
        (json!({"format": "iss_sub", "iss": "", "sub": "x"}), "`subject.iss` must not be empty"),
        (json!({"format": "opaque", "id": 5}), "`subject.id` must be text"),
        (json!({"format": "opaque", "id": long}), "`subject.id` is too long"),
        // RFC 9493 section 3: no members that the format does not describe.
        (
            json!({"format": "opaque", "id": "x", "iss": "y"}),
            "`subject.format` does not have all the members that are there",
        ),
        (json!({"format": "complex"}), "`subject.format` complex must have members, and not too many"),
        (wide, "`subject.format` complex must have members, and not too many"),
        (json!({"format": "complex", "user": "me"}), "`subject.complex` must have subjects as members"),
        // SSF 1.0 section 3.3: members are simple.
        (
            json!({"format": "complex", "user": {"format": "complex", "user": {}}}),
            "`subject.complex.format` is not known here",
        ),
        (
            json!({"format": "aliases", "identifiers": []}),
            "`subject.identifiers` must be a list, not empty and not too long",
        ),
        (
            json!({"format": "aliases", "identifiers": many}),
            "`subject.identifiers` must be a list, not empty and not too long",
        ),
        // RFC 9493 section 3.2.8: aliases are not nested.
        (
            json!({"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": []}]}),
            "`subject.identifiers.format` is not known here",
        ),
        (json!({"format": "ip-addresses"}), "`subject.ip-addresses` is missing"),
        (
            json!({"format": "ip-addresses", "ip-addresses": [1]}),
            "`subject.ip-addresses` must be a list of texts, none too long",
        ),
    ] {
        let error = Subject::read(&json).map_err(|invalid| invalid.to_string());
        assert_eq!(
            error,
            Err(expected.to_owned()),
            "{}",
            &json.to_string()[..json.to_string().len().min(99)]
        );
    }
}

/// SSF 1.0 section 8.1.3.1.
#[test]
fn subjects_match_member_by_member() {
    let opaque = |id: &str| json!({"format": "opaque", "id": id});
    let complex = |members: Value| {
        let mut json = members;
        json["format"] = "complex".into();
        json
    };
    let email = json!({"format": "email", "email": "user@example.com"});
    for (one, two, expected) in [
        (opaque("a"), opaque("a"), true),
        (opaque("a"), opaque("b"), false),
        (opaque("a"), json!({"format": "uri", "uri": "a"}), false),
        // As they are written: what is the same mailbox is the receiver's guess.
        (email.clone(), json!({"format": "email", "email": "USER@example.com"}), false),
        (complex(json!({"user": opaque("a")})), complex(json!({"user": opaque("a")})), true),
        (complex(json!({"user": opaque("a")})), complex(json!({"user": opaque("b")})), false),
        (
            complex(json!({"user": opaque("a"), "tenant": opaque("t")})),
            complex(json!({"user": opaque("a")})),
            true,
        ),
        (
            complex(json!({"user": opaque("a"), "tenant": opaque("t")})),
            complex(json!({"user": opaque("a"), "tenant": opaque("u")})),
            false,
        ),
        // Undefined on either side is a wildcard, be there nothing in common.
        (complex(json!({"user": opaque("a")})), complex(json!({"tenant": opaque("t")})), true),
        (complex(json!({"user": opaque("a")})), opaque("a"), false),
    ] {
        assert_eq!(subject(&one).matches(&subject(&two)), expected, "{one} {two}");
        assert_eq!(subject(&two).matches(&subject(&one)), expected, "{two} {one}");
    }
    let (user, team) = (complex(json!({"user": opaque("a")})), complex(json!({"tenant": opaque("t")})));
    assert!(!subject(&user).is_meant_by(&subject(&team)), "nothing in common");
    assert!(subject(&ours()).is_meant_by(&subject(&complex(json!({"tenant": ours()["tenant"]})))));
    assert!(subject(&email).is_meant_by(&subject(&email)));
}

#[test]
fn our_workloads_have_one_subject() {
    assert_eq!(tenant().subject(PRINCIPAL).to_json(), ours());
    assert_eq!(tenant().workload(&tenant().subject(PRINCIPAL)), Some(PRINCIPAL));
    assert_eq!(
        Subject::of_stream(PRINCIPAL),
        Subject::Simple(Simple::opaque("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11"))
    );
}

#[test]
fn whose_workload_a_subject_names() {
    let iss_sub = |iss: &str, sub: &str| json!({"format": "iss_sub", "iss": iss, "sub": sub});
    let id = "3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11";
    let with = |name: &str, value: Value| {
        let mut json = ours();
        json[name] = value;
        json
    };
    let other = "00000000-0000-0000-0000-000000000001";
    for (json, expected) in [
        (iss_sub(ISSUER, id), true),
        (iss_sub(ISSUER, "3FDB2D30-06C4-4A33-9B4A-0D3A1C4D8A11"), true),
        (iss_sub("https://issuer.example", id), false),
        (iss_sub(ISSUER, "3fdb2d3006c44a339b4a0d3a1c4d8a11"), false),
        (iss_sub(ISSUER, "{3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11}"), false),
        (iss_sub(ISSUER, "urn:uuid:3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11"), false),
        (iss_sub(ISSUER, "payroll"), false),
        (json!({"format": "complex", "application": iss_sub(ISSUER, id)}), true),
        (ours(), true),
        (with("tenant", json!({"format": "opaque", "id": other})), false),
        (with("tenant", iss_sub(ISSUER, other)), false),
        (with("application", iss_sub("https://issuer.example", id)), false),
        // A user or a session in it is not the workload.
        (with("user", json!({"format": "email", "email": "a@b.example"})), false),
        (with("session", json!({"format": "opaque", "id": "1"})), false),
        (json!({"format": "complex", "tenant": ours()["tenant"]}), false),
        (json!({"format": "opaque", "id": id}), false),
        (json!({"format": "aliases", "identifiers": [iss_sub(ISSUER, id)]}), false),
    ] {
        assert_eq!(tenant().workload(&subject(&json)), expected.then_some(PRINCIPAL), "{json}");
    }
}

/// The page for implementers says what the code does.
#[test]
fn the_page_about_the_subject_is_true() {
    let page = include_str!("../../../docs/ssf-workload-subject.md");
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let examples: Vec<Value> = blocks.map(|block| serde_json::from_str(block).unwrap()).collect();
    let [profile, token] = &examples[..] else { panic!("two examples") };
    assert_eq!(*profile, ours());
    assert_eq!(tenant().workload(&subject(profile)), Some(PRINCIPAL));
    assert_eq!(token["iss"], ISSUER);
    let events = token["events"].as_object().unwrap();
    for (uri, payload) in events {
        let event_type = EventType::parse(uri).unwrap();
        let event = Event::read(event_type, payload.as_object().unwrap()).unwrap();
        assert_eq!(event.to_json(), *payload, "every member is one that is understood");
    }
    assert_eq!(events.len(), 1);
}
