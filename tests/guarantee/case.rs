//! One case: everything that it is made from, as a line of text that makes it again.

use byzagg::{DType, Device};

use super::attack::{self, Attack};
use super::catalogue::{budget, parsed, trusted};
use super::honest::Honest;
use crate::common::cases::some_of;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A variable with a line that a failure printed: only that case runs.
pub const CASE: &str = "BYZAGG_GUARANTEE_CASE";

/// A matrix, a rule, an attack and a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub seed: u64,
    pub rule: String,
    pub n: usize,
    pub d: usize,
    /// How many workers are hostile.
    pub f: usize,
    pub dtype: DType,
    pub honest: Honest,
    pub attack: Attack,
    pub device: &'static str,
}

impl Case {
    /// Who is hostile: any but those that the rule trusts.
    pub fn hostile(&self) -> Vec<usize> {
        let trusted = trusted(&parsed(&self.rule), self.n);
        let mut random = StdRng::seed_from_u64(self.seed ^ 0x405711E);
        let mut workers = some_of(self.n, self.n, &mut random);
        workers.retain(|i| !trusted.contains(i));
        workers.truncate(self.f);
        workers
    }

    pub fn parse(text: &str) -> Case {
        let field = |name: &str| {
            let parts = text.split(' ').filter_map(|part| part.split_once('='));
            let value = parts.into_iter().find(|(key, _)| *key == name);
            value.unwrap_or_else(|| panic!("{CASE}: needs {name}=")).1
        };
        let number = |name: &str| field(name).parse::<usize>().expect(name);
        let honest = Honest::ALL.into_iter();
        let attacks = attack::all().into_iter();
        Case {
            seed: field("seed").parse().expect("seed"),
            rule: field("rule").to_string(),
            n: number("n"),
            d: number("d"),
            f: number("f"),
            dtype: field("dtype").parse().expect("dtype"),
            honest: honest
                .into_iter()
                .find(|h| format!("{h:?}") == field("honest"))
                .expect("honest"),
            attack: attacks
                .into_iter()
                .find(|a| a.to_string() == field("attack"))
                .expect("attack"),
            device: if field("device") == "cpu" {
                "cpu"
            } else {
                "wgpu"
            },
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Case {
            seed,
            rule,
            n,
            d,
            f: hostile,
            dtype,
            honest,
            attack,
            device,
        } = self;
        write!(
            f,
            "seed={seed} rule={rule} n={n} d={d} f={hostile} dtype={dtype} honest={honest:?} \
             attack={attack} device={device}"
        )
    }
}

/// A rule on a device with a shape: what is prepared once and runs many cases.
#[derive(Clone, Debug)]
pub struct Group {
    pub seed: u64,
    pub rule: String,
    pub n: usize,
    pub d: usize,
    pub dtype: DType,
    pub device: &'static Device,
}

impl Group {
    /// So many of the cases that a group can have, all different until there are no more.
    pub fn cases(&self, count: usize) -> Vec<Case> {
        let rule = parsed(&self.rule);
        let most = budget(&rule, self.n).min(self.n - trusted(&rule, self.n).len());
        let attacks = attack::all();
        let case = |turn: usize| {
            // Coprime steps: every attack meets every kind of honest rows.
            let at = self.seed as usize % 1_000_003 + turn;
            let honest = Honest::ALL[(at / 3 + at) % Honest::ALL.len()];
            let small = matches!(honest, Honest::Large | Honest::Tiny) && self.dtype == DType::F16;
            Case {
                seed: self.seed.wrapping_add(turn as u64),
                rule: self.rule.clone(),
                n: self.n,
                d: self.d,
                // Mostly as many as the rule bears.
                f: if turn % 5 == 4 { most / 2 } else { most },
                dtype: self.dtype,
                honest: if small { Honest::Gaussian } else { honest },
                attack: attacks[(at * 11 + turn / attacks.len()) % attacks.len()],
                device: self.device.backend(),
            }
        };
        (0..count).map(case).collect()
    }
}
