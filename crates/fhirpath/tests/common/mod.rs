//! Reads the XML of HL7's test suites; tests only, since the repository takes JSON.

#![allow(dead_code, reason = "each test uses a part of it")]

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use tongmai_fhir::definition::{self, Group, Primitive, Shape};
use tongmai_fhir::json::{Json, Object};

/// An element of an XML document.
#[derive(Debug, Default)]
pub struct Xml {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Xml>,
    /// Its text, without that of its children.
    pub text: String,
    /// The element as it is written.
    pub source: String,
}

impl Xml {
    pub fn parse(text: &str) -> Xml {
        let mut reader = Reader::from_str(text);
        let mut open = vec![(Xml::default(), 0)];
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event().unwrap_or_else(|e| panic!("XML: {e}"));
            let end = reader.buffer_position() as usize;
            let finished = match event {
                Event::Start(tag) => {
                    open.push((Xml::of(&tag), start));
                    continue;
                }
                Event::Empty(tag) => Xml { source: text[start..end].to_owned(), ..Xml::of(&tag) },
                Event::End(_) => {
                    let (element, start) = open.pop().expect("an open element");
                    Xml { source: text[start..end].to_owned(), ..element }
                }
                Event::Text(_) => {
                    open.last_mut().expect("a document").0.text.push_str(&text[start..end]);
                    continue;
                }
                Event::CData(_) => {
                    let inner = text[start..end].trim_start_matches("<![CDATA[").trim_end_matches("]]>");
                    open.last_mut().expect("a document").0.text.push_str(inner);
                    continue;
                }
                Event::GeneralRef(_) => {
                    open.last_mut().expect("a document").0.text.push_str(&plain(&text[start..end]));
                    continue;
                }
                Event::Eof => {
                    let mut document = open.pop().expect("the document").0;
                    return document.children.pop().expect("a root element");
                }
                _ => continue,
            };
            open.last_mut().expect("a document").0.children.push(finished);
        }
    }

    fn of(tag: &BytesStart<'_>) -> Xml {
        let attributes = tag.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute");
            let name = attribute.key.as_ref().to_owned();
            (name, plain(attribute.value.as_ref()))
        });
        Xml { name: tag.name().as_ref().to_owned(), attributes: attributes.collect(), ..Xml::default() }
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn child(&self, name: &str) -> Option<&Xml> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn all<'x>(&'x self, name: &'x str) -> impl Iterator<Item = &'x Xml> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Text with its entities resolved.
fn plain(text: &str) -> String {
    quick_xml::escape::unescape(text).unwrap_or_else(|e| panic!("{text}: {e}")).into_owned()
}

/// A resource as FHIR JSON.
pub fn resource(xml: &Xml) -> Json<'static> {
    let group = definition::group_at(&xml.name).unwrap_or_else(|| panic!("no type {}", xml.name));
    let mut object: Object<'static> = vec![("resourceType".into(), xml.name.clone().into())];
    fill(xml, group, &mut object);
    Json::Object(object)
}

fn fill(xml: &Xml, group: &'static Group, object: &mut Object<'static>) {
    for name in ["id", "url"] {
        if let Some(value) = xml.attribute(name) {
            object.push((name.into(), value.to_owned().into()));
        }
    }
    for child in &xml.children {
        let property = group.property(&child.name);
        let property = property.unwrap_or_else(|| panic!("{} has no {}", group.path, child.name));
        let (element, of_type) = group.typed(property);
        let (value, beside) = match of_type.shape {
            Shape::Primitive(primitive) => (scalar(child, primitive), beside(child)),
            Shape::Group(id) => {
                let mut inner = Vec::new();
                fill(child, definition::group(id), &mut inner);
                (Some(Json::Object(inner)), None)
            }
            Shape::Resource => (child.children.first().map(resource), None),
        };
        if element.many {
            let index = append(object, &child.name, value.unwrap_or(Json::Null), 0);
            if let Some(beside) = beside {
                append(object, &format!("_{}", child.name), beside, index);
            }
        } else {
            object.extend(value.map(|value| (child.name.clone().into(), value)));
            object.extend(beside.map(|beside| (format!("_{}", child.name).into(), beside)));
        }
    }
}

/// Appends to a list, at the least at `index`; gives the position.
fn append(object: &mut Object<'static>, name: &str, value: Json<'static>, index: usize) -> usize {
    let at = object.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        object.push((name.to_owned().into(), Json::Array(Vec::new())));
        object.len() - 1
    });
    let Json::Array(items) = &mut object[at].1 else { panic!("{name} is no list") };
    while items.len() < index {
        items.push(Json::Null);
    }
    items.push(value);
    items.len() - 1
}

fn scalar(xml: &Xml, primitive: Primitive) -> Option<Json<'static>> {
    if primitive == Primitive::Xhtml {
        return Some(xml.source.clone().into());
    }
    // The suite writes a reference once as `<reference reference="…"/>`.
    let text = xml.attribute("value").or_else(|| xml.attribute(&xml.name))?.to_owned();
    Some(match primitive {
        Primitive::Boolean => Json::Bool(text == "true"),
        Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
            Json::Number(text.into())
        }
        _ => text.into(),
    })
}

fn beside(xml: &Xml) -> Option<Json<'static>> {
    let id = xml.attribute("id");
    if xml.name == "div" || (id.is_none() && xml.child("extension").is_none()) {
        return None;
    }
    let mut object: Object<'static> = id.map(|id| ("id".into(), id.to_owned().into())).into_iter().collect();
    for extension in xml.all("extension") {
        let mut inner = Vec::new();
        fill(extension, definition::group_at("Extension").expect("Extension"), &mut inner);
        append(&mut object, "extension", Json::Object(inner), 0);
    }
    Some(Json::Object(object))
}
