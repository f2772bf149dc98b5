//! Functions that know FHIR, the time or the world outside the resource.

use tongmai_fhir::{definition, narrative};

use super::{Evaluator, Values};
use crate::compare;
use crate::error::Error;
use crate::function::Special;
use crate::temporal::{Temporal, TemporalKind};
use crate::value::{Element, Value};

const STRUCTURE_DEFINITION: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn special(
        &self,
        at: usize,
        function: Special,
        values: Values<'r>,
        argument: Values<'r>,
    ) -> Result<Values<'r>, Error> {
        match function {
            Special::Now => Ok(vec![Value::Temporal(self.now(at)?)]),
            Special::Today => Ok(vec![Value::Temporal(self.now(at)?.to_date())]),
            Special::TimeOfDay => {
                let now = self.now(at)?;
                let time =
                    Temporal { kind: TemporalKind::Time, year: 1, month: 1, day: 1, offset: None, ..now };
                Ok(vec![Value::Temporal(time)])
            }
            Special::Type => Ok(values.iter().map(|value| Value::Type(value.type_info())).collect()),
            Special::Extension => self.extension(at, &values, argument),
            Special::HasValue => {
                Ok(vec![Value::Boolean(matches!(values.as_slice(), [value] if has_value(value)))])
            }
            Special::GetValue => match values.as_slice() {
                [value] if has_value(value) => Ok(value.system().into_iter().collect()),
                _ => Ok(Vec::new()),
            },
            Special::Resolve => self.resolve(at, &values),
            Special::ConformsTo => self.conforms_to(at, values, argument),
            Special::HtmlChecks => self.html_checks(at, &values),
        }
    }

    fn now(&self, at: usize) -> Result<Temporal, Error> {
        self.environment.now.ok_or_else(|| Error::execution(at, "the time is not known here"))
    }

    fn extension(&self, at: usize, values: &[Value<'r>], url: Values<'r>) -> Result<Values<'r>, Error> {
        let Some(url) = self.single(at, url)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for value in values {
            if let Value::Element(element) = value {
                element.member("extension", &mut found);
            }
        }
        self.spend(at, found.len())?;
        found.retain(|extension| {
            let mut urls = Vec::new();
            if let Value::Element(element) = extension {
                element.member("url", &mut urls);
            }
            urls.iter().any(|known| compare::equal(known, &url) == Some(true))
        });
        Ok(found)
    }

    /// The resources that references (or texts) name: contained ones, and what the environment finds.
    fn resolve(&self, at: usize, values: &[Value<'r>]) -> Result<Values<'r>, Error> {
        let mut out = Vec::new();
        for value in values {
            self.spend(at, 1)?;
            let reference = match value {
                Value::Element(element) => match element.value.and_then(|v| v.text("reference")) {
                    Some(reference) => reference.to_owned(),
                    None => match element.system() {
                        Some(Value::String(text)) => text.to_string(),
                        _ => continue,
                    },
                },
                Value::String(text) => text.to_string(),
                _ => continue,
            };
            let found = match reference.strip_prefix('#') {
                Some("") => Some(self.resource),
                Some(id) => {
                    let contained = self.resource.items("contained");
                    self.spend(at, contained.len())?;
                    contained.iter().find(|resource| resource.text("id") == Some(id))
                }
                None => self.environment.resolver.and_then(|resolver| resolver(&reference)),
            };
            out.extend(found.map(|resource| Value::Element(Element::resource(resource))));
        }
        Ok(out)
    }

    /// Whether every narrative keeps to the harmless part of XHTML.
    fn html_checks(&self, at: usize, values: &[Value<'r>]) -> Result<Values<'r>, Error> {
        for value in values {
            let Some(Value::String(text)) = value.system() else { return Ok(vec![Value::Boolean(false)]) };
            self.spend(at, 1 + text.len() / 8)?;
            if narrative::check(&text).is_err() {
                return Ok(vec![Value::Boolean(false)]);
            }
        }
        Ok(vec![Value::Boolean(true)])
    }

    /// Knows the types of R4; a profile is beyond it and said to be unknown.
    fn conforms_to(&self, at: usize, values: Values<'r>, url: Values<'r>) -> Result<Values<'r>, Error> {
        let (Some(value), Some(url)) = (self.single(at, values)?, self.single(at, url)?) else {
            return Ok(Vec::new());
        };
        let url = url.system().map(|url| url.to_string()).unwrap_or_default();
        let wanted =
            url.strip_prefix(STRUCTURE_DEFINITION).filter(|name| definition::group_at(name).is_some());
        let wanted = wanted.ok_or_else(|| Error::execution(at, format!("'{url}' is not a known profile")))?;
        Ok(vec![Value::Boolean(definition::is_a(value.type_info().name, wanted))])
    }
}

fn has_value(value: &Value<'_>) -> bool {
    match value {
        Value::Element(element) => element.has_value(),
        _ => true,
    }
}
