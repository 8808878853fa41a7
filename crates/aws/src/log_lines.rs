//! CloudWatch Logs: the lines that concern one thing, wherever functions wrote them.

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use tandem_core::ports::ServiceError;

use crate::error::translate;

/// What was found in one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines, in order.
    pub lines: Vec<String>,
    /// Whether these are all.
    pub complete: bool,
}

/// The log groups of one Region.
#[derive(Debug, Clone)]
pub struct LogLines {
    client: Client,
}

impl LogLines {
    /// Log groups in the Region of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// The lines of a group that contain `term`, between two times in milliseconds, up to about `most`. A group that does not
    /// exist has none.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not answer or refuses.
    pub async fn containing(
        &self,
        group: &str,
        term: &str,
        (from, to): (i64, i64),
        most: usize,
    ) -> Result<Lines, ServiceError> {
        let mut found = Lines::default();
        let mut next: Option<String> = None;
        loop {
            let call = self.client.filter_log_events().log_group_name(group).filter_pattern(format!("\"{term}\""));
            let page = match call.start_time(from).end_time(to).set_next_token(next.clone()).send().await {
                Ok(page) => page,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                    return Ok(Lines { complete: true, ..Lines::default() });
                }
                Err(error) => return Err(translate("logs:FilterLogEvents", group, error)),
            };
            // Not every service behind this interface filters.
            let lines = page.events().iter().filter_map(|event| event.message()).filter(|line| line.contains(term));
            found.lines.extend(lines.map(str::to_owned));
            // A page may be empty and not be the last.
            let after = page.next_token().map(str::to_owned).filter(|token| Some(token) != next.as_ref());
            found.complete = after.is_none();
            if found.complete || found.lines.len() >= most {
                return Ok(found);
            }
            next = after;
        }
    }
}
