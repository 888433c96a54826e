//! Data sets in memory: the values borrow from the file until they change.

use std::borrow::Cow;

use crate::tag::Tag;
use crate::vr::Vr;

/// Elements in the order of their tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DataSet<'a> {
    pub(crate) elements: Vec<Element<'a>>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: Tag,
    pub(crate) vr: Vr,
    pub(crate) value: Value<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// In little endian order.
    Bytes(Cow<'a, [u8]>),
    Items(Vec<DataSet<'a>>),
    /// Compressed pixels, without the table of offsets.
    Fragments(Vec<Cow<'a, [u8]>>),
}

impl<'a> Element<'a> {
    pub(crate) const fn new(tag: Tag, vr: Vr, value: Value<'a>) -> Self {
        Self { tag, vr, value }
    }

    pub(crate) fn text(tag: Tag, vr: Vr, text: impl Into<String>) -> Self {
        Self::new(tag, vr, Value::Bytes(Cow::Owned(text.into().into_bytes())))
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Items(_) | Value::Fragments(_) => None,
        }
    }
}

impl<'a> DataSet<'a> {
    pub(crate) fn find(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// The text of an ASCII attribute, without what pads it.
    pub(crate) fn ascii(&self, tag: Tag) -> Option<&str> {
        std::str::from_utf8(self.find(tag)?.bytes()?).ok().map(trimmed)
    }

    /// The first number of an attribute of representation `US` or `UL`.
    pub(crate) fn number(&self, tag: Tag) -> Option<u32> {
        let element = self.find(tag)?;
        let bytes = element.bytes()?;
        match element.vr.unit() {
            2 => Some(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?).into()),
            4 => Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?)),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self, tag: Tag) -> Option<Element<'a>> {
        let at = self.elements.iter().position(|element| element.tag == tag)?;
        Some(self.elements.remove(at))
    }

    /// Puts `element` where its tag belongs, in place of any other of that tag.
    pub(crate) fn put(&mut self, element: Element<'a>) {
        self.elements.retain(|other| other.tag != element.tag);
        let at = self.elements.partition_point(|other| other.tag < element.tag);
        self.elements.insert(at, element);
    }

    /// In order, and no tag twice: of several the first stays.
    pub(crate) fn sort(&mut self) {
        self.elements.sort_by_key(|element| element.tag);
        self.elements.dedup_by_key(|element| element.tag);
    }
}

/// Without the spaces and zeros that pad a value.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_end_matches(['\0', ' ']).trim_start_matches(' ')
}
