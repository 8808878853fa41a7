//! What a CloudFormation stack says about itself.

use std::collections::HashMap;

use anyhow::Context;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata};
use tandem_deploy::trouble::of_the_caller;

use crate::exit::Unreachable;

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
            let said = DisplayErrorContext(&error).to_string();
            return Err(Unreachable(undescribed(region, name, &said)).into());
        }
    };
    let Some(stack) = described.stacks().first() else { return Ok(None) };
    let parameters =
        stack.parameters().iter().filter_map(|pair| Some((pair.parameter_key()?, pair.parameter_value()?)));
    let outputs = stack.outputs().iter().filter_map(|pair| Some((pair.output_key()?, pair.output_value()?)));
    let values = parameters.chain(outputs).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Some(Stack { name: name.to_owned(), values }))
}

/// That a stack was not described, and why. Of what the caller is at fault for, its sign is enough: the remedy comes with it, and
/// no other Region would answer better.
fn undescribed(region: &str, name: &str, said: &str) -> String {
    let what = format!("CloudFormation in {region} did not describe {name}");
    match of_the_caller(said) {
        Some(trouble) => format!("{what}: {}", trouble.sign),
        None => format!("{what} (if that Region is lost, name the other one with --region): {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::told;

    #[test]
    fn a_stack_that_is_not_described_is_named_with_what_can_be_done_about_it() {
        let page =
            "service error: unhandled error (ExpiredToken): Error { code: \"ExpiredToken\", raw: Response { .. } }";
        let expired = told(&Unreachable(undescribed("us-east-1", "tandem-dev-state", page)).into());
        assert!(expired.starts_with("CloudFormation in us-east-1 did not describe tandem-dev-state: ExpiredToken\n"));
        assert!(expired.contains("renew") && !expired.contains("raw:") && !expired.contains("--region"), "{expired}");
        let lost = undescribed("us-east-1", "tandem-dev-state", "dispatch failure: connection refused");
        assert!(lost.contains("--region") && lost.ends_with("connection refused"), "{lost}");
    }
}
