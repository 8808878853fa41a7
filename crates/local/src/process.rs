//! Processes by identity: a number alone may have been given to another process since.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};

/// A process that was ours when this was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// When it started, in the words of the system: what tells it from a later process with the same number.
    pub started: String,
}

impl ProcessId {
    /// The identity of a running process; `None` if there is none with that number.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        started(pid).map(|started| Self { pid, started })
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.started)
    }

    /// Ends this very process: asks first, then forces after `patience`. Does nothing if it is gone.
    pub async fn end(&self, patience: Duration) {
        if !self.is_alive() {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = tokio::time::Instant::now() + patience;
        while self.is_alive() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self.is_alive() {
            self.signal(Signal::KILL);
        }
    }

    /// Ends this very process and then the group that it leads: what it left behind, such as functions in the middle of an
    /// invocation. Does nothing if it is gone.
    pub async fn end_group(&self, patience: Duration) {
        if !self.is_alive() {
            return;
        }
        self.end(patience).await;
        self.kill_group();
    }

    /// Ends what is left of the group that this process led. Only for a child that has just ended: later its number may
    /// belong to others.
    pub fn kill_group(&self) {
        if let Some(group) = self.raw().filter(|group| test_kill_process_group(*group).is_ok()) {
            let _gone_meanwhile = kill_process_group(group, Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.raw() {
            let _gone_meanwhile = kill_process(pid, signal);
        }
    }

    fn raw(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// When a process started; a zombie counts as gone.
fn started(pid: u32) -> Option<String> {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The name in parentheses may itself hold blanks and parentheses, so the fields are counted after the last one.
        Ok(stat) => {
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            (*fields.first()? != "Z").then(|| fields.get(19).map(|ticks| (*ticks).to_owned()))?
        }
        Err(_) if std::path::Path::new("/proc/self/stat").exists() => None,
        Err(_) => started_by_ps(pid),
    }
}

/// The same on systems without /proc.
fn started_by_ps(pid: u32) -> Option<String> {
    let output =
        std::process::Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, started) = text.split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tokio::io::AsyncBufReadExt;

    #[test]
    fn a_number_that_now_belongs_to_another_process_is_not_ours() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        let earlier = ProcessId { started: "before".to_owned(), ..me };
        assert!(!earlier.is_alive());
    }

    #[tokio::test]
    async fn ending_takes_the_whole_group_down() {
        let script = "trap '' TERM; sleep 600 & echo $!; wait";
        let mut leader = tokio::process::Command::new("sh");
        let mut leader =
            leader.args(["-c", script]).process_group(0).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        tokio::io::BufReader::new(leader.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let member = ProcessId::of(line.trim().parse().unwrap()).unwrap();
        let process = ProcessId::of(leader.id().unwrap()).unwrap();
        process.end_group(Duration::from_millis(200)).await;
        leader.wait().await.unwrap();
        assert!(!process.is_alive());
        while member.is_alive() {
            tokio::task::yield_now().await;
        }
    }
}
