//! The folder for work files, and the two results that are moved out of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::ProcessArgs;
use crate::exit::usage;

/// Names of the results.
const RESULTS: [&str; 2] = ["output.csv", "rejects.csv"];

/// A folder inside the output folder, so that a result is moved into place by renaming it. Removed when dropped, however the work
/// ends; so is an output folder that was made for it and stayed empty.
pub struct Scratch {
    output: PathBuf,
    path: PathBuf,
    made: bool,
}

impl Scratch {
    /// Makes the folder.
    ///
    /// # Errors
    /// When a result is there already and may not be replaced, would replace what is read, or no folder can be made.
    pub fn open(args: &ProcessArgs) -> anyhow::Result<Self> {
        let output = &args.output_dir;
        let here = |path: &Path| path.canonicalize().ok();
        for name in RESULTS {
            let result = output.join(name);
            let read = [&args.file, &args.reference].into_iter().find(|read| here(read) == here(&result));
            if let (true, Some(read)) = (result.exists(), read) {
                return Err(usage(format!("{} would be replaced: name another --output-dir", read.display())));
            }
            if result.exists() && !args.force {
                bail!("{} is there already: give --force to replace it", result.display());
            }
        }
        let made = !output.exists();
        fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
        let path = output.join(format!(".tandem-process-{}", std::process::id()));
        let scratch = Self { output: output.clone(), path, made };
        // What a process of the same number left behind when it was killed.
        let _ = fs::remove_dir_all(&scratch.path);
        fs::create_dir(&scratch.path).with_context(|| format!("cannot make {}", scratch.path.display()))?;
        Ok(scratch)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the results, given by their keys, into place.
    ///
    /// # Errors
    /// When one cannot be moved.
    pub fn publish(&self, keys: [&str; 2]) -> anyhow::Result<[PathBuf; 2]> {
        for (key, name) in keys.into_iter().zip(RESULTS) {
            let path = self.output.join(name);
            fs::rename(self.path.join(key), &path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(RESULTS.map(|name| self.output.join(name)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What failed is worth more to know than whether everything could be removed.
        let _ = fs::remove_dir_all(&self.path);
        if self.made {
            // Takes away only what is empty.
            let _ = fs::remove_dir(&self.output);
        }
    }
}
