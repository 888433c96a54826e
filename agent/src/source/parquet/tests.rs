use std::io::{Seek as _, SeekFrom, Write as _};

use parquet::basic::{ConvertedType, GzipLevel, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;

use super::*;

fn source() -> Source {
    toml::from_str("name = \"heart\"\nid = \"key\"").unwrap()
}

/// A file with a number and a text, some of them null, and a column that nobody wants.
fn table(compression: Compression, rows: i64) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(compression);
    table_with(properties.build(), rows)
}

fn table_with(properties: WriterProperties, rows: i64) -> Vec<u8> {
    let column = |name: &str, physical, converted| {
        let column = Type::primitive_type_builder(name, physical);
        let column = column.with_converted_type(converted).with_repetition(Repetition::OPTIONAL);
        Arc::new(column.build().unwrap())
    };
    let columns = vec![
        column("key", Physical::INT64, ConvertedType::NONE),
        column("note", Physical::BYTE_ARRAY, ConvertedType::UTF8),
        column("secret", Physical::INT64, ConvertedType::NONE),
    ];
    let schema = Type::group_type_builder("schema").with_fields(columns).build().unwrap();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let keys: Vec<i64> = (0..rows).collect();
    let here = vec![1; keys.len()];
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&keys, Some(&here), None).unwrap();
    column.close().unwrap();
    let notes: Vec<ByteArray> = keys
        .iter()
        .filter(|key| *key % 2 == 0)
        .map(|key| format!("n{key}").into_bytes().into())
        .collect();
    let levels: Vec<i16> = keys.iter().map(|key| i16::from(key % 2 == 0)).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&notes, Some(&levels), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&keys, Some(&here), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn run(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut rows = Vec::new();
    let wanted = |name: &str| matches!(name, "key" | "note");
    let read = read(file, &source(), wanted, &mut |Record { line, cells }| {
        let cells = cells.unwrap().into_iter().map(|(name, cell)| match cell {
            Cell::Number(number) => format!("{name}={number}"),
            Cell::Text(text) => format!("{name}={text}"),
            Cell::Nested => name,
        });
        rows.push(format!("{line}: {}", cells.collect::<Vec<_>>().join(" ")));
        Ok(())
    });
    read.map(|()| rows).map_err(|error| error.to_string())
}

#[test]
fn rows_are_read_with_the_columns_that_are_wanted() {
    for compression in
        [Compression::SNAPPY, Compression::UNCOMPRESSED, Compression::GZIP(GzipLevel::default())]
    {
        let rows = run(&table(compression, 3)).unwrap();
        assert_eq!(rows, ["1: key=0 note=n0", "2: key=1", "3: key=2 note=n2"]);
        assert_eq!(run(&table(compression, 20_000)).unwrap().len(), 20_000);
    }
}

#[test]
fn no_byte_that_is_changed_or_missing_breaks_more_than_the_import() {
    let gzip = table(Compression::GZIP(GzipLevel::default()), 40);
    for whole in [table(Compression::SNAPPY, 40), gzip] {
        no_byte_of_it(&whole);
    }
}

fn no_byte_of_it(whole: &[u8]) {
    for at in 0..whole.len() {
        assert!(run(&whole[..at]).is_err(), "cut at {at}");
        for with in [0x00, 0x7f, 0xff] {
            let mut bent = whole.to_vec();
            bent[at] = with;
            // Read or refused, and neither a panic nor a gigabyte.
            drop(run(&bent));
        }
    }
}

#[test]
fn a_page_that_says_it_is_huge_is_refused_before_it_is_unpacked() {
    let mut bytes = table(Compression::SNAPPY, 40);
    // The first page's header: field 1 is the kind, field 2 how long the page is unpacked.
    assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
    let old = bytes[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let huge = [0xfe, 0xff, 0xff, 0xff, 0x0f]; // 2^31 - 1, zigzag
    bytes.splice(7..7 + old, huge);
    let refused = run(&bytes).unwrap_err();
    assert!(refused.contains("limits") || refused.contains("damaged"), "{refused}");
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    assert_eq!(pages::check_pages(&file, 4, 100, Packing::Bounded).unwrap(), Err(Fault::Size));
}

#[test]
fn a_footer_that_says_it_has_a_billion_parts_is_refused() {
    // A structure whose second field is a list of 2^30 structures.
    let footer = [0x15, 0x02, 0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x04, 0x00];
    let mut bytes = b"PAR1".to_vec();
    bytes.extend(footer);
    bytes.extend(u32::try_from(footer.len()).unwrap().to_le_bytes());
    bytes.extend(b"PAR1");
    assert_eq!(run(&bytes).unwrap_err(), ImportError::ParquetSize.to_string());
}

/// A page that unpacks to more than its header says, as a bomb does.
#[test]
fn a_page_is_no_longer_than_it_says() {
    let properties =
        WriterProperties::builder().set_compression(Compression::GZIP(GzipLevel::default()));
    let mut bytes = table_with(properties.set_dictionary_enabled(false).build(), 5000);
    assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
    let last = 7 + bytes[7..].iter().position(|byte| byte & 0x80 == 0).unwrap();
    assert!(last > 7, "its length has several digits");
    bytes[last] = 0; // the highest, so that it says that it is short
    assert_eq!(run(&bytes).unwrap_err(), ImportError::ParquetSize.to_string());
}

#[test]
fn what_is_not_read_is_named() {
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        .set_writer_version(WriterVersion::PARQUET_2_0);
    let refused = run(&table_with(properties.build(), 3)).unwrap_err();
    assert_eq!(
        refused,
        "column \"key\" is packed in a way that is not read: write it plain, or with Snappy \
         or gzip (data pages of version 1)"
    );
}

/// The example beside the workspace is packed with Zstandard.
#[test]
fn the_formats_example_is_refused_by_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/formats/parquet/records.parquet");
    let Ok(file) = File::open(path) else {
        println!("skipped: no {path}");
        return;
    };
    let source: Source = toml::from_str("name = \"heart\"\nid = \"id\"").unwrap();
    let wanted = |name: &str| matches!(name, "id" | "text");
    let refused = read(file, &source, wanted, &mut |_| Ok(())).unwrap_err();
    assert!(refused.to_string().starts_with("column \"id\" is packed"), "{refused}");
}
