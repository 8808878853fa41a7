//! What is looked at before anything is created. Each check says that all is well, or what to do.

pub mod artefacts;
pub mod datasets;
mod key;

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

/// Looks at everything. Where AWS can't be asked at all, what would have to be asked is left out. `build` is the command that
/// would build the functions.
pub async fn all(aws: &impl Aws, config: &Config, root: &Path, build: &str) -> Vec<Finding> {
    let mut findings = vec![
        Finding::of("functions", artefacts::built(root, &config.architecture, build)),
        Finding::of("datasets", datasets::sound(root, build)),
        Finding::of("Regions", regions(config)),
    ];
    if config.settings.routing != Routing::Given {
        findings.extend(datasets::reachable(root, build).map(|found| Finding::of("APIs", found)));
    }
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
    let bucket = async { Finding::of(title("bucket"), leftover(aws, config, region).await) };
    let concurrency = async { Finding::of(title("Lambda concurrency"), concurrency(aws, config, region).await) };
    let sender = async { Finding::of(title("SES sender"), verified(aws, region, &config.sender).await) };
    let sandbox = async { Finding::of(title("SES sending"), sending(aws, config, region).await) };
    let (bucket, concurrency, sender, sandbox) = future::join4(bucket, concurrency, sender, sandbox).await;
    vec![bucket, concurrency, sender, sandbox]
}

/// A bucket that no stack owns would make the storage stack fail: its name is taken.
async fn leftover(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let stack = aws.stack(region, &config.settings.stack("storage")).await.map_err(|failed| short(&failed))?;
    let bucket = config.settings.bucket(region);
    if let Some(stack) = stack.filter(|stack| stack.status != "REVIEW_IN_PROGRESS") {
        return Ok(format!("{bucket}, of {} ({})", stack.name, stack.status));
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

async fn concurrency(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let asked = aws.run(region, &["lambda", "get-account-settings"]).await.map_err(|failed| short(&failed))?;
    let settings: Json = serde_json::from_str(&asked).unwrap_or_default();
    let limit = settings["AccountLimit"]["UnreservedConcurrentExecutions"].as_u64();
    let limit = limit.or_else(|| settings["AccountLimit"]["ConcurrentExecutions"].as_u64()).unwrap_or_default();
    let need = config.max_concurrency + BESIDE_CHUNKS;
    if limit >= need {
        return Ok(format!("{limit} executions at once, {need} are needed"));
    }
    Err(format!(
        "{limit} executions at once, and {need} are needed: ask for more (Service Quotas, Lambda, Concurrent executions), \
         or lower max_concurrency in [batch]"
    ))
}

/// Whether an address, or its domain, is a verified identity.
async fn verified(aws: &impl Aws, region: &str, address: &str) -> Result<String, String> {
    let domain = address.rsplit('@').next().unwrap_or_default();
    for identity in [address, domain] {
        let asked = aws.run(region, &["sesv2", "get-email-identity", "--email-identity", identity]).await;
        match asked {
            Ok(printed) => {
                let known: Json = serde_json::from_str(&printed).unwrap_or_default();
                if known["VerifiedForSendingStatus"] == true {
                    return Ok(format!("{identity} is verified"));
                }
            }
            Err(failed) if failed.said.contains("NotFoundException") => {}
            Err(failed) => return Err(short(&failed)),
        }
    }
    Err(format!(
        "{address} is not verified here: aws --region {region} sesv2 create-email-identity --email-identity {address}, \
         and follow the link that it is sent"
    ))
}

/// Whether e-mails may be sent, and to the recipient.
async fn sending(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let asked = aws.run(region, &["sesv2", "get-account"]).await.map_err(|failed| short(&failed))?;
    let account: Json = serde_json::from_str(&asked).unwrap_or_default();
    if account["SendingEnabled"] == false {
        return Err(format!("sending is paused for the account in {region}: the SES console says why"));
    }
    if account["ProductionAccessEnabled"] != false {
        return Ok("out of the sandbox".to_owned());
    }
    match verified(aws, region, &config.recipient).await {
        Ok(_) => Ok(format!("in the sandbox, and {} is verified", config.recipient)),
        Err(_) => Err(format!(
            "in the sandbox, which sends to verified addresses only, and {} is none: ask for production access in {region}, \
             or verify it: aws --region {region} sesv2 create-email-identity --email-identity {}",
            config.recipient, config.recipient
        )),
    }
}

/// A failure in one sentence: the remedy, where it is known.
fn short(failed: &CommandFailed) -> String {
    failed.remedy().map_or_else(|| failed.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
