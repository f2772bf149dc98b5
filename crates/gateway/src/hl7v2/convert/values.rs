//! From the text of a field to a value of FHIR.

use tongmai_base::Finding;
use tongmai_fhir::definition::Primitive;
use tongmai_fhir::format;
use tongmai_fhir::json::Json;

use super::{Input, Run};
use crate::build::{Node, number, property, text};
use crate::hl7v2::table::{Piece, Row};
use crate::hl7v2::time;
use crate::hl7v2::value::Value;

impl<'m> Run<'_, 'm> {
    /// The words of a row, with what stands at the places named in them.
    pub(super) fn words(
        &mut self,
        pieces: &[Piece],
        input: Input<'m>,
        repeated: Option<(u16, Value<'m>)>,
        row: &Row,
    ) -> Option<Node> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Words(words) => out.push_str(words),
                Piece::At(place) => out.push_str(&self.at(place, input, repeated).text()),
            }
        }
        let out = out.trim();
        if out.is_empty() {
            return None;
        }
        match row.leaf.primitive() {
            Some(Primitive::Boolean) => Some(Json::Bool(out == "true")),
            Some(
                Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt | Primitive::Decimal,
            ) => format::is_decimal(out).then(|| number(out)),
            Some(Primitive::Uri) => Some(text(self.expanded(out))),
            _ => Some(text(out)),
        }
    }

    /// Converts a value to a primitive; what it cannot be stands in a finding.
    pub(super) fn primitive(&mut self, primitive: Primitive, value: Value<'m>, row: &Row) -> Option<Node> {
        let written = value.text();
        if written.is_empty() {
            return None;
        }
        let zone = &self.options.default_zone;
        let made = match primitive {
            Primitive::Boolean => match self.coded(&written, row).as_deref().unwrap_or(&written) {
                "Y" | "y" | "true" | "1" | "T" => Some(Json::Bool(true)),
                "N" | "n" | "false" | "0" | "F" => Some(Json::Bool(false)),
                _ => None,
            },
            Primitive::Date => time::moment(&written).map(|moment| text(moment.date)),
            Primitive::DateTime => time::moment(&written).map(|moment| text(moment.date_time(zone))),
            Primitive::Instant => time::moment(&written).and_then(|moment| moment.instant(zone)).map(text),
            Primitive::Time => time::time(&written).map(text),
            Primitive::Decimal => {
                let digits = written.trim_start_matches('+');
                format::is_decimal(digits).then(|| number(digits))
            }
            Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
                written.parse::<i32>().ok().map(|integer| number(integer.to_string()))
            }
            Primitive::Code if row.codes.is_some() => return self.code(&written, row),
            // A text with a code table is the code's display; as written where the table has none.
            Primitive::String if row.codes.is_some() => {
                let table = row.codes.as_deref().unwrap_or_default();
                let meaning =
                    self.tables.meaning(table, &written).filter(|meaning| !meaning.display.is_empty());
                Some(text(meaning.map_or(written.as_ref(), |meaning| meaning.display.as_str())))
            }
            Primitive::Code => Some(text(written.split_whitespace().collect::<Vec<_>>().join(" "))),
            Primitive::Base64Binary => {
                format::is_base64(&written).then(|| text(written.clone().into_owned()))
            }
            _ => Some(text(written.clone().into_owned())),
        };
        if made.is_none() {
            let finding = Finding::warning(
                self.path(),
                "format",
                format!("'{}' is no {}", short(&written), row.leaf.type_name),
            )
            .with_repair(format!("write {}", example(primitive)));
            self.findings.push(finding);
        }
        made
    }

    pub(super) fn coded(&self, written: &str, row: &Row) -> Option<String> {
        let table = row.codes.as_ref()?;
        self.tables.meaning(table, written).map(|meaning| meaning.code.clone())
    }

    /// A code translated by its table. What the table does not know cannot be said in FHIR's words.
    pub(super) fn code(&mut self, written: &str, row: &Row) -> Option<Node> {
        if let Some(code) = self.coded(written, row) {
            return Some(text(code));
        }
        let table = row.codes.as_deref().unwrap_or_default();
        let finding = Finding::warning(
            self.path(),
            "code-unknown",
            format!("the code '{}' is not in table {table}", short(written)),
        )
        .with_repair("send a code of the table, or add the site's code to the site's table");
        self.findings.push(finding);
        None
    }

    /// Translates the codes of a Coding or CodeableConcept; a code that the table does not know stays.
    pub(super) fn translate(&mut self, node: &mut Node, table: &str) {
        if node.get("coding").is_some() {
            if let Json::Array(codings) = property(node, "coding") {
                codings.iter_mut().for_each(|coding| self.translate(coding, table));
            }
            return;
        }
        let Some(meaning) = node.text("code").and_then(|code| self.tables.meaning(table, code)) else {
            return;
        };
        *property(node, "code") = text(meaning.code.as_str());
        if !meaning.display.is_empty() {
            *property(node, "display") = text(meaning.display.as_str());
        }
        if !meaning.system.is_empty() {
            *property(node, "system") = text(meaning.system.as_str());
        }
    }
}

/// Enough of a text to find it again, not more of what may be about a patient.
fn short(text: &str) -> String {
    text.chars().take(20).collect()
}

fn example(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Boolean => "Y or N",
        Primitive::Date => "a date as YYYYMMDD",
        Primitive::DateTime | Primitive::Instant => "a time as YYYYMMDDHHMMSS+0800",
        Primitive::Time => "a time as HHMMSS",
        Primitive::Base64Binary => "Base64",
        _ => "digits",
    }
}
