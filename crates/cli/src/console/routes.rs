//! Which request leads where.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post, put};

use super::refusal::Refusal;
use super::{Console, access, actions, events, failover, files, page};

/// Every path there is, behind the guard.
pub fn router(console: Arc<Console>) -> Router {
    Router::new()
        .merge(page::routes())
        .route("/api/events", get(events::events))
        .route("/api/batches/{id}/resend", post(actions::resend))
        .route("/api/batches/{id}/rerun", post(actions::rerun))
        .route("/api/batches/{id}/{which}", get(files::download))
        .route("/api/reconcile", post(actions::reconcile))
        .route("/api/failover", post(failover::post))
        .route("/api/regions/{name}", post(actions::region))
        .route("/api/functions/{name}", post(actions::function))
        .route("/api/replication", post(actions::replication))
        .route("/api/uploads", put(files::upload))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "the console has no such page: open /"))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&console), access::guard))
        .with_state(console)
}
