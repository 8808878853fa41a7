//! Whether two files are the same, and if not, where they part.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// The first byte at which two files differ, counted from 1, with its line; `None` where they are the same.
///
/// # Errors
/// When one cannot be read.
pub fn difference(one: &Path, other: &Path) -> anyhow::Result<Option<(u64, u64)>> {
    let open = |path: &Path| {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::Ok(BufReader::with_capacity(BUFFER, file))
    };
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut byte, mut line) = (0_u64, 1_u64);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        byte += same as u64;
        line += left[..same].iter().filter(|byte| **byte == b'\n').count() as u64;
        if same < length || (length == 0 && left.len() != right.len()) {
            return Ok(Some((byte + 1, line)));
        }
        if length == 0 {
            return Ok(None);
        }
        one.consume(length);
        other.consume(length);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn compared(name: &str, one: &[u8], other: &[u8]) -> Option<(u64, u64)> {
        let paths = ["one", "other"]
            .map(|side| std::env::temp_dir().join(format!("tandem-bench-{}-{name}-{side}", std::process::id())));
        for (path, content) in paths.iter().zip([one, other]) {
            std::fs::write(path, content).unwrap();
        }
        let found = difference(&paths[0], &paths[1]).unwrap();
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        found
    }

    #[test]
    fn files_part_at_their_first_other_byte_or_where_one_ends() {
        assert_eq!(compared("same", b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(compared("other", b"a\nb\n", b"a\nc\n"), Some((3, 2)));
        assert_eq!(compared("short", b"a\n", b"a\nc\n"), Some((3, 2)));
        assert_eq!(compared("empty", b"", b"x"), Some((1, 1)));
        let long = vec![b'x'; 3 * BUFFER];
        let mut longer = long.clone();
        longer[2 * BUFFER + 5] = b'y';
        assert_eq!(compared("long", &long, &longer), Some((2 * BUFFER as u64 + 6, 1)));
    }
}
