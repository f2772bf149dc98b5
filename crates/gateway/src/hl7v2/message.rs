//! The zero-copy parser: where segments and fields begin, and nothing else.
//!
//! One pass finds the beginnings of segments and fields (HL7 v2.8.2 chapter 2,
//! sections 2.5 and 2.6); repetitions, components and subcomponents are split
//! when somebody asks for them ([`Value`]). No text is copied.

use memchr::memchr3_iter;
use tongmai_base::{Finding, Severity, limits};

use super::value::Value;

/// The five characters that part a message, as MSH-1 and MSH-2 declare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields, `|`.
    pub field: u8,
    /// Between components, `^`.
    pub component: u8,
    /// Between repetitions, `~`.
    pub repetition: u8,
    /// Around escapes, `\`.
    pub escape: u8,
    /// Between subcomponents, `&`.
    pub subcomponent: u8,
}

impl Default for Delimiters {
    fn default() -> Self {
        Delimiters { field: b'|', component: b'^', repetition: b'~', escape: b'\\', subcomponent: b'&' }
    }
}

/// A message as its sender wrote it.
#[derive(Debug)]
pub struct Message<'a> {
    text: &'a str,
    delimiters: Delimiters,
    /// Where each field begins, of all segments in order; the identifier of a segment counts as field 0.
    starts: Vec<u32>,
    /// For each segment the number of its first start; one more entry ends the last.
    segments: Vec<Bounds>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    first: u32,
    last: u32,
    end: u32,
}

/// One segment of a message.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message<'m>,
    index: usize,
}

/// A message and what was wrong with its outer form.
pub type Parsed<'a> = (Option<Message<'a>>, Vec<Finding>);

fn refusal(path: &str, code: &str, message: String, repair: &str) -> Finding {
    Finding::new(Severity::Fatal, path, code, message).with_repair(repair)
}

/// Reads one message. Segments end with a carriage return; line feeds are tolerated with a finding.
/// Without a usable MSH there is no message, and a fatal finding says why.
pub fn parse(text: &str) -> Parsed<'_> {
    let mut findings = Vec::new();
    if text.len() > limits::MESSAGE_BYTES {
        let message = format!("the message has {} bytes; {} are taken in", text.len(), limits::MESSAGE_BYTES);
        findings.push(refusal(
            "MSH",
            "message-too-long",
            message,
            "send documents apart, or split the message",
        ));
        return (None, findings);
    }
    let trimmed = text.trim_matches(|c: char| c.is_ascii_control() || c == ' ' || c == '\u{feff}');
    let Some(delimiters) = delimiters(trimmed, &mut findings) else { return (None, findings) };
    let mut message = Message { text: trimmed, delimiters, starts: Vec::new(), segments: Vec::new() };
    message.scan(&mut findings);
    if message.segments.len() > limits::MESSAGE_SEGMENTS {
        let what = format!("more than {} segments", limits::MESSAGE_SEGMENTS);
        findings.push(refusal("MSH", "too-many-segments", what, "split the message"));
        return (None, findings);
    }
    (Some(message), findings)
}

/// Reads MSH-1 and MSH-2.
fn delimiters(text: &str, findings: &mut Vec<Finding>) -> Option<Delimiters> {
    let bytes = text.as_bytes();
    if !bytes.starts_with(b"MSH") {
        let message = match bytes.len() {
            0 => "the message is empty".to_owned(),
            _ => "the message does not begin with the segment MSH".to_owned(),
        };
        findings.push(refusal("MSH", "no-header", message, "begin the message with MSH|^~\\&|"));
        return None;
    }
    let usable = |byte: &u8| byte.is_ascii_punctuation() || *byte == b' ' || *byte == b'\t';
    let Some(field) = bytes.get(3).copied().filter(usable) else {
        let message = "MSH-1 names no field separator".to_owned();
        findings.push(refusal("MSH-1", "no-separator", message, "write | after MSH"));
        return None;
    };
    let declared = &bytes[4..];
    let end = declared.iter().position(|&byte| byte == field || byte == b'\r' || byte == b'\n');
    let declared = &declared[..end.unwrap_or(declared.len())];
    let mut delimiters = Delimiters { field, ..Delimiters::default() };
    let places = [
        &mut delimiters.component,
        &mut delimiters.repetition,
        &mut delimiters.escape,
        &mut delimiters.subcomponent,
    ];
    for (place, byte) in places.into_iter().zip(declared) {
        if byte.is_ascii_punctuation() {
            *place = *byte;
        }
    }
    let five = [
        delimiters.field,
        delimiters.component,
        delimiters.repetition,
        delimiters.escape,
        delimiters.subcomponent,
    ];
    let distinct = five.iter().enumerate().all(|(at, byte)| !five[..at].contains(byte));
    // A fifth character is the truncation mark of version 2.7.
    let complete = (4..=5).contains(&declared.len()) && declared.iter().all(u8::is_ascii_punctuation);
    if !distinct {
        let message = "MSH-2 names one character for two purposes".to_owned();
        findings.push(refusal("MSH-2", "separators-equal", message, "write ^~\\& into MSH-2"));
        return None;
    }
    if !complete {
        findings.push(
            Finding::warning(
                "MSH-2",
                "separators-missing",
                "MSH-2 does not name all encoding characters; ^~\\& is assumed for the others",
            )
            .with_repair("write ^~\\& into MSH-2"),
        );
    }
    Some(delimiters)
}

/// Whether a segment can begin here: a name of three characters, and a field separator or an end.
fn begins_segment(rest: &[u8], field: u8) -> bool {
    let name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    rest.len() >= 3
        && rest[0].is_ascii_uppercase()
        && rest[1..3].iter().all(name)
        && rest.get(3).is_none_or(|&next| next == field || next == b'\r' || next == b'\n')
}

impl<'a> Message<'a> {
    fn scan(&mut self, findings: &mut Vec<Finding>) {
        let bytes = self.text.as_bytes();
        let field = self.delimiters.field;
        self.starts.reserve(bytes.len() / 6);
        self.starts.push(0);
        let mut first = 0;
        let (mut line_feeds, mut broken_lines) = (false, false);
        for at in memchr3_iter(field, b'\r', b'\n', bytes) {
            if bytes[at] == field {
                self.starts.push(at as u32 + 1);
                continue;
            }
            let segment_start = self.starts[first as usize] as usize;
            if at < segment_start {
                continue;
            }
            // The end of a line: another segment begins after it, or the line goes on.
            let mut next = at + 1;
            while bytes.get(next).is_some_and(|byte| matches!(byte, b'\r' | b'\n' | b' ')) {
                next += 1;
            }
            line_feeds |= bytes[at..next].contains(&b'\n');
            if next < bytes.len() && !begins_segment(&bytes[next..], field) {
                broken_lines = true;
                continue;
            }
            self.segments.push(Bounds { first, last: self.starts.len() as u32, end: at as u32 });
            if next >= bytes.len() || self.segments.len() > limits::MESSAGE_SEGMENTS {
                first = self.starts.len() as u32;
                break;
            }
            first = self.starts.len() as u32;
            self.starts.push(next as u32);
        }
        if (first as usize) < self.starts.len() {
            self.segments.push(Bounds { first, last: self.starts.len() as u32, end: bytes.len() as u32 });
        }
        if line_feeds {
            findings.push(
                Finding::new(Severity::Information, "MSH", "line-feeds", "segments end with line feeds")
                    .with_repair("end each segment with a carriage return (0x0D) alone"),
            );
        }
        if broken_lines {
            findings.push(
                Finding::warning(
                    "MSH",
                    "line-breaks",
                    "a line does not begin with the name of a segment; it was joined to the one before",
                )
                .with_repair("write line breaks within a field as \\.br\\"),
            );
        }
    }

    /// The characters that part this message.
    pub fn delimiters(&self) -> &Delimiters {
        &self.delimiters
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// A message has at least its MSH.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The segments in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> {
        (0..self.segments.len()).map(|index| Segment { message: self, index })
    }

    /// Segment number `index`, from 0.
    pub fn segment(&self, index: usize) -> Option<Segment<'_>> {
        (index < self.segments.len()).then_some(Segment { message: self, index })
    }

    /// The first segment with this name.
    pub fn first(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// The header. Every message that was read has one.
    pub fn header(&self) -> Segment<'_> {
        Segment { message: self, index: 0 }
    }
}

impl<'m> Segment<'m> {
    fn bounds(&self) -> Bounds {
        self.message.segments[self.index]
    }

    /// Its position in the message, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name: `PID`, `OBX`, …
    pub fn name(&self) -> &'m str {
        let bounds = self.bounds();
        let start = self.message.starts[bounds.first as usize] as usize;
        self.message.text.get(start..start + 3).unwrap_or_default()
    }

    /// The number of the last field that is written, as the standard counts them (MSH-1 is the separator).
    pub fn last_field(&self) -> usize {
        let bounds = self.bounds();
        let written = (bounds.last - bounds.first) as usize - 1;
        if self.is_header() { written + 1 } else { written }
    }

    fn is_header(&self) -> bool {
        // A message begins with its MSH and has no other.
        self.index == 0
    }

    /// Field `number` as it is written, empty when it is not there. Numbers are those of the standard:
    /// MSH-1 is the field separator.
    pub fn field(&self, number: usize) -> Value<'m> {
        let delimiters = &self.message.delimiters;
        let at = match (self.is_header(), number) {
            (true, 1) => {
                let start = self.message.starts[self.bounds().first as usize] as usize + 3;
                return Value::field(self.message.text.get(start..start + 1).unwrap_or_default(), delimiters);
            }
            (true, number) => number.saturating_sub(1),
            (false, number) => number,
        };
        Value::field(self.text_at(at), delimiters)
    }

    /// What stands after the separator number `at`, from 1.
    fn text_at(&self, at: usize) -> &'m str {
        let Bounds { first, last, end } = self.bounds();
        let position = first as usize + at;
        if at == 0 || position >= last as usize {
            return "";
        }
        let start = self.message.starts[position] as usize;
        let end = match position + 1 < last as usize {
            true => self.message.starts[position + 1] as usize - 1,
            false => end as usize,
        };
        self.message.text.get(start..end).unwrap_or_default()
    }

    /// The whole segment as it is written.
    pub fn text(&self) -> &'m str {
        let bounds = self.bounds();
        let start = self.message.starts[bounds.first as usize] as usize;
        self.message.text.get(start..bounds.end as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> Vec<String> {
        let (message, _) = parse(text);
        message.map_or(Vec::new(), |m| m.segments().map(|s| s.text().to_owned()).collect())
    }

    fn codes(text: &str) -> Vec<String> {
        parse(text).1.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn fields_are_numbered_as_the_standard_does() {
        let (message, findings) = parse("MSH|^~\\&|HIS|县医院|||20260101||ADT^A01|1|P|2.4\rPID|1||12^^^H\r");
        let message = message.expect("a message");
        assert!(findings.is_empty());
        let header = message.header();
        assert_eq!((header.field(1).raw(), header.field(2).raw()), ("|", "^~\\&"));
        assert_eq!(
            (header.field(4).raw(), header.field(12).raw(), header.last_field()),
            ("县医院", "2.4", 12)
        );
        assert_eq!(header.field(9).part(2).raw(), "A01");
        let patient = message.first("PID").expect("PID");
        assert_eq!(
            (patient.field(3).part(4).raw(), patient.field(4).raw(), patient.last_field()),
            ("H", "", 3)
        );
    }

    #[test]
    fn line_ends_of_all_kinds_are_read() {
        let expected = ["MSH|^~\\&|A", "PID|1", "PV1|1|I"];
        for (text, found) in [
            ("MSH|^~\\&|A\rPID|1\rPV1|1|I", vec![]),
            ("MSH|^~\\&|A\nPID|1\nPV1|1|I\n", vec!["line-feeds"]),
            ("\u{b}MSH|^~\\&|A\r\nPID|1\r\n\r\nPV1|1|I\r\n\u{1c}\r", vec!["line-feeds"]),
        ] {
            assert_eq!(segments(text), expected, "{text:?}");
            assert_eq!(codes(text), found, "{text:?}");
        }
        assert_eq!(
            segments("MSH|^~\\&|A\rNTE|1||one\ntwo|x\rPID|1"),
            ["MSH|^~\\&|A", "NTE|1||one\ntwo|x", "PID|1"]
        );
        assert_eq!(codes("MSH|^~\\&|A\rNTE|1||one\ntwo\rPID|1"), ["line-feeds", "line-breaks"]);
    }

    #[test]
    fn what_has_no_header_is_refused_with_field_and_repair() {
        for (text, path, code) in [
            ("", "MSH", "no-header"),
            ("PID|1", "MSH", "no-header"),
            ("MSH", "MSH-1", "no-separator"),
            ("MSHx", "MSH-1", "no-separator"),
            ("MSH|^^\\&|", "MSH-2", "separators-equal"),
        ] {
            let (message, findings) = parse(text);
            assert!(message.is_none(), "{text}");
            let last = findings.last().expect("a finding");
            assert_eq!(
                (last.path.as_str(), last.code.as_str(), last.severity),
                (path, code, Severity::Fatal)
            );
            assert!(!last.repair.is_empty());
        }
        assert_eq!(codes("MSH|^~|A\r"), ["separators-missing"]);
    }

    #[test]
    fn other_separators_are_honoured() {
        let (message, _) = parse("MSH#*!?%#A\rPID#1##a*b%c!d");
        let message = message.expect("a message");
        let field = message.first("PID").expect("PID").field(3);
        let repetitions: Vec<_> = field.repetitions().map(|value| value.part(2).part(2).raw()).collect();
        assert_eq!(repetitions, ["c", ""]);
    }

    #[test]
    fn too_many_segments_are_refused() {
        let lines = |count: usize| format!("MSH|^~\\&|A\r{}", "ZZZ|1\r".repeat(count));
        assert!(parse(&lines(limits::MESSAGE_SEGMENTS - 1)).0.is_some());
        assert_eq!(codes(&lines(limits::MESSAGE_SEGMENTS)), ["too-many-segments"]);
    }
}
