//! What everybody meets sooner or later, whichever client tells of it: known by what it says, with what to do about it.

/// A known trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// By which of its signs it was known.
    pub sign: &'static str,
    /// What to do, as a sentence of its own.
    pub remedy: &'static str,
}

/// Signs and remedy, the first that fits: what says that a signature expired is about the clock, not about the key.
type Known = (&'static [&'static str], &'static str);

/// Credentials and clock: with these nothing at all can be asked.
const OF_THE_CALLER: [Known; 4] = [
    (
        &["Unable to locate credentials", "NoCredentials", "could not be found in the shared credentials"],
        "No credentials: set AWS_PROFILE, or sign in (aws configure, aws sso login), and start the command again.",
    ),
    (
        &[
            "ExpiredToken",
            "RequestExpired",
            "TokenRefreshRequired",
            "token included in the request is expired",
            "Token has expired",
            "SSO session",
        ],
        "The AWS credentials have expired: renew them (sign in again with aws sso login, or take fresh keys; what was \
         exported must be exported anew), and start the command again.",
    ),
    (
        &["RequestTimeTooSkewed", "Signature not yet current", "Signature expired"],
        "This machine's clock is wrong by more than 5 minutes: set it (timedatectl set-ntp true), and start the command again.",
    ),
    (
        &["InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKeyId", "SignatureDoesNotMatch"],
        "AWS does not know these credentials: name others (AWS_PROFILE and the AWS_ variables), or switch the Region on for the \
         account if it is an opt-in one.",
    ),
];

/// All else, as the `aws` command tells it.
const OF_THE_NETWORK: [Known; 1] = [(
    &["Could not connect to the endpoint", "Connection was closed", "Connect timeout", "Read timeout"],
    "The Region does not answer: look at the network and at the AWS Health Dashboard, then start the command again.",
)];

/// The trouble that a text tells of, if it is a known one.
#[must_use]
pub fn known(text: &str) -> Option<Trouble> {
    of_the_caller(text).or_else(|| among(&OF_THE_NETWORK, text))
}

/// As [`known`], of the caller's own troubles only.
#[must_use]
pub fn of_the_caller(text: &str) -> Option<Trouble> {
    among(&OF_THE_CALLER, text)
}

fn among(known: &[Known], text: &str) -> Option<Trouble> {
    known.iter().find_map(|(signs, remedy)| {
        let sign = signs.iter().find(|sign| text.contains(**sign))?;
        Some(Trouble { sign, remedy })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_known_comes_with_a_remedy_whoever_says_it() {
        for (said, remedy, of_the_callers_own) in [
            (
                "Unable to locate credentials. You can configure credentials by running \"aws login\".",
                "No credentials",
                true,
            ),
            ("An error occurred (ExpiredToken) when calling the GetCallerIdentity operation", "sign in again", true),
            (
                "dynamodb:Scan failed: ExpiredTokenException: The security token included in the request is expired",
                "renew",
                true,
            ),
            (
                "An error occurred (RequestTimeTooSkewed): The difference between the request time",
                "clock is wrong",
                true,
            ),
            ("An error occurred (SignatureDoesNotMatch): Signature expired: 20261121T000000Z", "clock is wrong", true),
            ("An error occurred (InvalidClientTokenId)", "does not know these credentials", true),
            (
                "UnrecognizedClientException: The security token included in the request is invalid",
                "does not know",
                true,
            ),
            ("Could not connect to the endpoint URL: \"https://sts\"", "does not answer", false),
        ] {
            let trouble = known(said).unwrap();
            assert!(trouble.remedy.contains(remedy), "{said}: {trouble:?}");
            assert_eq!(of_the_caller(said).is_some(), of_the_callers_own, "{said}");
        }
        assert_eq!(known("AlreadyExists"), None);
    }

    #[test]
    fn no_remedy_reads_as_a_trouble_itself() {
        for (_, remedy) in OF_THE_CALLER.iter().chain(&OF_THE_NETWORK) {
            assert_eq!(known(remedy), None);
        }
    }
}
