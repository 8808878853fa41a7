//! `tandem-bench chart`: SVG charts, readable on white, of figures that lie in JSON files.
//!
//! [`Chart`] is all that is drawn, and itself is JSON: whoever measures something writes one, or makes one of results, as
//! `files` and `load-test` do here.

mod draw;
mod load_test;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::statistics::Spread;

/// Subcommands of `chart`.
#[derive(Debug, Clone, Subcommand)]
pub enum ChartCommand {
    /// Draw what a JSON file says
    #[command(after_help = "\
Bars, a group beside each other for each label; a value is its median with its range:
  {\"title\": \"..\", \"y\": \"CPU seconds\", \"bars\": {\"labels\": [\"1,000,000 rows\"],
   \"series\": [{\"name\": \"Tandem\", \"values\": [{\"median\": 1.5, \"least\": 1.4, \"most\": 1.7}]}]}}
Lines, whose points are [x, y]; `log` also draws both axes in powers of ten:
  {\"title\": \"..\", \"y\": \"seconds\", \"lines\": {\"x\": \"rows\", \"log\": true,
   \"series\": [{\"name\": \"local Regions\", \"points\": [[10000, 0.9], [100000, 2.1]]}]}}

Example:
  tandem-bench chart draw growth-chart.json growth.svg")]
    Draw(Paths),
    /// Draw when the files of a load test were uploaded and how long each took
    #[command(after_help = "\
Example:
  tandem-bench chart load-test target/load-test.json load-test.svg")]
    LoadTest(Paths),
    /// Draw processor time and peak memory of `tandem-bench files`
    #[command(after_help = "\
Example:
  tandem-bench chart files target/bench/files.json target/bench")]
    Files(Paths),
}

/// From where to where.
#[derive(Debug, Clone, clap::Args)]
pub struct Paths {
    /// The JSON file
    pub from: PathBuf,
    /// The SVG file; for `files` the folder of both
    pub to: PathBuf,
}

/// A chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Stands above it.
    pub title: String,
    /// What the height means, with its unit.
    pub y: String,
    /// What is drawn.
    #[serde(flatten)]
    pub shape: Shape,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Groups of bars.
    Bars(Bars),
    /// Lines through points, or points alone.
    Lines(Lines),
}

/// Groups of bars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Name of each group.
    pub labels: Vec<String>,
    /// What each group has a bar of.
    pub series: Vec<BarSeries>,
}

/// A bar in each group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BarSeries {
    /// What it is.
    pub name: String,
    /// Its height in each group, in the order of the labels.
    pub values: Vec<Spread>,
}

/// Lines or points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// What the distance from the left means, with its unit.
    pub x: String,
    /// Whether both axes are in powers of ten; then every figure must be above 0.
    #[serde(default)]
    pub log: bool,
    /// Whether points stay unconnected.
    #[serde(default)]
    pub scatter: bool,
    /// The lines.
    pub series: Vec<LineSeries>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineSeries {
    /// What it is.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// Draws.
///
/// # Errors
/// When a file cannot be read or written, or does not say what it should.
pub fn run(command: &ChartCommand) -> anyhow::Result<()> {
    match command {
        ChartCommand::Draw(paths) => save(&read(&paths.from)?, &paths.to),
        ChartCommand::LoadTest(paths) => save(&load_test::chart(&read(&paths.from)?), &paths.to),
        ChartCommand::Files(paths) => files_charts(&read(&paths.from)?, &paths.to),
    }
}

/// Draws the two charts of `files` into a folder.
///
/// # Errors
/// When one cannot be written.
pub fn files_charts(results: &files::Results, folder: &Path) -> anyhow::Result<()> {
    save(&results.cpu_chart(), &folder.join("files-cpu.svg"))?;
    save(&results.memory_chart(), &folder.join("files-memory.svg"))
}

/// Draws a chart into a file.
///
/// # Errors
/// When it cannot be written.
pub fn save(chart: &Chart, path: &Path) -> anyhow::Result<()> {
    let svg = draw::svg(chart).with_context(|| format!("cannot draw {}", path.display()))?;
    fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<T> {
    let json = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&json).with_context(|| format!("{} does not say what a chart needs", path.display()))
}
