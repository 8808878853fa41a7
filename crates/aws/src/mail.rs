//! SES: e-mail to the owner.

use aws_config::SdkConfig;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use tandem_core::ports::{Email, Mail, MailError, ServiceError};

use crate::config::{ConfigError, required};
use crate::error::translate;

/// Sends from one identity to one recipient.
#[derive(Debug, Clone)]
pub struct SesMail {
    client: Client,
    sender: String,
    recipient: String,
}

impl SesMail {
    /// Sender and recipient from `TANDEM_SENDER` and `TANDEM_RECIPIENT`.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] when one is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        // An e-mail is sent once: a call whose answer got lost may have been carried out, so the SDK must not repeat it.
        let once = aws_sdk_sesv2::config::Builder::from(config)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        Ok(Self {
            client: Client::from_conf(once),
            sender: required("TANDEM_SENDER")?,
            recipient: required("TANDEM_RECIPIENT")?,
        })
    }
}

/// A piece of text in UTF-8.
fn content(text: &str) -> Result<Content, ServiceError> {
    Content::builder()
        .data(text)
        .charset("UTF-8")
        .build()
        .map_err(|error| ServiceError::Refused { operation: "ses:SendEmail", message: error.to_string() })
}

/// The message of an e-mail.
fn message(email: &Email) -> Result<Message, ServiceError> {
    let body = Body::builder().text(content(&email.text)?).html(content(&email.html)?).build();
    Ok(Message::builder().subject(content(&email.subject)?).body(body).build())
}

/// A refusal is an answer, so nothing was sent; where there was none, or the service failed, nobody knows.
fn classify(error: ServiceError) -> MailError {
    match error {
        ServiceError::Unavailable { .. } => MailError::Undetermined(error),
        _ => MailError::NotSent(error),
    }
}

impl Mail for SesMail {
    async fn send(&self, email: &Email) -> Result<(), MailError> {
        let message = message(email).map_err(MailError::NotSent)?;
        let sent = self
            .client
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(&self.recipient).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(classify(translate("ses:SendEmail", "the e-mail", error))),
        }
    }
}
