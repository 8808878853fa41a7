//! Versioned buckets: counted, emptied of every version and delete marker, deleted.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::aws::Aws;
use crate::failure::CommandFailed;
use crate::progress::{Progress, Stage, StageProgress};

/// Versions in one listing, and in one order to delete: S3 takes no more.
const PAGE: &str = "1000";

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
pub async fn delete(aws: &impl Aws, region: &str, bucket: &str, progress: &dyn Progress) -> anyhow::Result<()> {
    let (mut deleted, begun) = (0, std::time::Instant::now());
    // Always the first page: what was on it is gone the next time.
    while let Some(listed) = list(aws, region, bucket, None).await? {
        let objects: Vec<Json> = listed.versions.into_iter().chain(listed.markers).collect();
        if objects.is_empty() {
            aws.run(region, &["s3api", "delete-bucket", "--bucket", bucket]).await?;
            break;
        }
        delete_objects(aws, region, bucket, &objects).await?;
        deleted += objects.len();
        let name = format!("{deleted} versions and delete markers of {bucket} deleted");
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        progress.stage(Stage { name, progress: StageProgress::Done { milliseconds } });
    }
    Ok(())
}

async fn delete_objects(aws: &impl Aws, region: &str, bucket: &str, objects: &[Json]) -> anyhow::Result<()> {
    // By a file: a thousand keys are more than a command line takes.
    let file = std::env::temp_dir().join(format!("tandem-delete-{}-{bucket}.json", std::process::id()));
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
