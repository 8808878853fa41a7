//! A small CloudFormation that tests run against: it remembers stacks, tells changes, and fails where it is told to.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::aws::{Aws, Outputs, Stack};
use crate::engine::Hooks;
use crate::failure::CommandFailed;
use crate::plan::{StackStep, Verification};

/// A stack and its parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    pub status: String,
    pub parameters: BTreeMap<String, String>,
}

/// A change set: the key of its stack, and the parameters.
pub type Set = (String, BTreeMap<String, String>);

/// The fake.
#[derive(Default)]
pub struct Fake {
    pub stacks: RefCell<BTreeMap<String, Known>>,
    /// Every call: Region and the first words.
    pub calls: RefCell<Vec<String>>,
    /// What was really changed, in order: `us-east-1/tandem-dev-storage`.
    pub changed: RefCell<Vec<String>>,
    /// The change that fails, counted from 0.
    pub fail_at: RefCell<Option<usize>>,
    /// Answers to other calls, by the first two words, or by Region and those.
    pub answers: RefCell<BTreeMap<String, Result<String, String>>>,
    /// What every change set says of resources.
    pub resource_changes: RefCell<Vec<serde_json::Value>>,
    /// A stack whose change is still going on for so many looks.
    pub busy: RefCell<BTreeMap<String, usize>>,
    /// The change sets that were neither executed nor deleted.
    pub sets: RefCell<BTreeMap<String, Set>>,
    made: RefCell<usize>,
}

impl Fake {
    pub fn answer(&self, call: &str, answer: Result<&str, &str>) {
        self.answers.borrow_mut().insert(call.to_owned(), answer.map(str::to_owned).map_err(str::to_owned));
    }

    fn failed(&self, arguments: &[&str], said: &str) -> CommandFailed {
        CommandFailed { command: arguments[..2].join(" "), said: said.to_owned() }
    }

    fn described(&self, key: &str) -> Option<serde_json::Value> {
        let (_, name) = key.split_once('/').unwrap();
        let known = self.stacks.borrow().get(key).cloned()?;
        let mut status = known.status;
        if let Some(left) = self.busy.borrow_mut().get_mut(key).filter(|left| **left > 0) {
            *left -= 1;
            status = "UPDATE_IN_PROGRESS".to_owned();
        }
        let outputs: Vec<_> = outputs(name).iter().map(|(k, v)| json!({"OutputKey": k, "OutputValue": v})).collect();
        let told = known.parameters.iter().map(|(k, v)| json!({"ParameterKey": k, "ParameterValue": v}));
        let told: Vec<_> = told.collect();
        Some(json!({ "StackName": name, "StackStatus": status, "Outputs": outputs, "Parameters": told }))
    }

    fn describe(&self, region: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
        let found: Vec<_> = match value(arguments, "--stack-name") {
            Some(name) => {
                let missing = || self.failed(arguments, &format!("Stack with id {name} does not exist"));
                vec![self.described(&format!("{region}/{name}")).ok_or_else(missing)?]
            }
            None => {
                let keys: Vec<String> = self.stacks.borrow().keys().cloned().collect();
                keys.iter()
                    .filter(|key| key.starts_with(&format!("{region}/")))
                    .filter_map(|key| self.described(key))
                    .collect()
            }
        };
        Ok(json!({ "Stacks": found }).to_string())
    }

    /// Changes a stack, or fails to.
    fn change(
        &self,
        key: &str,
        parameters: BTreeMap<String, String>,
        arguments: &[&str],
    ) -> Result<String, CommandFailed> {
        let created = !self.stacks.borrow().contains_key(key);
        self.changed.borrow_mut().push(key.to_owned());
        let fails = *self.fail_at.borrow() == Some(self.changed.borrow().len() - 1);
        let status = match (created, fails) {
            (true, false) => "CREATE_COMPLETE",
            (true, true) => "ROLLBACK_COMPLETE",
            (false, false) => "UPDATE_COMPLETE",
            (false, true) => "UPDATE_ROLLBACK_COMPLETE",
        };
        let mut stacks = self.stacks.borrow_mut();
        let known = stacks.entry(key.to_owned()).or_default();
        status.clone_into(&mut known.status);
        if fails {
            return Err(self.failed(arguments, "Failed to create/update the stack"));
        }
        known.parameters = parameters;
        Ok("Successfully created/updated stack".to_owned())
    }

    fn deploy(&self, region: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
        let key = format!("{region}/{}", value(arguments, "--stack-name").unwrap());
        let given = arguments.iter().skip_while(|argument| **argument != "--parameter-overrides").skip(1);
        let before = self.stacks.borrow().get(&key).cloned();
        if before.as_ref().is_some_and(|known| known.status == "ROLLBACK_COMPLETE") {
            return Err(self.failed(arguments, "is in ROLLBACK_COMPLETE state and can not be updated"));
        }
        let mut parameters = before.as_ref().map(|known| known.parameters.clone()).unwrap_or_default();
        parameters.extend(given.map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())));
        if before.is_some_and(|known| known.parameters == parameters) {
            return Ok("No changes to deploy. Stack is up to date".to_owned());
        }
        if !arguments.contains(&"--no-execute-changeset") {
            return self.change(&key, parameters, arguments);
        }
        let arn = format!("arn:aws:cloudformation:{region}:1:changeSet/{}", self.made.borrow());
        *self.made.borrow_mut() += 1;
        self.sets.borrow_mut().insert(arn.clone(), (key.clone(), parameters));
        let review = Known { status: "REVIEW_IN_PROGRESS".to_owned(), ..Known::default() };
        self.stacks.borrow_mut().entry(key).or_insert(review);
        Ok(format!("Changeset created successfully: {arn}"))
    }
}

fn value<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    arguments.iter().skip_while(|argument| **argument != name).nth(1).copied()
}

/// What a stack of this name puts out.
fn outputs(name: &str) -> Outputs {
    let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    match name.rsplit('-').next().unwrap() {
        "network" => of(&[("VpcId", "vpc-1"), ("SubnetIds", "subnet-1,subnet-2"), ("SecurityGroupId", "sg-1")]),
        "dns" => of(&[("HostedZoneId", "Z1"), ("ActiveRecord", "active.example.com")]),
        "state" => of(&[("MrapArn", "arn:aws:s3::1:accesspoint/x.mrap"), ("MrapAlias", "x.mrap")]),
        "routing" => of(&[("ClusterArn", "arn:cluster"), ("ArcControls", "a=arn:1,b=arn:2")]),
        "batch" => of(&[("IntakeFunctionArn", "arn:aws:lambda:x:1:function:intake")]),
        _ => Outputs::new(),
    }
}

impl Aws for Fake {
    async fn run(&self, region: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
        let words = arguments[..2.min(arguments.len())].join(" ");
        self.calls.borrow_mut().push(format!("{region} {}", arguments.join(" ")));
        let answers = self.answers.borrow();
        if let Some(answer) = answers.get(&format!("{region} {words}")).or_else(|| answers.get(&words)) {
            return answer.clone().map_err(|said| self.failed(arguments, &said));
        }
        match words.as_str() {
            "cloudformation describe-stacks" => self.describe(region, arguments),
            "cloudformation deploy" => self.deploy(region, arguments),
            "cloudformation describe-change-set" => {
                Ok(json!({ "Changes": *self.resource_changes.borrow() }).to_string())
            }
            "cloudformation execute-change-set" => {
                let (key, parameters) =
                    self.sets.borrow_mut().remove(value(arguments, "--change-set-name").unwrap()).unwrap();
                // It only begins: how it ends, the stack's status says.
                let _seen_later = self.change(&key, parameters, arguments);
                Ok(String::new())
            }
            "cloudformation delete-stack" => {
                let key = format!("{region}/{}", value(arguments, "--stack-name").unwrap());
                self.stacks.borrow_mut().remove(&key);
                Ok(String::new())
            }
            "cloudformation describe-stack-events" => Ok(json!({ "StackEvents": [{
                "LogicalResourceId": "Thing", "ResourceType": "AWS::X::Thing", "ResourceStatus": "CREATE_FAILED",
                "ResourceStatusReason": "limit exceeded" }] })
            .to_string()),
            "route53-recovery-control-config describe-cluster" => Ok("\"us-east-1=https://one\"".to_owned()),
            "cloudformation delete-change-set" => {
                let deleted = self.sets.borrow_mut().remove(value(arguments, "--change-set-name").unwrap());
                deleted.map(|_| String::new()).ok_or_else(|| self.failed(arguments, "ChangeSetNotFound"))
            }
            "cloudformation package" | "s3api create-bucket" => Ok(String::new()),
            other => Err(self.failed(arguments, &format!("{other} is not known here"))),
        }
    }

    fn between_looks(&self) -> Duration {
        Duration::ZERO
    }
}

/// Hooks that write down what they are asked.
#[derive(Default)]
pub struct Asked(pub RefCell<Vec<String>>);

impl Hooks for Asked {
    async fn after(&self, stack: &StackStep, region: &str, _outputs: &Outputs) -> anyhow::Result<()> {
        self.0.borrow_mut().push(format!("after {} {region}", stack.kind));
        Ok(())
    }

    async fn verify(&self, verification: Verification, region: &str) -> anyhow::Result<()> {
        self.0.borrow_mut().push(format!("{verification:?} {region}"));
        Ok(())
    }
}

/// The stacks of both Regions and of any other.
pub async fn there(aws: &Fake, regions: &[String]) -> BTreeMap<String, Vec<Stack>> {
    let mut there = BTreeMap::new();
    for region in regions {
        there.insert(region.clone(), aws.stacks(region).await.unwrap());
    }
    there
}
