//! The keys, and what each may be.

use std::collections::BTreeMap;

use super::Config;
use super::read::{Found, Reader};
use crate::plan::{Routing, Settings};
use crate::regions;
use crate::template::{Parameter, Template};

/// A section, the template whose parameters are its keys, and those parameters that are set otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// The template.
    pub template: &'static str,
    /// What the plan or a key before the sections sets, or nobody but whoever experiments (docs/CHAOS.md), by hand.
    pub set: &'static [&'static str],
}

/// The key of the configuration that names a key of KMS.
const OWN_KEY: &str = "kms_key_arn";

/// What the plan tells every stack.
pub const EVERYWHERE: [&str; 3] = ["Suffix", "PrimaryRegion", "StandbyRegion"];

/// The sections.
pub const SECTIONS: [Section; 8] = [
    Section { name: "network", template: "network", set: &[] },
    Section {
        name: "storage",
        template: "storage",
        set: &["PeerBucketArn", "IntakeFunctionArn", "KmsKeyArn", "PeerKmsKeyArn"],
    },
    Section { name: "state", template: "state", set: &["KmsKeyArn", "WitnessRegion", "Consistency"] },
    Section { name: "arc", template: "routing", set: &["PrimaryVpcId", "StandbyVpcId"] },
    Section { name: "dns", template: "routing-dns", set: &[] },
    Section {
        name: "batch",
        template: "batch",
        set: &[
            "ActiveRecord",
            "ArcControls",
            "ArcEndpoints",
            "FaultLayerArn",
            "FaultLocation",
            "HostedZoneId",
            "KmsKeyArn",
            "MrapArn",
            "Recipient",
            "RoutingMode",
            "SecurityGroupIds",
            "Sender",
            "SubnetIds",
            "TxtTtlSeconds",
        ],
    },
    Section { name: "alarms", template: "observability", set: &["CanaryRegion", "Operator"] },
    Section { name: "watch", template: "canary", set: &["Architecture", "KmsKeyArn", "MrapArn", "Operator"] },
];

/// Reads the whole configuration. Whatever is wrong is told to the reader; `None` if something needed is.
pub fn config(reader: &mut Reader<'_>, templates: &BTreeMap<&'static str, Template>) -> Option<Config> {
    let mut parameters = sections(reader, templates);
    let batch = |name: &str| templates.get("batch").and_then(|batch| batch.parameters.get(name)).cloned();
    let known = |name: &str| batch(name).unwrap_or_default();

    let suffix = needed(reader, "suffix", "name of the environment, part of every resource's name, such as \"dev\"");
    let suffix = suffix.filter(|suffix| judged(reader, "suffix", suffix, &known("Suffix")));
    let account = needed(reader, "account", "12 digits in quotes, as aws sts get-caller-identity says");
    let account = account.filter(|account| judged(reader, "account", account, &digits()));
    let regions = both_regions(reader);
    let sender = needed(reader, "sender", "the address that e-mails come from, verified with SES in both Regions");
    let sender = sender.filter(|sender| judged(reader, "sender", sender, &known("Sender")));
    let recipient = needed(reader, "recipient", "the address that results are sent to");
    let recipient = recipient.filter(|recipient| judged(reader, "recipient", recipient, &known("Recipient")));
    let routing = routing(reader, &mut parameters);
    let witness = witness(reader, regions.as_ref());
    let canary = canary(reader, regions.as_ref());
    let observability = operator(reader, &mut parameters, &known("Recipient"));
    own_key(reader, &mut parameters, &known("KmsKeyArn"));

    let (sender, recipient, regions) = (sender?.text, recipient?.text, regions?);
    let mut tell = |template: &str, name: &str, value: &str| {
        parameters.entry(template.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    };
    tell("batch", "Sender", &sender);
    tell("batch", "Recipient", &recipient);
    tell("state", "Consistency", if witness.is_some() { "STRONG" } else { "EVENTUAL" });
    if let Some(witness) = &witness {
        tell("state", "WitnessRegion", witness);
    }
    if let Some(canary) = &canary {
        tell("observability", "CanaryRegion", canary);
    }
    // Of keys before the sections that are not given: told too, as those of the sections are.
    for (template, name) in [("state", "WitnessRegion"), ("observability", "CanaryRegion"), ("canary", "Operator")] {
        let default = templates.get(template).and_then(|known| known.parameters.get(name)?.default.clone());
        let told = parameters.entry(template.to_owned()).or_default();
        if let Some(default) = default {
            told.entry(name.to_owned()).or_insert(default);
        }
    }
    let told = |name: &str| parameters.get("batch").and_then(|batch| batch.get(name)).cloned();
    let value = |name: &str| told(name).or_else(|| known(name).default).unwrap_or_default();
    let (architecture, concurrency) = (value("Architecture"), value("MaxConcurrency"));
    let operator = parameters.get("observability").and_then(|told| told.get("Operator")).cloned();
    let watch = parameters.entry("canary".to_owned()).or_default();
    watch.insert("Architecture".to_owned(), architecture.clone());
    watch.extend(operator.map(|operator| ("Operator".to_owned(), operator)));
    Some(Config {
        settings: Settings {
            suffix: suffix?.text,
            account: account?.text,
            regions,
            routing: routing?,
            runbook: true,
            observability,
            canary,
            parameters,
        },
        witness,
        sender,
        recipient,
        architecture,
        max_concurrency: concurrency.parse().unwrap_or_default(),
    })
}

/// The values of all sections' keys, by template and parameter.
fn sections(
    reader: &mut Reader<'_>,
    templates: &BTreeMap<&'static str, Template>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for section in SECTIONS {
        let Some(template) = templates.get(section.template) else { continue };
        let free = |name: &&String| !EVERYWHERE.contains(&name.as_str()) && !section.set.contains(&name.as_str());
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for name in template.parameters.keys().filter(free) {
            let (key, parameter) = (key(name), &template.parameters[name]);
            let Some(found) = reader.get(section.name, &key) else {
                // Told all the same: a stack keeps what it was told once, even when the key is gone.
                values.extend(parameter.default.clone().map(|default| (name.clone(), default)));
                continue;
            };
            if judged(reader, &key, &found, parameter) {
                values.insert(name.clone(), found.text);
            }
        }
        all.insert(section.template.to_owned(), values);
    }
    all
}

/// The key of a parameter: `ChunkRows` is `chunk_rows`.
pub fn key(parameter: &str) -> String {
    let mut key = String::new();
    for letter in parameter.chars() {
        if letter.is_ascii_uppercase() && !key.is_empty() {
            key.push('_');
        }
        key.push(letter.to_ascii_lowercase());
    }
    key
}

fn needed(reader: &mut Reader<'_>, key: &str, what: &str) -> Option<Found> {
    let found = reader.get("", key);
    if found.is_none() {
        reader.problem(1, format!("{key} is missing: {what}"));
    }
    found
}

/// Whether a value is allowed; tells the reader if it isn't. `{region}` stands for the Region of whichever stack is told.
fn judged(reader: &mut Reader<'_>, key: &str, found: &Found, parameter: &Parameter) -> bool {
    let judged = parameter.check(&found.text.replace("{region}", "us-east-1"));
    if let Err(allowed) = &judged {
        reader.problem(found.line, format!("{key} = {:?}: {allowed}", found.text));
    }
    judged.is_ok()
}

fn digits() -> Parameter {
    let constraint = Some("12 digits, in quotes".to_owned());
    Parameter { pattern: Some("[0-9]{12}".to_owned()), constraint, ..Parameter::default() }
}

fn one_of(values: &[&str]) -> Parameter {
    Parameter { values: values.iter().map(|value| (*value).to_owned()).collect(), ..Parameter::default() }
}

fn both_regions(reader: &mut Reader<'_>) -> Option<[String; 2]> {
    let primary = needed(reader, "primary", "the Region that acts at first, such as \"us-east-1\"");
    let standby = needed(reader, "standby", "the second Region, such as \"us-west-2\"");
    let mut judged_region = |key: &str, found: Option<Found>| {
        found.filter(|found| judged(reader, key, found, &one_of(&regions::ACCESS_POINT)))
    };
    let (primary, standby) = (judged_region("primary", primary)?, judged_region("standby", standby)?);
    if primary.text == standby.text {
        reader.problem(standby.line, format!("standby = {:?}: it must be another Region than primary", standby.text));
        return None;
    }
    Some([primary.text, standby.text])
}

fn routing(reader: &mut Reader<'_>, parameters: &mut BTreeMap<String, BTreeMap<String, String>>) -> Option<Routing> {
    let found = reader.get("", "routing");
    let routing = found.as_ref().map_or("arc", |found| found.text.as_str());
    if let Some(found) = &found
        && !judged(reader, "routing", found, &one_of(&["arc", "dns"]))
    {
        return None;
    }
    if routing == "arc" {
        return Some(Routing::Arc);
    }
    let dns = parameters.entry("routing-dns".to_owned()).or_default();
    if !dns.contains_key("ZoneName") && reader.get("dns", "zone_name").is_none() {
        let what = "zone_name is missing: routing = \"dns\" needs a public zone, such as \"tandem-dev.example.com\"";
        reader.problem(reader.section_line("dns"), what.to_owned());
    }
    Some(Routing::Dns)
}

/// The witness; `None` without strong consistency.
fn witness(reader: &mut Reader<'_>, regions: Option<&[String; 2]>) -> Option<String> {
    let found = reader.get("", "consistency");
    let witness = reader.get("", "witness");
    if let Some(found) = &found
        && (!judged(reader, "consistency", found, &one_of(&["strong", "eventual"])) || found.text == "eventual")
    {
        return None;
    }
    let what =
        "the third Region of a strongly consistent table, such as \"us-east-2\"; or set consistency = \"eventual\"";
    let Some(witness) = witness else {
        reader.problem(1, format!("witness is missing: {what}"));
        return None;
    };
    let [primary, standby] = regions?;
    if let Err(allowed) = regions::strong_set(primary, standby, &witness.text) {
        reader.problem(witness.line, format!("witness = {:?}: {allowed}", witness.text));
        return None;
    }
    Some(witness.text)
}

/// The canary's Region, if there is to be one: none of the two.
fn canary(reader: &mut Reader<'_>, regions: Option<&[String; 2]>) -> Option<String> {
    let found = reader.get("", "canary")?;
    if !judged(reader, "canary", &found, &one_of(&regions::ACCESS_POINT)) {
        return None;
    }
    if regions.is_some_and(|regions| regions.contains(&found.text)) {
        let what = "a third Region: one of the two would be lost together with what it watches";
        reader.problem(found.line, format!("canary = {:?}: it must be {what}", found.text));
        return None;
    }
    Some(found.text)
}

/// The key of the account's own: one for whatever seals or opens something, or results could not be opened or replicated. Told
/// even when there is none, as the sections' keys are.
fn own_key(reader: &mut Reader<'_>, parameters: &mut BTreeMap<String, BTreeMap<String, String>>, known: &Parameter) {
    let found = reader.get("", OWN_KEY);
    if let Some(found) = &found {
        if !judged(reader, OWN_KEY, found, known) {
            return;
        }
        if !found.text.is_empty() && !found.text.contains(":{region}:") {
            let what = "write {region} where its Region stands: each Region's stacks are told their own replica";
            reader.problem(found.line, format!("{OWN_KEY} = {:?}: {what}", found.text));
            return;
        }
    }
    let key = found.map(|found| found.text).unwrap_or_default();
    for template in ["state", "batch", "canary"] {
        parameters.entry(template.to_owned()).or_default().insert("KmsKeyArn".to_owned(), key.clone());
    }
}

/// Whether there are dashboards and alarms: unless they are switched off, and then somebody must be told.
fn operator(
    reader: &mut Reader<'_>,
    parameters: &mut BTreeMap<String, BTreeMap<String, String>>,
    address: &Parameter,
) -> bool {
    let wanted = reader.get("", "observability");
    let operator = reader.get("", "operator");
    if let Some(wanted) = &wanted
        && (!judged(reader, "observability", wanted, &one_of(&["true", "false"])) || wanted.text == "false")
    {
        return false;
    }
    let Some(operator) = operator else {
        let what = "operator is missing: the address that alarms are sent to; or set observability = false";
        reader.problem(1, what.to_owned());
        return false;
    };
    if judged(reader, "operator", &operator, address) {
        parameters.entry("observability".to_owned()).or_default().insert("Operator".to_owned(), operator.text);
    }
    true
}
