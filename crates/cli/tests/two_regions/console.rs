//! The console's server: who it lets in, and a batch's whole way through it, the loss of a Region included.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::expected::{HEADER, OUTPUT_HEADER, REJECTS_HEADER, output_row, row};
use crate::regions::{Regions, command, wait_for};

pub const CASES: &[Case] = &[
    ("the_console_lets_in_only_its_own_page_with_its_own_cookie", lets_in),
    ("a_file_goes_through_the_console_and_every_stage_of_it_is_told", file_goes_through),
    ("the_console_asks_the_other_region_where_one_takes_calls_and_answers_none", half_dead),
    ("the_console_tells_of_a_state_table_that_does_not_answer_and_keeps_what_was_known", table_away),
    ("of_two_failovers_the_console_shows_one_step_by_step_and_tells_of_the_others", fails_over),
];

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A console that runs, and its cookie.
struct Console {
    child: Child,
    host: String,
    cookie: String,
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (held, value) = line.split_once(": ")?;
            held.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Console {
    fn start(regions: &Regions) -> Self {
        let arguments = ["console", "--port", "0", "--no-open", "--json"];
        let mut child = command(regions.root(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        let (host, path) = url.split_once('/').unwrap();
        let mut console = Self { child, host: host.to_owned(), cookie: String::new() };
        let welcome = console.send("GET", &format!("/{path}"), &[], b"");
        assert_eq!((welcome.status, welcome.header("location")), (303, Some("/")));
        let cookie = welcome.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        console.cookie = cookie.split(';').next().unwrap().to_owned();
        console
    }

    /// Sends exactly this, and reads the answer to its end.
    fn raw(&self, head: &str, body: &[u8]) -> Answer {
        let mut connection = self.connect(head, body);
        let mut all = Vec::new();
        connection.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: all[end + 4..].to_vec() }
    }

    fn connect(&self, head: &str, body: &[u8]) -> TcpStream {
        let mut connection = TcpStream::connect(&self.host).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        // At once: a head that is refused is answered and hung up on, and what is written after that fails.
        connection.write_all(&[head.as_bytes(), body].concat()).unwrap();
        connection
    }

    /// HTTP/1.0, so that an answer's end is the connection's.
    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {path} HTTP/1.0\r\n{headers}\r\n")
    }

    fn send(&self, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let (origin, length) = (format!("http://{}", self.host), body.len().to_string());
        let own =
            [("host", self.host.as_str()), ("origin", &origin), ("cookie", &self.cookie), ("content-length", &length)];
        self.raw(&self.head(method, path, &[&own[..], more].concat()), body)
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Uploads; answers the batch id.
    fn upload(&self, name: &str, content: &str) -> String {
        let put = self.send("PUT", &format!("/api/uploads?name={name}&dataset=sales-orders"), &[], content.as_bytes());
        assert_eq!(put.status, 201, "{}", put.text());
        assert_eq!(put.json()["key"], format!("input/sales-orders/{name}"));
        put.json()["batch_id"].as_str().unwrap().to_owned()
    }

    /// Reads events until one of this name is as wanted.
    fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let head = self.head("GET", "/api/events", &[("host", &self.host), ("cookie", &self.cookie)]);
        let (deadline, mut event) = (Instant::now() + PATIENCE, String::new());
        let mut last = Value::Null;
        for line in BufReader::new(self.connect(&head, b"")).lines() {
            let line = line.unwrap();
            if let Some(named) = line.strip_prefix("event: ") {
                event = named.to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ").filter(|_| event == name) {
                last = serde_json::from_str(data).unwrap();
                if wanted(&last) {
                    return last;
                }
            }
            assert!(Instant::now() < deadline, "not told in time; last: {last}");
        }
        panic!("the events ended; last: {last}")
    }

    /// The batch, once it is as wanted in the state.
    fn batch(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = |state: &Value| state["batches"].as_array().unwrap().iter().find(|batch| batch["id"] == id).cloned();
        find(&self.until("state", |state| find(state).is_some_and(|batch| wanted(&batch)))).unwrap()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ended_by_itself = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn lets_in(regions: &Regions) {
    let console = Console::start(regions);
    let (host, origin) = (console.host.as_str(), format!("http://{}", console.host));
    let page = console.get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let cookie = ("cookie", console.cookie.as_str());
    let post = |headers: &[(&str, &str)]| console.raw(&console.head("POST", "/api/reconcile", headers), b"").status;
    assert_eq!(post(&[("host", host), ("origin", &origin)]), 401);
    assert_eq!(post(&[("host", host), ("origin", "http://evil.example"), cookie]), 403);
    assert_eq!(post(&[("host", "evil.example"), ("origin", &origin), cookie]), 403);
    assert_eq!(post(&[("host", host), cookie]), 403);
    for path in ["/", "/api/events", "/?token=0", "/console.js"] {
        let stranger = console.raw(&console.head("GET", path, &[("host", host)]), b"");
        assert_eq!(stranger.status, 401, "{path}");
        assert!(stranger.text().contains("tandem console"), "{}", stranger.text());
    }
    for (path, body, status) in [
        ("/api/regions/mars", json!({"network": "isolated"}), 400),
        ("/api/regions/us-east-1", json!({"network": "gone"}), 400),
        ("/api/functions/cat", json!({"region": "us-east-1", "do": "freeze"}), 400),
        ("/api/batches/0123/resend", json!({}), 400),
        ("/api/batches/0123456789abcdef0123456789abcdef/rerun", json!({}), 404),
        ("/api/failover", json!({"to": "us-west-2"}), 400),
        ("/api/failover", json!({"to": "mars", "confirm": "mars"}), 400),
        ("/api/nothing", json!({}), 404),
    ] {
        let answer = console.post(path, &body);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["error"].as_str().is_some_and(|error| error.contains(": ")), "{}", answer.text());
    }
    for (query, status) in [
        ("name=..%2Fx.csv&dataset=sales-orders", 400),
        ("name=a%0Ab.csv&dataset=sales-orders", 400),
        ("name=x.txt&dataset=sales-orders", 400),
        ("name=x.csv&dataset=mars", 400),
    ] {
        assert_eq!(console.send("PUT", &format!("/api/uploads?{query}"), &[], b"x").status, status, "{query}");
    }
}

fn file_goes_through(regions: &Regions) {
    let console = Console::start(regions);
    let rows: String = (0..5).map(|number| row(100_000_000 + number)).collect();
    let name = format!("console-{}.csv", std::process::id());
    let id = console.upload(&name, &format!("{HEADER}{rows}{}", row(999)));
    let batch = console.batch(&id, |batch| batch["status"] == "DELIVERED");
    assert_eq!([&batch["rows_in"], &batch["rows_out"], &batch["rows_rejected"]], [6, 5, 1]);
    assert_eq!(
        (&batch["stage"], &batch["attempt"], &batch["owner"]),
        (&json!("delivered"), &json!(1), &json!("us-east-1"))
    );
    let expected: String = (0..5).map(|number| output_row(100_000_000 + number)).collect();
    let output = console.get(&format!("/api/batches/{id}/output"));
    assert_eq!((output.status, output.text()), (200, format!("{OUTPUT_HEADER}{expected}")));
    assert!(output.header("content-disposition").unwrap().starts_with("attachment"));
    assert!(console.get(&format!("/api/batches/{id}/rejects")).text().starts_with(REJECTS_HEADER));
    assert_eq!(console.get(&format!("/api/batches/{id}/manifest")).status, 404);
    let state = console.until("state", |state| {
        let told = state["emails"].as_array().unwrap().iter().any(|email| email["batch_id"] == id.as_str());
        let arrived =
            |region: &Value| region["replication"]["lag_seconds"].is_number() && region["round_trip_ms"].is_number();
        let rejected = state["rejects"].as_array().unwrap().iter().any(|reject| reject["field"] == "uuid");
        let both = state["regions"].as_array().unwrap().iter().all(arrived);
        told && both && rejected && state["cost"]["usd"].as_f64() > Some(0.0)
    });
    assert_eq!((&state["active"], &state["routed"]), (&json!("us-east-1"), &json!("us-east-1")));
    let again = console.post(&format!("/api/batches/{id}/resend"), &json!({}));
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(regions.emails(&id).len(), 2);
    let rerun = console.post(&format!("/api/batches/{id}/rerun"), &json!({}));
    assert_eq!(rerun.status, 200, "{}", rerun.text());
    assert!(rerun.text().contains("runs again: attempt 2 in us-east-1"), "{}", rerun.text());
    let batch = console.batch(&id, |batch| batch["attempt"] == 2 && batch["status"] == "DELIVERED");
    assert_eq!((&batch["rows_out"], regions.emails(&id).len()), (&json!(5), 3));
    assert!(!state["notes"].to_string().contains("X-Amz"), "notes must hold no link");
}

/// What the console reads the list of batches with, and no function does.
fn scans(action: FaultAction) -> Fault {
    Fault { service: Some("dynamodb".into()), operation: Some("Scan".into()), ..Fault::new(action) }
}

fn half_dead(regions: &Regions) {
    let held = Fault { region: Some("us-east-1".into()), ..scans(FaultAction::Hold) };
    wait_for(regions.admin().add_fault(&held)).unwrap();
    // Opened only now: it has not been told by anything that the other Region would answer.
    let console = Console::start(regions);
    let put = regions.put("sales-orders", format!("{HEADER}{}", row(100_000_000)).as_bytes());
    let batch = console.batch(put.batch_id(), |batch| batch["status"] == "DELIVERED");
    let table = console.until("state", |_| true)["table"].clone();
    wait_for(regions.admin().clear_faults()).unwrap();
    assert_eq!((&batch["rows_out"], &table["answers"]), (&json!(1), &json!(true)), "{table}");
}

fn table_away(regions: &Regions) {
    let put = regions.put("sales-orders", format!("{HEADER}{}", row(100_000_000)).as_bytes());
    let console = Console::start(regions);
    console.batch(put.batch_id(), |batch| batch["status"] == "DELIVERED");
    let away = FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: "away".into() };
    wait_for(regions.admin().add_fault(&scans(away))).unwrap();
    let state = console.until("state", |state| state["table"]["answers"] == false);
    wait_for(regions.admin().clear_faults()).unwrap();
    let table = &state["table"];
    assert!(table["error"].as_str().is_some_and(|error| error.contains("away")), "{table}");
    assert!(table["stale_since"].is_string() && table["listed"].is_string(), "{table}");
    assert!(state["batches"].as_array().unwrap().iter().any(|batch| batch["id"] == put.batch_id()), "{state}");
    assert!(state["notes"].to_string().contains("the state table does not answer"), "{}", state["notes"]);
    let back = console.until("state", |state| state["table"]["answers"] == true);
    assert!(back["table"]["error"].is_null() && back["table"]["stale_since"].is_null(), "{}", back["table"]);
}

fn fails_over(regions: &Regions) {
    let console = Console::start(regions);
    assert_eq!(console.post("/api/regions/us-east-1", &json!({"network": "isolated"})).status, 200);
    console.until("state", |state| {
        state["regions"][0]["network"] == "isolated" && state["regions"][0]["reachable"] == false
    });
    // The run stands still at its first step until the others have asked.
    let held =
        Fault { service: Some("lambda".into()), region: Some("us-west-2".into()), ..Fault::new(FaultAction::Hold) };
    wait_for(regions.admin().add_fault(&held)).unwrap();
    let to_west = json!({"to": "us-west-2", "confirm": "us-west-2"});
    let begun = console.post("/api/failover", &to_west);
    assert_eq!(begun.status, 202, "{}", begun.text());
    let second = console.post("/api/failover", &to_west);
    assert_eq!(second.status, 409);
    assert!(second.text().contains("to us-west-2 is under way since"), "{}", second.text());
    let elsewhere = regions.tandem(&["failover", "--to", "us-west-2", "--json"]);
    assert_ne!(elsewhere.code, 0);
    assert!(elsewhere.stderr.contains("to us-west-2 is under way since"), "{}", elsewhere.stderr);
    let other = Console::start(regions).post("/api/failover", &to_west);
    assert_eq!(other.status, 409, "{}", other.text());
    wait_for(regions.admin().clear_faults()).unwrap();
    let run = console.until("failover", |run| run["ended"] == true);
    assert_eq!((&run["ok"], &run["run_id"]), (&json!(true), &begun.json()["run_id"]), "{run}");
    let steps = run["steps"].as_array().unwrap();
    assert!(steps.len() > 4 && steps.iter().all(|step| step["status"] == "done"), "{run}");
    console.until("state", |state| state["active"] == "us-west-2" && state["routed"] == "us-west-2");
    let id = console.upload(&format!("taken-{}.csv", std::process::id()), &format!("{HEADER}{}", row(100_000_000)));
    assert_eq!(console.batch(&id, |batch| batch["status"] == "DELIVERED")["owner"], "us-west-2");
    assert_eq!(console.post("/api/regions/us-east-1", &json!({"network": "reachable"})).status, 200);
    let back = regions.tandem(&["failover", "--to", "us-east-1", "--json"]);
    assert_eq!(back.code, 0, "{}", back.stderr);
}
