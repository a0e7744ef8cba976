//! Members of Graph's JSON, read with their types. A member that is absent is not said; null is said, and it is an error
//! where Graph's schema has no null.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::invalid::{Code, Invalid, echo};

/// Longest display name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 256;

/// An object and where it stands, such as `conditions.locations`; the outermost stands nowhere.
#[derive(Clone, Copy)]
pub(crate) struct Object<'j> {
    members: &'j Map<String, Json>,
    path: &'static str,
}

impl<'j> Object<'j> {
    /// The outermost object.
    pub(crate) fn new(members: &'j Map<String, Json>) -> Self {
        Self { members, path: "" }
    }

    /// The same place in another object, of a list.
    pub(crate) fn at(members: &'j Map<String, Json>, path: &'static str) -> Self {
        Self { members, path }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn invalid(&self, code: Code, name: &str, problem: impl AsRef<str>) -> Invalid {
        Invalid::member(code, self.path(name), problem)
    }

    /// Refuses members that are none. Annotations, which have an `@` in their names, say nothing about the object.
    pub(crate) fn has_only(&self, known: &[&[&str]]) -> Result<(), Invalid> {
        let stranger = self
            .members
            .keys()
            .find(|name| !name.contains('@') && !known.iter().any(|names| names.contains(&name.as_str())));
        match stranger {
            Some(name) => {
                Err(self.invalid(Code::Schema, &echo(name), "is not a property that can be set here"))
            }
            None => Ok(()),
        }
    }

    /// Refuses members that say something, because nothing would enforce it.
    pub(crate) fn says_nothing_of(&self, names: &[&str]) -> Result<(), Invalid> {
        match names.iter().find(|name| self.members.get(**name).is_some_and(|value| !says_nothing(value))) {
            Some(name) => Err(self.invalid(
                Code::Unenforceable,
                name,
                "cannot be used in a policy for workload identities",
            )),
            None => Ok(()),
        }
    }

    /// The value of a member, absent and null alike left out.
    pub(crate) fn value(&self, name: &str) -> Option<&'j Json> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// An object, if there is one. `path` is its place.
    pub(crate) fn object(&self, name: &str, path: &'static str) -> Result<Option<Object<'j>>, Invalid> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::Object(members)) => Ok(Some(Object { members, path })),
            Some(_) => Err(self.invalid(Code::Schema, name, "must be an object")),
        }
    }

    /// An object that must be there.
    pub(crate) fn required(&self, name: &str, path: &'static str) -> Result<Object<'j>, Invalid> {
        self.object(name, path)?.ok_or_else(|| self.invalid(Code::Incomplete, name, "is required"))
    }

    /// A text, if there is one.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'j str>, Invalid> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid(Code::Schema, name, "must be a string")),
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'j str, Invalid> {
        self.text(name)?
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| self.invalid(Code::Incomplete, name, "is required"))
    }

    /// `displayName`.
    pub(crate) fn display_name(&self) -> Result<&'j str, Invalid> {
        let name = self.required_text("displayName")?;
        if name.chars().count() > NAME_CHARS_MAX {
            let problem = format!("is longer than {NAME_CHARS_MAX} characters");
            return Err(self.invalid(Code::Limit, "displayName", problem));
        }
        Ok(name)
    }

    /// `id`, which the caller assigns before it reads what was posted.
    pub(crate) fn id(&self) -> Result<Uuid, Invalid> {
        let text = self.required_text("id")?;
        guid(text)
            .ok_or_else(|| self.invalid(Code::Schema, "id", format!("has an invalid id '{}'", echo(text))))
    }

    /// A Boolean, false where it was not said. The schema knows no null.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Invalid> {
        match self.members.get(name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(_) => Err(self.invalid(Code::Schema, name, "must be true or false")),
        }
    }

    /// A list, empty where it was not said. The schema knows no null.
    pub(crate) fn list(&self, name: &str) -> Result<&'j [Json], Invalid> {
        match self.members.get(name) {
            None => Ok(&[]),
            Some(Json::Array(values)) => Ok(values),
            Some(_) => Err(self.invalid(Code::Schema, name, "must be a collection")),
        }
    }

    /// A list of texts, each read.
    pub(crate) fn texts<T>(
        &self,
        name: &str,
        read: impl Fn(&'j str) -> Option<T>,
    ) -> Result<Vec<T>, Invalid> {
        let refused =
            |value: &str| self.invalid(Code::Schema, name, format!("has an invalid value '{}'", echo(value)));
        self.list(name)?
            .iter()
            .map(|value| match value {
                Json::String(text) => read(text).ok_or_else(|| refused(text)),
                other => Err(refused(&other.to_string())),
            })
            .collect()
    }
}

/// A GUID in the hyphenated form: the others would not be found again by what was written.
pub(crate) fn guid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// True for null, for an empty collection, and for an object of such.
pub(crate) fn says_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(values) => values.is_empty(),
        Json::Object(members) => {
            members.iter().all(|(name, value)| name.contains('@') || says_nothing(value))
        }
        Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}
