//! What every page has around its content, and how its reader likes it.

use std::borrow::Cow;
use std::sync::Arc;

use tongmai_access::Requester;
use tongmai_engine::bundle::parse_pairs;
use tongmai_http::{Asked, cookie};

use crate::asset;
use crate::language::Language;

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
    #[allow(dead_code, reason = "what a page offers follows from it as soon as there are roles")]
    pub requester: Arc<Requester>,
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

    /// The sections: address and key of the name.
    pub fn sections(&self) -> [(&'static str, &'static str); 9] {
        [
            ("/", "nav-overview"),
            ("/people", "nav-people"),
            ("/desk", "nav-desk"),
            ("/doors", "nav-doors"),
            ("/drg", "nav-drg"),
            ("/surveillance", "nav-surveillance"),
            ("/participation", "nav-participation"),
            ("/tour", "nav-tour"),
            ("/ledger", "nav-ledger"),
        ]
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
