//! The coder's and the insurer's steps of the story, through the pages.

mod common {
    pub mod county;
}

use bytes::Bytes;
use common::county::{self, Site};
use http_body_util::BodyExt;
use hyper::header::ACCEPT_LANGUAGE;
use hyper::{HeaderMap, Method};
use tongmai_http::Asked;
use tongmai_region::story;

struct Got {
    status: u16,
    location: String,
    text: String,
}

async fn ask(site: &Site, method: Method, address: &str, body: &str) -> Got {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_LANGUAGE, "en".parse().expect("a header"));
    let asked = Asked {
        method,
        path: path.into(),
        query: query.into(),
        headers,
        body: Bytes::from(body.to_owned()),
        requester: tongmai_access::Requester::shared_local(),
    };
    let (parts, body) = (site.pages)(asked).await.into_parts();
    let text = String::from_utf8(body.collect().await.expect("a body").to_bytes().to_vec()).expect("text");
    let location = parts.headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or("");
    Got { status: parts.status.as_u16(), location: location.to_owned(), text }
}

async fn get(site: &Site, address: &str) -> Got {
    ask(site, Method::GET, address, "").await
}

/// 14:10, the coder: the checks find the wrong principal diagnosis; the list is saved, the group is another, and
/// both results are versions of one resource.
#[tokio::test(flavor = "multi_thread")]
async fn the_coder_finds_what_the_stay_was_for() {
    let site = county::county(60).await;
    let zhuoma = site.patients("identifier", &story::token(story::ZHUOMA));
    let mut address = String::new();
    for record in &zhuoma {
        let found = get(&site, &format!("/drg/of/{record}")).await;
        if found.status == 303 {
            address = found.location;
        }
    }
    assert!(address.starts_with("/drg/case/"), "{address}");
    let page = get(&site, &address).await;
    assert_eq!(page.status, 200);
    // The front page begins with hypertension: its group, and what is wrong with it.
    assert!(page.text.contains("FV1") && page.text.contains("diabetic foot (E11.5)"), "{}", page.text);
    assert!(page.text.contains("hypokalaemia, and no potassium below"), "missing evidence");
    // While typing, with the foot first: another group, and the finding is gone.
    let preview = address.replace("/case/", "/preview/");
    let live = get(&site, &format!("{preview}?dx=E11.5%0AI10&px=86.22")).await;
    assert!(live.text.contains("KJ15") && !live.text.contains("diabetic foot (E11.5)"), "{}", live.text);
    let search = get(&site, &format!("{preview}?dx=%E7%B3%96%E5%B0%BF%E7%97%85")).await;
    assert!(search.text.contains("E11.9"), "{}", search.text);
    // Saved: the settlement list stands beside the front page, and the result has a version for it.
    let saved = ask(&site, Method::POST, &address, "dx=E11.5%0AI10&px=86.22").await;
    assert_eq!((saved.status, saved.location.as_str()), (303, address.as_str()), "{}", saved.text);
    let page = get(&site, &address).await;
    assert!(page.text.contains("KJ15") && page.text.contains("≠"), "{}", page.text);
    let again = ask(&site, Method::POST, &address, "dx=I10&px=").await;
    assert_eq!(again.status, 303);
    let page = get(&site, &address).await;
    assert!(
        page.text.contains("KJ15 糖尿病足清创") && page.text.contains("FV15 高血压"),
        "both versions are kept"
    );
    let empty = ask(&site, Method::POST, &address, "dx=&px=").await;
    assert_eq!(empty.status, 400);
}

/// 15:00, the insurer: the year under the new scheme, the shift per hospital, the budget to the fen.
#[tokio::test(flavor = "multi_thread")]
async fn the_year_is_regrouped_and_the_budget_closes() {
    let site = county::county(300).await;
    let page = get(&site, "/drg/settlement?old=qinghe_2026&new=qinghe_2027").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Payments and reserve are the budget, to the fen"), "{}", page.text);
    assert!(page.text.contains("qinghe_2026 → qinghe_2027"), "{}", page.text);
    for address in [
        "/drg",
        "/drg?only=1",
        "/drg/indicators",
        "/drg/indicators?by=group",
        "/drg/quality",
        "/drg/rules",
        "/drg/rules/qinghe_2027/FR2",
        "/drg/workshop",
    ] {
        let page = get(&site, address).await;
        assert_eq!(page.status, 200, "{address}");
        assert!(
            !page.text.contains("drg-"),
            "{address} has words without a text: {:?}",
            page.text.split("drg-").nth(1).map(|t| t.chars().take(40).collect::<String>())
        );
    }
    let doctor = get(&site, "/drg/indicators?by=doctor").await;
    assert!(
        doctor.text.contains("By doctor only case mix") && !doctor.text.contains("Margin"),
        "money by doctor"
    );
    assert_eq!(get(&site, "/drg/rules/qinghe_2027/NONE").await.status, 404);
    assert_eq!(get(&site, "/drg/case/none").await.status, 404);
    // The way down from a hospital ends at its cases.
    let hospitals = get(&site, "/drg/indicators?by=hospital").await;
    assert!(hospitals.text.contains("by=department"), "{}", hospitals.text);
}

/// 特例单议: applied for, judged by two experts, paid out of the pool.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_review_goes_through_four_eyes() {
    let site = county::county(60).await;
    let zhuoma = site.patients("identifier", &story::token(story::ZHUOMA));
    let mut address = String::new();
    for record in &zhuoma {
        let found = get(&site, &format!("/drg/of/{record}")).await;
        if found.status == 303 {
            address = found.location.replace("/case/", "/special/");
        }
    }
    let step = |text: &'static str| ask(&site, Method::POST, &address, text);
    assert_eq!(step("step=approve&who=b&why=x&amount=1").await.status, 400, "nobody has applied");
    assert_eq!(step("step=apply&who=coder&why=two+operations").await.status, 303);
    assert_eq!(
        step("step=approve&who=coder&why=x&amount=1").await.status,
        400,
        "the applicant does not review"
    );
    assert_eq!(step("step=approve&who=a&why=read&amount=900.50").await.status, 303);
    assert_eq!(step("step=approve&who=a&why=read&amount=1").await.status, 400, "nobody reviews twice");
    assert_eq!(step("step=approve&who=b&why=read&amount=800").await.status, 303);
    let page = get(&site, &address).await;
    assert!(page.text.contains("approved") && page.text.contains("¥800.00"), "{}", page.text);
    let settlement = get(&site, "/drg/settlement").await;
    assert!(settlement.text.contains("single review"), "{}", settlement.text);
}
