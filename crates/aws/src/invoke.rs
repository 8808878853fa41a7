//! Lambda: functions invoked by name, for an operator or a runbook, and answered.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_core::canary::{AskStanding, Standing};
use tandem_core::ports::ServiceError;

use crate::error::translate;

/// The functions of one Region.
#[derive(Debug, Clone)]
pub struct Functions {
    client: Client,
}

/// An invocation that has no answer to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// Lambda did not answer, or refused the call.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The function ended with an error.
    #[error(transparent)]
    Function(#[from] FunctionError),
}

/// The error that a function ended with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FunctionError {
    /// The stable name of the error, for example `NotActive`.
    pub error_type: String,
    /// What the function says about it.
    pub message: String,
}

impl fmt::Display for FunctionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.error_type, self.message)
    }
}

/// An error as Lambda reports it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reported {
    error_type: Option<String>,
    error_message: Option<String>,
}

impl Functions {
    /// Functions in the Region of this configuration. Its time-outs must leave a function the time that it may take.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// Invokes a function and waits for its answer. If none comes it may have run all the same; whether the call is then
    /// repeated is the configuration's to say.
    ///
    /// # Errors
    /// [`InvokeError::Function`] when the function ended with an error, [`InvokeError::Service`] when Lambda did not get as
    /// far as that.
    pub async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, InvokeError> {
        let call = self.client.invoke().function_name(name).payload(Blob::new(payload.to_string()));
        let output = call.send().await.map_err(|error| translate("lambda:InvokeFunction", name, error))?;
        let answer = output.payload().map(AsRef::as_ref).unwrap_or_default();
        match output.function_error() {
            Some(kind) => Err(reported(kind, answer).into()),
            None => read(name, answer),
        }
    }
}

/// A Region's reconciler, asked how the Region stands.
#[derive(Debug, Clone)]
pub struct Reconciler {
    functions: Functions,
    name: String,
}

impl Reconciler {
    /// The reconciler with this name among these functions.
    #[must_use]
    pub fn new(functions: Functions, name: String) -> Self {
        Self { functions, name }
    }
}

impl AskStanding for Reconciler {
    async fn ask(&self) -> Result<Standing, String> {
        let answer = self.functions.invoke(&self.name, &json!({ "action": "ask" })).await;
        let answer = answer.map_err(|error| error.to_string())?;
        serde_json::from_value(answer).map_err(|error| format!("{} answered something else: {error}", self.name))
    }
}

/// The answer as JSON; a function that answers nothing answers null.
fn read(name: &str, answer: &[u8]) -> Result<Value, InvokeError> {
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(answer).map_err(|error| {
        let message = format!("{name} answered what is no JSON: {error}");
        ServiceError::Refused { operation: "lambda:InvokeFunction", message }.into()
    })
}

/// The error that Lambda put into the answer. `kind` says whose it is: `Handled` or `Unhandled`.
fn reported(kind: &str, answer: &[u8]) -> FunctionError {
    let reported = serde_json::from_slice(answer).unwrap_or(Reported { error_type: None, error_message: None });
    FunctionError {
        error_type: reported.error_type.unwrap_or_else(|| kind.to_owned()),
        message: reported.error_message.unwrap_or_else(|| String::from("the function said nothing about it")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_error_of_a_function_keeps_its_name() {
        let error = reported("Unhandled", br#"{"errorType":"NotActive","errorMessage":"us-west-2 is active"}"#);
        assert_eq!(error.to_string(), "NotActive: us-west-2 is active");
    }

    #[test]
    fn an_error_that_cannot_be_read_is_still_an_error() {
        for answer in [&b""[..], b"[]", b"{}", b"Task timed out"] {
            assert_eq!(reported("Unhandled", answer).error_type, "Unhandled");
        }
    }

    #[test]
    fn an_answer_is_read_as_json() {
        assert_eq!(read("f", b"").unwrap(), Value::Null);
        assert_eq!(read("f", b"{\"a\":1}").unwrap()["a"], 1);
        assert!(read("f", b"<html>").is_err());
    }
}
