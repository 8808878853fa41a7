//! Change sets: what an update would do, looked at before it is done.

use serde::Serialize;
use serde_json::Value as Json;

use crate::aws::Aws;
use crate::failure::CommandFailed;

/// Resources that hold what nobody can make again.
const STATEFUL: [&str; 10] = [
    "AWS::S3::Bucket",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::SQS::Queue",
    "AWS::S3::MultiRegionAccessPoint",
    "AWS::KMS::Key",
    // Which Region is active is in these.
    "AWS::Route53::HostedZone",
    "AWS::Route53RecoveryControl::Cluster",
    "AWS::Route53RecoveryControl::ControlPanel",
    "AWS::Route53RecoveryControl::RoutingControl",
];

/// A change set that was made and not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Its ARN.
    pub arn: String,
}

impl ChangeSet {
    /// The change set that `aws cloudformation deploy --no-execute-changeset` says it has made.
    #[must_use]
    pub fn named_in(printed: &str) -> Option<Self> {
        let mut words = printed.split_whitespace();
        let arn = words.rfind(|word| word.starts_with("arn:") && word.contains(":changeSet/"))?;
        Some(Self { arn: arn.to_owned() })
    }

    /// What it would do.
    ///
    /// # Errors
    /// CloudFormation can't be asked.
    pub async fn changes(&self, aws: &impl Aws, region: &str) -> Result<Changes, CommandFailed> {
        let printed =
            aws.run(region, &["cloudformation", "describe-change-set", "--change-set-name", &self.arn]).await?;
        let described: Json = serde_json::from_str(&printed)
            .map_err(|error| CommandFailed::unreadable("cloudformation describe-change-set", &error))?;
        let changes = described["Changes"].as_array().into_iter().flatten();
        Ok(Changes(changes.map(|change| Change::of(&change["ResourceChange"])).collect()))
    }

    /// Deletes it, unexecuted.
    ///
    /// # Errors
    /// CloudFormation can't be asked.
    pub async fn delete(&self, aws: &impl Aws, region: &str) -> Result<(), CommandFailed> {
        aws.run(region, &["cloudformation", "delete-change-set", "--change-set-name", &self.arn]).await.map(drop)
    }
}

/// What a change set would do, resource by resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes(pub Vec<Change>);

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `Add`, `Modify`, `Remove`, `Import`, as CloudFormation says.
    pub action: String,
    /// Its name in the template.
    pub resource: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is made anew: `True`, `False` or `Conditional`, as CloudFormation says; empty where that is no question.
    pub replacement: String,
}

impl Change {
    fn of(change: &Json) -> Self {
        let text = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
        Self {
            action: text("Action"),
            resource: text("LogicalResourceId"),
            kind: text("ResourceType"),
            replacement: text("Replacement"),
        }
    }

    /// Whether data could be lost or left behind by it.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        let gone = self.action == "Remove" || ["True", "Conditional"].contains(&self.replacement.as_str());
        gone && STATEFUL.contains(&self.kind.as_str())
    }

    /// In words: `added`, `changed`, `replaced`, `may be replaced`, `removed`.
    #[must_use]
    pub fn words(&self) -> &str {
        match (self.action.as_str(), self.replacement.as_str()) {
            ("Add", _) => "added",
            ("Remove", _) => "removed",
            ("Modify", "True") => "replaced",
            ("Modify", "Conditional") => "may be replaced",
            ("Modify", _) => "changed",
            (other, _) => other,
        }
    }
}

impl Changes {
    /// The changes by which data could be lost, in words.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        let losses = self.0.iter().filter(|change| change.is_loss());
        losses.map(|change| format!("{} ({}) {}", change.resource, change.kind, change.words())).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_change_set_is_found_in_what_the_command_prints() {
        let arn = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/awscli-cloudformation-package-deploy-1/x";
        let printed =
            format!("\nWaiting..\nChangeset created successfully. Run the following:\naws x --change-set-name {arn}\n");
        assert_eq!(ChangeSet::named_in(&printed).unwrap().arn, arn);
        assert_eq!(ChangeSet::named_in("nothing"), None);
    }

    #[test]
    fn only_what_takes_data_away_is_a_loss() {
        let change = |action: &str, kind: &str, replacement: &str| Change {
            action: action.into(),
            resource: "R".into(),
            kind: kind.into(),
            replacement: replacement.into(),
        };
        for (change, words, loss) in [
            (change("Add", "AWS::S3::Bucket", ""), "added", false),
            (change("Modify", "AWS::S3::Bucket", "False"), "changed", false),
            (change("Modify", "AWS::S3::Bucket", "True"), "replaced", true),
            (change("Modify", "AWS::DynamoDB::GlobalTable", "Conditional"), "may be replaced", true),
            (change("Remove", "AWS::SQS::Queue", ""), "removed", true),
            (change("Modify", "AWS::Route53::HostedZone", "True"), "replaced", true),
            (change("Remove", "AWS::Route53RecoveryControl::RoutingControl", ""), "removed", true),
            (change("Remove", "AWS::IAM::Role", ""), "removed", false),
            (change("Modify", "AWS::Lambda::Function", "True"), "replaced", false),
        ] {
            assert_eq!((change.words(), change.is_loss()), (words, loss));
        }
    }
}
