//! Runs that a CUDA graph captures and replays.

use byzagg::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use byzagg::{Cuda, DType, DevicePlaceMut, Output, Run, Shape};

use crate::support::*;

const N: usize = 9;
const D: usize = 1500;

/// A device whose context does not track events: a graph can't wait for those from before its capture.
fn untracked() -> Option<Cuda> {
    let gpu = callers()?;
    // SAFETY: each test uses one stream.
    unsafe { gpu.context().disable_event_tracking() };
    Some(gpu)
}

#[test]
fn a_graph_replays_a_run_on_new_numbers() {
    let Some(gpu) = untracked() else { return };
    let (shape, stream) = (Shape::new(N, D), gpu.stream().clone());
    let weights: Vec<f64> = (0..N).map(|i| (i % 3 + 1) as f64).collect();
    for rule in [
        "median",
        "krum(f=2)",
        "ctma(median,f=2)",
        "nnm(cwtm(f=2),f=2)",
        "rfa",
        "mean",
    ] {
        let weighted = rule != "krum(f=2)";
        let weights = weighted.then_some(&weights[..]);
        let x = lattice(N, D);
        let mut padded = Padded::<f32>::new(&gpu, &x, N, 0, 0);
        let mut out = upload::<f32>(&stream, &vec![0.0; D]);
        let to = address(&stream, &out);
        let mut prepared = prepare(&gpu, rule, &shape, DType::F32, weighted);
        let run = weights.map_or(Run::new(), |weights| Run::new().weights(weights));
        let mut go = |padded: &Padded<f32>| {
            // SAFETY: the slice lives as long as the graph.
            let place = unsafe { DevicePlaceMut::from_raw(to, 4 * D as u64) };
            prepared
                .run_with(padded.matrix(), Output::device(place, DType::F32), &run)
                .unwrap_or_else(|e| panic!("{rule}: {e}"));
        };
        // The first run loads kernels and writes the table, which a capture can't.
        go(&padded);
        stream
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .unwrap();
        go(&padded);
        let graph = stream.end_capture(CUgraphInstantiate_flags(0)).unwrap();
        let graph = graph.expect("something was captured");
        // Other numbers in the same memory.
        let negated: Vec<f32> = x.iter().map(|v| 0.5 - v).collect();
        stream.memcpy_htod(&negated, &mut padded.slice).unwrap();
        stream.memset_zeros(&mut out).unwrap();
        graph.launch().unwrap();
        let expected = on_cpu(rule, &shape, &negated, weights);
        assert_agrees(
            "replayed",
            rule,
            DType::F32,
            &read(&stream, &out),
            &expected,
        );
    }
}

#[test]
fn what_a_graph_can_not_hold_is_refused() {
    let Some(gpu) = untracked() else { return };
    let (shape, stream) = (Shape::new(N, D), gpu.stream().clone());
    let x = lattice(N, D);
    let padded = Padded::<f32>::new(&gpu, &x, N, 0, 0);
    let other = Padded::<f32>::new(&gpu, &x, N, 0, 1);
    let mut out = upload::<f32>(&stream, &vec![7.0; D]);
    let mut median = prepare(&gpu, "median", &shape, DType::F32, false);
    let mut bulyan = prepare(&gpu, "bulyan(f=1)", &shape, DType::F32, false);
    median.run(padded.matrix(), output(&mut out)).unwrap();
    let before = read(&stream, &out);
    stream
        .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        .unwrap();
    let mut host = vec![3.0f32; D];
    let errors = [
        bulyan.run(padded.matrix(), output(&mut out)),
        median.run(padded.matrix(), &mut host),
        median.run(other.matrix(), output(&mut out)),
    ];
    let said = errors.map(|error| error.unwrap_err().to_string());
    stream.end_capture(CUgraphInstantiate_flags(0)).unwrap();
    assert!(
        said[0].contains("waits for the host, 1 times"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("while a graph is captured"), "{}", said[1]);
    assert!(
        said[2].contains("the memory of the last run"),
        "{}",
        said[2]
    );
    assert_eq!(read(&stream, &out), before);
    assert!(host.iter().all(|v| *v == 3.0));
    // The aggregators are as good as before.
    median.run(other.matrix(), &mut host).unwrap();
    assert_agrees(
        "behind",
        "median",
        DType::F32,
        &host,
        &on_cpu("median", &shape, &x, None),
    );
}
