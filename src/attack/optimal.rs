//! Attacks whose strength is searched against the rule in use.

use super::honest::{Known, alie_z};
use super::{Aggregate, Attack, row, send};
use crate::Result;

/// ByzFL's defaults: evaluations, the first step from a strength of 0, and how steps shrink.
const EVALUATIONS: usize = 20;
const STEP: f64 = 10.0;
const RATIO: f64 = 0.8;

/// Vectors `origin + strength · direction`, and how far each moves a rule.
pub(super) struct Search {
    mean: Vec<f64>,
    /// The origin is the mean, not 0.
    from_mean: bool,
    direction: Vec<f64>,
    /// What the plain attack does.
    plain: f64,
}

impl Search {
    pub fn alie(rows: &[f32], d: usize, byzantine: &[usize]) -> Self {
        let known = Known::new(rows, d, byzantine);
        let mean = known.mean();
        let deviation = known.deviation(&mean);
        Search {
            from_mean: true,
            direction: deviation.iter().map(|s| -s).collect(),
            plain: alie_z(rows.len() / d, byzantine.len(), known.len()),
            mean,
        }
    }

    pub fn ipm(rows: &[f32], d: usize, byzantine: &[usize]) -> Self {
        let mean = Known::new(rows, d, byzantine).mean();
        Search {
            from_mean: false,
            direction: mean.iter().map(|mean| -mean).collect(),
            plain: Attack::EPSILON,
            mean,
        }
    }

    /// Sends the strongest vector; none if the rule fails.
    pub fn strike(
        &self,
        rows: &mut [f32],
        byzantine: &[usize],
        rule: &mut Aggregate<'_>,
    ) -> Result<()> {
        let d = self.mean.len();
        let before: Vec<f32> = byzantine
            .iter()
            .flat_map(|&i| row(rows, d, i).to_vec())
            .collect();
        let mut out = vec![0.0; d];
        let found = line_maximize(self.plain, |strength| {
            self.send(rows, byzantine, strength);
            rule(rows, &mut out)?;
            Ok(damage(&out, &self.mean))
        });
        match found {
            Ok(strength) => self.send(rows, byzantine, strength),
            Err(_) => {
                for (&i, before) in byzantine.iter().zip(before.chunks_exact(d)) {
                    row(rows, d, i).copy_from_slice(before);
                }
            }
        }
        found.map(|_| ())
    }

    fn send(&self, rows: &mut [f32], byzantine: &[usize], strength: f64) {
        let terms = self.mean.iter().zip(&self.direction);
        let origin = |mean: &f64| if self.from_mean { *mean } else { 0.0 };
        let vector = terms.map(|(mean, v)| origin(mean) + strength * v);
        send(rows, self.mean.len(), byzantine, vector);
    }
}

/// The distance between a result and the honest mean, over the coordinates where that is finite; infinite if
/// the result is not finite in one of these.
fn damage(out: &[f32], mean: &[f64]) -> f64 {
    let known = out.iter().zip(mean).filter(|(_, mean)| mean.is_finite());
    let squares: f64 = known.map(|(&x, mean)| (f64::from(x) - mean).powi(2)).sum();
    if squares.is_finite() {
        squares.sqrt()
    } else {
        f64::INFINITY
    }
}

/// The strength that harms most among those tried: from 0 by steps that double while they help, then by
/// steps from the best that shrink; and the plain attack's, so that the search never does worse.
fn line_maximize(plain: f64, mut damage: impl FnMut(f64) -> Result<f64>) -> Result<f64> {
    let (mut best, mut most) = (0.0, damage(0.0)?);
    let (mut step, mut expanding) = (STEP, true);
    for _ in 1..EVALUATIONS {
        let strength = best + step;
        let harm = damage(strength)?;
        let better = harm > most;
        if better {
            (best, most) = (strength, harm);
        }
        expanding &= better;
        step *= if expanding { 2.0 } else { RATIO };
    }
    Ok(if damage(plain)? > most { plain } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(of: impl Fn(f64) -> f64) -> (f64, Vec<f64>) {
        let mut tried = Vec::new();
        let best = line_maximize(0.1, |strength| {
            tried.push(strength);
            Ok(of(strength))
        });
        (best.unwrap(), tried)
    }

    #[test]
    fn steps_double_while_they_help_then_shrink() {
        let (best, strengths) = tried(|x| -(x - 37.0).abs());
        assert_eq!(strengths.len(), EVALUATIONS + 1);
        // 70 is worse than 30; 62 too, and so on down to a step that helps. Steps only go up: 37 is passed.
        assert_eq!(strengths[..5], [0.0, 10.0, 30.0, 70.0, 62.0]);
        assert!(
            (best - (30.0 + 40.0 * RATIO.powi(5))).abs() < 1e-9,
            "{best}"
        );
        let (best, strengths) = tried(|x| x);
        assert_eq!(best, 10.0 * (2f64.powi(19) - 1.0));
        assert_eq!(strengths[19], best);
    }

    #[test]
    fn the_plain_strength_counts_and_infinite_harm_is_most() {
        assert_eq!(tried(|x| if x == 0.1 { 2.0 } else { 1.0 }).0, 0.1);
        assert_eq!(tried(|_| 1.0).0, 0.0);
        assert_eq!(tried(|x| if x > 9.0 { f64::INFINITY } else { x }).0, 10.0);
    }

    #[test]
    fn a_result_that_is_not_finite_is_the_largest_damage() {
        assert_eq!(damage(&[3.0, 1.0], &[0.0, 5.0]), 5.0);
        assert_eq!(damage(&[3.0, f32::NAN], &[0.0, 5.0]), f64::INFINITY);
        assert_eq!(
            damage(&[3.0, f32::NEG_INFINITY], &[0.0, 5.0]),
            f64::INFINITY
        );
        assert_eq!(damage(&[3.0, 7.0], &[0.0, f64::NAN]), 3.0);
        assert!(damage(&[f32::MAX; 9], &[-3e38; 9]).is_finite());
    }
}
