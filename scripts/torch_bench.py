#!/usr/bin/env python3
"""Times the fastest PyTorch expression that we know of each rule, on the shapes of `byzagg bench --json` files, and
writes a table of both.

    torch_bench.py BENCH.json… --json OUT.json --table OUT.md

Times are by CUDA events, medians over runs that take turns among inputs larger than the cache. Matrix products of f32 are
in f32 (PyTorch's default, no TF32). Expressions are eager PyTorch: a network of torch.minimum and torch.maximum under
torch.compile would be another kernel, not another expression.
"""

import argparse
import itertools
import json
import re
import statistics
import sys

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
# What a run of fewer would say by chance.
RUNS = 9


def argument(rule, name):
    found = re.search(name + r"=([\d.]+)", rule)
    return float(found.group(1)) if found else None


# Medians of columns: the lower one of an even number, as each of these finds without more work.
def median_by_median(x):
    return x.median(0).values


def median_by_rank(x):
    return x.kthvalue((x.shape[0] + 1) // 2, dim=0).values


def median_by_sort(x):
    return x.sort(0).values[(x.shape[0] - 1) // 2]


def median_of_columns(x):
    # Sorts along the memory, behind a transposition.
    return x.T.contiguous().median(1).values


MEDIANS = [median_by_median, median_by_rank, median_by_sort, median_of_columns]


def average(x, rows):
    """The mean of some rows, whose numbers are on the device: by one pass, with a vector of coefficients."""
    coefficients = torch.zeros(x.shape[0], device=x.device, dtype=x.dtype)
    return coefficients.index_fill_(0, rows, 1.0 / rows.shape[0]) @ x


def gathered_average(x, rows):
    return x.index_select(0, rows).mean(0)


AVERAGES = [average, gathered_average]


def trimmed(x, f):
    return x.sort(0).values[f : x.shape[0] - f].mean(0)


def trimmed_of_columns(x, f):
    return x.T.contiguous().sort(1).values[:, f : x.shape[0] - f].mean(1)


TRIMMED = [trimmed, trimmed_of_columns]


def around(x, f, median):
    centre = median(x)
    nearest = (x - centre).abs().topk(x.shape[0] - f, dim=0, largest=False, sorted=False).indices
    return x.gather(0, nearest).mean(0)


def squares_by_cdist(x):
    return torch.cdist(x.float(), x.float()).square()


def squares_by_gram(x):
    # bf16 products are rounded to bf16: fast, and not what a rule should choose by.
    products = (x @ x.T).float()
    norms = products.diagonal()
    return norms[:, None] + norms[None] - 2 * products


SQUARES = [squares_by_cdist, squares_by_gram]


def scores(x, f, squares):
    # Each row is its own nearest.
    return squares(x).topk(x.shape[0] - f - 1, dim=1, largest=False, sorted=False).values.sum(1)


def krum(x, f, squares):
    # Indexing with a number on the device would wait for it.
    return x.index_select(0, scores(x, f, squares).argmin().view(1))[0]


def multikrum(x, f, m, squares, mean):
    return mean(x, scores(x, f, squares).topk(m, largest=False, sorted=False).indices)


def nearest_mix(x, f, squares):
    n = x.shape[0]
    nearest = squares(x).topk(n - f, dim=1, largest=False, sorted=False).indices
    mixing = torch.zeros(n, n, device=x.device, dtype=x.dtype).scatter_(1, nearest, 1.0 / (n - f))
    return mixing @ x


def square_distances(x, centre):
    return (x - centre).square().sum(1)


def square_distances_by_products(x, centre):
    # Nothing of the matrix's size is written.
    return torch.linalg.vector_norm(x, dim=1).square() - 2 * (x @ centre) + centre @ centre


DISTANCES = [square_distances, square_distances_by_products]


def ctma(x, f, median, distances, mean):
    return mean(x, distances(x, median(x)).topk(x.shape[0] - f, largest=False, sorted=False).indices)


def rfa(x, iterations, nu=0.1):
    z = torch.zeros_like(x[0])
    for _ in range(iterations):
        beta = 1 / (x - z).norm(dim=1).clamp_min(nu)
        z = (beta @ x) / beta.sum()
    return z


def rfa_by_gram(x, iterations, nu=0.1):
    # |x_i - w x|^2 = G_ii - 2 (G w)_i + w G w: two passes for any number of iterations.
    products = (x @ x.T).float()
    norms = products.diagonal()
    weights = torch.zeros_like(norms)
    for _ in range(iterations):
        along = products @ weights
        beta = 1 / (norms - 2 * along + weights @ along).clamp_min(nu * nu).sqrt()
        weights = beta / beta.sum()
    return weights.to(x.dtype) @ x


def buckets(x, s):
    # In order: a permutation of the rows costs nothing, as it goes into the matrix.
    n = x.shape[0]
    of = torch.arange(n, device=x.device) // s
    mixing = (torch.arange(-(-n // s), device=x.device)[:, None] == of).to(x.dtype)
    return (mixing / mixing.sum(1, keepdim=True)) @ x


def clipped(x, c):
    return x * (c / torch.linalg.vector_norm(x, dim=1).clamp_min(c))[:, None]


def expressions(rule, medians):
    """Ways to compute a rule, by name, with these medians as its parts; none where nobody has one."""
    f, name = int(argument(rule, "f") or 0), rule.split("(")[0]
    ways = {}

    def add(function, *choices):
        # Each combination of how its parts may be computed.
        for parts in itertools.product(*choices):
            key = " ".join([name, *(part.__name__ for part in parts)])
            ways[key] = lambda x, parts=parts: function(x, *parts)

    if name == "mean":
        ways["mean"] = lambda x: x.mean(0)
        ways["product"] = lambda x: x.new_full((x.shape[0],), 1.0 / x.shape[0]) @ x
    elif name == "median":
        add(lambda x, median: median(x), MEDIANS)
    elif name == "cwtm":
        add(lambda x, trimmed: trimmed(x, f), TRIMMED)
    elif name == "meamed":
        add(lambda x, median: around(x, f, median), medians)
    elif name == "krum":
        add(lambda x, squares: krum(x, f, squares), SQUARES)
    elif name == "multikrum":
        m = argument(rule, "m")
        add(lambda x, *parts: multikrum(x, f, int(m or x.shape[0] - f), *parts), SQUARES, AVERAGES)
    elif rule.startswith("ctma(median"):
        add(lambda x, *parts: ctma(x, f, *parts), medians, DISTANCES, AVERAGES)
    elif rule.startswith("nnm(cwtm"):
        add(lambda x, squares, trimmed: trimmed(nearest_mix(x, f, squares), f), SQUARES, TRIMMED)
    elif name == "rfa":
        iterations = int(argument(rule, "iterations") or 3)
        add(lambda x, rfa: rfa(x, iterations), [rfa, rfa_by_gram])
    elif rule.startswith("bucketing(median"):
        add(lambda x, median: median(buckets(x, int(argument(rule, "s")))), medians)
    elif rule.startswith("clipping(median"):
        add(lambda x, median: median(clipped(x, argument(rule, "c"))), medians)
    return ways


def time(work, inputs):
    # As `byzagg bench` does it: each run between two events, on the next input.
    for x in inputs[:3]:
        work(x)
    times = []
    for run in range(RUNS):
        # Long ones vary less.
        if run >= 3 and sum(times) > 1:
            break
        torch.cuda.synchronize()
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        work(inputs[run % len(inputs)])
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last) * 1e-3)
    return statistics.median(times)


def fastest(ways, inputs, what):
    """The seconds of the fastest of some functions, and its name; none where none can be computed."""
    best = None, None
    for name, work in ways.items():
        try:
            seconds = time(work, inputs)
        except RuntimeError as error:
            # Also when the memory is too small for what it makes.
            print(f"{what}, {name}: {str(error).splitlines()[0]}", file=sys.stderr)
            torch.cuda.empty_cache()
            continue
        if best[0] is None or seconds < best[0]:
            best = seconds, name
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", nargs="+")
    parser.add_argument("--json", required=True)
    parser.add_argument("--table", required=True)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    entries = [entry for path in arguments.bench for entry in json.load(open(path))]
    shapes = sorted({(e["n"], e["d"], e["dtype"]) for e in entries})
    # Old versions don't tell; no GPU has more yet than 128 MiB.
    cache = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 128 << 20)
    rows = []
    for n, d, dtype in shapes:
        copies = max(1, -(-2 * cache // (n * d * DTYPES[dtype].itemsize)))
        inputs = [torch.randn(n, d, device="cuda").to(DTYPES[dtype]) for _ in range(copies)]
        medians = {median.__name__: median for median in MEDIANS}
        _, median = fastest(medians, inputs, "medians")
        part = [medians[median]] if median else MEDIANS
        for entry in (e for e in entries if (e["n"], e["d"], e["dtype"]) == (n, d, dtype)):
            print(entry["rule"], n, d, dtype, flush=True)
            seconds, expression = fastest(expressions(entry["rule"], part), inputs, entry["rule"])
            rows.append({**entry, "torch_seconds": seconds, "torch_expression": expression})
            # At once: what follows may not fit or take too long.
            with open(arguments.json, "w") as file:
                json.dump(rows, file, indent=1)
        del inputs
        torch.cuda.empty_cache()
    with open(arguments.table, "w") as table:
        print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}. ms; × copy is the time over what the", file=table)
        print("rule's bytes take at the copy's speed in the same run; × torch how often faster.\n", file=table)
        print("| rule | n | d | type | ms | × copy | torch ms | × torch | the fastest there |\n|---|--:|--:|---|--:|--:|--:|--:|---|", file=table)
        for row in rows:
            other = row["torch_seconds"]
            theirs = (
                f"{1e3 * other:.3f} | {other / row['seconds']:.1f} | {row['torch_expression']}" if other else "– | – | –"
            )
            print(
                f"| `{row['rule']}` | {row['n']} | {row['d']} | {row['dtype']} | {1e3 * row['seconds']:.3f} "
                f"| {row['times_copy']:.2f} | {theirs} |",
                file=table,
            )


if __name__ == "__main__":
    main()
