//! The kernels' modules: which there are, and their PTX, which is embedded in the crate.

use std::fmt;
use std::io::Read;

use cudarc::nvrtc::Ptx;
use flate2::read::GzDecoder;

use crate::DType;

include!(concat!(env!("OUT_DIR"), "/ptx.rs"));

/// A module of kernels (`kernels/README.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Module {
    /// Statistics of columns of an element type, of at most so many rows; of any number for 0.
    Columns(DType, usize),
    Combine(DType),
    /// Inner products of rows of an element type, of at most so many; of any number for 0.
    Pairwise(DType, usize),
    Plan,
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |rows: usize| match rows {
            0 => "any".into(),
            rows => rows.to_string(),
        };
        match *self {
            Module::Columns(dtype, most) => write!(f, "columns_{dtype}_{}", rows(most)),
            Module::Combine(dtype) => write!(f, "combine_{dtype}"),
            Module::Pairwise(dtype, most) => write!(f, "pairwise_{dtype}_{}", rows(most)),
            Module::Plan => f.write_str("plan"),
        }
    }
}

/// A module's PTX.
pub(super) fn ptx(module: Module) -> Result<Ptx, String> {
    let name = module.to_string();
    let (_, compressed) = PTX
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("this build of byzagg is without the kernels {name}"))?;
    let mut text = String::new();
    GzDecoder::new(*compressed)
        .read_to_string(&mut text)
        .map_err(|error| format!("the kernels {name} can't be unpacked: {error}"))?;
    Ok(Ptx::from_src(text))
}
