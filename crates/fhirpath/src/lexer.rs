//! The words of a FHIRPath expression.

use crate::error::Error;
use crate::temporal::Temporal;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A name or keyword; the flag tells that it stood in backticks and so is never a keyword.
    Name(String, bool),
    String(String),
    /// Digits as written, with at most one point.
    Number(String),
    Temporal(Temporal),
    /// `$this`, `$index`, `$total` without the sign.
    Dollar(String),
    /// `%name` without the sign.
    Variable(String),
    /// Punctuation and operators.
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 24] = [
    "!=", "!~", "<=", ">=", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|", "=", "~",
    "<", ">", ":", ";",
];

/// All words with their byte offsets; the last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Error> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(text, at)?;
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            out.push((at, Token::End));
            return Ok(out);
        };
        let (token, length) = match first {
            '0'..='9' => number(rest),
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = name_length(rest);
                (Token::Name(rest[..length].to_owned(), false), length)
            }
            '\'' => {
                let (value, length) = quoted(text, at, '\'')?;
                (Token::String(value), length)
            }
            '`' => {
                let (value, length) = quoted(text, at, '`')?;
                (Token::Name(value, true), length)
            }
            '@' => temporal(rest).ok_or_else(|| Error::syntax(at, "not a date or time"))?,
            '$' => {
                let length = name_length(&rest[1..]);
                (Token::Dollar(rest[1..1 + length].to_owned()), 1 + length)
            }
            '%' => variable(text, at)?,
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| Error::syntax(at, format!("unexpected '{first}'")))?;
                (Token::Sign(sign), sign.len())
            }
        };
        out.push((at, token));
        at += length;
    }
}

/// Steps over white space and comments.
fn skip_blank(text: &str, mut at: usize) -> Result<usize, Error> {
    loop {
        let rest = &text[at..];
        if rest.starts_with("//") {
            at += rest.find(['\n', '\r']).unwrap_or(rest.len());
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| Error::syntax(at, "a comment is not closed"))?;
            at += end + 4;
        } else if rest.starts_with(char::is_whitespace) {
            at += rest.len() - rest.trim_start().len();
        } else {
            return Ok(at);
        }
    }
}

fn name_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
}

fn number(rest: &str) -> (Token, usize) {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    if rest[length..].starts_with('.') {
        let fraction = digits(length + 1);
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    (Token::Number(rest[..length].to_owned()), length)
}

fn temporal(rest: &str) -> Option<(Token, usize)> {
    let (value, length) = match rest.strip_prefix("@T") {
        Some(time) => Temporal::time_prefix(time).map(|(value, length)| (value, length + 2)),
        None => Temporal::date_prefix(&rest[1..]).map(|(value, length)| (value, length + 1)),
    }?;
    Some((Token::Temporal(value), length))
}

/// `%name`, `` %`name` `` or `%'name'`.
fn variable(text: &str, at: usize) -> Result<(Token, usize), Error> {
    let rest = &text[at + 1..];
    let (name, length) = match rest.chars().next() {
        Some(quote @ ('`' | '\'')) => quoted(text, at + 1, quote)?,
        _ => (rest[..name_length(rest)].to_owned(), name_length(rest)),
    };
    if name.is_empty() {
        return Err(Error::syntax(at, "a name was expected after '%'"));
    }
    Ok((Token::Variable(name), length + 1))
}

/// The text between quotes with its escapes resolved, and the bytes it took with its quotes.
fn quoted(text: &str, start: usize, quote: char) -> Result<(String, usize), Error> {
    let mut out = String::new();
    let mut chars = text[start + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        if c == quote {
            return Ok((out, offset + 2));
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let here = start + 1 + offset;
        match chars.next().map(|(_, c)| c) {
            Some(c @ ('\'' | '"' | '`' | '\\' | '/')) => out.push(c),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let rest = chars.as_str();
                let (c, length) =
                    unicode(rest).ok_or_else(|| Error::syntax(here, "not a character of Unicode"))?;
                out.push(c);
                chars.nth(length - 1);
            }
            _ => return Err(Error::syntax(here, "an unknown escape")),
        }
    }
    Err(Error::syntax(start, "a quote is not closed"))
}

/// The character of four hex digits, or of two such escapes that make a surrogate pair.
fn unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let high = unit(rest)?;
    if let Some(c) = char::from_u32(u32::from(high)) {
        return Some((c, 4));
    }
    let low = unit(rest.get(4..)?.strip_prefix("\\u")?)?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    Some((c, 10))
}
