//! The canary's file: its rows, what must come of them, and the reference records that they need.

use std::fmt;

/// The dataset of the canary's files, and the table of its reference records.
pub const DATASET: &str = "canary";

/// The field of a reference record.
pub const REFERENCE_FIELD: &str = "mark";

/// The reference records: key and mark.
pub const REFERENCE: [(&str, &str); 4] =
    [("C-0001", "north"), ("C-0002", "south, old town"), ("C-0003", "3"), ("C-0004", "Łódź")];

/// Rows that are delivered, and rows that are rejected.
pub const ROWS: (u64, u64) = (7, 5);

/// Good and bad rows in turn: quotes, a line break and more than ASCII in fields, a key twice, an empty field; a key that
/// breaks its pattern, a day that is none, a key that nobody knows, a field too few, a required field that is empty.
const INPUT: &str = "\
Id,Run,Day,Note
C-0001,{run},2026-01-01,plain
X-0001,{run},2026-01-02,its key is none
C-0002,{run},2026-01-03,\"a comma, and \"\"quotes\"\"\"
C-0003,{run},2026-01-04,\"two
lines\"
C-0004,{run},2026-02-30,there is no such day
C-0004,{run},2026-02-28,Größe €
C-9999,{run},2026-01-07,nobody knows it
C-0001,{run},2026-01-08,the first key again
C-0001,{run}
C-0002,{run},2026-01-10,
C-0003,,2026-01-11,of no run
C-0003,{run},2026-01-12,the last
";

const OUTPUT: &str = "\
Id,Mark,Run,Note,Day
C-0001,north,{run},plain,2026-01-01
C-0002,\"south, old town\",{run},\"a comma, and \"\"quotes\"\"\",2026-01-03
C-0003,3,{run},\"two
lines\",2026-01-04
C-0004,Łódź,{run},Größe €,2026-02-28
C-0001,north,{run},the first key again,2026-01-08
C-0002,\"south, old town\",{run},,2026-01-10
C-0003,3,{run},the last,2026-01-12
";

const REJECTS: &str = "\
row,field,rule,record
2,id,pattern,\"X-0001,{run},2026-01-02,its key is none\"
5,day,format,\"C-0004,{run},2026-02-30,there is no such day\"
7,id,unmatched,\"C-9999,{run},2026-01-07,nobody knows it\"
9,,field_count,\"C-0001,{run}\"
11,run,required,\"C-0003,,2026-01-11,of no run\"
";

/// One run of the canary. Its name is in its file's key and in every row, so that runs at the same time cannot be confused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run(String);

impl Run {
    /// The run that begins now; `mark` is a number that no other run of this moment has.
    #[must_use]
    pub fn new(now: time::OffsetDateTime, mark: u64) -> Self {
        let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
        // Formatting a time by its parts fails for none that a clock tells.
        Self(format!("{}-{mark:016x}", now.format(&format).unwrap_or_default()))
    }

    /// The key of its file.
    #[must_use]
    pub fn key(&self) -> String {
        format!("input/{DATASET}/{self}.csv")
    }

    /// Its file.
    #[must_use]
    pub fn input(&self) -> String {
        self.named(INPUT)
    }

    /// What must be delivered.
    #[must_use]
    pub fn output(&self) -> String {
        self.named(OUTPUT)
    }

    /// What must be rejected.
    #[must_use]
    pub fn rejects(&self) -> String {
        self.named(REJECTS)
    }

    fn named(&self, text: &str) -> String {
        text.replace("{run}", &self.0)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_the_same_second_have_different_keys_and_contents() {
        let now = time::macros::datetime!(2026-01-02 03:04:05 UTC);
        let (one, other) = (Run::new(now, 1), Run::new(now, 2));
        assert_eq!(one.key(), "input/canary/20260102T030405Z-0000000000000001.csv");
        assert_ne!(one.key(), other.key());
        assert_ne!(one.input(), other.input());
    }
}
