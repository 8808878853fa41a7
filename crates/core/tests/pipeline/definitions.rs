//! A definition that is deployed while an attempt runs: one output never follows two definitions.

use tandem_core::batch::Attempt;
use tandem_core::dataset::Dataset;
use tandem_core::error::{Classified, ErrorType};
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::{ChunkContext, ChunkTask, MergeTask};
use tandem_core::testing::{Faults, MemoryPause};
use tandem_core::work::WorkError;
use tandem_core::{enrich, validate};

use crate::support::{Journey, SALES_ORDERS, Sizes, datasets, reference};

const FILE: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date
000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020
000000002,Peru,Fruit,Online,L,1/2/2020,America,1/3/2020
";

fn two_chunks() -> Sizes {
    Sizes { chunk_rows: 1, ..Sizes::large() }
}

/// The same dataset with other quotes.
fn changed() -> Dataset {
    let definition = String::from_utf8(SALES_ORDERS.to_vec()).unwrap();
    let other = definition.replace("\"quoting\": \"all\"", "\"quoting\": \"necessary\"");
    assert_ne!(definition, other);
    Dataset::parse("sales-orders", other.as_bytes()).unwrap()
}

/// What validate, enrich and merge say with this definition, where this one was split by.
fn each_step(journey: &Journey<'_>, dataset: &Dataset, split_by: &str) -> [Result<(), WorkError>; 3] {
    let mut split = journey.split.borrow().clone().unwrap();
    split.definition = split_by.to_owned();
    let context = ChunkContext {
        work_prefix: split.work_prefix.clone(),
        layout: split.layout.clone(),
        definition: split.definition.clone(),
        version_id: split.version_id.clone(),
    };
    let task = ChunkTask { batch: journey.batch.clone(), split: context, chunk: journey.manifest()[1] };
    let (objects, pause, settings) = (&journey.objects, MemoryPause::default(), MergeSettings::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let validated = runtime.block_on(validate::run(objects, objects, dataset, &task)).map(drop);
    let enriched = runtime.block_on(enrich::run(objects, objects, &journey.lookup, &pause, dataset, &task)).map(drop);
    let task = MergeTask { batch: journey.batch.clone(), split };
    let merged = runtime.block_on(merge::run(objects, &journey.rejects, &settings, dataset, &task)).map(drop);
    [validated, enriched, merged]
}

#[test]
fn every_step_behind_the_split_goes_by_its_definition_or_not_at_all() {
    let (datasets, changed) = (datasets(), changed());
    let dataset = datasets.named("sales-orders").unwrap();
    let journey = Journey::new(dataset, FILE.as_bytes(), &two_chunks(), Faults::none());
    journey.run().unwrap();
    let written = journey.objects.written().len();
    // A split of older code says nothing of its definition.
    for (now, split_by) in [(&changed, dataset.digest()), (dataset, changed.digest()), (dataset, String::new())] {
        for step in each_step(&journey, now, &split_by) {
            let error = step.unwrap_err();
            assert_eq!(error.error_type(), ErrorType::DefinitionChanged);
            assert!(!error.is_retryable() && !error.error_type().is_file_fault());
            assert!(error.to_string().contains("the dataset sales-orders has changed"), "{error}");
        }
    }
    assert_eq!(journey.objects.written().len(), written, "nothing is written where definitions differ");
    assert!(each_step(&journey, dataset, &dataset.digest()).iter().all(Result::is_ok));
}

#[test]
fn the_next_attempt_takes_nothing_over_from_another_definition() {
    let (datasets, changed) = (datasets(), changed());
    let first = Journey::new(datasets.named("sales-orders").unwrap(), FILE.as_bytes(), &two_chunks(), Faults::none());
    first.run().unwrap();
    let mut next = Journey::new(&changed, FILE.as_bytes(), &two_chunks(), Faults::none());
    next.batch.attempt = Attempt::new(2);
    for key in first.objects.written().iter().filter(|key| key.starts_with("work/")) {
        next.put(key, first.content(key).unwrap());
    }
    next.run().unwrap();
    let expected = reference(&changed, FILE.as_bytes());
    assert_eq!((next.output(), next.rejects()), (expected.output, expected.rejects));
    assert_ne!(next.output(), first.output());
}
