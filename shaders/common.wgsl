// What all shaders share: f32 values handled by their bits, so that NaN and Inf are right also on devices
// that may assume neither exists. No comparison, minimum or maximum here ever sees a NaN.

const SIGN: u32 = 0x80000000u;
const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;
const NAN: u32 = 0x7fc00000u;

fn is_finite(bits: u32) -> bool {
    return (bits & MAGNITUDE) < INFINITY;
}

fn is_nan(bits: u32) -> bool {
    return (bits & MAGNITUDE) > INFINITY;
}

// NaN of either sign counts as +Inf.
fn clean(bits: u32) -> u32 {
    return select(bits, INFINITY, is_nan(bits));
}

// The first of an invocation's quads of columns, `lanes` apart: that many of a workgroup's 64 invocations take
// neighbouring quads at a time.
fn first_quad(workgroup: u32, local: u32, steps: u32, lanes: u32) -> u32 {
    return (workgroup * (64u / lanes) + local / lanes) * steps * lanes + local % lanes;
}

// The nearest bf16, ties to even, as the low half of a word.
fn to_bf16(bits: u32) -> u32 {
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(rounded, (bits >> 16u) | 0x40u, is_nan(bits));
}

fn from_bf16(half: u32) -> u32 {
    return half << 16u;
}

// The nearest f16, ties to even, as the low half of a word; beyond the largest it is infinite.
fn to_f16(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & MAGNITUDE;
    if magnitude >= 0x47800000u {
        return sign | select(0x7c00u, 0x7e00u, is_nan(bits));
    }
    if magnitude < 0x38800000u {
        // A denormal counts units of 2⁻²⁴.
        let shift = 126u - min(magnitude >> 23u, 125u);
        if shift > 24u {
            return sign;
        }
        let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
        let half = mantissa >> shift;
        let rest = mantissa & ((1u << shift) - 1u);
        let middle = 1u << (shift - 1u);
        let up = rest > middle || (rest == middle && (half & 1u) == 1u);
        return sign | (half + select(0u, 1u, up));
    }
    let half = (magnitude - 0x38000000u) >> 13u;
    let rest = magnitude & 0x1fffu;
    let up = rest > 0x1000u || (rest == 0x1000u && (half & 1u) == 1u);
    return sign | (half + select(0u, 1u, up));
}

fn from_f16(half: u32) -> u32 {
    let sign = (half & 0x8000u) << 16u;
    let exponent = (half >> 10u) & 0x1fu;
    let mantissa = half & 0x3ffu;
    if exponent == 0x1fu {
        return sign | INFINITY | (mantissa << 13u);
    }
    if exponent == 0u {
        return sign | bitcast<u32>(f32(mantissa) * 5.9604644775390625e-8);
    }
    return sign | ((exponent + 112u) << 23u) | (mantissa << 13u);
}
