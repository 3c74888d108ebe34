//! Attacks against transcriptions of their formulas, and against the rules that they are meant for.

use byzagg::attack::{Attack, Scene, catalogue};
use byzagg::{DType, Device, Error, Matrix, Prepared, Result, Rule, Shape};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const N: usize = 11;
const D: usize = 40;
const BYZANTINE: [usize; 3] = [2, 5, 10];

/// Rows about a common vector, as gradients of one loss are.
fn rows(seed: u64) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut draw = || random.random_range(-1.0f32..1.0);
    let centre: Vec<f32> = (0..D).map(|_| 2.0 * draw()).collect();
    (0..N * D).map(|at| centre[at % D] + draw()).collect()
}

fn honest() -> Vec<usize> {
    (0..N).filter(|i| !BYZANTINE.contains(i)).collect()
}

/// The honest mean and the standard deviation of a coordinate.
fn known(rows: &[f32], k: usize) -> (f64, f64) {
    let values: Vec<f64> = honest()
        .iter()
        .map(|i| f64::from(rows[i * D + k]))
        .collect();
    let h = values.len() as f64;
    let mean = values.iter().sum::<f64>() / h;
    let square: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, (square / (h - 1.0)).sqrt())
}

fn scene() -> Scene<'static> {
    Scene {
        byzantine: &BYZANTINE,
        seed: 7,
        step: 3,
        start: &[3.0; D],
        point: &[1.0; D],
        rule: None,
    }
}

/// What the rows become, and that honest ones stay.
fn struck(attack: &str, rows: &[f32], scene: Scene) -> Vec<f32> {
    let mut sent = rows.to_vec();
    let attack: Attack = attack.parse().unwrap();
    let byzantine = scene.byzantine;
    attack.strike(&mut sent, D, scene).unwrap();
    for i in (0..N).filter(|i| !byzantine.contains(i)) {
        assert!(same(&sent[i * D..][..D], &rows[i * D..][..D]), "{attack}");
    }
    sent
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.iter()
        .map(|x| x.to_bits())
        .eq(b.iter().map(|x| x.to_bits()))
}

/// A rule on the whole matrix, as a server has it.
struct Server(Prepared);

impl Server {
    fn new(rule: &str) -> Self {
        let rule: Rule = rule.parse().unwrap();
        let shape = Shape::new(N, D);
        Server(rule.prepare(&Device::cpu(), &shape, DType::F32).unwrap())
    }

    fn run(&mut self, rows: &[f32], out: &mut [f32]) -> Result<()> {
        self.0.run(Matrix::new(rows, N, D)?, out).map(|_| ())
    }

    /// ‖A(rows) − honest mean‖.
    fn damage(&mut self, rows: &[f32]) -> f64 {
        let mut out = vec![0.0f32; D];
        self.run(rows, &mut out).unwrap();
        let off = |k: usize| f64::from(out[k]) - known(rows, k).0;
        (0..D).map(|k| off(k) * off(k)).sum::<f64>().sqrt()
    }

    fn strike(&mut self, attack: &str, rows: &[f32]) -> Vec<f32> {
        let mut rule = |rows: &[f32], out: &mut [f32]| self.run(rows, out);
        let scene = Scene {
            rule: Some(&mut rule),
            ..scene()
        };
        struck(attack, rows, scene)
    }
}

#[test]
fn attacks_are_their_formulas() {
    // Φ⁻¹((8 − 3)/8), from a table: n = 11, f = 3, s = 5 + 1 − 3.
    let z = 0.318_639_363_964_375;
    type Formula = fn(x: f64, mean: f64, deviation: f64, z: f64) -> f64;
    let cases: [(&str, Formula); 6] = [
        ("none", |x, _, _, _| x),
        ("sign-flip", |x, _, _, _| -x),
        ("ipm", |_, mean, _, _| -0.1 * mean),
        ("ipm(epsilon=3)", |_, mean, _, _| -3.0 * mean),
        ("alie", |_, mean, deviation, z| mean - z * deviation),
        ("alie(z=-1.5)", |_, mean, deviation, _| {
            mean + 1.5 * deviation
        }),
    ];
    let rows = rows(1);
    for (attack, formula) in cases {
        let sent = struck(attack, &rows, scene());
        for (i, k) in BYZANTINE.iter().flat_map(|i| (0..D).map(move |k| (i, k))) {
            let (mean, deviation) = known(&rows, k);
            let expected = formula(f64::from(rows[i * D + k]), mean, deviation, z);
            let error = (f64::from(sent[i * D + k]) - expected).abs();
            assert!(error <= 1e-6, "{attack}, row {i}, {k}: {error}");
        }
    }
}

#[test]
fn gaussian_rows_have_their_deviation_and_are_their_own() {
    let (n, d, sigma) = (4, 20_000, 3.0);
    let mut rows = vec![0.0f32; n * d];
    let scene = Scene {
        byzantine: &[1, 3],
        seed: 1,
        ..Scene::default()
    };
    Attack::Gaussian { sigma }
        .strike(&mut rows, d, scene)
        .unwrap();
    let moment = |of: &dyn Fn(f64, f64) -> f64| {
        let pairs = rows[d..2 * d].iter().zip(&rows[3 * d..]);
        pairs
            .map(|(x, y)| of(f64::from(*x) / sigma, f64::from(*y) / sigma))
            .sum::<f64>()
            / d as f64
    };
    // Five standard errors of each estimate.
    let within = |value: f64, expected: f64, variance: f64| {
        let limit = 5.0 * (variance / d as f64).sqrt();
        assert!(
            (value - expected).abs() <= limit,
            "{value} is not {expected}"
        );
    };
    within(moment(&|x, _| x), 0.0, 1.0);
    within(moment(&|_, y| y), 0.0, 1.0);
    within(moment(&|x, _| x * x), 1.0, 2.0);
    within(moment(&|x, _| x.powi(4)), 3.0, 96.0);
    within(moment(&|x, y| x * y), 0.0, 1.0);
    within(moment(&|x, _| f64::from(x.abs() > 1.959_964)), 0.05, 0.05);
}

#[test]
fn bit_flips_flip_so_many_bits_of_so_many_coordinates() {
    let rows = rows(2);
    let mut seen = 0u32;
    for step in 0..200 {
        for (bits, coordinates) in [(2, 8), (32, 1), (1, 100)] {
            let attack = format!("bit-flips(bits={bits},coordinates={coordinates})");
            let sent = struck(&attack, &rows, Scene { step, ..scene() });
            for i in BYZANTINE {
                let pairs = sent[i * D..][..D].iter().zip(&rows[i * D..][..D]);
                let flips = pairs.map(|(sent, x)| sent.to_bits() ^ x.to_bits());
                let flips: Vec<u32> = flips.filter(|&flips| flips != 0).collect();
                assert_eq!(flips.len(), coordinates.min(D));
                assert!(flips.iter().all(|flips| flips.count_ones() == bits));
                if bits == 2 {
                    seen |= flips.iter().fold(0, |seen, flips| seen | flips);
                }
            }
        }
    }
    assert_eq!(
        seen,
        u32::MAX,
        "every bit, the exponent's included, at some time"
    );
}

#[test]
fn draws_depend_on_seed_step_and_row_only() {
    let rows = rows(3);
    for attack in ["gaussian", "bit-flips"] {
        let sent = struck(attack, &rows, scene());
        assert!(same(&sent, &struck(attack, &rows, scene())), "{attack}");
        // The same row is sent whoever else attacks.
        let alone = struck(
            attack,
            &rows,
            Scene {
                byzantine: &[5],
                ..scene()
            },
        );
        assert!(same(&alone[5 * D..][..D], &sent[5 * D..][..D]), "{attack}");
        for other in [Scene { step: 4, ..scene() }, Scene { seed: 8, ..scene() }] {
            let other = struck(attack, &rows, other);
            for i in BYZANTINE {
                assert!(!same(&other[i * D..][..D], &sent[i * D..][..D]), "{attack}");
            }
        }
        assert!(!same(&sent[2 * D..][..D], &sent[5 * D..][..D]), "{attack}");
    }
}

#[test]
fn optimal_attacks_harm_at_least_as_much_as_plain_ones() {
    for rule in [
        "median",
        "cwtm(f=3)",
        "krum(f=3)",
        "rfa",
        "nnm(cwtm(f=3),f=3)",
        "mean",
    ] {
        let mut server = Server::new(rule);
        let mut gains = 0;
        for seed in 0..5 {
            let rows = rows(seed);
            for (plain, optimal) in [("alie", "optimal-alie"), ("ipm", "optimal-ipm")] {
                let sent = server.strike(optimal, &rows);
                assert!(same(&sent, &server.strike(optimal, &rows)));
                let most = server.damage(&sent);
                let least = server.damage(&struck(plain, &rows, scene()));
                assert!(most >= least, "{optimal} on {rule}: {most} < {least}");
                gains += usize::from(most > 1.05 * least);
            }
        }
        assert!(gains > 0, "no search found anything against {rule}");
    }
}

#[test]
fn results_that_are_not_finite_are_the_largest_damage() {
    let rows = rows(4);
    // A rule that breaks at strengths beyond 5: nothing later harms more than the first of them.
    let mut breaks = |sent: &[f32], out: &mut [f32]| {
        let broken = f64::from(sent[2 * D].abs()) > 5.0 * known(sent, 0).0.abs();
        out.fill(if broken { f32::NAN } else { 1e30 });
        Ok(())
    };
    let scene = Scene {
        rule: Some(&mut breaks),
        ..scene()
    };
    let sent = struck("optimal-ipm", &rows, scene);
    let strength = f64::from(sent[2 * D]) / known(&rows, 0).0;
    assert!((strength + 10.0).abs() < 1e-4, "{strength}");
}

#[test]
fn a_rule_that_fails_leaves_the_rows_as_they_were() {
    let rows = rows(5);
    let refusal = || Error::Device {
        device: "test".into(),
        reason: "lost".into(),
    };
    for good in [0, 7, 20] {
        let mut calls = 0;
        let mut rule = |_: &[f32], out: &mut [f32]| {
            calls += 1;
            out.fill(calls as f32);
            if calls > good { Err(refusal()) } else { Ok(()) }
        };
        let mut sent = rows.clone();
        let scene = Scene {
            rule: Some(&mut rule),
            ..scene()
        };
        let got = Attack::OptimalAlie.strike(&mut sent, D, scene);
        assert_eq!(got, Err(refusal()));
        assert!(same(&sent, &rows));
    }
}

#[test]
fn no_scene_panics() {
    let everyone: Vec<usize> = (0..N).collect();
    let hostile = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e-42];
    let mut median = Server::new("median");
    for byzantine in [
        &[][..],
        &BYZANTINE,
        &everyone[1..],
        &everyone[..N - 1],
        &everyone,
    ] {
        for value in hostile {
            let mut rows = rows(6);
            rows[0] = value;
            rows[D..2 * D].fill(value);
            rows[10 * D + 1] = value;
            for entry in catalogue() {
                let mut rule = |rows: &[f32], out: &mut [f32]| median.run(rows, out);
                let scene = Scene {
                    byzantine,
                    rule: Some(&mut rule),
                    ..scene()
                };
                struck(entry.name, &rows, scene);
            }
        }
    }
    let mut one = [1.0f32, 2.0];
    for entry in catalogue()
        .iter()
        .filter(|entry| !entry.name.starts_with("optimal"))
    {
        let attack: Attack = entry.name.parse().unwrap();
        let scene = Scene {
            byzantine: &[0],
            start: &[0.0; 2],
            point: &[0.0; 2],
            ..Scene::default()
        };
        attack.strike(&mut one, 2, scene).unwrap();
    }
}
