//! How far a load is, written beside the file, so that the next one can go on.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The records at the file's beginning that are loaded.
///
/// It counts only for the same content and the same table: a table that was made anew, or the local Regions started again,
/// begins from nothing.
pub struct Checkpoint {
    path: PathBuf,
    target: String,
    content: String,
    rows: u64,
}

impl Checkpoint {
    /// The checkpoint of a file: what was written down, or the beginning.
    pub fn open(file: &Path, target: String, content: &str) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push(".loading");
        let path = PathBuf::from(path);
        let read = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let matching = read.filter(|noted| noted["target"] == target.as_str() && noted["content"] == content);
        let rows = matching.and_then(|noted| noted["rows"].as_u64()).unwrap_or_default();
        Self { path, target, content: content.to_owned(), rows }
    }

    /// Records that are loaded.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts records that are loaded now.
    pub fn advance(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// Writes it down. Without it the next load begins anew, which costs time and nothing else, so a failure is only told.
    pub fn save(&self) {
        let noted = json!({ "target": self.target, "content": self.content, "rows": self.rows });
        let draft = self.path.with_extension("loading.new");
        let saved = std::fs::write(&draft, noted.to_string()).and_then(|()| std::fs::rename(&draft, &self.path));
        if let Err(error) = saved {
            tracing::warn!(%error, path = %self.path.display(), "the next load will begin anew");
        }
    }

    /// Removes it: everything is loaded.
    pub fn remove(&self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_goes_on_only_with_the_same_content_in_the_same_table() {
        let file = std::env::temp_dir().join(format!("tandem-checkpoint-{}.csv", std::process::id()));
        let open = |target: &str, content: &str| Checkpoint::open(&file, target.to_owned(), content);
        let mut checkpoint = open("table 1", "abc");
        assert_eq!(checkpoint.rows(), 0);
        checkpoint.advance(50);
        checkpoint.save();
        assert_eq!(open("table 1", "abc").rows(), 50);
        assert_eq!(open("table 2", "abc").rows(), 0);
        assert_eq!(open("table 1", "other").rows(), 0);
        checkpoint.remove();
        assert_eq!(open("table 1", "abc").rows(), 0);
    }
}
