//! Which version in one bucket is the replica of which version in the other.
//!
//! In S3 a replica has its source's version id. The emulator gives every write a new one, so a link that names a version
//! would lead nowhere once it is followed in the other Region. The edge remembers the pairs and translates.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many versions are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 200_000;

type Named = (String, String, String);

/// The pairs of versions.
#[derive(Default)]
pub struct Versions(Mutex<Known>);

#[derive(Default)]
struct Known {
    twins: HashMap<Named, String>,
    order: VecDeque<Named>,
}

impl Versions {
    /// Remembers that two versions of a key are the same, one in each bucket.
    pub fn pair(&self, key: &str, source: (&str, &str), replica: (&str, &str)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((bucket, own), (_, foreign)) in [(source, replica), (replica, source)] {
            let named = (bucket.to_owned(), key.to_owned(), foreign.to_owned());
            if known.twins.insert(named.clone(), own.to_owned()).is_none() {
                known.order.push_back(named);
            }
        }
        while known.order.len() > REMEMBERED {
            if let Some(oldest) = known.order.pop_front() {
                known.twins.remove(&oldest);
            }
        }
    }

    /// What a version of the other bucket is called in this one.
    #[must_use]
    pub fn in_bucket(&self, bucket: &str, key: &str, version: &str) -> Option<String> {
        let named = (bucket.to_owned(), key.to_owned(), version.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).twins.get(&named).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_from_both_sides_and_under_its_own_key_only() {
        let versions = Versions::default();
        versions.pair("k", ("east", "v1"), ("west", "w1"));
        assert_eq!(versions.in_bucket("west", "k", "v1").as_deref(), Some("w1"));
        assert_eq!(versions.in_bucket("east", "k", "w1").as_deref(), Some("v1"));
        assert_eq!(versions.in_bucket("east", "k", "v1"), None);
        assert_eq!(versions.in_bucket("west", "other", "v1"), None);
    }
}
