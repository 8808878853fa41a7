//! What a destroy has kept, or somebody else has: names that no stack owns would make a stack fail half way.

use super::{Finding, short};
use crate::aws::Aws;
use crate::config::Config;
use crate::failure::CommandFailed;

/// The names of one Region.
pub(super) async fn findings(aws: &impl Aws, config: &Config, region: &str) -> Vec<Finding> {
    let bucket = Finding::of(format!("bucket {region}"), bucket(aws, config, region).await);
    let kept = Finding::of(format!("tables and queue {region}"), tables_and_queue(aws, config, region).await);
    vec![bucket, kept]
}

async fn bucket(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let bucket = config.settings.bucket(region);
    if let Some(owner) = owner(aws, config, region, "storage").await? {
        return Ok(format!("{bucket}, of {owner}"));
    }
    match aws.run(region, &["s3api", "head-bucket", "--bucket", &bucket]).await {
        Ok(_) => Err(format!(
            "{bucket} is there and no stack owns it, as after a destroy that kept its data: delete it, or choose another suffix"
        )),
        Err(failed) if failed.said.contains("404") || failed.said.contains("Not Found") => {
            Ok(format!("{bucket}, to be made"))
        }
        Err(failed) if failed.said.contains("403") => {
            Err(format!("{bucket} belongs to somebody else, or may not be looked at: choose another suffix"))
        }
        Err(failed) => Err(short(&failed)),
    }
}

/// The tables that the state stack makes in both Regions at once, and the queue that a batch stack does.
async fn tables_and_queue(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let mut kept = Vec::new();
    if owner(aws, config, &config.settings.regions[0], "state").await?.is_none() {
        for table in ["batches", "reference"].map(|table| config.settings.stack(table)) {
            let described = aws.run(region, &["dynamodb", "describe-table", "--table-name", &table]).await;
            if is_there(described, "ResourceNotFoundException")? {
                kept.push(format!("table {table}"));
            }
        }
    }
    if owner(aws, config, region, "batch").await?.is_none() {
        let queue = config.settings.stack("intake-failed");
        let asked = aws.run(region, &["sqs", "get-queue-url", "--queue-name", &queue]).await;
        if is_there(asked, "NonExistentQueue")? {
            kept.push(format!("queue {queue}"));
        }
    }
    if kept.is_empty() {
        return Ok(String::from("nothing stands in the way of them"));
    }
    Err(format!(
        "{} is there and no stack owns it, as after a destroy that kept it: take it away (scripts/destroy.sh --delete-tables, with \
         the same configuration), or choose another suffix",
        kept.join(", ")
    ))
}

/// The stack that a name belongs to, with its status.
async fn owner(aws: &impl Aws, config: &Config, region: &str, kind: &str) -> Result<Option<String>, String> {
    let stack = aws.stack(region, &config.settings.stack(kind)).await.map_err(|failed| short(&failed))?;
    let made = stack.filter(|stack| stack.status != "REVIEW_IN_PROGRESS");
    Ok(made.map(|stack| format!("{} ({})", stack.name, stack.status)))
}

/// Only a plain no is one.
fn is_there(asked: Result<String, CommandFailed>, absent: &str) -> Result<bool, String> {
    match asked {
        Ok(_) => Ok(true),
        Err(failed) if failed.said.contains(absent) || failed.said.contains("does not exist") => Ok(false),
        Err(failed) => Err(short(&failed)),
    }
}
