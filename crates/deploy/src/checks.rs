//! What is looked at before anything is created. Each check says that all is well, or what to do.

pub mod artefacts;
pub mod datasets;
mod key;
mod names;
mod ses;

use std::path::Path;

use futures::future;
use serde_json::Value as Json;

use crate::aws::Aws;
use crate::config::Config;
use crate::failure::CommandFailed;
use crate::plan::{ROUTING_REGION, Routing};

/// Invocations beside the chunks of one batch: those of the other functions, with room for a second batch.
const BESIDE_CHUNKS: u64 = 20;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// Whether all is well.
    pub ok: bool,
    /// What was found, and what to do about it.
    pub says: String,
}

impl Finding {
    fn of(check: impl Into<String>, found: Result<String, String>) -> Self {
        let ok = found.is_ok();
        Self { check: check.into(), ok, says: found.unwrap_or_else(|problem| problem) }
    }
}

/// Looks at everything. `build` is the command that would build the functions.
pub async fn all(aws: &impl Aws, config: &Config, root: &Path, build: &str) -> Vec<Finding> {
    let mut findings = of_the_build(config, root, build);
    findings.extend(of_the_account(aws, config).await);
    findings
}

/// Looks at what is built.
#[must_use]
pub fn of_the_build(config: &Config, root: &Path, build: &str) -> Vec<Finding> {
    let elsewhere = config.settings.routing != Routing::Given;
    let mut findings = vec![
        Finding::of("functions", artefacts::built(root, &config.architecture, elsewhere, build)),
        Finding::of("datasets", datasets::sound(root, build)),
    ];
    if elsewhere {
        findings.extend(datasets::reachable(root, build).map(|found| Finding::of("APIs", found)));
    }
    findings
}

/// Looks at where it goes. Where AWS can't be asked at all, what would have to be asked is left out.
pub async fn of_the_account(aws: &impl Aws, config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::of("Regions", regions(config))];
    let credentials = credentials(aws, config).await;
    let usable = credentials.ok;
    findings.push(credentials);
    if usable {
        let [primary, standby] = &config.settings.regions;
        let (one, two) = future::join(of_region(aws, config, primary), of_region(aws, config, standby)).await;
        findings.extend(one.into_iter().chain(two));
        findings.extend(key::findings(aws, config).await);
        findings.extend(other_routing(aws, config).await.map(|found| Finding::of("routing", found)));
    }
    findings
}

/// What the configuration's own check has found legal already, in words.
fn regions(config: &Config) -> Result<String, String> {
    let [primary, standby] = &config.settings.regions;
    if config.settings.routing == Routing::Given {
        return Ok(format!("{primary} and {standby}, local"));
    }
    let table = match &config.witness {
        Some(witness) => format!("one strongly consistent table with {witness} as witness"),
        None => "an eventually consistent table, which is weaker in a failover (docs/SEMANTICS.md)".to_owned(),
    };
    let routing = match config.settings.routing {
        Routing::Arc => "an ARC cluster, some 1,800 USD a month",
        Routing::Dns => "a TXT record in a public zone",
        Routing::Given => "routing that is there",
    };
    Ok(format!("{primary} and {standby}: {table}; {routing}"))
}

/// A change of `routing` would have the functions ask where nobody has said yet which Region is active, and what they asked
/// before would stay behind.
async fn other_routing(aws: &impl Aws, config: &Config) -> Option<Result<String, String>> {
    let settings = &config.settings;
    let (kind, mode, region) = match settings.routing {
        Routing::Arc => ("routing-dns", "dns", settings.regions[0].as_str()),
        Routing::Dns => ("routing", "arc", ROUTING_REGION),
        Routing::Given => return None,
    };
    let other = aws.stack(region, &settings.stack(kind)).await;
    Some(other.map_err(|failed| short(&failed)).and_then(|other| match other {
        Some(other) if other.status != "REVIEW_IN_PROGRESS" => Err(format!(
            "{} in {region} tells the functions which Region is active, and routing can't be changed under them: set \
             routing = \"{mode}\" again; or take this deployment away first (scripts/destroy.sh, with the same \
             configuration), or choose another suffix for the new one",
            other.name
        )),
        _ => Ok("no stack of the other mode".to_owned()),
    }))
}

/// The command, the credentials, the clock and the account: one call fails for whichever isn't well.
pub async fn credentials(aws: &impl Aws, config: &Config) -> Finding {
    let asked = aws.run(&config.settings.regions[0], &["sts", "get-caller-identity"]).await;
    let found = asked.map_err(|failed| short(&failed)).and_then(|printed| {
        let identity: Json = serde_json::from_str(&printed).unwrap_or_default();
        let (account, arn) = (identity["Account"].as_str().unwrap_or_default(), identity["Arn"].as_str());
        let wanted = &config.settings.account;
        if account == wanted {
            return Ok(format!("{} in account {account}", arn.unwrap_or("credentials")));
        }
        let remedy = "sign in to the other one (AWS_PROFILE), or change account in the configuration";
        Err(format!("they are for account {account}, and the configuration says {wanted}: {remedy}"))
    });
    Finding::of("credentials", found)
}

/// The checks of one Region.
async fn of_region(aws: &impl Aws, config: &Config, region: &str) -> Vec<Finding> {
    let title = |check: &str| format!("{check} {region}");
    let names = async { names::findings(aws, config, region).await };
    let concurrency = async { Finding::of(title("Lambda concurrency"), concurrency(aws, config, region).await) };
    let sender = async { Finding::of(title("SES sender"), ses::sender(aws, config, region).await) };
    let sandbox = async { Finding::of(title("SES sending"), ses::sending(aws, config, region).await) };
    let (mut findings, concurrency, sender, sandbox) = future::join4(names, concurrency, sender, sandbox).await;
    findings.extend([concurrency, sender, sandbox]);
    findings
}

async fn concurrency(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let asked = aws.run(region, &["lambda", "get-account-settings"]).await.map_err(|failed| short(&failed))?;
    let settings: Json = serde_json::from_str(&asked).unwrap_or_default();
    let limit = settings["AccountLimit"]["UnreservedConcurrentExecutions"].as_u64();
    let limit = limit.or_else(|| settings["AccountLimit"]["ConcurrentExecutions"].as_u64()).unwrap_or_default();
    let need = config.max_concurrency + BESIDE_CHUNKS;
    if limit >= need {
        return Ok(format!("{limit} executions at once, {need} are needed"));
    }
    // Of new accounts: there is no max_concurrency that is low enough.
    let lower = if limit > BESIDE_CHUNKS { ", or lower max_concurrency in [batch]" } else { "" };
    Err(format!(
        "{limit} executions at once, and {need} are needed: ask for more (Service Quotas, Lambda, Concurrent \
         executions){lower}"
    ))
}

/// A failure in one sentence: the remedy, where it is known.
fn short(failed: &CommandFailed) -> String {
    failed.remedy().map_or_else(|| failed.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
