//! The links to a batch's result. Whoever has one can read the file, so they are printed as a result and nowhere else.

use anyhow::Context;
use tandem_core::batch::{BatchId, BatchRecord};
use tandem_core::ports::Presign;

/// File name of the output.
pub const OUTPUT: &str = "output.csv";
/// File name of the rejected rows.
pub const REJECTS: &str = "rejects.csv";

/// The batch that a text of ours is about: its links lead to a folder that is named after it.
pub fn batch_named_in(text: &str) -> Option<String> {
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.find_map(|word| Some(word.parse::<BatchId>().ok()?.to_string()))
}

/// Links to the result of a batch.
pub struct Links {
    /// To the output.
    pub output: String,
    /// To the rejected rows.
    pub rejects: Option<String>,
}

/// Links to the result of a batch that was delivered.
///
/// # Errors
/// When the batch has no output, or nothing can be signed.
pub async fn of(presign: &impl Presign, record: &BatchRecord) -> anyhow::Result<Links> {
    let key = record.output_key.as_deref();
    let key = key.with_context(|| format!("batch {} has no output: it is {}", record.batch_id, record.status))?;
    let output = presign.presign(key, record.output_version.as_deref(), OUTPUT).await?;
    let rejects = match &record.rejects_key {
        Some(key) => Some(presign.presign(key, record.rejects_version.as_deref(), REJECTS).await?),
        None => None,
    };
    Ok(Links { output, rejects })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_of_an_email_is_the_one_whose_id_it_names() {
        let id = "0123456789abcdef0123456789abcdef";
        let text = format!("Output: https://x.mrap.example/output/{id}/output.csv?v=1\n");
        assert_eq!(batch_named_in(&text).as_deref(), Some(id));
        assert_eq!(batch_named_in("nothing of it"), None);
    }
}
