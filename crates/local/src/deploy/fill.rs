//! What a deployment needs beside its stacks: what the emulator's CloudFormation leaves out, and what an operator has done
//! once and for all before.

use axum::http::Method;
use serde_json::{Value, json};
use tandem_deploy::plan::MARK;

use super::template::GlobalTable;
use crate::edge::upstream::{Answer, OwnRequest, Upstream};

/// Gives the tables the replicas that their template names.
///
/// # Errors
/// The emulator refuses.
pub async fn replicate_tables(upstream: &Upstream, region: &str, tables: &[GlobalTable]) -> anyhow::Result<()> {
    for table in tables {
        let known = dynamodb(upstream, region, "DescribeTable", &json!({ "TableName": table.name })).await?;
        let known = &known["Table"]["Replicas"];
        let is_known =
            |replica: &&String| known.as_array().into_iter().flatten().any(|one| one["RegionName"] == **replica);
        for replica in table.replicas.iter().filter(|replica| *replica != region && !is_known(replica)) {
            let update = json!({
                "TableName": table.name,
                "ReplicaUpdates": [{ "Create": { "RegionName": replica } }],
            });
            dynamodb(upstream, region, "UpdateTable", &update).await?;
        }
    }
    Ok(())
}

/// Makes a bucket, unless it is there.
///
/// # Errors
/// The emulator refuses.
pub async fn create_bucket(upstream: &Upstream, region: &str, bucket: &str) -> anyhow::Result<()> {
    let path = format!("/{bucket}");
    // S3 wants to be told the Region, except for its first one.
    let body = match region {
        "us-east-1" => String::new(),
        _ => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        ),
    };
    let request =
        OwnRequest { method: Method::PUT, service: "s3", region, path: &path, headers: &[], body: body.into() };
    accept(&upstream.call(request).await?, "BucketAlreadyOwnedByYou")
}

/// Leaves the mark of a deployment that came to its end.
///
/// # Errors
/// The emulator refuses.
pub async fn put_mark(upstream: &Upstream, region: &str, bucket: &str) -> anyhow::Result<()> {
    let path = format!("/{bucket}/{MARK}");
    let request = OwnRequest {
        method: Method::PUT,
        service: "s3",
        region,
        path: &path,
        headers: &[],
        body: String::new().into(),
    };
    let answer = upstream.call(request).await?;
    anyhow::ensure!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    Ok(())
}

/// Makes an address a verified identity of SES, unless it is one.
///
/// # Errors
/// The emulator refuses.
pub async fn create_identity(upstream: &Upstream, region: &str, address: &str) -> anyhow::Result<()> {
    let request = OwnRequest {
        method: Method::POST,
        service: "ses",
        region,
        path: "/v2/email/identities",
        headers: &[("content-type", "application/json")],
        body: json!({ "EmailIdentity": address }).to_string().into(),
    };
    accept(&upstream.call(request).await?, "AlreadyExistsException")
}

/// Deletes a table of one Region, unless it is gone.
///
/// # Errors
/// The emulator refuses.
pub async fn delete_replica(upstream: &Upstream, region: &str, table: &str) -> anyhow::Result<()> {
    match dynamodb(upstream, region, "DeleteTable", &json!({ "TableName": table })).await {
        Err(error) if error.to_string().contains("ResourceNotFound") => Ok(()),
        deleted => deleted.map(drop),
    }
}

async fn dynamodb(upstream: &Upstream, region: &str, operation: &str, body: &Value) -> anyhow::Result<Value> {
    let target = format!("DynamoDB_20120810.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    let request = OwnRequest {
        method: Method::POST,
        service: "dynamodb",
        region,
        path: "/",
        headers: &headers,
        body: body.to_string().into(),
    };
    let answer = upstream.call(request).await?;
    anyhow::ensure!(answer.status.is_success(), "{operation} {body}: {} {}", answer.status, answer.text());
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Success, or the error that says that it is so already.
fn accept(answer: &Answer, already: &str) -> anyhow::Result<()> {
    let text = answer.text();
    anyhow::ensure!(answer.status.is_success() || text.contains(already), "{} {text}", answer.status);
    Ok(())
}
