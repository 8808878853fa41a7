//! The configuration of a deployment: one small TOML file, judged whole before anything is done.
//!
//! What the templates can be told is read from the templates: every parameter that the plan doesn't set by itself is a key of
//! its template's section, in lower case (`[batch] chunk_rows`), and is judged by what the template says of it.

mod keys;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context;

use crate::plan::Settings;
use crate::template::Template;

/// A configuration without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is deployed.
    pub settings: Settings,
    /// The third Region of a strongly consistent table; `None` for an eventually consistent one.
    pub witness: Option<String>,
    /// Who e-mails come from.
    pub sender: String,
    /// Who e-mails go to.
    pub recipient: String,
    /// What the functions are built for.
    pub architecture: String,
    /// Chunks of one batch in flight at once.
    pub max_concurrency: u64,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it, and what is allowed.
    pub what: String,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The file, as it was named.
    pub file: String,
    /// The problems, by line.
    pub problems: Vec<Problem>,
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(formatter, "{}:{}: {}", self.file, problem.line, problem.what)?;
        }
        formatter.write_str("nothing was done; sam/deployment.example.toml explains every key")
    }
}

/// Reads the configuration `file` for the project at `root`.
///
/// # Errors
/// The file or a template can't be read; or [`Invalid`], with all that is wrong.
pub fn load(file: &Path, root: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("{} can't be read: copy sam/deployment.example.toml, and fill it in", file.display())
    })?;
    let templates = templates(root)?;
    parse(&text, &templates).map_err(|problems| Invalid { file: file.display().to_string(), problems }.into())
}

/// The templates that have sections, by name.
fn templates(root: &Path) -> anyhow::Result<BTreeMap<&'static str, Template>> {
    keys::SECTIONS.iter().map(|section| Ok((section.template, Template::load(root, section.template)?))).collect()
}

/// Judges a configuration.
fn parse(text: &str, templates: &BTreeMap<&'static str, Template>) -> Result<Config, Vec<Problem>> {
    let mut reader = read::Reader::new(text);
    let config = keys::config(&mut reader, templates);
    let mut problems = reader.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => {
            problems.sort();
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests;
