"""Federated training of the heart-disease head, simulated: the figures in README.md.

    python simulate.py [seeds]

The same recipe as project.toml: per-subject clipping, fixed point, noise at each site, server
momentum, mean of the last half of the iterates. The integer noise is drawn from a rounded normal
distribution here (at these scales no test tells it from the exact sampler that the agents use).
"""

import sys
import tomllib

import numpy as np

import train

SITES = list(train.SITES.values())
DELTA = 1e-6
CAREFUL, SLIPPING, OVERLAP = 0.01, 0.10, 0.5


def epsilon(rho):
    """zCDP to (epsilon, delta), Canonne, Kamath and Steinke 2020, proposition 12, by grid."""
    a = 1 + np.exp(np.linspace(np.log(1e-3), np.log(1e5), 200_000))
    return np.min(a * rho + (np.log(1 / (a * DELTA)) + (a - 1) * np.log1p(-1 / a)) / (a - 1))


def rho_within(target):
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon(middle) <= target else (low, middle)
    return low


def split(rng, hospital, half):
    """A third of each hospital, never trained on; Cleveland's from outside the bundle's half."""
    held = np.zeros(len(hospital), bool)
    for site in SITES:
        rows = np.flatnonzero(hospital == site)
        free = rows[~half[rows]]
        held[rng.permutation(free)[: round(len(rows) / 3)]] = True
    return held


def labels(rng, y):
    """Labels of record: one reader, or two and the expert's word, who slips as the careful one."""
    def read(rate):
        return np.where(rng.random(len(y)) < rate, 1 - y, y)

    careful, slipping, expert = read(CAREFUL), read(SLIPPING), read(CAREFUL)
    first = np.where(rng.random(len(y)) < 0.5, careful, slipping)
    twice = rng.random(len(y)) < OVERLAP
    return np.where(twice & (careful != slipping), expert, first)


def run(data, recipe, rho, seed):
    """Accuracy on held-out patients per site: of the first bundle, after each round, of the last."""
    f, y, hospital, half, head, confidence = data
    rng, noise = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    held = split(rng, hospital, half)
    label = np.eye(2)[labels(rng, y)]
    use = ~held & (confidence < recipe["accept_at"] / 1000)
    clip, rounds, unit = recipe["clip_milli"] / 1000, recipe["rounds"], 2.0 ** recipe["fraction_bits"]
    scale = clip * unit * np.sqrt(rounds / (2 * rho)) if rho else 0.0

    def accuracy(w):
        right = (f @ w.T).argmax(1) == y
        return [right[held & (hospital == site)].mean() for site in SITES]

    w, velocity, iterates, history = head, np.zeros_like(head), [], []
    for _ in range(rounds):
        residual = train.softmax(f @ w.T) - label
        gradient = residual[:, :, None] * f[:, None, :]
        norm = np.sqrt((gradient**2).sum((1, 2), keepdims=True))
        fixed = np.trunc(gradient * np.minimum(1, clip / np.maximum(norm, 1e-30)) * unit)
        total = sum(
            fixed[use & (hospital == site)].sum(0) + np.rint(noise.normal(0, 1, head.shape) * scale)
            for site in SITES
        )
        velocity = recipe["momentum"] * velocity + total / unit / len(SITES)
        w = w - recipe["learning_rate"] * velocity
        iterates.append(w)
        history.append(accuracy(np.mean(iterates[len(iterates) // 2 :], 0)))
    return accuracy(head), history


def load(recipe):
    x, y, hospital, _, half = train.load()
    hidden = train.train_hidden(x[half], y[half])
    f = train.features(x, hidden)
    head = train.train_head(f[half], y[half])
    calibration = train.calibrate(train.out_of_fold_logits(x[half], y[half]), y[half])
    p = train.softmax(f @ head.T / calibration["temperature"])
    return f, y, hospital, half, head, train.calibrated(p, calibration)


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    project = tomllib.loads((train.HERE / "project.toml").read_text())
    recipe = {**project["training"], **project["routing"]}
    data = load(recipe)
    f, y, hospital, half, head, confidence = data
    taken, right = confidence >= recipe["accept_at"] / 1000, (f @ head.T).argmax(1) == y
    for site in SITES:
        at = hospital == site
        hit = right[at & taken].mean() if (at & taken).any() else float("nan")
        print(f"{site:14} accepted {taken[at].mean():.2f}, of these right {hit:.3f}")
    print("ε      first  last   ±      better  " + "  ".join(f"{site:>13}" for site in SITES))
    for target in (0.5, 1, 3, None):
        rho = rho_within(target) if target else None
        runs = [run(data, recipe, rho, seed) for seed in range(1000, 1000 + seeds)]
        first, last = (np.array([pick(r) for r in runs]) for pick in (lambda r: r[0], lambda r: r[1][-1]))
        gain = last.mean(1) - first.mean(1)
        sites = "  ".join(f"{a:.3f} → {b:.3f}" for a, b in zip(first.mean(0), last.mean(0)))
        name = "none" if target is None else f"{target:g}"
        print(
            f"{name:5}  {first.mean():.3f}  {last.mean():.3f}  {last.mean(1).std():.3f}  "
            f"{(gain > 0).mean():6.3f}  {sites}"
        )
        if target == 1:
            print("       by round", np.round(np.mean([np.mean(r[1], 1) for r in runs], 0), 4))


if __name__ == "__main__":
    main()
