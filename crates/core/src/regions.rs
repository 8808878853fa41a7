//! The two Regions, seen from the one that this runs in.

/// Both Regions, which of them is here, and the bucket of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    here: String,
    other: String,
    bucket: String,
    other_bucket: String,
}

/// A pair of Regions that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionsError {
    /// The Region this runs in is neither of the two.
    #[error("this runs in {here}, which is neither {primary} nor {standby}: check the template's parameters")]
    Elsewhere {
        /// Where this runs.
        here: String,
        /// The primary Region.
        primary: String,
        /// The standby Region.
        standby: String,
    },
    /// Both names are the same.
    #[error("{0} is both the primary and the standby Region: they must differ")]
    Same(String),
    /// The bucket's name does not end in its Region's.
    #[error("the bucket {bucket} does not end in the name of its Region, {here}: the other Region's bucket is unknown")]
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// Its Region.
        here: String,
    },
}

impl Regions {
    /// The Regions `primary` and `standby`, seen from `here`, whose bucket is `bucket` and ends in its Region's name.
    ///
    /// # Errors
    /// [`RegionsError`] when the four do not fit together.
    pub fn new(here: &str, bucket: &str, primary: &str, standby: &str) -> Result<Self, RegionsError> {
        if primary == standby {
            return Err(RegionsError::Same(primary.to_owned()));
        }
        let other = match here {
            _ if here == primary => standby,
            _ if here == standby => primary,
            _ => {
                return Err(RegionsError::Elsewhere {
                    here: here.to_owned(),
                    primary: primary.to_owned(),
                    standby: standby.to_owned(),
                });
            }
        };
        let stem = bucket
            .strip_suffix(here)
            .ok_or_else(|| RegionsError::Bucket { bucket: bucket.to_owned(), here: here.to_owned() })?;
        Ok(Self {
            here: here.to_owned(),
            other: other.to_owned(),
            bucket: bucket.to_owned(),
            other_bucket: format!("{stem}{other}"),
        })
    }

    /// The Region this runs in.
    #[must_use]
    pub fn here(&self) -> &str {
        &self.here
    }

    /// The other Region.
    #[must_use]
    pub fn other(&self) -> &str {
        &self.other
    }

    /// The bucket of the Region this runs in.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The bucket of one of the two Regions; `None` for any other.
    #[must_use]
    pub fn bucket_of(&self, region: &str) -> Option<&str> {
        match region {
            _ if region == self.here => Some(&self.bucket),
            _ if region == self.other => Some(&self.other_bucket),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_region_knows_the_other_and_its_bucket() {
        let regions = Regions::new("us-west-2", "tandem-x-1-us-west-2", "us-east-1", "us-west-2").unwrap();
        assert_eq!((regions.here(), regions.other()), ("us-west-2", "us-east-1"));
        assert_eq!(regions.bucket_of("us-east-1"), Some("tandem-x-1-us-east-1"));
        assert_eq!(regions.bucket_of("eu-west-1"), None);
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused() {
        assert!(matches!(Regions::new("a", "b-a", "c", "d"), Err(RegionsError::Elsewhere { .. })));
        assert!(matches!(Regions::new("a", "b-a", "a", "a"), Err(RegionsError::Same(_))));
        assert!(matches!(Regions::new("a", "bucket", "a", "b"), Err(RegionsError::Bucket { .. })));
    }
}
