//! People who come in: a county with accounts, and what a browser does for them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{COOKIE, HOST, HeaderName};
use hyper::{HeaderMap, Method};
use tongmai_access::{Credentials, Identify, Requester};
use tongmai_accounts::account::Representation;
use tongmai_accounts::family::Basis;
use tongmai_accounts::{Account, Accounts, Binding, Surroundings};
use tongmai_http::{Asked, Pages};
use tongmai_region::story;
use tongmai_views::trail::Trail;

use crate::common::county::{self, Site};

pub const PASSWORD: &str = "three cups of tea";

pub struct Town {
    pub site: Site,
    pub accounts: Arc<Accounts>,
    pub trail: Arc<Trail>,
    pub pages: Pages,
    pub zhuoma: String,
    pub daughter: String,
    pub hospital: String,
    pub folder: tempfile::TempDir,
}

/// What came back.
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    pub fn leads_to(&self) -> &str {
        self.headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// A browser with the cookie of its session.
pub struct Browser<'t> {
    town: &'t Town,
    pub cookie: String,
}

fn random() -> [u8; 16] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(77);
    let word = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&word.to_be_bytes());
    bytes[8..].copy_from_slice(&word.rotate_left(29).to_le_bytes());
    bytes
}

fn now() -> i64 {
    county::NOW
}

/// A small county with a resident, her daughter, and those who work there.
pub async fn town(people: usize) -> Town {
    let site = county::county(people).await;
    let folder = tempfile::tempdir().expect("a folder");
    let surroundings = Surroundings { now, random };
    let accounts = Arc::new(Accounts::open(&folder.path().join("accounts"), surroundings).expect("accounts"));
    let trail = Trail::open(&folder.path().join("audit"), "county", tongmai_audit::Profile::Sha256);
    let trail = Arc::new(trail.expect("a trail"));
    let zhuoma = site.patients("identifier", &story::token(story::ZHUOMA)).remove(0);
    let daughter = site.patients("identifier", &story::token(story::DAUGHTER)).remove(0);
    let settings = tongmai_web::Settings {
        accounts: Some(accounts.clone()),
        trail: Some(trail.clone()),
        ..tongmai_web::Settings::default()
    };
    let pages = tongmai_web::pages_with(site.engine.clone(), site.access.clone(), settings);
    let hospital = keeper(&site, &zhuoma);
    let town = Town { site, accounts, trail, pages, zhuoma, daughter, hospital, folder };
    tokio::task::block_in_place(|| town.settle());
    town
}

/// The organisation that keeps a patient's record.
fn keeper(site: &Site, patient: &str) -> String {
    let local = Requester::local();
    let kind = tongmai_fhir::definition::resource_type_id("Patient").expect("a type");
    let sealed = site.engine.read(&site.access.sight(&local), kind, patient).expect("a patient");
    let read =
        tokio::task::block_in_place(|| site.access.release_blocking(&local, sealed)).expect("released");
    let json: serde_json::Value = serde_json::from_slice(&read.text).expect("JSON");
    let reference = json["managingOrganization"]["reference"].as_str().expect("a reference");
    reference.trim_start_matches("Organization/").to_owned()
}

impl Town {
    fn settle(&self) {
        let account = |id: &str, name: &str, role: &str| Account {
            id: id.into(),
            name: name.into(),
            organization: if role == "resident" { String::new() } else { self.hospital.clone() },
            organization_name: if role == "resident" {
                String::new()
            } else {
                "清禾县人民医院".into()
            },
            roles: vec![role.into()],
            purpose: match role {
                "resident" => "PATRQT".into(),
                "epidemiologist" => "PUBHLTH".into(),
                "privacy-officer" => "HLEGAL".into(),
                "audit-administrator" => "HCOMPL".into(),
                _ => "TREAT".into(),
            },
            person: if role == "resident" { String::new() } else { format!("person {id}") },
            synthetic: true,
            ..Account::default()
        };
        for (id, name, role) in [
            ("zhuoma", "卓玛", "resident"),
            ("yangzom", "央宗", "resident"),
            ("dr-li", "李文", "doctor"),
            ("dr-wang", "王强", "doctor"),
            ("epi-sun", "孙宁", "epidemiologist"),
            ("privacy-he", "何静", "privacy-officer"),
            ("audit-jia", "贾正", "audit-administrator"),
        ] {
            self.accounts.keep(account(id, name, role)).expect("kept");
            self.accounts.set_password(id, PASSWORD).expect("set");
        }
        for (id, patient) in [("zhuoma", &self.zhuoma), ("yangzom", &self.daughter)] {
            let (checked_by, document) = ("clerk".into(), "identity-card".into());
            let binding = Binding { patients: vec![patient.clone()], checked_by, document };
            self.accounts.bind(id, binding).expect("bound");
        }
        let representation = Representation {
            patients: vec![self.zhuoma.clone()],
            name: "卓玛".into(),
            basis: Basis::Agreement,
            categories: Some(vec!["results".into()]),
            until: None,
            frozen: None,
            evidence: "her code".into(),
        };
        self.accounts.represent("yangzom", representation).expect("represents");
    }

    /// A browser in which nobody has come in.
    pub fn browser(&self) -> Browser<'_> {
        Browser { town: self, cookie: String::new() }
    }

    /// A browser in which somebody has come in.
    pub async fn login(&self, id: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let got = browser.post("/login", &[("account", id), ("password", PASSWORD), ("next", "")]).await;
        assert_eq!(got.status, 303, "{id}: {}", got.text);
        browser
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl Browser<'_> {
    pub async fn get(&mut self, address: &str) -> Got {
        self.send(Method::GET, address, String::new(), &[("sec-fetch-site", "same-origin")]).await
    }

    pub async fn post(&mut self, address: &str, form: &[(&str, &str)]) -> Got {
        self.post_from(address, form, &[("sec-fetch-site", "same-origin")]).await
    }

    /// A form with other headers of where it comes from.
    pub async fn post_from(
        &mut self,
        address: &str,
        form: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Got {
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.send(Method::POST, address, pairs.join("&"), headers).await
    }

    async fn send(
        &mut self,
        method: Method,
        address: &str,
        body: String,
        headers: &[(&'static str, &str)],
    ) -> Got {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut map = HeaderMap::new();
        map.insert(HOST, "county.example".parse().expect("a header"));
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), value.parse().expect("a header"));
        }
        if !self.cookie.is_empty() {
            map.insert(COOKIE, format!("session={}", self.cookie).parse().expect("a header"));
        }
        let session = Some(self.cookie.as_str()).filter(|cookie| !cookie.is_empty());
        let requester =
            self.town.accounts.identify(Credentials { session, bearer: None }).expect("no bearer");
        let asked = Asked {
            method,
            path: path.into(),
            query: query.into(),
            headers: map,
            body: Bytes::from(body),
            requester,
        };
        let (parts, body) = (self.town.pages)(asked).await.into_parts();
        for cookie in parts.headers.get_all("set-cookie") {
            let text = cookie.to_str().expect("text");
            if let Some(token) = text.strip_prefix("session=").and_then(|rest| rest.split(';').next()) {
                assert!(text.contains("HttpOnly") && text.contains("SameSite=Lax"), "{text}");
                self.cookie = token.to_owned();
            }
        }
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Got { status: parts.status.as_u16(), headers: parts.headers, text }
    }
}
