//! SES: e-mail to the owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::SdkConfig;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sesv2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use aws_smithy_runtime_api::box_error::BoxError;
use tandem_core::ports::{Email, Mail, MailError, ServiceError};
use tandem_core::protocol::time_text;
use time::OffsetDateTime;

use crate::config::{ConfigError, required};
use crate::error::translate;
use crate::metering::Metered;

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
            .interceptor(Metered::new())
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

/// Lets no request leave after its time: the last moment at which that can be seen.
///
/// What was signed before is refused by the service some minutes later, so a process that was frozen after this sends
/// nothing either.
#[derive(Debug)]
struct Deadline {
    at: OffsetDateTime,
    missed: Arc<AtomicBool>,
}

impl Intercept for Deadline {
    fn name(&self) -> &'static str {
        "Deadline"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if OffsetDateTime::now_utc() < self.at {
            return Ok(());
        }
        self.missed.store(true, Ordering::SeqCst);
        Err("the e-mail's time is over".into())
    }
}

impl Mail for SesMail {
    async fn send(&self, email: &Email, deadline: OffsetDateTime) -> Result<(), MailError> {
        let message = message(email).map_err(MailError::NotSent)?;
        let missed = Arc::new(AtomicBool::new(false));
        let sent = self
            .client
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(&self.recipient).build())
            .content(EmailContent::builder().simple(message).build())
            .customize()
            .interceptor(Deadline { at: deadline, missed: Arc::clone(&missed) })
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(_) if missed.load(Ordering::SeqCst) => Err(MailError::TooLate { deadline: time_text(deadline) }),
            Err(error) => Err(classify(translate("ses:SendEmail", "the e-mail", error))),
        }
    }
}
