//! The dataset definitions as they are built in.

use std::path::Path;

use serde_json::Value as Json;

/// The function that looks records up, with the definitions by which it does.
const PACKED: &str = "target/lambda/enrich/datasets";

/// Whether the APIs that definitions name can be asked on AWS: plain http leads to the function's own machine, where nothing
/// listens, and a batch would find out at its first lookup only. In words; `None` where nothing is built yet.
pub fn reachable(root: &Path, build: &str) -> Option<Result<String, String>> {
    let files = std::fs::read_dir(root.join(PACKED)).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let mut definitions: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    definitions.sort();
    let plain: Vec<String> = definitions.iter().filter_map(|path| plain_api(path)).collect();
    Some(if plain.is_empty() {
        Ok(format!("{} definitions, and no API over plain http", definitions.len()))
    } else {
        Err(format!(
            "plain http is for the local Regions only, and is named by {}: give lookup.api as https in assets/datasets, and \
             build again: {build}",
            plain.join(", ")
        ))
    })
}

/// File and address, if it is a plain one. What else may be wrong with a definition, its own checks say.
fn plain_api(file: &Path) -> Option<String> {
    let definition: Json = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let api = definition["lookup"]["api"].as_str().filter(|api| api.starts_with("http://"))?;
    Some(format!("{} ({api})", file.file_name()?.to_str()?))
}
