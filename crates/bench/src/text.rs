//! Tables and numbers for people.

/// A Markdown table: a column of names, and columns of figures at the right.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let rule: Vec<String> =
        (0..headings.len()).map(|column| if column == 0 { "---" } else { "---:" }.to_owned()).collect();
    std::iter::once(line(&headings)).chain([line(&rule)]).chain(rows.iter().map(|row| line(row))).collect()
}

/// A number with a comma after every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as MiB.
pub fn mebibytes(bytes: f64) -> f64 {
    bytes / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_with_figures_at_the_right() {
        let table = table(&["tool", "s"], &[vec!["a".into(), "1".into()]]);
        assert_eq!(table, "| tool | s |\n| --- | ---: |\n| a | 1 |\n");
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
