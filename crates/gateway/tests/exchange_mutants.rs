//! Spoilt C-CDA documents, summaries, front pages, settlement lists, report cards and envelopes:
//! nothing panics, what was understood is valid, and each finding names its place and its repair.
//!
//! The everyday run is small; `TONGMAI_MUTANTS=1000000 cargo test --release -p tongmai-gateway --test
//! exchange_mutants` runs so many over all formats together. A seed that fails is printed.

mod damage;

use std::collections::HashMap;

use damage::DIRT;
use tongmai_gateway::insurance::envelope::{Gate, Keys};
use tongmai_gateway::{Understood, ccda, hqms, insurance, ips, report_card};
use tongmai_testkit::Random;

const PAGE: &str = "USERNAME,A01,A48,A49,A11,A12C,A13,A20,B12,B15,B16C,B20,C03C,C04N,C05C,C06x01C,C07x01N,C08x01C,C14x01C,C15x01N,C16x01,C18x01,C26C,B34C,D01,D11\n\
    995101000000000001,示例县人民医院,B1,2,王示例,2,1958-03-02,995101195803020020,2026-11-20 08:10:00,2026-11-27,0301,7,I63.900,脑梗死,1,I10.x00,高血压病,1,99.1001,静脉溶栓,2026-11-20,李医生,1,1,1200.50,1200.50\n\
    995101000000000001,示例县人民医院,B2,1,李示例,1,1960-03-02,,2026-11-21,2026-11-27,0301,6,J18.900,肺炎,1,,,,,,,,2,1,900,900\n";

const LIST: &str = r#"{"infno":"4101","msgid":"H99510100001202611270925000001","fixmedins_code":"H99510100001","mdtrtarea_admvs":"995101","insuplc_admdvs":"995101","recer_sys_code":"T","infver":"V1.0","opter_type":"1","opter":"1","opter_name":"x","inf_time":"2026-11-27 09:25:00","signtype":"SM2","cainfo":"AA==","input":{"setlinfo":{"mdtrt_id":"M1","setl_id":"S1",
"fixmedins_name":"示例","fixmedins_code":"H99510100001","medcasno":"B1","psn_name":"王示例","gend":"2","brdy":"1958-03-02",
"hi_type":"310","adm_time":"2026-11-20 08:10:00","dscg_time":"2026-11-27","medfee_sumamt":"1200.50","age":"68"},
"payinfo":[{"fund_pay_type":"310100","fund_payamt":"1100.50"}],
"diseinfo":[{"diag_code":"I10.x00","diag_name":"高血压病","maindiag_flag":"0"},
{"diag_code":"I63.900","diag_name":"脑梗死","adm_cond_type":"1","maindiag_flag":"1"}],
"oprninfo":[{"oprn_oprt_code":"99.1001","oprn_oprt_name":"静脉溶栓","oprn_oprt_date":"2026-11-20 09:00:00"}],
"iteminfo":[{"med_chrgitm":"09","amt":"1000.00"}]}}"#;

const CARD: &str = "卡片编号,患者姓名,性别,出生日期,现住址,病例分类,发病日期,诊断时间,疾病名称,疾病编码,报告单位,填卡医生,填卡日期\n\
    C1,王示例,女,1958-03-02,示例镇,2,2026-11-25,2026-11-27 08:40,霍乱,0200,示例县人民医院,李医生,2026-11-27\n";

const SUMMARY: &str = r#"{"resourceType":"Bundle","type":"document","identifier":{"system":"urn:x","value":"1"},"entry":[
{"fullUrl":"http://x/fhir/Composition/c","resource":{"resourceType":"Composition","id":"c","status":"final",
"type":{"coding":[{"system":"http://loinc.org","code":"60591-5"}]},"date":"2026-11-27","title":"IPS",
"subject":{"reference":"Patient/p"},"author":[{"display":"A"}],"section":[{"code":{"coding":[{"code":"11450-4"}]},"entry":[{"reference":"Condition/d"}]}]}},
{"fullUrl":"http://x/fhir/Patient/p","resource":{"resourceType":"Patient","id":"p","birthDate":"1960-01-02"}},
{"fullUrl":"http://x/fhir/Condition/d","resource":{"resourceType":"Condition","id":"d","subject":{"reference":"Patient/p"},"code":{"text":"x"}}}]}"#;

/// A format: how many of the everyday run, its examples, and its door.
struct Format {
    name: &'static str,
    seeds: u64,
    examples: Vec<String>,
    read: fn(&[u8]) -> Vec<Understood>,
}

fn formats() -> Vec<Format> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut formats = vec![
        Format { name: "hqms", seeds: 1_500, examples: texts(&[PAGE]), read: hqms::read },
        Format {
            name: "4101",
            seeds: 1_500,
            examples: texts(&[LIST]),
            read: |bytes| vec![insurance::read(bytes)],
        },
        Format { name: "report-card", seeds: 1_500, examples: texts(&[CARD]), read: report_card::read },
        Format {
            name: "ips",
            seeds: 1_500,
            examples: texts(&[SUMMARY]),
            read: |bytes| vec![ips::read(bytes)],
        },
        Format { name: "envelope", seeds: 1_500, examples: texts(&[LIST]), read: envelope },
    ];
    if let Some(folder) = tongmai_testkit::data("ccda/input") {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).expect("documents").map(|e| e.expect("a file").path()).collect();
        files.sort();
        // The smaller ones: a mutant of each takes as long as it is large.
        let mut examples: Vec<String> = files.iter().map(|path| tongmai_testkit::read_text(path)).collect();
        examples.retain(|text| text.len() < 60_000);
        formats.push(Format { name: "ccda", seeds: 700, examples, read: |bytes| vec![ccda::read(bytes)] });
    }
    formats
}

/// The envelope's gate, as a door: what it refuses stands in findings.
fn envelope(bytes: &[u8]) -> Vec<Understood> {
    let (sm2, sm3, sm4) = (vec![4; 65], vec![1], Some([2; 16]));
    let keys = Keys { sm2, sm3, sm4, organization: String::new() };
    let gate = Gate::new(HashMap::from([("H99510100001".to_owned(), keys)]));
    let findings = gate.open(bytes).err().unwrap_or_default();
    assert!(!findings.is_empty(), "a wrong signature passed");
    vec![Understood { findings, ..Understood::default() }]
}

fn mutant(examples: &[String], random: &mut Random) -> Vec<u8> {
    let mut text: Vec<char> = examples[random.below(examples.len())].chars().collect();
    for _ in 0..=random.below(4) {
        if text.is_empty() {
            break;
        }
        let at = random.below(text.len());
        let end = (at + random.below(30)).min(text.len());
        // A value: up to the next sign that parts values.
        let is_part = |c: &char| matches!(c, ',' | '"' | '<' | '>' | '\n' | ':');
        let value_end = text[at..].iter().position(is_part).map_or(text.len(), |length| at + length);
        match random.below(8) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..end)),
            2 => {
                let stretch = text[at..end].to_vec();
                text.splice(at..at, stretch);
            }
            3 => {
                let other = random.below(text.len());
                text.swap(at, other);
            }
            _ => {
                let dirt: Vec<char> = random.of(DIRT).chars().collect();
                text.splice(at..value_end, dirt);
            }
        }
    }
    damage::bytes(text.into_iter().collect(), 6, random)
}

fn check(format: &Format, seed: u64) -> Result<bool, String> {
    let all = (format.read)(&mutant(&format.examples, &mut Random(seed)));
    if all.is_empty() {
        return Err("nothing and no word why".to_owned());
    }
    all.iter().try_for_each(damage::judge)?;
    Ok(all.iter().all(Understood::is_refused))
}

#[test]
fn spoilt_inputs_of_every_format_are_salvaged_or_refused_with_reasons() {
    let formats = formats();
    let wanted = std::env::var_os("TONGMAI_MUTANTS").map(|_| damage::wanted(0) / formats.len() as u64);
    for format in &formats {
        let seeds = wanted.unwrap_or(format.seeds);
        let refused = damage::run(format.name, 0..seeds, &|seed| check(format, seed));
        println!("{}: {seeds} mutants, {refused} refused", format.name);
    }
}
