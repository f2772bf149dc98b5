//! The tree of a parsed expression.
//!
//! Paths and chains of operators are flat lists, so that the depth of the tree
//! is that of the parentheses and arguments only, which is limited.

use crate::function::Function;
use crate::value::Value;

#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Byte offset in the expression.
    pub at: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Literal(Value<'static>),
    /// `{}`
    Empty,
    /// `%name`
    Variable(String),
    This,
    Index,
    Total,
    /// A start and the steps from it; without a start they begin at the focus.
    Path(Option<Box<Node>>, Vec<Step>),
    Negate(Box<Node>),
    /// Operators of one precedence, from left to right.
    Chain(Box<Node>, Vec<Link>),
}

impl Node {
    /// A path without its last member, and the name of that member: `Patient.name` of `Patient.name.given`.
    pub(crate) fn parent(&self) -> Option<(Node, &str)> {
        let Kind::Path(start, steps) = &self.kind else { return None };
        let (Step { kind: StepKind::Member(name), .. }, before) = steps.split_last()? else { return None };
        Some((Node { at: self.at, kind: Kind::Path(start.clone(), before.to_vec()) }, name))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub at: usize,
    pub kind: StepKind,
}

#[derive(Debug, Clone)]
pub(crate) enum StepKind {
    Member(String),
    /// `[index]`
    Item(Node),
    Call(Function, Vec<Node>),
    /// `is(T)`, `as(T)`, `ofType(T)`
    Cast(Cast, TypeName),
    /// `sort(…)`: keys, and whether each descends.
    Sort(Vec<(Node, bool)>),
}

#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub at: usize,
    pub kind: LinkKind,
}

#[derive(Debug, Clone)]
pub(crate) enum LinkKind {
    Binary(Operator, Node),
    Cast(Cast, TypeName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cast {
    Is,
    As,
    OfType,
}

/// A type as it is named in an expression, `FHIR.Patient` or `Patient`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub namespace: Option<String>,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}
