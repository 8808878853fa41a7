//! The page's files, as they were built into the command: nothing is read from a disk, and nothing comes from elsewhere.

use axum::Router;
use axum::http::header;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, kind and content of each; `index.html` is the page itself.
const FILES: &[(&str, &str, &str)] = &[
    ("index.html", HTML, include_str!("page/index.html")),
    ("style.css", CSS, include_str!("page/style.css")),
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("batches.js", SCRIPT, include_str!("page/batches.js")),
    ("console.js", SCRIPT, include_str!("page/console.js")),
    ("details.js", SCRIPT, include_str!("page/details.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("failover.js", SCRIPT, include_str!("page/failover.js")),
    ("format.js", SCRIPT, include_str!("page/format.js")),
    ("keys.js", SCRIPT, include_str!("page/keys.js")),
    ("listing.js", SCRIPT, include_str!("page/listing.js")),
    ("notices.js", SCRIPT, include_str!("page/notices.js")),
    ("panels.js", SCRIPT, include_str!("page/panels.js")),
    ("regions.js", SCRIPT, include_str!("page/regions.js")),
    ("uploads.js", SCRIPT, include_str!("page/uploads.js")),
];

/// A path for each file.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, (name, kind, content)| {
        let path = if *name == "index.html" { String::from("/") } else { format!("/{name}") };
        router.route(&path, get(async || ([(header::CONTENT_TYPE, *kind)], *content)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_and_none_names_another_host() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/page");
        let there = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let served = FILES.iter().map(|(name, _, _)| (*name).to_owned());
        assert_eq!(there.collect::<BTreeSet<_>>(), served.collect::<BTreeSet<_>>());
        for (name, _, content) in FILES {
            let foreign = content.matches("https://").count() + content.matches("src=\"http").count();
            assert_eq!(foreign, 0, "{name} names another host");
        }
    }
}
