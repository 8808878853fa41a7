//! What the owner of a file is told.
//!
//! The words stand in `assets/email/`; this module fills them in. What comes from a file's name or content is escaped in
//! HTML by the templates and stripped of control characters here, so that it can neither mark up nor add a header line, and
//! addresses in a name are broken, so that the only links of a mail are ours.

use askama::Template;

use crate::dataset::folder_of_no_dataset;
use crate::payload::{BatchInput, MergeOutput, ReasonCount};
use crate::ports::Email;
use crate::text::{is_deceptive, unlinked};

/// A link in an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    /// The name under which a browser saves what it leads to.
    pub file_name: String,
}

/// The links of a delivered batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// To the output.
    pub output: Link,
    /// To the rejects file.
    pub rejects: Link,
    /// When both expire.
    pub expires: String,
}

/// The e-mail of a delivered batch.
#[must_use]
pub fn delivered(batch: &BatchInput, merge: &MergeOutput, links: &Links) -> Email {
    let mail = Delivered {
        file_name: unlinked(&file_name(&batch.key)),
        key: unlinked(&printable(&batch.key)),
        batch_id: batch.batch_id.to_string(),
        dataset: batch.dataset.clone(),
        rows_in: merge.rows_in,
        rows_out: merge.rows_out,
        rows_rejected: merge.rows_rejected,
        reasons: merge.reasons.iter().map(reason_line).collect(),
        output_url: links.output.url.clone(),
        output_name: links.output.file_name.clone(),
        rejects_url: links.rejects.url.clone(),
        rejects_name: links.rejects.file_name.clone(),
        expires: links.expires.clone(),
    };
    Email {
        subject: format!("Delivered: {} ({} of {} rows)", mail.file_name, mail.rows_out, mail.rows_in),
        text: rendered(&DeliveredText { mail: &mail }),
        html: rendered(&DeliveredHtml { mail: &mail }),
    }
}

/// The e-mail of a batch whose file is at fault.
#[must_use]
pub fn failed(batch: &BatchInput, reason: &str) -> Email {
    let mail = Failed::of(batch, reason);
    Email {
        subject: format!("Failed: {}", mail.file_name),
        text: rendered(&FailedText { mail: &mail }),
        html: rendered(&FailedHtml { mail: &mail }),
    }
}

/// The e-mail of a batch whose attempts are used up, through no fault of its file.
#[must_use]
pub fn given_up(batch: &BatchInput, reason: &str) -> Email {
    let mail = Failed::of(batch, reason);
    Email {
        subject: format!("Not processed: {}", mail.file_name),
        text: rendered(&GivenUpText { mail: &mail }),
        html: rendered(&GivenUpHtml { mail: &mail }),
    }
}

/// The name of an input's file without its folder and without `.csv`, fit for the name of a download.
#[must_use]
pub fn file_stem(key: &str) -> String {
    let name = file_name(key);
    let stem = name.strip_suffix(".csv").unwrap_or(&name);
    if stem.is_empty() { String::from("tandem") } else { stem.to_owned() }
}

/// The last segment of a key, shortened where it would not fit a subject line, or would be more than a name in a sentence.
fn file_name(key: &str) -> String {
    const SHOWN: usize = 120;
    let name = printable(key.rsplit('/').next().unwrap_or(key));
    if name.chars().count() <= SHOWN {
        return name;
    }
    // Both ends of a name tell files apart: `orders-....-2026-01.csv`.
    let letters: Vec<char> = name.chars().collect();
    let head: String = letters[..SHOWN / 2].iter().collect();
    let tail: String = letters[letters.len() - SHOWN / 2..].iter().collect();
    format!("{head}…{tail}")
}

/// Text without control characters, of which a line break could add a header line, and without marks that turn what follows.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if is_deceptive(letter) { '\u{fffd}' } else { letter }).collect()
}

/// One reason for rejection as a line: `uuid: pattern (12 rows)`.
fn reason_line(reason: &ReasonCount) -> String {
    let rows = if reason.count == 1 { "row" } else { "rows" };
    let subject = if reason.field.is_empty() { "record" } else { &reason.field };
    format!("{}: {} ({} {rows})", printable(subject), printable(&reason.rule), reason.count)
}

/// A filled-in template. Rendering to memory fails only if a template's own expression does, and these have none that can.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_default()
}

struct Delivered {
    file_name: String,
    key: String,
    batch_id: String,
    dataset: String,
    rows_in: u64,
    rows_out: u64,
    rows_rejected: u64,
    reasons: Vec<String>,
    output_url: String,
    output_name: String,
    rejects_url: String,
    rejects_name: String,
    expires: String,
}

struct Failed {
    file_name: String,
    key: String,
    batch_id: String,
    dataset: String,
    /// The file's folder, if it is not the dataset's.
    folder: Option<String>,
    reason: String,
}

impl Failed {
    fn of(batch: &BatchInput, reason: &str) -> Self {
        Self {
            file_name: unlinked(&file_name(&batch.key)),
            key: unlinked(&printable(&batch.key)),
            batch_id: batch.batch_id.to_string(),
            dataset: batch.dataset.clone(),
            folder: folder_of_no_dataset(&batch.key, &batch.dataset).map(|folder| unlinked(&file_name(folder))),
            reason: printable(reason),
        }
    }
}

#[derive(Template)]
#[template(path = "delivered.txt", escape = "none")]
struct DeliveredText<'a> {
    mail: &'a Delivered,
}

#[derive(Template)]
#[template(path = "delivered.html")]
struct DeliveredHtml<'a> {
    mail: &'a Delivered,
}

#[derive(Template)]
#[template(path = "failed.txt", escape = "none")]
struct FailedText<'a> {
    mail: &'a Failed,
}

#[derive(Template)]
#[template(path = "failed.html")]
struct FailedHtml<'a> {
    mail: &'a Failed,
}

#[derive(Template)]
#[template(path = "given-up.txt", escape = "none")]
struct GivenUpText<'a> {
    mail: &'a Failed,
}

#[derive(Template)]
#[template(path = "given-up.html")]
struct GivenUpHtml<'a> {
    mail: &'a Failed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Attempt, BatchId};

    fn batch(key: &str) -> BatchInput {
        BatchInput {
            batch_id: BatchId::of(key, "e"),
            attempt: Attempt::FIRST,
            first_attempt: Attempt::FIRST,
            bucket: "b".into(),
            key: key.into(),
            etag: "e".into(),
            version_id: None,
            size: 1,
            dataset: "sales-orders".into(),
        }
    }

    fn merge(rows_in: u64) -> MergeOutput {
        MergeOutput {
            output_key: "o".into(),
            output_version: None,
            rejects_key: "r".into(),
            rejects_version: None,
            rows_in,
            rows_out: rows_in,
            rows_rejected: 0,
            bytes_out: 1,
            reasons: Vec::new(),
        }
    }

    fn links() -> Links {
        let link = |url: &str| Link { url: url.into(), file_name: "f.csv".into() };
        Links {
            output: link("https://example.com/o?a=1&b=2"),
            rejects: link("https://example.com/r"),
            expires: "2026-01-01T00:00:00.000Z".into(),
        }
    }

    #[test]
    fn a_file_name_cannot_mark_up_the_mail_nor_add_a_header() {
        let mail = delivered(&batch("input/<script>alert(1)</script>\r\nBcc: x@example.com.csv"), &merge(1), &links());
        assert!(!mail.html.contains("<script>"), "{}", mail.html);
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
    }

    #[test]
    fn a_file_name_cannot_turn_the_reading_direction() {
        let mail = delivered(&batch("input/\u{202e}vsc.orders\u{2066}.csv"), &merge(1), &links());
        for text in [&mail.subject, &mail.text, &mail.html] {
            assert!(!text.contains(['\u{202e}', '\u{2066}']) && text.contains("vsc[.]orders"), "{text}");
        }
        let mail = failed(&batch("input/a.csv"), "The column \"\u{202e}x\" is missing.");
        assert!(!mail.text.contains('\u{202e}'), "{}", mail.text);
    }

    #[test]
    fn a_file_name_cannot_put_a_link_into_the_mail() {
        let batch = batch("input/https://example.org/www.example.net.csv");
        for mail in [delivered(&batch, &merge(1), &links()), failed(&batch, "r"), given_up(&batch, "r")] {
            for text in [&mail.subject, &mail.text, &mail.html] {
                assert!(!text.contains("://example.org") && !text.contains("example.net"), "{text}");
                assert!(text.contains("www[.]example[.]net.csv"), "{text}");
            }
        }
    }

    #[test]
    fn a_reason_from_a_files_content_is_escaped() {
        let mail = failed(&batch("input/a.csv"), "The column \"<b>\" is missing.");
        assert!(mail.html.contains("&#60;b&#62;") || mail.html.contains("&lt;b&gt;"), "{}", mail.html);
        assert!(mail.text.contains("\"<b>\""), "{}", mail.text);
    }

    #[test]
    fn every_mail_says_as_which_dataset_the_file_was_read_and_a_failed_one_that_its_folder_named_none() {
        let mails = |key: &str| {
            let batch = batch(key);
            [failed(&batch, "r"), given_up(&batch, "r"), delivered(&batch, &merge(1), &links())]
        };
        for key in ["input/a.csv", "input/sales-orders/a.csv", "input/<loans>/a.csv"] {
            for mail in mails(key) {
                assert!(mail.text.contains("Dataset: sales-orders\n"), "{}", mail.text);
                assert!(mail.html.contains("Dataset: sales-orders<br>"), "{}", mail.html);
            }
        }
        let [mail, ..] = mails("input/<loans>/a.csv");
        assert!(mail.text.contains("folder \"<loans>\" named no dataset"), "{}", mail.text);
        assert!(mail.html.contains("loans") && !mail.html.contains("<loans>"), "{}", mail.html);
        let [mail, ..] = mails(&format!("input/{}/a.csv", "x".repeat(900)));
        assert!(mail.text.lines().all(|line| line.len() < 400 || line.starts_with("File:")), "{}", mail.text);
        let [mail, ..] = mails("input/sales-orders/a.csv");
        assert!(!mail.text.contains("named no dataset") && !mail.html.contains("named no dataset"), "{}", mail.text);
    }

    #[test]
    fn whoever_is_told_of_used_up_attempts_is_told_that_the_file_is_not_at_fault() {
        let mail = given_up(&batch("input/a.csv"), "ServiceUnavailable: <b>");
        assert!(mail.text.contains("not your file") && mail.text.contains("ServiceUnavailable: <b>"), "{}", mail.text);
        assert!(mail.html.contains("not your file") && !mail.html.contains("<b>:"), "{}", mail.html);
    }

    #[test]
    fn a_delivered_mail_holds_rows_reasons_links_and_their_expiry() {
        let mut merged = merge(10);
        merged.rows_out = 8;
        merged.rows_rejected = 2;
        merged.reasons = vec![ReasonCount { field: "uuid".into(), rule: "pattern".into(), count: 2 }];
        let mail = delivered(&batch("input/a.csv"), &merged, &links());
        assert_eq!(mail.subject, "Delivered: a.csv (8 of 10 rows)");
        for part in ["10", "8", "uuid: pattern (2 rows)", "https://example.com/o?a=1&b=2", "2026-01-01T00:00:00.000Z"] {
            assert!(mail.text.contains(part), "{part} in {}", mail.text);
        }
        assert!(mail.html.contains("https://example.com/r"));
    }

    #[test]
    fn a_file_without_rows_is_said_to_have_none() {
        assert!(delivered(&batch("input/a.csv"), &merge(0), &links()).text.contains("0 rows"));
        assert!(!delivered(&batch("input/a.csv"), &merge(1), &links()).text.contains("0 rows:"));
    }

    #[test]
    fn a_subject_stays_short_and_keeps_both_ends_of_a_long_name() {
        let key = format!("input/start{}end.csv", "x".repeat(900));
        let mail = failed(&batch(&key), "r");
        assert!(mail.subject.chars().count() < 150);
        assert!(mail.subject.contains("start") && mail.subject.contains("end.csv"));
    }
}
