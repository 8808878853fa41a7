//! An `aws` command of recorded answers, and a deployment to ask it about.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use tandem_deploy::aws::Aws;
use tandem_deploy::config::Config;
use tandem_deploy::engine::Folders;
use tandem_deploy::failure::CommandFailed;

use super::Common;
use super::target::Prepared;
use crate::deployment::{Target, Which};

/// The answers, by the first two words, and what was asked.
pub struct Recorded {
    answers: BTreeMap<&'static str, Result<&'static str, &'static str>>,
    pub calls: RefCell<Vec<String>>,
}

impl Recorded {
    pub fn new(answers: &[(&'static str, Result<&'static str, &'static str>)]) -> Self {
        Self { answers: answers.iter().copied().collect(), calls: RefCell::default() }
    }
}

impl Aws for Recorded {
    async fn run(&self, _: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
        let call = arguments[..2].join(" ");
        self.calls.borrow_mut().push(call.clone());
        let answer = self.answers.get(call.as_str()).copied().unwrap_or(Err("not recorded"));
        answer.map(str::to_owned).map_err(|said| CommandFailed { command: call, said: said.to_owned() })
    }
}

pub fn common() -> Common {
    Common { config: None, local: false, json: false, aws_command: None }
}

pub fn prepared() -> Prepared {
    let mut settings = tandem_local::deploy::settings(&tandem_local::Options::new("/nowhere"));
    "123456789012".clone_into(&mut settings.account);
    let config = Config {
        settings,
        witness: None,
        sender: "tandem@example.com".to_owned(),
        recipient: "owner@example.com".to_owned(),
        architecture: "arm64".to_owned(),
        max_concurrency: 40,
    };
    let folders = Folders { root: "/nowhere".into(), work: std::env::temp_dir().join("tandem-cli-deploy-tests") };
    let which = Which { target: Target::Aws, suffix: None, region: None, project_dir: Some("/nowhere".into()) };
    Prepared { config, folders, which }
}
