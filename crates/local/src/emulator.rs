//! The emulator's process: started with a clean environment, waited for, ended with the functions that it runs.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use crate::json_http;
use crate::options::{Options, Paths};
use crate::process::ProcessId;

/// How long it may take to answer; it usually takes well under a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to end before it is forced to.
pub const END_PATIENCE: Duration = Duration::from_secs(3);

/// A running emulator.
pub struct Emulator {
    child: Child,
    /// Its process.
    pub process: ProcessId,
}

impl Emulator {
    /// Starts it, and does not wait for it.
    ///
    /// # Errors
    /// Its port is taken, or it can't be started or ended at once.
    pub fn spawn(options: &Options) -> anyhow::Result<Self> {
        let port = options.emulator_port;
        TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("port {port} (emulator) is taken: choose another with --emulator-port"))?;
        let paths = options.paths();
        let child = spawn(options, &paths).context("the emulator can't be started")?;
        let process = child.id().and_then(ProcessId::of);
        let process =
            process.with_context(|| format!("the emulator ended at once{}", last_lines(&paths.emulator_log())))?;
        Ok(Self { child, process })
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// It ended, or it didn't answer in time; the message has the log's last lines.
    pub async fn answers(&mut self, options: &Options) -> anyhow::Result<()> {
        let log = options.paths().emulator_log();
        let url = format!("http://127.0.0.1:{}/_ministack/health", options.emulator_port);
        let answers = async {
            while json_http::get::<serde_json::Value>(&url).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            ended = self.child.wait() => bail!("the emulator ended at once ({}){}", ended?, last_lines(&log)),
            answered = tokio::time::timeout(PATIENCE, answers) => {
                answered.map_err(|_| anyhow::anyhow!("the emulator does not answer after {PATIENCE:?}{}", last_lines(&log)))
            }
        }
    }

    /// Waits until it ends, which it should not.
    pub async fn ended(&mut self) -> anyhow::Error {
        let status = self.child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        anyhow::anyhow!("the emulator ended unexpectedly ({status})")
    }

    /// Ends it and the functions that it runs.
    pub async fn end(mut self) {
        self.process.end(END_PATIENCE).await;
        let _ended = self.child.wait().await;
        // Also when it had ended by itself: a function that is frozen or busy would outlive it.
        self.process.kill_group();
    }
}

fn spawn(options: &Options, paths: &Paths) -> anyhow::Result<Child> {
    let run = paths.run();
    let scratch = run.join("tmp");
    std::fs::create_dir_all(&scratch)?;
    let log = File::create(paths.emulator_log())?;
    let mut command = Command::new(paths.venv_program("python"));
    clean(&mut command, options);
    Ok(command
        .args(["-m", "ministack"])
        .current_dir(&run)
        .env("AUTH", "true")
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", options.emulator_port.to_string())
        .env("MINISTACK_ACCOUNT_ID", &options.account)
        // Its own location: what an access point takes to be nearest.
        .env("MINISTACK_REGION", options.primary())
        .env("LAMBDA_EXECUTOR", "local")
        // Handed to every function: their calls pass the edge.
        .env("AWS_ENDPOINT_URL", options.endpoint())
        .env("TANDEM_DNS_SERVER", format!("127.0.0.1:{}", options.dns_port))
        .env("TMPDIR", &scratch)
        .env("STATE_DIR", run.join("state"))
        .env("S3_DATA_DIR", run.join("s3"))
        // These two would listen on all addresses, and neither is needed.
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        // It ends containers that it takes for its own; there is nothing of ours in Docker.
        .env("DOCKER_HOST", format!("unix://{}", run.join("no-docker.sock").display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A group of its own, with its functions: Ctrl-C is the supervisor's to answer, in its order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?)
}

/// The variables of this process's environment that no process of the local Regions may inherit: the user's settings for
/// AWS, Tandem and the emulator, and what would lead Python away from its own packages.
pub fn foreign_settings() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_foreign(&name.to_string_lossy()))
}

fn is_foreign(name: &str) -> bool {
    ["AWS_", "TANDEM_", "MINISTACK_"].iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "PYTHONPATH" | "PYTHONHOME")
}

/// Takes the user's settings out of a command's environment and puts the local account's in.
pub fn clean(command: &mut Command, options: &Options) {
    for name in foreign_settings() {
        command.env_remove(name);
    }
    command.envs(local_settings(options));
}

/// What a process of the local Regions is told of the account instead of the user's settings.
pub fn local_settings(options: &Options) -> [(&'static str, String); 7] {
    [
        ("AWS_ACCESS_KEY_ID", options.account.clone()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        // A proxy would never find 127.0.0.1.
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ("no_proxy", "127.0.0.1,localhost".to_owned()),
    ]
}

/// The end of a log, for a message; says where the rest is.
pub fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(12)..].join("\n  ");
    format!("; its log is {}, and ends with:\n  {tail}", log.display())
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn only_settings_that_would_reach_too_far_are_foreign() {
        for name in ["AWS_PROFILE", "TANDEM_PYTHON", "MINISTACK_REGION", "PYTHONPATH", "PYTHONHOME"] {
            assert!(is_foreign(name), "{name}");
        }
        for name in ["PATH", "HOME", "PYTHONUNBUFFERED", "PIP_INDEX_URL"] {
            assert!(!is_foreign(name), "{name}");
        }
    }
}
