//! Functions of strings.

use regex::{Regex, RegexBuilder};

use tongmai_fhir::json::{Json, write_string};

use super::{Evaluator, Values};
use crate::error::Error;
use crate::function::Text as Function;
use crate::limits;
use crate::value::{Text, Value};

/// Steps that compiling a regular expression costs.
const PATTERN_STEPS: usize = 20_000;
/// Nesting of groups in a regular expression.
const PATTERN_DEPTH: u32 = 32;

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn text(
        &self,
        at: usize,
        function: Function,
        values: Values<'r>,
        mut arguments: Vec<Values<'r>>,
    ) -> Result<Values<'r>, Error> {
        if function == Function::Join {
            let separator = arguments.pop().map(|values| self.string(at, values)).transpose()?.flatten();
            return self.join(at, &values, separator.as_deref().unwrap_or(""));
        }
        let Some(text) = self.string(at, values)? else { return Ok(Vec::new()) };
        self.spend_text(at, text.len())?;
        if function == Function::Substring {
            return self.substring(at, &text, arguments);
        }
        let mut strings = Vec::new();
        for argument in arguments {
            match self.string(at, argument)? {
                Some(argument) => strings.push(argument),
                None => return Ok(Vec::new()),
            }
        }
        let first = strings.first().map_or("", |text| text);
        let second = strings.get(1).map_or("", |text| text);
        let made = |text: String| Ok(vec![Value::String(text.into())]);
        let truth = |truth: bool| Ok(vec![Value::Boolean(truth)]);
        match function {
            Function::IndexOf => Ok(vec![position(&text, text.find(first))]),
            Function::LastIndexOf => Ok(vec![position(&text, text.rfind(first))]),
            Function::StartsWith => truth(text.starts_with(first)),
            Function::EndsWith => truth(text.ends_with(first)),
            Function::Contains => truth(text.contains(first)),
            Function::Upper => made(text.to_uppercase()),
            Function::Lower => made(text.to_lowercase()),
            Function::Replace => self.replace(at, &text, first, second),
            Function::Matches => truth(self.pattern(at, first, text.len())?.is_match(&text)),
            Function::MatchesFull => {
                let whole = format!("^(?:{first})$");
                truth(self.pattern(at, &whole, text.len())?.is_match(&text))
            }
            Function::ReplaceMatches => self.replace_matches(at, &text, first, second),
            Function::Length => Ok(vec![Value::Integer(text.chars().count() as i64)]),
            Function::ToChars => {
                self.spend(at, text.len())?;
                Ok(text.chars().map(|c| Value::String(c.to_string().into())).collect())
            }
            Function::Encode => encode(at, &text, first),
            Function::Decode => decode(at, &text, first),
            Function::Escape => escape(at, &text, first),
            Function::Unescape => unescape(at, &text, first),
            Function::Trim => made(text.trim().to_owned()),
            Function::Split => {
                self.spend(at, text.len())?;
                if first.is_empty() {
                    return Ok(text.chars().map(|c| Value::String(c.to_string().into())).collect());
                }
                Ok(text.split(first).map(|part| Value::String(part.to_owned().into())).collect())
            }
            Function::Join | Function::Substring => unreachable!("handled above"),
        }
    }

    /// The one string of a collection; another type is an error.
    fn string(&self, at: usize, values: Values<'r>) -> Result<Option<Text<'r>>, Error> {
        let Some(value) = self.single(at, values)? else { return Ok(None) };
        match value.system() {
            Some(Value::String(text)) => Ok(Some(text)),
            // Dates of a resource are strings too.
            Some(Value::Temporal(found)) if matches!(value, Value::Element(_)) => {
                Ok(Some(found.to_string().into()))
            }
            _ => Err(Error::execution(at, format!("a string was expected, not {}", value.type_info().name))),
        }
    }

    fn substring(&self, at: usize, text: &str, arguments: Vec<Values<'r>>) -> Result<Values<'r>, Error> {
        let mut numbers = Vec::new();
        for argument in arguments {
            match self.single(at, argument)?.map(|value| value.system()) {
                Some(Some(Value::Integer(number))) => numbers.push(number),
                Some(_) => return Err(Error::execution(at, "a position is an integer")),
                None if numbers.is_empty() => return Ok(Vec::new()),
                None => {}
            }
        }
        let Some(start) = numbers.first().and_then(|start| usize::try_from(*start).ok()) else {
            return Ok(Vec::new());
        };
        let length = numbers.get(1).map_or(usize::MAX, |length| usize::try_from(*length).unwrap_or(0));
        if start >= text.chars().count() {
            return Ok(Vec::new());
        }
        let part: String = text.chars().skip(start).take(length).collect();
        Ok(vec![Value::String(part.into())])
    }

    fn join(&self, at: usize, values: &[Value<'r>], separator: &str) -> Result<Values<'r>, Error> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut out = String::new();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                out.push_str(separator);
            }
            match self.string(at, vec![value.clone()])? {
                Some(text) => out.push_str(&text),
                None => continue,
            }
            if out.len() > limits::STRING_BYTES {
                break;
            }
        }
        self.spend_text(at, out.len())?;
        Ok(vec![Value::String(out.into())])
    }

    fn replace(&self, at: usize, text: &str, from: &str, to: &str) -> Result<Values<'r>, Error> {
        // The length is known before anything is made. An empty `from` is found around each character.
        let places = text.matches(from).count();
        let kept = text.len() - places * from.len();
        self.spend_text(at, kept.saturating_add(places.saturating_mul(to.len())))?;
        Ok(vec![Value::String(text.replace(from, to).into())])
    }

    fn replace_matches(&self, at: usize, text: &str, pattern: &str, to: &str) -> Result<Values<'r>, Error> {
        if pattern.is_empty() {
            return Ok(vec![Value::String(text.to_owned().into())]);
        }
        let pattern = self.pattern(at, pattern, text.len())?;
        let mut out = String::new();
        let mut last = 0;
        for found in pattern.captures_iter(text) {
            let whole = found.get(0).map_or(0..0, |whole| whole.range());
            out.push_str(&text[last..whole.start]);
            found.expand(to, &mut out);
            last = whole.end;
            self.spend(at, 1 + to.len() / 8)?;
            if out.len() > limits::STRING_BYTES {
                break;
            }
        }
        out.push_str(&text[last..]);
        self.spend_text(at, out.len())?;
        Ok(vec![Value::String(out.into())])
    }

    /// A regular expression, compiled once for an evaluation. `.` matches line ends too.
    fn pattern(&self, at: usize, pattern: &str, text_bytes: usize) -> Result<Regex, Error> {
        // Matching is linear in the text, with a factor that grows with the pattern.
        self.spend(at, text_bytes.saturating_mul(1 + pattern.len()) / 64)?;
        if let Some(known) = self.patterns.borrow().get(pattern) {
            return Ok(known.clone());
        }
        self.spend(at, PATTERN_STEPS)?;
        let compiled = RegexBuilder::new(pattern)
            .dot_matches_new_line(true)
            .size_limit(limits::REGEX_BYTES)
            .dfa_size_limit(limits::REGEX_BYTES)
            .nest_limit(PATTERN_DEPTH)
            .build()
            .map_err(|_| Error::execution(at, "not a regular expression, or one that is too large"))?;
        self.patterns.borrow_mut().insert(pattern.to_owned(), compiled.clone());
        Ok(compiled)
    }
}

/// A byte offset as a number of characters; −1 when nothing was found.
fn position<'r>(text: &str, found: Option<usize>) -> Value<'r> {
    Value::Integer(found.map_or(-1, |offset| text[..offset].chars().count() as i64))
}

fn unknown(at: usize, what: &str) -> Error {
    Error::execution(at, format!("'{what}' is not a known form"))
}

fn encode<'r>(at: usize, text: &str, form: &str) -> Result<Values<'r>, Error> {
    let bytes = text.as_bytes();
    let encoded = match form {
        "base64" => data_encoding::BASE64.encode(bytes),
        "urlbase64" => data_encoding::BASE64URL.encode(bytes),
        "hex" => data_encoding::HEXLOWER.encode(bytes),
        _ => return Err(unknown(at, form)),
    };
    Ok(vec![Value::String(encoded.into())])
}

fn decode<'r>(at: usize, text: &str, form: &str) -> Result<Values<'r>, Error> {
    let bytes = text.as_bytes();
    let decoded = match form {
        "base64" => data_encoding::BASE64.decode(bytes),
        "urlbase64" => data_encoding::BASE64URL.decode(bytes),
        "hex" => data_encoding::HEXLOWER_PERMISSIVE.decode(bytes),
        _ => return Err(unknown(at, form)),
    };
    let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.map(|text| Value::String(text.into())).into_iter().collect())
}

const HTML: [(char, &str); 5] =
    [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];

fn escape<'r>(at: usize, text: &str, form: &str) -> Result<Values<'r>, Error> {
    let mut out = String::new();
    match form {
        "html" => {
            for c in text.chars() {
                match HTML.iter().find(|(plain, _)| *plain == c) {
                    Some((_, escaped)) => out.push_str(escaped),
                    None => out.push(c),
                }
            }
        }
        "json" => {
            write_string(text, &mut out);
            out = out[1..out.len() - 1].to_owned();
        }
        _ => return Err(unknown(at, form)),
    }
    Ok(vec![Value::String(out.into())])
}

fn unescape<'r>(at: usize, text: &str, form: &str) -> Result<Values<'r>, Error> {
    let out = match form {
        "html" => {
            let mut out = String::new();
            let mut rest = text;
            while let Some(start) = rest.find('&') {
                out.push_str(&rest[..start]);
                rest = &rest[start..];
                match HTML.iter().find(|(_, escaped)| rest.starts_with(escaped)) {
                    Some((plain, escaped)) => {
                        out.push(*plain);
                        rest = &rest[escaped.len()..];
                    }
                    None => {
                        out.push('&');
                        rest = &rest[1..];
                    }
                }
            }
            out + rest
        }
        "json" => {
            // A quote need not be escaped where no string has to end.
            let mut quoted = String::from('"');
            let mut escaped = false;
            for c in text.chars() {
                if c == '"' && !escaped {
                    quoted.push('\\');
                }
                quoted.push(c);
                escaped = c == '\\' && !escaped;
            }
            quoted.push('"');
            match Json::parse_str(&quoted) {
                Ok(Json::String(text)) => text.into_owned(),
                _ => return Ok(Vec::new()),
            }
        }
        _ => return Err(unknown(at, form)),
    };
    Ok(vec![Value::String(out.into())])
}
