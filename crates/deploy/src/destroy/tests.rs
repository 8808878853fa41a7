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

fn work() -> std::path::PathBuf {
    std::env::temp_dir().join("tandem-destroy-tests")
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
    let destroyer = Destroyer { aws: &aws, settings: &settings, witness: None, work: &work(), progress: &quiet };
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

#[test]
fn a_key_and_its_replica_stay_so_that_neither_regions_stack_waits_for_the_others() {
    let template = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sam/key.yaml");
    let template: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(template).unwrap()).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    assert_eq!(resources.len(), 2);
    for (name, resource) in resources {
        assert_eq!(resource["DeletionPolicy"], "Retain", "{name}: its stack must go in an order then");
    }
}

#[tokio::test]
async fn what_is_in_the_buckets_is_said_and_what_stays_is_named() {
    let aws = deployed(&["us-east-1/tandem-dev-storage"]);
    let listed = "{\"Versions\": [{\"Key\": \"a\", \"VersionId\": \"1\"}, {\"Key\": \"a\", \"VersionId\": \"2\"}], \
        \"DeleteMarkers\": [{\"Key\": \"b\", \"VersionId\": \"3\"}]}";
    aws.answer("s3api list-object-versions", Err("NoSuchBucket"));
    for region in ["us-east-1", "us-west-2"] {
        aws.answer(&format!("{region} s3api list-object-versions"), Ok(listed));
    }
    let (settings, quiet) = (settings(Routing::Arc), |_: Stage| {});
    let destroyer = Destroyer { aws: &aws, settings: &settings, witness: None, work: &work(), progress: &quiet };
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
    let records = "{\"ResourceRecordSets\": [{\"Type\": \"NS\", \"Name\": \"example.com.\"}, {\"Type\": \"TXT\", \
        \"Name\": \"active.example.com.\"}, {\"Type\": \"TXT\", \"Name\": \"example.com.\"}]}";
    aws.answer("route53 list-resource-record-sets", Ok(records));
    aws.answer("route53 change-resource-record-sets", Ok("{}"));
    let (settings, quiet) = (settings(Routing::Dns), |_: Stage| {});
    let destroyer =
        Destroyer { aws: &aws, settings: &settings, witness: Some("us-east-2"), work: &work(), progress: &quiet };
    destroyer.destroy(&destroyer.survey().await.unwrap(), ALL).await.unwrap();
    let calls = aws.calls.borrow().join("\n");
    let record = calls.find("\"Action\":\"DELETE\"").unwrap();
    assert!(calls.contains("active.example.com.") && record < calls.find("delete-stack").unwrap(), "{calls}");
    assert_eq!(calls.matches("\"Action\":\"DELETE\"").count(), 1, "a record of somebody else's goes too: {calls}");
}

#[tokio::test]
async fn a_zone_that_is_gone_and_a_stack_without_outputs_do_not_end_it() {
    for missing in ["zone", "outputs"] {
        let aws = deployed(&["us-east-1/tandem-dev-routing-dns", "us-east-1/tandem-dev-network"]);
        aws.answer("s3api list-object-versions", Err("NoSuchBucket"));
        aws.answer("route53 list-resource-record-sets", Err("An error occurred (NoSuchHostedZone)"));
        let (settings, quiet) = (settings(Routing::Dns), |_: Stage| {});
        let destroyer = Destroyer { aws: &aws, settings: &settings, witness: None, work: &work(), progress: &quiet };
        let mut survey = destroyer.survey().await.unwrap();
        if missing == "outputs" {
            survey.stacks.values_mut().flatten().for_each(|stack| stack.outputs.clear());
        }
        destroyer.destroy(&survey, ALL).await.unwrap();
        assert_eq!(aws.stacks.borrow().len(), 0, "{missing}");
    }
}

#[tokio::test]
async fn a_cluster_and_a_canary_that_an_earlier_configuration_left_are_found_and_go() {
    let aws = deployed(&["us-west-2/tandem-dev-routing", "ca-central-1/tandem-dev-canary"]);
    aws.answer("s3api list-object-versions", Err("NoSuchBucket"));
    aws.answer("sa-east-1 cloudformation describe-stacks", Err("AccessDenied"));
    let regions = ["eu-west-1".to_owned(), "eu-central-1".to_owned()];
    let (settings, quiet) = (Settings { regions, ..settings(Routing::Dns) }, |_: Stage| {});
    let destroyer = Destroyer { aws: &aws, settings: &settings, witness: None, work: &work(), progress: &quiet };
    let survey = destroyer.survey().await.unwrap();
    let named: Vec<&str> = survey.stacks.values().flatten().map(|stack| stack.name.as_str()).collect();
    assert_eq!(named, ["tandem-dev-canary", "tandem-dev-routing"]);
    assert_eq!(survey.unasked.iter().map(|(region, _)| region.as_str()).collect::<Vec<_>>(), ["sa-east-1"]);
    destroyer.destroy(&survey, ALL).await.unwrap();
    assert_eq!(aws.stacks.borrow().len(), 0);
    // Of the Regions themselves all must be known.
    aws.answer("eu-west-1 cloudformation describe-stacks", Err("AccessDenied"));
    assert!(destroyer.survey().await.is_err());
}
