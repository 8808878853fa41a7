//! What a person sees: progress on standard error while it runs, and tables. Nothing moves and nothing is coloured unless
//! it is a terminal.

use console::{Alignment, Style, StyledObject, measure_text_width, pad_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tandem_core::batch::BatchStatus;
use tandem_core::text::is_deceptive;

/// A bar for so many bytes; hidden if standard error is no terminal.
pub fn bytes_bar(total: u64, label: &str) -> ProgressBar {
    bar(total, label, "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}")
}

/// A bar for so many files; hidden if standard error is no terminal.
pub fn files_bar(total: u64) -> ProgressBar {
    bar(total, "ended", "{prefix} [{bar:30}] {pos}/{len} {elapsed} {msg}")
}

fn bar(total: u64, label: &str, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    // The template is fixed and correct; a plain bar would do as well.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_prefix(label.to_owned())
}

/// A line that says what is being waited for; hidden if standard error is no terminal.
pub fn spinner() -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    spinner.set_style(style);
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner
}

/// A status in its colour, for standard output.
pub fn coloured(status: BatchStatus) -> StyledObject<BatchStatus> {
    let style = Style::new();
    let style = match status {
        BatchStatus::Delivered => style.green(),
        BatchStatus::Failed => style.red(),
        BatchStatus::Claimed | BatchStatus::Running | BatchStatus::Delivering => style.yellow(),
    };
    style.apply_to(status)
}

/// Rows under headings, each column as wide as its widest cell; no blank at a line's end. Numbers stand at the right.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&headings]).filter_map(|row| row.get(column));
        cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| pad_str(cell, *width, alignment(cell), None));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    std::iter::once(&headings).chain(rows).map(line).collect()
}

fn alignment(cell: &str) -> Alignment {
    let number = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
    if number { Alignment::Right } else { Alignment::Left }
}

/// A number with a comma after every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text on one line: control characters, which could also move the cursor, become spaces, and so do marks that turn the
/// reading direction.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { ' ' } else { c }).collect()
}

/// A text on one line, and cut where it becomes longer than a person reads in passing.
pub fn brief(text: &str) -> String {
    const LONGEST: usize = 160;
    let line = one_line(text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right() {
        let rows = [vec!["a".into(), "1,234".into(), "x".into()], vec!["longer".into(), "7".into(), "".into()]];
        let expected = "\
NAME    ROWS   NOTE
a       1,234  x
longer      7
";
        assert_eq!(table(&["NAME", "ROWS", "NOTE"], &rows), expected);
    }

    #[test]
    fn letters_beyond_ascii_count_as_one_column() {
        assert_eq!(table(&["N", "V"], &[vec!["é".into(), "x".into()]]), "N  V\né  x\n");
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        let numbers = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_comes_from_outside_cannot_move_the_cursor() {
        assert_eq!(one_line("a\n\u{1b}[2Jb"), "a  [2Jb");
        assert_eq!(one_line("\u{202e}vsc.a\u{2066}b\u{200f}"), " vsc.a b ");
    }

    #[test]
    fn what_is_long_is_cut_between_two_letters() {
        assert_eq!(brief("a\nb"), "a b");
        assert_eq!(brief(&"é".repeat(200)), format!("{} ...", "é".repeat(160)));
    }
}
