//! The experiments, named as in sam/chaos.yaml.

use std::fmt;

use clap::ValueEnum;

/// What is taken away. What replicates the reference table cannot be on this machine: there it is one with the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// The copies of one bucket to the other
    BucketReplication,
    /// The active Region's access to the state table
    StateTable,
    /// Functions that die while they work
    FunctionErrors,
    /// Functions whose calls are late
    FunctionDelay,
    /// Access to S3
    SubnetsS3,
    /// Access to DynamoDB
    SubnetsDynamodb,
    /// Access to S3, DynamoDB and Step Functions
    SubnetsAll,
    /// The whole Region
    RegionLoss,
}

impl Experiment {
    /// What is done, in a sentence.
    pub fn does(self) -> &'static str {
        match self {
            Self::BucketReplication => {
                "replication between the buckets is paused; every file is delivered where it was uploaded"
            }
            Self::StateTable => "the active Region cannot reach the state table; the other one takes over",
            Self::FunctionErrors => "processes of the functions are killed again and again; attempts are begun again",
            Self::FunctionDelay => {
                "each call of the active Region takes 2 s longer; everything is late, nothing is lost"
            }
            Self::SubnetsS3 => "the active Region cannot reach S3; what was interrupted is begun again afterwards",
            Self::SubnetsDynamodb => {
                "the active Region cannot reach DynamoDB; nothing starts unclaimed, and all of it starts afterwards"
            }
            Self::SubnetsAll => "the active Region reaches neither S3 nor DynamoDB nor Step Functions",
            Self::RegionLoss => {
                "the active Region is lost: nobody reaches it, and it reaches nobody; the other one takes over"
            }
        }
    }

    /// Whether the runbook says to fail over; elsewhere it says to wait.
    pub fn fails_over(self) -> bool {
        matches!(self, Self::StateTable | Self::RegionLoss)
    }

    /// Whether files can be uploaded while it lasts.
    pub fn takes_uploads(self) -> bool {
        // Until the routes are changed, uploads go to the bucket of the Region that is lost.
        self != Self::RegionLoss
    }

    /// The services whose calls fail in the struck Region, each with a part of the body that narrows them.
    pub fn fails(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::StateTable => &[("dynamodb", Some("-batches"))],
            Self::SubnetsS3 => &[("s3", None)],
            Self::SubnetsDynamodb => &[("dynamodb", None)],
            Self::SubnetsAll => &[("s3", None), ("dynamodb", None), ("states", None)],
            _ => &[],
        }
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_experiment_has_a_place_in_the_page_and_a_template_for_aws() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let page = std::fs::read_to_string(format!("{root}/docs/CHAOS.md")).unwrap();
        let templates = std::fs::read_to_string(format!("{root}/sam/chaos.yaml")).unwrap();
        for experiment in Experiment::value_variants() {
            let name = experiment.to_string();
            assert!(page.contains(&format!("tandem drill {name}")), "{name} is not in the page");
            assert!(templates.contains(&format!("tandem-${{Suffix}}-{name}")), "{name} is not in the template");
        }
    }
}
