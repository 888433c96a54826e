//! Value representations: what the bytes of a value are (PS3.5, 6.2).

/// What the bytes of a value hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Text in the character set of the data set.
    Text,
    /// ASCII with a form of its own.
    Ascii,
    /// Numbers, or bytes of any meaning.
    Binary,
    /// Items.
    Sequence,
}

macro_rules! vrs {
    ($($name:ident = $code:literal, $class:ident, $unit:literal, $limit:literal, $long:literal;)*) => {
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
                match self { $(Self::$name => Class::$class,)* }
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
    Ae = b"AE", Ascii, 1, 16, false;
    As = b"AS", Ascii, 1, 4, false;
    At = b"AT", Binary, 2, 0, false;
    Cs = b"CS", Ascii, 1, 16, false;
    Da = b"DA", Ascii, 1, 8, false;
    Ds = b"DS", Ascii, 1, 16, false;
    Dt = b"DT", Ascii, 1, 26, false;
    Fd = b"FD", Binary, 8, 0, false;
    Fl = b"FL", Binary, 4, 0, false;
    Is = b"IS", Ascii, 1, 12, false;
    Lo = b"LO", Text, 1, 64, false;
    Lt = b"LT", Text, 1, 10240, false;
    Ob = b"OB", Binary, 1, 0, true;
    Od = b"OD", Binary, 8, 0, true;
    Of = b"OF", Binary, 4, 0, true;
    Ol = b"OL", Binary, 4, 0, true;
    Ov = b"OV", Binary, 8, 0, true;
    Ow = b"OW", Binary, 2, 0, true;
    Pn = b"PN", Text, 1, 64, false;
    Sh = b"SH", Text, 1, 16, false;
    Sl = b"SL", Binary, 4, 0, false;
    Sq = b"SQ", Sequence, 1, 0, true;
    Ss = b"SS", Binary, 2, 0, false;
    St = b"ST", Text, 1, 1024, false;
    Sv = b"SV", Binary, 8, 0, true;
    Tm = b"TM", Ascii, 1, 16, false;
    Uc = b"UC", Text, 1, 0, true;
    Ui = b"UI", Ascii, 1, 64, false;
    Ul = b"UL", Binary, 4, 0, false;
    Un = b"UN", Binary, 1, 0, true;
    Ur = b"UR", Ascii, 1, 0, true;
    Us = b"US", Binary, 2, 0, false;
    Ut = b"UT", Text, 1, 0, true;
    Uv = b"UV", Binary, 8, 0, true;
}

impl Vr {
    /// Dates and times.
    pub(crate) const fn is_time(self) -> bool {
        matches!(self, Self::Da | Self::Dt | Self::Tm)
    }

    /// Whether a backslash separates values: it does not in long texts.
    pub(crate) const fn has_values(self) -> bool {
        !matches!(self, Self::Lt | Self::St | Self::Ut | Self::Ur)
    }

    /// What makes the length of a value even.
    pub(crate) const fn padding(self) -> u8 {
        match self.class() {
            Class::Text => b' ',
            Class::Ascii if matches!(self, Self::Ui) => 0,
            Class::Ascii => b' ',
            Class::Binary | Class::Sequence => 0,
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
