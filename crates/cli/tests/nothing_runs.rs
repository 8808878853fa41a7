//! What the command says where nothing runs: neither local Regions nor a deployment, and no network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

/// A folder that is no project of anybody.
const NOWHERE: &str = env!("CARGO_TARGET_TMPDIR");
/// Commands that look for a deployment, each in its own way.
const COMMANDS: [&[&str]; 3] =
    [&["console", "--no-open", "--port", "0"], &["status"], &["failover", "--to", "us-east-1", "--yes"]];
/// How CloudFormation says that there is no such stack.
const NO_STACK: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
    <Message>Stack does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>";

/// The command in a project where nothing runs, with nothing of the caller's shell but this.
fn tandem(arguments: &[&str], shell: &[(&str, &str)]) -> Output {
    let project = Path::new(NOWHERE).join("project");
    for folder in ["sam", "statemachines"] {
        std::fs::create_dir_all(project.join(folder)).unwrap();
    }
    tandem_in(&project, arguments, shell)
}

fn tandem_in(project: &Path, arguments: &[&str], shell: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.arg("--project-dir").arg(project).args(arguments).current_dir(NOWHERE).env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", NOWHERE).envs(shell.iter().copied());
    command.output().unwrap()
}

/// What it says when it ends because nothing can be reached.
fn unreachable(arguments: &[&str], shell: &[(&str, &str)]) -> String {
    let output = tandem(arguments, shell);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{arguments:?}: {said}");
    said
}

/// A CloudFormation without stacks; gives its address.
fn without_stacks() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Of a connection that breaks off nothing is to be told: the next one comes.
    thread::spawn(move || listener.incoming().for_each(|connection| drop(connection.and_then(refuse))));
    address
}

fn refuse(mut connection: TcpStream) -> io::Result<()> {
    let mut request = BufReader::new(connection.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    while request.read_line(&mut line)? > 2 {
        if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().unwrap();
        }
        line.clear();
    }
    request.read_exact(&mut vec![0; length])?;
    let head = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", NO_STACK.len());
    connection.write_all(format!("{head}{NO_STACK}").as_bytes())
}

#[test]
fn without_credentials_the_local_regions_are_offered() {
    for command in COMMANDS {
        let said = unreachable(command, &[("AWS_REGION", "us-east-1")]);
        assert!(said.contains("`tandem local up`") && said.contains("AWS_PROFILE"), "{command:?}: {said}");
    }
}

#[test]
fn with_credentials_and_no_stack_the_local_regions_are_offered_as_well() {
    let cloud = without_stacks();
    let key = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let shell = [&key[..], &[("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", &cloud)]].concat();
    for command in COMMANDS {
        let said = unreachable(command, &shell);
        let neither = "there is neither a stack tandem-dev-batch nor tandem-dev-state in us-east-1";
        assert!(said.contains("`tandem local up`") && said.contains(neither), "{command:?}: {said}");
        assert!(said.contains("--region") && said.contains("--suffix"), "{command:?}: {said}");
    }
    // Who names AWS means AWS.
    let said = unreachable(&["--target", "aws", "status"], &shell);
    assert!(said.contains("neither a stack") && !said.contains("local up"), "{said}");
}

#[test]
fn where_the_local_regions_are_asked_for_nothing_else_is() {
    for command in COMMANDS {
        let said = unreachable(&[&["--target", "local"], command].concat(), &[]);
        assert!(said.contains("start them with `tandem local up`") && !said.contains("AWS"), "{command:?}: {said}");
    }
}

#[test]
fn outside_every_checkout_the_way_into_one_is_told_and_nothing_is_started_or_ended() {
    let local: [(&[&str], i32); 5] = [
        (&["status"], 4),
        (&["--target", "local", "status"], 4),
        (&["local", "up", "--detach"], 2),
        (&["local", "status"], 2),
        (&["local", "down"], 2),
    ];
    for (command, status) in local {
        let output = tandem_in(Path::new(NOWHERE), command, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{command:?}: {said}");
        assert!(
            said.contains("is in no checkout of Tandem") && said.contains("TANDEM_PROJECT_DIR"),
            "{command:?}: {said}"
        );
    }
}
