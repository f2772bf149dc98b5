//! HL7's conditions ("IF XTN.3 NOT IN ("Internet", "X.400") AND XTN.7 NOT VALUED")
//! in the form of the door's tables (`3!=Internet,X.400 & !7`).

/// Translates a condition; the error says that it is not understood.
pub fn translate(text: &str, name: &str) -> Result<String, String> {
    let owner = name.split('[').next().unwrap_or_default();
    let mut words = Words { tokens: tokens(text), at: 0 };
    let mut any: Vec<Vec<(String, Option<String>)>> = vec![Vec::new()];
    loop {
        words.skip("IF");
        let subject = words.next().ok_or_else(|| wrong(text))?;
        let place = place(&subject, owner).ok_or_else(|| wrong(text))?;
        let term = words.test(&place);
        any.last_mut().ok_or_else(|| wrong(text))?.push((place, term));
        match words.next().as_deref() {
            None => break,
            Some("AND") => {}
            Some("OR") => any.push(Vec::new()),
            Some(_) => return Err(wrong(text)),
        }
    }
    // "IF A OR B VALUED": the test of the last stands for those without one.
    let last = any.iter().flatten().filter_map(|(place, term)| Some((place, term.as_ref()?))).next_back();
    let shared = match last {
        Some((place, term)) if term == place => "",
        Some((place, term)) if *term == format!("!{place}") => "!",
        _ if any.iter().flatten().all(|(_, term)| term.is_some()) => "",
        _ => return Err(wrong(text)),
    };
    let spelt =
        |(place, term): &(String, Option<String>)| term.clone().unwrap_or_else(|| format!("{shared}{place}"));
    let alternatives: Vec<String> =
        any.iter().map(|all| all.iter().map(spelt).collect::<Vec<_>>().join(" & ")).collect();
    Ok(alternatives.join(" | "))
}

fn wrong(text: &str) -> String {
    format!("the condition '{}' is not understood", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A reference such as `OBX-5.1`, `XTN.3`: without the name of the owner, with that of another segment.
fn place(text: &str, owner: &str) -> Option<String> {
    let (name, numbers) = text.split_once(['-', '.'])?;
    if !numbers.chars().all(|c| c.is_ascii_digit() || c == '.') || numbers.is_empty() {
        return None;
    }
    if name == owner {
        Some(numbers.to_owned())
    } else if name.len() == 3 {
        Some(format!("{name}-{numbers}"))
    } else {
        None
    }
}

struct Words {
    tokens: Vec<String>,
    at: usize,
}

impl Words {
    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn skip(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token == word);
        self.at += usize::from(found);
        found
    }

    fn values(&mut self) -> Option<String> {
        let mut values = Vec::new();
        while let Some(value) = self.tokens.get(self.at).and_then(|token| token.strip_prefix('"')) {
            values.push(value.to_owned());
            self.at += 1;
        }
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The test after a place; `None` when the next word joins another term.
    fn test(&mut self, place: &str) -> Option<String> {
        let before = self.at;
        self.skip("IS");
        let not = self.skip("NOT");
        if self.skip("DOES") && self.skip("NOT") && self.skip("EXIST") {
            return Some(format!("!{place}"));
        }
        if self.skip("VALUED") || self.skip("VALUE") {
            if not && !self.tokens.get(self.at).is_some_and(|token| token.starts_with('"')) {
                return Some(format!("!{place}"));
            }
            return (!not).then(|| place.to_owned());
        }
        for count in [&["COUNT"][..], &["LST.COUNT"]] {
            if count.iter().all(|word| self.skip(word)) {
                let sign =
                    if self.skip(">") || self.skip("GREATER") && self.skip("THAN") { ">" } else { "=" };
                self.skip("=");
                self.skip("EQUALS");
                let number = self.next().filter(|number| number.parse::<u16>().is_ok())?;
                return Some(format!("#{place}{sign}{number}"));
            }
        }
        if self.skip("LENGTH") && self.skip("GREATER") && self.skip("THAN") {
            let number = self.next().filter(|number| number.parse::<u16>().is_ok())?;
            return Some(format!("len {place}>{number}"));
        }
        let _ = self.skip("EQUALS") || self.skip("=") || self.skip("IN");
        if let Some(values) = self.values() {
            return Some(format!("{place}{}={values}", if not { "!" } else { "" }));
        }
        self.at = before;
        None
    }
}

/// Words in capitals, and quoted values with a leading quotation mark.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('"') {
            let end = after.find('"').unwrap_or(after.len());
            tokens.push(format!("\"{}", &after[..end]));
            rest = after.get(end + 1..).unwrap_or_default();
        } else if matches!(first, '(' | ')' | ',') || first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if matches!(first, '>' | '=') {
            tokens.push(first.to_string());
            rest = &rest[1..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "()\",=>".contains(c)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_uppercase());
            rest = &rest[end..];
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_in_near_english() {
        for (owner, text, expected) in [
            ("PID[Patient]", "IF PID-25 NOT VALUED", "!25"),
            (
                "XTN[x]",
                r#"IF XTN.3 NOT IN ("Internet", "X.400") AND XTN.7 NOT VALUED"#,
                "3!=Internet,X.400 & !7",
            ),
            ("PID[Patient]", "IF PID-7 LENGTH GREATER THAN 8", "len 7>8"),
            ("PID[Patient]", "IF PID-11 LST.COUNT EQUALS 1 AND PID-11.9 IS NOT VALUED", "#11=1 & !11.9"),
            ("OBX[Observation]", "IF OBX-33 COUNT>1", "#33>1"),
            ("PV1[Encounter]", "IF PV1-3.2 OR PV1-3.3 VALUED", "3.2 | 3.3"),
            ("ORC[Task]", "IF PV1-3.2 OR PV1-3.3 NOT VALUED", "!PV1-3.2 | !PV1-3.3"),
            ("OBX[Observation]", r#"IF OBX-11 IS "X""#, "11=X"),
            (
                "OBX[Observation]",
                r#"IF OBX-2 EQUALS "ED" AND IF OBX-5.4 EQUALS "Base64""#,
                "2=ED & 5.4=Base64",
            ),
            ("XCN[Practitioner]", "IF XCN.19 DOES NOT EXIST AND IF XCN.20 DOES NOT EXIST", "!19 & !20"),
        ] {
            assert_eq!(translate(text, owner).as_deref(), Ok(expected), "{text}");
        }
        assert!(translate("IF the receiver wants it", "PID[Patient]").is_err());
    }
}
