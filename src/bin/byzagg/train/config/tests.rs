use super::*;

fn config(text: &str) -> Outcome<Config> {
    Config::new(&parse(text)?)
}

fn refused(text: &str) -> String {
    let message = config(text).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn the_default_is_a_grid() {
    let config = config(DEFAULT).unwrap();
    let keys: Vec<_> = config.axes.iter().map(|axis| axis.key.as_str()).collect();
    assert_eq!(keys, ["attack", "rule"]);
    assert_eq!(
        config.cells.len(),
        config.axes[0].values.len() * config.axes[1].values.len()
    );
    assert_eq!((config.cells[1].at[0], config.cells[1].at[1]), (0, 1));
}

#[test]
fn what_was_resolved_resolves_to_itself() {
    for text in [
        DEFAULT,
        "",
        "[training]\nmethod = \"mu2\"\n[grid]\n\"training.rate\" = [1, 0.1]\nseed = [3, 4]",
        "[[case]]\nname = \"a b\"\ntraining.rate = 1\n[[case]]\nname = \"c\"\nworkers = {n = 9}",
    ] {
        let once = config(text).unwrap();
        let twice = config(&once.resolved).unwrap();
        assert_eq!(once.resolved, twice.resolved);
        let settings = |config: &Config| -> Vec<Settings> {
            config
                .cells
                .iter()
                .map(|cell| cell.settings.clone())
                .collect()
        };
        assert_eq!(settings(&once), settings(&twice));
    }
}

#[test]
fn cells_are_the_product_of_the_grid() {
    let text = "[grid]\nseed = [1, 2]\n\"training.rate\" = [1, 0.5, 0.1]\nattack = [\"nan\"]\n\
        [[case]]\nname = \"few\"\nworkers.n = 5\nworkers.f = 1\n[[case]]\nname = \"many\"\nworkers.n = 50";
    let config = config(text).unwrap();
    let keys: Vec<_> = config.axes.iter().map(|axis| axis.key.as_str()).collect();
    assert_eq!(keys, ["case", "attack", "training.rate", "seed"]);
    assert_eq!(config.cells.len(), 2 * 3 * 2);
    let last = &config.cells[11];
    assert_eq!(
        config.name(last),
        "case = many, attack = nan, training.rate = 0.1, seed = 2"
    );
    let settings = &last.settings;
    assert_eq!((settings.workers.n, settings.workers.f), (50, 4));
    assert_eq!((settings.seed, settings.training.rate), (2, 0.1));
}

#[test]
fn flags_take_the_place_of_what_the_file_says() {
    let mut table = parse("rule = \"mean\"\n[grid]\nseed = [1, 2]").unwrap();
    for text in [
        "seed=7",
        "training.rate=[1, 2]",
        "rule=krum(f=1)",
        "attack=nan",
        "data.augment.flip = true",
    ] {
        let (key, value) = assignment(text).unwrap();
        set(&mut table, &key, value).unwrap();
    }
    let config = Config::new(&table).unwrap();
    assert_eq!(config.cells.len(), 2);
    let settings = &config.cells[1].settings;
    assert_eq!((settings.seed, settings.training.rate), (7, 2.0));
    assert_eq!(
        (&settings.rule[..], &settings.attack[..]),
        ("krum(f=1)", "nan")
    );
    assert_eq!(settings.data.augment.flip, Some(true));
    assert!(assignment("x").is_err());
    assert!(set(&mut table, "trainig.rate", 1.into()).is_err());
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("seed = 1\nrule = ", "line 2: "),
        ("ruel = \"mean\"", "unknown key ruel; did you mean rule?"),
        ("rate = 1", "did you mean training.rate?"),
        ("[training]\nratee = 1", "did you mean training.rate?"),
        ("[model.kind]\na = 1", "unknown key model.kind.a"),
        ("xyzzy = 1", "`byzagg train --help` lists them"),
        ("seed = \"x\"", "seed"),
        ("seed = -1", "seed"),
        ("[training]\nmethod = \"adam\"", "`mu2`"),
        ("[training]\nsteps = 1.5", "training.steps"),
        ("rule = [\"mean\"]", "rule: expected one value, got a list"),
        (
            "rule = \"mean\"\n[grid]\nrule = [\"mean\"]",
            "it is set, and in [grid] too",
        ),
        (
            "[grid]\nrule = \"mean\"",
            "rule: expected a list of values, got \"mean\"",
        ),
        ("[grid]\nrule = []", "rule: expected a list of values"),
        ("[grid]\nrule = [\"mean\", \"mean\"]", "mean is there twice"),
        (
            "[grid]\n\"table.value\" = [\"loss\"]",
            "expected one value for the whole run",
        ),
        ("grid = 1", "grid: expected a table"),
        ("case = 1", "case: expected [[case]] sections"),
        ("[[case]]\nseed = 1", "with a name"),
        (
            "[[case]]\nname = \"a\"\nseed = 1\n[grid]\nseed = [1]",
            "in [[case]], and in [grid] too",
        ),
        (
            "[training]\ngamma = 0.1",
            "training.gamma: no training here uses it (mu2",
        ),
        (
            "[training]\nstrength = 0.1",
            "training.strength: no training here uses it",
        ),
        (
            "[data]\npath = \"x\"",
            "data.path: no training here uses it",
        ),
    ] {
        let message = refused(text);
        assert!(message.contains(expected), "{text:?}: {message}");
    }
    // It is enough that some training uses it.
    config("[training]\ngamma = 0.1\n[grid]\n\"training.method\" = [\"sgd\", \"mu2\"]").unwrap();
}
