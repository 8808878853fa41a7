//! Files through the page: in by the command's uploader as they come, out by following the batch's links. None is held as a whole.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tandem_aws::mrap::content_disposition;
use tandem_core::batch::{BatchId, BatchRecord};

use super::Console;
use super::refusal::Refusal;
use super::snapshot::NoteKind;
use crate::exit::LOST;
use crate::terminal::one_line;
use crate::{fetch, links, put};

/// Largest file that the page takes: its parts are held in memory while they are sent, and they grow with the file.
const LARGEST: u64 = 100 << 30;

/// `PUT /api/uploads?name=FILE.csv&dataset=sales-orders`.
pub async fn upload(
    State(console): State<Arc<Console>>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let datasets = console.board.look(|snapshot| snapshot.datasets.clone());
    let key = key(&query, &datasets)?;
    let size = size(request.headers())?;
    let content = request.into_body().into_data_stream().map_err(std::io::Error::other);
    let uploader = console.deployment.uploader();
    let name = key.clone();
    // A task of its own: what was begun is completed or taken back even when the page is closed meanwhile.
    let uploaded = tokio::spawn(async move { uploader.upload_stream(Box::pin(content), size, &name).await }).await;
    let stored = uploaded.map_err(|error| Refusal::from(anyhow::Error::from(error)))?.map_err(|error| {
        Refusal::from(anyhow::Error::from(error).context(format!("the file was not uploaded ({LOST})")))
    })?;
    let id = BatchId::of(&key, &stored.etag);
    console.known.upload(id.clone());
    console.board.note(NoteKind::Info, format!("{} was uploaded: batch {id}", one_line(&key)));
    Ok((StatusCode::CREATED, Json(json!({ "batch_id": id, "key": key }))))
}

fn key(query: &HashMap<String, String>, datasets: &[String]) -> Result<String, Refusal> {
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if !datasets.iter().any(|known| known == of("dataset")) {
        return Err(Refusal::bad(format!("there is no such dataset: name one of {}", datasets.join(", "))));
    }
    Ok(put::key_of_name(of("dataset"), of("name"))?)
}

fn size(headers: &HeaderMap) -> Result<u64, Refusal> {
    let named = headers.get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse::<u64>().ok());
    match named {
        None => Err(Refusal::new(
            StatusCode::LENGTH_REQUIRED,
            "the upload does not say how long the file is: send Content-Length",
        )),
        Some(size) if size > LARGEST => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the file is too large for the page: upload it with `tandem put`",
        )),
        Some(size) => Ok(size),
    }
}

/// `GET /api/batches/{id}/output` and `/rejects`.
pub async fn download(
    State(console): State<Arc<Console>>,
    Path((id, which)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let record = console.batch(&id).await?;
    let links = links::of(&console.deployment.links(), &record).await?;
    let link = match which.as_str() {
        "output" => links.output,
        "rejects" => links
            .rejects
            .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("batch {id} has no rejects file")))?,
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "a batch has an output and rejects, and nothing else")),
    };
    let body = fetch::open(&fetch::client()?, &link, console.deployment.edge()).await?;
    let length = hyper::body::Body::size_hint(&body).exact();
    let name = file_name(&record, &which);
    let mut answer = Body::new(body).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    if let Ok(disposition) = content_disposition(&name).parse() {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(answer)
}

/// `orders.csv` is saved as `orders-output.csv`.
fn file_name(record: &BatchRecord, which: &str) -> String {
    let stem = FilePath::new(&record.key).file_stem().and_then(|stem| stem.to_str()).unwrap_or("batch");
    format!("{stem}-{which}.csv")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key_of(name: &str, dataset: &str) -> Result<String, StatusCode> {
        let query = [("name", name), ("dataset", dataset)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        key(&HashMap::from(query), &[String::from("price-list")]).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_file_goes_below_a_dataset_that_there_is_under_a_name_that_is_one() {
        assert_eq!(key_of("orders 1.csv", "price-list").unwrap(), "input/price-list/orders 1.csv");
        let long = format!("{}.csv", "x".repeat(1_100));
        for (name, dataset) in [
            ("x.csv", "mars"),
            ("x.csv", ""),
            ("x.csv", "../price-list"),
            ("", "price-list"),
            ("../x.csv", "price-list"),
            ("a/b.csv", "price-list"),
            ("x.txt", "price-list"),
            ("a\u{7}.csv", "price-list"),
            ("a\r\nb.csv", "price-list"),
            (&long, "price-list"),
        ] {
            assert_eq!(key_of(name, dataset), Err(StatusCode::BAD_REQUEST), "{name:?} {dataset:?}");
        }
        assert!(key(&HashMap::new(), &[]).is_err());
    }

    #[test]
    fn how_long_a_file_is_must_be_said_and_bounded() {
        let headers = |value: &str| HeaderMap::from_iter([(header::CONTENT_LENGTH, value.parse().unwrap())]);
        assert_eq!(size(&headers("17")).unwrap(), 17);
        assert_eq!(size(&HeaderMap::new()).unwrap_err().status, StatusCode::LENGTH_REQUIRED);
        assert_eq!(size(&headers("-1")).unwrap_err().status, StatusCode::LENGTH_REQUIRED);
        assert_eq!(size(&headers("999999999999999")).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
