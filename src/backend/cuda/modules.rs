//! The kernels' modules: which there are, and their PTX, which is embedded in the crate.

use std::collections::HashMap;
use std::fmt;

use cudarc::nvrtc::Ptx;

use crate::DType;

mod embedded {
    include!("../../../kernels/ptx/modules.rs");
}

/// A module of kernels (`kernels/README.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Module {
    /// Statistics of columns of an element type, of at most so many rows; of any number for 0.
    Columns(DType, usize),
    /// Medians and trimmed means alone, of at most so many mixed rows of an element type.
    Mixed(DType, usize),
    /// The same of the rows themselves, with two columns of a 16-bit type in a register.
    Packed(DType, usize),
    /// Medians and trimmed means of columns that lanes share, of at most so many rows.
    Lanes(DType, usize),
    Combine(DType),
    /// Inner products of rows of an element type, of at most so many; of any number for 0.
    Pairwise(DType, usize),
    /// The same on tensor cores.
    Tensor(DType, usize),
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
            Module::Mixed(dtype, most) => write!(f, "mixed_{dtype}_{most}"),
            Module::Packed(dtype, most) => write!(f, "packed_{dtype}_{most}"),
            Module::Lanes(dtype, most) => write!(f, "lanes_{dtype}_{most}"),
            Module::Combine(dtype) => write!(f, "combine_{dtype}"),
            Module::Pairwise(dtype, most) => write!(f, "pairwise_{dtype}_{}", rows(most)),
            Module::Tensor(dtype, most) => write!(f, "tensor_{dtype}_{}", rows(most)),
            Module::Plan => f.write_str("plan"),
        }
    }
}

/// A module's PTX.
pub(super) fn ptx(module: Module) -> Result<Ptx, String> {
    let name = module.to_string();
    let (_, packed) = embedded::MODULES
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("this build of byzagg is without the kernels {name}"))?;
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut text)
        .map_err(|error| format!("the kernels {name} can't be unpacked: {error}"))?;
    let text = String::from_utf8(text)
        .map_err(|error| format!("the kernels {name} are no text: {error}"))?;
    Ok(Ptx::from_src(unpack(&text)))
}

/// The registers' classes, the longer names first where one begins with another.
const CLASSES: [&str; 8] = ["rs", "rd", "r", "fd", "f", "p", "hh", "h"];

/// Undoes what `scripts/ptx.py` does to registers: `%f+` is the next new one of its class in a function, and
/// `%f2` the one before the one before the newest.
fn unpack(packed: &str) -> String {
    let mut text = String::with_capacity(2 * packed.len());
    let mut newest: HashMap<&str, usize> = HashMap::new();
    for line in packed.split_inclusive('\n') {
        if line.contains(".entry ") || line.contains(".func ") {
            newest.clear();
        }
        let mut rest = line;
        while let Some(at) = rest.find('%') {
            let (before, register) = rest.split_at(at + 1);
            text.push_str(before);
            rest = register;
            let Some((class, number)) = register_of(register) else {
                continue;
            };
            let count = newest.entry(class).or_default();
            let number = match number {
                "+" => {
                    *count += 1;
                    rest = &register[class.len() + 1..];
                    *count
                }
                digits => {
                    rest = &register[class.len() + digits.len()..];
                    let back = digits.parse::<usize>().unwrap_or(usize::MAX);
                    count.saturating_sub(back)
                }
            };
            text.push_str(class);
            text.push_str(&number.to_string());
        }
        text.push_str(rest);
    }
    text
}

/// A register's class and what is behind it, if this is a register.
fn register_of(text: &str) -> Option<(&'static str, &str)> {
    CLASSES.into_iter().find_map(|class| {
        let behind = text.strip_prefix(class)?;
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        match (behind.starts_with('+'), digits) {
            (true, _) => Some((class, "+")),
            (false, 0) => None,
            (false, digits) => Some((class, &behind[..digits])),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_numbered_again() {
        let packed = ".entry a(\nadd.f32 %f+, %f+, %f1;\nmov %rd+, %tid.x;\nst %rd0, %f2;\n.entry b(\nmov %f+, %p+;\n";
        let text = ".entry a(\nadd.f32 %f1, %f2, %f1;\nmov %rd1, %tid.x;\nst %rd1, %f0;\n.entry b(\nmov %f1, %p1;\n";
        assert_eq!(unpack(packed), text);
    }

    #[test]
    fn every_module_is_there() {
        let dtypes = [DType::F32, DType::Bf16, DType::F16];
        let mut modules = vec![Module::Plan];
        for dtype in dtypes {
            modules.push(Module::Combine(dtype));
            let mixed = super::super::policy::MIXED_BUCKETS;
            modules.extend(mixed.map(|rows| Module::Mixed(dtype, rows)));
            let lanes = super::super::policy::LANE_BUCKETS;
            modules.extend(lanes.map(|rows| Module::Lanes(dtype, rows)));
            if dtype != DType::F32 {
                let packed = super::super::policy::BUCKETS;
                modules.extend(packed.map(|rows| Module::Packed(dtype, rows)));
            }
            for rows in super::super::policy::BUCKETS.into_iter().chain([0]) {
                modules.push(Module::Columns(dtype, rows));
                if rows <= super::super::policy::FUSED_ROWS {
                    modules.push(Module::Pairwise(dtype, rows));
                    if rows == 0 || rows > super::super::policy::FEW_ROWS {
                        modules.push(Module::Tensor(dtype, rows));
                    }
                }
            }
        }
        assert_eq!(modules.len(), embedded::MODULES.len());
        for module in modules {
            assert!(ptx(module).is_ok(), "{module}");
        }
    }
}
