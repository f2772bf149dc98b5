//! The shipped list and its triggers against vectors in text files.

use tongmai_surveillance::notifiable::{Class, Pack, SHIPPED};
use tongmai_surveillance::table::parse_date;
use tongmai_surveillance::trigger::{Certainty, Diagnosis, LaboratoryResult, Record};

fn pack() -> Pack {
    let (pack, findings) = Pack::parse(SHIPPED);
    assert!(findings.is_empty(), "{findings:?}");
    pack
}

fn day(text: &str) -> i64 {
    parse_date(text).expect("a date")
}

#[test]
fn list_by_date() {
    let pack = pack();
    for line in include_str!("vectors/list-sizes.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        for (class, expected) in [Class::A, Class::B, Class::C, Class::Monitored].into_iter().zip(&cells[1..])
        {
            let found = pack.on(day(cells[0])).filter(|disease| disease.class == class).count();
            assert_eq!(found.to_string(), *expected, "{line} {class:?}");
        }
    }
}

/// Codes: date, code, disease (or nothing), item, hours.
#[test]
fn codes() {
    let pack = pack();
    for line in include_str!("vectors/codes.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let found = pack.by_code(cells[1], day(cells[0]));
        let ours = found.map_or([String::new(), String::new(), String::new()], |listed| {
            let item = listed.item.map_or(String::new(), |item| item.name.clone());
            [listed.disease.code.clone(), item, listed.hours.to_string()]
        });
        assert_eq!(ours.as_slice(), &cells[2..5], "{line}");
    }
}

#[test]
fn intestinal_infection_beside_a_named_one_is_one_card() {
    let pack = pack();
    let of = |codes: &[&str]| {
        let diagnoses: Vec<Diagnosis> =
            codes.iter().map(|code| Diagnosis { code, suspected: false, history: false }).collect();
        let record = Record { diagnoses: &diagnoses, ..Record::default() };
        let triggers = pack.triggers(&record, day("2026-05-01"));
        triggers.iter().map(|t| t.listed.disease.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&["A09.9"]), ["diarrhoea"]);
    assert_eq!(of(&["A09.900", "A03.901"]), ["dysentery"]);
    assert_eq!(of(&["A00.9", "A09"]), ["cholera"]);
    assert_eq!(of(&["A75.3"]), [""; 0]);
}

/// Sentences: disease codes that must be triggered, `?` behind suspected ones.
#[test]
fn sentences() {
    let pack = pack();
    let mut wrong = Vec::new();
    for line in include_str!("vectors/sentences.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let (expected, sentence) = line.split_once('\t').expect("a tab");
        let record = Record { texts: &[sentence], ..Record::default() };
        let mut ours: Vec<String> = pack
            .triggers(&record, day("2026-05-01"))
            .iter()
            .map(|t| {
                let mark = if t.certainty == Certainty::Suspected { "?" } else { "" };
                format!("{}{mark}", t.listed.disease.code)
            })
            .collect();
        ours.dedup();
        if ours.join(" ") != expected.trim() {
            wrong.push(format!("{line}: {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn laboratory() {
    let pack = pack();
    for (name, value, expected) in [
        ("霍乱弧菌培养", "检出O1群霍乱弧菌", "cholera"),
        ("霍乱弧菌培养", "未检出", ""),
        ("登革病毒NS1抗原", "阳性(+)", "dengue"),
        ("登革病毒NS1抗原", "阴性(-)", ""),
        ("HIV抗体初筛", "阳性", "hiv?"),
        ("HIV抗体确证试验", "阳性", "hiv"),
        ("粪便培养", "副伤寒沙门菌生长", "typhoid"),
        ("粪便培养", "沙门菌生长", "diarrhoea"),
        ("血涂片", "查见疟原虫", "malaria"),
        ("血红蛋白", "120 g/L", ""),
    ] {
        let results = [LaboratoryResult { name, value }];
        let record = Record { results: &results, ..Record::default() };
        let triggers = pack.triggers(&record, day("2026-05-01"));
        let ours = triggers.first().map_or(String::new(), |t| {
            let mark = if t.certainty == Certainty::Suspected { "?" } else { "" };
            format!("{}{mark}", t.listed.disease.code)
        });
        assert_eq!(ours, expected, "{name} {value}");
    }
}

#[test]
fn a_bad_row_is_named() {
    let text = "code,name,english,class,from,until,hours,as_class_a,codes,exclude,items,terms,laboratory,sources\n\
                x,甲,X,Z,2020-01-01,,24,0,A00,,,,,S\n\
                y,乙,Y,A,2020-13-01,,24,0,A00,,,,,S\n\
                z,丙,Z,A,2020-01-01,,0,0,A00,,,,,S\n\
                a,丁,A,A,2020-01-01,,2,1,A00,,,,,S\n\
                b,戊,B,B,2020-01-01,,24,0,A00,,,,,S\n";
    let (pack, findings) = Pack::parse(text);
    assert_eq!(pack.diseases.len(), 2);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["bad-row", "bad-row", "bad-row", "doubled-code"]);
}
