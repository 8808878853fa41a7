//! `tandem fetch`: downloads a batch's result by following its links, as its owner would.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tandem_aws::mrap::Edge;
use tokio::time::timeout;

use crate::deployment::Which;
use crate::exit::{Interrupted, LOST, Unreachable, interruption};
use crate::links;
use crate::status;
use crate::terminal::bytes_bar;

/// How long the other side may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Arguments of `fetch`.
#[derive(Debug, Clone, Args)]
pub struct FetchArgs {
    /// Id of a batch, or its beginning
    pub batch: String,
    /// Folder for output.csv and rejects.csv; made if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub output_dir: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
}

/// Downloads, and prints the paths of the files.
///
/// # Errors
/// When there is no result, a file is there already, or the download breaks off; no half file stays.
pub async fn run(args: &FetchArgs, which: &Which) -> anyhow::Result<()> {
    tokio::select! {
        fetched = fetch(args, which) => fetched,
        () = interruption() => Err(Interrupted.into()),
    }
}

async fn fetch(args: &FetchArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let record = status::find(&deployment, &args.batch).await?;
    let links = links::of(&deployment.links(), &record).await?;
    let mut wanted = vec![(links::OUTPUT, links.output)];
    wanted.extend(links.rejects.map(|link| (links::REJECTS, link)));
    std::fs::create_dir_all(&args.output_dir).with_context(|| format!("cannot make {}", args.output_dir.display()))?;
    let taken = |name: &&str| args.output_dir.join(name).exists() && !args.force;
    if let Some(name) = wanted.iter().map(|(name, _)| *name).find(taken) {
        bail!("{} is there already: give --force to replace it", args.output_dir.join(name).display());
    }
    let client = client()?;
    for (name, link) in wanted {
        let path = args.output_dir.join(name);
        download(&client, &link, deployment.edge(), &path)
            .await
            .with_context(|| format!("{name} was not downloaded"))?;
        outln!("{}", path.display());
    }
    Ok(())
}

/// Follows links.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client for links, which lead to AWS or through the edge.
///
/// # Errors
/// When this machine's certificates cannot be read.
pub fn client() -> anyhow::Result<HttpClient> {
    let connector =
        HttpsConnectorBuilder::new().with_native_roots().context("this machine's certificates cannot be read")?;
    Ok(Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build()))
}

async fn download(client: &HttpClient, link: &str, edge: Option<&Edge>, path: &Path) -> anyhow::Result<()> {
    let body = open(client, link, edge).await?;
    save(body, &Draft(path.with_extension("csv.part")), path).await
}

/// A file that is not complete yet. Removed when dropped, however its work ends, unless it has been renamed.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // What failed is worth more to know than whether the draft could be removed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Follows a link; the answer's body.
///
/// # Errors
/// When its host does not answer, or the file is not there; never tells the link.
pub async fn open(client: &HttpClient, link: &str, edge: Option<&Edge>) -> anyhow::Result<Incoming> {
    let request = match edge.and_then(|edge| edge.reroute(link)) {
        Some(rerouted) => Request::get(rerouted.uri).header(header::HOST, rerouted.host),
        None => Request::get(link),
    };
    let request = request.body(Empty::new()).context("the link is no URI")?;
    let answer = timeout(SILENCE, client.request(request)).await.map_err(|_| silent())?;
    // The error is told without the link, which is as good as the file.
    let answer = answer.map_err(|error| Unreachable(format!("the link's host does not answer ({LOST}): {error}")))?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        StatusCode::NOT_FOUND => bail!(
            "the file is not there: its replica may still be under way to the Region that the link leads to (try again in a minute), or it is gone, since results are kept for a limited time"
        ),
        StatusCode::FORBIDDEN => bail!("the link was refused (403): your credentials may not read results"),
        other => bail!("the link was answered with {other}"),
    }
}

fn silent() -> Unreachable {
    Unreachable(format!("nothing came for {} s", SILENCE.as_secs()))
}

/// Writes a body to a file under another name first, so that what stands under `path` is always complete.
async fn save(mut body: Incoming, draft: &Draft, path: &Path) -> anyhow::Result<()> {
    let place = || format!("cannot write {}", path.display());
    let size = hyper::body::Body::size_hint(&body).exact().unwrap_or_default();
    let bar = bytes_bar(size, "downloading");
    let mut file = File::create(&draft.0).with_context(place)?;
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| silent())? {
        let frame = frame.map_err(|error| Unreachable(format!("the download broke off: {error}")))?;
        if let Some(data) = frame.data_ref() {
            file.write_all(data).with_context(place)?;
            bar.inc(data.len() as u64);
        }
    }
    file.sync_all().with_context(place)?;
    bar.finish_and_clear();
    std::fs::rename(&draft.0, path).with_context(place)
}
