//! What a configuration says about one training.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::data::Augment;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub seed: u64,
    pub rule: String,
    pub attack: String,
    pub device: String,
    pub data: DataSettings,
    pub model: ModelSettings,
    pub workers: Workers,
    pub training: TrainingSettings,
    pub checkpoint: Checkpoint,
    pub table: TableSettings,
    pub plot: PlotSettings,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSettings {
    pub set: Set,
    pub path: Option<PathBuf>,
    pub deal: Deal,
    pub heterogeneity: Option<f64>,
    #[serde(default)]
    pub augment: Augment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    Digits,
    Idx,
    Cifar10,
    Libsvm,
}

impl Set {
    pub fn files(self) -> &'static str {
        match self {
            Set::Digits => "nothing",
            Set::Idx => "a folder with four IDX files",
            Set::Cifar10 => "a folder with CIFAR-10's binary batches",
            Set::Libsvm => "a LIBSVM file",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deal {
    All,
    Shards,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSettings {
    pub kind: Kind,
    pub hidden: Option<usize>,
    pub channels: Option<usize>,
    pub l2: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Mlp,
    Cnn,
    Logistic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    pub n: usize,
    pub f: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    pub method: Method,
    pub mode: Mode,
    pub rate: f64,
    pub batch: usize,
    pub steps: u64,
    pub evaluations: u64,
    pub momentum: Option<f64>,
    pub beta: Option<f64>,
    pub gamma: Option<f64>,
    pub participants: Option<usize>,
    pub clip: Clip,
    pub strength: Option<f64>,
    pub arrivals: Option<String>,
    pub byzantine_arrivals: Option<f64>,
    pub weighted: Option<bool>,
    pub p: Option<f64>,
    pub sampled: Option<usize>,
    pub full: Option<usize>,
    pub keep: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Sgd,
    Momentum,
    Mu2,
    Marina,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Synchronous,
    Asynchronous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clip {
    None,
    Heuristic,
    Paper,
    Code,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSettings {
    pub rows: String,
    pub columns: String,
    pub value: Value,
    pub reach: Option<Quantity>,
    pub target: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlotSettings {
    pub x: X,
    pub y: Option<Quantity>,
}

/// What is measured at a point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    Accuracy,
    Loss,
    Gap,
    Distance,
}

/// What a cell of the table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    Accuracy,
    Loss,
    Gap,
    Distance,
    Gradients,
    Milliseconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum X {
    Step,
    Gradients,
}

impl Value {
    /// The quantity whose last value it is.
    pub fn quantity(self) -> Option<Quantity> {
        match self {
            Value::Accuracy => Some(Quantity::Accuracy),
            Value::Loss => Some(Quantity::Loss),
            Value::Gap => Some(Quantity::Gap),
            Value::Distance => Some(Quantity::Distance),
            Value::Gradients | Value::Milliseconds => None,
        }
    }
}

impl Quantity {
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Accuracy => "accuracy",
            Quantity::Loss => "loss",
            Quantity::Gap => "gap",
            Quantity::Distance => "distance",
        }
    }

    /// Is it measured from the optimum?
    pub fn needs_optimum(self) -> bool {
        matches!(self, Quantity::Gap | Quantity::Distance)
    }
}

impl Settings {
    /// What the plot shows.
    pub fn y(&self) -> Quantity {
        let table = self.table.value.quantity().or(self.table.reach);
        self.plot.y.or(table).unwrap_or(Quantity::Accuracy)
    }

    /// Is the distance to the optimum asked for?
    pub fn needs_optimum(&self) -> bool {
        [
            self.table.value.quantity(),
            self.table.reach,
            Some(self.y()),
        ]
        .into_iter()
        .flatten()
        .any(Quantity::needs_optimum)
    }
}
