//! The privacy office: instruments that decide, incidents with exactly the people they concern, and appeals.

mod common {
    pub mod county;
    pub mod people;
}

use std::collections::BTreeSet;

use common::county::NOW;
use common::people::{Browser, PASSWORD, Town, town};
use tongmai_access::{Requester, Role};
use tongmai_accounts::Account;
use tongmai_consent::{Action, Effect, FOR_EVER, Grant, Purpose};
use tongmai_engine::bundle::Ids;
use tongmai_engine::rights::consent::{self, Provision, Said};
use tongmai_fhir::definition::resource_type_id;
use tongmai_region::story;

/// Somebody more who works there.
fn account(town: &Town, id: &str, role: &str, purpose: &str, organization: &str) {
    let account = Account {
        id: id.into(),
        name: id.into(),
        organization: organization.into(),
        organization_name: "清禾县人民医院".into(),
        roles: vec![role.into()],
        purpose: purpose.into(),
        person: format!("person {id}"),
        synthetic: true,
        ..Account::default()
    };
    tokio::task::block_in_place(|| {
        town.accounts.keep(account).expect("kept");
        town.accounts.set_password(id, PASSWORD).expect("set");
    });
}

/// The ids that a search of the installation finds.
fn found(town: &Town, kind: &str, name: &str, value: &str) -> Vec<String> {
    let (engine, access) = (&town.site.engine, &town.site.access);
    let kind = resource_type_id(kind).expect("a type");
    let query = engine.query(&[kind], None, &[(name.into(), value.into())], false).expect("a query");
    let sealed = engine.search(&access.sight(&Requester::local()), &query, None).expect("an answer");
    let page = tokio::task::block_in_place(|| access.release_blocking(&Requester::local(), sealed));
    page.expect("released").matches.iter().map(|one| one.id.clone()).collect()
}

/// The value of the first hidden field `id` behind some words of a page.
fn id_behind(page: &str, words: &str) -> String {
    let rest = page.split(words).nth(1).unwrap_or_else(|| panic!("no {words} on {page}"));
    let rest = rest.split("name=\"id\" value=\"").nth(1).expect("a form");
    rest.split('"').next().expect("an id").to_owned()
}

async fn sign(browser: &mut Browser<'_>, kind: &str, purpose: &str, organization: &str, text: &str) -> u16 {
    let form = [
        ("kind", kind),
        ("purpose", purpose),
        ("organization", organization),
        ("text", text),
        ("days", "90"),
    ];
    browser.post("/privacy/register", &form).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_that_ends_closes_and_one_that_is_signed_opens() {
    let town = town(30).await;
    let hospital = found(&town, "Organization", "name", "清禾县人民医院").remove(0);
    let patient = found(&town, "Patient", "organization", &format!("Organization/{hospital}")).remove(0);
    account(&town, "dr-own", "doctor", "TREAT", &hospital);
    let address = format!("/person/{patient}");
    let (mut doctor, mut privacy) = (town.login("dr-own").await, town.login("privacy-he").await);
    assert_eq!(doctor.get(&address).await.status, 200, "its own patient");
    let text = "结算：处理住院费用清单，风险为泄露诊断，措施为按岗位限制";
    assert_eq!(sign(&mut privacy, "agreement", "HPAYMT", &hospital, text).await, 303);
    assert_eq!(doctor.get(&address).await.status, 404, "the agreement is for settlement alone");
    let text = "诊疗：处理本院患者的记录，风险为越权查看，措施为全程留痕";
    assert_eq!(sign(&mut privacy, "agreement", "TREAT", &hospital, text).await, 303);
    assert_eq!(doctor.get(&address).await.status, 200);
    let register = privacy.get("/privacy/register").await;
    let id = id_behind(&register.text, "诊疗：处理本院患者");
    assert_eq!(privacy.post("/privacy/register", &[("act", "end"), ("id", &id)]).await.status, 303);
    assert_eq!(doctor.get(&address).await.status, 404, "it is over from the next read on");
    // The register is the office's own: whoever else works there neither opens nor writes it.
    assert_eq!(doctor.get("/privacy/register").await.status, 403);
    assert_eq!(sign(&mut doctor, "agreement", "TREAT", &hospital, text).await, 403);
    assert_eq!(
        sign(&mut privacy, "agreement", "TREAT", "nobody", text).await,
        404,
        "an organisation that is there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purpose_opens_with_its_assessment_and_closes_with_it() {
    let town = town(20).await;
    // Her records at all providers: a consent to one of them does not speak for the others.
    let records = town.site.patients("identifier", &story::token(story::ZHUOMA));
    let references: Vec<String> = records.iter().map(|id| format!("Patient/{id}")).collect();
    let condition = found(&town, "Condition", "patient", &references.join(",")).remove(0);
    let grant = Grant {
        effect: Effect::Permit,
        actions: Action::View.bit(),
        organisation: 0,
        account: 0,
        purposes: Purpose::Research.bit(),
        categories: u16::MAX,
        sensitivities: 0,
        border: false,
        presence: false,
        notice: 0,
        from: 0,
        until: FOR_EVER,
    };
    let provision =
        Provision { grant, organisation: "Organization/institute".into(), account: String::new() };
    let entries = records.iter().map(|patient| {
        let said = Said { patient: patient.clone(), joined: None, provisions: vec![provision.clone()] };
        let text = consent::write(&said, "active");
        format!(r#"{{"resource":{text},"request":{{"method":"POST","url":"Consent"}}}}"#)
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    let entry = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#);
    let pen = town.site.access.pen(&Requester::local());
    town.site.engine.process_counting(&pen, entry.as_bytes(), Ids::Fresh).await.expect("consented");
    let researcher = Requester {
        actor: "researcher".into(),
        purpose: "HRESCH".into(),
        organization: "institute".into(),
        roles: vec![Role::Researcher],
        ..Requester::default()
    };
    let kind = resource_type_id("Condition").expect("a type");
    let sees = || town.site.engine.read(&town.site.access.sight(&researcher), kind, &condition).is_ok();
    assert!(!sees(), "the person consented, and nobody assessed research");
    let mut privacy = town.login("privacy-he").await;
    assert_eq!(
        sign(&mut privacy, "impact-assessment", "HRESCH", "", "科研").await,
        400,
        "nothing was weighed"
    );
    let text = "糖尿病随访研究：读取诊断与化验，风险为再识别，措施为去标识化与审批";
    assert_eq!(sign(&mut privacy, "impact-assessment", "HRESCH", "", text).await, 303);
    assert!(sees(), "assessed and consented to");
    let register = privacy.get("/privacy/register").await;
    assert!(register.text.contains("何静"), "who signed stands there");
    let id = id_behind(&register.text, "糖尿病随访研究");
    assert_eq!(privacy.post("/privacy/register", &[("act", "end"), ("id", &id)]).await.status, 303);
    assert!(!sees(), "the purpose closes with its assessment");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_names_exactly_whose_records_were_shown() {
    let town = town(150).await;
    let hospital = found(&town, "Organization", "name", "清禾县人民医院").remove(0);
    let patients = found(&town, "Patient", "organization", &format!("Organization/{hospital}"));
    for id in ["dr-curious", "dr-other"] {
        account(&town, id, "doctor", "TREAT", &hospital);
    }
    let (mut curious, mut other) = (town.login("dr-curious").await, town.login("dr-other").await);
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for (at, patient) in patients.iter().enumerate().take(8) {
        let browser = if at % 2 == 0 { &mut curious } else { &mut other };
        assert_eq!(browser.get(&format!("/resource/Patient/{patient}")).await.status, 200);
        if at % 2 == 0 {
            shown.insert(patient.clone());
        }
    }
    assert!(shown.len() >= 2, "{}", patients.len());
    let instant = |time: i64| tongmai_base::time::Instant(time).to_fhir();
    let (from, until) = (instant(NOW - 1_000), instant(NOW + 1_000));
    let mut privacy = town.login("privacy-he").await;
    let form = [
        ("text", "账户 dr-curious 的口令被盗用"),
        ("account", "dr-curious"),
        ("from", from.as_str()),
        ("until", until.as_str()),
        ("operator", "other"),
    ];
    assert_eq!(privacy.post("/privacy/incident", &form).await.status, 303);
    let page = privacy.get("/privacy/incident").await.text;
    let named: BTreeSet<String> = page
        .split("href=\"/resource/Patient/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(named, shown, "everybody, and nobody else");
    assert!(page.contains("报告主管部门") && page.contains("PIPL 57"), "{page}");
    // It is closed when the notice says all that the law wants.
    let id = id_behind(&page, "账户 dr-curious");
    let mut notice = vec![("act", "close"), ("id", id.as_str())];
    for part in ["kinds", "cause", "harm", "measures", "self-help"] {
        notice.push((part, "写明"));
    }
    let lacking = privacy.post("/privacy/incident", &notice).await;
    assert!(lacking.status == 400 && lacking.text.contains("contact"), "{}", lacking.text);
    notice.push(("contact", "0000-12345"));
    assert_eq!(privacy.post("/privacy/incident", &notice).await.status, 303);
    assert!(privacy.get("/privacy/incident").await.text.contains("已办结"));
    // Another time, another account: nobody.
    let before = [
        ("text", "x"),
        ("account", "dr-curious"),
        ("from", "2020-01-01"),
        ("until", "2020-01-02"),
        ("operator", "critical-infrastructure"),
        ("public", "yes"),
    ];
    assert_eq!(privacy.post("/privacy/incident", &before).await.status, 303);
    assert!(privacy.get("/privacy/incident").await.text.contains("影响 0 人"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_can_be_appealed_and_somebody_else_answers() {
    let town = town(20).await;
    account(&town, "privacy-yu", "privacy-officer", "HLEGAL", "hospital-1");
    let mut zhuoma = town.login("zhuoma").await;
    let form = [("of", town.zhuoma.as_str()), ("kind", "erasure"), ("text", "请删除二零一零年的门诊记录")];
    assert_eq!(zhuoma.post("/me/requests", &form).await.status, 303);
    let (mut first, mut second) = (town.login("privacy-he").await, town.login("privacy-yu").await);
    let id = id_behind(&first.get("/privacy/requests").await.text, "二零一零年的门诊");
    let answer = [("id", id.as_str()), ("act", "refuse"), ("text", "保存期限为十五年")];
    assert_eq!(first.post("/privacy/requests", &answer).await.status, 303);
    let mine = zhuoma.get("/me/requests").await.text;
    assert!(mine.contains("/me/requests/appeal") && mine.contains("人民法院"), "{mine}");
    let appeal = [("id", id.as_str()), ("text", "那一年是误登记，不是我的就诊")];
    assert_eq!(zhuoma.post("/me/requests/appeal", &[("id", &id), ("text", " ")]).await.status, 400);
    assert_eq!(zhuoma.post("/me/requests/appeal", &appeal).await.status, 303);
    assert!(second.get("/privacy/requests").await.text.contains("不是我的就诊"));
    let own = [("id", id.as_str()), ("act", "refuse"), ("text", "维持")];
    assert_eq!(first.post("/privacy/requests", &own).await.status, 400, "not against one's own answer");
    let done = [("id", id.as_str()), ("act", "done"), ("text", "已核实并更正")];
    assert_eq!(second.post("/privacy/requests", &done).await.status, 303);
    let mine = zhuoma.get("/me/requests").await.text;
    assert!(mine.contains("已核实并更正") && !mine.contains("/me/requests/appeal"), "{mine}");
    assert_eq!(
        zhuoma.post("/me/requests/appeal", &appeal).await.status,
        400,
        "what was answered is answered"
    );
    // Somebody else's request is not theirs to appeal.
    let mut daughter = town.login("yangzom").await;
    assert!(daughter.post("/me/requests/appeal", &appeal).await.status >= 400);
}
