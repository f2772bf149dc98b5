//! Every page over the synthetic county: status, words, headers, size.

mod common {
    pub mod county;
}

use bytes::Bytes;
use common::county::{self, Site};
use http_body_util::BodyExt;
use hyper::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE};
use hyper::{HeaderMap, Method};
use tongmai_http::Asked;
use tongmai_region::story;

struct Got {
    status: u16,
    headers: HeaderMap,
    /// The body as it went over the line.
    packed: Bytes,
    text: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

async fn ask(
    site: &Site,
    method: Method,
    address: &str,
    headers: &[(hyper::header::HeaderName, &str)],
) -> Got {
    send(site, method, address, headers, "").await
}

async fn send(
    site: &Site,
    method: Method,
    address: &str,
    headers: &[(hyper::header::HeaderName, &str)],
    body: &str,
) -> Got {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut map = HeaderMap::new();
    map.insert(ACCEPT_ENCODING, "gzip, deflate, br".parse().expect("a header"));
    for (name, value) in headers {
        map.insert(name, value.parse().expect("a header"));
    }
    let asked = Asked {
        method,
        path: path.into(),
        query: query.into(),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
        requester: tongmai_access::Requester::shared_local(),
    };
    let (parts, body) = (site.pages)(asked).await.into_parts();
    let packed = body.collect().await.expect("a body").to_bytes();
    let text = if parts.headers.contains_key("content-encoding") {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text)
            .expect("gzip");
        text
    } else {
        String::from_utf8(packed.to_vec()).expect("text")
    };
    Got { status: parts.status.as_u16(), headers: parts.headers, packed, text }
}

async fn get(site: &Site, address: &str) -> Got {
    ask(site, Method::GET, address, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_in_both_languages_within_its_budget() {
    let site = county::county(60).await;
    let zhuoma = site.patients("identifier", &story::token(story::ZHUOMA));
    let id = &zhuoma[0];
    let pages = [
        ("/".to_owned(), "区域总览", "Region overview", 10_000),
        ("/people".into(), "怎样查找", "How to find somebody", 10_000),
        ("/people?q=%E5%8D%93%E7%8E%9B".into(), "卓玛", "Zhuoma", 10_000),
        (format!("/person/{id}"), "时间线", "Timeline", 8_000),
        (format!("/person/{id}/visits"), "时间线", "Timeline", 20_000),
        (format!("/person/{id}/trends"), "趋势", "Trends", 20_000),
        (format!("/resource/Patient/{id}"), "来源", "Where it came from", 10_000),
        (format!("/resource/Patient/{id}/1"), "历次版本", "Versions", 10_000),
        ("/ledger".into(), "账本", "Ledger", 10_000),
        ("/desk".into(), "身份核对台", "Identity desk", 10_000),
        ("/doors".into(), "接口与通道", "Doors and channels", 10_000),
        ("/doors/set-aside".into(), "待处理消息", "Messages set aside", 10_000),
        ("/doors/mapping".into(), "对码台", "Mapping workbench", 10_000),
        ("/doors/coverage".into(), "覆盖度", "Coverage", 12_000),
        ("/doors/assessment".into(), "互联互通成熟度自评", "Self-assessment of interoperability", 10_000),
        ("/drg".into(), "出院病例", "Discharges", 10_000),
        ("/drg/indicators".into(), "指标", "Indicators", 10_000),
        ("/drg/quality".into(), "质控", "Quality", 10_000),
        ("/drg/settlement".into(), "结算", "Settlement", 10_000),
        ("/drg/rules".into(), "规则", "Rules", 10_000),
        ("/drg/workshop".into(), "规则包工作台", "Pack workshop", 10_000),
        ("/surveillance".into(), "监测预警", "Surveillance", 10_000),
        ("/surveillance/cards".into(), "传染病报告卡", "report cards", 10_000),
        ("/surveillance/lines".into(), "病例一览表", "Line list", 10_000),
        ("/surveillance/map?disease=influenza".into(), "地区分布", "Distribution", 10_000),
        ("/surveillance/disease/influenza".into(), "流行曲线", "Epidemic curve", 10_000),
        ("/surveillance/duplicates".into(), "疑似重卡", "Possible duplicates", 10_000),
        ("/surveillance/figures".into(), "漏报搜索", "missed reports", 10_000),
        (format!("/desk/person/{id}"), "主记录", "Golden record", 10_000),
        ("/desk/newborn".into(), "登记新生儿", "Register a newborn", 10_000),
        ("/participation".into(), "患者参与", "Patient participation", 10_000),
        ("/participation/say".into(), "我要说话", "Have my say", 10_000),
        ("/participation/words".into(), "我的话去哪了", "Where did my words go", 10_000),
        ("/participation/goals".into(), "我的目标", "My goals", 10_000),
        ("/participation/questionnaires".into(), "问卷", "Questionnaires", 10_000),
        ("/participation/help".into(), "求助", "Ask for help", 10_000),
        ("/participation/organisations".into(), "名册", "Register", 10_000),
        ("/participation/office".into(), "关口要求", "What the gates ask for", 10_000),
        ("/participation/sponsors".into(), "临床试验", "Trials", 10_000),
        ("/participation/report/2026".into(), "年度报告", "Report of 2026", 10_000),
        ("/tour".into(), "清禾县的一天", "One day in Qinghe County", 10_000),
        ("/help".into(), "键盘", "Keyboard", 10_000),
    ];
    for (address, chinese, english, budget) in &pages {
        let plain = get(&site, address).await;
        let english_page = ask(&site, Method::GET, address, &[(ACCEPT_LANGUAGE, "en")]).await;
        for (got, word, tag) in [(&plain, chinese, "zh-CN"), (&english_page, english, "en")] {
            assert_eq!(got.status, 200, "{address}");
            assert!(got.text.contains(word), "{address} in {tag} lacks {word}");
            assert!(got.text.contains(&format!("<html lang=\"{tag}\"")), "{address}");
            assert!(got.packed.len() <= *budget, "{address} in {tag}: {} bytes", got.packed.len());
            assert_eq!(got.header("content-encoding"), "gzip", "{address}");
            assert_eq!(got.header("cache-control"), "no-store", "{address}");
            assert_eq!(got.header("referrer-policy"), "no-referrer", "{address}");
            let policy = got.header("content-security-policy");
            assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
            for inline in
                ["style=", "<style", "onclick=", "onload=", "javascript:", "=\"http", "=http", "=\"//"]
            {
                assert!(!got.text.contains(inline), "{address} has {inline}");
            }
        }
        eprintln!("{:7} {:7} bytes  {address}", plain.packed.len(), english_page.packed.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_load_is_small_and_assets_are_kept() {
    let site = county::county(30).await;
    let page = get(&site, "/").await;
    let mut total = page.packed.len();
    let assets: Vec<&str> = page.text.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for address in assets {
        let asset = get(&site, address).await;
        assert_eq!(asset.status, 200);
        assert!(asset.header("cache-control").contains("immutable"), "{address}");
        total += asset.packed.len();
        let plain = ask(&site, Method::GET, address, &[(ACCEPT_ENCODING, "identity")]).await;
        assert_eq!(plain.text, asset.text, "{address}");
    }
    assert!(total <= 60_000, "{total} bytes");
    eprintln!("first load {total} bytes");
    assert_eq!(get(&site, "/assets/000000000000/style.css").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_the_ledger_is_sent_once() {
    let site = county::county(30).await;
    get(&site, "/").await;
    let first = get(&site, "/live").await;
    assert_eq!(first.status, 200);
    let tag = first.header("etag").to_owned();
    let again = ask(&site, Method::GET, "/live", &[(hyper::header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!((again.status, again.packed.len()), (304, 0));
    let patient = r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient",
        "name":[{"text":"新来的人"}]},"request":{"method":"POST","url":"Patient"}}]}"#;
    site.load(patient).await;
    let changed = ask(&site, Method::GET, "/live", &[(hyper::header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_put_together_over_providers() {
    let site = county::county(30).await;
    let id = site.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    let page = get(&site, &format!("/person/{id}")).await;
    assert!(page.text.contains("<svg class=trend") && page.text.contains("参考范围"));
    assert!(!page.text.contains(story::ZHUOMA), "the number is covered");
    assert!(page.text.contains("990123…6764"));
    let sources = page.text.split("id=\"sources\"").nth(1).expect("her providers");
    assert!(sources.matches("次就诊").count() >= 3, "she was seen by several providers");

    // Two records with the same number at two providers are shown as one, whichever is asked for.
    let large = tongmai_region::County::new(1, 2_000, county::TODAY);
    let same = |person: &tongmai_region::Person| {
        let mut numbers = person.records.iter().map(|record| &record.identity_number);
        let first = numbers.next().cloned().flatten();
        first.is_some() && numbers.next().is_some_and(|number| *number == first)
    };
    let person = large.everyone().find(same).expect("somebody with two records of the same number");
    let (mut bundle, mut counts) = (String::new(), Default::default());
    let both = county::empty();
    large.write_directory_bundle(&mut bundle, &mut counts);
    both.load(&bundle).await;
    bundle.clear();
    large.write_bundle(&person, &mut bundle, &mut counts);
    both.load(&bundle).await;
    let number = person.records[0].identity_number.as_deref().expect("a number");
    let records = both.patients("identifier", &story::token(number));
    assert!(records.len() >= 2);
    for id in &records {
        let page = get(&both, &format!("/person/{id}")).await;
        for other in &records {
            assert!(page.text.contains(&format!("/resource/Patient/{other}")), "{id} shows {other}");
        }
    }
    // Twins without a number stay apart.
    let county = tongmai_region::County::new(1, 30, county::TODAY);
    for token in story::twins(&county) {
        let [id] = &site.patients("identifier", &token)[..] else { panic!("one record of each twin") };
        let page = get(&site, &format!("/person/{id}")).await;
        assert!(page.text.contains("3 天") && page.text.contains("没有身份证号"), "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_wrong_stands_with_its_version_and_who_wrote_it() {
    let site = county::with(tongmai_engine::Validation::Accept);
    site.load(
        r#"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","id":"o",
        "status":"final","code":{"text":"脉搏"},"colour":"<b>red</b>","subject":{"reference":"Patient/later"}},
        "request":{"method":"PUT","url":"Observation/o"}}]}"#,
    )
    .await;
    let local = tongmai_access::Requester::local();
    let sealed = site.engine.type_history(&site.access.sight(&local), None, None, None, 1).expect("a page");
    let history = site.access.release(&local, sealed).await.expect("logged");
    let id = &history.versions[0].id;
    let page = get(&site, &format!("/resource/Observation/{id}")).await;
    assert_eq!(page.status, 200);
    for words in ["校验发现", "未知元素", "Observation.colour", "引用的记录不在此处", "系统管理", "HSYSADMIN"]
    {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(!page.text.contains("<b>red"), "what was written is escaped");
    let english =
        ask(&site, Method::GET, &format!("/resource/Observation/{id}/1"), &[(ACCEPT_LANGUAGE, "en")]).await;
    assert!(english.text.contains("Findings") && english.text.contains("unknown element"));
    // A sound record has no such part.
    let sound = county::county(1).await;
    let patient = sound.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    assert!(!get(&sound, &format!("/resource/Patient/{patient}")).await.text.contains("校验发现"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_what_is_known_of_them() {
    let site = county::county(60).await;
    let number = story::ZHUOMA;
    for asked in [
        "%E5%8D%93%E7%8E%9B",
        "zhuoma",
        number,
        "1961-03-08",
        "%E5%8D%93%E7%8E%9B+1961%E5%B9%B43%E6%9C%888%E6%97%A5",
    ] {
        let page = get(&site, &format!("/people?q={asked}")).await;
        assert_eq!(page.status, 200, "{asked}");
        assert!(page.text.contains("990123…6764"), "{asked} finds her");
    }
    let none = get(&site, "/people?q=%E4%B8%8D%E5%AD%98%E5%9C%A8").await;
    assert!(none.text.contains("没有找到“不存在”"));
    let many = get(&site, "/people?q=a+b+c+d+e+f+g").await;
    assert_eq!(many.status, 400);
    assert!(many.text.contains("a b c d e f g"), "what was typed is kept");
    let evil = get(&site, "/people?q=%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(!evil.text.contains("<script>alert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_what_to_do() {
    let site = county::county(30).await;
    for (address, status) in [
        ("/nothing", 404),
        ("/person/nobody", 404),
        ("/resource/Patient/nobody", 404),
        ("/resource/Nonsense/1", 404),
        ("/resource/Patient/x/y", 404),
        ("/people?q=x&page=forged", 400),
    ] {
        let got = get(&site, address).await;
        assert_eq!(got.status, status, "{address}");
        assert!(got.text.contains("href=\"/people\""), "{address} leads on");
    }
    let id = &site.patients("identifier", &story::token(story::DAUGHTER))[0];
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"request":{{"method":"DELETE","url":"Patient/{id}"}}}}]}}"#
    );
    site.load(&bundle).await;
    for address in [format!("/resource/Patient/{id}"), format!("/person/{id}")] {
        let gone = get(&site, &address).await;
        assert_eq!(gone.status, 410, "{address}");
        assert!(gone.text.contains("已经删除") && gone.text.contains(&format!("/resource/Patient/{id}/1")));
    }
    assert_eq!(get(&site, &format!("/resource/Patient/{id}/1")).await.status, 200);
    assert_eq!(ask(&site, Method::POST, "/people", &[]).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_region_says_how_to_begin() {
    let site = county::empty();
    let page = get(&site, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("tongmai import"));
    assert!(get(&site, "/tour").await.text.contains("tongmai demo"));
    assert_eq!(get(&site, "/ledger").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn choices_are_kept_by_the_browser() {
    let site = county::empty();
    let chosen = get(&site, "/help?lang=en&text=large").await;
    let kept: Vec<&str> =
        chosen.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect();
    assert!(
        kept.iter().any(|c| c.starts_with("lang=en;")) && kept.iter().any(|c| c.starts_with("text=large;"))
    );
    let later = ask(&site, Method::GET, "/help", &[(COOKIE, "lang=en; text=large")]).await;
    assert!(later.text.contains("<html lang=\"en\" class=\"large\""));
    assert!(get(&site, "/help?lang=bo").await.text.contains("审校"));
    assert!(get(&site, "/help?lang=zh-HK").await.text.contains("<html lang=\"zh-HK\""));
    let nonsense = ask(&site, Method::GET, "/help", &[(COOKIE, "lang=%00; text=huge")]).await;
    assert!(nonsense.text.contains("<html lang=\"zh-CN\">"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_morning_of_the_story_comes_by_the_doors() {
    let site = county::county(40).await;
    let zhuoma = site.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    // 08:30: HL7 v2 in GB18030, a slightly different name and the old number of 15 digits.
    let got = ask(&site, Method::POST, "/doors/story/0830", &[]).await;
    assert_eq!(got.status, 303);
    let message = get(&site, got.header("location")).await;
    assert!(message.text.contains("ADT^A01") && message.text.contains("卓瑪"), "{}", message.text);
    assert!(message.text.contains("已写入"), "{}", message.text);
    let person = site
        .engine
        .person(&site.access.sight(&tongmai_access::Requester::local()), &zhuoma)
        .expect("a person");
    let person = tokio::task::block_in_place(|| {
        site.access.release_blocking(&tongmai_access::Requester::local(), person).expect("released")
    });
    let admitted = person
        .members
        .iter()
        .filter(|member| std::str::from_utf8(&member.resource.text).is_ok_and(|text| text.contains("卓瑪")));
    assert_eq!(admitted.count(), 1, "the admission is linked to her person");
    // 08:31: the insurer's signed and encrypted message of what she is insured by.
    let got = ask(&site, Method::POST, "/doors/story/0831", &[]).await;
    let message = get(&site, got.header("location")).await;
    assert!(message.text.contains("1101") && message.text.contains("已写入"), "{}", message.text);
    assert!(message.text.contains("Coverage"), "{}", message.text);
    let person = site
        .engine
        .person(&site.access.sight(&tongmai_access::Requester::local()), &zhuoma)
        .expect("a person");
    let person = tokio::task::block_in_place(|| {
        site.access.release_blocking(&tongmai_access::Requester::local(), person).expect("released")
    });
    let insured = person.members.iter().filter(|member| {
        std::str::from_utf8(&member.resource.text)
            .is_ok_and(|text| text.contains("urn:tongmai:insurance:psn_no"))
    });
    assert_eq!(insured.count(), 1, "her insurance is linked to her person");
    // Changed on the way it is kept, refused by the name of its fault, and nothing of it is taken in.
    let before = site.count("Coverage");
    let got = ask(&site, Method::POST, "/doors/story/0831-tampered", &[]).await;
    let message = get(&site, got.header("location")).await;
    assert!(message.text.contains("signature-wrong") && !message.text.contains("已写入"), "{}", message.text);
    assert_eq!(site.count("Coverage"), before);
    // 08:45: a document with a dash in three fields that must be filled in.
    let got = ask(&site, Method::POST, "/doors/story/0845", &[]).await;
    let message = get(&site, got.header("location")).await;
    assert!(message.text.contains("C0002") && message.text.contains("已写入"), "{}", message.text);
    assert_eq!(
        message.text.matches("<small class=\"quiet\">placeholder</small>").count(),
        3,
        "{}",
        message.text
    );
    let original = get(&site, &format!("{}/original", got.header("location"))).await;
    assert_eq!(original.header("content-type"), "application/octet-stream");
    assert!(original.text.contains("ClinicalDocument"));
    // Sent once more nothing changes.
    let before = site.engine.position().expect("a position");
    assert_eq!(ask(&site, Method::POST, "/doors/story/0845", &[]).await.status, 303);
    assert_eq!(site.engine.position().expect("a position"), before);
    let channels = get(&site, "/doors").await;
    assert!(channels.text.contains("WS/T 500"), "{}", channels.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_mended_on_its_desk_and_codes_are_mapped() {
    let site = county::empty();
    site.deliver_some().await;
    let desk = get(&site, "/doors/set-aside").await;
    // The repair is proposed, with the separators put in.
    assert!(
        desk.text.contains("MSH|^~\\&amp;|HIS|H1") || desk.text.contains("MSH|^~\\&#38;|HIS|H1"),
        "{}",
        desk.text
    );
    let number = desk.text.split("name=\"number\" value=\"").nth(1).expect("a number");
    let number = number.split('"').next().expect("a number").to_owned();
    let mended = "MSH%7C%5E~%5C%26%7CHIS%7CH1%7CT%7CR%7C20261121%7C%7CADT%5EA01%7C9%7CP%7C2.4%0D%0APID%7C1%7C%7CP9%5E%5E%5EH1%5EMR%7C%7C%E7%8E%8B%5E%E8%8A%B3";
    let form = format!("number={number}&action=repair&text={mended}");
    let other = hyper::header::HeaderName::from_static("sec-fetch-site");
    assert_eq!(
        send(&site, Method::POST, "/doors/set-aside", &[(other, "cross-site")], &form).await.status,
        403
    );
    let got = send(&site, Method::POST, "/doors/set-aside", &[], &form).await;
    assert_eq!(got.status, 303, "{}", got.text);
    assert!(get(&site, got.header("location")).await.text.contains("已写入"));
    assert!(get(&site, "/doors/set-aside").await.text.contains("没有待处理的消息"));
    assert!(get(&site, &format!("/doors/message/{number}")).await.text.contains("已修复重放"));
    // The laboratory's own code is mapped by a person, and the next message carries both.
    let bench = get(&site, "/doors/mapping").await;
    assert!(bench.text.contains("HB") && bench.text.contains("血红蛋白"), "{}", bench.text);
    let system = bench.text.split("name=\"system\" value=\"").nth(1).expect("a system");
    let system = system.split('"').next().expect("a system").to_owned();
    let form = format!("system={system}&code=HB&who=Li&other=http%3A%2F%2Floinc.org%7C718-7%7CHemoglobin");
    let got = send(&site, Method::POST, "/doors/mapping", &[], &form).await;
    assert_eq!(got.status, 303, "{}", got.text);
    let bench = get(&site, "/doors/mapping").await;
    assert!(bench.text.contains("718-7") && !bench.text.contains("name=\"chosen\""), "{}", bench.text);
    let result = "MSH|^~\\&|LIS|H1|T|R|20261121090000||ORU^R01|2|P|2.4\rPID|1||P1^^^H1^MR||王^芳\r\
                  OBR|1||F78|HB^血红蛋白^L|||20261121090000\rOBX|1|NM|HB^血红蛋白^L||119|g/L|||||F\r";
    let format = site.doors.format("hl7v2").expect("a door");
    let receipt = site.doors.receive(format, result.as_bytes()).await;
    let message = get(&site, &format!("/doors/message/{}", receipt.number)).await;
    assert_eq!(message.status, 200);
    let observation = receipt.resources.iter().find(|of| of.starts_with("Observation/")).expect("a result");
    let page = get(&site, &format!("/resource/{observation}")).await;
    assert!(page.text.contains("718-7"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_checked_from_the_tour() {
    let site = county::county(20).await;
    assert!(get(&site, "/tour").await.text.contains("还没有核对过"));
    let other = hyper::header::HeaderName::from_static("sec-fetch-site");
    assert_eq!(ask(&site, Method::POST, "/tour/verify", &[(other, "cross-site")]).await.status, 403);
    assert_eq!(ask(&site, Method::POST, "/tour/verify", &[]).await.status, 303);
    for _ in 0..200 {
        let part = get(&site, "/live/verify").await;
        if part.text.contains("完整") {
            assert!(get(&site, "/tour").await.text.contains("✓ 完整"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the check did not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_was_logged_and_counts_too() {
    let site = county::county(20).await;
    let count = || {
        let mut count = 0;
        site.access.entries(&mut |_| count += 1).expect("the log");
        count
    };
    let before = count();
    get(&site, "/").await;
    assert_eq!(count(), before + 1, "counts show nobody's record, and that somebody counted is logged");
    let id = site.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    let before = count();
    get(&site, &format!("/person/{id}")).await;
    assert!(count() >= before + 2, "her record and the search for others of hers");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_the_county() {
    let site = county::county(60).await;
    let page = get(&site, "/?lang=en").await;
    let people = page.text.split("</b> people").next().and_then(|head| head.rsplit("<b>").next());
    let people: usize = people.and_then(|text| text.parse().ok()).expect("a number");
    let county = tongmai_region::County::new(1, 60, county::TODAY);
    let mut expected = 0;
    let mut numbers = std::collections::HashSet::new();
    for person in county.everyone() {
        for record in &person.records {
            expected += match &record.identity_number {
                Some(number) => usize::from(numbers.insert(number.clone())),
                None => 1,
            };
        }
    }
    assert_eq!(people, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_same_when_they_are_counted_again() {
    let mut site = county::county(20).await;
    let first = get(&site, "/live").await.text;
    let id = site.patients("identifier", &story::token(story::DAUGHTER)).remove(0);
    let request = |method: &str, url: &str, resource: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"batch","entry":[{{{resource}"request":{{"method":"{method}","url":"{url}"}}}}]}}"#
        )
    };
    let visit = |day: &str| {
        format!(
            r#""resource":{{"resourceType":"Encounter","id":"moved","status":"finished","class":{{"code":"AMB"}},
            "subject":{{"reference":"Patient/{id}"}},"period":{{"start":"{day}"}}}},"#
        )
    };
    // Seen after each step: a visit that moves to another day, and a person who goes.
    for step in [
        request("PUT", "Encounter/moved", &visit("2026-11-20")),
        request("PUT", "Encounter/moved", &visit("2026-11-18")),
        request("DELETE", &format!("Patient/{id}"), ""),
    ] {
        site.load(&step).await;
        get(&site, "/live").await;
    }
    let stepwise = get(&site, "/live").await.text;
    assert_ne!(stepwise, first);
    site.pages = tongmai_web::pages(site.engine.clone(), site.access.clone(), None);
    assert_eq!(get(&site, "/live").await.text, stepwise);
}

/// Sends a form and follows where it leads.
async fn fill_in(site: &Site, address: &str, form: &[(&str, &str)]) -> (u16, String) {
    let body: Vec<String> = form
        .iter()
        .map(|(name, value)| {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("{name}={value}")
        })
        .collect();
    let asked = Asked {
        method: Method::POST,
        path: address.into(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(body.join("&")),
        requester: tongmai_access::Requester::shared_local(),
    };
    let (parts, body) = (site.pages)(asked).await.into_parts();
    let text = body.collect().await.expect("a body").to_bytes();
    let to = parts.headers.get("location").and_then(|to| to.to_str().ok()).unwrap_or("");
    let told = if to.is_empty() { String::from_utf8_lossy(&text).into_owned() } else { to.to_owned() };
    (parts.status.as_u16(), told)
}

/// 08:10 of the story: the township clinic registers the second of 王芳's newborn twins.
#[tokio::test(flavor = "multi_thread")]
async fn a_newborn_twin_is_registered_through_the_page() {
    let site = county::county(60).await;
    assert!(get(&site, "/tour").await.text.contains("/desk/newborn?mother="));
    let asked =
        get(&site, &format!("/desk/newborn?mother=%E7%8E%8B%E8%8A%B3&number={}", story::WANG_FANG)).await;
    assert!(asked.text.contains("value=\"王芳\"") && asked.text.contains(story::WANG_FANG));
    let birth = tongmai_base::time::Instant((county::TODAY - 3) * 86_400_000).to_fhir()[..10].to_owned();
    let form = |number: &'static str, order: &'static str| {
        vec![
            ("mother", "王芳".to_owned()),
            ("number", number.to_owned()),
            ("sex", "male".into()),
            ("birth", birth.clone()),
            ("time", "03:20".into()),
            ("order", order.to_owned()),
            ("clinic", "乡镇卫生院".into()),
        ]
    };
    let borrowed =
        |form: &[(&'static str, String)]| form.iter().map(|(n, v)| (*n, v.clone())).collect::<Vec<_>>();
    let register = async |number: &'static str, order: &'static str| {
        let form = borrowed(&form(number, order));
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fill_in(&site, "/desk/newborn", &form).await
    };
    let (status, page) = register("990123190001010000", "2").await;
    assert!(status == 422 && page.contains("没有这个身份证号的档案") && page.contains("03:20"), "{page}");
    let (status, first) = register(story::WANG_FANG, "1").await;
    assert_eq!(status, 303, "{first}");
    let (_, second) = register(story::WANG_FANG, "2").await;
    assert_ne!(first, second);
    let page = get(&site, &second).await.text;
    let id = first.rsplit('/').next().expect("an id");
    // The mother is related, the twin is listed as another person, and nobody was merged with them.
    assert!(page.contains("母亲") && page.contains("王芳") && page.contains("同胎"), "{page}");
    let records =
        page.split("<h2>记录</h2>").nth(1).expect("records").split("</section>").next().expect("an end");
    assert!(!records.contains(id), "the twins were merged: {records}");
    let mothers = site.patients("identifier", &story::token(story::WANG_FANG));
    assert!(mothers.iter().any(|mother| page.contains(&format!("/desk/person/{mother}"))));
    assert!(mothers.iter().all(|mother| !records.contains(mother)));
}

/// A ruling against the rules takes two people; the page says so and keeps who works there.
#[tokio::test(flavor = "multi_thread")]
async fn overrides_take_two_people_on_the_page() {
    let site = county::empty();
    let patient = |id: &str, name: &str, birth: &str| {
        format!(
            "{{\"resource\":{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"name\":[{{\"text\":\"{name}\"}}],\"birthDate\":\"{birth}\"}},\"request\":{{\"method\":\"PUT\",\"url\":\"Patient/{id}\"}}}}"
        )
    };
    site.load(&format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{},{}]}}",
        patient("a", "王刚春", "1961-11-28"),
        patient("b", "于颖娜", "1949-12-31")
    ))
    .await;
    let (a, b) = (site.patients("name", "王刚春").remove(0), site.patients("name", "于颖娜").remove(0));
    let open = format!("/desk?pair={a}.{b}");
    assert!(get(&site, &open).await.text.contains("须由两人先后确认"));
    let decide = async |who: &str| {
        fill_in(
            &site,
            "/desk",
            &[
                ("left", a.as_str()),
                ("right", b.as_str()),
                ("who", who),
                ("why", "改过名"),
                ("decision", "same"),
            ],
        )
        .await
    };
    assert_eq!(decide("赵").await, (303, "/desk".to_owned()));
    let waiting = get(&site, "/desk").await.text;
    assert!(waiting.contains("等第二人确认") && waiting.contains("改过名"), "{waiting}");
    assert!(!get(&site, &format!("/desk/person/{a}")).await.text.contains("于颖娜"));
    assert_eq!(decide("李").await.0, 303);
    assert!(get(&site, &format!("/desk/person/{a}")).await.text.contains("于颖娜"));
}
