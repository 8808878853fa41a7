//! Asks DNS which Region should act.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tandem_core::ports::{ActiveRegion, ActiveRegionError, AskActiveRegion};
use tandem_core::regions::Regions;

use crate::config::{ConfigError, optional, required};

/// Reads a TXT record whose text is the active Region's name.
pub struct TxtRecord {
    resolver: TokioResolver,
    record: String,
    /// The Region this runs in, and the other one.
    regions: [String; 2],
}

/// Whether an answer may be an earlier one, kept for as long as its TTL allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// It may: what comes often asks often.
    ForTtl,
    /// It may not: whoever waits for a change wants to see it.
    Never,
}

impl TxtRecord {
    /// The record named by `TANDEM_ACTIVE_RECORD`, asked from the system's resolver or from `TANDEM_DNS_SERVER` (host:port).
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is missing or the resolver cannot be set up.
    pub fn from_env(regions: &Regions, caching: Caching) -> Result<Self, ConfigError> {
        let record = required("TANDEM_ACTIVE_RECORD")?;
        Self::named(&record, [regions.here().to_owned(), regions.other().to_owned()], caching)
    }

    /// A record by its name, asked from the same resolvers; the Regions are this one and the other one.
    ///
    /// # Errors
    /// [`ConfigError`] when the resolver cannot be set up.
    pub fn named(record: &str, regions: [String; 2], caching: Caching) -> Result<Self, ConfigError> {
        let resolver = match optional("TANDEM_DNS_SERVER") {
            Some(server) => resolver_at(&server, caching)?,
            None => system_resolver(caching)?,
        };
        Ok(Self { resolver, record: record.to_owned(), regions })
    }
}

/// A resolver that asks one server.
fn resolver_at(server: &str, caching: Caching) -> Result<TokioResolver, ConfigError> {
    let invalid = || ConfigError::Invalid {
        name: "TANDEM_DNS_SERVER",
        value: server.to_owned(),
        expected: "an address and port, for example 127.0.0.1:53",
    };
    let address: SocketAddr = server.parse().map_err(|_| invalid())?;
    let mut connection = ConnectionConfig::udp();
    connection.port = address.port();
    let name_server = NameServerConfig::new(address.ip(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    bounded(builder, caching).map_err(|_| invalid())
}

/// The resolver that the system is configured with.
fn system_resolver(caching: Caching) -> Result<TokioResolver, ConfigError> {
    TokioResolver::builder_tokio().and_then(|builder| bounded(builder, caching)).map_err(|error| ConfigError::Invalid {
        name: "/etc/resolv.conf",
        value: error.to_string(),
        expected: "a readable resolver configuration",
    })
}

/// Bounds the time an answer may take: an invocation without an answer is retried by Lambda, it must not hang.
fn bounded(
    mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>,
    caching: Caching,
) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    // That there is no record must not be remembered: the zone's own time for it is long, and events are given up meanwhile.
    options.negative_max_ttl = Some(Duration::from_secs(1));
    if caching == Caching::Never {
        options.cache_size = 0;
    }
    builder.build()
}

impl AskActiveRegion for TxtRecord {
    async fn ask(&self) -> Result<ActiveRegion, ActiveRegionError> {
        // The name is absolute: no search domain may be tried.
        let name = format!("{}.", self.record.trim_end_matches('.'));
        let lookup = self.resolver.txt_lookup(name).await.map_err(|error| self.no_answer(error))?;
        let texts = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        let texts: Vec<Vec<u8>> = texts.collect();
        if texts.is_empty() {
            return Err(ActiveRegionError::NoRecord { record: self.record.clone() });
        }
        // Several come in any order, and each Region could take the one that names it: together they are no Region's name.
        interpret(&self.record, &self.regions, &String::from_utf8_lossy(&texts.join(&b' ')))
    }
}

impl TxtRecord {
    /// Tells a record that does not exist from an answer that does not come.
    fn no_answer(&self, error: NetError) -> ActiveRegionError {
        let record = self.record.clone();
        if error.is_no_records_found() {
            return ActiveRegionError::NoRecord { record };
        }
        ActiveRegionError::NoAnswer { record, source: error.into() }
    }
}

/// What the text of the record means here, given this Region and the other one.
fn interpret(record: &str, [here, other]: &[String; 2], text: &str) -> Result<ActiveRegion, ActiveRegionError> {
    let named = text.trim();
    let record = || record.to_owned();
    match named {
        _ if named == here => Ok(ActiveRegion::Active),
        _ if named == other => Ok(ActiveRegion::Standby { active: named.to_owned() }),
        _ if looks_like_region(named) => Err(ActiveRegionError::Unknown { record: record(), answer: named.to_owned() }),
        _ => Err(ActiveRegionError::Unparsable { record: record(), answer: text.to_owned() }),
    }
}

/// Whether a text has the form of a Region's name: `us-east-1`, `us-gov-west-1`.
fn looks_like_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let words = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [words_before @ .., number] => {
            words_before.len() >= 2 && words_before.iter().all(words) && number.parse::<u8>().is_ok()
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Result<ActiveRegion, ActiveRegionError> {
        interpret("active.example", &["us-east-1".to_owned(), "us-west-2".to_owned()], text)
    }

    #[test]
    fn the_own_name_is_active_and_another_is_standby() {
        assert!(matches!(outcome("us-east-1"), Ok(ActiveRegion::Active)));
        assert!(matches!(outcome("us-west-2"), Ok(ActiveRegion::Standby { active }) if active == "us-west-2"));
    }

    #[test]
    fn a_region_that_is_neither_of_the_two_is_unknown_and_never_standby() {
        assert!(
            matches!(outcome("eu-west-1"), Err(ActiveRegionError::Unknown { answer, .. }) if answer == "eu-west-1")
        );
    }

    #[test]
    fn what_is_no_regions_name_is_unparsable_and_never_standby() {
        for text in ["", "on", "us-east", "US-EAST-1", "us-east-1 us-west-2", "us--1", "-1"] {
            assert!(matches!(outcome(text), Err(ActiveRegionError::Unparsable { .. })), "{text:?}");
        }
    }
}
