//! Where a plan leaves what a report tells: slots of the arena, and how the rule decided.

use crate::geometry::GeometrySlot;
use crate::plan::Slot;
use crate::report::{Measure, Spread, Weighing};

/// Where a report finds what happened. A backend leaves these slots in the arena.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// n classes.
    pub classes: Option<Slot>,
    /// n squared distances to the output, or to the centre that CTMA trims around.
    pub distances: Option<Slot>,
    /// Are they distances to CTMA's centre?
    pub to_centre: bool,
    /// Krum's scores, of the rows that stood for the workers.
    pub scores: Option<Slot>,
    /// The output as a combination of rows.
    pub coefficients: Option<Slot>,
    /// Where the class of the given vector is.
    pub start: Option<usize>,
    /// Where its coefficient in the output is, if it has one.
    pub share_of_start: Option<usize>,
    /// The mixing whose rows a coordinate-wise rule saw.
    pub mixing: Option<Slot>,
    /// A diagonal n×n matrix of clipping factors, when clipping came first.
    pub clipping: Option<Slot>,
    /// Iterations, and whether the cap was hit.
    pub iterations: Option<Slot>,
    /// How the rule decided whom to keep.
    pub decision: Option<Decision>,
}

/// How a rule decided about the rows that it saw.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub kind: Kind,
    /// How many rows it saw.
    pub n: usize,
    /// What they are of the workers' rows; `None`: the workers' own, clipped or not.
    pub mixing: Option<Slot>,
    /// Does row b stand for worker b?
    pub own: bool,
    pub weights: Option<Slot>,
    /// Their classes, where the rule knew them.
    pub classes: Option<Slot>,
    /// Their coefficients in the output, if columns did not decide.
    pub coefficients: Option<Slot>,
}

impl Decision {
    /// Was the result computed column by column, so that it is not known as a combination of rows?
    pub fn is_columns(&self) -> bool {
        self.coefficients.is_none()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The rows with the least values: scores, or squared distances.
    Least {
        by: Measure,
        values: Slot,
        classes: Slot,
    },
    /// The rows nearest to one.
    Nearest {
        pivot: usize,
        geometry: GeometrySlot,
    },
    /// A set of rows as a whole.
    Set { by: Spread, geometry: GeometrySlot },
    /// Every row, by weights that the rule found.
    Weighed(Weighing),
    /// Rows selected one after another (a matrix with one of them a row); then every column decides.
    Selected(Slot),
    /// Every column decides.
    Columns,
    /// Every row, by its own weight.
    Averaged,
}
