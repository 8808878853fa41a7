//! Text that strangers chose, such as a file's name, on its way to somebody who reads it.

/// Whether a character could change more than the place where it stands: a control character or a line separator, which begins
/// another line, or one that turns the direction in which what follows is read, so that `gpj.exe` is shown as `exe.jpg`.
#[must_use]
pub fn is_deceptive(letter: char) -> bool {
    let turns =
        matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::is_deceptive;

    #[test]
    fn controls_and_marks_that_turn_the_direction_are_deceptive_and_letters_of_any_script_are_not() {
        let deceptive = "\n\u{1b}\u{85}\u{061c}\u{200e}\u{200f}\u{2028}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        assert!(deceptive.chars().all(is_deceptive));
        assert!(!"a é漢🦀שלום مرحبا \u{200d}".chars().any(is_deceptive));
    }
}
