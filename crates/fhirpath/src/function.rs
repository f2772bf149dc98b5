//! The functions of FHIRPath by name, with the number of arguments they take.

/// A function whose arguments are evaluated for each item, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lambda {
    All,
    Exists,
    Where,
    Select,
    Repeat,
    Aggregate,
    Iif,
    Trace,
    Coalesce,
}

/// A function over a whole collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collection {
    Empty,
    Not,
    AllTrue,
    AnyTrue,
    AllFalse,
    AnyFalse,
    Count,
    Distinct,
    IsDistinct,
    SubsetOf,
    SupersetOf,
    Single,
    First,
    Last,
    Tail,
    Skip,
    Take,
    Intersect,
    Exclude,
    Union,
    Combine,
    Children,
    Descendants,
}

/// A function of one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    IndexOf,
    LastIndexOf,
    Substring,
    StartsWith,
    EndsWith,
    Contains,
    Upper,
    Lower,
    Replace,
    Matches,
    MatchesFull,
    ReplaceMatches,
    Length,
    ToChars,
    Encode,
    Decode,
    Escape,
    Unescape,
    Trim,
    Split,
    Join,
}

/// A function of one number, quantity or date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Math {
    Abs,
    Ceiling,
    Exp,
    Floor,
    Ln,
    Log,
    Power,
    Round,
    Sqrt,
    Truncate,
    LowBoundary,
    HighBoundary,
    Precision,
    Comparable,
}

/// The System type that a conversion leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Boolean,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    String,
    Quantity,
}

/// A function that knows FHIR or the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    Now,
    Today,
    TimeOfDay,
    Type,
    Extension,
    HasValue,
    GetValue,
    Resolve,
    ConformsTo,
    HtmlChecks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Lambda(Lambda),
    Collection(Collection),
    Text(Text),
    Math(Math),
    To(Target),
    ConvertsTo(Target),
    Special(Special),
}

/// The function of a name with the least and most arguments it takes.
pub(crate) fn signature(name: &str) -> Option<(Function, usize, usize)> {
    conversion(name)
        .map(|function| (function, 0, 0))
        .or_else(|| lambda(name).map(|(f, least, most)| (Function::Lambda(f), least, most)))
        .or_else(|| collection(name).map(|(f, count)| (Function::Collection(f), count, count)))
        .or_else(|| text(name).map(|(f, least, most)| (Function::Text(f), least, most)))
        .or_else(|| math(name).map(|(f, least, most)| (Function::Math(f), least, most)))
        .or_else(|| special(name).map(|(f, count)| (Function::Special(f), count, count)))
}

fn conversion(name: &str) -> Option<Function> {
    let target = |name: &str| {
        Some(match name {
            "Boolean" => Target::Boolean,
            "Integer" => Target::Integer,
            "Decimal" => Target::Decimal,
            "Date" => Target::Date,
            "DateTime" => Target::DateTime,
            "Time" => Target::Time,
            "String" => Target::String,
            "Quantity" => Target::Quantity,
            _ => return None,
        })
    };
    match name.strip_prefix("convertsTo") {
        Some(name) => target(name).map(Function::ConvertsTo),
        None => target(name.strip_prefix("to")?).map(Function::To),
    }
}

fn lambda(name: &str) -> Option<(Lambda, usize, usize)> {
    Some(match name {
        "all" => (Lambda::All, 1, 1),
        "exists" => (Lambda::Exists, 0, 1),
        "where" => (Lambda::Where, 1, 1),
        "select" => (Lambda::Select, 1, 1),
        "repeat" => (Lambda::Repeat, 1, 1),
        "aggregate" => (Lambda::Aggregate, 1, 2),
        "iif" => (Lambda::Iif, 2, 3),
        "trace" => (Lambda::Trace, 1, 2),
        "coalesce" => (Lambda::Coalesce, 1, 64),
        _ => return None,
    })
}

fn collection(name: &str) -> Option<(Collection, usize)> {
    use Collection as C;
    Some(match name {
        "empty" => (C::Empty, 0),
        "not" => (C::Not, 0),
        "allTrue" => (C::AllTrue, 0),
        "anyTrue" => (C::AnyTrue, 0),
        "allFalse" => (C::AllFalse, 0),
        "anyFalse" => (C::AnyFalse, 0),
        "count" => (C::Count, 0),
        "distinct" => (C::Distinct, 0),
        "isDistinct" => (C::IsDistinct, 0),
        "subsetOf" => (C::SubsetOf, 1),
        "supersetOf" => (C::SupersetOf, 1),
        "single" => (C::Single, 0),
        "first" => (C::First, 0),
        "last" => (C::Last, 0),
        "tail" => (C::Tail, 0),
        "skip" => (C::Skip, 1),
        "take" => (C::Take, 1),
        "intersect" => (C::Intersect, 1),
        "exclude" => (C::Exclude, 1),
        "union" => (C::Union, 1),
        "combine" => (C::Combine, 1),
        "children" => (C::Children, 0),
        "descendants" => (C::Descendants, 0),
        _ => return None,
    })
}

fn text(name: &str) -> Option<(Text, usize, usize)> {
    Some(match name {
        "indexOf" => (Text::IndexOf, 1, 1),
        "lastIndexOf" => (Text::LastIndexOf, 1, 1),
        "substring" => (Text::Substring, 1, 2),
        "startsWith" => (Text::StartsWith, 1, 1),
        "endsWith" => (Text::EndsWith, 1, 1),
        "contains" => (Text::Contains, 1, 1),
        "upper" => (Text::Upper, 0, 0),
        "lower" => (Text::Lower, 0, 0),
        "replace" => (Text::Replace, 2, 2),
        "matches" => (Text::Matches, 1, 1),
        "matchesFull" => (Text::MatchesFull, 1, 1),
        "replaceMatches" => (Text::ReplaceMatches, 2, 2),
        "length" => (Text::Length, 0, 0),
        "toChars" => (Text::ToChars, 0, 0),
        "encode" => (Text::Encode, 1, 1),
        "decode" => (Text::Decode, 1, 1),
        "escape" => (Text::Escape, 1, 1),
        "unescape" => (Text::Unescape, 1, 1),
        "trim" => (Text::Trim, 0, 0),
        "split" => (Text::Split, 1, 1),
        "join" => (Text::Join, 0, 1),
        _ => return None,
    })
}

fn math(name: &str) -> Option<(Math, usize, usize)> {
    Some(match name {
        "abs" => (Math::Abs, 0, 0),
        "ceiling" => (Math::Ceiling, 0, 0),
        "exp" => (Math::Exp, 0, 0),
        "floor" => (Math::Floor, 0, 0),
        "ln" => (Math::Ln, 0, 0),
        "log" => (Math::Log, 1, 1),
        "power" => (Math::Power, 1, 1),
        "round" => (Math::Round, 0, 1),
        "sqrt" => (Math::Sqrt, 0, 0),
        "truncate" => (Math::Truncate, 0, 0),
        "lowBoundary" => (Math::LowBoundary, 0, 1),
        "highBoundary" => (Math::HighBoundary, 0, 1),
        "precision" => (Math::Precision, 0, 0),
        "comparable" => (Math::Comparable, 1, 1),
        _ => return None,
    })
}

fn special(name: &str) -> Option<(Special, usize)> {
    Some(match name {
        "now" => (Special::Now, 0),
        "today" => (Special::Today, 0),
        "timeOfDay" => (Special::TimeOfDay, 0),
        "type" => (Special::Type, 0),
        "extension" => (Special::Extension, 1),
        "hasValue" => (Special::HasValue, 0),
        "getValue" => (Special::GetValue, 0),
        "resolve" => (Special::Resolve, 0),
        "conformsTo" => (Special::ConformsTo, 1),
        "htmlChecks" => (Special::HtmlChecks, 0),
        _ => return None,
    })
}
