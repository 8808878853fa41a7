//! Ranges of a named version, which the emulator does not cut out itself.

use axum::http::StatusCode;
use tandem_local::Options;

use crate::setup::{Answer, Setup, WEST};

async fn get(setup: &Setup, key: &str, version: &str, range: &str) -> (u16, String) {
    let bucket = Options::new("/nowhere").bucket(WEST);
    let answer = setup.get_range(&bucket, &format!("versions/{key}"), version, range).await;
    assert!(matches!(answer, Answer::Given(..)), "{answer:?}");
    let status = if let Answer::Given(status, _) = &answer { status.as_u16() } else { 0 };
    (status, answer.text())
}

#[tokio::test]
async fn a_range_of_the_newest_version_and_of_an_older_one_is_that_versions() {
    let setup = Setup::start().await;
    assert_eq!(get(&setup, "a.csv", "new", "bytes=2-4").await, (206, "234".into()));
    assert_eq!(get(&setup, "a.csv", "old", "bytes=2-4").await, (206, "cde".into()));
    // An emulator that heeds no condition sends the whole at once: no more is given on.
    assert_eq!(get(&setup, "whole.csv", "old", "bytes=2-4").await, (206, "cde".into()));
}

#[tokio::test]
async fn what_the_caller_may_not_have_or_what_is_not_there_is_answered_as_the_emulator_does() {
    let setup = Setup::start().await;
    assert_eq!(get(&setup, "secret.csv", "new", "bytes=2-4").await, (403, "AccessDenied".into()));
    assert_eq!(get(&setup, "a.csv", "gone", "bytes=2-4").await, (404, "NoSuchVersion".into()));
    let (status, _) = get(&setup, "whole.csv", "old", "bytes=10-12").await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE.as_u16());
}
