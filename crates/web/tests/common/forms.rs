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
