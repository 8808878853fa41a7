//! What is known: written by the watchers, each its own part, and read by every open page.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_core::protocol::time_text;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::snapshot::{Note, NoteKind, Snapshot};

/// Most notes that are kept.
const NOTES: usize = 50;

/// What is known.
pub struct Board {
    known: Mutex<Snapshot>,
    changed: watch::Sender<()>,
}

impl Board {
    /// A board on which this stands.
    pub fn new(first: Snapshot) -> Self {
        Self { known: Mutex::new(first), changed: watch::Sender::new(()) }
    }

    /// Writes, and wakes every open page.
    pub fn write(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.known());
        self.changed.send_replace(());
    }

    /// Everything, as of now.
    pub fn read(&self) -> Snapshot {
        let mut snapshot = self.known().clone();
        snapshot.now = now();
        snapshot
    }

    /// Looks at a part without copying all of it.
    pub fn look<T>(&self, at: impl FnOnce(&Snapshot) -> T) -> T {
        at(&self.known())
    }

    /// Is told of every change.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notes what the console did or met. Never a link, and nothing of a row.
    pub fn note(&self, kind: NoteKind, text: impl Into<String>) {
        let note = Note { time: now(), kind, text: text.into() };
        self.write(|snapshot| {
            snapshot.notes.insert(0, note);
            snapshot.notes.truncate(NOTES);
        });
    }

    fn known(&self) -> MutexGuard<'_, Snapshot> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This moment, as every time is told.
pub fn now() -> String {
    time_text(OffsetDateTime::now_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_newest_first_and_their_number_is_bounded() {
        let regions = ["us-east-1", "us-west-2"].map(str::to_owned);
        let board = Board::new(Snapshot::new("local", true, &regions, Vec::new()));
        (0..NOTES + 5).for_each(|number| board.note(NoteKind::Info, number.to_string()));
        let notes = board.read().notes;
        assert_eq!((notes.len(), notes[0].text.as_str()), (NOTES, "54"));
    }
}
