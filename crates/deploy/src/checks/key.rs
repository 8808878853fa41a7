//! The key of the account's own that the configuration names.

use futures::future;
use serde_json::Value as Json;

use super::{Finding, short};
use crate::aws::Aws;
use crate::config::Config;

/// The key, and that it is the one that sealed what is there. Nothing is said where there is none and was none.
pub async fn findings(aws: &impl Aws, config: &Config) -> Vec<Finding> {
    let [primary, standby] = &config.settings.regions;
    let (one, two) = future::join(of_region(aws, config, primary), of_region(aws, config, standby)).await;
    let named = |region: &str, found: Option<_>| found.map(|found| Finding::of(format!("key {region}"), found));
    named(primary, one).into_iter().chain(named(standby, two)).collect()
}

async fn of_region(aws: &impl Aws, config: &Config, region: &str) -> Option<Result<String, String>> {
    let wanted = config.settings.own_key(region).unwrap_or_default();
    let batch = match aws.stack(region, &config.settings.stack("batch")).await {
        Ok(batch) => batch.unwrap_or_default(),
        Err(failed) => return Some(Err(short(&failed))),
    };
    let before = batch.parameters.get("KmsKeyArn").cloned().unwrap_or_default();
    if !before.is_empty() && before != wanted {
        return Some(Err(format!(
            "results are sealed under {before}: under another key or none, neither the links that are out nor replication \
             could open them. Set kms_key_arn again, with {{region}} where its Region stands; or take another suffix"
        )));
    }
    if wanted.is_empty() { None } else { Some(usable(aws, region, &wanted).await) }
}

/// Whether the key is there, enabled, and one of several Regions.
async fn usable(aws: &impl Aws, region: &str, key: &str) -> Result<String, String> {
    let asked = aws.run(region, &["kms", "describe-key", "--key-id", key]).await.map_err(|failed| {
        let remedy = "give a key with a replica here (sam/key.yaml makes one), or the right to describe it";
        format!("{key} can't be looked at: {}; {remedy}", short(&failed))
    })?;
    let described: Json = serde_json::from_str(&asked).unwrap_or_default();
    let about = &described["KeyMetadata"];
    match (about["KeyState"].as_str(), about["MultiRegion"].as_bool()) {
        (Some("Enabled"), Some(true)) => Ok(format!("{key} is enabled")),
        (Some("Enabled"), _) => Err(format!("{key} is of one Region only: give a multi-Region key (sam/key.yaml)")),
        (state, _) => Err(format!(
            "{key} is {}: enable it here (aws --region {region} kms enable-key --key-id {key}); each Region's replica is \
             enabled by itself",
            state.unwrap_or("of no known state")
        )),
    }
}
