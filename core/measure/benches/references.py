"""CPU seconds of the Python references on data of the benchmark's size; absent ones are skipped."""
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")


def measure(what, run):
    try:
        job = run()
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            job()
            best = min(best, time.process_time() - start)
        print(f"{what:<44} {best:9.4f}")
    except ImportError as error:
        print(f"{what:<44} not installed: {error.name}")


def alpha():
    import krippendorff
    import numpy as np

    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, 250_000)
    noise = rng.integers(0, 5, (4, 250_000))
    data = np.where(rng.random((4, 250_000)) < 0.8, truth, noise).astype(float)
    return lambda: krippendorff.alpha(data, level_of_measurement="nominal")


def dawid_skene():
    import numpy as np
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    rng = np.random.default_rng(2)
    task = np.repeat(np.arange(98_000), 10)
    truth = rng.integers(0, 5, 98_000)[task]
    label = np.where(rng.random(980_000) < 0.7, truth, rng.integers(0, 5, 980_000))
    frame = pd.DataFrame({"task": task, "worker": rng.integers(0, 500, 980_000), "label": label})
    return lambda: DawidSkene(n_iter=5, tol=0).fit(frame)


def confident_learning():
    import numpy as np
    from cleanlab.filter import find_label_issues

    rng = np.random.default_rng(3)
    truth = rng.integers(0, 10, 1_000_000)
    top = 0.3 + 0.69 * rng.random(1_000_000)
    probabilities = np.repeat(((1 - top) / 9)[:, None], 10, axis=1)
    probabilities[np.arange(1_000_000), truth] = top
    labels = np.where(rng.random(1_000_000) < 0.1, rng.integers(0, 10, 1_000_000), truth)
    return lambda: find_label_issues(labels, probabilities, n_jobs=1)


measure("krippendorff, 1,000,000 ratings", alpha)
measure("crowd-kit Dawid–Skene, 980,000 × 5", dawid_skene)
measure("cleanlab, 1,000,000 × 10", confident_learning)
