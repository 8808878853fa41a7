//! Small JSON requests to the edge and the emulator.

use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A mailbox of a long run with HTML bodies is some megabytes.
const LARGEST_ANSWER: usize = 256 << 20;

/// How long an answer may take; both programs are on this machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request, with a JSON body if there is one, and reads its JSON answer.
///
/// # Errors
/// Nothing listens there, or it does not answer in time, or the answer is an error or no such JSON.
pub async fn request<T: DeserializeOwned>(
    method: Method,
    url: &str,
    body: Option<&impl Serialize>,
) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(PATIENCE, exchange(method, url, body)).await;
    answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer from {url} within {PATIENCE:?}")))
}

async fn exchange<T: DeserializeOwned>(method: Method, url: &str, body: Option<&impl Serialize>) -> anyhow::Result<T> {
    let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request =
        Request::builder().method(method).uri(url).header("content-type", "application/json").body(Body::from(body))?;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.with_context(|| format!("no answer from {url}"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER)
        .collect()
        .await
        .map_err(anyhow::Error::from_boxed)?
        .to_bytes();
    anyhow::ensure!(status.is_success(), "{url} says {status}: {}", String::from_utf8_lossy(&body));
    // An answer without content is JSON's null.
    let body = if body.is_empty() { &b"null"[..] } else { &body };
    serde_json::from_slice(body).with_context(|| format!("{url} gave an unexpected answer"))
}

/// Reads JSON.
///
/// # Errors
/// Those of [`request`].
pub async fn get<T: DeserializeOwned>(url: &str) -> anyhow::Result<T> {
    request(Method::GET, url, None::<&()>).await
}
