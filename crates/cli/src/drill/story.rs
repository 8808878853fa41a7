//! The story of a drill, from the first file to the last check. What fails in it fails a check, wherever the story can go on.

use std::time::{Duration, Instant};

use tandem_local::admin::RegionState;

use super::files::Put;
use super::operator::Answer;
use super::report::{Check, Report};
use super::{Drill, emails};

/// Files uploaded before the strike.
const BEFORE: usize = 3;
/// Files uploaded during it; after the failover where uploads are cut off until then.
const DURING: usize = 2;
/// How slow the Region is made before it is struck, so that its files are half way when it is.
const SUFFERING: RegionState = RegionState::Slow { milliseconds: 1_000 };

impl Drill {
    /// The whole story; with what it has shown, whether all files had ended in time.
    pub async fn tell(&self) -> anyhow::Result<(Report, bool)> {
        let (experiment, begun) = (self.args.experiment, Instant::now());
        self.operator.say(&format!("{experiment}: {}", experiment.does()));
        let undisturbed = self.files.prepare().await?;
        let mut puts = self.before().await?;
        self.operator.say(&format!("{} is struck", self.lost));
        let earlier = self.struck().strike(experiment).await?;
        if experiment.takes_uploads() {
            puts.extend(self.files.put(DURING, "during").await?);
        }
        let failover = self.act().await?;
        let evidence = match &failover {
            Some(_) => self.struck().evidence(experiment, earlier).await?,
            None => self.struck().hold(experiment, earlier, Duration::from_secs(self.args.hold)).await?,
        };
        let taken_over = failover.as_ref().is_some_and(Answer::tells_success);
        if taken_over {
            puts.extend(self.files.put(1, "after").await?);
        }
        self.operator.say(&format!("{} is mended", self.lost));
        self.struck().mend().await?;
        let settled = self.files.settle(&puts, Duration::from_secs(self.args.timeout)).await;
        let mut checks = vec![Check::of_strike(experiment, &evidence)];
        checks.extend(failover.iter().map(|answer| Check::of_failover(answer, &self.left)));
        checks.extend(self.judge(&puts, &undisturbed).await?);
        // What is stuck would be waited for once more; who looks into it finds it where it is.
        if taken_over && settled {
            self.operator.say("back to where it was");
            checks.push(Check::of_return(&self.failover(&self.lost).await?, &self.lost));
        }
        let failover = failover.map(|answer| answer.told);
        Ok((Report::new(experiment, (&self.lost, &self.left), begun.elapsed(), failover, checks), settled))
    }

    /// Files that the strike finds half way, where there is something to take over.
    async fn before(&self) -> anyhow::Result<Vec<Put>> {
        let slowly = self.args.experiment.fails_over();
        if slowly {
            self.operator.say(&format!("{} begins to suffer, so that the strike finds files half way", self.lost));
            self.admin.set_region(&self.lost, SUFFERING).await?;
        }
        let puts = self.files.put(BEFORE, "before").await?;
        if slowly {
            self.files.await_claims(&puts).await?;
        }
        Ok(puts)
    }

    /// What the runbook says: to fail over, or to do nothing for a while.
    async fn act(&self) -> anyhow::Result<Option<Answer>> {
        if self.args.experiment.fails_over() {
            return self.failover(&self.left).await.map(Some);
        }
        self.operator.say(&format!("nobody does anything for {} s", self.args.hold));
        Ok(None)
    }

    async fn failover(&self, to: &str) -> anyhow::Result<Answer> {
        let timeout = self.args.timeout.to_string();
        self.operator.answer(&["failover", "--to", to, "--json", "--timeout", &timeout]).await
    }

    /// What is promised, of each file and of what is left.
    async fn judge(&self, puts: &[Put], undisturbed: &[u8]) -> anyhow::Result<Vec<Check>> {
        let mut checks = self.files.judge(puts, undisturbed).await;
        checks.push(match emails::told(puts, &self.state, &self.deployment).await {
            Ok(told) => Check::of_emails(&told),
            Err(error) => Check::of_silence("each file was announced by one e-mail", &error),
        });
        checks.push(Check::of_replay(&self.operator.answer(&["replay", "--json"]).await?));
        checks.push(Check::of_reconcile(&self.operator.answer(&["reconcile", "--json"]).await?));
        Ok(checks)
    }
}
