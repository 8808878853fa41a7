//! Starts the wrapper that a layer brings, as Lambda does in its managed runtimes and not in ours (`provided.al2023`).
//!
//! AWS FIS's extension comes between a function and Lambda by such a wrapper: a script that is given the command to run, and runs
//! it with another address of Lambda's interface. So this process becomes the wrapper, and the wrapper this program once more.
//! Without the variable, which only a deployment for experiments sets, nothing happens.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::config::optional;

/// Lambda's own variable: the wrapper's path.
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// Tells the program that it runs within the wrapper already, or it would start it for ever.
const WRAPPED: &str = "TANDEM_WRAPPED";

/// Why a function with a wrapper does not start: without it an experiment would strike nothing, and seem to be passed.
#[derive(Debug, thiserror::Error)]
#[error(
    "AWS_LAMBDA_EXEC_WRAPPER is {wrapper:?}, which cannot be started ({source}): attach the layer that holds it (FaultLayerArn of the batch stack, \
     for this Region and architecture), or take the variable away"
)]
pub(super) struct WrapperError {
    wrapper: String,
    source: io::Error,
}

/// Becomes the wrapper, if one is named and this is not within it; otherwise goes on.
///
/// # Errors
/// [`WrapperError`] when it cannot be started.
pub(super) fn enter() -> Result<(), WrapperError> {
    let Some(wrapper) = to_enter(optional(WRAPPER), optional(WRAPPED)) else { return Ok(()) };
    let source = match std::env::current_exe() {
        Ok(program) => within(&wrapper, program.into_os_string()).exec(),
        Err(unknown) => unknown,
    };
    Err(WrapperError { wrapper, source })
}

/// The wrapper that is still to be entered.
fn to_enter(wrapper: Option<String>, wrapped: Option<String>) -> Option<String> {
    wrapper.filter(|_| wrapped.is_none())
}

/// The wrapper's command: it is given this program and its arguments, as Lambda would give it a runtime's.
fn within(wrapper: &str, program: OsString) -> Command {
    let mut command = Command::new(wrapper);
    command.arg(program).args(std::env::args_os().skip(1)).env(WRAPPED, "true");
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Output;

    use super::*;

    #[test]
    fn a_wrapper_is_entered_once_and_only_if_one_is_named() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(to_enter(None, None), None);
        assert_eq!(to_enter(None, some("true")), None);
        assert_eq!(to_enter(some("/opt/w"), None), some("/opt/w"));
        assert_eq!(to_enter(some("/opt/w"), some("true")), None);
    }

    /// What the tests below start: a program that enters the wrapper it is told, and then says where it is.
    #[test]
    #[ignore = "started by two other tests"]
    fn a_program_that_enters_its_wrapper() {
        enter().unwrap();
        println!("within {:?}", optional(WRAPPED));
    }

    fn program_with(wrapper: &str) -> Output {
        let name = "lambda::wrapper::tests::a_program_that_enters_its_wrapper";
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--ignored", "--exact", "--nocapture", name]).env(WRAPPER, wrapper).env_remove(WRAPPED);
        program.output().unwrap()
    }

    #[test]
    fn the_program_runs_again_within_its_wrapper_with_its_arguments() {
        // `env` is as short a wrapper as there is: it runs the command that it is given.
        let output = program_with("/usr/bin/env");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("within Some(\"true\")"), "{said}");
    }

    #[test]
    fn a_wrapper_that_is_not_there_stops_the_function_and_says_what_to_do() {
        let output = program_with("/opt/aws-fis/nowhere");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && !said.contains("within"), "{said}");
        let error = WrapperError { wrapper: "/opt/w".to_owned(), source: io::ErrorKind::NotFound.into() }.to_string();
        assert!(error.contains("AWS_LAMBDA_EXEC_WRAPPER is \"/opt/w\"") && error.contains("FaultLayerArn"), "{error}");
    }
}
