//! `tandem failover`: lets a Region take over, with the very runbook that Systems Manager would run.
//!
//! Everything happens through functions of the Region that takes over: neither Systems Manager nor the other Region is
//! needed. Every step sets a state, so it may be run again at any time, on this machine one run
//! at a time. A run from another machine is not known of: whoever sets the Region last decides, and the other run says so.

mod follow;
mod live;
mod lock;
mod outcome;
mod story;
mod takeover;

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tandem_local::LocalState;
use tandem_local::admin::{Admin, RegionState};

pub use self::follow::{Followed, Follower, Passes, until_ended};
pub use self::live::note;
use self::live::{Live, Shown};
pub use self::outcome::Outcome;
pub use self::takeover::{Begun, Takeover};
use crate::deployment::{Deployment, Target, Which};
use crate::exit::{Interrupted, interruption, usage};

/// By what local pauses are shortened: what takes minutes on AWS takes seconds here.
const LOCAL_PACE: f64 = 0.05;

/// Arguments of `failover`.
#[derive(Debug, Clone, Args)]
pub struct FailoverArgs {
    /// Region that takes over [default: on AWS that of --region or your profile; locally the one that is not isolated]
    #[arg(long, value_name = "REGION")]
    pub to: Option<String>,
    /// Print one JSON object about the run
    #[arg(long)]
    pub json: bool,
    /// Multiply the runbook's pauses by this [default: 1 on AWS, 0.05 on the local Regions]
    #[arg(long, value_name = "FACTOR")]
    pub pace: Option<f64>,
    /// Do not ask before it begins; without a terminal this is needed on AWS, and the local Regions never ask
    #[arg(long, short)]
    pub yes: bool,
    /// Do not wait for the batches that were taken over
    #[arg(long)]
    pub no_wait: bool,
    /// Give up waiting for them after so many seconds; they go on
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
}

/// Fails over, and says what came of it.
///
/// # Errors
/// When a critical step failed, or the batches that were taken over did not all end in time; see [`crate::exit`].
pub async fn run(args: &FailoverArgs, which: &Which) -> anyhow::Result<()> {
    let (deployment, outcome, begun) = tokio::select! {
        done = fail_over(args, which) => done?,
        () = interruption() => {
            errln!("Nothing toggles: give the same command again, and it goes on from wherever this one was.");
            return Err(Interrupted.into());
        }
    };
    conclude(args, &deployment, outcome, begun).await
}

/// Runs the runbook.
async fn fail_over(args: &FailoverArgs, which: &Which) -> anyhow::Result<(Deployment, Outcome, Begun)> {
    let local = which.local();
    let asked = target(args, which, local.as_ref()).await?;
    let deployment = which.find_in(asked.as_deref()).await?;
    let to = asked.unwrap_or_else(|| deployment.region().to_owned());
    if !deployment.regions().contains(&to) {
        return Err(usage(format!("{to:?} is none of {}", deployment.regions().join(" and "))));
    }
    let pace = pace(args.pace, local.is_some())?;
    if asks(args.yes, local.is_some(), io::stdin().is_terminal() && io::stderr().is_terminal())? {
        confirm(&deployment, &to).await?;
    }
    let takeover = Takeover::prepare(which, &deployment, &to, pace).await?;
    errln!("{to} takes over, run {}", takeover.run_id());
    if pace != 1.0 {
        errln!("the runbook's pauses are multiplied by {pace}");
    }
    let begun = Begun::now(pace);
    let outcome = takeover.run(begun, &Live::new(begun.instant)).await?;
    Ok((deployment, outcome, begun))
}

/// Follows what was taken over, prints, and answers with the error that decides the exit status.
async fn conclude(
    args: &FailoverArgs,
    deployment: &Deployment,
    mut outcome: Outcome,
    begun: Begun,
) -> anyhow::Result<()> {
    let mut waited = Ok(());
    if !args.no_wait {
        let (records, patience) = (deployment.records(), Duration::from_secs(args.timeout));
        let passes = Passes::of(deployment, outcome.region(), begun);
        let shown = Shown::new();
        waited = tokio::select! {
            waited = until_ended(&records, &mut outcome.followed, begun, patience, (&passes, &shown)) => waited,
            () = interruption() => Err(Interrupted.into()),
        };
    }
    if args.json {
        outln!("{}", outcome.json());
    } else {
        out!("{}", outcome.text());
    }
    match outcome.failure() {
        Some(failure) => anyhow::bail!("{failure}"),
        None => waited,
    }
}

/// The Region that is to take over; `None` for the one that the command talks to first on AWS.
///
/// Never "the other one": giving the command twice must end in the same place.
async fn target(args: &FailoverArgs, which: &Which, local: Option<&LocalState>) -> anyhow::Result<Option<String>> {
    if let Some(named) = args.to.as_ref().or(which.region.as_ref()) {
        return Ok(Some(named.clone()));
    }
    let Some(state) = local else {
        return if which.target == Target::Local { Err(which.not_running().into()) } else { Ok(None) };
    };
    let regions = Admin::new(state).regions().await?;
    let isolated: Vec<&String> = state
        .regions
        .iter()
        .filter(|region| regions.get(*region).is_some_and(|status| status.state == RegionState::Isolated))
        .collect();
    not_isolated(&state.regions, &isolated).map(Some)
}

fn not_isolated(regions: &[String; 2], isolated: &[&String]) -> anyhow::Result<String> {
    let names = regions.join(" or --to ");
    match isolated {
        [lost] => Ok(regions.iter().find(|region| region != lost).unwrap_or(&regions[0]).clone()),
        [] => Err(usage(format!("no Region is isolated, so name the one that is to take over: --to {names}"))),
        _ => Err(usage(format!("both Regions are isolated: heal one, and name it: --to {names}"))),
    }
}

/// Whether somebody must say yes first.
fn asks(yes: bool, local: bool, terminal: bool) -> anyhow::Result<bool> {
    if yes || local {
        return Ok(false);
    }
    if terminal {
        return Ok(true);
    }
    Err(usage("a failover on AWS asks first, and there is no terminal to ask on: give --yes"))
}

/// Asks once; whatever is not a yes changes nothing.
async fn confirm(deployment: &Deployment, to: &str) -> anyhow::Result<()> {
    let other = deployment.regions().iter().find(|region| *region != to).map_or("", String::as_str);
    let function = deployment.function("failover");
    err!("{to} takes over from {other}, on AWS, by the function {function}. Go on? [y/N] ");
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for one of its own until somebody presses Enter, Ctrl-C or not.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line).is_ok();
        tell.send(read && is_yes(&line))
    });
    if told.await.unwrap_or_default() {
        return Ok(());
    }
    Err(Interrupted).context("nothing was changed")
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The factor for pauses; as written on AWS, short on the local Regions, unless another one is named.
///
/// # Errors
/// When the named one is no factor.
pub fn pace(named: Option<f64>, local: bool) -> anyhow::Result<f64> {
    match named {
        Some(pace) if !pace.is_finite() || !(0.0..=1.0).contains(&pace) => Err(usage("--pace is a factor from 0 to 1")),
        Some(pace) => Ok(pace),
        None => Ok(if local { LOCAL_PACE } else { 1.0 }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Status, status_of};

    fn regions() -> [String; 2] {
        ["us-east-1", "us-west-2"].map(str::to_owned)
    }

    #[test]
    fn the_region_that_is_not_isolated_takes_over_and_without_one_it_must_be_named() {
        let [east, west] = regions();
        assert_eq!(not_isolated(&regions(), &[&east]).unwrap(), west);
        assert_eq!(not_isolated(&regions(), &[&west]).unwrap(), east);
        for isolated in [vec![], vec![&east, &west]] {
            let error = not_isolated(&regions(), &isolated).unwrap_err();
            assert_eq!(status_of(&error), Status::Usage);
            assert!(error.to_string().contains("--to us-east-1 or --to us-west-2"), "{error}");
        }
    }

    #[test]
    fn on_aws_somebody_is_asked_unless_it_was_said_before_and_without_a_terminal_nothing_begins() {
        assert!(asks(false, false, true).unwrap());
        for (yes, local, terminal) in
            [(true, false, true), (true, false, false), (false, true, true), (false, true, false)]
        {
            assert!(!asks(yes, local, terminal).unwrap());
        }
        let error = asks(false, false, false).unwrap_err();
        assert_eq!(status_of(&error), Status::Usage);
        assert!(error.to_string().contains("--yes"), "{error}");
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for line in ["y\n", " Yes\r\n", "YES"] {
            assert!(is_yes(line), "{line:?}");
        }
        for line in ["", "\n", "n\n", "yep\n", "us-west-2\n"] {
            assert!(!is_yes(line), "{line:?}");
        }
    }

    #[test]
    fn pauses_are_as_written_on_aws_and_short_on_the_local_regions() {
        assert_eq!(pace(None, false).unwrap(), 1.0);
        assert_eq!(pace(None, true).unwrap(), LOCAL_PACE);
        assert_eq!(pace(Some(0.5), false).unwrap(), 0.5);
        for wrong in [-1.0, 1.5, f64::NAN] {
            assert!(pace(Some(wrong), true).is_err());
        }
    }
}
