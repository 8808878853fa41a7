//! What docs/THREATS.md says of definitions, e-mails, logs and this machine, where no other test would notice its end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tandem_core::dataset::Dataset;
use tandem_core::ports::Email;

const SALES_ORDERS: &str = include_str!("../../../assets/datasets/sales-orders.json");
const BATCH: &str = include_str!("../../../sam/batch.yaml");
const MAIL: &str = include_str!("../../aws/src/mail.rs");
const FETCH: &str = include_str!("../../cli/src/fetch.rs");
const LINKS: &str = include_str!("../../cli/src/links.rs");

/// What the functions log beside plain words: values, and names of spans' fields. Whoever adds one decides here that it is neither
/// a row's content nor a link.
const LOGGED: [&str; 55] = [
    "%error",
    "%item.batch_id",
    "%problem.probe",
    "%record.status",
    "%upload.batch_id()",
    "?outcome",
    "?set.before",
    "?set.routed",
    "F::NAME",
    "SPREAD",
    "Self::NAME",
    "active",
    "batch_id",
    "change",
    "counts.missing",
    "counts.seen",
    "counts.started",
    "counts.taken_over",
    "dataset",
    "endpoint",
    "error",
    "error.error_type().as_str()",
    "failed",
    "failed.error_message",
    "failed.error_type",
    "failure.error.name",
    "failure.failed_state",
    "item.created",
    "item.error.as_deref().unwrap_or_default()",
    "item.key",
    "output.chunks",
    "output.rows",
    "output.rows_in",
    "output.rows_out",
    "output.rows_rejected",
    "pass.settled",
    "problem.reason",
    "reason",
    "record.owner_region",
    "region",
    "region.region",
    "report.rows_in",
    "report.rows_rejected",
    "report.run",
    "seconds",
    "self.regions.here()",
    "set.active",
    "set.before",
    "set.changed",
    "set.endpoint",
    "stage",
    "task.batch.size",
    "tracing::field::Empty",
    "upload.key",
    "upload.size",
];

/// What they add to spans and to lines of metrics, by name.
const NOTED: [&str; 16] = [
    "action",
    "attempt",
    "batch_id",
    "billed_ms",
    "calls",
    "chunk",
    "dataset",
    "memory_mb",
    "peak_memory_bytes",
    "problems",
    "read_units",
    "reason",
    "run",
    "standing",
    "to",
    "write_units",
];

/// A folder of the repository.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// The sources below a folder, without their tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push((path.clone(), code.to_owned()));
        }
    }
    found
}

/// The sources of everything that runs on Lambda.
fn deployed() -> Vec<(PathBuf, String)> {
    let functions = std::fs::read_dir(folder("functions")).unwrap().map(|entry| entry.unwrap().path().join("src"));
    let crates = ["crates/core/src", "crates/aws/src"].map(folder);
    functions.filter(|folder| folder.is_dir()).chain(crates).flat_map(|folder| sources(&folder)).collect()
}

/// The arguments of a macro's call, from behind its parenthesis: texts and what stands between commas.
fn arguments(call: &str) -> Vec<String> {
    let (mut found, mut depth, mut quoted, mut last) = (vec![String::new()], 0, false, ' ');
    for sign in call.chars() {
        match sign {
            '"' if last != '\\' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        last = sign;
        if sign == ',' && !quoted && depth == 0 {
            found.push(String::new());
        } else {
            found.last_mut().unwrap().push(sign);
        }
    }
    let trimmed = found.into_iter().map(|one| one.trim().to_owned());
    trimmed.filter(|one| !one.is_empty()).collect()
}

/// What a logging call tells: of `name = value` the value, of a text the names in its braces.
fn told(call: &str) -> Vec<String> {
    let of = |argument: String| -> Vec<String> {
        if argument.starts_with('"') {
            let named = argument.split('{').skip(1).filter_map(|rest| rest.split(['}', ':']).next().map(str::to_owned));
            return named.filter(|name| !name.is_empty()).collect();
        }
        let value = argument.split_once(" = ").map_or(argument.as_str(), |(_, value)| value);
        vec![value.to_owned()]
    };
    arguments(call).into_iter().flat_map(of).collect()
}

#[test]
fn functions_log_exactly_what_is_known_to_hold_no_row_and_no_link() {
    let mut logged = BTreeSet::new();
    for (path, code) in deployed() {
        for write in ["print!(", "println!(", "dbg!("] {
            let metrics = usize::from(write == "println!(" && path.ends_with("aws/src/telemetry.rs"));
            assert_eq!(code.matches(write).count(), metrics, "{}: {write}", path.display());
        }
        for level in ["trace!(", "debug!(", "info!(", "warn!(", "error!(", "span!("] {
            logged.extend(code.split(level).skip(1).flat_map(told));
        }
    }
    assert!(logged.len() > 30, "were they found?");
    let known: BTreeSet<String> = LOGGED.iter().map(|&one| one.to_owned()).collect();
    assert_eq!(logged, known);
}

#[test]
fn spans_and_metrics_are_given_exactly_what_is_known_to_hold_no_row_and_no_link() {
    let mut noted = BTreeSet::new();
    for (_, code) in deployed() {
        for note in [".record(\"", ".property(\""] {
            noted.extend(code.split(note).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)));
        }
    }
    assert_eq!(noted, NOTED.iter().map(|&one| one.to_owned()).collect());
}

/// What becomes of the definition when its country has this rule.
fn with_rule(rule: &str) -> Result<Dataset, String> {
    let definition = SALES_ORDERS.replacen("\"maxLength\": 50", rule, 1);
    assert_ne!(definition, SALES_ORDERS);
    Dataset::parse("sales-orders", definition.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_pattern_that_could_run_for_ever_is_refused_when_the_definition_is_read() {
    assert!(with_rule(r#""pattern": "^(a+)+$""#).is_ok(), "linear in this engine");
    for endless in [r"(?=a)b", r"(?!a)b", r"(?<=a)b", r"(?<!a)b", r"(a)\\1"] {
        let refused = with_rule(&format!(r#""pattern": "{endless}""#)).expect_err(endless);
        assert!(refused.starts_with("dataset sales-orders: rules.properties."), "{endless}: {refused}");
        assert!(refused.contains("no look-around and no back-references"), "{endless}: {refused}");
    }
}

#[test]
fn a_definition_loads_nothing_from_elsewhere() {
    assert!(with_rule(r##""$ref": "#/properties/uuid""##).is_ok(), "what stands in the definition itself may be named");
    for elsewhere in ["https://example.com/rules.json", "http://169.254.169.254/", "file:///etc/hostname", "other.json"]
    {
        let refused = with_rule(&format!(r#""$ref": "{elsewhere}""#)).expect_err(elsewhere);
        assert!(refused.contains("rules"), "{elsewhere}: {refused}");
    }
    let lock = include_str!("../../../Cargo.lock");
    let (_, schema) = lock.split_once("name = \"jsonschema\"\n").unwrap();
    let needs = schema.split("[[package]]").next().unwrap();
    for fetcher in ["reqwest", "hyper", "ureq"] {
        assert!(!needs.contains(fetcher), "jsonschema was built with {fetcher}, so it could fetch");
    }
}

#[test]
fn an_email_names_no_recipient_and_its_sender_knows_one_only() {
    let email = Email { subject: "s".to_owned(), text: "t".to_owned(), html: "h".to_owned() };
    // Every field, or this does not compile: one that says to whom would have to be added here.
    let Email { subject, text, html } = email;
    assert_eq!((subject.as_str(), text.as_str(), html.as_str()), ("s", "t", "h"));
    assert_eq!(MAIL.matches(".to_addresses(&self.recipient)").count(), 1);
    assert_eq!(MAIL.matches("_addresses(").count(), 1, "no copies, and no other address for answers");
    assert_eq!(MAIL.matches("required(\"TANDEM_RECIPIENT\")?").count(), 1);
    assert_eq!(MAIL.matches("_email_address").count(), 1, "one sender");
    for address in ["TANDEM_SENDER: !Ref Sender\n", "TANDEM_RECIPIENT: !Ref Recipient\n"] {
        assert_eq!(BATCH.matches(address).count(), 1, "{address}");
    }
}

#[test]
fn fetch_writes_under_two_names_and_only_a_whole_file_gets_one() {
    for name in ["OUTPUT: &str = \"output.csv\"", "REJECTS: &str = \"rejects.csv\""] {
        assert!(LINKS.contains(name), "{name}");
    }
    assert_eq!(FETCH.matches("output_dir.join(").count(), 3, "looked for, told, and written");
    assert_eq!(FETCH.matches("output_dir.join(name)").count(), 3);
    assert!(FETCH.contains(".exists() && !args.force"), "what is there stays");
    let (_, save) = FETCH.split_once("async fn save(").unwrap();
    let place = |step: &str| save.find(step).unwrap_or_else(|| panic!("{step} is gone"));
    assert!(place("File::create(&draft.0)") < place("file.sync_all()"));
    assert!(place("file.sync_all()") < place("std::fs::rename(&draft.0, path)"));
    assert_eq!((FETCH.matches("File::create(").count(), FETCH.matches("fs::rename(").count()), (1, 1));
    assert_eq!(FETCH.matches("fs::write(").count(), 0);
}

#[test]
fn whatever_listens_on_this_machine_listens_for_this_machine_only() {
    let mut listeners = 0;
    for name in ["crates/local/src", "crates/cli/src"] {
        for (path, code) in sources(&folder(name)) {
            for (at, _) in code.match_indices("Listener::bind(").chain(code.match_indices("Socket::bind(")) {
                let (_, address) = code[at..].split_once("::bind(").unwrap();
                let own = address.starts_with("(\"127.0.0.1\", ") || address.starts_with("(Ipv4Addr::LOCALHOST, ");
                assert!(own, "{}: {}", path.display(), address.lines().next().unwrap_or_default());
                listeners += 1;
            }
            assert!(!code.contains("0.0.0.0") && !code.contains("UNSPECIFIED"), "{}", path.display());
        }
    }
    assert!(listeners >= 5, "edge, emulator's ports, DNS twice, console: were they found?");
    let emulator = include_str!("../../local/src/emulator.rs");
    assert!(emulator.contains(".env(\"BIND_HOST\", \"127.0.0.1\")"), "the emulator binds where it is told");
}
