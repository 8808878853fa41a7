//! `tandem generate`: files of any size, and the reference data that belongs to them.
//!
//! The same seed gives the same bytes for ever, and the first thousand rows of a million are those of a thousand. Nothing is
//! held in memory but one row.

mod price_list;
mod random;
mod row;
mod sales_orders;
mod shape;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;

use self::row::Row;
use self::shape::{Rows, Shape};
use crate::exit::Interrupted;

/// Every dataset that can be generated.
const SHAPES: [&Shape; 2] = [&sales_orders::SHAPE, &price_list::SHAPE];

/// Bytes buffered before they are written.
const BUFFER: usize = 1 << 20;

/// Rows made between two looks at whether somebody wants to stop.
const STRIDE: u64 = 4_096;

/// Arguments of `generate`.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// Rows to make, not counting the header
    #[arg(long)]
    pub rows: u64,
    /// Another seed gives other rows; the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Dataset to make rows of
    #[arg(long, default_value = sales_orders::SHAPE.dataset, value_parser = SHAPES.map(|shape| shape.dataset))]
    pub dataset: String,
    /// Percentage of rows that are bad, in all the ways a row can be; exact in every 10,000 rows
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT", value_parser = percent)]
    pub bad: f64,
    /// No bad row has a wrong number of fields or bytes that are no UTF-8, which most readers of CSV refuse as a file
    #[arg(long)]
    pub well_formed: bool,
    /// Only N different keys, the same for every seed, each once in every N rows; the reference file then holds their records.
    /// All keys are different unless this is given
    #[arg(long, value_name = "N")]
    pub keys: Option<u64>,
    /// Where to write the rows; standard output if not given
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where to write the reference records of the good rows, for `tandem reference load`
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| String::from("expected 0 to 100"))
}

/// Makes the files.
///
/// # Errors
/// When a file cannot be written, the dataset is unknown or has fewer keys than rows are asked for, or `stop` became true.
pub fn run(args: &GenerateArgs, stop: &AtomicBool) -> anyhow::Result<()> {
    let shape = named(&args.dataset)?;
    match args.keys {
        // One key must be left that nobody knows.
        Some(keys) if keys == 0 || keys >= shape.keys => {
            bail!("{} takes --keys from 1 to {}", shape.dataset, shape.keys - 1)
        }
        None if args.rows > shape.keys => {
            bail!("{} has only {} different keys: ask for no more rows, or give --keys", shape.dataset, shape.keys)
        }
        _ => {}
    }
    let rows = Rows::new(shape, args.seed, args.bad).with_keys(args.keys);
    let rows = if args.well_formed { rows.well_formed() } else { rows };
    let reference = args.reference.as_deref();
    match &args.out {
        Some(path) => into_file(path, |out| with_reference(&rows, args.rows, out, reference, stop)),
        None => {
            let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
            let written = with_reference(&rows, args.rows, &mut out, reference, stop)
                .and_then(|()| out.flush().context("cannot write to standard output"));
            // Who has seen enough of the rows wants no more; reference records that are not all there are missed later.
            written.or_else(|error| if reference.is_none() && is_unread(&error) { Ok(()) } else { Err(error) })
        }
    }
}

/// Whether nobody reads what is written any more.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn named(dataset: &str) -> anyhow::Result<&'static Shape> {
    let known = || SHAPES.map(|shape| shape.dataset).join(", ");
    let shape = SHAPES.into_iter().find(|shape| shape.dataset == dataset);
    shape.with_context(|| format!("there is no generator for the dataset {dataset:?}: choose one of {}", known()))
}

fn with_reference(
    rows: &Rows<'_>,
    count: u64,
    out: &mut impl Write,
    reference: Option<&Path>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    match reference {
        Some(path) => into_file(path, |reference| write(rows, count, out, reference, stop)),
        None => write(rows, count, out, &mut io::sink(), stop),
    }
}

/// Writes header and rows to `out`, and header and records of the good rows to `reference`.
fn write(
    rows: &Rows<'_>,
    count: u64,
    out: &mut impl Write,
    reference: &mut impl Write,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let (mut row, mut record) = (Row::default(), Row::default());
    let shape = rows.shape();
    shape.columns.iter().for_each(|column| row.push(column));
    record.push("id");
    shape.reference.iter().for_each(|field| record.push(field));
    row.write(out, shape.delimiter).context("cannot write the rows")?;
    record.write(reference, b',').context("cannot write the reference records")?;
    for number in 0..rows.shared_keys() {
        if rows.record_of(number, &mut row, &mut record) {
            record.write(reference, b',').context("cannot write the reference records")?;
        }
    }
    for number in 0..count {
        if number % STRIDE == 0 && stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let recorded = rows.make(number, &mut row, &mut record);
        row.write(out, shape.delimiter).context("cannot write the rows")?;
        if recorded {
            record.write(reference, b',').context("cannot write the reference records")?;
        }
    }
    Ok(())
}

/// Writes a file under another name first, so that what stands under `path` is always complete.
fn into_file(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let place = || format!("cannot write {}", path.display());
    let filled = File::create(&draft).with_context(place).and_then(|file| {
        let mut out = BufWriter::with_capacity(BUFFER, file);
        fill(&mut out)?;
        out.flush().with_context(place)
    });
    let moved = filled.and_then(|()| std::fs::rename(&draft, path).with_context(place));
    if moved.is_err() {
        // What failed is worth more to know than whether the draft could be removed.
        let _ = std::fs::remove_file(&draft);
    }
    moved
}

#[cfg(test)]
mod tests;
