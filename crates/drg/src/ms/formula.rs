//! Formulas such as `(heartxp | hasspair) & ~PDX:mouthlip` over attribute names.

use crate::expression::Expression;

/// Parses a formula; `|` binds least, then `&`, then `~`.
///
/// # Errors
/// What was not understood.
pub fn parse(text: &str) -> Result<Expression<String>, String> {
    let mut parser = Parser { rest: text.trim(), depth: 0 };
    let expression = parser.or()?;
    if parser.rest.is_empty() { Ok(expression) } else { Err(format!("unexpected {:?}", parser.rest)) }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// Deepest nesting of brackets that is read.
const DEPTH: usize = 64;

impl Parser<'_> {
    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn or(&mut self) -> Result<Expression<String>, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("nested too deeply".into());
        }
        let mut parts = vec![self.and()?];
        while self.take('|') {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(Expression::any(parts))
    }

    fn and(&mut self) -> Result<Expression<String>, String> {
        let mut parts = vec![self.factor()?];
        while self.take('&') {
            parts.push(self.factor()?);
        }
        Ok(Expression::all(parts))
    }

    fn factor(&mut self) -> Result<Expression<String>, String> {
        if self.take('~') {
            return Ok(Expression::negate(self.factor()?));
        }
        if self.take('(') {
            let inner = self.or()?;
            return if self.take(')') { Ok(inner) } else { Err("a closing bracket is missing".into()) };
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '&' | '|' | '~'))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(format!("an attribute expected at {:?}", self.rest));
        }
        let atom = self.rest[..end].to_string();
        self.rest = self.rest[end..].trim_start();
        Ok(Expression::Test(atom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_bind_as_usual() {
        let text = "a | ~b & (c | PDX:d)";
        let holds = |true_ones: &[&str]| {
            parse(text).unwrap().holds(&mut |atom: &String| true_ones.contains(&atom.as_str()))
        };
        assert!(holds(&["a", "b"]));
        assert!(holds(&["PDX:d"]));
        assert!(!holds(&["b", "c"]));
        assert!(!holds(&[]));
        for bad in ["", "a &", "(a", "a b", "~"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
