//! The register written down and read again.

use super::{Register, Row, Weights};
use crate::bytes::{Reader, put, put_text};

impl Register {
    /// Appends all records; posting lists and sounds are made again when they are read.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let words = self.names.sounds.len().saturating_sub(1);
        put(words as u64, out);
        for word in 1..=words as u32 {
            put_text(&String::from_utf16_lossy(self.names.units(word)), out);
        }
        put(self.rows.len() as u64, out);
        for row in &self.rows {
            for hash in [row.identity, row.insurance, row.phone, row.address, row.patient] {
                out.extend_from_slice(&hash.to_le_bytes());
            }
            for number in [row.given, row.family, row.birth] {
                put(number.into(), out);
            }
            out.extend_from_slice(&[row.sex, u8::from(row.checked)]);
            out.extend_from_slice(&row.provider.to_le_bytes());
        }
    }

    /// Reads what [`Register::write`] wrote; `None` when it is none.
    pub(crate) fn read(weights: Weights, from: &mut Reader<'_>) -> Option<Register> {
        let mut register = Register::with_weights(weights);
        register.names.intern("");
        for word in 1..=u32::try_from(from.number()?).ok()? {
            if register.names.intern(from.text()?) != word {
                return None;
            }
        }
        let words = register.names.sounds.len();
        let count = from.number()?;
        for _ in 0..count {
            let mut hash = || Some(u64::from_le_bytes(from.take(8)?.try_into().ok()?));
            let [identity, insurance, phone, address, patient] =
                [hash()?, hash()?, hash()?, hash()?, hash()?];
            let mut number = || u32::try_from(from.number()?).ok();
            let [given, family, birth] = [number()?, number()?, number()?];
            let (sex, checked) = (from.byte()?, from.byte()? != 0);
            let provider = u16::from_le_bytes(from.take(2)?.try_into().ok()?);
            if given as usize >= words || family as usize >= words {
                return None;
            }
            // A record that was taken out has no name, and counts for none.
            register.names.given_counts[given as usize] += 1;
            register.names.family_counts[family as usize] += 1;
            let numbers = Row { identity, insurance, phone, address, patient, ..Row::default() };
            register.rows.push(Row { given, family, birth, sex, checked, provider, ..numbers });
        }
        register.pack();
        Some(register)
    }
}
