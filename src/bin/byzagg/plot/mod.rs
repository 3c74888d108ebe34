//! The picture of a report: a panel with what workers were ranked by, or else their distances, and one
//! with their coefficients. A worker's column is the same in both.

mod scale;

#[cfg(feature = "train")]
pub use scale::power;

use byzagg::{Reason, Report, Row, Worker};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::failure::{Failure, Outcome};
use scale::Scale;

// Okabe and Ito's colours, which the colour-blind can tell apart.
const KEPT: RGBColor = RGBColor(0, 114, 178);
const CUT: RGBColor = RGBColor(213, 94, 0);
const OPEN: RGBColor = RGBColor(110, 110, 110);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(226, 226, 226);
const BAND: RGBColor = RGBColor(253, 240, 230);
const FONT: &str = "sans-serif";

const WIDTH: i32 = 960;
const LEFT: i32 = 84;
const RIGHT: i32 = 24;
const TOP: i32 = 74;
/// Heights of the two panels, and of what is between and below.
const HEIGHTS: [i32; 2] = [280, 150];
const BETWEEN: i32 = 36;
const BELOW: i32 = 52;
/// The strip at the upper edge where infinities are.
const STRIP: i32 = 26;

/// Up to so many workers each has a stem and a number on the axis.
const FEW: usize = 48;
/// Labels of single workers when there are more.
const LABELS: usize = 14;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// What is drawn of every worker in one panel.
struct Panel<'a> {
    title: String,
    workers: &'a [Worker],
    values: Vec<Option<f64>>,
    scale: Scale,
    /// Upper and lower edge.
    top: i32,
    bottom: i32,
    /// A dashed line and its name.
    line: Option<(f64, String)>,
    /// Are there infinities, which have a strip of their own?
    strip: bool,
    /// Does it show what decided, so that it names workers?
    decisive: bool,
}

pub fn svg(rule: &str, report: &Report) -> Outcome<String> {
    let mut text = String::new();
    draw(rule, report, &mut text).map_err(|error| Failure::new(format!("picture: {error}")))?;
    Ok(text)
}

fn draw(rule: &str, report: &Report, text: &mut String) -> Drawn {
    let workers = &report.workers[..];
    let mut bottom = TOP + HEIGHTS[0];
    let mut panels = vec![decisive(report, TOP, bottom)];
    let coefficients = |title: &str, of: fn(&Worker) -> Option<f64>, top| {
        let values: Vec<_> = workers.iter().map(of).collect();
        let scale = Scale::of(values.iter().flatten().copied());
        let even = 1.0 / workers.len() as f64;
        Panel {
            line: Some((even, format!("even share, 1/{}", workers.len())))
                .filter(|_| scale.holds(even)),
            title: title.into(),
            workers,
            values,
            scale,
            top,
            bottom: top + HEIGHTS[1],
            strip: false,
            decisive: false,
        }
    };
    let below = bottom + BETWEEN;
    if workers.iter().any(|w| w.coefficient.is_some()) {
        panels.push(coefficients("coefficient", |w| w.coefficient, below));
        bottom = below + HEIGHTS[1];
    } else if workers.iter().any(|w| w.share.is_some()) {
        panels.push(coefficients("share", |w| w.share, below));
        bottom = below + HEIGHTS[1];
    }
    let size = (WIDTH as u32, (bottom + BELOW) as u32);
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    root.fill(&WHITE)?;
    heading(&root, rule, report)?;
    for panel in &panels {
        panel.draw(&root)?;
    }
    worker_axis(&root, workers, bottom)?;
    root.present()
}

/// The panel of what the rule ranked workers by, if it did; of their distances otherwise.
fn decisive(report: &Report, top: i32, bottom: i32) -> Panel<'_> {
    let workers = &report.workers[..];
    let ranked = |w: &Worker| {
        w.reasons.iter().find_map(|reason| match *reason {
            Reason::Ranked { value, .. } => Some(value),
            _ => None,
        })
    };
    let is_ranked = |w: &Worker| ranked(w).is_some() || w.row != Row::Finite;
    let threshold = report.threshold.filter(|_| workers.iter().all(is_ranked));
    let title = match threshold {
        Some(line) => line.by.to_string(),
        None => format!("distance to {}", report.distances_to),
    };
    let values: Vec<_> = workers
        .iter()
        .map(|w| match (threshold, w.row) {
            (_, Row::NotRead) => None,
            (Some(_), _) => Some(ranked(w).unwrap_or(f64::INFINITY)),
            (None, _) => w.distance,
        })
        .collect();
    let scale = Scale::of(values.iter().flatten().copied());
    let line = threshold.and_then(|line| {
        let first = line.first_cut?;
        let between = scale.between(line.last_kept, first);
        Some((between, format!("{} of {} kept, below", line.kept, line.of)))
    });
    Panel {
        title,
        workers,
        strip: values.iter().flatten().any(|x| !x.is_finite()),
        values,
        scale,
        top,
        bottom,
        line,
        decisive: true,
    }
}

fn style(size: i32, h: HPos, v: VPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK).pos(Pos::new(h, v))
}

/// The middle of a worker's column.
fn column(worker: usize, n: usize) -> i32 {
    let width = f64::from(WIDTH - LEFT - RIGHT);
    LEFT + (width * (worker as f64 + 0.5) / n as f64).round() as i32
}

fn heading(root: &Area<'_>, rule: &str, report: &Report) -> Drawn {
    let mut title: String = rule.chars().take(80).collect();
    if title.len() < rule.len() {
        title.push('…');
    }
    root.draw(&Text::new(
        title,
        (LEFT, 14),
        style(20, HPos::Left, VPos::Top),
    ))?;
    let n = report.workers.len();
    let count = |is: &dyn Fn(&Worker) -> bool| report.workers.iter().filter(|w| is(w)).count();
    let marks = [
        (count(&|w| w.kept == Some(true)), "kept", Some(true)),
        (count(&|w| w.kept == Some(false)), "cut", Some(false)),
        (count(&|w| w.kept.is_none()), "decided by column", None),
    ];
    let mut x = LEFT + 6;
    for (count, name, kept) in marks.into_iter().filter(|(count, ..)| *count > 0) {
        mark(root, (x, 50), kept, 5)?;
        let text = format!("{count} of {n} {name}");
        let width = 8 * text.chars().count() as i32;
        let left = style(14, HPos::Left, VPos::Center);
        root.draw(&Text::new(text, (x + 12, 50), left))?;
        x += width + 36;
    }
    let bad = count(&|w| w.row == Row::NotFinite);
    if bad > 0 {
        let text = format!("{bad} not finite");
        let left = style(14, HPos::Left, VPos::Center);
        root.draw(&Text::new(text, (x, 50), left))?;
    }
    Ok(())
}

/// A worker's mark: a dot when it was kept, a cross when it was cut, a ring when columns decide.
fn mark(root: &Area<'_>, at: (i32, i32), kept: Option<bool>, size: i32) -> Drawn {
    match kept {
        Some(true) => root.draw(&Circle::new(at, size, KEPT.filled())),
        Some(false) => root.draw(&Cross::new(at, size, CUT.stroke_width(2))),
        None => root.draw(&Circle::new(at, size, OPEN.stroke_width(2))),
    }
}

fn worker_axis(root: &Area<'_>, workers: &[Worker], bottom: i32) -> Drawn {
    let n = workers.len();
    let step = match n {
        0..=FEW => 1,
        _ => scale::nice(n as f64 / 12.0) as usize,
    };
    for worker in (0..n).step_by(step) {
        let x = column(worker, n);
        root.draw(&PathElement::new([(x, bottom), (x, bottom + 4)], INK))?;
        let mut below = style(12, HPos::Center, VPos::Top);
        if n <= FEW && workers[worker].kept == Some(false) {
            below = below.color(&CUT);
        }
        root.draw(&Text::new(
            workers[worker].index.to_string(),
            (x, bottom + 8),
            below,
        ))?;
    }
    let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2;
    let below = style(14, HPos::Center, VPos::Top);
    root.draw(&Text::new("worker", (middle, bottom + 28), below))
}

impl Panel<'_> {
    /// The height of a value; infinities lie in the strip.
    fn y(&self, value: f64) -> i32 {
        if !value.is_finite() {
            return self.top + STRIP / 2;
        }
        let top = self.top + if self.strip { STRIP } else { 0 } + 10;
        let bottom = self.bottom - 10;
        let height = f64::from(bottom - top);
        bottom - (height * self.scale.position(value)).round() as i32
    }

    fn draw(&self, root: &Area<'_>) -> Drawn {
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let level = |y: i32| [(left, y), (right, y)];
        if self.strip {
            let corners = [(left, self.top), (right, self.top + STRIP)];
            root.draw(&Rectangle::new(corners, BAND.filled()))?;
            let at = (left - 8, self.top + STRIP / 2);
            root.draw(&Text::new("∞", at, style(16, HPos::Right, VPos::Center)))?;
        }
        for (value, name) in self.scale.ticks() {
            let y = self.y(value);
            root.draw(&PathElement::new(level(y), GRID))?;
            let at = (left - 8, y);
            root.draw(&Text::new(name, at, style(12, HPos::Right, VPos::Center)))?;
        }
        let title = style(14, HPos::Center, VPos::Top).transform(FontTransform::Rotate270);
        let middle = (self.top + self.bottom) / 2;
        root.draw(&Text::new(self.title.clone(), (14, middle), title))?;
        if let Some((value, name)) = &self.line {
            let y = self.y(*value);
            for x in (left..right).step_by(10) {
                root.draw(&PathElement::new([(x, y), (right.min(x + 5), y)], INK))?;
            }
            // Its name stands above the panel, where no mark can be.
            let at = (right, self.top - 6);
            let above = style(12, HPos::Right, VPos::Bottom);
            root.draw(&Text::new(format!("- - -  {name}"), at, above))?;
        }
        let frame = [(left, self.top), (left, self.bottom), (right, self.bottom)];
        root.draw(&PathElement::new(frame, INK))?;
        self.marks(root)
    }

    fn marks(&self, root: &Area<'_>) -> Drawn {
        let n = self.workers.len();
        let size = match n {
            0..=FEW => 5,
            n if n <= 300 => 4,
            _ => 3,
        };
        // Cut ones last, over the others.
        let mut order: Vec<_> = (0..n).collect();
        order.sort_by_key(|&i| self.workers[i].kept == Some(false));
        for i in order {
            let (x, worker) = (column(i, n), &self.workers[i]);
            let Some(value) = self.values[i] else {
                continue;
            };
            let y = self.y(value);
            if n <= FEW {
                let colour = match worker.kept {
                    Some(true) => KEPT,
                    Some(false) => CUT,
                    None => OPEN,
                };
                let stem = [(x, self.bottom), (x, y)];
                root.draw(&PathElement::new(stem, colour.mix(0.35).stroke_width(2)))?;
                if !value.is_finite() && n <= FEW / 2 {
                    let right = style(11, HPos::Left, VPos::Center);
                    root.draw(&Text::new(worker.row.name(), (x + 9, y), right))?;
                }
            }
            mark(root, (x, y), worker.kept, size)?;
        }
        if n > FEW && self.decisive {
            self.labels(root)?;
        }
        Ok(())
    }

    /// The numbers of the cut workers that stand out most, where there is room.
    fn labels(&self, root: &Area<'_>) -> Drawn {
        let n = self.workers.len();
        let mut cut: Vec<_> = (0..n)
            .filter(|&i| self.workers[i].kept == Some(false))
            .filter_map(|i| Some((self.values[i]?, i)))
            .collect();
        cut.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        // Middles and half widths of what a label must not cover.
        let mut taken: Vec<(i32, i32, i32)> = cut
            .iter()
            .map(|&(value, i)| (column(i, n), self.y(value), 4))
            .collect();
        let mut labels = 0;
        for (value, i) in cut {
            let (x, y, text) = (
                column(i, n),
                self.y(value),
                self.workers[i].index.to_string(),
            );
            let half = 4 * text.len() as i32;
            let free = |x: i32| {
                let apart = |&(a, b, width): &(i32, i32, i32)| {
                    (a - x).abs() > half + width || (b - y).abs() > 12
                };
                x - half > LEFT && x + half < WIDTH - RIGHT && taken.iter().all(apart)
            };
            let beside = [x + half + 5, x - half - 5];
            if labels < LABELS
                && let Some(x) = beside.into_iter().find(|&x| free(x))
            {
                taken.push((x, y, half));
                labels += 1;
                let middle = style(11, HPos::Center, VPos::Center);
                root.draw(&Text::new(text, (x, y), middle))?;
            }
        }
        Ok(())
    }
}
