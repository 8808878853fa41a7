//! Why a request was not met: a status, and one sentence that says what to do.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::trouble::sentence;
use crate::exit::{Status, status_of};
use crate::terminal::brief;

/// A request that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// Why, and what to do.
    pub sentence: String,
}

impl Refusal {
    /// A refusal in these words.
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }

    /// The request is wrong.
    pub fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }
}

/// The errors of the commands, told over HTTP.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        let status = match status_of(&error) {
            Status::Usage => StatusCode::BAD_REQUEST,
            Status::Failed => StatusCode::CONFLICT,
            Status::GivenUp => StatusCode::GATEWAY_TIMEOUT,
            Status::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, sentence(&error))
    }
}

/// The body of a request, as JSON; what is none is refused in our own words.
#[derive(Debug)]
pub struct Said<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Json(said) = Json::from_request(request, state).await.map_err(|error| {
            Refusal::bad(format!("the request cannot be understood: {}", brief(&error.body_text())))
        })?;
        Ok(Self(said))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.sentence }))).into_response()
    }
}
