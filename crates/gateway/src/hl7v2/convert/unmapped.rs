//! Nothing is dropped without a word: fields and components that no table maps.

use tongmai_base::{Finding, Severity};

use super::Run;
use crate::hl7v2::table::{Map, MapId};
use crate::hl7v2::value::Value;

impl<'m> Run<'_, 'm> {
    /// Where the reading is, as HL7 v2 people say it: `OBX[3]-5.2`.
    pub(super) fn path(&self) -> String {
        let name = self.segment.name();
        let before = (0..self.segment.index()).filter_map(|at| self.message.segment(at));
        let same = before.filter(|segment| segment.name() == name).count();
        let several = same > 0
            || (self.segment.index() + 1..self.message.len())
                .filter_map(|at| self.message.segment(at))
                .any(|segment| segment.name() == name);
        let mut path = if several { format!("{name}[{}]", same + 1) } else { name.to_owned() };
        for (at, number) in self.trail.iter().enumerate() {
            path.push(if at == 0 { '-' } else { '.' });
            path.push_str(&number.to_string());
        }
        path
    }

    /// Names the valued fields of a segment that no map speaks of.
    pub(super) fn report_unmapped(&mut self, name: &str, mapped: &[MapId]) {
        if matches!(name, "MSH" | "FHS" | "BHS" | "BTS" | "FTS") {
            return;
        }
        if mapped.is_empty() && self.tables.flow(name).is_empty() {
            let known = if name.starts_with('Z') { "a segment of the site" } else { "a segment" };
            let finding = Finding::warning(
                self.path(),
                "unmapped-segment",
                format!("{name} is {known} that no table maps"),
            )
            .with_repair("map it in the site's table (--table)");
            self.findings.push(finding);
            return;
        }
        for field in 1..=self.segment.last_field() {
            if !self.segment.field(field).is_valued() {
                continue;
            }
            let field = field as u16;
            let is_known = mapped.iter().any(|map| {
                let map = self.tables.map(*map);
                map.left_out.contains(&field) || map.rows.iter().any(|row| row.source.field == field)
            });
            if !is_known {
                self.trail.push(field);
                self.unmapped("no table maps this field");
                self.trail.pop();
            }
        }
    }

    pub(super) fn report_unmapped_parts(&mut self, map: &Map, value: Value<'m>) {
        let parts = value.parts();
        if parts == 1 || map.rows.iter().any(|row| row.source.field == 0 && row.steps.is_empty()) {
            return;
        }
        for part in 1..=parts {
            let number = part as u16;
            let is_known =
                map.left_out.contains(&number) || map.rows.iter().any(|row| row.source.field == number);
            if !is_known && value.part(part).is_valued() {
                self.trail.push(number);
                self.unmapped("no table maps this component");
                self.trail.pop();
            }
        }
    }

    pub(super) fn unmapped(&mut self, message: &str) {
        let finding = Finding::new(Severity::Information, self.path(), "unmapped", message)
            .with_repair("map it in the site's table if it is needed; the original message is kept");
        self.findings.push(finding);
    }
}
