//! `byzagg bench`, on sizes that take no time.

use crate::harness::Folder;

#[test]
fn measurements_as_table_and_json() {
    let folder = Folder::new();
    let text = folder.run(&[
        "bench",
        "--rule",
        "median",
        "--rule",
        "krum(f=1)",
        "--n",
        "8",
        "--n",
        "5",
        "--d",
        "1e2",
        "--dtype",
        "f16",
        "--threads",
        "1",
        "--rounds",
        "1",
        "--json",
        "b.json",
    ]);
    assert!(
        text.contains("krum(f=1)") && text.contains("x copy"),
        "{text}"
    );
    let measured = folder.json("b.json");
    let measured = measured.as_array().unwrap();
    let what: Vec<_> = measured
        .iter()
        .map(|m| (m["rule"].as_str().unwrap(), m["n"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("median", 8),
        ("krum(f=1)", 8),
        ("median", 5),
        ("krum(f=1)", 5),
    ];
    assert_eq!(what, expected);
    for m in measured {
        assert_eq!(m["d"], 100);
        assert_eq!(m["dtype"], "f16");
        assert_eq!(m["threads"], 1);
        assert!(m["device"].as_str().unwrap().starts_with("cpu"));
        for key in [
            "seconds",
            "copy_gb_per_s",
            "mean_seconds",
            "gb_per_s",
            "times_copy",
        ] {
            assert!(m[key].as_f64().unwrap() > 0.0, "{key}");
        }
        assert!(m["runs"].as_u64().unwrap() >= 1);
    }
    // 8 rows read, one result written; Krum also reads a row.
    assert_eq!(measured[0]["bytes"], 2 * 9 * 100);
    assert_eq!(measured[1]["bytes"], 2 * 10 * 100);
    assert_eq!(folder.names(), ["b.json"]);
}

#[test]
fn the_default_rules_fit_any_n() {
    let folder = Folder::new();
    folder.run(&[
        "bench", "--n", "1,2,3", "--d", "10", "--rounds", "1", "--json", "b.json",
    ]);
    let measured = folder.json("b.json");
    let count = |n: u64| {
        measured
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["n"] == n)
            .count()
    };
    assert!(count(1) >= 6 && count(3) >= count(1));
    assert!(
        measured
            .as_array()
            .unwrap()
            .iter()
            .any(|m| m["rule"] == "mean")
    );
}
