//! How the state of a view is written down: numbers of eight bytes, texts with their length.

/// Appends a number.
pub fn put(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a text.
pub fn put_text(text: &str, out: &mut Vec<u8>) {
    put(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what was written; nothing it returns is longer than what is there.
#[derive(Debug, Clone)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { rest: bytes }
    }

    /// The next bytes.
    pub fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next number, as whatever kind of number it must fit.
    pub fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        let bytes = self.take(8)?.try_into().ok()?;
        T::try_from(i64::from_le_bytes(bytes)).ok()
    }

    /// The next text.
    pub fn text(&mut self) -> Option<&'b str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// A list: its length, then as many items.
    pub fn list(&mut self, item: &mut dyn FnMut(&mut Reader<'b>) -> Option<()>) -> Option<()> {
        let length: u64 = self.number()?;
        for _ in 0..length {
            item(self)?;
        }
        Some(())
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}
