//! The TXT record where it is the switch itself: it is replaced only if it is still the one that was read.
//!
//! There is one service that holds it, and no rule that guards it. So of two failovers at once, one replaces the record and the
//! other finds another one than it has read, and is told.

use std::future::Future;

use super::{ActiveSet, CONTROLS, FailedEndpoint, FailoverError};
use crate::ports::ServiceError;

/// A TXT record, as the service that holds it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its values as in a zone file, each in quotation marks.
    pub values: Vec<String>,
    /// How long an answer may be kept.
    pub ttl_seconds: u32,
}

/// Where the record is kept.
pub trait KeepRecord: Send + Sync {
    /// The service, for a person.
    const SERVICE: &'static str;

    /// Name of the record.
    fn name(&self) -> &str;

    /// The record as it is, changes included that are only on their way to the name servers; `None`: there is none.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not answer, or refuses, or the record is of a kind that cannot be a switch.
    fn read(&self) -> impl Future<Output = Result<Option<Record>, ServiceError>> + Send;

    /// Puts a record that names this Region in place of `before`, all at once, and waits a while until every name server has it.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] when it may or may not have been replaced; any other when it was not, which is also the case
    /// when the record is not `before` any more.
    fn replace(&self, before: Option<&Record>, region: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// The active Region, if the record names one of the two and nothing else; otherwise what is wrong with it.
pub(super) async fn read<R: KeepRecord>(
    keeper: &R,
    regions: [&str; 2],
) -> Result<(Option<String>, Vec<FailedEndpoint>), FailoverError> {
    let record = keeper.read().await.map_err(|error| failed::<R>(error.to_string(), false))?;
    let active = named(record.as_ref(), regions).map(str::to_owned);
    let wrong = active.is_none().then(|| FailedEndpoint {
        endpoint: R::SERVICE.to_owned(),
        error: format!("TXT {} {}", keeper.name(), said(record.as_ref())),
    });
    Ok((active, wrong.into_iter().collect()))
}

/// Makes the record name a Region.
pub(super) async fn set<R: KeepRecord>(
    keeper: &R,
    region: &str,
    regions: [&str; 2],
) -> Result<ActiveSet, FailoverError> {
    let before = keeper.read().await.map_err(|error| failed::<R>(error.to_string(), false))?;
    refuse_foreign(keeper, before.as_ref(), regions)?;
    let was = named(before.as_ref(), regions).map(str::to_owned);
    let changed = was.as_deref() != Some(region);
    if changed {
        replace(keeper, before.as_ref(), region, regions).await?;
    }
    Ok(ActiveSet {
        active: Some(region.to_owned()),
        before: was,
        changed,
        endpoint: R::SERVICE.to_owned(),
        failed_endpoints: Vec::new(),
    })
}

/// Replaces the record, and believes only what is read back: an answer may have been lost, and another failover may have been
/// first, or come after.
async fn replace<R: KeepRecord>(
    keeper: &R,
    before: Option<&Record>,
    region: &str,
    regions: [&str; 2],
) -> Result<(), FailoverError> {
    let replaced = keeper.replace(before, region).await;
    let unconfirmed = matches!(replaced, Ok(()) | Err(ServiceError::Unavailable { .. }));
    let now = keeper.read().await.map_err(|error| {
        let first = replaced.as_ref().err().map(|error| format!("{error}; and then: ")).unwrap_or_default();
        failed::<R>(format!("{first}{error}"), unconfirmed)
    })?;
    if named(now.as_ref(), regions) == Some(region) {
        return Ok(());
    }
    match replaced {
        Err(error) if now.as_ref() == before => Err(failed::<R>(error.to_string(), unconfirmed)),
        _ => Err(FailoverError::Contested { record: keeper.name().to_owned(), says: said(now.as_ref()) }),
    }
}

/// A record that says anything but this deployment's Regions is somebody else's, or this is the wrong name.
fn refuse_foreign<R: KeepRecord>(keeper: &R, record: Option<&Record>, regions: [&str; 2]) -> Result<(), FailoverError> {
    let foreign = |record: &Record| record.values.iter().any(|value| !regions.contains(&text(value)));
    if !record.is_some_and(foreign) {
        return Ok(());
    }
    let regions = regions.map(str::to_owned).to_vec();
    Err(FailoverError::ForeignRecord { record: keeper.name().to_owned(), says: said(record), regions })
}

/// The Region that a record names, if it is one of the two and the only one.
fn named<'r>(record: Option<&Record>, regions: [&'r str; 2]) -> Option<&'r str> {
    match record?.values.as_slice() {
        [value] => regions.into_iter().find(|region| *region == text(value)),
        _ => None,
    }
}

/// What stands between the quotation marks. A Region's name has no letter that a zone file would escape.
fn text(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn said(record: Option<&Record>) -> String {
    match record {
        None => String::from("does not exist"),
        Some(record) => format!("says {}", record.values.join(" and ")),
    }
}

fn failed<R: KeepRecord>(error: String, unconfirmed: bool) -> FailoverError {
    let failed = vec![FailedEndpoint { endpoint: R::SERVICE.to_owned(), error }];
    FailoverError::NoEndpoint { what: CONTROLS, failed, unconfirmed }
}
