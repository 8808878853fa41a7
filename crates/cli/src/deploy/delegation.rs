//! Whether resolvers find the record of mode dns: the zone is AWS's to answer for only once the domain above it says so.

use std::time::Duration;

use tandem_aws::active_region::{Caching, TxtRecord};
use tandem_core::ports::{ActiveRegionError, AskActiveRegion, Pause};
use tandem_deploy::aws::Outputs;

/// Looks, and the time between two: a delegation that was just made takes a minute to be seen.
const LOOKS: u32 = 12;
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Waits until the record of a zone is found.
///
/// # Errors
/// Resolvers say that there is none: the delegation is missing, with what to write where.
pub async fn is_there(zone: &Outputs, regions: &[String; 2], time: &impl Pause) -> anyhow::Result<()> {
    let of = |name: &str| zone.get(name).map(String::as_str).unwrap_or_default();
    let record = TxtRecord::named(of("ActiveRecord"), regions.clone(), Caching::Never)?;
    is_found(&record, of("ActiveRecord"), of("NameServers"), time).await
}

async fn is_found(
    asked: &impl AskActiveRegion,
    record: &str,
    name_servers: &str,
    time: &impl Pause,
) -> anyhow::Result<()> {
    let mut last = None;
    for look in 0..LOOKS {
        if look > 0 {
            time.pause(BETWEEN_LOOKS).await;
        }
        match asked.ask().await {
            Err(error @ (ActiveRegionError::NoRecord { .. } | ActiveRegionError::NoAnswer { .. })) => {
                last = Some(error)
            }
            // Whatever it says, it is found.
            _ => return Ok(()),
        }
    }
    let remedy = remedy(record, name_servers);
    match last {
        Some(ActiveRegionError::NoAnswer { .. }) => {
            // From this machine it can't be told: the functions ask other resolvers.
            errln!("whether {record} is found can't be told from here, no resolver answers. Unless it is: {remedy}");
            Ok(())
        }
        _ => anyhow::bail!("resolvers do not find {record}: {remedy}"),
    }
}

fn remedy(record: &str, name_servers: &str) -> String {
    let zone = record.split_once('.').map_or(record, |(_, zone)| zone);
    format!(
        "the domain above must lead to {zone}. Write NS records of that name where the domain is kept, with {}; or, if its zone is \
         in this account, its id as parent_zone_id in [dns]. Resolvers remember for some minutes that there was nothing",
        name_servers.replace(',', ", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU32, Ordering};

    use tandem_core::ports::ActiveRegion;

    use super::*;

    /// A resolver that finds the record at the n-th look, and says until then that there is none, or nothing.
    struct Resolver {
        looks: AtomicU32,
        found_at: u32,
        answers: bool,
    }

    impl AskActiveRegion for Resolver {
        async fn ask(&self) -> Result<ActiveRegion, ActiveRegionError> {
            let look = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
            let record = String::from("active.t.example.com");
            match (look >= self.found_at, self.answers) {
                (true, _) => Ok(ActiveRegion::Active),
                (false, true) => Err(ActiveRegionError::NoRecord { record }),
                (false, false) => Err(ActiveRegionError::NoAnswer { record, source: "timed out".into() }),
            }
        }
    }

    /// A time in which waiting takes none.
    struct Now;

    impl Pause for Now {
        async fn pause(&self, _: Duration) {}
    }

    async fn looked(found_at: u32, answers: bool) -> (anyhow::Result<()>, u32) {
        let resolver = Resolver { looks: AtomicU32::new(0), found_at, answers };
        let found = is_found(&resolver, "active.t.example.com", "ns-1.example.net,ns-2.example.org", &Now).await;
        (found, resolver.looks.into_inner())
    }

    #[tokio::test]
    async fn a_zone_that_nobody_delegates_to_stops_the_deployment_with_what_to_write_where() {
        assert!(matches!(looked(3, true).await, (Ok(()), 3)));
        let (found, looks) = looked(u32::MAX, true).await;
        let problem = found.unwrap_err().to_string();
        for says in
            ["do not find active.t.example.com", "must lead to t.example.com", "ns-1.example.net, ns-2.example.org"]
        {
            assert!(problem.contains(says), "{problem}");
        }
        assert_eq!(looks, LOOKS);
    }

    #[tokio::test]
    async fn a_machine_without_a_resolver_stops_nothing() {
        assert!(matches!(looked(u32::MAX, false).await, (Ok(()), LOOKS)));
    }
}
