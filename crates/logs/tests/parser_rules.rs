//! The fifteen rules that a parser of these logs needs, each with a test named after it, and every container.

use countersign_logs::decode::{self, LogType, Sink, Skip};
use countersign_logs::framing::Framer;
use countersign_model::event::{Actor, CredentialKind, DirectoryAudit, Event, SignIn};

#[derive(Default)]
struct Found {
    events: Vec<(LogType, u64, Vec<u8>)>,
    skipped: Vec<(u64, Skip)>,
    debug: Vec<String>,
}

impl Sink for Found {
    fn event(&mut self, log_type: LogType, line: u64, event: &Event<'_>) {
        self.debug.push(format!("{event:?}"));
        self.events.push((log_type, line, Vec::new()));
    }
    fn skip(&mut self, line: u64, skip: Skip) {
        self.skipped.push((line, skip));
    }
}

fn read(text: &[u8]) -> Found {
    let mut found = Found::default();
    let mut framer = Framer::new();
    framer.push(text, &mut |batch| decode::decode(&batch, &mut found));
    framer.finish(&mut |batch| decode::decode(&batch, &mut found));
    found
}

/// Decodes one record and hands its event to `look`.
fn one(text: &str, look: impl FnMut(LogType, Event<'_>)) {
    struct Look<F>(F, usize);
    impl<F: FnMut(LogType, Event<'_>)> Sink for Look<F> {
        fn event(&mut self, log_type: LogType, _: u64, event: &Event<'_>) {
            self.1 += 1;
            (self.0)(log_type, event.clone());
        }
        fn skip(&mut self, line: u64, skip: Skip) {
            panic!("line {line}: {skip:?}");
        }
    }
    let mut sink = Look(look, 0);
    let mut framer = Framer::new();
    framer.push(text.as_bytes(), &mut |batch| decode::decode(&batch, &mut sink));
    framer.finish(&mut |batch| decode::decode(&batch, &mut sink));
    assert_eq!(sink.1, 1, "one record gives one event");
}

fn sign_in(text: &str, mut look: impl FnMut(SignIn<'_>)) {
    one(text, |_, event| match event {
        Event::SignIn(event) => look(event),
        other => panic!("{other:?}"),
    });
}

fn audit(text: &str, mut look: impl FnMut(DirectoryAudit<'_>)) {
    one(text, |_, event| match event {
        Event::DirectoryAudit(event) => look(event),
        other => panic!("{other:?}"),
    });
}

const ENVELOPE: &str = r#""time":"2026-05-02T10:20:33.9144897Z","resourceId":"/tenants/7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10/providers/Microsoft.aadiam","tenantId":"7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10""#;

/// A sign-in with `extra` in its envelope and `properties` beside the usual ones.
fn sign_in_record(extra: &str, properties: &str) -> String {
    format!(
        r#"{{{ENVELOPE},"category":"ServicePrincipalSignInLogs"{extra},"properties":{{"id":"f7d36837-9f88-41fa-89cd-dc16a7c9aa00","createdDateTime":"2026-05-02T10:20:30.1498978+00:00","appId":"b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f","servicePrincipalId":"3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11"{properties}}}}}"#
    )
}

/// An audit record with these properties beside the usual ones.
fn audit_record(properties: &str) -> String {
    format!(
        r#"{{{ENVELOPE},"category":"AuditLogs","properties":{{"id":"Directory_1","activityDateTime":"2026-05-02T10:15:15.8442646+00:00","activityDisplayName":"Add service principal","result":"success"{properties}}}}}"#
    )
}

#[test]
fn rule_01_key_case_varies() {
    let upper = sign_in_record(r#","callerIpAddress":"203.0.113.9""#, "");
    let lower = upper.replace("callerIpAddress", "calleripaddress").replace("\"tenantId\"", "\"tenantid\"");
    for text in [upper, lower] {
        sign_in(&text, |event| {
            assert_eq!(event.address.ip, Some("203.0.113.9".parse().unwrap()));
            assert_eq!(event.tenant.to_string(), "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10");
        });
    }
}

#[test]
fn rule_02_numbers_and_strings_swap() {
    for spelling in ["7000215", "\"7000215\""] {
        sign_in(
            &sign_in_record(&format!(r#","resultType":{spelling},"Level":"Informational""#), ""),
            |event| {
                assert_eq!(event.error_code, 7_000_215);
            },
        );
        sign_in(
            &sign_in_record(r#","Level":4"#, &format!(r#","status":{{"errorCode":{spelling}}}"#)),
            |event| {
                assert_eq!(event.error_code, 7_000_215);
            },
        );
    }
}

#[test]
fn rule_03_absent_has_five_spellings() {
    for spelling in [
        "",
        r#","userAgent":null"#,
        r#","userAgent":"""#,
        r#","userAgent":"<null>""#,
        r#","userAgent":"Not Available""#,
    ] {
        sign_in(&sign_in_record("", spelling), |event| assert_eq!(event.user_agent, "", "{spelling}"));
    }
}

#[test]
fn rule_04_managed_identities_carry_no_address_and_no_location() {
    let text = sign_in_record("", r#","ipAddress":"","location":{"city":"","state":"","countryOrRegion":"","geoCoordinates":{"latitude":0.0,"longitude":0.0}}"#)
        .replace("ServicePrincipalSignInLogs", "ManagedIdentitySignInLogs");
    sign_in(&text, |event| {
        assert_eq!((event.address.ip, event.reported_country), (None, None));
        assert_eq!(event.credential.kind, CredentialKind::ManagedIdentity);
    });
}

#[test]
fn rule_05_the_actor_is_empty_a_user_or_an_app() {
    audit(&audit_record(r#","initiatedBy":{}"#), |event| assert_eq!(event.initiated_by, Actor::Unknown));
    let user = r#","initiatedBy":{"app":null,"user":{"id":"6612f8c2-7c8e-45f1-9c25-2f1f2b1c7a01","userPrincipalName":"admin@contoso.example","ipAddress":"203.0.113.20"}}"#;
    audit(&audit_record(user), |event| {
        assert!(
            matches!(&event.initiated_by, Actor::User { user_principal_name, .. } if user_principal_name == "admin@contoso.example")
        );
        assert_eq!(event.address.ip, Some("203.0.113.20".parse().unwrap()));
    });
    let app = r#","initiatedBy":{"user":null,"app":{"appId":null,"displayName":"Deployer","servicePrincipalId":"9028d19c-26a9-4809-8e3f-20ff73e2d75e","servicePrincipalName":null}}"#;
    let by_id = "9028d19c-26a9-4809-8e3f-20ff73e2d75e";
    audit(&audit_record(app), |event| {
        assert!(
            matches!(&event.initiated_by, Actor::App { service_principal, app, .. } if service_principal.to_string() == by_id && app.is_none())
        );
    });
    // The display name alone holds the id.
    let named = r#","initiatedBy":{"app":{"displayName":"9028d19c-26a9-4809-8e3f-20ff73e2d75e"}}"#;
    audit(&audit_record(named), |event| {
        assert!(
            matches!(&event.initiated_by, Actor::App { service_principal, .. } if service_principal.to_string() == by_id)
        );
    });
}

#[test]
fn rule_06_target_resources_are_spelled_in_several_ways() {
    for targets in [
        r#","targetResources":[{"id":"x","displayName":null,"type":"ServicePrincipal"}]"#,
        r#","targetResources":[{"id":"x","Type":"ServicePrincipal"}]"#,
        r#","targetResource":[{"id":"x","type":"ServicePrincipal"}]"#,
    ] {
        audit(&audit_record(targets), |event| {
            let [target] = &event.targets[..] else { panic!("{event:?}") };
            assert_eq!(
                (target.kind.as_ref(), target.id.to_string().as_str(), target.name.as_ref()),
                ("ServicePrincipal", "x", "")
            );
        });
    }
    audit(&audit_record(r#","targetResources":[{"id":null,"displayName":null}]"#), |event| {
        assert!(event.targets[0].id.is_none());
    });
}

#[test]
fn rule_07_operation_names_have_invisible_traps() {
    for spelling in [
        "Update application – Certificates and secrets management ",
        "Update application - Certificates and secrets management",
        "Update application — Certificates and secrets  management.",
    ] {
        let text = audit_record("").replace("Add service principal", spelling);
        audit(&text, |event| {
            assert_eq!(event.operation, "Update application - Certificates and secrets management");
        });
    }
}

#[test]
fn rule_08_risk_fields_of_service_principal_sign_ins_are_placeholders() {
    let risk = r#","riskLevelAggregated":"low","riskLevelDuringSignIn":"low","riskState":"none""#;
    let with = read(sign_in_record("", risk).as_bytes());
    let without = read(sign_in_record("", "").as_bytes());
    assert_eq!(with.debug, without.debug);
    assert_eq!(with.debug.len(), 1);
}

#[test]
fn rule_09_the_outcome_has_a_field_of_its_own_in_each_log() {
    // Level and resultSignature say nothing.
    sign_in(
        &sign_in_record(
            r#","Level":4,"resultSignature":"FAILURE","resultType":"0""#,
            r#","status":{"errorCode":0}"#,
        ),
        |event| {
            assert_eq!(event.error_code, 0);
        },
    );
    for (result, succeeded) in [("success", true), ("failure", false), ("failed", false)] {
        let text = audit_record("").replace(r#""result":"success""#, &format!(r#""result":"{result}""#));
        audit(&text, |event| assert_eq!(event.succeeded, succeeded));
    }
    for field in ["responseStatusCode", "httpStatusCode"] {
        let text = format!(
            r#"{{{ENVELOPE},"category":"MicrosoftGraphActivityLogs","properties":{{"timeGenerated":"2026-05-02T10:25:45Z","appId":"a","{field}":403}}}}"#
        );
        one(&text, |_, event| assert!(matches!(event, Event::ApiActivity(event) if event.status == 403)));
    }
}

#[test]
fn rule_10_lists_stand_in_strings() {
    for (spelling, expected) in
        [("A.Read B.Read", "A.Read B.Read"), (" Group.Read.All,", "Group.Read.All"), ("", "")]
    {
        let text = format!(
            r#"{{{ENVELOPE},"category":"AzureADGraphActivityLogs","properties":{{"timeGenerated":"2026-05-02T10:25:45Z","appId":"a","roles":"{spelling}"}}}}"#
        );
        one(&text, |_, event| assert!(matches!(event, Event::ApiActivity(event) if event.roles == expected)));
    }
}

#[test]
fn rule_11_request_uris_are_absolute_or_paths_and_doubly_escaped() {
    for (spelling, expected) in [
        ("https://graph.microsoft.com/beta//users/x", "https://graph.microsoft.com/beta/users/x"),
        (
            r"https://graph.microsoft.com/v1.0/users?$top=5\\u0026$select=id",
            "https://graph.microsoft.com/v1.0/users?$top=5&$select=id",
        ),
        (
            r"https://graph.microsoft.com/v1.0/users?$top=5\u0026$select=id",
            "https://graph.microsoft.com/v1.0/users?$top=5&$select=id",
        ),
        ("/v2/7c1f7a2e/users", "/v2/7c1f7a2e/users"),
    ] {
        let text = format!(
            r#"{{{ENVELOPE},"category":"MicrosoftGraphActivityLogs","properties":{{"timeGenerated":"2026-05-02T10:25:45Z","appId":"a","requestUri":"{spelling}"}}}}"#
        );
        one(&text, |_, event| {
            assert!(matches!(&event, Event::ApiActivity(event) if event.uri == expected), "{event:?}");
        });
    }
}

#[test]
fn rule_12_the_resource_id_of_the_envelope_is_not_the_resource_signed_in_to() {
    let text = sign_in_record("", r#","resourceId":"00000003-0000-0000-c000-000000000000""#)
        .replace(r#""tenantId":"7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10","#, "")
        .replace("/tenants/", "/TENANTS/");
    sign_in(&text, |event| {
        assert_eq!(event.resource.to_string(), "00000003-0000-0000-c000-000000000000");
        assert_eq!(
            event.tenant.to_string(),
            "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10",
            "the path names the tenant"
        );
    });
}

#[test]
fn rule_13_invalid_ids_exist_and_never_cost_a_record() {
    let text = sign_in_record("", "")
        .replace("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11", "zzdb2d30-06c4-4a33-9b4a-not-a-guid");
    sign_in(&text, |event| {
        assert_eq!(event.service_principal.to_string(), "zzdb2d30-06c4-4a33-9b4a-not-a-guid");
    });
}

#[test]
fn rule_14_additional_details_hold_user_agent_and_app_id() {
    let text = audit_record(
        r#","userAgent":null,"additionalDetails":[{"key":"User-Agent","value":"python-httpx/0.28.1"},{"key":"AppId","value":"b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f"}]"#,
    );
    audit(&text, |event| {
        assert_eq!(event.user_agent, "python-httpx/0.28.1");
        assert_eq!(event.app.to_string(), "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f");
    });
}

#[test]
fn rule_15_unknown_keys_come_and_go() {
    let text = sign_in_record(
        r#","__UDI_RequiredFields_X":[{"a":[1,{}]}]"#,
        r#","agent":{"agentType":"notAgentic"},"future":{"deep":[[[]]]}"#,
    );
    sign_in(&text, |event| assert_eq!(event.name, ""));
}

#[test]
fn one_record_in_every_container_is_one_event() {
    let record = sign_in_record("", r#","userAgent":"a\"b""#);
    let row = r#"[["2026-05-02T10:20:33Z","AADServicePrincipalSignInLogs","f7d36837-9f88-41fa-89cd-dc16a7c9aa00","2026-05-02T10:20:30.1498978Z","b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f","3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11","203.0.113.9","0","{\"countryOrRegion\":\"FR\"}"]]"#;
    let columns = [
        "TimeGenerated",
        "Type",
        "Id",
        "CreatedDateTime",
        "AppId",
        "ServicePrincipalId",
        "IPAddress",
        "ResultType",
        "LocationDetails",
    ];
    let named: Vec<String> =
        columns.iter().map(|name| format!(r#"{{"name":"{name}","type":"string"}}"#)).collect();
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&record).unwrap()).unwrap();
    let in_string = serde_json::to_string(&record).unwrap();
    for (container, text) in [
        ("JSON Lines", format!("{record}\n")),
        ("JSON Lines, CRLF", format!("{record}\r\n")),
        ("byte order mark", format!("\u{feff}{record}\n")),
        ("records", format!(r#"{{"records":[{record}]}}"#)),
        ("records over lines", format!("{{\n \"records\": [\n  {record}\n ]\n}}\n")),
        ("value", format!(r#"{{"@odata.context":"c","value":[{record}],"@odata.nextLink":"n"}}"#)),
        ("value is an object", format!(r#"{{"value":{record}}}"#)),
        ("array", format!("[{record}]")),
        ("array over lines", format!("[\n{record}\n]")),
        ("pretty-printed", pretty.clone()),
        ("pretty-printed array", format!("[{pretty}]")),
        ("message of a log shipper", format!(r#"{{"message":{in_string}}}"#)),
        (
            "query answer",
            format!(
                r#"{{"tables":[{{"name":"PrimaryResult","columns":[{}],"rows":{row}}}]}}"#,
                named.join(",")
            ),
        ),
        (
            "query answer over lines",
            format!(
                "{{\n\"tables\":[{{\"name\":\"PrimaryResult\",\"columns\":[{}],\n\"rows\":{row}}}]}}",
                named.join(",")
            ),
        ),
        (
            "CSV",
            format!(
                "{}\n2026-05-02T10:20:33Z,AADServicePrincipalSignInLogs,f7d36837-9f88-41fa-89cd-dc16a7c9aa00,2026-05-02T10:20:30.1498978Z,b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f,3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11,203.0.113.9,0,\"{{\"\"countryOrRegion\"\":\n\"\"FR\"\"}}\"\n",
                columns.join(",")
            ),
        ),
    ] {
        let found = read(text.as_bytes());
        assert_eq!(found.skipped, [], "{container}");
        assert_eq!(found.events.len(), 1, "{container}");
        assert_eq!(found.events[0].0, LogType::ServicePrincipalSignInLogs, "{container}");
        assert!(found.debug[0].contains("f7d36837"), "{container}: {}", found.debug[0]);
        if container.starts_with("query") || container == "CSV" {
            assert!(found.debug[0].contains("Country([70, 82])"), "{container}: {}", found.debug[0]);
        }
    }
}

#[test]
fn properties_may_be_a_string_of_json() {
    let text = r#"{"category":"ManagedIdentitySignInLogs","tenantId":"t","properties":"{\"id\":\"1\",\"createdDateTime\":\"2026-05-02T10:20:30Z\",\"servicePrincipalId\":\"s\"}"}"#;
    sign_in(text, |event| {
        assert_eq!(
            (event.service_principal.to_string().as_str(), event.tenant.to_string().as_str()),
            ("s", "t")
        );
    });
}

#[test]
fn damage_is_counted_with_its_line_and_the_rest_goes_on() {
    let good = sign_in_record("", "");
    let year_one = good.replace("2026-05-02T10:20:30.1498978+00:00", "0001-01-01T00:00:00Z");
    let text = format!("{good}\n{{\"category\":\n\nnot json\n{year_one}\n[1,2]\n{good}\n");
    let found = read(text.as_bytes());
    let lines: Vec<u64> = found.events.iter().map(|(_, line, _)| *line).collect();
    assert_eq!(lines, [1, 7]);
    let reasons: Vec<(u64, String)> =
        found.skipped.iter().map(|(line, skip)| (*line, skip.to_string())).collect();
    assert_eq!(
        reasons,
        [
            (2, "record is cut off: JSON ends too early".to_owned()),
            (4, "record is not JSON".to_owned()),
            (5, "field `createdDateTime` is no time between the years 2000 and 2099".to_owned()),
            (6, "array element is not a JSON object".to_owned()),
            (6, "array element is not a JSON object".to_owned()),
        ]
    );
}

#[test]
fn user_sign_ins_are_passed_over_in_every_form() {
    let texts = [
        r#"{"category":"NonInteractiveUserSignInLogs","time":"2026-05-02T10:20:33Z","properties":{"createdDateTime":"2026-05-02T10:20:33Z","appId":"a","userId":"u"}}"#,
        r#"{"createdDateTime":"2026-05-02T10:20:33Z","appId":"a","userId":"u","status":{"errorCode":0}}"#,
        r#"{"Type":"AADNonInteractiveUserSignInLogs","TimeGenerated":"2026-05-02T10:20:33Z"}"#,
    ];
    for text in texts {
        let found = read(text.as_bytes());
        assert!(matches!(found.skipped[..], [(1, Skip::UserSignIn(_))]), "{text}: {:?}", found.skipped);
        assert!(found.events.is_empty());
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_and_pushes_may_be_cut_anywhere(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600), cut in 0_usize..600) {
        let whole = read(&bytes);
        let mut found = Found::default();
        let mut framer = Framer::new();
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        for piece in [head, tail] {
            framer.push(piece, &mut |batch| decode::decode(&batch, &mut found));
        }
        framer.finish(&mut |batch| decode::decode(&batch, &mut found));
        proptest::prop_assert_eq!(whole.skipped, found.skipped);
        proptest::prop_assert_eq!(whole.debug, found.debug);
    }

    #[test]
    fn pieces_of_json_in_any_order_never_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\n", "\\", "\"records\"", "\"value\"", "\"tables\"", "\"properties\"",
        "\"category\"", "\"AuditLogs\"", "\"createdDateTime\"", "\"2026-05-02T10:20:33Z\"", "1", "null", "true",
        "\"message\"", "\"{}\"", "\"initiatedBy\"", "\"targetResources\"", "\"status\"",
    ]), 0..60)) {
        let _ = read(pieces.concat().as_bytes());
    }
}

#[test]
fn records_in_a_message_are_on_the_line_of_the_message() {
    let record = sign_in_record("", "");
    let message = serde_json::Value::from(format!("{{\"records\":[\n{record},\n{{\"a\":1}}\n]}}"));
    let found = read(format!("{{\"other\":1}}\n{{\"message\":{message}}}\n").as_bytes());
    let lines: Vec<u64> = found.events.iter().map(|(_, line, _)| *line).collect();
    assert_eq!(lines, [2]);
    let lines: Vec<u64> = found.skipped.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2]);
}

/// A record of the unified audit log with these fields beside the usual ones.
fn unified_record(operation: &str, fields: &str) -> String {
    format!(
        r#"{{"CreationTime":"2026-05-02T10:20:33","Id":"0a1b2c3d-1111-4222-8333-444455556666","Operation":"{operation}","OrganizationId":"7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10","RecordType":8,"ResultStatus":"Success","UserType":0,"Version":1,"Workload":"AzureActiveDirectory","UserId":"admin@contoso.example","AzureActiveDirectoryEventType":1{fields}}}"#
    )
}

/// A person as `Actor` and a service principal as `Target`.
const PARTIES: &str = r#","Actor":[{"ID":"admin@contoso.example","Type":5},{"ID":"1003200000000001","Type":3},{"ID":"18ed3507-a475-4ccb-b669-d66bc9f2a36e","Type":2},{"ID":"User_6612f8c2-7c8e-45f1-9c25-2f1f2b1c7a01","Type":2},{"ID":"6612f8c2-7c8e-45f1-9c25-2f1f2b1c7a01","Type":2},{"ID":"User","Type":2}],"Target":[{"ID":"ServicePrincipal_3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11","Type":2},{"ID":"3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11","Type":2},{"ID":"ServicePrincipal","Type":2},{"ID":"Backup","Type":1},{"ID":"b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f","Type":2},{"ID":"b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f;https://backup.example","Type":4}]"#;

#[test]
fn unified_audit_records_are_directory_audits() {
    let record = unified_record(
        "Update application – Certificates and secrets management ",
        &format!(
            r#"{PARTIES},"ActorIpAddress":"203.0.113.20:443","ClientIP":"203.0.113.21","InterSystemsId":"aaaabbbb-1111-4222-8333-444455556666","ExtendedProperties":[{{"Name":"additionalDetails","Value":"{{\"User-Agent\":\"python-httpx/0.28.1\",\"AppId\":\"c2d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f\"}}"}},{{"Name":"extendedAuditEventCategory","Value":"ServicePrincipal"}}],"ModifiedProperties":[{{"Name":"KeyDescription","NewValue":"[\r\n  \"[KeyIdentifier=a,KeyType=Password,KeyUsage=Verify,DisplayName=x]\"\r\n]","OldValue":"[]"}},{{"Name":"Included Updated Properties","NewValue":"KeyDescription","OldValue":""}}]"#
        ),
    );
    one(&record, |log_type, event| {
        assert_eq!(log_type, LogType::UnifiedAuditLog);
        let Event::DirectoryAudit(event) = event else { panic!("{event:?}") };
        assert_eq!(event.id.to_string(), "0a1b2c3d-1111-4222-8333-444455556666");
        assert_eq!(event.time.to_string(), "2026-05-02T10:20:33.000000Z", "no zone is UTC");
        assert_eq!(event.tenant.to_string(), "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10");
        assert_eq!(event.operation, "Update application - Certificates and secrets management");
        assert_eq!((event.category.as_ref(), event.succeeded), ("ApplicationManagement", true));
        assert!(
            matches!(&event.initiated_by, Actor::User { id, user_principal_name } if id.to_string() == "6612f8c2-7c8e-45f1-9c25-2f1f2b1c7a01" && user_principal_name == "admin@contoso.example"),
            "{:?}",
            event.initiated_by
        );
        assert_eq!(event.address.ip, Some("203.0.113.20".parse().unwrap()));
        assert_eq!(event.user_agent, "python-httpx/0.28.1");
        assert_eq!(event.app.to_string(), "c2d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f");
        assert_eq!(event.correlation.to_string(), "aaaabbbb-1111-4222-8333-444455556666");
        let [target] = &event.targets[..] else { panic!("{:?}", event.targets) };
        assert_eq!(target.id.to_string(), "3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11");
        assert_eq!((target.kind.as_ref(), target.name.as_ref()), ("ServicePrincipal", "Backup"));
        let keys: Vec<String> = serde_json::from_str(&target.modified[0].new).unwrap();
        assert_eq!(keys, ["[KeyIdentifier=a,KeyType=Password,KeyUsage=Verify,DisplayName=x]"]);
        assert_eq!(target.modified[0].old, "[]");
    });
}

#[test]
fn the_other_side_of_an_assignment_is_a_target_as_in_the_audit_log() {
    let role = r#","ModifiedProperties":[{"Name":"Role.ObjectID","NewValue":"","OldValue":"62e90394-69f5-4237-9190-012177145e10"},{"Name":"Role.DisplayName","NewValue":"","OldValue":"Global Administrator"}]"#;
    let owner = r#","ModifiedProperties":[{"Name":"Application.ObjectID","NewValue":"33cdc459-1335-4d6c-b773-f5eef4df7793","OldValue":""},{"Name":"Application.DisplayName","NewValue":"Shop","OldValue":""}]"#;
    let grant = r#","ModifiedProperties":[{"Name":"AppRole.Value","NewValue":"Mail.Read","OldValue":""},{"Name":"ServicePrincipal.ObjectID","NewValue":"2e5c2fd0-cca4-452c-9891-a07c0dafd964","OldValue":""},{"Name":"ServicePrincipal.DisplayName","NewValue":"Client","OldValue":""}]"#;
    for (operation, fields, kind, name) in [
        ("Remove member from role.", role, "Role", "Global Administrator"),
        ("Add owner to application.", owner, "Application", "Shop"),
        ("Add app role assignment to service principal.", grant, "ServicePrincipal", "Client"),
    ] {
        audit(&unified_record(operation, &format!("{PARTIES}{fields}")), |event| {
            let [first, second] = &event.targets[..] else { panic!("{:?}", event.targets) };
            assert_eq!(first.name, "Backup");
            assert_eq!((second.kind.as_ref(), second.name.as_ref()), (kind, name));
            assert!(!second.id.is_none() && !first.modified.is_empty() && second.modified.is_empty());
            assert_eq!(event.operation, operation.trim_end_matches('.'));
            assert_eq!(event.app.to_string(), "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f", "the target's own");
        });
    }
}

#[test]
fn actors_of_the_unified_audit_log() {
    let principal = "fc8c8125-bc0c-499d-8344-e53c6e3caa81";
    let of = |actor: &str, user: &str| {
        unified_record("Add service principal.", actor).replace("admin@contoso.example", user)
    };
    let app = format!(
        r#","Actor":[{{"ID":"Deployer","Type":1}},{{"ID":"869dc64b-95b2-4003-8098-3ba39296ea46","Type":2}},{{"ID":"ServicePrincipal_{principal}","Type":2}},{{"ID":"{principal}","Type":2}},{{"ID":"ServicePrincipal","Type":2}}]"#
    );
    audit(&of(&app, "ServicePrincipal_x"), |event| {
        let Actor::App { service_principal, app, name } = &event.initiated_by else { panic!("{event:?}") };
        assert_eq!((service_principal.to_string().as_str(), name.as_ref()), (principal, "Deployer"));
        assert_eq!(app.to_string(), "869dc64b-95b2-4003-8098-3ba39296ea46");
    });
    audit(&of("", &format!("ServicePrincipal_{principal}")), |event| {
        assert!(
            matches!(&event.initiated_by, Actor::App { service_principal, .. } if service_principal.to_string() == principal)
        );
    });
    let service = r#","Actor":[{"ID":"Jit Provisioning","Type":1},{"ID":"Certificate","Type":2},{"ID":"Other","Type":2}]"#;
    audit(&of(service, "Certificate"), |event| {
        assert!(matches!(&event.initiated_by, Actor::App { name, .. } if name == "Jit Provisioning"));
    });
    audit(&of("", "Not Available"), |event| assert_eq!(event.initiated_by, Actor::Unknown));
    audit(&of("", "admin@contoso.example"), |event| {
        assert!(matches!(&event.initiated_by, Actor::User { id, .. } if id.is_none()));
    });
}

#[test]
fn a_change_that_failed_says_why() {
    let text = unified_record(
        "Consent to application.",
        r#","ModifiedProperties":[{"Name":"MethodExecutionResult.","NewValue":"Microsoft.Online.Security.UserConsentBlockedForRiskyAppsException","OldValue":""}]"#,
    )
    .replace(r#""ResultStatus":"Success""#, r#""ResultStatus":"Failure""#);
    audit(&text, |event| {
        assert!(!event.succeeded && event.reason.ends_with("RiskyAppsException"), "{event:?}");
    });
}

#[test]
fn one_unified_audit_record_in_every_container_is_one_event() {
    let record = unified_record("Add service principal.", PARTIES);
    let in_string = serde_json::to_string(&record).unwrap();
    let in_cell = format!("\"{}\"", record.replace('"', "\"\""));
    let row = r#""RecordType":"AzureActiveDirectory","CreationDate":"\/Date(1777717233000)\/","UserIds":"admin@contoso.example","Operations":"Add service principal.""#;
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&record).unwrap()).unwrap();
    for (container, text) in [
        ("JSON Lines", format!("{record}\n")),
        ("JSON Lines, CRLF", format!("{record}\r\n")),
        ("array", format!("[{record}]")),
        ("pretty-printed", pretty),
        ("message of a log shipper", format!(r#"{{"message":{in_string}}}"#)),
        ("row around an object", format!(r#"[{{{row},"AuditData":{record}}}]"#)),
        ("row around text", format!(r#"{{{row},"AuditData":{in_string}}}"#)),
        ("row around text alone", format!(r#"{{"AuditData":{in_string}}}"#)),
        (
            "Graph query",
            format!(
                r#"{{"@odata.context":"c","value":[{{"id":"x","createdDateTime":"2026-05-02T10:20:33Z","auditLogRecordType":"AzureActiveDirectory","operation":"Add service principal.","service":"AzureActiveDirectory","auditData":{record}}}]}}"#
            ),
        ),
        (
            "CSV of Search-UnifiedAuditLog",
            format!(
                "RecordType,CreationDate,UserIds,Operations,AuditData,ResultIndex\nAzureActiveDirectory,5/2/2026 10:20:33 AM,a,b,{in_cell},1\n"
            ),
        ),
        (
            "CSV of Windows PowerShell",
            format!(
                "#TYPE Deserialized.Something\r\n\"CreationDate\",\"UserIds\",\"Operations\",\"AuditData\"\r\n\"a\",\"b\",\"c\",{in_cell}\r\n"
            ),
        ),
        (
            "CSV of a log collector",
            format!("AuditData,RecordType,\"_raw\",linecount\n{in_cell},8,{in_cell},1\n"),
        ),
    ] {
        let found = read(text.as_bytes());
        assert_eq!(found.skipped, [], "{container}");
        assert_eq!(found.events.len(), 1, "{container}");
        assert_eq!(found.events[0].0, LogType::UnifiedAuditLog, "{container}");
        assert!(found.debug[0].contains("0a1b2c3d-1111-4222"), "{container}: {}", found.debug[0]);
        assert!(found.debug[0].contains("Backup"), "{container}: {}", found.debug[0]);
    }
}

#[test]
fn other_records_of_the_unified_audit_log_are_passed_over_by_name() {
    let record = unified_record("UserLoggedIn", "");
    for (text, reason) in [
        (
            record.replace("\"RecordType\":8", "\"RecordType\":15"),
            "sign-in of a user (unified audit log): passed over",
        ),
        (
            record.replace("\"RecordType\":8", "\"RecordType\":\"AzureActiveDirectoryStsLogon\""),
            "sign-in of a user (unified audit log): passed over",
        ),
        (
            record
                .replace("AzureActiveDirectory\"", "Exchange\"")
                .replace("\"RecordType\":8", "\"RecordType\":1"),
            "unified audit log of Exchange: not a log that is read",
        ),
        (
            record.replace("\"RecordType\":8", "\"RecordType\":87"),
            "unified audit log, record type 87: not a log that is read",
        ),
        (record.replace("2026-05-02T10:20:33", ""), "field `CreationTime` is missing"),
        (record.replace("UserLoggedIn", ""), "field `Operation` is missing"),
        (
            "RecordType,CreationDate,AuditData\n8,x,not json\n".to_owned(),
            "record of the unified audit log is no JSON object",
        ),
        (
            format!(r#"{{"AuditData":{}}}"#, serde_json::Value::from(r#"{"AuditData":"{}"}"#)),
            "field `AuditData` of the unified audit log holds another record",
        ),
    ] {
        let found = read(text.as_bytes());
        assert_eq!(found.events.len(), 0, "{text}");
        let reasons: Vec<String> = found.skipped.iter().map(|(_, skip)| skip.to_string()).collect();
        assert_eq!(reasons, [reason], "{text}");
    }
}
