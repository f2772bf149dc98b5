//! Repairs that are proposed for a message that was set aside: what can be mended without knowing more
//! than the format does. A person looks at the proposal and replays it.

use crate::{charset, wst500};

/// A proposed repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The message as it would be.
    pub bytes: Vec<u8>,
    /// What was done, in words.
    pub words: Vec<String>,
}

/// The repair for a message of a door; `None` where none is known.
pub fn propose(door: &str, bytes: &[u8]) -> Option<Proposed> {
    let decoded = charset::decode(bytes, None, "");
    let mut text = decoded.text.into_owned();
    let mut words = Vec::new();
    match door {
        "hl7v2" => hl7v2(&mut text, &mut words),
        "wst500" | "service" => xml(door, &mut text, &mut words),
        _ => {}
    }
    (!words.is_empty()).then(|| Proposed { bytes: text.into_bytes(), words })
}

fn hl7v2(text: &mut String, words: &mut Vec<String>) {
    match text.find("MSH") {
        Some(at) if at > 0 => {
            text.drain(..at);
            words.push(format!("{at} bytes before MSH are left out"));
        }
        _ => {}
    }
    let Some(rest) = text.strip_prefix("MSH") else { return };
    // MSH-2 names the other separators; without it nothing can be read.
    let field = rest.chars().next().filter(|letter| !letter.is_alphanumeric()).unwrap_or('|');
    let after: String = rest.chars().skip_while(|letter| *letter == field).take(4).collect();
    if !after.starts_with("^~") {
        let tail = rest.trim_start_matches(field).trim_start_matches(['^', '~', '\\', '&']);
        let tail = tail.trim_start_matches(field).to_owned();
        *text = format!("MSH{field}^~\\&{field}{tail}");
        words.push("the separators of MSH-2 are put in: ^~\\&".to_owned());
    }
}

fn xml(door: &str, text: &mut String, words: &mut Vec<String>) {
    match text.find('<') {
        Some(at) if at > 0 => {
            text.drain(..at);
            words.push(format!("{at} bytes before the document are left out"));
        }
        _ => {}
    }
    if door != "wst500" || wst500::types().any(|(code, _)| text.contains(&format!("code=\"{code}\""))) {
        return;
    }
    // A document that names no type often has its title.
    let titled =
        wst500::types().filter(|(_, title)| text.contains(title)).max_by_key(|(_, title)| title.len());
    let Some((code, title)) = titled else { return };
    if let Some(at) =
        text.find("<ClinicalDocument").and_then(|at| text[at..].find('>').map(|end| at + end + 1))
    {
        text.insert_str(at, &format!("<code code=\"{code}\" codeSystem=\"2.16.156.10011.2.4\"/>"));
        words.push(format!("the document's type is put in by its title: {code} {title}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_mended_is_proposed_with_words() {
        let mended = |door: &str, text: &str| {
            propose(door, text.as_bytes()).map(|p| String::from_utf8(p.bytes).expect("UTF-8"))
        };
        assert_eq!(mended("hl7v2", "junk MSH|^~\\&|A").as_deref(), Some("MSH|^~\\&|A"));
        assert_eq!(mended("hl7v2", "MSH|HIS|H1").as_deref(), Some("MSH|^~\\&|HIS|H1"));
        assert_eq!(mended("hl7v2", "MSH|^~\\&|HIS"), None);
        let titled = "<ClinicalDocument><title>出院小结</title></ClinicalDocument>";
        let mended = mended("wst500", titled).expect("a repair");
        assert!(mended.contains("code=\"C0053\""), "{mended}");
        assert_eq!(propose("wst500", b"nothing"), None);
    }
}
