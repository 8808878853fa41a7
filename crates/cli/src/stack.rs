//! What a CloudFormation stack says about itself.

use std::collections::HashMap;

use anyhow::Context;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata};

use crate::exit::{Unreachable, known_trouble};

/// A stack that is there.
pub struct Stack {
    name: String,
    values: HashMap<String, String>,
}

impl Stack {
    /// The value of a parameter or of an output.
    ///
    /// # Errors
    /// When the stack has neither: it was deployed from other templates.
    pub fn get(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.with_context(|| format!("the stack {} does not say {name}: deploy the current templates", self.name))
    }
}

/// Reads the parameters and outputs of a stack; `None` if there is no such stack.
///
/// # Errors
/// [`Unreachable`] when CloudFormation does not answer.
pub async fn find(config: &SdkConfig, name: &str) -> anyhow::Result<Option<Stack>> {
    let region = config.region().map_or("the default Region", |region| region.as_ref());
    let described = match Client::new(config).describe_stacks().stack_name(name).send().await {
        Ok(described) => described,
        Err(error) if error.code() == Some("ValidationError") => return Ok(None),
        Err(error) => {
            let remedy = "if that Region is lost, name the other one with --region";
            let error = DisplayErrorContext(&error).to_string();
            let message = known_trouble(&error).map(str::to_owned);
            let message = message
                .unwrap_or_else(|| format!("CloudFormation in {region} did not describe {name} ({remedy}): {error}"));
            return Err(Unreachable(message).into());
        }
    };
    let Some(stack) = described.stacks().first() else { return Ok(None) };
    let parameters =
        stack.parameters().iter().filter_map(|pair| Some((pair.parameter_key()?, pair.parameter_value()?)));
    let outputs = stack.outputs().iter().filter_map(|pair| Some((pair.output_key()?, pair.output_value()?)));
    let values = parameters.chain(outputs).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Some(Stack { name: name.to_owned(), values }))
}
