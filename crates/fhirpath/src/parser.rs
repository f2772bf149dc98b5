//! From words to a tree, by precedence climbing.

use rust_decimal::Decimal;

use crate::error::Error;
use crate::function::signature;
use crate::lexer::{Token, tokens};
use crate::limits;
use crate::quantity::{Quantity, calendar_word};
use crate::syntax::{Cast, Kind, Link, LinkKind, Node, Operator, Step, StepKind, TypeName};
use crate::value::Value;

pub(crate) fn parse(text: &str) -> Result<Node, Error> {
    if text.len() > limits::EXPRESSION_BYTES {
        return Err(Error::limit(
            0,
            format!("the expression is longer than {} bytes", limits::EXPRESSION_BYTES),
        ));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(node),
        other => Err(parser.unexpected(&other.clone())),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

enum Infix {
    Operator(Operator),
    Cast(Cast),
}

/// Precedence and meaning of an operator word; a higher number binds tighter (FHIRPath, "Operator Precedence").
fn infix(token: &Token) -> Option<(u8, Infix)> {
    use Operator as O;
    let word = match token {
        Token::Sign(sign) => *sign,
        Token::Name(name, false) => name.as_str(),
        _ => return None,
    };
    let (level, operator) = match word {
        "*" => (11, O::Multiply),
        "/" => (11, O::Divide),
        "div" => (11, O::Div),
        "mod" => (11, O::Mod),
        "+" => (10, O::Add),
        "-" => (10, O::Subtract),
        "&" => (10, O::Concatenate),
        "is" => return Some((9, Infix::Cast(Cast::Is))),
        "as" => return Some((9, Infix::Cast(Cast::As))),
        "|" => (8, O::Union),
        "<" => (7, O::Less),
        "<=" => (7, O::LessOrEqual),
        ">" => (7, O::Greater),
        ">=" => (7, O::GreaterOrEqual),
        "=" => (6, O::Equal),
        "!=" => (6, O::NotEqual),
        "~" => (6, O::Equivalent),
        "!~" => (6, O::NotEquivalent),
        "in" => (5, O::In),
        "contains" => (5, O::Contains),
        "and" => (4, O::And),
        "or" => (3, O::Or),
        "xor" => (3, O::Xor),
        "implies" => (2, O::Implies),
        _ => return None,
    };
    Some((level, Infix::Operator(operator)))
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn take(&mut self) -> Token {
        let token = self.tokens[self.next].1.clone();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
        token
    }

    fn accept(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), Error> {
        if self.accept(sign) {
            Ok(())
        } else {
            Err(Error::syntax(self.at(), format!("'{sign}' was expected")))
        }
    }

    fn unexpected(&self, token: &Token) -> Error {
        let shown = match token {
            Token::Name(name, _) => format!("unexpected '{name}'"),
            Token::String(_) => "an unexpected string".into(),
            Token::Number(digits) => format!("unexpected '{digits}'"),
            Token::Temporal(_) => "an unexpected date or time".into(),
            Token::Dollar(name) => format!("unexpected '${name}'"),
            Token::Variable(name) => format!("unexpected '%{name}'"),
            Token::Sign(sign) => format!("unexpected '{sign}'"),
            Token::End => "the expression ends too early".into(),
        };
        Error::syntax(self.at(), shown)
    }

    /// Operators of at least precedence `floor`.
    fn expression(&mut self, floor: u8) -> Result<Node, Error> {
        self.deeper(|parser| {
            let mut left = parser.operand()?;
            let mut left_level = u8::MAX;
            while let Some((level, meaning)) = infix(parser.peek()).filter(|(level, _)| *level >= floor) {
                let at = parser.at();
                parser.take();
                let kind = match meaning {
                    Infix::Operator(operator) => LinkKind::Binary(operator, parser.expression(level + 1)?),
                    Infix::Cast(cast) => LinkKind::Cast(cast, parser.type_name()?),
                };
                let link = Link { at, kind };
                match &mut left.kind {
                    Kind::Chain(_, links) if left_level == level => links.push(link),
                    _ => {
                        left = Node { at: left.at, kind: Kind::Chain(Box::new(left), vec![link]) };
                        left_level = level;
                    }
                }
            }
            Ok(left)
        })
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Parser) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == limits::NESTING {
            return Err(Error::limit(self.at(), "the expression is nested too deep"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// A path, with or without a sign before it.
    fn operand(&mut self) -> Result<Node, Error> {
        let at = self.at();
        if self.accept("-") {
            let inner = self.deeper(Parser::operand)?;
            return Ok(Node { at, kind: Kind::Negate(Box::new(inner)) });
        }
        if self.accept("+") {
            return self.deeper(Parser::operand);
        }
        self.path()
    }

    fn path(&mut self) -> Result<Node, Error> {
        let at = self.at();
        let mut steps = Vec::new();
        let start = match self.peek() {
            Token::Name(name, quoted) if *quoted || !matches!(name.as_str(), "true" | "false") => {
                steps.push(self.invocation()?);
                None
            }
            _ => Some(Box::new(self.term()?)),
        };
        loop {
            let at = self.at();
            if self.accept(".") {
                steps.push(self.invocation()?);
            } else if self.accept("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                steps.push(Step { at, kind: StepKind::Item(index) });
            } else {
                break;
            }
        }
        match start {
            Some(start) if steps.is_empty() => Ok(*start),
            start => Ok(Node { at, kind: Kind::Path(start, steps) }),
        }
    }

    fn term(&mut self) -> Result<Node, Error> {
        let at = self.at();
        let token = self.take();
        let kind = match token {
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("{") => {
                self.expect("}")?;
                Kind::Empty
            }
            Token::Name(name, _) => Kind::Literal(Value::Boolean(name == "true")),
            Token::String(text) => Kind::Literal(Value::String(text.into())),
            Token::Temporal(value) => Kind::Literal(Value::Temporal(value)),
            Token::Number(digits) => Kind::Literal(self.number(at, &digits)?),
            Token::Variable(name) => Kind::Variable(name),
            Token::Dollar(name) => match name.as_str() {
                "this" => Kind::This,
                "index" => Kind::Index,
                "total" => Kind::Total,
                _ => return Err(Error::syntax(at, format!("unknown '${name}'"))),
            },
            other => {
                self.next -= usize::from(other != Token::End);
                return Err(self.unexpected(&other));
            }
        };
        Ok(Node { at, kind })
    }

    /// A number, or a quantity when a unit follows.
    fn number(&mut self, at: usize, digits: &str) -> Result<Value<'static>, Error> {
        let decimal: Decimal = Decimal::from_str_exact(digits)
            .map_err(|_| Error::syntax(at, "the number has too many digits"))?;
        let unit = match self.peek() {
            Token::String(unit) => Some(Quantity::new(decimal, unit)),
            Token::Name(word, false) => calendar_word(word).map(|unit| Quantity::calendar(decimal, unit)),
            _ => None,
        };
        if let Some(quantity) = unit {
            self.take();
            return Ok(Value::Quantity(quantity));
        }
        if digits.contains('.') {
            return Ok(Value::Decimal(decimal));
        }
        let integer = digits.parse().map_err(|_| Error::syntax(at, "the integer is too large"))?;
        Ok(Value::Integer(integer))
    }

    fn name(&mut self) -> Result<String, Error> {
        match self.take() {
            Token::Name(name, _) => Ok(name),
            other => {
                self.next -= usize::from(other != Token::End);
                Err(self.unexpected(&other))
            }
        }
    }

    fn type_name(&mut self) -> Result<TypeName, Error> {
        let first = self.name()?;
        if self.accept(".") {
            return Ok(TypeName { namespace: Some(first), name: self.name()? });
        }
        Ok(TypeName { namespace: None, name: first })
    }

    /// A member or a function call.
    fn invocation(&mut self) -> Result<Step, Error> {
        let at = self.at();
        if let Token::Dollar(name) = self.peek() {
            return Err(Error::syntax(at, format!("'${name}' cannot follow a point")));
        }
        let name = self.name()?;
        if !self.accept("(") {
            return Ok(Step { at, kind: StepKind::Member(name) });
        }
        let cast = match name.as_str() {
            "is" => Some(Cast::Is),
            "as" => Some(Cast::As),
            "ofType" => Some(Cast::OfType),
            _ => None,
        };
        if let Some(cast) = cast {
            let type_name = self.type_name()?;
            self.expect(")")?;
            return Ok(Step { at, kind: StepKind::Cast(cast, type_name) });
        }
        let arguments = self.arguments()?;
        if name == "sort" {
            let keys = arguments.into_iter().map(sort_key).collect();
            return Ok(Step { at, kind: StepKind::Sort(keys) });
        }
        let (function, least, most) =
            signature(&name).ok_or_else(|| Error::semantic(at, format!("there is no function '{name}'")))?;
        if arguments.len() < least || arguments.len() > most {
            return Err(Error::semantic(at, format!("'{name}' does not take {} arguments", arguments.len())));
        }
        Ok(Step { at, kind: StepKind::Call(function, arguments) })
    }

    fn arguments(&mut self) -> Result<Vec<Node>, Error> {
        let mut arguments = Vec::new();
        if self.accept(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.accept(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }
}

/// A sign before a sort key means descending order, whatever the type of the key.
fn sort_key(node: Node) -> (Node, bool) {
    match node.kind {
        Kind::Negate(inner) => (*inner, true),
        kind => (Node { at: node.at, kind }, false),
    }
}
