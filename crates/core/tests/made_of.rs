//! What Tandem is built from and by: the lock file, the lints, the workflows. They are no code of ours, and would lose what
//! docs/THREATS.md says of them without any other test's notice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

const CARGO: &str = include_str!("../../../Cargo.toml");
const LOCK: &str = include_str!("../../../Cargo.lock");
const DENY: &str = include_str!("../../../deny.toml");
const DEPENDENCIES: &str = include_str!("../../../.github/workflows/dependencies.yml");
const RELEASE: &str = include_str!("../../../.github/workflows/release.yml");

/// What builds, or reads what would be built.
const CARGO_COMMANDS: [&str; 9] =
    ["bench", "build", "clippy", "deny", "install", "lambda build", "metadata", "run", "test"];

/// The files of a folder of the repository.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths.filter(|path| path.is_file()).map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap()));
    texts.collect()
}

fn workflows() -> Vec<(PathBuf, String)> {
    let found = files(".github/workflows");
    assert!(found.len() >= 3, "were they found?");
    found
}

/// A job's text, by its name.
fn job<'a>(workflow: &'a str, name: &str) -> &'a str {
    let (_, rest) = workflow.split_once(&format!("\n  {name}:\n")).expect("the workflow has the job");
    let end = rest.match_indices("\n  ").find(|(at, _)| !rest[at + 3..].starts_with([' ', '#']));
    &rest[..end.map_or(rest.len(), |(at, _)| at)]
}

#[test]
fn every_dependency_is_of_crates_io_and_has_a_checksum() {
    let packages: Vec<&str> = LOCK.split("[[package]]\n").skip(1).filter(|one| one.contains("\nsource = ")).collect();
    assert!(packages.len() > 100, "were they found?");
    for package in packages {
        assert!(package.contains("source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"), "{package}");
        let checksum = package.lines().find_map(|line| line.strip_prefix("checksum = \"")?.strip_suffix('"'));
        assert!(checksum.is_some_and(|sum| sum.len() == 64), "{package}");
    }
    assert!(!CARGO.contains("[patch") && !CARGO.contains("git = "), "nothing takes a dependency's place");
    for setting in ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "allow-git = []"] {
        assert!(DENY.contains(setting), "{setting}");
    }
}

#[test]
fn nothing_is_built_tested_or_released_but_as_the_lock_file_says() {
    let mut commands = 0;
    for (path, text) in ["scripts", ".ci", ".github/workflows"].into_iter().flat_map(files) {
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            if CARGO_COMMANDS.iter().any(|command| line.contains(&format!("cargo {command} "))) {
                assert!(line.contains("--locked"), "{}: {line}", path.display());
                commands += 1;
            }
        }
    }
    assert!(commands >= 10, "were they found?");
}

#[test]
fn advisories_are_looked_up_with_every_change_and_every_week() {
    for occasion in ["  push:\n    branches: [main]\n", "  pull_request:\n", "  schedule:\n    - cron: "] {
        assert!(DEPENDENCIES.contains(occasion), "{occasion}");
    }
    for check in ["check licenses bans sources\n", "check advisories\n"] {
        assert!(DEPENDENCIES.contains(&format!("run: cargo deny --locked {check}")), "{check}");
    }
    assert!(!DEPENDENCIES.contains("continue-on-error"), "a finding fails");
    let (_, ignored) = DENY.split_once("\nignore = [").expect("the list is there");
    let ignored = ignored.split("\n]").next().unwrap_or_default().split(']').next().unwrap_or_default();
    assert_eq!(ignored.matches("id = ").count(), ignored.matches("reason = ").count(), "each says why it is harmless");
}

#[test]
fn workflows_read_only_name_actions_by_commit_and_leave_no_credentials_behind() {
    for (path, text) in workflows() {
        let place = path.display();
        assert!(text.contains("\n\npermissions:\n  contents: read\n\n"), "{place}: what a job does not say otherwise");
        for risky in ["pull_request_target", "workflow_run:", "${{ github.event.", "${{ github.head_ref", "write-all"] {
            assert!(!text.contains(risky), "{place}: {risky}");
        }
        for line in text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            let commit = line.split_once('@').and_then(|(_, rest)| rest.split(' ').next());
            let named =
                commit.is_some_and(|name| name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(named || line.starts_with("./"), "{place}: {line}: a tag can be moved");
        }
        assert_eq!(text.matches("actions/checkout@").count(), text.matches("persist-credentials: false").count());
    }
}

#[test]
fn only_the_job_that_publishes_may_write_and_it_runs_nothing_of_ours() {
    let publish = job(RELEASE, "publish");
    assert!(publish.contains("    permissions:\n      contents: write\n"), "{publish}");
    let writes: usize = workflows().iter().map(|(_, text)| text.matches(": write").count()).sum();
    assert_eq!(writes, 1, "no other job, and nothing else than contents");
    for ours in ["actions/checkout", "scripts/", "cargo", "pip", "./", "bash"] {
        assert!(!publish.contains(ours), "{ours}");
    }
    assert_eq!(publish.matches(" run: ").count(), 1, "the release itself");
    assert_eq!(publish.matches("uses: ").count(), 1, "what the build has left");
}

#[test]
fn a_release_is_built_after_the_tests_from_no_cache_and_has_a_checksum_of_every_archive() {
    let build = job(RELEASE, "build");
    assert!(build.contains("    needs: tests\n") && job(RELEASE, "publish").contains("    needs: build\n"));
    assert!(!RELEASE.contains("actions/cache"), "nothing that another run has left becomes part of it");
    let (packed, after) = build.split_once("sha256sum -- *.zip > SHA256SUMS").expect("checksums are made");
    assert!(packed.matches("zip -q -X -r ").count() >= 3 && !after.contains("zip -q"), "of all, when all are there");
}

#[test]
fn no_package_may_hold_unsafe_code() {
    assert!(CARGO.contains("\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let inside = |folder: &str| std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let packages: Vec<PathBuf> = inside("crates").chain(inside("functions")).chain([root.join("fuzz")]).collect();
    let manifests = packages.iter().map(|package| package.join("Cargo.toml")).filter(|manifest| manifest.is_file());
    let mut found = 0;
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("\n[lints]\nworkspace = true\n"), "{}: it escapes the lints", manifest.display());
        found += 1;
    }
    assert!(found >= 17, "were they found?");
}
