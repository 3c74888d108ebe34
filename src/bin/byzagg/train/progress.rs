//! What is seen while a run takes its time: a bar on a terminal, a line for each training elsewhere.

use std::cell::RefCell;

use indicatif::{ProgressBar, ProgressStyle};

use super::curves::Point;
use crate::failure::Outcome;
use crate::print;

pub struct Bar {
    bar: ProgressBar,
    name: RefCell<String>,
}

impl Bar {
    pub fn new(steps: u64, done: u64) -> Self {
        let bar = ProgressBar::new(steps).with_position(done);
        let style = ProgressStyle::with_template(
            "{bar:24} {percent:>3} %  {elapsed} of {duration}  {wide_msg}",
        );
        bar.set_style(style.expect("a valid template"));
        bar.reset_eta();
        Bar {
            bar,
            name: RefCell::default(),
        }
    }

    pub fn begin(&self, name: &str) {
        self.name.replace(name.to_string());
        self.bar.set_message(name.to_string());
    }

    pub fn inc(&self, steps: u64) {
        self.bar.inc(steps);
    }

    pub fn say(&self, point: &Point) {
        let name = self.name.borrow();
        self.bar.set_message(format!("{}  {name}", measured(point)));
    }

    /// A training is done.
    pub fn end(&self, last: &Point) -> Outcome {
        if !self.bar.is_hidden() {
            return Ok(());
        }
        let name = self.name.borrow();
        print(&format!("{}  {name}\n", measured(last)))
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn measured(point: &Point) -> String {
    let mut text = format!("loss {:.4}  {:.1} %", point.loss, 100.0 * point.accuracy);
    if let Some(distance) = point.distance {
        text += &format!("  distance² {distance:.1e}");
    }
    text
}
