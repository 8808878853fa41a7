//! The command to go on with, as whoever called it can give it again.

/// Set by `scripts/deploy.sh` and `scripts/destroy.sh` to their own path: they stand for the program and its subcommand.
const CALLED_AS: &str = "TANDEM_CALLED_AS";

/// The command as it was given.
pub fn command_again() -> String {
    command(std::env::var(CALLED_AS).ok(), std::env::args())
}

fn command(called_as: Option<String>, arguments: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = match called_as {
        Some(script) => std::iter::once(script).chain(arguments.skip(2)).collect(),
        None => arguments.collect(),
    };
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_go_on_is_the_scripts_own_where_a_script_was_called() {
        let given = || {
            ["target/local/tandem", "deploy", "--config=/my own/it's.toml", "--no-smoke"].map(String::from).into_iter()
        };
        let quoted = "'--config=/my own/it'\\''s.toml' --no-smoke";
        assert_eq!(command(None, given()), format!("target/local/tandem deploy {quoted}"));
        assert_eq!(
            command(Some("/tandem/scripts/deploy.sh".into()), given()),
            format!("/tandem/scripts/deploy.sh {quoted}")
        );
    }
}
