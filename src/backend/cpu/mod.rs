//! The CPU backend (a plain stand-in until the kernels land).
use crate::geometry::Op;
use crate::matrix::{Blocks, Data, OutputData, Rows};
use crate::plan::*;
use crate::{DType, Element, Matrix, Output, OutputElement, Result, Shape};

/// The CPU.
#[derive(Clone, Debug)]
pub struct Cpu {}
impl Cpu {
    /// The CPU.
    pub fn new() -> Self {
        Cpu {}
    }
    /// Sets.
    pub fn instruction_sets() -> Vec<&'static str> {
        vec!["plain"]
    }
    /// One of them.
    pub fn with_instructions(self, _: &str) -> Result<Self> {
        Ok(self)
    }
    /// Own threads.
    pub fn with_threads(_: usize) -> Result<Self> {
        Ok(Cpu {})
    }
    /// Threads.
    pub fn threads(&self) -> usize {
        1
    }
    /// Instructions.
    pub fn instructions(&self) -> &'static str {
        "plain"
    }
}
#[derive(Debug)]
pub(crate) struct Workspace {
    shape: Shape,
}
fn load<T: Element>(b: Blocks<'_, T>) -> Vec<Vec<Vec<f64>>> {
    b.as_slice()
        .iter()
        .map(|b| {
            (0..b.n())
                .map(|i| {
                    (0..b.d())
                        .map(|k| {
                            let v = match b.rows() {
                                Rows::Strided {
                                    data,
                                    row_stride,
                                    column_stride,
                                } => data[i * row_stride + k * column_stride],
                                Rows::Separate(r) => r[i][k],
                            }
                            .to_f32();
                            if v.is_nan() { f64::INFINITY } else { v as f64 }
                        })
                        .collect()
                })
                .collect()
        })
        .collect()
}
impl Workspace {
    pub fn new(_: &Cpu, shape: &Shape, _: DType, _: DType, _: &[Step]) -> Result<Self> {
        Ok(Workspace {
            shape: shape.clone(),
        })
    }
    pub fn bytes(&self) -> usize {
        0
    }
    pub fn geometry(&self, op: &Op, step: u64, arena: &mut Arena) {
        arena.problems_mut().for_each(|r| op.run(r, step));
    }
    fn rows(&self, x: &Matrix<'_>, p: usize) -> Vec<Vec<f64>> {
        let all = match x.data() {
            Data::F32(b) => load(b),
            Data::Bf16(b) => load(b),
            Data::F16(b) => load(b),
            Data::F64(b) => load(b),
        };
        (0..self.shape.n())
            .map(|i| {
                all[self.shape.problem(p)]
                    .iter()
                    .flat_map(|b| b[i].clone())
                    .collect()
            })
            .collect()
    }
    fn write(&self, p: usize, values: &[f64], out: &mut Output<'_>) {
        let start: usize = self.shape.columns()[..self.shape.problem(p).start]
            .iter()
            .sum();
        fn go<T: OutputElement>(s: &mut [&mut [T]], start: usize, v: &[f64]) {
            let mut at = 0;
            for s in s {
                for e in s.iter_mut() {
                    if at >= start && at - start < v.len() {
                        *e = T::from_f32(v[at - start] as f32);
                    }
                    at += 1;
                }
            }
        }
        match &mut out.data {
            OutputData::F32(s) => go(s, start, values),
            OutputData::Bf16(s) => go(s, start, values),
            OutputData::F16(s) => go(s, start, values),
        }
    }
    pub fn pairwise(&mut self, x: &Matrix<'_>, step: &Pairwise, arena: &mut Arena) {
        for p in 0..self.shape.problems() {
            let mut rows = self.rows(x, p);
            let w: Option<Vec<f64>> = step.weights.map(|s| arena.get(p, s).to_vec());
            let m: Vec<f64> = (0..rows[0].len())
                .map(|k| {
                    statistic(
                        &rows.iter().map(|r| r[k]).collect::<Vec<_>>(),
                        w.as_deref(),
                        Statistic::Median(Ties::Midpoint),
                    )
                })
                .map(|m| if m.is_finite() { m } else { 0.0 })
                .collect();
            if step.origin {
                rows.push(vec![0.0; m.len()]);
            }
            let n = rows.len();
            let dif: Vec<Vec<f64>> = rows
                .iter()
                .map(|r| r.iter().zip(&m).map(|(a, b)| a - b).collect())
                .collect();
            let out = &mut arena.problem_mut(p)[step.out.range()];
            let (g, c) = out.split_at_mut(n * n);
            for i in 0..n {
                let s: f64 = dif[i].iter().map(|a| a * a).sum();
                c[i] = if rows[i].iter().any(|v| !v.is_finite())
                    || w.as_ref().is_some_and(|w| i < w.len() && w[i] == 0.0)
                {
                    2.0
                } else if s > f32::MAX as f64 {
                    1.0
                } else {
                    0.0
                };
            }
            for i in 0..n {
                for j in 0..n {
                    g[i * n + j] = if c[i] + c[j] > 0.0 {
                        if i == j { f64::INFINITY } else { 0.0 }
                    } else {
                        dif[i].iter().zip(&dif[j]).map(|(a, b)| a * b).sum()
                    };
                }
            }
        }
    }
    pub fn columns(
        &mut self,
        x: &Matrix<'_>,
        step: &Columns,
        arena: &mut Arena,
        out: Option<&mut Output<'_>>,
    ) {
        let mut out = out;
        for p in 0..self.shape.problems() {
            let rows = self.rows(x, p);
            let n = rows.len();
            let mix = |m: Slot| -> Vec<Vec<f64>> {
                arena
                    .get(p, m)
                    .chunks(n)
                    .map(|c| {
                        (0..rows[0].len())
                            .map(|k| {
                                let mut s = 0.0;
                                for (c, r) in c.iter().zip(&rows) {
                                    if *c != 0.0 {
                                        s += c * r[k];
                                    }
                                }
                                if s.is_nan() { f64::INFINITY } else { s }
                            })
                            .collect()
                    })
                    .collect()
            };
            let y = step.mixing.map_or(rows.clone(), mix);
            let w: Option<Vec<f64>> = step.weights.map(|s| arena.get(p, s).to_vec());
            let v: Vec<f64> = (0..rows[0].len())
                .map(|k| {
                    statistic(
                        &y.iter().map(|r| r[k]).collect::<Vec<_>>(),
                        w.as_deref(),
                        step.statistic,
                    )
                })
                .collect();
            if let Some(dist) = step.distances {
                let r = dist.rows.map_or(rows.clone(), mix);
                let o = &mut arena.problem_mut(p)[dist.out.range()];
                let n = r.len();
                for i in 0..n {
                    let s: f64 = r[i].iter().zip(&v).map(|(a, b)| (a - b) * (a - b)).sum();
                    let bad = r[i].iter().any(|v| !v.is_finite());
                    o[i] = if bad || !(s <= f32::MAX as f64) {
                        f64::INFINITY
                    } else {
                        s
                    };
                    o[n + i] = if bad {
                        2.0
                    } else if o[i] == f64::INFINITY {
                        1.0
                    } else {
                        0.0
                    };
                }
            }
            if step.write {
                self.write(p, &v, out.as_mut().unwrap());
            }
        }
    }
    pub fn combine(&mut self, x: &Matrix<'_>, step: &Combine, arena: &Arena, out: &mut Output<'_>) {
        for p in 0..self.shape.problems() {
            let rows = self.rows(x, p);
            let c = arena.get(p, step.coefficients);
            let v: Vec<f64> = (0..rows[0].len())
                .map(|k| {
                    c.iter()
                        .zip(&rows)
                        .filter(|(c, _)| **c != 0.0)
                        .map(|(c, r)| c * r[k])
                        .sum()
                })
                .collect();
            self.write(p, &v, out);
        }
    }
}
fn statistic(v: &[f64], w: Option<&[f64]>, s: Statistic) -> f64 {
    let mut o: Vec<(f64, f64)> = v
        .iter()
        .enumerate()
        .map(|(i, v)| (*v, w.map_or(1.0, |w| w[i])))
        .filter(|p| p.1 > 0.0)
        .collect();
    o.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = o.iter().map(|p| p.1).sum();
    let n = v.len();
    let median = |ties: Ties| {
        let mut c = 0.0;
        for (k, p) in o.iter().enumerate() {
            c += p.1;
            if c > total / 2.0 {
                return p.0;
            }
            if c == total / 2.0 {
                return match ties {
                    Ties::Lower => p.0,
                    Ties::Upper => o[k + 1].0,
                    Ties::Midpoint => {
                        if p.0 == o[k + 1].0 {
                            p.0
                        } else {
                            0.5 * p.0 + 0.5 * o[k + 1].0
                        }
                    }
                };
            }
        }
        unreachable!()
    };
    match s {
        Statistic::Mean => o.iter().map(|p| p.0 * p.1).sum::<f64>() / total,
        Statistic::Median(t) => median(t),
        Statistic::TrimmedMean(t) => {
            let cut = t.cut(n, total);
            let (mut c, mut s, mut k) = (0.0, 0.0, 0.0);
            for p in &o {
                let share = (c + p.1).min(total - cut) - f64::max(c, cut);
                c += p.1;
                if share > 1e-9 * total {
                    s += share * p.0;
                    k += share;
                }
            }
            s / k
        }
        Statistic::MeanAroundMedian { f } => {
            let m = median(Ties::Midpoint);
            o.sort_by(|a, b| {
                (a.0 - m)
                    .abs()
                    .total_cmp(&(b.0 - m).abs())
                    .then(a.0.total_cmp(&b.0))
            });
            o[..n - f].iter().map(|p| p.0).sum::<f64>() / (n - f) as f64
        }
    }
}
