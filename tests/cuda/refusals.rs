//! Everything that can be refused is an `Err` that says what was expected, and leaves the output as it was.

use byzagg::{Cuda, DType, Device, DeviceBlock, DevicePlace, Matrix, Shape};

use crate::support::*;

const N: usize = 7;
const D: usize = 301;

fn text<T>(result: byzagg::Result<T>) -> String {
    result.err().expect("it is refused").to_string()
}

#[test]
fn a_device_that_is_not_there() {
    let Some(_) = crate::device::cuda() else {
        return;
    };
    let count = Cuda::count().unwrap();
    let expected = format!("device cuda:1000: there is no device 1000, there are {count}");
    assert_eq!(text(Cuda::nth(1000)), expected);
    assert_eq!(text(Device::named("cuda:1000")), expected);
    assert!(text(Device::named("cuda:first")).contains("expected a number"));
    let named = Device::named("cuda").unwrap();
    assert_eq!(named.backend(), "cuda");
    let candidates = Device::candidates();
    assert_eq!(candidates[0].name, "cuda:0");
    assert_eq!(Device::auto().unwrap().backend(), "cuda");
}

#[test]
fn places_that_do_not_hold_a_matrix() {
    let Some(gpu) = callers() else { return };
    let slice = upload::<f32>(gpu.stream(), &[0.0; 100]);
    let place = DevicePlace::new(&slice);
    let new = |place, n, d, dtype| text(DeviceBlock::new(place, n, d, dtype));
    assert_eq!(
        new(place, 10, 11, DType::F32),
        "DeviceBlock::strided: expected memory that holds 110 elements of f32 from byte 0, got 400 bytes"
    );
    assert!(
        new(place, 10, 10, DType::F16).contains("f16"),
        "a slice knows its type"
    );
    assert!(new(place.offset(2), 2, 2, DType::F32).contains("a multiple of 4 bytes"));
    assert!(new(place.offset(u64::MAX), 2, 2, DType::F32).contains("expected"));
    assert!(new(place, 0, 2, DType::F32).contains("at least one row"));
    assert!(DeviceBlock::new(place.offset(4), 9, 11, DType::F32).is_ok());
    // SAFETY: it is never run.
    let raw = unsafe { DevicePlace::from_raw(0x1002, 1000) };
    assert!(new(raw, 2, 2, DType::F32).contains("an address that is a multiple of 4 bytes"));
    assert!(new(raw, 2, 2, DType::F64).contains("f32, bf16 or f16"));
}

#[test]
fn a_shape_that_no_device_holds() {
    let Some(gpu) = callers() else { return };
    let shape = Shape::new(1000, isize::MAX as usize / 1000);
    let rule: byzagg::Rule = "krum(f=2)".parse().unwrap();
    let error = text(rule.prepare(&Device::Cuda(gpu), &shape, DType::F32));
    assert!(
        error.contains("prepare: ") && error.contains(" bytes for "),
        "{error}"
    );
}

#[test]
fn what_was_not_prepared_for() {
    let Some(gpu) = callers() else { return };
    let x = lattice(N, D);
    let padded = Padded::<f32>::new(&gpu, &x, N, 0, 0);
    let mut prepared = prepare(&gpu, "median", &Shape::new(N, D), DType::F32, false);
    let mut out = upload::<f32>(gpu.stream(), &vec![5.0; D]);
    let mut short = upload::<f32>(gpu.stream(), &vec![5.0; D - 1]);
    let narrow: Matrix<'_> = padded.block(0, D - 1).into();
    assert!(text(prepared.run(narrow, output(&mut out))).contains("7 × 301"));
    let error = text(prepared.run(padded.matrix(), output(&mut short)));
    assert!(
        error.contains("expected memory that holds 301 elements"),
        "{error}"
    );
    let halves = Padded::<half::f16>::new(&gpu, &x, N, 0, 0);
    assert!(text(prepared.run(halves.matrix(), output(&mut out))).contains("f16"));
    assert!(read(gpu.stream(), &out).iter().all(|v| *v == 5.0));
    // The CPU can't read it.
    let mut on_cpu = "median"
        .parse::<byzagg::Rule>()
        .unwrap()
        .prepare(&Device::cpu(), &Shape::new(N, D), DType::F32)
        .unwrap();
    let error = text(on_cpu.run(padded.matrix(), &mut vec![0.0f32; D]));
    assert!(error.contains("in the host's memory"), "{error}");
    #[cfg(feature = "wgpu")]
    if let Some(wgpu) = crate::device::wgpu() {
        let mut on_wgpu = "median"
            .parse::<byzagg::Rule>()
            .unwrap()
            .prepare(&Device::Wgpu(wgpu), &Shape::new(N, D), DType::F32)
            .unwrap();
        let error = text(on_wgpu.run(padded.matrix(), &mut vec![0.0f32; D]));
        assert!(error.contains("expected"), "{error}");
    }
}
