//! The Multi-Region Access Point: the one endpoint through which files come in and results are fetched.
//!
//! Requests to it are signed with SigV4a, which is valid in every Region, and go to a host made from its alias. The SDK
//! ignores an endpoint override for such a host, so where there is one (the local Regions' edge) [`Edge`] sends the signed
//! request there instead and leaves host header, path and query as they were signed.

mod link;
mod stream;
mod upload;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;

use crate::objects::{S3Objects, tuned};

pub use crate::access_point::{Edge, MrapArn, MrapError, Rerouted};
pub use link::{MrapLinks, content_disposition};
pub use upload::{MrapUploader, UploadError};

/// A client for requests that name a Multi-Region Access Point's ARN as their bucket; it sends them through `edge`, if given.
///
/// Any endpoint override in `config` is left out: the SDK ignores it for such an ARN, and refuses path style with it.
#[must_use]
pub fn client(config: &SdkConfig, edge: Option<Edge>) -> Client {
    let mut builder = tuned(aws_sdk_s3::config::Builder::from(config)).force_path_style(false);
    builder.set_endpoint_url(None);
    // Uploads come over the caller's line, which may be slow: they are given the time that the caller's configuration gives.
    builder.set_timeout_config(config.timeout_config().cloned());
    if let Some(edge) = edge {
        builder.push_interceptor(aws_sdk_s3::config::SharedInterceptor::new(edge));
    }
    Client::from_conf(builder.build())
}

/// Objects behind the Multi-Region Access Point: give its ARN where a bucket is asked for.
#[must_use]
pub fn objects(config: &SdkConfig, edge: Option<Edge>) -> S3Objects {
    S3Objects::with_client(client(config, edge))
}
