//! The languages of the pages and their words.
//!
//! All text of the pages lies in Fluent files under `locales/`. A word that a
//! language does not have yet is taken from Chinese.

use std::borrow::{Borrow, Cow};
use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// The files of a language.
macro_rules! words {
    ($tag:literal) => {
        &[
            include_str!(concat!("../locales/", $tag, "/platform.ftl")),
            include_str!(concat!("../locales/", $tag, "/access.ftl")),
            include_str!(concat!("../locales/", $tag, "/account.ftl")),
            include_str!(concat!("../locales/", $tag, "/care.ftl")),
            include_str!(concat!("../locales/", $tag, "/doors.ftl")),
            include_str!(concat!("../locales/", $tag, "/drg.ftl")),
            include_str!(concat!("../locales/", $tag, "/identity.ftl")),
            include_str!(concat!("../locales/", $tag, "/participation.ftl")),
            include_str!(concat!("../locales/", $tag, "/surveillance.ftl")),
        ]
    };
}

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese in simplified characters: the first language.
    Chinese,
    /// English, complete.
    English,
    /// Chinese in traditional characters, for Hong Kong.
    Traditional,
    /// Tibetan: prepared, awaiting native review.
    Tibetan,
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Language; 4] =
        [Language::Chinese, Language::English, Language::Traditional, Language::Tibetan];

    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en",
            Language::Traditional => "zh-HK",
            Language::Tibetan => "bo",
        }
    }

    /// Its own name for itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Language::Chinese => "简体中文",
            Language::English => "English",
            Language::Traditional => "繁體中文",
            Language::Tibetan => "བོད་ཡིག",
        }
    }

    /// Whether clinical names are shown in English rather than in Chinese.
    pub fn is_english(self) -> bool {
        self == Language::English
    }

    /// The language of a tag: `zh`, `zh-CN`, `zh-Hant-TW`, `en-GB`, `bo` …
    pub fn from_tag(tag: &str) -> Option<Language> {
        let tag = tag.trim().to_ascii_lowercase();
        let mut parts = tag.split('-');
        match parts.next()? {
            "en" => Some(Language::English),
            "bo" => Some(Language::Tibetan),
            "zh" => {
                let traditional = parts.any(|part| matches!(part, "hant" | "hk" | "tw" | "mo"));
                Some(if traditional { Language::Traditional } else { Language::Chinese })
            }
            _ => None,
        }
    }

    /// The best language for an `Accept-Language` header; Chinese when none fits.
    pub fn accepted(header: &str) -> Language {
        let mut best = (0, Language::Chinese);
        for part in header.split(',') {
            let (tag, quality) = part.split_once(";q=").unwrap_or((part, "1"));
            let quality = quality.trim().parse::<f32>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as i32);
            if let Some(language) = Language::from_tag(tag)
                && quality > best.0
            {
                best = (quality, language);
            }
        }
        best.1
    }

    /// The sources of its words, one file an area of the platform.
    pub fn sources(self) -> &'static [&'static str] {
        match self {
            Language::Chinese => words!("zh-CN"),
            Language::English => words!("en"),
            Language::Traditional => words!("zh-HK"),
            Language::Tibetan => words!("bo"),
        }
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        static BUNDLES: OnceLock<Vec<FluentBundle<FluentResource>>> = OnceLock::new();
        let bundles = BUNDLES.get_or_init(|| Language::ALL.into_iter().map(Language::read).collect());
        &bundles[self as usize]
    }

    fn read(self) -> FluentBundle<FluentResource> {
        let tag: LanguageIdentifier = self.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // Marks of direction around every argument would stand in what people copy.
        bundle.set_use_isolating(false);
        for source in self.sources() {
            // A test reads every file; a line that is wrong costs only itself.
            let resource = FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(r, _)| r);
            bundle.add_resource_overriding(resource);
        }
        bundle
    }

    /// The text of a key, or nothing when neither this language nor Chinese has it.
    pub fn find(self, key: &str, arguments: Option<&FluentArgs>) -> Option<Cow<'static, str>> {
        for language in [self, Language::Chinese] {
            let bundle = language.bundle();
            if let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) {
                let mut errors = Vec::new();
                return Some(bundle.format_pattern(pattern, arguments, &mut errors));
            }
        }
        None
    }

    /// The text of a key; the key itself when there is none, so that nothing is silently empty.
    pub fn say(self, key: &str) -> Cow<'static, str> {
        self.find(key, None).unwrap_or_else(|| Cow::Owned(key.to_owned()))
    }

    /// The text of a key with a number as `$n`.
    pub fn count(self, key: &str, n: impl Borrow<i64>) -> Cow<'static, str> {
        let mut arguments = FluentArgs::new();
        arguments.set("n", FluentValue::from(*n.borrow()));
        self.find(key, Some(&arguments)).unwrap_or_else(|| Cow::Owned(key.to_owned()))
    }

    /// The text of a key with a text as `$x`.
    pub fn name(self, key: &str, x: &str) -> Cow<'static, str> {
        let mut arguments = FluentArgs::new();
        arguments.set("x", FluentValue::from(x.to_owned()));
        self.find(key, Some(&arguments)).unwrap_or_else(|| Cow::Owned(key.to_owned()))
    }

    /// The word for a code of a small closed list, such as a status; the code itself when there is none.
    pub fn code(self, list: &str, code: &str) -> Cow<'static, str> {
        self.find(&format!("{list}-{code}"), None).unwrap_or_else(|| Cow::Owned(code.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(language: Language) -> BTreeSet<String> {
        for source in language.sources() {
            if let Err((_, errors)) = FluentResource::try_new((*source).to_owned()) {
                panic!("{language:?}: {errors:?}");
            }
        }
        let mut keys = BTreeSet::new();
        for line in language.sources().iter().flat_map(|source| source.lines()) {
            if let Some((key, _)) = line.split_once(" =")
                && line.starts_with(|first: char| first.is_ascii_alphabetic())
            {
                assert!(keys.insert(key.to_owned()), "{language:?}: {key} stands there twice");
            }
        }
        keys
    }

    #[test]
    fn chinese_and_english_have_the_same_words() {
        let (chinese, english) = (keys(Language::Chinese), keys(Language::English));
        assert!(chinese.len() > 100);
        assert_eq!(chinese.difference(&english).collect::<Vec<_>>(), Vec::<&String>::new());
        assert_eq!(english.difference(&chinese).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn prepared_languages_have_no_words_of_their_own() {
        let chinese = keys(Language::Chinese);
        for language in [Language::Traditional, Language::Tibetan] {
            let strange = keys(language).difference(&chinese).cloned().collect::<Vec<_>>();
            assert_eq!(strange, Vec::<String>::new(), "{language:?}");
        }
    }

    #[test]
    fn the_header_chooses() {
        assert_eq!(Language::accepted(""), Language::Chinese);
        assert_eq!(Language::accepted("fr;q=0.9, *;q=0.1"), Language::Chinese);
        assert_eq!(Language::accepted("de, en-GB;q=0.8, zh;q=0.5"), Language::English);
        assert_eq!(Language::accepted("zh-TW,zh;q=0.9"), Language::Traditional);
        assert_eq!(Language::accepted("bo-CN"), Language::Tibetan);
    }
}
