//! Which stacks there are, in which order they come, and what each is told: pure data, made from the settings alone.

use std::collections::BTreeMap;

use crate::regions;

mod draft;

/// Number of a step in its plan.
pub type StepId = usize;

/// The Region of ARC's control plane, whatever the other Regions are.
pub const ROUTING_REGION: &str = "us-west-2";

/// The object that a deployment which came to its end leaves in the primary's bucket of artefacts.
pub const MARK: &str = "deployed";

/// The object that a first deployment leaves there when it begins, and takes away at its end.
pub const BEGUN: &str = "deploying";

/// How many seconds the TXT record may be kept, where nobody says: as the templates have it.
const RECORD_TTL: &str = "10";

/// How the active Region is told and set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// An ARC cluster of its own, asked through a private zone, so with networks.
    Arc,
    /// A TXT record in a public zone of its own, which the failover function changes itself.
    Dns,
    /// Given by whoever deploys, as parameters of the batch stacks: the local Regions.
    Given,
}

/// What is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the environment.
    pub suffix: String,
    /// The account, 12 digits.
    pub account: String,
    /// The primary Region and the standby Region.
    pub regions: [String; 2],
    /// How the active Region is told and set.
    pub routing: Routing,
    /// Whether Systems Manager gets the failover runbook.
    pub runbook: bool,
    /// Whether there are dashboards and alarms.
    pub observability: bool,
    /// The third Region, from which a canary looks at the two, if there is one.
    pub canary: Option<String>,
    /// What the templates are told beside what the plan knows by itself: by template, name and value.
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
}

impl Settings {
    /// Full name of a stack.
    #[must_use]
    pub fn stack(&self, kind: &str) -> String {
        format!("tandem-{}-{kind}", self.suffix)
    }

    /// A Region's bucket.
    #[must_use]
    pub fn bucket(&self, region: &str) -> String {
        format!("tandem-{}-{}-{region}", self.suffix, self.account)
    }

    /// The bucket that a Region's functions and long templates are deployed from.
    #[must_use]
    pub fn artefact_bucket(&self, region: &str) -> String {
        format!("{}-artefacts", self.bucket(region))
    }

    /// For how many seconds the TXT record may be kept: what the section of its mode says, or the templates by themselves.
    #[must_use]
    pub fn record_ttl(&self) -> String {
        let template = if self.routing == Routing::Arc { "routing" } else { "routing-dns" };
        let told = self.parameters.get(template).and_then(|told| told.get("TxtTtlSeconds"));
        told.cloned().unwrap_or_else(|| RECORD_TTL.to_owned())
    }

    /// The ARN of the account's own key in a Region, if there is one: what seals its results.
    #[must_use]
    pub fn own_key(&self, region: &str) -> Option<String> {
        let told = self.parameters.get("batch").and_then(|told| told.get("KmsKeyArn"));
        told.filter(|key| !key.is_empty()).map(|key| key.replace("{region}", region))
    }

    /// Every Region that has stacks.
    #[must_use]
    pub fn all_regions(&self) -> Vec<String> {
        let mut regions = self.regions.to_vec();
        regions.extend(self.canary.clone());
        if self.routing == Routing::Arc {
            regions.push(ROUTING_REGION.to_owned());
        }
        regions.sort();
        regions.dedup();
        regions
    }

    /// Where else an earlier configuration may have had its cluster or canary.
    #[must_use]
    pub fn other_regions(&self) -> Vec<String> {
        if self.routing == Routing::Given {
            return Vec::new();
        }
        let own = self.all_regions();
        let possible = regions::ACCESS_POINT.into_iter().chain([ROUTING_REGION]).map(str::to_owned);
        let mut others: Vec<String> = possible.filter(|region| !own.contains(region)).collect();
        others.sort();
        others.dedup();
        others
    }
}

/// In which order the Regions come, and what is tried on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// Both at once, and nothing is tried: nobody uses them yet, and somebody waits.
    AtOnce,
    /// For the first time: the standby before the primary. At the end each is made the active one and delivers a file, the
    /// primary last, which stays active.
    First,
    /// Of what is in use: the Region that stands by before the active one, and no further if its functions do not answer then.
    /// At the end a file goes through the active one. The active Region is not changed.
    Update {
        /// The active Region.
        active: String,
    },
}

/// One step of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about, its Region apart: `batch`, `storage, linked`.
    pub name: String,
    /// Where.
    pub region: String,
    /// The steps that must be done before.
    pub needs: Vec<StepId>,
    /// What is done.
    pub action: Action,
}

impl Step {
    /// The name with the Region.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.region)
    }
}

impl Step {
    /// Whether it only tries what was deployed.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        matches!(self.action, Action::Verify(_))
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Uploads what a template refers to, and writes the template with the references replaced.
    Package(&'static str),
    /// Creates or updates a stack.
    Stack(StackStep),
    /// Makes the TXT record that names the active Region, unless there is one: once made, only a failover changes it.
    Record {
        /// The Region that a new record names: the one that acts already, or nobody would have decided on a failover.
        active: String,
    },
    /// Reads the endpoints of the ARC cluster, which CloudFormation doesn't give, into the routing stack's outputs.
    Endpoints,
    /// Tries what was deployed.
    Verify(Verification),
}

/// A stack to be created or updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackStep {
    /// Short name, which is also the template's: `batch`.
    pub kind: &'static str,
    /// Full name: `tandem-dev-batch`.
    pub stack: String,
    /// Whether the packaged template is meant.
    pub packaged: bool,
    /// Parameters by name. What a stack was told before and isn't told now stays.
    pub parameters: BTreeMap<String, Value>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Known from the start.
    Text(String),
    /// An output of another stack.
    Output {
        /// Its Region.
        region: String,
        /// Its full name.
        stack: String,
        /// The output.
        output: &'static str,
    },
}

/// How what was deployed is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The Region's functions answer, and know which Region is active.
    Answers,
    /// The Region is made the active one.
    Activate,
    /// A file that is uploaded through the access point is delivered by this Region.
    Delivers,
}

/// The steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Every step comes after those that it needs.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan for these settings.
    #[must_use]
    pub fn new(settings: &Settings, rollout: &Rollout) -> Self {
        draft::Draft::new(settings, rollout).finish()
    }

    /// The steps about stacks.
    pub fn stacks(&self) -> impl Iterator<Item = (&Step, &StackStep)> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Stack(stack) => Some((step, stack)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod templates {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::RECORD_TTL;
    use crate::template::Template;

    #[test]
    fn the_record_is_kept_as_long_as_the_templates_say_by_themselves() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for kind in ["routing", "routing-dns", "batch"] {
            let template = Template::load(&root, kind).unwrap();
            assert_eq!(template.parameters["TxtTtlSeconds"].default.as_deref(), Some(RECORD_TTL), "{kind}");
        }
    }
}

#[cfg(test)]
mod tests;
