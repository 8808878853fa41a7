//! From what was done to the units that are billed.

use super::prices::Units;
use super::work::Work;

const GB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Memory of an express child, in GB: its payload and definition are far below the 64 MB that are billed at least.
const EXPRESS_GB: f64 = 64.0 / 1024.0;
/// Copies of a write to the state table: two replicas, and the witness counted like one, since its price is not published
/// apart.
const STATE_COPIES: f64 = 3.0;
/// Copies of a write to the rejects table: its two replicas.
const REJECTS_COPIES: f64 = 2.0;

/// An upload of this size and more goes in parts, as `tandem put` does it.
const MULTIPART_FROM: u64 = 16 * 1024 * 1024;
const PART: u64 = 8 * 1024 * 1024;

/// How S3 bills a call.
fn s3_class(operation: &str) -> Option<&'static str> {
    match operation {
        "AbortMultipartUpload" | "DeleteObject" | "DeleteObjects" => None,
        "PutObject"
        | "PutObjectTagging"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "ListObjects"
        | "ListObjectsV2"
        | "ListObjectVersions"
        | "CreateBucket" => Some("s3.put"),
        _ => Some("s3.get"),
    }
}

/// Adds calls, each by the class that its service bills it by; what is billed otherwise (Step Functions by transitions,
/// DynamoDB by units) adds nothing.
pub fn add_calls<'c>(units: &mut Units, calls: impl Iterator<Item = (&'c str, &'c str, u64)>) {
    for (service, operation, count) in calls {
        let name = match service {
            "s3" => s3_class(operation),
            "ses" if operation == "SendEmail" => Some("ses.email"),
            "sqs" => Some("sqs.request"),
            "execute-api" => Some("api.request"),
            "lambda" if operation.starts_with("Invoke") => Some("lambda.request"),
            _ => None,
        };
        if let Some(name) = name {
            *units.entry(name).or_default() += count as f64;
        }
    }
}

/// What a batch is billed by, all in: its functions, its executions, its replication, and its owner's one upload and one
/// download of each result.
pub fn of_batch(work: &Work, input_bytes: u64) -> Units {
    let mut units = Units::new();
    let calls = work.calls();
    let split =
        |call: &'_ str| call.split_once(':').map(|(service, operation)| (service.to_owned(), operation.to_owned()));
    let named: Vec<(String, String, u64)> =
        calls.iter().filter_map(|(call, count)| split(call).map(|(service, name)| (service, name, *count))).collect();
    add_calls(&mut units, named.iter().map(|(service, name, count)| (service.as_str(), name.as_str(), *count)));
    add_owner(&mut units, work, input_bytes);
    add_executions(&mut units, work);
    add_functions(&mut units, work);
    // Every write of an object is one in the other Region too; a list or an abort is none, and no function lists.
    let written = units.get("s3.put").copied().unwrap_or_default();
    let replicated = (input_bytes as f64 + work.bytes_written()) / GB;
    units.insert("s3.replica_put", written);
    units.insert("s3.inter_region_gb", replicated);
    units.insert("s3.rtc_gb", replicated);
    units.insert("logs.gb", work.log_bytes as f64 / GB);
    units
}

/// The owner uploads once and downloads output and rejects once, both through the access point.
fn add_owner(units: &mut Units, work: &Work, input_bytes: u64) {
    let parts = input_bytes.div_ceil(PART) + 2;
    let puts = if input_bytes < MULTIPART_FROM { 1 } else { parts };
    *units.entry("s3.put").or_default() += puts as f64;
    *units.entry("s3.get").or_default() += 2.0;
    units.insert("s3.mrap_gb", (input_bytes as f64 + work.bytes_merged()) / GB);
}

fn add_executions(units: &mut Units, work: &Work) {
    let transitions: u64 = work.executions.iter().map(|execution| execution.transitions).sum();
    let children: u64 = work.executions.iter().map(|execution| execution.children).sum();
    units.insert("states.transition", transitions as f64);
    units.insert("states.express_request", children as f64);
    if children > 0 {
        units.insert("states.express_gb_second", work.express_seconds() * EXPRESS_GB);
        // Each map reads the manifest itself.
        let maps = work.executions.iter().filter(|execution| execution.children > 0).count();
        *units.entry("s3.get").or_default() += maps as f64;
    }
}

fn add_functions(units: &mut Units, work: &Work) {
    let functions = work.functions();
    units.insert("lambda.request", work.invocations.len() as f64);
    units.insert("lambda.gb_second", functions.iter().map(|function| function.gb_seconds).sum());
    units.insert("dynamodb.read", work.invocations.iter().map(|invocation| invocation.read_units).sum());
    let copies = |function: &str| if function == "merge" { REJECTS_COPIES } else { STATE_COPIES };
    let writes = work.invocations.iter().map(|invocation| invocation.write_units * copies(&invocation.function));
    units.insert("dynamodb.replicated_write", writes.sum());
}

/// Rows of the run of AWS's public Python guidance that was counted, and what it used.
const GUIDANCE_ROWS: f64 = 10_000.0;
const GUIDANCE: [(&str, f64); 4] = [
    ("states.transition", 20_072.0),
    ("lambda.request", 20_037.0),
    ("api.request", 10_000.0),
    // 10,000 GetItem of small items, eventually consistent.
    ("dynamodb.read", 5_000.0),
];

/// What AWS's public Python guidance uses for as many rows: its counted run, scaled. Lambda's duration, S3 and logs are left
/// out, which favours it.
pub fn of_guidance(rows: u64) -> Units {
    GUIDANCE.into_iter().map(|(name, count)| (name, count * rows as f64 / GUIDANCE_ROWS)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]

    use tandem_aws::executions::Billed;

    use super::super::prices::{Prices, total};
    use super::super::work::tests::line;
    use super::*;

    fn work() -> Work {
        let mut work = Work::default();
        let calls = "\"s3:GetObject\":2,\"s3:PutObject\":3,\"s3:AbortMultipartUpload\":1,\"dynamodb:BatchGetItem\":9";
        work.read(
            "b",
            &[line("validate", Some(0), calls), line("merge", None, ""), line("deliver", None, "\"ses:SendEmail\":1")],
        );
        work.executions.push(Billed { transitions: 9, children: 1 });
        work
    }

    #[test]
    fn calls_are_counted_by_the_class_that_s3_bills_them_by() {
        let units = of_batch(&work(), 1_000);
        assert_eq!(units["s3.put"], 3.0 + 1.0, "and the owner's upload");
        assert_eq!(units["s3.get"], 2.0 + 2.0 + 1.0, "and the owner's downloads, and the map's manifest");
        assert_eq!(units["s3.replica_put"], 4.0);
        assert_eq!(units["ses.email"], 1.0);
        assert!(!units.contains_key("sqs.request"));
    }

    #[test]
    fn writes_are_counted_in_every_copy_of_their_table() {
        let units = of_batch(&work(), 1_000);
        assert_eq!(units["dynamodb.replicated_write"], 2.0 * 2.0 + 2.0 * 2.0 * 3.0);
        assert_eq!(units["dynamodb.read"], 1.5);
    }

    #[test]
    fn a_large_upload_is_one_request_for_each_part_and_two_more() {
        let puts = |bytes| of_batch(&Work::default(), bytes)["s3.put"];
        assert_eq!((puts(MULTIPART_FROM - 1), puts(MULTIPART_FROM), puts(MULTIPART_FROM + 1)), (1.0, 4.0, 5.0));
    }

    #[test]
    fn a_batch_without_a_map_has_no_express_children() {
        let mut work = work();
        work.executions = vec![Billed { transitions: 8, children: 0 }];
        let units = of_batch(&work, 1_000);
        assert_eq!(units["states.express_request"], 0.0);
        assert!(!units.contains_key("states.express_gb_second"));
    }

    #[test]
    fn the_guidance_costs_some_54_dollars_for_a_million_rows() {
        let usd = total(&Prices::load().unwrap().price(&of_guidance(1_000_000)).unwrap());
        assert!((54.0..54.5).contains(&usd), "{usd}");
    }
}
