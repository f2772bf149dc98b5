//! Puts a value of the patch into an object of the resource.

use super::*;

/// How a value goes into a property.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    /// At the end of a list, or where nothing is yet.
    Add,
    /// Into a list at this position.
    Insert(usize),
    /// In place of what is there; the position for an element of a list.
    Replace(Option<usize>),
}

/// A value from the patch: JSON and, for a primitive, what stands beside it.
struct New {
    /// JSON property of the holder.
    key: String,
    value: Option<Json<'static>>,
    beside: Option<Json<'static>>,
}

/// Puts the value of `part` into the element `name` of `object`, whose elements `group` defines. `depth` is
/// the number of steps that lead to the object.
pub(super) fn put(
    object: &mut Object<'static>,
    group: &'static Group,
    name: &str,
    part: &Json<'_>,
    mode: Mode,
    depth: usize,
) -> Result<(), Rule> {
    // An element may be named by its property, as in `deceasedBoolean`.
    let element = match group.element(name) {
        Some(element) => element,
        None => {
            let property = group.property(name);
            let property = property.ok_or_else(|| format!("{} has no element '{name}'", group.type_name))?;
            group.typed(property).0
        }
    };
    let new = read(group, element, part, depth)?;
    if let Some(value) = &new.value
        && depth + 2 + height(value) > limits::JSON_DEPTH
    {
        return Err("the patch makes the resource nested too deep".into());
    }
    if !element.many {
        return single(object, group, element, new, mode);
    }
    match mode {
        Mode::Add => {
            let length = |key: &str| position(object, key).map_or(0, |at| length(&object[at].1));
            let end = length(&new.key).max(length(&format!("_{}", new.key)));
            insert_into_list(object, new, end)
        }
        Mode::Insert(index) => insert_into_list(object, new, index),
        Mode::Replace(index) => replace_in_list(object, new, index.ok_or("the property is not a list")?),
    }
}

fn length(value: &Json<'_>) -> usize {
    value.as_array().map_or(1, <[Json<'_>]>::len)
}

/// An element that does not repeat.
fn single(
    object: &mut Object<'static>,
    group: &'static Group,
    element: &definition::Element,
    new: New,
    mode: Mode,
) -> Result<(), Rule> {
    let of_element = |key: &str| {
        let plain = key.strip_prefix('_').unwrap_or(key);
        group.property(plain).is_some_and(|property| group.typed(property).0.name == element.name)
    };
    let place = object.iter().position(|(key, _)| of_element(key));
    match (mode, place) {
        (Mode::Insert(_), _) => return Err(format!("'{}' does not repeat", element.name)),
        (Mode::Add, Some(_)) => {
            return Err(format!("'{}' is there already and does not repeat", element.name));
        }
        _ => {}
    }
    object.retain(|(key, _)| !of_element(key));
    let mut place = place.unwrap_or(object.len()).min(object.len());
    if let Some(value) = new.value {
        object.insert(place, (new.key.clone().into(), value));
        place += 1;
    }
    if let Some(beside) = new.beside {
        object.insert(place, (format!("_{}", new.key).into(), beside));
    }
    Ok(())
}

/// The list `key`, which is made if need be, filled up to `length`.
fn list<'o>(
    object: &'o mut Object<'static>,
    key: &str,
    length: usize,
) -> Result<&'o mut Vec<Json<'static>>, Rule> {
    let at = position(object, key).unwrap_or_else(|| {
        object.push((key.to_owned().into(), Json::Array(Vec::new())));
        object.len() - 1
    });
    let Json::Array(items) = &mut object[at].1 else { return Err("the property is not a list".into()) };
    while items.len() < length {
        items.push(Json::Null);
    }
    Ok(items)
}

/// Inserts a value, and keeps the list beside a list of primitives in step.
fn insert_into_list(object: &mut Object<'static>, new: New, index: usize) -> Result<(), Rule> {
    list(object, &new.key, index)?.insert(index, new.value.unwrap_or(Json::Null));
    let beside = format!("_{}", new.key);
    let known = position(object, &beside).map_or(0, |at| length(&object[at].1));
    if new.beside.is_some() || index < known {
        list(object, &beside, index)?.insert(index, new.beside.unwrap_or(Json::Null));
    }
    Ok(())
}

fn replace_in_list(object: &mut Object<'static>, new: New, index: usize) -> Result<(), Rule> {
    list(object, &new.key, index + 1)?[index] = new.value.unwrap_or(Json::Null);
    let beside = format!("_{}", new.key);
    let known = position(object, &beside).map_or(0, |at| length(&object[at].1));
    if new.beside.is_some() || index < known {
        let items = list(object, &beside, index + 1)?;
        items[index] = new.beside.unwrap_or(Json::Null);
        if items.iter().all(|item| *item == Json::Null) {
            object.retain(|(key, _)| *key != beside);
        }
    }
    Ok(())
}

/// Reads the value of a part: `value[x]`, a resource, or parts of its own for an element without a name.
fn read(
    group: &'static Group,
    element: &'static definition::Element,
    part: &Json<'_>,
    depth: usize,
) -> Result<New, Rule> {
    let properties = part.as_object().ok_or("a part is an object")?;
    let typed = properties.iter().find_map(|(key, _)| {
        let suffix = key.strip_prefix('_').unwrap_or(key).strip_prefix("value")?;
        (!suffix.is_empty()).then_some(suffix)
    });
    if let Some(suffix) = typed {
        let value = part.get(&format!("value{suffix}")).cloned().map(Json::into_owned);
        let beside = part.get(&format!("_value{suffix}")).cloned().map(Json::into_owned);
        let key = key_of(group, element, suffix, value.as_ref())?;
        return Ok(New { key, value, beside });
    }
    let of_type = element.types.first().ok_or("the element has no type")?;
    if let Some(resource) = part.get("resource") {
        if of_type.shape != Shape::Resource {
            return Err(format!("'{}' takes no resource", element.name));
        }
        let value = Some(resource.clone().into_owned());
        return Ok(New { key: element.name.to_owned(), value, beside: None });
    }
    let parts = part.items("part");
    if parts.is_empty() {
        return Err("the value is missing".into());
    }
    let inner = of_type.group().filter(|_| !element.choice);
    let inner = inner.ok_or_else(|| format!("'{}' takes no parts", element.name))?;
    if depth + 2 > limits::JSON_DEPTH {
        return Err("the patch makes the resource nested too deep".into());
    }
    let mut object = Vec::new();
    for part in parts {
        let name = part.text("name").ok_or("a part has no name")?;
        put(&mut object, inner, name, part, Mode::Add, depth + 2)?;
    }
    Ok(New { key: element.name.to_owned(), value: Some(Json::Object(object)), beside: None })
}

/// The JSON property for a value of type `suffix` (`DateTime`); an error when the element takes no such type.
/// Primitives are told apart by their JSON form only, since a string of the patch may stand for a code: the
/// validation of the whole resource looks at the rest.
fn key_of(
    group: &'static Group,
    element: &'static definition::Element,
    suffix: &str,
    value: Option<&Json<'_>>,
) -> Result<String, Rule> {
    if element.choice {
        let key = format!("{}{suffix}", element.name);
        return match group.property(&key) {
            Some(_) => Ok(key),
            None => Err(format!("'{}' takes no {suffix}", element.name)),
        };
    }
    use definition::Primitive as P;
    let fits = element.types.iter().any(|of_type| match (of_type.shape, value) {
        (Shape::Primitive(P::Boolean), Some(value)) => matches!(value, Json::Bool(_)),
        (Shape::Primitive(P::Integer | P::Decimal | P::PositiveInt | P::UnsignedInt), Some(value)) => {
            matches!(value, Json::Number(_))
        }
        (Shape::Primitive(_), Some(value)) => matches!(value, Json::String(_)),
        (Shape::Primitive(_), None) => true,
        (Shape::Group(_), _) => of_type.name == suffix || definition::is_a(suffix, of_type.name),
        (Shape::Resource, _) => false,
    });
    if fits {
        return Ok(element.name.to_owned());
    }
    let shown = match value {
        Some(Json::Object(_)) | None => suffix.to_owned(),
        Some(_) => {
            let mut chars = suffix.chars();
            chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
    };
    Err(format!("'{}' takes no {shown}", element.name))
}
