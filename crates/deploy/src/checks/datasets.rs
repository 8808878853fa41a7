//! The dataset definitions as they are built in.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;
use tandem_core::dataset::Dataset;

/// Where definitions are written.
const WRITTEN: &str = "assets/datasets";
/// The function that looks records up, with the definitions by which it does.
const PACKED: &str = "target/lambda/enrich/datasets";

/// Whether the APIs that definitions name can be asked on AWS: plain http leads to the function's own machine, where nothing
/// listens, and a batch would find out at its first lookup only. In words; `None` where nothing is built yet.
pub fn reachable(root: &Path, build: &str) -> Option<Result<String, String>> {
    let definitions = definitions(&root.join(PACKED)).ok()?;
    let plain: Vec<String> = definitions.iter().filter_map(|(file, text)| plain_api(file, text)).collect();
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

/// Whether every definition is one, and the functions hold them as they are written. A function doesn't start with a wrong one
/// among its definitions, whichever file it is asked about: one slip would stop every upload of every dataset.
///
/// # Errors
/// Every wrong definition with what is wrong, or what builds them in.
pub fn sound(root: &Path, build: &str) -> Result<String, String> {
    let written = definitions(&root.join(WRITTEN))?;
    let wrong: Vec<String> = written
        .iter()
        .filter_map(|(file, text)| Dataset::parse(file.trim_end_matches(".json"), text).err())
        .map(|error| error.to_string())
        .collect();
    if !wrong.is_empty() {
        return Err(format!("{}. Mend that in {WRITTEN}, and build again: {build}", wrong.join("; ")));
    }
    let functions = std::fs::read_dir(root.join("target/lambda")).into_iter().flatten().filter_map(Result::ok);
    let packed: Vec<_> =
        functions.map(|function| function.path().join("datasets")).filter(|path| path.is_dir()).collect();
    for folder in packed {
        if definitions(&folder)? != written {
            return Err(format!("changed in {WRITTEN} since the functions were built: build them again: {build}"));
        }
    }
    Ok(format!("{} definitions", written.len()))
}

/// The definitions of a folder, by file name.
fn definitions(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let unread = |error: std::io::Error| format!("{} can't be read: {error}", folder.display());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if let (Some("json"), Some(name)) =
            (path.extension().and_then(|kind| kind.to_str()), path.file_name().and_then(|name| name.to_str()))
        {
            found.insert(name.to_owned(), std::fs::read(&path).map_err(unread)?);
        }
    }
    Ok(found)
}

/// File and address, if it is a plain one. What else may be wrong with a definition, its own checks say.
fn plain_api(file: &str, text: &[u8]) -> Option<String> {
    let definition: Json = serde_json::from_slice(text).ok()?;
    let api = definition["lookup"]["api"].as_str().filter(|api| api.starts_with("http://"))?;
    Some(format!("{file} ({api})"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_wrong_definition_and_one_that_was_not_built_in_are_named_before_anything_is_deployed() {
        let root = std::env::temp_dir().join(format!("tandem-definitions-{}", std::process::id()));
        let folders =
            [WRITTEN, "target/lambda/split/datasets", "target/lambda/enrich/datasets"].map(|path| root.join(path));
        let good =
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/datasets/price-list.json")).unwrap();
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("price-list.json"), &good).unwrap();
        }
        assert_eq!(sound(&root, "build").unwrap(), "1 definitions");
        std::fs::write(folders[0].join("members.json"), &good).unwrap();
        assert!(sound(&root, "build").unwrap_err().contains("build them again: build"));
        std::fs::write(folders[0].join("members.json"), "{\"columns\": []}").unwrap();
        let said = sound(&root, "build").unwrap_err();
        assert!(said.contains("members") && !said.contains("price-list"), "{said}");
        std::fs::remove_dir_all(root).unwrap();
    }
}
