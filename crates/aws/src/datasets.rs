//! The dataset definitions that are packed beside a function's bootstrap.

use std::fs;
use std::path::{Path, PathBuf};

use tandem_core::dataset::{DatasetError, Datasets, SilentDatasets};

use crate::config::{ConfigError, optional};

/// Reads the definitions in `TANDEM_DATASETS_DIR`, or in `datasets/` beside the bootstrap.
///
/// # Errors
/// [`ConfigError::Datasets`] when the directory cannot be read or a definition is wrong.
pub fn from_env() -> Result<Datasets, ConfigError> {
    from_directory(&directory())
}

/// Reads from the same definitions only of which datasets nobody is told.
///
/// # Errors
/// As [`from_env`].
pub fn silent_from_env() -> Result<SilentDatasets, ConfigError> {
    read_directory(&directory(), SilentDatasets::read)
}

fn directory() -> PathBuf {
    let beside = || Path::new(&optional("LAMBDA_TASK_ROOT").unwrap_or_default()).join("datasets");
    optional("TANDEM_DATASETS_DIR").map_or_else(beside, PathBuf::from)
}

/// Reads every `<name>.json` of a directory as the dataset `<name>`.
///
/// # Errors
/// [`ConfigError::Datasets`] when the directory cannot be read or a definition is wrong.
pub fn from_directory(directory: &Path) -> Result<Datasets, ConfigError> {
    read_directory(directory, Datasets::load)
}

fn read_directory<T>(
    directory: &Path,
    read: impl FnOnce(Vec<(String, Vec<u8>)>) -> Result<T, DatasetError>,
) -> Result<T, ConfigError> {
    let wrong = |message: String| ConfigError::Datasets { directory: directory.display().to_string(), message };
    let files = fs::read_dir(directory).map_err(|error| wrong(error.to_string()))?;
    let mut definitions = Vec::new();
    for file in files {
        let path = file.map_err(|error| wrong(error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            let definition = fs::read(&path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
            definitions.push((name.to_owned(), definition));
        }
    }
    read(definitions).map_err(|error| wrong(error.to_string()))
}
