//! Networks as straight-line code in single-assignment form, for any language.

use super::comparators::{Comparator, Keep, Network};

/// A line of straight-line code. The values are numbered: first the n inputs, then one for each
/// minimum or maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Value `wire` is this wire's input. Comes right before its first use.
    Load {
        /// The wire.
        wire: u32,
    },
    /// Value `to` is the minimum of the values `a` and `b`.
    Min {
        /// The new value.
        to: u32,
        /// An earlier value.
        a: u32,
        /// Another one.
        b: u32,
    },
    /// Value `to` is the maximum of the values `a` and `b`.
    Max {
        /// The new value.
        to: u32,
        /// An earlier value.
        a: u32,
        /// Another one.
        b: u32,
    },
}

/// A network as straight-line code, in an order that keeps few values alive at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The code.
    pub lines: Vec<Line>,
    /// The values on the network's [ranks](Network::ranks).
    pub results: Vec<u32>,
}

impl Program {
    /// The straight-line code of a network.
    pub fn new(network: &Network) -> Self {
        let mut writer = Writer {
            lines: Vec::new(),
            values: vec![None; network.wires()],
            next: network.wires() as u32,
        };
        for Comparator { low, high, keep } in schedule(network) {
            let (a, b) = (writer.read(low), writer.read(high));
            if keep != Keep::High {
                let to = writer.assign(low);
                writer.lines.push(Line::Min { to, a, b });
            }
            if keep != Keep::Low {
                let to = writer.assign(high);
                writer.lines.push(Line::Max { to, a, b });
            }
        }
        let results = network
            .ranks()
            .map(|rank| writer.read(rank as u32))
            .collect();
        Program {
            lines: writer.lines,
            results,
        }
    }
}

struct Writer {
    lines: Vec<Line>,
    /// The value that each wire carries, if it has been loaded.
    values: Vec<Option<u32>>,
    next: u32,
}

impl Writer {
    fn read(&mut self, wire: u32) -> u32 {
        *self.values[wire as usize].get_or_insert_with(|| {
            self.lines.push(Line::Load { wire });
            wire
        })
    }

    fn assign(&mut self, wire: u32) -> u32 {
        self.next += 1;
        *self.values[wire as usize].insert(self.next - 1)
    }
}

/// The comparators in an order that loads inputs late and drops values early.
///
/// Comparators that drop a value come first, whichever needs the fewest new inputs, each with all
/// that it depends on; then the others likewise.
fn schedule(network: &Network) -> Vec<Comparator> {
    let list = network.comparators();
    let words = network.wires().div_ceil(64);
    let mut last: Vec<Option<usize>> = vec![None; network.wires()];
    let mut nodes: Vec<Node> = Vec::with_capacity(list.len());
    for (i, comparator) in list.iter().enumerate() {
        let mut node = Node {
            before: [None; 2],
            inputs: vec![0; words],
            done: false,
        };
        for (wire, before) in [comparator.low, comparator.high]
            .into_iter()
            .zip(&mut node.before)
        {
            let wire = wire as usize;
            *before = last[wire].replace(i);
            match *before {
                Some(before) => {
                    for (all, word) in node.inputs.iter_mut().zip(&nodes[before].inputs) {
                        *all |= word;
                    }
                }
                None => node.inputs[wire / 64] |= 1 << (wire % 64),
            }
        }
        nodes.push(node);
    }
    let drops = |i: &usize| list[*i].keep != Keep::Both;
    let mut order = Vec::with_capacity(list.len());
    let mut loaded = vec![0; words];
    for drop in [true, false] {
        let mut targets: Vec<usize> = (0..list.len()).filter(|i| drops(i) == drop).collect();
        loop {
            targets.retain(|&i| !nodes[i].done);
            let Some(&target) = targets
                .iter()
                .min_by_key(|&&i| nodes[i].new_inputs(&loaded))
            else {
                break;
            };
            visit(target, &mut nodes, &loaded, &mut order);
            for (all, word) in loaded.iter_mut().zip(&nodes[target].inputs) {
                *all |= word;
            }
        }
    }
    order.into_iter().map(|i| list[i]).collect()
}

/// A comparator in the graph of dependencies.
struct Node {
    /// The comparators that its two operands come from.
    before: [Option<usize>; 2],
    /// The inputs that it depends on, one bit each.
    inputs: Vec<u64>,
    done: bool,
}

impl Node {
    fn new_inputs(&self, loaded: &[u64]) -> u32 {
        let words = self.inputs.iter().zip(loaded);
        words
            .map(|(inputs, loaded)| (inputs & !loaded).count_ones())
            .sum()
    }
}

/// Appends a comparator behind all that it depends on, the operand with more new inputs first.
fn visit(i: usize, nodes: &mut [Node], loaded: &[u64], order: &mut Vec<usize>) {
    if nodes[i].done {
        return;
    }
    nodes[i].done = true;
    let new_inputs = |before: Option<usize>| before.map(|b| nodes[b].new_inputs(loaded));
    let mut before = nodes[i].before;
    if new_inputs(before[0]) < new_inputs(before[1]) {
        before.reverse();
    }
    for before in before.into_iter().flatten() {
        visit(before, nodes, loaded, order);
    }
    order.push(i);
}
