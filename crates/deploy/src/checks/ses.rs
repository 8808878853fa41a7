//! Whether e-mails can be sent: SES's identities, sandbox and quotas are each Region's own.

use serde_json::Value as Json;

use super::short;
use crate::aws::Aws;
use crate::config::Config;

/// A verified identity that covers an address.
struct Identity {
    name: String,
    /// Whether SES signs what it sends in its name.
    signed: bool,
}

/// Whether the sender is a verified identity.
pub(super) async fn sender(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let identity = verified(aws, region, &config.sender).await?;
    let signature = if identity.signed {
        "its e-mails are signed (DKIM)"
    } else {
        "but its e-mails are not signed (DKIM): receivers may take them for spam, and those of others for ours. Verify the domain \
         with SES, which signs then"
    };
    Ok(format!("{} is verified, {signature}", identity.name))
}

/// Whether e-mails may be sent, and to the recipient.
pub(super) async fn sending(aws: &impl Aws, config: &Config, region: &str) -> Result<String, String> {
    let asked = aws.run(region, &["sesv2", "get-account"]).await.map_err(|failed| short(&failed))?;
    let account: Json = serde_json::from_str(&asked).unwrap_or_default();
    if account["SendingEnabled"] == false {
        return Err(format!("sending is paused for the account in {region}: the SES console says why"));
    }
    if account["ProductionAccessEnabled"] != false {
        return Ok("out of the sandbox".to_owned());
    }
    match verified(aws, region, &config.recipient).await {
        Ok(_) => Ok(format!("in the sandbox, and {} is verified", config.recipient)),
        Err(_) => Err(format!(
            "in the sandbox, which sends to verified addresses only, and {} is none: ask for production access in {region}, \
             or verify it: aws --region {region} sesv2 create-email-identity --email-identity {}",
            config.recipient, config.recipient
        )),
    }
}

/// The verified identity of an address: itself, its domain, or one above that, whose verification holds for those below it.
async fn verified(aws: &impl Aws, region: &str, address: &str) -> Result<Identity, String> {
    let domain = address.rsplit('@').next().unwrap_or_default();
    let above = std::iter::successors(Some(domain), |domain| domain.split_once('.').map(|(_, above)| above));
    for name in std::iter::once(address).chain(above.filter(|domain| domain.contains('.'))) {
        let asked = aws.run(region, &["sesv2", "get-email-identity", "--email-identity", name]).await;
        match asked {
            Ok(printed) => {
                let known: Json = serde_json::from_str(&printed).unwrap_or_default();
                if known["VerifiedForSendingStatus"] == true {
                    let dkim = &known["DkimAttributes"];
                    let signed = dkim["SigningEnabled"] == true && dkim["Status"] == "SUCCESS";
                    return Ok(Identity { name: name.to_owned(), signed });
                }
            }
            Err(failed) if failed.said.contains("NotFoundException") => {}
            Err(failed) => return Err(short(&failed)),
        }
    }
    Err(format!(
        "{address} is not verified here: aws --region {region} sesv2 create-email-identity --email-identity {address}, \
         and follow the link that it is sent"
    ))
}
