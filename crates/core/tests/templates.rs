//! What the templates hold beside the functions' roles: who gets in, what seals the data, how long things live, and what must
//! agree between two of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod template;

use template::{resource, statement, statements};

const ACCESS: &str = include_str!("../../../sam/access.yaml");
const AUDIT: &str = include_str!("../../../sam/audit.yaml");
const BATCH: &str = include_str!("../../../sam/batch.yaml");
const CANARY: &str = include_str!("../../../sam/canary.yaml");
const CHAOS: &str = include_str!("../../../sam/chaos.yaml");
const KEY: &str = include_str!("../../../sam/key.yaml");
const STATE: &str = include_str!("../../../sam/state.yaml");
const STORAGE: &str = include_str!("../../../sam/storage.yaml");

/// The adapters of the calls that `tandem` makes for an operator.
const OPERATORS_CALLS: [&str; 7] = [
    include_str!("../../aws/src/batch_list.rs"),
    include_str!("../../aws/src/executions.rs"),
    include_str!("../../aws/src/invoke.rs"),
    include_str!("../../aws/src/log_lines.rs"),
    include_str!("../../aws/src/queue.rs"),
    include_str!("../../aws/src/reference.rs"),
    include_str!("../../aws/src/reference_load.rs"),
];

/// The roles of the batch stack: logical id and text.
fn roles() -> Vec<(&'static str, &'static str)> {
    let blocks = BATCH.split("\n\n").filter(|block| block.contains("\n    Type: AWS::IAM::Role\n"));
    let named = blocks.map(|block| {
        let name = block.lines().find(|line| line.starts_with("  ") && !line.trim_start().starts_with('#'));
        (name.expect("a resource has a name").trim().trim_end_matches(':'), block)
    });
    named.collect()
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).expect("the beginning is there");
    rest.split_once(after).expect("the end is there").0
}

/// The number that a parameter or rule says behind this word.
fn number(text: &str, name: &str) -> u64 {
    let (_, rest) = text.split_once(name).expect("the property is there");
    rest.lines().next().and_then(|value| value.trim().parse().ok()).expect("it is a number")
}

/// Words like `dynamodb:Scan` in a source.
fn actions(source: &str) -> Vec<&str> {
    let is_action = |text: &&str| {
        text.split_once(':').is_some_and(|(service, action)| {
            !service.is_empty()
                && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                && action.starts_with(|first: char| first.is_ascii_uppercase())
                && action.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    source.split('"').filter(is_action).collect()
}

#[test]
fn every_bucket_and_the_queue_refuse_plain_http() {
    let policies = [
        (STORAGE, "BucketPolicy"),
        (AUDIT, "AuditBucketPolicy"),
        (CHAOS, "FaultBucketPolicy"),
        (BATCH, "IntakeFailedQueuePolicy"),
    ];
    for (template, policy) in policies {
        let refused = statement(resource(template, policy), "TlsOnly");
        for part in ["Effect: Deny", "Principal: \"*\"", "\"aws:SecureTransport\": \"false\""] {
            assert!(refused.contains(part), "{policy}: {refused}");
        }
    }
}

#[test]
fn nobody_outside_gets_in_by_a_policy_or_an_acl() {
    for template in [STORAGE, AUDIT, CHAOS, STATE] {
        for setting in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            assert!(template.contains(&format!("{setting}: true\n")), "{setting}");
            assert!(!template.contains(&format!("{setting}: false")), "{setting}");
        }
    }
    assert!(!resource(STORAGE, "BucketPolicy").contains("Effect: Allow"), "the bucket's policy only takes away");
    assert!(!STATE.contains("AccessPointPolicy"), "the access point has no policy, so callers' own decide");
    for open in statements(resource(AUDIT, "AuditBucketPolicy")).iter().filter(|one| one.contains("Effect: Allow")) {
        assert!(open.contains("Service: cloudtrail.amazonaws.com") && open.contains("aws:SourceArn"), "{open}");
    }
}

#[test]
fn inputs_and_parts_take_no_encryption_under_which_an_etag_would_not_follow_from_content() {
    let policy = resource(STORAGE, "BucketPolicy");
    let refused = statement(policy, "EtagsFollowFromContent");
    let parts = [
        "Effect: Deny",
        "Action: s3:PutObject",
        "/input/*",
        "/work/*",
        // Denied where the header is there and says anything else.
        "\"Null\": { \"s3:x-amz-server-side-encryption\": \"false\" }",
        "StringNotEquals: { \"s3:x-amz-server-side-encryption\": AES256 }",
    ];
    for part in parts {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    assert!(statement(policy, "NoKeysOfCallers").contains("customer-algorithm\": \"false\""));
    let bucket = resource(STORAGE, "Bucket");
    assert!(bucket.contains("SSEAlgorithm: AES256") && !bucket.contains("aws:kms"), "what holds without the header");
}

#[test]
fn the_lock_on_parts_and_results_spares_every_role_that_works_there_and_the_root_user() {
    let lock = statement(resource(STORAGE, "BucketPolicy"), "DataIsForFunctions");
    assert!(lock.contains("/work/*\n") && lock.contains("/output/*\n"));
    assert!(!lock.contains("!GetAtt Bucket.Arn\n"), "who deploys must be able to change the bucket and its policy");
    let mut spared = 0;
    for (role, text) in roles().into_iter().filter(|(_, text)| text.contains("/work/") || text.contains("/output/")) {
        let name = between(text, "RoleName: !Sub tandem-${Suffix}-", "-${AWS::Region}");
        assert!(lock.contains(&format!(":role/tandem-${{Suffix}}-{name}-")), "{role} is locked out");
        spared += 1;
    }
    assert!(spared >= 6, "split, validate, enrich, merge, deliver, the state machine: were they found?");
    assert!(lock.contains("::${AWS::AccountId}:root\n") && lock.contains(":role/tandem-${Suffix}-replication-*\n"));
    assert!(lock.contains("!Ref DataReaders"));
}

#[test]
fn an_uploader_puts_below_input_through_the_access_point_and_does_nothing_else() {
    for (policy, folder) in
        [("UploadersPolicy", "/input/*"), ("DatasetUploadersPolicy", "/input/${!aws:PrincipalTag/tandem-dataset}/*")]
    {
        let allowed = statements(resource(ACCESS, policy));
        assert_eq!(allowed.len(), 2, "{policy}");
        for one in allowed {
            assert!(one.contains("Action: [s3:PutObject, s3:AbortMultipartUpload]\n"), "{one}");
            let resources: Vec<&str> = one.lines().filter(|line| line.contains("!Sub ")).collect();
            assert!(!resources.is_empty() && resources.iter().all(|line| line.contains(folder)), "{resources:?}");
            let through = one.contains("${MrapArn}/object/") || one.contains("\"s3:DataAccessPointArn\": !Ref MrapArn");
            assert!(through, "{one}");
        }
    }
}

#[test]
fn an_operator_may_make_every_call_of_the_command_and_opens_no_file() {
    let policy = resource(ACCESS, "OperatorsPolicy");
    for action in OPERATORS_CALLS.into_iter().flat_map(actions) {
        assert!(policy.contains(action), "{action}");
    }
    for asked in ["deliver", "intake", "reconcile", "failover", "canary"] {
        assert!(policy.contains(&format!(":function:tandem-${{Suffix}}-{asked}\n")), "{asked}");
    }
    let of_objects: Vec<&str> = statements(policy).into_iter().filter(|one| one.contains("s3:GetObject")).collect();
    assert_eq!(of_objects.len(), 1, "files are for uploaders and readers");
    let resources: Vec<&str> = of_objects[0].lines().filter(|line| line.contains("arn:")).collect();
    assert!(resources.iter().all(|line| line.ends_with("/markers/*")), "{resources:?}");
    let reasons = statement(policy, "CountReasons");
    assert!(reasons.contains("\"dynamodb:Attributes\": [batch_id, field, rule]"), "no row's content: {reasons}");
    for write in ["PutItem", "UpdateItem", "DeleteItem", "StartExecution", "InvokeAsync", "SendMessage", "PurgeQueue"] {
        assert!(!policy.contains(write), "{write}: by a function only");
    }
    let load = statement(policy, "LoadAndCheckReference");
    assert!(load.contains("-reference\n") && !load.contains("-batches"), "{load}");
}

#[test]
fn no_policy_for_people_reaches_beyond_its_environment() {
    assert!(!ACCESS.contains("Resource: \"*\"") && !ACCESS.contains(":*\"") && !ACCESS.contains("Action: \"*\""));
    let resources = ACCESS.lines().filter(|line| line.contains("arn:${AWS::Partition}:"));
    let own = ["tandem-${Suffix}", ":automation-execution/*", ":kms:*:${Account}:key/${Id}"];
    for line in resources {
        assert!(own.iter().any(|part| line.contains(part)), "{line}");
    }
}

#[test]
fn with_a_key_every_table_the_queue_and_every_log_are_sealed_and_their_users_may_open_them() {
    assert_eq!(
        STATE.matches("SSEType: !If [HasKey, KMS,").count(),
        STATE.matches("AWS::DynamoDB::GlobalTable\n").count()
    );
    assert_eq!(
        STATE.matches("KMSMasterKeyId: ").count(),
        STATE.matches("        - Region: !Ref PrimaryRegion\n").count() * 2
    );
    let logs = BATCH.matches("Type: AWS::Logs::LogGroup\n").count();
    assert_eq!(BATCH.matches("      KmsKeyId: !If [HasKey, !Ref KmsKeyArn,").count(), logs);
    assert!(resource(BATCH, "IntakeFailedQueue").contains("KmsMasterKeyId: !If [HasKey, !Ref KmsKeyArn,"));
    let opens = resource(BATCH, "TableKeyPolicy");
    for (role, _) in roles().into_iter().filter(|(_, text)| text.contains("dynamodb:")) {
        assert!(opens.contains(&format!("!Ref {role}")), "{role} could not open its table");
    }
    let used = [
        ("TableKeyPolicy", "[kms:Decrypt, kms:DescribeKey]", "dynamodb."),
        ("QueueKeyPolicy", "[kms:GenerateDataKey, kms:Decrypt]", "sqs."),
        ("OutputKeyPolicy", "[kms:GenerateDataKey, kms:Decrypt]", "s3."),
    ];
    for (policy, actions, service) in used {
        let via =
            format!("StringEquals: {{ \"kms:ViaService\": !Sub \"{service}${{AWS::Region}}.${{AWS::URLSuffix}}\" }}");
        for part in [format!("Action: {actions}\n"), "Resource: !Ref KmsKeyArn\n".to_owned(), via] {
            assert!(resource(BATCH, policy).contains(&part), "{policy}: {part}");
        }
    }
    assert!(resource(BATCH, "QueueKeyPolicy").contains("Roles: [!Ref IntakeRole]\n"), "Lambda fills it as intake");
}

#[test]
fn results_under_a_key_are_written_replicated_and_opened_by_link_in_both_regions() {
    assert!(resource(BATCH, "MergeFunction").contains("TANDEM_OUTPUT_KEY: !Ref KmsKeyArn\n"));
    assert!(resource(BATCH, "OutputKeyPolicy").contains("Roles: [!Ref MergeRole]\n"), "who writes them");
    let links = resource(BATCH, "LinkKeyPolicy");
    for part in ["Roles: [!Ref DeliverRole]", "Action: kms:Decrypt\n", "s3.${PrimaryRegion}.", "s3.${StandbyRegion}."] {
        assert!(links.contains(part), "{part}");
    }
    let bucket = resource(STORAGE, "Bucket");
    assert!(bucket.contains("SseKmsEncryptedObjects: !If [HasKey, { Status: Enabled }"), "or S3 leaves them out");
    assert!(bucket.contains("ReplicaKmsKeyID: !Ref PeerKmsKeyArn"));
    let role = resource(STORAGE, "ReplicationRole");
    let (here, there) = (statement(role, "OpenHere"), statement(role, "SealThere"));
    assert!(here.contains("Action: kms:Decrypt\n") && here.contains("Resource: !Ref KmsKeyArn\n"), "{here}");
    assert!(here.contains("\"kms:ViaService\": !Sub \"s3.${AWS::Region}.${AWS::URLSuffix}\""), "{here}");
    assert!(there.contains("Action: kms:Encrypt\n") && there.contains("Resource: !Ref PeerKmsKeyArn\n"), "{there}");
    // The Region is the fourth part of the peer key's ARN.
    assert!(there.contains("- s3.${Region}.${AWS::URLSuffix}\n") && !there.contains("AWS::Region"), "{there}");
    assert!(there.contains("Region: !Select [3, !Split [\":\", !Sub \"${PeerKmsKeyArn}:::::\"]]"), "{there}");
}

#[test]
fn readers_and_the_canary_open_results_under_a_key_through_s3_in_both_regions() {
    let users = statement(resource(ACCESS, "KeyUsersPolicy"), "Open");
    let canary = statement(resource(CANARY, "CanaryRole"), "OpenTables");
    for opens in [users, canary] {
        assert!(opens.contains("Action: [kms:Decrypt, kms:DescribeKey]\n"), "{opens}");
        let (_, via) = opens.split_once("\"kms:ViaService\":\n").expect("only through a service");
        for service in ["s3", "dynamodb"] {
            for region in ["${PrimaryRegion}", "${StandbyRegion}"] {
                assert!(
                    via.contains(&format!("- !Sub {service}.{region}.${{AWS::URLSuffix}}\n")),
                    "{service} {region}"
                );
            }
        }
    }
}

#[test]
fn the_keys_two_policies_are_the_same_and_services_use_it_for_this_environment_only() {
    let [primary, replica] = ["Key", "Replica"].map(|name| {
        let policy = resource(KEY, name).split_once("      KeyPolicy:\n").expect("a key has a policy").1;
        let lines = policy.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.take_while(|line| !line.contains("Tags:") && !line.contains("PendingWindow")).collect::<Vec<_>>()
    });
    assert_eq!(primary, replica);
    for service in statements(&primary.join("\n")).iter().filter(|one| one.contains("Service: ")) {
        assert!(service.contains("Condition:") && service.contains("${AWS::AccountId}"), "{service}");
    }
}

#[test]
fn a_link_is_signed_for_no_longer_than_any_session_of_a_role_lives() {
    assert_eq!(number(resource(BATCH, "LinkExpirySeconds"), "MaxValue:"), 12 * 60 * 60);
}

#[test]
fn the_grace_outlasts_the_lease_by_more_than_a_signed_request_lives() {
    let lease = number(resource(BATCH, "MailLeaseSeconds"), "MaxValue:");
    let rule = resource(BATCH, "GraceOutlastsTheLease");
    let allowed = between(rule, "!Contains [[", "]").split(',').map(|value| value.trim().trim_matches('"'));
    let allowed: Vec<u64> = allowed.map(|value| value.parse().unwrap()).collect();
    assert!(allowed.iter().all(|grace| *grace > lease + 300), "{allowed:?} against a lease of {lease}");
    assert!(allowed.contains(&number(resource(BATCH, "TakeoverGraceSeconds"), "Default:")));
}

#[test]
fn the_bucket_has_the_tag_by_which_fis_finds_it() {
    assert!(resource(STORAGE, "Bucket").contains("{ Key: \"tandem:environment\", Value: !Ref Suffix }"));
    assert!(CHAOS.contains("ResourceTags: { \"tandem:environment\": !Ref Suffix }"));
    assert!(
        !resource(AUDIT, "AuditBucket").contains("tandem:environment"),
        "an experiment would take it for the other"
    );
}

#[test]
fn the_trail_has_every_call_on_inputs_and_results_and_nobody_else_writes_records() {
    let trail = resource(AUDIT, "Trail");
    assert!(trail.contains("${AWS::Region}/input/\n") && trail.contains("${AWS::Region}/output/\n"), "{trail}");
    assert!(!trail.contains("readOnly") && trail.contains("EnableLogFileValidation: true"), "{trail}");
    let alone = statement(resource(AUDIT, "AuditBucketPolicy"), "OnlyTheTrailWrites");
    assert!(alone.contains("Effect: Deny") && alone.contains("cloudtrail.amazonaws.com"), "{alone}");
}

#[test]
fn the_log_of_the_api_holds_no_key_that_was_asked_for() {
    let format = between(resource(BATCH, "RecordsApi"), "Format: >-\n", "\n        - !Ref");
    assert!(format.contains("$context.resourcePath") && !format.contains("$context.path"), "{format}");
    for part in ["requestOverride", "authorizer", "$context.requestBody", "$input"] {
        assert!(!format.contains(part), "{part}");
    }
}

#[test]
fn every_call_of_the_api_is_signed_limited_in_rate_and_says_its_dataset_in_the_path() {
    let api = resource(BATCH, "RecordsApi");
    assert!(api.contains("DefaultAuthorizer: AWS_IAM\n") && !BATCH.contains("Authorizer: NONE"), "{api}");
    assert!(api.contains("{ HttpMethod: \"*\", ResourcePath: \"/*\", "), "the limit holds for every method and path");
    assert!(api.contains(" ThrottlingRateLimit: 200, ThrottlingBurstLimit: 100 }\n"), "{api}");
    assert_eq!(api.matches("ThrottlingRateLimit").count(), 1, "no path has another one");
    let paths: Vec<&str> = BATCH.split("RestApiId: !Ref RecordsApi, ").skip(1).collect();
    assert_eq!(paths.len(), 2);
    for path in paths {
        let (_, path) = path.split_once("Path: \"").expect("a method has a path");
        assert!(path.starts_with("/records/{dataset}"), "IAM can tell one dataset's callers from another's by it");
    }
}

#[test]
fn each_lifecycle_rule_has_an_id_of_its_own_or_s3_would_refuse_them_all() {
    let ids: Vec<&str> = STORAGE.lines().filter_map(|line| line.trim().strip_prefix("- Id: ")).collect();
    let mut different = ids.clone();
    different.sort_unstable();
    different.dedup();
    assert!(ids.len() > 5, "were they found?");
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}
