//! What a shell and `man` need to know of the command, made from its own definition.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// How `completions --help` goes on.
pub const COMPLETIONS_HELP: &str = "\
Examples:
  tandem completions bash > ~/.local/share/bash-completion/completions/tandem
  tandem completions zsh > \"${fpath[1]}/_tandem\"
  tandem completions fish > ~/.config/fish/completions/tandem.fish";

/// How `man --help` goes on.
pub const MAN_HELP: &str = "\
Examples:
  tandem man | man -l -
  tandem man --out-dir ~/.local/share/man/man1";

/// Arguments of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Write tandem.1 and a page for each command into this folder, which is made if it does not exist
    #[arg(long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
}

/// Prints what a shell needs to complete the command's arguments.
///
/// # Errors
/// The script is no text.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<()> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out!("{}", String::from_utf8(script)?);
    Ok(())
}

/// Prints the manual page, or writes all of them.
///
/// # Errors
/// The page is no text, or the folder cannot be written to.
pub fn man(args: &ManArgs, command: Command) -> anyhow::Result<()> {
    let Some(folder) = &args.out_dir else {
        out!("{}", String::from_utf8(page(command)?)?);
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    clap_mangen::generate_to(command, folder).with_context(|| format!("cannot write into {}", folder.display()))
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{CommandFactory, ValueEnum};

    use super::*;

    #[test]
    fn every_shell_is_told_of_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut crate::Cli::command(), "tandem", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("failover") && script.contains("completions"), "{shell}");
        }
    }

    #[test]
    fn every_command_has_a_manual_page_with_its_example() {
        let folder = std::env::temp_dir().join(format!("tandem-man-{}", std::process::id()));
        man(&ManArgs { out_dir: Some(folder.clone()) }, crate::Cli::command()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(read("tandem.1").contains("failover"));
        assert!(read("tandem-region-isolate.1").contains("us\\-east\\-1"), "{}", read("tandem-region-isolate.1"));
        assert!(read("tandem-put.1").contains("Exit status"));
        assert!(!folder.join("tandem-local-serve.1").exists(), "what is hidden has no page");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
