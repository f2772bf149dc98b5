//! The rules of a narrative's XHTML (R4 clause 2.4.0, invariants txt-1 and txt-2).
//!
//! A narrative is shown to people, so this is a guard as well as a rule: no
//! scripts, forms or frames, no event handlers, no addresses that run code.

/// Elements that a narrative may use.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// Attributes that a narrative may use; `xmlns` and `xml:lang` stand among them.
const ATTRIBUTES: &[&str] = &[
    "abbr",
    "align",
    "alt",
    "axis",
    "border",
    "cellhalign",
    "cellpadding",
    "cellspacing",
    "cellvalign",
    "char",
    "charoff",
    "charset",
    "cite",
    "class",
    "colspan",
    "compact",
    "coords",
    "dir",
    "frame",
    "headers",
    "height",
    "href",
    "hreflang",
    "hspace",
    "id",
    "lang",
    "longdesc",
    "name",
    "nowrap",
    "rel",
    "rev",
    "rowspan",
    "rules",
    "scope",
    "shape",
    "span",
    "src",
    "start",
    "style",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "vspace",
    "width",
    "xml:lang",
    "xml:space",
    "xmlns",
];

/// Checks `Narrative.div`; the error says what is wrong.
pub fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut has_content = false;
    let mut rest = text.trim();
    if !rest.starts_with("<div") {
        return Err("it does not begin with <div".into());
    }
    while !rest.is_empty() {
        let Some(mut tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            if open.is_empty() {
                return Err("there is text behind the outer div".into());
            }
            has_content |= !rest[..end].trim().is_empty();
            rest = &rest[end..];
            continue;
        };
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").ok_or("a comment is not closed")?.1;
            continue;
        }
        if let Some(closing) = tag.strip_prefix('/') {
            let (name, after) = closing.split_once('>').ok_or("a tag is not closed")?;
            if open.pop() != Some(name.trim_end()) {
                return Err(format!("</{}> closes nothing", cut(name)));
            }
            rest = after;
            continue;
        }
        if open.is_empty() && rest.len() != text.trim().len() {
            return Err("there is more than one outer element".into());
        }
        let name = name(&mut tag);
        if !ELEMENTS.contains(&name) {
            return Err(format!("<{}> may not stand in a narrative", cut(name)));
        }
        has_content |= name == "img";
        let closed = attributes(&mut tag)?;
        if !closed {
            open.push(name);
        }
        rest = tag;
    }
    match open.last() {
        Some(name) => Err(format!("<{name}> is not closed")),
        None if !has_content => Err("there is nothing to read in it".into()),
        None => Ok(()),
    }
}

fn cut(name: &str) -> String {
    name.chars().take(20).collect()
}

/// Takes a name off the text.
fn name<'t>(text: &mut &'t str) -> &'t str {
    let end =
        text.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '=' | '<')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    *text = rest;
    name
}

/// Takes the attributes and the end of a tag off the text; says whether the tag closes itself.
fn attributes(text: &mut &str) -> Result<bool, String> {
    loop {
        *text = text.trim_start();
        if let Some(rest) = text.strip_prefix("/>") {
            *text = rest;
            return Ok(true);
        }
        if let Some(rest) = text.strip_prefix('>') {
            *text = rest;
            return Ok(false);
        }
        let attribute = name(text);
        if attribute.is_empty() {
            return Err("a tag is not closed".into());
        }
        if !ATTRIBUTES.contains(&attribute) {
            return Err(format!("the attribute {} may not stand in a narrative", cut(attribute)));
        }
        let value = text.trim_start().strip_prefix('=').map(str::trim_start);
        let quoted = value
            .and_then(|value| Some((value.chars().next().filter(|c| matches!(c, '"' | '\''))?, &value[1..])));
        let Some((value, rest)) = quoted.and_then(|(quote, value)| value.split_once(quote)) else {
            return Err(format!("the attribute {attribute} has no value in quotes"));
        };
        if matches!(attribute, "href" | "src" | "cite" | "longdesc") && runs_code(value) {
            return Err(format!("the attribute {attribute} holds an address that runs code"));
        }
        *text = rest;
    }
}

fn runs_code(value: &str) -> bool {
    // Browsers overlook white space and control characters, and read character references.
    let plain: String = value
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect::<String>()
        .to_ascii_lowercase();
    ["javascript:", "vbscript:", "data:text"].iter().any(|scheme| plain.starts_with(scheme))
        || plain.contains("&#")
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn narratives_are_plain_and_harmless() {
        for good in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml">a</div>"#,
            "<div><p class='x'>a <b>b</b><br/></p><!-- <script> --></div>",
            r##"<div><a href="#x">高血压</a><img src="#y" alt=""/></div>"##,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            "<div>",
            "<div></div>",
            "<div> </div>",
            "<div>a</div>b",
            "<div>a</div><div>b</div>",
            "<div>a</p></div>",
            "<div><script>a</script></div>",
            "<div><form>a</form></div>",
            "<div onclick='x'>a</div>",
            "<div><a href='java&#115;cript:x'>a</a></div>",
            "<div><a href=' JavaScript:x'>a</a></div>",
            "<div class=x>a</div>",
            "<div><p>a</div>",
            "<div",
            "<div>a<!--</div>",
            "<divx>a</divx>",
            "<div><SCRIPT>a</SCRIPT></div>",
            "<div><img src='x' onerror='y'/></div>",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
