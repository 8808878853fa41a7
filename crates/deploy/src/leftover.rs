//! Stacks that an earlier configuration made and this one does without: a deployment takes nothing away, and they cost on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::{Aws, Stack};
use crate::plan::{Plan, Routing, Settings};

/// The stacks that a configuration can do without, or have elsewhere. Those that a plan never makes are somebody's by hand.
const OPTIONAL: [&str; 4] = ["canary", "observability", "failover", "network"];

/// Such a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Its Region.
    pub region: String,
    /// Its name; none where it can't be told whether there is one.
    pub stack: Option<String>,
    /// What to do.
    pub says: String,
}

/// Those that are there, given the plan and the stacks of the configuration's Regions.
pub async fn of(
    aws: &impl Aws,
    settings: &Settings,
    plan: &Plan,
    there: &BTreeMap<String, Vec<Stack>>,
) -> Vec<Leftover> {
    let planned =
        |region: &str, name: &str| plan.stacks().any(|(step, stack)| step.region == region && stack.stack == name);
    let optional = OPTIONAL.map(|kind| settings.stack(kind));
    let mut left = Vec::new();
    for (region, stacks) in there {
        let unplanned = stacks.iter().filter(|stack| optional.contains(&stack.name) && !planned(region, &stack.name));
        left.extend(unplanned.map(|stack| found(region, &stack.name)));
    }
    if settings.routing == Routing::Given {
        return left;
    }
    // A canary may have stood in any other Region.
    let canary = settings.stack("canary");
    for region in settings.other_regions() {
        match aws.stack(&region, &canary).await {
            Ok(None) => {}
            Ok(Some(_)) => left.push(found(&region, &canary)),
            Err(failed) => {
                let says =
                    format!("whether a canary of an earlier configuration is in {region} can't be told: {failed}");
                left.push(Leftover { region, stack: None, says });
            }
        }
    }
    left
}

fn found(region: &str, name: &str) -> Leftover {
    let says = format!(
        "{name} in {region} is of an earlier configuration, and goes on working and costing: aws --region {region} cloudformation \
         delete-stack --stack-name {name}"
    );
    Leftover { region: region.to_owned(), stack: Some(name.to_owned()), says }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Known, there};
    use crate::plan::Rollout;

    #[tokio::test]
    async fn what_this_configuration_does_without_is_named_and_nothing_else() {
        let settings = Settings {
            suffix: "dev".to_owned(),
            account: "123456789012".to_owned(),
            regions: ["us-east-1".to_owned(), "us-west-2".to_owned()],
            routing: Routing::Dns,
            runbook: true,
            observability: false,
            canary: None,
            parameters: BTreeMap::new(),
        };
        let aws = Fake::default();
        for key in [
            "us-east-1/tandem-dev-batch",
            "us-east-1/tandem-dev-observability",
            "us-east-1/tandem-dev-access",
            "us-west-2/tandem-dev-failover",
            "us-west-2/tandem-other-observability",
            "eu-west-1/tandem-dev-canary",
        ] {
            aws.stacks.borrow_mut().insert(key.to_owned(), Known::default());
        }
        let plan = Plan::new(&settings, &Rollout::First);
        let left = of(&aws, &settings, &plan, &there(&aws, &settings.all_regions()).await).await;
        let named: Vec<_> = left.iter().map(|one| (one.region.as_str(), one.stack.as_deref())).collect();
        let expected = [("us-east-1", Some("tandem-dev-observability")), ("eu-west-1", Some("tandem-dev-canary"))];
        assert_eq!(named, expected);
        assert!(left.iter().all(|one| one.says.contains("delete-stack")), "{left:?}");
    }
}
