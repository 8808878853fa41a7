//! Reading the whole state table, page after page and round after round, at a pace that bounds what it costs.
//!
//! Records are never forgotten, so the table grows for ever, with the canary's alone by a hundred thousand a year. What is open
//! stands in a small index and is followed from there; only batches that came and went between two looks, and were not sent from
//! this page, wait for the round.

use std::time::{Duration, Instant};

use tandem_core::batch::BatchId;

/// Units of reading that a second may cost: 36,000 an hour, less than half a US cent, whatever the table's size.
const UNITS_PER_SECOND: f64 = 10.0;
/// Most pages at one look, of 1 MB each: between them the open batches want to be seen, too.
const PAGES: usize = 20;

/// Where the reading is.
pub struct Round {
    /// Least time between two rounds.
    every: Duration,
    /// Whether reading costs anything.
    costs: bool,
    /// The last batch that was read in this round.
    after: Option<BatchId>,
    /// When this round began.
    began: String,
    /// Nothing is read before.
    due: Option<Instant>,
    /// When the last round began that has come to its end.
    listed: Option<String>,
}

impl Round {
    /// Before the first.
    pub fn new(every: Duration, costs: bool) -> Self {
        Self { every, costs, after: None, began: String::new(), due: None, listed: None }
    }

    /// How many pages may be read at this look. The first round is not held up: until its end the list has holes.
    pub fn pages(&self, now: Instant) -> usize {
        match self.due {
            Some(due) if now < due => 0,
            Some(_) if self.costs && self.listed.is_some() => 1,
            _ => PAGES,
        }
    }

    /// The batch behind which the next page begins.
    pub fn after(&self) -> Option<&BatchId> {
        self.after.as_ref()
    }

    /// Takes note of a page: when it was asked for, which one is next, what it cost. Says whether the round is over.
    pub fn has_read(&mut self, asked: &str, next: Option<BatchId>, units: f64, now: Instant) -> bool {
        if self.after.is_none() {
            asked.clone_into(&mut self.began);
        }
        let paced = self.costs && self.listed.is_some();
        let pause = if paced { Duration::from_secs_f64(units.max(0.0) / UNITS_PER_SECOND) } else { Duration::ZERO };
        let over = next.is_none();
        if over {
            self.listed = Some(self.began.clone());
        }
        self.due = Some(now + if over { pause.max(self.every) } else { pause });
        self.after = next;
        over
    }

    /// Takes note of a page that did not come: a long read is not begun again at once.
    pub fn has_failed(&mut self, now: Instant) {
        self.due = Some(now + self.every);
    }

    /// When the last whole round began: what had ended by then is known.
    pub fn listed(&self) -> Option<&str> {
        self.listed.as_deref()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    fn id() -> Option<BatchId> {
        Some("0123456789abcdef0123456789abcdef".parse().unwrap())
    }

    /// Behind its first round, which had one page.
    fn behind_the_first(costs: bool, now: Instant) -> Round {
        let mut round = Round::new(EVERY, costs);
        assert!(round.has_read("08:00", None, 1.0, now));
        round
    }

    #[test]
    fn a_pause_grows_with_what_a_page_cost_so_that_no_table_costs_more_than_the_bound() {
        let now = Instant::now();
        for units in [1.0, 128.0, 4_096.0] {
            let mut round = behind_the_first(true, now);
            let (start, pages) = (now + EVERY, 50);
            let mut moment = start;
            for _ in 0..pages {
                assert_eq!(round.pages(moment), 1);
                round.has_read("08:01", id(), units, moment);
                let pause = Duration::from_secs_f64(units / UNITS_PER_SECOND);
                assert_eq!(round.pages(moment + pause - Duration::from_millis(1)), 0);
                moment += pause;
            }
            let spent = f64::from(pages) * units;
            assert!(spent / moment.duration_since(start).as_secs_f64() < UNITS_PER_SECOND * 1.001);
        }
    }

    #[test]
    fn a_table_of_one_small_page_is_read_as_often_as_before() {
        let now = Instant::now();
        let round = behind_the_first(true, now);
        assert_eq!((round.pages(now + EVERY / 2), round.pages(now + EVERY)), (0, 1));
    }

    #[test]
    fn the_first_round_is_read_at_once_and_where_nothing_is_billed_so_is_every_other() {
        let now = Instant::now();
        let mut first = Round::new(EVERY, true);
        assert_eq!(first.pages(now), PAGES);
        first.has_read("08:00", id(), 128.0, now);
        assert_eq!(first.pages(now), PAGES);
        let mut free = behind_the_first(false, now);
        free.has_read("08:01", id(), 128.0, now + EVERY);
        assert_eq!(free.pages(now + EVERY), PAGES);
    }

    #[test]
    fn the_list_is_as_old_as_the_beginning_of_the_last_round_that_was_whole() {
        let now = Instant::now();
        let mut round = Round::new(EVERY, true);
        round.has_read("08:00", id(), 128.0, now);
        assert_eq!((round.listed(), round.after()), (None, id().as_ref()));
        assert!(round.has_read("08:01", None, 128.0, now));
        assert_eq!((round.listed(), round.after()), (Some("08:00"), None));
        round.has_read("08:05", id(), 128.0, now);
        assert_eq!(round.listed(), Some("08:00"));
    }

    #[test]
    fn a_page_that_did_not_come_is_asked_for_again_later_and_nothing_before_it_twice() {
        let now = Instant::now();
        let mut round = Round::new(EVERY, true);
        round.has_read("08:00", id(), 128.0, now);
        round.has_failed(now);
        assert_eq!((round.pages(now), round.pages(now + EVERY)), (0, PAGES));
        assert_eq!(round.after(), id().as_ref());
    }
}
