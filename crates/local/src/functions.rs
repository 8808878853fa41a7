//! The processes that a function runs in: found, frozen, thawed, killed.
//!
//! The emulator runs each function as processes of its own process group, which carry the function's name and Region in
//! their environment. A frozen process keeps its place: the emulator may give it the next invocation, which then waits until
//! it is thawed or runs out of time, or may start another process, which is not frozen. After its function's time-out a frozen
//! process is ended by the emulator, as Lambda would. The invocation of a killed process ends as an error.
//!
//! Needs `/proc`, so it works on Linux only.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, getpgid, kill_process};

use crate::state::LocalState;

/// Stops a function's processes in a Region where they stand; those that are stopped stay so. Gives their numbers.
///
/// # Errors
/// The function has no process there; likewise for the others.
pub fn freeze(state: &LocalState, function: &str, region: &str) -> anyhow::Result<Vec<u32>> {
    signal(state, function, region, Signal::STOP)
}

/// Lets a function's processes in a Region go on; those that run do so anyway. Gives their numbers.
///
/// # Errors
/// The function has no process there.
pub fn thaw(state: &LocalState, function: &str, region: &str) -> anyhow::Result<Vec<u32>> {
    signal(state, function, region, Signal::CONT)
}

/// Kills a function's processes in a Region, frozen or not. Gives what their numbers were.
///
/// # Errors
/// The function has no process there.
pub fn kill(state: &LocalState, function: &str, region: &str) -> anyhow::Result<Vec<u32>> {
    signal(state, function, region, Signal::KILL)
}

/// The processes of a function in a Region, with none if it has none. The function is named in full
/// (`tandem-local-deliver`) or in short (`deliver`).
///
/// # Errors
/// The Regions don't run, or there is no `/proc`.
pub fn processes(state: &LocalState, function: &str, region: &str) -> anyhow::Result<Vec<u32>> {
    let emulator = state.emulator.as_ref().filter(|emulator| emulator.is_alive());
    let emulator = emulator.context("the local Regions don't run: start them with `tandem local up`")?;
    let full = full_name(state, function);
    in_group(Path::new("/proc"), emulator.pid, &full, region)
}

/// The functions that have a frozen process, by Region and in short.
///
/// # Errors
/// As [`processes`].
pub fn frozen(state: &LocalState) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let emulator = state.emulator.as_ref().filter(|emulator| emulator.is_alive());
    let emulator = emulator.context("the local Regions don't run: start them with `tandem local up`")?;
    let mut frozen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let stopped = members(Path::new("/proc"), emulator.pid)?;
    for environment in stopped.filter(|(number, _)| is_stopped(*number)).map(|(_, environment)| environment) {
        let (name, region) = (value(&environment, "AWS_LAMBDA_FUNCTION_NAME"), value(&environment, "AWS_REGION"));
        let Some((name, region)) = name.zip(region) else { continue };
        let names = frozen.entry(region).or_default();
        names.push(name.trim_start_matches(&full_name(state, "")).to_owned());
        names.sort();
        names.dedup();
    }
    Ok(frozen)
}

/// Whether a process stands still because somebody stopped it.
fn is_stopped(number: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
}

fn value(environment: &[u8], name: &str) -> Option<String> {
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
    variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

fn signal(state: &LocalState, function: &str, region: &str, signal: Signal) -> anyhow::Result<Vec<u32>> {
    ensure!(
        state.regions.iter().any(|known| known == region),
        "{region:?} is none of the local Regions, which are {}",
        state.regions.join(" and ")
    );
    let mut signalled = processes(state, function, region)?;
    signalled.retain(|process| send(*process, signal));
    if signalled.is_empty() {
        bail!(
            "{} has no process in {region}: it has not run there yet, or its processes have ended",
            full_name(state, function)
        );
    }
    Ok(signalled)
}

/// Whether the process was still there.
fn send(process: u32, signal: Signal) -> bool {
    i32::try_from(process).ok().and_then(Pid::from_raw).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

fn full_name(state: &LocalState, function: &str) -> String {
    let prefix = format!("tandem-{}-", state.suffix);
    if function.starts_with(&prefix) { function.to_owned() } else { format!("{prefix}{function}") }
}

/// The processes of a group, its leader apart, whose environment names this function and this Region.
fn in_group(proc: &Path, leader: u32, function: &str, region: &str) -> anyhow::Result<Vec<u32>> {
    let members = members(proc, leader)?.filter(|(_, environment)| is_of(environment, function, region));
    let mut found: Vec<u32> = members.map(|(number, _)| number).collect();
    found.sort_unstable();
    Ok(found)
}

/// The processes of a group, its leader apart, with their environments.
fn members(proc: &Path, leader: u32) -> anyhow::Result<impl Iterator<Item = (u32, Vec<u8>)>> {
    let proc = proc.to_owned();
    let group = i32::try_from(leader).ok().and_then(Pid::from_raw);
    let listing = std::fs::read_dir(&proc).context("the processes can't be listed: this needs /proc, that is Linux")?;
    let numbers = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let in_group = numbers.filter(move |number| *number != leader).filter(move |number| {
        let pid = i32::try_from(*number).ok().and_then(Pid::from_raw);
        pid.is_some() && pid.and_then(|pid| getpgid(Some(pid)).ok()) == group
    });
    // One that ended meanwhile has no environment, nor has a zombie.
    Ok(in_group
        .map(move |number| (number, std::fs::read(proc.join(number.to_string()).join("environ")).unwrap_or_default())))
}

/// Whether an environment is that of this function in this Region.
fn is_of(environment: &[u8], function: &str, region: &str) -> bool {
    let has = |wanted: String| environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
    has(format!("AWS_LAMBDA_FUNCTION_NAME={function}")) && has(format!("AWS_REGION={region}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Stdio;

    use super::*;
    use crate::options::Options;
    use crate::process::ProcessId;
    use tokio::io::AsyncBufReadExt;

    /// A group like the emulator's: a leader, and two functions under it in two Regions.
    const GROUP: &str = r#"
        for region in us-east-1 us-west-2; do
            AWS_LAMBDA_FUNCTION_NAME=tandem-local-deliver AWS_REGION=$region sleep 600 &
            echo $!
        done
        AWS_LAMBDA_FUNCTION_NAME=tandem-local-deliver-not AWS_REGION=us-east-1 sleep 600 &
        echo ready
        wait"#;

    struct Group {
        _leader: tokio::process::Child,
        state: LocalState,
        functions: Vec<u32>,
    }

    async fn group() -> Group {
        let mut leader = tokio::process::Command::new("sh");
        leader.args(["-c", GROUP]).process_group(0).stdout(Stdio::piped());
        let mut leader = leader.spawn().unwrap();
        let mut lines = tokio::io::BufReader::new(leader.stdout.take().unwrap()).lines();
        let mut functions = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| line != "ready") {
            functions.push(line.parse().unwrap());
        }
        let mut state = LocalState::starting(&Options::new("/nowhere"), ProcessId::of(std::process::id()).unwrap());
        state.emulator = ProcessId::of(leader.id().unwrap());
        // The child's environment is its own only once it runs its program.
        while processes(&state, "deliver-not", "us-east-1").unwrap().is_empty()
            || processes(&state, "deliver", "us-east-1").unwrap().is_empty()
            || processes(&state, "deliver", "us-west-2").unwrap().is_empty()
        {
            tokio::task::yield_now().await;
        }
        Group { _leader: leader, state, functions }
    }

    /// Also when the test fails: nothing of it may stay.
    impl Drop for Group {
        fn drop(&mut self) {
            if let Some(leader) = self.state.emulator.take() {
                leader.kill_group();
            }
        }
    }

    /// The state of a process as the system names it: `S` sleeps, `T` is stopped; `Z` is dead, whether or not its parent has
    /// looked yet.
    fn letter(process: u32) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
        stat.map_or_else(|_| String::from("Z"), |stat| stat.rsplit_once(") ").unwrap().1[..1].to_owned())
    }

    async fn becomes(process: u32, wanted: &str) {
        while letter(process) != wanted {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_function_is_frozen_thawed_and_killed_in_its_region_only() {
        let group = group().await;
        let (east, west) = (group.functions[0], group.functions[1]);
        for _ in 0..2 {
            assert_eq!(freeze(&group.state, "deliver", "us-east-1").unwrap(), [east]);
            becomes(east, "T").await;
        }
        let one = BTreeMap::from([(String::from("us-east-1"), vec![String::from("deliver")])]);
        assert_eq!(frozen(&group.state).unwrap(), one);
        becomes(west, "S").await;
        assert_eq!(thaw(&group.state, "tandem-local-deliver", "us-east-1").unwrap(), [east]);
        becomes(east, "S").await;
        freeze(&group.state, "deliver", "us-east-1").unwrap();
        assert_eq!(kill(&group.state, "deliver", "us-east-1").unwrap(), [east]);
        becomes(east, "Z").await;
        let error = freeze(&group.state, "deliver", "us-east-1").unwrap_err().to_string();
        assert!(error.contains("has not run there yet"), "{error}");
        becomes(west, "S").await;
    }

    #[test]
    fn a_function_that_never_ran_and_regions_that_do_not_are_told_apart() {
        let mut state = LocalState::starting(&Options::new("/nowhere"), ProcessId::of(std::process::id()).unwrap());
        let error = |state: &LocalState, region| kill(state, "split", region).unwrap_err().to_string();
        assert!(error(&state, "us-east-1").contains("don't run"));
        state.emulator = Some(state.edge.clone());
        assert!(error(&state, "us-east-1").contains("tandem-local-split has no process in us-east-1"));
        assert!(error(&state, "eu-west-1").contains("us-east-1 and us-west-2"));
    }
}
