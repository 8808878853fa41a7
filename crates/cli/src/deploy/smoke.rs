//! Whether the smoke file came to what it must: its counts, its result in both Regions, and every byte of it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tandem_core::canary::{ROWS, Run};
use tandem_core::ports::{Clock, InspectObjects, ObjectRef, Pause, ServiceError};

use crate::links::{OUTPUT, REJECTS};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// What whoever deploys may lack.
pub const RIGHTS: &str = "whoever deploys needs s3:GetObject on output/ of both buckets and through the access point, must be among \
     DataReaders where storage is locked, and where a KMS key seals results kms:Decrypt with it (sam/access.yaml has such \
     policies); --no-smoke deploys without this trial";

/// Whether the file was delivered in the Region that is to be the active one, and its rows came to what they must.
pub fn judged(result: &Value, region: &str) -> anyhow::Result<()> {
    let (delivered, rejected) = ROWS;
    let rows = [("rows_in", delivered + rejected), ("rows_out", delivered), ("rows_rejected", rejected)];
    ensure!(result["status"] == "DELIVERED", "was not delivered: {result}");
    for (name, wanted) in rows {
        let found = &result[name];
        ensure!(*found == wanted, "came to {name} {found}, where its rows must come to {wanted}");
    }
    let by = result["region"].as_str().unwrap_or_default();
    ensure!(by == region, "was delivered by {by}, although {region} is to be the active Region");
    Ok(())
}

/// Whether the files of a folder hold the run's result, byte for byte.
pub fn compared(run: &Run, folder: &Path) -> anyhow::Result<()> {
    let read = |name: &str| {
        let file = folder.join(name);
        std::fs::read(&file).with_context(|| format!("{} can't be read", file.display()))
    };
    let (output, rejects) = (read(OUTPUT)?, read(REJECTS)?);
    run.compare(&output, &rejects).map_err(|differs| anyhow::anyhow!("its result is wrong: {differs}"))
}

/// A Region's bucket.
pub struct Bucket<O> {
    pub region: String,
    pub name: String,
    /// The KMS key that seals results here, if there is one.
    pub key: Option<String>,
    pub objects: O,
}

impl<O: InspectObjects> Bucket<O> {
    async fn holds(&self, key: &str) -> Result<bool, ServiceError> {
        let object = ObjectRef { bucket: self.name.clone(), key: key.to_owned(), etag: None, version_id: None };
        Ok(self.objects.head(&object).await?.is_some())
    }
}

/// What S3 copies from one bucket to the other.
pub struct Replication<'a, O, T> {
    pub from: Bucket<O>,
    pub to: Bucket<O>,
    /// The role as which S3 copies.
    pub role: String,
    pub time: &'a T,
    pub patience: Duration,
}

impl<O: InspectObjects, T: Clock + Pause> Replication<'_, O, T> {
    /// Waits until the other bucket holds an object too.
    ///
    /// # Errors
    /// When it still does not after the patience, with what to look at; or when nobody may look.
    pub async fn arrives(&self, object: &str) -> anyhow::Result<()> {
        self.is_seen(object).await?;
        let until = self.time.now() + self.patience;
        loop {
            let last = match self.to.holds(object).await {
                Ok(true) => return Ok(()),
                Ok(false) => String::new(),
                // Refused as well: without the right to list that is how S3 says "not yet there".
                Err(error) => format!(" (the last answer was: {error})"),
            };
            if self.time.now() >= until {
                bail!("{}{last}: {}", self.missing(object), self.remedy());
            }
            self.time.pause(LOOK).await;
        }
    }

    /// Where the object was written it is surely there: what is refused here is refused for good.
    async fn is_seen(&self, object: &str) -> anyhow::Result<()> {
        let Bucket { name, region, .. } = &self.from;
        match self.from.holds(object).await {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the batch is DELIVERED, but {object} is not in {name} ({region})"),
            Err(error @ ServiceError::Denied { .. }) => {
                Err(anyhow::Error::from(error).context(format!("{object} may not be looked at in {name}: {RIGHTS}")))
            }
            Err(error) => Err(anyhow::Error::from(error).context(format!("{object} can't be looked at in {name}"))),
        }
    }

    fn missing(&self, object: &str) -> String {
        let seconds = self.patience.as_secs();
        let (from, to) = (&self.from.name, &self.to.name);
        format!("{object} was written to {from} and has not been replicated to {to} within {seconds} s")
    }

    fn remedy(&self) -> String {
        let (from, to, role) = (&self.from, &self.to, &self.role);
        let sealed = match (&from.key, &to.key) {
            (Some(opens), Some(seals)) => {
                format!(", with {opens} to open and {seals} to seal it (and their own policies)")
            }
            _ => String::new(),
        };
        format!("look at the replication rule and metrics of {} and at what the role {role} may do{sealed}", from.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use serde_json::json;
    use tandem_core::ports::ObjectInfo;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_smoke_file_is_well_only_if_each_of_its_rows_came_to_what_it_must_in_the_active_region() {
        let well =
            json!({ "status": "DELIVERED", "region": "us-east-1", "rows_in": 12, "rows_out": 7, "rows_rejected": 5 });
        judged(&well, "us-east-1").unwrap();
        for (field, value, says) in [
            ("status", json!("FAILED"), "was not delivered"),
            ("rows_in", json!(11), "rows_in 11"),
            // As where enrichment finds nothing: every row is unmatched.
            ("rows_out", json!(0), "rows_out 0, where its rows must come to 7"),
            ("rows_rejected", json!(12), "rows_rejected 12"),
            ("rows_rejected", json!(null), "rows_rejected null"),
            ("region", json!("us-west-2"), "delivered by us-west-2"),
        ] {
            let mut result = well.clone();
            result[field] = value;
            let problem = judged(&result, "us-east-1").unwrap_err().to_string();
            assert!(problem.contains(says), "{problem}");
        }
    }

    #[test]
    fn a_result_of_the_right_counts_and_a_wrong_byte_is_wrong_and_never_shown() {
        let run = Run::new(OffsetDateTime::UNIX_EPOCH, 1);
        let folder = std::env::temp_dir().join(format!("tandem-smoke-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, content: String| std::fs::write(folder.join(name), content).unwrap();
        write(OUTPUT, run.output());
        assert!(compared(&run, &folder).unwrap_err().to_string().contains("rejects.csv can't be read"));
        write(REJECTS, run.rejects());
        compared(&run, &folder).unwrap();
        write(OUTPUT, run.output().replace("north", "secret"));
        let problem = compared(&run, &folder).unwrap_err().to_string();
        assert!(problem.contains("its result is wrong: output.csv: line 2 is not"), "{problem}");
        assert!(!problem.contains("secret"), "{problem}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Answers the looks in turn, the last one for ever.
    struct Looks(Mutex<Vec<Answer>>);

    #[derive(Clone, Copy)]
    enum Answer {
        There,
        Missing,
        Denied,
    }

    impl InspectObjects for Looks {
        async fn head(&self, _: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
            let mut looks = self.0.lock().unwrap();
            let answer = if looks.len() > 1 { looks.remove(0) } else { looks[0] };
            match answer {
                Answer::There => Ok(Some(ObjectInfo { etag: String::from("e"), bytes: 1, version_id: None })),
                Answer::Missing => Ok(None),
                Answer::Denied => Err(ServiceError::Denied { operation: "s3:GetObject", message: "403".into() }),
            }
        }
    }

    /// A time that passes by waiting only.
    struct Time(Mutex<OffsetDateTime>);

    impl Clock for Time {
        fn now(&self) -> OffsetDateTime {
            *self.0.lock().unwrap()
        }
    }

    impl Pause for Time {
        async fn pause(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    async fn arrives(from: &[Answer], to: &[Answer], key: Option<&str>) -> anyhow::Result<()> {
        let bucket = |region: &str, looks: &[Answer]| Bucket {
            region: region.to_owned(),
            name: format!("tandem-dev-1-{region}"),
            key: key.map(|key| key.replace("{region}", region)),
            objects: Looks(Mutex::new(looks.to_vec())),
        };
        let replication = Replication {
            from: bucket("us-east-1", from),
            to: bucket("us-west-2", to),
            role: String::from("tandem-dev-replication-us-east-1"),
            time: &Time(Mutex::new(OffsetDateTime::UNIX_EPOCH)),
            patience: Duration::from_secs(900),
        };
        replication.arrives("output/canary/b/output.csv").await
    }

    #[tokio::test]
    async fn a_result_may_be_on_its_way_to_the_other_region_for_a_while() {
        use Answer::{Denied, Missing, There};
        arrives(&[There], &[Missing, Denied, There], None).await.unwrap();
    }

    #[tokio::test]
    async fn a_result_that_is_not_replicated_fails_with_what_to_look_at() {
        use Answer::{Denied, Missing, There};
        let problem =
            arrives(&[There], &[Missing], Some("arn:aws:kms:{region}:1:key/mrk-1")).await.unwrap_err().to_string();
        for says in [
            "output/canary/b/output.csv was written to tandem-dev-1-us-east-1 and has not been replicated to tandem-dev-1-us-west-2 within 900 s:",
            "the replication rule",
            "the role tandem-dev-replication-us-east-1",
            "arn:aws:kms:us-east-1:1:key/mrk-1 to open and arn:aws:kms:us-west-2:1:key/mrk-1 to seal it",
        ] {
            assert!(problem.contains(says), "{problem}");
        }
        let unsealed = arrives(&[There], &[Denied], None).await.unwrap_err().to_string();
        assert!(!unsealed.contains("to seal") && unsealed.contains("the last answer was: "), "{unsealed}");
    }

    #[tokio::test]
    async fn who_may_not_look_is_told_which_rights_that_takes_without_waiting() {
        let problem = arrives(&[Answer::Denied], &[Answer::Missing], None).await.unwrap_err();
        let text = format!("{problem:#}");
        assert!(text.contains("may not be looked at") && text.contains("DataReaders"), "{text}");
        let lost = arrives(&[Answer::Missing], &[Answer::There], None).await.unwrap_err().to_string();
        assert!(lost.contains("is not in tandem-dev-1-us-east-1"), "{lost}");
    }
}
