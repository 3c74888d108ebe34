use super::honest::alie_z;
use super::*;

/// Three rows of three; the last is Byzantine unless a test says otherwise.
const ROWS: [f32; 9] = [1.0, 2.0, -3.0, 3.0, 2.0, -1.0, 5.0, 6.0, 7.0];

fn scene(byzantine: &[usize]) -> Scene<'_> {
    Scene {
        byzantine,
        ..Scene::default()
    }
}

fn struck(attack: Attack, byzantine: &[usize]) -> [f32; 9] {
    let mut rows = ROWS;
    attack.strike(&mut rows, 3, scene(byzantine)).unwrap();
    rows
}

#[test]
fn rows_are_sent_as_formulas_say_and_honest_ones_stay() {
    let last = |attack: &str| {
        let rows = struck(attack.parse().unwrap(), &[2]);
        assert_eq!(rows[..6], ROWS[..6], "{attack}");
        [rows[6], rows[7], rows[8]]
    };
    assert_eq!(last("none"), [5.0, 6.0, 7.0]);
    assert_eq!(last("label-flip"), [5.0, 6.0, 7.0]);
    assert_eq!(last("sign-flip"), [-5.0, -6.0, -7.0]);
    // Honest: mean (2, 2, −2), standard deviation (√2, 0, √2).
    assert_eq!(last("ipm(epsilon=0.5)"), [-1.0, -1.0, 1.0]);
    let root = 2f64.sqrt();
    let alie = [2.0 - 2.0 * root, 2.0, -2.0 - 2.0 * root].map(|x| x as f32);
    assert_eq!(last("alie(z=2)"), alie);
    assert_eq!(last("mimic"), [1.0, 2.0, -3.0]);
    assert_eq!(last("mimic(row=1)"), [3.0, 2.0, -1.0]);
    assert_eq!(last("mimic(row=9)"), [3.0, 2.0, -1.0], "the last there is");
    assert_eq!(last("infinite"), [f32::INFINITY; 3]);
    assert!(last("nan").iter().all(|x| x.is_nan()));
}

#[test]
fn any_rows_may_be_byzantine() {
    let rows = struck(Attack::Ipm { epsilon: 1.0 }, &[0, 2]);
    assert_eq!(rows, [-3.0, -2.0, 1.0, 3.0, 2.0, -1.0, -3.0, -2.0, 1.0]);
    // One honest row has no deviation.
    for attack in [Attack::Alie { z: None }, Attack::Alie { z: Some(3.0) }] {
        let rows = struck(attack, &[0, 2]);
        assert_eq!(rows[..3], ROWS[3..6]);
        assert_eq!(rows[6..], ROWS[3..6]);
    }
    // Without honest rows the attackers' own are what is known.
    let rows = struck(Attack::Ipm { epsilon: 1.0 }, &[0, 1, 2]);
    assert_eq!(rows[..3], [-3.0, -10.0 / 3.0, -1.0]);
    assert_eq!(rows[6..], rows[..3]);
}

#[test]
fn alie_hides_among_the_honest() {
    // Φ⁻¹ of 7/11, 12/20, 1/2, 4/9 and, as the paper has it, 24/26.
    for (n, f, z) in [
        (15, 4, 0.348_756),
        (25, 5, 0.253_347),
        (3, 1, 0.0),
        (10, 1, -0.139_710),
        (50, 24, 1.426_077),
    ] {
        let got = alie_z(n, f, n - f);
        assert!((got - z).abs() < 1e-6, "n = {n}, f = {f}: {got}");
    }
    // A majority of attackers needs no honest support; 2 of 3 is the largest share that the formula has.
    assert!((alie_z(10, 7, 3) - 0.430_727).abs() < 1e-6);
    assert_eq!(alie_z(2, 1, 1), 0.0);
}

#[test]
fn shift_back_waits_for_a_majority() {
    let point = [1.0, 2.0, 3.0];
    let strike = |byzantine: &[usize]| {
        let mut rows = ROWS;
        let scene = Scene {
            start: &[10.0, 0.0, 1.0],
            point: &point,
            ..scene(byzantine)
        };
        Attack::ShiftBack.strike(&mut rows, 3, scene).unwrap();
        rows
    };
    assert_eq!(strike(&[2]), ROWS);
    let rows = strike(&[0, 2]);
    assert_eq!(rows, [9.0, -2.0, -2.0, 3.0, 2.0, -1.0, 9.0, -2.0, -2.0]);
}

#[test]
fn text_forms_round_trip() {
    for text in [
        "none",
        "sign-flip",
        "label-flip",
        "ipm",
        "ipm(epsilon=0.25)",
        "alie",
        "alie(z=-1.5)",
        "mimic",
        "mimic(row=3)",
        "gaussian",
        "gaussian(sigma=200)",
        "infinite",
        "nan",
        "bit-flips",
        "bit-flips(coordinates=1)",
        "bit-flips(bits=1,coordinates=100)",
        "shift-back",
        "optimal-alie",
        "optimal-ipm",
    ] {
        let attack: Attack = text.parse().unwrap();
        assert_eq!(attack.to_string(), text);
    }
    for entry in catalogue() {
        let attack: Attack = entry.name.parse().unwrap();
        assert_eq!(attack.to_string(), entry.name, "defaults are not shown");
        attack.check(10, 3).unwrap();
    }
    for (long, short) in [
        ("ipm(epsilon=0.1)", "ipm"),
        (" bit-flips( coordinates = 8, bits=2 ) ", "bit-flips"),
        ("mimic(row=0)", "mimic"),
        ("gaussian(sigma=1e0)", "gaussian"),
    ] {
        assert_eq!(long.parse::<Attack>().unwrap().to_string(), short);
    }
}

#[test]
fn errors_say_what_is_possible() {
    for (text, part) in [
        (
            "",
            "attack \"\": the attack's name is missing; known are none, sign-flip",
        ),
        (
            "signflip",
            "unknown attack \"signflip\"; known are none, sign-flip",
        ),
        (
            "ipm(eps=1)",
            "no parameter eps= here; its parameters are epsilon=",
        ),
        ("alie(z=x)", "alie: z= expects a number, got \"x\""),
        ("mimic(row=-1)", "row= expects a whole number"),
        ("nan(x=1)", "it has no parameters"),
        ("nan(none)", "nan wraps no other attack"),
        ("nan)", "unexpected \")\" behind the attack"),
    ] {
        let message = text.parse::<Attack>().unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn impossible_parameters_are_refused() {
    for (text, part) in [
        ("ipm(epsilon=inf)", "needs a finite epsilon, got inf"),
        ("alie(z=NaN)", "needs a finite z, got NaN"),
        ("gaussian(sigma=-1)", "needs a finite sigma ≥ 0, got -1"),
        ("bit-flips(bits=0)", "needs 1 ≤ bits ≤ 32, got 0"),
        ("bit-flips(bits=33)", "needs 1 ≤ bits ≤ 32, got 33"),
        ("bit-flips(coordinates=0)", "needs coordinates ≥ 1, got 0"),
    ] {
        let attack: Attack = text.parse().unwrap();
        let message = attack.check(10, 3).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
        let mut rows = ROWS;
        let refused = attack.strike(&mut rows, 3, scene(&[2])).unwrap_err();
        assert_eq!(refused.to_string(), message);
        assert_eq!(rows, ROWS);
    }
    let message = Attack::None.check(3, 4).unwrap_err().to_string();
    assert_eq!(message, "none: needs f ≤ n, got f = 4, n = 3");
    let mimic = Attack::Mimic { row: 7 };
    assert!(
        mimic.check(11, 3).is_ok() && mimic.check(10, 3).is_err() && mimic.check(3, 3).is_err()
    );
}

#[test]
fn impossible_scenes_are_refused() {
    let refused = |attack: Attack, rows: usize, d: usize, scene: Scene| {
        let mut rows = vec![1.0; rows];
        attack.strike(&mut rows, d, scene).unwrap_err().to_string()
    };
    for (message, part) in [
        (
            refused(Attack::Nan, 8, 3, scene(&[1])),
            "got 8 numbers, d = 3",
        ),
        (
            refused(Attack::Nan, 6, 0, scene(&[1])),
            "got 6 numbers, d = 0",
        ),
        (
            refused(Attack::Nan, 0, 3, scene(&[])),
            "got 0 numbers, d = 3",
        ),
        (
            refused(Attack::Nan, 6, 3, scene(&[2])),
            "below n = 2, got [2]",
        ),
        (refused(Attack::Nan, 6, 3, scene(&[1, 0])), "ascending"),
        (refused(Attack::Nan, 6, 3, scene(&[1, 1])), "ascending"),
        (
            refused(Attack::ShiftBack, 6, 3, scene(&[1])),
            "of 3 numbers, got 0",
        ),
        (
            refused(Attack::OptimalIpm, 6, 3, scene(&[1])),
            "optimal-ipm: needs the server's rule, got none",
        ),
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn titles_differ() {
    let titles: std::collections::BTreeSet<_> = catalogue()
        .iter()
        .map(|entry| entry.name.parse::<Attack>().unwrap().title())
        .collect();
    assert_eq!(titles.len(), catalogue().len());
}
