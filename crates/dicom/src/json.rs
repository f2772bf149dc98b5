//! The DICOM JSON model (PS3.18, annex F): elements for QIDO and for the metadata of WADO.

use dicom_core::header::Header as _;
use dicom_core::value::Value;
use dicom_core::{Tag, VR};
use dicom_object::InMemDicomObject;
use tongmai_fhir::json::Json;
use tongmai_gateway::build::{Node, number, object, property, text};

use crate::header::{Header, name_groups, text_of};

/// Most nesting of sequences.
const DEPTH: usize = 16;

/// The elements of a file, without pixels and other bulk.
pub fn metadata(header: &Header) -> Node {
    elements(header.elements(), header.character_sets(), 0)
}

fn elements(from: &InMemDicomObject, sets: &[String], depth: usize) -> Node {
    let mut out = Json::Object(Vec::new());
    if depth > DEPTH {
        return out;
    }
    for element in from.iter() {
        let tag = element.tag();
        let vr = element.vr();
        if let Some(items) = element.value().items() {
            let items = items.iter().map(|item| elements(item, sets, depth + 1)).collect();
            *property(&mut out, &code(tag)) = object([("vr", text("SQ")), ("Value", Json::Array(items))]);
            continue;
        }
        // Bulk is fetched as a whole instance.
        if matches!(element.value(), Value::PixelSequence(_))
            || matches!(vr, VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN)
        {
            continue;
        }
        let values = text_of(from, tag, sets).map(|written| values(vr, &written));
        *property(&mut out, &code(tag)) =
            object([("vr", text(vr.to_string())), ("Value", values.unwrap_or(Json::Null))]);
    }
    out
}

fn values(vr: VR, written: &str) -> Node {
    let one = |part: &str| match vr {
        VR::PN => {
            let [alphabetic, ideographic, phonetic] = name_groups(part);
            object([
                ("Alphabetic", text(alphabetic)),
                ("Ideographic", text(ideographic)),
                ("Phonetic", text(phonetic)),
            ])
        }
        VR::IS | VR::DS | VR::US | VR::SS | VR::UL | VR::SL | VR::FL | VR::FD => {
            tongmai_gateway::decimal(part).map_or_else(|| text(part), number)
        }
        _ => text(part),
    };
    // Long texts may hold the sign that parts values elsewhere.
    if matches!(vr, VR::LT | VR::ST | VR::UT | VR::UR) {
        return Json::Array(vec![one(written)]);
    }
    Json::Array(written.split('\\').map(|part| one(part.trim())).collect())
}

/// An attribute of an answer that is not taken from a file.
pub fn attribute(out: &mut Node, tag: Tag, vr: VR, written: &str) {
    if !written.is_empty() {
        *property(out, &code(tag)) = object([("vr", text(vr.to_string())), ("Value", values(vr, written))]);
    }
}

/// A tag as eight digits.
pub fn code(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.0, tag.1)
}
