#!/usr/bin/env python3
"""Times the fastest PyTorch expression that we know of each rule, on the shapes of `byzagg bench --json` files, and
writes a table of both.

    torch_bench.py BENCH.json… --json OUT.json --table OUT.md

Times are by CUDA events, medians over runs that take turns among inputs larger than the cache.
"""

import argparse
import json
import re
import statistics
import sys

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def argument(rule, name):
    found = re.search(name + r"=(\d+)", rule)
    return int(found.group(1)) if found else None


def trimmed(x, f):
    return x.sort(0).values[f : x.shape[0] - f].mean(0)


def around(x, f):
    keep = x.shape[0] - f
    centre = x.median(0).values
    nearest = (x - centre).abs().topk(keep, dim=0, largest=False).indices
    return x.gather(0, nearest).mean(0)


def squares(x):
    return torch.cdist(x, x).square() if x.dtype == torch.float32 else torch.cdist(x.float(), x.float()).square()


def gram_squares(x):
    products = (x @ x.T).float()
    norms = products.diagonal()
    return norms[:, None] + norms[None] - 2 * products


def krum(x, f, of):
    scores = of(x).topk(x.shape[0] - f - 1, dim=1, largest=False).values.sum(1)
    return x[scores.argmin()]


def multikrum(x, f, m, of):
    scores = of(x).topk(x.shape[0] - f - 1, dim=1, largest=False).values.sum(1)
    return x[scores.topk(m, largest=False).indices].mean(0)


def nearest_mix(x, f, of):
    n = x.shape[0]
    nearest = of(x).topk(n - f, dim=1, largest=False).indices
    mixing = torch.zeros(n, n, device=x.device, dtype=x.dtype).scatter_(1, nearest, 1.0 / (n - f))
    return mixing @ x


def ctma(x, f, base):
    near = (x - base(x)).square().sum(1).topk(x.shape[0] - f, largest=False).indices
    return x[near].mean(0)


def rfa(x, iterations, nu=0.1):
    z = torch.zeros_like(x[0])
    for _ in range(iterations):
        beta = 1 / (x - z).norm(dim=1).clamp_min(nu)
        z = (beta[:, None] * x).sum(0) / beta.sum()
    return z


def expressions(rule):
    """Ways to compute a rule; none where nobody has one."""
    f = argument(rule, "f") or 0
    by_rank = lambda x: x.kthvalue((x.shape[0] + 1) // 2, dim=0).values
    by_median = lambda x: x.median(0).values
    by_sort = lambda x: x.sort(0).values[(x.shape[0] - 1) // 2]
    name = rule.split("(")[0]
    if name == "mean":
        return [lambda x: x.mean(0)]
    if name == "median":
        return [by_median, by_rank, by_sort]
    if name == "cwtm":
        return [lambda x: trimmed(x, f)]
    if name == "meamed":
        return [lambda x: around(x, f)]
    if name == "krum":
        return [lambda x, of=of: krum(x, f, of) for of in (squares, gram_squares)]
    if name == "multikrum":
        return [lambda x, of=of: multikrum(x, f, argument(rule, "m") or x.shape[0] - f, of) for of in (squares, gram_squares)]
    if rule.startswith("ctma(median"):
        return [lambda x: ctma(x, f, by_median)]
    if rule.startswith("nnm(cwtm"):
        return [lambda x, of=of: trimmed(nearest_mix(x, f, of), f) for of in (squares, gram_squares)]
    if name == "rfa":
        return [lambda x: rfa(x, argument(rule, "iterations") or 3)]
    return []


def time(work, inputs, runs):
    work(inputs[0])
    torch.cuda.synchronize()
    times = []
    for run in range(runs):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        work(inputs[run % len(inputs)])
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last) * 1e-3)
    return statistics.median(times)


def measure(entry, inputs):
    best = None
    for work in expressions(entry["rule"]):
        try:
            seconds = time(work, inputs, 5)
        except (RuntimeError, torch.cuda.OutOfMemoryError) as error:
            print(f"{entry['rule']}: {str(error).splitlines()[0]}", file=sys.stderr)
            torch.cuda.empty_cache()
            continue
        best = seconds if best is None else min(best, seconds)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", nargs="+")
    parser.add_argument("--json", required=True)
    parser.add_argument("--table", required=True)
    arguments = parser.parse_args()
    entries = [entry for path in arguments.bench for entry in json.load(open(path))]
    shapes = sorted({(e["n"], e["d"], e["dtype"]) for e in entries})
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    rows = []
    for n, d, dtype in shapes:
        copies = max(1, -(-2 * cache // (n * d * DTYPES[dtype].itemsize)))
        inputs = [torch.randn(n, d, device="cuda").to(DTYPES[dtype]) for _ in range(copies)]
        for entry in (e for e in entries if (e["n"], e["d"], e["dtype"]) == (n, d, dtype)):
            print(entry["rule"], n, d, dtype, flush=True)
            rows.append({**entry, "torch_seconds": measure(entry, inputs)})
        del inputs
        torch.cuda.empty_cache()
    json.dump(rows, open(arguments.json, "w"), indent=1)
    with open(arguments.table, "w") as table:
        print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}. ms; × copy is the time over what the", file=table)
        print("rule's bytes take at the copy's speed in the same run; × torch how often faster.\n", file=table)
        print("| rule | n | d | type | ms | × copy | torch ms | × torch |\n|---|--:|--:|---|--:|--:|--:|--:|", file=table)
        for row in rows:
            other = row["torch_seconds"]
            theirs = f"{1e3 * other:.3f} | {other / row['seconds']:.1f}" if other else "– | –"
            print(
                f"| `{row['rule']}` | {row['n']} | {row['d']} | {row['dtype']} | {1e3 * row['seconds']:.3f} "
                f"| {row['times_copy']:.2f} | {theirs} |",
                file=table,
            )


if __name__ == "__main__":
    main()
