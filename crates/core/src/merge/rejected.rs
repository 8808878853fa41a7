//! Keeps a batch's first rejected rows in a table, where support can ask for them.

use futures::StreamExt;

use crate::csv::{Fields, Record, Records};
use crate::payload::BatchInput;
use crate::ports::{ReadObjects, RejectedRow, StoreRejects};
use crate::work::{Part, Summary, WorkError};

/// Rows that are kept.
const KEPT_ROWS: usize = 1_000;
/// Bytes of a record that are kept.
const KEPT_BYTES: usize = 4 * 1024;

/// Stores the batch's first rejected rows. Reads no more of the parts than it needs.
pub(super) async fn store<O: ReadObjects, S: StoreRejects>(
    objects: &O,
    rejects: &S,
    batch: &BatchInput,
    summaries: &[Summary],
) -> Result<(), WorkError> {
    let mut rows = Vec::new();
    for (index, summary) in summaries.iter().enumerate() {
        if summary.rows_rejected > 0 && rows.len() < KEPT_ROWS {
            read(objects, &batch.bucket, &summary.rejects, index == 0, &mut rows).await?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    Ok(rejects.store(&batch.batch_id, &rows).await?)
}

async fn read<O: ReadObjects>(
    objects: &O,
    bucket: &str,
    part: &Part,
    mut header: bool,
    rows: &mut Vec<RejectedRow>,
) -> Result<(), WorkError> {
    let mut body = objects.read(&part.object(bucket), None).await?;
    let mut records = Records::new(b',');
    let mut fields = Fields::new(b',');
    while let Some(bytes) = body.stream.next().await {
        records.push(bytes?);
        while let Some(record) = records.next() {
            if std::mem::take(&mut header) {
                continue;
            }
            let row = rejected_row(&fields.parse(record));
            rows.push(row.ok_or_else(|| WorkError::inconsistent(&part.key, "a rejected row cannot be read"))?);
            if rows.len() == KEPT_ROWS {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn rejected_row(record: &Record<'_>) -> Option<RejectedRow> {
    let text = |index| std::str::from_utf8(record.get(index)?).ok();
    Some(RejectedRow {
        row: text(0)?.parse().ok()?,
        field: text(1)?.to_owned(),
        rule: text(2)?.to_owned(),
        record: shortened(record.get(3)?),
    })
}

/// At most [`KEPT_BYTES`] of a record, as text, cut between two characters.
fn shortened(record: &[u8]) -> String {
    // A little more than is kept, so that a character which this cuts in two lies behind the end.
    let mut text = String::from_utf8_lossy(&record[..record.len().min(KEPT_BYTES + 4)]).into_owned();
    text.truncate(text.floor_char_boundary(KEPT_BYTES));
    text
}
