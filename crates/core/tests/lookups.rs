//! Lookups of many keys from a table that throttles: every key is answered once, in full calls, within bounds.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tandem_core::dataset::{Lookup, RecordSource, Unmatched};
use tandem_core::enrich::{Asked, Lookups};
use tandem_core::ports::{ReferenceRecord, ServiceError};
use tandem_core::testing::{Answering, Faults, MemoryLookup, MemoryPause};

const PATIENCE: Duration = Duration::from_secs(40);

fn lookup() -> Lookup {
    let fields = vec!["price".to_owned(), "stock".to_owned()];
    let source = RecordSource::Table;
    Lookup { source, table: "articles".to_owned(), key: 0, fields, unmatched: Unmatched::Reject }
}

/// A table that knows every third key.
fn table(keys: &[String]) -> MemoryLookup {
    let mut table = MemoryLookup::new(Faults::none());
    for key in keys.iter().step_by(3) {
        table.insert("articles", key, ReferenceRecord::from([("price".to_owned(), format!("{key}.50"))]));
    }
    table
}

fn keys(number: usize) -> Vec<String> {
    (0..number).map(|key| format!("{:05}", key * 7919 % 100_003)).collect()
}

type Found = BTreeMap<usize, Vec<String>>;

/// What was found, what was asked, and the pauses.
fn look_up(table: &MemoryLookup, keys: &[String]) -> (Result<(Found, Asked), ServiceError>, Vec<Duration>) {
    let (lookup, pause, mut found) = (lookup(), MemoryPause::default(), Found::new());
    let texts: Vec<&str> = keys.iter().map(String::as_str).collect();
    let lookups = Lookups { records: table, pause: &pause, patience: PATIENCE };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let asked = runtime.block_on(lookups.look_up(&lookup, &texts, |records, asked| {
        for (key, values) in records.iter() {
            let before = found.insert(asked[key], values.map(str::to_owned).collect());
            assert_eq!(before, None, "a key is answered once");
        }
    }));
    (asked.map(|asked| (found, asked)), pause.taken())
}

fn expected(keys: &[String]) -> Found {
    keys.iter().enumerate().step_by(3).map(|(index, key)| (index, vec![format!("{key}.50"), String::new()])).collect()
}

fn answering() -> impl Strategy<Value = Answering> {
    prop_oneof![
        3 => Just(Answering::Whole),
        3 => (0..100_usize).prop_map(Answering::AtMost),
        2 => Just(Answering::Throttled),
        1 => (0..2_u64).prop_map(Answering::Busy),
    ]
}

proptest! {
    #[test]
    fn a_table_that_throttles_now_and_then_gives_what_one_gives_that_does_not(
        number in prop_oneof![0..30_usize, 90..310_usize, Just(2_500)],
        // So few that the pauses after them, all of them in vain, stay within the patience.
        first in prop::collection::vec(answering(), 0..14),
    ) {
        let keys = keys(number);
        let table = table(&keys).answering(first, Answering::Whole);
        let (outcome, pauses) = look_up(&table, &keys);
        let (found, asked) = outcome.unwrap();
        prop_assert_eq!(found, expected(&keys));
        prop_assert_eq!((asked.calls, asked.keys), (table.asked().len() as u64, number as u64));
        // The table in memory takes half a unit for each key that it processes, and each is processed once.
        prop_assert!((asked.read_units - 0.5 * number as f64).abs() < 1e-9);
        prop_assert!(table.asked().iter().all(|&keys| (1..=100).contains(&keys)));
        prop_assert!(table.most_at_once() <= 16);
        prop_assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(5)));
    }

    #[test]
    fn a_table_that_never_processes_all_is_still_asked_in_full_calls(number in 1_000..3_000_usize, most in 20..99_usize) {
        let keys = keys(number);
        let table = table(&keys).answering(Vec::new(), Answering::AtMost(most));
        let (outcome, _) = look_up(&table, &keys);
        // It may take longer than the patience lasts; until then, calls are full.
        if let Ok((found, _)) = outcome {
            prop_assert_eq!(found, expected(&keys));
        }
        let part: usize = table.asked().iter().filter(|&&keys| keys < 100).count();
        prop_assert!(part <= 8, "{:?}", table.asked());
    }
}

#[test]
fn what_is_not_throttled_is_asked_in_full_calls_by_more_and_more_at_once() {
    let keys = keys(50_050);
    let table = table(&keys);
    let (outcome, pauses) = look_up(&table, &keys);
    let (found, asked) = outcome.unwrap();
    assert_eq!((found.len(), asked.calls, pauses.len()), (keys.len().div_ceil(3), 501, 0));
    // The table in memory answers every fifth call at once, so fewer are seen under way than are.
    assert!((9..=16).contains(&table.most_at_once()), "{}", table.most_at_once());
}

#[test]
fn one_burst_of_refusals_halves_once_and_is_paused_for_once() {
    let keys = keys(1_000);
    let table = table(&keys).answering(vec![Answering::Throttled; 4], Answering::Whole);
    let (outcome, pauses) = look_up(&table, &keys);
    assert_eq!(outcome.unwrap().1.calls, 14);
    assert_eq!(pauses.len(), 1);
}

#[test]
fn a_minute_of_throttling_is_an_error_after_bounded_pauses_and_few_calls() {
    for answering in [Answering::Throttled, Answering::AtMost(0)] {
        let keys = keys(5_000);
        let table = table(&keys).answering(Vec::new(), answering);
        let (outcome, pauses) = look_up(&table, &keys);
        assert!(matches!(outcome, Err(ServiceError::Throttled { .. })));
        let total: Duration = pauses.iter().sum();
        assert!(total <= PATIENCE && total > Duration::from_secs(30), "{total:?}");
        assert!(table.asked().len() < 40, "{:?}", table.asked());
    }
}

#[test]
fn a_service_that_asks_to_be_left_alone_is_within_bounds() {
    let keys = keys(500);
    let busy = |seconds| {
        let table = table(&keys).answering(vec![Answering::Busy(seconds); 4], Answering::Whole);
        let (outcome, pauses) = look_up(&table, &keys);
        assert_eq!(outcome.unwrap().0, expected(&keys));
        assert_eq!(pauses.len(), 1);
        pauses[0].as_secs()
    };
    assert_eq!([busy(0), busy(2), busy(15), busy(3_600)], [0, 2, 15, 15]);
    let table = table(&keys).answering(Vec::new(), Answering::Busy(3_600));
    let (outcome, pauses) = look_up(&table, &keys);
    assert!(matches!(outcome, Err(ServiceError::Throttled { .. })) && pauses.len() == 2, "{pauses:?}");
}

#[test]
fn chunks_that_are_throttled_together_do_not_come_back_together() {
    let first_pause = |from: usize| {
        let keys: Vec<String> = keys(500).split_off(from);
        let table = table(&keys).answering(vec![Answering::Throttled; 4], Answering::Whole);
        look_up(&table, &keys).1[0]
    };
    let pauses: std::collections::BTreeSet<Duration> = (0..20).map(first_pause).collect();
    assert!(pauses.len() > 10, "{pauses:?}");
    let bounds = Duration::from_millis(25)..=Duration::from_millis(50);
    assert!(pauses.iter().all(|pause| bounds.contains(pause)), "{pauses:?}");
}

#[test]
fn another_error_ends_the_lookup_at_once() {
    let keys = keys(500);
    let mut failing = MemoryLookup::new(Faults::at(2));
    failing.insert("articles", &keys[0], ReferenceRecord::new());
    let (outcome, _) = look_up(&failing, &keys);
    assert!(matches!(outcome, Err(ServiceError::Unavailable { .. })));
}
