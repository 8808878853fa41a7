//! Whether what is deployed can be asked and tried: that is done with the SDK's credentials, all else with those of the `aws`
//! command, and the two do not look in the same places.

use tandem_deploy::aws::AwsCommand;
use tandem_deploy::checks::{self, Finding};
use tandem_deploy::config::Config;

use crate::deployment::credentials;
use crate::exit::told;

/// Which credentials the SDK finds, and whether they are for the configuration's account.
pub async fn of_the_sdk(aws: &AwsCommand, config: &Config) -> Finding {
    let check = String::from("credentials of the trials");
    let keys = match credentials(&config.settings.regions[0]).await {
        Ok(keys) => keys,
        Err(error) => return Finding { check, ok: false, says: told(&error) },
    };
    // The command is asked whose they are: it says so of whatever it is given.
    let others = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"];
    let mut asked = aws
        .clone()
        .without(others.map(Into::into))
        .with("AWS_ACCESS_KEY_ID", keys.access_key_id())
        .with("AWS_SECRET_ACCESS_KEY", keys.secret_access_key());
    if let Some(token) = keys.session_token() {
        asked = asked.with("AWS_SESSION_TOKEN", token);
    }
    Finding { check, ..checks::credentials(&asked, config).await }
}
