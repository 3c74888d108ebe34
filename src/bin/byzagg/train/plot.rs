//! The accuracy curves: a panel for each attack, a line for each rule.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::Report;
use crate::{Failure, Result};

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

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub fn svg(report: &Report) -> Result<String> {
    let mut text = String::new();
    draw(report, &mut text).map_err(|error| Failure::run(format!("plot: {error}")))?;
    Ok(text)
}

fn draw(report: &Report, text: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
    // One cell more than attacks, for the legend.
    let cells = report.attacks.len() + 1;
    let columns = cells.min(4);
    let rows = cells.div_ceil(columns);
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((rows, columns));
    for (attack, area) in areas.iter().enumerate().take(cells - 1) {
        panel(report, attack, area)?;
    }
    legend(report, &areas[cells - 1])?;
    root.present()?;
    Ok(())
}

/// A rule's colour, and whether its line is dashed: the ninth rule starts over with dashes.
fn style(rule: usize) -> (ShapeStyle, bool) {
    (
        COLOURS[rule % COLOURS.len()].stroke_width(2),
        rule / COLOURS.len() % 2 == 1,
    )
}

fn panel(
    report: &Report,
    attack: usize,
    area: &Area<'_>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let curves = || (0..report.rules.len()).map(|rule| &report.outcome(rule, attack).curve);
    let steps = curves().flatten().map(|&(step, _)| step).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(area)
        .caption(
            report.attacks[attack].title(),
            (FONT, 17).into_font().color(&INK),
        )
        .margin(8)
        .margin_right(16)
        .x_label_area_size(34)
        .y_label_area_size(46)
        .build_cartesian_2d(0..steps, 0.0..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 13).into_font().color(&INK))
        .x_labels(4)
        .y_labels(6)
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .x_desc("step")
        .draw()?;
    // The first rule is drawn last, over the others.
    for rule in (0..report.rules.len()).rev() {
        let outcome = report.outcome(rule, attack);
        let points: Vec<_> = outcome
            .curve
            .iter()
            .map(|&(step, accuracy)| (step, 100.0 * accuracy))
            .collect();
        let (style, dashed) = style(rule);
        if outcome.diverged
            && let Some(&end) = points.last()
        {
            chart.draw_series([Cross::new(end, 5, style)])?;
        }
        if dashed {
            chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?;
        } else {
            chart.draw_series(LineSeries::new(points, style))?;
        }
    }
    Ok(())
}

fn legend(report: &Report, area: &Area<'_>) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let font = (FONT, 14).into_font().color(&INK);
    area.draw(&Text::new(
        "test accuracy by rule",
        (30, 14),
        (FONT, 15).into_font().color(&INK),
    ))?;
    let mut y = 46;
    for (rule, name) in report.rules.iter().enumerate() {
        let (style, dashed) = style(rule);
        for (from, to) in if dashed {
            vec![(30, 36), (42, 48), (54, 60)]
        } else {
            vec![(30, 60)]
        } {
            area.draw(&PathElement::new([(from, y), (to, y)], style))?;
        }
        area.draw(&Text::new(name.to_string(), (70, y - 7), font.clone()))?;
        y += 22;
    }
    area.draw(&Cross::new((45, y), 5, INK.stroke_width(2)))?;
    area.draw(&Text::new("not finite any more", (70, y - 7), font))?;
    Ok(())
}
