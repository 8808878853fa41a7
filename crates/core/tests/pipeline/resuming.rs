//! The law of resuming: whatever of an interrupted attempt's files is there, and in whatever state, the next attempt gives what
//! one pass gives, and makes again only what is not there as it should be.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tandem_core::batch::Attempt;
use tandem_core::payload::MergeOutput;
use tandem_core::testing::{Faults, MemoryLookup};

use crate::support::{Expected, Generated, Journey, Sizes, config, datasets, generated, reference, sizes};

const WEST: &str = "bucket-west";

/// What becomes of one object on its way to the other Region.
#[derive(Debug, Clone)]
enum Fate {
    Kept,
    Lost,
    Truncated,
    Changed,
    /// Another object's content stands under its key.
    Foreign(Index),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Kept),
        4 => Just(Fate::Lost),
        1 => Just(Fate::Truncated),
        1 => Just(Fate::Changed),
        1 => any::<Index>().prop_map(Fate::Foreign),
    ]
}

/// Brings what `from` has written to `to`: each object as its fate says, fates taken in turn.
fn replicate(from: &Journey<'_>, to: &Journey<'_>, fates: &[Fate]) {
    let keys = from.objects.written();
    for (key, fate) in keys.iter().zip(fates.iter().cycle()) {
        let content = from.content(key).unwrap();
        match fate {
            Fate::Kept => to.put(key, content),
            Fate::Lost => {}
            Fate::Truncated => to.put(key, &content[..content.len() / 2]),
            Fate::Changed if key.ends_with(".json") => to.put(key, r#"{"rows_in":1,"rows":1}"#),
            Fate::Changed => to.put(key, [content.as_slice(), b"x"].concat()),
            Fate::Foreign(other) => to.put(key, from.content(&keys[other.index(keys.len())]).unwrap()),
        }
    }
}

fn replicate_all(from: &Journey<'_>, to: &Journey<'_>) {
    replicate(from, to, &[Fate::Kept]);
}

/// Files of the run: what must be here, as `clean` wrote it, for a step to be left out; by the folder that it writes.
fn steps(clean: &Journey<'_>) -> Vec<(String, Vec<String>)> {
    let prefix = clean.split.borrow().as_ref().unwrap().work_prefix.clone();
    let named = |folder: &str, names: &[&str]| names.iter().map(|name| format!("{folder}{name}")).collect();
    let chunk = |chunk: u32| format!("{prefix}chunk-{chunk:05}/");
    let mut steps: Vec<_> = (0..clean.split.borrow().as_ref().unwrap().chunks)
        .map(|number| (chunk(number), named(&chunk(number), &["summary.json", "output.csv", "rejects.csv"])))
        .collect();
    steps.push((prefix.clone(), named(&prefix, &["split.json", "manifest.json"])));
    steps
}

/// The folders of the steps that are done already in `here`.
fn done_in(here: &Journey<'_>, clean: &Journey<'_>) -> BTreeSet<String> {
    let is_done = |keys: &[String]| keys.iter().all(|key| here.content(key) == clean.content(key));
    steps(clean).into_iter().filter(|(_, keys)| is_done(keys)).map(|(folder, _)| folder).collect()
}

/// The folders below `work/` in which a run has written.
fn wrote(journey: &Journey<'_>) -> BTreeSet<String> {
    let folder = |key: &str| key.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap();
    journey.objects.written().iter().filter(|key| key.starts_with("work/")).map(|key| folder(key)).collect()
}

/// A result without the versions of its objects.
fn unversioned(result: MergeOutput) -> MergeOutput {
    MergeOutput { output_version: None, rejects_version: None, ..result }
}

/// Runs an attempt that is not disturbed and holds it to one pass, and to an undisturbed run and its result.
fn holds(
    attempt: &Journey<'_>,
    (clean, undisturbed): (&Journey<'_>, &MergeOutput),
    expected: &Expected,
) -> Result<(), TestCaseError> {
    let done = done_in(attempt, clean);
    let result = attempt.run().map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(attempt.output(), expected.output.clone());
    prop_assert_eq!(attempt.rejects(), expected.rejects.clone());
    prop_assert_eq!(unversioned(result), unversioned(undisturbed.clone()));
    let stored: Vec<u64> = attempt.rejects.rows().iter().map(|row| row.row).collect();
    prop_assert_eq!(&stored, &expected.rejected_rows);
    let undone: BTreeSet<String> =
        steps(clean).into_iter().map(|(folder, _)| folder).filter(|folder| !done.contains(folder)).collect();
    prop_assert_eq!(wrote(attempt), undone);
    Ok(())
}

fn law(
    name: &str,
    file: &Generated,
    sizes: &Sizes,
    interruptions: [Index; 2],
    fates: [&[Fate]; 2],
) -> Result<(), TestCaseError> {
    let datasets = datasets();
    let dataset = datasets.named(name).unwrap();
    let expected = reference(dataset, &file.bytes);
    let clean = Journey::new(dataset, &file.bytes, sizes, Faults::none());
    let undisturbed = clean.run().unwrap();
    let calls = clean.faults.calls();

    let first = Journey::new(dataset, &file.bytes, sizes, Faults::at(interruptions[0].index(calls)));
    // Only a download of the input that broke off goes on to the end.
    prop_assert!(first.run().is_err() || first.faults.calls() > calls);
    let second = first.next_attempt(WEST, Faults::none());
    replicate(&first, &second, fates[0]);
    holds(&second, (&clean, &undisturbed), &expected)?;

    // The second Region is lost too; the first one has what it had, and some of the second's besides.
    let second = first.next_attempt(WEST, Faults::at(interruptions[1].index(calls)));
    replicate(&first, &second, fates[0]);
    if second.run().is_ok() {
        return Ok(());
    }
    let third = second.next_attempt(&first.batch.bucket, Faults::none());
    replicate_all(&first, &third);
    replicate(&second, &third, fates[1]);
    holds(&third, (&clean, &undisturbed), &expected)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn sales_orders_that_are_resumed_equal_one_pass(
        file in generated("sales-orders"), sizes in sizes(), interruptions in any::<[Index; 2]>(),
        first in vec(fate(), 1..40), second in vec(fate(), 1..40),
    ) {
        law("sales-orders", &file, &sizes, interruptions, [&first, &second])?;
    }

    #[test]
    fn price_lists_that_are_resumed_equal_one_pass(
        file in generated("price-list"), sizes in sizes(), interruptions in any::<[Index; 2]>(),
        first in vec(fate(), 1..40), second in vec(fate(), 1..40),
    ) {
        law("price-list", &file, &sizes, interruptions, [&first, &second])?;
    }
}

const FILE: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n\
                    000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n\
                    000000003,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n\
                    000000002,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n\
                    x,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n\
                    000000004,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n";

/// Three chunks: two rows, of which the second is rejected for its key or its form, twice; and one good row.
fn in_three_chunks(faults: Faults, check: impl FnOnce(Journey<'_>)) {
    let datasets = datasets();
    let sizes = Sizes { chunk_rows: 2, ..Sizes::large() };
    check(Journey::new(datasets.named("sales-orders").unwrap(), FILE.as_bytes(), &sizes, faults));
}

/// The prefix of a run's work files.
fn prefix(journey: &Journey<'_>) -> String {
    journey.split.borrow().as_ref().unwrap().work_prefix.clone()
}

#[test]
fn where_everything_was_replicated_no_work_file_is_written_and_the_input_is_not_read() {
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        let mut next = first.next_attempt(WEST, Faults::none());
        replicate_all(&first, &next);
        let gone = Some("gone".to_owned());
        next.batch.version_id.clone_from(&gone);
        next.run().unwrap();
        assert_eq!(wrote(&next), BTreeSet::new());
        assert_eq!((next.output(), next.rejects()), (first.output(), first.rejects()));
        assert!(next.lookup.asked().is_empty());
        assert_eq!(next.split.borrow().as_ref().unwrap().version_id, gone, "the version is that of this attempt");
    });
}

#[test]
fn the_first_attempt_looks_for_nothing() {
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        let (calls, written) = (first.faults.calls(), first.objects.written().len());
        first.run().unwrap();
        assert_eq!((first.faults.calls(), first.objects.written().len()), (2 * calls, 2 * written));
    });
}

#[test]
fn the_version_of_the_input_is_that_of_the_attempt_that_reads_it() {
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        let next = first.next_attempt(WEST, Faults::none());
        assert_ne!(next.batch.version_id, first.batch.version_id);
        let prefix = prefix(&first);
        for name in ["split.json", "manifest.json"] {
            let key = format!("{prefix}{name}");
            next.put(&key, first.content(&key).unwrap());
        }
        next.run().unwrap();
        assert_eq!(wrote(&next).len(), 3);
        assert_eq!(next.output(), first.output());
    });
}

/// Everything was replicated, but one file says something else: whoever made it makes it again, and nobody else anything.
fn made_again(name: &str, content: impl Into<Vec<u8>>) {
    let content = content.into();
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        let next = first.next_attempt(WEST, Faults::none());
        replicate_all(&first, &next);
        let key = format!("{}{name}", prefix(&first));
        assert_ne!(first.content(&key), Some(content.clone()), "{name} is as it was");
        next.put(&key, content.clone());
        next.run().unwrap();
        let folder = key.rsplit_once('/').unwrap().0;
        assert_eq!(wrote(&next), BTreeSet::from([format!("{folder}/")]), "{name}: {}", content.escape_ascii());
        assert_eq!((next.output(), next.rejects()), (first.output(), first.rejects()), "{name}");
        assert_eq!(next.content(&key), first.content(&key), "{name}");
    });
}

/// A work file of an undisturbed run, edited as JSON.
fn edited(name: &str, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut bytes = Vec::new();
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        let mut value = serde_json::from_slice(&first.content(&format!("{}{name}", prefix(&first))).unwrap()).unwrap();
        edit(&mut value);
        bytes = serde_json::to_vec(&value).unwrap();
    });
    bytes
}

#[test]
fn a_part_whose_bytes_changed_is_made_again() {
    for name in ["chunk-00001/output.csv", "chunk-00001/rejects.csv", "manifest.json"] {
        for content in [&b""[..], b"x", b"[]", b"000000002"] {
            made_again(name, content);
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_made_again() {
    for name in ["chunk-00000/summary.json", "split.json"] {
        for content in [&b""[..], b"{", b"null", b"[]", b"{}", b"\xFF\xFE", b"{\"rows_in\": -1}", b"<html>"] {
            made_again(name, content);
        }
    }
}

#[test]
fn a_summary_that_is_not_this_chunks_is_made_again() {
    let edits: [fn(&mut Value); 9] = [
        |summary| {
            summary["rows_in"] = json!(3);
            summary["rows_out"] = json!(2);
        },
        |summary| summary["rows_in"] = json!(3),
        |summary| summary["rows_out"] = json!(2),
        |summary| summary["rows_out"] = json!(u64::MAX),
        |summary| {
            summary["rows_out"] = json!(2);
            summary["rows_rejected"] = json!(0);
        },
        |summary| summary["reasons"] = json!([]),
        |summary| summary["output"]["bytes"] = json!(0),
        |summary| summary["rejects"]["etag"] = json!("0123456789abcdef0123456789abcdef"),
        |summary| summary["output"] = summary["rejects"].clone(),
    ];
    for edit in edits {
        made_again("chunk-00001/summary.json", edited("chunk-00001/summary.json", edit));
    }
    made_again("chunk-00001/summary.json", edited("chunk-00000/summary.json", |_| {}));
}

#[test]
fn a_split_that_is_not_this_batchs_is_made_again() {
    let edits: [fn(&mut Value); 7] = [
        |split| split["work_prefix"] = json!("work/another/print/"),
        |split| split["manifest_etag"] = json!("another"),
        |split| split["chunks"] = json!(0),
        |split| split["chunks"] = json!(1_000_000),
        |split| split["rows"] = json!(2),
        |split| split["layout"]["positions"] = json!([0, 1, 2]),
        |split| split["layout"]["columns"] = json!(7),
    ];
    for edit in edits {
        made_again("split.json", edited("split.json", edit));
    }
}

#[test]
fn every_failing_call_of_an_attempt_that_resumes_is_an_error_never_a_wrong_result() {
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        // The last chunk is to be made again.
        let partly = |next: &Journey<'_>| {
            replicate_all(&first, next);
            next.put(&format!("{}chunk-00002/output.csv", prefix(&first)), "");
        };
        let counting = first.next_attempt(WEST, Faults::none());
        partly(&counting);
        counting.run().unwrap();
        for call in 0..counting.faults.calls() {
            let next = first.next_attempt(WEST, Faults::at(call));
            partly(&next);
            let error = next.run().err().unwrap_or_else(|| panic!("call {call} may fail unseen"));
            assert!(error.is_retryable(), "call {call}: {error}");
            assert_eq!((next.output(), next.rejects()), (first.output(), first.rejects()), "call {call}");
        }
    });
}

#[test]
fn a_rerun_takes_nothing_over_and_what_follows_it_takes_over_only_what_it_made() {
    in_three_chunks(Faults::none(), |first| {
        first.run().unwrap();
        let rerun = |attempt: u32, faults: Faults| {
            let mut next = first.next_attempt(WEST, faults.clone());
            replicate_all(&first, &next);
            (next.batch.attempt, next.batch.first_attempt) = (Attempt::new(attempt), Attempt::new(2));
            // Since the first run, all reference records were deleted.
            next.lookup = MemoryLookup::new(faults);
            next
        };
        let whole = rerun(2, Faults::none());
        whole.run().unwrap();
        assert_eq!(wrote(&whole).len(), 4);
        assert_ne!(whole.output(), first.output());

        let cut_off = rerun(2, Faults::at(whole.faults.calls() / 2));
        cut_off.run().err().unwrap();
        let next = rerun(3, Faults::none());
        replicate_all(&cut_off, &next);
        next.run().unwrap();
        assert!((1..4).contains(&wrote(&next).len()), "{:?}", wrote(&next));
        assert_eq!((next.output(), next.rejects()), (whole.output(), whole.rejects()));
    });
}
