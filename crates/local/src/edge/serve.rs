//! The edge's listener: HTTP/1, and the one answer that a web framework can't give, which is none.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::isolation::Line;

/// The call's connection is closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

/// Serves until the task is dropped. An `Err` from the handler closes the connection that the request came on.
pub async fn serve<H, F>(listener: TcpListener, handle: H) -> Infallible
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, Cut>> + Send,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: nothing to do but wait.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Small requests and answers in turn: waiting to fill a packet would cost 40 ms each.
        let _slower_at_worst = stream.set_nodelay(true);
        let handle = handle.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: hyper::Request<_>| handle(request.map(Body::new)));
            // No time limit for headers: it would also end connections that callers keep for later.
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!("a connection ended: {error}");
            }
        });
    }
}

/// An answer's body that breaks off when the line that it comes over is cut.
pub fn breakable(response: Response<Body>, mut line: Line) -> Response<Body> {
    response.map(|body| Body::new(Breakable { body, cut: Box::pin(async move { line.cut().await }) }))
}

struct Breakable {
    body: Body,
    cut: Pin<Box<dyn Future<Output = Cut> + Send>>,
}

impl HttpBody for Breakable {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(cut) => Poll::Ready(Some(Err(axum::Error::new(cut)))),
            Poll::Pending => Pin::new(&mut self.body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
