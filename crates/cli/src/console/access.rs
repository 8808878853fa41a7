//! Who may ask: the browser that was given this start's token, on the page that this server sent it.
//!
//! Any page that is open in the same browser can send requests to 127.0.0.1, and any name can be made to lead there. So the
//! host must be ours, whoever changes something must come from our own page, and everything but the link needs the cookie.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Console;
use super::refusal::Refusal;

/// Bytes of the token.
const TOKEN: usize = 32;
/// Said to who has no cookie.
const CLOSED: &str = "open the link that `tandem console` printed: this page needs its token";
/// What every answer carries: nothing from elsewhere is loaded, run, framed or kept.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What a start of the console lets in.
pub struct Access {
    port: u16,
    token: String,
}

/// Shown without the token: a log may hold it.
impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Access").field("port", &self.port).finish_non_exhaustive()
    }
}

/// How a request was let in.
#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    /// By the cookie.
    Cookie,
    /// By the link's token: it gets the cookie.
    Link,
}

impl Access {
    /// A new token.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(port: u16) -> anyhow::Result<Self> {
        let mut bytes = [0; TOKEN];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
        Ok(Self { port, token: bytes.iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// The port that is listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The link that opens the page: printed, and never logged.
    pub fn link(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    /// A name for this start that is no secret.
    pub fn start(&self) -> String {
        Sha256::digest(&self.token).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    fn cookie(&self) -> String {
        format!("tandem-console-{}", self.port)
    }

    fn check(&self, request: &Parts) -> Result<Admitted, Refusal> {
        let host = self.host(&request.headers)?;
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let own = format!("http://{host}");
            if only(&request.headers, header::ORIGIN) != Some(own.as_str()) {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "this was asked for by another page: only the console's own page may change anything",
                ));
            }
        }
        let token = request.uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
        if let (Some(token), "/", &Method::GET) = (token, request.uri.path(), &request.method) {
            return if self.is_token(token) { Ok(Admitted::Link) } else { Err(closed()) };
        }
        let name = self.cookie();
        let cookies = request.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let held = pairs.any(|(held, value)| held == name && self.is_token(value));
        if held { Ok(Admitted::Cookie) } else { Err(closed()) }
    }

    /// The host as the request names it, if that is ours.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
        let own = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let named = only(headers, header::HOST).filter(|named| own.iter().any(|own| own == named));
        named.ok_or_else(|| {
            let port = self.port;
            Refusal::new(
                StatusCode::FORBIDDEN,
                format!("this is not the console's own name: open http://127.0.0.1:{port}"),
            )
        })
    }

    /// Compares all of it, wherever the first difference is: how long it takes tells nothing.
    fn is_token(&self, text: &str) -> bool {
        let differences = text.bytes().zip(self.token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        text.len() == self.token.len() && differences == 0
    }

    /// To the page without the token, which then stands neither in the address bar nor in the history.
    fn welcome(&self) -> Response {
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie(), self.token);
        (StatusCode::SEE_OTHER, [(header::LOCATION, String::from("/")), (header::SET_COOKIE, cookie)]).into_response()
    }
}

/// The value of a header that may be there once only.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn closed() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, CLOSED)
}

/// Lets a request in or refuses it, and gives every answer its headers.
pub async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let for_people = !parts.uri.path().starts_with("/api/");
    let mut response = match console.access.check(&parts) {
        Ok(Admitted::Cookie) => next.run(Request::from_parts(parts, body)).await,
        Ok(Admitted::Link) => console.access.welcome(),
        Err(refusal) if for_people => (refusal.status, format!("{}\n", refusal.sentence)).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::body::Body;

    use super::*;

    const TOKEN: &str = "00112233";

    fn access() -> Access {
        Access { port: 4614, token: TOKEN.into() }
    }

    fn check(method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Admitted, StatusCode> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
        access().check(&parts).map_err(|refusal| refusal.status)
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:4614");
    const COOKIE: (&str, &str) = ("cookie", "other=1; tandem-console-4614=00112233");
    const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:4614");

    #[test]
    fn the_link_gives_the_cookie_and_the_cookie_opens_everything() {
        assert_eq!(check("GET", "/?token=00112233", &[HOST]), Ok(Admitted::Link));
        assert_eq!(check("GET", "/api/events", &[HOST, COOKIE]), Ok(Admitted::Cookie));
        assert_eq!(check("POST", "/api/reconcile", &[HOST, COOKIE, ORIGIN]), Ok(Admitted::Cookie));
        let local = [("host", "localhost:4614"), COOKIE, ("origin", "http://localhost:4614")];
        assert_eq!(check("PUT", "/api/uploads", &local), Ok(Admitted::Cookie));
    }

    #[test]
    fn without_the_cookie_or_with_a_wrong_one_nothing_is_shown() {
        for path in ["/", "/console.js", "/api/events", "/api/batches/x/output", "/nothing"] {
            assert_eq!(check("GET", path, &[HOST]), Err(StatusCode::UNAUTHORIZED), "{path}");
        }
        for cookie in ["tandem-console-4614=0011223", "tandem-console-4614=001122334", "tandem-console-1=00112233", "x"]
        {
            assert_eq!(check("GET", "/", &[HOST, ("cookie", cookie)]), Err(StatusCode::UNAUTHORIZED), "{cookie}");
        }
    }

    #[test]
    fn a_wrong_token_opens_nothing_even_with_the_cookie_and_a_token_only_opens_the_page() {
        for token in ["", "0", "00112234", "001122330", "00112233%20"] {
            let path = format!("/?token={token}");
            assert_eq!(check("GET", &path, &[HOST, COOKIE]), Err(StatusCode::UNAUTHORIZED), "{token}");
        }
        assert_eq!(check("GET", "/api/events?token=00112233", &[HOST]), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(check("POST", "/?token=00112233", &[HOST, ORIGIN]), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn a_name_that_leads_here_and_is_not_ours_is_refused() {
        for host in ["evil.example", "evil.example:4614", "127.0.0.1", "127.0.0.1:4615", "localhost.evil.example:4614"]
        {
            assert_eq!(check("GET", "/", &[("host", host), COOKIE]), Err(StatusCode::FORBIDDEN), "{host}");
            assert_eq!(check("GET", "/?token=00112233", &[("host", host)]), Err(StatusCode::FORBIDDEN), "{host}");
        }
        assert_eq!(check("GET", "/", &[COOKIE]), Err(StatusCode::FORBIDDEN));
        assert_eq!(check("GET", "/", &[HOST, HOST, COOKIE]), Err(StatusCode::FORBIDDEN));
    }

    #[test]
    fn only_our_own_page_may_change_anything() {
        let origins =
            ["http://evil.example", "null", "https://127.0.0.1:4614", "http://localhost:4614", "http://127.0.0.1"];
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            for origin in origins {
                let asked = check(method, "/api/failover", &[HOST, COOKIE, ("origin", origin)]);
                assert_eq!(asked, Err(StatusCode::FORBIDDEN), "{method} {origin}");
            }
            assert_eq!(check(method, "/api/failover", &[HOST, COOKIE]), Err(StatusCode::FORBIDDEN), "{method}");
        }
    }

    #[test]
    fn two_starts_have_two_tokens_and_neither_shows_in_a_log() {
        let [one, other] = [Access::new(1).unwrap(), Access::new(1).unwrap()];
        assert_ne!(one.token, other.token);
        assert_eq!(one.token.len(), 64);
        assert!(!format!("{one:?}").contains(&one.token));
    }
}
