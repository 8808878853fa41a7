//! The state table as a person reads it: through whichever Region answers.
//!
//! The table is the same in both Regions. A command begins with one of them, and stays with the other once that one did not
//! answer. On a table with multi-Region strong consistency both say the same; elsewhere the other may be a second behind.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::SdkConfig;
use futures::future::BoxFuture;
use tandem_aws::batch_list::{BatchList, Listed, ReadPage};
use tandem_aws::batches::StateTable;
use tandem_core::batch::{Attempt, BatchId, BatchRecord, execution_name};
use tandem_core::ports::{Batches, ServiceError};

/// The state table.
pub struct Records {
    replicas: Vec<Replica>,
    /// The replica that answered last.
    current: AtomicUsize,
}

/// The table in one Region.
struct Replica {
    table: StateTable,
    list: BatchList,
}

impl Records {
    /// The table `name`, with a configuration for each Region; the first is asked first.
    pub fn new(configs: &[SdkConfig], name: &str) -> Self {
        let replica = |config: &SdkConfig| Replica {
            table: StateTable::new(config, name.to_owned()),
            list: BatchList::new(config, name.to_owned()),
        };
        Self { replicas: configs.iter().map(replica).collect(), current: AtomicUsize::new(0) }
    }

    /// A batch's record.
    ///
    /// # Errors
    /// [`ServiceError`] when no Region answers; likewise for the others.
    pub async fn get(&self, batch_id: &BatchId) -> Result<Option<BatchRecord>, ServiceError> {
        let id = batch_id.clone();
        self.ask(move |replica| {
            let id = id.clone();
            Box::pin(async move { replica.table.get(&id).await })
        })
        .await
    }

    /// Those of these batches that are known, in no order; eventually consistent.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn named(&self, batch_ids: &[BatchId]) -> Result<Vec<BatchRecord>, ServiceError> {
        let ids = batch_ids.to_vec();
        self.ask(move |replica| {
            let ids = ids.clone();
            Box::pin(async move { replica.list.named(&ids).await })
        })
        .await
    }

    /// The batches that are open.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn unfinished(&self, most: usize) -> Result<Listed, ServiceError> {
        self.ask(move |replica| Box::pin(replica.list.unfinished(most))).await
    }

    /// Batches of any status.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn any(&self, most: usize) -> Result<Listed, ServiceError> {
        self.ask(move |replica| Box::pin(replica.list.any(most))).await
    }

    /// A page of them, from behind this batch on.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn page(&self, after: Option<&BatchId>) -> Result<ReadPage, ServiceError> {
        let after = after.cloned();
        self.ask(move |replica| {
            let after = after.clone();
            Box::pin(async move { replica.list.page(after.as_ref()).await })
        })
        .await
    }

    async fn ask<T>(
        &self,
        call: impl Fn(&Replica) -> BoxFuture<'_, Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        in_turn(&self.replicas, &self.current, call).await
    }
}

/// Asks one after the other, beginning with the current one, until one answers. A refusal is an answer, too.
async fn in_turn<R, T>(
    all: &[R],
    current: &AtomicUsize,
    call: impl Fn(&R) -> BoxFuture<'_, Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    let first = current.load(Ordering::Relaxed);
    let mut away = None;
    for position in (0..all.len()).map(|offset| (first + offset) % all.len()) {
        match call(&all[position]).await {
            Err(error @ (ServiceError::Unavailable { .. } | ServiceError::Throttled { .. })) => {
                away.get_or_insert(error);
            }
            answer => {
                current.store(position, Ordering::Relaxed);
                return answer;
            }
        }
    }
    let nowhere =
        || ServiceError::Refused { operation: "dynamodb:GetItem", message: String::from("no Region is known") };
    Err(away.unwrap_or_else(nowhere))
}

/// Every attempt's Region and execution: named after the batch and the attempt, so they follow from the last one's ARN.
pub fn executions(record: &BatchRecord) -> Vec<(String, String)> {
    let Some(last) = &record.execution_arn else { return Vec::new() };
    let parts: Vec<&str> = last.split(':').collect();
    let [partition, account, machine] = [1, 4, 6].map(|part| parts.get(part).copied().unwrap_or_default());
    let attempt = |entry: &String| {
        let (region, number) = entry.split_once('/')?;
        let name = execution_name(&record.batch_id, Attempt::new(number.parse().ok()?));
        Some((region.to_owned(), format!("arn:{partition}:states:{region}:{account}:execution:{machine}:{name}")))
    };
    record.region_history.iter().filter_map(attempt).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use super::*;

    fn away() -> ServiceError {
        ServiceError::Unavailable { operation: "dynamodb:GetItem", message: "away".into(), source: "x".into() }
    }

    #[tokio::test]
    async fn a_region_that_does_not_answer_is_left_for_the_other_and_not_asked_again() {
        let (current, asked) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        for _ in 0..2 {
            let answer = in_turn(&["east", "west"], &current, |region| {
                asked.lock().unwrap().push(*region);
                let answer = if *region == "east" { Err(away()) } else { Ok((*region).to_owned()) };
                Box::pin(async { answer })
            });
            assert_eq!(answer.await.unwrap(), "west");
        }
        assert_eq!(*asked.lock().unwrap(), ["east", "west", "west"]);
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_two_regions_away_are_an_error() {
        let current = AtomicUsize::new(1);
        let denied = in_turn(&[0, 1], &current, |_| {
            Box::pin(async { Err::<u8, _>(ServiceError::Denied { operation: "x", message: "no".into() }) })
        });
        assert!(matches!(denied.await, Err(ServiceError::Denied { .. })));
        let silent = in_turn(&[0, 1], &current, |_| Box::pin(async { Err::<u8, _>(away()) }));
        assert!(matches!(silent.await, Err(ServiceError::Unavailable { .. })));
    }
}
