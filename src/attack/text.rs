//! The catalogue of attacks, and their text form.

use std::fmt;
use std::str::FromStr;

use super::Attack;
use crate::expression::{self, Named, number};
use crate::{Error, Result};

/// One attack of the [`catalogue`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name in the text form.
    pub name: &'static str,
    /// Its parameters: name and meaning.
    pub parameters: &'static [(&'static str, &'static str)],
    /// What a Byzantine worker sends.
    pub computes: &'static str,
    /// Where it was published.
    pub source: &'static str,
    parse: fn(&mut Arguments<'_>) -> Result<Attack>,
}

type Arguments<'a> = expression::Arguments<'a, Entry>;

/// Every attack with its parameters and source.
pub fn catalogue() -> &'static [Entry] {
    &CATALOGUE
}

static CATALOGUE: [Entry; 13] = [
    Entry {
        name: "none",
        parameters: &[],
        computes: "x, what the worker would honestly send",
        source: "the price of robustness",
        parse: |_| Ok(Attack::None),
    },
    Entry {
        name: "sign-flip",
        parameters: &[],
        computes: "-x",
        source: "Allen-Zhu et al., ICLR 2021",
        parse: |_| Ok(Attack::SignFlip),
    },
    Entry {
        name: "label-flip",
        parameters: &[],
        computes: "x of a problem whose labels are turned",
        source: "Fang et al., USENIX Security 2020",
        parse: |_| Ok(Attack::LabelFlip),
    },
    Entry {
        name: "ipm",
        parameters: &[("epsilon", "the strength ε, default 0.1")],
        computes: "-ε μ, μ the mean of the honest rows",
        source: "Xie, Koyejo, Gupta, UAI 2019",
        parse: |arguments| {
            let epsilon = arguments.number("epsilon")?.unwrap_or(Attack::EPSILON);
            Ok(Attack::Ipm { epsilon })
        },
    },
    Entry {
        name: "alie",
        parameters: &[(
            "z",
            "the strength, default Φ⁻¹((h-s)/h), h = n-f, s = ⌊n/2⌋+1-f",
        )],
        computes: "μ - z σ, σ the standard deviation of the honest rows per coordinate",
        source: "Baruch, Baruch, Goldberg, NeurIPS 2019",
        parse: |arguments| {
            let z = arguments.number("z")?;
            Ok(Attack::Alie { z })
        },
    },
    Entry {
        name: "mimic",
        parameters: &[("row", "which of the honest rows, default 0")],
        computes: "a copy of an honest row",
        source: "Karimireddy, He, Jaggi, ICLR 2022",
        parse: |arguments| {
            let row = arguments.count("row")?.unwrap_or(0);
            Ok(Attack::Mimic { row })
        },
    },
    Entry {
        name: "gaussian",
        parameters: &[("sigma", "the standard deviation σ, default 1")],
        computes: "N(0, σ²) in every coordinate",
        source: "Blanchard et al., NeurIPS 2017",
        parse: |arguments| {
            let sigma = arguments.number("sigma")?.unwrap_or(Attack::SIGMA);
            Ok(Attack::Gaussian { sigma })
        },
    },
    Entry {
        name: "infinite",
        parameters: &[],
        computes: "+Inf in every coordinate",
        source: "ByzFL",
        parse: |_| Ok(Attack::Infinite),
    },
    Entry {
        name: "nan",
        parameters: &[],
        computes: "NaN in every coordinate",
        source: "broken hardware or software",
        parse: |_| Ok(Attack::Nan),
    },
    Entry {
        name: "bit-flips",
        parameters: &[
            ("bits", "how many bits of each coordinate, default 2"),
            ("coordinates", "how many coordinates are hit, default 8"),
        ],
        computes: "x with random bits of random coordinates flipped, exponents included",
        source: "silent data corruption; Dixit et al., arXiv:2102.11245, 2021",
        parse: |arguments| {
            let bits = arguments.count("bits")?.unwrap_or(Attack::BITS);
            let coordinates = arguments.count("coordinates")?;
            let coordinates = coordinates.unwrap_or(Attack::COORDINATES);
            Ok(Attack::BitFlips { bits, coordinates })
        },
    },
    Entry {
        name: "shift-back",
        parameters: &[],
        computes: "x⁰ - xᵏ, start minus point, where attackers are the majority of a round; else x",
        source: "Malinovsky et al., NeurIPS 2024",
        parse: |_| Ok(Attack::ShiftBack),
    },
    Entry {
        name: "optimal-alie",
        parameters: &[],
        computes: "μ - z σ, the z by a line search against the rule in use",
        source: "Allouah et al., AISTATS 2023; the search is ByzFL's",
        parse: |_| Ok(Attack::OptimalAlie),
    },
    Entry {
        name: "optimal-ipm",
        parameters: &[],
        computes: "-ε μ, the ε by a line search against the rule in use",
        source: "Allouah et al., AISTATS 2023; the search is ByzFL's",
        parse: |_| Ok(Attack::OptimalIpm),
    },
];

impl Named for Entry {
    type Value = Attack;
    const KIND: &'static str = "attack";

    fn all() -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter()
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [(&'static str, &'static str)] {
        self.parameters
    }

    fn parse(&self, arguments: &mut Arguments<'_>) -> Result<Attack> {
        (self.parse)(arguments)
    }
}

impl FromStr for Attack {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        expression::parse::<Entry>(text)
    }
}

/// The text that is parsed as the attack: parameters that differ from their defaults.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |differs: bool, text: String| differs.then_some(text);
        let (name, parameters) = match *self {
            Attack::None => ("none", [None, None]),
            Attack::SignFlip => ("sign-flip", [None, None]),
            Attack::LabelFlip => ("label-flip", [None, None]),
            Attack::Ipm { epsilon } => {
                let text = format!("epsilon={}", number(epsilon));
                ("ipm", [given(epsilon != Attack::EPSILON, text), None])
            }
            Attack::Alie { z } => ("alie", [z.map(|z| format!("z={}", number(z))), None]),
            Attack::Mimic { row } => ("mimic", [given(row != 0, format!("row={row}")), None]),
            Attack::Gaussian { sigma } => {
                let text = format!("sigma={}", number(sigma));
                ("gaussian", [given(sigma != Attack::SIGMA, text), None])
            }
            Attack::Infinite => ("infinite", [None, None]),
            Attack::Nan => ("nan", [None, None]),
            Attack::BitFlips { bits, coordinates } => {
                let bits = given(bits != Attack::BITS, format!("bits={bits}"));
                let other = coordinates != Attack::COORDINATES;
                let coordinates = given(other, format!("coordinates={coordinates}"));
                ("bit-flips", [bits, coordinates])
            }
            Attack::ShiftBack => ("shift-back", [None, None]),
            Attack::OptimalAlie => ("optimal-alie", [None, None]),
            Attack::OptimalIpm => ("optimal-ipm", [None, None]),
        };
        let parameters: Vec<_> = parameters.into_iter().flatten().collect();
        f.write_str(name)?;
        if parameters.is_empty() {
            return Ok(());
        }
        write!(f, "({})", parameters.join(","))
    }
}
