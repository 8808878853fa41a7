//! Answers that the edge gives itself, in the form that each service's clients read.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};

use super::zone;

/// An error of a service: XML for S3 and, with an element more around it, Route 53; JSON for all others.
#[must_use]
pub fn error(service: &str, status: StatusCode, code: &str, message: &str) -> Response<Body> {
    const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let (kind, body) = match service {
        "s3" => ("application/xml", format!("{DECLARATION}{}", xml(code, message))),
        zone::SERVICE => ("text/xml", format!("{DECLARATION}<ErrorResponse>{}</ErrorResponse>", xml(code, message))),
        _ => ("application/json", json(code, message)),
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
    format!("<Error><Code>{}</Code><Message>{}</Message></Error>", escape(code), escape(message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn each_service_is_refused_in_the_form_that_its_clients_read() {
        for (service, begin, end) in [
            (
                "s3",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>C</Code>",
                "<Message>a &lt; b</Message></Error>",
            ),
            (
                "route53",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse><Error><Code>C",
                "</Error></ErrorResponse>",
            ),
            ("states", "{\"__type\":\"C\"", "\"message\":\"a < b\"}"),
        ] {
            let answer = error(service, StatusCode::SERVICE_UNAVAILABLE, "C", "a < b");
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8_lossy(&body);
            assert!(body.starts_with(begin) && body.ends_with(end), "{service}: {body}");
        }
    }
}
