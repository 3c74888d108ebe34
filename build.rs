//! Writes the selection networks for small n as straight-line Rust.

use std::path::Path;
use std::{env, fs, io};

#[allow(dead_code)]
#[path = "src/network/comparators.rs"]
mod comparators;
#[path = "src/network/construct.rs"]
mod construct;
#[path = "src/network/program.rs"]
mod program;

use comparators::Network;
use program::{Line, Program};

/// Straight-line code exists for n up to this.
const WIDEST: usize = 32;

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["comparators", "construct", "program"] {
        println!("cargo:rerun-if-changed=src/network/{name}.rs");
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(Path::new(&out).join("straight.rs"), source())
}

fn source() -> String {
    let mut code = format!(
        "/// Straight-line code exists for n up to this.\npub const WIDEST: usize = {WIDEST};\n"
    );
    let mut arms = String::new();
    for n in 1..=WIDEST {
        let sort = body(&Network::sort(n), 1);
        // The middle rank of an odd n is both the lower and the upper one.
        let median = body(&Network::median(n), 1 + n % 2);
        code += &format!("\n#[allow(unused_variables)]\nimpl Straight<{n}> for Wires {{\n");
        code += &function("sort", n, &sort);
        code += &function("median", 2, &median);
        code += "}\n";
        arms += &format!("{n} => Some(visitor.visit::<{n}>()),\n");
    }
    code + &format!(
        "\n/// Calls the visitor with N = n, if there is straight-line code for it.\n\
         pub fn dispatch<T: Visitor>(n: usize, visitor: T) -> Option<T::Output> {{\n\
         match n {{\n{arms}_ => None,\n}}\n}}\n",
    )
}

fn function(name: &str, results: usize, body: &str) -> String {
    format!(
        "#[inline(always)]\n\
         fn {name}<M: MinMax>(m: M, rows: impl Rows<M::V>) -> [M::V; {results}] {{\n{body}}}\n"
    )
}

/// The lines of a function that returns each result `copies` times.
fn body(network: &Network, copies: usize) -> String {
    let program = Program::new(network);
    let mut code = String::new();
    for line in &program.lines {
        code += &match line {
            Line::Load { wire } => format!("let v{wire} = rows.row({wire});\n"),
            Line::Min { to, a, b } => format!("let v{to} = m.min(v{a}, v{b});\n"),
            Line::Max { to, a, b } => format!("let v{to} = m.max(v{a}, v{b});\n"),
        };
    }
    let results = program
        .results
        .iter()
        .flat_map(|value| vec![format!("v{value}"); copies]);
    code + &format!("[{}]\n", results.collect::<Vec<_>>().join(", "))
}
