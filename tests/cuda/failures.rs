//! Failures of the driver in the middle of something: each is an `Err` that says what failed, the output stays as it
//! was, and the aggregator is as good as before. The stand-in driver is asked for them.

use std::ffi::{CStr, c_char, c_int, c_long};

use byzagg::cudarc::driver::sys;
use byzagg::{DType, Device, Matrix, Options, Output, Rule, Shape};

use crate::support::*;

const N: usize = 7;
const D: usize = 1301;

/// What can be made to fail, and what the driver then says.
const FAILURES: [(&CStr, &str); 4] = [
    (c"fail_allocation", "CUDA_ERROR_OUT_OF_MEMORY"),
    (c"fail_module", "CUDA_ERROR_OUT_OF_MEMORY"),
    (c"fail_launch", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
    (c"fail_copy", "CUDA_ERROR_UNKNOWN"),
];

/// The switches of the stand-in driver (`tests/cuda/driver.cpp`), of this thread.
struct StandIn {
    set: unsafe extern "C" fn(*const c_char, c_long) -> c_int,
    get: unsafe extern "C" fn(*const c_char) -> c_long,
}

impl StandIn {
    fn here() -> Self {
        const WANTED: &str =
            "this test needs the stand-in driver: scripts/stand_in.py cargo test …";
        Device::named("cuda").expect(WANTED);
        // SAFETY: the library is there, and if it has the functions, they are of these types.
        unsafe {
            let library = sys::culib();
            StandIn {
                set: *library.get(b"stand_in_set").expect(WANTED),
                get: *library.get(b"stand_in_get").expect(WANTED),
            }
        }
    }

    /// Lets the `number`th call from now on fail, and runs something. Its result, and whether the failure came.
    fn failing<T>(&self, what: &CStr, number: usize, run: impl FnOnce() -> T) -> (T, bool) {
        // SAFETY: a name that ends in 0.
        let set = |value| unsafe { (self.set)(what.as_ptr(), value) };
        assert_eq!(set(number as c_long), 0, "{what:?} is no switch");
        let result = run();
        // SAFETY: as above.
        let left = unsafe { (self.get)(what.as_ptr()) };
        set(0);
        (result, left == 0)
    }
}

/// An error of the device's, with the driver's words behind those of what we did.
#[track_caller]
fn assert_says(error: byzagg::Error, operations: &[&str], driver: &str) {
    let text = error.to_string();
    let behind = text
        .strip_prefix("device cuda:0 (CPU (stand-in driver)): ")
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        operations.iter().any(|said| behind.starts_with(said)),
        "{text}"
    );
    assert!(behind.contains(driver), "{text}");
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn a_workspace_that_does_not_fit() {
    let stand_in = StandIn::here();
    let gpu = callers().expect("the stand-in");
    let rule: Rule = "nnm(cwtm(f=2),f=2)".parse().unwrap();
    let shape = Shape::new(N, D);
    let prepare = || rule.prepare(&Device::Cuda(gpu.clone()), &shape, DType::F32);
    for number in 1.. {
        match stand_in.failing(c"fail_allocation", number, prepare) {
            (Ok(_), failed) => {
                assert!(!failed, "an allocation that failed was not noticed");
                assert!(number > 3);
                return;
            }
            (Err(error), _) => {
                assert!(error.to_string().contains(" bytes for "), "{error}");
                assert_says(error, &["prepare: "], "CUDA_ERROR_OUT_OF_MEMORY");
            }
        }
        prepare().unwrap();
    }
}

/// Lets every call of a kind fail in turn during a run of a matrix of the host's.
fn every_failure(rule: &str, what: &CStr, driver: &str, in_blocks: bool) {
    let stand_in = StandIn::here();
    let x = lattice(N, D);
    let shape = match in_blocks {
        true => Shape::blocks(N, &[1, 1000, D - 1001]),
        false => Shape::new(N, D),
    };
    let expected = on_cpu(rule, &shape, &x, None);
    let columns = shape.columns().to_vec();
    let blocks: Vec<_> = columns
        .iter()
        .scan(0, |start, &d| {
            *start += d;
            Some(byzagg::Block::strided(&x[*start - d..], N, d, D, 1).unwrap())
        })
        .collect();
    let matrix = Matrix::from_blocks(&blocks).unwrap();
    let mut failures = 0;
    for number in 1.. {
        // Without kernels and without memory for what comes from the host.
        let gpu = callers().expect("the stand-in");
        let mut prepared = prepare(&gpu, rule, &shape, DType::F32, false);
        let mut out = vec![7.0f32; D];
        let mut run = |out: &mut [f32]| {
            let mut parts = Vec::new();
            let mut rest = out;
            for &d in &columns {
                let (part, behind) = rest.split_at_mut(d);
                parts.push(part);
                rest = behind;
            }
            prepared.run(matrix, Output::blocks(parts))
        };
        let (result, failed) = stand_in.failing(what, number, || run(&mut out));
        assert_eq!(result.is_err(), failed, "{rule}, {what:?}, {number}");
        if let Err(error) = result {
            failures += 1;
            assert_says(
                error,
                &["run: ", "load the kernel ", "launch ", "copy ", "describe "],
                driver,
            );
            assert!(out.iter().all(|v| *v == 7.0), "{rule}, {what:?}, {number}");
            run(&mut out).unwrap_or_else(|e| panic!("{rule}, behind {what:?} {number}: {e}"));
        }
        assert_agrees("behind a failure", rule, DType::F32, &out, &expected);
        if !failed {
            break;
        }
    }
    assert!(failures > 0, "{rule}: nothing failed by {what:?}");
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn every_call_of_a_run_may_fail() {
    // The last one computes in the middle on the host.
    for rule in [
        "median",
        "krum(f=2)",
        "ctma(nnm(cwtm(f=2),f=2),f=2)",
        "rfa",
        "bulyan(f=1)",
    ] {
        for (what, driver) in FAILURES {
            every_failure(rule, what, driver, false);
        }
    }
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn every_call_of_a_run_on_blocks_may_fail() {
    for (what, driver) in FAILURES {
        every_failure("nnm(cwtm(f=2),f=2)", what, driver, true);
    }
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn a_report_that_can_not_be_fetched() {
    let stand_in = StandIn::here();
    let gpu = Device::Cuda(callers().expect("the stand-in"));
    let x = lattice(N, D);
    let rule: Rule = "krum(f=2)".parse().unwrap();
    let options = Options::new().report(true);
    let mut prepared = rule
        .prepare_with(&gpu, &Shape::new(N, D), DType::F32, options)
        .unwrap();
    prepared
        .run(Matrix::new(&x, N, D).unwrap(), &mut vec![0.0f32; D])
        .unwrap();
    let (report, failed) = stand_in.failing(c"fail_copy", 1, || prepared.report());
    assert!(failed);
    assert_says(
        report.unwrap_err(),
        &["copy small numbers to the host"],
        "CUDA_ERROR_UNKNOWN",
    );
    assert_eq!(prepared.report().unwrap().len(), 1);
}
