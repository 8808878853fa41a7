//! Which of the known batches are listed, where there are more than a page should hold: some of each kind always.

use tandem_core::batch::{BatchRecord, BatchStatus};

use super::super::snapshot::ListView;
use super::batches::EXECUTIONS;

/// Most batches that are listed.
const SHOWN: usize = 100;
/// Places that open batches leave to those that have ended.
const FOR_ENDED: usize = 30;
/// Of all that have ended, places that the others leave to those that failed.
const FOR_FAILED: usize = 10;

/// Those that are open, the longest unchanged first, and then those that have ended, the newest first; and of how many they are a
/// part. `more`: there are others that are not even known.
pub fn shown<'a>(known: impl Iterator<Item = &'a BatchRecord>, more: bool) -> (Vec<BatchRecord>, ListView) {
    let (mut open, mut ended): (Vec<_>, Vec<_>) = known.partition(|record| !record.status.has_ended());
    let list = ListView { open: open.len(), ended: ended.len(), more, followed: EXECUTIONS };
    open.sort_by(|a, b| a.updated.cmp(&b.updated));
    open.truncate(SHOWN - ended.len().min(FOR_ENDED));
    let ended = of_each_kind(&mut ended, SHOWN - open.len());
    (open.into_iter().chain(ended).cloned().collect(), list)
}

/// The newest, and if they leave some out, still the newest that failed.
fn of_each_kind<'a>(ended: &mut Vec<&'a BatchRecord>, places: usize) -> Vec<&'a BatchRecord> {
    ended.sort_by(|a, b| b.updated.cmp(&a.updated));
    let failed =
        ended.iter().filter(|record| record.status == BatchStatus::Failed).take(FOR_FAILED.min(places)).count();
    let (mut failed_left, mut others_left) = (failed, places - failed);
    let mut kept = Vec::with_capacity(places);
    for record in ended.iter() {
        // Beyond its own places, one that failed takes its turn among the others.
        let left =
            if record.status == BatchStatus::Failed && failed_left > 0 { &mut failed_left } else { &mut others_left };
        if *left > 0 {
            *left -= 1;
            kept.push(*record);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use tandem_core::event::Upload;

    use super::*;

    fn record(key: &str, status: BatchStatus, second: usize) -> BatchRecord {
        let upload = Upload { bucket: "b".into(), key: key.into(), etag: "e".into(), version_id: None, size: 7 };
        let mut record = upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z");
        (record.status, record.updated) = (status, format!("2026-01-01T00:00:00.{second:03}Z"));
        record
    }

    /// So many, the later the newer.
    fn records(name: &str, status: BatchStatus, number: usize) -> Vec<BatchRecord> {
        (0..number).map(|each| record(&format!("input/{name}-{each}.csv"), status, each)).collect()
    }

    fn keys(known: &[BatchRecord]) -> Vec<String> {
        shown(known.iter(), false).0.into_iter().map(|record| record.key).collect()
    }

    #[test]
    fn open_batches_stand_first_and_the_longest_unchanged_before_the_others() {
        let known = [
            record("input/a.csv", BatchStatus::Delivered, 4),
            record("input/b.csv", BatchStatus::Running, 3),
            record("input/c.csv", BatchStatus::Failed, 5),
            record("input/d.csv", BatchStatus::Claimed, 2),
        ];
        assert_eq!(keys(&known), ["input/d.csv", "input/b.csv", "input/c.csv", "input/a.csv"]);
    }

    #[test]
    fn however_many_are_open_or_delivered_those_that_failed_are_listed() {
        let failed = records("failed", BatchStatus::Failed, 2);
        let delivered = records("delivered", BatchStatus::Delivered, 500);
        let open = records("open", BatchStatus::Running, 300);
        let known = [failed, delivered, open].concat();
        let keys = keys(&known);
        let number = |name: &str| keys.iter().filter(|key| key.contains(name)).count();
        assert_eq!((keys.len(), number("open"), number("delivered"), number("failed")), (SHOWN, 70, 28, 2));
        assert_eq!(keys[0], "input/open-0.csv", "the longest unchanged");
        assert_eq!(keys[70], "input/delivered-499.csv", "the newest");
    }

    #[test]
    fn places_that_one_kind_does_not_need_are_the_others() {
        assert_eq!(keys(&records("open", BatchStatus::Running, 300)).len(), SHOWN);
        assert_eq!(keys(&records("failed", BatchStatus::Failed, 300)).len(), SHOWN);
        let known =
            [records("open", BatchStatus::Running, 3), records("delivered", BatchStatus::Delivered, 300)].concat();
        assert_eq!(keys(&known).iter().filter(|key| key.contains("delivered")).count(), SHOWN - 3);
    }

    #[test]
    fn it_is_told_of_how_many_the_listed_ones_are_a_part() {
        let known = [records("open", BatchStatus::Running, 300), records("failed", BatchStatus::Failed, 4)].concat();
        let (_, list) = shown(known.iter(), true);
        assert_eq!((list.open, list.ended, list.more), (300, 4, true));
    }
}
