//! The order in which things go, and what stays.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::fake::{Fake, Known};
use crate::plan::Routing;
use crate::progress::Stage;

fn settings(routing: Routing) -> Settings {
    Settings {
        suffix: "dev".to_owned(),
        account: "1".to_owned(),
        regions: ["us-east-1".to_owned(), "us-west-2".to_owned()],
        routing,
        runbook: true,
        observability: true,
        canary: None,
        parameters: BTreeMap::new(),
    }
}

fn deployed(stacks: &[&str]) -> Fake {
    let aws = Fake::default();
    for key in stacks {
        let known = Known { status: "CREATE_COMPLETE".to_owned(), ..Known::default() };
        aws.stacks.borrow_mut().insert((*key).to_owned(), known);
    }
    aws
}

const ALL: Reach = Reach { buckets: true, tables: false };

#[tokio::test]
async fn stacks_go_in_the_reverse_order_and_those_of_others_stay() {
    let kinds = ["network", "storage", "state", "batch", "failover", "observability"];
    let mut stacks: Vec<String> = kinds.iter().map(|kind| format!("us-east-1/tandem-dev-{kind}")).collect();
    stacks
        .extend(["us-west-2/tandem-dev-routing", "us-east-1/tandem-dev-x-batch", "us-east-1/other"].map(str::to_owned));
    let aws = deployed(&stacks.iter().map(String::as_str).collect::<Vec<_>>());
    aws.answer("s3api list-object-versions", Err("NoSuchBucket"));
    let (settings, quiet) = (settings(Routing::Arc), |_: Stage| {});
    let destroyer = Destroyer { aws: &aws, settings: &settings, witness: None, progress: &quiet };
    destroyer.destroy(&destroyer.survey().await.unwrap(), ALL).await.unwrap();
    let left: Vec<String> = aws.stacks.borrow().keys().cloned().collect();
    assert_eq!(left, ["us-east-1/other", "us-east-1/tandem-dev-x-batch"]);
    let calls = aws.calls.borrow().clone();
    let deleted = calls.iter().filter(|call| call.contains("delete-stack"));
    let deleted: Vec<&str> = deleted.filter_map(|call| call.rsplit("tandem-dev-").next()).collect();
    assert_eq!(deleted, ["observability", "failover", "batch", "routing", "state", "storage", "network"]);
    // Gone on with after it was broken off, it finds nothing more to do.
    assert!(destroyer.survey().await.unwrap().stacks.values().all(Vec::is_empty));
}

#[tokio::test]
async fn what_is_in_the_buckets_is_said_and_what_stays_is_named() {
    let aws = deployed(&["us-east-1/tandem-dev-storage"]);
    let listed = "{\"Versions\": [{\"Key\": \"a\", \"VersionId\": \"1\"}, {\"Key\": \"a\", \"VersionId\": \"2\"}], \
        \"DeleteMarkers\": [{\"Key\": \"b\", \"VersionId\": \"3\"}]}";
    aws.answer("s3api list-object-versions", Ok(listed));
    let (settings, quiet) = (settings(Routing::Arc), |_: Stage| {});
    let destroyer = Destroyer { aws: &aws, settings: &settings, witness: None, progress: &quiet };
    let survey = destroyer.survey().await.unwrap();
    assert_eq!(survey.buckets.len(), 4);
    assert_eq!(survey.buckets[0].2.to_string(), "2 versions of objects, 1 delete markers");
    let kept = destroyer.kept(&survey, Reach { buckets: false, tables: false }).join("\n");
    for named in ["tandem-dev-1-us-west-2-artefacts", "tandem-dev-batches", "tandem-dev-intake-failed", "SES", "keys"] {
        assert!(kept.contains(named), "{named} is not in {kept}");
    }
    assert!(!destroyer.kept(&survey, Reach { buckets: true, tables: true }).join("\n").contains("tandem-dev"));
}

#[tokio::test]
async fn the_record_goes_before_its_zone_and_a_tables_witness_with_its_replica() {
    let aws = deployed(&["us-east-1/tandem-dev-routing-dns"]);
    aws.answer("s3api list-object-versions", Err("NoSuchBucket"));
    let records =
        "{\"ResourceRecordSets\": [{\"Type\": \"NS\", \"Name\": \"z\"}, {\"Type\": \"TXT\", \"Name\": \"active.z\"}]}";
    aws.answer("route53 list-resource-record-sets", Ok(records));
    aws.answer("route53 change-resource-record-sets", Ok("{}"));
    let (settings, quiet) = (settings(Routing::Dns), |_: Stage| {});
    let destroyer = Destroyer { aws: &aws, settings: &settings, witness: Some("us-east-2"), progress: &quiet };
    destroyer.destroy(&destroyer.survey().await.unwrap(), ALL).await.unwrap();
    let calls = aws.calls.borrow().join("\n");
    let record = calls.find("\"Action\":\"DELETE\"").unwrap();
    assert!(calls.contains("active.z") && record < calls.find("delete-stack").unwrap(), "{calls}");
}
