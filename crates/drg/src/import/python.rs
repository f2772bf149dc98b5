//! Reads the Python-like conditions of OpenDRG packs into the rule algebra.
//!
//! The text is parsed, never evaluated. What it may say is small: `and`, `or`,
//! `not`, comparisons (also chained), `in`, `len`, `int`, `intersect`,
//! `has_mcc`, `has_cc` over the fields of `record` and the lists in scope.

use crate::condition::{Comparison, Condition, Field, Level, Position};
use crate::expression::Expression;
use crate::pack::Rule;

/// What a condition's names stand for.
pub trait Scope {
    /// The pack's name of the code list called `name` here; `None` when there is no such list.
    fn list(&mut self, name: &str, kind: Kind) -> Option<String>;
    /// The name of a set made of literal codes.
    fn literal(&mut self, codes: Vec<String>, kind: Kind) -> String;
    /// The name of the labelled list behind `ss_matched`.
    fn labelled(&mut self) -> Option<String>;
    /// The values of a list of plain texts (departments).
    fn texts(&mut self, name: &str) -> Option<Vec<String>>;
}

/// What a list's codes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ICD-10.
    Diagnosis,
    /// ICD-9-CM-3.
    Procedure,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(i32),
    Text(String),
    Sign(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// A name or a dotted path.
    Name(String),
    Number(i32),
    Text(String),
    List(Vec<Term>),
    /// `x[0]`
    First(Box<Term>),
    /// `x[1:]`
    Rest(Box<Term>),
    Call(String, Vec<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Box<Term>),
    Compare(Box<Term>, Vec<(String, Term)>),
}

/// Parses `text` into a rule.
///
/// # Errors
/// A message that names what was not understood.
pub fn parse(text: &str, scope: &mut dyn Scope) -> Result<Rule, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let term = parser.or()?;
    if parser.at < tokens.len() {
        return Err(format!("unexpected {:?}", tokens[parser.at]));
    }
    Ok(simplify(lower(&term, scope)?))
}

const SIGNS: [&str; 15] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", ":", ".", "+", "-"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let length = if c.is_alphabetic() || c == '_' {
            let n = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            out.push(Token::Word(rest[..n].to_string()));
            n
        } else if c.is_ascii_digit() {
            let n = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[..n].parse().map_err(|_| format!("{} is too large", &rest[..n]))?;
            out.push(Token::Number(number));
            n
        } else if c == '"' || c == '\'' {
            let end = rest[1..].find(c).ok_or_else(|| format!("text without an end: {rest}"))?;
            out.push(Token::Text(rest[1..=end].to_string()));
            end + 2
        } else {
            let sign =
                SIGNS.iter().find(|s| rest.starts_with(**s)).ok_or_else(|| format!("unexpected {c:?}"))?;
            out.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(out)
}

/// Deepest nesting of brackets that is read.
const DEPTH: usize = 64;

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w == word)
    }

    fn peek_sign(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign(s)) if *s == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.peek_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) { Ok(()) } else { Err(format!("{sign} expected at token {}", self.at)) }
    }

    fn or(&mut self) -> Result<Term, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("nested too deeply".into());
        }
        let mut parts = vec![self.and()?];
        while self.take_word("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.remove(0) } else { Term::Or(parts) })
    }

    fn and(&mut self) -> Result<Term, String> {
        let mut parts = vec![self.not()?];
        while self.take_word("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Term::And(parts) })
    }

    fn not(&mut self) -> Result<Term, String> {
        let mut negated = false;
        while self.take_word("not") {
            negated = !negated;
        }
        let term = self.comparison()?;
        Ok(if negated { Term::Not(Box::new(term)) } else { term })
    }

    fn comparison(&mut self) -> Result<Term, String> {
        let first = self.postfix()?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator() {
            rest.push((operator, self.postfix()?));
        }
        Ok(if rest.is_empty() { first } else { Term::Compare(Box::new(first), rest) })
    }

    fn operator(&mut self) -> Option<String> {
        for sign in ["==", "!=", "<=", ">=", "<", ">"] {
            if self.take_sign(sign) {
                return Some(sign.to_string());
            }
        }
        if self.take_word("in") {
            return Some("in".into());
        }
        if self.take_word("is") {
            return Some(if self.take_word("not") { "!=".into() } else { "==".into() });
        }
        let not_in = self.peek_word("not")
            && matches!(self.tokens.get(self.at + 1), Some(Token::Word(w)) if w == "in");
        if not_in {
            self.at += 2;
            return Some("not in".into());
        }
        None
    }

    fn postfix(&mut self) -> Result<Term, String> {
        let mut term = self.atom()?;
        loop {
            if self.take_sign("[") {
                term = match self.tokens.get(self.at) {
                    Some(Token::Number(0)) => Term::First(Box::new(term)),
                    Some(Token::Number(1)) => {
                        if !matches!(self.tokens.get(self.at + 1), Some(Token::Sign(":"))) {
                            return Err("only [0] and [1:] are understood".into());
                        }
                        self.at += 1;
                        Term::Rest(Box::new(term))
                    }
                    _ => return Err("only [0] and [1:] are understood".into()),
                };
                self.at += 1;
                self.expect("]")?;
            } else if self.peek_sign(".") {
                self.at += 1;
                match (&term, self.tokens.get(self.at)) {
                    (Term::Name(name), Some(Token::Word(word))) => {
                        term = Term::Name(format!("{name}.{word}"))
                    }
                    _ => return Err("a field name expected after the dot".into()),
                }
                self.at += 1;
            } else if self.peek_sign("(") {
                let Term::Name(name) = term else { return Err("only named functions are called".into()) };
                self.at += 1;
                term = Term::Call(name, self.list(")")?);
            } else {
                return Ok(term);
            }
        }
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Term>, String> {
        let mut items = Vec::new();
        while !self.take_sign(end) {
            items.push(self.or()?);
            if !self.take_sign(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn atom(&mut self) -> Result<Term, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("the condition ends too early")?;
        self.at += 1;
        match token {
            Token::Word(word) => Ok(Term::Name(word)),
            Token::Number(number) => Ok(Term::Number(number)),
            Token::Text(text) => Ok(Term::Text(text)),
            Token::Sign("-") => match self.tokens.get(self.at) {
                Some(Token::Number(number)) => {
                    self.at += 1;
                    Ok(Term::Number(-number))
                }
                _ => Err("a number expected after the minus sign".into()),
            },
            Token::Sign("(") => {
                let inner = self.or()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Term::List(self.list("]")?)),
            other => Err(format!("unexpected {other:?}")),
        }
    }
}

fn field(term: &Term) -> Option<Field> {
    match term {
        Term::Call(function, arguments) if arguments.len() == 1 => match function.as_str() {
            "int" | "float" | "str" => field(&arguments[0]),
            "len" => match codes(&arguments[0])? {
                (Kind::Diagnosis, Position::Any) => Some(Field::Diagnoses),
                (Kind::Procedure, Position::Any) => Some(Field::Procedures),
                _ => None,
            },
            _ => None,
        },
        Term::Name(name) => Some(match name.strip_prefix("record.")? {
            "age" => Field::Age,
            "ageDay" => Field::AgeDays,
            "weight" => Field::BirthWeight,
            "inHospitalTime" => Field::Stay,
            "icuHours" | "icuHour" | "icuTime" => Field::IntensiveCareHours,
            "gender" => Field::Sex,
            _ => return None,
        }),
        _ => None,
    }
}

/// The diagnoses or procedures that a term stands for.
fn codes(term: &Term) -> Option<(Kind, Position)> {
    let kind = |name: &str| match name {
        "record.zdList" => Some(Kind::Diagnosis),
        "record.ssList" => Some(Kind::Procedure),
        _ => None,
    };
    let (inner, position) = match term {
        Term::First(inner) => (inner.as_ref(), Position::Main),
        Term::Rest(inner) => (inner.as_ref(), Position::Other),
        other => (other, Position::Any),
    };
    match inner {
        Term::Name(name) => kind(name).map(|k| (k, position)),
        _ => None,
    }
}

fn member(kind: Kind, position: Position, set: String) -> Rule {
    Expression::Test(match kind {
        Kind::Diagnosis => Condition::Diagnosis { position, set },
        Kind::Procedure => Condition::Procedure { position, set },
    })
}

fn number(field: Field, is: Comparison, value: i32) -> Rule {
    Expression::Test(Condition::Number { field, is, value })
}

fn literals(items: &[Term]) -> Result<Vec<String>, String> {
    items
        .iter()
        .map(|item| match item {
            Term::Text(text) => Ok(text.clone()),
            Term::Number(number) => Ok(number.to_string()),
            other => Err(format!("a list of texts expected, found {other:?}")),
        })
        .collect()
}

fn set_of(term: &Term, kind: Kind, scope: &mut dyn Scope) -> Result<String, String> {
    match term {
        Term::Name(name) => scope.list(name, kind).ok_or_else(|| format!("there is no list {name}")),
        Term::List(items) => Ok(scope.literal(literals(items)?, kind)),
        other => Err(format!("a list expected, found {other:?}")),
    }
}

fn lower(term: &Term, scope: &mut dyn Scope) -> Result<Rule, String> {
    match term {
        Term::Name(name) if name == "True" => Ok(Expression::Always),
        Term::Name(name) if name == "False" => Ok(Expression::Never),
        Term::Name(_) | Term::Rest(_) => match (codes(term), field(term)) {
            (Some((kind, position)), _) => {
                let least = if position == Position::Any { 1 } else { 2 };
                let field = if kind == Kind::Diagnosis { Field::Diagnoses } else { Field::Procedures };
                Ok(number(field, Comparison::AtLeast, least))
            }
            (None, Some(field)) => Ok(Expression::negate(number(field, Comparison::Equal, 0)))
                .map(|nonzero| Expression::all(vec![Expression::Test(Condition::Stated(field)), nonzero])),
            _ => Err(format!("unknown name {term:?}")),
        },
        Term::And(parts) => {
            Ok(Expression::all(parts.iter().map(|p| lower(p, scope)).collect::<Result<_, _>>()?))
        }
        Term::Or(parts) => {
            Ok(Expression::any(parts.iter().map(|p| lower(p, scope)).collect::<Result<_, _>>()?))
        }
        Term::Not(part) => Ok(Expression::negate(lower(part, scope)?)),
        Term::Call(function, arguments) => call(function, arguments, scope),
        Term::Compare(first, rest) => {
            let mut parts = Vec::new();
            let mut left = first.as_ref();
            for (operator, right) in rest {
                parts.push(compare(left, operator, right, scope)?);
                left = right;
            }
            Ok(Expression::all(parts))
        }
        other => Err(format!("not a condition: {other:?}")),
    }
}

fn call(function: &str, arguments: &[Term], scope: &mut dyn Scope) -> Result<Rule, String> {
    let level = match function {
        "intersect" => {
            let [a, b] = arguments else { return Err("intersect takes two lists".into()) };
            let (place, set) = match (codes(a), codes(b)) {
                (Some(place), None) => (place, b),
                (None, Some(place)) => (place, a),
                _ => return Err("intersect takes one list of the record and one code list".into()),
            };
            return Ok(member(place.0, place.1, set_of(set, place.0, scope)?));
        }
        "has_mcc" => Level::Mcc,
        "has_cc" => Level::Cc,
        other => return Err(format!("unknown function {other}")),
    };
    let usual = matches!(arguments, [principal, others]
        if codes(principal) == Some((Kind::Diagnosis, Position::Main))
        && codes(others) == Some((Kind::Diagnosis, Position::Other)));
    if usual {
        Ok(Expression::Test(Condition::Severity(level)))
    } else {
        Err(format!("{function} is understood of the principal and the other diagnoses only"))
    }
}

fn compare(left: &Term, operator: &str, right: &Term, scope: &mut dyn Scope) -> Result<Rule, String> {
    if operator == "not in" {
        return Ok(Expression::negate(compare(left, "in", right, scope)?));
    }
    if operator == "!=" {
        return Ok(Expression::negate(compare(left, "==", right, scope)?));
    }
    if operator == "in" {
        return contained(left, right, scope);
    }
    let comparison = match operator {
        "==" => Comparison::Equal,
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">" => Comparison::Greater,
        _ => Comparison::AtLeast,
    };
    if let Term::Name(none) = right
        && none == "None"
    {
        let field = field(left).ok_or_else(|| format!("unknown field {left:?}"))?;
        return Ok(Expression::negate(Expression::Test(Condition::Stated(field))));
    }
    if let (Term::Name(name), Term::Text(text)) = (left, right) {
        match name.as_str() {
            "record.leavingType" => return Ok(Expression::Test(Condition::Discharge(vec![text.clone()]))),
            "record.dept" => return Ok(Expression::Test(Condition::Department(vec![text.clone()]))),
            _ => {}
        }
    }
    match (field(left), constant(right), constant(left), field(right)) {
        (Some(field), Some(value), _, _) => Ok(number(field, comparison, value)),
        (_, _, Some(value), Some(field)) => Ok(number(field, turned(comparison), value)),
        _ => Err(format!("cannot compare {left:?} {operator} {right:?}")),
    }
}

/// A number, also as text: the packs write both `gender==1` and `gender=="1"`.
fn constant(term: &Term) -> Option<i32> {
    match term {
        Term::Number(number) => Some(*number),
        Term::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::Equal,
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
    }
}

fn contained(left: &Term, right: &Term, scope: &mut dyn Scope) -> Result<Rule, String> {
    if let (Term::Text(label), Term::Name(name)) = (left, right)
        && name == "ss_matched"
    {
        let set = scope.labelled().ok_or("ss_matched needs adrg_ss with its labels in adrg_ss1")?;
        return Ok(Expression::Test(Condition::Labelled { set, label: label.clone() }));
    }
    if let Some((kind, Position::Main)) = codes(left) {
        return Ok(member(kind, Position::Main, set_of(right, kind, scope)?));
    }
    if let Term::Name(name) = left {
        let texts = |scope: &mut dyn Scope| match right {
            Term::List(items) => literals(items),
            Term::Name(list) => scope.texts(list).ok_or_else(|| format!("there is no list {list}")),
            other => Err(format!("a list expected, found {other:?}")),
        };
        match name.as_str() {
            "record.leavingType" => return Ok(Expression::Test(Condition::Discharge(texts(scope)?))),
            "record.dept" => return Ok(Expression::Test(Condition::Department(texts(scope)?))),
            _ => {}
        }
        if let (Some(field), Term::List(items)) = (field(left), right) {
            let values: Option<Vec<i32>> = items.iter().map(constant).collect();
            let values = values.ok_or("a list of numbers expected")?;
            return Ok(Expression::any(
                values.into_iter().map(|v| number(field, Comparison::Equal, v)).collect(),
            ));
        }
    }
    Err(format!("cannot tell whether {left:?} is in {right:?}"))
}

/// Drops tests that their neighbours imply: "has a procedure" beside a test on a
/// procedure, "has secondary diagnoses" beside one on CC or MCC, "some procedure
/// in L" beside "main procedure in L".
fn simplify(rule: Rule) -> Rule {
    let Expression::All(parts) = rule else {
        return match rule {
            Expression::Any(parts) => Expression::any(parts.into_iter().map(simplify).collect()),
            Expression::Not(part) => Expression::negate(simplify(*part)),
            other => other,
        };
    };
    let parts: Vec<Rule> = parts.into_iter().map(simplify).collect();
    let implied = |part: &Rule| match part {
        Expression::Test(Condition::Number {
            field: Field::Procedures,
            is: Comparison::AtLeast,
            value: 1,
        }) => parts.iter().any(|p| needs(p, Need::Procedure)),
        Expression::Test(Condition::Number {
            field: Field::Procedures,
            is: Comparison::Greater,
            value: 1,
        }) => parts.iter().any(|p| needs(p, Need::OtherProcedure)),
        Expression::Test(Condition::Number {
            field: Field::Diagnoses,
            is: Comparison::Greater,
            value: 1,
        }) => parts.iter().any(|p| needs(p, Need::OtherDiagnosis)),
        Expression::Test(Condition::Procedure { position: Position::Any, set }) => {
            let main = Condition::Procedure { position: Position::Main, set: set.clone() };
            parts.contains(&Expression::Test(main))
        }
        Expression::Test(Condition::Stated(field)) => parts
            .iter()
            .any(|p| matches!(p, Expression::Test(Condition::Number { field: f, .. }) if f == field)),
        _ => false,
    };
    let kept = parts.iter().filter(|p| !implied(p)).cloned().collect();
    Expression::all(kept)
}

#[derive(Clone, Copy)]
enum Need {
    Procedure,
    OtherProcedure,
    OtherDiagnosis,
}

/// Whether the rule can hold only when the case has what is needed.
fn needs(rule: &Rule, need: Need) -> bool {
    match rule {
        Expression::Test(Condition::Procedure { position, .. }) => match need {
            Need::Procedure => true,
            Need::OtherProcedure => *position == Position::Other,
            Need::OtherDiagnosis => false,
        },
        Expression::Test(Condition::Labelled { .. }) => matches!(need, Need::Procedure),
        Expression::Test(Condition::Severity(_)) => matches!(need, Need::OtherDiagnosis),
        Expression::All(parts) => parts.iter().any(|p| needs(p, need)),
        Expression::Any(parts) => parts.iter().all(|p| needs(p, need)),
        _ => false,
    }
}
