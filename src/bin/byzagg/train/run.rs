//! All trainings of a configuration, one after another, with checkpoints.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use byzagg::Device;
use byzagg::training::{State, Training};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::curves::{self, Point};
use super::data::Data;
use super::folder::{CHECKPOINT, CURVES, Folder, PLOT, TABLE};
use super::plan::Plan;
use super::plot;
use super::problem::{self, Optimum, Task};
use super::progress::Bar;
use super::results::Results;
use super::settings::Settings;
use super::table;
use crate::failure::{Failure, Outcome};

/// A configuration with all that its trainings need.
pub struct Runner {
    pub config: Config,
    plans: Vec<Plan>,
    /// By set and path.
    data: BTreeMap<(String, PathBuf), Data>,
    /// Of all data.
    checksum: u32,
    /// By set, path and regularisation.
    optima: BTreeMap<(String, PathBuf, String), Optimum>,
    devices: BTreeMap<String, Device>,
}

/// What is known so far.
struct Done {
    points: Vec<Point>,
    /// When the last checkpoint was written.
    saved: Instant,
}

impl Runner {
    /// Opens what the configuration names, and checks that every training can begin.
    pub fn new(config: Config) -> Outcome<Self> {
        let plans = Plan::all(&config)?;
        let mut runner = Runner {
            plans,
            data: BTreeMap::new(),
            checksum: 0,
            optima: BTreeMap::new(),
            devices: BTreeMap::new(),
            config,
        };
        for cell in 0..runner.config.cells.len() {
            runner.open(cell)?;
        }
        let sums = runner.data.values().map(Data::checksum);
        runner.checksum = sums.fold(0, |all, one| all.rotate_left(1) ^ one);
        for cell in 0..runner.config.cells.len() {
            let begun = runner
                .task(cell)
                .and_then(|task| runner.begin(cell, &*task).map(drop));
            begun.map_err(|failure| runner.config.named(cell, failure))?;
        }
        Ok(runner)
    }

    fn settings(&self, cell: usize) -> &Settings {
        &self.config.cells[cell].settings
    }

    fn open(&mut self, cell: usize) -> Outcome {
        let settings = &self.config.cells[cell].settings;
        if !self.devices.contains_key(&settings.device) {
            let device = Device::named(&settings.device)?;
            self.devices.insert(settings.device.clone(), device);
        }
        let key = source(settings);
        if !self.data.contains_key(&key) {
            self.data.insert(key.clone(), Data::open(&settings.data)?);
        }
        if settings.needs_optimum()
            && let Data::Rows(rows) = &self.data[&key]
        {
            let l2 = settings.model.l2.unwrap_or(0.0);
            let key = (key.0, key.1, l2.to_string());
            if let Entry::Vacant(entry) = self.optima.entry(key) {
                entry.insert(Optimum::of(rows, l2)?);
            }
        }
        Ok(())
    }

    fn task(&self, cell: usize) -> Outcome<Box<dyn Task + '_>> {
        let settings = self.settings(cell);
        let key = source(settings);
        let l2 = settings.model.l2.unwrap_or(0.0).to_string();
        let optimum = self.optima.get(&(key.0.clone(), key.1.clone(), l2));
        problem::task(settings, &self.data[&key], optimum)
    }

    fn begin(&self, cell: usize, task: &dyn Task) -> Outcome<Box<dyn Training>> {
        let settings = self.settings(cell);
        let device = &self.devices[&settings.device];
        self.plans[cell].begin(settings, device, task, task.start())
    }

    /// What runs where, in a line.
    pub fn summary(&self) -> Outcome<String> {
        let settings = self.settings(0);
        let (workers, training) = (settings.workers, &settings.training);
        let devices: Vec<_> = self.devices.values().map(Device::to_string).collect();
        let samples: Vec<_> = self
            .data
            .values()
            .map(|data| data.len().to_string())
            .collect();
        Ok(format!(
            "{} trainings: {} samples, {} workers of which {} are Byzantine, d = {}, {} steps, aggregated on {}",
            self.config.cells.len(),
            samples.join(" or "),
            workers.n,
            workers.f,
            self.task(0)?.dimension(),
            training.steps,
            devices.join(" and "),
        ))
    }

    /// Runs what is left to run; the table.
    pub fn run(&self, folder: &Folder) -> Outcome<String> {
        let (first, mut state, points) = self.resume(folder)?;
        let mut done = Done {
            points,
            saved: Instant::now(),
        };
        let steps = |cell: usize| self.settings(cell).training.steps;
        let total = (0..self.config.cells.len()).map(steps).sum();
        let bar = Bar::new(total, (0..first).map(steps).sum());
        for cell in first..self.config.cells.len() {
            bar.begin(&self.config.name(&self.config.cells[cell]));
            self.train(folder, cell, state.take(), &mut done, &bar)?;
            if let Some(last) = done.points.last() {
                bar.end(last)?;
            }
            self.save(folder, cell + 1, None, &mut done)?;
        }
        bar.finish();
        let results = Results::new(&self.config, &self.plans, &done.points);
        let table = table::markdown(&results);
        folder.write(TABLE, table.as_bytes())?;
        folder.write(PLOT, plot::svg(&results)?.as_bytes())?;
        Ok(table)
    }

    /// Where to go on: the first training that is not done, its state if it has begun, and all points so far.
    fn resume(&self, folder: &Folder) -> Outcome<(usize, Option<State>, Vec<Point>)> {
        let Some(content) = folder.read(CHECKPOINT)? else {
            return Ok((0, None, Vec::new()));
        };
        let failed = |name, failure: Failure| Failure::of(&folder.path().join(name), failure);
        let checkpoint =
            Checkpoint::read(&content).map_err(|failure| failed(CHECKPOINT, failure))?;
        if checkpoint.data != self.checksum {
            let reason = "expected the data that the run began with, got other data";
            return Err(failed(CHECKPOINT, Failure::new(reason)));
        }
        // The curves are written first: they may have more lines than the checkpoint knows of.
        let lines = folder.read(CURVES)?.unwrap_or_default();
        let points =
            curves::read(&lines, checkpoint.points).map_err(|failure| failed(CURVES, failure))?;
        let cells = self.config.cells.len();
        let of_this_run = checkpoint.cell <= cells
            && points.iter().all(|point| point.cell < cells)
            && points.is_sorted_by_key(|point| point.cell);
        if !of_this_run {
            let reason = format!("expected trainings 0 to {} in their order", cells - 1);
            return Err(failed(CURVES, Failure::new(reason)));
        }
        Ok((checkpoint.cell, checkpoint.state, points))
    }

    fn save(&self, folder: &Folder, cell: usize, state: Option<State>, done: &mut Done) -> Outcome {
        folder.write(CURVES, &curves::write(&self.config, &done.points)?)?;
        let checkpoint = Checkpoint {
            data: self.checksum,
            cell,
            points: done.points.len(),
            state,
        };
        folder.write(CHECKPOINT, &checkpoint.write()?)?;
        done.saved = Instant::now();
        Ok(())
    }

    /// One training, from a state or from its beginning.
    fn train(
        &self,
        folder: &Folder,
        cell: usize,
        state: Option<State>,
        done: &mut Done,
        bar: &Bar,
    ) -> Outcome {
        let settings = self.settings(cell);
        let task = self.task(cell)?;
        let mut training = self.begin(cell, &*task)?;
        match state {
            Some(state) => training.restore(&state)?,
            None => {
                measure(cell, &*training, &*task, done)?;
            }
        }
        let steps = settings.training.steps;
        let interval = steps.div_ceil(settings.training.evaluations);
        let pause = Duration::from_secs_f64(settings.checkpoint.seconds);
        let mut step = training.progress().step;
        bar.inc(step);
        while step < steps {
            step = training.step(&*task)?.step;
            bar.inc(1);
            if !step.is_multiple_of(interval) && step < steps {
                continue;
            }
            let is_finite = measure(cell, &*training, &*task, done)?;
            if let Some(last) = done.points.last() {
                bar.say(last);
            }
            if !is_finite {
                bar.inc(steps - step);
                break;
            }
            if step < steps {
                // What a training computes depends on when its state is taken: always here, so that
                // it does not depend on the clock.
                let state = training.state();
                if done.saved.elapsed() >= pause {
                    self.save(folder, cell, Some(state), done)?;
                }
            }
        }
        Ok(())
    }
}

/// Adds a point to the curves. Is the training's finite?
fn measure(
    cell: usize,
    training: &dyn Training,
    task: &dyn Task,
    done: &mut Done,
) -> Outcome<bool> {
    let at = training.point();
    let is_finite = at.iter().all(|x| x.is_finite());
    let mut measure = task.measure(at)?;
    if !is_finite {
        Point::not_a_number(&mut measure);
    }
    let progress = training.progress();
    done.points.push(Point {
        cell,
        step: progress.step,
        gradients: progress.gradients,
        seconds: progress.aggregating.as_secs_f64(),
        loss: measure.loss,
        accuracy: measure.accuracy,
        gap: measure.gap,
        distance: measure.distance,
    });
    Ok(is_finite)
}

fn source(settings: &Settings) -> (String, PathBuf) {
    let path = settings.data.path.clone().unwrap_or_default();
    (format!("{:?}", settings.data.set), path)
}
