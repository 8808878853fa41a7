//! Brings Tandem's stacks into two Regions, local or on AWS.
//!
//! The [`plan`] is pure data: which stacks, in which order, with which parameters. The [`engine`] carries it out with the
//! [`aws`] command and remembers nothing: what CloudFormation says is the state, so that a run which was broken off is gone on
//! with by running it again. What must be known before ([`config`], [`checks`]), what would change ([`changes`]) and how it
//! is all taken away ([`destroy`]) have modules of their own.

pub mod aws;
pub mod changes;
pub mod checks;
pub mod config;
pub mod destroy;
pub mod engine;
pub mod failure;
pub mod leftover;
pub mod plan;
pub mod progress;
pub mod regions;
mod template;
pub mod trouble;

#[cfg(test)]
mod fake;
