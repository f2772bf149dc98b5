//! XML from strangers, read into a tree.
//!
//! Hardened: no document type, no entities beyond the five predefined ones and
//! character references, limits on size, depth, elements and attributes. What is
//! not well-formed is salvaged as far as it goes: elements that were left open
//! are closed where the text ends or their parent does, and each repair stands in
//! a finding with its line.

use std::borrow::Cow;
use std::cell::OnceCell;

use quick_xml::Reader;
use quick_xml::escape;
use quick_xml::events::{BytesStart, Event};
use tongmai_base::{Finding, Severity, limits};

/// An element: name, attributes, text and children, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Element<'t> {
    /// Name without its prefix.
    pub name: Cow<'t, str>,
    /// Attributes without their prefixes and without name space declarations (`xsi:type` is `type`).
    pub attributes: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    /// The text directly within, without white space around it.
    pub text: Cow<'t, str>,
    /// Elements directly within.
    pub children: Vec<Element<'t>>,
    /// Where it begins, in bytes from the beginning of the text.
    pub offset: usize,
}

impl<'t> Element<'t> {
    /// An element of this name.
    pub fn new(name: impl Into<Cow<'t, str>>) -> Self {
        Element { name: name.into(), ..Element::default() }
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Element<'t>> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a name.
    pub fn all<'e, 'n>(&'e self, name: &'n str) -> impl Iterator<Item = &'e Element<'t>> + use<'e, 'n, 't> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The element at a path of first children: `recordTarget/patientRole`.
    pub fn at(&self, path: &str) -> Option<&Element<'t>> {
        path.split('/').try_fold(self, |element, name| element.child(name))
    }

    /// Sets an attribute, in place of one of the same name.
    pub fn set(&mut self, name: &str, value: impl Into<Cow<'t, str>>) {
        let value = value.into();
        match self.attributes.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((Cow::Owned(name.to_owned()), value)),
        }
    }

    /// All text within, children's included, in order of elements.
    pub fn deep_text(&self) -> String {
        let mut out = self.text.to_string();
        for child in &self.children {
            let inner = child.deep_text();
            if !out.is_empty() && !inner.is_empty() {
                out.push(' ');
            }
            out.push_str(&inner);
        }
        out
    }
}

/// Reads a document. `None` when it holds no element at all.
pub fn read<'t>(text: &'t str, findings: &mut Vec<Finding>) -> Option<Element<'t>> {
    let mut salvage =
        Salvage { text, places: Places::new(text), open: Vec::new(), root: None, elements: 0, findings };
    if text.len() > limits::MESSAGE_BYTES {
        salvage.found(0, Severity::Fatal, "size", "the document is too large".to_owned(), "send it in parts");
        return None;
    }
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    loop {
        let offset = reader.buffer_position() as usize;
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                if !salvage.begin(&start, offset) {
                    break;
                }
            }
            Ok(Event::Empty(start)) => {
                if !salvage.begin(&start, offset) {
                    break;
                }
                salvage.close();
            }
            Ok(Event::End(end)) => salvage.end(local(end.name().0), offset),
            Ok(Event::Text(text)) => salvage.append(text.into_inner()),
            Ok(Event::CData(data)) => salvage.append(data.into_inner()),
            Ok(Event::GeneralRef(entity)) => {
                let name = entity.into_inner();
                salvage.entity(&name, offset);
            }
            Ok(Event::DocType(_)) => salvage.found(
                offset,
                Severity::Error,
                "doctype",
                "a document type is not read, nor the entities that it declares".to_owned(),
                "leave the DOCTYPE out",
            ),
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                let message = format!("not well-formed from here: {error}");
                salvage.found(offset, Severity::Error, "malformed", message, "mend the XML at this line");
                break;
            }
        }
        // What comes after the document is not read.
        if salvage.root.is_some() && salvage.open.is_empty() {
            break;
        }
    }
    salvage.finish()
}

/// The first element of a name, the root included: documents arrive within envelopes.
pub fn find<'e, 't>(element: &'e Element<'t>, name: &str) -> Option<&'e Element<'t>> {
    if element.name == name {
        return Some(element);
    }
    element.children.iter().find_map(|child| find(child, name))
}

/// The encoding that an XML declaration names.
pub fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(200)];
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let declaration = head.split_once("<?xml")?.1.split_once("?>")?.0;
    let after = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    after[1..].split_once(quote).map(|(label, _)| label.to_owned())
}

/// Says where a byte offset of a text is, as `line:column`. The lines are counted once.
pub struct Places<'t> {
    text: &'t str,
    /// Offsets at which lines begin.
    lines: OnceCell<Vec<usize>>,
}

impl<'t> Places<'t> {
    /// Of this text.
    pub fn new(text: &'t str) -> Self {
        Places { text, lines: OnceCell::new() }
    }

    /// `line:column` of an offset, both from one; columns are bytes.
    pub fn of(&self, offset: usize) -> String {
        let lines = self.lines.get_or_init(|| {
            let breaks = memchr::memchr_iter(b'\n', self.text.as_bytes());
            std::iter::once(0).chain(breaks.map(|at| at + 1)).collect()
        });
        let line = lines.partition_point(|begin| *begin <= offset);
        let begin = line.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or(0);
        format!("{line}:{}", offset - begin + 1)
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

struct Salvage<'t, 'f> {
    text: &'t str,
    places: Places<'t>,
    open: Vec<Element<'t>>,
    root: Option<Element<'t>>,
    elements: usize,
    findings: &'f mut Vec<Finding>,
}

impl<'t> Salvage<'t, '_> {
    #[cold]
    fn found(&mut self, offset: usize, severity: Severity, code: &str, message: String, repair: &str) {
        if self.findings.len() <= limits::MESSAGE_FINDINGS {
            let path = self.places.of(offset);
            self.findings.push(Finding::new(severity, path, code, message).with_repair(repair));
        }
    }

    /// Opens an element; `false` when a limit is reached and reading ends.
    fn begin(&mut self, start: &BytesStart<'t>, offset: usize) -> bool {
        self.elements += 1;
        if self.open.len() >= limits::XML_DEPTH || self.elements > limits::XML_ELEMENTS {
            let what = if self.open.len() >= limits::XML_DEPTH { "deep" } else { "many elements" };
            self.found(
                offset,
                Severity::Error,
                "limit",
                format!("nested too {what}; what follows is not read"),
                "send a smaller document",
            );
            return false;
        }
        let name = self.borrowed(local(start.name().0));
        let mut element = Element { name, offset, ..Element::default() };
        for attribute in start.html_attributes().with_checks(false).flatten() {
            let key = attribute.key.0;
            if key.starts_with("xmlns") {
                continue;
            }
            if element.attributes.len() >= limits::XML_ATTRIBUTES {
                self.found(
                    offset,
                    Severity::Error,
                    "limit",
                    "too many attributes".to_owned(),
                    "leave some out",
                );
                break;
            }
            let key = self.borrowed(local(key));
            if element.attribute(&key).is_some() {
                let message = format!("attribute {key} stands twice; the first one counts");
                self.found(offset, Severity::Error, "malformed", message, "write each attribute once");
                continue;
            }
            let value = self.unescaped(attribute.value, offset);
            element.attributes.push((key, value));
        }
        self.open.push(element);
        true
    }

    /// The same text, borrowed from the document where it is a part of it.
    fn borrowed(&self, part: &str) -> Cow<'t, str> {
        let offset = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        match offset.and_then(|offset| self.text.get(offset..offset + part.len())) {
            Some(same) if std::ptr::eq(same, part) => Cow::Borrowed(same),
            _ => Cow::Owned(part.to_owned()),
        }
    }

    fn unescaped(&mut self, value: Cow<'_, str>, offset: usize) -> Cow<'t, str> {
        if !value.contains('&') {
            return self.borrowed(value.trim());
        }
        let owned = match escape::unescape(&value) {
            Ok(text) => text.into_owned(),
            Err(error) => {
                let message = format!("an entity that is not predefined stays as it is: {error}");
                self.found(offset, Severity::Warning, "entity", message, "write the character itself");
                value.into_owned()
            }
        };
        Cow::Owned(match owned.trim() {
            trimmed if trimmed.len() == owned.len() => owned,
            trimmed => trimmed.to_owned(),
        })
    }

    fn append(&mut self, text: Cow<'t, str>) {
        let Some(element) = self.open.last_mut() else { return };
        if element.text.is_empty() {
            if !text.trim().is_empty() {
                element.text = text;
            }
        } else {
            element.text.to_mut().push_str(&text);
        }
    }

    fn entity(&mut self, name: &str, offset: usize) {
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => name.strip_prefix('#').and_then(|number| {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => number.parse().ok(),
                };
                code.and_then(char::from_u32)
            }),
        };
        match character {
            Some(character) => self.append(Cow::Owned(character.to_string())),
            None => {
                let message = format!("entity {name} is not predefined and stays as it is");
                self.found(offset, Severity::Warning, "entity", message, "write the character itself");
                self.append(Cow::Owned(format!("&{name};")));
            }
        }
    }

    fn end(&mut self, name: &str, offset: usize) {
        match self.open.iter().rposition(|element| element.name == name) {
            Some(at) => {
                while self.open.len() > at + 1 {
                    let left = self.open.last().map(|element| element.name.to_string()).unwrap_or_default();
                    let message = format!("{left} is not closed before {name} is");
                    self.found(offset, Severity::Error, "malformed", message, "close the element");
                    self.close();
                }
                self.close();
            }
            None => {
                let message = format!("{name} is closed but was not open");
                self.found(offset, Severity::Error, "malformed", message, "leave the end tag out");
            }
        }
    }

    fn close(&mut self) {
        let Some(mut element) = self.open.pop() else { return };
        let trimmed = element.text.trim();
        if trimmed.len() != element.text.len() {
            element.text = match element.text {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
            };
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn finish(mut self) -> Option<Element<'t>> {
        if let Some(element) = self.open.last() {
            let message = format!("the text ends within {}", element.name);
            self.found(self.text.len(), Severity::Error, "malformed", message, "send the whole document");
        }
        while !self.open.is_empty() {
            self.close();
        }
        if self.root.is_none() {
            self.found(
                0,
                Severity::Fatal,
                "empty",
                "no XML element was found".to_owned(),
                "send an XML document",
            );
        }
        self.root
    }
}

/// Writes a tree with two spaces a level. `xsi:type` is written for `type`, and the root carries
/// the name spaces of HL7 version 3.
pub fn write(root: &Element<'_>) -> String {
    let mut out = String::with_capacity(16 * 1024);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write_element(root, 0, &mut out);
    out
}

fn write_element(element: &Element<'_>, depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', depth * 2));
    out.push('<');
    out.push_str(&element.name);
    if depth == 0 {
        out.push_str(" xmlns=\"urn:hl7-org:v3\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
    }
    for (name, value) in &element.attributes {
        out.push(' ');
        out.push_str(if name == "type" { "xsi:type" } else { name });
        out.push_str("=\"");
        escape_into(value, out);
        out.push('"');
    }
    if element.text.is_empty() && element.children.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push('>');
    escape_into(&element.text, out);
    if !element.children.is_empty() {
        out.push('\n');
        for child in &element.children {
            write_element(child, depth + 1, out);
        }
        out.extend(std::iter::repeat_n(' ', depth * 2));
    }
    out.push_str("</");
    out.push_str(&element.name);
    out.push_str(">\n");
}

/// Escapes text and attribute values; characters that XML 1.0 has no place for become U+FFFD.
fn escape_into(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, codes: &[&str]) {
        let mut findings = Vec::new();
        let root = read(text, &mut findings);
        let written = root.map(|root| {
            let mut out = String::new();
            write_element(&root, 1, &mut out);
            out.split('\n').map(str::trim).collect::<String>()
        });
        assert_eq!(written.unwrap_or_default(), expected, "{text}");
        assert_eq!(findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), codes, "{text}");
        assert!(findings.iter().all(|f| !f.path.is_empty() && !f.repair.is_empty()));
    }

    #[test]
    fn what_is_not_well_formed_is_salvaged() {
        check("<a x='1'> t <b/></a>", r#"<a x="1">t<b/></a>"#, &[]);
        check("<n:a xmlns:n='u' xsi:type='CD'>&lt;&#20013;</n:a>", r#"<a xsi:type="CD">&lt;中</a>"#, &[]);
        check("<a><b><c>x</b></a>", "<a><b><c>x</c></b></a>", &["malformed"]);
        check("<a></b>y</a>", "<a>y</a>", &["malformed"]);
        check("<a><b>x", "<a><b>x</b></a>", &["malformed"]);
        check("<a x='1' x='2'/>", r#"<a x="1"/>"#, &["malformed"]);
        check("<a>1 & 2</a>", "<a>1 &amp; 2</a>", &[]);
        check("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "<a>&amp;e;</a>", &["doctype", "entity"]);
        check("nothing", "", &["empty"]);
        check("<a><![CDATA[<b>]]></a>", "<a>&lt;b&gt;</a>", &[]);
    }

    #[test]
    fn places_are_lines_and_columns() {
        let places = Places::new("ab\nc\n");
        let told: Vec<String> = (0..=6).map(|offset| places.of(offset)).collect();
        assert_eq!(told, ["1:1", "1:2", "1:3", "2:1", "2:2", "3:1", "3:2"]);
    }

    #[test]
    fn depth_is_limited() {
        let within = "<a>".repeat(limits::XML_DEPTH) + &"</a>".repeat(limits::XML_DEPTH);
        let mut findings = Vec::new();
        read(&within, &mut findings);
        assert!(findings.is_empty());
        let past = "<a>".repeat(limits::XML_DEPTH + 1);
        read(&past, &mut findings);
        assert_eq!(findings[0].code, "limit");
    }
}
