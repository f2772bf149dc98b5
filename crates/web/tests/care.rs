//! What belongs to a person's care and to surveys: choice surveys, adaptive questionnaires, schedules, follow-up
//! lists, organisations' own layers, and the evening of the story by its buttons.

mod common {
    pub mod county;
}

use bytes::Bytes;
use common::county::{self, Site};
use http_body_util::BodyExt;
use hyper::header::LOCATION;
use hyper::{HeaderMap, Method};
use tongmai_access::Requester;
use tongmai_engine::bundle::Ids;
use tongmai_http::Asked;
use tongmai_region::story;

struct Got {
    status: u16,
    location: String,
    text: String,
}

async fn ask(site: &Site, method: Method, address: &str, body: String) -> Got {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let asked = Asked {
        method,
        path: path.into(),
        query: query.into(),
        headers: HeaderMap::new(),
        body: Bytes::from(body),
        requester: Requester::shared_local(),
    };
    let (parts, body) = (site.pages)(asked).await.into_parts();
    let text = String::from_utf8(body.collect().await.expect("a body").to_bytes().to_vec()).expect("text");
    let location = parts.headers.get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    Got { status: parts.status.as_u16(), location, text }
}

async fn get(site: &Site, address: &str) -> String {
    let got = ask(site, Method::GET, address, String::new()).await;
    assert_eq!(got.status, 200, "{address}: {}", got.text);
    got.text
}

async fn send(site: &Site, address: &str, fields: &[(&str, &str)]) -> Got {
    let encoded = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        })
    };
    let body: Vec<String> = fields.iter().map(|(a, b)| format!("{}={}", encoded(a), encoded(b))).collect();
    ask(site, Method::POST, &format!("/participation/{address}"), body.join("&")).await
}

/// Sends a form that must be taken; where it leads.
async fn enter(site: &Site, address: &str, fields: &[(&str, &str)]) -> String {
    let got = send(site, address, fields).await;
    assert_eq!(got.status, 303, "{address} {fields:?}: {}", got.text);
    got.location
}

fn behind(text: &str, before: &str) -> String {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before} in {text}")).1;
    rest.split(['"', '/', '?']).next().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn care_and_surveys_page_by_page() {
    let site = county::county(120).await;
    let zhuoma = site.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    a_choice_survey(&site).await;
    an_adaptive_questionnaire(&site, &zhuoma).await;
    a_schedule(&site, &zhuoma).await;
    who_is_due(&site).await;
    an_organisation_is_let_in_and_out(&site, &zhuoma).await;
    rules_in_the_language_of_the_page(&site).await;
    the_evening_by_its_buttons(&site).await;
}

async fn a_choice_survey(site: &Site) {
    let attributes = "地点: 村卫生室 | 县医院\n每次配药: 4 周 | 8 周 | 12 周\n自付: 0 元 | 30 元";
    let survey = [
        ("title", "怎么取药"),
        ("purpose", "大家为就近取药愿意放弃多少"),
        ("attributes", attributes),
        ("tasks", "6"),
        ("opens", "2026-11-01"),
        ("closes", "2026-12-31"),
    ];
    enter(site, "enter/survey", &survey).await;
    let id = behind(&get(site, "/participation/say").await, "/participation/survey/");
    assert!(get(site, &format!("/participation/survey/{id}")).await.contains("大家为就近取药"));
    let results = format!("/participation/survey/{id}/results");
    for person in 0..14usize {
        let mut there = enter(site, "answering", &[("survey", &id), ("role", "patient")]).await;
        let answering = there.rsplit('/').next().expect("an id").to_owned();
        for task in 0..6usize {
            let page = get(site, &there).await;
            assert!(page.contains(&format!("第 {} / 6 题", task + 1)), "{page}");
            // Near before far, with some who think otherwise: read what stands under A.
            let near = page.split("地点").nth(1).expect("a row").find("村卫生室")
                < page.split("地点").nth(1).expect("a row").find("县医院");
            let chosen = if near == ((person + task) % 5 != 0) { "0" } else { "1" };
            let task = task.to_string();
            let answer =
                [("survey", id.as_str()), ("answering", &answering), ("task", &task), ("button", chosen)];
            there = enter(site, "choice", &answer).await;
            // Pressed once more: nothing changes.
            enter(site, "choice", &answer).await;
        }
        assert!(get(site, &there).await.contains("都答完了"));
        if person < 10 {
            assert!(get(site, &results).await.contains("不满 11 人"), "{person}");
        }
    }
    let page = get(site, &results).await;
    assert!(page.contains("各项的分量") && page.contains("95 % 区间"), "{page}");
    // Nearness decides most: it stands first.
    let table = page.split("<tbody>").nth(1).expect("a table");
    assert!(table.trim_start().starts_with("<tr><th scope=\"row\">地点"), "{table}");
    let strange = ask(site, Method::GET, &format!("/participation/survey/{id}/nobody"), String::new()).await;
    assert_eq!(strange.status, 404);
}

async fn an_adaptive_questionnaire(site: &Site, person: &str) {
    let mut there = format!("/participation/adaptive/demonstration?person={person}");
    let mut asked = Vec::new();
    loop {
        let page = get(site, &there).await;
        if page.contains("都答完了") {
            assert!(page.contains("T 分"), "{page}");
            break;
        }
        let item = behind(&page, "name=\"item\" value=\"");
        assert!(!asked.contains(&item), "{item} twice");
        let response = there.split_once("response=").map_or("", |(_, id)| id).to_owned();
        let answer = [
            ("person", person),
            ("form", "demonstration"),
            ("item", &item),
            ("response", &response),
            ("button", "3"),
        ];
        there = enter(site, "adaptive", &answer).await;
        asked.push(item);
    }
    assert!((4..=12).contains(&asked.len()), "{asked:?}");
    let english = get(site, &format!("/participation/adaptive/demonstration?person={person}&lang=en")).await;
    assert!(english.contains("not for care") && english.contains("mostly"), "{english}");
    let page = get(site, &format!("/participation/questionnaires?person={person}")).await;
    assert!(page.contains("自我管理信心") && page.contains("题数"), "{page}");
    let wrong = [("person", person), ("form", "demonstration"), ("item", "dragons"), ("button", "1")];
    let refused = send(site, "adaptive", &wrong).await;
    assert!(refused.status == 400 && refused.text.contains("题库没有这一题"), "{}", refused.text);
}

async fn a_schedule(site: &Site, person: &str) {
    let demonstration = "urn:tongmai:questionnaire:self-management-demonstration";
    let eq5d = "urn:tongmai:questionnaire:eq-5d-5l";
    for (questionnaire, first) in [(eq5d, "2026-11-01"), (demonstration, "2026-11-20")] {
        let fields = [("person", person), ("questionnaire", questionnaire), ("weeks", "4"), ("first", first)];
        enter(site, "schedule", &fields).await;
    }
    let page = get(site, &format!("/participation/questionnaires?person={person}")).await;
    assert!(page.contains("已逾期，应于 2026-11-01"), "{page}");
    // The demonstration was answered a moment ago: the next is four weeks on.
    assert!(page.contains("2026-12-18 到期"), "{page}");
    assert!(get(site, &format!("/participation/goals?person={person}")).await.contains("1 份问卷等您填写"));
    let levels = [("mo", "1"), ("sc", "1"), ("ua", "2"), ("pd", "3"), ("ad", "1")];
    let mut fields = vec![("person", person)];
    fields.extend(levels);
    enter(site, "eq5d", &fields).await;
    let page = get(site, &format!("/participation/questionnaires?person={person}")).await;
    assert!(page.contains("已逾期"), "an answer three weeks late is one of another round: {page}");
    let id = behind(&page, "name=\"id\" value=\"");
    let version = behind(&page, "name=\"version\" value=\"");
    let stop = [("person", person), ("id", id.as_str()), ("version", &version), ("button", "stop")];
    enter(site, "schedule", &stop).await;
    let page = get(site, &format!("/participation/questionnaires?person={person}")).await;
    assert!(!page.contains("已逾期"), "{page}");
}

async fn who_is_due(site: &Site) {
    let coded =
        |system: &str, code: &str| format!(r#"{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#);
    let loinc = |code: &str| coded("http://loinc.org", code);
    let part = |code: &str, value: i32| {
        format!(r#"{{"code":{},"valueQuantity":{{"value":{value},"unit":"mmHg"}}}}"#, loinc(code))
    };
    let entry = |kind: &str, id: &str, rest: String| {
        format!(
            r#"{{"resource":{{"resourceType":"{kind}","id":"{id}",{rest}}},"request":{{"method":"PUT","url":"{kind}/{id}"}}}}"#
        )
    };
    let mut entries = Vec::new();
    for (id, name, systolic, day) in
        [("due-a", "甲逾期", 152, "2026-10-01"), ("due-b", "乙危急", 186, "2026-11-20")]
    {
        let address = r#""address":[{"district":"测试乡","line":["东头村3号"]}]"#;
        entries.push(entry(
            "Patient",
            id,
            format!(r#""name":[{{"text":"{name}"}}],"birthDate":"1970-01-01",{address}"#),
        ));
        let subject = format!(r#""subject":{{"reference":"Patient/{id}"}}"#);
        let code = coded("http://hl7.org/fhir/sid/icd-10", "I10.x00");
        entries.push(entry(
            "Condition",
            &format!("c-{id}"),
            format!(r#""code":{code},{subject},"recordedDate":"2026-03-01""#),
        ));
        let measured = format!(
            r#""status":"final","code":{},{subject},"effectiveDateTime":"{day}T09:00:00+08:00","component":[{},{}]"#,
            loinc("85354-9"),
            part("8480-6", systolic),
            part("8462-4", 88)
        );
        entries.push(entry("Observation", &format!("o-{id}"), measured));
    }
    let bundle =
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","));
    let sight = site.access.sight(&Requester::installation("village", "TREAT"));
    site.engine.process(&sight, bundle.as_bytes(), Ids::Fresh).await.expect("the bundle is taken");
    let all = get(site, "/participation/due").await;
    assert!(all.contains("随访规则") && all.contains("立即转诊"), "{all}");
    let here =
        get(site, "/participation/due?place=%E6%B5%8B%E8%AF%95%E4%B9%A1%20%E4%B8%9C%E5%A4%B4%E6%9D%91").await;
    let (late, check) = (here.find("甲逾期").expect("a"), here.find("乙危急").expect("b"));
    assert!(late < check, "overdue first");
    assert!(here.contains("逾期，应于 2026-10-15") && here.contains("调整治疗（收缩压 152）"), "{here}");
    assert!(here.contains("2026-12-04 前问结果") && here.contains("立即转诊（收缩压 186）"), "{here}");
    assert!(!here.contains("systolic"), "no English on a Chinese page");
    let english = get(site, "/participation/due?lang=en").await;
    assert!(english.contains("overdue, was due on") && english.contains("systolic"), "{english}");
}

async fn an_organisation_is_let_in_and_out(site: &Site, person: &str) {
    enter(site, "enter/actor", &[("name", "糖友会一"), ("kind", "patient_organisation")]).await;
    let joined = format!("/participation/joined?person={person}");
    let organisation = behind(&get(site, &joined).await, "name=\"organisation\" value=\"");
    let layer = format!("layer/{organisation}");
    let words = [("person", person), ("kind", "visit"), ("text", "上门看望，缺试纸"), ("who", "小李")];
    let refused = send(site, &layer, &words).await;
    assert!(refused.status == 400 && refused.text.contains("没有允许本组织"), "{}", refused.text);
    let join = [("person", person), ("organisation", organisation.as_str()), ("button", "join")];
    enter(site, "joined", &join).await;
    enter(site, &layer, &words).await;
    assert!(get(site, &format!("/participation/{layer}")).await.contains("上门看望，缺试纸"));
    assert!(get(site, &joined).await.contains("上门看望，缺试纸"), "the resident sees it too");
    let leave = [("person", person), ("organisation", organisation.as_str()), ("button", "leave")];
    enter(site, "joined", &leave).await;
    let page = get(site, &format!("/participation/{layer}")).await;
    assert!(!page.contains("上门看望") && page.contains("还没有居民允许"), "{page}");
    assert_eq!(send(site, &layer, &words).await.status, 400);
    assert!(get(site, &joined).await.contains("上门看望，缺试纸"), "the resident goes on seeing it");
    enter(site, "joined", &join).await;
    assert!(get(site, &format!("/participation/{layer}")).await.contains("上门看望"));
}

async fn rules_in_the_language_of_the_page(site: &Site) {
    let refused = send(site, "enter/actor", &[("name", " ")]).await;
    assert!(refused.status == 400 && refused.text.contains("没有填写"), "{}", refused.text);
    let refused =
        send(site, "enter/survey", &[("title", "x"), ("purpose", "y"), ("attributes", "a: 1 | 2")]).await;
    assert!(refused.text.contains("写 2 到 6 个") && !refused.text.contains("write 2"), "{}", refused.text);
}

async fn the_evening_by_its_buttons(site: &Site) {
    let project = enter(site, "story/policy", &[]).await;
    assert_eq!(enter(site, "story/policy", &[]).await, project, "once");
    let page = get(site, &project).await;
    assert!(page.contains("村卫生室长期处方") && page.contains("关口"), "{page}");
    let results = enter(site, "story/evening", &[]).await;
    let page = get(site, &results).await;
    assert!(page.contains("2 个意见群体"), "{page}");
    assert_eq!(page.matches("村卫生室一次应能配 12 周的药").count().min(1), 1);
    let needs = enter(site, "story/needs", &[]).await;
    let page = get(site, &needs).await;
    assert!(page.contains("上门足部护理") || page.contains("能帮到"), "{page}");
}
