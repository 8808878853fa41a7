//! What a first and a second attempt answer and count.

#![allow(clippy::unwrap_used)]

use serde_json::json;
use split::Split;
use tandem_aws::lambda::Function;
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::BatchId;
use tandem_core::dataset::Datasets;
use tandem_core::payload::{SplitOutput, SplitTask};
use tandem_core::split::SplitSettings;
use tandem_core::testing::MemoryObjects;

const FILE: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n\
                    000000001,Chad,Fruit,Online,H,1/2/2020,Africa,1/3/2020\n";

async fn attempt(function: &Split<MemoryObjects>, attempt: u32, etag: &str) -> (SplitOutput, Metrics) {
    let key = "input/a.csv";
    let batch = json!({
        "batch_id": BatchId::of(key, etag), "attempt": attempt, "bucket": "b", "key": key, "etag": etag,
        "version_id": "v0", "size": FILE.len(), "dataset": "sales-orders",
    });
    let task: SplitTask = serde_json::from_value(json!({ "batch": batch })).unwrap();
    let mut metrics = Metrics::begin(Split::<MemoryObjects>::NAME, "us-east-1");
    (function.handle(task, &mut metrics).await.unwrap(), metrics)
}

#[tokio::test]
async fn a_second_attempt_answers_the_same_and_counts_as_reused() {
    let dataset = include_bytes!("../../../assets/datasets/sales-orders.json");
    let function = Split {
        objects: MemoryObjects::default(),
        datasets: Datasets::load([("sales-orders", dataset)]).unwrap(),
        settings: SplitSettings::default(),
    };
    let etag = function.objects.put("b", "input/a.csv", FILE).etag;
    let (first, counted) = attempt(&function, 1, &etag).await;
    assert_eq!((counted.value("RowsSplit"), counted.value("SplitReused")), (Some(1.0), None));
    let (second, counted) = attempt(&function, 2, &etag).await;
    assert_eq!((counted.value("RowsSplit"), counted.value("SplitReused")), (None, Some(1.0)));
    assert_eq!(second, first);
}
