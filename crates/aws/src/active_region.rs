//! Asks DNS which Region should act.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tandem_core::ports::{ActiveRegion, ActiveRegionError, AskActiveRegion};

use crate::config::{ConfigError, optional, region, required};

/// Reads a TXT record whose text is the active Region's name.
pub struct TxtRecord {
    resolver: TokioResolver,
    record: String,
    region: String,
}

impl TxtRecord {
    /// The record named by `TANDEM_ACTIVE_RECORD`, asked from the system's resolver or from `TANDEM_DNS_SERVER` (host:port).
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is missing or the resolver cannot be set up.
    pub fn from_env() -> Result<Self, ConfigError> {
        let record = required("TANDEM_ACTIVE_RECORD")?;
        let resolver = match optional("TANDEM_DNS_SERVER") {
            Some(server) => resolver_at(&server)?,
            None => system_resolver()?,
        };
        Ok(Self { resolver, record, region: region()? })
    }
}

/// A resolver that asks one server.
fn resolver_at(server: &str) -> Result<TokioResolver, ConfigError> {
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
    bounded(builder).map_err(|_| invalid())
}

/// The resolver that the system is configured with.
fn system_resolver() -> Result<TokioResolver, ConfigError> {
    TokioResolver::builder_tokio().and_then(bounded).map_err(|error| ConfigError::Invalid {
        name: "/etc/resolv.conf",
        value: error.to_string(),
        expected: "a readable resolver configuration",
    })
}

/// Bounds the time an answer may take: an invocation without an answer is retried by Lambda, it must not hang.
fn bounded(mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    builder.build()
}

impl AskActiveRegion for TxtRecord {
    async fn ask(&self) -> Result<ActiveRegion, ActiveRegionError> {
        // The name is absolute: no search domain may be tried.
        let name = format!("{}.", self.record.trim_end_matches('.'));
        let lookup = self.resolver.txt_lookup(name).await.map_err(|error| self.no_answer(error))?;
        let text = lookup.answers().iter().find_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        let text = text.ok_or_else(|| ActiveRegionError::NoRecord { record: self.record.clone() })?;
        interpret(&self.record, &self.region, &String::from_utf8_lossy(&text))
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

/// What the text of the record means for `region`.
fn interpret(record: &str, region: &str, text: &str) -> Result<ActiveRegion, ActiveRegionError> {
    let named = text.trim();
    if !looks_like_region(named) {
        return Err(ActiveRegionError::Unparsable { record: record.to_owned(), answer: text.to_owned() });
    }
    if named == region { Ok(ActiveRegion::Active) } else { Ok(ActiveRegion::Standby { active: named.to_owned() }) }
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
        interpret("active.example", "us-east-1", text)
    }

    #[test]
    fn the_own_name_is_active_and_another_is_standby() {
        assert!(matches!(outcome("us-east-1"), Ok(ActiveRegion::Active)));
        assert!(matches!(outcome("us-west-2"), Ok(ActiveRegion::Standby { active }) if active == "us-west-2"));
    }

    #[test]
    fn what_is_no_regions_name_is_unparsable_and_never_standby() {
        for text in ["", "on", "us-east", "US-EAST-1", "us-east-1 us-west-2", "us--1", "-1"] {
            assert!(matches!(outcome(text), Err(ActiveRegionError::Unparsable { .. })), "{text:?}");
        }
    }
}
