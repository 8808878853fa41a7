//! One stack, from wherever it stands to where the plan wants it.

use std::cell::Cell;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::Value as Json;

use super::{AllOutputs, Engine, Hooks, Outcome, key, parameters, text};
use crate::aws::{Aws, Outputs, Stack};
use crate::changes::ChangeSet;
use crate::failure::{FailedResource, StepFailed};
use crate::plan::{StackStep, Step};

/// A template longer than this goes to CloudFormation by way of a bucket.
const LARGEST_INLINE_TEMPLATE: u64 = 51_200;

/// What the templates may do: make roles, with names, and use the SAM transform.
const CAPABILITIES: [&str; 3] = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

/// What to do about a stack, by the status that CloudFormation gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Approach {
    /// It can be updated.
    Update,
    /// Somebody is changing it: look again later.
    Wait,
    /// It was never complete: take it away first.
    Replace,
    /// Only a person can tell what to do.
    Refuse,
}

/// Whether a stack of this status has to be made: it was never complete.
pub(super) fn is_new(status: &str) -> bool {
    approach(status) == Approach::Replace
}

fn approach(status: &str) -> Approach {
    match status {
        // Of a change set that was never executed.
        "REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => Approach::Replace,
        "UPDATE_ROLLBACK_FAILED" | "DELETE_FAILED" => Approach::Refuse,
        status if status.ends_with("_IN_PROGRESS") => Approach::Wait,
        _ => Approach::Update,
    }
}

/// Why nothing can be done about a stack of this status, and the command to go on; `None`: something can.
pub(super) fn refusal(status: &str, region: &str, name: &str) -> Option<String> {
    let (what, command) = match status {
        "UPDATE_ROLLBACK_FAILED" => ("its last update failed, and so did undoing it", "continue-update-rollback"),
        // It may have been complete once, so what is left of it is not taken away unasked.
        "DELETE_FAILED" => ("somebody began to delete it, and that failed", "delete-stack"),
        _ => return None,
    };
    Some(format!(
        "{name} in {region}: {what}. Mend what the events name (aws --region {region} cloudformation \
         describe-stack-events --stack-name {name}), then: aws --region {region} cloudformation {command} --stack-name {name}"
    ))
}

impl<A: Aws, H: Hooks> Engine<'_, A, H> {
    /// Creates or updates a stack. `known` is how it stood when the run began; one that wasn't there is asked for anew.
    pub(super) async fn stack(
        &self,
        step: &Step,
        stack: &StackStep,
        known: Option<&Stack>,
        outputs: &AllOutputs,
    ) -> Result<(Outcome, Outputs), StepFailed> {
        let own = key(&step.region, &stack.stack);
        // Until something was begun here, the events are those of an earlier operation, which has nothing to do with a failure.
        let events_tell = Cell::new(false);
        let work = async {
            let parameters = parameters(stack, outputs).map_err(|missing| anyhow!("{missing} is not known"))?;
            let there = match known {
                _ if self.made.borrow().contains(&own) => None,
                Some(known) => self.settled(&step.region, &stack.stack, known.clone(), &events_tell).await?,
                // Somebody else may have made it since: then what an update would lose is looked at.
                None => match self.aws.stack(&step.region, &stack.stack).await? {
                    Some(appeared) => self.settled(&step.region, &stack.stack, appeared, &events_tell).await?,
                    None => None,
                },
            };
            let outcome = match there {
                Some(_) => self.update(stack, &step.region, &parameters, &events_tell).await?,
                None => {
                    // Whatever the stack has seen, it has seen in this run.
                    events_tell.set(true);
                    let (_, outcome) = self.deploy(stack, &step.region, &parameters, &[]).await?;
                    self.made.borrow_mut().insert(own);
                    outcome
                }
            };
            let after = self.aws.stack(&step.region, &stack.stack).await?;
            let after = after.with_context(|| format!("the stack {} is not there", stack.stack))?;
            anyhow::Ok((outcome, after.outputs))
        };
        match work.await {
            Ok(done) => Ok(done),
            Err(why) => Err(self.explained(step, stack, why, events_tell.get()).await),
        }
    }

    /// Waits until nobody changes the stack, and takes it away if it was never complete. `None`: it isn't there.
    async fn settled(
        &self,
        region: &str,
        name: &str,
        known: Stack,
        events_tell: &Cell<bool>,
    ) -> anyhow::Result<Option<Stack>> {
        // A status that asks for more than an update may be an old one by now: an earlier step may have dealt with it.
        let mut stack = match approach(&known.status) {
            Approach::Update => Some(known),
            _ => self.aws.stack(region, name).await?,
        };
        let mut deleting = false;
        while let Some(seen) = &stack {
            match approach(&seen.status) {
                Approach::Update => break,
                Approach::Wait => tokio::time::sleep(self.aws.between_looks()).await,
                Approach::Replace if !deleting => {
                    self.aws.run(region, &["cloudformation", "delete-stack", "--stack-name", name]).await?;
                    deleting = true;
                }
                Approach::Replace => tokio::time::sleep(self.aws.between_looks()).await,
                Approach::Refuse => {
                    // They are what the refusal asks somebody to mend.
                    events_tell.set(true);
                    anyhow::bail!(refusal(&seen.status, region, name).unwrap_or_default())
                }
            }
            stack = self.aws.stack(region, name).await?;
        }
        Ok(stack)
    }

    /// Updates a stack by a change set that was looked at first.
    async fn update(
        &self,
        stack: &StackStep,
        region: &str,
        parameters: &[String],
        events_tell: &Cell<bool>,
    ) -> anyhow::Result<Outcome> {
        let Some(set) = self.change_set(stack, region, parameters).await? else { return Ok(Outcome::Unchanged) };
        let changes = set.changes(self.aws, region).await?;
        let losses = changes.losses();
        if !losses.is_empty() && !self.allow_replacement {
            set.delete(self.aws, region).await?;
            anyhow::bail!(
                "nothing was changed, because this would lose data: {}. Give --allow-replacement if that is meant",
                losses.join(", ")
            );
        }
        self.aws.run(region, &["cloudformation", "execute-change-set", "--change-set-name", &set.arn]).await?;
        events_tell.set(true);
        loop {
            let now = self.aws.stack(region, &stack.stack).await?;
            let now = now.with_context(|| format!("the stack {} is gone", stack.stack))?;
            match now.status.as_str() {
                "UPDATE_COMPLETE" | "CREATE_COMPLETE" => return Ok(Outcome::Done),
                status if status.ends_with("_IN_PROGRESS") => tokio::time::sleep(self.aws.between_looks()).await,
                status => anyhow::bail!("the update ended as {status}"),
            }
        }
    }

    /// Makes a change set and doesn't execute it; `None` if there is nothing to change.
    pub(crate) async fn change_set(
        &self,
        stack: &StackStep,
        region: &str,
        parameters: &[String],
    ) -> anyhow::Result<Option<ChangeSet>> {
        let (printed, outcome) = self.deploy(stack, region, parameters, &["--no-execute-changeset"]).await?;
        if outcome == Outcome::Unchanged {
            return Ok(None);
        }
        let set = ChangeSet::named_in(&printed);
        set.map(Some).with_context(|| format!("the change set's name can't be found in {printed:?}"))
    }

    /// `aws cloudformation deploy`. A template leaves out the parameters that it doesn't have.
    async fn deploy(
        &self,
        stack: &StackStep,
        region: &str,
        parameters: &[String],
        more: &[&str],
    ) -> anyhow::Result<(String, Outcome)> {
        let template = match stack.packaged {
            true => self.folders.packaged(stack.kind, region),
            false => self.folders.template(stack.kind),
        };
        let bucket = self.settings.artefact_bucket(region);
        let mut arguments = vec!["cloudformation", "deploy", "--stack-name", &stack.stack];
        arguments.extend(["--no-fail-on-empty-changeset", "--template-file", text(&template)?]);
        if is_long(&template) {
            self.aws.ensure_bucket(region, &bucket).await?;
            arguments.extend(["--s3-bucket", &bucket]);
        }
        arguments.extend(more);
        arguments.push("--capabilities");
        arguments.extend(CAPABILITIES);
        arguments.push("--parameter-overrides");
        arguments.extend(parameters.iter().map(String::as_str));
        let printed = self.aws.run(region, &arguments).await?;
        let unchanged = printed.contains("No changes to deploy");
        Ok((printed, if unchanged { Outcome::Unchanged } else { Outcome::Done }))
    }

    /// A failure with the stack's status and the resources that failed. What can't be asked is left out.
    async fn explained(&self, step: &Step, stack: &StackStep, why: anyhow::Error, events_tell: bool) -> StepFailed {
        let now = self.aws.stack(&step.region, &stack.stack).await.ok().flatten();
        let status = now.map_or_else(|| "not there".to_owned(), |now| now.status);
        let arguments = ["cloudformation", "describe-stack-events", "--stack-name", &stack.stack];
        let asks = events_tell && (!status.ends_with("_COMPLETE") || status.contains("ROLLBACK"));
        let events = match asks {
            true => self.aws.run(&step.region, &arguments).await.map_or_else(|_| Vec::new(), |json| failures(&json)),
            false => Vec::new(),
        };
        StepFailed { step: step.title(), stack: Some((stack.stack.clone(), status)), resources: events, why }
    }
}

fn is_long(template: &Path) -> bool {
    std::fs::metadata(template).is_ok_and(|about| about.len() > LARGEST_INLINE_TEMPLATE)
}

/// The resources that failed in the last operation, the first of them first, without those that only failed with it.
fn failures(json: &str) -> Vec<FailedResource> {
    let events: Json = serde_json::from_str(json).unwrap_or_default();
    let events = events["StackEvents"].as_array().cloned().unwrap_or_default();
    let text = |event: &Json, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    // Newest first: up to where somebody asked for the operation.
    let of_operation = events.iter().take_while(|event| text(event, "ResourceStatusReason") != "User Initiated");
    let failed = of_operation.filter(|event| {
        text(event, "ResourceStatus").ends_with("_FAILED")
            && text(event, "ResourceType") != "AWS::CloudFormation::Stack"
            && !text(event, "ResourceStatusReason").contains("cancelled")
    });
    let mut failed: Vec<FailedResource> = failed
        .map(|event| FailedResource {
            logical_id: text(event, "LogicalResourceId"),
            kind: text(event, "ResourceType"),
            reason: text(event, "ResourceStatusReason"),
        })
        .collect();
    failed.reverse();
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_approach() {
        for (status, expected) in [
            ("CREATE_COMPLETE", Approach::Update),
            ("UPDATE_ROLLBACK_COMPLETE", Approach::Update),
            ("IMPORT_COMPLETE", Approach::Update),
            ("CREATE_IN_PROGRESS", Approach::Wait),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Approach::Wait),
            ("DELETE_IN_PROGRESS", Approach::Wait),
            ("ROLLBACK_COMPLETE", Approach::Replace),
            ("REVIEW_IN_PROGRESS", Approach::Replace),
            ("UPDATE_ROLLBACK_FAILED", Approach::Refuse),
            ("DELETE_FAILED", Approach::Refuse),
        ] {
            assert_eq!(approach(status), expected, "{status}");
        }
    }

    #[test]
    fn the_resources_that_failed_are_those_of_the_last_operation_in_their_order() {
        let event = |id: &str, kind: &str, status: &str, reason: &str| {
            serde_json::json!({ "LogicalResourceId": id, "ResourceType": kind, "ResourceStatus": status,
                "ResourceStatusReason": reason })
        };
        let events = [
            event("s", "AWS::CloudFormation::Stack", "ROLLBACK_COMPLETE", ""),
            event("B", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
            event("Later", "AWS::SQS::Queue", "CREATE_FAILED", "limit"),
            event("A", "AWS::S3::Bucket", "CREATE_FAILED", "exists"),
            event("s", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "User Initiated"),
            event("Old", "AWS::S3::Bucket", "UPDATE_FAILED", "long ago"),
        ];
        let failed = failures(&serde_json::json!({ "StackEvents": events }).to_string());
        let names: Vec<_> = failed.iter().map(|failed| (failed.logical_id.as_str(), failed.reason.as_str())).collect();
        assert_eq!(names, [("A", "exists"), ("Later", "limit")]);
    }
}
