//! What a CloudFormation stack says about itself.

use std::collections::HashMap;

use anyhow::Context;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata};

use crate::exit::Unreachable;

/// The outputs of one stack.
pub struct Outputs {
    stack: String,
    values: HashMap<String, String>,
}

impl Outputs {
    /// The value of an output.
    ///
    /// # Errors
    /// When the stack has no such output: it was deployed from other templates.
    pub fn get(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.with_context(|| format!("the stack {} has no output {name}: deploy the current templates", self.stack))
    }
}

/// Reads the outputs of a stack.
///
/// # Errors
/// [`Unreachable`] when the stack does not exist or CloudFormation does not answer.
pub async fn outputs(config: &SdkConfig, stack: &str) -> anyhow::Result<Outputs> {
    let region = config.region().map_or("the default Region", |region| region.as_ref());
    let described = Client::new(config).describe_stacks().stack_name(stack).send().await;
    let described = described.map_err(|error| match error.code() {
        Some("ValidationError") => Unreachable(format!(
            "there is no stack {stack} in {region}: name the primary Region with --region and the environment with --suffix, or deploy"
        )),
        _ => Unreachable(format!("CloudFormation in {region} did not describe {stack}: {}", DisplayErrorContext(&error))),
    })?;
    let outputs = described.stacks().first().map(|stack| stack.outputs()).unwrap_or_default();
    let pair = |output: &aws_sdk_cloudformation::types::Output| {
        Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
    };
    Ok(Outputs { stack: stack.to_owned(), values: outputs.iter().filter_map(pair).collect() })
}
