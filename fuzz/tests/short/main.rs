//! The short run of every target: its corpus, then a fixed number of mutations of it, always the same.
//!
//! A failing input is written below the temporary folder of the build and printed. To run it again, and with it all that is
//! in the corpus, put it into `fuzz/corpus/<target>/` and give `cargo test --profile local --workspace --test short`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tandem_fuzz::{TARGETS, Target};

use mutate::Mutator;

/// Mutations of each target: a few seconds together.
const MUTATIONS: usize = 60_000;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    // Mutations are drawn from the corpus in order, and a folder has none.
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// The first input, of the corpus and so many mutations, on which a target panics.
fn first_failure(run: fn(&[u8]), corpus: &[Vec<u8>], mutations: usize) -> Option<Vec<u8>> {
    let fails = |input: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| run(input))).is_err();
    let mutated = Mutator::new(corpus).take(mutations);
    corpus.iter().cloned().chain(mutated).find(fails)
}

fn short_run((name, run): Target) {
    let (paths, inputs): (Vec<_>, Vec<_>) = corpus(name).into_iter().unzip();
    assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
    let Some(input) = first_failure(run, &inputs, MUTATIONS) else { return };
    if let Some(place) = inputs.iter().position(|known| *known == input) {
        panic!("{name} fails on {}", paths[place].display());
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-failure"));
    std::fs::write(&kept, &input).unwrap();
    let replay = format!("cp {} fuzz/corpus/{name}/ and run this test", kept.display());
    panic!("{name} fails on these bytes; to see it again: {replay}\n{}", input.escape_ascii());
}

#[test]
fn the_splitter_agrees_with_a_reading_byte_by_byte() {
    short_run(TARGETS[0]);
}

#[test]
fn the_record_parser_agrees_with_csv_core_byte_by_byte() {
    short_run(TARGETS[1]);
}

#[test]
fn no_dataset_definition_makes_the_parser_or_the_rules_panic() {
    short_run(TARGETS[2]);
}

#[test]
fn each_record_of_an_event_says_what_was_uploaded_or_is_refused() {
    short_run(TARGETS[3]);
}

#[test]
fn the_corpus_of_definitions_is_of_such_as_are_accepted() {
    let accepted = |(path, input): &(PathBuf, Vec<u8>)| {
        let definition = input.split(|byte| *byte == 0).next().unwrap();
        let parsed = tandem_core::dataset::Dataset::parse("fuzzed", definition);
        assert_eq!(parsed.is_ok(), !path.ends_with("no-json"), "{}: {parsed:?}", path.display());
    };
    corpus("datasets").iter().for_each(accepted);
}

/// A parser that forgets that a quote may be doubled: wrong for few inputs only.
fn planted(data: &[u8]) {
    let quotes = data.iter().filter(|byte| **byte == b'"').count();
    let open = tandem_fuzz::lines::lines(data, 2, b',').open;
    assert!(open == (quotes % 2 == 1) || !data.ends_with(b"\""), "planted");
}

#[test]
fn a_planted_fault_is_found_and_always_by_the_same_input() {
    let inputs: Vec<_> = corpus("records").into_iter().map(|(_, input)| input).collect();
    assert!(inputs.iter().all(|input| catch_unwind(|| planted(input)).is_ok()), "the corpus itself would show it");
    let found = first_failure(planted, &inputs, MUTATIONS);
    assert!(found.is_some());
    assert_eq!(found, first_failure(planted, &inputs, MUTATIONS));
}
