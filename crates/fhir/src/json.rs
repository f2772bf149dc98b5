//! A borrowed view of a JSON document, made for FHIR.
//!
//! Three things set it apart from a general tree: numbers keep the digits that
//! were written (`1.10` is not `1.1` in FHIR), strings borrow from the input
//! unless they hold an escape, and a property written twice is an error, since
//! no two readers would agree on its meaning. Depth is limited, so that hostile
//! nesting ends in an error and not in the stack.

use std::borrow::Cow;
use std::fmt;

use tongmai_base::limits;

/// One JSON value; `'a` is the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number with the digits as they were written.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: its properties in the order in which they were written.
    Object(Object<'a>),
}

/// The properties of an object, in the order in which they were written.
pub type Object<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset of the offence.
    pub offset: usize,
    /// What was expected or found.
    pub message: &'static str,
}

impl JsonError {
    /// Line and column (in bytes) of the error, both from 1.
    pub fn position(&self, text: &[u8]) -> (usize, usize) {
        let before = &text[..self.offset.min(text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
        (line, column)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}

impl std::error::Error for JsonError {}

impl<'a> Json<'a> {
    /// Reads one JSON document; white space around it is allowed, anything else is not.
    pub fn parse(text: &'a [u8]) -> Result<Json<'a>, JsonError> {
        let text = std::str::from_utf8(text)
            .map_err(|e| JsonError { offset: e.valid_up_to(), message: "not UTF-8 text" })?;
        Json::parse_str(text)
    }

    /// Reads one JSON document from text.
    pub fn parse_str(text: &'a str) -> Result<Json<'a>, JsonError> {
        let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
        reader.skip_space();
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < reader.bytes.len() {
            return Err(reader.error("text after the end of the document"));
        }
        Ok(value)
    }

    /// The property `name` of an object; `None` for other values.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(properties) => properties.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The string, when this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, when this is an array.
    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The properties, when this is an object.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Json::Object(properties) => Some(properties),
            _ => None,
        }
    }

    /// The text of property `name`, when it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::as_str)
    }

    /// The elements of property `name`; a single value counts as one element, an absent one as none.
    pub fn items(&self, name: &str) -> &[Json<'a>] {
        match self.get(name) {
            Some(Json::Array(items)) => items,
            Some(single) => std::slice::from_ref(single),
            None => &[],
        }
    }

    /// The same document, owning all its text.
    pub fn into_owned(self) -> Json<'static> {
        match self {
            Json::Null => Json::Null,
            Json::Bool(b) => Json::Bool(b),
            Json::Number(n) => Json::Number(Cow::Owned(n.into_owned())),
            Json::String(s) => Json::String(Cow::Owned(s.into_owned())),
            Json::Array(items) => Json::Array(items.into_iter().map(Json::into_owned).collect()),
            Json::Object(properties) => Json::Object(
                properties.into_iter().map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_owned())).collect(),
            ),
        }
    }

    /// Appends the document as JSON text without white space.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(digits) => out.push_str(digits),
            Json::String(text) => write_string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(properties) => {
                out.push('{');
                for (index, (name, value)) in properties.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Json::String(Cow::Borrowed(text))
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Json::String(Cow::Owned(text))
    }
}

impl From<bool> for Json<'_> {
    fn from(value: bool) -> Self {
        Json::Bool(value)
    }
}

impl From<u64> for Json<'_> {
    fn from(value: u64) -> Self {
        Json::Number(Cow::Owned(value.to_string()))
    }
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[start..index]);
        start = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                use fmt::Write;
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[start..]);
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, message: &'static str) -> JsonError {
        JsonError { offset: self.at, message }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        if depth > limits::JSON_DEPTH {
            return Err(self.error("nested too deep"));
        }
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("a value was expected")),
            None => Err(self.error("the document ends too early")),
        }
    }

    fn word(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("a value was expected"))
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.error("',' or ']' was expected")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut properties: Object<'a> = Vec::new();
        self.skip_space();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Json::Object(properties));
        }
        loop {
            self.skip_space();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.error("a property name was expected"));
            }
            let name_at = self.at;
            let name = self.string()?;
            self.skip_space();
            if self.bytes.get(self.at) != Some(&b':') {
                return Err(self.error("':' was expected"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth + 1)?;
            properties.push((name, value));
            // Objects of FHIR are small; only a hostile one makes this scan matter.
            let (last, before) = properties.split_last().expect("one was just pushed");
            if before.len() < 64 && before.iter().any(|(name, _)| *name == last.0) {
                return Err(JsonError { offset: name_at, message: "a property is written twice" });
            }
            self.skip_space();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    if properties.len() > 64 {
                        refuse_doubles(&properties, name_at)?;
                    }
                    return Ok(Json::Object(properties));
                }
                _ => return Err(self.error("',' or '}' was expected")),
            }
        }
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(JsonError { offset: start, message: "a number has a leading zero" });
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Json::Number(Cow::Borrowed(&self.text[start..self.at])))
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit was expected")) } else { Ok(self.at - start) }
    }

    /// Reads a string; the reader stands on its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let Some(length) = memchr::memchr2(b'"', b'\\', &self.bytes[start..]) else {
            self.at = self.bytes.len();
            return Err(self.error("a string is not closed"));
        };
        if let Some(control) = self.bytes[start..start + length].iter().position(|byte| *byte < 0x20) {
            self.at = start + control;
            return Err(self.error("a control character in a string"));
        }
        self.at = start + length;
        if self.bytes[self.at] == b'\\' {
            return self.escaped_string(start).map(Cow::Owned);
        }
        self.at += 1;
        Ok(Cow::Borrowed(&self.text[start..start + length]))
    }

    fn escaped_string(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = self.text[start..self.at].to_owned();
        let mut plain = self.at;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    out.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    out.push(self.escape()?);
                    plain = self.at;
                }
                Some(byte) if *byte >= 0x20 => self.at += 1,
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string is not closed")),
            }
        }
    }

    /// Reads what stands behind a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.error("a string is not closed"))?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex()?;
                if !(0xd800..0xe000).contains(&high) {
                    return char::from_u32(high).ok_or_else(|| self.error("not a character"));
                }
                if high >= 0xdc00 || !self.bytes[self.at..].starts_with(b"\\u") {
                    return Err(self.error("half a surrogate pair"));
                }
                self.at += 2;
                let low = self.hex()?;
                if !(0xdc00..0xe000).contains(&low) {
                    return Err(self.error("half a surrogate pair"));
                }
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                    .ok_or_else(|| self.error("not a character"))?
            }
            _ => return Err(self.error("an unknown escape")),
        })
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits =
            self.bytes.get(self.at..self.at + 4).ok_or_else(|| self.error("four hex digits expected"))?;
        let mut value = 0;
        for &digit in digits {
            let digit = (digit as char).to_digit(16).ok_or_else(|| self.error("four hex digits expected"))?;
            value = value * 16 + digit;
        }
        self.at += 4;
        Ok(value)
    }
}

fn refuse_doubles(properties: &Object<'_>, offset: usize) -> Result<(), JsonError> {
    let mut names: Vec<&str> = properties.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(JsonError { offset, message: "a property is written twice" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, and what it is written back as; an error is shown with its byte.
    fn check(text: &str, expected: &str) {
        let shown = match Json::parse(text.as_bytes()) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn documents_are_written_back_as_they_were_read() {
        check(r#" {"a" : [1.10, -0.5e+3, true,null ] } "#, r#"{"a":[1.10,-0.5e+3,true,null]}"#);
        check(r#""\u6731\ud840\udc0b\/\n""#, "\"朱𠀋/\\n\"");
        check("[]", "[]");
        check("{}", "{}");
    }

    #[test]
    fn what_is_not_json_says_where() {
        check("", "the document ends too early at byte 0");
        check("[1,]", "a value was expected at byte 3");
        check("{\"a\":1,\"a\":2}", "a property is written twice at byte 7");
        check("01", "a number has a leading zero at byte 0");
        check("1 2", "text after the end of the document at byte 2");
        check("\"\\ud800\"", "half a surrogate pair at byte 7");
        check("\"a\u{1}\"", "a control character in a string at byte 2");
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Json::parse(nested(limits::JSON_DEPTH + 1).as_bytes()).is_ok());
        let error = Json::parse(nested(limits::JSON_DEPTH + 2).as_bytes()).expect_err("too deep");
        assert_eq!(error.message, "nested too deep");
        assert!(Json::parse(nested(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_wide_object_with_a_double_is_refused() {
        let mut text = String::from("{");
        for index in 0..1000 {
            text += &format!("\"k{index}\":0,");
        }
        assert!(Json::parse(format!("{text}\"z\":0}}").as_bytes()).is_ok());
        assert!(Json::parse(format!("{text}\"k500\":0}}").as_bytes()).is_err());
    }
}
