//! `tandem destroy`.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use serde_json::json;
use tandem_deploy::aws::Aws;
use tandem_deploy::checks;
use tandem_deploy::destroy::{Destroyer, Reach, Survey};

use super::again::command_again;
use super::target::{Prepared, Target};
use super::{Common, Watch, wrong_configuration};
use crate::deployment::{Target as Asked, Which};
use crate::exit::usage;

/// What `--help` adds.
pub const HELP: &str = "\
Says what there is, how much is in the buckets, and what stays; asks for the suffix to be typed; then deletes the stacks in the \
reverse order and the buckets with every version in them. Tables of batches and reference records, and the queues of failed \
events, stay unless --delete-tables is given. Whatever is gone already is no error: after Ctrl-C the same command goes on.

Examples:
  tandem destroy --config my.toml
  tandem destroy --config my.toml --keep-data
  tandem destroy --local --yes --delete-tables";

/// Arguments of `destroy`.
#[derive(Debug, Clone, Args)]
pub struct DestroyArgs {
    #[command(flatten)]
    pub common: Common,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Leave the buckets and what is in them
    #[arg(long)]
    pub keep_data: bool,
    /// Delete the tables of batches and reference records and the queues of failed events too
    #[arg(long)]
    pub delete_tables: bool,
}

/// Takes a deployment away.
///
/// # Errors
/// Something can't be deleted; the message says what stands in the way.
pub async fn destroy(args: &DestroyArgs, which: &Which) -> anyhow::Result<()> {
    let target = Target::find(&args.common, which).await.map_err(wrong_configuration)?;
    let watch = Watch::default();
    let work = async {
        match &target {
            Target::Local(prepared, aws, state) => {
                if take_away(args, prepared, aws.as_ref(), &watch).await? {
                    tandem_local::deploy::forget(state).await?;
                }
                Ok(())
            }
            Target::Aws(prepared, aws) => take_away(args, prepared, aws, &watch).await.map(drop),
        }
    };
    watch.unless_interrupted(work).await
}

/// Whether anything was deleted.
async fn take_away(args: &DestroyArgs, prepared: &Prepared, aws: &impl Aws, watch: &Watch) -> anyhow::Result<bool> {
    let settings = &prepared.config.settings;
    let witness = prepared.config.witness.as_deref();
    if prepared.which.target == Asked::Aws {
        // Names of stacks are the same in every account.
        let found = checks::credentials(aws, &prepared.config).await;
        anyhow::ensure!(found.ok, "nothing was done: {}", found.says);
        errln!("Account {}, with {}", settings.account, found.says);
    }
    let destroyer = Destroyer { aws, settings, witness, work: &prepared.folders.work, progress: watch };
    let survey = destroyer.survey().await?;
    let reach = Reach { buckets: !args.keep_data, tables: args.delete_tables };
    err!("{}", described(&survey, reach));
    let kept = destroyer.kept(&survey, reach);
    errln!("Stays:\n  {}", kept.join("\n  "));
    confirm(args.yes, std::io::stdin().is_terminal(), &settings.suffix).await?;
    destroyer
        .destroy(&survey, reach)
        .await
        .map_err(|error| error.context(format!("go on with: {}", command_again())))?;
    if args.common.json {
        outln!("{}", json!({ "destroyed": true, "suffix": settings.suffix, "kept": kept }));
    } else {
        outln!("Tandem {:?} is gone. What stays is named above.", settings.suffix);
    }
    Ok(true)
}

fn described(survey: &Survey, reach: Reach) -> String {
    let mut text = String::from("Goes:\n");
    for (region, stacks) in &survey.stacks {
        for stack in stacks {
            text += &format!("  stack {} in {region} ({})\n", stack.name, stack.status);
        }
    }
    for (region, name, size) in survey.buckets.iter().filter(|_| reach.buckets) {
        text += &format!("  bucket {name} in {region}: {size}\n");
    }
    if text.lines().count() == 1 {
        text = String::from("Nothing is there.\n");
    }
    for (region, why) in &survey.unasked {
        text += &format!("Not known: whether an earlier configuration left something in {region}: {why}\n");
    }
    text
}

/// Asks for the suffix, and goes on only if that is typed.
async fn confirm(yes: bool, terminal: bool, suffix: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !terminal {
        return Err(usage("this asks first, and there is no terminal to ask on: give --yes"));
    }
    err!("Type the suffix, {suffix}, to delete all of that: ");
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own, and not of the pool: a read of the terminal can't be ended, and must not hold Ctrl-C up.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _none_is_no = std::io::stdin().lock().read_line(&mut line);
        let _nobody_waits = tell.send(line);
    });
    is_meant(&told.await.unwrap_or_default(), suffix)
}

/// Only the suffix itself is a yes.
fn is_meant(typed: &str, suffix: &str) -> anyhow::Result<()> {
    anyhow::ensure!(typed.trim() == suffix, "nothing was done: {:?} is not {suffix}", typed.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::super::recorded::{Recorded, common, prepared};
    use super::*;
    use tandem_deploy::aws::Stack;
    use tandem_deploy::destroy::Size;

    #[test]
    fn what_goes_is_named_with_the_number_of_objects() {
        let stack = Stack { name: "tandem-x-batch".into(), status: "CREATE_COMPLETE".into(), ..Stack::default() };
        let size = Size { versions: 12, markers: 3, more: false };
        let survey = Survey {
            stacks: BTreeMap::from([("us-east-1".to_owned(), vec![stack])]),
            buckets: vec![("us-east-1".to_owned(), "b".to_owned(), size)],
            unasked: vec![("sa-east-1".to_owned(), "AccessDenied".to_owned())],
        };
        let whole = described(&survey, Reach { buckets: true, tables: false });
        assert!(whole.contains("stack tandem-x-batch in us-east-1") && whole.contains("b in us-east-1: 12 versions"));
        assert!(whole.contains("left something in sa-east-1: AccessDenied"), "{whole}");
        assert!(!described(&survey, Reach { buckets: false, tables: false }).contains("12 versions"));
    }

    #[tokio::test]
    async fn in_another_account_nothing_is_looked_at_nor_deleted() {
        let aws = Recorded::new(&[("sts get-caller-identity", Ok("{\"Account\": \"210987654321\"}"))]);
        let args = DestroyArgs { common: common(), yes: true, keep_data: false, delete_tables: true };
        let refused = take_away(&args, &prepared(), &aws, &Watch::default()).await.unwrap_err().to_string();
        assert!(refused.contains("for account 210987654321"), "{refused}");
        assert_eq!(*aws.calls.borrow(), ["sts get-caller-identity"]);
    }

    #[tokio::test]
    async fn without_a_terminal_it_wants_a_yes_and_on_one_only_the_suffix_is_one() {
        assert!(confirm(true, false, "dev").await.is_ok());
        let refused = confirm(false, false, "dev").await.unwrap_err().to_string();
        assert!(refused.contains("give --yes"), "{refused}");
        is_meant("dev\n", "dev").unwrap();
        for typed in ["", "y\n", "yes\n", "Dev\n", "dev-2\n"] {
            assert!(is_meant(typed, "dev").unwrap_err().to_string().starts_with("nothing was done"), "{typed}");
        }
    }
}
