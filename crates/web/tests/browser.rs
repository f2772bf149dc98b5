//! Every page in Chromium: accessible at AA, no sideways scrolling, no complaint, and a picture
//! of each in `target/screenshots` for people to look at.

mod common {
    pub mod county;
    pub mod driver;
    pub mod forms;
    pub mod people;
}

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::county::{self, Site};
use common::driver::Browser;
use common::forms;
use common::people::{PASSWORD, Town, town};
use tongmai_http::Service;
use tongmai_region::story;

/// The rules of accessibility come from their package at test time.
const AXE: &str = "axe-core@4.11.0";

/// Pages of offices, which are looked at in two views only.
const OFFICES: [&str; 9] = [
    "participation-layer",
    "participation-protected",
    "participation-results",
    "participation-organise",
    "participation-organisations",
    "participation-office",
    "participation-project",
    "participation-report",
    "participation-sponsors",
];

fn target() -> PathBuf {
    // …/target/debug/deps/browser-…
    let own = std::env::current_exe().expect("the test's own path");
    own.ancestors().nth(3).expect("a target folder").to_owned()
}

fn axe() -> Option<String> {
    let folder = target().join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&folder).ok()?;
        let npm = Command::new("npm")
            .args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(AXE)
            .output();
        if !npm.is_ok_and(|done| done.status.success()) {
            return None;
        }
    }
    std::fs::read_to_string(file).ok()
}

async fn serve(site: &Site) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = Arc::new(Service::new(
        site.engine.clone(),
        site.access.clone(),
        Some(site.pages.clone()),
        site.folder.path().join("exports"),
        false,
    ));
    tokio::spawn(tongmai_http::serve(service, listener, std::future::pending()));
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_a_browser() {
    let Some(axe) = axe() else { return tongmai_testkit::skipped("axe-core could not be fetched from npm") };
    let Some(browser) = Browser::start() else {
        return tongmai_testkit::skipped("chromium and chromium-driver are not installed");
    };
    let site = county::county(400).await;
    let base = serve(&site).await;
    let id = site.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    let message = site.deliver_some().await;
    let case = format!("/drg/of/{id}");
    let (signal, card) = outbreak(&site).await;
    let numbers = site.numbers(24);
    let (project, talk) = forms::participation(&site.pages, &numbers, "2026-11-21", "2026-12-31").await;
    let (survey, question, layer) = forms::care(&site.pages, &id).await;
    let pages = [
        ("participation", "/participation".to_owned()),
        ("participation-say", "/participation/say".into()),
        ("participation-words", "/participation/words?name=%E6%A0%BC%E6%A1%91%E8%8A%B1".into()),
        ("participation-vote", format!("/participation/conversation/{talk}")),
        ("participation-results", format!("/participation/conversation/{talk}/results")),
        ("participation-organise", format!("/participation/conversation/{talk}/organise")),
        ("participation-goals", format!("/participation/goals?person={id}")),
        ("participation-questionnaires", format!("/participation/questionnaires?person={id}")),
        ("participation-survey", survey.clone()),
        ("participation-question", question),
        ("participation-survey-results", format!("{survey}/results")),
        ("participation-adaptive", format!("/participation/adaptive/demonstration?person={id}")),
        ("participation-due", "/participation/due".into()),
        ("participation-joined", format!("/participation/joined?person={id}")),
        ("participation-layer", layer),
        ("participation-protected", "/participation/protected".into()),
        ("participation-trials", format!("/participation/trials?person={id}")),
        ("participation-help", "/participation/help".into()),
        ("participation-organisations", "/participation/organisations".into()),
        ("participation-office", "/participation/office".into()),
        ("participation-project", format!("/participation/project/{project}")),
        ("participation-trace", format!("/participation/trace/{project}")),
        ("participation-report", "/participation/report/2026".into()),
        ("participation-sponsors", "/participation/sponsors".into()),
        ("overview", "/".into()),
        ("find", "/people".into()),
        ("found", "/people?q=%E7%8E%8B".into()),
        ("person", format!("/person/{id}")),
        ("visits", format!("/person/{id}/visits")),
        ("trends", format!("/person/{id}/trends")),
        ("resource", format!("/resource/Patient/{id}")),
        ("ledger", "/ledger".into()),
        ("drg", "/drg".into()),
        ("drg-case", case),
        ("drg-indicators", "/drg/indicators".into()),
        ("drg-quality", "/drg/quality".into()),
        ("drg-settlement", "/drg/settlement".into()),
        ("drg-rules", "/drg/rules".into()),
        ("drg-entry", "/drg/rules/qinghe_2027/FR2".into()),
        ("drg-workshop", "/drg/workshop".into()),
        ("signals", "/surveillance".into()),
        ("signal", signal),
        ("cards", "/surveillance/cards".into()),
        ("card", card.clone()),
        ("contacts", card.replace("/card/", "/contacts/")),
        ("lines", "/surveillance/lines".into()),
        ("disease", "/surveillance/disease/influenza".into()),
        ("map", "/surveillance/map?disease=influenza".into()),
        ("syndromes", "/surveillance/syndromes".into()),
        ("duplicates", "/surveillance/duplicates".into()),
        ("figures", "/surveillance/figures".into()),
        ("desk", "/desk".into()),
        ("desk-person", format!("/desk/person/{id}")),
        ("newborn", "/desk/newborn".into()),
        ("tour", "/tour".into()),
        ("doors", "/doors".into()),
        ("doors-desk", "/doors/set-aside".into()),
        ("doors-message", format!("/doors/message/{message}")),
        ("doors-mapping", "/doors/mapping".into()),
        ("doors-coverage", "/doors/coverage".into()),
        ("doors-assessment", "/doors/assessment".into()),
        ("help", "/help".into()),
        ("lost", "/nothing".into()),
    ];
    let pictures = target().join("screenshots");
    std::fs::create_dir_all(&pictures).expect("a folder");
    let faults = tokio::task::block_in_place(|| {
        let mut faults = Vec::new();
        for (name, path) in &pages {
            let all = [
                (1280, "zh-CN", "normal"),
                (360, "en", "normal"),
                (360, "zh-CN", "normal"),
                (1280, "en", "normal"),
                (360, "zh-CN", "large"),
            ];
            // The pages of offices are made of the same blocks as those of residents.
            let views = if OFFICES.contains(name) { &all[..2] } else { &all[..] };
            for &(width, language, size) in views {
                let sign = if path.contains('?') { '&' } else { '?' };
                browser.resize(width, 800);
                browser.open(&format!("{base}{path}{sign}lang={language}&text={size}"));
                let which =
                    format!("{name}-{language}-{width}{}", if size == "large" { "-large" } else { "" });
                faults.extend(look(&browser, &axe, &which, width, &pictures));
            }
        }
        faults.extend(dark(&browser, &axe, &format!("{base}/person/{id}"), &pictures));
        faults.extend(keys(&browser, &base));
        faults
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Walks the steps 09:20 and 09:25; the addresses of a signal and a card.
async fn outbreak(site: &Site) -> (String, String) {
    let ask = async |method, path: &str| {
        let asked = tongmai_http::Asked {
            requester: tongmai_access::Requester::shared_local(),
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: hyper::HeaderMap::new(),
            body: Vec::new().into(),
        };
        (site.pages)(asked).await
    };
    ask(hyper::Method::POST, "/surveillance/story/laboratory").await;
    let opened = ask(hyper::Method::POST, "/surveillance/story/market").await;
    let signal = opened.headers()["location"].to_str().expect("an address").to_owned();
    let look = |cases: &tongmai_views::surveillance::Cases| {
        cases.cards().find(|card| card.disease == "cholera").expect("a card").id.clone()
    };
    let surveillance =
        tongmai_views::surveillance::Surveillance::new(site.engine.clone(), site.access.clone(), None);
    let card = tokio::task::block_in_place(|| surveillance.look(look)).expect("a view");
    (signal, format!("/surveillance/card/{card}"))
}

async fn serve_with_login(town: &Town) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (engine, access) = (town.site.engine.clone(), town.site.access.clone());
    let exports = town.folder.path().join("exports");
    let service = Service::new(engine, access, Some(town.pages.clone()), exports, false)
        .with_login(town.accounts.clone())
        .with_trail(town.trail.clone());
    tokio::spawn(tongmai_http::serve(Arc::new(service), listener, std::future::pending()));
    format!("http://{address}")
}

/// Somebody has come in; the form itself is tested without a browser.
fn come_in(browser: &Browser, base: &str, town: &Town, id: &str) {
    let Ok(token) = town.accounts.login(id, PASSWORD, "") else { panic!("{id} cannot come in") };
    let cookie = serde_json::json!({"name": tongmai_http::SESSION_COOKIE, "value": token, "url": base, "httpOnly": true});
    browser.command("Network.setCookie", cookie);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_behind_the_login_in_a_browser() {
    let Some(axe) = axe() else { return tongmai_testkit::skipped("axe-core could not be fetched from npm") };
    let Some(browser) = Browser::start() else {
        return tongmai_testkit::skipped("chromium and chromium-driver are not installed");
    };
    let town = town(40).await;
    let base = serve_with_login(&town).await;
    let record = town.zhuoma.clone();
    let mut doctor = town.login("dr-li").await;
    doctor.get(&format!("/resource/Patient/{record}")).await;
    doctor.post("/emergency", &[("patient", &record), ("reason", "病人昏迷，需要病史")]).await;
    doctor.get(&format!("/person/{record}")).await;
    let mut zhuoma = town.login("zhuoma").await;
    zhuoma.post("/me/requests", &[("of", &record), ("kind", "correction"), ("text", "血型写错了")]).await;
    let looked = zhuoma.get("/me/looked").await;
    let proof = looked.text.split("href=\"/me/looked/").nth(1).and_then(|rest| rest.split('"').next());
    let proof = format!("/me/looked/{}", proof.expect("a proof"));
    let mut privacy = town.login("privacy-he").await;
    let text = "糖尿病随访研究：读取诊断与化验，风险为再识别，措施为去标识化与审批";
    let signed = [("kind", "impact-assessment"), ("purpose", "HRESCH"), ("text", text), ("days", "365")];
    assert_eq!(privacy.post("/privacy/register", &signed).await.status, 303);
    let incident = [
        ("text", "账户 dr-li 的口令被盗用"),
        ("account", "dr-li"),
        ("from", "2026-11-20"),
        ("until", "2026-11-22"),
        ("operator", "other"),
    ];
    assert_eq!(privacy.post("/privacy/incident", &incident).await.status, 303);
    let emergency = format!("/emergency?patient={record}");
    let visits: [(&str, &[(&str, &str)]); 4] = [
        ("", &[("login", "/login"), ("invitation", "/invitation"), ("duties", "/duties")]),
        (
            "zhuoma",
            &[
                ("me", "/me"),
                ("looked", "/me/looked"),
                ("proof", proof.as_str()),
                ("sharing", "/me/sharing"),
                ("sharing-code", "/me/sharing/code"),
                ("requests", "/me/requests"),
                ("family", "/me/family"),
            ],
        ),
        ("dr-li", &[("home", "/home"), ("share", "/share"), ("emergency", emergency.as_str())]),
        (
            "privacy-he",
            &[
                ("privacy-requests", "/privacy/requests"),
                ("privacy-emergency", "/privacy/emergency"),
                ("privacy-consents", "/privacy/consents"),
                ("privacy-register", "/privacy/register"),
                ("privacy-incident", "/privacy/incident"),
                ("privacy-log", "/privacy/log"),
                ("closed", "/people"),
            ],
        ),
    ];
    let pictures = target().join("screenshots");
    std::fs::create_dir_all(&pictures).expect("a folder");
    let faults = tokio::task::block_in_place(|| {
        let mut faults = Vec::new();
        for (who, pages) in visits {
            if !who.is_empty() {
                come_in(&browser, &base, &town, who);
            }
            for (name, path) in pages {
                for (width, language, size) in [
                    (1280, "zh-CN", "normal"),
                    (360, "zh-CN", "large"),
                    (360, "en", "normal"),
                    (1280, "en", "large"),
                ] {
                    let sign = if path.contains('?') { '&' } else { '?' };
                    browser.resize(width, 800);
                    browser.open(&format!("{base}{path}{sign}lang={language}&text={size}"));
                    let which =
                        format!("{name}-{language}-{width}{}", if size == "large" { "-large" } else { "" });
                    let found = look(&browser, &axe, &which, width, &pictures);
                    faults.extend(found.into_iter().filter(|fault| !fault.contains("status of 403")));
                }
                if *name == "proof" {
                    faults.extend(proof_is_checked(&browser));
                }
                if matches!(who, "zhuoma") {
                    faults.extend(elder_mode(&browser, &format!("{base}{path}"), name));
                }
            }
        }
        faults
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The proof is checked by the page's own script, within the time that was promised.
fn proof_is_checked(browser: &Browser) -> Vec<String> {
    let said = browser.run("return document.querySelector('#proof').textContent");
    let took = browser.run("return Number(document.querySelector('#proof').dataset.took)").as_f64();
    eprintln!("a proof took {took:?} ms in the browser");
    match (said.as_str().is_some_and(|said| said.starts_with('✓')), took) {
        (true, Some(took)) if took <= 50.0 => Vec::new(),
        _ => vec![format!("the proof: {said}, {took:?} ms")],
    }
}

/// Large text is at least 20 CSS pixels, and what is pressed at least 60 high.
fn elder_mode(browser: &Browser, address: &str, name: &str) -> Vec<String> {
    browser.resize(360, 800);
    browser.open(&format!("{address}?lang=zh-CN&text=large"));
    let small = browser.run(
        "return [...document.querySelectorAll('main button, main .button, main .choice, main .big li')] \
         .filter(target => target.getBoundingClientRect().height < 59.5).map(target => target.outerHTML.slice(0, 80))",
    );
    let size = browser
        .run("return parseFloat(getComputedStyle(document.querySelector('main p, main li')).fontSize)");
    let mut faults: Vec<String> =
        small.as_array().into_iter().flatten().map(|one| format!("{name}: {one}")).collect();
    if size.as_f64().is_none_or(|size| size < 17.4) {
        faults.push(format!("{name}: text of {size} pixels"));
    }
    faults
}

/// What is wrong with the page that is open.
fn look(browser: &Browser, axe: &str, which: &str, width: u32, pictures: &Path) -> Vec<String> {
    let wide = browser.run("return document.documentElement.scrollWidth");
    let mut faults = Vec::new();
    if wide.as_u64().is_none_or(|wide| wide > u64::from(width)) {
        faults.push(format!("{which}: {wide} pixels wide"));
    }
    let script = format!(
        "{axe};return axe.run(document, {{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations']}})\
         .then(found => found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' ')))"
    );
    let violations = browser.run(&script);
    for violation in violations.as_array().expect("a list of violations") {
        faults.push(format!("{which}: {violation}"));
    }
    let complaints = browser.complaints();
    // A page that is not there is no complaint on the page that says so.
    faults
        .extend(complaints.iter().filter(|c| !c.contains("status of 404")).map(|c| format!("{which}: {c}")));
    let height = browser.run("return Math.min(document.documentElement.scrollHeight, 4000)");
    let height = height.as_u64().and_then(|height| u32::try_from(height).ok()).unwrap_or(800);
    browser.picture(width, height, &pictures.join(format!("{which}.png")));
    faults
}

fn dark(browser: &Browser, axe: &str, address: &str, pictures: &Path) -> Vec<String> {
    let scheme = serde_json::json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    browser.command("Emulation.setEmulatedMedia", scheme);
    browser.resize(1280, 800);
    browser.open(&format!("{address}?lang=zh-CN&text=normal"));
    let faults = look(browser, axe, "person-dark-1280", 1280, pictures);
    browser.command("Emulation.setEmulatedMedia", serde_json::json!({"features": []}));
    faults
}

fn keys(browser: &Browser, base: &str) -> Vec<String> {
    browser.open(&format!("{base}/people?q=%E7%8E%8B"));
    let press = |key: &str| {
        browser.run(&format!(
            "document.activeElement.blur?.(); document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
        ));
    };
    let mut faults = Vec::new();
    let mut expect = |what: &str, script: &str, expected: serde_json::Value| {
        let found = browser.run(script);
        if found != expected {
            faults.push(format!("{what}: {found}, not {expected}"));
        }
    };
    let here = "return [...document.querySelectorAll('[data-item]')].findIndex(item => item.classList.contains('here'))";
    press("j");
    expect("j chooses the first", here, 0.into());
    press("j");
    press("j");
    press("k");
    expect("k goes back", here, 1.into());
    expect(
        "Enter would open it",
        "return document.activeElement.pathname.startsWith('/person/')",
        true.into(),
    );
    press("/");
    expect("/ goes to the search", "return document.activeElement.id", "q".into());
    press("?");
    expect(
        "? opens the help",
        "return new Promise(done => setTimeout(() => done(location.pathname), 300))",
        "/help".into(),
    );
    faults
}
