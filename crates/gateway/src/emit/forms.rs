//! A visit as forms: the front page, the settlement list, a view of the hospital's database.
//!
//! They are written from the facts by the codes of the columns, and not through FHIR, so that what is read of them is compared with
//! the facts themselves.

use super::Visit;
use crate::form::door::visits;
use crate::form::{Cell, Form, Record};
use crate::insurance::envelope::{Letter, seal};
use crate::{hqms, insurance};

use super::insurer;

/// `YYYY-MM-DD hh:mm:ss` of `YYYYMMDDhhmmss`; a day alone of eight digits.
fn written(time: &str) -> String {
    let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default();
    let day = match time.len() {
        0..8 => return String::new(),
        _ => format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8)),
    };
    if time.len() < 14 {
        return day;
    }
    format!("{day} {}:{}:{}", part(8, 10), part(10, 12), part(12, 14))
}

/// An amount in yuan.
fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// Days in a bed; a stay within one day counts as one.
fn days(visit: &Visit) -> i64 {
    let day = |time: &str| {
        let number = |from: usize, to: usize| time.get(from..to).and_then(|part| part.parse::<i64>().ok());
        Some(tongmai_base::time::days_from_civil(
            number(0, 4)?,
            number(4, 6)?.try_into().ok()?,
            number(6, 8)?.try_into().ok()?,
        ))
    };
    match (day(&visit.start), day(&visit.end)) {
        (Some(start), Some(end)) => (end - start).max(1),
        _ => 1,
    }
}

fn sex(visit: &Visit) -> &'static str {
    if visit.sex == "male" { "1" } else { "2" }
}

/// A record of these columns; names that the form does not know would be a fault of this module, which a test would show as
/// values that are missing.
fn record(form: &Form, cells: &[(String, String)]) -> Record {
    let cells = cells.iter().filter(|(_, text)| !text.is_empty()).filter_map(|(code, text)| {
        let (column, number) = form.column(code)?;
        Some(Cell { column, number, text: text.clone() })
    });
    Record { place: String::new(), cells: cells.collect(), unknown: Vec::new() }
}

fn named(cells: &[(&str, &str)]) -> Vec<(String, String)> {
    cells.iter().map(|(code, text)| ((*code).to_owned(), (*text).to_owned())).collect()
}

/// The front page of a stay that is over, as a sheet of one row, with the hospital's number of the visit beside the national columns or
/// without; `None` for a visit that has none.
pub fn front_page(visit: &Visit, with_number: bool) -> Option<String> {
    if !visit.inpatient || !visit.is_over() || visit.diagnoses.is_empty() {
        return None;
    }
    let (days, cost) = (days(visit).to_string(), yuan(visit.fen));
    let mut cells = named(&[
        ("USERNAME", &visit.organization),
        ("A01", &visit.organization_name),
        ("A46C", "1"),
        ("A48", &visit.patient),
        ("VISIT", if with_number { &visit.number } else { "" }),
        ("A49", "1"),
        ("A11", &visit.name()),
        ("A12C", sex(visit)),
        ("A13", &written(&visit.birth)),
        ("A20", &visit.citizen),
        ("A27", &visit.phone),
        ("B12", &written(&visit.start)),
        ("B13C", &visit.department),
        ("B15", &written(&visit.end)),
        ("B16C", &visit.department),
        ("B20", &days),
        ("B25", &visit.doctor_name),
        ("B34C", "1"),
        ("D01", &cost),
        ("D34", &cost),
    ]);
    for (rank, (code, name)) in visit.diagnoses.iter().enumerate() {
        let columns = match rank {
            0 => ["C03C".to_owned(), "C04N".to_owned(), "C05C".to_owned()],
            more => [format!("C06x{more:02}C"), format!("C07x{more:02}N"), format!("C08x{more:02}C")],
        };
        cells.extend(columns.into_iter().zip([code.clone(), name.clone(), "1".to_owned()]));
    }
    let form = hqms::form();
    Some(form.sheet(&[record(form, &cells)], false))
}

/// The input of a settlement list (4101) of a stay that is over.
fn settlement_input(visit: &Visit) -> Option<String> {
    if !visit.inpatient || !visit.is_over() || visit.diagnoses.is_empty() {
        return None;
    }
    let form = insurance::form("4101")?;
    let mut cells = named(&[
        ("setlinfo.mdtrt_id", &format!("M{}", visit.number)),
        ("setlinfo.setl_id", &format!("S{}", visit.number)),
        ("setlinfo.fixmedins_code", &insurer::code(&visit.organization)),
        ("setlinfo.fixmedins_name", &visit.organization_name),
        ("setlinfo.medcasno", &visit.patient),
        ("setlinfo.psn_name", &visit.name()),
        ("setlinfo.gend", sex(visit)),
        ("setlinfo.brdy", &written(&visit.birth)),
        ("setlinfo.certno", &visit.citizen),
        ("setlinfo.hi_type", "390"),
        ("setlinfo.adm_time", &written(&visit.start)),
        ("setlinfo.dscg_time", &written(&visit.end)),
        ("setlinfo.dscg_way", "1"),
        ("setlinfo.medfee_sumamt", &yuan(visit.fen)),
    ]);
    for (rank, (code, name)) in visit.diagnoses.iter().enumerate() {
        let is_main = if rank == 0 { "1" } else { "0" };
        for (field, text) in [
            ("diag_code", code.as_str()),
            ("diag_name", name),
            ("maindiag_flag", is_main),
            ("adm_cond_type", "1"),
        ] {
            cells.push((format!("diseinfo[{rank}].{field}"), text.to_owned()));
        }
    }
    Some(form.tree(&record(form, &cells)).to_string())
}

/// The settlement list of a stay, signed and encrypted by its hospital; `time` is that of the message, `YYYYMMDDhhmmss`.
pub fn settlement_list(visit: &Visit, time: &str, serial: u32) -> Option<String> {
    let input = settlement_input(visit)?;
    let institution = insurer::code(&visit.organization);
    let letter = Letter {
        number: "4101",
        institution: &institution,
        time,
        serial,
        region: insurer::REGION,
        input: &input,
    };
    let secret = insurer::secret(&institution);
    seal(&letter, &secret, Some(&insurer::cipher_key(&institution)), &insurer::initial(&letter))
}

/// The visit as a row of a view of the hospital's database, as [`visits`] reads it.
pub fn view(visit: &Visit) -> String {
    let number = if visit.inpatient { "ZYH" } else { "MZH" };
    let mut cells = named(&[
        ("JGDM", &visit.organization),
        ("JGMC", &visit.organization_name),
        ("BRBH", &visit.patient),
        (number, &visit.number),
        ("JZLB", if visit.inpatient { "3" } else { "1" }),
        ("JZSJ", &written(&visit.start)),
        ("CYSJ", &written(&visit.end)),
        ("SFZH", &visit.citizen),
        ("XM", &visit.name()),
        ("XB", sex(visit)),
        ("CSRQ", &written(&visit.birth)),
        ("LXDH", &visit.phone),
    ]);
    for (rank, (code, name)) in visit.diagnoses.iter().enumerate() {
        cells.push((format!("ZDBM{}", rank + 1), code.clone()));
        cells.push((format!("ZDMC{}", rank + 1), name.clone()));
    }
    let form = visits();
    form.sheet(&[record(form, &cells)], false)
}
