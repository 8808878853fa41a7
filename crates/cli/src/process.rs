//! `tandem process`: one file through split, validate, enrich and merge on this machine, by the functions' own code, without a
//! Region. To try a file or a dataset definition before anything is uploaded, and to measure.

mod folder;
mod held;
mod pipeline;
mod reference;
mod report;
mod scratch;
#[cfg(test)]
mod tests;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use tandem_core::dataset::{DEFAULT_DATASET, Dataset, Datasets};

use self::folder::Folder;
use self::pipeline::{Failure, Pipeline};
use self::reference::Table;
use self::report::Report;
use self::scratch::Scratch;
use crate::deployment::Which;
use crate::exit::{Interrupted, interruption, usage};
use crate::terminal::bytes_bar;

/// Examples, and what the figures mean.
pub const HELP: &str = "\
The same code as the functions', with files in the place of S3 and the reference file in the place of the table: what comes out \
is what a delivery would hold. Nothing is uploaded, and no Region is asked.

Work files lie in a folder inside the output folder, which is removed however the command ends; the results are moved into \
place when both are complete.

Examples:
  tandem process orders.csv --reference reference.csv --output-dir results
  tandem process prices.csv --dataset price-list --reference articles.csv --output-dir results --force
  tandem process prices.csv --dataset new-definition.json --reference articles.csv --output-dir results --json

Exit status:
  0  processed; rows may have been rejected
  1  the file is at fault, as its owner would be told, or something could not be read or written
  2  called wrongly
  3  interrupted";

/// Arguments of `process`.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// The file
    pub file: PathBuf,
    /// CSV file of reference records, as `tandem reference load` takes it
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// Dataset that the file belongs to, or a file NAME.json that defines one
    #[arg(long, default_value = DEFAULT_DATASET)]
    pub dataset: String,
    /// Folder for output.csv and rejects.csv; made if it does not exist
    #[arg(long, value_name = "DIR")]
    pub output_dir: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object, with times and peak memory
    #[arg(long)]
    pub json: bool,
}

/// Processes the file, and prints what came of it.
///
/// # Errors
/// When the file is at fault, in the sentence for its owner; when something cannot be read or written; or on Ctrl-C.
pub async fn run(args: &ProcessArgs, which: &Which) -> anyhow::Result<()> {
    let definition = Definition::find(&args.dataset, which)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (task_args, seen) = (args.clone(), Arc::clone(&stop));
    let mut work = tokio::task::spawn_blocking(move || process(&task_args, definition.dataset()?, &seen));
    let done = tokio::select! {
        done = &mut work => done?,
        () = interruption() => {
            stop.store(true, Ordering::Relaxed);
            work.await?
        }
    };
    report::print(done, args.json)
}

/// A dataset, and those among which it was found.
enum Definition {
    File(Box<Dataset>),
    Known(Datasets, String),
}

impl Definition {
    /// The dataset of this name, or the one that a file defines.
    fn find(named: &str, which: &Which) -> anyhow::Result<Self> {
        let path = Path::new(named);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let Some(name) = stem.filter(|_| path.extension().is_some_and(|extension| extension == "json")) else {
            let datasets = which.datasets()?;
            datasets.named(named).map_err(usage)?;
            return Ok(Self::Known(datasets, named.to_owned()));
        };
        let definition = std::fs::read(path).map_err(|error| usage(format!("cannot read {named}: {error}")))?;
        Ok(Self::File(Box::new(Dataset::parse(name, &definition)?)))
    }

    fn dataset(&self) -> anyhow::Result<&Dataset> {
        match self {
            Self::File(dataset) => Ok(dataset),
            Self::Known(datasets, name) => Ok(datasets.named(name)?),
        }
    }
}

/// About a file that was named: the caller is wrong if it is not there.
fn about(path: &Path) -> anyhow::Result<std::fs::Metadata> {
    std::fs::metadata(path).map_err(|error| usage(format!("cannot read {}: {error}", path.display())))
}

fn process(args: &ProcessArgs, dataset: &Dataset, stop: &Arc<AtomicBool>) -> Result<Report, Failure> {
    let (file, _) = (about(&args.file)?, about(&args.reference)?);
    let scratch = Scratch::open(args)?;
    let begun = Instant::now();
    let before = usage::memory();
    let table = Table::load(&args.reference, &dataset.lookup, stop)
        .with_context(|| args.reference.display().to_string())
        .map_err(|error| Failure::from(error).or_interrupted(stop))?;
    let reference_bytes = usage::memory().saturating_sub(before);
    let loaded = begun.elapsed();
    // Split and validate read the file once each.
    let bar = bytes_bar(2 * file.len(), "processing");
    let folder = Folder::new(scratch.path(), &args.file, stop, &bar).context("cannot begin")?;
    let pipeline = Pipeline { folder: &folder, reference: &table, dataset, stop };
    let finished = pipeline.run(&args.file).map_err(|failure| failure.or_interrupted(stop));
    bar.finish_and_clear();
    let finished = finished?;
    let results = [&*finished.merge.output_key, &finished.merge.rejects_key];
    results.iter().try_for_each(|key| folder.lay_out(key)).map_err(anyhow::Error::from)?;
    let [output, rejects] = scratch.publish(results)?;
    Ok(Report {
        dataset: dataset.name.clone(),
        output,
        rejects,
        bytes: file.len(),
        seconds: begun.elapsed().as_secs_f64(),
        load_seconds: loaded.as_secs_f64(),
        reference_records: table.len(),
        reference_bytes,
        peak_memory_bytes: usage::peak_memory(),
        finished,
    })
}

fn stopped(stop: &AtomicBool) -> anyhow::Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Interrupted.into()) } else { Ok(()) }
}
