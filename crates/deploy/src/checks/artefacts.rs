//! The functions as they are built.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The command that builds the functions for this machine.
pub const BUILD_HERE: &str = "scripts/build.sh";

/// The command that builds the functions for AWS.
#[must_use]
pub fn build_for_aws(architecture: &str) -> &'static str {
    if architecture == "arm64" { "scripts/build.sh --arm64" } else { "scripts/build.sh --release" }
}

/// The second number of the C library that Lambda's provided.al2023 has: 2.34.
const LAMBDA_GLIBC: u32 = 34;

/// Whether every function of the project is built, for the architecture that it is deployed as and, if it runs elsewhere, for the C
/// library there. In words; `build` is the command that would build them.
///
/// # Errors
/// Names the functions that are not, and the command.
pub fn built(root: &Path, architecture: &str, elsewhere: bool, build: &str) -> Result<String, String> {
    let listing = std::fs::read_dir(root.join("functions"));
    let listing = listing.map_err(|error| format!("{} has no functions: {error}", root.display()))?;
    let functions = listing.filter_map(Result::ok).filter(|entry| entry.path().join("Cargo.toml").exists());
    let mut names: Vec<String> = functions.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let bootstrap = |name: &String| root.join("target/lambda").join(name).join("bootstrap");
    let of = |wanted: fn(Option<&str>, &str) -> bool| {
        let found = names.iter().filter(|name| wanted(machine(&bootstrap(name)), architecture));
        found.cloned().collect::<Vec<_>>().join(", ")
    };
    let missing = of(|machine, _| machine.is_none());
    if !missing.is_empty() {
        return Err(format!("not built: {missing}. Build them: {build}"));
    }
    let foreign = of(|machine, architecture| machine != Some(architecture));
    if !foreign.is_empty() {
        return Err(format!("not built for {architecture}: {foreign}. Build them: {build}"));
    }
    let newest = names.iter().filter_map(|name| Some((glibc(&bootstrap(name))?, name))).max();
    if let Some((minor, name)) = newest.filter(|(minor, _)| elsewhere && *minor > LAMBDA_GLIBC) {
        return Err(format!(
            "{name} asks for glibc 2.{minor}, and Lambda has 2.{LAMBDA_GLIBC}: build on a machine with an older one, or for arm64, \
             whose build brings the right one ({})",
            build_for_aws("arm64")
        ));
    }
    Ok(format!("{} functions, built for {architecture}", names.len()))
}

/// The newest version of the C library that a program asks for, by the names in it: the N of `GLIBC_2.N`.
fn glibc(file: &Path) -> Option<u32> {
    const NAME: &[u8] = b"GLIBC_2.";
    let program = std::fs::read(file).ok()?;
    let number = |at: usize| {
        let digits: Vec<u8> = program[at + NAME.len()..].iter().copied().take_while(u8::is_ascii_digit).collect();
        String::from_utf8_lossy(&digits).parse().ok()
    };
    program.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).filter_map(|(at, _)| number(at)).max()
}

/// What a program is built for, by the head of its ELF file; `None`: there is no program.
fn machine(file: &Path) -> Option<&'static str> {
    let mut head = [0; 20];
    File::open(file).ok()?.read_exact(&mut head).ok()?;
    match (&head[..4], head[18]) {
        (b"\x7fELF", 0xB7) => Some("arm64"),
        (b"\x7fELF", 0x3E) => Some("x86_64"),
        _ => Some("another system"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn functions_that_are_missing_or_built_for_another_machine_are_named() {
        let root = std::env::temp_dir().join(format!("tandem-artefacts-{}", std::process::id()));
        for name in ["intake", "split"] {
            std::fs::create_dir_all(root.join("functions").join(name)).unwrap();
            std::fs::write(root.join("functions").join(name).join("Cargo.toml"), "").unwrap();
        }
        assert!(
            built(&root, "arm64", true, build_for_aws("arm64"))
                .unwrap_err()
                .contains("not built: intake, split. Build them: scripts/build.sh --arm64")
        );
        for (name, machine) in [("intake", 0xB7), ("split", 0x3E)] {
            let mut head = b"\x7fELF".to_vec();
            head.resize(20, 0);
            head[18] = machine;
            std::fs::create_dir_all(root.join("target/lambda").join(name)).unwrap();
            std::fs::write(root.join("target/lambda").join(name).join("bootstrap"), head).unwrap();
        }
        let problem = |architecture| built(&root, architecture, false, BUILD_HERE).unwrap_err();
        assert_eq!(problem("arm64"), "not built for arm64: split. Build them: scripts/build.sh");
        assert_eq!(problem("x86_64"), "not built for x86_64: intake. Build them: scripts/build.sh");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_program_that_asks_for_a_newer_c_library_than_lambdas_is_refused_for_aws_only() {
        let root = std::env::temp_dir().join(format!("tandem-glibc-{}", std::process::id()));
        std::fs::create_dir_all(root.join("functions/intake")).unwrap();
        std::fs::create_dir_all(root.join("target/lambda/intake")).unwrap();
        std::fs::write(root.join("functions/intake/Cargo.toml"), "").unwrap();
        let asks = |names: &str| {
            let mut program = b"\x7fELF".to_vec();
            program.resize(20, 0);
            program[18] = 0x3E;
            program.extend(names.as_bytes());
            std::fs::write(root.join("target/lambda/intake/bootstrap"), program).unwrap();
        };
        asks("\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_PRIVATE\0");
        built(&root, "x86_64", true, "build").unwrap();
        asks("\0GLIBC_2.39\0GLIBC_2.4\0");
        let problem = built(&root, "x86_64", true, "build").unwrap_err();
        assert!(problem.contains("intake asks for glibc 2.39") && problem.contains("--arm64"), "{problem}");
        built(&root, "x86_64", false, "build").unwrap();
        std::fs::remove_dir_all(root).unwrap();
    }
}
