//! Whether results hold what they must.

use super::Run;

impl Run {
    /// Compares what was delivered and rejected with what must be, byte for byte.
    ///
    /// # Errors
    /// What differs, in a sentence. It never holds what stands in a result.
    pub fn compare(&self, output: &[u8], rejects: &[u8]) -> Result<(), String> {
        let unmatched = String::from_utf8_lossy(rejects).matches(",id,unmatched,").count();
        if unmatched > 1 {
            return Err(format!(
                "{unmatched} rows found no reference record where 1 should: are the canary's records loaded? `tandem canary \
                 --prepare` loads them"
            ));
        }
        same("output.csv", &self.output(), output)?;
        same("rejects.csv", &self.rejects(), rejects)
    }
}

/// Names the first line that is not as it must be. Never what stands there instead: it could be anybody's.
fn same(file: &str, expected: &str, found: &[u8]) -> Result<(), String> {
    if expected.as_bytes() == found {
        return Ok(());
    }
    let (mut wanted, mut lines) = (expected.split('\n'), found.split(|byte| *byte == b'\n'));
    let mut number = 0_usize;
    loop {
        number += 1;
        let (wanted, line) = (wanted.next(), lines.next());
        if wanted.is_some() && wanted.map(str::as_bytes) == line {
            continue;
        }
        let wanted = wanted.filter(|wanted| !wanted.is_empty());
        let expected = wanted.map_or_else(|| String::from("the end"), |wanted| format!("{wanted:?}"));
        return Err(format!("{file}: line {number} is not {expected}"));
    }
}
