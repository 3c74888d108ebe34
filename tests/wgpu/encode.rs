//! Runs that the caller submits.

use byzagg::wgpu;
use byzagg::{DType, Matrix, Run, Shape, Wgpu};

use crate::support::*;

const N: usize = 7;
const D: usize = 301;
const WEIGHTS: [[f64; N]; 2] = [
    [1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0],
    [5.0, 0.0, 1.0, 1.0, 1.0, 9.0, 2.0],
];

fn encoder(gpu: &Wgpu) -> wgpu::CommandEncoder {
    gpu.device().create_command_encoder(&Default::default())
}

#[test]
fn two_runs_of_one_rule_in_one_submit() {
    let Some(gpu) = borrowed() else { return };
    let (x, shape) = (lattice(N, D), Shape::new(N, D));
    let padded = Padded::new(&gpu, DType::F32, &x, N, 1, 1);
    for rule in [
        "mean",
        "median",
        "ctma(median,f=2)",
        "rfa",
        "nnm(cwtm(f=2),f=2)",
    ] {
        let mut prepared = prepare(&gpu, rule, &shape, DType::F32, true);
        let mut encoder = encoder(&gpu);
        let targets = WEIGHTS.map(|_| Target::new(&gpu, DType::F32, 2, D));
        for (weights, target) in WEIGHTS.iter().zip(&targets) {
            let run = Run::new().weights(weights);
            prepared
                .encode(&mut encoder, padded.matrix(), target.output(), &run)
                .unwrap();
        }
        // Nothing has happened yet.
        assert!(targets.iter().all(|target| target.is_untouched(&gpu)));
        gpu.queue().submit([encoder.finish()]);
        let results = targets.each_ref().map(|target| target.read(&gpu));
        assert_ne!(results[0], results[1], "{rule}: weights matter");
        for (weights, result) in WEIGHTS.iter().zip(&results) {
            let expected = on_cpu(rule, &shape, &x, Some(weights));
            assert_agrees(
                "encoded",
                &format!("{rule} weighted"),
                DType::F32,
                result,
                &expected,
            );
        }
    }
}

#[test]
fn two_rules_take_turns_in_one_submit() {
    let Some(gpu) = borrowed() else { return };
    let (x, shape) = (lattice(N, D), Shape::new(N, D));
    let padded = Padded::new(&gpu, DType::Bf16, &x, N, 1, 1);
    let rules = ["ctma(median,f=2)", "krum(f=2)"];
    let mut prepared = rules.map(|rule| prepare(&gpu, rule, &shape, DType::Bf16, false));
    let targets = [0, 1, 2, 3].map(|first| Target::new(&gpu, DType::Bf16, first, D));
    let mut encoder = encoder(&gpu);
    for (turn, target) in targets.iter().enumerate() {
        prepared[turn % 2]
            .encode(&mut encoder, padded.matrix(), target.output(), &Run::new())
            .unwrap();
    }
    gpu.queue().submit([encoder.finish()]);
    for (turn, target) in targets.iter().enumerate() {
        let expected = on_cpu(rules[turn % 2], &shape, &x, None);
        assert_agrees(
            "turns",
            rules[turn % 2],
            DType::Bf16,
            &target.read(&gpu),
            &expected,
        );
    }
}

#[test]
fn a_run_sees_what_the_caller_encoded_before_and_feeds_what_comes_behind() {
    let Some(gpu) = borrowed() else { return };
    let (x, shape) = (lattice(N, D), Shape::new(N, D));
    let gradients = Padded::new(&gpu, DType::F32, &x, N, 0, 0);
    let empty = Padded::new(&gpu, DType::F32, &vec![9.0; N * D], N, 0, 0);
    let (target, behind) = (
        Target::new(&gpu, DType::F32, 0, D),
        Target::new(&gpu, DType::F32, 0, D),
    );
    let mut prepared = prepare(&gpu, "krum(f=2)", &shape, DType::F32, false);
    let mut encoder = encoder(&gpu);
    let size = gradients.buffer.size();
    encoder.copy_buffer_to_buffer(&gradients.buffer, 0, &empty.buffer, 0, size);
    prepared
        .encode(&mut encoder, empty.matrix(), target.output(), &Run::new())
        .unwrap();
    let size = target.buffer.size();
    encoder.copy_buffer_to_buffer(&target.buffer, 0, &behind.buffer, 0, size);
    gpu.queue().submit([encoder.finish()]);
    let expected = on_cpu("krum(f=2)", &shape, &x, None);
    assert_agrees(
        "behind",
        "krum(f=2)",
        DType::F32,
        &behind.read(&gpu),
        &expected,
    );
}

#[test]
fn what_needs_the_host_is_refused_but_runs() {
    let Some(gpu) = borrowed() else { return };
    let (x, shape) = (lattice(N, D), Shape::new(N, D));
    let padded = Padded::new(&gpu, DType::F32, &x, N, 0, 0);
    for rule in ["bulyan(f=1)", "mda(f=2)", "smea(f=2)", "caf(f=2)", "flag"] {
        let mut prepared = prepare(&gpu, rule, &shape, DType::F32, false);
        assert!(prepared.host_syncs() > 0, "{rule}");
        let target = Target::new(&gpu, DType::F32, 0, D);
        let mut encoder = encoder(&gpu);
        let error = prepared
            .encode(&mut encoder, padded.matrix(), target.output(), &Run::new())
            .unwrap_err()
            .to_string();
        let expected = "encode: expected a rule that runs on the device alone (host_syncs() = 0), \
                        got one that waits for the host 1 times in a run";
        assert_eq!(error, expected, "{rule}");
        gpu.queue().submit([encoder.finish()]);
        assert!(target.is_untouched(&gpu));
        prepared.run(padded.matrix(), target.output()).unwrap();
        let expected = on_cpu(rule, &shape, &x, None);
        assert_agrees("run", rule, DType::F32, &target.read(&gpu), &expected);
    }
    for rule in RULES {
        let prepared = prepare(&gpu, rule, &shape, DType::F32, false);
        assert_eq!(prepared.host_syncs(), 0, "{rule}");
    }
}

#[test]
fn what_is_not_on_the_device_is_refused() {
    let Some(gpu) = borrowed() else { return };
    let (x, shape) = (lattice(N, D), Shape::new(N, D));
    let padded = Padded::new(&gpu, DType::F32, &x, N, 0, 0);
    let target = Target::new(&gpu, DType::F32, 0, D);
    let mut out = vec![7.0f32; D];
    let mut prepared = prepare(&gpu, "median", &shape, DType::F32, false);
    let mut encoder = encoder(&gpu);
    let host = Matrix::new(&x, N, D).unwrap();
    let errors = [
        prepared.encode(&mut encoder, host, target.output(), &Run::new()),
        prepared.encode(&mut encoder, padded.matrix(), &mut out, &Run::new()),
    ];
    for error in errors {
        assert_eq!(
            error.unwrap_err().to_string(),
            "encode: expected a matrix and an output in wgpu buffers, got one in the host's memory"
        );
    }
    gpu.queue().submit([encoder.finish()]);
    assert!(target.is_untouched(&gpu) && out.iter().all(|v| *v == 7.0));
}
