//! `tandem reference load`: brings reference records into the table that rows are enriched from.

mod checkpoint;
pub mod records;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::{Args, Subcommand};
use futures::stream::{self, Stream, StreamExt};
use sha2::{Digest, Sha256};
use tandem_aws::reference_load::{Keyed, RECORDS_PER_CALL, ReferenceLoader};
use tandem_core::dataset::DEFAULT_DATASET;
use tokio::sync::mpsc;

use self::checkpoint::Checkpoint;
use self::records::Records;
use crate::deployment::Which;
use crate::exit::{Interrupted, interruption, usage};
use crate::terminal::{bytes_bar, grouped};

/// Calls in flight.
const CONCURRENCY: usize = 16;
/// Groups of records read ahead of the calls.
const READ_AHEAD: usize = 2 * CONCURRENCY;
/// Groups between two checkpoints.
const CHECKPOINT_EVERY: u64 = 400;

/// Subcommands of `reference`.
#[derive(Debug, Clone, Subcommand)]
pub enum ReferenceCommand {
    /// Load reference records from a CSV file: a column `id` and one for each field of the dataset's lookup
    #[command(after_help = "\
A load that broke off goes on where it was when the same command is given again.

Examples:
  tandem generate --rows 10000 --out orders.csv --reference reference.csv
  tandem reference load reference.csv
  tandem reference load articles.csv --dataset price-list")]
    Load(LoadArgs),
}

/// Arguments of `reference load`.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// The CSV file
    pub file: PathBuf,
    /// Dataset whose reference records they are
    #[arg(long, default_value = DEFAULT_DATASET)]
    pub dataset: String,
}

/// Loads the file.
///
/// # Errors
/// When the file is not what the dataset needs (naming the line), or the table does not take it; what was loaded stays, and
/// the next load goes on from there.
pub async fn load(args: &LoadArgs, which: &Which) -> anyhow::Result<()> {
    let (rows, resumed, begun) = load_unreported(args, which).await?;
    report(rows, resumed, begun);
    Ok(())
}

/// Loads the file and prints nothing on standard output, for commands that load on the way to something else.
///
/// # Errors
/// As [`load`].
pub async fn load_quietly(args: &LoadArgs, which: &Which) -> anyhow::Result<()> {
    load_unreported(args, which).await.map(drop)
}

/// Answers the records that are loaded, those of them that were loaded before, and when this load began.
async fn load_unreported(args: &LoadArgs, which: &Which) -> anyhow::Result<(u64, u64, Instant)> {
    let datasets = which.datasets()?;
    let lookup = &datasets.named(&args.dataset).map_err(usage)?.lookup;
    let file = || args.file.display().to_string();
    let size = std::fs::metadata(&args.file).map_err(|error| usage(format!("cannot read {}: {error}", file())))?.len();
    let records = Records::open(&args.file, &lookup.fields).with_context(file)?;
    let deployment = which.find().await?;
    let loader = deployment.reference_loader();
    let target = format!("{} {}", loader.identity().await?, lookup.table);
    let mut checkpoint = Checkpoint::open(&args.file, target, &content_hash(&args.file).with_context(file)?);
    let resumed = checkpoint.rows();
    if resumed > 0 {
        errln!("going on after {} records that are loaded already", grouped(resumed));
    }
    let begun = Instant::now();
    let bar = bytes_bar(size, "loading");
    let mut writes = Box::pin(writes(loader, lookup.table.clone(), read(records, resumed)));
    let outcome = tokio::select! {
        outcome = follow(&mut writes, &mut checkpoint, &bar) => outcome,
        () = interruption() => Err(Interrupted.into()),
    };
    bar.finish_and_clear();
    match outcome {
        Ok(()) => checkpoint.remove(),
        Err(_) => checkpoint.save(),
    }
    outcome.with_context(|| format!("{} records of {} are loaded", grouped(checkpoint.rows()), file()))?;
    Ok((checkpoint.rows(), resumed, begun))
}

fn report(rows: u64, resumed: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let rate = ((rows - resumed) as f64 / seconds.max(0.001)) as u64;
    outln!("{} records loaded in {seconds:.1} s, {} a second", grouped(rows - resumed), grouped(rate));
}

/// Some records, and where in the file they end.
struct Group {
    records: Vec<Keyed>,
    rows: u64,
    bytes: u64,
}

/// Reads groups of records in a thread of its own, beginning behind the first `skip` records.
fn read(records: Records, skip: u64) -> mpsc::Receiver<anyhow::Result<Group>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut records = records.skip(usize::try_from(skip).unwrap_or(usize::MAX));
        loop {
            let mut group = Group { records: Vec::with_capacity(RECORDS_PER_CALL), rows: 0, bytes: 0 };
            let mut failed = None;
            for record in records.by_ref().take(RECORDS_PER_CALL) {
                match record {
                    Ok(record) => {
                        group.records.push(record.keyed);
                        group.bytes = record.end;
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            group.rows = group.records.len() as u64;
            // Whoever no longer listens has given up.
            let ended = group.records.is_empty() || sender.blocking_send(Ok(group)).is_err();
            if let Some(error) = failed {
                let _ = sender.blocking_send(Err(error));
                return;
            }
            if ended {
                return;
            }
        }
    });
    receiver
}

/// Writes groups, several at a time; answers rows and end of each in the order of the file.
fn writes(
    loader: ReferenceLoader,
    table: String,
    groups: mpsc::Receiver<anyhow::Result<Group>>,
) -> impl Stream<Item = anyhow::Result<(u64, u64)>> {
    let groups = stream::unfold(groups, |mut groups| async { groups.recv().await.map(|group| (group, groups)) });
    let write = move |group: anyhow::Result<Group>| {
        let (loader, table) = (loader.clone(), table.clone());
        async move {
            let group = group?;
            loader.write(&table, &group.records).await?;
            Ok((group.rows, group.bytes))
        }
    };
    groups.map(write).buffered(CONCURRENCY)
}

/// Follows the writes to the end, and notes how far they are.
async fn follow(
    writes: &mut (impl Stream<Item = anyhow::Result<(u64, u64)>> + Unpin),
    checkpoint: &mut Checkpoint,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (mut groups, mut written) = (0_u64, 0);
    while let Some(done) = writes.next().await {
        let (rows, bytes) = done?;
        groups += 1;
        written += rows;
        checkpoint.advance(rows);
        bar.set_position(bytes);
        bar.set_message(format!("{} records/s", grouped((written as f64 / begun.elapsed().as_secs_f64()) as u64)));
        if groups.is_multiple_of(CHECKPOINT_EVERY) {
            checkpoint.save();
        }
    }
    Ok(())
}

/// SHA-256 of a file.
fn content_hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hash.update(&buffer[..read]),
        }
    }
}
