//! Parameters that shape the answer and stand in no index: order, page, parts, includes.

use tongmai_base::limits;
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::search::{self, Kind};

use super::{invalid, unsupported};
use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::search::{Include, Part, Query, SortKey, Total};

impl Engine {
    /// Reads a parameter that shapes the answer.
    pub(super) fn shape(&self, query: &mut Query, name: &str, value: &str) -> Outcome<()> {
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
