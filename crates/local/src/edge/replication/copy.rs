//! Makes a change in the other bucket.
//!
//! A new version is copied inside the emulator by CopyObject, across Regions: no byte passes the edge, metadata, tags and
//! content type go along, and the emulator keeps the source's `ETag` even for a multipart object (S3's own replication does;
//! its CopyObject does not). That the `ETag` is the same is checked, because a batch's identity hangs on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use axum::http::StatusCode;
use http::Method;

use super::queue::{Apply, Outcome};
use super::{Change, ChangeKind, Versions};
use crate::edge::upstream::{Answer, OwnRequest, Upstream};

/// How long the emulator may take for one call: a big object is copied by it in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes changes by asking the emulator.
pub struct Copier {
    upstream: Upstream,
    versions: Arc<Versions>,
    /// Region of each bucket; there are two.
    regions: BTreeMap<String, String>,
}

impl Copier {
    /// Copies between the buckets of these Regions.
    #[must_use]
    pub fn new(upstream: Upstream, versions: Arc<Versions>, buckets: &BTreeMap<String, String>) -> Self {
        let regions = buckets.iter().map(|(region, bucket)| (bucket.clone(), region.clone())).collect();
        Self { upstream, versions, regions }
    }

    fn other(&self, bucket: &str) -> Option<(&str, &str)> {
        self.regions.iter().find(|(name, _)| *name != bucket).map(|(name, region)| (name.as_str(), region.as_str()))
    }

    async fn copy(&self, change: &Change, version: Option<&str>, etag: Option<&str>) -> Result<Outcome, anyhow::Error> {
        let Change { bucket, key, .. } = change;
        let Some((target, region)) = self.other(bucket) else {
            return Ok(Outcome::Never("no other bucket".to_owned()));
        };
        let source = match version {
            Some(version) => format!("/{bucket}/{key}?versionId={version}"),
            None => format!("/{bucket}/{key}"),
        };
        let headers = [("x-amz-copy-source", source.as_str())];
        let answer = self.call(Method::PUT, region, &format!("/{target}/{key}"), &headers, Bytes::new()).await?;
        if is_gone(&answer) {
            // The version was deleted before its turn came; its replica would have been deleted by nobody.
            return Ok(Outcome::Done);
        }
        if let (true, Some(etag)) = (answer.status.is_success(), etag)
            && !answer.text().contains(etag.trim_matches('"'))
        {
            return Ok(Outcome::Never(format!("the replica has another ETag than {etag}: {}", answer.text())));
        }
        if let (Some(version), Some(replica)) = (version, answer.headers.get("x-amz-version-id")) {
            self.versions.pair(key, (bucket, version), (target, replica.to_str()?));
        }
        Ok(outcome(&answer))
    }

    async fn tag(&self, change: &Change, version: Option<&str>) -> Result<Outcome, anyhow::Error> {
        let Change { bucket, key, .. } = change;
        let Some((target, region)) = self.other(bucket) else {
            return Ok(Outcome::Never("no other bucket".to_owned()));
        };
        let own = self.regions.get(bucket).map_or(region, String::as_str);
        let read = self.call(Method::GET, own, &tagging(bucket, key, version), &[], Bytes::new()).await?;
        if is_gone(&read) {
            return Ok(Outcome::Done);
        }
        if !read.status.is_success() {
            return Ok(outcome(&read));
        }
        let twin = version.and_then(|version| self.versions.in_bucket(target, key, version));
        let written = self.call(Method::PUT, region, &tagging(target, key, twin.as_deref()), &[], read.body).await?;
        Ok(outcome(&written))
    }

    async fn delete(&self, change: &Change) -> Result<Outcome, anyhow::Error> {
        let Some((target, region)) = self.other(&change.bucket) else {
            return Ok(Outcome::Never("no other bucket".to_owned()));
        };
        let path = format!("/{target}/{}", change.key);
        Ok(outcome(&self.call(Method::DELETE, region, &path, &[], Bytes::new()).await?))
    }

    async fn call(
        &self,
        method: Method,
        region: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let call = self.upstream.call(OwnRequest { method, service: "s3", region, path, headers, body });
        tokio::time::timeout(PATIENCE, call).await.context("the emulator does not answer")?
    }
}

impl Apply for Copier {
    async fn apply(&self, change: &Change) -> Outcome {
        let outcome = match &change.kind {
            ChangeKind::Written { version, etag } => self.copy(change, version.as_deref(), etag.as_deref()).await,
            ChangeKind::Tagged { version } => self.tag(change, version.as_deref()).await,
            ChangeKind::Deleted => self.delete(change).await,
        };
        outcome.unwrap_or_else(|error| Outcome::Retry(format!("{error:#}")))
    }
}

fn tagging(bucket: &str, key: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("/{bucket}/{key}?tagging&versionId={version}"),
        None => format!("/{bucket}/{key}?tagging"),
    }
}

/// Whether the object is gone. A bucket that is not there is another matter: it may be deployed again.
fn is_gone(answer: &Answer) -> bool {
    let code = |code| answer.text().contains(&format!("<Code>{code}</Code>"));
    answer.status == StatusCode::NOT_FOUND && (code("NoSuchKey") || code("NoSuchVersion"))
}

fn outcome(answer: &Answer) -> Outcome {
    let reason = || format!("{} {}", answer.status, answer.text());
    match answer.status {
        status if status.is_success() => Outcome::Done,
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Outcome::Retry(reason()),
        StatusCode::NOT_FOUND if !is_gone(answer) => Outcome::Retry(reason()),
        _ => Outcome::Never(reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: StatusCode, code: &str) -> Answer {
        let body = Bytes::from(format!("<Error><Code>{code}</Code></Error>"));
        Answer { status, headers: http::HeaderMap::new(), body }
    }

    #[test]
    fn an_object_can_be_gone_but_a_bucket_is_waited_for() {
        for code in ["NoSuchKey", "NoSuchVersion"] {
            assert!(is_gone(&answer(StatusCode::NOT_FOUND, code)));
        }
        let no_bucket = answer(StatusCode::NOT_FOUND, "NoSuchBucket");
        assert!(!is_gone(&no_bucket) && matches!(outcome(&no_bucket), Outcome::Retry(_)));
        assert!(matches!(outcome(&answer(StatusCode::FORBIDDEN, "AccessDenied")), Outcome::Never(_)));
    }
}
