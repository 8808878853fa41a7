//! The datasets whose batches end without an e-mail.

use std::collections::BTreeSet;

use super::{DatasetError, Notify, definition};

/// Names of the datasets that say `"notify": "nobody"`. Of any other, and of one that is not known, the owner is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SilentDatasets(BTreeSet<String>);

impl SilentDatasets {
    /// Reads who is told from definitions, given as name and content of each file. What else they say is not looked at: every
    /// other function refuses to start on a definition that is wrong.
    ///
    /// # Errors
    /// [`DatasetError`] of the first that is no JSON, or says something else than whom to tell.
    pub fn read<N: AsRef<str>, B: AsRef<[u8]>>(
        definitions: impl IntoIterator<Item = (N, B)>,
    ) -> Result<Self, DatasetError> {
        let mut silent = BTreeSet::new();
        for (name, definition) in definitions {
            if definition::notify(name.as_ref(), definition.as_ref())? == Notify::Nobody {
                silent.insert(name.as_ref().to_owned());
            }
        }
        Ok(Self(silent))
    }

    /// Whether nobody is told of this dataset's batches.
    #[must_use]
    pub fn contains(&self, dataset: &str) -> bool {
        self.0.contains(dataset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_who_says_so_is_silent() {
        let definitions = [("a", "{}"), ("b", r#"{"notify": "nobody", "rules": 7}"#), ("c", r#"{"notify": "owner"}"#)];
        let silent = SilentDatasets::read(definitions).unwrap();
        assert_eq!(["a", "b", "c", "unknown"].map(|name| silent.contains(name)), [false, true, false, false]);
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_that_names_the_dataset() {
        for wrong in ["", r#"{"notify": "none"}"#, r#"{"notify": null}"#] {
            let message = SilentDatasets::read([("a", wrong)]).unwrap_err().to_string();
            assert!(message.starts_with("dataset a: "), "{message}");
        }
    }
}
