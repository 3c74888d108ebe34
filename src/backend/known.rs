//! Who computes which slot: what depends on no row is the host's, in f64; of the rest, the device does
//! what it can.

use crate::geometry::Op;
use crate::plan::{Slot, Step};

/// Where an operation runs. Primitives are the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// On the host, which need not wait: it depends on no row.
    Ahead,
    Device,
    /// On the host, which waits for the device.
    Host,
}

#[derive(Debug)]
pub(crate) struct Known {
    places: Vec<Where>,
    /// What is given from outside: weights, and what a primitive is run with.
    given: Vec<Slot>,
    /// What the host knows or computes.
    host: Vec<Slot>,
    /// Integers on the device.
    #[cfg(feature = "wgpu")]
    weights: Vec<Slot>,
}

impl Known {
    /// `supported` says which operations the device has.
    pub fn new(steps: &[Step], supported: impl Fn(&Op) -> bool) -> Self {
        let written: Vec<Slot> = steps.iter().filter_map(Step::out).collect();
        let inside = |slot: &Slot, of: &[Slot]| {
            of.iter()
                .any(|of| of.offset <= slot.offset && slot.end() <= of.end())
        };
        let reads = || steps.iter().flat_map(Step::inputs);
        let given: Vec<Slot> = reads().filter(|slot| !inside(slot, &written)).collect();
        let (mut known, mut host) = (given.clone(), given.clone());
        let mut places = Vec::new();
        for step in steps {
            let Step::Geometry(op) = step else {
                places.push(Where::Device);
                continue;
            };
            let place = if step.inputs().iter().all(|slot| inside(slot, &known)) {
                known.push(op.out());
                Where::Ahead
            } else if supported(op) {
                Where::Device
            } else {
                Where::Host
            };
            if place != Where::Device {
                host.push(op.out());
            }
            places.push(place);
        }
        Known {
            places,
            #[cfg(feature = "wgpu")]
            weights: steps.iter().filter_map(Step::weights).collect(),
            given,
            host,
        }
    }

    /// Where each step runs.
    pub fn places(&self) -> impl Iterator<Item = Where> + '_ {
        self.places.iter().copied()
    }

    /// What the device has to be told before a run.
    pub fn given(&self) -> impl Iterator<Item = Slot> + '_ {
        self.given.iter().copied()
    }

    /// Operations that a run waits for the device for, because the host does them.
    pub fn host_syncs(&self) -> usize {
        self.places().filter(|place| *place == Where::Host).count()
    }

    /// Is it a weight, an integer, that is at this place of a region?
    #[cfg(feature = "wgpu")]
    pub fn is_weight(&self, at: usize) -> bool {
        self.weights.iter().any(|slot| slot.range().contains(&at))
    }

    /// Is this place of a region the host's?
    pub fn is_host(&self, at: usize) -> bool {
        self.host.iter().any(|slot| slot.range().contains(&at))
    }
}
