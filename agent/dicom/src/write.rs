//! Writing files: explicit little endian, or implicit where the file was so. Sequences and items end
//! with delimiters; the table of offsets is empty, which says nothing of the frames.

use std::borrow::Cow;

use crate::data::{DataSet, Element, Value};
use crate::error::Error;
use crate::read::{PREAMBLE_BYTES, Syntax};
use crate::tag::Tag;
use crate::vr::Vr;

const UNDEFINED: [u8; 4] = u32::MAX.to_le_bytes();
/// Names this program: a number drawn once.
const IMPLEMENTATION: &str = "2.25.119340187462093570526198435703315294681";
const IMPLEMENTATION_NAME: &str = "INSITU";

/// A file: a preamble of zeros, the attributes of the file, the data set.
pub(crate) fn file(set: &DataSet<'_>, syntax: Syntax) -> Result<Vec<u8>, Error> {
    let text = |tag| set.ascii(tag).unwrap_or_default().to_owned();
    let meta = [
        Element::new(Tag(0x0002_0001), Vr::Ob, Value::Bytes(Cow::Borrowed(&[0, 1]))),
        Element::text(Tag(0x0002_0002), Vr::Ui, text(Tag::SOP_CLASS)),
        Element::text(Tag(0x0002_0003), Vr::Ui, text(Tag::SOP_INSTANCE)),
        Element::text(Tag(0x0002_0010), Vr::Ui, syntax.uid()),
        Element::text(Tag(0x0002_0012), Vr::Ui, IMPLEMENTATION),
        Element::text(Tag(0x0002_0013), Vr::Sh, IMPLEMENTATION_NAME),
    ];
    let mut group = Vec::new();
    for item in &meta {
        element(&mut group, item, false)?;
    }
    let length = u32::try_from(group.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = vec![0; PREAMBLE_BYTES];
    out.extend(b"DICM");
    let count = Element::new(Tag(0x0002_0000), Vr::Ul, Value::Bytes(Cow::Owned(length.to_vec())));
    element(&mut out, &count, false)?;
    out.append(&mut group);
    data_set(&mut out, set, syntax == Syntax::ImplicitLittle)?;
    Ok(out)
}

fn data_set(out: &mut Vec<u8>, set: &DataSet<'_>, implicit: bool) -> Result<(), Error> {
    set.elements.iter().try_for_each(|item| element(out, item, implicit))
}

fn element(out: &mut Vec<u8>, element: &Element<'_>, implicit: bool) -> Result<(), Error> {
    let Element { tag, vr, value } = element;
    push_tag(out, *tag);
    if !implicit {
        out.extend(vr.code());
        if vr.is_long() {
            out.extend([0, 0]);
        }
    }
    match value {
        Value::Bytes(bytes) => {
            let padded = bytes.len() + bytes.len() % 2;
            let unwritable = Error::Unwritable { tag: *tag };
            if implicit || vr.is_long() {
                let length = u32::try_from(padded).ok().filter(|length| *length != u32::MAX);
                out.extend(length.ok_or(unwritable)?.to_le_bytes());
            } else {
                out.extend(u16::try_from(padded).map_err(|_| unwritable)?.to_le_bytes());
            }
            out.extend_from_slice(bytes);
            if padded > bytes.len() {
                out.push(vr.padding());
            }
        }
        Value::Items(items) => {
            out.extend(UNDEFINED);
            for item in items {
                push_tag(out, Tag::ITEM);
                out.extend(UNDEFINED);
                data_set(out, item, implicit)?;
                push_tag(out, Tag::ITEM_END);
                out.extend([0; 4]);
            }
            push_tag(out, Tag::SEQUENCE_END);
            out.extend([0; 4]);
        }
        Value::Fragments(fragments) => {
            out.extend(UNDEFINED);
            push_tag(out, Tag::ITEM);
            out.extend([0; 4]);
            for fragment in fragments {
                push_tag(out, Tag::ITEM);
                let padded = fragment.len() + fragment.len() % 2;
                let length = u32::try_from(padded).map_err(|_| Error::Unwritable { tag: *tag })?;
                out.extend(length.to_le_bytes());
                out.extend_from_slice(fragment);
                out.resize(out.len() + padded - fragment.len(), 0);
            }
            push_tag(out, Tag::SEQUENCE_END);
            out.extend([0; 4]);
        }
    }
    Ok(())
}

fn push_tag(out: &mut Vec<u8>, tag: Tag) {
    let [e0, e1, g0, g1] = tag.0.to_le_bytes();
    out.extend([g0, g1, e0, e1]);
}
