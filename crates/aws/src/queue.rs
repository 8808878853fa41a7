//! SQS: a queue read by an operator's command, message by message.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use tandem_core::ports::ServiceError;

use crate::error::translate;

/// Messages that one call gives at most; SQS gives no more.
const PER_CALL: i32 = 10;

/// One queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
    name: String,
}

/// A message that was received, and that nobody else sees for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Its text.
    pub body: String,
    receipt: String,
}

impl Queue {
    /// The queue with this name.
    ///
    /// # Errors
    /// [`ServiceError`] when there is none, or SQS does not answer.
    pub async fn named(config: &SdkConfig, name: &str) -> Result<Self, ServiceError> {
        let client = Client::new(config);
        let found = client.get_queue_url().queue_name(name).send().await;
        let found = found.map_err(|error| translate("sqs:GetQueueUrl", name, error))?;
        let url = found.queue_url().unwrap_or_default().to_owned();
        Ok(Self { client, url, name: name.to_owned() })
    }

    /// Some messages, unseen by others for `hidden` seconds; none when there are none right now.
    ///
    /// # Errors
    /// [`ServiceError`] when SQS does not answer.
    pub async fn receive(&self, hidden: i32) -> Result<Vec<Message>, ServiceError> {
        // Waiting a second asks every server of the queue; without it a short queue may look empty.
        let call = self.client.receive_message().queue_url(&self.url).max_number_of_messages(PER_CALL);
        let received = call.visibility_timeout(hidden).wait_time_seconds(1).send().await;
        let received = received.map_err(|error| translate("sqs:ReceiveMessage", &self.name, error))?;
        let message = |message: &aws_sdk_sqs::types::Message| {
            Some(Message {
                id: message.message_id()?.to_owned(),
                body: message.body()?.to_owned(),
                receipt: message.receipt_handle()?.to_owned(),
            })
        };
        Ok(received.messages().iter().filter_map(message).collect())
    }

    /// Deletes a message: it is done with.
    ///
    /// # Errors
    /// [`ServiceError`] when SQS does not answer; the message then comes again.
    pub async fn delete(&self, message: &Message) -> Result<(), ServiceError> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(&message.receipt);
        call.send().await.map(drop).map_err(|error| translate("sqs:DeleteMessage", &self.name, error))
    }

    /// Puts a message back at once, for whoever reads next.
    ///
    /// # Errors
    /// [`ServiceError`] when SQS does not answer; the message then comes back by itself, later.
    pub async fn put_back(&self, message: &Message) -> Result<(), ServiceError> {
        let call = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(&message.receipt);
        let sent = call.visibility_timeout(0).send().await;
        sent.map(drop).map_err(|error| translate("sqs:ChangeMessageVisibility", &self.name, error))
    }
}
