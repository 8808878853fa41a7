//! S3: reading, writing, assembling and tagging objects.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::ByteStream as SdkByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption, Tag, Tagging};
use bytes::Bytes;
use futures::stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tandem_core::ports::{
    AssembleObjects, ByteRange, ByteStream, InspectObjects, ObjectBody, ObjectInfo, ObjectRef, ReadObjects,
    ServiceError, StoredObject, TagObjects, Upload, WriteObjects,
};

use crate::error::translate;
use crate::metering::Metered;

/// Tag that says how far an input has come; a lifecycle rule archives what is `delivered`.
pub const STATUS_TAG: &str = "tandem:status";

/// What may stand unencoded in a copy source.
const COPY_SOURCE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Objects in S3.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
    /// The KMS key under which is sealed what is written; without one the bucket's own encryption holds.
    key: Option<String>,
}

impl S3Objects {
    /// A client made from the shared configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let mut builder = tuned(aws_sdk_s3::config::Builder::from(config)).interceptor(Metered::new());
        if config.endpoint_url().is_some() {
            // An endpoint override names one host for every bucket.
            builder = builder.force_path_style(true);
        }
        Self::with_client(Client::from_conf(builder.build()))
    }

    /// Objects as this client reaches them.
    #[must_use]
    pub const fn with_client(client: Client) -> Self {
        Self { client, key: None }
    }

    /// The same, sealing what it writes under this KMS key, if there is one. Such an object's ETag says nothing of its content, so
    /// nothing may be named by it.
    #[must_use]
    pub fn sealing(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    /// The encryption to ask for.
    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }
}

/// What every S3 client needs besides.
pub(crate) fn tuned(builder: aws_sdk_s3::config::Builder) -> aws_sdk_s3::config::Builder {
    builder
        // A chunk takes longer to send than any other call; the operation's limit leaves room for completing large uploads.
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(3))
                .read_timeout(Duration::from_secs(12))
                .operation_timeout(Duration::from_secs(300))
                .build(),
        )
        // A checksum on a part must have been announced when the upload began, which a copied part does not carry; the
        // payload's own hash is signed instead.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
}

/// An ETag as it stands in a header.
fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An ETag without its quotes.
fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// An object, named for a person.
fn name(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// A `Range` header.
fn header(range: ByteRange) -> String {
    format!("bytes={}-{}", range.start(), range.end() - 1)
}

/// The whole object's size in a `Content-Range`: `bytes 0-9/1234`.
fn total(range: &str) -> Option<u64> {
    range.rsplit_once('/')?.1.parse().ok()
}

impl ReadObjects for S3Objects {
    async fn read(&self, object: &ObjectRef, range: Option<ByteRange>) -> Result<ObjectBody, ServiceError> {
        let what = name(&object.bucket, &object.key);
        let output = self
            .client
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_if_match(object.etag.as_deref().map(quoted))
            .set_version_id(object.version_id.clone())
            .set_range(range.map(header))
            .send()
            .await
            .map_err(|error| translate("s3:GetObject", &what, error))?;
        let total = match range {
            Some(_) => output.content_range().and_then(total),
            None => output.content_length().and_then(|bytes| u64::try_from(bytes).ok()),
        };
        Ok(ObjectBody {
            total,
            etag: unquoted(output.e_tag()),
            version_id: output.version_id().map(str::to_owned),
            stream: into_stream(output.body),
        })
    }
}

/// The SDK's stream as the domain's; it ends after an error.
fn into_stream(body: SdkByteStream) -> ByteStream {
    Box::pin(stream::try_unfold(body, |mut body| async {
        let chunk = body.try_next().await.map_err(|error| ServiceError::Unavailable {
            operation: "s3:GetObject",
            message: format!("the download broke off: {error}"),
            source: error.into(),
        })?;
        Ok(chunk.map(|bytes| (bytes, body)))
    }))
}

impl InspectObjects for S3Objects {
    async fn head(&self, object: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
        let head = self
            .client
            .head_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .send()
            .await;
        match head {
            Ok(output) => Ok(Some(ObjectInfo {
                etag: unquoted(output.e_tag()),
                bytes: output.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                version_id: output.version_id().map(str::to_owned),
            })),
            // The answer to a HEAD has no body that would name the error: 405 is a delete marker.
            Err(error)
                if error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 404 | 405)) =>
            {
                Ok(None)
            }
            Err(error) => Err(translate("s3:GetObject", &name(&object.bucket, &object.key), error)),
        }
    }
}

impl WriteObjects for S3Objects {
    async fn write(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<StoredObject, ServiceError> {
        let output = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.key.clone())
            .body(SdkByteStream::from(body))
            .send()
            .await
            .map_err(|error| translate("s3:PutObject", &name(bucket, key), error))?;
        Ok(StoredObject { etag: unquoted(output.e_tag()), version_id: output.version_id().map(str::to_owned) })
    }
}

impl AssembleObjects for S3Objects {
    async fn begin(&self, bucket: &str, key: &str, content_type: &str) -> Result<Upload, ServiceError> {
        let output = self
            .client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.key.clone())
            .send()
            .await
            .map_err(|error| translate("s3:PutObject", &name(bucket, key), error))?;
        let upload_id = output.upload_id().unwrap_or_default().to_owned();
        Ok(Upload { bucket: bucket.to_owned(), key: key.to_owned(), upload_id })
    }

    async fn send_part(&self, upload: &Upload, part: u32, body: Bytes) -> Result<String, ServiceError> {
        let output = self
            .client
            .upload_part()
            .bucket(&upload.bucket)
            .key(&upload.key)
            .upload_id(&upload.upload_id)
            .part_number(part_number(part))
            .body(SdkByteStream::from(body))
            .send()
            .await
            .map_err(|error| translate("s3:PutObject", &name(&upload.bucket, &upload.key), error))?;
        Ok(unquoted(output.e_tag()))
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        part: u32,
        source: &ObjectRef,
        range: Option<ByteRange>,
    ) -> Result<String, ServiceError> {
        let output = self
            .client
            .upload_part_copy()
            .bucket(&upload.bucket)
            .key(&upload.key)
            .upload_id(&upload.upload_id)
            .part_number(part_number(part))
            .copy_source(copy_source(source))
            .set_copy_source_if_match(source.etag.as_deref().map(quoted))
            .set_copy_source_range(range.map(header))
            .send()
            .await
            .map_err(|error| translate("s3:PutObject", &name(&source.bucket, &source.key), error))?;
        Ok(unquoted(output.copy_part_result().and_then(|result| result.e_tag())))
    }

    async fn complete(&self, upload: &Upload, parts: &[(u32, String)]) -> Result<StoredObject, ServiceError> {
        let completed = parts
            .iter()
            .map(|(part, etag)| CompletedPart::builder().part_number(part_number(*part)).e_tag(quoted(etag)).build())
            .collect();
        let output = self
            .client
            .complete_multipart_upload()
            .bucket(&upload.bucket)
            .key(&upload.key)
            .upload_id(&upload.upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(completed)).build())
            .send()
            .await
            .map_err(|error| translate("s3:PutObject", &name(&upload.bucket, &upload.key), error))?;
        Ok(StoredObject { etag: unquoted(output.e_tag()), version_id: output.version_id().map(str::to_owned) })
    }

    async fn abort(&self, upload: &Upload) -> Result<(), ServiceError> {
        self.client
            .abort_multipart_upload()
            .bucket(&upload.bucket)
            .key(&upload.key)
            .upload_id(&upload.upload_id)
            .send()
            .await
            .map(drop)
            .map_err(|error| translate("s3:AbortMultipartUpload", &name(&upload.bucket, &upload.key), error))
    }
}

impl TagObjects for S3Objects {
    async fn tag_status(&self, object: &ObjectRef, status: &str) -> Result<(), ServiceError> {
        let what = name(&object.bucket, &object.key);
        let refused = |error: aws_smithy_types::error::operation::BuildError| ServiceError::Refused {
            operation: "s3:PutObjectTagging",
            message: error.to_string(),
        };
        let tag = Tag::builder().key(STATUS_TAG).value(status).build().map_err(refused)?;
        // Setting tags replaces them all, and an input may have its owner's own.
        let before = self
            .client
            .get_object_tagging()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .send()
            .await
            .map_err(|error| translate("s3:GetObjectTagging", &what, error))?;
        let others = before.tag_set.into_iter().filter(|tag| tag.key() != STATUS_TAG);
        let tags = others.chain([tag]).collect();
        let tagging = Tagging::builder().set_tag_set(Some(tags)).build().map_err(refused)?;
        self.client
            .put_object_tagging()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .tagging(tagging)
            .send()
            .await
            .map(drop)
            .map_err(|error| translate("s3:PutObjectTagging", &what, error))
    }
}

/// A part's number as the SDK wants it; the service allows 10,000.
fn part_number(part: u32) -> i32 {
    i32::try_from(part).unwrap_or(i32::MAX)
}

/// Bucket, key and version of a copy's source, encoded.
fn copy_source(source: &ObjectRef) -> String {
    let key = utf8_percent_encode(&source.key, COPY_SOURCE);
    match &source.version_id {
        Some(version) => format!("{}/{key}?versionId={version}", source.bucket),
        None => format!("{}/{key}", source.bucket),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use aws_credential_types::Credentials;
    use aws_sdk_s3::config::{BehaviorVersion, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Answers every call with this status, as to a HEAD: headers, and no body.
    #[derive(Debug, Clone, Copy)]
    struct Answers(u16);

    impl HttpConnector for Answers {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let mut response = HttpResponse::new(self.0.try_into().unwrap(), SdkBody::empty());
            let found = [("etag", "\"e1\""), ("content-length", "17"), ("x-amz-version-id", "v1")];
            for (name, value) in found.into_iter().filter(|_| self.0 == 200) {
                response.headers_mut().insert(name, value);
            }
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    /// Takes everything that is written, and keeps the encryption and the key that were asked for.
    #[derive(Debug, Clone, Default)]
    struct Takes(Arc<Mutex<Vec<[Option<String>; 2]>>>);

    impl HttpConnector for Takes {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let names = ["x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"];
            self.0.lock().unwrap().push(names.map(|name| request.headers().get(name).map(str::to_owned)));
            let begun = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
            HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(begun))))
        }
    }

    fn objects(connector: impl HttpConnector + Clone + 'static) -> S3Objects {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("123456789012", "local", None, None, "test"))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())))
            .build();
        S3Objects::with_client(Client::from_conf(config))
    }

    async fn head(status: u16) -> Result<Option<ObjectInfo>, ServiceError> {
        let object = ObjectRef { bucket: "b".into(), key: "k".into(), etag: None, version_id: None };
        objects(Answers(status)).head(&object).await
    }

    #[tokio::test]
    async fn what_is_written_is_sealed_under_the_key_that_was_given_and_otherwise_as_the_bucket_says() {
        for key in [None, Some(String::from("arn:aws:kms:us-east-1:123456789012:key/mrk-1"))] {
            let takes = Takes::default();
            let objects = objects(takes.clone()).sealing(key.clone());
            objects.write("b", "output/1/rejects.csv", "text/csv", Bytes::from_static(b"x")).await.unwrap();
            objects.begin("b", "output/1/output.csv", "text/csv").await.unwrap();
            let asked = [key.as_ref().map(|_| String::from("aws:kms")), key.clone()];
            assert_eq!(*takes.0.lock().unwrap(), [asked.clone(), asked]);
        }
    }

    #[tokio::test]
    async fn an_object_is_told_from_one_that_is_not_there_and_from_an_error() {
        let found = ObjectInfo { etag: "e1".into(), bytes: 17, version_id: Some("v1".into()) };
        assert_eq!(head(200).await.unwrap(), Some(found));
        assert_eq!(head(404).await.unwrap(), None);
        assert_eq!(head(405).await.unwrap(), None);
        assert!(matches!(head(403).await, Err(ServiceError::Denied { .. })));
        assert!(matches!(head(503).await, Err(ServiceError::Unavailable { .. })));
    }

    #[test]
    fn the_whole_size_is_read_off_a_range() {
        assert_eq!(total("bytes 0-9/1234"), Some(1234));
        for unknown in ["bytes 0-9/*", "bytes 0-9", "", "bytes 0-9/-1"] {
            assert_eq!(total(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_copy_source_is_encoded_and_names_its_version() {
        let source =
            ObjectRef { bucket: "b".into(), key: "work/a +%/é.csv".into(), etag: None, version_id: Some("v1".into()) };
        assert_eq!(copy_source(&source), "b/work/a%20%2B%25/%C3%A9.csv?versionId=v1");
    }
}
