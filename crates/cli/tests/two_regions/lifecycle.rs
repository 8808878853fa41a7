//! Starting and ending the local Regions: twice, on a taken port, and with Ctrl-C.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::regions::{Regions, command, free_ports, prepare};

pub const CASES: &[Case] = &[
    ("starting_them_again_says_that_they_run_and_changes_nothing", started_again),
    ("what_cannot_be_written_for_want_of_room_is_an_error", no_room),
    ("a_command_outlives_whoever_reads_it", no_reader),
    ("a_port_that_is_taken_is_named_with_the_way_out", port_taken),
    ("ctrl_c_takes_everything_down_and_leaves_no_process", ctrl_c),
];

fn started_again(regions: &Regions) {
    let before = fs::read(regions.root().join(".tandem/local.json")).unwrap();
    assert!(regions.succeeds(&["local", "up", "--detach"]).contains("ran already"));
    assert_eq!(fs::read(regions.root().join(".tandem/local.json")).unwrap(), before);
    assert!(regions.succeeds(&["local", "status"]).contains(regions.state().endpoint()));
}

/// Of what was asked for, nothing may be missing unseen.
fn no_room(regions: &Regions) {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = command(regions.root(), &["status", "--json"]).stdout(full()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(1) && said.contains("cannot be written to standard output"), "{said}");
}

/// A failover tells its steps while it goes on, whoever reads them.
fn no_reader(regions: &Regions) {
    let arguments = ["failover", "--to", "us-east-1"];
    let mut failover =
        command(regions.root(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((failover.stdout.take(), failover.stderr.take()));
    assert_eq!(failover.wait().unwrap().code(), Some(0));
    let arguments = ["generate", "--rows", "1000000"];
    let mut rows = command(regions.root(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    drop(rows.stdout.take());
    assert_eq!(rows.wait().unwrap().code(), Some(0));
}

fn port_taken(regions: &Regions) {
    let root = prepare("target/two-regions-taken");
    let taken = regions.state().options.edge_port.to_string();
    let up = command(&root, &["local", "up", "--edge-port", &taken]).output().unwrap();
    let said = String::from_utf8_lossy(&up.stderr);
    assert_ne!(up.status.code(), Some(0));
    assert!(said.contains(&taken) && said.contains("--edge-port"), "{said}");
    assert!(!root.join(".tandem/local.json").exists());
}

fn ctrl_c(_regions: &Regions) {
    let root = prepare("target/two-regions-interrupted");
    let ports = free_ports().map(|port| port.to_string());
    let arguments = ["local", "up", "--edge-port", &ports[0], "--emulator-port", &ports[1], "--dns-port", &ports[2]];
    let mut up = command(&root, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    within(Duration::from_secs(400), || command(&root, &["local", "status"]).output().unwrap().status.success());
    assert!(!processes_of(&root).is_empty(), "nothing runs, so nothing can be seen to end");
    interrupt(&up);
    assert!(up.wait().is_ok());
    within(Duration::from_secs(30), || processes_of(&root).is_empty());
    assert!(!root.join(".tandem/local.json").exists());
}

/// What Ctrl-C does.
fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until something is so.
fn within(limit: Duration, so: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !so() {
        assert!(Instant::now() < deadline, "not within {limit:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// Command lines of the processes that work in the folder of these Regions, but for the command that started them.
fn processes_of(root: &Path) -> Vec<String> {
    let home = root.join(".tandem");
    let of_home = |process: &Path| {
        let folder = fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(&home));
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        (folder || command.contains(home.to_str().unwrap())).then_some(command)
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(|process| of_home(&process.path())).collect()
}
