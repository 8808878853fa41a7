//! Whether a deployment is the first one or an update, and of which active Region.

use std::collections::BTreeMap;

use anyhow::Context;
use tandem_deploy::aws::{Aws, Stack};
use tandem_deploy::plan::{BEGUN, MARK, Rollout, Settings};

use super::target::Prepared;

/// What earlier deployments have left in the primary's bucket of artefacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing: there was none, or what it left is lost with its bucket.
    Unknown,
    /// A first one has begun and has not come to its end: what is tried there is still to be tried.
    Begun,
    /// One came to its end.
    Deployed,
}

/// Looks. Only a plain no is one: a Region that can't be asked may be in use.
pub async fn past(aws: &impl Aws, settings: &Settings) -> anyhow::Result<Past> {
    for (object, past) in [(MARK, Past::Deployed), (BEGUN, Past::Begun)] {
        if holds(aws, settings, object).await? {
            return Ok(past);
        }
    }
    Ok(Past::Unknown)
}

async fn holds(aws: &impl Aws, settings: &Settings, object: &str) -> anyhow::Result<bool> {
    let primary = &settings.regions[0];
    let bucket = settings.artefact_bucket(primary);
    match aws.run(primary, &["s3api", "head-object", "--bucket", &bucket, "--key", object]).await {
        Ok(_) => Ok(true),
        Err(failed) if ["(404)", "NoSuchKey", "NoSuchBucket"].iter().any(|absent| failed.said.contains(absent)) => {
            Ok(false)
        }
        Err(failed) => {
            let what =
                format!("nothing was done: it can't be told whether {bucket} has the mark of an earlier deployment");
            Err(anyhow::Error::new(failed).context(what))
        }
    }
}

/// Writes down that a first deployment begins: broken off at whatever place, it is still the first when it goes on.
pub async fn begin(aws: &impl Aws, settings: &Settings) -> anyhow::Result<()> {
    let primary = &settings.regions[0];
    let bucket = settings.artefact_bucket(primary);
    let begun = async {
        aws.ensure_bucket(primary, &bucket).await?;
        aws.run(primary, &["s3api", "put-object", "--bucket", &bucket, "--key", BEGUN]).await?;
        // Of an earlier deployment, which was taken away since.
        aws.run(primary, &["s3api", "delete-object", "--bucket", &bucket, "--key", MARK]).await
    };
    begun.await.map(drop).with_context(|| format!("no stack was made: {bucket} can't be written to"))
}

/// Writes down that a deployment came to its end.
pub async fn end(aws: &impl Aws, settings: &Settings) -> anyhow::Result<()> {
    let primary = &settings.regions[0];
    let bucket = settings.artefact_bucket(primary);
    aws.run(primary, &["s3api", "put-object", "--bucket", &bucket, "--key", MARK]).await?;
    aws.run(primary, &["s3api", "delete-object", "--bucket", &bucket, "--key", BEGUN]).await?;
    Ok(())
}

/// What to do. `assumed` is the Region that somebody says is active, where none can say so itself.
pub async fn rollout(
    prepared: &Prepared,
    there: &BTreeMap<String, Vec<Stack>>,
    past: Past,
    assumed: Option<&str>,
) -> anyhow::Result<Rollout> {
    let settings = &prepared.config.settings;
    if is_first(past, settings, there) {
        return Ok(Rollout::First);
    }
    update(prepared.active().await, past, assumed, settings)
}

fn is_first(past: Past, settings: &Settings, there: &BTreeMap<String, Vec<Stack>>) -> bool {
    match past {
        Past::Begun => true,
        Past::Unknown => !settings.regions.iter().all(|region| can_be_used(settings, there, region)),
        // The mark outlives a destroy that keeps the data.
        Past::Deployed => !settings.regions.iter().any(|region| can_be_used(settings, there, region)),
    }
}

/// An update, given which Region is active or why none says so.
fn update(
    told: Result<String, String>,
    past: Past,
    assumed: Option<&str>,
    settings: &Settings,
) -> anyhow::Result<Rollout> {
    let active = match (told, assumed) {
        (Ok(active), _) => active,
        (Err(silence), Some(assumed)) => {
            errln!("{silence}\n{assumed} is taken for the active Region, as --active says");
            assumed.to_owned()
        }
        (Err(silence), None) => anyhow::bail!(
            "nothing was done: {silence}\nThe Region that stands by is updated first, so it must be known. If you know which one \
             is active, name it: --active {}, or --active {}",
            settings.regions[0],
            settings.regions[1]
        ),
    };
    if past == Past::Unknown {
        errln!(
            "both Regions are there and {active} is active: it is left so, although no mark of an earlier deployment is \
             there (tandem failover changes it)"
        );
    }
    Ok(Rollout::Update { active })
}

/// Whether a Region can be in use: its batch stack was made.
fn can_be_used(settings: &Settings, there: &BTreeMap<String, Vec<Stack>>, region: &str) -> bool {
    let is_made = |status: &str| status == "CREATE_COMPLETE" || status.starts_with("UPDATE_");
    let made = |stack: &Stack| stack.name == settings.stack("batch") && is_made(&stack.status);
    there.get(region).is_some_and(|stacks| stacks.iter().any(made))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::recorded::{Recorded, prepared};
    use super::*;

    const ABSENT: &str = "An error occurred (404) when calling the HeadObject operation: Not Found";

    #[tokio::test]
    async fn only_a_plain_no_makes_it_the_first_deployment() {
        let settings = prepared().config.settings;
        for (answer, expected) in [
            (Ok("{}"), Some(Past::Deployed)),
            (Err(ABSENT), Some(Past::Unknown)),
            (Err("An error occurred (NoSuchBucket)"), Some(Past::Unknown)),
            (Err("An error occurred (403) when calling the HeadObject operation: Forbidden"), None),
            (Err("Could not connect to the endpoint URL"), None),
        ] {
            let aws = Recorded::new(&[("s3api head-object", answer)]);
            assert_eq!(past(&aws, &settings).await.ok(), expected, "{answer:?}");
        }
    }

    /// Stacks whose batch stack has this status in each Region.
    fn with(statuses: [&str; 2]) -> BTreeMap<String, Vec<Stack>> {
        let settings = prepared().config.settings;
        let stack =
            |status: &str| Stack { name: settings.stack("batch"), status: status.to_owned(), ..Stack::default() };
        settings.regions.iter().cloned().zip(statuses.map(|status| vec![stack(status)])).collect()
    }

    #[test]
    fn a_first_deployment_that_was_broken_off_is_still_the_first_whatever_stacks_it_has_made() {
        let settings = prepared().config.settings;
        for (past, there, first) in [
            (Past::Begun, with(["CREATE_COMPLETE"; 2]), true),
            (Past::Begun, BTreeMap::new(), true),
            (Past::Unknown, BTreeMap::new(), true),
            (Past::Unknown, with(["CREATE_COMPLETE", "ROLLBACK_COMPLETE"]), true),
            // The mark can be lost, with its bucket for example; who is active then is not a deployment's to change.
            (Past::Unknown, with(["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]), false),
            (Past::Deployed, with(["CREATE_COMPLETE", "ROLLBACK_COMPLETE"]), false),
            (Past::Deployed, BTreeMap::new(), true),
        ] {
            assert_eq!(is_first(past, &settings, &there), first, "{past:?} {there:?}");
        }
    }

    #[test]
    fn where_no_region_says_which_one_is_active_nothing_is_done_unless_somebody_does() {
        let settings = prepared().config.settings;
        let silent = || Err(String::from("us-east-1: no answer"));
        let to = |region: &str| Rollout::Update { active: region.to_owned() };
        for past in [Past::Deployed, Past::Unknown] {
            let refused = update(silent(), past, None, &settings).unwrap_err().to_string();
            for says in ["nothing was done: us-east-1: no answer", "--active us-west-2"] {
                assert!(refused.contains(says), "{refused}");
            }
            assert_eq!(update(silent(), past, Some("us-west-2"), &settings).unwrap(), to("us-west-2"));
            // What the Regions themselves say is stronger.
            assert_eq!(update(Ok("us-east-1".into()), past, Some("us-west-2"), &settings).unwrap(), to("us-east-1"));
        }
    }

    #[tokio::test]
    async fn the_mark_of_a_beginning_goes_when_that_of_the_end_is_there() {
        let settings = prepared().config.settings;
        let aws = Recorded::new(&[
            ("s3api create-bucket", Ok("")),
            ("s3api put-object", Ok("")),
            ("s3api delete-object", Ok("")),
        ]);
        begin(&aws, &settings).await.unwrap();
        end(&aws, &settings).await.unwrap();
        let calls = ["create-bucket", "put-object", "delete-object", "put-object", "delete-object"];
        assert_eq!(*aws.calls.borrow(), calls.map(|call| format!("s3api {call}")));
    }
}
