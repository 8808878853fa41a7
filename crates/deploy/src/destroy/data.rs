//! Tables, queues and the record: what the stacks leave.

use serde_json::{Value as Json, json};

use crate::aws::Aws;
use crate::failure::CommandFailed;

/// Deletes a global table: its other replica first, a witness together with that, then what is left.
pub async fn delete_table(
    aws: &impl Aws,
    regions: &[String; 2],
    table: &str,
    witness: Option<&str>,
) -> anyhow::Result<()> {
    let [primary, standby] = regions;
    let delete = |region: &str| json!([{ "Delete": { "RegionName": region } }]).to_string();
    let Some(known) = describe(aws, primary, table).await? else { return Ok(()) };
    if replicas(&known).any(|replica| replica == standby) {
        let (replica, witness) = (delete(standby), witness.map(delete));
        let mut arguments = vec!["dynamodb", "update-table", "--table-name", table, "--replica-updates", &replica];
        arguments.extend(witness.iter().flat_map(|witness| ["--global-table-witness-updates", witness]));
        aws.run(primary, &arguments).await?;
    }
    while describe(aws, primary, table).await?.is_some_and(|known| replicas(&known).any(|replica| replica == standby)) {
        tokio::time::sleep(aws.between_looks()).await;
    }
    aws.run(primary, &["dynamodb", "delete-table", "--table-name", table]).await?;
    while describe(aws, primary, table).await?.is_some() {
        tokio::time::sleep(aws.between_looks()).await;
    }
    Ok(())
}

async fn describe(aws: &impl Aws, region: &str, table: &str) -> Result<Option<Json>, CommandFailed> {
    match aws.run(region, &["dynamodb", "describe-table", "--table-name", table]).await {
        Ok(printed) => Ok(Some(serde_json::from_str(&printed).unwrap_or_default())),
        Err(failed) if failed.said.contains("ResourceNotFoundException") => Ok(None),
        Err(failed) => Err(failed),
    }
}

fn replicas(table: &Json) -> impl Iterator<Item = &str> {
    table["Table"]["Replicas"].as_array().into_iter().flatten().filter_map(|replica| replica["RegionName"].as_str())
}

/// Deletes a queue, if it is there.
pub async fn delete_queue(aws: &impl Aws, region: &str, queue: &str) -> anyhow::Result<()> {
    let url = match aws.run(region, &["sqs", "get-queue-url", "--queue-name", queue]).await {
        Ok(printed) => serde_json::from_str::<Json>(&printed).unwrap_or_default(),
        Err(failed) if failed.said.contains("NonExistentQueue") || failed.said.contains("does not exist") => {
            return Ok(());
        }
        Err(failed) => return Err(failed.into()),
    };
    let url = url["QueueUrl"].as_str().unwrap_or_default().to_owned();
    aws.run(region, &["sqs", "delete-queue", "--queue-url", &url]).await?;
    Ok(())
}

/// Deletes the TXT record of this name, as it stands. A zone that is gone has none.
pub async fn delete_record(aws: &impl Aws, region: &str, zone: &str, name: &str) -> anyhow::Result<()> {
    let printed = match aws.run(region, &["route53", "list-resource-record-sets", "--hosted-zone-id", zone]).await {
        Err(failed) if failed.said.contains("NoSuchHostedZone") => return Ok(()),
        printed => printed?,
    };
    // Route 53 ends every name with a dot.
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let is_ours = |record: &&Json| record["Type"] == "TXT" && record["Name"].as_str().map(bare) == Some(bare(name));
    let listed: Json = serde_json::from_str(&printed)?;
    let records = listed["ResourceRecordSets"].as_array().into_iter().flatten();
    for record in records.filter(is_ours) {
        let batch = json!({ "Changes": [{ "Action": "DELETE", "ResourceRecordSet": record }] }).to_string();
        let arguments = ["route53", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", &batch];
        aws.run(region, &arguments).await?;
    }
    Ok(())
}
