//! What Byzantine workers send: attacks and faults, for tests and simulations of training.
//!
//! An [`Attack`] replaces some rows of an n×d matrix, each of which holds what its worker would honestly send.
//! It has a text form like a [`Rule`](crate::Rule)'s; [`catalogue`] lists names, parameters and sources.
//!
//! ```
//! use byzagg::attack::{Attack, Scene};
//!
//! let d = 2;
//! let honest = [1.0f32, 2.0, 3.0, 6.0, 9.0, 9.0]; // three workers, the last one is Byzantine
//! let scene = || Scene { byzantine: &[2], ..Scene::default() };
//!
//! let mut rows = honest;
//! "ipm(epsilon=0.5)".parse::<Attack>()?.strike(&mut rows, d, scene())?;
//! assert_eq!(rows, [1.0, 2.0, 3.0, 6.0, -1.0, -2.0]); // minus half the mean of the honest rows
//!
//! // An adaptive attack asks what the server's rule would make of its candidates: here, the mean.
//! let mut mean = |rows: &[f32], out: &mut [f32]| {
//!     for (k, out) in out.iter_mut().enumerate() {
//!         *out = rows.chunks_exact(d).map(|row| row[k]).sum::<f32>() / 3.0;
//!     }
//!     Ok(())
//! };
//! let mut rows = honest;
//! Attack::OptimalIpm.strike(&mut rows, d, Scene { rule: Some(&mut mean), ..scene() })?;
//! assert!(rows[4] < -1e6, "the mean follows however far an attacker goes");
//! # Ok::<(), byzagg::Error>(())
//! ```

mod honest;
mod noise;
mod optimal;
mod text;

pub use text::{Entry, catalogue};

use crate::expression::number;
use crate::{Error, Result};
use honest::Known;

/// What Byzantine workers send.
///
/// x is what the worker would honestly send, h = n − f the number of honest rows, μ their mean and σ their
/// standard deviation per coordinate (with h − 1; 0 where h = 1), in f64. Where no honest row is among those of
/// a round, the attackers know each other's, and μ and σ are of these.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attack {
    /// `none`: `x`. The price of robustness.
    None,
    /// `sign-flip`: `−x`. Allen-Zhu et al., ICLR 2021.
    SignFlip,
    /// `label-flip`: `x` of a problem whose labels are turned, c to C − 1 − c or y to −y. Fang et al., USENIX
    /// Security 2020. The problem turns them ([`Attack::flips_labels`]): the rows stay as they are.
    LabelFlip,
    /// `ipm`, inner product manipulation: `−ε μ`. Xie, Koyejo, Gupta, UAI 2019.
    Ipm {
        /// A finite ε; 0.1 unless the text says otherwise.
        epsilon: f64,
    },
    /// `alie`, a little is enough: `μ − z σ`. Baruch, Baruch, Goldberg, NeurIPS 2019.
    Alie {
        /// A finite z. Without one it is the largest that still hides, `z = Φ⁻¹((h − s)/h)` with
        /// `s = ⌊n/2⌋ + 1 − f` (1 where the attackers are the majority); negative where they are few.
        z: Option<f64>,
    },
    /// `mimic`: all copy one honest row, so that its worker counts too much. Karimireddy, He, Jaggi, ICLR 2022.
    Mimic {
        /// Which of the honest rows, from 0, the default; the last where fewer take part.
        row: usize,
    },
    /// `gaussian`: N(0, σ²) in every coordinate, each attacker's draw its own. Blanchard et al., NeurIPS 2017
    /// (σ = 200); ByzFL (σ = 1, and all attackers share one draw).
    Gaussian {
        /// A finite σ ≥ 0; 1 unless the text says otherwise.
        sigma: f64,
    },
    /// `infinite`: +Inf in every coordinate, as in ByzFL.
    Infinite,
    /// `nan`: NaN in every coordinate.
    Nan,
    /// `bit-flips`: `x` with random bits flipped, exponents included. Silent data corruption, the fault that
    /// large clusters see (Dixit et al., arXiv:2102.11245, 2021).
    BitFlips {
        /// How many distinct bits of each coordinate that is hit, 1 to 32; 2 unless the text says otherwise.
        bits: usize,
        /// How many distinct coordinates are hit, at least 1 (all d where there are fewer); 8 unless the text
        /// says otherwise.
        coordinates: usize,
    },
    /// `shift-back`: `x⁰ − x^k` where the attackers are more than the honest rows, else `x`. Malinovsky et
    /// al., NeurIPS 2024.
    ShiftBack,
    /// `optimal-alie`: `μ − z σ` with the z that moves the rule's result farthest from μ. Allouah et al.,
    /// AISTATS 2023, with the line search of ByzFL: 20 values from 0 up, and the plain attack's z. A result that
    /// is not finite, where μ is, counts as infinitely far. ByzFL searches `μ + z σ`.
    OptimalAlie,
    /// `optimal-ipm`: `−ε μ` with the ε that moves the rule's result farthest from μ, searched likewise.
    OptimalIpm,
}

/// What attackers know besides the rows.
///
/// The default is a scene without attackers.
#[derive(Default)]
pub struct Scene<'a> {
    /// Which of the rows are theirs, ascending.
    pub byzantine: &'a [usize],
    /// Of the random numbers, which depend on the seed, the step and the row's index only.
    pub seed: u64,
    /// The number of the round, so that every round has random numbers of its own.
    pub step: u64,
    /// The point x⁰ that training started from, d numbers; only [`Attack::ShiftBack`] reads it.
    pub start: &'a [f32],
    /// The point x^k that the rows belong to, d numbers; only [`Attack::ShiftBack`] reads it.
    pub point: &'a [f32],
    /// The server's rule: writes the d numbers of its result for all n×d numbers. Only adaptive attacks
    /// ([`Attack::is_adaptive`]) need it; they call it 21 times.
    pub rule: Option<&'a mut Aggregate<'a>>,
}

/// A server's rule, as [`Scene::rule`] has it: rows in, their aggregate out.
pub type Aggregate<'a> = dyn FnMut(&[f32], &mut [f32]) -> Result<()> + 'a;

impl Attack {
    const EPSILON: f64 = 0.1;
    const SIGMA: f64 = 1.0;
    const BITS: usize = 2;
    const COORDINATES: usize = 8;

    /// Replaces the Byzantine rows of an n×d matrix, row-major, in which every row holds what its worker
    /// would honestly send.
    ///
    /// Honest rows may hold anything: where a formula has no finite value, its NaN or infinity is sent.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows are not n×d, the Byzantine ones are not ascending indices of them, or
    /// points are not as long as rows; [`Error::Parameter`] if a parameter is out of range or there is no rule for
    /// an adaptive attack; what the rule returns. Rows are then as they were.
    pub fn strike(&self, rows: &mut [f32], d: usize, scene: Scene<'_>) -> Result<()> {
        self.check_parameters()?;
        check_shape(rows, d, scene.byzantine)?;
        let byzantine = scene.byzantine;
        if byzantine.is_empty() {
            return Ok(());
        }
        let n = rows.len() / d;
        let stream = |row| noise::stream(scene.seed, scene.step, row);
        match *self {
            Attack::None | Attack::LabelFlip => {}
            Attack::SignFlip => {
                for &i in byzantine {
                    row(rows, d, i).iter_mut().for_each(|x| *x = -*x);
                }
            }
            Attack::Ipm { epsilon } => {
                let mean = Known::new(rows, d, byzantine).mean();
                send(rows, d, byzantine, mean.iter().map(|mean| -epsilon * mean));
            }
            Attack::Alie { z } => {
                let known = Known::new(rows, d, byzantine);
                let z = z.unwrap_or_else(|| honest::alie_z(n, byzantine.len(), known.len()));
                let mean = known.mean();
                let deviation = known.deviation(&mean);
                let moved = mean.iter().zip(&deviation).map(|(mean, s)| mean - z * s);
                send(rows, d, byzantine, moved);
            }
            Attack::Mimic { row } => {
                let copied = Known::new(rows, d, byzantine).row(row).to_vec();
                send(rows, d, byzantine, copied.into_iter().map(f64::from));
            }
            Attack::Gaussian { sigma } => {
                for &i in byzantine {
                    noise::gaussian(row(rows, d, i), sigma, &mut stream(i));
                }
            }
            Attack::Infinite => fill(rows, d, byzantine, f32::INFINITY),
            Attack::Nan => fill(rows, d, byzantine, f32::NAN),
            Attack::BitFlips { bits, coordinates } => {
                for &i in byzantine {
                    noise::flip_bits(row(rows, d, i), bits, coordinates, &mut stream(i));
                }
            }
            Attack::ShiftBack => {
                for point in [scene.start, scene.point] {
                    let expected = || format!("a start and a point of {d} numbers");
                    check(point.len() == d, expected, || point.len().to_string())?;
                }
                if byzantine.len() > n - byzantine.len() {
                    let back = scene.start.iter().zip(scene.point);
                    let back = back.map(|(x, y)| f64::from(*x) - f64::from(*y));
                    send(rows, d, byzantine, back);
                }
            }
            Attack::OptimalAlie | Attack::OptimalIpm => {
                let Some(rule) = scene.rule else {
                    return Err(self.refusal("the server's rule", "none"));
                };
                let search = match self {
                    Attack::OptimalAlie => optimal::Search::alie(rows, d, byzantine),
                    _ => optimal::Search::ipm(rows, d, byzantine),
                };
                search.strike(rows, byzantine, rule)?;
            }
        }
        Ok(())
    }

    /// Does the attack need gradients of a problem whose labels are turned?
    pub fn flips_labels(&self) -> bool {
        matches!(self, Attack::LabelFlip)
    }

    /// Does [`strike`](Attack::strike) read what the Byzantine workers would honestly send, so that someone must
    /// compute it?
    pub fn reads_own_rows(&self) -> bool {
        matches!(
            self,
            Attack::None
                | Attack::SignFlip
                | Attack::LabelFlip
                | Attack::BitFlips { .. }
                | Attack::ShiftBack
        )
    }

    /// Does it need to know the server's rule ([`Scene::rule`])?
    pub fn is_adaptive(&self) -> bool {
        matches!(self, Attack::OptimalAlie | Attack::OptimalIpm)
    }

    /// Are the parameters in range, and possible for f Byzantine ones of n workers?
    ///
    /// ```
    /// let attack: byzagg::attack::Attack = "mimic(row=7)".parse()?;
    /// assert_eq!(
    ///     attack.check(10, 3).unwrap_err().to_string(),
    ///     "mimic(row=7): needs row < n−f = 7, got row = 7",
    /// );
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`], saying which one is not.
    pub fn check(&self, n: usize, f: usize) -> Result<()> {
        self.check_parameters()?;
        if f > n {
            return Err(self.refusal("f ≤ n", format!("f = {f}, n = {n}")));
        }
        match *self {
            Attack::Mimic { row } if row >= n - f => {
                let needs = format!("row < n−f = {}", n - f);
                Err(self.refusal(needs, format!("row = {row}")))
            }
            _ => Ok(()),
        }
    }

    fn check_parameters(&self) -> Result<()> {
        let (good, needs, got) = match *self {
            Attack::Ipm { epsilon: x } => (x.is_finite(), "a finite epsilon", number(x)),
            Attack::Alie { z: Some(z) } => (z.is_finite(), "a finite z", number(z)),
            Attack::Gaussian { sigma: x } => {
                (x >= 0.0 && x.is_finite(), "a finite sigma ≥ 0", number(x))
            }
            Attack::BitFlips { bits, .. } if !(1..=32).contains(&bits) => {
                (false, "1 ≤ bits ≤ 32", bits.to_string())
            }
            Attack::BitFlips { coordinates, .. } => {
                (coordinates > 0, "coordinates ≥ 1", coordinates.to_string())
            }
            _ => return Ok(()),
        };
        if good {
            Ok(())
        } else {
            Err(self.refusal(needs, got))
        }
    }

    fn refusal(&self, needs: impl Into<String>, got: impl Into<String>) -> Error {
        Error::Parameter {
            rule: self.to_string(),
            needs: needs.into(),
            got: got.into(),
        }
    }

    /// The heading of a column or a panel.
    ///
    /// ```
    /// let attack: byzagg::attack::Attack = "alie(z=1.5)".parse()?;
    /// assert_eq!(attack.title(), "ALIE, z = 1.5");
    /// # Ok::<(), byzagg::Error>(())
    /// ```
    pub fn title(&self) -> String {
        match *self {
            Attack::None => "no attack".into(),
            Attack::SignFlip => "sign flip".into(),
            Attack::LabelFlip => "label flip".into(),
            Attack::Ipm { epsilon } => format!("IPM, ε = {}", number(epsilon)),
            Attack::Alie { z: Some(z) } => format!("ALIE, z = {}", number(z)),
            Attack::Alie { z: None } => "ALIE".into(),
            Attack::Mimic { row } => format!("mimic of row {row}"),
            Attack::Gaussian { sigma } => format!("Gaussian, σ = {}", number(sigma)),
            Attack::Infinite => "infinite".into(),
            Attack::Nan => "NaN".into(),
            Attack::BitFlips { bits, coordinates } => format!("bit flips, {bits} × {coordinates}"),
            Attack::ShiftBack => "shift back".into(),
            Attack::OptimalAlie => "optimal ALIE".into(),
            Attack::OptimalIpm => "optimal IPM".into(),
        }
    }
}

const STRIKE: &str = "strike";

fn check(
    good: bool,
    expected: impl FnOnce() -> String,
    got: impl FnOnce() -> String,
) -> Result<()> {
    if good {
        Ok(())
    } else {
        Err(Error::shape(STRIKE, expected(), got()))
    }
}

fn check_shape(rows: &[f32], d: usize, byzantine: &[usize]) -> Result<()> {
    check(
        d > 0 && !rows.is_empty() && rows.len().is_multiple_of(d),
        || "n×d numbers, n and d at least 1".into(),
        || format!("{} numbers, d = {d}", rows.len()),
    )?;
    let n = rows.len() / d;
    let ascending = byzantine.is_sorted_by(|a, b| a < b);
    check(
        ascending && byzantine.last().is_none_or(|&last| last < n),
        || format!("ascending Byzantine rows below n = {n}"),
        || format!("{byzantine:?}"),
    )
}

fn row(rows: &mut [f32], d: usize, i: usize) -> &mut [f32] {
    &mut rows[i * d..(i + 1) * d]
}

fn fill(rows: &mut [f32], d: usize, byzantine: &[usize], value: f32) {
    for &i in byzantine {
        row(rows, d, i).fill(value);
    }
}

/// Writes one vector to all Byzantine rows.
fn send(rows: &mut [f32], d: usize, byzantine: &[usize], vector: impl Iterator<Item = f64>) {
    let [first, others @ ..] = byzantine else {
        return;
    };
    for (sent, x) in row(rows, d, *first).iter_mut().zip(vector) {
        *sent = x as f32;
    }
    for &i in others {
        rows.copy_within(first * d..(first + 1) * d, i * d);
    }
}

#[cfg(test)]
mod tests;
