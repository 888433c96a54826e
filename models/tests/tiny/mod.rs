//! A backbone of texts small enough to write by hand: a table of four vectors, one for each word
//! that its tokenizer knows. `y = Gather(table, input_ids)`, as a transformer begins.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

/// Words and their ids; anything else is the first one.
const WORDS: [&str; 4] = ["[UNK]", "heart", "bank", "card"];
/// Their vectors, three numbers each.
const TABLE: [[f32; 3]; 4] = [[1.0, 1.0, 1.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]];

/// The tokenizer's file, without marks; what it says of padding does not count.
pub(crate) fn tokenizer() -> Vec<u8> {
    let words = WORDS.iter().enumerate();
    let vocabulary: Vec<String> = words.map(|(id, word)| format!("\"{word}\":{id}")).collect();
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

/// The backbone, with rows of the table left out at its end.
pub(crate) fn backbone(left_out: usize) -> Vec<u8> {
    let gather = node("Gather", &["table", "input_ids"], "y");
    graph(left_out, &part(1, &gather))
}

/// The graph of these nodes.
pub(crate) fn graph(left_out: usize, nodes: &[u8]) -> Vec<u8> {
    let rows = &TABLE[..TABLE.len() - left_out];
    let raw: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let table = [
        number(1, rows.len()),
        number(1, 3),
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
        value(12, b"y", 1, &[named(b"batch"), named(b"length"), part(1, &number(1, 3))]),
    ];
    let operators = [part(1, b""), number(2, 17)].concat();
    [number(1, 8), part(8, &operators), part(7, &graph.concat())].concat()
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
