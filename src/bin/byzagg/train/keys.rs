//! Every key that a configuration may have.

use toml::Value;

use super::settings::{Clip, Deal, Kind, Method, Mode, Set, Settings};

pub struct Key {
    pub name: &'static str,
    /// A TOML value, unless there is none or it depends on other keys.
    pub default: Option<&'static str>,
    pub meaning: &'static str,
    /// Does a training use it?
    pub used: fn(&Settings) -> bool,
}

impl Key {
    pub fn default(&self) -> Option<Value> {
        let text = format!("value = {}", self.default?);
        let mut table: toml::Table = text.parse().expect("our defaults are TOML");
        table.remove("value")
    }

    /// Does it say something of a single training? The others are about the whole run.
    pub fn may_vary(&self) -> bool {
        !["checkpoint.", "table.", "plot."]
            .iter()
            .any(|section| self.name.starts_with(section))
    }
}

const fn key(
    name: &'static str,
    default: &'static str,
    used: fn(&Settings) -> bool,
    meaning: &'static str,
) -> Key {
    let default = if default.is_empty() {
        None
    } else {
        Some(default)
    };
    Key {
        name,
        default,
        meaning,
        used,
    }
}

fn always(_: &Settings) -> bool {
    true
}

fn images(s: &Settings) -> bool {
    s.model.kind != Kind::Logistic
}

fn asynchronous(s: &Settings) -> bool {
    s.training.mode == Mode::Asynchronous
}

fn synchronous(s: &Settings) -> bool {
    !asynchronous(s) && !marina(s)
}

fn marina(s: &Settings) -> bool {
    s.training.method == Method::Marina
}

fn mu2(s: &Settings) -> bool {
    s.training.method == Method::Mu2
}

#[rustfmt::skip]
pub const KEYS: [Key; 45] = [
    key("seed", "1", always, "of shards, weights, batches, arrivals and attacks"),
    key("rule", "\"median\"", always, "a rule expression; {n} and {f} stand for the numbers of workers"),
    key("attack", "\"none\"", always, "what Byzantine workers send: an attack expression"),
    key("device", "\"cpu\"", always, "where gradients are aggregated: auto, cpu, wgpu[:i] or cuda[:i]"),
    key("data.set", "\"digits\"", always, "digits (shipped), idx (MNIST and the like), cifar10 (binary version), libsvm"),
    key("data.path", "", |s| s.data.set != Set::Digits, "the folder with the files of idx or cifar10, or the file of libsvm"),
    key("data.deal", "\"shards\"", always, "shards: each worker has its own samples; all: every worker has all"),
    key("data.heterogeneity", "0.0", |s| s.data.deal == Deal::Shards, "share of the samples that is dealt out sorted by label"),
    key("data.augment.workers", "", images, "only the images of the first so many workers are augmented (all)"),
    key("data.augment.shift", "", images, "images are moved by up to so many pixels each way"),
    key("data.augment.flip", "", images, "images are mirrored left to right every other time"),
    key("data.augment.noise", "", images, "standard deviation of the noise on pixels between 0 and 1"),
    key("model.kind", "\"mlp\"", always, "mlp, cnn (both for images) or logistic (for libsvm, binary)"),
    key("model.hidden", "64", images, "neurons in the hidden layer"),
    key("model.channels", "8", |s| s.model.kind == Kind::Cnn, "channels of the first 3 x 3 convolution; the second has twice as many"),
    key("model.l2", "0.01", |s| !images(s), "regularisation: l2 / 2 times the squared length"),
    key("workers.n", "15", always, "workers"),
    key("workers.f", "4", always, "Byzantine ones among them, the last"),
    key("training.method", "\"momentum\"", always, "sgd, momentum (of each worker), mu2 (μ²-SGD) or marina (Byz-VR-MARINA-PP)"),
    key("training.mode", "\"synchronous\"", always, "synchronous, or asynchronous: a step per arrival"),
    key("training.rate", "0.3", always, "learning rate"),
    key("training.batch", "32", always, "samples in a worker's batch; 0: all of the worker's"),
    key("training.steps", "400", always, "steps of each training; arrivals if asynchronous"),
    key("training.evaluations", "25", always, "how often a training is measured, about"),
    key("training.momentum", "0.9", |s| s.training.method == Method::Momentum, "β in m ← βm + (1−β)g: the weight of the old"),
    key("training.beta", "", mu2, "mu2: weight of the new gradient in the corrected momentum (1/t)"),
    key("training.gamma", "", mu2, "mu2: x ← (1−γ)x + γw (AnyTime averaging with weights t)"),
    key("training.participants", "", synchronous, "so many workers, drawn at random, take part in a step (all)"),
    key("training.clip", "\"none\"", |s| !asynchronous(s), "heuristic (clips what differs from the last direction at strength × the last move); marina: paper (at strength × the move) or code (at strength × the length of the direction)"),
    key("training.strength", "", |s| s.training.clip != Clip::None, "of clip"),
    key("training.arrivals", "\"uniform\"", asynchronous, "how often workers 1 to n arrive: uniform, id or id2"),
    key("training.byzantine_arrivals", "", asynchronous, "probability that a Byzantine worker arrives; the law holds within each group then (by the law)"),
    key("training.weighted", "true", asynchronous, "workers count by their number of arrivals"),
    key("training.p", "0.1", marina, "probability of a full round"),
    key("training.sampled", "", marina, "workers in other rounds (all)"),
    key("training.full", "", marina, "workers in a full round (all)"),
    key("training.keep", "", marina, "coordinates that Rand-K keeps (no compression)"),
    key("checkpoint.seconds", "60.0", always, "least time between checkpoints, which are taken at measurements"),
    key("table.rows", "\"rule\"", always, "the key whose values are the table's rows and the plot's lines; case for [[case]]"),
    key("table.columns", "\"attack\"", always, "the key whose values are the table's columns and the plot's panels"),
    key("table.value", "\"accuracy\"", always, "accuracy, loss, gap (f(x) − f(x*)), distance (‖x − x*‖²), gradients or milliseconds (per aggregation)"),
    key("table.reach", "", always, "for gradients: count them until accuracy, loss, gap or distance"),
    key("table.target", "", |s| s.table.reach.is_some(), "is this good"),
    key("plot.x", "\"step\"", always, "step or gradients (of honest workers)"),
    key("plot.y", "", always, "accuracy, loss, gap or distance (the table's)"),
];

pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that was probably meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let names = || KEYS.iter().map(|key| key.name);
    let same_end = names().find(|known| known.rsplit('.').next() == Some(last));
    let closest = || {
        names()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .min()
            .filter(|&(edits, known)| edits <= known.len() / 3)
            .map(|(_, known)| known)
    };
    same_end.or_else(closest)
}

/// The list for `--help`.
pub fn help() -> String {
    let mut text = String::new();
    for key in &KEYS {
        let default = key.default.map(|default| format!(" [{default}]"));
        text += &format!(
            "  {}{}: {}\n",
            key.name,
            default.unwrap_or_default(),
            key.meaning
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_has_a_neighbour() {
        assert_eq!(nearest("training.rat"), Some("training.rate"));
        assert_eq!(nearest("rate"), Some("training.rate"));
        assert_eq!(nearest("trainig.stesp"), Some("training.steps"));
        assert_eq!(nearest("nonsense"), None);
        assert!(find("model.l2").is_some() && find("model").is_none());
    }

    #[test]
    fn keys_are_the_settings() {
        let mut table = toml::Table::new();
        for key in &KEYS {
            let value = key.default().unwrap_or(match key.name {
                "data.path" => "x".into(),
                "data.augment.flip" => true.into(),
                "table.reach" | "plot.y" => "loss".into(),
                _ => 1.into(),
            });
            super::super::config::insert(&mut table, key.name, value);
        }
        let settings: Settings = table.clone().try_into().unwrap();
        // What went in comes out: no key is unknown to the settings, no setting to the keys.
        let mut names: Vec<_> =
            super::super::config::flatten(&toml::Table::try_from(settings).unwrap())
                .into_iter()
                .map(|(name, _)| name)
                .collect();
        let mut known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort();
        known.sort();
        assert_eq!(names, known);
    }
}
