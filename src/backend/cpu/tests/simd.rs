//! Every set of instructions against plain arithmetic.

use half::{bf16, f16};

use crate::backend::cpu::simd::{Isa, Kernel, Simd};
use crate::backend::cpu::tile::no_nan;

struct Lanewise;

impl Kernel for Lanewise {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let minus_nan = f32::from_bits(f32::NAN.to_bits() | 0x8000_0000);
        let special = [
            f32::NAN,
            minus_nan,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            -0.0,
            1e38,
            1e-40,
        ];
        for &x in &special {
            for &y in &special {
                let (a, b) = (s.splat(x), s.splat(y));
                let lane = |v: S::F| bytemuck::cast_slice::<S::F, f32>(&[v])[0];
                let same = |v: S::F, y: f32| {
                    let v = lane(v);
                    assert!(v == y || v.is_nan() && y.is_nan(), "{x} and {y}: {v}");
                };
                same(s.min(a, b), if x < y { x } else { y });
                same(s.max(a, b), if x > y { x } else { y });
                same(s.add(a, b), x + y);
                same(s.sub(a, b), x - y);
                same(s.mul(a, b), x * y);
                same(s.select(s.lt(a, b), a, b), if x < y { x } else { y });
                same(no_nan(s, a), if x.is_nan() { f32::INFINITY } else { x });
                same(s.narrow(s.widen(a)), x);
            }
        }
        let numbers: Vec<f32> = (0..S::LANES).map(|k| k as f32 * 1.37 - 5.0).collect();
        let lanes = |v: S::F| bytemuck::cast_slice::<S::F, f32>(&[v]).to_vec();
        let a = s.load(&numbers);
        assert_eq!(lanes(a), numbers);
        assert_eq!(s.reduce_add(s.splat(0.25)), 0.25 * S::LANES as f32);
        assert!((s.reduce_add(a) - numbers.iter().sum::<f32>()).abs() < 1e-4);
        assert_eq!(lanes(s.narrow(s.widen(a))), numbers);
        let brains: Vec<bf16> = numbers.iter().map(|&x| bf16::from_f32(x)).collect();
        assert_eq!(
            lanes(s.load_bf16(&brains)),
            brains.iter().map(|x| x.to_f32()).collect::<Vec<_>>()
        );
        let halves: Vec<f16> = numbers.iter().map(|&x| f16::from_f32(x)).collect();
        assert_eq!(
            lanes(s.load_f16(&halves)),
            halves.iter().map(|x| x.to_f32()).collect::<Vec<_>>()
        );
        let doubles: Vec<f64> = numbers.iter().map(|&x| f64::from(x) * 1e30).collect();
        assert_eq!(
            lanes(s.load_f64(&doubles)),
            doubles.iter().map(|&x| x as f32).collect::<Vec<_>>()
        );
        let mut stored = vec![f16::ZERO; S::LANES];
        s.store_f16(a, &mut stored);
        assert_eq!(stored, halves);
        let count = s.add_i(s.splat_i(3), s.splat_i(1 << 30));
        assert_eq!(
            lanes(s.narrow(s.widen_i(count)))[S::LANES - 1],
            ((1 << 30) + 3) as f32
        );
        let greater = s.gt_i(count, s.splat_i(1 << 30));
        assert_eq!(lanes(s.select(greater, a, s.splat(0.0))), numbers);
        let chosen: Vec<i32> =
            bytemuck::cast_slice::<S::I, i32>(&[s.select_i(greater, count, s.splat_i(0))]).to_vec();
        assert_eq!(chosen, vec![(1 << 30) + 3; S::LANES]);
    }
}

#[test]
fn lanewise() {
    Isa::all().for_each(|isa| isa.run(Lanewise));
}
