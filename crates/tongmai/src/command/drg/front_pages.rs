//! Front pages in the layout of HQMS as cases: the gateway's table says what each column is.

use serde_json::{Map, Value};
use tongmai_gateway::form::Record;
use tongmai_gateway::form::value::half_width;
use tongmai_gateway::hqms;

/// The fields of a case and the columns of a front page that give them.
const FIELDS: &[(&str, &str)] = &[
    ("Index", "A48"),
    ("hospital", "USERNAME"),
    ("gender", "A12C"),
    ("age", "A14"),
    ("ageDay", "A16"),
    ("weight", "A18x*"),
    ("dept", "B16C"),
    ("inHospitalTime", "B20"),
    ("leavingType", "B34C"),
    ("discharged", "B15"),
    ("cost", "D01"),
];

/// The cases of a sheet; `None` when it is none of front pages, which have a principal diagnosis.
pub fn cases(sheet: &[u8]) -> Option<Vec<Value>> {
    let (records, _) = hqms::form().records_of_sheet(sheet);
    let is_front_page = records.iter().any(|record| !values(record, "C03C").is_empty());
    is_front_page.then(|| records.iter().map(case).collect())
}

/// The values of a column in the order of their numbers.
fn values(record: &Record, code: &str) -> Vec<String> {
    let columns = &hqms::form().columns;
    let Some(column) = columns.iter().position(|column| column.code == code) else { return Vec::new() };
    let mut numbers: Vec<usize> =
        record.cells.iter().filter(|cell| cell.column == column).map(|cell| cell.number).collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|number| Some(half_width(&record.text(column, number)?))).collect()
}

fn case(record: &Record) -> Value {
    let mut case = Map::new();
    for (field, column) in FIELDS {
        if let Some(text) = values(record, column).into_iter().next() {
            case.insert((*field).to_owned(), Value::from(text));
        }
    }
    let diagnoses = [values(record, "C03C"), values(record, "C06x*C")].concat();
    case.insert("zdList".to_owned(), Value::from(diagnoses));
    case.insert("ssList".to_owned(), Value::from(values(record, "C14x*C")));
    Value::Object(case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_pages_become_cases_and_other_tables_do_not() {
        let sheet = "病案号,性别,年龄,主要诊断编码,其他诊断编码1,其他诊断编码2,手术操作编码1,实际住院天数,离院方式,总费用\n\
            B1,2,６８,I63.900,I10.x00,-,99.1001,7,1,1200.50\n";
        let cases = cases(sheet.as_bytes()).expect("front pages");
        assert_eq!(
            cases[0].to_string(),
            r#"{"Index":"B1","gender":"2","age":"68","inHospitalTime":"7","leavingType":"1","cost":"1200.50","zdList":["I63.900","I10.x00"],"ssList":["99.1001"]}"#
        );
        assert!(super::cases(b"Index,gender,age,zdList\n1,1,60,I63.900\n").is_none());
    }
}
