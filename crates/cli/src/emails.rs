//! `tandem emails`: what the local Regions sent.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use tandem_local::{Email, mailbox};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::deployment::Which;
use crate::terminal::one_line;

/// Arguments of `emails`.
#[derive(Debug, Clone, Args)]
pub struct EmailsArgs {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Most e-mails to print: the latest
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub limit: usize,
}

/// Prints the latest e-mails, the oldest of them first.
///
/// # Errors
/// When the local Regions do not run.
pub async fn run(args: &EmailsArgs, which: &Which) -> anyhow::Result<()> {
    let state = which.local().ok_or_else(|| which.not_running())?;
    let mut emails = mailbox(&state).await?;
    emails.drain(..emails.len().saturating_sub(args.limit));
    if args.json {
        outln!("{}", serde_json::to_string(&emails)?);
    } else if emails.is_empty() {
        outln!("No e-mail was sent yet.");
    } else {
        emails.iter().for_each(|email| outln!("{}", text(email)));
    }
    Ok(())
}

fn text(email: &Email) -> String {
    let head = [
        ("From", one_line(&email.from)),
        ("To", one_line(&email.to.join(", "))),
        ("Date", date(&email.time)),
        ("Subject", one_line(&email.subject)),
    ];
    let head: String = head.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{head}\n{}\n", email.text.trim_end())
}

/// The emulator tells seconds since 1970; anything else is shown as it is.
fn date(text: &str) -> String {
    let seconds = text.split('.').next().and_then(|seconds| seconds.parse().ok());
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc2822).ok()).unwrap_or_else(|| one_line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_shown_as_in_an_email() {
        assert_eq!(date("1795216452.6124723"), "Fri, 20 Nov 2026 23:14:12 +0000");
        assert_eq!(date("2026-11-20T23:14:12Z"), "2026-11-20T23:14:12Z");
    }
}
