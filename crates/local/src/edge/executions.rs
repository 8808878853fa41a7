//! Executions: noted when they begin, and asked for when somebody must know which have ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use http::Method;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;

use super::admission::{Execution, Machine, Watch};
use super::request::Facts;
use super::upstream::OwnRequest;
use super::{Edge, answer, forward};

/// An input of 256 KiB, escaped, is shorter than this.
const LONGEST_START: usize = 2 << 20;

#[derive(Deserialize)]
struct Page {
    executions: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    execution_arn: String,
}

/// Starts an execution, and notes that it has begun.
pub async fn start(edge: &Arc<Edge>, facts: &Facts, parts: Parts, body: Body) -> Response<Body> {
    let Ok(body) = Limited::new(body, LONGEST_START).collect().await else {
        return answer::error("states", StatusCode::BAD_REQUEST, "SerializationException", "the request is too long");
    };
    let body: Bytes = body.to_bytes();
    let asked_for = Execution::asked_for(facts.region.as_deref(), &body);
    let response = forward::pass(edge, &facts.service, parts, Body::from(body)).await;
    if let Some(execution) = asked_for.filter(|_| response.status().is_success()) {
        edge.admission.began(execution);
    }
    response
}

impl Watch for Edge {
    fn isolated(&self) -> Vec<String> {
        self.isolation.isolated()
    }

    /// The newest thousand, which is more than ever run here.
    async fn running(&self, machine: &Machine) -> anyhow::Result<BTreeSet<String>> {
        let body = serde_json::json!({ "stateMachineArn": machine.arn, "statusFilter": "RUNNING" }).to_string();
        let request = OwnRequest {
            method: Method::POST,
            service: "states",
            region: &machine.region,
            path: "/",
            headers: &[
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", "AWSStepFunctions.ListExecutions"),
            ],
            body: body.into(),
        };
        let answer = self.upstream.call(request).await?;
        anyhow::ensure!(answer.status.is_success(), "{} {}", answer.status, answer.text());
        let page: Page = serde_json::from_slice(&answer.body)?;
        Ok(page.executions.into_iter().map(|listed| listed.execution_arn).collect())
    }
}
