//! Hostile and random input: an error or a result, never a panic, a stall or a full stack.

use proptest::prelude::*;
use tongmai_fhir::json::Json;
use tongmai_fhirpath::{Environment, ErrorKind, Temporal, compile, fhirpath_patch, json_patch, limits};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"a","active":true,"birthDate":"1974-12-25",
"_birthDate":{"extension":[{"url":"http://example.org/e","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
"name":[{"use":"official","family":"张","given":["Ā","b𠀋"],"_given":[null,{"id":"x"}]},{"text":"c"}],
"deceasedBoolean":false,"multipleBirthInteger":2,"contact":[{"name":{"text":"d"},"gender":"male"}],
"contained":[{"resourceType":"Observation","id":"o","status":"final","code":{"text":"t"},
"valueQuantity":{"value":1.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}]}"#;

fn evaluate(text: &str) -> Result<usize, (ErrorKind, String)> {
    let resource = Json::parse_str(PATIENT).expect("a patient");
    let environment =
        Environment { now: Temporal::date_time("2026-11-21T23:45:00.000+08:00"), ..Environment::default() };
    let result = compile(text).and_then(|expression| {
        let values = expression.evaluate(&resource, &environment)?;
        Ok(values.iter().map(|value| value.to_string().len()).sum())
    });
    result.map_err(|error| (error.kind, error.message))
}

#[test]
fn expressions_without_end_are_stopped() {
    let limited = [
        // Each round makes longer strings.
        "'ab'.repeat($this & $this)".to_owned(),
        "'ab'.repeat($this & 'x')".to_owned(),
        "1.repeat($this + 1)".to_owned(),
        "(1|2|3|4|5|6|7|8|9).aggregate($total.combine($total).combine($total).combine($total).combine($total).combine($total), 1|2|3|4|5|6|7|8|9)".to_owned(),
        format!("'x'{}", ".replace('x', 'xxxxxxxxxxxxxxxxxxxx')".repeat(12)),
        format!("name{}.count()", ".select(%resource.descendants())".repeat(6)),
        format!("name.repeat({}$this{})", "%resource.descendants().select(".repeat(6), ")".repeat(6)),
        format!("({})", "(".repeat(5000)),
        format!("{}1", "-".repeat(5000)),
        format!("{}true", "true and (".repeat(500)),
        format!("name{}", ".where(name".repeat(500)),
        "1".repeat(limits::EXPRESSION_BYTES + 1),
    ];
    for text in limited {
        let started = std::time::Instant::now();
        let shown = &text[..text.len().min(60)];
        match evaluate(&text) {
            Err((ErrorKind::Limit, _)) => {}
            other => panic!("{shown}: {other:?}"),
        }
        assert!(started.elapsed().as_secs() < 5, "{shown}: {:?}", started.elapsed());
    }
}

#[test]
fn long_chains_are_no_nesting() {
    assert_eq!(evaluate(&format!("1{}", " + 1".repeat(2000))), Ok(4));
    assert!(evaluate(&format!("name{}", ".first()".repeat(900))).is_ok());
    let nested = |levels: usize| "(".repeat(levels) + "1" + &")".repeat(levels);
    assert_eq!(evaluate(&nested(limits::NESTING - 1)), Ok(1));
    assert!(matches!(evaluate(&nested(limits::NESTING)), Err((ErrorKind::Limit, _))));
    let lambdas = (limits::NESTING - 1) / 2;
    let text = "name.select(".repeat(lambdas) + "$this" + &")".repeat(lambdas);
    assert!(evaluate(&text).is_ok());
}

#[test]
fn limits_hold_exactly() {
    assert_eq!(evaluate(&format!("{:1$}", 1, limits::EXPRESSION_BYTES)), Ok(1));
    assert!(matches!(
        evaluate(&format!("{:1$}", 1, limits::EXPRESSION_BYTES + 1)),
        Err((ErrorKind::Limit, _))
    ));
    // A literal and each link of a chain cost what they cost: the same expression passes with just enough.
    let resource = Json::parse_str(PATIENT).expect("a patient");
    let expression = compile("name.given.where(length() > 0).count() + 1").expect("an expression");
    let with = |steps: u64| expression.evaluate(&resource, &Environment { steps, ..Environment::default() });
    let least = (0..1000).find(|steps| with(*steps).is_ok()).expect("a few steps are enough");
    assert!(least > 10);
    assert_eq!(with(least - 1).expect_err("one step too few").kind, ErrorKind::Limit);
    let half = "a".repeat(1024);
    let text = |doublings: usize| format!("'{half}'{}", ".replace('a', 'aa')".repeat(doublings));
    assert_eq!(evaluate(&text(10)), Ok(limits::STRING_BYTES));
    assert!(matches!(evaluate(&text(11)), Err((ErrorKind::Limit, _))));
}

#[test]
fn regular_expressions_are_linear_and_small() {
    let text = "a".repeat(5000);
    let started = std::time::Instant::now();
    assert_eq!(evaluate(&format!("'{text}b'.matches('^(a+)+$')")), Ok(5));
    assert!(matches!(evaluate("'a'.matches('((a{1000}){1000}){1000}')"), Err((ErrorKind::Execution, _))));
    assert!(matches!(evaluate("'a'.matches('(')"), Err((ErrorKind::Execution, _))));
    assert!(started.elapsed().as_secs() < 5);
}

/// Words that make more or less sensible expressions.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "name",
        "name.given",
        "Patient.contact",
        "birthDate",
        "%resource",
        "$this",
        "$index",
        "1",
        "0",
        "-3",
        "2.50",
        "99999999999999999",
        "'a'",
        "'b𠀋'",
        "''",
        "true",
        "false",
        "{}",
        "@2014",
        "@2014-02-28",
        "@T10:30",
        "now()",
        "@2014-01-01T10:30:00.5+08:00",
        "4 days",
        "1.5 'mg'",
        "1 year",
        "contained.value",
        "deceased",
        "descendants()",
        "multipleBirth",
        "9999999999999999999999999.9",
        "0.0000000000000000000000001",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operators = prop::sample::select(vec![
            "+", "-", "*", "/", "div", "mod", "&", "|", "=", "!=", "~", "!~", "<", "<=", ">", ">=", "in",
            "contains", "and", "or", "xor", "implies",
        ]);
        let plain = prop::sample::select(vec![
            "empty()",
            "not()",
            "count()",
            "distinct()",
            "first()",
            "last()",
            "tail()",
            "single()",
            "abs()",
            "ceiling()",
            "exp()",
            "ln()",
            "sqrt()",
            "truncate()",
            "floor()",
            "round()",
            "lowBoundary()",
            "highBoundary()",
            "precision()",
            "toString()",
            "toInteger()",
            "toDecimal()",
            "toQuantity()",
            "toDate()",
            "toDateTime()",
            "toTime()",
            "type()",
            "children()",
            "descendants()",
            "length()",
            "upper()",
            "toChars()",
            "trim()",
            "hasValue()",
            "getValue()",
            "resolve()",
            "sort()",
            "is(Quantity)",
            "ofType(string)",
            "as(date)",
            "allTrue()",
            "isDistinct()",
            "given",
        ]);
        let lambda = prop::sample::select(vec![
            "where",
            "select",
            "all",
            "exists",
            "repeat",
            "aggregate",
            "sort",
            "power",
            "log",
            "round",
            "lowBoundary",
            "highBoundary",
            "skip",
            "take",
            "union",
            "combine",
            "intersect",
            "exclude",
            "substring",
            "indexOf",
            "startsWith",
            "contains",
            "matches",
            "split",
            "join",
            "extension",
            "comparable",
            "subsetOf",
            "encode",
            "unescape",
        ]);
        prop_oneof![
            (inner.clone(), operators, inner.clone()).prop_map(|(l, o, r)| format!("({l} {o} {r})")),
            (inner.clone(), plain).prop_map(|(l, f)| format!("({l}).{f}")),
            (inner.clone(), lambda, inner.clone()).prop_map(|(l, f, r)| format!("({l}).{f}({r})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("iif({a}, {b}, {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            inner.prop_map(|a| format!("(-{a})")),
        ]
    })
}

/// Pointers into the patient, most of them sensible.
fn pointer() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "name",
            "0",
            "1",
            "-",
            "given",
            "_given",
            "contained",
            "active",
            "x",
            "~1",
            "",
        ]),
        0..4,
    )
    .prop_map(|tokens| tokens.iter().map(|token| format!("/{token}")).collect())
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "1",
        "\"a\"",
        "null",
        "[]",
        "{}",
        "[1,[2]]",
        "{\"text\":\"b\"}",
        "true",
        "1e400",
    ])
    .prop_map(str::to_owned)
}

fn operation() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    (op, pointer(), pointer(), value()).prop_map(|(op, path, from, value)| {
        format!(r#"{{"op":"{op}","path":"{path}","from":"{from}","value":{value}}}"#)
    })
}

/// An operation of FHIRPath Patch with a value as the parts spell it.
fn fhirpath_operation() -> impl Strategy<Value = String> {
    let code = prop::sample::select(vec!["add", "insert", "delete", "replace", "move", "x"]);
    let path = prop_oneof![
        prop::sample::select(vec![
            "Patient",
            "Patient.name",
            "Patient.name[0]",
            "Patient.name[0].given",
            "Patient.name.given[1]",
            "Patient.birthDate",
            "Patient.deceased",
            "Patient.contact.name.text",
            "Patient.contained",
            "Patient.contained[0].value",
            "Patient.descendants()",
            "Patient.birthDate.extension[0]",
            "Patient.birthDate.extension[0].value",
            "Patient.photo",
        ])
        .prop_map(str::to_owned),
        expression(),
    ];
    let name = prop::sample::select(vec![
        "name",
        "given",
        "deceased",
        "extension",
        "value",
        "text",
        "id",
        "contact",
        "x",
    ]);
    let value = prop::sample::select(vec![
        r#""valueString":"a""#,
        r#""valueHumanName":{"text":"b"}"#,
        r#""valueBoolean":true"#,
        r#""valueQuantity":{"value":1}"#,
        r#""valueExtension":{"url":"u"}"#,
        r#""_valueString":{"id":"i"}"#,
        r#""part":[{"name":"name","valueHumanName":{}}]"#,
        r#""resource":{"resourceType":"Patient"}"#,
        r#""x":1"#,
    ]);
    (code, path, name, value, 0..3_u8, 0..3_u8).prop_map(|(code, path, name, value, source, destination)| {
        format!(
            r#"{{"name":"operation","part":[{{"name":"type","valueCode":"{code}"}},{{"name":"path","valueString":"{path}"}},
            {{"name":"name","valueString":"{name}"}},{{"name":"value",{value}}},{{"name":"index","valueInteger":{source}}},
            {{"name":"source","valueInteger":{source}}},{{"name":"destination","valueInteger":{destination}}}]}}"#
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_an_expression_or_an_error(text in "\\PC{0,40}") {
        let _ = evaluate(&text);
    }

    #[test]
    fn sensible_expressions_give_a_result_or_an_error(text in expression()) {
        let _ = evaluate(&text);
    }

    #[test]
    fn json_patches_apply_as_a_whole_or_not_at_all(operations in prop::collection::vec(operation(), 1..4)) {
        let document = Json::parse_str(PATIENT).unwrap();
        let before = document.clone();
        let text = format!("[{}]", operations.join(","));
        let patch = Json::parse_str(&text).unwrap();
        let result = json_patch::apply(&document, &patch);
        prop_assert_eq!(&document, &before);
        // One by one they lead to the same.
        let mut step = Ok(document.into_owned());
        for operation in patch.as_array().unwrap() {
            let single = Json::Array(vec![operation.clone()]);
            step = step.and_then(|document| json_patch::apply(&document, &single));
        }
        prop_assert_eq!(result.ok(), step.ok());
    }

    /// The inverse of an added value is its removal, and of a removed property or element its addition.
    #[test]
    fn json_patches_can_be_undone(path in pointer(), value in value()) {
        let document = Json::parse_str(PATIENT).unwrap();
        let apply = |document: &Json<'_>, text: String| {
            json_patch::apply(document, &Json::parse_str(&text).unwrap())
        };
        let read = |document: &Json<'_>| -> Option<Json<'static>> {
            let mut at = document.clone().into_owned();
            for token in path.split('/').skip(1) {
                at = match &at {
                    Json::Array(items) => items.get(token.parse::<usize>().ok()?)?.clone(),
                    other => other.get(&token.replace("~1", "/"))?.clone(),
                };
            }
            Some(at)
        };
        if let (Ok(removed), Some(old)) = (apply(&document, format!(r#"[{{"op":"remove","path":"{path}"}}]"#)), read(&document)) {
            let restored = apply(&removed, format!(r#"[{{"op":"add","path":"{path}","value":{old}}},{{"op":"test","path":"","value":{document}}}]"#));
            prop_assert!(restored.is_ok(), "{:?}", restored);
        }
        let inserts = !path.is_empty() && !path.ends_with('-');
        let held = read(&document).is_some() && !path.ends_with(|c: char| c.is_ascii_digit());
        if inserts && !held && let Ok(added) = apply(&document, format!(r#"[{{"op":"add","path":"{path}","value":{value}}}]"#)) {
            let restored = apply(&added, format!(r#"[{{"op":"remove","path":"{path}"}}]"#));
            prop_assert_eq!(restored.ok(), Some(document.into_owned()));
        }
    }

    #[test]
    fn fhirpath_patches_give_a_result_or_an_error(operations in prop::collection::vec(fhirpath_operation(), 1..4)) {
        let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(",").replace("b𠀋", "b"));
        let patch = Json::parse_str(&text).unwrap();
        let document = Json::parse_str(PATIENT).unwrap();
        if let Ok(result) = fhirpath_patch::apply(&document, &patch) {
            prop_assert!(Json::parse_str(&result.to_string()).is_ok());
        }
    }

    /// Moving back and deleting what was inserted restore the resource.
    #[test]
    fn fhirpath_patches_can_be_undone(source in 0..2_usize, destination in 0..2_usize, list in prop::sample::select(vec!["Patient.name", "Patient.name[0].given"])) {
        let document = Json::parse_str(PATIENT).unwrap();
        let apply = |document: &Json<'_>, operations: &[String]| {
            let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
            fhirpath_patch::apply(document, &Json::parse_str(&text).unwrap())
        };
        let operation = |code: &str, path: &str, rest: String| {
            format!(r#"{{"name":"operation","part":[{{"name":"type","valueCode":"{code}"}},{{"name":"path","valueString":"{path}"}}{rest}]}}"#)
        };
        let shift = |from: usize, to: usize| {
            operation("move", list, format!(r#",{{"name":"source","valueInteger":{from}}},{{"name":"destination","valueInteger":{to}}}"#))
        };
        let moved = apply(&document, &[shift(source, destination), shift(destination, source)]).unwrap();
        prop_assert_eq!(&moved, &document);
        let value = if list == "Patient.name" { r#""valueHumanName":{"text":"n"}"# } else { r#""valueString":"n""# };
        let insert = operation("insert", list, format!(r#",{{"name":"index","valueInteger":{source}}},{{"name":"value",{value}}}"#));
        let delete = operation("delete", &format!("{list}[{source}]"), String::new());
        prop_assert_eq!(&apply(&document, &[insert, delete]).unwrap(), &document);
    }
}
