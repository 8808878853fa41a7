//! Errors as one sentence for the page: what everybody meets is told with its remedy.

use crate::exit::known_trouble;
use crate::terminal::brief;

/// What the SDK says before the causes of a call that was not answered.
const NOT_SENT: &str = "dispatch failure: ";

/// An error and its causes in one line; without links, which are as good as what they lead to.
pub fn sentence(error: &anyhow::Error) -> String {
    plain(&format!("{error:#}"))
}

/// A text of unknown length as one line, or what is known to be behind it.
pub fn plain(text: &str) -> String {
    match (known_trouble(text), text.split_once(NOT_SENT)) {
        (Some(known), _) => known.to_owned(),
        (None, Some((_, causes))) => {
            let last = causes.rsplit(": ").next().unwrap_or(causes);
            format!("it does not answer ({})", brief(last))
        }
        (None, None) => without_links(&brief(text)),
    }
}

/// A text of one line without links, which are as good as what they lead to.
pub fn without_links(text: &str) -> String {
    let word = |word: &str| if word.contains("X-Amz-Signature") { String::from("(a link)") } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn what_everybody_meets_is_told_with_its_remedy() {
        for (text, remedy) in [
            (
                "dynamodb:Scan failed: ExpiredTokenException: The security token included in the request is expired",
                "renew",
            ),
            ("s3:PutObject failed: RequestTimeTooSkewed: The difference is too large", "clock"),
            ("sts: InvalidSignatureException: Signature expired: 20261121T000000Z is now earlier than", "clock"),
        ] {
            assert!(sentence(&anyhow!("{text}")).contains(remedy), "{text}");
        }
    }

    #[test]
    fn a_call_that_is_not_answered_is_told_by_the_last_of_its_causes() {
        let text = "s3:GetObject failed: dispatch failure: other: client error (SendRequest): connection closed";
        assert_eq!(plain(text), "it does not answer (connection closed)");
    }

    #[test]
    fn a_sentence_is_one_line_and_holds_no_link() {
        let error = anyhow!("no\nanswer from https://x/output.csv?X-Amz-Signature=abc here");
        assert_eq!(sentence(&error), "no answer from (a link) here");
        assert!(sentence(&anyhow!("{}", "long ".repeat(200))).len() < 200);
    }
}
