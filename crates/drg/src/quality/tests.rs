use super::*;
use crate::Case;

fn page(line: &'static str) -> FrontPage<'static> {
    let case = Case::from_json(line).unwrap();
    let cost = Some(500_000);
    FrontPage {
        case,
        born: Some(-10_000),
        admitted: Some(20_000),
        discharged: Some(20_007),
        cost,
        ..FrontPage::default()
    }
}

fn found(page: &FrontPage<'_>) -> Vec<String> {
    Rules::standard().check(page).iter().map(|found| found.rule.id.clone()).collect()
}

fn has(page: &FrontPage<'_>, family: &str, word: &str) -> bool {
    let all = Rules::standard().check(page);
    all.iter().any(|found| found.rule.family() == family && found.message(0).contains(word))
}

const CLEAN: &str = r#"{"gender":2,"age":65,"inHospitalTime":7,"leavingType":"1","dept":"内科",
    "zdList":["J18.900","I10.x00"],"ssList":[]}"#;

#[test]
fn there_are_at_least_two_hundred_rules_and_a_clean_page_passes_them() {
    let rules = Rules::read(include_str!("../../rules/quality.tsv")).unwrap();
    assert!(rules.0.len() >= 200, "{}", rules.0.len());
    assert_eq!(found(&page(CLEAN)), [] as [String; 0]);
}

/// A page for which the rule holds, made from the rule itself: no rule of the table is dead.
#[test]
fn every_rule_can_be_broken() {
    for rule in &Rules::standard().0 {
        let page = broken(&rule.when);
        let hit = Rules::standard().check(&page).iter().any(|found| found.rule.id == rule.id);
        assert!(hit, "{}: {} is not broken by {page:?}", rule.id, rule.when);
    }
}

fn first_code(list: &str) -> String {
    list.split([',']).next().unwrap().split('-').next().unwrap().to_string()
}

fn broken(when: &str) -> FrontPage<'static> {
    use crate::case::Number;
    let mut page = page(CLEAN);
    page.case.diagnoses = vec![];
    let (mut principal, mut others): (Option<String>, Vec<String>) = (None, vec![]);
    for test in when.split_whitespace() {
        let number = |sign: char| test.split(sign).nth(1).unwrap_or("0").parse::<f64>().unwrap_or(0.0);
        let wanted = if test.contains('<') {
            number('<') - 1.0
        } else if test.contains('>') {
            number('>') + 1.0
        } else {
            number('=')
        };
        let whole = Number::Is(wanted as i32);
        if let Some(code) = test.strip_prefix("lab:") {
            let (code, value) = match code.find(['<', '>']) {
                Some(at) => (
                    &code[..at],
                    Some(if code[at..].starts_with('<') {
                        code[at + 1..].parse::<f64>().unwrap() - 0.5
                    } else {
                        code[at + 1..].parse::<f64>().unwrap() + 0.5
                    }),
                ),
                None => (code, None),
            };
            page.results.push(Reading {
                code: code.trim_end_matches('+').to_string().into(),
                value,
                positive: true,
            });
            continue;
        }
        match test.split_once(':').unwrap_or((test, "")) {
            ("lab", _) => page.results.push(Reading { code: "x".into(), value: None, positive: false }),
            ("principal", list) => principal = Some(first_code(list)),
            ("other" | "any", list) => others.push(first_code(list)),
            ("main", list) | ("procedure", list) => {
                page.case.procedures.insert(0, first_code(list).into());
                page.procedure_days = vec![Some(20_001); page.case.procedures.len()];
            }
            ("discharge", list) => page.case.discharge = first_code(list).into(),
            ("!discharge", _) => page.case.discharge = "8".into(),
            ("missing", field) => match field {
                "sex" => page.case.sex = Number::Missing,
                "age" => page.case.age = Number::Missing,
                "age-days" => page.case.age_days = Number::Missing,
                "birth-weight" => page.case.birth_weight = Number::Missing,
                "birth" => page.born = None,
                "admitted" => page.admitted = None,
                "discharged" => page.discharged = None,
                "discharge" => page.case.discharge = "".into(),
                "department" => page.case.department = "".into(),
                "stay" => page.case.stay = Number::Missing,
                "cost" => page.cost = None,
                "procedure-day" => {
                    page.case.procedures = vec!["47.01".into()];
                    page.procedure_days = vec![None];
                }
                "present" => page.present = vec!["".into()],
                _ => {}
            },
            ("date", "discharged<admitted") => page.discharged = Some(19_000),
            ("date", "admitted<birth") => page.born = Some(20_001),
            ("date", "procedure<admitted") => page.procedure_days = vec![Some(19_999)],
            ("date", "procedure>discharged") => page.procedure_days = vec![Some(20_010)],
            ("date", "stay") => page.case.stay = Number::Is(99),
            ("malformed", "diagnosis") => principal = Some("1A.00".into()),
            ("malformed", _) => page.case.procedures = vec!["A7.01".into()],
            ("repeated", "diagnosis") => others = vec!["J18.9".into(), "J18.9".into()],
            ("repeated", _) => page.case.procedures = vec!["47.01".into(), "47.01".into()],
            ("settlement", _) => {
                principal = Some("I10".into());
                page.case.procedures = vec!["36.07".into()];
                page.settlement = Some((vec!["I50.9".into()], vec![]));
            }
            _ if test.starts_with("sex") => page.case.sex = whole,
            _ if test.starts_with("age") => page.case.age = whole,
            _ if test.starts_with("days") => (page.case.age, page.case.age_days) = (Number::Is(0), whole),
            _ if test.starts_with("weight") || test.starts_with("!weight") => {
                page.case.birth_weight = Number::Is(if test.starts_with('!') { 3_000 } else { wanted as i32 })
            }
            _ if test.starts_with("stay") => page.case.stay = whole,
            _ if test.starts_with("icu") => page.case.intensive_care_hours = whole,
            _ if test.starts_with("cost") => page.cost = Some(0),
            _ if test.starts_with("ratio") => page.ratio = Some(if test.contains('<') { 0.1 } else { 5.0 }),
            _ if test.starts_with("diagnoses") => {
                others.extend((0..=wanted as usize).map(|at| format!("Z9{}.{at}", at % 10)))
            }
            _ if test.starts_with("procedures>") && wanted > 9.0 => {
                page.case.procedures = (0..wanted as usize).map(|at| format!("99.{at:02}").into()).collect()
            }
            _ if test.starts_with("procedures>") => page
                .case
                .procedures
                .extend(["04.81".into(), "93.90".into()].into_iter().take(wanted as usize)),
            _ => {}
        }
    }
    let when_missing = when.contains("missing:principal");
    if let Some(first) = principal.or((!when_missing && when.contains("other:")).then(|| "M54.5".to_string()))
    {
        page.case.diagnoses.push(first.into());
    }
    page.case.diagnoses.extend(others.into_iter().map(Into::into));
    if page.case.diagnoses.is_empty() && !when_missing {
        page.case.diagnoses.push("M54.5".into());
    }
    page
}

#[test]
fn the_wrong_principal_diagnosis_of_the_story_is_found() {
    let mut page = page(
        r#"{"gender":2,"age":65,"inHospitalTime":6,"leavingType":"1","dept":"内科",
        "zdList":["I10","E11.5","E11.9","E87.6"],"ssList":["86.22"]}"#,
    );
    page.procedure_days = vec![Some(20_002)];
    page.results = vec![Reading { code: "2823-3".into(), value: Some(4.1), positive: false }];
    assert!(has(&page, "principal", "糖尿病足"));
    assert!(has(&page, "principal", "皮肤或肢体"));
    assert!(has(&page, "combine", "无并发症"));
    assert!(has(&page, "evidence", "低钾血症"));
    page.results[0].value = Some(3.1);
    assert!(!has(&page, "evidence", "低钾血症"));
}

#[test]
fn ranges_take_their_bounds_as_beginnings() {
    let mut page = page(CLEAN);
    for (code, inside) in [
        ("C60.9", true),
        ("C63.9", true),
        ("C64.9", false),
        ("C59", false),
        ("N40.x00", true),
        ("N51.8", true),
    ] {
        page.case.diagnoses[1] = code.into();
        assert_eq!(found(&page).iter().any(|id| id.starts_with("sex-")), inside, "{code}");
    }
}

#[test]
fn what_is_no_rule_is_named_with_its_line() {
    let head = "id\tgrade\twhen\tm\te\tr\tr\n";
    let codes = |text: &str| {
        let findings = Rules::read(&format!("{head}{text}")).unwrap_err();
        findings.into_iter().map(|f| format!("{} {}", f.path, f.code)).collect::<Vec<_>>()
    };
    assert_eq!(codes("a-1\twarn\tsex=1\tm\te\tr\tr\n"), ["line 2 rule"]);
    assert_eq!(codes("a-1\terror\tsxe=1\tm\te\tr\tr\nb\terror\n"), ["line 2 rule", "line 3 rule"]);
    assert_eq!(
        codes("a-1\terror\tsex=1\tm\te\tr\tr\na-1\terror\tsex=1\tm\te\tr\tr\n"),
        ["line 3 repeated-id"]
    );
    assert!(Rules::read(head).unwrap().0.is_empty());
}
