//! DynamoDB: the state table.
//!
//! Every write is conditional; on a table with multi-Region strong consistency a condition that holds is mutual exclusion
//! across Regions.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use serde_json::Value;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus, Ending};
use tandem_core::ports::{Batches, Claim, Cursor, Owner, Page, ServiceError};

use crate::error::translate;
use crate::metering::{Metered, meter};

/// How often a write is tried that met a write in the other Region.
const CONFLICT_TRIES: u32 = 6;

/// The sparse index of the batches that are open.
pub(crate) const UNFINISHED: &str = "unfinished";

/// Batches that are asked for at once.
const PAGE: i32 = 200;

/// An item as DynamoDB holds it.
pub type Item = HashMap<String, AttributeValue>;

/// The state table.
#[derive(Debug, Clone)]
pub struct StateTable {
    client: Client,
    table: String,
}

impl StateTable {
    /// The table with this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config).interceptor(Metered::new()).build();
        Self { client: Client::from_conf(config), table }
    }

    /// Carries out an update of one batch; answers whether its condition held.
    async fn update(&self, batch_id: &BatchId, change: Change) -> Result<bool, ServiceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self
                .client
                .update_item()
                .table_name(&self.table)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .key("batch_id", AttributeValue::S(batch_id.to_string()))
                .update_expression(&change.expression)
                .condition_expression(&change.condition)
                .set_expression_attribute_names(Some(change.names.clone()))
                .set_expression_attribute_values(Some(change.values.clone()))
                .send()
                .await;
            match sent {
                Ok(output) => {
                    wrote(output.consumed_capacity());
                    return Ok(true);
                }
                Err(error) if condition_failed(&error) => {
                    wrote(None);
                    return Ok(false);
                }
                Err(error) if conflicted(&error) && tries < CONFLICT_TRIES => pause(tries).await,
                Err(error) => return Err(translate("dynamodb:UpdateItem", &self.table, error)),
            }
        }
    }
}

/// The place in the index that a key of its last page names.
fn to_cursor(key: &Item) -> Result<Cursor, ServiceError> {
    let field = |name: &str| key.get(name).and_then(|value| value.as_s().ok());
    let batch_id = field("batch_id").and_then(|id| id.parse().ok());
    batch_id.zip(field("updated")).map(|(batch_id, updated)| Cursor { batch_id, updated: updated.clone() }).ok_or_else(
        || ServiceError::Refused {
            operation: "dynamodb:Query",
            message: String::from("the index's last key holds no batch"),
        },
    )
}

/// Meters a write. One that was refused for its condition is billed like one that was carried out, and the answer does not
/// say by how much: a record takes one unit.
fn wrote(consumed: Option<&ConsumedCapacity>) {
    meter().wrote(consumed.and_then(ConsumedCapacity::capacity_units), 1.0);
}

/// Meters a consistent read, of one unit if the answer does not say.
fn read(consumed: Option<&ConsumedCapacity>) {
    meter().read(consumed.and_then(ConsumedCapacity::capacity_units), 1.0);
}

/// Waits a little longer after each try; the other Region's write is over in milliseconds.
async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(20 << tries.min(6))).await;
}

/// Whether an update was refused because its condition did not hold.
fn condition_failed(error: &SdkError<UpdateItemError, HttpResponse>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

/// Whether a write met a write in the other Region and may be tried again.
fn conflicted<E: aws_smithy_types::error::metadata::ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
    error.code() == Some("ReplicatedWriteConflictException")
}

impl Batches for StateTable {
    async fn claim(&self, record: &BatchRecord) -> Result<Claim, ServiceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self
                .client
                .put_item()
                .table_name(&self.table)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .set_item(Some(to_item(record)?))
                .condition_expression("attribute_not_exists(batch_id)")
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(output) => {
                    wrote(output.consumed_capacity());
                    return Ok(Claim::Claimed);
                }
                Err(error) if conflicted(&error) && tries < CONFLICT_TRIES => pause(tries).await,
                Err(error) => return self.existing(record, error).await,
            }
        }
    }

    async fn get(&self, batch_id: &BatchId) -> Result<Option<BatchRecord>, ServiceError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .key("batch_id", AttributeValue::S(batch_id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| translate("dynamodb:GetItem", &self.table, error))?;
        read(output.consumed_capacity());
        output.item.map(|item| from_item(&item)).transpose()
    }

    async fn mark_running(&self, owner: &Owner, execution_arn: &str, now: &str) -> Result<bool, ServiceError> {
        let change = Change::by(owner, now)
            .set("status", text(BatchStatus::Running.as_str()))
            .set("execution_arn", text(execution_arn))
            .only_if("status", "=", BatchStatus::Claimed);
        let marked = self.update(&owner.batch_id, change).await?;
        if !marked {
            // The execution was quicker than this write and keeps its status; its ARN is still worth knowing.
            // The time of change stays: the grace is counted from it.
            let change = Change::undated(owner).set("execution_arn", text(execution_arn));
            self.update(&owner.batch_id, change).await?;
        }
        Ok(marked)
    }

    async fn fence(&self, owner: &Owner, now: &str) -> Result<bool, ServiceError> {
        let change = Change::by(owner, now)
            .set("status", text(BatchStatus::Delivering.as_str()))
            .only_if("status", "<>", BatchStatus::Delivered)
            .only_if("status", "<>", BatchStatus::Failed);
        self.update(&owner.batch_id, change).await
    }

    async fn end(&self, owner: &Owner, ending: &Ending, now: &str) -> Result<bool, ServiceError> {
        let change = Change::by(owner, now).only_if("status", "=", BatchStatus::Delivering).remove("unfinished_in");
        let change = match ending {
            Ending::Delivered(merge) => change
                .set("status", text(BatchStatus::Delivered.as_str()))
                .set("rows_in", number(merge.rows_in))
                .set("rows_out", number(merge.rows_out))
                .set("rows_rejected", number(merge.rows_rejected))
                .set("output_key", text(&merge.output_key))
                .set("rejects_key", text(&merge.rejects_key))
                .set_some("output_version", merge.output_version.as_deref())
                .set_some("rejects_version", merge.rejects_version.as_deref())
                .remove("reason")
                .remove("failed_state"),
            Ending::Failed { failed_state, reason } => change
                .set("status", text(BatchStatus::Failed.as_str()))
                .set("failed_state", text(failed_state))
                .set("reason", text(reason)),
        };
        self.update(&owner.batch_id, change).await
    }

    async fn interrupt(
        &self,
        owner: &Owner,
        failed_state: &str,
        reason: &str,
        now: &str,
    ) -> Result<bool, ServiceError> {
        let change = Change::by(owner, now)
            .set("failed_state", text(failed_state))
            .set("reason", text(reason))
            .only_if("status", "<>", BatchStatus::Delivered)
            .only_if("status", "<>", BatchStatus::Failed);
        self.update(&owner.batch_id, change).await
    }

    async fn take_over(&self, read: &BatchRecord, next: &BatchRecord) -> Result<bool, ServiceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self
                .client
                .put_item()
                .table_name(&self.table)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .set_item(Some(to_item(next)?))
                .condition_expression("#attempt = :attempt AND #status = :status AND #updated = :updated")
                .expression_attribute_names("#attempt", "attempt")
                .expression_attribute_names("#status", "status")
                .expression_attribute_names("#updated", "updated")
                .expression_attribute_values(":attempt", number(read.attempt.number().into()))
                .expression_attribute_values(":status", text(read.status.as_str()))
                .expression_attribute_values(":updated", text(&read.updated))
                .send()
                .await;
            match sent {
                Ok(output) => {
                    wrote(output.consumed_capacity());
                    return Ok(true);
                }
                Err(error) if conflicted(&error) && tries < CONFLICT_TRIES => pause(tries).await,
                Err(error) => return self.taken_over_or(next, error).await,
            }
        }
    }

    async fn unfinished(&self, region: &str, after: Option<Cursor>) -> Result<Page, ServiceError> {
        let start = after.map(|cursor| {
            HashMap::from([
                (String::from("batch_id"), text(cursor.batch_id.as_str())),
                (String::from("unfinished_in"), text(region)),
                (String::from("updated"), text(&cursor.updated)),
            ])
        });
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .index_name(UNFINISHED)
            .key_condition_expression("unfinished_in = :region")
            .expression_attribute_values(":region", text(region))
            .set_exclusive_start_key(start)
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| translate("dynamodb:Query", &self.table, error))?;
        read(output.consumed_capacity());
        let records = output.items().iter().map(from_item).collect::<Result<Vec<_>, _>>()?;
        let next = output.last_evaluated_key().map(to_cursor).transpose()?;
        Ok(Page { records, next })
    }
}

impl StateTable {
    /// What a takeover that was not accepted means. A write that was carried out and whose answer was lost meets its own
    /// record when it is repeated: that is a takeover too.
    async fn taken_over_or(
        &self,
        next: &BatchRecord,
        error: SdkError<PutItemError, HttpResponse>,
    ) -> Result<bool, ServiceError> {
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                wrote(None);
                Ok(self.get(&next.batch_id).await?.is_some_and(|record| record == *next))
            }
            _ => Err(translate("dynamodb:PutItem", &self.table, error)),
        }
    }

    /// The record that a claim met, or the error that it failed with.
    async fn existing(
        &self,
        record: &BatchRecord,
        error: SdkError<PutItemError, HttpResponse>,
    ) -> Result<Claim, ServiceError> {
        let met = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                wrote(None);
                failed.item.clone()
            }
            _ => return Err(translate("dynamodb:PutItem", &self.table, error)),
        };
        let existing = match met {
            Some(item) => Some(from_item(&item)?),
            None => self.get(&record.batch_id).await?,
        };
        existing.map(|record| Claim::Exists(Box::new(record))).ok_or_else(|| ServiceError::Refused {
            operation: "dynamodb:PutItem",
            message: format!("batch {} was there and is gone", record.batch_id),
        })
    }
}

/// An update that only the owner of a batch can carry out.
struct Change {
    expression: String,
    condition: String,
    removals: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Change {
    /// A change by this owner, dated.
    fn by(owner: &Owner, now: &str) -> Self {
        Self::undated(owner).set("updated", text(now))
    }

    /// A change by this owner that leaves the time of change as it is.
    fn undated(owner: &Owner) -> Self {
        let mut change = Self {
            expression: String::new(),
            condition: String::from("#attempt = :attempt AND #owner_region = :owner_region"),
            removals: Vec::new(),
            names: HashMap::new(),
            values: HashMap::new(),
        };
        change.bind("attempt", number(owner.attempt.number().into()));
        change.bind("owner_region", text(&owner.region));
        change
    }

    fn bind(&mut self, name: &str, value: AttributeValue) {
        self.names.insert(format!("#{name}"), name.to_owned());
        self.values.insert(format!(":{name}"), value);
    }

    fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.bind(name, value);
        self.expression = match self.expression.strip_prefix("SET ") {
            Some(others) => format!("SET #{name} = :{name}, {others}"),
            None => format!("SET #{name} = :{name}"),
        };
        self
    }

    fn set_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.set(name, text(value)),
            None => self,
        }
    }

    fn only_if(mut self, name: &str, comparison: &str, status: BatchStatus) -> Self {
        let value = format!(":is_{}", status.as_str().to_ascii_lowercase());
        self.names.insert(format!("#{name}"), name.to_owned());
        self.condition = format!("{} AND #{name} {comparison} {value}", self.condition);
        self.values.insert(value, text(status.as_str()));
        self
    }

    fn remove(mut self, name: &str) -> Self {
        let verb = if self.removals.is_empty() { " REMOVE" } else { "," };
        self.names.insert(format!("#{name}"), name.to_owned());
        self.removals.push(format!("{verb} #{name}"));
        self.expression = format!("{}{}", self.expression, self.removals.last().map_or("", String::as_str));
        self
    }
}

/// A string attribute.
fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A number attribute.
fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A record as the table holds it. While the batch is open, `unfinished_in` puts it into the sparse index.
///
/// # Errors
/// [`ServiceError::Refused`] when the record has no JSON form, which would be a bug.
pub fn to_item(record: &BatchRecord) -> Result<Item, ServiceError> {
    let refused = |message: String| ServiceError::Refused { operation: "dynamodb:PutItem", message };
    let Value::Object(fields) = serde_json::to_value(record).map_err(|error| refused(error.to_string()))? else {
        return Err(refused(String::from("a record is no JSON object")));
    };
    let mut item: Item = fields.into_iter().filter_map(|(name, value)| Some((name, to_attribute(value)?))).collect();
    if !record.status.has_ended() {
        item.insert(String::from("unfinished_in"), text(&record.owner_region));
    }
    Ok(item)
}

/// A JSON value as an attribute; what is null is left out.
fn to_attribute(value: Value) -> Option<AttributeValue> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(AttributeValue::Bool(flag)),
        Value::Number(number) => Some(AttributeValue::N(number.to_string())),
        Value::String(text) => Some(AttributeValue::S(text)),
        Value::Array(values) => Some(AttributeValue::L(values.into_iter().filter_map(to_attribute).collect())),
        Value::Object(fields) => Some(AttributeValue::M(
            fields.into_iter().filter_map(|(name, value)| Some((name, to_attribute(value)?))).collect(),
        )),
    }
}

/// The record that an item holds.
///
/// # Errors
/// [`ServiceError::Refused`] when the item is no batch record.
pub fn from_item(item: &Item) -> Result<BatchRecord, ServiceError> {
    let fields = item.iter().map(|(name, value)| (name.clone(), from_attribute(value))).collect();
    serde_json::from_value(Value::Object(fields)).map_err(|error| ServiceError::Refused {
        operation: "dynamodb:GetItem",
        message: format!("the state table holds an item that is no batch record: {error}"),
    })
}

/// An attribute as a JSON value.
fn from_attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::N(number) => number.parse::<u64>().map_or(Value::Null, Value::from),
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::L(values) => values.iter().map(from_attribute).collect(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tandem_core::batch::Attempt;
    use tandem_core::event::Upload;

    fn record() -> BatchRecord {
        let upload =
            Upload { bucket: "b".into(), key: "input/a b.csv".into(), etag: "e".into(), version_id: None, size: 7 };
        upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z")
    }

    #[test]
    fn a_record_reads_back_from_the_item_it_was_written_as() {
        assert_eq!(from_item(&to_item(&record()).unwrap()).unwrap(), record());
    }

    #[test]
    fn only_an_open_batch_stands_in_the_sparse_index() {
        let mut ended = record();
        assert!(to_item(&ended).unwrap().contains_key("unfinished_in"));
        ended.status = BatchStatus::Delivered;
        assert!(!to_item(&ended).unwrap().contains_key("unfinished_in"));
    }

    #[test]
    fn every_change_names_attempt_and_owner() {
        let owner = Owner { batch_id: record().batch_id, attempt: Attempt::FIRST, region: "us-east-1".into() };
        let change = Change::by(&owner, "now").set("reason", text("r")).remove("a").remove("b");
        assert_eq!(change.expression, "SET #reason = :reason, #updated = :updated REMOVE #a, #b");
        assert_eq!(change.condition, "#attempt = :attempt AND #owner_region = :owner_region");
    }
}
