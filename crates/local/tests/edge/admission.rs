//! Uploads that wait because enough files are under way.

use tandem_local::Options;
use tandem_local::admin::RegionState;

use crate::setup::{EAST, Setup, WEST};

#[tokio::test]
async fn an_input_waits_until_fewer_executions_count_and_other_writes_do_not_wait() {
    let setup = Setup::start().await;
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
    for number in 0..setup.options.files_at_once {
        let start = format!(r#"{{"stateMachineArn":"{machine}","name":"{number}"}}"#);
        assert!(setup.json_call(EAST, "states", "StartExecution", &start).await.is_ok());
        assert_eq!(setup.next_arrival().await, "POST /");
    }
    let bucket = Options::new("/nowhere").bucket(WEST);
    let input = setup.put(WEST, &bucket, "input/a.csv");
    let release = async {
        // What runs is asked for again and again; here nobody knows, so all are taken to run.
        for _ in 0..3 {
            assert_eq!(setup.next_arrival().await, "POST /");
        }
        assert_eq!(setup.admin.status().await.unwrap().uploads.waiting, 1);
        assert!(setup.put(WEST, &bucket, "work/a.csv").await.is_ok());
        setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    };
    assert!(tokio::join!(input, release).0.is_ok());
    let uploads = setup.admin.status().await.unwrap().uploads;
    assert_eq!((uploads.waiting, uploads.waited, uploads.turned_away), (0, 1, 0));
}
