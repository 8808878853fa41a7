//! Patterns that say no more than which ASCII signs follow each other, matched without a regex engine.
//!
//! Taken are patterns from `^` to `$` of single signs, escaped punctuation and plain classes such as `[A-Z0-9-]`, each with or
//! without a repetition, as long as taking the longest repetition is never wrong. All else is left to `jsonschema`: a pattern
//! that is not surely understood must not be guessed.

/// Which bytes a step takes.
type Set = [bool; 256];

/// One sign, repeated.
#[derive(Debug)]
struct Step {
    signs: Box<Set>,
    least: usize,
    most: usize,
}

/// Steps that together take a whole text.
#[derive(Debug)]
pub(super) struct Sequence(Vec<Step>);

impl Sequence {
    /// The pattern, if it is one of those that are taken.
    pub(super) fn parse(pattern: &str) -> Option<Self> {
        let mut rest = pattern.strip_prefix('^')?.strip_suffix('$')?.as_bytes();
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let signs = Box::new(signs(&mut rest)?);
            let (least, most) = repetition(&mut rest)?;
            steps.push(Step { signs, least, most });
        }
        (0..steps.len()).all(|at| is_decided(&steps[at..])).then_some(Self(steps))
    }

    /// Whether the whole text fits. Outside ASCII nothing does: every byte of such a character is above 127.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        for Step { signs, least, most } in &self.0 {
            let taken = rest.iter().take(*most).take_while(|&&byte| signs[usize::from(byte)]).count();
            if taken < *least {
                return false;
            }
            rest = &rest[taken..];
        }
        rest.is_empty()
    }
}

/// Whether the first step may take all that it can: no sign that it takes could be meant for a step behind it.
fn is_decided(steps: &[Step]) -> bool {
    let Some((first, behind)) = steps.split_first() else { return true };
    if first.least == first.most {
        return true;
    }
    let mandatory = behind.iter().position(|step| step.least > 0).map_or(behind.len(), |at| at + 1);
    let apart = |step: &Step| first.signs.iter().zip(step.signs.iter()).all(|(one, other)| !(one & other));
    behind[..mandatory].iter().all(apart)
}

/// Takes what stands for one sign.
fn signs(rest: &mut &[u8]) -> Option<Set> {
    let mut set = [false; 256];
    match take(rest)? {
        b'[' => class(rest, &mut set)?,
        b'\\' => set[usize::from(take(rest).filter(|&byte| is_escapable(byte))?)] = true,
        byte if is_literal(byte) => set[usize::from(byte)] = true,
        _ => return None,
    }
    Some(set)
}

/// Takes a class behind its bracket, up to and with the closing one.
fn class(rest: &mut &[u8], set: &mut Set) -> Option<()> {
    if rest.first() == Some(&b']') {
        return None;
    }
    loop {
        match (take(rest)?, *rest) {
            (b']', _) => return Some(()),
            (b'-', [b']', ..]) => set[usize::from(b'-')] = true,
            (from, [b'-', to, ..]) if *to != b']' => {
                set.get_mut(range(from, *to)?)?.fill(true);
                *rest = &rest[2..];
            }
            (byte, _) if byte.is_ascii_alphanumeric() || b" _.,/:@".contains(&byte) => set[usize::from(byte)] = true,
            _ => return None,
        }
    }
}

/// A range inside the digits or inside one case of the letters.
fn range(from: u8, to: u8) -> Option<std::ops::RangeInclusive<usize>> {
    let kinds = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase];
    let plain = from <= to && kinds.iter().any(|is| is(&from) && is(&to));
    plain.then_some(usize::from(from)..=usize::from(to))
}

/// Takes a repetition, or none, which is one time.
fn repetition(rest: &mut &[u8]) -> Option<(usize, usize)> {
    let (bounds, length) = match rest.first() {
        Some(b'?') => ((0, 1), 1),
        Some(b'*') => ((0, usize::MAX), 1),
        Some(b'+') => ((1, usize::MAX), 1),
        Some(b'{') => {
            let end = memchr::memchr(b'}', rest)?;
            (counts(std::str::from_utf8(&rest[1..end]).ok()?)?, end + 1)
        }
        _ => ((1, 1), 0),
    };
    *rest = &rest[length..];
    (bounds.0 <= bounds.1).then_some(bounds)
}

/// What stands between braces.
fn counts(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match text.split_once(',') {
        None => number(text).map(|count| (count, count)),
        Some((least, "")) => Some((number(least)?, usize::MAX)),
        Some((least, most)) => Some((number(least)?, number(most)?)),
    }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(byte)
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" _-,:;/@#%&=~!'\"<>".contains(&byte)
}

fn is_escapable(byte: u8) -> bool {
    b".-/\\()[]{}*+?|^$".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::Sequence;

    #[test]
    fn what_is_not_surely_understood_is_not_taken() {
        for pattern in [
            "",
            "^",
            "a",
            "^a",
            "a$",
            "^a|b$",
            "^(a)$",
            "^.$",
            r"^\d$",
            r"^\w+$",
            r"^\s$",
            "^é$",
            "^[é]$",
            "^[^a]$",
            "^[]$",
            "^[]a]$",
            "^[a&&b]$",
            "^[a-Z]$",
            "^[z-a]$",
            "^[-a]$",
            "^[[:alpha:]]$",
            r"^[\d]$",
            "^a{,3}$",
            "^a{ 1}$",
            "^a{+1}$",
            "^a{2,1}$",
            "^a{1}{2}$",
            "^a+?$",
            "^a??$",
            "^a$b$",
            "^^a$",
            "^a{1$",
            r"^a\$",
            // The longest repetition would be wrong.
            "^[a-z]*a$",
            "^[A-Z]{1,3}[A-Z]$",
            "^a?b?a$",
            "^(?i)a$",
        ] {
            assert!(Sequence::parse(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn a_sequence_takes_the_whole_text_and_nothing_but_ascii() {
        for (pattern, fits, fails) in [
            (
                "^[0-9]{9}$",
                vec!["123456789"],
                vec!["", "12345678", "1234567890", "12345678x", "12345678\n", "１23456789"],
            ),
            ("^[A-Z]{3}-[0-9]{4,8}$", vec!["ABC-1234", "ABC-12345678"], vec!["ABC-123", "AB-1234", "ABC-123456789"]),
            ("^a?b*c+\\.$", vec!["c.", "abbcc."], vec!["a.", "c", "c.."]),
            ("^[a-c-]{2,}$", vec!["a-", "--b"], vec!["a", "ad"]),
            ("^$", vec![""], vec!["a", "\n"]),
            (r"^a\\$", vec!["a\\"], vec!["a", "a$"]),
        ] {
            let sequence = Sequence::parse(pattern);
            let verdict = |text: &&str| sequence.as_ref().is_some_and(|sequence| sequence.matches(text));
            assert!(fits.iter().all(verdict), "{pattern} should fit {fits:?}");
            assert!(!fails.iter().any(verdict), "{pattern} should not fit any of {fails:?}");
        }
    }
}
