//! Draws a chart as SVG. No font is measured and no bitmap made: the viewer's own sans-serif is used.

use anyhow::anyhow;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Bars, Chart, Lines, Shape};
use crate::text::grouped;

const WIDTH: u32 = 760;
const HEIGHT: u32 = 420;
/// Room for the title, for what the axes mean, and for the names of the series.
const TITLE: i32 = 16;
const LEFT: u32 = 72;
const BOTTOM: u32 = 34;
const LEGEND: i32 = 46;
/// Told apart by most eyes, and dark enough on white.
const COLOURS: [RGBColor; 6] = [
    RGBColor(11, 110, 79),
    RGBColor(214, 137, 16),
    RGBColor(58, 110, 165),
    RGBColor(160, 60, 60),
    RGBColor(110, 80, 150),
    RGBColor(90, 90, 90),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = anyhow::Result<()>;

/// The chart as an SVG document.
///
/// # Errors
/// When it cannot be drawn.
pub fn svg(chart: &Chart) -> anyhow::Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE).map_err(wrong)?;
        write(&root, &chart.title, (WIDTH as i32 / 2, TITLE), 17, HPos::Center)?;
        match &chart.shape {
            Shape::Bars(bars) => draw_bars(&root, chart, bars)?,
            Shape::Lines(lines) if lines.log => {
                let (x, y) = (powers(lines, |point| point.0), powers(lines, |point| point.1));
                draw_lines(&root, chart, lines, x.log_scale(), y.log_scale())?;
            }
            Shape::Lines(lines) => {
                let (x, y) = (0.0..most(lines, |point| point.0), 0.0..most(lines, |point| point.1));
                draw_lines(&root, chart, lines, x, y)?;
            }
        }
        root.present().map_err(wrong)?;
    }
    Ok(text)
}

fn wrong(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

fn colour(series: usize) -> RGBColor {
    COLOURS[series % COLOURS.len()]
}

fn write(root: &Area<'_>, text: &str, at: (i32, i32), size: u32, side: HPos) -> Drawn {
    let style = TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(side, VPos::Center));
    root.draw_text(text, &style.color(&RGBColor(40, 40, 40)), at).map_err(wrong)
}

/// The names of the series with their colours, in one line under the title.
fn legend<'n>(root: &Area<'_>, names: impl Iterator<Item = &'n str>) -> Drawn {
    let mut left = LEFT as i32 + 14;
    for (series, name) in names.enumerate() {
        let mark = Rectangle::new([(left, LEGEND - 5), (left + 11, LEGEND + 6)], colour(series).filled());
        root.draw(&mark).map_err(wrong)?;
        write(root, name, (left + 17, LEGEND), 13, HPos::Left)?;
        left += 45 + 8 * name.chars().count() as i32;
    }
    Ok(())
}

/// A figure as an axis shows it.
fn figure(value: f64) -> String {
    if value >= 1_000.0 {
        return grouped(value.round() as u64);
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A figure above its bar: no more digits than can be compared.
fn short(value: f64) -> String {
    if value >= 100.0 { grouped(value.round() as u64) } else { figure(value) }
}

fn draw_bars(root: &Area<'_>, chart: &Chart, bars: &Bars) -> Drawn {
    let tallest = bars.series.iter().flat_map(|series| &series.values).map(|value| value.most).fold(0.0, f64::max);
    let groups = bars.labels.len();
    let top = if tallest > 0.0 { tallest * 1.15 } else { 1.0 };
    let mut context = ChartBuilder::on(root)
        .margin(14)
        .margin_top(64)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..groups as f64, 0.0..top)
        .map_err(wrong)?;
    let mut mesh = context.configure_mesh();
    mesh.disable_x_mesh().disable_x_axis().y_desc(&chart.y).y_label_formatter(&|value| figure(*value));
    mesh.light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(wrong)?;
    let width = 0.8 / bars.series.len().max(1) as f64;
    for (number, series) in bars.series.iter().enumerate() {
        for (group, value) in series.values.iter().enumerate().take(groups) {
            let left = group as f64 + 0.1 + number as f64 * width;
            let (middle, right) = (left + width * 0.46, left + width * 0.92);
            let bar = Rectangle::new([(left, 0.0), (right, value.median)], colour(number).filled());
            let range = PathElement::new([(middle, value.least), (middle, value.most)], BLACK);
            context.plotting_area().draw(&bar).map_err(wrong)?;
            context.plotting_area().draw(&range).map_err(wrong)?;
            let (x, y) = context.backend_coord(&(middle, value.most));
            write(root, &short(value.median), (x, y - 9), 12, HPos::Center)?;
        }
    }
    for (group, label) in bars.labels.iter().enumerate() {
        let (x, y) = context.backend_coord(&(group as f64 + 0.5, 0.0));
        write(root, label, (x, y + 16), 13, HPos::Center)?;
    }
    legend(root, bars.series.iter().map(|series| series.name.as_str()))
}

/// The end of an axis that holds every figure.
fn most(lines: &Lines, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let most = lines.series.iter().flat_map(|series| &series.points).map(of).fold(0.0, f64::max);
    if most > 0.0 { most * 1.08 } else { 1.0 }
}

/// From the power of ten below every figure to that above.
fn powers(lines: &Lines, of: impl Fn(&(f64, f64)) -> f64 + Copy) -> std::ops::Range<f64> {
    let figures = || lines.series.iter().flat_map(|series| &series.points).map(of).filter(|figure| *figure > 0.0);
    let (least, most) = (figures().fold(f64::MAX, f64::min), figures().fold(f64::MIN_POSITIVE, f64::max));
    if least > most {
        return 1.0..10.0;
    }
    let (low, high) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
    if low < high { low..high } else { low..low * 10.0 }
}

fn draw_lines<X, Y, XR, YR>(root: &Area<'_>, chart: &Chart, lines: &Lines, x: XR, y: YR) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    XR: AsRangedCoord<CoordDescType = X, Value = f64>,
    YR: AsRangedCoord<CoordDescType = Y, Value = f64>,
{
    let mut context = ChartBuilder::on(root)
        .margin(14)
        .margin_top(64)
        .margin_right(30)
        .x_label_area_size(BOTTOM + 12)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(x, y)
        .map_err(wrong)?;
    let mut mesh = context.configure_mesh();
    mesh.x_desc(&lines.x).y_desc(&chart.y);
    mesh.x_label_formatter(&|value| figure(*value)).y_label_formatter(&|value| figure(*value));
    mesh.light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(wrong)?;
    for (number, series) in lines.series.iter().enumerate() {
        let points = series.points.iter().filter(|point| !lines.log || (point.0 > 0.0 && point.1 > 0.0)).copied();
        if !lines.scatter {
            context.draw_series(LineSeries::new(points.clone(), colour(number).stroke_width(2))).map_err(wrong)?;
        }
        context.draw_series(points.map(|point| Circle::new(point, 3, colour(number).filled()))).map_err(wrong)?;
    }
    legend(root, lines.series.iter().map(|series| series.name.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::chart::{BarSeries, LineSeries};
    use crate::statistics::Spread;

    /// Every element closed in its order, every sign of markup in a text escaped: enough to know that a browser draws it.
    fn check_xml(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').unwrap();
            assert!(!text.contains('>'), "{text}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') || tag.starts_with('?') => {}
                None => open.push(tag.split([' ', '\n']).next().unwrap()),
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        }
        assert!(open.is_empty() && svg.starts_with("<svg"), "{open:?}");
    }

    fn bars() -> Chart {
        let series = |name: &str, values: &[f64]| BarSeries {
            name: name.to_owned(),
            values: values.iter().map(|value| Spread::of([*value, value * 1.5])).collect(),
        };
        let series = vec![series("Tandem <1>", &[1.0, 5.0]), series("Other & Co", &[2.0, 11.5])];
        let labels = vec!["1,000,000 rows".to_owned(), "5,000,000 rows".to_owned()];
        let shape = Shape::Bars(Bars { labels, series });
        Chart { title: "CPU".to_owned(), y: "CPU seconds".to_owned(), shape }
    }

    fn lines(log: bool, points: Vec<(f64, f64)>) -> Chart {
        let series = vec![LineSeries { name: "local Regions".to_owned(), points }];
        let shape = Shape::Lines(Lines { x: "rows".to_owned(), log, scatter: false, series });
        Chart { title: "Growth".to_owned(), y: "seconds".to_owned(), shape }
    }

    #[test]
    fn bars_are_drawn_with_every_label_and_every_figure() {
        let svg = svg(&bars()).unwrap();
        check_xml(&svg);
        for text in
            ["CPU seconds", "1,000,000 rows", "5,000,000 rows", "Tandem &lt;1&gt;", "Other &amp; Co", "1.25", "14.38"]
        {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }

    #[test]
    fn lines_are_drawn_on_plain_axes_and_in_powers_of_ten() {
        for (log, points) in [
            (false, vec![(0.0, 1.0), (7.0, 3.0)]),
            (true, vec![(1e4, 0.9), (1e7, 300.0)]),
            (true, Vec::new()),
            (false, Vec::new()),
        ] {
            let svg = svg(&lines(log, points)).unwrap();
            check_xml(&svg);
            assert!(["Growth", "seconds", "rows", "local Regions"].iter().all(|text| svg.contains(text)), "{svg}");
        }
    }

    #[test]
    fn a_chart_is_read_from_the_json_that_its_help_shows() {
        for chart in [bars(), lines(true, vec![(1.0, 2.0)])] {
            let json = serde_json::to_string(&chart).unwrap();
            assert_eq!(serde_json::from_str::<Chart>(&json).unwrap(), chart);
        }
        let shown = r#"{"title": "t", "y": "s", "lines": {"x": "rows", "log": true, "series": [{"name": "n", "points": [[10000, 0.9]]}]}}"#;
        assert!(serde_json::from_str::<Chart>(shown).is_ok());
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([12.65, 173.23].map(short), ["12.65", "173"]);
        assert_eq!([0.0, 0.5, 12.0, 3.256, 12_345.6].map(figure), ["0", "0.5", "12", "3.26", "12,346"]);
    }
}
