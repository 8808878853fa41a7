//! What the templates' roles may do: to an input, read it and tag it; beyond that, what their functions need.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod template;

use template::{resource, statement, statements};

const TEMPLATE: &str = include_str!("../../../sam/batch.yaml");
const FAILOVER: &str = include_str!("../../../sam/failover.yaml");
const CANARY: &str = include_str!("../../../sam/canary.yaml");
const NETWORK: &str = include_str!("../../../sam/network.yaml");

/// Actions that leave an object's key, content and versions as they are.
const HARMLESS: [&str; 6] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
];

/// The actions on an `Action:` line, written as one or as a list.
fn actions(line: &str) -> Vec<&str> {
    let (_, actions) = line.split_once("Action:").expect("the line lists actions");
    actions.trim().trim_matches(['[', ']']).split(',').map(str::trim).collect()
}

#[test]
fn no_role_may_write_or_delete_an_input() {
    let lines: Vec<&str> = TEMPLATE.lines().collect();
    let mut statements = 0;
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("/input/*")) {
        let granted = lines[..at].iter().rev().find(|line| line.contains("Action:")).expect("a statement has actions");
        for action in actions(granted) {
            assert!(HARMLESS.contains(&action), "{action} on input/*, line {}", at + 1);
        }
        statements += 1;
    }
    assert!(statements >= 3, "split, validate and deliver name input/*; were they found?");
}

#[test]
fn no_role_may_delete_objects_or_reach_all_of_a_bucket() {
    assert!(!TEMPLATE.contains("s3:Delete"), "a function may delete objects");
    assert!(!TEMPLATE.contains("s3:*"), "a role allows every action");
    let whole = TEMPLATE.lines().find(|line| line.contains(":s3:::") && line.trim_end().ends_with("${AWS::Region}/*"));
    assert_eq!(whole, None, "a role reaches all of a bucket, input/ included");
}

/// What each role allows, logs and the network apart. Enrich's, which may ask an API besides, and failover's, which depends on the
/// routing mode, have tests of their own.
const ALLOWED: [(&str, &[&str]); 8] = [
    (
        "IntakeRole",
        &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "sqs:SendMessage", "states:StartExecution"],
    ),
    ("SplitRole", &["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:PutObject"]),
    ("ValidateRole", &["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:PutObject"]),
    (
        "MergeRole",
        &["dynamodb:BatchWriteItem", "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
    ),
    (
        "DeliverRole",
        &[
            "dynamodb:GetItem",
            "dynamodb:UpdateItem",
            "s3:GetObject",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:GetObjectVersionTagging",
            "s3:PutObjectTagging",
            "s3:PutObjectVersionTagging",
            "ses:SendEmail",
        ],
    ),
    (
        "ReconcileRole",
        &[
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucket",
            "s3:PutObject",
            "states:DescribeExecution",
            "states:StartExecution",
        ],
    ),
    ("LookupRole", &["dynamodb:BatchGetItem"]),
    (
        "BatchStateMachineRole",
        &[
            "lambda:InvokeFunction",
            "s3:GetObject",
            "states:DescribeExecution",
            "states:StartExecution",
            "states:StopExecution",
        ],
    ),
];

/// The actions that a role's statements name, without those on logs and on the network.
fn allowed(role: &str) -> Vec<&str> {
    let named = statements(role).into_iter().filter_map(|statement| statement.split("Condition:").next());
    let words = named.flat_map(|text| text.split(|letter: char| letter.is_whitespace() || "[],\"".contains(letter)));
    let mut actions: Vec<&str> = words.filter(|word| is_action(word)).collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// Whether this is an action's name, and none on logs or on the network.
fn is_action(word: &str) -> bool {
    let Some((service, action)) = word.split_once(':') else { return false };
    let named = service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let capital = action.starts_with(|first: char| first.is_ascii_uppercase());
    named && capital && !["logs", "ec2", "sts"].contains(&service)
}

#[test]
fn each_role_allows_exactly_what_is_known_of_it() {
    for (role, actions) in ALLOWED {
        assert_eq!(allowed(resource(TEMPLATE, role)), actions, "{role}");
    }
}

#[test]
fn each_role_writes_objects_into_one_folder_only() {
    for (role, folder) in [
        ("SplitRole", "/work/*"),
        ("ValidateRole", "/work/*"),
        ("EnrichRole", "/work/*"),
        ("MergeRole", "/output/*"),
        ("ReconcileRole", "/reports/*"),
    ] {
        let role_text = resource(TEMPLATE, role);
        let writing: Vec<&str> = statements(role_text).into_iter().filter(|one| one.contains("s3:PutObject")).collect();
        assert_eq!(writing.len(), 1, "{role}");
        assert!(writing[0].contains(folder) && writing[0].matches(":s3:::").count() == 1, "{role}: {writing:?}");
    }
    assert!(!resource(TEMPLATE, "EnrichRole").contains("/input/"), "enrich reads parts");
    assert!(!statement(resource(TEMPLATE, "MergeRole"), "ReadParts").contains("/output/"), "merge reads no result");
}

#[test]
fn whoever_reads_inputs_or_parts_reaches_the_bucket_of_its_own_region_only() {
    for role in ["SplitRole", "ValidateRole", "EnrichRole", "MergeRole", "ReconcileRole", "BatchStateMachineRole"] {
        let buckets: Vec<&str> = resource(TEMPLATE, role).lines().filter(|line| line.contains(":s3:::")).collect();
        assert!(!buckets.is_empty(), "{role}");
        for bucket in buckets {
            let own = ":s3:::tandem-${Suffix}-${AWS::AccountId}-${AWS::Region}";
            let (_, folder) = bucket.split_once(own).unwrap_or_else(|| panic!("{role}: {bucket}"));
            assert!(folder.is_empty() || folder.starts_with('/'), "{role}: {bucket}");
        }
    }
}

#[test]
fn enrich_and_lookup_read_reference_records_and_no_other_table() {
    for role in ["EnrichRole", "LookupRole"] {
        let text = resource(TEMPLATE, role);
        let tables: Vec<&str> = allowed(text).into_iter().filter(|action| action.starts_with("dynamodb:")).collect();
        assert_eq!(tables, ["dynamodb:BatchGetItem"], "{role}");
        assert_eq!(text.matches(":table/").count(), 1, "{role}");
        assert!(statement(text, "LookUp").contains(":table/tandem-${Suffix}-reference\n"), "{role}");
    }
}

#[test]
fn a_link_opens_results_and_nothing_else() {
    let deliver = resource(TEMPLATE, "DeliverRole");
    let words = |text: &str| {
        text.split(['[', ']', ',', ' ', '\n'])
            .any(|word| word.starts_with("s3:GetObject") && !word.ends_with("Tagging"))
    };
    let reading: Vec<&str> = statements(deliver).into_iter().filter(|one| words(one)).collect();
    assert_eq!(reading.len(), 1, "{reading:?}");
    let places: Vec<&str> = reading[0].lines().filter(|line| line.contains("- !Sub ")).collect();
    assert_eq!(places.len(), 3, "the access point and either bucket: {places:?}");
    assert!(places.iter().all(|place| place.ends_with("/output/*")), "{places:?}");
}

#[test]
fn deliver_mails_from_one_address_to_one() {
    let send = statement(resource(TEMPLATE, "DeliverRole"), "Send");
    assert!(send.contains("StringEqualsIfExists: { \"ses:FromAddress\": !Ref Sender }"), "{send}");
    assert!(send.contains("ForAllValues:StringEquals: { \"ses:Recipients\": !Ref Recipient }"), "{send}");
}

#[test]
fn only_the_own_bucket_invokes_intake_and_only_own_state_machines_act_as_theirs() {
    let permission = resource(TEMPLATE, "IntakePermission");
    assert!(permission.contains("SourceAccount: !Ref AWS::AccountId"), "{permission}");
    assert!(permission.contains("SourceArn: !Sub arn:${AWS::Partition}:s3:::tandem-"), "{permission}");
    let machine = resource(TEMPLATE, "BatchStateMachineRole");
    assert!(machine.contains("\"aws:SourceAccount\": !Ref AWS::AccountId") && machine.contains(":stateMachine:*"));
}

#[test]
fn only_what_takes_no_resource_is_allowed_on_all_of_them() {
    let anywhere: Vec<&str> = statements(TEMPLATE)
        .into_iter()
        .filter(|statement| statement.contains("Resource: \"*\""))
        .map(|statement| statement.lines().next().unwrap_or_default())
        .collect();
    assert_eq!(anywhere, ["Attach", "NotFromCode", "Send", "Attach", "NotFromCode", "DeliverLogs"]);
}

#[test]
fn what_lambda_needs_for_the_network_is_denied_to_the_functions_own_code() {
    for (function, name) in [("IntakeRole", "intake"), ("ReconcileRole", "reconcile")] {
        let denied = statement(resource(TEMPLATE, function), "NotFromCode");
        assert!(denied.contains("Effect: Deny") && denied.contains("Action: ec2:*"), "{denied}");
        assert!(denied.contains(&format!("function:tandem-${{Suffix}}-{name}")), "{denied}");
    }
}

#[test]
fn reconcile_takes_over_and_reports_and_nothing_else() {
    let role = resource(TEMPLATE, "ReconcileRole");
    assert!(statement(role, "FindUnfinished").contains("/index/unfinished"));
    assert!(!role.contains("dynamodb:Scan") && !role.contains("DeleteItem"), "{role}");
    let writing: Vec<&str> = statements(role).into_iter().filter(|one| one.contains("s3:Put")).collect();
    assert!(writing.len() == 1 && writing[0].contains("/reports/*"), "{writing:?}");
    assert!(!statement(role, "SeeHowExecutionsEnded").contains("StopExecution"));
}

#[test]
fn enrich_calls_no_api_but_tandems_own_and_posts_only() {
    let role = resource(TEMPLATE, "EnrichRole");
    let by_api = statement(role, "LookUpByApi");
    assert!(by_api.contains("Action: execute-api:Invoke\n"), "{by_api}");
    assert!(by_api.contains(":${RecordsApi}/v1/POST/records/*\n"), "{by_api}");
    assert_eq!(TEMPLATE.matches("execute-api:Invoke\n").count(), 1, "no other function calls one");
}

#[test]
fn failover_sets_both_controls_in_one_call_and_overrides_no_safety_rule() {
    let set = statement(resource(TEMPLATE, "FailoverRole"), "SetActiveRegion");
    assert!(set.contains("- route53-recovery-cluster:UpdateRoutingControlStates\n"));
    assert!(!set.contains("- route53-recovery-cluster:UpdateRoutingControlState\n"));
    assert!(set.contains("\"route53-recovery-cluster:AllowSafetyRulesOverrides\": \"false\""));
}

#[test]
fn without_arc_failover_may_create_and_delete_one_txt_record_and_write_over_nothing() {
    let role = resource(TEMPLATE, "FailoverRole");
    let change = statement(role, "ChangeRecord");
    for narrowed in [
        "NormalizedRecordNames\": [!Ref ActiveRecord]\n",
        "RecordTypes\": [TXT]\n",
        "RecordSetsActions\": [CREATE, DELETE]\n",
        "route53:::hostedzone/${HostedZoneId}\n",
    ] {
        assert!(change.contains(narrowed), "{narrowed}");
    }
    assert_eq!(role.matches("route53:Change").count(), 4, "the action and its three conditions");
    let zone = include_str!("../../../sam/routing-dns.yaml");
    assert!(!zone.contains("Type: TXT"), "CloudFormation would write its own value with an update");
}

#[test]
fn nobody_of_tandem_but_failover_may_change_a_zone_and_its_record_says_a_regions_name_only() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sam");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let changes = text.matches("route53:Change").count() + text.matches("route53:*").count();
        let known = if path.ends_with("batch.yaml") {
            resource(TEMPLATE, "FailoverRole").matches("route53:Change").count()
        } else {
            0
        };
        assert_eq!(changes, known, "{}", path.display());
    }
    let arc = include_str!("../../../sam/routing.yaml");
    assert!(resource(arc, "Zone").contains("      VPCs:\n"), "seen from these only");
    for (record, region) in [("PrimaryRecord", "${PrimaryRegion}"), ("StandbyRecord", "${StandbyRegion}")] {
        let says = format!("ResourceRecords: [!Sub '\"{region}\"']");
        assert!(resource(arc, record).contains(&says), "{record}");
    }
    let dns = include_str!("../../../sam/routing-dns.yaml");
    assert!(dns.contains(r#""ResourceRecords":[{"Value":"\"${PrimaryRegion}\""}]"#), "what the record begins with");
}

#[test]
fn the_schedule_invokes_reconcile_and_the_runbook_two_functions() {
    let schedule = resource(TEMPLATE, "ReconcileScheduleRole");
    assert_eq!(schedule.matches(":function:").count(), 1);
    let runbook = resource(FAILOVER, "RunbookRole");
    assert_eq!(runbook.matches("Action: ").count(), 2, "to assume it, and to invoke");
    for function in ["failover", "reconcile"] {
        assert!(runbook.contains(&format!(":function:tandem-${{Suffix}}-{function}\n")), "{function}");
    }
    assert_eq!(runbook.matches(":function:").count(), 2);
    for trusted in [schedule, runbook] {
        assert!(
            trusted.contains("aws:SourceAccount") && trusted.contains("aws:SourceArn"),
            "anybody's could act as it"
        );
    }
}

#[test]
fn the_network_has_no_way_out_but_three_narrowed_endpoints() {
    for way_out in ["NatGateway", "InternetGateway", "AWS::EC2::Route\n", "MapPublicIpOnLaunch", "Peering"] {
        assert!(!NETWORK.contains(way_out), "{way_out}");
    }
    let endpoints = NETWORK.split("Type: AWS::EC2::VPCEndpoint\n").skip(1).collect::<Vec<_>>();
    assert_eq!(endpoints.len(), 3);
    for endpoint in endpoints {
        assert!(endpoint.contains("PolicyDocument") && endpoint.contains("aws:PrincipalAccount"), "{endpoint}");
    }
}

#[test]
fn the_canary_reaches_its_own_files_and_records_and_no_others() {
    let role = resource(CANARY, "CanaryRole");
    let objects = role.lines().filter(|line| line.contains("/*\n") || line.trim_end().ends_with("/*"));
    for line in objects.clone() {
        let own = ["/input/canary/*", "/output/canary/*", "/canary/*"].iter().any(|own| line.trim_end().ends_with(own));
        assert!(own, "{line}");
    }
    assert_eq!(objects.count(), 8);
    assert!(statement(role, "FetchItsResult").contains("Action: [s3:GetObject, s3:GetObjectVersion]"));
    for forbidden in ["s3:Delete", "s3:ListBucket", "dynamodb:Query", "dynamodb:Scan", "UpdateItem", "PutItem", "ses:"]
    {
        assert!(!role.contains(forbidden), "{forbidden}");
    }
    assert!(statement(role, "LookItsRecordsUp").contains("\"dynamodb:LeadingKeys\": \"canary/*\""));
    assert_eq!(resource(CANARY, "CanaryScheduleRole").matches(":function:").count(), 1);
}
