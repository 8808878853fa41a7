//! What docs/THREATS.md and docs/SEMANTICS.md name as holding a line is there: each file, and in it each test.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

const THREATS: &str = include_str!("../../../docs/THREATS.md");
const SEMANTICS: &str = include_str!("../../../docs/SEMANTICS.md");

/// How the pages shorten a file's place.
const SHORT: [(&str, &str); 5] = [
    ("core/", "crates/core/"),
    ("aws/", "crates/aws/"),
    ("cli/", "crates/cli/"),
    ("two_regions/", "crates/cli/tests/two_regions/"),
    ("chaos/", "crates/cli/tests/chaos/"),
];

/// The file that a page names.
fn place(named: &str) -> PathBuf {
    let long = SHORT.iter().find_map(|(short, long)| Some(format!("{long}{}", named.strip_prefix(short)?)));
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(long.unwrap_or_else(|| named.to_owned()))
}

/// Whether this is a test's name, whole or cut short.
fn is_test(word: &str) -> bool {
    let name = word.trim_matches('…');
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    plain && name.len() >= 12 && name.contains('_')
}

/// Whether a source has this test, as a function or as a case of a list.
fn has(source: &str, word: &str) -> bool {
    let name = word.trim_matches('…');
    if name != word {
        return source.contains(name);
    }
    source.contains(&format!("fn {name}(")) || source.contains(&format!("\"{name}\""))
}

/// The last cell of a table's line.
fn last(line: &str) -> &str {
    line.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default()
}

/// Looks up what the last column of a table's line names; the number of tests that are there.
fn named(line: &str) -> usize {
    let cell = last(line);
    let (mut found, mut source) = (0, None);
    for word in cell.split('`').skip(1).step_by(2) {
        if word.contains('/') && word.ends_with(".rs") {
            let file = place(word);
            assert!(file.is_file(), "{word} is not there: {line}");
            source = Some(std::fs::read_to_string(file).unwrap());
        } else if !is_test(word) {
            source = source.filter(|_| word.contains("::"));
        } else if let Some(source) = &source {
            assert!(has(source, word), "{word} is not where the page says: {line}");
            found += 1;
        }
    }
    found
}

/// The number of tests that a page's tables name, all of which are there.
fn check(page: &str) -> usize {
    page.lines().filter(|line| line.starts_with('|')).map(named).sum()
}

/// The lines of those tables whose last column says what holds each.
fn held(page: &str) -> Vec<&str> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in page.lines() {
        if line.starts_with('|') && inside && !line.starts_with("|---") {
            found.push(line);
        }
        inside = line.starts_with('|') && (inside || line.ends_with("| held by |"));
    }
    found
}

#[test]
fn every_test_that_the_threat_model_names_is_where_it_says() {
    assert!(check(THREATS) >= 100, "were they found?");
}

#[test]
fn every_line_of_the_threat_model_names_a_test_or_says_that_it_is_not_built_yet() {
    let lines = held(THREATS);
    assert!(lines.len() >= 70, "were they found?");
    for line in lines {
        assert!(named(line) > 0 || last(line).contains("not built yet"), "what holds this? {line}");
        assert!(!last(line).contains("no test"), "{line}");
    }
}

#[test]
fn every_test_that_the_promises_name_is_where_they_say() {
    assert!(check(SEMANTICS) >= 30, "were they found?");
}
