//! Vertical scales: linear, or logarithmic where values span orders of magnitude.

/// Positive values farther apart than this ask for a logarithmic scale.
const SPAN: f64 = 50.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    Linear {
        low: f64,
        high: f64,
    },
    /// Values of 0 lie at the lower edge.
    Log {
        low: f64,
        high: f64,
    },
}

impl Scale {
    /// A scale for the finite ones of some values.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let finite: Vec<_> = values.filter(|x| x.is_finite()).collect();
        let most = finite.iter().copied().fold(0.0, f64::max);
        let least = finite.iter().copied().fold(0.0, f64::min);
        let positive = finite.iter().copied().filter(|x| *x > 0.0);
        let smallest = positive.fold(f64::INFINITY, f64::min);
        if least == 0.0 && most > SPAN * smallest {
            // A zero lies a step below the least positive value, which is not at the edge.
            let (low, high) = (smallest.log10(), most.log10());
            let zero = finite.contains(&0.0);
            let low = low - (high - low) * if zero { 0.15 } else { 0.05 };
            return Scale::Log { low, high };
        }
        Scale::Linear {
            low: least,
            high: if most > least { most } else { least + 1.0 },
        }
    }

    /// Where a finite value lies, from 0 to 1.
    pub fn position(&self, value: f64) -> f64 {
        let position = match *self {
            Scale::Linear { low, high } => (value / 4.0 - low / 4.0) / (high / 4.0 - low / 4.0),
            Scale::Log { low, high } => (value.log10() - low) / (high - low),
        };
        position.clamp(0.0, 1.0)
    }

    /// Is a value within?
    pub fn holds(&self, value: f64) -> bool {
        match *self {
            Scale::Linear { low, high } => (low..=high).contains(&value),
            Scale::Log { low, high } => (low..=high).contains(&value.log10()),
        }
    }

    /// A value in the middle of two, as the eye sees them.
    pub fn between(&self, a: f64, b: f64) -> f64 {
        let (low, high) = match *self {
            Scale::Linear { low, high } => (low, high),
            Scale::Log { low, high } => (10f64.powf(low), 10f64.powf(high)),
        };
        let (a, b) = (a.clamp(low, high), b.clamp(low, high));
        match self {
            Scale::Linear { .. } => a / 2.0 + b / 2.0,
            Scale::Log { .. } => a.sqrt() * b.sqrt(),
        }
    }

    /// Values with their names.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match *self {
            Scale::Linear { low, high } => {
                let step = nice(high / 5.0 - low / 5.0);
                let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
                (first..=last)
                    .map(|k| (k as f64 * step, decimal(k as f64 * step, step)))
                    .collect()
            }
            Scale::Log { low, high } => {
                let step = ((high - low) / 6.0).ceil() as i32;
                let (first, last) = (low.ceil() as i32, high.floor() as i32);
                (first..=last)
                    .filter(|exponent| exponent.rem_euclid(step) == 0)
                    .map(|exponent| (10f64.powi(exponent), power(exponent)))
                    .collect()
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least about as large as a positive number.
pub fn nice(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= x * 0.999);
    factor.unwrap_or(10.0) * power
}

fn decimal(x: f64, step: f64) -> String {
    if x != 0.0 && !(1e-4..1e6).contains(&x.abs()) {
        return format!("{x:.1e}");
    }
    let digits = (-step.log10().floor()).clamp(0.0, 9.0);
    format!("{x:.*}", digits as usize)
}

/// 10⁻³ and the like.
pub fn power(exponent: i32) -> String {
    if (-2..=3).contains(&exponent) {
        return 10f64.powi(exponent).to_string();
    }
    let superscript = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    let digits: String = exponent.to_string().chars().map(superscript).collect();
    format!("10{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_fits_the_values() {
        let of = |values: &[f64]| Scale::of(values.iter().copied());
        let linear = |low, high| Scale::Linear { low, high };
        assert_eq!(of(&[1.0, 3.0, f64::INFINITY]), linear(0.0, 3.0));
        assert_eq!(of(&[-1.0, 1000.0]), linear(-1.0, 1000.0));
        assert_eq!(of(&[]), linear(0.0, 1.0));
        assert_eq!(of(&[0.0, f64::NAN]), linear(0.0, 1.0));
        assert!(matches!(
            of(&[10.0, 1e5]),
            Scale::Log {
                low: 0.8,
                high: 5.0
            }
        ));
        let log = Scale::Log {
            low: 1.0,
            high: 5.0,
        };
        assert_eq!(log.position(1e3), 0.5);
        assert_eq!(log.position(0.0), 0.0);
        assert_eq!(
            log.between(1e2, f64::INFINITY),
            1e2f64.sqrt() * 1e5f64.sqrt()
        );
        let names: Vec<_> = log.ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["10", "100", "1000", "10⁴", "10⁵"]);
    }

    #[test]
    fn extremes_have_ticks_and_no_panic() {
        for values in [
            [1e-300, 1e300],
            [f64::MIN, f64::MAX],
            [5e-324, 1e-320],
            [-1.0, -2.0],
        ] {
            let scale = Scale::of(values.into_iter());
            assert!(scale.ticks().len() < 20, "{scale:?}");
            for value in values {
                assert!((0.0..=1.0).contains(&scale.position(value)), "{scale:?}");
            }
        }
        assert_eq!(nice(0.3), 0.5);
        assert_eq!(nice(83.3), 100.0);
        assert_eq!(power(-12), "10⁻¹²");
    }
}
