//! What a template says of the resources that the emulator's CloudFormation makes only in part.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::Command;

use super::command;
use crate::emulator;
use crate::options::Options;

/// Reads a template as the `aws` command does, short forms of the intrinsic functions included, and prints it as JSON.
const TO_JSON: &str = "import json, sys; from awscli.customizations.cloudformation.yamlhelper import yaml_parse; \
    json.dump(yaml_parse(open(sys.argv[1]).read()), sys.stdout, default=str)";

/// A template.
pub struct Template(Value);

/// What a template says of a global table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalTable {
    /// Name.
    pub name: String,
    /// The Regions of its replicas, the stack's own among them.
    pub replicas: Vec<String>,
    /// Whether it has multi-Region strong consistency.
    pub strong: bool,
}

/// Reads a template.
///
/// # Errors
/// It is no YAML.
pub async fn read(options: &Options, file: &Path) -> anyhow::Result<Template> {
    let mut command = Command::new(options.paths().venv_program("python"));
    emulator::clean(&mut command, options);
    let json = command::run(command.args(["-c", TO_JSON]).arg(file).kill_on_drop(true)).await;
    let json = json.with_context(|| format!("{} can't be read", file.display()))?;
    Ok(Template(serde_json::from_str(&json)?))
}

impl Template {
    /// Its global tables, with the values that these parameters give them.
    ///
    /// # Errors
    /// A property is given in a way that is not understood here.
    pub fn global_tables(
        &self,
        given: &BTreeMap<String, String>,
        region: &str,
        account: &str,
    ) -> anyhow::Result<Vec<GlobalTable>> {
        let values = self.values(given, region, account);
        let resources = self.0["Resources"].as_object().context("the template has no resources")?;
        let tables = resources.values().filter(|resource| resource["Type"] == "AWS::DynamoDB::GlobalTable");
        tables
            .map(|table| {
                let properties = &table["Properties"];
                let replicas = properties["Replicas"].as_array().context("a global table without replicas")?;
                let replicas =
                    replicas.iter().map(|replica| text(&replica["Region"], &values)).collect::<Result<_, _>>()?;
                let consistency = &properties["MultiRegionConsistency"];
                let strong = !consistency.is_null() && text(consistency, &values)? == "STRONG";
                Ok(GlobalTable { name: text(&properties["TableName"], &values)?, replicas, strong })
            })
            .collect()
    }

    fn values(&self, given: &BTreeMap<String, String>, region: &str, account: &str) -> BTreeMap<String, String> {
        let defaults = self.0["Parameters"].as_object().into_iter().flatten();
        let defaults =
            defaults.filter_map(|(name, parameter)| Some((name.clone(), parameter["Default"].as_str()?.to_owned())));
        let pseudo = [("AWS::Region", region), ("AWS::AccountId", account), ("AWS::Partition", "aws")];
        let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = given.iter().map(|(name, value)| (name.clone(), value.clone()));
        defaults.chain(pseudo).chain(given).collect()
    }
}

/// A property's text: as it stands, by `Ref`, or by `Fn::Sub`.
fn text(value: &Value, values: &BTreeMap<String, String>) -> anyhow::Result<String> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let of = |name: &str| values.get(name).cloned().with_context(|| format!("{name} has no value"));
    match (value["Ref"].as_str(), value["Fn::Sub"].as_str()) {
        (Some(name), _) => of(name),
        (_, Some(pattern)) => {
            let mut parts = pattern.split("${");
            let mut result = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let (name, rest) = part.split_once('}').context("an open ${ in Fn::Sub")?;
                result.push_str(&of(name)?);
                result.push_str(rest);
            }
            Ok(result)
        }
        _ => bail!("a property is given by more than Ref and Fn::Sub: {value}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    #[test]
    fn a_global_table_is_read_with_the_values_of_its_parameters() {
        let table = json!({"Type": "AWS::DynamoDB::GlobalTable", "Properties": {
            "TableName": {"Fn::Sub": "t-${Suffix}-${AWS::AccountId}-x"},
            "MultiRegionConsistency": {"Ref": "Consistency"},
            "Replicas": [{"Region": {"Ref": "AWS::Region"}}, {"Region": "west"}]}});
        let parameters = json!({"Suffix": {"Default": "dev"}, "Consistency": {"Default": "STRONG"}});
        let template = Template(json!({"Parameters": parameters, "Resources": {"T": table, "B": {"Type": "Other"}}}));
        let given = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let tables = template.global_tables(&given("Suffix", "local"), "east", "1").unwrap();
        let replicas = vec!["east".to_owned(), "west".to_owned()];
        assert_eq!(tables, [GlobalTable { name: "t-local-1-x".to_owned(), replicas, strong: true }]);
        let eventual = given("Consistency", "EVENTUAL");
        assert!(!template.global_tables(&eventual, "east", "1").unwrap()[0].strong);
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_not_a_guess() {
        let values = BTreeMap::new();
        assert!(text(&json!({"Fn::If": ["C", "a", "b"]}), &values).is_err());
        assert!(text(&json!({"Ref": "Unknown"}), &values).is_err());
    }
}
