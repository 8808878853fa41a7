//! `tandem console`: one page, served by the command itself, that shows both Regions and operates them.
//!
//! It listens on 127.0.0.1 alone, and whoever opens the page needs the token that this start made. What is shown is gathered
//! by tasks of their own, so that a Region that does not answer only makes its own part say so. What is done is done by the
//! code of the commands.

mod access;
mod actions;
mod board;
mod events;
mod failover;
mod files;
mod known;
mod page;
mod refusal;
mod routes;
mod snapshot;
mod trouble;
mod watch;

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tandem_core::dataset::DEFAULT_DATASET;
use tandem_local::LocalState;
use tokio::net::TcpListener;

use self::access::Access;
use self::board::Board;
use self::failover::Failovers;
use self::known::Known;
use self::snapshot::Snapshot;
use crate::deployment::{Deployment, Which};
use crate::exit::{interruption, usage};

/// Examples, and what to know.
pub const HELP: &str = "\
The page shows which Region is active, how each answers, how late replication is, every batch with its stages, what was rejected \
and why, and what the last hour cost. It uploads, sends again, runs again, reconciles and fails over; with the local Regions it \
also isolates, slows, heals and freezes, and shows the mailbox. On AWS it uses your credentials and their permissions.

It listens on 127.0.0.1 only. The link holds a token that is good until Ctrl-C: do not pass it on.

Examples:
  tandem console                               opens the page in your browser
  tandem console --no-open --port 0 --json     prints the link as JSON, on any free port
  tandem --target aws --region us-west-2 console";

/// Port if none is named: the next after those of the local Regions.
pub const DEFAULT_PORT: u16 = 4614;

/// Arguments of `console`.
#[derive(Debug, Clone, Args)]
pub struct ConsoleArgs {
    /// Port on 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Do not open a browser
    #[arg(long)]
    pub no_open: bool,
    /// Print the link as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Everything that a request or a watcher needs.
pub struct Console {
    which: Which,
    deployment: Deployment,
    local: Option<LocalState>,
    access: Access,
    board: Board,
    known: Known,
    failovers: Failovers,
}

/// Serves the page until Ctrl-C.
///
/// # Errors
/// When there is nothing to show, the port is taken, or the deployment cannot be found.
pub async fn run(args: &ConsoleArgs, which: &Which) -> anyhow::Result<()> {
    let (console, listener) = open(args.port, which).await?;
    let link = console.access.link();
    if args.json {
        outln!("{}", json!({ "url": link, "port": console.access.port(), "environment": console.deployment.suffix() }));
    } else {
        outln!("console: {link}\nEnd it with Ctrl-C.");
    }
    if !args.no_open {
        browser(&link);
    }
    tokio::select! {
        ended = serve(Arc::clone(&console), listener) => ended,
        () = interruption() => {
            if let Some(to) = console.failovers.under_way() {
                errln!("The failover to {to} is not over. Nothing toggles: go on with `tandem failover --to {to}`.");
            }
            Ok(())
        }
    }
}

/// Serves the page beside the local Regions, on any free port if none is named and the usual one is taken. That it cannot be
/// served is said, and ends nothing.
pub async fn beside(port: Option<u16>, which: &Which) {
    let opened = match open(port.unwrap_or(DEFAULT_PORT), which).await {
        Err(_) if port.is_none() => open(0, which).await,
        opened => opened,
    };
    let served = match opened {
        Ok((console, listener)) => {
            let link = console.access.link();
            outln!("console: {link}");
            browser(&link);
            serve(console, listener).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        errln!("The console is not served: {error:#}");
    }
}

/// Finds the deployment, and takes the port.
async fn open(port: u16, which: &Which) -> anyhow::Result<(Arc<Console>, TcpListener)> {
    let deployment = which.find().await?;
    let listener = listen(port).await?;
    let access = Access::new(listener.local_addr()?.port())?;
    let local = which.local();
    let board = Board::new(first(&deployment, local.as_ref(), which));
    let (known, failovers) = (Known::default(), Failovers::default());
    Ok((Arc::new(Console { which: which.clone(), deployment, local, access, board, known, failovers }), listener))
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => usage(format!(
            "port {port} is taken, perhaps by another console: choose another one with --port, or 0 for any"
        )),
        _ => usage(format!("cannot listen on port {port} of 127.0.0.1 ({error}): choose another one with --port")),
    })
}

/// What is known before anything was asked.
fn first(deployment: &Deployment, local: Option<&LocalState>, which: &Which) -> Snapshot {
    // Without the project's folder the default is all that is known to be there.
    let datasets = which.datasets().map(|all| all.iter().map(|dataset| dataset.name.clone()).collect::<Vec<_>>());
    let datasets = datasets.unwrap_or_else(|_| vec![String::from(DEFAULT_DATASET)]);
    Snapshot::new(deployment.suffix(), local.is_some(), deployment.regions(), datasets)
}

/// Answers requests and watches, for as long as it is awaited.
async fn serve(console: Arc<Console>, listener: TcpListener) -> anyhow::Result<()> {
    let watchers = watch::start(&console);
    let served = tokio::select! {
        served = axum::serve(listener, routes::router(Arc::clone(&console))) => served,
        () = Failovers::carry_out(&console) => Ok(()),
    };
    drop(watchers);
    served.context("the console's server ended")
}

/// Opens the link where somebody sits before a desktop. That it cannot be opened is no error: the link is printed.
fn browser(link: &str) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let opener = match std::env::consts::OS {
        "macos" => "open",
        _ if set("DISPLAY") || set("WAYLAND_DISPLAY") => "xdg-open",
        _ => return,
    };
    let mut command = std::process::Command::new(opener);
    command.arg(link).stdin(std::process::Stdio::null());
    let _not_opened = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Status, status_of};

    #[tokio::test]
    async fn a_port_that_is_taken_is_said_with_the_remedy_and_0_takes_a_free_one() {
        let taken = listen(0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen(port).await.unwrap_err();
        assert_eq!(status_of(&error), Status::Usage);
        assert!(error.to_string().contains("--port"), "{error}");
    }
}
