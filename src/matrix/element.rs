//! Element types.

use std::fmt;

use half::{bf16, f16};

use crate::{Error, Result};

/// The element type of a matrix or an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// The upper half of a single: 8 bits of exponent, 8 of precision.
    Bf16,
    /// IEEE half precision.
    F16,
    /// IEEE double precision. Input on the host only: each element is rounded to f32 when it is read.
    F64,
}

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::Bf16 | DType::F16 => 2,
            DType::F64 => 8,
        }
    }

    /// The element type of a result that nobody asked otherwise for: the input's, f32 for f64.
    pub fn output(self) -> DType {
        if self == DType::F64 { DType::F32 } else { self }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::Bf16 => "bf16",
            DType::F16 => "f16",
            DType::F64 => "f64",
        })
    }
}

impl std::str::FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(DType::F32),
            "bf16" => Ok(DType::Bf16),
            "f16" => Ok(DType::F16),
            "f64" => Ok(DType::F64),
            _ => Err(Error::shape("dtype", "f32, bf16, f16 or f64", text)),
        }
    }
}

mod sealed {
    use crate::matrix::{Block, Blocks, Data, OutputData};

    pub trait Sealed: Sized {
        fn data<'a>(blocks: Blocks<'a, Block<'a, Self>>) -> Data<'a>;
    }
    pub trait SealedOutput: Sized {
        fn output<'a>(slices: Vec<&'a mut [Self]>) -> OutputData<'a>;
    }

    macro_rules! variants {
        ($($element:ty => $variant:ident),*) => {$(
            impl Sealed for $element {
                fn data<'a>(blocks: Blocks<'a, Block<'a, Self>>) -> Data<'a> {
                    Data::$variant(blocks)
                }
            }
        )*};
    }
    variants!(f32 => F32, half::bf16 => Bf16, half::f16 => F16, f64 => F64);
    macro_rules! output_variants {
        ($($element:ty => $variant:ident),*) => {$(
            impl SealedOutput for $element {
                fn output<'a>(slices: Vec<&'a mut [Self]>) -> OutputData<'a> {
                    OutputData::$variant(slices)
                }
            }
        )*};
    }
    output_variants!(f32 => F32, half::bf16 => Bf16, half::f16 => F16);
}

/// An element that a matrix may hold: f32, bf16, f16, and f64 on the host.
pub trait Element: sealed::Sealed + bytemuck::Pod + Send + Sync + fmt::Debug {
    /// The element's run-time name.
    const DTYPE: DType;
    /// The value as f32; an f64 is rounded, beyond ±f32::MAX to ±Inf.
    fn to_f32(self) -> f32;
}

/// An element that a result may have: f32, bf16, f16.
pub trait OutputElement: Element + sealed::SealedOutput {
    /// The nearest element to a value.
    fn from_f32(value: f32) -> Self;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}
impl Element for bf16 {
    const DTYPE: DType = DType::Bf16;
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits((self.to_bits() as u32) << 16)
    }
}
impl Element for f16 {
    const DTYPE: DType = DType::F16;
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
}
impl Element for f64 {
    const DTYPE: DType = DType::F64;
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self as f32
    }
}
impl OutputElement for f32 {
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }
}
impl OutputElement for bf16 {
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        bf16::from_f32(value)
    }
}
impl OutputElement for f16 {
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        f16::from_f32(value)
    }
}
