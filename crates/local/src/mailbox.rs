//! The e-mails that the local Regions sent: they go no further than the emulator's memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json_http;
use crate::state::LocalState;

/// One e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// SES's id of the message.
    pub message_id: String,
    /// Who it is from.
    pub from: String,
    /// Who it is to.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Plain text part.
    pub text: String,
    /// HTML part.
    pub html: Option<String>,
    /// When it was sent, as the emulator says it.
    pub time: String,
}

#[derive(Deserialize)]
struct Messages {
    messages: BTreeMap<String, Vec<Message>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    source: String,
    to: Vec<String>,
    subject: String,
    body_text: String,
    body_html: Option<String>,
    timestamp: serde_json::Value,
}

/// All e-mails since the start, of both Regions, in the order in which each Region sent its own.
///
/// # Errors
/// The emulator doesn't answer.
pub async fn mailbox(state: &LocalState) -> anyhow::Result<Vec<Email>> {
    let url =
        format!("http://127.0.0.1:{}/_ministack/ses/messages?account={}", state.options.emulator_port, state.account);
    let messages: Messages = json_http::get(&url).await?;
    let mut emails: Vec<Email> = messages.messages.into_values().flatten().map(Email::from).collect();
    emails.sort_by(|a, b| a.time.cmp(&b.time));
    Ok(emails)
}

impl From<Message> for Email {
    fn from(message: Message) -> Self {
        Self {
            message_id: message.message_id,
            from: message.source,
            to: message.to,
            subject: message.subject,
            text: message.body_text,
            html: message.body_html,
            time: match message.timestamp {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            },
        }
    }
}
