//! Text that strangers chose, such as a file's name, on its way to somebody who reads it.

/// Whether a character could change more than the place where it stands: a control character or a line separator, which begins
/// another line, or one that turns the direction in which what follows is read, so that `gpj.exe` is shown as `exe.jpg`.
#[must_use]
pub fn is_deceptive(letter: char) -> bool {
    let turns =
        matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns
}

/// A name in which no mail program finds a web address to make a link of: what joins the parts of one stands in brackets,
/// `www[.]example[.]com`. A dot before a digit, and that of a `.csv` at the end, join no address and stay.
#[must_use]
pub fn unlinked(name: &str) -> String {
    let (stem, ending) = name.strip_suffix(".csv").map_or((name, ""), |stem| (stem, ".csv"));
    let mut shown = String::with_capacity(name.len());
    let stem = stem.replace("://", "[://]");
    let mut letters = stem.chars().peekable();
    while let Some(letter) = letters.next() {
        // The full stops of other scripts are dots to whatever looks a name up.
        let joins = matches!(letter, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
            && letters.peek().is_some_and(|next| next.is_alphabetic());
        if joins { shown.extend(['[', letter, ']']) } else { shown.push(letter) }
    }
    shown + ending
}

#[cfg(test)]
mod tests {
    use super::{is_deceptive, unlinked};

    #[test]
    fn a_web_address_in_a_name_is_broken_and_an_ordinary_name_stays() {
        for (name, shown) in [
            ("input/orders-2026.11.30.csv", "input/orders-2026.11.30.csv"),
            ("input/price-list/x.csv", "input/price-list/x.csv"),
            ("www.example.com.csv", "www[.]example[.]com.csv"),
            ("input/https://example.com/pay.csv", "input/https[://]example[.]com/pay.csv"),
            ("http://192.0.2.1/.csv", "http[://]192.0.2.1/.csv"),
            ("owner@example.com .csv", "owner@example[.]com .csv"),
            ("example\u{3002}com.csv", "example[\u{3002}]com.csv"),
            ("beispiel.\u{440}\u{444}.csv", "beispiel[.]\u{440}\u{444}.csv"),
            ("a.csv/b.csv", "a[.]csv/b.csv"),
        ] {
            assert_eq!(unlinked(name), shown);
        }
    }

    #[test]
    fn controls_and_marks_that_turn_the_direction_are_deceptive_and_letters_of_any_script_are_not() {
        let deceptive = "\n\u{1b}\u{85}\u{061c}\u{200e}\u{200f}\u{2028}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        assert!(deceptive.chars().all(is_deceptive));
        assert!(!"a é漢🦀שלום مرحبا \u{200d}".chars().any(is_deceptive));
    }
}
