//! Where an element stands in the document.

use super::*;

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Index(usize),
}

/// The way from the root to an element; empty for the resource itself. A step into what stands beside a
/// primitive has the name with its underscore, unless it is the last one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    tokens: Vec<Token>,
}

impl Place {
    /// Finds an element by the address of its value, or of what stands beside it.
    pub(super) fn of(
        root: &Json<'static>,
        element: &Element<'_>,
        left: &Cell<u64>,
    ) -> Result<Option<Place>, Rule> {
        let Some(target) = element.value.or(element.beside) else { return Ok(None) };
        let mut tokens = Vec::new();
        let target: *const () = std::ptr::from_ref(target).cast();
        if !search(root, target, &mut tokens, left)? {
            return Ok(None);
        }
        // The element of `_birthDate` is `birthDate`.
        let last = tokens.iter_mut().rev().find_map(|token| match token {
            Token::Name(name) => Some(name),
            Token::Index(_) => None,
        });
        if let Some(name) = last
            && let Some(plain) = name.strip_prefix('_')
        {
            *name = plain.to_owned();
        }
        Ok(Some(Place { tokens }))
    }

    pub(super) fn depth(&self) -> usize {
        self.tokens.len()
    }

    /// Position in its list, if it stands in one.
    pub(super) fn index(&self) -> Option<usize> {
        match self.tokens.last() {
            Some(Token::Index(index)) => Some(*index),
            _ => None,
        }
    }

    /// The element that holds this one, and the property in which it holds it.
    pub(super) fn holder(&self) -> Option<(Place, String)> {
        let end = self.tokens.len() - usize::from(self.index().is_some());
        match self.tokens[..end].split_last() {
            Some((Token::Name(name), before)) => Some((Place { tokens: before.to_vec() }, name.clone())),
            _ => None,
        }
    }

    /// Elements in the list that this one stands in.
    pub(super) fn siblings(&self, root: &Json<'static>) -> usize {
        let Some((holder, name)) = self.holder() else { return 0 };
        let mut at = root;
        for token in &holder.tokens {
            at = match (at, token) {
                (Json::Object(_), Token::Name(name)) => match at.get(name) {
                    Some(next) => next,
                    None => return 0,
                },
                (Json::Array(items), Token::Index(index)) if *index < items.len() => &items[*index],
                _ => return 0,
            };
        }
        at.items(&name).len().max(at.items(&format!("_{name}")).len())
    }

    /// The object that holds the parts of the element and the group that defines them. For a primitive that
    /// is the object beside it, which is made if need be.
    pub(super) fn content<'j>(
        &self,
        root: &'j mut Json<'static>,
    ) -> Result<(&'j mut Object<'static>, &'static Group), Rule> {
        let unknown = || Rule::from("the type of the element is not known to R4");
        let resource_group = |json: &Json<'static>| match value::Kind::of_resource(json) {
            value::Kind::Group(group) => Ok(group),
            _ => Err(unknown()),
        };
        let mut group = resource_group(root)?;
        let mut at = root;
        let mut tokens = self.tokens.iter().peekable();
        while let Some(Token::Name(name)) = tokens.next() {
            let index = match tokens.peek() {
                Some(Token::Index(index)) => Some(*index),
                _ => None,
            };
            let plain = name.strip_prefix('_').unwrap_or(name);
            let property = group.property(plain).ok_or_else(unknown)?;
            let (_, of_type) = group.typed(property);
            let Json::Object(properties) = at else { return Err(unknown()) };
            let key = match of_type.shape {
                Shape::Primitive(_) => format!("_{plain}"),
                _ => name.clone(),
            };
            at = part(properties, &key, index)?;
            group = match of_type.shape {
                Shape::Group(id) => definition::group(id),
                Shape::Resource => resource_group(at)?,
                Shape::Primitive(_) => definition::group_at("Element").ok_or_else(unknown)?,
            };
            if index.is_some() {
                tokens.next();
            }
        }
        match at {
            Json::Object(properties) => Ok((properties, group)),
            _ => Err("the element has no parts".into()),
        }
    }

    /// Takes the element out, with what stands beside it, and every parent that is left empty.
    pub(super) fn remove(&self, root: &mut Json<'static>) -> Result<(), Rule> {
        let (holder, name) = self.holder().ok_or("the resource itself cannot be deleted")?;
        let (object, _) = holder.content(root)?;
        for key in [name.clone(), format!("_{name}")] {
            let Some(at) = position(object, &key) else { continue };
            let empty = match (&mut object[at].1, self.index()) {
                (Json::Array(items), Some(index)) => {
                    if index < items.len() && name.starts_with('_') {
                        // The primitive stays, and so do the places of the others.
                        items[index] = Json::Null;
                    } else if index < items.len() {
                        items.remove(index);
                    }
                    items.iter().all(|item| *item == Json::Null)
                }
                _ => true,
            };
            if empty {
                object.remove(at);
            }
        }
        if object.is_empty() && !holder.tokens.is_empty() { holder.remove(root) } else { Ok(()) }
    }
}

/// The property `key`, or the element `index` of it. A missing one is made when it stands beside a primitive.
fn part<'j>(
    properties: &'j mut Object<'static>,
    key: &str,
    index: Option<usize>,
) -> Result<&'j mut Json<'static>, Rule> {
    let gone = || Rule::from("the element is gone");
    let beside = key.starts_with('_');
    let at = match position(properties, key) {
        Some(at) => at,
        None if beside => {
            let plain = position(properties, &key[1..]);
            let at = plain.map_or(properties.len(), |at| at + 1);
            let new = if index.is_some() { Json::Array(Vec::new()) } else { Json::Object(Vec::new()) };
            properties.insert(at, (key.to_owned().into(), new));
            at
        }
        None => return Err(gone()),
    };
    match (&mut properties[at].1, index) {
        (Json::Array(items), Some(index)) => {
            while beside && items.len() <= index {
                items.push(Json::Null);
            }
            let item = items.get_mut(index).ok_or_else(gone)?;
            if beside && *item == Json::Null {
                *item = Json::Object(Vec::new());
            }
            Ok(item)
        }
        (value, None) => Ok(value),
        _ => Err(gone()),
    }
}

fn search(
    at: &Json<'static>,
    target: *const (),
    tokens: &mut Vec<Token>,
    left: &Cell<u64>,
) -> Result<bool, Rule> {
    if std::ptr::from_ref(at).cast() == target {
        return Ok(true);
    }
    left.set(left.get().checked_sub(1).ok_or("the patch takes too many steps")?);
    match at {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                tokens.push(Token::Index(index));
                if search(item, target, tokens, left)? {
                    return Ok(true);
                }
                tokens.pop();
            }
        }
        Json::Object(properties) => {
            for (name, value) in properties {
                tokens.push(Token::Name(name.clone().into_owned()));
                if search(value, target, tokens, left)? {
                    return Ok(true);
                }
                tokens.pop();
            }
        }
        _ => {}
    }
    Ok(false)
}
