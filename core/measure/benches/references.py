"""CPU seconds and peak memory of the Python references on data of the benchmark's size.

Prints a line for each: key, seconds, MiB, separated by tabs; or key and why not.
Each runs in a process of its own, so that memory is its own, on one thread.
"""
import multiprocessing
import os
import resource
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
TRIES = 2


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


def label_model():
    import numpy as np
    import torch
    from snorkel.labeling.model import LabelModel

    torch.set_num_threads(1)
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, (1_000_000, 1))
    kind = rng.integers(0, 10, (1_000_000, 10))
    votes = np.where(kind < 4, -1, np.where(kind < 8, truth, 1 - truth))

    def run():
        model = LabelModel(cardinality=2, verbose=False)
        model.fit(votes, n_epochs=100, seed=1, progress_bar=False)
        return model.predict_proba(votes)

    return run


def stability():
    import numpy as np
    import pandas as pd
    from evidently.legacy.calculations.stattests import psi_stat_test
    from evidently.legacy.core import ColumnType

    rng = np.random.default_rng(5)
    reference, current = (pd.Series(rng.random((2, 1_000_000)).sum(axis=0)) for _ in range(2))
    return lambda: psi_stat_test(reference, current, feature_type=ColumnType.Numerical, threshold=0.1)


def measure(key, prepare):
    try:
        job = prepare()
    except ImportError as error:
        print(key, f"not measured: {error}", sep="\t", flush=True)
        return
    best = float("inf")
    for _ in range(TRIES):
        start = time.process_time()
        job()
        best = min(best, time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(key, best, peak, sep="\t", flush=True)


for prepare in (alpha, label_model, stability, dawid_skene, confident_learning):
    child = multiprocessing.get_context("fork").Process(target=measure, args=(prepare.__name__, prepare))
    child.start()
    child.join()
