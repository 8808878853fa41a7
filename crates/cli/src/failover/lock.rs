//! One failover at a time on this machine: a lock file for each environment, which the system frees whatever becomes of us.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tandem_core::protocol::time_text;
use time::OffsetDateTime;

/// Held by a run.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    /// Frees it at once. A program that is just being started holds the file as well until it runs, and so would hold the lock.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!("the next failover from this machine may be told that this one is under way: {error}");
        }
    }
}

/// Who holds it; written into the file, for whoever comes second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    region: String,
    since: String,
}

/// Another failover is under way.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Busy(String);

/// Takes the lock for a run that lets `region` take over. Without it where no file can be written: a failover that is needed must
/// not wait for a disk.
///
/// # Errors
/// [`Busy`] when another run holds it.
pub fn take(root: &Path, suffix: &str, region: &str) -> Result<Option<Lock>, Busy> {
    let folder = root.join(".tandem");
    let opened = std::fs::create_dir_all(&folder).and_then(|()| {
        let path = folder.join(format!("failover-{suffix}.lock"));
        File::options().create(true).truncate(false).read(true).write(true).open(path)
    });
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(
                "two failovers at once would not be noticed, because {} cannot be written: {error}",
                folder.display()
            );
            return Ok(None);
        }
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Busy(told(&mut file))),
        Err(TryLockError::Error(error)) => {
            tracing::warn!("two failovers at once would not be noticed: {error}");
            return Ok(None);
        }
    }
    let since = time_text(OffsetDateTime::now_utc());
    let holder = Holder { pid: std::process::id(), region: region.to_owned(), since };
    // Who holds it is worth knowing, and the lock holds without it.
    let _unnamed = file.set_len(0).and_then(|()| file.write_all(&serde_json::to_vec(&holder).unwrap_or_default()));
    Ok(Some(Lock(file)))
}

fn told(file: &mut File) -> String {
    let mut text = String::new();
    let holder = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    match holder {
        Some(Holder { pid, region, since }) => format!(
            "a failover to {region} is under way since {since} (process {pid} on this machine): wait for its end, then look who is active"
        ),
        None => {
            String::from("another failover has just begun on this machine: wait for its end, then look who is active")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn of_two_failovers_one_wins_and_the_other_is_told_to_which_region_and_since_when() {
        let root = std::env::temp_dir().join(format!("tandem-failover-{}", std::process::id()));
        let held = take(&root, "dev", "us-west-2").unwrap().unwrap();
        let told = take(&root, "dev", "us-east-1").unwrap_err().to_string();
        assert!(told.contains("to us-west-2 is under way since 2") && told.contains("wait"), "{told}");
        assert!(take(&root, "other", "us-east-1").unwrap().is_some(), "another environment is another matter");
        drop(held);
        assert!(take(&root, "dev", "us-east-1").unwrap().is_some());
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn where_no_file_can_be_written_a_failover_goes_on_all_the_same() {
        assert!(take(Path::new("/dev/null"), "dev", "us-west-2").unwrap().is_none());
    }
}
