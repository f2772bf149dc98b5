//! Files of messages: FHS, BHS, messages, BTS, FTS (section 2.10.3), or messages one after another.

use tongmai_base::{Finding, Severity, limits};

/// The messages of a file, and what was wrong with what is around them.
pub fn split(text: &str) -> (Vec<&str>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut messages = Vec::new();
    let mut start = None;
    let mut counted: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive(['\r', '\n']) {
        let here = at;
        at += line.len();
        let line = line.trim_start_matches(['\u{b}', '\u{1c}', '\u{feff}', ' ', '\t']);
        let name = line.get(..3).unwrap_or_default();
        let is_segment = line.as_bytes().get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if !is_segment || !matches!(name, "MSH" | "FHS" | "BHS" | "BTS" | "FTS") {
            if start.is_none() && !line.trim_matches(|c: char| c.is_whitespace() || c.is_control()).is_empty()
            {
                start = Some(here);
            }
            continue;
        }
        if let Some(start) = start.take() {
            messages.push(&text[start..here]);
        }
        match name {
            "MSH" => start = Some(here),
            "BTS" => {
                let number = line.get(4..).and_then(|rest| rest.split(['|', '\r', '\n']).next());
                counted = number.and_then(|number| number.trim().parse().ok()).or(counted);
            }
            _ => {}
        }
    }
    if let Some(start) = start {
        messages.push(&text[start..]);
    }
    if let Some(counted) = counted.filter(|counted| *counted != messages.len()) {
        let message = format!("the batch says {counted} messages and has {}", messages.len());
        findings.push(
            Finding::error("BTS-1", "batch-count", message).with_repair("send the batch again as a whole"),
        );
    }
    if messages.len() > limits::BATCH_MESSAGES {
        let message = format!("{} messages; {} are taken in", messages.len(), limits::BATCH_MESSAGES);
        findings.push(
            Finding::new(Severity::Error, "BTS-1", "batch-too-long", message).with_repair("split the batch"),
        );
        messages.truncate(limits::BATCH_MESSAGES);
    }
    (messages, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_and_bare_messages_are_split() {
        let first = "MSH|^~\\&|A\rPID|1\r";
        let second = "MSH|^~\\&|B\rPID|2";
        for (text, count, codes) in [
            (format!("{first}{second}"), 2, vec![]),
            (format!("FHS|^~\\&\rBHS|^~\\&\r{first}{second}\rBTS|2\rFTS|1\r"), 2, vec![]),
            (format!("BHS|^~\\&\r{first}{second}\rBTS|3\r"), 2, vec!["batch-count"]),
            (format!("\u{b}{first}\u{1c}\r\u{b}{second}\u{1c}\r"), 2, vec![]),
            ("PID|1\r".to_owned(), 1, vec![]),
            ("\r\n ".to_owned(), 0, vec![]),
        ] {
            let (messages, findings) = split(&text);
            assert_eq!(messages.len(), count, "{text:?} {messages:?}");
            assert_eq!(findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), codes);
        }
        let many = first.repeat(limits::BATCH_MESSAGES + 1);
        let (messages, findings) = split(&many);
        assert_eq!((messages.len(), findings[0].code.as_str()), (limits::BATCH_MESSAGES, "batch-too-long"));
    }
}
