//! Every file that cannot be processed as a whole: its error name, and the sentence that its owner reads.

use tandem_core::error::{Classified, ErrorType};
use tandem_core::payload::{BatchInput, SplitOutput, SplitTask};
use tandem_core::split::{self, SplitError, SplitSettings};
use tandem_core::testing::{Faults, MemoryObjects};

use crate::support::{BUCKET, Journey, Sizes, datasets};

const HEADER: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date";
const ROW: &str = "000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020";

/// Splits a file in buffers of every one of these sizes: the answer must not depend on them.
fn split_in(
    dataset: &str,
    file: &[u8],
    settings: &SplitSettings,
    buffers: &[usize],
) -> Result<SplitOutput, SplitError> {
    let datasets = datasets();
    let dataset = datasets.named(dataset).unwrap();
    let mut answers = buffers.iter().map(|&buffer| {
        let sizes = Sizes { buffer, ..Sizes::large() };
        let journey = Journey::new(dataset, file, &sizes, Faults::none());
        split_batch(dataset, &journey.objects, settings, journey.batch.clone())
    });
    let first = answers.next().unwrap();
    for other in answers {
        assert_eq!(format!("{other:?}"), format!("{first:?}"));
    }
    first
}

fn split_batch(
    dataset: &tandem_core::dataset::Dataset,
    objects: &MemoryObjects,
    settings: &SplitSettings,
    batch: BatchInput,
) -> Result<SplitOutput, SplitError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let split = runtime.block_on(split::run(objects, objects, settings, dataset, &SplitTask { batch }))?;
    Ok(split.output)
}

fn check(file: &[u8], expected: ErrorType, sentence: &str) {
    let error = split_in("sales-orders", file, &SplitSettings::default(), &[1, 7, 1 << 20]).unwrap_err();
    assert_eq!((error.error_type(), error.to_string().as_str()), (expected, sentence), "{}", file.escape_ascii());
    assert!(expected.is_file_fault());
}

#[test]
fn a_file_without_a_line_is_empty() {
    let sentence = "The file is empty: upload a CSV file whose first line names the columns.";
    for file in ["", "\u{FEFF}", "\n", "\r\n\r\n\n", "\u{FEFF}\n\n\r", "\r"] {
        check(file.as_bytes(), ErrorType::EmptyFile, sentence);
    }
}

#[test]
fn what_is_no_csv_is_named() {
    let not_csv = |file: &[u8], found: &str| {
        let sentence =
            format!("The file is not a CSV file: it is {found}. Export the data as CSV in UTF-8 and upload that.");
        check(file, ErrorType::NotCsv, &sentence);
    };
    not_csv(b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n", "a PDF document");
    not_csv(b"PK\x03\x04\x14\0\x06\0", "an Excel workbook or a ZIP archive");
    not_csv(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel workbook");
    not_csv(b"\x1F\x8B\x08\0\0\0\0\0", "compressed with gzip");
    not_csv(b"\xFF\xFEu\0u\0i\0d\0", "text in UTF-16");
    not_csv(b"\x7FELF\x02\x01\x01\0", "binary data");
    not_csv(b"uuid,\0\0\0\n", "binary data");
    not_csv(b"\"never closed, \x01", "binary data");
    not_csv(b"uuid,Stra\xDFe\n1,2\n", "text in another encoding than UTF-8");
}

#[test]
fn binary_data_without_a_line_end_is_told_before_it_has_all_been_read() {
    let mut noise = vec![b'x'; 3 << 20];
    noise[1000] = 0;
    let sentence = "The file is not a CSV file: it is binary data. Export the data as CSV in UTF-8 and upload that.";
    let error = split_in("sales-orders", &noise, &SplitSettings::default(), &[4096, 1 << 20]).unwrap_err();
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn a_missing_column_is_named_with_what_stands_there_instead() {
    let missing = |header: &str, sentence: &str| {
        check(format!("{header}\n{ROW}\n").as_bytes(), ErrorType::MissingColumn, sentence)
    };
    missing(
        "uuid,Country,Sales Channel,Order Priority,Order Date,Region,Ship Date",
        "The column \"Item Type\" is missing from the file's first line: add or rename what is missing and upload the file again.",
    );
    missing(
        &HEADER.replace("Item Type", "item_type"),
        "The column \"Item Type\" is missing from the file's first line, which has \"item_type\" instead of \"Item Type\": \
         add or rename what is missing and upload the file again.",
    );
    missing(
        &HEADER.replace("Country", "Contry").replace("Region", "Area"),
        "The columns \"Country\" and \"Region\" are missing from the file's first line, which has \"Contry\" instead of \
         \"Country\": add or rename what is missing and upload the file again.",
    );
}

#[test]
fn a_header_of_more_than_64_bytes_is_never_quoted_to_the_owner() {
    let quoted = |length: usize| {
        // Signs do not count, so it reads like the column whatever its length.
        let header = HEADER.replace("Country", &format!("Country{}", "_".repeat(length - "Country".len())));
        let file = format!("{header}\n{ROW}\n");
        let error = split_in("sales-orders", file.as_bytes(), &SplitSettings::default(), &[7, 1 << 20]).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::MissingColumn);
        error.to_string().contains("Country_")
    };
    assert_eq!((quoted(64), quoted(65), quoted(5_000)), (true, false, false));
}

#[test]
fn a_needed_column_that_stands_twice_is_named() {
    let twice = format!("{HEADER},Region\n");
    let sentence =
        "The column \"Region\" stands in the file's first line 2 times: keep one of them and upload the file again.";
    check(twice.as_bytes(), ErrorType::DuplicateColumn, sentence);
    let extra_twice = format!("{HEADER},note,note\n");
    assert!(split_in("sales-orders", extra_twice.as_bytes(), &SplitSettings::default(), &[9]).is_ok());
}

#[test]
fn a_wrong_delimiter_is_named_beside_the_expected_one() {
    for (delimiter, name) in [(";", "a semicolon (;)"), ("\t", "a tab"), ("|", "a vertical bar (|)")] {
        let sentence = format!(
            "The file separates its columns by {name}, but a comma (,) is expected: save it with that and upload it again."
        );
        check(HEADER.replace(',', delimiter).as_bytes(), ErrorType::WrongDelimiter, &sentence);
    }
    let error = split_in("price-list", b"SKU,Name,Net Price,Currency,Valid From", &SplitSettings::default(), &[5]);
    let sentence = "The file separates its columns by a comma (,), but a semicolon (;) is expected: save it with that and \
                    upload it again.";
    assert_eq!(error.unwrap_err().to_string(), sentence);
}

#[test]
fn an_unclosed_quote_is_told_with_the_row_where_it_opened() {
    let unclosed = |file: String, place: &str| {
        let sentence =
            format!("A quote that opens in {place} is never closed: close or remove it and upload the file again.");
        check(file.as_bytes(), ErrorType::UnclosedQuote, &sentence);
    };
    unclosed(format!("{HEADER}\n{ROW}\n\n{ROW}\n000000002,\"Chad,Fruit\n{ROW}\n"), "row 3");
    unclosed(format!("{HEADER}\n\"{ROW}"), "row 1");
    unclosed(format!("\"{HEADER}\n{ROW}\n"), "the header");
    unclosed(format!("{HEADER}\n{ROW}\n{ROW},\"a\"\"\n"), "row 2");
}

#[test]
fn a_record_that_is_too_long_is_told_with_its_row_unless_a_quote_is_open() {
    let settings = SplitSettings { max_record: 200, ..SplitSettings::default() };
    let long = "x".repeat(300);
    let split = |file: &str| split_in("sales-orders", file.as_bytes(), &settings, &[1, 64, 1 << 20]).unwrap_err();
    let sentence = |place: &str| {
        format!(
            "The record in {place} is longer than 200 bytes: shorten it, or look for a stray quote before it, and upload the \
             file again."
        )
    };
    assert_eq!(split(&format!("{HEADER}\n{ROW}\n{ROW}{long}\n{ROW}\n")).to_string(), sentence("row 2"));
    assert_eq!(split(&format!("{HEADER}\n{ROW}{long}")).to_string(), sentence("row 1"));
    assert_eq!(split(&format!("{HEADER},{long}\n{ROW}\n")).to_string(), sentence("the header"));
    assert_eq!(split(&format!("{HEADER}\n{ROW},\"{long}")).error_type(), ErrorType::UnclosedQuote);
}

#[test]
fn a_field_of_20_megabytes_fails_the_file_with_its_row() {
    let file = format!("{HEADER}\n{ROW}\n{ROW}\"{}\"\n", "x".repeat(20 << 20));
    let error = split_in("sales-orders", file.as_bytes(), &SplitSettings::default(), &[64 << 10]).unwrap_err();
    assert_eq!(error.error_type(), ErrorType::RecordTooLong);
    assert!(error.to_string().contains("row 2"), "{error}");
}

#[test]
fn too_many_chunks_say_how_many_rows_a_file_may_have() {
    let settings = SplitSettings { chunk_rows: 2, max_chunks: 3, ..SplitSettings::default() };
    let file = |rows: usize| format!("{HEADER}\n{}", format!("{ROW}\n").repeat(rows));
    let output = split_in("sales-orders", file(6).as_bytes(), &settings, &[11]).unwrap();
    assert_eq!((output.chunks, output.rows), (3, 6));
    let error = split_in("sales-orders", file(7).as_bytes(), &settings, &[11]).unwrap_err();
    let sentence = "The file is too large for one batch: it needs more than 3 chunks. Cut it into several files of at most 6 \
                    rows and upload those.";
    assert_eq!((error.error_type(), error.to_string().as_str()), (ErrorType::TooManyChunks, sentence));
}

#[test]
fn a_header_of_100_000_columns_is_read() {
    let extra: String = (0..100_000).map(|number| format!(",c{number}")).collect();
    let output = split_in("sales-orders", format!("{HEADER}{extra}\n").as_bytes(), &SplitSettings::default(), &[4096]);
    assert_eq!(output.unwrap().layout.columns, 100_008);
}

#[test]
fn an_input_that_is_gone_or_replaced_is_missing() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let journey = Journey::new(dataset, HEADER.as_bytes(), &Sizes::large(), Faults::none());
    let sentence = "The file was deleted or replaced before it was processed: upload it again.";
    let gone = BatchInput { key: "input/other.csv".to_owned(), ..journey.batch.clone() };
    let replaced = BatchInput { etag: "another".to_owned(), ..journey.batch.clone() };
    for batch in [gone, replaced] {
        let error = split_batch(dataset, &journey.objects, &SplitSettings::default(), batch).unwrap_err();
        assert_eq!((error.error_type(), error.to_string().as_str()), (ErrorType::InputMissing, sentence));
    }
}

#[test]
fn a_later_upload_under_the_same_key_does_not_disturb_the_batch() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let journey = Journey::new(dataset, format!("{HEADER}\n{ROW}\n").as_bytes(), &Sizes::large(), Faults::none());
    journey.objects.put(BUCKET, &journey.batch.key, "something else");
    assert_eq!(journey.run().unwrap().rows_out, 1);
}

#[test]
fn a_size_that_an_event_made_up_is_an_error_however_the_input_is_read() {
    let datasets = datasets();
    let dataset = datasets.named("sales-orders").unwrap();
    let file = format!("{HEADER}\n{ROW}\n{ROW}\n");
    let journey = Journey::new(dataset, file.as_bytes(), &Sizes::large(), Faults::none());
    let size = journey.batch.size;
    // Whole, in ranges, and in ranges that end with a row, so that what is left would look like a whole file.
    for read_bytes in [u64::MAX, 100, size - ROW.len() as u64 - 1] {
        let settings = SplitSettings { read_bytes, ..SplitSettings::default() };
        for told in [0, size + 1, size - 1, size - ROW.len() as u64 - 1, 1, 1 << 40] {
            let batch = BatchInput { size: told, ..journey.batch.clone() };
            let error = split_batch(dataset, &journey.objects, &settings, batch).unwrap_err();
            let sentence = format!("The input has {size} bytes, but its upload event said {told}: ");
            assert!(
                error.to_string().starts_with(&sentence) && !error.is_retryable(),
                "{told} in {read_bytes}: {error}"
            );
            assert!(!error.error_type().is_file_fault());
        }
        assert!(split_batch(dataset, &journey.objects, &settings, journey.batch.clone()).is_ok());
    }
}
