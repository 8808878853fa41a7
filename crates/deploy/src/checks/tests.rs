//! Each check on what AWS may answer.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::fake::Fake;
use crate::plan::Settings;

fn config() -> Config {
    Config {
        settings: Settings {
            suffix: "dev".to_owned(),
            account: "123456789012".to_owned(),
            regions: ["us-east-1".to_owned(), "us-west-2".to_owned()],
            routing: Routing::Arc,
            runbook: true,
            observability: true,
            canary: None,
            parameters: BTreeMap::new(),
        },
        witness: Some("us-east-2".to_owned()),
        sender: "tandem@example.com".to_owned(),
        recipient: "owner@example.org".to_owned(),
        architecture: "arm64".to_owned(),
        max_concurrency: 40,
    }
}

fn well() -> Fake {
    let aws = Fake::default();
    aws.answer("sts get-caller-identity", Ok("{\"Account\": \"123456789012\", \"Arn\": \"arn:me\"}"));
    aws.answer("s3api head-bucket", Err("An error occurred (404) when calling the HeadBucket operation: Not Found"));
    aws.answer("dynamodb describe-table", Err("An error occurred (ResourceNotFoundException)"));
    aws.answer("sqs get-queue-url", Err("An error occurred (AWS.SimpleQueueService.NonExistentQueue)"));
    aws.answer("lambda get-account-settings", Ok("{\"AccountLimit\": {\"ConcurrentExecutions\": 1000}}"));
    aws.answer("sesv2 get-email-identity", Ok("{\"VerifiedForSendingStatus\": true}"));
    aws.answer("sesv2 get-account", Ok("{\"ProductionAccessEnabled\": true, \"SendingEnabled\": true}"));
    aws
}

async fn problems(aws: &Fake) -> Vec<Finding> {
    let findings = all(aws, &config(), Path::new("/nowhere"), "build").await;
    findings
        .into_iter()
        .filter(|finding| !finding.ok && !["functions", "datasets"].contains(&finding.check.as_str()))
        .collect()
}

#[tokio::test]
async fn where_all_is_well_nothing_is_said_against_it() {
    assert_eq!(problems(&well()).await, []);
}

#[tokio::test]
async fn every_problem_is_named_with_its_region_and_a_remedy() {
    for (call, answer, check, says) in [
        ("sts get-caller-identity", Err("Unable to locate credentials"), "credentials", "AWS_PROFILE"),
        ("sts get-caller-identity", Err("An error occurred (ExpiredToken)"), "credentials", "sign in again"),
        ("sts get-caller-identity", Err("Signature not yet current"), "credentials", "clock is wrong"),
        ("sts get-caller-identity", Ok("{\"Account\": \"210987654321\"}"), "credentials", "for account 210987654321"),
        ("us-west-2 s3api head-bucket", Ok(""), "bucket us-west-2", "no stack owns it"),
        ("us-west-2 s3api head-bucket", Err("(403) Forbidden"), "bucket us-west-2", "another suffix"),
        ("us-west-2 dynamodb describe-table", Ok("{}"), "tables and queue us-west-2", "table tandem-dev-reference"),
        ("us-east-1 sqs get-queue-url", Ok("{}"), "tables and queue us-east-1", "destroy.sh --delete-tables"),
        (
            "us-west-2 lambda get-account-settings",
            Ok("{\"AccountLimit\": {\"ConcurrentExecutions\": 10}}"),
            "Lambda concurrency us-west-2",
            "10 executions at once, and 60 are needed",
        ),
        (
            "us-west-2 sesv2 get-email-identity",
            Err("An error occurred (NotFoundException)"),
            "SES sender us-west-2",
            "aws --region us-west-2 sesv2 create-email-identity --email-identity tandem@example.com",
        ),
        (
            "us-east-1 sesv2 get-email-identity",
            Ok("{\"VerifiedForSendingStatus\": false}"),
            "SES sender us-east-1",
            "not verified",
        ),
        ("us-east-1 sesv2 get-account", Ok("{\"SendingEnabled\": false}"), "SES sending us-east-1", "paused"),
    ] {
        let aws = well();
        aws.answer(call, answer);
        let problems = problems(&aws).await;
        let told = matches!(&problems[..], [finding] if finding.check == check && finding.says.contains(says));
        assert!(told, "{call} {answer:?}: {problems:?}");
    }
}

#[tokio::test]
async fn routing_is_not_changed_under_a_deployment() {
    let stack = crate::fake::Known { status: "CREATE_COMPLETE".to_owned(), ..crate::fake::Known::default() };
    for (routing, there, says) in [
        (Routing::Arc, "us-east-1/tandem-dev-routing-dns", "routing = \"dns\" again"),
        (Routing::Dns, "us-west-2/tandem-dev-routing", "routing = \"arc\" again"),
    ] {
        let aws = well();
        aws.stacks.borrow_mut().insert(there.to_owned(), stack.clone());
        let mut config = config();
        config.settings.routing = routing;
        let findings = all(&aws, &config, Path::new("/nowhere"), "build").await;
        let told = findings.iter().find(|finding| finding.check == "routing").unwrap();
        assert!(!told.ok && told.says.contains(says), "{told:?}");
    }
}

#[tokio::test]
async fn in_the_sandbox_the_recipient_must_be_verified_too() {
    let aws = well();
    aws.answer("us-west-2 sesv2 get-account", Ok("{\"ProductionAccessEnabled\": false, \"SendingEnabled\": true}"));
    assert_eq!(problems(&aws).await, []);
    aws.answer("us-west-2 sesv2 get-email-identity", Err("NotFoundException"));
    let problems = problems(&aws).await;
    assert!(problems.iter().any(|finding| finding.says.contains("--email-identity owner@example.org")), "{problems:?}");
}

#[tokio::test]
async fn without_credentials_nothing_more_is_asked() {
    let aws = well();
    aws.answer("sts get-caller-identity", Err("Unable to locate credentials"));
    problems(&aws).await;
    assert_eq!(aws.calls.borrow().len(), 1);
}

#[tokio::test]
async fn a_key_is_there_and_enabled_in_both_regions_and_stays_the_one_that_sealed_what_is_there() {
    let key = "arn:aws:kms:{region}:123456789012:key/mrk-1";
    let enabled = "{\"KeyMetadata\": {\"KeyState\": \"Enabled\", \"MultiRegion\": true}}";
    let told = |key: &str| BTreeMap::from([("KmsKeyArn".to_owned(), key.to_owned())]);
    // What the batch stack of us-west-2 was told before, what the configuration says, what KMS says there, and what is said.
    for (before, wanted, described, says) in [
        (None, "", Ok(enabled), None),
        (None, key, Ok(enabled), None),
        (Some(""), key, Ok(enabled), None),
        (Some(key), key, Ok(enabled), None),
        (Some(key), "", Ok(enabled), Some("results are sealed under arn:aws:kms:us-west-2:123456789012:key/mrk-1")),
        (Some(key), "arn:aws:kms:{region}:123456789012:key/mrk-2", Ok(enabled), Some("results are sealed under")),
        (
            None,
            key,
            Ok("{\"KeyMetadata\": {\"KeyState\": \"Disabled\", \"MultiRegion\": true}}"),
            Some("enable it here"),
        ),
        (None, key, Ok("{\"KeyMetadata\": {\"KeyState\": \"Enabled\"}}"), Some("of one Region only")),
        (None, key, Err("An error occurred (NotFoundException)"), Some("sam/key.yaml makes one")),
    ] {
        let aws = well();
        aws.answer("kms describe-key", Ok(enabled));
        aws.answer("us-west-2 kms describe-key", described);
        if let Some(before) = before {
            let parameters = told(&before.replace("{region}", "us-west-2"));
            let known = crate::fake::Known { status: "UPDATE_COMPLETE".to_owned(), parameters };
            aws.stacks.borrow_mut().insert("us-west-2/tandem-dev-batch".to_owned(), known);
        }
        let mut config = config();
        config.settings.parameters.insert("batch".to_owned(), told(wanted));
        let findings = all(&aws, &config, Path::new("/nowhere"), "build").await;
        let about_keys = |finding: &&Finding| finding.check == "key us-west-2";
        let problem =
            findings.iter().find(about_keys).filter(|finding| !finding.ok).map(|finding| finding.says.as_str());
        match says {
            None => assert_eq!(problem, None, "{before:?} {wanted:?}"),
            Some(says) => assert!(problem.is_some_and(|problem| problem.contains(says)), "{says:?}: {problem:?}"),
        }
        assert_eq!(
            findings.iter().any(|finding| finding.check.starts_with("key")),
            !wanted.is_empty() || says.is_some()
        );
    }
}

#[tokio::test]
async fn an_api_over_plain_http_is_found_before_a_batch_asks_it_and_is_well_in_the_local_regions() {
    let root = std::env::temp_dir().join(format!("tandem-datasets-{}", std::process::id()));
    let folder = root.join("target/lambda/enrich/datasets");
    std::fs::create_dir_all(&folder).unwrap();
    let define = |api: &str| {
        let definition = format!("{{\"lookup\": {{\"source\": \"api\", \"api\": \"{api}\"}}}}");
        std::fs::write(folder.join("price-list.json"), definition).unwrap();
    };
    let mut config = config();
    let found = async |config: &Config| {
        let findings = all(&well(), config, &root, "build").await;
        findings.into_iter().find(|finding| finding.check == "APIs")
    };
    for (api, ok) in [("https://api.example.com", true), ("tandem", true), ("http://127.0.0.1:8080/x", false)] {
        define(api);
        let finding = found(&config).await.unwrap();
        assert_eq!(finding.ok, ok, "{finding:?}");
        assert_eq!(finding.says.contains("price-list.json (http://127.0.0.1:8080/x)"), !ok, "{finding:?}");
    }
    config.settings.routing = Routing::Given;
    assert_eq!(found(&config).await, None);
    std::fs::remove_dir_all(&root).unwrap();
}

#[tokio::test]
async fn what_is_kept_under_its_stack_stands_in_nobodys_way() {
    let aws = well();
    aws.answer("dynamodb describe-table", Ok("{}"));
    aws.answer("sqs get-queue-url", Ok("{}"));
    let made = crate::fake::Known { status: "UPDATE_COMPLETE".to_owned(), ..crate::fake::Known::default() };
    for key in ["us-east-1/tandem-dev-state", "us-east-1/tandem-dev-batch", "us-west-2/tandem-dev-batch"] {
        aws.stacks.borrow_mut().insert(key.to_owned(), made.clone());
    }
    assert_eq!(problems(&aws).await, []);
}

#[tokio::test]
async fn a_limit_that_no_concurrency_fits_into_is_not_answered_by_a_lower_one() {
    for (limit, lower) in [(10, false), (20, false), (40, true)] {
        let aws = well();
        aws.answer(
            "lambda get-account-settings",
            Ok(&format!("{{\"AccountLimit\": {{\"ConcurrentExecutions\": {limit}}}}}")),
        );
        let problems = problems(&aws).await;
        assert!(problems.iter().all(|finding| finding.says.contains("max_concurrency") == lower), "{problems:?}");
        assert_eq!(problems.len(), 2);
    }
}

#[tokio::test]
async fn an_address_is_verified_by_its_domain_or_one_above_and_whether_it_is_signed_is_said() {
    let sender = async |aws: &Fake| {
        let findings = all(aws, &config(), Path::new("/nowhere"), "build").await;
        findings.into_iter().find(|finding| finding.check == "SES sender us-east-1").unwrap()
    };
    let unsigned = sender(&well()).await;
    assert!(unsigned.ok && unsigned.says.contains("not signed (DKIM)"), "{unsigned:?}");
    let aws = well();
    let signed =
        "{\"VerifiedForSendingStatus\": true, \"DkimAttributes\": {\"SigningEnabled\": true, \"Status\": \"SUCCESS\"}}";
    aws.answer("sesv2 get-email-identity", Ok(signed));
    assert!(sender(&aws).await.says.contains("are signed (DKIM)"));
    let mut below = config();
    below.sender = "tandem@batch.mail.example.com".to_owned();
    let aws = well();
    aws.answer("sesv2 get-email-identity", Err("NotFoundException"));
    let findings = all(&aws, &below, Path::new("/nowhere"), "build").await;
    assert!(findings.iter().any(|finding| !finding.ok && finding.check == "SES sender us-east-1"));
    let calls = aws.calls.borrow();
    let asked: Vec<&str> = calls
        .iter()
        .filter(|call| call.starts_with("us-east-1 sesv2 get-email-identity"))
        .filter_map(|call| call.split(' ').next_back())
        .collect();
    let names = ["tandem@batch.mail.example.com", "batch.mail.example.com", "mail.example.com", "example.com"];
    assert_eq!(asked, names);
}
