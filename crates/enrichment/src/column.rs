//! Columns of a table file: LEB128 numbers and plain bytes, read with every bound checked.

/// What was wrong with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColumnError(pub(crate) &'static str);

/// Reads columns from the front of a body.
pub(crate) struct Columns<'b> {
    rest: &'b [u8],
}

impl<'b> Columns<'b> {
    pub(crate) fn new(body: &'b [u8]) -> Self {
        Self { rest: body }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'b [u8], ColumnError> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(ColumnError("column is cut off"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A number of elements. Every element takes a byte at least, so more than there are bytes is damage,
    /// and nothing is allocated for it.
    pub(crate) fn count(&mut self) -> Result<usize, ColumnError> {
        let count = self.number_u32()? as usize;
        if count > self.rest.len() { Err(ColumnError("count is beyond the file")) } else { Ok(count) }
    }

    pub(crate) fn number_u32(&mut self) -> Result<u32, ColumnError> {
        // One byte is the common case: columns are sorted so that frequent values are small.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u32::from(*byte))
            }
            _ => self.number().and_then(|n| u32::try_from(n).map_err(|_| ColumnError("number is too large"))),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u128, ColumnError> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ColumnError("column is cut off"))?;
            self.rest = rest;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(ColumnError("number is too large"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ColumnError("number is too large"))
    }

    pub(crate) fn finish(self) -> Result<(), ColumnError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ColumnError("bytes after the last column")) }
    }
}

/// Appends a number.
pub(crate) fn push_number(column: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        column.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    column.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u128::from(u32::MAX), u128::MAX];
        let mut column = Vec::new();
        for number in numbers {
            push_number(&mut column, number);
        }
        let mut columns = Columns::new(&column);
        for number in numbers {
            assert_eq!(columns.number(), Ok(number));
        }
        assert_eq!(columns.finish(), Ok(()));
    }

    #[test]
    fn damage_is_an_error() {
        assert!(Columns::new(&[0x80]).number().is_err());
        assert!(Columns::new(&[0xff; 40]).number().is_err());
        assert!(Columns::new(&[200, 1, 0]).count().is_err());
        assert!(Columns::new(&[0]).bytes(2).is_err());
    }
}
