//! A load test's files: when each was uploaded, and how long it took.

use serde::Deserialize;

use super::{Chart, LineSeries, Lines, Shape};

/// What `scripts/load-test.sh` writes, as far as it is drawn.
#[derive(Debug, Deserialize)]
pub struct LoadTest {
    files: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    /// Seconds from the start of the test to the end of the upload.
    uploaded_after: f64,
    /// Seconds from there to its end; none where it had none.
    seconds: Option<f64>,
    outcome: String,
}

/// A point for each file, the outcomes apart.
pub fn chart(test: &LoadTest) -> Chart {
    let mut outcomes: Vec<&str> = test.files.iter().map(|file| file.outcome.as_str()).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    let series = outcomes.into_iter().map(|outcome| {
        let files = test.files.iter().filter(|file| file.outcome == outcome);
        let points = files.map(|file| (file.uploaded_after, file.seconds.unwrap_or_default())).collect();
        LineSeries { name: outcome.to_owned(), points }
    });
    Chart {
        title: format!("From upload to delivery, {} files", test.files.len()),
        y: String::from("seconds to delivery"),
        shape: Shape::Lines(Lines {
            x: String::from("uploaded after (seconds)"),
            log: false,
            scatter: true,
            series: series.collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_file_is_a_point_among_those_of_its_outcome() {
        let json = r#"{"files": [
            {"key": "a", "uploaded_after": 0.5, "seconds": 2.0, "outcome": "delivered"},
            {"key": "b", "uploaded_after": 1.5, "seconds": null, "outcome": "lost"},
            {"key": "c", "uploaded_after": 2.5, "seconds": 3.0, "outcome": "delivered"}]}"#;
        let chart = chart(&serde_json::from_str(json).unwrap());
        let Shape::Lines(lines) = chart.shape else { unreachable!() };
        let points: Vec<_> =
            lines.series.iter().map(|series| (series.name.as_str(), series.points.as_slice())).collect();
        assert_eq!(points, [("delivered", &[(0.5, 2.0), (2.5, 3.0)][..]), ("lost", &[(1.5, 0.0)][..])]);
    }
}
