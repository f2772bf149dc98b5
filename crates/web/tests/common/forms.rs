//! Forms sent to the pages, and a small life of participation for tests that only look at it.

#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{COOKIE, SET_COOKIE};
use hyper::{HeaderMap, Method};
use tongmai_access::Requester;
use tongmai_http::{Asked, Pages};

/// A request; its status, cookie and text.
pub async fn ask(
    pages: &Pages,
    method: Method,
    address: &str,
    body: String,
    cookie: &str,
) -> (u16, String, String) {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut headers = HeaderMap::new();
    if !cookie.is_empty() {
        headers.insert(COOKIE, cookie.parse().expect("a header"));
    }
    let requester = Requester::shared_local();
    let asked =
        Asked { method, path: path.into(), query: query.into(), headers, body: Bytes::from(body), requester };
    let (parts, body) = (pages)(asked).await.into_parts();
    let text = String::from_utf8(body.collect().await.expect("a body").to_bytes().to_vec()).expect("text");
    let cookie = parts.headers.get(SET_COOKIE).and_then(|v| v.to_str().ok()).unwrap_or("");
    (parts.status.as_u16(), cookie.split(';').next().unwrap_or("").to_owned(), text)
}

/// Sends a form that must be taken; its cookie.
pub async fn enter(pages: &Pages, address: &str, fields: &[(&str, &str)], cookie: &str) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let (status, cookie, text) =
        ask(pages, Method::POST, &format!("/participation/{address}"), body, cookie).await;
    assert_eq!(status, 303, "{address} {fields:?}: {text}");
    cookie
}

/// What stands behind `before` on a page.
pub async fn behind(pages: &Pages, page: &str, before: &str) -> String {
    let (_, _, text) = ask(pages, Method::GET, page, String::new(), "").await;
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before} on {page}: {text}")).1;
    rest.split(['"', '/', '?']).next().expect("an id").to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// A project with a conversation, votes of these residents, ratings, needs and offers; the ids of project and conversation.
pub async fn participation(pages: &Pages, numbers: &[String], today: &str, later: &str) -> (String, String) {
    let say = async |address: &str, fields: &[(&str, &str)]| enter(pages, address, fields, "").await;
    say("enter/actor", &[("name", "清禾县卫生健康局"), ("kind", "agency")]).await;
    let agency =
        behind(pages, "/participation/office", "<select name=\"agency\" required><option value=\"").await;
    say("enter/actor", &[("name", "康足公司"), ("kind", "enterprise"), ("licences", "foot_care")]).await;
    say(
        "enter/actor",
        &[("name", "清禾县糖友会"), ("kind", "patient_organisation"), ("sponsors", "康足公司")],
    )
    .await;
    say(
        "enter/project",
        &[
            ("title", "村卫生室长期处方"),
            ("kind", "policy"),
            ("major", "yes"),
            ("agency", &agency),
            ("affected", "900"),
        ],
    )
    .await;
    let project = behind(pages, "/participation/office", "/participation/project/").await;
    say(
        "enter/conversation",
        &[
            ("project", &project),
            ("title", "长期处方怎么办才好？"),
            ("opens", today),
            ("closes", later),
            ("policy", "不泄露他人病情\n一条只说一件事"),
            ("evidence", "《长期处方管理规范（试行）》"),
        ],
    )
    .await;
    let talk =
        behind(pages, &format!("/participation/project/{project}"), "/participation/conversation/").await;
    for n in 0..6 {
        let text =
            ["配 12 周的药", "有人讲清怎么吃", "送药不加钱", "只在县医院开", "网上复诊就够", "年轻人代取"][n];
        let fields = [("conversation", talk.as_str()), ("text", text), ("name", "组织者"), ("seed", "yes")];
        say("enter/statement", &fields).await;
    }
    say("enter/statement", &[("conversation", &talk), ("text", "药房周日也要开"), ("name", "格桑花")]).await;
    for (voter, number) in numbers.iter().enumerate() {
        let cookie = say("ballot", &[("conversation", &talk), ("number", number)]).await;
        let votes: Vec<(String, &str)> = (0..6)
            .map(|s| (format!("v{s}"), if s < 3 || (s + voter) % 2 == 0 { "1" } else { "-1" }))
            .collect();
        let mut fields = vec![("conversation", talk.as_str())];
        fields.extend(votes.iter().map(|(name, vote)| (name.as_str(), *vote)));
        enter(pages, "vote", &fields, &cookie).await;
        let rating = [
            ("rating.project", project.as_str()),
            ("rating.difficulty", "2"),
            ("rating.experience", "3"),
            ("rating.satisfaction", "2"),
            ("rating.barriers", "travel"),
            ("rating.role", "patient"),
            ("rating.age", "66"),
            ("rating.rural", "yes"),
            ("rating.disease", "hypertension"),
            ("rating.stage", "stable"),
        ];
        say("enter/rating", &rating).await;
        let need = [
            ("kind", "foot_care"),
            ("region", "清河乡"),
            ("disease", "diabetes"),
            ("stage", "complicated"),
            ("urgency", "2"),
            ("consent", "yes"),
        ];
        say("enter/need", &need).await;
    }
    let givers = behind(
        pages,
        "/participation/organisations",
        "<select name=\"organisation\" required><option value=\"",
    )
    .await;
    let offer = [
        ("organisation", givers.as_str()),
        ("kind", "foot_care"),
        ("title", "上门足部护理"),
        ("places", "12"),
    ];
    say("enter/offer", &offer).await;
    (project, talk)
}

/// A choice survey that twelve people answered and one is answering, a schedule, an adaptive questionnaire that was
/// answered twice, and an organisation that this person let in: addresses of survey, next question and layer.
pub async fn care(pages: &Pages, person: &str) -> (String, String, String) {
    let survey = [
        ("title", "取药，您更看重什么？"),
        ("purpose", "大家愿意为就近取药、少跑几趟放弃多少别的。结果附在项目的证据里，决定前公布。"),
        (
            "attributes",
            "取药地点: 村卫生室 | 乡镇卫生院 | 县医院\n每次配药: 4 周 | 8 周 | 12 周\n每月自付: 0 元 | 10 元 | 30 元",
        ),
        ("tasks", "6"),
        ("opens", "2026-11-01"),
        ("closes", "2026-12-31"),
    ];
    enter(pages, "enter/survey", &survey, "").await;
    let id = behind(pages, "/participation/say", "/participation/survey/").await;
    let mut next = String::new();
    for who in 0..13usize {
        next = leads(pages, "answering", &[("survey", &id), ("role", "patient")]).await;
        let answering = next.rsplit('/').next().expect("an id").to_owned();
        for task in 0..if who == 12 { 2 } else { 6 } {
            let (task, chosen) = (task.to_string(), ((who * 5 + task * 3) % 7 % 2).to_string());
            let answer =
                [("survey", id.as_str()), ("answering", &answering), ("task", &task), ("button", &chosen)];
            enter(pages, "choice", &answer, "").await;
        }
    }
    for level in ["1", "3"] {
        let mut there = format!("/participation/adaptive/demonstration?person={person}");
        loop {
            let (_, _, page) = ask(pages, Method::GET, &there, String::new(), "").await;
            let Some((_, rest)) = page.split_once("name=\"item\" value=\"") else { break };
            let item = rest.split('"').next().expect("an item").to_owned();
            let response = there.split_once("response=").map_or("", |(_, id)| id).to_owned();
            let answer = [
                ("person", person),
                ("form", "demonstration"),
                ("item", &item),
                ("response", &response),
                ("button", level),
            ];
            there = leads(pages, "adaptive", &answer).await;
        }
    }
    let asks = [
        ("person", person),
        ("questionnaire", "urn:tongmai:questionnaire:eq-5d-5l"),
        ("weeks", "4"),
        ("first", "2026-11-01"),
    ];
    enter(pages, "schedule", &asks, "").await;
    let joined = format!("/participation/joined?person={person}");
    let organisation = behind(pages, &joined, "name=\"organisation\" value=\"").await;
    enter(pages, "joined", &[("person", person), ("organisation", &organisation), ("button", "join")], "")
        .await;
    let layer = format!("layer/{organisation}");
    let words = [("person", person), ("kind", "visit"), ("text", "上门看望，缺试纸"), ("who", "小李")];
    enter(pages, &layer, &words, "").await;
    (format!("/participation/survey/{id}"), next, format!("/participation/{layer}"))
}

/// Sends a form that must be taken; where it leads.
async fn leads(pages: &Pages, address: &str, fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let asked = Asked {
        method: Method::POST,
        path: format!("/participation/{address}"),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(pairs.collect::<Vec<_>>().join("&")),
        requester: Requester::shared_local(),
    };
    let answer = (pages)(asked).await;
    let location = answer.headers().get(hyper::header::LOCATION).and_then(|v| v.to_str().ok());
    location.unwrap_or_else(|| panic!("{address} {fields:?}: {}", answer.status())).to_owned()
}
