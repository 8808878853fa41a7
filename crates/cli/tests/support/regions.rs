//! Two Regions of the tests' own, driven by the command as a user would.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tandem_local::admin::Admin;
use tandem_local::{Email, LocalState};

/// Rows of reference data that are loaded: keys 100000000 and up.
pub const REFERENCE_ROWS: u32 = 10;

/// Sales orders whose reference records are asked of the API and not of the table.
pub const ORDERS_BY_API: &str = "orders-by-api";

/// The Regions and where their files are.
pub struct Regions {
    root: PathBuf,
    state: LocalState,
    uploads: AtomicU32,
}

/// What a command printed and how it ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Regions {
    /// Starts Regions of their own in a folder of the project, and loads reference data.
    pub fn start(folder: &str) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same, with more arguments of `local up`.
    pub fn start_with(folder: &str, more: &[&str]) -> Self {
        let root = prepare(folder);
        let ports: Vec<String> = free_ports().map(|port| port.to_string()).to_vec();
        let up = [
            "local",
            "up",
            "--detach",
            "--edge-port",
            &ports[0],
            "--emulator-port",
            &ports[1],
            "--dns-port",
            &ports[2],
            // Short, so that nobody waits for what is cached, leased or on its way.
            "--txt-ttl",
            "1",
            "--mail-lease",
            "3",
            "--takeover-grace",
            "6",
            "--replication-lag",
            "0.3",
        ];
        let up = run(&root, &[&up[..], more].concat());
        assert_eq!(up.code, 0, "the Regions did not come up:\n{}\n{}", up.stdout, up.stderr);
        let state = LocalState::load(&root).expect("the Regions run");
        let regions = Self { root, state, uploads: AtomicU32::new(0) };
        let ready = || {
            regions.unschedule();
            regions.load_reference();
        };
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(ready)) {
            regions.stop();
            std::panic::resume_unwind(panic);
        }
        regions
    }

    /// Takes the Regions down.
    pub fn stop(&self) {
        let down = run(&self.root, &["local", "down"]);
        assert_eq!(down.code, 0, "the Regions did not go down:\n{}", down.stderr);
    }

    /// Passes of the reconciler are the tests' own: one that comes by itself would do what a test is about to do. That they would
    /// come is seen before.
    fn unschedule(&self) {
        for region in &self.state.regions {
            let name = ["--name", "tandem-local-reconcile"];
            let get = [&["scheduler", "get-schedule", "--output", "json"][..], &name].concat();
            let schedule: Value = serde_json::from_str(&self.aws(region, &get)).unwrap();
            assert_eq!(
                (&schedule["State"], &schedule["ScheduleExpression"]),
                (&"ENABLED".into(), &"rate(5 minutes)".into())
            );
            let target = &schedule["Target"];
            assert!(target["Arn"].as_str().unwrap().ends_with(":function:tandem-local-reconcile"), "{schedule}");
            let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
            assert_eq!(input, serde_json::json!({ "action": "reconcile" }));
            self.aws(region, &[&["scheduler", "delete-schedule"][..], &name].concat());
        }
    }

    fn load_reference(&self) {
        let mut rows = String::from("id,unitsSold,unitPrice,unitCost,totalRevenue,totalCost,totalProfit\n");
        for number in 0..REFERENCE_ROWS {
            rows.push_str(&format!("{},{number},9.33,6.92,{},5,\"1,5\"\n", 100_000_000 + number, number * 9));
        }
        let file = self.scratch("orders-reference.csv", rows.as_bytes());
        self.succeeds(&["reference", "load", file.to_str().unwrap()]);
        let file = self.scratch("articles-reference.csv", b"id,stock,warehouse\nABC-1000,7,North\n");
        self.succeeds(&["reference", "load", file.to_str().unwrap(), "--dataset", "price-list"]);
    }

    /// Runs the command.
    pub fn tandem(&self, arguments: &[&str]) -> Ran {
        run(&self.root, arguments)
    }

    /// Runs the command, which must succeed; answers what it printed.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let ran = self.tandem(arguments);
        assert_eq!(ran.code, 0, "tandem {arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// A file with this content.
    pub fn scratch(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.root.join("scratch").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A key that no other test uses.
    pub fn fresh_key(&self, dataset: &str) -> String {
        let number = self.uploads.fetch_add(1, Ordering::SeqCst);
        format!("input/{dataset}/{}-{number}.csv", std::process::id())
    }

    /// Uploads under a key of its own and waits for the end.
    pub fn put(&self, dataset: &str, content: &[u8]) -> Put {
        self.put_as(&self.fresh_key(dataset), content)
    }

    /// Uploads under this key and waits for the end.
    pub fn put_as(&self, key: &str, content: &[u8]) -> Put {
        let file = self.scratch("upload.csv", content);
        let ran = self.tandem(&["put", file.to_str().unwrap(), "--as", key, "--wait", "--timeout", "300", "--json"]);
        let result =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.stdout, ran.stderr));
        Put { code: ran.code, result }
    }

    /// Uploads without waiting; answers the batch id.
    pub fn put_and_leave(&self, key: &str, content: &[u8]) -> String {
        let file = self.scratch("upload.csv", content);
        let printed = self.succeeds(&["put", file.to_str().unwrap(), "--as", key, "--json"]);
        let result: Value = serde_json::from_str(&printed).unwrap();
        result["batch_id"].as_str().unwrap().to_owned()
    }

    /// Waits until a batch has ended; answers its record.
    pub fn ended(&self, batch_id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let record = self.record(batch_id);
            match record.as_ref().and_then(|record| record["status"].as_str()) {
                Some("DELIVERED" | "FAILED") => return record.unwrap(),
                seen => assert!(Instant::now() < deadline, "batch {batch_id} is still {seen:?}: {record:?}"),
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Output and rejects of a delivered batch, fetched through its links.
    pub fn fetch(&self, batch_id: &str) -> (Vec<u8>, Vec<u8>) {
        let folder = self.root.join("scratch").join("fetched").join(batch_id);
        self.succeeds(&["fetch", batch_id, "--output-dir", folder.to_str().unwrap()]);
        (fs::read(folder.join("output.csv")).unwrap(), fs::read(folder.join("rejects.csv")).unwrap())
    }

    /// The record of a batch; `None` if there is none.
    pub fn record(&self, batch_id: &str) -> Option<Value> {
        let ran = self.tandem(&["status", batch_id, "--json"]);
        (ran.code == 0).then(|| serde_json::from_str(&ran.stdout).unwrap())
    }

    /// The e-mails about a batch.
    pub fn emails(&self, batch_id: &str) -> Vec<Email> {
        let emails = wait_for(tandem_local::mailbox(&self.state)).expect("the mailbox can be read");
        emails.into_iter().filter(|email| email.text.contains(batch_id)).collect()
    }

    /// The Python that has the emulator's packages.
    pub fn python(&self) -> PathBuf {
        self.root.join(".tandem/venv/bin/python")
    }

    /// The project folder of these Regions.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The edge's own interface.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.state)
    }

    /// What runs.
    pub fn state(&self) -> &LocalState {
        &self.state
    }

    /// Number of events that intake gave up on, in a Region.
    pub fn events_given_up(&self, region: &str) -> usize {
        let queue = &self.state.outputs[&format!("{region}/tandem-local-batch")]["IntakeFailedQueueUrl"];
        // Named again, because the command line goes where the queue's URL leads.
        let endpoint = ["--endpoint-url", self.state.endpoint(), "--output", "json"];
        let attributes = ["sqs", "get-queue-attributes", "--queue-url", queue, "--attribute-names", "All"];
        let printed = self.aws(region, &[&endpoint[..], &attributes].concat());
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let count = |name| printed["Attributes"][name].as_str().map_or(0, |count| count.parse().unwrap());
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }

    /// Runs the AWS command line against a Region; answers what it printed.
    pub fn aws(&self, region: &str, arguments: &[&str]) -> String {
        let output = without_settings(Command::new(self.root.join(".tandem/venv/bin/aws")).args(arguments))
            .env("AWS_ENDPOINT_URL", self.state.endpoint())
            .env("AWS_ACCESS_KEY_ID", &self.state.account)
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", region)
            .env("AWS_DEFAULT_REGION", region)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .output()
            .expect("the AWS command line can be run");
        let ran = Ran::from(output);
        assert_eq!(ran.code, 0, "aws {arguments:?}\n{}", ran.stderr);
        ran.stdout
    }
}

/// An upload that has come to its end.
pub struct Put {
    pub code: i32,
    pub result: Value,
}

impl Put {
    pub fn text(&self, field: &str) -> &str {
        self.result[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.result))
    }

    pub fn batch_id(&self) -> &str {
        self.text("batch_id")
    }

    /// Asserts that it was delivered, with these rows in, out and rejected.
    pub fn delivered(&self, rows: [u64; 3]) -> &Self {
        assert_eq!(self.text("status"), "DELIVERED", "{}", self.result);
        assert_eq!(self.code, 0);
        assert_eq!(["rows_in", "rows_out", "rows_rejected"].map(|name| self.result[name].as_u64().unwrap()), rows);
        self
    }

    /// Asserts that it failed, for a reason that holds all of these.
    pub fn failed(&self, reasons: &[&str]) -> &Self {
        assert_eq!(self.text("status"), "FAILED", "{}", self.result);
        assert_ne!(self.code, 0);
        for reason in reasons {
            assert!(self.text("reason").contains(reason), "{reason} in {}", self.result);
        }
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn run(root: &Path, arguments: &[&str]) -> Ran {
    command(root, arguments).output().expect("the command can be run").into()
}

/// The command, for the project folder at `root`.
pub fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    let root = root.to_str().unwrap();
    without_settings(command.args(["--project-dir", root, "--target", "local"]).args(arguments));
    command
}

/// Takes away what the caller's shell may say of AWS and of Tandem.
fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if ["AWS_", "TANDEM_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
            && name != "TANDEM_PYTHON"
        {
            command.env_remove(name);
        }
    }
    command
}

/// A project folder that shares everything with this one but what runs.
pub fn prepare(folder: &str) -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let root = project.join(folder);
    // What an earlier run that was killed left running.
    if root.join(".tandem/local.json").exists() {
        run(&root, &["local", "down"]);
    }
    fs::remove_dir_all(&root).ok();
    fs::create_dir_all(root.join(".tandem")).unwrap();
    for shared in ["statemachines", "functions"] {
        symlink(project.join(shared), root.join(shared)).unwrap();
    }
    // Not links: what a template names beside its folder is looked for beside the folder that a link leads to.
    copy_files(&project.join("sam"), &root.join("sam"));
    fs::create_dir_all(root.join("assets")).unwrap();
    for asset in fs::read_dir(project.join("assets")).unwrap().map(Result::unwrap) {
        if asset.file_name() != "datasets" {
            symlink(asset.path(), root.join("assets").join(asset.file_name())).unwrap();
        }
    }
    lay_out_datasets(&project, &root.join("assets/datasets"));
    for function in fs::read_dir(project.join("target/lambda")).unwrap().map(Result::unwrap) {
        let laid_out = root.join("target/lambda").join(function.file_name());
        fs::create_dir_all(&laid_out).unwrap();
        fs::hard_link(function.path().join("bootstrap"), laid_out.join("bootstrap")).unwrap();
        lay_out_datasets(&project, &laid_out.join("datasets"));
    }
    let prepared = run(&project, &["local", "prepare"]);
    assert_eq!(prepared.code, 0, "the Python environment cannot be installed:\n{}", prepared.stderr);
    symlink(project.join(".tandem/venv"), root.join(".tandem/venv")).unwrap();
    root
}

/// The project's datasets, and one of the tests' own: sales orders that are looked up in the API.
fn lay_out_datasets(project: &Path, folder: &Path) {
    copy_files(&project.join("assets/datasets"), folder);
    let orders = fs::read_to_string(project.join("assets/datasets/sales-orders.json")).unwrap();
    let by_api = orders.replacen("\"lookup\": {", "\"lookup\": { \"source\": \"api\", \"api\": \"tandem\",", 1);
    assert_ne!(orders, by_api);
    fs::write(folder.join(format!("{ORDERS_BY_API}.json")), by_api).unwrap();
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Three ports that nobody listens on.
pub fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Runs a future to its end.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
