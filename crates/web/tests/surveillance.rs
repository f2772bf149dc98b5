//! From the laboratory's message to the epidemiologist's answer: the steps 09:20 and 09:25 of the story,
//! by the door and the pages that people use.

mod common {
    pub mod county;
}

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::county::{self, Site};
use http_body_util::BodyExt;
use hyper::header::ACCEPT_LANGUAGE;
use hyper::{HeaderMap, Method};
use tongmai_gateway::hl7v2::listen::Listener;
use tongmai_gateway::hl7v2::mllp;
use tongmai_http::Asked;
use tongmai_views::surveillance::Surveillance;

struct Got {
    status: u16,
    location: String,
    text: String,
}

async fn ask(site: &Site, method: Method, address: &str, form: &[(&str, &str)]) -> Got {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_LANGUAGE, "zh-CN".parse().expect("a header"));
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let asked = Asked {
        requester: tongmai_access::Requester::shared_local(),
        method,
        path: path.into(),
        query: query.into(),
        headers,
        body: Bytes::from(body.join("&")),
    };
    let (parts, body) = (site.pages)(asked).await.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Got {
        status: parts.status.as_u16(),
        location: parts.headers.get("location").and_then(|it| it.to_str().ok()).unwrap_or("").to_owned(),
        text: String::from_utf8(bytes.to_vec()).expect("text"),
    }
}

async fn get(site: &Site, address: &str) -> Got {
    ask(site, Method::GET, address, &[]).await
}

/// The first address on a page that begins so.
fn link<'t>(page: &'t str, begin: &str) -> &'t str {
    let at = page.find(&format!("href=\"{begin}")).unwrap_or_else(|| panic!("no {begin} on {page}")) + 6;
    let rest = &page[at..];
    rest[..rest.find('"').expect("an end")].split('?').next().expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laboratory_and_the_epidemiologist() {
    let site = county::county(30).await;
    // 09:20: the laboratory's results come in; twice is once.
    for _ in 0..2 {
        let sent = ask(&site, Method::POST, "/surveillance/story/laboratory", &[]).await;
        assert_eq!((sent.status, sent.location.as_str()), (303, "/surveillance"), "{}", sent.text);
    }
    let desk = get(&site, "/surveillance/cards").await;
    assert_eq!(desk.text.matches("霍乱").count(), 3, "{}", desk.text);
    assert!(desk.text.contains("马成") && desk.text.contains("还剩 2 小时"), "{}", desk.text);
    let board = get(&site, "/surveillance").await;
    assert_eq!(board.text.matches("level red").count(), 3, "{}", board.text);
    // 09:25: the epidemiologist notes the market and opens the signal.
    let opened = ask(&site, Method::POST, "/surveillance/story/market", &[]).await;
    assert_eq!(opened.status, 303, "{}", opened.text);
    let signal = get(&site, &opened.location).await;
    for words in ["清禾农贸市场", "3 例", "丁兰", "何川", "class=band", "属实可能", "判为疑似事件"]
    {
        assert!(signal.text.contains(words), "{words}: {}", signal.text);
    }
    // Above the county: counts, no names.
    let above = get(&site, &format!("{}?desk=above", opened.location)).await;
    assert!(!above.text.contains("丁兰") && above.text.contains("个案只对责任县区开放"), "{}", above.text);
    let lines = get(&site, "/surveillance/lines?desk=above").await;
    assert_eq!(lines.status, 403);
    assert!(!lines.text.contains("丁兰"));
    let lines = get(&site, "/surveillance/lines.csv?disease=cholera").await;
    assert_eq!(lines.text.lines().count(), 4, "{}", lines.text);
    // The map and the curve know the three.
    let map = get(&site, "/surveillance/map?disease=cholera").await;
    assert!(map.text.contains("class=tiles") && map.text.contains("河湾镇"), "{}", map.text);
    // The county answers.
    let answer = ask(&site, Method::POST, &opened.location, &[("who", "疾控 王"), ("step", "suspect")]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(get(&site, &opened.location).await.text.contains("疑似事件"));
    let bad = ask(&site, Method::POST, &opened.location, &[("who", "疾控 王"), ("step", "exclude")]).await;
    assert_eq!(bad.status, 400, "a final answer has a reason");
    // The card goes its way to the national system.
    let card = link(&desk.text, "/surveillance/card/").to_owned();
    for (fields, words) in [
        (vec![("step", "submit"), ("who", "防保科 刘")], "已上报"),
        (vec![("step", "reject"), ("who", "直报"), ("why", "地址不详")], "地址不详"),
        (vec![("step", "submit"), ("who", "刘"), ("address", "清禾县河湾镇渡口村12号")], "已上报"),
        (vec![("step", "accept"), ("who", "直报"), ("national-number", "9901-2026-0001")], "9901-2026-0001"),
        (
            vec![("step", "correct"), ("who", "刘"), ("why", "复核"), ("classification", "clinical")],
            "临床诊断病例",
        ),
        // A corrected card is sent again before the national list can take it further.
        (vec![("step", "submit"), ("who", "刘")], "已上报"),
    ] {
        let done = ask(&site, Method::POST, &card, &fields).await;
        assert_eq!(done.status, 303, "{}", done.text);
        assert!(get(&site, &card).await.text.contains(words), "{words}");
    }
    // Out as a FHIR document, whole and valid.
    let document = get(&site, &format!("{card}/document")).await;
    let json = tongmai_fhir::json::Json::parse_str(&document.text).expect("JSON");
    let findings = tongmai_fhir::validate::validate(&json, &tongmai_fhir::validate::Options::default());
    assert_eq!(findings, [], "{}", document.text);
    assert!(document.text.contains("55751-2") && document.text.contains("\"Observation\""));
    // Contacts: a list comes in, a bad line is named.
    let contacts = format!("/surveillance/contacts/{}", card.rsplit('/').next().expect("an id"));
    let list = "姓名,电话\n张三,13900000001,同事,市场,2026-11-19,2026-12-03\n李四,13900000002";
    assert_eq!(ask(&site, Method::POST, &contacts, &[("list", list)]).await.status, 303);
    let page = get(&site, &contacts).await;
    assert!(page.text.contains("张三") && page.text.contains("李四"), "{}", page.text);
    let bad = ask(&site, Method::POST, &contacts, &[("list", "王五,,,,昨天")]).await;
    assert_eq!(bad.status, 400);
    // The day's list of the national system beside ours.
    let list = "number,card,name,disease,state\n9901-2026-0001,,马成,霍乱,province\n77,,某人,麻疹,accepted";
    let nobody = ask(&site, Method::POST, "/surveillance/reconcile", &[("list", list)]).await;
    assert_eq!(nobody.status, 400, "somebody reconciles");
    let form = [("list", list), ("who", "疾控 王")];
    let compared = ask(&site, Method::POST, "/surveillance/reconcile", &form).await;
    assert!(
        compared.text.contains("本地没有报卡") && compared.text.contains("已按清单更新 1 张报卡"),
        "{}",
        compared.text
    );
    assert!(
        get(&site, &card).await.text.contains("省级已审"),
        "what the national side decided is on the card"
    );
    own_boundaries(&site).await;
    let syndromes = get(&site, "/surveillance/syndromes?syndrome=diarrhoea").await;
    for words in ["流感样病例", "发热出疹", "近 7 天就诊", "class=band"] {
        assert!(syndromes.text.contains(words), "{words}: {}", syndromes.text);
    }
    let detail = get(&site, "/surveillance/disease/syndrome-diarrhoea").await;
    assert!(detail.status == 200 && detail.text.contains("腹泻"), "{}", detail.text);
    // The missed reports of the county's history are there to choose from.
    let figures = get(&site, "/surveillance/figures").await;
    assert!(figures.text.contains("漏报搜索") && figures.text.contains("补报"), "{}", figures.text);
    // Every look was logged.
    let mut looks = 0;
    site.access.entries(&mut |entry| looks += usize::from(entry.operation == 7)).expect("a log");
    assert!(looks >= 8, "{looks}");
}

/// The operator's own boundaries: refused without a review number, drawn with it, and gone again.
async fn own_boundaries(site: &Site) {
    let square = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"河口镇"},
        "geometry":{"type":"Polygon","coordinates":[[[100,30],[101,30],[101,31],[100,31],[100,30]]]}}]}"#;
    let send = async |fields: &[(&str, &str)]| {
        let part = |(name, text): &(&str, &str)| {
            format!("--bound\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let body = format!("{}--bound--\r\n", fields.iter().map(part).collect::<String>());
        let mut headers = HeaderMap::new();
        headers.insert(
            hyper::header::CONTENT_TYPE,
            "multipart/form-data; boundary=bound".parse().expect("a header"),
        );
        let asked = Asked {
            requester: tongmai_access::Requester::shared_local(),
            method: Method::POST,
            path: "/surveillance/map".into(),
            query: String::new(),
            headers,
            body: Bytes::from(body),
        };
        (site.pages)(asked).await.status().as_u16()
    };
    assert!(!get(site, "/surveillance/map").await.text.contains("tiles land"), "none is shipped");
    assert_eq!(send(&[("review", "无"), ("source", "甲"), ("file", square)]).await, 400);
    assert_eq!(send(&[("review", "川S（2026）001号"), ("source", "甲"), ("file", "{}")]).await, 400);
    assert_eq!(send(&[("review", "川S（2026）001号"), ("source", "甲测绘院"), ("file", square)]).await, 303);
    let map = get(site, "/surveillance/map").await.text;
    assert!(map.contains("tiles land") && map.contains("审图号：川S（2026）001号 · 甲测绘院"), "{map}");
    assert_eq!(send(&[("remove", "1")]).await, 303);
    assert!(!get(site, "/surveillance/map").await.text.contains("tiles land"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_by_the_door_is_a_card_and_an_alarm_within_two_seconds() {
    let site = county::empty();
    let surveillance = Arc::new(Surveillance::new(site.engine.clone(), site.access.clone(), None));
    surveillance.follow().expect("a thread");
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(Arc::new(Listener::new(site.doors.clone())).serve(socket));
    let message = "MSH|^~\\&|LIS|H|TM|Q|20261121090000||ORU^R01^ORU_R01|1|P|2.5.1|||||CHN|UNICODE UTF-8\r\
        PID|1||P1^^^H^MR||王^五||19790306|M|||1号^^清禾县^禾州省^^CN^H^^河湾镇\r\
        OBR|1|O1|R1|CTX^霍乱毒素基因检测^L|||20261121085900+0800\r\
        OBX|1|CWE|CTXAB^霍乱毒素基因(ctxAB)核酸检测^L||POS^阳性^L||阴性|A|||F|||20261121085900+0800\r";
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut answer = [0; 1024];
    let begun = Instant::now();
    tokio::task::block_in_place(|| {
        stream.write_all(&mllp::frame(message.as_bytes())).expect("sent");
        let read = stream.read(&mut answer).expect("an answer");
        let text = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(text.contains("MSA|AA"), "{text}");
    });
    // The surveillance's own thread does the work; this one only watches the ledger.
    let watcher = Surveillance::new(site.engine.clone(), site.access.clone(), None);
    loop {
        let (cards, signals) =
            watcher.look(|cases| (cases.cards().count(), cases.signals().count())).expect("a view");
        if (cards, signals) == (1, 1) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{cards} cards and {signals} signals after two seconds"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("card and alarm {} ms after the message", begun.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_to_pages_that_follow() {
    let site = county::county(10).await;
    let asked = Asked {
        requester: tongmai_access::Requester::shared_local(),
        method: Method::GET,
        path: "/surveillance/live".into(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let answer = (site.pages)(asked).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
    let mut body = answer.into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await.expect("in time");
        let data = frame.expect("a frame").expect("no error").into_data().expect("data");
        String::from_utf8(data.to_vec()).expect("text")
    };
    assert!(next().await.contains("event: position"));
    ask(&site, Method::POST, "/surveillance/story/laboratory", &[]).await;
    assert!(next().await.contains("event: position"));
}
