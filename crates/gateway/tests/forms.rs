//! Front pages, settlement lists and report cards: what a hospital's export looks like becomes
//! resources, what breaks a rule is named, and what was read is written again.

use tongmai_base::Severity;
use tongmai_fhir::validate::{Options as Rules, is_invalid, validate};
use tongmai_gateway::build::Node;
use tongmai_gateway::{Request, Understood, hqms, insurance, report_card};

/// A front page by codes; the citizen's number is of the invented province 99.
const PAGE: &[(&str, &str)] = &[
    ("USERNAME", "995101000000000001"),
    ("A01", "示例县人民医院"),
    ("A46C", "1"),
    ("A48", "B0001"),
    ("A49", "2"),
    ("A11", "王示例"),
    ("A12C", "2"),
    ("A13", "1958-03-02"),
    ("A14", "68"),
    ("A20", "995101195803020020"),
    ("A19C", "01"),
    ("A26", "示例县示例镇1号"),
    ("B11C", "1"),
    ("B12", "2026-11-20 08:10:00"),
    ("B15", "2026-11-27 10:00:00"),
    ("B16C", "0301"),
    ("B20", "7"),
    ("C03C", "I63.900"),
    ("C04N", "脑梗死"),
    ("C05C", "1"),
    ("C06x01C", "I10.x00"),
    ("C07x01N", "高血压病"),
    ("C08x01C", "1"),
    ("C06x02C", "E11.900"),
    ("C07x02N", "2型糖尿病"),
    ("C08x02C", "2"),
    ("C14x01C", "99.1001"),
    ("C15x01N", "静脉溶栓"),
    ("C16x01", "2026-11-20 09:00:00"),
    ("C18x01", "李医生"),
    ("C26C", "1"),
    ("C24C", "2"),
    ("B34C", "1"),
    ("B36C", "1"),
    ("D01", "1200.50"),
    ("D11", "200.50"),
    ("D23", "1000.00"),
];

fn sheet(cells: &[(&str, &str)]) -> String {
    let line = |texts: Vec<String>| texts.join(",") + "\n";
    let codes = cells.iter().map(|(code, _)| (*code).to_owned()).collect();
    line(codes) + &line(cells.iter().map(|(_, text)| (*text).to_owned()).collect())
}

/// The page with other values for some columns.
fn page(changes: &[(&str, &str)]) -> String {
    let mut cells: Vec<(&str, &str)> = PAGE.to_vec();
    for (code, text) in changes {
        match cells.iter_mut().find(|(known, _)| known == code) {
            Some(cell) => cell.1 = text,
            None => cells.push((code, text)),
        }
    }
    sheet(&cells)
}

fn of_type<'u>(understood: &'u Understood, name: &str) -> Vec<&'u Node> {
    let nodes = understood.entries.iter().map(|entry| &entry.resource);
    nodes.filter(|node| node.text("resourceType") == Some(name)).collect()
}

fn valid(understood: &Understood) {
    for entry in &understood.entries {
        let faults = validate(&entry.resource, &Rules::default());
        assert!(!is_invalid(&faults), "{} {faults:?}", entry.resource);
    }
    for finding in &understood.findings {
        assert!(!finding.path.is_empty() && !finding.repair.is_empty(), "{finding:?}");
    }
}

fn only(bytes: &[u8]) -> Understood {
    let mut all = hqms::read(bytes);
    assert_eq!(all.len(), 1);
    let understood = all.remove(0);
    valid(&understood);
    understood
}

fn warnings(understood: &Understood) -> Vec<&str> {
    let findings = understood.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
    findings.map(|finding| finding.code.as_str()).collect()
}

fn stored(understood: &Understood) -> Vec<(String, &Node)> {
    understood.entries.iter().map(|entry| (entry.full_url.clone(), &entry.resource)).collect()
}

#[test]
fn a_front_page_becomes_a_visit() {
    let understood = only(page(&[]).as_bytes());
    assert_eq!(warnings(&understood), Vec::<&str>::new(), "{:?}", understood.findings);
    assert_eq!(understood.source.sender, "995101000000000001");
    let visit = of_type(&understood, "Encounter")[0];
    let diagnoses = visit.items("diagnosis");
    assert_eq!(diagnoses.len(), 3);
    let ranks: Vec<String> = diagnoses.iter().filter_map(|d| Some(d.get("rank")?.to_string())).collect();
    assert_eq!(ranks, ["1", "2", "3"]);
    let principal = diagnoses[0].get("condition").and_then(|c| c.text("reference"));
    let principal =
        understood.entries.iter().find(|e| Some(e.full_url.as_str()) == principal).expect("a condition");
    let code = principal.resource.get("code").expect("a code");
    assert_eq!((code.text("text"), code.items("coding")[0].text("code")), (Some("脑梗死"), Some("I63.900")));
    assert_eq!(of_type(&understood, "Procedure").len(), 1);
    let invoice = of_type(&understood, "Invoice")[0];
    assert_eq!(invoice.items("lineItem").len(), 3);
    let patient = understood.entries.iter().find(|e| e.resource.text("resourceType") == Some("Patient"));
    let Some(Request::CreateUnless(query)) = patient.map(|patient| &patient.request) else {
        panic!("looked for")
    };
    assert!(query.ends_with("995101195803020020"), "{query}");
}

/// The same page by names, in GBK, in full width, with a title above, gives the same resources.
#[test]
fn names_charsets_and_widths_make_no_difference() {
    let plain = only(page(&[]).as_bytes());
    let form = hqms::form();
    let names: Vec<(String, String)> = PAGE
        .iter()
        .map(|(code, text)| {
            let (column, number) = form.column(code).expect(code);
            let wide: String = text
                .chars()
                .map(|c| {
                    if c.is_ascii_digit() && code.starts_with('D') {
                        char::from_u32(c as u32 + 0xfee0).expect("wide")
                    } else {
                        c
                    }
                })
                .collect();
            (form.columns[column].name_of(number), wide)
        })
        .collect();
    let line =
        |texts: Vec<&str>| texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join("\t");
    let text = format!(
        "住院病案首页导出\n{}\n{}\n",
        line(names.iter().map(|(name, _)| name.as_str()).collect()),
        line(names.iter().map(|(_, text)| text.as_str()).collect())
    );
    let (bytes, _, _) = encoding_rs::GBK.encode(&text);
    let other = only(&bytes);
    assert!(other.findings.iter().any(|finding| finding.code == "full-width"));
    let texts = |understood: &Understood| {
        understood.entries.iter().map(|e| e.resource.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&plain), texts(&other));
}

#[test]
fn what_breaks_a_rule_names_column_element_rule_and_repair() {
    for (column, text, code, element) in [
        ("A12C", "3", "value", "DE02.01.040.00"),
        ("A13", "20581302", "value", "DE02.01.005.01"),
        ("A20", "995101195803020025", "rule", "DE02.01.031.00"),
        ("C03C", "脑梗死", "rule", "DE05.01.024.00"),
        ("C05C", "9", "rule", "DE09.00.104.00"),
        ("C03C", "-", "required", "DE05.01.024.00"),
        ("B15", "2026-11-19", "time-order", "DE06.00.017.00"),
        ("D01", "1200.51", "sum", "DE07.00.010.00"),
        ("D23", "一千", "value", "DE07.00.010.00"),
    ] {
        let understood = only(page(&[(column, text)]).as_bytes());
        let finding = understood.findings.iter().find(|f| f.code == code && f.path.contains(column));
        let finding = finding.unwrap_or_else(|| panic!("{column} {text}: {:?}", understood.findings));
        assert!(finding.path.contains(element) && finding.path.contains("row 2"), "{}", finding.path);
    }
    let understood = only(page(&[("Z99", "x")]).as_bytes());
    assert_eq!(warnings(&understood), ["column-unmapped"]);
    assert_eq!(hqms::read(b"a,b\n1,2\n")[0].findings[0].code, "header");
    assert_eq!(hqms::read(sheet(&[("A11", "")]).as_bytes())[0].findings[0].code, "empty");
}

#[test]
fn a_front_page_is_written_as_it_was_read() {
    let first = only(page(&[]).as_bytes());
    let (text, findings) = hqms::write(&stored(&first));
    assert!(findings.is_empty(), "{findings:?}");
    let second = only(text.as_bytes());
    let texts = |understood: &Understood| {
        let mut texts: Vec<String> =
            understood.entries.iter().map(|entry| entry.resource.to_string()).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts(&first), texts(&second), "{text}");
}

fn list() -> String {
    r#"{"infno":"4101","fixmedins_code":"H99510100001","input":{"setlinfo":{"mdtrt_id":"M1","setl_id":"S1",
    "fixmedins_name":"示例县人民医院","fixmedins_code":"H99510100001","hi_no":"1","medcasno":"B0001","psn_no":"P1",
    "psn_name":"王示例","gend":"2","brdy":"1958-03-02","certno":"995101195803020020","hi_type":"310",
    "adm_time":"2026-11-20 08:10:00","dscg_time":"2026-11-27 10:00:00","act_ipt_days":"7","dscg_way":"1",
    "medfee_sumamt":"1200.50","psn_selfpay":"100.00","hsorg":"示例县医保局","spga_nurscare_days":"1"},
    "payinfo":[{"fund_pay_type":"310100","fund_payamt":"1100.50"}],
    "diseinfo":[{"diag_type":"1","diag_code":"I63.900","diag_name":"脑梗死","adm_cond_type":"1","maindiag_flag":"1"},
      {"diag_type":"1","diag_code":"I10.x00","diag_name":"高血压病","adm_cond_type":"1","maindiag_flag":"0"}],
    "oprninfo":[{"oprn_oprt_type":"1","oprn_oprt_name":"静脉溶栓","oprn_oprt_code":"99.1001","oprn_oprt_date":"2026-11-20 09:00:00","oper_dr_name":"李医生","oper_dr_code":"D1"}],
    "iteminfo":[{"med_chrgitm":"09","amt":"1000.00","claa_sumfee":"900.00"},{"med_chrgitm":"01","amt":"200.50"}],
    "icuinfo":[{"scs_cutd_ward_type":"1"}]}}"#
        .to_owned()
}

#[test]
fn a_settlement_list_is_read_and_written() {
    let understood = insurance::read(list().as_bytes());
    valid(&understood);
    assert_eq!(warnings(&understood), Vec::<&str>::new(), "{:?}", understood.findings);
    assert_eq!(of_type(&understood, "Condition").len(), 2);
    let (lists, findings) = insurance::write(&stored(&understood));
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(lists.len(), 1);
    let again = insurance::read(lists[0].to_string().as_bytes());
    let texts = |understood: &Understood| {
        let mut texts: Vec<String> =
            understood.entries.iter().map(|entry| entry.resource.to_string()).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts(&understood), texts(&again), "{}", lists[0]);
}

/// The visit by front page and by settlement list has the same diagnoses in the same order.
#[test]
fn the_same_visit_by_two_forms_has_the_same_diagnoses() {
    let of = |understood: &Understood| {
        let codes: Vec<String> = of_type(understood, "Encounter")[0]
            .items("diagnosis")
            .iter()
            .filter_map(|diagnosis| diagnosis.get("condition")?.text("reference").map(str::to_owned))
            .filter_map(|url| understood.entries.iter().find(|entry| entry.full_url == url))
            .map(|entry| entry.resource.get("code").expect("a code").to_string())
            .collect();
        codes
    };
    let page = of(&only(page(&[]).as_bytes()));
    let list = of(&insurance::read(list().as_bytes()));
    assert_eq!(page[..2].iter().map(|c| c.contains("I63.900")).collect::<Vec<_>>(), [true, false]);
    assert_eq!(page[..2], list[..2]);
}

#[test]
fn insurance_messages_of_other_numbers_are_read() {
    for (number, input, types) in [
        (
            "1101",
            r#"{"baseinfo":{"psn_no":"P1","psn_name":"王示例","gend":"2","brdy":"1958-03-02"},"insuinfo":[{"insutype":"310","psn_insu_stas":"1","balc":"12.30"}]}"#,
            &["Patient", "Coverage"][..],
        ),
        (
            "2401",
            r#"{"mdtrtinfo":{"psn_no":"P1","insutype":"310","begntime":"2026-11-20 08:10:00","med_type":"21","adm_dept_codg":"0301","adm_dept_name":"神经内科","dscg_maindiag_code":"I63.900","dscg_maindiag_name":"脑梗死"},"diseinfo":[{"diag_code":"I10.x00","diag_name":"高血压病","maindiag_flag":"1"}]}"#,
            &["Encounter", "Patient", "Condition"],
        ),
        (
            "2402",
            r#"{"dscginfo":{"mdtrt_id":"M1","psn_no":"P1","endtime":"2026-11-27","dscg_way":"1"}}"#,
            &["Encounter"],
        ),
        (
            "2201",
            r#"{"data":{"psn_no":"P1","insutype":"310","begntime":"2026-11-20 08:10:00","ipt_otp_no":"O1","dept_code":"1","dept_name":"内科"}}"#,
            &["Encounter"],
        ),
        (
            "2204",
            r#"{"feedetail":[{"feedetl_sn":"1","mdtrt_id":"M1","psn_no":"P1","med_list_codg":"X1","cnt":"2","pric":"1.50","det_item_fee_sumamt":"3.00"}]}"#,
            &["ChargeItem"],
        ),
    ] {
        let understood = insurance::read(format!(r#"{{"infno":"{number}","input":{input}}}"#).as_bytes());
        valid(&understood);
        for name in types {
            let found = !of_type(&understood, name).is_empty();
            assert!(found, "{number} {name}: {:?} {:?}", understood.census(), understood.findings);
        }
    }
    let understood = insurance::read(br#"{"infno":"9999","input":{}}"#);
    assert!(understood.is_refused() && understood.findings[0].repair.contains("4101"));
}

#[test]
fn a_report_card_is_read_and_written() {
    let text = "卡片编号,患者姓名,性别,出生日期,现住址,病例分类,发病日期,诊断时间,疾病名称,疾病编码,报告单位,报告单位编码,填卡医生,填卡日期,患者职业\n\
        C1,王示例,女,1958-03-02,示例镇,2,2026-11-25,2026-11-27 08:40,霍乱,0200,示例县人民医院,995101000000000001,李医生,2026-11-27 08:45,农民\n";
    let mut all = report_card::read(text.as_bytes());
    assert_eq!(all.len(), 1);
    let card = all.remove(0);
    valid(&card);
    assert_eq!(warnings(&card), Vec::<&str>::new(), "{:?}", card.findings);
    let condition = of_type(&card, "Condition")[0];
    assert_eq!(condition.text("onsetDateTime"), Some("2026-11-25"));
    let (written, findings) = report_card::write(&stored(&card));
    assert!(findings.is_empty(), "{findings:?}");
    let again = report_card::read(written.as_bytes()).remove(0);
    let texts = |u: &Understood| u.entries.iter().map(|e| e.resource.to_string()).collect::<Vec<_>>();
    let (mut one, mut other) = (texts(&card), texts(&again));
    one.sort();
    other.sort();
    assert_eq!(one, other, "{written}");
    let late = report_card::read(text.replace("2026-11-25", "2026-11-29").as_bytes()).remove(0);
    assert!(warnings(&late).contains(&"time-order"));
}
