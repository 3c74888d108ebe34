//! The kernels that hardware gets, on whatever driver there is: everywhere else a software driver has its own.

use byzagg::{DType, Device, Matrix, Options, Prepared, Rule, Run, Shape, Wgpu};

use crate::support::*;

fn hardware() -> Option<Wgpu> {
    crate::device::wgpu()?;
    Some(Wgpu::tuned_for_hardware().expect("there is an adapter"))
}

#[test]
fn rules() {
    let Some(gpu) = hardware() else { return };
    // Few columns; and invocations that have as many as they may, with points of several tiles.
    for (n, d) in [(9, 1001), (25, 70_001)] {
        let x = lattice(n, d);
        let shape = Shape::new(n, d);
        for dtype in [DType::F32, DType::Bf16] {
            let padded = Padded::new(&gpu, dtype, &x, n, 3, 2);
            for rule in RULES {
                let target = Target::new(&gpu, dtype, 1, d);
                let mut prepared = prepare(&gpu, rule, &shape, dtype, false);
                prepared.run(padded.matrix(), target.output()).unwrap();
                let expected = on_cpu(rule, &shape, &x, None);
                assert_agrees("hardware", rule, dtype, &target.read(&gpu), &expected);
            }
        }
    }
}

#[test]
fn kept_products_with_a_given_vector() {
    let Some(gpu) = hardware() else { return };
    let (n, d, steps) = (11, 4001, 4);
    let others = lattice(n + steps, d);
    let rule = "ctma(cc(tau=300,start=given),f=2)";
    let prepare = |device: Device, keep| -> Prepared {
        let options = Options::new().keep_geometry(keep);
        let rule: Rule = rule.parse().unwrap();
        rule.prepare_with(&device, &Shape::new(n, d), DType::F32, options)
            .unwrap()
    };
    let mut kept = prepare(Device::Wgpu(gpu), true);
    let mut fresh = prepare(Device::cpu(), false);
    let mut x = others[..n * d].to_vec();
    let (mut state, mut expected) = (vec![0.0f32; d], vec![0.0f32; d]);
    for step in 0..steps {
        let changed = [step * 3 % n, (step * 3 + 1) % n];
        x[changed[0] * d..][..d].copy_from_slice(&others[(n + step) * d..][..d]);
        let matrix = Matrix::new(&x, n, d).unwrap();
        let run = Run::new().start_from_output();
        let updated = run.changed(&changed);
        kept.run_with(matrix, &mut state, &updated).unwrap();
        let run = Run::new().start_from_output();
        fresh.run_with(matrix, &mut expected, &run).unwrap();
        assert_agrees("hardware", rule, DType::F32, &state, &expected);
    }
    assert_eq!(kept.renewals(), 1);
}
