//! What Byzantine workers send instead of their momentum.

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, Tensor};
use rand::seq::index;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::aggregate::{Guard, values};
use crate::random::{self, Purpose};
use crate::{Failure, Result};

/// The bits that a fault flips in each of the coordinates that it hits, and how many it hits per step.
const BITS: usize = 2;
const COORDINATES: usize = 8;

/// A worker's vector: one tensor per parameter of the model.
pub type Row = Vec<Tensor>;

/// An attack; x is what the worker would honestly send, μ and σ the mean and the standard deviation
/// of the honest workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attack {
    /// Nobody attacks: the price of robustness.
    None,
    /// `−x`.
    SignFlip,
    /// An honest momentum on labels turned around: c becomes `classes − 1 − c`.
    LabelFlip,
    /// Inner product manipulation, `−ε μ` (Xie et al. 2020).
    Ipm { epsilon: f32 },
    /// A little is enough, `μ − z σ` (Baruch et al. 2019). Without a z, the largest that still hides
    /// among so many workers.
    Alie { z: Option<f32> },
    /// NaN in every coordinate.
    Nan,
    /// Silent data corruption: a few random bits of a few random coordinates of x, exponents included.
    BitFlips,
}

impl Attack {
    pub const DEFAULT: &str = "none,sign-flip,label-flip,ipm,alie,nan,bit-flips";

    /// The heading of a column or a panel.
    pub fn title(self) -> String {
        match self {
            Attack::None => "no attack".into(),
            Attack::SignFlip => "sign flip".into(),
            Attack::LabelFlip => "label flip".into(),
            Attack::Ipm { epsilon } => format!("IPM, ε = {epsilon}"),
            Attack::Alie { z: Some(z) } => format!("ALIE, z = {z}"),
            Attack::Alie { z: None } => "ALIE".into(),
            Attack::Nan => "NaN".into(),
            Attack::BitFlips => "bit flips".into(),
        }
    }

    /// Replaces the last f rows, which hold what these workers would honestly send.
    pub fn strike(self, rows: &mut [Row], f: usize, seed: u64, step: usize) -> Result<()> {
        let n = rows.len();
        let (honest, byzantine) = rows.split_at_mut(n - f);
        match self {
            Attack::None | Attack::LabelFlip => {}
            Attack::SignFlip => {
                for row in byzantine {
                    *row = row
                        .iter()
                        .map(Tensor::neg)
                        .collect::<candle_core::Result<_>>()?;
                }
            }
            Attack::Ipm { epsilon } => collude(honest, byzantine, |mean, _| -epsilon * mean)?,
            Attack::Alie { z } => {
                let z = z.unwrap_or_else(|| alie_z(n, f));
                collude(honest, byzantine, |mean, deviation| mean - z * deviation)?;
            }
            Attack::Nan => collude(honest, byzantine, |_, _| f32::NAN)?,
            Attack::BitFlips => {
                for (i, row) in byzantine.iter_mut().enumerate() {
                    flip_bits(row, &mut random::stream(seed, Purpose::Attack, i, step))?;
                }
            }
        }
        Ok(())
    }
}

/// All Byzantine workers send one vector, a function of the honest mean and standard deviation (with
/// h − 1) of each coordinate. It is made once and shared.
fn collude(honest: &[Row], byzantine: &mut [Row], vector: impl Fn(f32, f32) -> f32) -> Result<()> {
    if byzantine.is_empty() {
        return Ok(());
    }
    let h = honest.len() as f32;
    let mut sent = Row::new();
    for (layer, like) in byzantine[0].iter().enumerate() {
        let guards: Vec<Guard<'_>> = honest
            .iter()
            .map(|row| row[layer].storage_and_layout())
            .collect();
        let rows = guards.iter().map(values).collect::<Result<Vec<_>>>()?;
        let coordinates = (0..like.elem_count()).map(|k| {
            let mean = rows.iter().map(|row| row[k]).sum::<f32>() / h;
            let squares = rows.iter().map(|row| (row[k] - mean).powi(2)).sum::<f32>();
            vector(mean, (squares / (h - 1.0).max(1.0)).sqrt())
        });
        sent.push(Tensor::from_vec(
            coordinates.collect(),
            like.shape(),
            &Device::Cpu,
        )?);
    }
    byzantine.fill(sent);
    Ok(())
}

/// ALIE's z for n workers, f of them Byzantine: `Φ⁻¹((n − f − s) / (n − f))`, `s = ⌊n/2⌋ + 1 − f`.
fn alie_z(n: usize, f: usize) -> f32 {
    let share = (n - n / 2 - 1) as f64 / (n - f) as f64;
    Normal::standard().inverse_cdf(share) as f32
}

/// Flips [`BITS`] bits of each of [`COORDINATES`] coordinates.
fn flip_bits(row: &mut Row, random: &mut impl rand::Rng) -> Result<()> {
    let d = row.iter().map(Tensor::elem_count).sum();
    let hit = index::sample(random, d, COORDINATES.min(d)).into_vec();
    let mut offset = 0;
    for tensor in row {
        let range = offset..offset + tensor.elem_count();
        offset = range.end;
        let mut hit = hit.iter().filter(|k| range.contains(k)).peekable();
        if hit.peek().is_none() {
            continue;
        }
        let mut values = tensor.flatten_all()?.to_vec1::<f32>()?;
        for &k in hit {
            let mask = index::sample(random, 32, BITS)
                .iter()
                .fold(0, |mask, bit| mask | 1 << bit);
            let value = &mut values[k - range.start];
            *value = f32::from_bits(value.to_bits() ^ mask);
        }
        *tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu)?;
    }
    Ok(())
}

impl FromStr for Attack {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let (name, strength) = match text.trim().split_once('=') {
            Some((name, strength)) => {
                let strength = strength
                    .parse::<f32>()
                    .ok()
                    .filter(|strength| strength.is_finite());
                let strength = strength.ok_or_else(|| {
                    Failure::usage(format!(
                        "attack {text:?}: expected a finite number behind the ="
                    ))
                })?;
                (name, Some(strength))
            }
            None => (text.trim(), None),
        };
        match (name, strength) {
            ("none", None) => Ok(Attack::None),
            ("sign-flip", None) => Ok(Attack::SignFlip),
            ("label-flip", None) => Ok(Attack::LabelFlip),
            ("ipm", epsilon) => Ok(Attack::Ipm {
                epsilon: epsilon.unwrap_or(0.1),
            }),
            ("alie", z) => Ok(Attack::Alie { z }),
            ("nan", None) => Ok(Attack::Nan),
            ("bit-flips", None) => Ok(Attack::BitFlips),
            _ => Err(Failure::usage(format!(
                "attack {text:?}: expected one of {}, ipm=EPSILON, alie=Z",
                Attack::DEFAULT.replace(',', ", ")
            ))),
        }
    }
}

/// The text that parses to the attack.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attack::None => f.write_str("none"),
            Attack::SignFlip => f.write_str("sign-flip"),
            Attack::LabelFlip => f.write_str("label-flip"),
            Attack::Ipm { epsilon } => write!(f, "ipm={epsilon}"),
            Attack::Alie { z: Some(z) } => write!(f, "alie={z}"),
            Attack::Alie { z: None } => f.write_str("alie"),
            Attack::Nan => f.write_str("nan"),
            Attack::BitFlips => f.write_str("bit-flips"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three workers, two parameters: a 2 × 1 weight and a bias.
    fn rows() -> Vec<Row> {
        let row = |a: f32, b: f32, c: f32| {
            vec![
                Tensor::new(&[[a], [b]], &Device::Cpu).unwrap(),
                Tensor::new(&[c], &Device::Cpu).unwrap(),
            ]
        };
        vec![row(1.0, 2.0, -3.0), row(3.0, 2.0, -1.0), row(5.0, 6.0, 7.0)]
    }

    fn struck(attack: Attack) -> Vec<f32> {
        let mut rows = rows();
        attack.strike(&mut rows, 1, 1, 0).unwrap();
        for (row, before) in rows.iter().zip(self::rows()) {
            assert_eq!(row[0].dims(), before[0].dims());
        }
        assert_eq!(flat(&rows[0]), [1.0, 2.0, -3.0]);
        assert_eq!(flat(&rows[1]), [3.0, 2.0, -1.0]);
        flat(&rows[2])
    }

    fn flat(row: &Row) -> Vec<f32> {
        row.iter()
            .flat_map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap())
            .collect()
    }

    #[test]
    fn attacks_send_what_their_formulas_say() {
        assert_eq!(struck(Attack::None), [5.0, 6.0, 7.0]);
        assert_eq!(struck(Attack::LabelFlip), [5.0, 6.0, 7.0]);
        assert_eq!(struck(Attack::SignFlip), [-5.0, -6.0, -7.0]);
        // Honest: mean (2, 2, −2), standard deviation (√2, 0, √2).
        assert_eq!(struck(Attack::Ipm { epsilon: 0.5 }), [-1.0, -1.0, 1.0]);
        let root = 2f32.sqrt();
        assert_eq!(
            struck(Attack::Alie { z: Some(2.0) }),
            [2.0 - 2.0 * root, 2.0, -2.0 - 2.0 * root]
        );
        assert!(struck(Attack::Nan).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn alie_hides_among_the_honest() {
        // Φ⁻¹(7/11), Φ⁻¹(12/20), Φ⁻¹(1/2).
        assert!((alie_z(15, 4) - 0.348_756).abs() < 1e-5);
        assert!((alie_z(25, 5) - 0.253_347).abs() < 1e-5);
        assert_eq!(alie_z(3, 1), 0.0);
    }

    #[test]
    fn bit_flips_flip_so_many_bits_of_so_many_coordinates() {
        let values: Vec<f32> = (0..1000).map(|i| i as f32 / 7.0).collect();
        let row = || -> Row {
            let (a, b) = values.split_at(600);
            vec![
                Tensor::from_slice(a, (20, 30), &Device::Cpu).unwrap(),
                Tensor::from_slice(b, 400, &Device::Cpu).unwrap(),
            ]
        };
        let mut seen = 0u32;
        for step in 0..200 {
            let mut rows = [row(), row()];
            Attack::BitFlips.strike(&mut rows, 1, 3, step).unwrap();
            let flips: Vec<u32> = flat(&rows[1])
                .iter()
                .zip(&values)
                .map(|(sent, value)| sent.to_bits() ^ value.to_bits())
                .filter(|&flips| flips != 0)
                .collect();
            assert_eq!(flips.len(), COORDINATES);
            assert!(
                flips
                    .iter()
                    .all(|flips| flips.count_ones() as usize == BITS)
            );
            seen |= flips.iter().fold(0, |seen, flips| seen | flips);
        }
        assert_eq!(
            seen,
            u32::MAX,
            "every bit, the exponent's included, is flipped at some time"
        );
    }

    #[test]
    fn all_attackers_share_one_buffer_and_nobody_may_attack() {
        let mut rows = rows();
        Attack::Nan.strike(&mut rows, 2, 1, 0).unwrap();
        assert!(
            flat(&rows[1])
                .iter()
                .chain(&flat(&rows[2]))
                .all(|value| value.is_nan())
        );
        for attack in Attack::DEFAULT.split(',') {
            let mut rows = self::rows();
            attack
                .parse::<Attack>()
                .unwrap()
                .strike(&mut rows, 0, 1, 0)
                .unwrap();
            assert_eq!(flat(&rows[2]), [5.0, 6.0, 7.0]);
        }
    }

    #[test]
    fn text_forms_round_trip() {
        for text in [
            "none",
            "sign-flip",
            "label-flip",
            "ipm=0.25",
            "alie",
            "alie=1.5",
            "nan",
            "bit-flips",
        ] {
            assert_eq!(text.parse::<Attack>().unwrap().to_string(), text);
        }
        assert_eq!(
            "ipm".parse::<Attack>().unwrap(),
            Attack::Ipm { epsilon: 0.1 }
        );
        for text in ["", "flip", "nan=1", "ipm=", "ipm=x", "alie=inf"] {
            let message = text.parse::<Attack>().unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("attack {text:?}: expected ")),
                "{message}"
            );
        }
    }
}
