//! What a hospital's export may do wrong: every line gets an answer, and the run goes on.

use super::*;
use tongmai_drg::demo;

struct Run {
    folder: PathBuf,
}

impl Run {
    fn new(name: &str) -> Run {
        let folder = std::env::temp_dir().join(format!("tongmai-group-{name}-{}", std::process::id()));
        files::write_pack(&demo::pack().files(), &folder.join("pack")).unwrap();
        Run { folder }
    }

    /// The answers to these bytes, a JSON object a line.
    fn group(&self, cases: &[u8]) -> Vec<Value> {
        let (input, out) = (self.folder.join("cases.jsonl"), self.folder.join("out.jsonl"));
        std::fs::write(&input, cases).unwrap();
        run(&Arguments {
            pack: self.folder.join("pack"),
            tables: None,
            input,
            out: out.clone(),
            scheme: Scheme::Chs,
            version: None,
            trace: false,
            from_national_clinical: false,
        })
        .unwrap();
        let text = std::fs::read_to_string(out).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const GOOD: &str = r#"{"Index":"1","gender":"1","age":"30","inHospitalTime":"4","leavingType":"1","zdList":["K35.800"],"ssList":["47.0100"]}"#;

#[test]
fn every_malformed_case_gets_a_status_and_a_reason_and_the_run_goes_on() {
    let many: Vec<String> = (0..1_000).map(|at| format!("E11.{at:03}")).collect();
    let diagnoses: Vec<String> = std::iter::once("K35.800".to_owned()).chain(many.clone()).collect();
    let thousand = json!({"gender": 1, "age": 60, "zdList": diagnoses, "ssList": many});
    let gbk = encoding_rs::GB18030
        .encode(r#"{"gender":"男","age":"30","dept":"普外科","zdList":["K35.800"],"ssList":["47.0100"]}"#)
        .0;
    let lines: Vec<(Vec<u8>, &str, &str)> = vec![
        (GOOD.into(), "grouped", ""),
        (br#"{"gender":1,"age":"#.to_vec(), "invalid", "unreadable"),
        (br#"{"gender":{"a":1},"age":[1],"inHospitalTime":true,"zdList":{"x":1},"ssList":7}"#.to_vec(), "invalid", "sex-invalid"),
        (br#"{"gender":1,"age":[3],"zdList":["K35.800"]}"#.to_vec(), "invalid", "age-invalid"),
        (br#"{"gender":1,"age":999,"zdList":["K35.800"]}"#.to_vec(), "invalid", "age-invalid"),
        (br#"{"gender":1,"age":-4,"zdList":["K35.800"]}"#.to_vec(), "invalid", "age-invalid"),
        (br#"{"gender":1,"age":99999999999999999999,"zdList":["K35.800"]}"#.to_vec(), "invalid", "age-invalid"),
        (br#"{"gender":1,"age":0,"ageDay":5000,"zdList":["K35.800"]}"#.to_vec(), "invalid", "age-days-invalid"),
        (br#"{"gender":1,"age":30,"inHospitalTime":"many","zdList":["K35.800"]}"#.to_vec(), "invalid", "stay-invalid"),
        (br#"{"gender":1,"age":30,"zdList":true}"#.to_vec(), "invalid", "no-diagnosis"),
        (br#"{"gender":1,"age":30,"zdList":["Q\u0000\u0007","K35.800"]}"#.to_vec(), "ungrouped", "principal-diagnosis-unknown"),
        (thousand.to_string().into_bytes(), "grouped", ""),
        (br#"[1,2,3]"#.to_vec(), "invalid", "unreadable"),
        (b"null".to_vec(), "invalid", "unreadable"),
        (b"\x00\xff\xfe{".to_vec(), "invalid", "unreadable"),
        (vec![b'['; 100_000], "invalid", "unreadable"),
        (format!(r#"{{"x":"{}"}}"#, "y".repeat(CASE_BYTES)).into_bytes(), "invalid", "unreadable"),
        (gbk.into_owned(), "grouped", ""),
        (r#"{"gender":"１","age":"３０","zdList":"Ｋ３５．８００，Ｉ１０．ｘ００","ssList":"４７．０１００"}"#.into(), "grouped", ""),
        (GOOD.into(), "grouped", ""),
    ];
    // An empty line in between counts as a line and gets no answer.
    let mut bytes = b"\n".to_vec();
    for (line, ..) in &lines {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    let answers = Run::new("malformed").group(&bytes);
    assert_eq!(answers.len(), lines.len());
    for (at, ((line, status, reason), answer)) in lines.iter().zip(&answers).enumerate() {
        let said = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert_eq!(answer["status"], *status, "{said}: {answer}");
        assert_eq!(answer["reason"].as_str().unwrap_or(""), *reason, "{said}");
        if *reason == "unreadable" {
            assert_eq!(answer["line"], at + 2, "{said}");
            assert!(answer["notes"][0].as_str().is_some_and(|note| !note.is_empty()), "{said}");
        }
        if *status != "grouped" {
            assert_eq!(answer["drg"], "0000", "{said}");
        }
    }
    for good in [0, 17, 18, 19] {
        assert_eq!(answers[good]["adrg"], answers[0]["adrg"], "{}", answers[good]);
    }
}

#[test]
fn a_line_at_the_limit_is_read_and_one_past_it_is_named() {
    let fill = |length: usize| {
        let mut line = GOOD.trim_end_matches('}').to_owned() + r#","x":""#;
        let rest = length - line.len() - 2;
        line.push_str(&"y".repeat(rest));
        line + "\"}"
    };
    let (at, past, far) = (fill(CASE_BYTES), fill(CASE_BYTES + 1), fill(3 * BLOCK));
    let answers = Run::new("limit").group(format!("{at}\n{past}\n{far}\n{GOOD}\n").as_bytes());
    let status: Vec<&str> = answers.iter().map(|answer| answer["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["grouped", "invalid", "invalid", "grouped"]);
    assert_eq!((&answers[1]["line"], &answers[2]["line"]), (&json!(2), &json!(3)));
    assert!(answers[1]["input"].as_str().unwrap().len() <= REPEATED);
}

#[test]
fn mutants_of_a_case_never_stop_a_run_or_lose_a_line() {
    let mut state = 7u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut bytes = Vec::new();
    let mutants = 20_000;
    for _ in 0..mutants {
        let mut line = GOOD.as_bytes().to_vec();
        for _ in 0..1 + draw(4) {
            if line.len() < 2 {
                break;
            }
            let place = draw(line.len());
            match draw(4) {
                0 => line[place] = draw(256) as u8,
                1 => drop(line.remove(place)),
                2 => line.insert(place, b"\"{}[],:\\0"[draw(9)]),
                _ => line.truncate(place.max(1)),
            }
        }
        // A mutant is one line and no empty one.
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b' ' | 9..=13)).for_each(|byte| *byte = b'x');
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
    }
    let answers = Run::new("mutants").group(&bytes);
    assert_eq!(answers.len(), mutants);
    for answer in &answers {
        let (status, drg) = (answer["status"].as_str().unwrap(), answer["drg"].as_str().unwrap());
        assert!(status != "invalid" || (drg == "0000" && answer["reason"].is_string()), "{answer}");
    }
}
