//! Value representations: what the bytes of a value are (PS3.5, 6.2).

/// What the bytes of a value hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Text in the character set of the data set.
    Text,
    /// ASCII with a form of its own.
    Ascii(Shape),
    /// Numbers, or bytes of any meaning.
    Binary,
    /// Items.
    Sequence,
}

/// What an ASCII value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The title of an application: no form tells it from a name.
    Title,
    /// An age, with its unit.
    Age,
    /// A word of a list.
    Code,
    /// A day.
    Date,
    /// A day with a time.
    DateTime,
    /// A decimal number.
    Decimal,
    /// A whole number.
    Integer,
    /// A time of day.
    Time,
    /// A unique identifier.
    Uid,
    /// An address in a network.
    Link,
}

macro_rules! vrs {
    ($($name:ident = $code:literal, $class:expr, $unit:literal, $limit:literal, $long:literal;)*) => {
        /// A value representation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Vr { $($name,)* }

        impl Vr {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The two letters of explicit encodings.
            pub(crate) const fn code(self) -> &'static [u8; 2] {
                match self { $(Self::$name => $code,)* }
            }

            /// The representation with these letters.
            pub(crate) fn from_code(code: [u8; 2]) -> Option<Self> {
                match &code { $($code => Some(Self::$name),)* _ => None }
            }

            pub(crate) const fn class(self) -> Class {
                match self { $(Self::$name => $class,)* }
            }

            /// Bytes of one number, which big endian files turn round.
            pub(crate) const fn unit(self) -> usize {
                match self { $(Self::$name => $unit,)* }
            }

            /// Most characters of one value; 0 is without a limit.
            pub(crate) const fn limit(self) -> usize {
                match self { $(Self::$name => $limit,)* }
            }

            /// Whether explicit encodings give it a length of four bytes.
            pub(crate) const fn is_long(self) -> bool {
                match self { $(Self::$name => $long,)* }
            }
        }
    };
}

vrs! {
    Ae = b"AE", Class::Ascii(Shape::Title), 1, 16, false;
    As = b"AS", Class::Ascii(Shape::Age), 1, 4, false;
    At = b"AT", Class::Binary, 2, 0, false;
    Cs = b"CS", Class::Ascii(Shape::Code), 1, 16, false;
    Da = b"DA", Class::Ascii(Shape::Date), 1, 8, false;
    Ds = b"DS", Class::Ascii(Shape::Decimal), 1, 16, false;
    Dt = b"DT", Class::Ascii(Shape::DateTime), 1, 26, false;
    Fd = b"FD", Class::Binary, 8, 0, false;
    Fl = b"FL", Class::Binary, 4, 0, false;
    Is = b"IS", Class::Ascii(Shape::Integer), 1, 12, false;
    Lo = b"LO", Class::Text, 1, 64, false;
    Lt = b"LT", Class::Text, 1, 10240, false;
    Ob = b"OB", Class::Binary, 1, 0, true;
    Od = b"OD", Class::Binary, 8, 0, true;
    Of = b"OF", Class::Binary, 4, 0, true;
    Ol = b"OL", Class::Binary, 4, 0, true;
    Ov = b"OV", Class::Binary, 8, 0, true;
    Ow = b"OW", Class::Binary, 2, 0, true;
    Pn = b"PN", Class::Text, 1, 64, false;
    Sh = b"SH", Class::Text, 1, 16, false;
    Sl = b"SL", Class::Binary, 4, 0, false;
    Sq = b"SQ", Class::Sequence, 1, 0, true;
    Ss = b"SS", Class::Binary, 2, 0, false;
    St = b"ST", Class::Text, 1, 1024, false;
    Sv = b"SV", Class::Binary, 8, 0, true;
    Tm = b"TM", Class::Ascii(Shape::Time), 1, 16, false;
    Uc = b"UC", Class::Text, 1, 0, true;
    Ui = b"UI", Class::Ascii(Shape::Uid), 1, 64, false;
    Ul = b"UL", Class::Binary, 4, 0, false;
    Un = b"UN", Class::Binary, 1, 0, true;
    Ur = b"UR", Class::Ascii(Shape::Link), 1, 0, true;
    Us = b"US", Class::Binary, 2, 0, false;
    Ut = b"UT", Class::Text, 1, 0, true;
    Uv = b"UV", Class::Binary, 8, 0, true;
}

impl Vr {
    /// Dates and times.
    pub(crate) const fn is_time(self) -> bool {
        matches!(self, Self::Da | Self::Dt | Self::Tm)
    }

    /// The values in `text`: a backslash separates them, but not in long texts.
    pub(crate) fn values(self, text: &str) -> Vec<&str> {
        let one = matches!(self, Self::Lt | Self::St | Self::Ut | Self::Ur);
        if one { vec![text] } else { text.split('\\').collect() }
    }

    /// What makes the length of a value even.
    pub(crate) const fn padding(self) -> u8 {
        match self.class() {
            Class::Ascii(Shape::Uid) | Class::Binary | Class::Sequence => 0,
            Class::Text | Class::Ascii(_) => b' ',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lead_back_and_lengths_are_those_of_the_standard() {
        for &vr in Vr::ALL {
            assert_eq!(Vr::from_code(*vr.code()), Some(vr));
        }
        assert_eq!(Vr::from_code(*b"ZZ"), None);
        // PS3.5, table 7.1-1.
        let long: Vec<&[u8; 2]> =
            Vr::ALL.iter().filter(|vr| vr.is_long()).map(|vr| vr.code()).collect();
        let expected = [
            b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT",
            b"UV",
        ];
        assert_eq!(long, expected);
    }
}
