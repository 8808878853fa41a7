//! Answers that the edge gives itself, in the form that each service's clients read.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};

/// An error of a service: XML for S3, JSON for all others.
#[must_use]
pub fn error(service: &str, status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let (kind, body) = if service == "s3" {
        ("application/xml", xml(code, message))
    } else {
        ("application/json", json(code, message))
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    if let Ok(code) = HeaderValue::from_str(code) {
        headers.insert("x-amzn-errortype", code);
    }
    response
}

fn json(code: &str, message: &str) -> String {
    serde_json::json!({ "__type": code, "message": message }).to_string()
}

fn xml(code: &str, message: &str) -> String {
    let escape = quick_xml::escape::escape;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>",
        escape(code),
        escape(message)
    )
}
