//! Takes a deployment away, in the reverse order, and says what stays.
//!
//! What the templates retain (buckets, tables, queues) is not deleted with its stack. Buckets are emptied and deleted unless
//! their data is to be kept; tables and queues stay unless they are named too.

mod bucket;
mod data;

use std::collections::BTreeMap;
use std::path::Path;

use futures::{StreamExt, future, stream};

use crate::aws::{Aws, Stack};
use crate::failure::CommandFailed;
use crate::plan::Settings;
use crate::progress::{Progress, step};
pub use bucket::Size;

/// Stacks in the order in which they go. Whoever deployed one by hand that this engine knows nothing of gets it back.
const ORDER: [&str; 13] = [
    "chaos",
    "canary",
    "observability",
    "failover",
    "access",
    "audit",
    "batch",
    "routing",
    "routing-dns",
    "state",
    "storage",
    "network",
    "key",
];

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Its stacks, by Region, in the order in which they go.
    pub stacks: BTreeMap<String, Vec<Stack>>,
    /// Its buckets: Region, name and what is in them.
    pub buckets: Vec<(String, String, Size)>,
    /// Other Regions that could not be asked whether an earlier configuration left something in them, and why.
    pub unasked: Vec<(String, String)>,
}

/// What is to be deleted beside the stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The buckets, with all that is in them.
    pub buckets: bool,
    /// The tables of batches and of reference records, and the queues of failed events.
    pub tables: bool,
}

/// Takes deployments away.
pub struct Destroyer<'a, A> {
    /// The command.
    pub aws: &'a A,
    /// What was deployed.
    pub settings: &'a Settings,
    /// The third Region of the table of batches, if it is strongly consistent.
    pub witness: Option<&'a str>,
    /// For files on the way to the command.
    pub work: &'a Path,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// Regions that are asked at once: each is a process of the command.
const AT_ONCE: usize = 4;

/// What one Region holds.
type Found = (Vec<Stack>, Vec<(String, String, Size)>);

impl<A: Aws> Destroyer<'_, A> {
    /// Looks at what is there: in the Regions of the configuration, and in every other one where an earlier configuration may
    /// have had its cluster or canary.
    ///
    /// # Errors
    /// A Region of the configuration can't be asked.
    pub async fn survey(&self) -> anyhow::Result<Survey> {
        let mut survey = Survey { stacks: BTreeMap::new(), buckets: Vec::new(), unasked: Vec::new() };
        let (own, others) = (self.settings.all_regions(), self.settings.other_regions());
        let asked = stream::iter(own.iter().chain(&others)).map(async |region| (region, self.region(region).await));
        let answers: Vec<_> = asked.buffered(AT_ONCE).collect().await;
        for (region, answer) in answers {
            match answer {
                Ok((stacks, buckets)) => {
                    survey.stacks.insert(region.clone(), stacks);
                    survey.buckets.extend(buckets);
                }
                Err(failed) if own.contains(region) => return Err(failed.into()),
                Err(failed) => survey.unasked.push((region.clone(), failed.to_string())),
            }
        }
        Ok(survey)
    }

    async fn region(&self, region: &str) -> Result<Found, CommandFailed> {
        let mut stacks = self.aws.stacks(region).await?;
        stacks.retain(|stack| self.place(&stack.name).is_some());
        stacks.sort_by_key(|stack| self.place(&stack.name));
        let mut buckets = Vec::new();
        // Elsewhere than in the two Regions there may be the artefacts of the canary.
        for name in [self.settings.bucket(region), self.settings.artefact_bucket(region)] {
            if let Some(size) = bucket::size(self.aws, region, &name).await? {
                buckets.push((region.to_owned(), name, size));
            }
        }
        Ok((stacks, buckets))
    }

    /// When a stack's turn is; `None` if it isn't of this deployment.
    fn place(&self, stack: &str) -> Option<usize> {
        ORDER.iter().position(|kind| self.settings.stack(kind) == stack)
    }

    /// Deletes it all. What is gone already is no error: a run that was broken off is gone on with by running it again.
    ///
    /// # Errors
    /// Of the first thing that can't be deleted; what it needs to go is said.
    pub async fn destroy(&self, survey: &Survey, reach: Reach) -> anyhow::Result<()> {
        for kind in ORDER {
            let of_kind = survey
                .stacks
                .iter()
                .filter(|(_, stacks)| stacks.iter().any(|stack| stack.name == self.settings.stack(kind)));
            if kind == "routing-dns" {
                self.record(survey).await?;
            }
            // The Regions have nothing of each other in a stack, except that a key can't go before its replica: and both stay.
            let regions: Vec<&String> = of_kind.map(|(region, _)| region).collect();
            future::try_join_all(regions.into_iter().map(|region| self.stack(kind, region))).await?;
        }
        if reach.buckets {
            for (region, name, _) in &survey.buckets {
                let work = bucket::delete(self.aws, region, name, self.work, self.progress);
                step(self.progress, &format!("bucket {name}"), work).await?;
            }
        }
        if reach.tables {
            self.tables().await?;
        }
        Ok(())
    }

    async fn stack(&self, kind: &str, region: &str) -> anyhow::Result<()> {
        let name = self.settings.stack(kind);
        let work = async {
            self.aws.run(region, &["cloudformation", "delete-stack", "--stack-name", &name]).await?;
            while let Some(stack) = self.aws.stack(region, &name).await? {
                match stack.status.as_str() {
                    "DELETE_COMPLETE" => break,
                    "DELETE_FAILED" => anyhow::bail!(
                        "{name} in {region} can't be deleted. Its events say what stands in the way: aws --region {region} \
                         cloudformation describe-stack-events --stack-name {name}. Mend that, and give the command again"
                    ),
                    _ => tokio::time::sleep(self.aws.between_looks()).await,
                }
            }
            Ok(())
        };
        step(self.progress, &format!("{kind} {region}"), work).await
    }

    /// The TXT record of mode dns, without which its zone can't go.
    async fn record(&self, survey: &Survey) -> anyhow::Result<()> {
        let primary = &self.settings.regions[0];
        let name = self.settings.stack("routing-dns");
        let stack = survey.stacks.get(primary).into_iter().flatten().find(|stack| stack.name == name);
        let Some(stack) = stack else { return Ok(()) };
        // A stack whose creation failed has no outputs, and its zone no record.
        let output = |name: &str| stack.outputs.get(name);
        let (Some(zone), Some(record)) = (output("HostedZoneId"), output("ActiveRecord")) else { return Ok(()) };
        data::delete_record(self.aws, primary, zone, record).await
    }

    /// The tables that the state stack retained, and the queues that the batch stacks did.
    async fn tables(&self) -> anyhow::Result<()> {
        for table in ["batches", "reference"] {
            let name = self.settings.stack(table);
            // Only the table of batches has a witness.
            let witness = self.witness.filter(|_| table == "batches");
            let work = data::delete_table(self.aws, &self.settings.regions, &name, witness);
            step(self.progress, &format!("table {name}"), work).await?;
        }
        for region in &self.settings.regions {
            let name = self.settings.stack("intake-failed");
            step(self.progress, &format!("queue {name} {region}"), data::delete_queue(self.aws, region, &name)).await?;
        }
        Ok(())
    }

    /// What stays, in words.
    #[must_use]
    pub fn kept(&self, survey: &Survey, reach: Reach) -> Vec<String> {
        let mut kept = Vec::new();
        if !reach.buckets {
            kept.extend(survey.buckets.iter().map(|(region, name, size)| format!("bucket {name} in {region}: {size}")));
        }
        if !reach.tables {
            let regions = self.settings.regions.join(" and ");
            let tables = ["batches", "reference"].map(|table| self.settings.stack(table));
            kept.push(format!("tables {} in {regions} (--delete-tables takes them too)", tables.join(" and ")));
            kept.push(format!("queue {} in {regions} (likewise)", self.settings.stack("intake-failed")));
        }
        kept.push("SES identities, which may serve others".to_owned());
        kept.push("keys of your own, and audit buckets: sam/key.yaml and sam/audit.yaml retain them".to_owned());
        kept
    }
}

#[cfg(test)]
mod tests;
