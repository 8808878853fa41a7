//! How parts become one object, with the service's own limits.

use std::future;
use std::task::Poll;

use tandem_core::error::{Classified, ErrorType};
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::{ChunkRange, Layout, MergeOutput, MergeTask, SplitOutput};
use tandem_core::testing::{Faults, MemoryObjects, MemoryRejects};
use tandem_core::work::{ChunkFile, Part, Summary, WorkError};

use crate::support::{BUCKET, Journey, Sizes, datasets};

const MIB: usize = 1024 * 1024;
const PREFIX: &str = "work/batch/print/";

/// Puts chunks whose output parts have these sizes, one row each; answers the task and the bytes to expect.
fn chunks(objects: &MemoryObjects, sizes: &[usize]) -> (MergeTask, Vec<u8>) {
    let datasets = datasets();
    let journey = Journey::new(datasets.named("sales-orders").unwrap(), b"x", &Sizes::large(), Faults::none());
    let (mut manifest, mut whole) = (Vec::new(), Vec::new());
    for (number, &size) in (0_u32..).zip(sizes) {
        let content = vec![b'a' + u8::try_from(number % 26).unwrap(); size];
        whole.extend_from_slice(&content);
        let part = |file: ChunkFile, content: Vec<u8>| {
            let (key, bytes) = (file.key(PREFIX, number), content.len() as u64);
            Part::new(key.clone(), objects.put(BUCKET, &key, content), bytes)
        };
        let (output, rejects) = (part(ChunkFile::Output, content), part(ChunkFile::Rejects, Vec::new()));
        let summary = Summary { rows_in: 1, rows_out: 1, rows_rejected: 0, reasons: Vec::new(), output, rejects };
        objects.put(BUCKET, &ChunkFile::Summary.key(PREFIX, number), serde_json::to_vec(&summary).unwrap());
        let at = u64::from(number);
        manifest.push(ChunkRange { chunk: number, start: at, end: at + 1, first_row: at + 1, rows: 1 });
    }
    let manifest_key = format!("{PREFIX}manifest.json");
    objects.put(BUCKET, &manifest_key, serde_json::to_vec(&manifest).unwrap());
    let split = SplitOutput {
        work_prefix: PREFIX.to_owned(),
        manifest_key,
        chunks: u32::try_from(sizes.len()).unwrap(),
        rows: sizes.len() as u64,
        layout: Layout { columns: 1, positions: vec![0] },
        definition: datasets.named("sales-orders").unwrap().digest(),
        version_id: None,
        only_chunk: None,
    };
    (MergeTask { batch: journey.batch.clone(), split }, whole)
}

fn merge(objects: &MemoryObjects, task: &MergeTask) -> Result<MergeOutput, WorkError> {
    merge_until(objects, task, future::pending())
}

fn merge_until(
    objects: &MemoryObjects,
    task: &MergeTask,
    stop: impl Future<Output = ()> + Send,
) -> Result<MergeOutput, WorkError> {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let (rejects, settings) = (MemoryRejects::default(), MergeSettings::default());
    let run = merge::run_until(objects, &rejects, &settings, dataset, task, stop);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run)
}

#[test]
fn parts_of_5_mib_are_copied_and_the_rest_goes_through_a_buffer_of_less_than_10_mib() {
    let objects = MemoryObjects::default();
    let sizes = [5 * MIB, 7 * MIB, 100, MIB, 12 * MIB, 3 * MIB, 4 * MIB, 0, 20 * MIB, 17];
    let (task, whole) = chunks(&objects, &sizes);
    let result = merge(&objects, &task).unwrap();
    assert!(objects.content(BUCKET, &result.output_key).unwrap() == whole);
    assert_eq!(result.bytes_out, whole.len() as u64);
    let sent = objects.sent_parts();
    // 100 bytes and 1 MiB, topped up from the 12 MiB behind them; 3 and 4 MiB; the last 17 bytes.
    assert_eq!(sent, [5 * MIB, 7 * MIB, 17]);
    assert_eq!(objects.open_uploads(), 0);
}

#[test]
fn a_small_result_is_one_plain_write() {
    let objects = MemoryObjects::default();
    let (task, whole) = chunks(&objects, &[1000, 0, 2 * MIB]);
    let result = merge(&objects, &task).unwrap();
    assert!(objects.content(BUCKET, &result.output_key).unwrap() == whole);
    assert!(objects.sent_parts().is_empty());
}

#[test]
fn every_failing_call_of_a_large_merge_leaves_no_upload_open() {
    for call in 0..calls_of_a_large_merge() {
        let objects = MemoryObjects::new(Faults::at(call)).with_buffer(MIB);
        let (task, whole) = chunks(&objects, &LARGE);
        let error = merge(&objects, &task).unwrap_err();
        assert!(error.is_retryable(), "call {call}: {error}");
        assert_eq!(objects.open_uploads(), 0, "call {call}");
        let key = format!("output/{}/output.csv", task.batch.batch_id);
        assert!(objects.content(BUCKET, &key).is_none_or(|content| content == whole), "call {call}");
    }
}

/// Sizes whose merge copies, sends and needs several parts of both.
const LARGE: [usize; 4] = [5 * MIB, 100, 5 * MIB, 6 * MIB];

/// The calls of an undisturbed merge of [`LARGE`].
fn calls_of_a_large_merge() -> usize {
    let counting = Faults::none();
    let objects = MemoryObjects::new(counting.clone()).with_buffer(MIB);
    let (task, _) = chunks(&objects, &LARGE);
    merge(&objects, &task).unwrap();
    counting.calls()
}

#[test]
fn every_call_that_panics_leaves_no_upload_open() {
    for call in 0..calls_of_a_large_merge() {
        let objects = MemoryObjects::new(Faults::panic_at(call)).with_buffer(MIB);
        let (task, _) = chunks(&objects, &LARGE);
        // What panics before anything is begun goes through; afterwards it is an error.
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| merge(&objects, &task)));
        if let Ok(outcome) = caught {
            assert_eq!(outcome.unwrap_err().error_type(), ErrorType::Internal, "call {call}");
        }
        assert_eq!(objects.open_uploads(), 0, "call {call}");
    }
}

#[test]
fn a_merge_that_is_stopped_anywhere_leaves_no_upload_open_and_may_be_tried_again() {
    let mut stopped = 0;
    for call in 0..calls_of_a_large_merge() {
        let faults = Faults::none();
        let objects = MemoryObjects::new(faults.clone()).with_buffer(MIB).with_waiting();
        let (task, whole) = chunks(&objects, &LARGE);
        let stop = future::poll_fn(|_| if faults.calls() > call { Poll::Ready(()) } else { Poll::Pending });
        match merge_until(&objects, &task, stop) {
            Ok(result) => assert!(objects.content(BUCKET, &result.output_key).unwrap() == whole),
            Err(error) => {
                stopped += 1;
                assert!(matches!(error, WorkError::Stopped) && error.is_retryable(), "call {call}: {error}");
            }
        }
        assert_eq!(objects.open_uploads(), 0, "call {call}");
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn an_upload_that_cannot_be_aborted_is_named_beside_what_failed() {
    let calls = calls_of_a_large_merge();
    let mut left_open = 0;
    for call in 0..calls {
        let objects = MemoryObjects::new(Faults::from(call)).with_buffer(MIB);
        let (task, _) = chunks(&objects, &LARGE);
        let error = merge(&objects, &task).unwrap_err();
        assert!(error.is_retryable(), "call {call}: {error}");
        assert_eq!(matches!(error, WorkError::LeftOpen { .. }), objects.open_uploads() > 0, "call {call}: {error}");
        if objects.open_uploads() > 0 {
            left_open += 1;
            assert!(error.to_string().contains("the upload upload-1 of output/"), "{error}");
        }
    }
    assert!(left_open > 5, "{left_open}");
}

#[test]
fn rows_that_do_not_add_up_deliver_nothing() {
    let objects = MemoryObjects::default();
    let (mut task, _) = chunks(&objects, &[10, 10]);
    task.split.rows = 3;
    let error = merge(&objects, &task).unwrap_err();
    assert_eq!(error.error_type(), ErrorType::Internal);
    assert!(error.to_string().contains("the chunks hold 2 rows, the input 3"), "{error}");
    assert!(objects.content(BUCKET, &format!("output/{}/output.csv", task.batch.batch_id)).is_none());
}

#[test]
fn a_part_that_vanished_fails_the_merge() {
    let objects = MemoryObjects::default();
    let (task, _) = chunks(&objects, &[10, 10]);
    let mut summary: Summary =
        serde_json::from_slice(&objects.content(BUCKET, &ChunkFile::Summary.key(PREFIX, 1)).unwrap()).unwrap();
    summary.output.etag = "another".to_owned();
    objects.put(BUCKET, &ChunkFile::Summary.key(PREFIX, 1), serde_json::to_vec(&summary).unwrap());
    assert_eq!(merge(&objects, &task).unwrap_err().error_type(), ErrorType::ServiceUnavailable);
}

#[test]
fn a_part_that_vanished_before_it_is_copied_fails_the_merge_and_leaves_no_upload_open() {
    for vanished in 0..4 {
        let objects = MemoryObjects::default();
        let (task, _) = chunks(&objects, &LARGE);
        objects.remove(BUCKET, &ChunkFile::Output.key(PREFIX, vanished));
        assert_eq!(merge(&objects, &task).unwrap_err().error_type(), ErrorType::ServiceUnavailable);
        assert_eq!(objects.open_uploads(), 0);
    }
}
