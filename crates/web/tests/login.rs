//! The pages with a login: who opens what, and what residents and the privacy officer do there.

mod common {
    pub mod county;
    pub mod people;
}

use common::people::{PASSWORD, town};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anything_before_they_come_in() {
    let town = town(20).await;
    let mut browser = town.browser();
    for address in [
        "/",
        "/people?q=x",
        "/me",
        "/me/looked",
        "/privacy",
        "/ledger",
        "/desk",
        "/tour",
        "/home",
        "/nothing",
    ] {
        let got = browser.get(address).await;
        assert_eq!(got.status, 303, "{address}");
        assert!(got.leads_to().starts_with("/login?next="), "{address}: {}", got.leads_to());
    }
    for address in [format!("/person/{}", town.zhuoma), format!("/resource/Patient/{}", town.zhuoma)] {
        let got = browser.get(&address).await;
        assert!(got.leads_to().starts_with("/login") && !got.text.contains("卓玛"), "{address}");
    }
    for address in ["/login", "/invitation", "/help", "/duties"] {
        assert_eq!(browser.get(address).await.status, 200, "{address}");
    }
    let wrong = browser
        .post("/login", &[("account", "zhuoma"), ("password", "wrong password!"), ("next", "/me")])
        .await;
    assert!(wrong.status == 403 && browser.cookie.is_empty() && wrong.text.contains("口令或验证码不对"));
    assert!(
        wrong.text.contains("value=\"zhuoma\"") && wrong.text.contains("value=\"/me\""),
        "what was typed is kept"
    );
    // A login leads on to pages of this server alone, with a cookie that scripts and other sites never see.
    for (next, there) in
        [("/me/family", "/me/family"), ("//evil.example", "/home"), ("https://evil.example", "/home")]
    {
        let mut browser = town.browser();
        let got =
            browser.post("/login", &[("account", "zhuoma"), ("password", PASSWORD), ("next", next)]).await;
        assert_eq!((got.status, got.leads_to()), (303, there));
        assert!(!browser.cookie.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_opens_its_own_pages() {
    let town = town(20).await;
    for (who, opens, closed) in [
        (
            "zhuoma",
            &["/me", "/me/looked", "/me/sharing", "/me/requests", "/me/family"][..],
            &["/people", "/privacy/log", "/ledger", "/share", "/desk"][..],
        ),
        ("dr-li", &["/home", "/people", "/share", "/"], &["/me", "/privacy/requests", "/ledger"]),
        ("epi-sun", &["/home", "/"], &["/people", "/me", "/privacy/log", "/share"]),
        (
            "privacy-he",
            &["/home", "/privacy/requests", "/privacy/emergency", "/privacy/consents", "/privacy/log"],
            &["/people", "/me", "/share"],
        ),
        ("audit-jia", &["/home", "/privacy/log", "/ledger"], &["/privacy/requests", "/people", "/me"]),
    ] {
        let mut browser = town.login(who).await;
        for address in opens {
            let got = browser.get(address).await;
            assert_eq!(got.status, 200, "{who} {address}: {}", got.leads_to());
            for inline in ["style=", "<style", "onclick=", "javascript:"] {
                assert!(!got.text.contains(inline), "{address} has {inline}");
            }
        }
        for address in closed {
            assert_eq!(browser.get(address).await.status, 403, "{who} {address}");
        }
        let out = browser.post("/logout", &[]).await;
        assert_eq!((out.status, browser.cookie.as_str()), (303, ""));
        assert!(browser.get(opens[0]).await.leads_to().starts_with("/login"));
    }
    // A resident opens their own alone; whether there is another is not said.
    let mut browser = town.login("zhuoma").await;
    assert_eq!(browser.get(&format!("/person/{}", town.zhuoma)).await.status, 200);
    for other in [format!("/person/{}", town.daughter), format!("/resource/Patient/{}", town.daughter)] {
        let got = browser.get(&other).await;
        assert_eq!(got.status, 404, "{other}");
        assert!(got.text.contains("没有这份记录，或者它不对您开放") && !got.text.contains("央宗"));
    }
    // The home of a resident is their own page, and the overview of a region is nobody's but staff's.
    let mut browser = town.login("zhuoma").await;
    assert_eq!(browser.get("/home").await.leads_to(), "/me");
    assert_eq!(browser.get("/").await.leads_to(), "/me");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_is_not_taken() {
    let town = town(20).await;
    let mut browser = town.login("zhuoma").await;
    let form = [("of", town.zhuoma.as_str()), ("kind", "erasure"), ("text", "forged")];
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[],
    ] {
        let got = browser.post_from("/me/requests", &form, headers).await;
        assert_eq!(got.status, 403, "{headers:?}");
    }
    assert!(!browser.get("/me/requests").await.text.contains("forged"));
    // An old browser, which says nothing, sends the word of its session.
    let word = town.accounts.form_word(&browser.cookie);
    let with_word = [form[0], form[1], form[2], ("word", word.as_str())];
    assert_eq!(browser.post_from("/me/requests", &with_word, &[]).await.status, 303);
    let own = [("origin", "http://county.example")];
    assert_eq!(browser.post_from("/me/requests", &form, &own).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_shares_at_the_point_of_care_in_three_taps() {
    let town = town(20).await;
    let mut zhuoma = town.login("zhuoma").await;
    let mut doctor = town.login("dr-li").await;
    // One: Sharing. Two: Show a code.
    let sharing = zhuoma.get("/me/sharing").await;
    assert!(sharing.text.contains("出示授权码") && sharing.text.contains("您同意的是什么"));
    let shown = zhuoma.post("/me/sharing/code", &[("of", &town.zhuoma)]).await;
    assert!(shown.text.contains("<svg") && shown.text.contains("等待对方扫码"));
    let typed =
        shown.text.split("class=\"code\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a code");
    let brought = doctor.post("/share", &[("code", &typed.to_lowercase())]).await;
    assert!(brought.status == 200 && brought.text.contains("请 卓玛 在自己的页面上确认"), "{}", brought.text);
    // Three: Yes, to the doctor whom she reads there.
    let asks = zhuoma.get("/me/sharing/live").await;
    assert!(asks.text.contains("李文") && asks.text.contains("清禾县人民医院"));
    zhuoma.post("/me/sharing/answer", &[("answer", "yes"), ("account", "dr-li")]).await;
    let given = zhuoma.get("/me/sharing").await;
    assert!(given.text.contains("清禾县人民医院") && given.text.contains("有效"), "{}", given.text);
    // A code that was used is none, and whoever was not shown gets nothing.
    let again = doctor.post("/share", &[("code", typed)]).await;
    assert_eq!(again.status, 400);
    let second = zhuoma.post("/me/sharing/code", &[("of", &town.zhuoma)]).await;
    let typed =
        second.text.split("class=\"code\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a code");
    town.login("dr-wang").await.post("/share", &[("code", typed)]).await;
    zhuoma.post("/me/sharing/answer", &[("answer", "yes"), ("account", "dr-li")]).await;
    assert_eq!(zhuoma.get("/me/sharing").await.text.matches("有效</span>").count(), 1);
    // She takes it back with one tap, and the privacy officer sees both.
    zhuoma.post("/me/sharing", &[("of", &town.zhuoma), ("organization", "清禾县人民医院")]).await;
    let ended = zhuoma.get("/me/sharing").await;
    assert!(ended.text.contains("已结束") && !ended.text.contains("有效</span>"));
    let consents = town.login("privacy-he").await.get("/privacy/consents").await;
    assert!(consents.text.contains("已收回") && consents.text.contains("清禾县人民医院"));
    // Somebody else's record is not hers to share.
    assert_eq!(zhuoma.post("/me/sharing/code", &[("of", &town.daughter)]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_sees_who_looked_and_a_proof() {
    let town = town(20).await;
    let mut doctor = town.login("dr-li").await;
    assert_eq!(doctor.get(&format!("/resource/Patient/{}", town.zhuoma)).await.status, 200);
    let mut zhuoma = town.login("zhuoma").await;
    let looked = zhuoma.get("/me/looked").await;
    for words in ["李文", "清禾县人民医院", "治疗", "尚无见证方签名", "核对证明", "投诉"]
    {
        assert!(looked.text.contains(words), "{words}: {}", looked.text);
    }
    assert!(!looked.text.contains("缺口"));
    let proof = looked
        .text
        .split("href=\"/me/looked/")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a proof");
    let page = zhuoma.get(&format!("/me/looked/{proof}")).await;
    assert_eq!(page.status, 200);
    for part in ["data-salt=", "data-path=", "data-root=", "proof.mjs"] {
        assert!(page.text.contains(part), "{part}");
    }
    // The daughter sees the reads of what was released to her: results, and not the identity.
    let mut daughter = town.login("yangzom").await;
    let hers = daughter.get(&format!("/me/looked?of={}", town.zhuoma)).await;
    assert!(
        hers.status == 200
            && hers.text.contains("只显示本人愿意与您共享的类别")
            && !hers.text.contains("李文")
    );
    let (place, record) = proof.split_once('/').expect("two parts");
    // Nobody proves the entries of others.
    let mut privacy = town.login("privacy-he").await;
    assert_eq!(privacy.get(&format!("/me/looked/{place}/{record}")).await.status, 403);
    assert_eq!(zhuoma.get(&format!("/me/looked/{place}/999999")).await.status, 404);
    assert_eq!(zhuoma.get(&format!("/me/looked?of={}", town.daughter)).await.status, 404);
    // One tap asks about it, and a person answers within three days.
    let form = [
        ("of", town.zhuoma.as_str()),
        ("day", "2026-11-21"),
        ("who", "李文"),
        ("organization", "清禾县人民医院"),
        ("act", "ask"),
    ];
    assert_eq!(zhuoma.post("/me/looked", &form).await.status, 303);
    let requests = zhuoma.get("/me/requests").await;
    assert!(
        requests.text.contains("2026-11-21 李文 清禾县人民医院") && requests.text.contains("2026-11-24"),
        "three days"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_clocks_and_a_refusal_its_reason() {
    let town = town(20).await;
    let mut zhuoma = town.login("zhuoma").await;
    for kind in ["access", "correction", "restriction", "erasure", "question", "complaint"] {
        let form = [("of", town.zhuoma.as_str()), ("kind", kind), ("text", "血型写错了")];
        assert_eq!(zhuoma.post("/me/requests", &form).await.status, 303, "{kind}");
    }
    assert_eq!(zhuoma.post("/me/requests", &[("of", &town.zhuoma), ("kind", "miracle")]).await.status, 400);
    let long = "长".repeat(2_001);
    assert_eq!(
        zhuoma
            .post("/me/requests", &[("of", &town.zhuoma), ("kind", "question"), ("text", &long)])
            .await
            .status,
        400
    );
    // Her daughter, to whom results alone are released, is told of none.
    let hers = town.login("yangzom").await.get(&format!("/me/requests?of={}", town.zhuoma)).await;
    assert!(hers.status == 200 && !hers.text.contains("血型写错了"), "{}", hers.text);
    let mut privacy = town.login("privacy-he").await;
    let inbox = privacy.get("/privacy/requests").await;
    assert!(inbox.text.contains("6 项待处理"), "{}", inbox.text);
    let first = inbox
        .text
        .split("name=\"id\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("an id");
    assert_eq!(
        privacy.post("/privacy/requests", &[("id", first), ("act", "refuse"), ("text", " ")]).await.status,
        400
    );
    let refused = [("id", first), ("act", "refuse"), ("text", "法律规定保存三十年，期满前不能删除")];
    assert_eq!(privacy.post("/privacy/requests", &refused).await.status, 303);
    assert_eq!(privacy.post("/privacy/requests", &refused).await.status, 400, "it is answered once");
    let answered = zhuoma.get("/me/requests").await;
    assert!(answered.text.contains("法律规定保存三十年") && answered.text.contains("已拒绝"));
    // A copy of the whole record, at once.
    let copy = zhuoma.get("/me/copy").await;
    let bundle: serde_json::Value = serde_json::from_str(&copy.text).expect("JSON");
    let kinds: std::collections::BTreeSet<&str> = bundle["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|e| e["resource"]["resourceType"].as_str())
        .collect();
    assert!(
        kinds.contains("Patient") && kinds.contains("Encounter") && kinds.contains("Observation"),
        "{kinds:?}"
    );
    let mut daughter = town.login("yangzom").await;
    assert_eq!(
        daughter.get(&format!("/me/copy?of={}", town.zhuoma)).await.status,
        400,
        "parts were released, not all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_is_on_disk_before_anything_opens_and_is_reviewed() {
    let town = town(20).await;
    let mut doctor = town.login("dr-li").await;
    let before = doctor.cookie.clone();
    let page = doctor.get(&format!("/emergency?patient={}", town.zhuoma)).await;
    assert!(page.status == 200 && page.text.contains("24 小时内"));
    let short = doctor.post("/emergency", &[("patient", &town.zhuoma), ("reason", "急")]).await;
    assert!(short.status == 400 && doctor.cookie == before);
    assert_eq!(
        doctor.post("/emergency", &[("patient", "nobody"), ("reason", "病人昏迷，需要病史")]).await.status,
        404
    );
    let opened =
        doctor.post("/emergency", &[("patient", &town.zhuoma), ("reason", "病人昏迷，需要病史")]).await;
    assert_eq!((opened.status, opened.leads_to()), (303, format!("/person/{}", town.zhuoma).as_str()));
    assert_ne!(doctor.cookie, before, "a new token");
    assert_eq!(doctor.get(&format!("/resource/Patient/{}", town.zhuoma)).await.status, 200);
    let looked = town.login("zhuoma").await.get("/me/looked").await;
    assert!(looked.text.contains("紧急访问"), "she sees it");
    let mut privacy = town.login("privacy-he").await;
    let review = privacy.get("/privacy/emergency").await;
    assert!(
        review.text.contains("病人昏迷")
            && !review.text.contains("dr-li")
            && review.text.contains("2026-11-22"),
        "{}",
        review.text
    );
    let id = review
        .text
        .split("name=\"id\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("an id");
    privacy.post("/privacy/emergency", &[("id", id), ("act", "done"), ("text", "属实")]).await;
    assert!(privacy.get("/privacy/emergency").await.text.contains("没有待处理"));
    doctor.post("/emergency/end", &[]).await;
    assert_eq!(town.accounts.in_session(&doctor.cookie).expect("a session").emergency, None);
    assert_eq!(town.login("zhuoma").await.get("/emergency").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_for_whom_is_the_persons_own_choice() {
    let town = town(20).await;
    let mut daughter = town.login("yangzom").await;
    assert!(daughter.get("/me/family").await.text.contains("卓玛"));
    // Who represents cannot thaw, freeze or widen; only step back.
    let form = [("account", "yangzom"), ("patient", town.zhuoma.as_str()), ("act", "freeze")];
    assert_eq!(daughter.post("/me/family", &form).await.status, 400);
    let mut zhuoma = town.login("zhuoma").await;
    let page = zhuoma.get("/me/family").await;
    assert!(page.text.contains("央宗") && page.text.contains("检查结果"));
    assert_eq!(zhuoma.post("/me/family", &form).await.status, 303);
    assert!(daughter.get("/me").await.leads_to().starts_with("/login"), "what she had open ended");
    let mut daughter = town.login("yangzom").await;
    assert_eq!(daughter.get(&format!("/me/looked?of={}", town.zhuoma)).await.status, 404, "frozen");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_checked_from_its_page_and_the_pack_is_whole() {
    let town = town(20).await;
    town.login("dr-li").await.get(&format!("/resource/Patient/{}", town.zhuoma)).await;
    let mut audit = town.login("audit-jia").await;
    assert!(audit.get("/privacy/log").await.text.contains("尚无见证方签名"));
    let checked = audit.post("/privacy/log", &[]).await;
    assert!(checked.text.contains("✓ 完整"), "{}", checked.text);
    let pack: serde_json::Value = serde_json::from_str(&audit.get("/privacy/pack").await.text).expect("JSON");
    assert_eq!(pack["log"]["faults"].as_array().map(Vec::len), Some(0));
    assert_eq!(pack["log"]["leaves"], pack["log"]["reads"]);
    assert!(pack["duties"].as_array().is_some_and(|duties| duties.len() > 20));
    // An edit of the leaves on disk is found.
    let file = town.folder.path().join("audit").join("leaves.jsonl");
    let text = std::fs::read_to_string(&file).expect("leaves");
    std::fs::write(&file, text.replacen("dr-li", "dr-no", 1)).expect("edited");
    let edited = audit.post("/privacy/log", &[]).await;
    assert!(
        edited.text.contains("日志有问题") && edited.text.contains("is not what the log of reads says"),
        "{}",
        edited.text
    );
}
