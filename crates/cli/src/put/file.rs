//! What is uploaded, looked at before anything else: whether it is a file, and by its name one of lines.

use std::path::Path;

use crate::exit::usage;
use crate::terminal::one_line;

/// Endings of spreadsheets' own formats.
const SPREADSHEETS: [&str; 6] = ["xlsx", "xls", "xlsm", "xlsb", "ods", "numbers"];
/// Endings of what is packed.
const PACKED: [&str; 10] = ["zip", "gz", "tgz", "tar", "bz2", "xz", "zst", "7z", "rar", "lz4"];

/// The size of a file that can be uploaded.
///
/// # Errors
/// When there is none, it is a folder or something else than a file, or its name says that it is no CSV; the message says what
/// to do.
pub fn size_of(file: &Path) -> anyhow::Result<u64> {
    let shown = file.display();
    let about = std::fs::metadata(file).map_err(|error| usage(format!("cannot read {shown}: {error}")))?;
    if about.is_dir() {
        return Err(usage(format!("{shown} is a folder: name one file, and give the command once for each")));
    }
    if !about.is_file() {
        return Err(usage(format!("{shown} is no regular file: save its content to one, and upload that")));
    }
    file.file_name().and_then(|name| name.to_str()).map_or(Ok(()), check_name)?;
    Ok(about.len())
}

/// Whether a file of this name may be a CSV; only what is certainly none is refused.
///
/// # Errors
/// When it is a spreadsheet, or packed; the message says what to do.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    let ending =
        Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let name = one_line(name);
    if SPREADSHEETS.contains(&ending.as_str()) {
        return Err(usage(format!("{name} is a spreadsheet: save or export it as CSV, and upload that file")));
    }
    if PACKED.contains(&ending.as_str()) {
        return Err(usage(format!("{name} is packed: unpack it, and upload the CSV file that is in it")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use super::*;
    use crate::exit::{Status, status_of};

    #[test]
    fn a_folder_a_missing_file_and_a_device_are_wrong_use_and_each_is_told_as_what_it_is() {
        for (path, said) in [
            (std::env::temp_dir(), "is a folder"),
            (PathBuf::from("/nonexistent/x.csv"), "cannot read /nonexistent/x.csv"),
            (PathBuf::from("/nonexistent/x.xlsx"), "cannot read /nonexistent/x.xlsx"),
            (PathBuf::from("/dev/null"), "is no regular file"),
        ] {
            let error = size_of(&path).unwrap_err();
            assert_eq!(status_of(&error), Status::Usage);
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn a_spreadsheet_and_what_is_packed_are_refused_with_what_to_do() {
        for (name, remedy) in [
            ("x.xlsx", "export it as CSV"),
            ("Orders 1.XLS", "export it as CSV"),
            ("x.ods", "export it as CSV"),
            ("x.csv.gz", "unpack it"),
            ("x.zip", "unpack it"),
        ] {
            let error = check_name(name).unwrap_err();
            assert_eq!(status_of(&error), Status::Usage);
            let message = error.to_string();
            assert!(message.starts_with(name) && message.contains(remedy) && !message.contains("--as"), "{message}");
        }
        for name in ["x.csv", "x.CSV", "x.txt", "x", "zip", "x.gz.csv"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
