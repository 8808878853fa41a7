//! Where the document stands: in the template that deploys it.

use std::path::Path;

use serde_json::Value;

use super::{Document, Invalid};

/// The template as it was when this program was built, for use without the project's folder.
const EMBEDDED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sam/failover.yaml"));

/// The failover runbook of the project at `root`, or, if that has none, the one that this program was built with.
///
/// # Errors
/// When the template holds no document, or one that cannot be run; nothing was done then.
pub fn load(root: &Path) -> anyhow::Result<Document> {
    let file = root.join("sam").join("failover.yaml");
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(document(&text, &file.display().to_string())?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(document(EMBEDDED, "sam/failover.yaml")?),
        Err(error) => anyhow::bail!("the runbook {} cannot be read: {error}", file.display()),
    }
}

/// The Automation document of a template.
///
/// The template's own tags (`!Sub`) stand before values that only CloudFormation can fill in; here they read as plain
/// text, so they may stand only where the runner puts values of its own: in parameters' defaults.
///
/// # Errors
/// When there is no document, more than one, or one that is not understood.
pub fn document(template: &str, name: &str) -> Result<Document, Invalid> {
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).map_err(|error| Invalid::at(name, error));
    let template = read(template)?;
    let resources = template["Resources"].as_object().into_iter().flatten();
    let mut documents = resources.filter(|(_, resource)| resource["Type"] == "AWS::SSM::Document");
    let (Some((_, resource)), None) = (documents.next(), documents.next()) else {
        return Err(Invalid::at(name, "it must hold one AWS::SSM::Document"));
    };
    let content = match &resource["Properties"]["Content"] {
        Value::String(text) => read(text)?,
        content => content.clone(),
    };
    unfilled(&content, true).map_or(Ok(()), |text| {
        Err(Invalid::at(
            name,
            format!("{text:?} can only be filled in by CloudFormation: make it a parameter's default"),
        ))
    })?;
    Document::parse(&content)
}

/// The first text, outside of the parameters, that waits to be filled in by CloudFormation.
fn unfilled(value: &Value, top: bool) -> Option<&str> {
    match value {
        Value::String(text) => text.contains("${").then_some(text),
        Value::Array(values) => values.iter().find_map(|value| unfilled(value, false)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match name.as_str() {
            "parameters" if top => None,
            intrinsic if intrinsic == "Ref" || intrinsic.starts_with("Fn::") => Some(intrinsic),
            _ => unfilled(value, false),
        }),
        _ => None,
    }
}
