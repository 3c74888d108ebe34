//! The curves: a panel for each column of the table, a line for each row.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::curves::Point;
use super::results::{Results, Section};
use super::settings::{Quantity, X};
use crate::failure::{Failure, Outcome};
use crate::plot::power;

/// Okabe and Ito's colours, which the colour-blind can tell apart; yellow is too pale for lines.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(140, 140, 140),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(228, 228, 228);
const FONT: &str = "sans-serif";
const PANEL: (u32, u32) = (320, 260);
/// Panels side by side.
const COLUMNS: usize = 4;
/// Height of a line of the legend.
const LINE: u32 = 22;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

pub fn svg(results: &Results<'_>) -> Outcome<String> {
    let mut text = String::new();
    draw(results, &mut text).map_err(|error| Failure::new(format!("plot: {error}")))?;
    Ok(text)
}

/// One panel: the curves of each row.
struct Panel<'a> {
    title: String,
    rows: Vec<Line<'a>>,
}

/// One row's curves, one for each seed.
struct Line<'a> {
    style: ShapeStyle,
    dashed: bool,
    seeds: Vec<&'a [Point]>,
}

fn panels<'a>(results: &Results<'a>) -> Vec<Panel<'a>> {
    let (rows, columns) = (results.rows().len(), results.columns());
    let panel = |section: &Section, column: usize| {
        let names = [section.title.clone(), columns[column].clone()];
        let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
        Panel {
            title: names.join(", "),
            rows: (0..rows)
                .map(|row| {
                    let (style, dashed) = style(row);
                    Line {
                        style,
                        dashed,
                        seeds: results.curves(section, row, column),
                    }
                })
                .collect(),
        }
    };
    let sections = results.sections();
    let panels = sections
        .iter()
        .flat_map(|section| (0..columns.len()).map(move |column| (section, column)));
    panels
        .map(|(section, column)| panel(section, column))
        .collect()
}

/// A row's colour, and whether its line is dashed: the ninth starts over with dashes.
fn style(row: usize) -> (ShapeStyle, bool) {
    (
        COLOURS[row % COLOURS.len()].stroke_width(2),
        row / COLOURS.len() % 2 == 1,
    )
}

fn draw(results: &Results<'_>, text: &mut String) -> Drawn {
    let panels = panels(results);
    let scale = Scale::of(results, &panels);
    let across = panels.len().clamp(2, COLUMNS);
    let down = panels.len().div_ceil(across) as u32;
    // A name takes the room of a panel, or of two if it is long.
    let names = results.rows();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let each = if longest.unwrap_or(0) > 34 { 2 } else { 1 };
    let legend = names.len() + 1;
    let beside = (across / each).max(1);
    let bottom = LINE * (legend.div_ceil(beside) as u32 + 1) + 10;
    let width = PANEL.0 * across as u32;

    let root = SVGBackend::with_string(text, (width, PANEL.1 * down + bottom)).into_drawing_area();
    root.fill(&WHITE)?;
    let (top, below) = root.split_vertically(PANEL.1 * down);
    for (panel, area) in panels.iter().zip(top.split_evenly((down as usize, across))) {
        scale.panel(panel, &area)?;
    }
    draw_legend(results, &below, beside, PANEL.0 as i32 * each as i32)?;
    root.present()?;
    Ok(())
}

/// What all panels have in common.
struct Scale {
    x: X,
    y: Quantity,
    right: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(results: &Results<'_>, panels: &[Panel<'_>]) -> Self {
        let mut scale = Scale {
            x: results.settings.plot.x,
            y: results.settings.y(),
            right: 1.0,
            low: 0.0,
            high: 100.0,
        };
        let points = || {
            let rows = panels.iter().flat_map(|panel| &panel.rows);
            rows.flat_map(|row| &row.seeds).flat_map(|seed| seed.iter())
        };
        scale.right = points()
            .map(|point| scale.across(point))
            .fold(1.0, f64::max);
        if scale.y != Quantity::Accuracy {
            let heights = || {
                let heights = points().map(|point| scale.height(point));
                heights.filter(|y| y.is_finite())
            };
            let least = heights().fold(f64::INFINITY, f64::min);
            let most = heights().fold(f64::NEG_INFINITY, f64::max);
            (scale.low, scale.high) = match scale.y {
                // What diverges would leave no room for the others.
                Quantity::Loss => (0.0, (3.0 * middle(heights())).min(most).max(1e-3)),
                _ if least <= most => (least.floor(), most.ceil().max(least.floor() + 1.0)),
                _ => (-1.0, 0.0),
            };
        }
        scale
    }

    fn is_log(&self) -> bool {
        self.y.needs_optimum()
    }

    fn across(&self, point: &Point) -> f64 {
        match self.x {
            X::Step => point.step as f64,
            X::Gradients => point.gradients as f64,
        }
    }

    /// Percents, or the logarithm of a distance; none of a distance of zero is left out.
    fn height(&self, point: &Point) -> f64 {
        let value = point.value(self.y);
        match self.y {
            Quantity::Accuracy => 100.0 * value,
            Quantity::Loss => value,
            Quantity::Gap | Quantity::Distance => match value.is_nan() {
                true => value,
                false => value.max(1e-20).log10(),
            },
        }
    }

    fn points(&self, seed: &[Point]) -> Vec<(f64, f64)> {
        let points = seed
            .iter()
            .map(|point| (self.across(point), self.height(point)));
        let shown = points.filter(|(_, y)| y.is_finite());
        shown
            .map(|(x, y)| (x, y.clamp(self.low, self.high)))
            .collect()
    }

    fn label(&self, y: f64) -> String {
        match self.y {
            Quantity::Accuracy => format!("{y:.0} %"),
            _ if self.is_log() => match y.fract() == 0.0 {
                true => power(y as i32),
                false => String::new(),
            },
            _ => format!("{y:.1}"),
        }
    }

    fn panel(&self, panel: &Panel<'_>, area: &Area<'_>) -> Drawn {
        let size = if panel.title.chars().count() > 30 {
            12
        } else {
            17
        };
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, (FONT, size).into_font().color(&INK))
            .margin(8)
            .margin_right(16)
            .x_label_area_size(34)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..self.right, self.low..self.high)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style((FONT, 13).into_font().color(&INK))
            .axis_desc_style((FONT, 13).into_font().color(&INK))
            .x_labels(4)
            .y_labels(6)
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| self.label(*y))
            .x_desc(match self.x {
                X::Step => "step",
                X::Gradients => "gradients",
            })
            .draw()?;
        // The first row is drawn last, over the others.
        for line in panel.rows.iter().rev() {
            let several = line.seeds.len() > 1;
            for &seed in &line.seeds {
                let points = self.points(seed);
                let ends = seed
                    .last()
                    .is_some_and(|last| !last.value(self.y).is_finite());
                if ends && let Some(&end) = points.last() {
                    chart.draw_series([Cross::new(end, 5, line.style)])?;
                }
                if several {
                    let thin = line.style.color.mix(0.3).stroke_width(1);
                    chart.draw_series(LineSeries::new(points, thin))?;
                }
            }
            let points = self.mean(&line.seeds);
            if line.dashed {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, line.style))?;
            } else {
                chart.draw_series(LineSeries::new(points, line.style))?;
            }
        }
        Ok(())
    }

    /// The mean over the seeds, as far as all of them have a point there: of the heights, so that of
    /// distances it is the geometric one.
    fn mean(&self, seeds: &[&[Point]]) -> Vec<(f64, f64)> {
        let curves: Vec<_> = seeds.iter().map(|seed| self.points(seed)).collect();
        let length = curves.iter().map(Vec::len).min().unwrap_or(0);
        let at = |i: usize| {
            let sum = |of: fn(&(f64, f64)) -> f64| curves.iter().map(|c| of(&c[i])).sum::<f64>();
            let count = curves.len() as f64;
            (sum(|point| point.0) / count, sum(|point| point.1) / count)
        };
        (0..length).map(at).collect()
    }
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(1.0)
}

/// Thousands and millions have letters.
fn short(x: f64) -> String {
    match x {
        x if x >= 1e6 => format!("{}M", (x / 1e5).round() / 10.0),
        x if x >= 1e4 => format!("{}k", (x / 100.0).round() / 10.0),
        x => format!("{x:.0}"),
    }
}

fn draw_legend(results: &Results<'_>, area: &Area<'_>, beside: usize, width: i32) -> Drawn {
    let font = (FONT, 14).into_font().color(&INK);
    let what = match results.settings.y() {
        Quantity::Accuracy => "accuracy",
        Quantity::Loss => "loss",
        Quantity::Gap => "f(x) − f(x*)",
        Quantity::Distance => "‖x − x*‖²",
    };
    let by = &results.settings.table.rows;
    let by = by.rsplit('.').next().unwrap_or(by);
    let title = format!("{what} by {by}");
    area.draw(&Text::new(
        title,
        (30, 0),
        (FONT, 15).into_font().color(&INK),
    ))?;
    let place = |i: usize| {
        let (column, row) = (i % beside, i / beside);
        (
            width * column as i32,
            (LINE as usize * (row + 1) + 10) as i32,
        )
    };
    let names = results.rows();
    for (row, name) in names.iter().enumerate() {
        let (x, y) = place(row);
        let (style, dashed) = style(row);
        let parts = match dashed {
            true => vec![(30, 36), (42, 48), (54, 60)],
            false => vec![(30, 60)],
        };
        for (from, to) in parts {
            area.draw(&PathElement::new([(x + from, y), (x + to, y)], style))?;
        }
        area.draw(&Text::new(name.clone(), (x + 70, y - 7), font.clone()))?;
    }
    let (x, y) = place(names.len());
    area.draw(&Cross::new((x + 45, y), 5, INK.stroke_width(2)))?;
    area.draw(&Text::new("not finite any more", (x + 70, y - 7), font))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::curves::tests::{config, point};
    use crate::train::plan::Plan;

    fn plot(text: &str, last: impl Fn(&mut Point)) -> String {
        let config = config(text);
        let plans = Plan::all(&config).unwrap();
        let points: Vec<_> = (0..config.cells.len())
            .flat_map(|cell| {
                let mut end = point(cell, 5, 0.9);
                last(&mut end);
                [point(cell, 0, 0.1), end]
            })
            .collect();
        svg(&Results::new(&config, &plans, &points)).unwrap()
    }

    #[test]
    fn rows_and_columns_have_names() {
        let grid = "[grid]\nrule = [\"mean\", \"krum(f={f})\"]\nattack = [\"nan\", \"none\"]\nseed = [1, 2]";
        let svg = plot(grid, |_| ());
        for text in [
            "<svg",
            "krum(f=4)",
            "mean",
            "NaN",
            "no attack",
            "80 %",
            "</svg>",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn distances_have_powers_of_ten() {
        let text = "[data]\nset = \"libsvm\"\npath = \"x\"\n[model]\nkind = \"logistic\"\n\
            [table]\nvalue = \"distance\"\n[plot]\nx = \"gradients\"";
        for distance in [1e-9, 0.0, f64::NAN] {
            let svg = plot(text, |point| point.distance = Some(distance));
            assert!(svg.contains("gradients") && svg.contains("‖x − x*‖²"));
            assert!(!svg.contains("NaN"));
        }
        assert!(plot(text, |point| point.distance = Some(1e-9)).contains("10⁻⁹"));
    }

    #[test]
    fn long_names_and_many_rows_fit() {
        let rules: Vec<_> = (1..30)
            .map(|i| format!("\"bucketing(ctma(nnm(rfa(iterations=8),f=1),f=1),s=2,seed={i})\""))
            .collect();
        let text = format!("[grid]\nrule = [{}]", rules.join(","));
        assert!(plot(&text, |point| point.accuracy = f64::NAN).contains("seed=29"));
    }
}
