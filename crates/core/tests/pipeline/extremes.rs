//! Inputs of extreme size or form, and inputs that change under the reader: each has its outcome, and memory stays bounded.

use tandem_core::batch::{Attempt, BatchId};
use tandem_core::error::{Classified, ErrorType};
use tandem_core::payload::{BatchInput, SplitOutput, SplitTask};
use tandem_core::split::{self, SplitError, SplitSettings};
use tandem_core::testing::{Faults, MemoryObjects};

use crate::support::{BUCKET, Journey, Made, Mishap, Sizes, datasets};

const HEADER: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n";
const ROW: &str = "000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n";
const MIB: u64 = 1024 * 1024;
const GB: u64 = 1_000_000_000;

/// Splits an input that is made while it is read, and holds what was kept of it in memory to the settings' bound.
fn split(made: &Made) -> Result<SplitOutput, SplitError> {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let batch = BatchInput {
        batch_id: BatchId::of("input/made.csv", Made::ETAG),
        attempt: Attempt::FIRST,
        first_attempt: Attempt::FIRST,
        bucket: BUCKET.to_owned(),
        key: "input/made.csv".to_owned(),
        etag: Made::ETAG.to_owned(),
        version_id: Some(Made::VERSION.to_owned()),
        size: made.size,
        dataset: dataset.name.clone(),
    };
    let (settings, task, work) = (SplitSettings::default(), SplitTask { batch }, MemoryObjects::default());
    let run = split::run(made, &work, &settings, dataset, &task);
    let outcome = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run);
    let (held, most_held) = made.held();
    assert!(most_held <= (settings.concurrent_reads as u64 + 1) * settings.read_bytes, "{most_held} bytes held");
    assert_eq!(held, 0);
    assert_eq!(work.written().is_empty(), outcome.is_err(), "a file that fails has no manifest");
    outcome.map(|split| split.output)
}

fn error(made: &Made) -> (ErrorType, String) {
    let error = split(made).unwrap_err();
    (error.error_type(), error.to_string())
}

#[test]
fn a_line_of_2_gigabytes_fails_without_being_read() {
    let made = Made::new(format!("{HEADER}{ROW}"), b'x', 2 * GB);
    let (name, sentence) = error(&made);
    assert_eq!(name, ErrorType::RecordTooLong);
    assert!(sentence.contains("row 2"), "{sentence}");
    assert!(made.served() <= 40 * MIB, "{} bytes read", made.served());
    let (name, sentence) = error(&Made::new("", b'x', 2 * GB));
    assert_eq!(name, ErrorType::RecordTooLong);
    assert!(sentence.contains("the header"), "{sentence}");
}

#[test]
fn a_line_of_2_gigabytes_inside_a_quote_that_is_never_closed_is_told_as_that() {
    let made = Made::new(format!("{HEADER}{ROW}\""), b'x', 2 * GB);
    let (name, sentence) = error(&made);
    assert_eq!(name, ErrorType::UnclosedQuote);
    assert!(sentence.contains("row 2"), "{sentence}");
    assert_eq!(made.served(), 2 * GB);
}

#[test]
fn quotes_and_nothing_else_are_one_long_record_or_one_that_never_ends() {
    let all = |size| error(&Made::new("", b'"', size));
    assert_eq!(all(16 * MIB).0, ErrorType::RecordTooLong);
    assert_eq!(all(16 * MIB - 1).0, ErrorType::UnclosedQuote);
    let behind_a_row = |size| error(&Made::new(format!("{HEADER}{ROW}"), b'"', size));
    let start = (HEADER.len() + ROW.len()) as u64;
    assert_eq!(behind_a_row(start + 16 * MIB).0, ErrorType::RecordTooLong);
    assert_eq!(behind_a_row(start + 16 * MIB + 1).0, ErrorType::UnclosedQuote);
}

#[test]
fn newlines_and_nothing_else_are_an_empty_file_and_behind_a_header_no_rows() {
    assert_eq!(error(&Made::new("", b'\n', 20 * MIB)).0, ErrorType::EmptyFile);
    let output = split(&Made::new(HEADER, b'\n', 20 * MIB)).unwrap();
    assert_eq!((output.chunks, output.rows, output.only_chunk), (0, 0, None));
    let output = split(&Made::new(format!("{HEADER}{ROW}"), b'\n', 20 * MIB)).unwrap();
    assert_eq!((output.chunks, output.rows), (1, 1));
    let start = HEADER.len() as u64;
    let only = output.only_chunk.unwrap();
    assert_eq!((only.start, only.end), (start, start + ROW.len() as u64));
}

#[test]
fn a_file_of_100_000_columns_is_delivered_and_one_whose_header_is_too_long_is_told_so() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let wide = |name: &str, columns: usize| {
        let names: String = (0..columns).map(|number| format!(",{name}{number}")).collect();
        let row = ROW.trim_end();
        format!("{}{names}\n{row}{commas}\n{row}{commas}x\n", HEADER.trim_end(), commas = ",".repeat(columns))
    };
    let journey = Journey::new(dataset, wide("c", 100_000).as_bytes(), &Sizes::large(), Faults::none());
    let result = journey.run().unwrap();
    assert_eq!((result.rows_out, result.rows_rejected), (2, 0));
    let journey = Journey::new(dataset, wide("a long name ", 100_000).as_bytes(), &Sizes::large(), Faults::none());
    assert_eq!(journey.run().err().unwrap().error_type(), ErrorType::RecordTooLong);
}

/// An input of three ranges and a bit: a header, rows, and the rest blank lines.
fn three_ranges(mishap: Mishap) -> Made {
    Made::new(format!("{HEADER}{}", ROW.repeat(400_000)), b'\n', 25 * MIB).with(mishap)
}

#[test]
fn a_file_that_is_truncated_while_it_is_read_is_tried_again() {
    for end in [0, 1, 8 * MIB, 8 * MIB + 1, 20 * MIB, 25 * MIB - 1] {
        let made = three_ranges(Mishap::EndsAt(end));
        assert_eq!(error(&made).0, ErrorType::ServiceUnavailable, "at {end}");
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_missing() {
    for from in [0, 8 * MIB, 20 * MIB, 25 * MIB - 1] {
        assert_eq!(error(&three_ranges(Mishap::ReplacedFrom(from))).0, ErrorType::InputMissing, "from {from}");
    }
}

#[test]
fn a_download_that_breaks_off_is_taken_up_where_it_broke_a_few_times() {
    let undisturbed = split(&three_ranges(Mishap::None)).unwrap();
    for breaks in 1..=3 {
        let made = three_ranges(Mishap::Breaks(breaks));
        assert_eq!(split(&made).unwrap(), undisturbed);
        assert_eq!(made.served(), made.size, "no byte is read twice");
    }
    let (name, message) = error(&three_ranges(Mishap::Breaks(1000)));
    assert_eq!(name, ErrorType::ServiceUnavailable);
    assert!(message.contains("broke off"), "{message}");
    // A small input is one plain read, and goes on as a range.
    let made = Made::new(format!("{HEADER}{}", ROW.repeat(3)), b'\n', 300).with(Mishap::Breaks(3));
    assert_eq!(split(&made).unwrap().rows, 3);
    assert_eq!(made.served(), made.size);
}

#[test]
fn a_part_that_vanished_between_enrich_and_merge_is_waited_for() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let file = format!("{HEADER}{}", ROW.repeat(5));
    let sizes = Sizes { chunk_rows: 2, min_part: 100, ..Sizes::large() };
    for (chunk, name) in [(0, "output.csv"), (2, "output.csv"), (1, "rejects.csv"), (1, "summary.json")] {
        let journey = Journey::new(dataset, file.as_bytes(), &sizes, Faults::none());
        journey.run().unwrap();
        let prefix = journey.split.borrow().as_ref().unwrap().work_prefix.clone();
        let (key, written) = (format!("{prefix}chunk-{chunk:05}/{name}"), journey.objects.written().len());
        journey.objects.remove(BUCKET, &key);
        let outcome = journey.merge_again();
        let is_empty = name == "rejects.csv";
        if is_empty {
            assert_eq!(outcome.unwrap().rows_out, 5, "a part without bytes is not read");
        } else {
            assert_eq!(outcome.err().unwrap().error_type(), ErrorType::ServiceUnavailable, "{key}");
            assert!(journey.objects.written().len() <= written + 1);
        }
        assert_eq!(journey.objects.open_uploads(), 0);
    }
}
