//! Losing things on purpose, and getting them back: Regions, functions, replication, routing endpoints. On this machine only.
//!
//! Everything that is set is set to a value, so giving a command twice is giving it once.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use tandem_local::admin::{Admin, RegionState, RegionStatus, ReplicationSettings, ReplicationStatus};
use tandem_local::{LocalState, RoutingMode, arc, functions};

use crate::deployment::{Target, Which};
use crate::exit::usage;
use crate::terminal::{one_line, table};

/// Lateness of a slow Region if none is named: twice across an ocean and back.
const SLOW: u64 = 500;
/// Most pending replicas that are listed.
const LISTED: usize = 20;

/// Subcommands of `region`.
#[derive(Debug, Clone, Subcommand)]
pub enum RegionCommand {
    /// Cut a Region off: no call reaches it, and none leaves it
    #[command(after_help = "Example:\n  tandem region isolate us-east-1")]
    Isolate {
        /// The Region
        name: String,
    },
    /// Let a Region be reached again, at full speed
    #[command(after_help = "Example:\n  tandem region heal us-east-1")]
    Heal {
        /// The Region
        name: String,
    },
    /// Make every call to and from a Region late
    #[command(after_help = "Example:\n  tandem region slow us-east-1 --milliseconds 2000")]
    Slow {
        /// The Region
        name: String,
        /// By how much
        #[arg(long, value_name = "N", default_value_t = SLOW)]
        milliseconds: u64,
    },
    /// Say how each Region can be reached, which is active, and where uploads go
    #[command(after_help = "Example:\n  tandem region status --json")]
    Status(Json),
}

/// Subcommands of `function`.
#[derive(Debug, Clone, Subcommand)]
pub enum FunctionCommand {
    /// Stop a function's processes where they stand
    #[command(after_help = "Example:\n  tandem function freeze deliver --region us-east-1")]
    Freeze(FunctionArgs),
    /// Let a frozen function's processes go on
    #[command(after_help = "Example:\n  tandem function thaw deliver --region us-east-1")]
    Thaw(FunctionArgs),
    /// Kill a function's processes; what they were doing ends as an error
    #[command(after_help = "Example:\n  tandem function kill merge --region us-east-1")]
    Kill(FunctionArgs),
}

/// Which function; its Region is the global `--region`.
#[derive(Debug, Clone, Args)]
pub struct FunctionArgs {
    /// The function, for example deliver; its Region is named with --region
    pub name: String,
}

/// Subcommands of `replication`.
#[derive(Debug, Clone, Subcommand)]
pub enum ReplicationCommand {
    /// Hold what changes in either bucket; nothing is lost
    #[command(after_help = "Example:\n  tandem replication pause")]
    Pause,
    /// Replicate again, what was held first
    #[command(after_help = "Example:\n  tandem replication resume")]
    Resume,
    /// Set the time between a change and its replica
    #[command(after_help = "Example:\n  tandem replication lag 5")]
    Lag {
        /// Seconds
        seconds: f64,
    },
    /// Say how replication stands, and what is not replicated yet
    #[command(after_help = "Example:\n  tandem replication status --json")]
    Status(Json),
}

/// Subcommands of `arc`.
#[derive(Debug, Clone, Subcommand)]
pub enum ArcCommand {
    /// Take the routing controls' endpoint in a Region away
    #[command(after_help = "Example:\n  tandem arc disable-endpoint us-east-1")]
    DisableEndpoint {
        /// Region of the endpoint, one of five
        region: String,
    },
    /// Give the routing controls' endpoint in a Region back
    #[command(after_help = "Example:\n  tandem arc enable-endpoint us-east-1")]
    EnableEndpoint {
        /// Region of the endpoint, one of five
        region: String,
    },
    /// Say how the routing controls and their endpoints stand
    #[command(after_help = "Example:\n  tandem arc status --json")]
    Status(Json),
}

/// Whether to print JSON.
#[derive(Debug, Clone, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Isolates, slows or heals a Region, or says how all are.
///
/// # Errors
/// When the local Regions do not run, or there is no such Region; likewise for the others.
pub async fn region(command: &RegionCommand, which: &Which) -> anyhow::Result<()> {
    let state = local(which, "cut a Region off with a FIS experiment, or by denying its role")?;
    let admin = Admin::new(&state);
    let (name, to) = match command {
        RegionCommand::Status(Json { json }) => return region_status(&admin, *json).await,
        RegionCommand::Isolate { name } => (name, RegionState::Isolated),
        RegionCommand::Heal { name } => (name, RegionState::Reachable),
        RegionCommand::Slow { name, milliseconds } => (name, RegionState::Slow { milliseconds: *milliseconds }),
    };
    known(name, &state.regions)?;
    let all = admin.set_region(name, to).await?;
    out!("{}", regions_text(&all));
    Ok(())
}

async fn region_status(admin: &Admin, json: bool) -> anyhow::Result<()> {
    let status = admin.status().await?;
    if json {
        let object = serde_json::json!({
            "regions": status.regions,
            "active": status.active,
            "routed": status.routed,
        });
        outln!("{object}");
        return Ok(());
    }
    out!("{}", regions_text(&status.regions));
    let named = |region: &Option<String>| region.clone().unwrap_or_else(|| String::from("none"));
    outln!("active: {}\nuploads go to: {}", named(&status.active), named(&status.routed));
    Ok(())
}

fn regions_text(regions: &BTreeMap<String, RegionStatus>) -> String {
    let line = |(name, status): (&String, &RegionStatus)| {
        let state = match status.state {
            RegionState::Reachable => String::from("reachable"),
            RegionState::Isolated => String::from("isolated"),
            RegionState::Slow { milliseconds } => format!("slow by {milliseconds} ms"),
        };
        format!("{name} is {state}\n")
    };
    regions.iter().map(line).collect()
}

/// Freezes, thaws or kills a function.
///
/// # Errors
/// As [`region`], and when the function has no process there.
pub async fn function(command: &FunctionCommand, which: &Which) -> anyhow::Result<()> {
    let state = local(which, "a function's process cannot be reached: use a FIS experiment for Lambda")?;
    let region = which.region.as_ref();
    let region =
        region.ok_or_else(|| usage(format!("name the function's Region with --region: {}", either(&state))))?;
    known(region, &state.regions)?;
    let (name, done, processes) = match command {
        FunctionCommand::Freeze(FunctionArgs { name }) => (name, "frozen", functions::freeze(&state, name, region)?),
        FunctionCommand::Thaw(FunctionArgs { name }) => (name, "thawed", functions::thaw(&state, name, region)?),
        FunctionCommand::Kill(FunctionArgs { name }) => (name, "killed", functions::kill(&state, name, region)?),
    };
    outln!("{name} in {region} is {done} ({} processes)", processes.len());
    Ok(())
}

/// Pauses or resumes replication, sets its lag, or says how it stands.
///
/// # Errors
/// As [`region`].
pub async fn replication(command: &ReplicationCommand, which: &Which) -> anyhow::Result<()> {
    let state = local(which, "replication is S3's own: disable its rule to pause it")?;
    let admin = Admin::new(&state);
    let settings = match command {
        ReplicationCommand::Status(Json { json }) => {
            let status = admin.replication().await?;
            out!("{}", if *json { line(&status)? } else { replication_text(&status) });
            return Ok(());
        }
        ReplicationCommand::Pause => ReplicationSettings { paused: Some(true), lag_seconds: None },
        ReplicationCommand::Resume => ReplicationSettings { paused: Some(false), lag_seconds: None },
        ReplicationCommand::Lag { seconds } if seconds.is_finite() && *seconds >= 0.0 => {
            ReplicationSettings { paused: None, lag_seconds: Some(*seconds) }
        }
        ReplicationCommand::Lag { .. } => return Err(usage("the lag must be 0 or more seconds")),
    };
    out!("{}", replication_text(&admin.set_replication(settings).await?));
    Ok(())
}

fn replication_text(status: &ReplicationStatus) -> String {
    let held = match (status.paused, status.held_for.as_slice()) {
        (true, _) => String::from("paused"),
        (false, []) => String::from("running"),
        (false, regions) => format!("held, because {} cannot be reached", regions.join(" and ")),
    };
    let mut text = format!("replication is {held}, with a lag of {} s\n", status.lag_seconds);
    text += &format!("{} changes replicated, {} not yet", status.replicated, status.pending.len());
    text +=
        &if status.failed.is_empty() { String::from("\n") } else { format!(", {} given up\n", status.failed.len()) };
    if !status.pending.is_empty() {
        let row = |change: &tandem_local::admin::PendingChange| {
            let age = format!("{:.1} s", change.age_seconds);
            vec![change.change.clone(), change.missing_in.clone(), age, one_line(&change.key)]
        };
        let rows: Vec<_> = status.pending.iter().take(LISTED).map(row).collect();
        text += &table(&["CHANGE", "NOT IN", "AGE", "KEY"], &rows);
    }
    text
}

/// Takes a routing endpoint away or gives it back, or says how all are.
///
/// # Errors
/// As [`region`].
pub async fn arc(command: &ArcCommand, which: &Which) -> anyhow::Result<()> {
    let state = local(which, "the endpoints are ARC's own; `tandem failover` uses whichever answers")?;
    if state.options.routing == RoutingMode::Dns {
        return Err(usage(
            "these Regions run in routing mode dns, without ARC: `tandem local up --routing arc` has endpoints",
        ));
    }
    let admin = Admin::new(&state);
    let (region, available) = match command {
        ArcCommand::Status(Json { json }) => {
            let status = admin.arc().await?;
            out!("{}", if *json { line(&status)? } else { arc_text(&status.controls, &status.endpoints) });
            return Ok(());
        }
        ArcCommand::DisableEndpoint { region } => (region, false),
        ArcCommand::EnableEndpoint { region } => (region, true),
    };
    known(region, &arc::ENDPOINT_REGIONS)?;
    let status = admin.set_arc_endpoint(region, available).await?;
    out!("{}", arc_text(&status.controls, &status.endpoints));
    Ok(())
}

fn arc_text(controls: &BTreeMap<String, bool>, endpoints: &BTreeMap<String, bool>) -> String {
    let control = |(region, on): (&String, &bool)| format!("control of {region}: {}\n", if *on { "On" } else { "Off" });
    let endpoint = |(region, there): (&String, &bool)| {
        format!("endpoint in {region}: {}\n", if *there { "there" } else { "taken away" })
    };
    controls.iter().map(control).chain(endpoints.iter().map(endpoint)).collect()
}

/// The local Regions; on AWS these commands have nothing to act on, and `instead` says what is there.
fn local(which: &Which, instead: &str) -> anyhow::Result<LocalState> {
    if which.target == Target::Aws {
        return Err(usage(format!(
            "this works on the local Regions only, because it acts on the edge before them; on AWS {instead}"
        )));
    }
    which.local().ok_or_else(|| which.not_running().into())
}

fn known(name: &str, all: &[impl AsRef<str>]) -> anyhow::Result<()> {
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    if all.contains(&name) { Ok(()) } else { Err(usage(format!("{name:?} is none of {}", all.join(", ")))) }
}

fn either(state: &LocalState) -> String {
    state.regions.join(" or ")
}

fn line(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string(value)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Status, status_of};

    fn on_aws() -> Which {
        Which { target: Target::Aws, suffix: None, region: None, project_dir: None }
    }

    #[tokio::test]
    async fn on_aws_each_of_them_is_wrong_use_and_says_why() {
        let which = on_aws();
        let name = String::from("us-east-1");
        let errors = [
            region(&RegionCommand::Isolate { name: name.clone() }, &which).await.unwrap_err(),
            function(&FunctionCommand::Freeze(FunctionArgs { name: name.clone() }), &which).await.unwrap_err(),
            replication(&ReplicationCommand::Pause, &which).await.unwrap_err(),
            arc(&ArcCommand::DisableEndpoint { region: name }, &which).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(status_of(&error), Status::Usage);
            assert!(error.to_string().contains("on AWS"), "{error}");
        }
    }

    #[test]
    fn a_name_that_is_none_of_those_there_are_is_refused_with_all_of_them() {
        assert!(known("us-east-1", &["us-east-1", "us-west-2"]).is_ok());
        let error = known("mars", &["us-east-1", "us-west-2"]).unwrap_err();
        assert!(error.to_string().contains("us-east-1, us-west-2"), "{error}");
    }

    #[test]
    fn replication_that_is_held_says_for_which_region() {
        let mut status = ReplicationStatus { held_for: vec!["us-east-1".into()], ..ReplicationStatus::default() };
        assert!(replication_text(&status).contains("because us-east-1 cannot be reached"));
        status.held_for.clear();
        assert!(replication_text(&status).contains("running"));
    }
}
