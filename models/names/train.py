#!/usr/bin/env python3
"""Trains the names model: train.py MODEL_FOLDER OUT_FOLDER SECONDS[,SECONDS...] CORPUS.jsonl[:WEIGHT]... [then SECONDS... CORPUS...]

MODEL_FOLDER holds `onnx/model_q4.onnx` and `tokenizer.json` of the pre-trained encoder, each corpus
lines of {"text", "spans": [{"start", "end", "type"}]} in code points. Writes `names.onnx` (int8),
`tokenizer.json` and `names.json` after SECONDS of training, in rounds of less and less change, `then` on
other texts; after none, the pre-trained model with its own labels. Needs torch, onnx, onnxruntime, tokenizers and blake3.

What the program must do alike, in `agent/src/redact/tagger/`: the tokens (`tokens.rs`), the types of
tokens and the pieces of text that are read at once (`transformer.rs`), the order of the labels.
"""
import json
import math
import os
import random
import sys
import time
from collections import Counter

import numpy as np
import onnx
import torch
from blake3 import blake3
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

CLASSES = {"NAME": 0, "PERSON": 0, "LOCATION": 1, "ADDRESS": 1, "ZIP": 1, "ORGANIZATION": 2, "ORG": 2, "AGE": 3}
LABELS = 9
OWN = ["OUTSIDE"] + [f"{place}-{kind}" for kind in ("NAME", "LOCATION", "ORGANIZATION", "AGE") for place in "BI"]
# The labels of the pre-trained head. What has a shape is found by rules, which know check digits.
STOCK = ["OUTSIDE"] + ["B-NAME", "I-NAME"] * 2 + ["OUTSIDE"] * 18 + ["B-LOCATION", "I-LOCATION"] * 6
TYPES = 8            # case (none, capital, capitals, mixed), and the same for the first token of a line
PIECES_MAX = 160     # of one text that is read at once
TOKEN_PIECES_MAX = 12
PIECES_KNOWN = 13_000  # so that their table is 5 MB
ALPHABETS_END = "\u0530"  # behind Latin, Greek, Cyrillic
HIDDEN, HEADS, STOCK_LAYERS = 384, 12, 6
LAYERS = 4  # the lowest ones, once they are trained: the others cost half as much again, and add nothing
POSITIONS = 192
SEED = 7
RATE = 4e-4


def token_class(c):
    if c.isalpha() or "\u0300" <= c <= "\u036f" or "\u1ab0" <= c <= "\u1aff" or "\u20d0" <= c <= "\u20ff" or c == "\ufe0f":
        return 0
    if c.isnumeric():
        return 1
    return 3 if c.isspace() and c != "\n" else 2


def tokens(text):
    """Letters, digits, each other sign by itself: (start, end)."""
    found, start, current = [], 0, 3
    for at, c in enumerate(text):
        kind = token_class(c)
        if kind != current or kind == 2:
            if current != 3 and at > start:
                found.append((start, at))
            start, current = at, kind
    if current != 3 and start < len(text):
        found.append((start, len(text)))
    return found


def case_type(token, starts_line):
    letters = [c for c in token if c.isalpha()]
    upper = sum(c.isupper() for c in letters)
    if not upper:
        kind = 0
    elif upper == len(letters) and upper > 1:
        kind = 2
    elif upper == 1 and letters[0].isupper():
        kind = 1
    else:
        kind = 3
    return kind + (4 if starts_line else 0)


def labels(spans, found):
    rows = [0] * len(found)
    for span in spans:
        kind = CLASSES.get(span["type"])
        inside = [i for i, (a, b) in enumerate(found) if a < span["end"] and b > span["start"]]
        for number, i in enumerate(inside):
            if kind is not None:
                rows[i] = 2 * kind + (1 if number == 0 else 2)
    return rows


class Reader:
    """Texts to pieces, types, labels."""

    def __init__(self, tokenizer):
        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.known = {}

    def pieces(self, token):
        ids = self.known.get(token)
        if ids is None:
            ids = self.tokenizer.encode(token).ids[1:-1][:TOKEN_PIECES_MAX]
            self.known[token] = ids
        return ids

    def read(self, text, spans):
        """[(ids, type, label, start, end)] by token; line ends are left out, and start a line."""
        found = tokens(text)
        rows, line = [], True
        for (start, end), label in zip(found, labels(spans, found)):
            token = text[start:end]
            if token == "\n":
                line = True
                continue
            ids = self.pieces(token)
            if ids:
                rows.append((ids, case_type(token, line), label, start, end))
                line = False
        return rows


def vocabulary(tokenizer, corpora):
    """The tokenizer with the pieces that the corpora need most, and their former ids in order.

    The table of pieces is two fifths of the model. What goes is other scripts, years, and words that
    then are read in parts; no letter of an alphabet goes, since a word with an unknown one is lost.
    """
    count, words = Counter(), Counter()
    for path, weight in corpora:
        for line in open(path, encoding="utf-8"):
            text = json.loads(line)["text"]
            for start, end in tokens(text):
                words[text[start:end]] += weight
    reader = Reader(tokenizer)
    for word, times in words.items():
        for piece in reader.pieces(word):
            count[piece] += times
    whole = json.loads(tokenizer)
    known = whole["model"]["vocab"]
    marks = {one["id"] for one in whole["added_tokens"]}
    letters = {i for piece, i in known.items() if len(piece.removeprefix("##")) == 1 and piece[-1] < ALPHABETS_END}
    ranked = sorted(known.values(), key=lambda i: (i not in marks, i not in letters, -count[i], i))
    kept = sorted(ranked[:PIECES_KNOWN])
    place = {former: now for now, former in enumerate(kept)}
    whole["model"]["vocab"] = {piece: place[i] for piece, i in sorted(known.items(), key=lambda one: one[1]) if i in place}
    assert all(place[i] == i for i in marks), "marks come first"
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")), kept


def cut(text, rows, rnd):
    """Cuts a text where sentences or lines end, as the program does, at about a random length."""
    most = rnd.choice([60, 160, 300, 300, 450])
    part, count, first = [], 0, 0
    for index, row in enumerate(rows):
        part.append(row)
        count += len(row[0])
        following = text[row[4]:rows[index + 1][3]] if index + 1 < len(rows) else ""
        ends = "\n" in following or (text[row[3]:row[4]] in ".!?" and following)
        if count > PIECES_MAX - 2 - TOKEN_PIECES_MAX or ends and row[4] - first > most:
            yield part
            part, count, first = [], 0, row[4]
    if part:
        yield part


def example(part):
    ids, types, gold = [2], [0], [-100]
    for pieces, kind, label, _, _ in part:
        ids += pieces
        types += [kind] * len(pieces)
        rest = label + 1 if label % 2 else label
        gold += [label] + [rest] * (len(pieces) - 1)
    return ids + [3], types + [0], gold + [-100]


def examples(corpora, reader, rnd):
    """Pieces of the corpora's texts, for ever, in any order; a corpus as often as its weight says."""
    lines = [line for path, weight in corpora for line in open(path, encoding="utf-8") for _ in range(weight)]
    while True:
        rnd.shuffle(lines)
        for line in lines:
            record = json.loads(line)
            parts = cut(record["text"], reader.read(record["text"], record["spans"]), rnd)
            yield from (one for one in map(example, parts) if len(one[0]) > 4)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.dense = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.up, self.down = nn.Linear(HIDDEN, 4 * HIDDEN), nn.Linear(4 * HIDDEN, HIDDEN)
        self.norm1, self.norm2 = nn.LayerNorm(HIDDEN, eps=1e-12), nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x, mask):
        batch, length, _ = x.shape
        split = lambda y: y.view(batch, length, HEADS, -1).transpose(1, 2)
        # By hand: the fused operation's way back takes half of the training's time.
        scores = split(self.query(x)) @ split(self.key(x)).transpose(-1, -2) * (HIDDEN // HEADS) ** -0.5
        y = scores.masked_fill(~mask, -1e4).softmax(-1).to(scores.dtype) @ split(self.value(x))
        y = self.dense(y.transpose(1, 2).reshape(batch, length, HIDDEN))
        x = self.norm1(x + y)
        y = self.down(F.gelu(self.up(x)))
        return self.norm2(x + y)


class Model(nn.Module):
    def __init__(self, labels, pieces, layers):
        super().__init__()
        self.words = nn.Embedding(pieces, HIDDEN)
        self.positions = nn.Embedding(POSITIONS, HIDDEN)
        self.types = nn.Embedding(TYPES, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.head = nn.Linear(HIDDEN, labels)

    def forward(self, ids, types, mask):
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types(types)
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, mask)
        return self.head(x)


def weights_of(folder):
    """The pre-trained weights: four-bit matrices in blocks of 32 and eight-bit tables, as floats."""
    graph = onnx.load(os.path.join(folder, "onnx", "model_q4.onnx")).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = {name: value for name, value in tensors.items() if value.dtype == np.float32}
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        whole = f"bert.embeddings.{name}.weight"
        zero, scale = tensors[whole + "_zero_point"], tensors[whole + "_scale"]
        found[whole] = (tensors[whole + "_quantized"].astype(np.float32) - zero.astype(np.float32)) * scale
    for node in graph.node:
        if node.op_type != "MatMulNBits":
            continue
        packed, scales = tensors[node.input[1]], tensors[node.input[2]]
        assert len([i for i in node.input if i]) == 3, "symmetrical blocks"
        nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:2], -1).astype(np.float32) - 8
        found[node.name] = (nibbles * scales.reshape(*nibbles.shape[:2], 1)).reshape(packed.shape[0], -1)
    return found


def load(folder, kept=None):
    """The pre-trained encoder: as it is, with a head of 35 labels, or with these pieces and a head of nine."""
    found = weights_of(folder)
    matrix = {name: value for name, value in found.items() if name.startswith("/")}

    def of(part):
        return next(value for name, value in matrix.items() if part in name)

    words = found["bert.embeddings.word_embeddings.weight"]
    own_head = kept is None
    shape = (len(STOCK), len(words), STOCK_LAYERS) if own_head else (LABELS, len(kept), LAYERS)
    model = Model(*shape)
    put = lambda to, value: to.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    embeddings = "bert.embeddings."
    put(model.words.weight, words if own_head else words[kept])
    put(model.positions.weight, found[embeddings + "position_embeddings.weight"][:POSITIONS])
    put(model.types.weight, np.repeat(found[embeddings + "token_type_embeddings.weight"][:1], TYPES, axis=0))
    if not own_head:
        model.types.weight.data[1:] += 0.02 * torch.randn(TYPES - 1, HIDDEN)
    put(model.norm.weight, found[embeddings + "LayerNorm.weight"])
    put(model.norm.bias, found[embeddings + "LayerNorm.bias"])
    for number, layer in enumerate(model.layers):
        for own, theirs in (("query", "attention.self.query"), ("key", "attention.self.key"), ("value", "attention.self.value"),
                            ("dense", "attention.output.dense"), ("up", "intermediate.dense"), ("down", "output.dense")):
            path = f"/bert/encoder/layer.{number}/{theirs.replace('.', '/')}/"
            put(getattr(layer, own).weight, of(path))
            put(getattr(layer, own).bias, found[f"bert.encoder.layer.{number}.{theirs}.bias"])
        for own, theirs in (("norm1", "attention.output"), ("norm2", "output")):
            put(getattr(layer, own).weight, found[f"bert.encoder.layer.{number}.{theirs}.LayerNorm.weight"])
            put(getattr(layer, own).bias, found[f"bert.encoder.layer.{number}.{theirs}.LayerNorm.bias"])
    if own_head:
        put(model.head.weight, of("/classifier/"))
        put(model.head.bias, found["classifier.bias"])
    return model


def batches(data, rnd, pieces=1536, pool=1024):
    """Batches of about as many pieces, of texts of about the same length."""
    while True:
        some = sorted((one for one, _ in zip(data, range(pool))), key=lambda one: len(one[0]))
        start, out = 0, []
        while start < len(some):
            count = max(1, pieces // (len(some[start][0]) + 3))
            out.append(some[start:start + count])
            start += count
        rnd.shuffle(out)
        yield from out


def tensors_of(batch):
    length = max(len(one[0]) for one in batch)
    pad = lambda row, value: row + [value] * (length - len(row))
    ids = torch.tensor([pad(one[0], 0) for one in batch])
    types = torch.tensor([pad(one[1], 0) for one in batch])
    gold = torch.tensor([pad(one[2], -100) for one in batch])
    mask = torch.tensor([pad([1] * len(one[0]), 0) for one in batch], dtype=torch.bool)[:, None, None, :]
    return ids, types, gold, mask


def train(model, data, seconds, rate, seed):
    """Trains all but the words' table for so many CPU seconds."""
    model.words.requires_grad_(False)
    rest = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("head")]
    optimiser = torch.optim.AdamW([{"params": rest, "rate": rate}, {"params": model.head.parameters(), "rate": 5 * rate}],
                                  lr=rate, weight_decay=0.01)
    model.train()
    begun, step, seen, running = time.process_time(), 0, 0, None
    for batch in batches(data, random.Random(seed)):
        spent = (time.process_time() - begun) / seconds
        if spent >= 1:
            return
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * max(min(1.0, step / 20) * (1 - spent), 1e-3)
        ids, types, gold, mask = tensors_of(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(ids, types, mask)
        loss = F.cross_entropy(logits.float().flatten(0, 1), gold.flatten(), ignore_index=-100)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        seen += ids.numel()
        running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
        step += 1
        if step % 10 == 0:
            used = time.process_time() - begun
            print(f"{used:6.0f} s  step {step}  {seen} pieces ({seen / used:.0f}/s)  loss {running:.4f}", file=sys.stderr, flush=True)


def export(model, path):
    """The graph by hand: two inputs, whole batches of one length, no mask. Opset 17."""
    nodes, constants = [], {}

    def constant(name, value):
        constants.setdefault(name, np.asarray(value))
        return name

    def node(kind, inputs, **attributes):
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def tensor(name, value):
        return constant(name, value.detach().float().numpy())

    def linear(name, layer, x):
        y = node("MatMul", [x, tensor(name + ".weight", layer.weight.t().contiguous())])
        return node("Add", [y, tensor(name + ".bias", layer.bias)])

    def norm(name, layer, x):
        return node("LayerNormalization", [x, tensor(name + ".weight", layer.weight), tensor(name + ".bias", layer.bias)],
                    axis=-1, epsilon=1e-12)

    length = node("Gather", [node("Shape", ["input_ids"]), constant("one", np.array([1], np.int64))], axis=0)
    places = node("Slice", [tensor("positions", model.positions.weight[None]), constant("zero", np.array([0], np.int64)), length,
                            constant("one", np.array([1], np.int64))])
    x = node("Add", [node("Gather", [tensor("words", model.words.weight), "input_ids"], axis=0), places])
    x = norm("norm", model.norm, node("Add", [x, node("Gather", [tensor("types", model.types.weight), "token_type_ids"], axis=0)]))
    heads = constant("heads", np.array([0, 0, HEADS, HIDDEN // HEADS], np.int64))
    whole = constant("whole", np.array([0, 0, HIDDEN], np.int64))
    for number, layer in enumerate(model.layers):
        name = f"layer{number}."
        parts = {}
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            y = node("Reshape", [linear(name + part, getattr(layer, part), x), heads])
            parts[part] = node("Transpose", [y], perm=order)
        y = node("Mul", [node("MatMul", [parts["query"], parts["key"]]), constant("scale", np.array((HIDDEN // HEADS) ** -0.5, np.float32))])
        y = node("MatMul", [node("Softmax", [y], axis=-1), parts["value"]])
        y = node("Reshape", [node("Transpose", [y], perm=[0, 2, 1, 3]), whole])
        x = norm(name + "norm1", layer.norm1, node("Add", [x, linear(name + "dense", layer.dense, y)]))
        y = linear(name + "up", layer.up, x)
        erf = node("Erf", [node("Div", [y, constant("root2", np.array(math.sqrt(2), np.float32))])])
        y = node("Mul", [node("Mul", [y, node("Add", [erf, constant("unit", np.array(1, np.float32))])]), constant("half", np.array(0.5, np.float32))])
        x = norm(name + "norm2", layer.norm2, node("Add", [x, linear(name + "down", layer.down, y)]))
    y = linear("head", model.head, x)
    nodes[-1].output[0] = "logits"
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "names",
        [info("input_ids", TensorProto.INT64, ["batch", "length"]), info("token_type_ids", TensorProto.INT64, ["batch", "length"])],
        [info("logits", TensorProto.FLOAT, ["batch", "length", model.head.out_features])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    onnx.save(made, path + ".float")
    quantize_dynamic(path + ".float", path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"], per_channel=True)
    os.remove(path + ".float")
    made = onnx.load(path)
    for constant in made.graph.initializer:
        zero = numpy_helper.to_array(constant)
        if constant.name.endswith("weight_zero_point") and zero.ndim:
            # One zero for all columns, which are symmetrical: the program's engine is faster with that.
            assert not zero.any()
            constant.CopyFrom(numpy_helper.from_array(zero[0], constant.name))
    onnx.checker.check_model(made)
    onnx.save(made, path)


def manifest(out, labels):
    """What the program reads first: the labels' kinds, and the digests of the files."""
    digest = lambda name: blake3(open(os.path.join(out, name), "rb").read()).hexdigest()
    record = {"format": 1, "labels": labels, "types": TYPES, "pieces_max": PIECES_MAX,
              "model": digest("names.onnx"), "tokenizer": digest("tokenizer.json")}
    with open(os.path.join(out, "names.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=1) + "\n")


def stages(arguments):
    """[([seconds, ...], [(path, weight), ...])]: what is between the words "then"."""
    found, rest = [], arguments
    while rest:
        end = rest.index("then") if "then" in rest else len(rest)
        (seconds, *paths), rest = rest[:end], rest[end + 1:]
        corpora = [(path, int(weight or 1)) for path, _, weight in (one.partition(":") for one in paths)]
        found.append(([float(one) for one in seconds.split(",") if float(one)], corpora))
    return found


def main():
    folder, out = sys.argv[1], sys.argv[2]
    plan = [stage for stage in stages(sys.argv[3:]) if stage[0]]
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    os.makedirs(out, exist_ok=True)
    tokenizer = open(os.path.join(folder, "tokenizer.json"), encoding="utf-8").read()
    tokenizer, kept = vocabulary(tokenizer, plan[0][1]) if plan else (tokenizer, None)
    model = load(folder, kept)
    reader, number = Reader(tokenizer), 0
    for rounds, corpora in plan:
        for seconds in rounds:
            data = examples(corpora, reader, random.Random(SEED + number))
            train(model, data, seconds, RATE * 0.75**number, SEED + number)
            number += 1
    model.eval()
    export(model, os.path.join(out, "names.onnx"))
    with open(os.path.join(out, "tokenizer.json"), "w", encoding="utf-8") as file:
        file.write(tokenizer)
    manifest(out, OWN if plan else STOCK)


if __name__ == "__main__":
    main()
