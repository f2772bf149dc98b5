//! A measured amount of dirt: what real documents have, put into emitted ones on request.
//!
//! Of 53 public documents four were not well-formed, and mandatory fields held `-`, `无` or a date;
//! here each kind has its number, and what was done is told, so that a test can count it.

/// What was done to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dirt {
    /// Values replaced by `-`.
    Placeholder,
    /// The text ends too early.
    Truncated,
    /// Bytes in GB18030 although the text says UTF-8.
    Encoding,
    /// The same message twice.
    Repeated,
}

impl Dirt {
    /// All kinds.
    pub const ALL: [Dirt; 4] = [Dirt::Placeholder, Dirt::Truncated, Dirt::Encoding, Dirt::Repeated];
}

/// A message with dirt of a kind in it; several where it comes repeated.
pub fn spoil(message: &str, dirt: Dirt) -> Vec<Vec<u8>> {
    match dirt {
        Dirt::Placeholder => vec![placeholders(message, 3).into_bytes()],
        Dirt::Truncated => {
            let mut end = message.len() * 9 / 10;
            while !message.is_char_boundary(end) {
                end -= 1;
            }
            vec![message.as_bytes()[..end].to_vec()]
        }
        Dirt::Encoding => vec![encoding_rs::GB18030.encode(message).0.into_owned()],
        Dirt::Repeated => vec![message.as_bytes().to_vec(), message.as_bytes().to_vec()],
    }
}

/// Writes `-` into that many values that a document wants: phone, name of the organisation, name of the
/// doctor, in this order, as far as they are there.
pub fn placeholders(document: &str, most: usize) -> String {
    let mut out = document.to_owned();
    let mut left = most;
    for (before, after) in [("<telecom value=\"", "\""), ("<name>", "</name>")] {
        let mut from = 0;
        while left > 0 {
            let Some(at) = out[from..].find(before).map(|at| from + at + before.len()) else { break };
            let Some(end) = out[at..].find(after).map(|end| at + end) else { break };
            // The patient's own name stays: a document about nobody is another matter.
            let is_patient = out[..at].ends_with("<name>") && out[..at].matches("<name>").count() == 1;
            if !is_patient && at < end {
                out.replace_range(at..end, "-");
                left -= 1;
            }
            from = at;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_values_become_dashes_and_the_patient_keeps_the_name() {
        let document = "<a><name>卓玛</name><name>医院</name><name>科室</name><name>医生</name></a>";
        assert_eq!(
            placeholders(document, 3),
            "<a><name>卓玛</name><name>-</name><name>-</name><name>-</name></a>"
        );
        assert_eq!(spoil(document, Dirt::Repeated).len(), 2);
        assert!(spoil("王", Dirt::Encoding)[0].len() == 2);
    }
}
