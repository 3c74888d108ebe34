//! Statistics of few rows: selection networks as straight-line WGSL. Values are orders (`order` of
//! `shaders/columns.wgsl`), named o0, o1, …; their weights w0, w1, ….

use std::fmt::Write;

use crate::backend::ranks::{Cut, Form};
use crate::network::{Line, Network, Program};
use crate::plan::Ties;

/// `value(k)` without weights: each element is read once, where the network first needs it.
pub(super) fn unweighted(rows: usize, form: Form, cut: &Cut) -> String {
    let middle = ((rows - 1) / 2, rows / 2);
    let mut code = String::from("fn value(k: u32) -> U {\n");
    match form {
        Form::Median(ties) => {
            let (low, high) = match ties {
                Ties::Lower => (middle.0, middle.0),
                Ties::Upper => (middle.1, middle.1),
                Ties::Midpoint => middle,
            };
            let orders = network(&mut code, &Network::select(rows, low..high + 1));
            match &orders[..] {
                [one] => returned(&mut code, &format!("unorder({one})")),
                orders => returned(&mut code, &format!("midpoint({})", orders.join(", "))),
            }
        }
        Form::Trimmed(_) => {
            let (low, high) = (cut.outside as usize, cut.beyond as usize - 1);
            let exact = [low, high];
            let exact = if cut.part() > 0.0 { &exact[..] } else { &[] };
            let orders = network(&mut code, &Network::trimmed(rows, low..high + 1, exact));
            match &orders[..] {
                [one] => returned(&mut code, &format!("unorder({one})")),
                [first, inner @ .., last] if cut.part() > 0.0 => {
                    let ends =
                        format!("params.part * number({first}) + params.part * number({last})");
                    let sum = if inner.is_empty() {
                        ends
                    } else {
                        format!("{} + ({ends})", sum(inner))
                    };
                    returned(
                        &mut code,
                        &format!("with_infinities({first}, {last}, ({sum}) * params.scale)"),
                    );
                }
                orders => mean(&mut code, orders),
            }
        }
        Form::Around { f } => {
            let keep = rows - f;
            let placed = |k: &usize| *k < f || *k >= keep || *k == middle.0 || *k == middle.1;
            let exact: Vec<usize> = (0..rows).filter(placed).collect();
            let orders = network(&mut code, &Network::trimmed(rows, 0..rows, &exact));
            let (low, high) = (&orders[middle.0], &orders[middle.1]);
            line(&mut code, &format!("let centre = midpoint({low}, {high});"));
            // The window of kept values slides up while what it gains is nearer than what it loses:
            // value k + keep takes the place of value k.
            let mut kept = orders[..keep].to_vec();
            for (k, (from, to)) in orders.iter().zip(&orders[keep..]).enumerate() {
                let nearer = format!("distance({to}, centre) < distance({from}, centre)");
                let (kept, name) = (&mut kept[k % keep], format!("{from}_{to}"));
                line(
                    &mut code,
                    &format!("let {name} = select({kept}, {to}, {nearer});"),
                );
                *kept = name;
            }
            mean(&mut code, &kept);
        }
    }
    code + "}\n"
}

/// `value(k)` with weights: all values sorted, each with its weight.
pub(super) fn weighted(rows: usize, form: Form) -> String {
    let mut code = String::from("fn value(k: u32) -> U {\n");
    for i in 0..rows {
        line(
            &mut code,
            &format!("let w{i} = I(bitcast<i32>(arena[params.weights + {i}u]));"),
        );
        let order = format!("order(elements({i}u, k))");
        line(
            &mut code,
            &format!("let o{i} = select(U(ORDER_OF_NOTHING), {order}, w{i} > I());"),
        );
    }
    let mut wires: Vec<usize> = (0..rows).collect();
    let mut next = rows;
    for comparator in Network::sort(rows).comparators() {
        let (low, high) = (comparator.low as usize, comparator.high as usize);
        let (a, b, min, max) = (wires[low], wires[high], next, next + 1);
        let _ = writeln!(
            code,
            "let c{min} = o{a} <= o{b};\n\
             let o{min} = min(o{a}, o{b});\n\
             let o{max} = max(o{a}, o{b});\n\
             let w{min} = select(w{b}, w{a}, c{min});\n\
             let w{max} = select(w{a}, w{b}, c{min});"
        );
        (wires[low], wires[high], next) = (min, max, next + 2);
    }
    // The first values at which the cumulative weight exceeds a target are the last ones before which
    // it does not.
    line(
        &mut code,
        &format!("let s0 = I();\nvar low = o{0};\nvar high = o{0};", wires[0]),
    );
    for (i, wire) in wires.iter().enumerate() {
        line(&mut code, &format!("let s{} = s{i} + w{wire};", i + 1));
        if i > 0 {
            line(
                &mut code,
                &format!("low = select(low, o{wire}, s{i} <= I(params.low));"),
            );
            line(
                &mut code,
                &format!("high = select(high, o{wire}, s{i} <= I(params.high));"),
            );
        }
    }
    if let Form::Median(_) = form {
        returned(&mut code, "midpoint(low, high)");
        return code + "}\n";
    }
    let terms: Vec<String> = (wires.iter().enumerate())
        .map(|(i, wire)| format!("term(o{wire}, share(s{i}, s{}))", i + 1))
        .collect();
    let sum = tree(&terms, &|a, b| format!("({a} + {b})"));
    line(
        &mut code,
        &format!("let mean = with_infinities(low, high, {sum});"),
    );
    returned(&mut code, "select(mean, unorder(low), low == high)");
    code + "}\n"
}

/// The network on all rows; the names of the orders on its ranks.
fn network(code: &mut String, network: &Network) -> Vec<String> {
    let program = Program::new(network);
    for step in &program.lines {
        let _ = match step {
            Line::Load { wire } => writeln!(code, "let o{wire} = order(elements({wire}u, k));"),
            Line::Min { to, a, b } => writeln!(code, "let o{to} = min(o{a}, o{b});"),
            Line::Max { to, a, b } => writeln!(code, "let o{to} = max(o{a}, o{b});"),
        };
    }
    program
        .results
        .iter()
        .map(|value| format!("o{value}"))
        .collect()
}

/// Returns the mean of some orders, which is what params.scale is for.
fn mean(code: &mut String, orders: &[String]) {
    let low = tree(orders, &|a, b| format!("min({a}, {b})"));
    let high = tree(orders, &|a, b| format!("max({a}, {b})"));
    let sum = sum(orders);
    returned(
        code,
        &format!("with_infinities({low}, {high}, {sum} * params.scale)"),
    );
}

fn sum(orders: &[String]) -> String {
    let numbers: Vec<String> = orders
        .iter()
        .map(|order| format!("number({order})"))
        .collect();
    tree(&numbers, &|a, b| format!("({a} + {b})"))
}

/// A balanced expression of at least one term.
fn tree(terms: &[String], join: &impl Fn(&str, &str) -> String) -> String {
    match terms {
        [] => String::new(),
        [term] => term.clone(),
        _ => {
            let (left, right) = terms.split_at(terms.len() / 2);
            join(&tree(left, join), &tree(right, join))
        }
    }
}

fn line(code: &mut String, text: &str) {
    code.push_str(text);
    code.push('\n');
}

fn returned(code: &mut String, value: &str) {
    line(code, &format!("return {value};"));
}
