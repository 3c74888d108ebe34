//! Writes the selection networks for the CUDA kernels: `networks_N.cuh` for each bucket of rows, and `lanes_N.cuh`
//! where a few lanes share a column.
//!
//! ```text
//! cargo run --example kernel_networks [DIRECTORY]
//! ```
//!
//! The directory is `kernels/generated` unless given. The files are the same on every run.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use byzagg::network::{Line, Network, Program};

/// Rows that the kernels are compiled for. Fewer rows are filled up.
const BUCKETS: [usize; 16] = [
    4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128,
];

/// Lanes that share a column, and the rows that each has.
const LANES: usize = 4;
const LANE_BUCKETS: [usize; 8] = [40, 48, 56, 64, 80, 96, 112, 128];

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("kernels/generated"), PathBuf::from);
    std::fs::create_dir_all(&directory)?;
    let mut least = 1;
    for rows in BUCKETS {
        let networks = [
            ("middle", "The two middle ranks", Network::median(rows)),
            ("sort", "All ranks", Network::sort(rows)),
        ];
        write(
            &directory.join(format!("networks_{rows}.cuh")),
            least,
            &[],
            &networks,
        )?;
        least = rows + 1;
    }
    for rows in LANE_BUCKETS {
        let networks = [
            ("sort", "All ranks", Network::sort(rows)),
            (
                "merge",
                "All ranks of a bitonic sequence",
                Network::merge(rows),
            ),
        ];
        let constants = [
            ("LANES", "Lanes of a column", LANES),
            ("LANE_ROWS", "Rows of a lane", rows),
        ];
        let path = directory.join(format!("lanes_{}.cuh", LANES * rows));
        write(&path, least, &constants, &networks)?;
        least = LANES * rows + 1;
    }
    Ok(())
}

/// A header: constants and networks, each with its name and what it is.
fn write(
    path: &Path,
    least: usize,
    constants: &[(&str, &str, usize)],
    networks: &[(&str, &str, Network)],
) -> std::io::Result<()> {
    let mut text = format!(
        "// Written by examples/kernel_networks.rs.\n#pragma once\n\n\
         // Fewer rows have a bucket of their own.\nconst int LEAST_ROWS = {least};\n\n"
    );
    for (name, what, value) in constants {
        let _ = writeln!(text, "// {what}.\nconst int {name} = {value};\n");
    }
    for (name, what, network) in networks {
        let (wires, ranks) = (network.wires(), network.ranks().len());
        let operations = network.operations();
        let _ = writeln!(
            text,
            "// {what}: {operations} minima and maxima.\n\
             template <class T> __device__ __forceinline__ void {name}(const T (&x)[{wires}], T (&y)[{ranks}]) {{"
        );
        let program = Program::new(network);
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
    std::fs::write(path, text)
}
