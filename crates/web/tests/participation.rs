//! From a need to a number in the records: the evening of the story, by the pages and the doors that everybody uses.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{COOKIE, LOCATION, SET_COOKIE};
use hyper::{HeaderMap, Method};
use tongmai_access::{Access, Policy, Requester};
use tongmai_engine::bundle::Ids;
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_http::{Asked, Pages};
use tongmai_store::memory::MemoryStore;

const DAY: i64 = 86_400_000;
/// 2026-11-21T18:00 in China; the test moves it.
static NOW: AtomicI64 = AtomicI64::new(1_795_255_200_000);

fn now() -> i64 {
    NOW.load(Ordering::Relaxed)
}

fn date(days_on: i64) -> String {
    let (year, month, day) = tongmai_base::time::civil_from_days((now() + 8 * 3_600_000) / DAY + days_on);
    format!("{year:04}-{month:02}-{day:02}")
}

fn random() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bytes[..8].copy_from_slice(&next.to_be_bytes());
    bytes
}

struct Town {
    engine: Arc<Engine>,
    access: Arc<Access>,
    pages: Pages,
    _folder: tempfile::TempDir,
}

struct Got {
    status: u16,
    location: String,
    cookie: String,
    text: String,
}

impl Town {
    async fn new(residents: usize) -> Town {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(MemoryStore::new([7; 32]));
        let engine = Arc::new(
            Engine::start(store, Surroundings { now, random }, Validation::Reject).expect("an engine"),
        );
        let access = Arc::new(Access::open(Policy::Open, folder.path(), now).expect("a log of reads"));
        let pages = tongmai_web::pages(engine.clone(), access.clone(), Some(folder.path().join("views")));
        let town = Town { engine, access, pages, _folder: folder };
        let mut bundle = String::from(r#"{"resourceType":"Bundle","type":"transaction","entry":["#);
        for n in 0..residents {
            let comma = if n > 0 { "," } else { "" };
            let _ = write!(
                bundle,
                r#"{comma}{{"resource":{{"resourceType":"Patient","id":"r{n}","identifier":[{{"system":"urn:oid:2.16.156.10011.1.3","value":"{}"}}],"birthDate":"1960-05-01"}},"request":{{"method":"PUT","url":"Patient/r{n}"}}}}"#,
                number(n)
            );
        }
        town.load(&(bundle + "]}")).await;
        town
    }

    async fn load(&self, bundle: &str) {
        let requester = Requester::installation("county hospital", "TREAT");
        let sight = self.access.sight(&requester);
        self.engine.process(&sight, bundle.as_bytes(), Ids::Fresh).await.expect("the bundle is taken");
    }

    async fn ask(&self, method: Method, address: &str, body: String, cookie: &str) -> Got {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut headers = HeaderMap::new();
        if !cookie.is_empty() {
            headers.insert(COOKIE, cookie.parse().expect("a header"));
        }
        let asked = Asked {
            method,
            path: path.into(),
            query: query.into(),
            headers,
            body: Bytes::from(body),
            requester: Requester::shared_local(),
        };
        let (parts, body) = (self.pages)(asked).await.into_parts();
        let text =
            String::from_utf8(body.collect().await.expect("a body").to_bytes().to_vec()).expect("text");
        let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let cookie = header(SET_COOKIE).split(';').next().unwrap_or("").to_owned();
        Got { status: parts.status.as_u16(), location: header(LOCATION), cookie, text }
    }

    async fn get(&self, address: &str) -> String {
        let got = self.ask(Method::GET, address, String::new(), "").await;
        assert_eq!(got.status, 200, "{address}: {}", got.text);
        got.text
    }

    async fn send(&self, address: &str, fields: &[(&str, &str)], cookie: &str) -> Got {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", form(name), form(value))).collect();
        self.ask(Method::POST, &format!("/participation/{address}"), body.join("&"), cookie).await
    }

    /// Sends a form that must be taken.
    async fn enter(&self, address: &str, fields: &[(&str, &str)]) -> Got {
        let got = self.send(address, fields, "").await;
        assert_eq!(got.status, 303, "{address} {fields:?}: {}", got.text);
        got
    }

    /// The id that a page's form or link gives behind `before`.
    async fn id(&self, page: &str, before: &str) -> String {
        let text = self.get(page).await;
        let at = text.find(before).unwrap_or_else(|| panic!("{before} on {page}: {text}")) + before.len();
        text[at..].split(['"', '/', '?']).next().expect("an id").to_owned()
    }
}

fn number(n: usize) -> String {
    format!("99012319600501{n:04}")
}

fn form(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// Encounters and blood pressures: of these residents, on that day, at that place; so many are controlled.
fn follow_ups(
    place: &str,
    tag: &str,
    residents: std::ops::Range<usize>,
    day: &str,
    controlled: usize,
) -> String {
    let mut bundle = String::from(r#"{"resourceType":"Bundle","type":"transaction","entry":["#);
    for (at, n) in residents.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let (systolic, diastolic) = if at < controlled { (128, 78) } else { (158, 92) };
        let _ = write!(
            bundle,
            r#"{comma}{{"resource":{{"resourceType":"Encounter","id":"e{tag}{n}","status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},"subject":{{"reference":"Patient/r{n}"}},"serviceProvider":{{"display":"{place}"}},"period":{{"start":"{day}T09:00:00+08:00"}}}},"request":{{"method":"PUT","url":"Encounter/e{tag}{n}"}}}}"#
        );
        let part = |code: &str, value: i32| {
            format!(
                r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"valueQuantity":{{"value":{value},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}}}"#
            )
        };
        let _ = write!(
            bundle,
            r#",{{"resource":{{"resourceType":"Observation","id":"o{tag}{n}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"subject":{{"reference":"Patient/r{n}"}},"encounter":{{"reference":"Encounter/e{tag}{n}"}},"effectiveDateTime":"{day}T09:10:00+08:00","component":[{},{}]}},"request":{{"method":"PUT","url":"Observation/o{tag}{n}"}}}}"#,
            part("8480-6", systolic),
            part("8462-4", diastolic)
        );
    }
    bundle + "]}"
}

const STATEMENTS: [&str; 8] = [
    "村卫生室一次应能配 12 周的药",
    "配药时要有人讲清怎么吃",
    "血压不稳的人应该两周看一次",
    "药送到村里不要加钱",
    "看病路上的车费应能报销一部分",
    "长期处方只该在县医院开",
    "网上复诊就够了，不必见医生",
    "年轻人可以代老人取药",
];

/// How one of two groups votes: on the first five all agree, on the others the groups are of two minds.
fn vote(group: usize, statement: usize, voter: usize) -> i8 {
    let odd = (voter * 7 + statement * 13).is_multiple_of(11);
    match (statement, odd) {
        (0..5, false) => 1,
        (0..5, true) => 0,
        (_, true) => 0,
        (_, false) if (statement + group).is_multiple_of(2) => 1,
        _ => -1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_need_to_a_number_in_the_records() {
    let town = Town::new(260).await;
    let (project, talk) = a_need_becomes_a_project(&town).await;
    the_gate_is_shut(&town, &project).await;
    the_evening_in_the_hall(&town, &project, &talk).await;
    let shared = anybody_computes_the_same(&town, &talk).await;
    assert!(shared.iter().all(|statement| STATEMENTS[..5].contains(&statement.as_str())), "{shared:?}");
    the_office_answers(&town, &project, &talk, &shared).await;
    through_the_gates(&town, &project).await;
    three_months_later(&town, &project).await;
    needs_meet_offers(&town).await;
    the_year_is_told(&town).await;
}

async fn a_need_becomes_a_project(town: &Town) -> (String, String) {
    let page = "/participation/organisations";
    for (name, kind, licence) in [
        ("清禾县卫生健康局", "agency", ""),
        ("清禾县糖友会", "patient_organisation", ""),
        ("清禾慈善会", "charity", ""),
        ("康足公司", "enterprise", "foot_care"),
    ] {
        town.enter("enter/actor", &[("name", name), ("kind", kind), ("licences", licence)]).await;
    }
    let agency = town.id(page, "清禾县卫生健康局").await;
    assert!(!agency.is_empty());
    // A question that is always open; the need is said there by a resident under a chosen name.
    town.enter(
        "enter/conversation",
        &[
            ("title", "您最需要什么？"),
            ("opens", &date(0)),
            ("closes", &date(365)),
            ("policy", "一条只说一件事"),
        ],
    )
    .await;
    let standing = town.id("/participation/say", "/participation/conversation/").await;
    town.enter(
        "enter/statement",
        &[("conversation", &standing), ("text", "村里一次只能配两周的药，来回要走一天"), ("name", "格桑花")],
    )
    .await;
    let organise = format!("/participation/conversation/{standing}/organise");
    let need = town.id(&organise, "name=\"statement\" value=\"").await;
    town.enter("enter/moderation", &[("statement", &need), ("decision", "accept"), ("who", "李组织")]).await;
    let agency = agency_of(town).await;
    let refused = town
        .send("enter/project", &[("title", "长期处方"), ("kind", "policy"), ("agency", &agency)], "")
        .await;
    assert!(
        refused.status == 400 && refused.text.contains("受影响人数") && refused.text.contains("长期处方")
    );
    town.enter(
        "enter/project",
        &[
            ("title", "村卫生室长期处方"),
            ("kind", "policy"),
            ("major", "yes"),
            ("agency", &agency_of(town).await),
            ("need", &need),
            ("affected", "900"),
        ],
    )
    .await;
    let project = town.id("/participation/office", "/participation/project/").await;
    town.enter(
        "enter/conversation",
        &[
            ("project", &project),
            ("title", "长期处方怎么办才好？"),
            ("opens", &date(0)),
            ("closes", &date(40)),
            ("policy", "不指名攻击个人\n不泄露他人病情\n一条只说一件事"),
            ("evidence", "长期处方管理规范（试行）：最长 12 周"),
        ],
    )
    .await;
    let talk = town.id(&format!("/participation/project/{project}"), "/participation/conversation/").await;
    for statement in STATEMENTS {
        town.enter(
            "enter/statement",
            &[("conversation", &talk), ("text", statement), ("name", "组织者"), ("seed", "yes")],
        )
        .await;
    }
    (project, talk)
}

/// The agency's id, from the options of the office's form.
async fn agency_of(town: &Town) -> String {
    let text = town.get("/participation/office").await;
    let end = text.find("\">清禾县卫生健康局</option>").expect("the agency is an option");
    text[..end].rsplit("value=\"").next().expect("its value").to_owned()
}

async fn the_gate_is_shut(town: &Town, project: &str) {
    let page = town.get(&format!("/participation/project/{project}")).await;
    assert!(page.contains("不能通过") && page.contains("患者提出的需求"), "{page}");
    let refused = town.send("enter/advance", &[("project", project), ("who", "王局长")], "").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("患者提出的需求"), "{}", refused.text);
    // Nothing that was refused is in the ledger, and the project is where it was.
    let page = town.get(&format!("/participation/project/{project}")).await;
    assert!(page.contains("关口：立项"), "{page}");
}

/// 18:30: forty in the hall on paper, some through a proxy, the others online; ratings beside.
async fn the_evening_in_the_hall(town: &Town, project: &str, talk: &str) {
    let fields =
        [("project", project), ("conversation", talk), ("title", "长期处方座谈"), ("place", "清禾县礼堂")];
    let tomorrow = date(1);
    let more = [("day", tomorrow.as_str()), ("agenda", "听意见\n表决"), ("selection", "抽签，一半来自村里")];
    town.enter("enter/meeting", &[fields.as_slice(), &more].concat()).await;
    NOW.fetch_add(DAY, Ordering::Relaxed);
    let list: Vec<String> = (0..40).map(number).collect();
    let printed = town.send("attendance", &[("conversation", talk), ("people", &list.join("\n"))], "").await;
    assert_eq!(printed.status, 200);
    let start = printed.text.find("<pre tabindex=\"0\">").expect("the sheets") + 18;
    let codes: Vec<&str> =
        printed.text[start..].split("</pre>").next().unwrap_or("").split_whitespace().collect();
    assert_eq!(codes.len(), 40);
    for (at, code) in codes.iter().enumerate() {
        let channel = if at < 12 { "proxy" } else { "paper" };
        let mut fields =
            vec![("conversation".to_owned(), talk.to_owned()), ("code".into(), (*code).to_owned())];
        fields.push(("channel".into(), channel.into()));
        fields.extend((0..8).map(|s| (format!("v{s}"), vote(at % 2, s, at).to_string())));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        town.enter("paper", &fields).await;
    }
    // Whoever holds a sheet gets no ballot online, and a stranger none at all.
    let twice = town.send("ballot", &[("conversation", talk), ("number", &number(7))], "").await;
    assert!(twice.status == 400 && twice.text.contains("已经领过本次讨论的选票"), "{}", twice.text);
    let stranger = town.send("ballot", &[("conversation", talk), ("number", "990123190001010000")], "").await;
    assert_eq!(stranger.status, 400);
    for voter in 40..160 {
        let got = town.enter("ballot", &[("conversation", talk), ("number", &number(voter))]).await;
        assert!(got.cookie.starts_with(&format!("ballot-{talk}=")) && !got.location.is_empty());
        let mut fields = vec![("conversation".to_owned(), talk.to_owned())];
        fields.extend(
            (0..8)
                .filter(|s| (voter + s) % 9 > 0)
                .map(|s| (format!("v{s}"), vote(voter % 2, s, voter).to_string())),
        );
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(town.send("vote", &fields, &got.cookie).await.status, 303);
        // A second vote on the same statements is taken by nobody.
        assert_eq!(town.send("vote", &fields[..2], &got.cookie).await.status, 303);
    }
    for rater in 0..60 {
        let age = (30 + rater % 50).to_string();
        let difficulty = (1 + rater % 3).to_string();
        town.enter(
            "enter/rating",
            &[
                ("rating.project", project),
                ("rating.difficulty", &difficulty),
                ("rating.experience", "3"),
                ("rating.satisfaction", "2"),
                ("rating.barriers", "travel"),
                ("rating.role", if rater % 4 == 0 { "carer" } else { "patient" }),
                ("rating.age", &age),
                ("rating.rural", if rater % 3 > 0 { "yes" } else { "" }),
                ("rating.disease", "hypertension"),
                ("rating.stage", if rater < 5 { "advanced" } else { "stable" }),
            ],
        )
        .await;
    }
    let page = town.get(&format!("/participation/project/{project}")).await;
    assert!(
        page.contains("晚期") && page.contains("&lt; 11") || page.contains("&#60; 11"),
        "small groups are withheld"
    );
    let organise = format!("/participation/conversation/{talk}/organise");
    let meeting = town.id(&organise, "name=\"meeting\" value=\"").await;
    let minutes = [
        ("meeting", meeting.as_str()),
        ("attended", "40"),
        ("patients", "34"),
        ("text", "四十人到会，逐条讨论"),
        ("actions", "卫健局三十天内答复"),
        ("burden_minutes", "120"),
        ("paid_fen", "400000"),
    ];
    town.enter("enter/minutes", &minutes).await;
}

/// The published files alone give the published result, byte for byte; the statements that all groups share.
async fn anybody_computes_the_same(town: &Town, talk: &str) -> Vec<String> {
    let here = format!("/participation/conversation/{talk}");
    let (votes, comments) =
        (town.get(&format!("{here}/votes.csv")).await, town.get(&format!("{here}/comments.csv")).await);
    let published = town.get(&format!("{here}/result.json")).await;
    let (mut read, findings) = tongmai_engagement::opinion::read_votes(&votes).expect("votes");
    assert!(findings.is_empty());
    let statements = tongmai_engagement::opinion::read_comments(&comments).expect("statements");
    read.orient(&statements);
    read.moderate(&statements, false);
    let opinion = tongmai_engagement::opinion::opinion(&read);
    assert_eq!(published, format!("{}\n", serde_json::to_string(&opinion.to_json(&read)).expect("JSON")));
    // The last six wait: a batch is counted when ballots of eleven tokens do.
    assert_eq!((read.participants.len(), opinion.groups), (154, 2));
    let counted = read.columns.len();
    assert_eq!(
        counted,
        40 * 8 + (40..154).map(|v| (0..8).filter(|s| (v + s) % 9 > 0).count()).sum::<usize>()
    );
    // Nothing that is published names anybody.
    for text in [&votes, &comments, &published] {
        assert!((0..260).all(|n| !text.contains(&number(n))));
    }
    let page = town.get(&format!("{here}/results")).await;
    assert!(page.contains("2 个意见群体") && page.contains("<svg"), "{page}");
    let shared = tongmai_engagement::opinion::capture::ranking(&opinion.counts, &(0..8).collect::<Vec<_>>());
    shared.into_iter().take(5).map(|s| STATEMENTS[s].to_owned()).collect()
}

async fn the_office_answers(town: &Town, project: &str, talk: &str, shared: &[String]) {
    let page = format!("/participation/project/{project}");
    for (n, statement) in shared.iter().enumerate() {
        let text = town.get(&page).await;
        let at = text.find(statement.as_str()).expect("the shared statement is on the page");
        let id = text[at..].split("name=\"statement\" value=\"").nth(1).expect("its form");
        let id = id.split('"').next().expect("its id").to_owned();
        let changed = if n < 2 { "yes" } else { "" };
        let change = if n < 2 { "《长期处方实施细则》第三条" } else { "" };
        let answer = [
            ("statement", id.as_str()),
            ("why", "与医保局商定"),
            ("who", "卫健局 王局长"),
            ("changed", changed),
            ("change", change),
        ];
        town.enter("enter/answer", &answer).await;
        if n == 2 {
            town.enter("enter/dispute", &[("statement", &id)]).await;
            let again = town.send("enter/dispute", &[("statement", &id)], "").await;
            assert_eq!(again.status, 400, "an answer is sent back once");
            town.enter("enter/answer", &answer).await;
        }
    }
    let promise = [
        ("project", project),
        ("text", "三个月内村卫生室可配 12 周的药"),
        ("who", "卫健局"),
        ("due", &date(90)),
    ];
    town.enter("enter/commitment", &promise).await;
    let words = town.get("/participation/words").await;
    assert!(words.contains("已改变") && words.contains("实施细则"), "{words}");
    assert!(town.get(&format!("/participation/conversation/{talk}")).await.contains("长期处方管理规范"));
}

async fn through_the_gates(town: &Town, project: &str) {
    let advance = async || town.send("enter/advance", &[("project", project), ("who", "王局长")], "").await;
    let attach = async |kind: &'static str| {
        let fields = [("project", project), ("kind", kind), ("dissent", "")];
        let address = if kind == "patient_rating" { "rating-evidence" } else { "vote-evidence" };
        town.enter(address, &fields).await;
    };
    let document = async |kind: &'static str| {
        let today = date(0);
        let fields = [
            ("project", project),
            ("evidence.kind", kind),
            ("evidence.gathered", today.as_str()),
            ("evidence.gathered", today.as_str()),
            ("evidence.source", "清卫发〔2026〕18 号"),
        ];
        town.enter("enter/evidence", &fields).await;
    };
    attach("need_statements").await;
    assert_eq!(advance().await.status, 303);
    document("evidence_pack").await;
    assert_eq!(advance().await.status, 303);
    attach("patient_rating").await;
    document("expert_argument").await;
    document("risk_assessment").await;
    attach("public_comment").await;
    let early = advance().await;
    assert!(
        early.status == 400 && early.text.contains("公开征求意见（30 天）"),
        "thirty days are thirty days: {}",
        early.text
    );
    NOW.fetch_add(31 * DAY, Ordering::Relaxed);
    attach("public_comment").await;
    assert_eq!(advance().await.status, 303);
    document("legality_review").await;
    attach("deliberation").await;
    document("collective_decision").await;
    assert_eq!(advance().await.status, 303);
    document("outcome_indicator").await;
    // The document alone is not enough: the indicator must be fixed before the launch.
    assert_eq!(advance().await.status, 400);
    let late = [
        ("project", project),
        ("measure", "pressure_controlled"),
        ("region", "village"),
        ("comparison", "township"),
        ("from", &date(-60)),
        ("launch", &date(-1)),
        ("days", "90"),
    ];
    assert_eq!(town.send("enter/indicator", &late, "").await.status, 400);
    let mut fixed = late;
    let launch = date(1);
    fixed[5] = ("launch", &launch);
    town.enter("enter/indicator", &fixed).await;
    assert_eq!(advance().await.status, 303);
    let page = town.get(&format!("/participation/project/{project}")).await;
    assert!(page.contains("关口：评估"), "{page}");
}

/// The follow-ups of the next three months come in by the hospital's door; the page counts them.
async fn three_months_later(town: &Town, project: &str) {
    let trace = format!("/participation/trace/{project}");
    let (before, after) = (date(-10), date(40));
    town.load(&follow_ups("格桑村卫生室", "vb", 0..100, &before, 40)).await;
    town.load(&follow_ups("清河乡卫生院", "tb", 100..200, &before, 42)).await;
    let page = town.get(&trace).await;
    assert!(page.contains("观察期未满") && page.contains("40.0 % (40 / 100)"), "{page}");
    NOW.fetch_add(92 * DAY, Ordering::Relaxed);
    town.load(&follow_ups("格桑村卫生室", "va", 0..100, &after, 66)).await;
    town.load(&follow_ups("清河乡卫生院", "ta", 100..200, &after, 45)).await;
    let page = town.get(&trace).await;
    assert!(page.contains("66.0 % (66 / 100)") && page.contains("有效果"), "{page}");
    // The whole chain stands on this page: need, consensus, decision, change, outcome.
    for link in ["村里一次只能配两周的药", "各群体都同意的可能性", "作出决定", "第三条", "格桑花"]
    {
        assert!(page.contains(link), "{link}");
    }
    let promise = town.id(&trace, "name=\"commitment\" value=\"").await;
    town.enter("enter/closure", &[("commitment", &promise), ("why", "全部村卫生室已开通"), ("kept", "yes")])
        .await;
    assert!(town.get(&trace).await.contains("已兑现"));
}

/// 20:00: what is needed by stage, the best assignment, money to the fen; the sponsor sees no name.
async fn needs_meet_offers(town: &Town) {
    for n in 0..30 {
        let stage = if n < 4 { "advanced" } else { "complicated" };
        let consent = if n == 29 { "" } else { "yes" };
        let fields = [
            ("kind", "foot_care"),
            ("region", "清河乡"),
            ("disease", "diabetes"),
            ("stage", stage),
            ("urgency", "2"),
            ("consent", consent),
        ];
        town.enter("enter/need", &fields).await;
    }
    let page = "/participation/organisations";
    let text = town.get(page).await;
    let company = option(&text, "康足公司");
    let offer = [
        ("organisation", company.as_str()),
        ("kind", "foot_care"),
        ("title", "上门足部护理"),
        ("places", "20"),
    ];
    town.enter("enter/offer", &[offer.as_slice(), &[("needs_licence", "yes")]].concat()).await;
    let unlicensed =
        [("organisation", option(&text, "清禾慈善会")), ("kind", "foot_care".into()), ("title", "x".into())];
    let unlicensed: Vec<(&str, &str)> = unlicensed.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let unlicensed = [unlicensed.as_slice(), &[("places", "3"), ("needs_licence", "yes")]].concat();
    assert_eq!(town.send("enter/offer", &unlicensed, "").await.status, 400);
    let text = town.get(page).await;
    assert!(text.contains("现在最合理的分配能帮到 20 人"), "{text}");
    assert!(text.contains("&lt; 11") || text.contains("&#60; 11"), "a cell of four is withheld");
    town.enter("assign", &[]).await;
    assert!(town.get(page).await.contains("现在最合理的分配能帮到 0 人"));
    let charity = option(&text, "清禾慈善会");
    let (from, until) = (date(0), date(365));
    let fund =
        [("organisation", charity.as_str()), ("purpose", "糖尿病足救助"), ("from", &from), ("until", &until)];
    town.enter("enter/fund", &fund).await;
    let id = town.id(page, "<select name=\"fund\" required><option value=\"").await;
    town.enter("enter/donation", &[("fund", &id), ("what", "receipt"), ("fen", "1000001")]).await;
    town.enter("enter/donation", &[("fund", &id), ("what", "payment"), ("fen", "250000")]).await;
    let over =
        town.send("enter/donation", &[("fund", &id), ("what", "payment"), ("fen", "750002")], "").await;
    assert_eq!(over.status, 400);
    let text = town.get(page).await;
    assert!(text.contains("¥10\u{2009}000.01") && text.contains("¥7\u{2009}500.01"), "{text}");
    let sponsors = town.get("/participation/sponsors").await;
    assert!((0..260).all(|n| !sponsors.contains(&number(n)) && !sponsors.contains(&format!("Patient/r{n}"))));
}

fn option(page: &str, name: &str) -> String {
    let end = page.find(&format!("\">{name}</option>")).unwrap_or_else(|| panic!("{name} is an option"));
    page[..end].rsplit("value=\"").next().expect("its value").to_owned()
}

async fn the_year_is_told(town: &Town) {
    let page = town.get("/participation/report/2026").await;
    for figure in ["由患者提出的项目", "1 / 1", "4\u{2009}800", "¥4\u{2009}000.00", "实施细则"] {
        assert!(page.contains(figure), "{figure}: {page}");
    }
    let complaint = [("text", "开会后不让我再取药"), ("against", "某卫生室")];
    town.enter("enter/complaint", &complaint).await;
    assert!(town.get("/participation/protected").await.contains("不让我再取药"));
    assert!(!town.get("/participation").await.contains("不让我再取药"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goal_counts_when_both_sides_accept_and_health_is_a_trend() {
    let town = Town::new(3).await;
    let goal = [
        ("person", "r1"),
        ("act", "propose"),
        ("text", "每天走 30 分钟"),
        ("side", "patient"),
        ("who", "卓玛"),
    ];
    town.enter("goal", &goal).await;
    let page = format!("/participation/goals?number={}", number(1));
    assert!(town.get(&page).await.contains("等对方同意"));
    let id = town.id(&page, "name=\"id\" value=\"").await;
    let accept = [
        ("person", "r1"),
        ("id", &id),
        ("act", "accept"),
        ("side", "team"),
        ("who", "张医生"),
        ("version", "1"),
    ];
    town.enter("goal", &accept).await;
    assert!(town.get(&page).await.contains("双方同意"));
    // Somebody who looked at the version before is told so.
    assert_eq!(town.send("goal", &accept, "").await.status, 400);
    for levels in ["21143", "11121"] {
        let fields: Vec<(&str, &str)> = ["mo", "sc", "ua", "pd", "ad"]
            .into_iter()
            .enumerate()
            .map(|(i, d)| (d, &levels[i..=i]))
            .collect();
        town.enter("eq5d", &[&[("person", "r1")], fields.as_slice()].concat()).await;
        NOW.fetch_add(1, Ordering::Relaxed);
    }
    let page = town.get("/participation/questionnaires?person=r1").await;
    assert!(page.contains("21143") && page.contains("<svg"), "{page}");
    let short = town.send("eq5d", &[("person", "r1"), ("mo", "1")], "").await;
    assert_eq!(short.status, 400);
    let wrong = town.send("dlqi", &[("person", "r1"), ("q1", "9")], "").await;
    assert_eq!(wrong.status, 400);
}
