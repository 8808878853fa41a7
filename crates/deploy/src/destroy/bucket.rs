//! Versioned buckets: counted, emptied of every version and delete marker, deleted.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::aws::Aws;
use crate::failure::CommandFailed;
use crate::progress::{Progress, Stage, StageProgress};

/// Versions in one listing. Delete markers come on top: the command counts only versions.
const PAGE: &str = "1000";

/// Versions and delete markers in one order to delete: S3 takes no more.
const ORDER: usize = 1000;

/// Where counting ends: it is for a person, who knows by then that it is many.
const COUNTED: usize = 20_000;

/// What is in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Versions of objects, the latest ones among them.
    pub versions: usize,
    /// Delete markers.
    pub markers: usize,
    /// Whether there is more than was counted.
    pub more: bool,
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.more { "more than " } else { "" };
        write!(formatter, "{more}{} versions of objects, {} delete markers", self.versions, self.markers)
    }
}

/// A page of a bucket: its versions, its delete markers, and where the next one begins.
struct Listed {
    versions: Vec<Json>,
    markers: Vec<Json>,
    next: Option<String>,
}

async fn list(aws: &impl Aws, region: &str, bucket: &str, from: Option<&str>) -> Result<Option<Listed>, CommandFailed> {
    let mut arguments = vec!["s3api", "list-object-versions", "--bucket", bucket, "--max-items", PAGE];
    arguments.extend(from.into_iter().flat_map(|token| ["--starting-token", token]));
    let printed = match aws.run(region, &arguments).await {
        Ok(printed) => printed,
        Err(failed) if failed.said.contains("NoSuchBucket") => return Ok(None),
        Err(failed) => return Err(failed),
    };
    // An empty bucket prints nothing at all.
    let listed: Json = serde_json::from_str(&printed).unwrap_or_default();
    let objects = |field: &str| {
        let listed = listed[field].as_array().into_iter().flatten();
        listed.map(|one| json!({ "Key": one["Key"], "VersionId": one["VersionId"] })).collect()
    };
    let next = listed["NextToken"].as_str().map(str::to_owned);
    Ok(Some(Listed { versions: objects("Versions"), markers: objects("DeleteMarkers"), next }))
}

/// What is in a bucket; `None`: there is no such bucket.
pub async fn size(aws: &impl Aws, region: &str, bucket: &str) -> Result<Option<Size>, CommandFailed> {
    let (mut size, mut from) = (Size::default(), None);
    loop {
        let Some(listed) = list(aws, region, bucket, from.as_deref()).await? else { return Ok(None) };
        size.versions += listed.versions.len();
        size.markers += listed.markers.len();
        from = listed.next;
        size.more = from.is_some() && size.versions + size.markers >= COUNTED;
        if from.is_none() || size.more {
            return Ok(Some(size));
        }
    }
}

/// Empties a bucket and deletes it.
pub async fn delete(
    aws: &impl Aws,
    region: &str,
    bucket: &str,
    work: &Path,
    progress: &dyn Progress,
) -> anyhow::Result<()> {
    let (mut deleted, begun) = (0, std::time::Instant::now());
    // Always the first page: what was on it is gone the next time.
    while let Some(listed) = list(aws, region, bucket, None).await? {
        let objects: Vec<Json> = listed.versions.into_iter().chain(listed.markers).collect();
        if objects.is_empty() {
            aws.run(region, &["s3api", "delete-bucket", "--bucket", bucket]).await?;
            break;
        }
        for order in objects.chunks(ORDER) {
            delete_objects(aws, region, bucket, order, work).await?;
            deleted += order.len();
            let name = format!("{deleted} versions and delete markers of {bucket} deleted");
            let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            progress.stage(Stage { name, progress: StageProgress::Done { milliseconds } });
        }
    }
    Ok(())
}

async fn delete_objects(
    aws: &impl Aws,
    region: &str,
    bucket: &str,
    objects: &[Json],
    work: &Path,
) -> anyhow::Result<()> {
    // By a file: a thousand keys are more than a command line takes.
    std::fs::create_dir_all(work)?;
    let file = work.join(format!("delete-{}-{bucket}.json", std::process::id()));
    std::fs::write(&file, json!({ "Objects": objects, "Quiet": true }).to_string())?;
    let from = format!("file://{}", file.display());
    let printed = aws.run(region, &["s3api", "delete-objects", "--bucket", bucket, "--delete", &from]).await;
    let _gone_with_the_folder = std::fs::remove_file(&file);
    let answer: Json = serde_json::from_str(&printed?).unwrap_or_default();
    if let Some(error) = answer["Errors"].as_array().and_then(|errors| errors.first()) {
        anyhow::bail!(
            "{bucket} can't be emptied: {} {}. If data_readers locks it, be one of them",
            error["Key"].as_str().unwrap_or_default(),
            error["Message"].as_str().unwrap_or_default()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::cell::RefCell;

    use super::*;

    /// A bucket of delete markers only, which the command lists all at once.
    struct Markers {
        left: RefCell<usize>,
        orders: RefCell<Vec<usize>>,
    }

    impl Aws for Markers {
        async fn run(&self, _: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
            match arguments[1] {
                "list-object-versions" => {
                    let marker = |number| json!({ "Key": format!("k{number}"), "VersionId": "1" });
                    let markers: Vec<Json> = (0..*self.left.borrow()).map(marker).collect();
                    Ok(json!({ "DeleteMarkers": markers }).to_string())
                }
                "delete-objects" => {
                    let file = arguments.last().unwrap().strip_prefix("file://").unwrap();
                    let order: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
                    let count = order["Objects"].as_array().unwrap().len();
                    self.orders.borrow_mut().push(count);
                    *self.left.borrow_mut() -= count;
                    Ok(String::new())
                }
                "delete-bucket" => {
                    assert_eq!(*self.left.borrow(), 0);
                    Ok(String::new())
                }
                other => panic!("{other}"),
            }
        }
    }

    #[tokio::test]
    async fn more_markers_than_one_order_takes_are_counted_and_deleted_in_parts() {
        let aws = Markers { left: RefCell::new(1500), orders: RefCell::default() };
        let size = size(&aws, "us-east-1", "b").await.unwrap().unwrap();
        assert_eq!(size, Size { versions: 0, markers: 1500, more: false });
        let work = std::env::temp_dir().join(format!("tandem-bucket-tests-{}", std::process::id()));
        let told = std::sync::Mutex::new(Vec::new());
        let progress = |stage: Stage| told.lock().unwrap().push(stage.name);
        delete(&aws, "us-east-1", "b", &work, &progress).await.unwrap();
        assert_eq!(*aws.orders.borrow(), [1000, 500]);
        assert_eq!(told.lock().unwrap().last().unwrap(), "1500 versions and delete markers of b deleted");
        assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0);
        std::fs::remove_dir_all(&work).unwrap();
    }
}
