//! DynamoDB: the state table, read as a list for a person.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use tandem_core::batch::BatchRecord;
use tandem_core::ports::ServiceError;

use crate::batches::{UNFINISHED, from_item};
use crate::error::translate;

/// The batches of a state table.
#[derive(Debug, Clone)]
pub struct BatchList {
    client: Client,
    table: String,
}

/// Batches, and whether they are all there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In no order.
    pub batches: Vec<BatchRecord>,
    /// False when the limit was reached first.
    pub complete: bool,
}

impl BatchList {
    /// The batches of the table with this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }

    /// The batches that are open, in both Regions. Costs as much as is open; eventually consistent.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn unfinished(&self, most: usize) -> Result<Listed, ServiceError> {
        self.scan(Some(UNFINISHED), most).await
    }

    /// Batches of any status. Reads the table from an arbitrary end, and stops at `most`.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn any(&self, most: usize) -> Result<Listed, ServiceError> {
        self.scan(None, most).await
    }

    async fn scan(&self, index: Option<&str>, most: usize) -> Result<Listed, ServiceError> {
        let scan = self.client.scan().table_name(&self.table).set_index_name(index.map(str::to_owned));
        let mut items = scan.into_paginator().items().send();
        let mut batches = Vec::new();
        while let Some(item) = items.next().await {
            if batches.len() == most {
                return Ok(Listed { batches, complete: false });
            }
            batches.push(from_item(&item.map_err(|error| translate("dynamodb:Scan", &self.table, error))?)?);
        }
        Ok(Listed { batches, complete: true })
    }
}
