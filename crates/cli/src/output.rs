//! What is printed: to standard output what was asked for, to standard error what is told beside it.
//!
//! Whoever reads along may stop (`| head`), and that must not end a failover or a drill half way, as a panic of `println!`
//! would. A reader who has seen enough is no error. A full disk is one, told at the end: what was asked for is not all there.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use anyhow::Context;

/// The first reason why something could not be written to standard output.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints to standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::output::to_stdout(format_args!($($text)*)) };
}

/// Prints a line to standard output.
macro_rules! outln {
    ($($text:tt)*) => { $crate::output::to_stdout(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints to standard error.
macro_rules! err {
    ($($text:tt)*) => { $crate::output::to_stderr(format_args!($($text)*)) };
}

/// Prints a line to standard error.
macro_rules! errln {
    ($($text:tt)*) => { $crate::output::to_stderr(format_args!("{}\n", format_args!($($text)*))) };
}

/// What [`out!`] and [`outln!`] do.
pub fn to_stdout(text: Arguments<'_>) {
    if let Err(error) = write(&mut io::stdout().lock(), text) {
        // Only the first is told.
        LOST.get_or_init(|| error);
    }
}

/// What [`err!`] and [`errln!`] do. If even that cannot be written, there is nobody left to tell.
pub fn to_stderr(text: Arguments<'_>) {
    drop(write(&mut io::stderr().lock(), text));
}

fn write(to: &mut impl Write, text: Arguments<'_>) -> io::Result<()> {
    match to.write_fmt(text).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Whether all that was printed is where it should be, unless nobody wanted it.
///
/// # Errors
/// Standard output could not be written to.
pub fn complete() -> anyhow::Result<()> {
    let lost = LOST.get().map_or(Ok(()), |error| Err(io::Error::new(error.kind(), error.to_string())));
    lost.context("what was asked for is done, but cannot be written to standard output")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_no_error_and_a_full_disk_is() {
        assert!(write(&mut Broken(ErrorKind::BrokenPipe), format_args!("x")).is_ok());
        let full = write(&mut Broken(ErrorKind::StorageFull), format_args!("x")).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        let mut written = Vec::new();
        write(&mut written, format_args!("{} {}\n", "a", 1)).unwrap();
        assert_eq!(written, b"a 1\n");
    }
}
