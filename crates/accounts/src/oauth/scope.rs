//! Scopes of SMART App Launch 2.2: `patient/Observation.rs?category=laboratory`.

/// On whose behalf, and of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Of the one patient in context.
    Patient,
    /// Of all that the person at the app may see.
    User,
    /// Of all that the client may see by itself.
    System,
}

/// A scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `openid`, `fhirUser`, `profile`, `launch`, `launch/patient`, `online_access`, `offline_access`.
    Word(String),
    /// Access to resources.
    Resource {
        /// On whose behalf.
        level: Level,
        /// The type; `*` for all.
        kind: String,
        /// `c`, `r`, `u`, `d`, `s`, in this order.
        acts: String,
        /// Search parameters that every resource meets; empty for none.
        query: String,
    },
}

/// The words.
pub const WORDS: [&str; 7] =
    ["openid", "fhirUser", "profile", "launch", "launch/patient", "online_access", "offline_access"];

impl Scope {
    /// Reads a scope; the `read`, `write` and `*` of version 1 are taken as what they meant.
    pub fn parse(text: &str) -> Option<Scope> {
        if WORDS.contains(&text) {
            return Some(Scope::Word(text.to_owned()));
        }
        let (level, rest) = text.split_once('/')?;
        let level = match level {
            "patient" => Level::Patient,
            "user" => Level::User,
            "system" => Level::System,
            _ => return None,
        };
        let (access, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, acts) = access.split_once('.')?;
        let named = kind == "*" || (!kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic()));
        let acts = match acts {
            "read" => "rs",
            "write" => "cud",
            "*" => "cruds",
            other => other,
        };
        let mut places = acts.bytes().map(|act| b"cruds".iter().position(|known| *known == act));
        let mut last = None;
        let ordered = places.all(|place| {
            let rises = place.is_some() && place > last;
            last = place;
            rises
        });
        let sane = query.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        if !named || acts.is_empty() || !ordered || !sane {
            return None;
        }
        Some(Scope::Resource { level, kind: kind.into(), acts: acts.into(), query: query.into() })
    }

    /// As it is written.
    pub fn text(&self) -> String {
        match self {
            Scope::Word(word) => word.clone(),
            Scope::Resource { level, kind, acts, query } => {
                let level = match level {
                    Level::Patient => "patient",
                    Level::User => "user",
                    Level::System => "system",
                };
                let sign = if query.is_empty() { "" } else { "?" };
                format!("{level}/{kind}.{acts}{sign}{query}")
            }
        }
    }

    /// What of it another scope allows: the acts and types of both.
    fn within(&self, allowed: &Scope) -> Option<Scope> {
        match (self, allowed) {
            (Scope::Word(own), Scope::Word(other)) => (own == other).then(|| self.clone()),
            (
                Scope::Resource { level, kind, acts, query },
                Scope::Resource { level: l, kind: k, acts: a, query: q },
            ) => {
                // Another condition on top of the allowed one is not worked out: it must be the same.
                if level != l || (!q.is_empty() && q != query) {
                    return None;
                }
                let kind = match (kind.as_str(), k.as_str()) {
                    (own, "*") => own,
                    ("*", other) => other,
                    (own, other) if own == other => own,
                    _ => return None,
                };
                let acts: String = acts.chars().filter(|act| a.contains(*act)).collect();
                let (level, kind, query) = (*level, kind.to_owned(), query.clone());
                (!acts.is_empty()).then_some(Scope::Resource { level, kind, acts, query })
            }
            _ => None,
        }
    }
}

/// What of the asked scopes is granted, given those that are allowed; what nobody knows falls away.
pub fn granted(asked: &str, allowed: &[String]) -> Vec<String> {
    let allowed: Vec<Scope> = allowed.iter().filter_map(|scope| Scope::parse(scope)).collect();
    let mut granted: Vec<String> = Vec::new();
    for scope in asked.split(' ').filter_map(Scope::parse) {
        for part in allowed.iter().filter_map(|one| scope.within(one)) {
            let text = part.text();
            if !granted.contains(&text) {
                granted.push(text);
            }
        }
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_written() {
        for text in ["patient/Observation.rs", "user/*.cruds", "system/Patient.s", "openid", "launch/patient"]
        {
            assert_eq!(Scope::parse(text).map(|scope| scope.text()).as_deref(), Some(text));
        }
        let laboratory = "patient/Observation.rs?category=http://x|laboratory";
        assert_eq!(Scope::parse(laboratory).map(|scope| scope.text()).as_deref(), Some(laboratory));
        assert_eq!(Scope::parse("patient/*.read").map(|scope| scope.text()).as_deref(), Some("patient/*.rs"));
        assert_eq!(Scope::parse("user/*.*").map(|s| s.text()).as_deref(), Some("user/*.cruds"));
        for bad in [
            "",
            "patient",
            "patient/",
            "patient/Observation",
            "patient/Observation.",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.x",
            "nobody/Observation.r",
            "patient/Obs ervation.r",
            "patient/Observation.r?a=\"b",
            "admin",
        ] {
            assert_eq!(Scope::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_is_granted_beyond_what_is_allowed() {
        let allowed = ["patient/Observation.rs", "user/*.r", "openid"].map(str::to_owned);
        let grant = |asked: &str| granted(asked, &allowed).join(" ");
        assert_eq!(grant("patient/Observation.cruds openid fhirUser"), "patient/Observation.rs openid");
        assert_eq!(grant("patient/*.rs"), "patient/Observation.rs");
        assert_eq!(grant("user/Patient.rs user/*.u"), "user/Patient.r");
        assert_eq!(grant("system/*.rs"), "");
        let narrow = ["patient/Observation.rs?category=laboratory"].map(str::to_owned);
        assert_eq!(granted("patient/Observation.rs", &narrow), Vec::<String>::new());
        assert_eq!(granted(&narrow[0], &narrow), narrow);
        let wide = ["patient/Observation.rs"].map(str::to_owned);
        assert_eq!(granted(&narrow[0], &wide), narrow, "a client may ask for less");
    }
}
