//! TOML with the line of everything, and every problem gathered.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// A value as text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As text.
    pub text: String,
    /// Its line.
    pub line: usize,
}

/// Reads a file key by key.
pub struct Reader<'a> {
    text: &'a str,
    table: Spanned<DeTable<'a>>,
    problems: Vec<Problem>,
    /// Whether the file is no TOML: what was read of it is a guess.
    broken: bool,
    known: BTreeSet<(String, String)>,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let broken = !errors.is_empty();
        let mut reader = Self { text, table, problems: Vec::new(), broken, known: BTreeSet::new() };
        for error in errors {
            let line = reader.line(error.span().unwrap_or_default());
            reader.problems.push(Problem { line, what: error.message().to_owned() });
        }
        reader
    }

    /// The problems, with the keys that nobody asked for among them.
    pub fn finish(mut self) -> Vec<Problem> {
        if !self.broken {
            let unknown = self.unknown();
            self.problems.extend(unknown);
        }
        self.problems
    }

    /// A problem with what the file says; of one that is no TOML only its grammar counts.
    pub fn problem(&mut self, line: usize, what: String) {
        if !self.broken {
            self.problems.push(Problem { line, what });
        }
    }

    /// The value of a key, in a section or, with an empty name, before all sections.
    pub fn get(&mut self, section: &str, key: &str) -> Option<Found> {
        self.known.insert((section.to_owned(), key.to_owned()));
        let table = match section {
            "" => self.table.get_ref(),
            name => self.table.get_ref().get(name)?.get_ref().as_table()?,
        };
        let value = table.get(key)?;
        let line = self.line(value.span());
        let Some(text) = text(value.get_ref()) else {
            let kind = value.get_ref().type_str();
            self.problem(line, format!("{key} is {kind}: give a text in quotes, a number, true or false"));
            return None;
        };
        Some(Found { text, line })
    }

    /// The line of a section's head; 1 without one.
    pub fn section_line(&self, section: &str) -> usize {
        let head = format!("[{section}]");
        self.text.lines().position(|line| line.trim() == head).map_or(1, |line| line + 1)
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn unknown(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, value) in self.table.get_ref() {
            let (key, line) = (name.get_ref().as_ref(), self.line(name.span()));
            match value.get_ref().as_table() {
                None if !self.is_known("", key) => problems.push(self.unknown_key(line, "", key)),
                Some(_) if !self.known.iter().any(|(section, _)| section == key) => {
                    problems.push(self.unknown_section(line, key));
                }
                Some(table) => problems.extend(self.unknown_in(key, table)),
                None => {}
            }
        }
        problems
    }

    fn unknown_in(&self, section: &str, table: &DeTable<'_>) -> Vec<Problem> {
        let unknown = table.iter().filter(|(name, _)| !self.is_known(section, name.get_ref()));
        unknown.map(|(name, _)| self.unknown_key(self.line(name.span()), section, name.get_ref())).collect()
    }

    fn is_known(&self, section: &str, key: &str) -> bool {
        self.known.contains(&(section.to_owned(), key.to_owned()))
    }

    fn unknown_section(&self, line: usize, name: &str) -> Problem {
        let sections: BTreeSet<&str> =
            self.known.iter().map(|(section, _)| section.as_str()).filter(|section| !section.is_empty()).collect();
        let guess = guess(name, sections.iter().copied());
        Problem { line, what: format!("there is no section [{name}]{guess}; there are {}", joined(&sections)) }
    }

    fn unknown_key(&self, line: usize, section: &str, key: &str) -> Problem {
        let elsewhere = self.known.iter().find(|(other, known)| known == key && other != section);
        let what = match (elsewhere, section) {
            (Some((other, _)), _) if other.is_empty() => format!("{key} belongs before all sections"),
            (Some((other, _)), _) => format!("{key} belongs into the section [{other}]"),
            (None, _) => {
                let keys: BTreeSet<&str> =
                    self.known.iter().filter(|(other, _)| other == section).map(|(_, key)| key.as_str()).collect();
                format!("there is no key {key}{}; there are {}", guess(key, keys.iter().copied()), joined(&keys))
            }
        };
        Problem { line, what }
    }
}

fn joined(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// ", did you mean x?" where one of the names is near.
fn guess<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let near = names.map(|known| (strsim::jaro_winkler(name, known), known)).filter(|(near, _)| *near > 0.8);
    let best = near.max_by(|one, other| one.0.total_cmp(&other.0));
    best.map_or_else(String::new, |(_, known)| format!(", did you mean {known}?"))
}

fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}
