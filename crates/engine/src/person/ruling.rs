//! What a person of the desk decides, as it stands in the ledger: a FHIR Provenance.
//!
//! A Provenance already says who, when, why and about which records, is filed in the record of each
//! patient it names, and is verified, exported and erased like everything else. Its first version
//! counts; to change one's mind is a further ruling.

use tongmai_base::time::Instant;
use tongmai_fhir::json::{Json, write_string};

/// The code system of rulings.
pub const SYSTEM: &str = "urn:tongmai:person-ruling";

/// What is decided of some records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The persons of two records are one.
    Same,
    /// Two records are not the same person, now and later.
    NotSame,
    /// Records leave their person and become one together.
    Apart,
    /// An earlier ruling is taken back.
    Undo,
}

const KINDS: &[(Kind, &str)] =
    &[(Kind::Same, "same"), (Kind::NotSame, "not-same"), (Kind::Apart, "apart"), (Kind::Undo, "undo")];

/// A ruling before it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What.
    pub kind: Kind,
    /// Ids of the patients it is about.
    pub patients: Vec<String>,
    /// For [`Kind::Undo`]: the id of the Provenance that is taken back.
    pub undone: Option<String>,
    /// Who decides.
    pub who: String,
    /// Why.
    pub why: String,
}

impl Ruling {
    /// The Provenance that says it.
    pub fn to_provenance(&self, now: i64) -> String {
        let mut out = String::from("{\"resourceType\":\"Provenance\",\"target\":[");
        let references = self.patients.iter().map(|id| format!("Patient/{id}"));
        for (index, reference) in references.enumerate() {
            out.push_str(if index > 0 { ",{\"reference\":" } else { "{\"reference\":" });
            write_string(&reference, &mut out);
            out.push('}');
        }
        out.push_str("],\"recorded\":");
        write_string(&Instant(now).to_fhir(), &mut out);
        out.push_str(",\"reason\":[{\"text\":");
        write_string(&self.why, &mut out);
        out.push_str("}],\"activity\":{\"coding\":[{\"system\":");
        write_string(SYSTEM, &mut out);
        out.push_str(",\"code\":");
        write_string(
            KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, code)| code),
            &mut out,
        );
        out.push_str("}]},\"agent\":[{\"who\":{\"display\":");
        write_string(&self.who, &mut out);
        out.push_str("}}]");
        if let Some(id) = &self.undone {
            out.push_str(",\"entity\":[{\"role\":\"source\",\"what\":{\"reference\":");
            write_string(&format!("Provenance/{id}"), &mut out);
            out.push_str("}}]");
        }
        out.push('}');
        out
    }

    /// Reads a Provenance; `None` when it is no ruling.
    pub fn read(provenance: &Json<'_>) -> Option<Ruling> {
        let codings = provenance.get("activity")?.items("coding");
        let code = codings.iter().find(|coding| coding.text("system") == Some(SYSTEM))?.text("code")?;
        let kind = KINDS.iter().find(|(_, known)| *known == code)?.0;
        let id_of = |reference: Option<&Json<'_>>, prefix: &str| {
            reference?.text("reference")?.strip_prefix(prefix).map(str::to_owned)
        };
        let targets = provenance.items("target").iter();
        let agent = provenance.items("agent").first().and_then(|agent| agent.get("who"));
        let who = agent.and_then(|who| who.text("display").or_else(|| who.text("reference")));
        let reasons = provenance.items("reason").iter();
        Some(Ruling {
            kind,
            patients: targets.filter_map(|target| id_of(Some(target), "Patient/")).collect(),
            undone: provenance.items("entity").first().and_then(|e| id_of(e.get("what"), "Provenance/")),
            who: who.unwrap_or("").to_owned(),
            why: reasons.filter_map(|reason| reason.text("text")).collect::<Vec<_>>().join("; "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (kind, patients, undone) in [
            (Kind::Same, vec!["a", "b"], None),
            (Kind::NotSame, vec!["a", "b"], None),
            (Kind::Apart, vec!["a"], None),
            (Kind::Undo, vec!["a"], Some("p".to_owned())),
        ] {
            let patients = patients.into_iter().map(str::to_owned).collect();
            let ruling = Ruling { kind, patients, undone, who: "李\"".into(), why: "同一人".into() };
            let text = ruling.to_provenance(0);
            assert_eq!(Ruling::read(&Json::parse_str(&text).expect("JSON")), Some(ruling));
        }
        let other = r#"{"activity":{"coding":[{"system":"x","code":"same"}]}}"#;
        assert_eq!(Ruling::read(&Json::parse_str(other).expect("JSON")), None);
    }
}
