//! Cells that a spreadsheet would take for a formula.

/// Characters with which a formula begins, or that a spreadsheet skips before one; the last four in their full width.
const BEGINNINGS: [&[u8]; 12] = [
    b"=",
    b"+",
    b"-",
    b"@",
    b"\t",
    b"\r",
    b"\n",
    b"\0",
    "＝".as_bytes(),
    "＋".as_bytes(),
    "－".as_bytes(),
    "＠".as_bytes(),
];

/// Whether a spreadsheet may take a cell for a formula: it begins with one of these characters, and is no number.
pub(crate) fn is_formula(cell: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| cell.starts_with(beginning)) && !is_number(cell)
}

/// A number: perhaps a sign; digits, of which none need stand before the separator; perhaps one `.` or `,` and digits behind it;
/// perhaps `e` or `E`, perhaps a sign, and digits.
fn is_number(cell: &[u8]) -> bool {
    let unsigned = cell.strip_prefix(b"-").or_else(|| cell.strip_prefix(b"+")).unwrap_or(cell);
    let (whole, rest) = digits(unsigned);
    let (fraction, rest) = match rest {
        [b'.' | b',', behind @ ..] => match digits(behind) {
            (0, _) => return false,
            found => found,
        },
        rest => (0, rest),
    };
    whole + fraction > 0 && (rest.is_empty() || is_exponent(rest))
}

fn is_exponent(text: &[u8]) -> bool {
    match text {
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => matches!(digits(rest), (1.., [])),
        _ => false,
    }
}

/// How many digits a text begins with, and what is behind them.
fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &text[count..])
}

#[cfg(test)]
mod tests {
    use super::is_formula;

    #[test]
    fn a_number_is_none_whatever_its_sign() {
        for cell in
            ["-12.5", "+3", "-0,5", "-.5", "+1e5", "-1.5E-3", "-1E+10", "-0", "", "3", "12-5", "'=1", " =1", "a"]
        {
            assert!(!is_formula(cell.as_bytes()), "{cell}");
        }
    }

    #[test]
    fn what_begins_like_a_formula_and_is_no_number_is_one() {
        for cell in [
            "=1",
            "=",
            "@SUM(A1)",
            "-",
            "+",
            "--1",
            "-1-1",
            "+1+1",
            "-1.",
            "-.",
            "-1.2.3",
            "-1,000.5",
            "-1e",
            "-1e+",
            "-1e5x",
            "-12 EUR",
            "+49 30 1234",
            "-١",
            "\t=1",
            "\t1",
            "\r1",
            "\n=1",
            "\0=1",
            "＝1",
            "＋3",
            "－12",
            "＠x",
            "-\t1",
            "-1\n",
        ] {
            assert!(is_formula(cell.as_bytes()), "{cell}");
        }
    }
}
