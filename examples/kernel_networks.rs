//! Writes the selection networks for the CUDA kernels: `networks_N.cuh` for each bucket of rows.
//!
//! ```text
//! cargo run --example kernel_networks [DIRECTORY]
//! ```
//!
//! The directory is `kernels/generated` unless given. The files are the same on every run.

use std::fmt::Write;
use std::path::PathBuf;

use byzagg::network::{Line, Network, Program};

/// Rows that the kernels are compiled for. Fewer rows are filled up.
const BUCKETS: [usize; 16] = [
    4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128,
];

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("kernels/generated"), PathBuf::from);
    std::fs::create_dir_all(&directory)?;
    for (k, &rows) in BUCKETS.iter().enumerate() {
        let least = k.checked_sub(1).map_or(1, |before| BUCKETS[before] + 1);
        let path = directory.join(format!("networks_{rows}.cuh"));
        std::fs::write(path, header(rows, least))?;
    }
    Ok(())
}

fn header(rows: usize, least: usize) -> String {
    let mut text = format!(
        "// Written by examples/kernel_networks.rs.\n#pragma once\n\n\
         // Fewer rows have a bucket of their own.\nconst int LEAST_ROWS = {least};\n\n"
    );
    let networks = [
        ("middle", "The two middle ranks", Network::median(rows)),
        ("sort", "All ranks", Network::sort(rows)),
    ];
    for (name, what, network) in networks {
        let ranks = network.ranks().len();
        let operations = network.operations();
        let _ = writeln!(
            text,
            "// {what}: {operations} minima and maxima.\n\
             template <class T> __device__ __forceinline__ void {name}(const T (&x)[{rows}], T (&y)[{ranks}]) {{"
        );
        let program = Program::new(&network);
        for line in &program.lines {
            let _ = match line {
                Line::Load { wire } => writeln!(text, "const T t{wire} = x[{wire}];"),
                Line::Min { to, a, b } => writeln!(text, "const T t{to} = least(t{a}, t{b});"),
                Line::Max { to, a, b } => writeln!(text, "const T t{to} = greatest(t{a}, t{b});"),
            };
        }
        for (rank, value) in program.results.iter().enumerate() {
            let _ = writeln!(text, "y[{rank}] = t{value};");
        }
        text.push_str("}\n\n");
    }
    text
}
