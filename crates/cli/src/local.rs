//! `tandem local`: two Regions on this machine.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use tandem_local::admin::Uploads;
use tandem_local::{LocalState, LocalStatus, Options, RoutingMode, Stage, StageProgress, Started};

use crate::console;
use crate::deployment::{Target, Which};
use crate::exit::{Interrupted, Unreachable, usage};

/// Subcommands of `local`.
#[derive(Debug, Clone, Subcommand)]
pub enum LocalCommand {
    /// Start the two Regions and deploy to them; running it again changes nothing
    #[command(after_help = "\
Needs the functions built for this machine: scripts/demo.sh does that, and everything else, from a fresh clone.
State, logs and the Python environment are under .tandem/ in the project.

Examples:
  tandem local up             runs until Ctrl-C, with the console beside it
  tandem local up --detach    returns once they can be used; end them with `tandem local down`")]
    Up(UpArgs),
    /// Say whether they run, and where; exit status 4 if they do not
    #[command(after_help = "Example:\n  tandem local status --json")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop the two Regions
    #[command(after_help = "Example:\n  tandem local down")]
    Down,
    /// Install the Python environment that they need, under .tandem/, and start nothing
    #[command(after_help = "Example:\n  tandem local prepare")]
    Prepare,
    /// Run them detached; called by `up --detach`
    #[command(hide = true)]
    Serve {
        /// Options as JSON
        options: String,
    },
}

/// Arguments of `local up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Return once they can be used, and leave them running
    #[arg(long)]
    pub detach: bool,
    /// Do not serve the console beside them; with --detach it is not served anyway
    #[arg(long)]
    pub no_console: bool,
    /// Port of the console [default: 4614, or any free one if that is taken]
    #[arg(long, value_name = "PORT", conflicts_with = "no_console")]
    pub console_port: Option<u16>,
    /// Port of the edge, the endpoint of every call [default: 4610]
    #[arg(long, value_name = "PORT")]
    pub edge_port: Option<u16>,
    /// Port of the emulator behind it [default: 4611]
    #[arg(long, value_name = "PORT")]
    pub emulator_port: Option<u16>,
    /// Port of the DNS answers, UDP and TCP [default: 4612]
    #[arg(long, value_name = "PORT")]
    pub dns_port: Option<u16>,
    /// Seconds between a write to a bucket and its replica in the other Region [default: 1]
    #[arg(long, value_name = "SECONDS")]
    pub replication_lag: Option<f64>,
    /// Files that may be under way at once, more than these wait: the emulator is one busy process [default: 6]
    #[arg(long, value_name = "FILES", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub files_at_once: Option<u16>,
    /// How the active Region is set: arc, by ARC's routing controls, or dns, by changing the TXT record [default: arc]
    #[arg(long, value_name = "MODE", value_parser = ["arc", "dns"])]
    pub routing: Option<String>,
    /// Seconds for which the answer about the active Region may be cached [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub txt_ttl: Option<u32>,
    /// Seconds after its fence within which a delivery may send its e-mail [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub mail_lease: Option<u32>,
    /// Seconds for which a batch that is being delivered is not taken over [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub takeover_grace: Option<u32>,
}

impl UpArgs {
    fn options(&self, which: &Which) -> anyhow::Result<Options> {
        let root = which.root();
        let root = root.canonicalize().with_context(|| format!("cannot read {}", root.display()))?;
        let mut options = Options::new(root);
        options.edge_port = self.edge_port.unwrap_or(options.edge_port);
        options.emulator_port = self.emulator_port.unwrap_or(options.emulator_port);
        options.dns_port = self.dns_port.unwrap_or(options.dns_port);
        options.files_at_once = self.files_at_once.map_or(options.files_at_once, usize::from);
        if let Some(routing) = &self.routing {
            options.routing = routing.parse::<RoutingMode>().map_err(usage)?;
        }
        options.txt_ttl_seconds = self.txt_ttl.unwrap_or(options.txt_ttl_seconds);
        options.mail_lease_seconds = self.mail_lease.unwrap_or(options.mail_lease_seconds);
        options.takeover_grace_seconds = self.takeover_grace.unwrap_or(options.takeover_grace_seconds);
        if let Some(suffix) = &which.suffix {
            options.suffix.clone_from(suffix);
        }
        if let Some(lag) = self.replication_lag {
            if !lag.is_finite() || lag < 0.0 {
                return Err(usage("--replication-lag must be 0 or more seconds"));
            }
            options.replication_lag_seconds = lag;
        }
        Ok(options)
    }
}

/// Does what was asked for.
///
/// # Errors
/// When the Regions cannot be started or asked; the message says what to do or where to look.
pub async fn run(command: &LocalCommand, which: &Which) -> anyhow::Result<()> {
    if which.target == Target::Aws {
        return Err(usage("`tandem local` is about the local Regions: leave --target aws out"));
    }
    // The one that serves was told which project it is for.
    let served = matches!(command, LocalCommand::Serve { .. });
    if let Some(why) = which.no_project().filter(|_| !served) {
        return Err(usage(why));
    }
    match command {
        LocalCommand::Up(args) => up(args, which).await,
        LocalCommand::Status { json } => status(*json, which).await,
        LocalCommand::Down => down(which).await,
        LocalCommand::Prepare => prepare(which).await,
        LocalCommand::Serve { options } => tandem_local::serve(options).await,
    }
}

async fn up(args: &UpArgs, which: &Which) -> anyhow::Result<()> {
    let options = args.options(which)?;
    let started = if args.detach {
        Some(tandem_local::up_detached(&options, &show).await.map_err(interrupted)?)
    } else {
        foreground(args, &options, which).await?
    };
    match started {
        Some(Started::Now(state)) => {
            outln!("{}\nEnd them with `tandem local down`. See them with `tandem console`.", running(&state));
        }
        Some(Started::Already(state)) => outln!("They ran already. {}", running(&state)),
        None => outln!("The local Regions have ended."),
    }
    Ok(())
}

/// Runs them here and, once they can be used, serves the console beside them.
async fn foreground(args: &UpArgs, options: &Options, which: &Which) -> anyhow::Result<Option<Started>> {
    let (ready, are_ready) = tokio::sync::oneshot::channel();
    let regions = tandem_local::up_foreground(options, &show, |state| {
        outln!("{}\nEnd them with Ctrl-C.", running(state));
        // Nobody waits for it if the console is left out.
        let _unheard = ready.send(());
    });
    let page = async {
        if are_ready.await.is_ok() && !args.no_console {
            console::beside(args.console_port, which).await;
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        ended = regions => ended,
        never = page => match never {},
    }
}

/// Ctrl-C gives this command's own exit status.
fn interrupted(error: anyhow::Error) -> anyhow::Error {
    if error.is::<tandem_local::Interrupted>() { Interrupted.into() } else { error }
}

fn running(state: &LocalState) -> String {
    let [primary, standby] = &state.regions;
    format!("The local Regions {primary} and {standby} run at {}.", state.endpoint())
}

/// Shows one stage on standard error, once it is over.
pub fn show(stage: Stage) {
    match stage.progress {
        StageProgress::Done { milliseconds } => {
            errln!("{:8.2} s  {}", Duration::from_millis(milliseconds).as_secs_f64(), stage.name);
        }
        StageProgress::Skipped => errln!("      same  {}", stage.name),
        StageProgress::Failed => errln!("    FAILED  {}", stage.name),
        _ => {}
    }
}

async fn status(json: bool, which: &Which) -> anyhow::Result<()> {
    let status = tandem_local::status(&which.root()).await?;
    if json {
        outln!("{}", serde_json::to_string(&status)?);
    } else {
        out!("{}", text(&status));
    }
    if status.healthy {
        return Ok(());
    }
    let remedy = if status.running { "see the logs in .tandem/logs" } else { "start them with `tandem local up`" };
    Err(Unreachable(format!("the local Regions are not ready: {remedy}")).into())
}

fn text(status: &LocalStatus) -> String {
    let Some(state) = status.state.as_ref().filter(|_| status.running) else {
        return String::from("The local Regions do not run.\n");
    };
    let answers = |healthy: bool| if healthy { "answers" } else { "does not answer" };
    let uploads = status.edge.as_ref().map(|edge| &edge.uploads).filter(|uploads| uploads.waiting > 0);
    let uploads = uploads.map(|uploads| {
        let Uploads { waiting, under_way, at_once, .. } = uploads;
        format!("uploads   {waiting} wait: {under_way} files are under way, {at_once} may be\n")
    });
    let lines = [
        running(state),
        format!("edge      {} {}", state.endpoint(), answers(status.edge.is_some())),
        format!("emulator  {}", answers(status.emulator_healthy)),
        format!("DNS       {}", state.dns()),
    ];
    lines.map(|line| line + "\n").concat() + &uploads.unwrap_or_default()
}

async fn prepare(which: &Which) -> anyhow::Result<()> {
    let installed = tandem_local::prepare(&which.root()).await.map_err(interrupted)?;
    outln!("{}", if installed { "The Python environment was installed." } else { "The Python environment is there." });
    Ok(())
}

async fn down(which: &Which) -> anyhow::Result<()> {
    let ended = tandem_local::down(&which.root()).await?;
    outln!("{}", if ended { "The local Regions have ended." } else { "The local Regions did not run." });
    Ok(())
}
