//! From the slots that a run left behind to a report.

use super::reason::Short;
use super::{Measure, Reason, Report, Row, Spread, Threshold, Worker};
use crate::geometry::{GeometrySlot, MAX_ITERATIONS, nearer, usable};
use crate::plan::{CLASS_BAD, CLASS_FAR, CLASS_FINITE, Slot};
use crate::rule::{Decision, DecisionKind as Kind, Trace};

/// `rows` are the workers' rows in the whole matrix.
pub(crate) fn of(trace: &Trace, region: &[f64], rows: &[usize], weights: Option<&[f64]>) -> Report {
    let n = rows.len();
    let get = |slot: Option<Slot>| slot.map(|slot| &region[slot.range()]);
    let (classes, distances) = (get(trace.classes), get(trace.distances));
    let (scores, mixing) = (get(trace.scores), get(trace.mixing));
    let ruling = trace
        .decision
        .as_ref()
        .map(|d| Ruling::new(d, region, rows));
    let averaged = ruling.as_ref().is_some_and(Ruling::averages);
    let unread = |i: usize| weights.is_some_and(|w| w[i] == 0.0);
    let even = |i: usize| weights.map_or(1.0 / n as f64, |w| w[i] / w.iter().sum::<f64>());
    let places = Places::new(distances, n, unread);
    // From a result that is not finite every row is far: that says nothing about the rows.
    let astray = trace.decision.as_ref().is_some_and(Decision::is_columns)
        && classes.is_some_and(|class| !class.contains(&CLASS_FINITE));
    let mut workers: Vec<_> = (0..n)
        .map(|i| {
            let row = match classes.map(|class| class[i]) {
                _ if unread(i) => Row::NotRead,
                Some(class) if class == CLASS_BAD => Row::NotFinite,
                Some(class) if class == CLASS_FAR && !astray => Row::Far,
                _ => Row::Finite,
            };
            let share = mixing.map(|mixing| {
                let column = mixing.iter().skip(i).step_by(n);
                column.clone().sum::<f64>() / column.count() as f64
            });
            let coefficient = match get(trace.coefficients) {
                Some(coefficients) => Some(coefficients[i]),
                None => averaged.then(|| even(i)),
            };
            let kept = match (coefficient, share) {
                _ if unread(i) => Some(false),
                (Some(c), _) => Some(c != 0.0 && !c.is_nan()),
                // No column of it is read.
                (None, Some(0.0)) => Some(false),
                _ => ruling.as_ref().and_then(|ruling| ruling.selects(share)),
            };
            Worker {
                index: rows[i],
                row,
                kept,
                coefficient,
                share,
                distance: distances.map(|d| d[i].sqrt()).filter(|_| !unread(i)),
                score: scores.map(|s| s[i]),
                reasons: Vec::new(),
            }
        })
        .collect();
    for (i, worker) in workers.iter_mut().enumerate() {
        let mut reasons = Vec::new();
        match worker.row {
            Row::Finite => {}
            Row::Far => reasons.push(Reason::Far),
            Row::NotFinite => reasons.push(Reason::NotFinite),
            Row::NotRead => {
                worker.reasons = vec![Reason::NoWeight];
                continue;
            }
        }
        if let Some(factor) = get(trace.clipping).map(|clipping| clipping[i * n + i])
            && factor < 1.0
        {
            reasons.push(Reason::Clipped { factor });
        }
        if let Some(ruling) = &ruling {
            let times = worker.coefficient.map(|c| c / even(i));
            ruling.explain(i, worker.row, times, &places, &mut reasons);
        }
        worker.reasons = reasons;
    }
    let threshold = ruling.as_ref().and_then(Ruling::threshold);
    Report {
        notes: notes(trace, region, &workers, astray),
        workers,
        threshold,
        distances_to: if trace.to_centre {
            "the centre that ctma trims around"
        } else {
            "the output"
        },
    }
}

fn notes(trace: &Trace, region: &[f64], workers: &[Worker], astray: bool) -> Vec<String> {
    let get = |slot: Option<Slot>| slot.map(|slot| &region[slot.range()]);
    let n = workers.len();
    let mut notes = Vec::new();
    let bad = workers.iter().filter(|w| w.row == Row::NotFinite).count();
    if bad > 0 {
        notes.push(format!("{bad} of {n} rows hold a NaN or an infinity"));
    }
    if get(trace.coefficients).is_some_and(|c| c.iter().any(|c| c.is_nan())) {
        notes.push("no row could be used: the result is NaN".into());
    }
    if astray {
        notes.push("no row is at a finite distance from the result".into());
    }
    if let Some(decision) = &trace.decision
        && let Kind::Nearest { pivot, geometry } = decision.kind
        && geometry.view(region).class[pivot] != CLASS_FINITE
    {
        let pivot = named(decision, pivot, |row| workers[row].index);
        notes.push(format!(
            "row {pivot}, the pivot, is not finite: the first rows that are were kept"
        ));
    }
    if let Some(class) = trace.start
        && region[class] != CLASS_FINITE
    {
        notes.push("the start is not finite or too far from the rows: it counted as zero".into());
    } else if let Some(share) = trace.share_of_start
        && !region[share].is_nan()
    {
        let share = Short(region[share]);
        notes.push(format!("the start has coefficient {share} in the result"));
    }
    if let Some([iterations, capped]) = get(trace.iterations) {
        notes.push(format!("{iterations} iterations"));
        if *capped != 0.0 {
            notes.push(format!(
                "not converged: stopped after {MAX_ITERATIONS} iterations"
            ));
        }
    }
    notes
}

/// The name of a row that a rule saw: the worker's, where it stands for one.
fn named(decision: &Decision, row: usize, worker: impl Fn(usize) -> usize) -> usize {
    match decision.mixing.is_none() || decision.own {
        true => worker(row),
        false => row,
    }
}

/// The workers' places by distance to the output.
struct Places {
    ranks: Vec<usize>,
    distances: Vec<f64>,
    /// Of how many; the others were not read.
    of: usize,
    median: f64,
}

impl Places {
    fn new(squares: Option<&[f64]>, n: usize, unread: impl Fn(usize) -> bool) -> Self {
        let distances: Vec<f64> = squares
            .unwrap_or_default()
            .iter()
            .map(|s| s.sqrt())
            .collect();
        let mut order: Vec<usize> = (0..distances.len()).filter(|&i| !unread(i)).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        let mut ranks = vec![0; n];
        order.iter().zip(1..).for_each(|(&i, rank)| ranks[i] = rank);
        let median = order
            .get((order.len().max(1) - 1) / 2)
            .map_or(0.0, |&i| distances[i]);
        Places {
            ranks,
            of: order.len(),
            distances,
            median,
        }
    }

    fn reason(&self, i: usize) -> Option<Reason> {
        let distance = self.distances.get(i)?;
        let measurable = self.median > 0.0 && self.median.is_finite();
        Some(Reason::Columns {
            rank: self.ranks[i],
            of: self.of,
            times: measurable.then(|| distance / self.median),
        })
    }
}

/// How the rows that a rule saw fared.
struct Ruling<'a> {
    decision: &'a Decision,
    region: &'a [f64],
    /// `n` rows over the workers.
    mixing: Option<&'a [f64]>,
    coefficients: Option<&'a [f64]>,
    weights: Option<&'a [f64]>,
    classes: Option<&'a [f64]>,
    ranking: Option<Ranking>,
    set: Option<Set>,
}

/// The rows that could be kept, the first ones first.
struct Ranking {
    by: Measure,
    values: Vec<f64>,
    order: Vec<usize>,
    /// Place of each row, from 1; 0 when it could not be kept.
    ranks: Vec<usize>,
    kept: usize,
    /// The largest coefficient of a unit of weight: that of a row which is kept in whole.
    whole: f64,
}

/// The rows that were chosen as a whole.
struct Set {
    by: Spread,
    members: Vec<usize>,
    diameter: f64,
    geometry: GeometrySlot,
}

impl<'a> Ruling<'a> {
    fn new(decision: &'a Decision, region: &'a [f64], rows: &[usize]) -> Self {
        let get = |slot: Option<Slot>| slot.map(|slot| &region[slot.range()]);
        let classes = match decision.kind {
            Kind::Least { classes, .. } => Some(classes),
            _ => decision.classes,
        };
        let mut ruling = Ruling {
            decision,
            region,
            mixing: get(decision.mixing),
            coefficients: get(decision.coefficients),
            weights: get(decision.weights),
            classes: get(classes),
            ranking: None,
            set: None,
        };
        match decision.kind {
            Kind::Least { by, values, .. } => {
                let values = region[values.range()].to_vec();
                ruling.ranking = ruling.rank(by, values);
            }
            Kind::Nearest { pivot, geometry } => {
                let view = geometry.view(region);
                let values = (0..decision.n)
                    .map(|j| view.square_distance(pivot, j))
                    .collect();
                let pivot = named(decision, pivot, |row| rows[row]);
                ruling.ranking = ruling.rank(Measure::Pivot(pivot), values);
            }
            Kind::Set { by, geometry } => {
                let members: Vec<_> = (0..decision.n).filter(|&i| ruling.keeps(i)).collect();
                let view = geometry.view(region);
                let reach = |i: usize| view.reach(i, &members);
                let diameter = members.iter().map(|&i| reach(i)).fold(0.0, f64::max);
                ruling.set = Some(Set {
                    by,
                    diameter,
                    members,
                    geometry,
                });
            }
            _ => {}
        }
        ruling
    }

    /// Ranks as the rule did: by value and index, rows that could not be kept left out.
    fn rank(&self, by: Measure, values: Vec<f64>) -> Option<Ranking> {
        let class = self.classes?;
        let taken = usable(class)?;
        let weight = |i: usize| self.weights.map_or(1.0, |w| w[i]);
        let mut order: Vec<usize> = (0..values.len())
            .filter(|&i| class[i] == taken && weight(i) > 0.0)
            .collect();
        order.sort_by(|&a, &b| {
            let key = |i: usize| (values[i], class[i], i as u64);
            nearer(key(a), key(b))
        });
        let mut ranks = vec![0; values.len()];
        order.iter().zip(1..).for_each(|(&i, rank)| ranks[i] = rank);
        let per_weight = |&i: &usize| self.coefficients.map_or(0.0, |c| c[i]) / weight(i);
        Some(Ranking {
            kept: order.iter().filter(|&&i| self.keeps(i)).count(),
            whole: order.iter().map(per_weight).fold(0.0, f64::max),
            values: match by {
                Measure::Score => values,
                _ => values.iter().map(|square| square.sqrt()).collect(),
            },
            by,
            order,
            ranks,
        })
    }

    fn keeps(&self, row: usize) -> bool {
        self.coefficients
            .is_some_and(|c| c[row] != 0.0 && !c[row].is_nan())
    }

    fn averages(&self) -> bool {
        matches!(self.decision.kind, Kind::Averaged)
    }

    /// Is a worker with this share among the selected, if the rule selects before columns decide?
    fn selects(&self, share: Option<f64>) -> Option<bool> {
        match self.decision.kind {
            Kind::Selected(_) => share.map(|share| share != 0.0),
            _ => None,
        }
    }

    fn threshold(&self) -> Option<Threshold> {
        let ranking = self.ranking.as_ref()?;
        let value = |place: usize| ranking.order.get(place).map(|&i| ranking.values[i]);
        Some(Threshold {
            by: ranking.by,
            kept: ranking.kept,
            of: ranking.order.len(),
            last_kept: value(ranking.kept.checked_sub(1)?)?,
            first_cut: value(ranking.kept),
        })
    }

    /// What became of a worker's row.
    fn explain(
        &self,
        worker: usize,
        held: Row,
        times: Option<f64>,
        places: &Places,
        reasons: &mut Vec<Reason>,
    ) {
        let columns = matches!(self.decision.kind, Kind::Columns);
        let Some(mixing) = self.mixing else {
            if columns {
                // A row that is not finite has no place.
                reasons.extend(places.reason(worker).filter(|_| held == Row::Finite));
            } else {
                // Finite, but the rule could not use it: too large.
                let far = (held == Row::Finite).then_some(Reason::Far);
                reasons.extend(self.reason(worker, times).or(far));
            }
            return;
        };
        let of = self.decision.n;
        let workers = mixing.len() / of;
        let rows = || (0..of).filter(|&row| mixing[row * workers + worker] != 0.0);
        let into = rows().count();
        let used = self
            .coefficients
            .map(|_| rows().filter(|&row| self.keeps(row)).count());
        let mut only = rows().take(1).filter(|_| into == 1).last();
        if self.decision.own {
            reasons.push(Reason::Mixed { into, of, used });
            // A row that was averaged into its own only stands or falls with that.
            only = only.filter(|&row| row == worker);
        } else if let Some(bucket) = only {
            let size = mixing[bucket * workers..][..workers]
                .iter()
                .filter(|c| **c != 0.0)
                .count();
            reasons.push(Reason::Bucket { bucket, size });
        } else {
            reasons.push(Reason::Mixed { into, of, used });
        }
        if let Some(row) = only {
            let spoiled = self.classes.is_some_and(|class| class[row] != CLASS_FINITE);
            if spoiled && held == Row::Finite {
                reasons.push(Reason::Spoiled);
            }
            reasons.extend(self.reason(row, times));
        }
        if columns {
            reasons.extend(places.reason(worker).filter(|_| held == Row::Finite));
        }
    }

    /// What became of a row that the rule saw; `times` an even share is what it got.
    fn reason(&self, row: usize, times: Option<f64>) -> Option<Reason> {
        match self.decision.kind {
            Kind::Least { .. } | Kind::Nearest { .. } => {
                let ranking = self.ranking.as_ref()?;
                let coefficient = self.coefficients.map_or(0.0, |c| c[row]);
                let weight = self.weights.map_or(1.0, |w| w[row]);
                (ranking.ranks[row] > 0).then(|| Reason::Ranked {
                    by: ranking.by,
                    value: ranking.values[row],
                    rank: ranking.ranks[row],
                    kept: ranking.kept,
                    of: ranking.order.len(),
                    part: coefficient / weight / ranking.whole,
                })
            }
            Kind::Set { .. } => {
                let set = self.set.as_ref()?;
                let view = set.geometry.view(self.region);
                (view.class[row] == CLASS_FINITE).then(|| Reason::Set {
                    by: set.by,
                    size: set.members.len(),
                    member: self.keeps(row),
                    diameter: set.diameter,
                    reach: view.reach(row, &set.members),
                })
            }
            Kind::Selected(selection) => {
                let rounds = self.region[selection.range()].chunks_exact(self.decision.n);
                let of = rounds.len();
                let round = rounds
                    .zip(1..)
                    .find(|(chosen, _)| chosen[row] == 1.0)
                    .map(|(_, round)| round);
                let usable = self.classes.is_none_or(|c| c[row] == CLASS_FINITE);
                (usable || round.is_some()).then_some(Reason::Selected { round, of })
            }
            Kind::Weighed(by) => {
                let usable = self.classes.is_none_or(|c| c[row] == CLASS_FINITE);
                times
                    .filter(|times| usable && !times.is_nan())
                    .map(|times| Reason::Weighed { by, times })
            }
            Kind::Averaged => Some(Reason::Averaged),
            Kind::Columns => None,
        }
    }
}
