//! A piece of a field: repetitions, components, subcomponents, escapes.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::message::Delimiters;

/// How deep a piece of a field lies; the standard knows no further parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Field,
    Repetition,
    Component,
    Subcomponent,
}

/// A field or a part of one, as it is written.
#[derive(Debug, Clone, Copy)]
pub struct Value<'m> {
    text: &'m str,
    level: Level,
    delimiters: &'m Delimiters,
}

impl<'m> Value<'m> {
    pub(super) fn field(text: &'m str, delimiters: &'m Delimiters) -> Self {
        Value { text, level: Level::Field, delimiters }
    }

    /// The text as it is written, with its escapes.
    pub fn raw(&self) -> &'m str {
        self.text
    }

    /// Whether there is a value. The explicit null `""` (section 2.5.3.2) is none: it asks for a
    /// value to be emptied.
    pub fn is_valued(&self) -> bool {
        let text = self.text.trim_ascii();
        if text.is_empty() || text == "\"\"" {
            return false;
        }
        if self.level == Level::Subcomponent {
            return true;
        }
        let Delimiters { component, repetition, subcomponent, .. } = *self.delimiters;
        text.bytes().any(|b| b != component && b != repetition && b != subcomponent && b != b' ')
    }

    fn of(&self, text: &'m str, level: Level) -> Self {
        Value { text, level, delimiters: self.delimiters }
    }

    /// The repetitions of a field; a deeper part is its own only one.
    pub fn repetitions(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        let whole = *self;
        let mut rest = Some(self.text);
        std::iter::from_fn(move || {
            let text = rest?;
            if whole.level != Level::Field {
                rest = None;
                return Some(whole);
            }
            match text.bytes().position(|byte| byte == whole.delimiters.repetition) {
                Some(at) => {
                    rest = text.get(at + 1..);
                    Some(whole.of(&text[..at], Level::Repetition))
                }
                None => {
                    rest = None;
                    Some(whole.of(text, Level::Repetition))
                }
            }
        })
    }

    /// Part `number`, from 1, of the next level: a component of a repetition (of a field, its first),
    /// a subcomponent of a component. What has no parts is its own part 1.
    pub fn part(&self, number: usize) -> Value<'m> {
        let (separator, level) = match self.level {
            Level::Field => match memchr(self.delimiters.repetition, self.text.as_bytes()) {
                Some(at) => return self.of(&self.text[..at], Level::Repetition).part(number),
                None => (self.delimiters.component, Level::Component),
            },
            Level::Repetition => (self.delimiters.component, Level::Component),
            Level::Component => (self.delimiters.subcomponent, Level::Subcomponent),
            Level::Subcomponent => {
                let text = if number == 1 { self.text } else { "" };
                return self.of(text, Level::Subcomponent);
            }
        };
        let mut start = 0;
        let mut left = number.saturating_sub(1);
        for at in memchr_iter(separator, self.text.as_bytes()) {
            if left == 0 {
                return self.of(&self.text[start..at], level);
            }
            left -= 1;
            start = at + 1;
        }
        self.of(if left == 0 { &self.text[start..] } else { "" }, level)
    }

    /// All parts of the next level in order, found in one pass; a subcomponent is its own only one.
    pub fn pieces(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        let whole = *self;
        let (separator, level) = match self.level {
            Level::Field | Level::Repetition => (self.delimiters.component, Level::Component),
            Level::Component => (self.delimiters.subcomponent, Level::Subcomponent),
            // A segment's end cannot stand within one: the piece is whole.
            Level::Subcomponent => (b'\r', Level::Subcomponent),
        };
        let mut rest = Some(self.text);
        std::iter::from_fn(move || {
            let text = rest?;
            // Pieces are a few bytes long: a plain loop is over before a vector is loaded.
            let at = text.bytes().position(|byte| byte == separator);
            rest = at.and_then(|at| text.get(at + 1..));
            Some(whole.of(&text[..at.unwrap_or(text.len())], level))
        })
    }

    /// How many parts of the next level are written.
    pub fn parts(&self) -> usize {
        let separator = match self.level {
            Level::Field | Level::Repetition => self.delimiters.component,
            Level::Component => self.delimiters.subcomponent,
            Level::Subcomponent => return 1,
        };
        memchr_iter(separator, self.text.as_bytes()).count() + 1
    }

    /// The text without escapes and outer space; the first part all the way down.
    pub fn text(&self) -> Cow<'m, str> {
        let mut value = *self;
        while value.level != Level::Subcomponent {
            value = value.part(1);
        }
        if value.is_valued() { value.unescaped() } else { Cow::Borrowed("") }
    }

    /// The whole text without escapes, parts and all: for fields that are one text (TX, FT, ST).
    pub fn unescaped(&self) -> Cow<'m, str> {
        let text = self.text.trim_ascii();
        if memchr(self.delimiters.escape, text.as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(unescape(text, self.delimiters))
    }
}

/// Escapes of section 2.7: delimiters, hexadecimal data, line breaks of formatted text. Highlighting
/// and what a site defined for itself leave nothing behind; what is no escape stays as it is.
fn unescape(text: &str, delimiters: &Delimiters) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(delimiters.escape, rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(end) = memchr(delimiters.escape, after.as_bytes()) else {
            rest = &rest[at..];
            break;
        };
        let sequence = &after[..end];
        if sequence.is_empty() || !escaped(sequence, delimiters, &mut out) {
            // Not an escape: the character stands for itself, and the next may begin one.
            out.push(delimiters.escape as char);
            rest = after;
            continue;
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    out
}

fn escaped(sequence: &str, delimiters: &Delimiters, out: &mut String) -> bool {
    let bytes = sequence.as_bytes();
    match (bytes[0], &sequence[1..]) {
        (b'F', "") => out.push(delimiters.field as char),
        (b'S', "") => out.push(delimiters.component as char),
        (b'T', "") => out.push(delimiters.subcomponent as char),
        (b'R', "") => out.push(delimiters.repetition as char),
        (b'E', "") => out.push(delimiters.escape as char),
        (b'H' | b'N', "") => {}
        (b'P', "") => out.push('#'),
        (b'X', digits) => return hexadecimal(digits, out),
        // A switch of character set or a site's own escape carries no text.
        (b'C' | b'M' | b'Z', digits)
            if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {}
        (b'.', command) => match command.get(..2) {
            Some("br" | "sp" | "ce") => out.push('\n'),
            Some("in" | "ti" | "sk") => out.push(' '),
            Some("fi" | "nf") => {}
            _ => return false,
        },
        _ => return false,
    }
    true
}

fn hexadecimal(digits: &str, out: &mut String) -> bool {
    if digits.is_empty() || digits.len() % 2 == 1 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let bytes: Vec<u8> = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let decoded = crate::charset::decode(&bytes, None, "");
    // Control characters have no place in FHIR's strings; line ends and tabs do.
    out.extend(decoded.text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    static USUAL: Delimiters =
        Delimiters { field: b'|', component: b'^', repetition: b'~', escape: b'\\', subcomponent: b'&' };

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        for (written, meant) in [
            (r"A\T\E", "A&E"),
            (r"1\F\2\S\3\R\4\E\5", r"1|2^3~4\5"),
            (r"one\.br\two", "one\ntwo"),
            (r"\H\bold\N\", "bold"),
            (r"\XE78E8B\", "王"),
            (r"\X41\\X42\", "AB"),
            (r"C:\temp\x", r"C:\temp\x"),
            (r"\Xzz\ \", r"\Xzz\ \"),
            (r"a\", r"a\"),
            (r"\Z01\x\C2842\y", "xy"),
        ] {
            assert_eq!(Value::field(written, &USUAL).unescaped(), meant, "{written}");
        }
    }

    #[test]
    fn parts_go_down_to_subcomponents() {
        let field = Value::field("a&b^c~d^e&f&g", &USUAL);
        let found: Vec<_> = field.repetitions().map(|r| r.part(2).part(3).raw()).collect();
        assert_eq!(found, ["", "g"]);
        assert_eq!((field.part(1).part(2).raw(), field.part(2).raw(), field.part(3).raw()), ("b", "c", ""));
        assert_eq!(field.text(), "a");
        let pieces: Vec<_> = field.part(1).pieces().map(|piece| piece.raw()).collect();
        assert_eq!(pieces, ["a", "b"]);
        assert_eq!(field.part(1).part(2).part(1).raw(), "b");
        assert_eq!(field.part(1).part(2).part(2).raw(), "");
    }

    #[test]
    fn separators_alone_and_explicit_null_are_no_value() {
        for (written, valued) in
            [("", false), ("^^&~", false), ("\"\"", false), (" ", false), ("^x", true), ("0", true)]
        {
            assert_eq!(Value::field(written, &USUAL).is_valued(), valued, "{written:?}");
        }
    }
}
