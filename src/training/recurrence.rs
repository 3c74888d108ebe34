//! Vectors that are updated in place, in the memory of a device.

use crate::primitive::{Anchor, Inputs, PreparedPrimitive, Primitive};
use crate::{DType, Device, Matrix, Output, Result, Shape};

/// `y ← a·y + Σ b_k v_k`: what momenta, averages and steps have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update<const N: usize> {
    /// a.
    pub own: f64,
    /// b, a factor for each vector.
    pub vectors: [f64; N],
}

/// `m ← β m + (1−β) g`: worker momentum. Here β weighs the old momentum.
pub fn momentum(beta: f64) -> Update<1> {
    Update {
        own: beta,
        vectors: [1.0 - beta],
    }
}

/// `d ← g⁺ + (1−β)(d − g⁻)`, of the rows g⁺, the gradient at the new point, and g⁻, that at the point before on the
/// same sample: the corrected momentum of STORM (Cutkosky, Orabona, NeurIPS 2019) and μ²-SGD. Here β weighs the new
/// gradient.
pub fn corrected_momentum(beta: f64) -> Update<2> {
    Update {
        own: 1.0 - beta,
        vectors: [1.0, beta - 1.0],
    }
}

/// `x ← (1−γ) x + γ w`: an average of points. AnyTime averaging with weights α_t = t has γ = 2/(t+2) after step t
/// (Cutkosky, ICML 2019).
pub fn average(gamma: f64) -> Update<1> {
    Update {
        own: 1.0 - gamma,
        vectors: [gamma],
    }
}

/// `w ← w − η g`.
pub fn descent(rate: f64) -> Update<1> {
    Update {
        own: 1.0,
        vectors: [-rate],
    }
}

/// A vector's [`Update`] on a device, prepared once: `y` is where the output says, the N vectors are the rows of a
/// matrix. One pass; a vector with the factor 0 is not read.
///
/// ```
/// use byzagg::training::{Recurrence, momentum};
/// use byzagg::{DType, Device, Matrix, Shape};
///
/// let mut recurrence = Recurrence::<1>::prepare(&Device::cpu(), &Shape::new(1, 3), DType::F32)?;
/// let mut m = [0.0f32; 3];
/// for g in [[1.0f32, 2.0, 3.0], [1.0, 0.0, -1.0]] {
///     recurrence.run(Matrix::new(&g, 1, 3)?, &mut m[..], momentum(0.5))?;
/// }
/// assert_eq!(m, [0.75, 0.5, 0.25]);
/// # Ok::<(), byzagg::Error>(())
/// ```
#[derive(Debug)]
pub struct Recurrence<const N: usize>(PreparedPrimitive);

impl<const N: usize> Recurrence<N> {
    /// Allocates what it needs for N rows of this shape, and an output with elements of the same type.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless the shape has N rows.
    pub fn prepare(device: &Device, shape: &Shape, dtype: DType) -> Result<Self> {
        if shape.n() != N {
            let expected = format!("a matrix of {N} rows");
            return Err(crate::Error::shape(
                "Recurrence",
                expected,
                shape.to_string(),
            ));
        }
        let primitive = Primitive::combine().anchored();
        Ok(Recurrence(primitive.prepare(device, shape, dtype)?))
    }

    /// Updates the output.
    ///
    /// # Errors
    /// As [`Prepared::run`](crate::Prepared::run).
    pub fn run<'a, 'b>(
        &mut self,
        vectors: impl Into<Matrix<'a>>,
        y: impl Into<Output<'b>>,
        update: Update<N>,
    ) -> Result<()> {
        let coefficients: Vec<f64> = update.vectors.into_iter().chain([update.own]).collect();
        let inputs = Inputs {
            coefficients: Some(&coefficients),
            anchor: Some(Anchor::Output),
            ..Inputs::default()
        };
        self.0.run(vectors, y, &inputs)
    }
}
