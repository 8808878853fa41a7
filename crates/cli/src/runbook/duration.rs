//! ISO 8601 durations of days, hours, minutes and seconds: `PT1M`, `PT0.5S`, `P1DT2H`.

use std::time::Duration;

/// The duration that a text names; `None` if it names none. Weeks, months and years are not known: they have no fixed length
/// or no use in a runbook.
pub fn parse(text: &str) -> Option<Duration> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let seconds = units(days, &[('D', 86_400.0)])? + units(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The sum of numbers, each before its unit, in the order of the units.
fn units(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    for (unit, length) in units {
        let Some((number, rest)) = text.split_once(*unit) else { continue };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        seconds += number.parse::<f64>().ok()? * length;
        text = rest;
    }
    text.is_empty().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_days_hours_minutes_and_seconds_are_known() {
        for (text, seconds) in [
            ("PT1M", 60.0),
            ("PT5S", 5.0),
            ("PT0.5S", 0.5),
            ("PT1H30M", 5_400.0),
            ("P1D", 86_400.0),
            ("P1DT1S", 86_401.0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_duration() {
        for text in ["", "P", "PT", "1M", "PT1", "PTM", "P1M", "PT1S1M", "PT-1S", "P1W", "PT1M ", "PT1e3S"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
