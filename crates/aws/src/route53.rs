//! Route 53: the TXT record that says which Region should act, where there are no routing controls.
//!
//! Its API is one for all Regions and runs in us-east-1 alone: while that Region is lost the record answers, and cannot be
//! changed. A change deletes the record that was read and creates the new one in one batch, which Route 53 makes as a whole or
//! not at all: if somebody has changed the record meanwhile, it refuses.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_route53::Client;
use aws_sdk_route53::config::Builder;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};
use aws_smithy_types::error::operation::BuildError;
use tandem_core::failover::{KeepRecord, Record};
use tandem_core::ports::ServiceError;
use tokio::time::{Instant, sleep};

use crate::config::{ConfigError, parsed, required};
use crate::error::translate;
use crate::metering::Metered;

/// The Region that requests are signed for, whichever they come from.
const SIGNED_FOR: &str = "us-east-1";

/// How long it is waited for all name servers; Route 53 says that it usually takes less.
const SPREAD: Duration = Duration::from_secs(60);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

const LIST: &str = "route53:ListResourceRecordSets";
const CHANGE: &str = "route53:ChangeResourceRecordSets";

/// One TXT record in one hosted zone.
#[derive(Debug, Clone)]
pub struct TxtRecord {
    client: Client,
    zone: String,
    name: String,
    ttl_seconds: u32,
}

impl TxtRecord {
    /// The record `TANDEM_ACTIVE_RECORD` in the zone `TANDEM_HOSTED_ZONE_ID`, written with `TANDEM_TXT_TTL_SECONDS`.
    ///
    /// # Errors
    /// [`ConfigError`] when one of them is missing or has another form.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        let zone = required("TANDEM_HOSTED_ZONE_ID")?;
        let name = required("TANDEM_ACTIVE_RECORD")?;
        let ttl_seconds = parsed("TANDEM_TXT_TTL_SECONDS", "a number of seconds")?;
        Ok(Self::new(config, zone, &name, ttl_seconds))
    }

    /// This record in this zone.
    #[must_use]
    pub fn new(config: &SdkConfig, zone: String, name: &str, ttl_seconds: u32) -> Self {
        let config = Builder::from(config).region(Region::new(SIGNED_FOR)).interceptor(Metered::new());
        Self { client: Client::from_conf(config.build()), zone, name: absolute(name), ttl_seconds }
    }

    /// The changes that put the one record in the place of the other.
    fn batch(&self, before: Option<&Record>, region: &str) -> Result<ChangeBatch, BuildError> {
        let after = Record { values: vec![format!("\"{region}\"")], ttl_seconds: self.ttl_seconds };
        let mut batch = ChangeBatch::builder().comment(format!("tandem: {region} is to act"));
        if let Some(before) = before {
            batch = batch.changes(self.change(ChangeAction::Delete, before)?);
        }
        batch.changes(self.change(ChangeAction::Create, &after)?).build()
    }

    fn change(&self, action: ChangeAction, record: &Record) -> Result<Change, BuildError> {
        let mut set = ResourceRecordSet::builder().name(&self.name).r#type(RrType::Txt);
        set = set.ttl(record.ttl_seconds.into());
        for value in &record.values {
            set = set.resource_records(ResourceRecord::builder().value(value).build()?);
        }
        Change::builder().action(action).resource_record_set(set.build()?).build()
    }

    /// Waits until every name server has a change. Whether that is seen or not, the change is made: the runbook then waits for
    /// the record itself.
    async fn wait_until_spread(&self, change: &str) {
        let deadline = Instant::now() + SPREAD;
        while Instant::now() < deadline {
            match self.client.get_change().id(change).send().await {
                Ok(answer) if answer.change_info().is_some_and(|info| *info.status() == ChangeStatus::Insync) => return,
                Ok(_) => {}
                Err(error) => {
                    let error = translate("route53:GetChange", change, error);
                    tracing::warn!("the record was changed; whether all name servers have it cannot be seen: {error}");
                    return;
                }
            }
            sleep(LOOK).await;
        }
        tracing::warn!(change, "the record was changed, and not all name servers have it after {SPREAD:?}");
    }
}

impl KeepRecord for TxtRecord {
    const SERVICE: &'static str = "Route 53";

    fn name(&self) -> &str {
        self.name.trim_end_matches('.')
    }

    async fn read(&self) -> Result<Option<Record>, ServiceError> {
        let list = self.client.list_resource_record_sets().hosted_zone_id(&self.zone);
        // The list goes on with other names: two entries show whether this one has more than one record set.
        let list = list.start_record_name(&self.name).start_record_type(RrType::Txt).max_items(2);
        let list = list.send().await.map_err(|error| translate(LIST, &self.name, error))?;
        let is_this = |set: &&ResourceRecordSet| *set.r#type() == RrType::Txt && same_name(set.name(), &self.name);
        let sets: Vec<&ResourceRecordSet> = list.resource_record_sets().iter().filter(is_this).collect();
        match sets.as_slice() {
            [] => Ok(None),
            [set] => simple(set).map(Some).ok_or_else(|| self.not_simple()),
            _ => Err(self.not_simple()),
        }
    }

    async fn replace(&self, before: Option<&Record>, region: &str) -> Result<(), ServiceError> {
        let refused = |error: BuildError| ServiceError::Refused { operation: CHANGE, message: error.to_string() };
        let batch = self.batch(before, region).map_err(refused)?;
        let change = self.client.change_resource_record_sets().hosted_zone_id(&self.zone).change_batch(batch);
        let changed = change.send().await.map_err(|error| translate(CHANGE, &self.name, error))?;
        if let Some(change) = changed.change_info() {
            self.wait_until_spread(change.id()).await;
        }
        Ok(())
    }
}

impl TxtRecord {
    fn not_simple(&self) -> ServiceError {
        let message = format!(
            "TXT {} has a routing policy, so it is not to be changed here: it belongs to mode arc, or HostedZoneId is another zone's",
            self.name()
        );
        ServiceError::Refused { operation: LIST, message }
    }
}

/// A record set that is values and a TTL, and nothing else.
fn simple(set: &ResourceRecordSet) -> Option<Record> {
    let ttl_seconds = u32::try_from(set.ttl()?).ok()?;
    let has_policy = set.set_identifier().is_some() || set.health_check_id().is_some() || set.alias_target().is_some();
    let values: Vec<String> = set.resource_records().iter().map(|record| record.value().to_owned()).collect();
    (!has_policy && !values.is_empty()).then_some(Record { values, ttl_seconds })
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// Names have no case, and in an answer always the dot at the end.
fn same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_config::BehaviorVersion;

    use super::*;

    const NAME: &str = "active.tandem-dev.example.com";

    fn record() -> TxtRecord {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(crate::config::http_client())
            .region(Region::new("us-west-2"))
            .build();
        TxtRecord::new(&config, "Z1".to_owned(), NAME, 10)
    }

    fn set(name: &str) -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
        let value = ResourceRecord::builder().value("\"us-east-1\"").build().unwrap();
        ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(60).resource_records(value)
    }

    /// Action, TTL and values of each change of a batch.
    fn told(batch: &ChangeBatch) -> Vec<(String, i64, Vec<String>)> {
        let of = |change: &Change| {
            let set = change.resource_record_set().unwrap();
            assert_eq!((set.name(), set.r#type()), ("active.tandem-dev.example.com.", &RrType::Txt));
            let values = set.resource_records().iter().map(|record| record.value().to_owned()).collect();
            (change.action().as_str().to_owned(), set.ttl().unwrap(), values)
        };
        batch.changes().iter().map(of).collect()
    }

    #[test]
    fn what_was_read_is_deleted_as_it_was_and_the_new_record_created_in_the_same_batch() {
        let before = Record { values: vec!["\"us-east-1\"".to_owned(), "\"x\"".to_owned()], ttl_seconds: 60 };
        let changes = told(&record().batch(Some(&before), "us-west-2").unwrap());
        assert_eq!(changes[0], ("DELETE".to_owned(), 60, before.values));
        assert_eq!(changes[1], ("CREATE".to_owned(), 10, vec!["\"us-west-2\"".to_owned()]));
        assert_eq!(changes.len(), 2, "nothing is written over");
    }

    #[test]
    fn without_a_record_one_is_created_which_fails_if_there_is_one_by_then() {
        let changes = told(&record().batch(None, "us-west-2").unwrap());
        assert_eq!(changes, [("CREATE".to_owned(), 10, vec!["\"us-west-2\"".to_owned()])]);
    }

    #[test]
    fn a_record_set_is_a_switch_only_if_it_is_values_and_a_ttl_and_nothing_else() {
        let expected = Record { values: vec!["\"us-east-1\"".to_owned()], ttl_seconds: 60 };
        assert_eq!(simple(&set(NAME).build().unwrap()), Some(expected));
        // As the records of mode arc have them.
        assert_eq!(simple(&set(NAME).set_identifier("us-east-1").build().unwrap()), None);
        assert_eq!(simple(&set(NAME).health_check_id("h").build().unwrap()), None);
        assert_eq!(simple(&set(NAME).set_ttl(None).build().unwrap()), None);
        assert_eq!(simple(&set(NAME).set_resource_records(None).build().unwrap()), None);
        assert!(record().not_simple().to_string().contains("routing policy"));
    }

    #[test]
    fn a_name_is_the_same_with_and_without_its_dot_and_in_any_case() {
        assert!(same_name("Active.example.com.", "active.example.com"));
        assert!(!same_name("inactive.example.com.", "active.example.com"));
        assert_eq!((absolute("a.b"), absolute("a.b.")), ("a.b.".to_owned(), "a.b.".to_owned()));
        assert_eq!(KeepRecord::name(&record()), NAME);
    }
}
