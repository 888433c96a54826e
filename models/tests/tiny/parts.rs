//! ONNX and a tokenizer by hand: what a test or a benchmark needs of protobuf to write a backbone of texts
//! whose vectors are a table, one row for each word.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

/// The tokenizer's file of these words, the first of which stands for all others; without marks, and
/// what it says of padding does not count.
pub(crate) fn tokenizer(words: &[&str]) -> Vec<u8> {
    let vocabulary: Vec<String> =
        words.iter().enumerate().map(|(id, word)| format!("\"{word}\":{id}")).collect();
    format!(
        r#"{{"padding":{{"strategy":{{"Fixed":8}}}},
        "normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
            "strip_accents":null,"lowercase":true}},
        "pre_tokenizer":{{"type":"BertPreTokenizer"}},"post_processor":null,
        "model":{{"type":"WordPiece","vocab":{{{}}},"unk_token":"[UNK]",
            "continuing_subword_prefix":"@@","max_input_chars_per_word":100}}}}"#,
        vocabulary.join(",")
    )
    .into_bytes()
}

/// The graph of these nodes over a table of rows of `width` numbers, from `input_ids` to `y`.
pub(crate) fn graph(table: &[f32], width: usize, nodes: &[u8]) -> Vec<u8> {
    let raw: Vec<u8> = table.iter().flat_map(|value| value.to_le_bytes()).collect();
    let table = [
        number(1, table.len() / width),
        number(1, width),
        number(2, 1), // 32-bit floats
        part(8, b"table"),
        part(9, &raw),
    ];
    let named = |name: &[u8]| part(1, &part(2, name));
    let graph = [
        nodes.to_vec(),
        part(2, b"tiny"),
        part(5, &table.concat()),
        value(11, b"input_ids", 7, &[named(b"batch"), named(b"length")]),
        value(12, b"y", 1, &[named(b"batch"), named(b"length"), part(1, &number(1, width))]),
    ];
    let operators = [part(1, b""), number(2, 17)].concat();
    [number(1, 8), part(8, &operators), part(7, &graph.concat())].concat()
}

/// What looks each word up in the table, as a transformer begins.
pub(crate) fn lookup() -> Vec<u8> {
    part(1, &node("Gather", &["table", "input_ids"], "y"))
}

/// An operator with the names of what goes in and of what comes out.
pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| part(1, name.as_bytes())).collect();
    [inputs, part(2, output.as_bytes()), part(4, operator.as_bytes())].concat()
}

/// A graph's input or output.
fn value(field: u8, name: &[u8], data_type: usize, dimensions: &[Vec<u8>]) -> Vec<u8> {
    let tensor = [number(1, data_type), part(2, &dimensions.concat())].concat();
    part(field, &[part(1, name), part(2, &part(1, &tensor))].concat())
}

/// A protobuf field of wire type 2.
pub(crate) fn part(field: u8, body: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2][..], &varint(body.len()), body].concat()
}

/// A protobuf field of wire type 0.
pub(crate) fn number(field: u8, value: usize) -> Vec<u8> {
    [varint(usize::from(field) << 3), varint(value)].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}
