//! Statistics of many rows: what `shaders/search.wgsl` leaves to be generated.

use crate::backend::ranks::Form;

/// Steps of a search, which is bits of a value.
const STEPS: usize = 32;

/// `value(k)` and what it needs.
pub(super) fn code(rows: usize, weighted: bool, form: Form) -> String {
    let weight = if weighted {
        "bitcast<i32>(arena[params.weights + i])"
    } else {
        "1"
    };
    let value = match form {
        Form::Median(_) => "median",
        Form::Trimmed(_) => "trimmed_mean",
        Form::Around { .. } => "mean_around_median",
    };
    format!(
        "{}\n{}\nfn weight(i: u32) -> i32 {{ return {weight}; }}\n\
         fn value(k: u32) -> u32 {{ return {value}(k); }}\n",
        include_str!("../../../../shaders/search.wgsl"),
        pairwise(rows.div_ceil(4)),
    )
}

/// How many times an invocation with so many iterations of loops can go round the rows, four at a time.
pub(super) fn rounds(iterations: usize, form: Form) -> usize {
    // A search is a loop over loops; other passes are one loop.
    let (searches, passes) = match form {
        Form::Median(_) => (1, 0),
        Form::Trimmed(_) => (1, 1),
        Form::Around { .. } => (3, 2),
    };
    (iterations - searches * STEPS) / (searches * STEPS + passes)
}

/// A pairwise sum of so many terms as a binary counter: `s0` holds one term, `s1` the sum of two, `s2`
/// of four …, each only where that bit of the count is set.
fn pairwise(terms: usize) -> String {
    let levels = terms.checked_ilog2().unwrap_or(0) + 1;
    let (mut fields, mut add, mut total) = (String::new(), String::new(), String::new());
    for level in 0..levels {
        let bit = 1u32 << level;
        fields += &format!("s{level}: vec4<f32>,\n");
        add += &format!(
            "if (count & {bit}u) == 0u {{\n(*sums).s{level} = sum;\nreturn;\n}}\nsum += (*sums).s{level};\n"
        );
        total += &format!(
            "sum += select(vec4<f32>(), (*sums).s{level}, ((*sums).count & {bit}u) != 0u);\n"
        );
    }
    format!(
        "struct Sums {{\ncount: u32,\n{fields}}}\n\
         fn add(sums: ptr<function, Sums>, term: vec4<f32>) {{\n\
         let count = (*sums).count;\n(*sums).count = count + 1u;\nvar sum = term;\n{add}}}\n\
         fn total(sums: ptr<function, Sums>) -> f32 {{\n\
         var sum = vec4<f32>();\n{total}return (sum.x + sum.y) + (sum.z + sum.w);\n}}\n"
    )
}
