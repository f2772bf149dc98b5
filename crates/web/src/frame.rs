//! What every page has around its content, and how its reader likes it.

use std::borrow::Cow;
use std::sync::Arc;

use tongmai_access::{Requester, Role};
use tongmai_engine::bundle::parse_pairs;
use tongmai_http::{Asked, cookie};

use crate::asset;
use crate::gate;
use crate::language::Language;

/// The sections of the pages, for those who may open all of them.
const SECTIONS: [(&str, &str); 9] = [
    ("/", "nav-overview"),
    ("/people", "nav-people"),
    ("/desk", "nav-desk"),
    ("/doors", "nav-doors"),
    ("/drg", "nav-drg"),
    ("/surveillance", "nav-surveillance"),
    ("/participation", "nav-participation"),
    ("/tour", "nav-tour"),
    ("/ledger", "nav-ledger"),
];
/// The sections of a resident.
const RESIDENT_SECTIONS: [(&str, &str); 5] = [
    ("/me", "nav-me"),
    ("/me/looked", "nav-looked"),
    ("/me/sharing", "nav-sharing"),
    ("/me/requests", "nav-requests"),
    ("/me/family", "nav-family"),
];
/// How long a browser keeps the choice of language and text size.
const YEAR: &str = "; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly";

/// The frame of a page.
#[derive(Clone)]
pub struct Frame {
    /// Language.
    pub language: Language,
    /// Large text.
    pub large: bool,
    /// Key of the section in the navigation; empty outside of them.
    pub section: &'static str,
    /// What was searched for.
    pub asked: String,
    /// Address of the stylesheet.
    pub style: &'static str,
    /// Address of the script.
    pub script: &'static str,
    /// Address of the icon.
    pub icon: &'static str,
    /// Who reads the page.
    pub requester: Arc<Requester>,
    /// Whether people have to say who they are here.
    pub login: bool,
    /// Whether rules decide what the reader sees of each record.
    pub limited: bool,
    /// Name of the account whose session it is; empty when there is none.
    pub account: String,
    /// Choices to be kept by the browser.
    pub cookies: Vec<String>,
    path: String,
    pairs: Vec<(String, String)>,
}

impl Frame {
    /// Reads the choices of a request: from its query, then its cookies, then its headers.
    pub fn of(asked: &Asked) -> Frame {
        let mut pairs = parse_pairs(&asked.query);
        let mut chosen = |name: &str| {
            let value = pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
            pairs.retain(|pair| pair.0 != name);
            value
        };
        let (language, size) = (chosen("lang"), chosen("text"));
        let mut cookies = Vec::new();
        let language = match language.as_deref().and_then(Language::from_tag) {
            Some(language) => {
                cookies.push(format!("lang={}{YEAR}", language.tag()));
                language
            }
            None => cookie(&asked.headers, "lang")
                .and_then(Language::from_tag)
                .unwrap_or_else(|| Language::accepted(asked.header("accept-language"))),
        };
        let large = match size.as_deref() {
            Some(size @ ("large" | "normal")) => {
                cookies.push(format!("text={size}{YEAR}"));
                size == "large"
            }
            _ => cookie(&asked.headers, "text") == Some("large"),
        };
        Frame {
            language,
            large,
            section: "",
            asked: pairs.iter().find(|pair| pair.0 == "q").map_or(String::new(), |pair| pair.1.clone()),
            style: asset::address("style.css"),
            script: asset::address("page.mjs"),
            icon: asset::address("icon.svg"),
            requester: asked.requester.clone(),
            login: false,
            limited: false,
            account: String::new(),
            cookies,
            path: asked.path.clone(),
            pairs,
        }
    }

    /// The same within a section.
    #[must_use]
    pub fn in_section(mut self, section: &'static str) -> Frame {
        self.section = section;
        self
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// The sections that the reader may open: address and key of the name.
    pub fn sections(&self) -> Vec<(&'static str, &'static str)> {
        if !self.login {
            return SECTIONS.to_vec();
        }
        if self.requester.is_nobody() {
            return Vec::new();
        }
        let mut sections = Vec::new();
        if self.requester.is(Role::Resident) {
            sections.extend(RESIDENT_SECTIONS);
        } else {
            sections.push(("/home", "nav-home"));
        }
        let area = |address: &str| address.split('/').nth(1).unwrap_or("").to_owned();
        sections.extend(SECTIONS.iter().filter(|(address, _)| gate::opens(&self.requester, &area(address))));
        if gate::opens(&self.requester, "privacy") {
            sections.push(("/privacy", "nav-privacy"));
        }
        sections
    }

    /// Whether the reader treats patients, and has come in.
    pub fn treats(&self) -> bool {
        self.login && self.requester.is_clinical()
    }

    /// The id of a person's page at whose address nothing is shown: whoever treats them may still open it in an
    /// emergency, whether there is something or not.
    pub fn closed_person(&self) -> Option<&str> {
        self.path
            .strip_prefix("/person/")
            .map(|rest| rest.split('/').next().unwrap_or(""))
            .filter(|_| self.treats())
    }

    /// Whether an emergency access is under way.
    pub fn emergency(&self) -> bool {
        self.requester.emergency.is_some()
    }

    /// Whether the reader may look for people.
    pub fn finds(&self) -> bool {
        !self.login || gate::opens(&self.requester, "people")
    }

    /// The languages on offer.
    pub fn languages(&self) -> [Language; 4] {
        Language::ALL
    }

    /// This page with another choice.
    pub fn here(&self, name: &str, value: &str) -> String {
        let mut address = format!("{}?", self.path);
        for (name, value) in &self.pairs {
            address.push_str(&format!("{}={}&", encoded(name), encoded(value)));
        }
        address + name + "=" + value
    }

    /// What is to be said of a language that nobody has reviewed yet.
    pub fn language_note(&self) -> Option<Cow<'static, str>> {
        match self.language {
            Language::Tibetan => Some(Language::Tibetan.say("review-tibetan")),
            Language::Traditional => Some(Language::Traditional.say("review-traditional")),
            Language::Chinese | Language::English => None,
        }
    }
}

/// A text as part of a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
