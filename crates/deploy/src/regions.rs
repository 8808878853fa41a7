//! What is where: the sets of Regions that a strongly consistent table may have, and those of an access point.

/// Regions whose tables can be strongly consistent with one another: two replicas and a witness of one set. From the
/// documentation of DynamoDB's global tables.
pub const STRONG_SETS: [&[&str]; 3] = [
    &["us-east-1", "us-east-2", "us-west-2"],
    &["eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"],
    &["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"],
];

/// Regions whose buckets a Multi-Region Access Point takes without the account having switched the Region on.
pub const ACCESS_POINT: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Checks that two Regions and a witness can hold one strongly consistent table.
///
/// # Errors
/// What is allowed.
pub fn strong_set(primary: &str, standby: &str, witness: &str) -> Result<(), String> {
    let three = [primary, standby, witness];
    let whole = STRONG_SETS.iter().any(|set| three.iter().all(|region| set.contains(region)));
    if whole && primary != standby && witness != primary && witness != standby {
        return Ok(());
    }
    let sets = STRONG_SETS.map(|set| set.join(", ")).join("; or of ");
    Err(format!(
        "primary, standby and witness must be three different Regions of {sets}; or set consistency = \"eventual\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_regions_of_one_set_are_legal_and_no_others() {
        for [primary, standby, witness] in [
            ["us-east-1", "us-west-2", "us-east-2"],
            ["eu-west-1", "eu-central-1", "eu-west-3"],
            ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"],
        ] {
            assert_eq!(strong_set(primary, standby, witness), Ok(()));
        }
        for [primary, standby, witness] in [
            ["us-east-1", "us-west-1", "us-east-2"],
            ["us-east-1", "eu-west-1", "us-east-2"],
            ["us-east-1", "us-west-2", "us-west-2"],
            ["us-east-1", "us-east-1", "us-east-2"],
            ["sa-east-1", "us-west-2", "us-east-1"],
        ] {
            let error = strong_set(primary, standby, witness).err().unwrap_or_default();
            assert!(error.contains("eventual"), "{primary} {standby} {witness}");
        }
    }
}
