//! Reads the parameters of a search request.
//!
//! What is not known is refused with a finding that names the parameter, unless
//! the one who asks is lenient; then the answer lists what was ignored.

use tongmai_base::limits;
use tongmai_fhir::compartment::{self, Compartment};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id, resource_type_name};
use tongmai_fhir::search::query::{Prefix, parse_date_query, parse_number_query, parse_quantity_query};
use tongmai_fhir::search::{self, Kind, Reference, SearchParameter, fold};

use super::predicate::{ComponentMatch, Equal, NumberBetween, Period, Predicate, TextMatch, ValueMatch};
use super::{Include, Part, Query, SortKey, Total, TypeQuery};
use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::rows::{clamp_date, cut, ordered, reference_value};
use crate::slots::{self, IDENTIFIERS};

/// Parameters that shape the answer and stand in no index.
const SHAPING: &[&str] = &[
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_type",
    "_format",
    "_pretty",
    "_page",
    "_contained",
    "_containedType",
];

/// The code system behind `:in`, `:below` … is not here; the finding says so.
fn unsupported(name: &str, why: impl Into<String>) -> Failure {
    Failure::new(Reason::NotSupported, name, "not-supported", why)
}

fn invalid(name: &str, why: impl Into<String>) -> Failure {
    Failure::new(Reason::Invalid, name, "invalid", why)
}

impl Engine {
    /// Reads a search of `types` (all when it is empty), within a compartment if one is given.
    ///
    /// # Errors
    /// An unknown parameter, modifier or malformed value, and anything over a limit; with `lenient`
    /// unknown and unsupported parameters are listed in [`Query::ignored`] instead.
    pub fn query(
        &self,
        types: &[ResourceTypeId],
        compartment: Option<(Compartment, &str)>,
        parameters: &[(String, String)],
        lenient: bool,
    ) -> Outcome<Query> {
        if parameters.len() > limits::SEARCH_PARAMETERS {
            return Err(Failure::new(
                Reason::TooLarge,
                "",
                "too-many",
                format!("a search has at most {} parameters", limits::SEARCH_PARAMETERS),
            ));
        }
        let mut query = Query { count: limits::PAGE_DEFAULT, ..Query::default() };
        let types = self.types_asked(types, parameters)?;
        for &type_id in &types {
            query.types.push(TypeQuery { type_id, predicates: Vec::new() });
        }
        for (name, value) in parameters {
            if value.is_empty() && !name.is_empty() && !SHAPING.contains(&name.as_str()) {
                continue;
            }
            let read = if SHAPING.contains(&name.split(':').next().unwrap_or(name)) {
                self.shape(&mut query, name, value)
            } else {
                self.condition(&mut query, name, value)
            };
            match read {
                Ok(()) => {}
                Err(failure)
                    if lenient
                        && failure
                            .findings
                            .iter()
                            .any(|f| matches!(f.code.as_str(), "not-supported" | "unknown")) =>
                {
                    query.ignored.push(format!("{name}={value}"));
                }
                Err(failure) => return Err(failure),
            }
        }
        if let Some((compartment, id)) = compartment {
            self.confine(&mut query, compartment, id)?;
        }
        query.types.iter_mut().for_each(|of| join_dates(&mut of.predicates));
        Ok(query)
    }

    fn types_asked(
        &self,
        types: &[ResourceTypeId],
        parameters: &[(String, String)],
    ) -> Outcome<Vec<ResourceTypeId>> {
        let mut asked = Vec::new();
        for (_, value) in parameters.iter().filter(|(name, _)| name == "_type") {
            for name in value.split(',') {
                let id = resource_type_id(name)
                    .ok_or_else(|| invalid("_type", format!("'{name}' is not a resource type of FHIR R4")))?;
                if !asked.contains(&id) {
                    asked.push(id);
                }
            }
        }
        if types.is_empty() {
            if asked.is_empty() {
                asked = (0..tongmai_fhir::definition::resource_types().len() as ResourceTypeId).collect();
            }
            return Ok(asked);
        }
        if asked.is_empty() {
            return Ok(types.to_vec());
        }
        Ok(types.iter().copied().filter(|id| asked.contains(id)).collect())
    }

    fn confine(&self, query: &mut Query, compartment: Compartment, id: &str) -> Outcome<()> {
        let owner = resource_type_id(&format!("{compartment:?}"))
            .ok_or_else(|| invalid("", "the compartment has no resource type"))?;
        let value = self.keys.resource(owner, id).0;
        query.types.retain_mut(|of| {
            let mut rows = Vec::new();
            for parameter in compartment::parameters(compartment, of.type_id) {
                for &slot in &slots::place(of.type_id, parameter).slots {
                    rows.push(Equal { slot, value, extra: None });
                }
            }
            let mut any = Vec::new();
            if of.type_id == owner {
                any.push(Predicate::Ids(vec![id.to_owned()]));
            }
            if !rows.is_empty() {
                any.push(Predicate::Equal(rows));
            }
            match any.len() {
                0 => false,
                1 => {
                    of.predicates.extend(any);
                    true
                }
                _ => {
                    of.predicates.push(Predicate::Any(any));
                    true
                }
            }
        });
        Ok(())
    }

    fn shape(&self, query: &mut Query, name: &str, value: &str) -> Outcome<()> {
        let (name, modifier) =
            name.split_once(':').map_or((name, None), |(name, modifier)| (name, Some(modifier)));
        match name {
            "_count" => {
                let count: usize = value
                    .parse()
                    .map_err(|_| invalid("_count", format!("'{value}' is not a number of entries")))?;
                query.count = count.min(limits::PAGE_ENTRIES);
                if count == 0 {
                    query.part = Part::Count;
                }
            }
            "_total" => {
                query.total = match value {
                    "none" => Total::None,
                    // An estimate may be exact.
                    "accurate" | "estimate" => Total::Accurate,
                    _ => {
                        return Err(invalid(
                            "_total",
                            format!("'{value}' is none of none, estimate, accurate"),
                        ));
                    }
                }
            }
            "_summary" => {
                query.part = match value {
                    "true" => Part::Summary,
                    "text" => Part::Text,
                    "data" => Part::Data,
                    "count" => Part::Count,
                    "false" => Part::Whole,
                    _ => {
                        return Err(invalid(
                            "_summary",
                            format!("'{value}' is none of true, text, data, count, false"),
                        ));
                    }
                }
            }
            "_elements" => query.part = Part::Elements(value.split(',').map(str::to_owned).collect()),
            "_sort" => {
                for key in value.split(',').filter(|key| !key.is_empty()) {
                    let (code, descending) = key.strip_prefix('-').map_or((key, false), |code| (code, true));
                    for of in &query.types {
                        let known = matches!(code, "_id" | "_lastUpdated")
                            || search::parameter(of.type_id, code)
                                .is_some_and(|p| !matches!(p.kind, Kind::Composite | Kind::Special));
                        if !known {
                            return Err(unsupported("_sort", format!("'{code}' is no parameter to sort by")));
                        }
                    }
                    query.sort.push(SortKey { code: code.to_owned(), descending });
                }
            }
            "_include" | "_revinclude" => {
                let include = include(name, modifier, value, name == "_revinclude")?;
                if name == "_include" { query.include.push(include) } else { query.revinclude.push(include) }
            }
            "_contained" | "_containedType" if value != "false" => {
                return Err(unsupported(name, "contained resources are not searched on their own"));
            }
            // _type was read before; _format and _pretty are the door's, _page is the link's.
            _ => {}
        }
        Ok(())
    }

    fn condition(&self, query: &mut Query, name: &str, value: &str) -> Outcome<()> {
        let mut read = Vec::with_capacity(query.types.len());
        for of in &query.types {
            read.push(self.predicate(of.type_id, name, value, 0)?);
        }
        for (of, predicate) in query.types.iter_mut().zip(read) {
            of.predicates.push(predicate);
        }
        Ok(())
    }

    fn predicate(
        &self,
        type_id: ResourceTypeId,
        name: &str,
        value: &str,
        depth: usize,
    ) -> Outcome<Predicate> {
        if depth > limits::CHAIN_DEPTH {
            return Err(Failure::new(
                Reason::TooLarge,
                name,
                "too-deep",
                format!("a chain has at most {} references", limits::CHAIN_DEPTH),
            ));
        }
        if let Some(rest) = name.strip_prefix("_has:") {
            return self.has(type_id, name, rest, value, depth);
        }
        if let Some((first, rest)) = name.split_once('.') {
            return self.chain(type_id, first, rest, value, depth);
        }
        let (code, modifier) =
            name.split_once(':').map_or((name, None), |(code, modifier)| (code, Some(modifier)));
        let type_name = resource_type_name(type_id).unwrap_or("");
        let Some(parameter) = search::parameter(type_id, code) else {
            return Err(Failure::new(
                Reason::Invalid,
                name,
                "unknown",
                format!("{type_name} has no search parameter '{code}'"),
            )
            .repair("see the CapabilityStatement at [base]/metadata, or send Prefer: handling=lenient"));
        };
        let alternatives = split(value, ',');
        if alternatives.len() > limits::SEARCH_ALTERNATIVES {
            return Err(Failure::new(
                Reason::TooLarge,
                name,
                "too-many",
                format!("a parameter has at most {} alternatives", limits::SEARCH_ALTERNATIVES),
            ));
        }
        if modifier == Some("missing") {
            return self.missing(type_id, parameter, name, value);
        }
        match code {
            "_id" => match modifier {
                None => return Ok(Predicate::Ids(alternatives.iter().map(|a| unescape(a)).collect())),
                Some("not") => {
                    let ids = alternatives.iter().map(|a| unescape(a)).collect();
                    return Ok(Predicate::Not(Box::new(Predicate::Ids(ids))));
                }
                Some(other) => {
                    return Err(unsupported(name, format!("modifier :{other} has no meaning for _id")));
                }
            },
            "_lastUpdated" => {
                let any = alternatives.iter().map(|a| self.period(name, a)).collect::<Outcome<_>>()?;
                return Ok(Predicate::Updated(any));
            }
            _ => {}
        }
        let single = Condition { engine: self, type_id, parameter, name, modifier };
        match parameter.kind {
            Kind::Token => single.token(&alternatives),
            Kind::String => single.string(&alternatives),
            Kind::Reference => single.reference(&alternatives),
            Kind::Date => single.date(&alternatives),
            Kind::Number | Kind::Quantity => single.number(&alternatives),
            Kind::Uri => single.uri(&alternatives),
            Kind::Composite => single.composite(&alternatives),
            Kind::Special => Err(unsupported(name, format!("the parameter '{code}' is not supported"))),
        }
    }

    fn period(&self, name: &str, text: &str) -> Outcome<Period> {
        let asked = parse_date_query(&unescape(text)).map_err(|why| invalid(name, why))?;
        Ok(Period::asked(asked.prefix, clamp_date(asked.low), clamp_date(asked.high), self.now()))
    }

    fn missing(
        &self,
        type_id: ResourceTypeId,
        parameter: &SearchParameter,
        name: &str,
        value: &str,
    ) -> Outcome<Predicate> {
        let missing = match value {
            "true" => true,
            "false" => false,
            _ => return Err(invalid(name, "':missing' is true or false")),
        };
        if matches!(parameter.code, "_id" | "_lastUpdated") {
            let none = Predicate::Any(Vec::new());
            return Ok(if missing { none } else { Predicate::Not(Box::new(none)) });
        }
        if parameter.kind == Kind::Composite || parameter.kind == Kind::Special {
            return Err(unsupported(name, "':missing' is not supported for this parameter"));
        }
        let slots = slots::place(type_id, parameter).slots.clone();
        let text_slots = if parameter.kind == Kind::String { slots.clone() } else { Vec::new() };
        let slots = if parameter.kind == Kind::Reference {
            slots.iter().flat_map(|slot| [*slot, slot | IDENTIFIERS]).collect()
        } else {
            slots
        };
        let present = Predicate::Present { slots, text_slots };
        Ok(if missing { Predicate::Not(Box::new(present)) } else { present })
    }

    fn has(
        &self,
        type_id: ResourceTypeId,
        name: &str,
        rest: &str,
        value: &str,
        depth: usize,
    ) -> Outcome<Predicate> {
        let mut parts = rest.splitn(3, ':');
        let (Some(source), Some(code), Some(inner)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid(name, "write _has:Type:reference:parameter=value"));
        };
        let source = resource_type_id(source)
            .ok_or_else(|| invalid(name, format!("'{source}' is not a resource type of FHIR R4")))?;
        let parameter = search::parameter(source, code)
            .filter(|parameter| parameter.kind == Kind::Reference)
            .ok_or_else(|| {
                Failure::new(
                    Reason::Invalid,
                    name,
                    "unknown",
                    format!("'{code}' is no reference parameter of the type"),
                )
            })?;
        let _ = type_id;
        let inner = self.predicate(source, inner, value, depth + 1)?;
        Ok(Predicate::Has {
            source,
            slots: slots::place(source, parameter).slots.clone(),
            inner: vec![inner],
        })
    }

    fn chain(
        &self,
        type_id: ResourceTypeId,
        first: &str,
        rest: &str,
        value: &str,
        depth: usize,
    ) -> Outcome<Predicate> {
        let (code, only) = first.split_once(':').map_or((first, None), |(code, only)| (code, Some(only)));
        let name = format!("{first}.{rest}");
        let type_name = resource_type_name(type_id).unwrap_or("");
        let parameter = search::parameter(type_id, code)
            .filter(|parameter| parameter.kind == Kind::Reference)
            .ok_or_else(|| {
                let why = format!("{type_name} has no reference parameter '{code}'");
                Failure::new(Reason::Invalid, &name, "unknown", why)
            })?;
        let place = slots::place(type_id, parameter);
        let targets: Vec<ResourceTypeId> = match (only, place.only_target) {
            (Some(only), _) => vec![
                resource_type_id(only)
                    .ok_or_else(|| invalid(&name, format!("'{only}' is not a resource type of FHIR R4")))?,
            ],
            (None, Some(target)) => vec![target],
            (None, None) => parameter.targets.to_vec(),
        };
        // Several targets are possible: those that know the parameter count, as R4 says.
        let code_of_rest = rest.split(['.', ':']).next().unwrap_or(rest);
        let mut chains = Vec::new();
        for target in targets {
            let known = rest.starts_with("_has:") || search::parameter(target, code_of_rest).is_some();
            if !known && only.is_none() {
                continue;
            }
            let inner = vec![self.predicate(target, rest, value, depth + 1)?];
            chains.push(Predicate::Chain { slots: place.slots.clone(), target, inner });
        }
        match chains.len() {
            0 => Err(Failure::new(
                Reason::Invalid,
                &name,
                "unknown",
                format!("no target of '{code}' has a search parameter '{code_of_rest}'"),
            )),
            1 => Ok(chains.remove(0)),
            _ => Ok(Predicate::Any(chains)),
        }
    }
}

/// One parameter of one type, being read.
struct Condition<'c> {
    engine: &'c Engine,
    type_id: ResourceTypeId,
    parameter: &'static SearchParameter,
    name: &'c str,
    modifier: Option<&'c str>,
}

impl Condition<'_> {
    fn slots(&self) -> &'static [u16] {
        &slots::place(self.type_id, self.parameter).slots
    }

    fn slot(&self) -> Outcome<u16> {
        self.slots().first().copied().ok_or_else(|| unsupported(self.name, "the parameter has no index"))
    }

    fn wrong_modifier(&self) -> Failure {
        let modifier = self.modifier.unwrap_or("");
        unsupported(self.name, format!("modifier :{modifier} is not supported for this parameter"))
            .repair("see the CapabilityStatement at [base]/metadata")
    }

    /// All rows of `slots` with this value.
    fn equal(&self, value: i64, extra: Option<i64>) -> Vec<Equal> {
        self.slots().iter().map(|&slot| Equal { slot, value, extra }).collect()
    }

    /// The extra that a system has in the rows; `None` when nothing here has that system.
    fn system(&self, system: &str) -> Outcome<Option<i64>> {
        if system.is_empty() {
            return Ok(Some(0));
        }
        Ok(self.engine.store.find_symbol(system)?.map(i64::from))
    }

    fn one_token(&self, text: &str) -> Outcome<Predicate> {
        let parts = split(text, '|');
        let rows = match parts.as_slice() {
            [code] => self.equal(self.engine.keys.code(&unescape(code)), None),
            [system, code] if !code.is_empty() => {
                let (system, code) = (unescape(system), unescape(code));
                let value = self.engine.keys.code(&code);
                match self.system(&system)? {
                    Some(extra) => self.equal(value, Some(extra)),
                    // Nothing here has the system yet. It may come before the search is answered, and a
                    // conditional create must not overlook it then: so the values decide.
                    None => {
                        let exact = Predicate::Values(self.parameter.id, ValueMatch::Token(system, code));
                        return Ok(Predicate::All(vec![Predicate::Equal(self.equal(value, None)), exact]));
                    }
                }
            }
            [system, _] => {
                let Some(extra) = self.system(&unescape(system))? else {
                    return Ok(Predicate::Equal(Vec::new()));
                };
                let of_system = |slot| NumberBetween {
                    slot,
                    low: i64::MIN,
                    high: i64::MAX,
                    extra: Some(extra),
                    outside: false,
                };
                return Ok(Predicate::Numbers(self.slots().iter().copied().map(of_system).collect()));
            }
            _ => return Err(invalid(self.name, "write code, system|code, |code or system|")),
        };
        Ok(Predicate::Equal(rows))
    }

    fn token(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let values = |fit| Ok(Predicate::Values(self.parameter.id, fit));
        match self.modifier {
            None | Some("not") => {
                let any =
                    alternatives.iter().map(|text| self.one_token(text)).collect::<Outcome<Vec<_>>>()?;
                let any = flatten(any);
                Ok(if self.modifier.is_some() { Predicate::Not(Box::new(any)) } else { any })
            }
            Some("text") => {
                values(ValueMatch::TokenText(alternatives.iter().map(|t| fold(&unescape(t))).collect()))
            }
            Some("of-type") => {
                let mut rows = Vec::new();
                let mut wanted = Vec::new();
                for text in alternatives {
                    let parts = split(text, '|');
                    let [system, code, value] = parts.as_slice() else {
                        return Err(invalid(self.name, "write system|code|value"));
                    };
                    rows.extend(self.equal(self.engine.keys.code(&unescape(value)), None));
                    wanted.push((unescape(system), unescape(code), unescape(value)));
                }
                let exact = Predicate::Values(self.parameter.id, ValueMatch::OfType(wanted));
                Ok(Predicate::All(vec![Predicate::Equal(rows), exact]))
            }
            Some(modifier @ ("in" | "not-in" | "below" | "above")) => {
                let mut rows = Vec::new();
                for text in alternatives {
                    rows.extend(self.expanded(modifier, &unescape(text))?);
                }
                let any = Predicate::Equal(rows);
                Ok(if modifier == "not-in" { Predicate::Not(Box::new(any)) } else { any })
            }
            Some(_) => Err(self.wrong_modifier()),
        }
    }

    /// The codes of a value set, or above or below a code, as rows.
    fn expanded(&self, modifier: &str, text: &str) -> Outcome<Vec<Equal>> {
        let mut rows = Vec::new();
        let mut add = |system: &str, code: &str| -> Outcome<()> {
            if let Some(extra) = self.system(system)? {
                rows.extend(self.equal(self.engine.keys.code(code), Some(extra)));
            }
            Ok(())
        };
        if matches!(modifier, "in" | "not-in") {
            let set =
                tongmai_terminology::value_set(text).filter(|set| set.is_complete()).ok_or_else(|| {
                    unsupported(self.name, format!("the value set '{text}' is not here in full"))
                })?;
            for (system, code) in set.members_listed() {
                add(system, code)?;
            }
            return Ok(rows);
        }
        let (system, code) = text.split_once('|').ok_or_else(|| invalid(self.name, "write system|code"))?;
        let related = if modifier == "below" {
            tongmai_terminology::descendants(system, code)
        } else {
            tongmai_terminology::ancestors(system, code)
        };
        let related = related.ok_or_else(|| {
            unsupported(self.name, format!("the code system '{system}' is not here with its hierarchy"))
        })?;
        add(system, code)?;
        for code in related {
            add(system, code)?;
        }
        Ok(rows)
    }

    fn string(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let slot = self.slot()?;
        let texts: Vec<String> = alternatives.iter().map(|text| unescape(text)).collect();
        let (contains, exact) = match self.modifier {
            None => (false, false),
            Some("contains") => (true, false),
            Some("exact") => (false, true),
            Some("text") => (false, false),
            Some(_) => return Err(self.wrong_modifier()),
        };
        let folded: Vec<String> = texts.iter().map(|text| fold(text)).collect();
        let cut_short = folded.iter().any(|text| cut(text) != *text);
        let whole = |text: String| if contains { TextMatch::Contains(text) } else { TextMatch::Begins(text) };
        let in_rows = if contains && cut_short {
            None
        } else {
            Some(Predicate::Texts { slot, any: folded.iter().map(|text| whole(cut(text))).collect() })
        };
        let exactly = if exact {
            Some(ValueMatch::ExactText(texts))
        } else if contains || cut_short {
            // A row may have cut off what is looked for.
            Some(ValueMatch::LongText(folded.into_iter().map(whole).collect()))
        } else {
            None
        };
        Ok(match (in_rows, exactly) {
            (Some(_), Some(fit)) if contains => Predicate::Values(self.parameter.id, fit),
            (Some(rows), None) => rows,
            (Some(rows), Some(fit)) => Predicate::All(vec![rows, Predicate::Values(self.parameter.id, fit)]),
            (None, Some(fit)) => Predicate::Values(self.parameter.id, fit),
            (None, None) => Predicate::Any(Vec::new()),
        })
    }

    fn reference(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let keys = &self.engine.keys;
        let place = slots::place(self.type_id, self.parameter);
        if self.modifier == Some("identifier") {
            let mut rows = Vec::new();
            for text in alternatives {
                let (system, code) = match split(text, '|').as_slice() {
                    [code] => (None, unescape(code)),
                    [system, code] => (Some(unescape(system)), unescape(code)),
                    _ => return Err(invalid(self.name, "write value or system|value")),
                };
                let extra = match system {
                    Some(system) => match self.system(&system)? {
                        Some(extra) => Some(extra),
                        None => continue,
                    },
                    None => None,
                };
                let value = keys.code(&code);
                rows.extend(place.slots.iter().map(|slot| Equal { slot: slot | IDENTIFIERS, value, extra }));
            }
            return Ok(Predicate::Equal(rows));
        }
        let only = match self.modifier {
            None => place.only_target,
            Some(name) => Some(resource_type_id(name).ok_or_else(|| self.wrong_modifier())?),
        };
        let mut rows = Vec::new();
        let mut versions = Vec::new();
        for text in alternatives {
            let text = unescape(text);
            let canonical = Reference::parse_canonical(&text);
            if let (Some(url), Some(version)) = (canonical.url, canonical.version)
                && text.contains('|')
            {
                versions.push((url.to_owned(), version.to_owned()));
                rows.extend(self.equal(keys.address(url), None));
                continue;
            }
            let reference = Reference::parse(&text);
            if tongmai_fhir::format::is_id(&text) {
                let targets = match only {
                    Some(target) => vec![target],
                    None => self.parameter.targets.to_vec(),
                };
                for target in targets {
                    rows.extend(self.equal(keys.resource(target, &text).0, None));
                }
            } else if only.is_some() && reference.resource_type.is_some() && reference.resource_type != only {
                // A reference to another type can never match.
            } else if let Some(value) = reference_value(keys, &reference) {
                rows.extend(self.equal(value, None));
            } else {
                return Err(invalid(
                    self.name,
                    format!("'{text}' is not a reference: write id, Type/id or an address"),
                ));
            }
        }
        let found = Predicate::Equal(rows);
        Ok(if versions.is_empty() {
            found
        } else {
            Predicate::All(vec![found, Predicate::Values(self.parameter.id, ValueMatch::Version(versions))])
        })
    }

    fn date(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        if self.modifier.is_some() {
            return Err(self.wrong_modifier());
        }
        let any =
            alternatives.iter().map(|text| self.engine.period(self.name, text)).collect::<Outcome<_>>()?;
        Ok(Predicate::Dates { slot: self.slot()?, any })
    }

    fn number(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        if self.modifier.is_some() {
            return Err(self.wrong_modifier());
        }
        let mut any = Vec::new();
        let mut systems = Vec::new();
        for text in alternatives {
            let text = unescape(text);
            let (number, system, code) = if self.parameter.kind == Kind::Number {
                (parse_number_query(&text).map_err(|why| invalid(self.name, why))?, None, None)
            } else {
                let asked = parse_quantity_query(&text).map_err(|why| invalid(self.name, why))?;
                (
                    asked.number,
                    asked.system.filter(|s| !s.is_empty()).map(str::to_owned),
                    asked.code.map(str::to_owned),
                )
            };
            let extra = match &code {
                Some(code) => match self.engine.store.find_symbol(code)? {
                    Some(symbol) => Some(i64::from(symbol)),
                    None => continue,
                },
                None => None,
            };
            let (low, high, outside) = number_range(number.prefix, number.value, number.low, number.high);
            let (low, high) = (ordered(low), ordered(high));
            any.extend(self.slots().iter().map(|&slot| NumberBetween { slot, low, high, extra, outside }));
            if let (Some(system), Some(code)) = (system, code) {
                systems.push((system, code));
            }
        }
        let found = Predicate::Numbers(any);
        Ok(if systems.is_empty() || self.slots().len() > 1 {
            found
        } else {
            Predicate::All(vec![found, Predicate::Values(self.parameter.id, ValueMatch::UnitSystem(systems))])
        })
    }

    fn uri(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        let texts: Vec<String> = alternatives.iter().map(|text| unescape(text)).collect();
        match self.modifier {
            None => {
                let keys = &self.engine.keys;
                Ok(Predicate::Equal(
                    texts.iter().flat_map(|uri| self.equal(keys.address(uri), None)).collect(),
                ))
            }
            Some("below") => Ok(Predicate::Values(self.parameter.id, ValueMatch::UriBelow(texts))),
            Some("above") => Ok(Predicate::Values(self.parameter.id, ValueMatch::UriAbove(texts))),
            Some(_) => Err(self.wrong_modifier()),
        }
    }

    /// Each component narrows by its own index where it has one; that they hold of one item is then
    /// verified on the values.
    fn composite(&self, alternatives: &[&str]) -> Outcome<Predicate> {
        if self.modifier.is_some() {
            return Err(self.wrong_modifier());
        }
        let mut wanted = Vec::new();
        let mut narrowed = Vec::new();
        for text in alternatives {
            let parts = split(text, '$');
            if parts.len() != self.parameter.components.len() {
                let count = self.parameter.components.len();
                return Err(invalid(self.name, format!("write {count} values parted by '$'")));
            }
            let mut matches = Vec::new();
            let mut all = Vec::new();
            for (component, text) in self.parameter.components.iter().zip(parts) {
                let definition = search::by_id(component.definition)
                    .ok_or_else(|| unsupported(self.name, "a component is not known"))?;
                matches.push(self.component(definition.kind, text)?);
                // The component's own parameter finds a superset when it is one of this type.
                if search::parameter(self.type_id, definition.code).is_some_and(|p| p.id == definition.id) {
                    all.push(self.engine.predicate(self.type_id, definition.code, text, 0)?);
                }
            }
            wanted.push(matches);
            narrowed.push(Predicate::All(all));
        }
        let exact = Predicate::Values(self.parameter.id, ValueMatch::Composite(wanted));
        let narrowing = if narrowed.len() == 1 { narrowed.remove(0) } else { Predicate::Any(narrowed) };
        Ok(Predicate::All(vec![narrowing, exact]))
    }

    fn component(&self, kind: Kind, text: &str) -> Outcome<ComponentMatch> {
        Ok(match kind {
            Kind::Token => match split(text, '|').as_slice() {
                [code] => ComponentMatch::Token { system: None, code: Some(unescape(code)) },
                [system, code] => ComponentMatch::Token {
                    system: Some(unescape(system)),
                    code: (!code.is_empty()).then(|| unescape(code)),
                },
                _ => return Err(invalid(self.name, "write code or system|code")),
            },
            Kind::String => ComponentMatch::Text(fold(&unescape(text))),
            Kind::Date => ComponentMatch::Period(self.engine.period(self.name, text)?),
            Kind::Number | Kind::Quantity => {
                let text = unescape(text);
                let asked = parse_quantity_query(&text).map_err(|why| invalid(self.name, why))?;
                let number = asked.number;
                let (low, high, outside) = number_range(number.prefix, number.value, number.low, number.high);
                ComponentMatch::Number {
                    low,
                    high,
                    outside,
                    code: asked.code.map(str::to_owned),
                    system: asked.system.map(str::to_owned),
                }
            }
            Kind::Reference => ComponentMatch::Reference(unescape(text)),
            Kind::Uri => ComponentMatch::Uri(unescape(text)),
            Kind::Composite | Kind::Special => {
                return Err(unsupported(self.name, "a component of this kind"));
            }
        })
    }
}

/// The inclusive range that a number with a prefix asks for, and whether it is the outside.
fn number_range(prefix: Prefix, value: f64, low: f64, high: f64) -> (f64, f64, bool) {
    let below = |x: f64| x.next_down();
    match prefix {
        Prefix::Equal => (low, below(high), false),
        Prefix::NotEqual => (low, below(high), true),
        Prefix::Greater | Prefix::StartsAfter => (value.next_up(), f64::INFINITY, false),
        Prefix::GreaterOrEqual => (value, f64::INFINITY, false),
        Prefix::Less | Prefix::EndsBefore => (f64::NEG_INFINITY, below(value), false),
        Prefix::LessOrEqual => (f64::NEG_INFINITY, value, false),
        Prefix::Approximate => {
            let slack = value.abs() / 10.0;
            (value - slack, value + slack, false)
        }
    }
}

fn include(name: &str, modifier: Option<&str>, value: &str, reverse: bool) -> Outcome<Include> {
    let iterate = match modifier {
        None => false,
        Some("iterate" | "recurse") => true,
        Some(other) => return Err(unsupported(name, format!("modifier :{other} is not supported"))),
    };
    if value == "*" && !reverse {
        return Ok(Include { source: None, code: None, target: None, iterate });
    }
    let mut parts = value.splitn(3, ':');
    let source_name = parts.next().unwrap_or("");
    let source = resource_type_id(source_name).ok_or_else(|| {
        invalid(name, format!("'{source_name}' is not a resource type: write Type:parameter"))
    })?;
    let code = parts.next().ok_or_else(|| invalid(name, "write Type:parameter or Type:*"))?;
    if code != "*" && search::parameter(source, code).is_none_or(|p| p.kind != Kind::Reference) {
        let why = format!("{source_name} has no reference parameter '{code}'");
        return Err(Failure::new(Reason::Invalid, name, "unknown", why));
    }
    let target = match parts.next() {
        None | Some("") => None,
        Some(target) => Some(
            resource_type_id(target)
                .ok_or_else(|| invalid(name, format!("'{target}' is not a resource type of FHIR R4")))?,
        ),
    };
    Ok(Include { source: Some(source), code: (code != "*").then(|| code.to_owned()), target, iterate })
}

/// Joins alternatives of equal rows into one predicate.
fn flatten(any: Vec<Predicate>) -> Predicate {
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for predicate in any {
        match predicate {
            Predicate::Equal(more) => rows.extend(more),
            other => others.push(other),
        }
    }
    if others.is_empty() {
        return Predicate::Equal(rows);
    }
    if !rows.is_empty() {
        others.push(Predicate::Equal(rows));
    }
    if others.len() == 1 { others.remove(0) } else { Predicate::Any(others) }
}

/// `date=ge…&date=lt…` is one range to scan.
fn join_dates(predicates: &mut Vec<Predicate>) {
    let mut joined: Vec<Predicate> = Vec::with_capacity(predicates.len());
    for predicate in predicates.drain(..) {
        if let Predicate::Dates { slot, any } = &predicate
            && let [period] = any.as_slice()
        {
            let earlier = joined.iter_mut().find_map(|known| match known {
                Predicate::Dates { slot: s, any } if s == slot && any.len() == 1 => Some(&mut any[0]),
                _ => None,
            });
            if let Some(earlier) = earlier
                && let Some(both) = earlier.and(period)
            {
                *earlier = both;
                continue;
            }
        }
        joined.push(predicate);
    }
    *predicates = joined;
}

/// Parts of a text at a separator that no backslash stands before.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(&text[start..index]);
            start = index + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}
