//! What the page is told: every part may be missing, and then it is null or says why.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything that is known at a moment.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// When it was read.
    pub now: String,
    /// Name of the environment.
    pub environment: String,
    /// Whether it is the local Regions.
    pub local: bool,
    /// Version of the command.
    pub version: &'static str,
    /// Who should act, by the record.
    pub active: Option<String>,
    /// Where uploads go.
    pub routed: Option<String>,
    /// The primary Region and the standby Region.
    pub regions: [RegionView; 2],
    /// Functions that can be frozen.
    pub functions: Vec<&'static str>,
    /// Datasets that a file can be uploaded to.
    pub datasets: Vec<String>,
    /// Whether the state table answers.
    pub table: TableView,
    /// Open batches, and the latest.
    pub batches: Vec<BatchView>,
    /// Of how many these are a part.
    pub list: ListView,
    /// The most frequent reasons.
    pub rejects: Vec<RejectView>,
    /// The last hour.
    pub cost: CostView,
    /// What was sent, newest first.
    pub emails: Vec<EmailView>,
    /// What the console did or met, newest first.
    pub notes: Vec<Note>,
}

impl Snapshot {
    /// Before anything was asked.
    pub fn new(environment: &str, local: bool, regions: &[String; 2], datasets: Vec<String>) -> Self {
        let [primary, standby] = regions;
        Self {
            now: String::new(),
            environment: environment.to_owned(),
            local,
            version: env!("CARGO_PKG_VERSION"),
            active: None,
            routed: None,
            regions: [RegionView::new(primary, "primary", standby), RegionView::new(standby, "standby", primary)],
            functions: Vec::new(),
            datasets,
            table: TableView { answers: true, error: None, stale_since: None, listed: None },
            batches: Vec::new(),
            list: ListView::default(),
            rejects: Vec::new(),
            cost: CostView::default(),
            emails: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A Region by its name.
    pub fn region(&mut self, name: &str) -> Option<&mut RegionView> {
        self.regions.iter_mut().find(|region| region.name == name)
    }
}

/// One Region.
#[derive(Debug, Clone, Serialize)]
pub struct RegionView {
    /// Its name.
    pub name: String,
    /// `primary` or `standby`, as it was deployed.
    pub role: &'static str,
    /// Whether the record names it.
    pub active: bool,
    /// Whether it answered last.
    pub reachable: bool,
    /// How long that took.
    pub round_trip_ms: Option<f64>,
    /// Why it did not.
    pub error: Option<String>,
    /// How it was made to be reached; local only.
    pub network: Option<serde_json::Value>,
    /// Functions that are frozen; local only.
    pub frozen: Vec<String>,
    /// What arrives here from the other Region.
    pub replication: ReplicationView,
}

impl RegionView {
    fn new(name: &str, role: &'static str, other: &str) -> Self {
        Self {
            name: name.to_owned(),
            role,
            active: false,
            reachable: false,
            round_trip_ms: None,
            error: None,
            network: None,
            frozen: Vec::new(),
            replication: ReplicationView { from: other.to_owned(), ..ReplicationView::default() },
        }
    }
}

/// Replication into a Region.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplicationView {
    /// The Region that it comes from.
    pub from: String,
    /// How long the last marker took.
    pub lag_seconds: Option<f64>,
    /// How long the present one is on its way.
    pub waiting_seconds: Option<f64>,
    /// Changes that have not arrived; local only.
    pub pending: Option<usize>,
    /// Whether they are held; local only.
    pub paused: Option<bool>,
    /// When the last marker arrived.
    pub measured: Option<String>,
    /// Why nothing is measured.
    pub error: Option<String>,
}

/// The state table.
#[derive(Debug, Clone, Serialize)]
pub struct TableView {
    /// Whether it answered last.
    pub answers: bool,
    /// Why it did not.
    pub error: Option<String>,
    /// When what is shown of it was true.
    pub stale_since: Option<String>,
    /// What had ended by then is known; none until the whole table was read once.
    pub listed: Option<String>,
}

/// Of how many batches those that are listed are a part.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ListView {
    /// Open batches that are known.
    pub open: usize,
    /// Batches that have ended and are known.
    pub ended: usize,
    /// Whether there are others, which are not known.
    pub more: bool,
    /// Most executions that are followed at a time.
    pub followed: usize,
}

/// One batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchView {
    /// Its id.
    pub id: String,
    /// Key of its input.
    pub key: String,
    /// The key's last part.
    pub name: String,
    /// Its dataset.
    pub dataset: String,
    /// Bytes of its input.
    pub size: u64,
    /// Its status in the table.
    pub status: &'static str,
    /// How far it is.
    pub stage: &'static str,
    /// Chunks that are done.
    pub chunks_done: Option<u64>,
    /// Chunks in all.
    pub chunks_total: Option<u64>,
    /// How fast.
    pub rows_per_second: Option<f64>,
    /// Rows read.
    pub rows_in: Option<u64>,
    /// Rows delivered.
    pub rows_out: Option<u64>,
    /// Rows rejected.
    pub rows_rejected: Option<u64>,
    /// Its attempt.
    pub attempt: u64,
    /// The Region that may act.
    pub owner: String,
    /// The Regions that owned it, oldest first.
    pub history: Vec<String>,
    /// Why it failed, or was interrupted.
    pub reason: Option<String>,
    /// The state that failed.
    pub failed_state: Option<String>,
    /// When it was claimed.
    pub created: String,
    /// When it changed last.
    pub updated: String,
    /// From claim to end.
    pub seconds: Option<f64>,
    /// Whether its output can be downloaded.
    pub has_output: bool,
    /// Whether its rejects can.
    pub has_rejects: bool,
}

/// One reason for rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectView {
    /// Field; empty for the record as a whole.
    pub field: String,
    /// Rule.
    pub rule: String,
    /// Rows.
    pub count: u64,
    /// Dataset.
    pub dataset: String,
}

/// What the last hour cost.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CostView {
    /// US dollars.
    pub usd: Option<f64>,
    /// Since when.
    pub since: Option<String>,
    /// By service.
    pub parts: Vec<CostPart>,
    /// What is not counted.
    pub error: Option<String>,
}

/// What one service cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostPart {
    /// The service.
    pub name: String,
    /// US dollars.
    pub usd: f64,
}

impl CostPart {
    /// By service, the dearest first.
    pub fn sorted(by_service: BTreeMap<String, f64>) -> Vec<Self> {
        let mut parts: Vec<Self> = by_service.into_iter().map(|(name, usd)| Self { name, usd }).collect();
        parts.sort_by(|a, b| b.usd.total_cmp(&a.usd));
        parts
    }
}

/// One e-mail.
#[derive(Debug, Clone, Serialize)]
pub struct EmailView {
    /// When it was sent.
    pub time: String,
    /// To whom.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The batch that it is about.
    pub batch_id: Option<String>,
}

/// What the console did or met.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// When.
    pub time: String,
    /// Whether it is bad.
    pub kind: NoteKind,
    /// What.
    pub text: String,
}

/// Kinds of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// It was done.
    Info,
    /// It was not.
    Error,
}
