//! The operations that a plan names, on the slots of one problem's arena region.

use super::view::GeometrySlot;
use super::{
    bucketing, bulyan, caf, cc, clipping, flag, krum, mda, mixing, monna, nnm, rfa, smea, trim,
};
use crate::plan::{Slot, Trim};

/// A length to clip to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    Fixed(f64),
    /// One number that comes with each run.
    Given(Slot),
}

/// An operation of the n×n geometry: what it reads, its parameters, what it writes.
///
/// Each output slot is followed by the room that the operation needs ([`Op::scratch`]).
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Coefficients of the (weighted) mean of `out.len` rows.
    Mean { weights: Option<Slot>, out: Slot },
    /// Krum's n scores, then n coefficients of the m best rows.
    Krum {
        geometry: GeometrySlot,
        neighbours: usize,
        m: usize,
        out: Slot,
    },
    /// A θ×n mixing that selects θ = n−2f rows.
    Bulyan {
        geometry: GeometrySlot,
        f: usize,
        out: Slot,
    },
    /// n coefficients of the n−f rows with the least diameter.
    Mda {
        geometry: GeometrySlot,
        f: usize,
        out: Slot,
    },
    /// n coefficients of the n−f rows that vary least in their worst direction.
    Smea {
        geometry: GeometrySlot,
        f: usize,
        out: Slot,
    },
    /// n coefficients of the n−f rows nearest to one.
    Monna {
        geometry: GeometrySlot,
        pivot: usize,
        f: usize,
        out: Slot,
    },
    /// n coefficients of the filtered mean.
    Caf {
        geometry: GeometrySlot,
        f: usize,
        out: Slot,
    },
    /// n coefficients after centered clipping, and the given start's if there is one.
    CenteredClipping {
        geometry: GeometrySlot,
        weights: Option<Slot>,
        tau: f64,
        iterations: usize,
        out: Slot,
    },
    /// n coefficients of the mean in the flag aggregator's subspace.
    Flag {
        geometry: GeometrySlot,
        settings: flag::Settings,
        out: Slot,
    },
    /// n coefficients of the geometric median, then the number of iterations and whether the cap hit.
    Rfa {
        geometry: GeometrySlot,
        weights: Option<Slot>,
        nu: f64,
        stop: rfa::Stop,
        out: Slot,
    },
    /// n coefficients from n squared distances and n classes.
    Ctma {
        distances: Slot,
        weights: Option<Slot>,
        trim: Trim,
        out: Slot,
    },
    /// An n×n mixing.
    Nnm {
        geometry: GeometrySlot,
        weights: Option<Slot>,
        trim: Trim,
        out: Slot,
    },
    /// An n'×n mixing, then n' weights when rows have weights.
    Bucketing {
        n: usize,
        s: usize,
        seed: u64,
        weights: Option<Slot>,
        out: Slot,
    },
    /// A diagonal n×n mixing.
    Clipping {
        geometry: GeometrySlot,
        length: Length,
        out: Slot,
    },
    /// A diagonal n×n mixing.
    Arc {
        geometry: GeometrySlot,
        f: usize,
        out: Slot,
    },
    /// The product of two mixings.
    Compose {
        outer: Slot,
        inner: Slot,
        n: usize,
        out: Slot,
    },
    /// The geometry of mixed rows.
    Mix {
        geometry: GeometrySlot,
        mixing: Slot,
        out: GeometrySlot,
    },
    /// Coefficients of mixed rows as coefficients of raw ones; with `anchor`, its own stays as it is.
    Expand {
        anchor: bool,
        coefficients: Slot,
        mixing: Slot,
        out: Slot,
    },
    /// Squared distances and classes of rows to a combination of raw rows.
    Distances {
        geometry: GeometrySlot,
        rows: Option<(Slot, GeometrySlot)>,
        coefficients: Slot,
        out: Slot,
    },
}

impl Op {
    /// What it writes.
    pub fn out(&self) -> Slot {
        match *self {
            Op::Mean { out, .. }
            | Op::Krum { out, .. }
            | Op::Bulyan { out, .. }
            | Op::Mda { out, .. }
            | Op::Smea { out, .. }
            | Op::Monna { out, .. }
            | Op::Caf { out, .. }
            | Op::CenteredClipping { out, .. }
            | Op::Flag { out, .. }
            | Op::Rfa { out, .. }
            | Op::Ctma { out, .. }
            | Op::Nnm { out, .. }
            | Op::Bucketing { out, .. }
            | Op::Clipping { out, .. }
            | Op::Arc { out, .. }
            | Op::Compose { out, .. }
            | Op::Expand { out, .. }
            | Op::Distances { out, .. } => out,
            Op::Mix { out, .. } => out.slot,
        }
    }

    /// The geometry that it reads.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    fn geometry(&self) -> Option<GeometrySlot> {
        match *self {
            Op::Krum { geometry, .. }
            | Op::Bulyan { geometry, .. }
            | Op::Mda { geometry, .. }
            | Op::Smea { geometry, .. }
            | Op::Monna { geometry, .. }
            | Op::Caf { geometry, .. }
            | Op::CenteredClipping { geometry, .. }
            | Op::Flag { geometry, .. }
            | Op::Rfa { geometry, .. }
            | Op::Nnm { geometry, .. }
            | Op::Clipping { geometry, .. }
            | Op::Arc { geometry, .. }
            | Op::Mix { geometry, .. }
            | Op::Distances { geometry, .. } => Some(geometry),
            _ => None,
        }
    }

    /// The most rows, raw or mixed, that it has to do with. None for what only the host does: searches and
    /// eigenvalues.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub fn rows(&self) -> Option<usize> {
        match *self {
            Op::Mean { out, .. } | Op::Ctma { out, .. } => Some(out.len),
            Op::Krum { geometry, .. }
            | Op::Monna { geometry, .. }
            | Op::Nnm { geometry, .. }
            | Op::Clipping { geometry, .. }
            | Op::Arc { geometry, .. }
            | Op::CenteredClipping { geometry, .. }
            | Op::Rfa { geometry, .. } => Some(geometry.n),
            Op::Compose { inner, n, out, .. } => Some(n.max(inner.len / n).max(out.len / n)),
            Op::Mix {
                geometry, mixing, ..
            } => Some(geometry.n.max(mixing.len / geometry.n)),
            Op::Expand {
                coefficients,
                out,
                anchor,
                ..
            } => Some(out.len.max(coefficients.len) - usize::from(anchor)),
            Op::Distances { geometry, out, .. } => Some(geometry.n.max(out.len / 2)),
            Op::Bulyan { .. }
            | Op::Mda { .. }
            | Op::Smea { .. }
            | Op::Caf { .. }
            | Op::Flag { .. }
            | Op::Bucketing { .. } => None,
        }
    }

    /// Is a given vector among its points?
    #[cfg(feature = "cuda")]
    pub fn has_given_anchor(&self) -> bool {
        match self {
            Op::Expand { anchor, .. } => *anchor,
            op => op.geometry().is_some_and(|geometry| geometry.anchors.given),
        }
    }

    /// What it reads.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub fn inputs(&self) -> Vec<Slot> {
        let geometry = self.geometry().map(|geometry| geometry.slot);
        let others = match *self {
            Op::Ctma { distances, .. } => vec![distances],
            Op::Compose { outer, inner, .. } => vec![outer, inner],
            Op::Mix { mixing, .. } => vec![mixing],
            Op::Clipping {
                length: Length::Given(length),
                ..
            } => vec![length],
            Op::Expand {
                coefficients,
                mixing,
                ..
            } => vec![coefficients, mixing],
            Op::Distances {
                rows, coefficients, ..
            } => {
                let rows = rows.map(|(mixing, own)| [mixing, own.slot]);
                rows.into_iter().flatten().chain([coefficients]).collect()
            }
            _ => Vec::new(),
        };
        geometry
            .into_iter()
            .chain(others)
            .chain(self.weights())
            .collect()
    }

    /// The weights that it reads.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub fn weights(&self) -> Option<Slot> {
        match *self {
            Op::Mean { weights, .. }
            | Op::CenteredClipping { weights, .. }
            | Op::Rfa { weights, .. }
            | Op::Ctma { weights, .. }
            | Op::Nnm { weights, .. }
            | Op::Bucketing { weights, .. } => weights,
            _ => None,
        }
    }

    /// Numbers of room it needs behind its output.
    pub fn scratch(&self) -> usize {
        match *self {
            Op::Mean { .. } | Op::Clipping { .. } | Op::Compose { .. } | Op::Expand { .. } => 0,
            Op::Krum { geometry, .. } => geometry.n,
            Op::Bulyan { geometry, .. } => bulyan::scratch(geometry.n),
            Op::Mda { geometry, f, .. } => mda::scratch(geometry.n, f),
            Op::Smea { geometry, f, .. } => smea::scratch(geometry.n, f),
            Op::Monna { geometry, .. } | Op::Arc { geometry, .. } => geometry.n,
            Op::Caf { geometry, .. } => caf::scratch(geometry.n),
            Op::CenteredClipping { geometry, .. } => cc::scratch(geometry.points()),
            Op::Flag { geometry, .. } => flag::scratch(geometry.n),
            Op::Rfa { geometry, .. } => rfa::scratch(geometry.points()) + geometry.n,
            Op::Ctma { out, .. } => out.len,
            Op::Nnm { geometry, .. } => 2 * geometry.n,
            Op::Bucketing { n, .. } => n,
            Op::Mix { geometry, out, .. } => mixing::mix_scratch(geometry.points(), out.points()),
            Op::Distances { geometry, .. } => 3 * geometry.points(),
        }
    }

    /// Runs on one problem's region. `step` is the number of the training step.
    pub fn run(&self, region: &mut [f64], step: u64) {
        let out = self.out();
        let (before, rest) = region.split_at_mut(out.offset);
        let (result, scratch) = rest.split_at_mut(out.len);
        let scratch = &mut scratch[..self.scratch()];
        let get = |slot: Slot| &before[slot.range()];
        match *self {
            Op::Mean { weights, .. } => match weights.map(get) {
                Some(w) => {
                    let total: f64 = w.iter().sum();
                    result.iter_mut().zip(w).for_each(|(c, w)| *c = w / total);
                }
                None => result.fill(1.0 / out.len as f64),
            },
            Op::Krum {
                geometry,
                neighbours,
                m,
                ..
            } => {
                let view = geometry.view(before);
                let (scores, coefficients) = result.split_at_mut(geometry.n);
                krum::scores(&view, neighbours, scores, scratch);
                krum::choose(&view, scores, m, coefficients, order(scratch));
            }
            Op::Bulyan { geometry, f, .. } => {
                bulyan::mixing(&geometry.view(before), f, result, order(scratch));
            }
            Op::Mda { geometry, f, .. } => {
                mda::choose(&geometry.view(before), f, result, scratch);
            }
            Op::Smea { geometry, f, .. } => {
                smea::choose(&geometry.view(before), f, result, scratch);
            }
            Op::Monna {
                geometry, pivot, f, ..
            } => monna::around_row(&geometry.view(before), pivot, f, result, order(scratch)),
            Op::Caf { geometry, f, .. } => {
                caf::weights(&geometry.view(before), f, result, scratch);
            }
            Op::CenteredClipping {
                geometry,
                weights,
                tau,
                iterations,
                ..
            } => {
                let (view, weights) = (geometry.view(before), weights.map(get));
                cc::centered(&view, weights, tau, iterations, result, scratch);
            }
            Op::Flag {
                geometry, settings, ..
            } => flag::coefficients(&geometry.view(before), settings, result, scratch),
            Op::Rfa {
                geometry,
                weights,
                nu,
                stop,
                ..
            } => {
                let (coefficients, done) = result.split_at_mut(geometry.n);
                let (scratch, indices) = scratch.split_at_mut(rfa::scratch(geometry.points()));
                let view = geometry.view(before);
                let weights = weights.map(get);
                let did = rfa::weiszfeld(
                    &view,
                    weights,
                    nu,
                    stop,
                    coefficients,
                    scratch,
                    order(indices),
                );
                done[0] = did.iterations as f64;
                done[1] = f64::from(u8::from(did.capped));
            }
            Op::Ctma {
                distances,
                weights,
                trim,
                ..
            } => {
                let (squares, class) = get(distances).split_at(out.len);
                let weights = weights.map(get);
                trim::around_centre(squares, class, trim, weights, result, order(scratch));
            }
            Op::Nnm {
                geometry,
                weights,
                trim,
                ..
            } => {
                let (squares, indices) = scratch.split_at_mut(geometry.n);
                let view = geometry.view(before);
                nnm::mixing(
                    &view,
                    trim,
                    weights.map(get),
                    result,
                    squares,
                    order(indices),
                );
            }
            Op::Bucketing {
                n,
                s,
                seed,
                weights,
                ..
            } => {
                let (mixing, sums) = result.split_at_mut(n.div_ceil(s) * n);
                bucketing::mixing(
                    s,
                    (seed, step),
                    weights.map(get),
                    mixing,
                    sums,
                    order(scratch),
                );
            }
            Op::Clipping {
                geometry, length, ..
            } => {
                let c = match length {
                    Length::Fixed(c) => c,
                    Length::Given(slot) => get(slot)[0],
                };
                clipping::mixing(&geometry.view(before), c, result);
            }
            Op::Arc { geometry, f, .. } => {
                clipping::adaptive(&geometry.view(before), f, result, order(scratch));
            }
            Op::Compose {
                outer, inner, n, ..
            } => mixing::compose(get(outer), get(inner), n, result),
            Op::Mix {
                geometry,
                mixing,
                out,
            } => {
                let points = out.points();
                let (gram, class) = result.split_at_mut(points * points);
                mixing::mix(&geometry.view(before), get(mixing), gram, class, scratch);
            }
            Op::Expand {
                coefficients,
                mixing,
                anchor,
                ..
            } => {
                let (rows, own) = result.split_at_mut(out.len - usize::from(anchor));
                let (of_rows, given) = get(coefficients).split_at(mixing.len / rows.len());
                mixing::expand(of_rows, get(mixing), rows);
                own.copy_from_slice(given);
            }
            Op::Distances {
                geometry,
                rows,
                coefficients,
                ..
            } => {
                let (squares, class) = result.split_at_mut(out.len / 2);
                let view = rows.map(|(mixing, own)| (get(mixing), own.view(before)));
                let rows = view.as_ref().map(|(mixing, own)| (*mixing, own));
                let raw = geometry.view(before);
                mixing::distances(&raw, rows, get(coefficients), squares, class, scratch);
            }
        }
    }
}

/// Room for indices.
fn order(scratch: &mut [f64]) -> &mut [u64] {
    bytemuck::cast_slice_mut(scratch)
}
