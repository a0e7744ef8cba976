//! Identifiers. Application id, service principal id and credential key id are all GUIDs that are easily
//! confused, so each is a type.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An identifier as logs carry it: a GUID nearly always, but published and damaged records hold other text,
/// and a record is never refused for its id. GUIDs are kept as 16 bytes and print in lower case, so that ids
/// which differ only in letter case are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Id<'a> {
    /// A well-formed, hyphenated GUID.
    Guid(Uuid),
    /// Anything else; empty when the record has none.
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl<'a> Id<'a> {
    /// The id of a record that has none.
    pub const NONE: Id<'static> = Id::Text(Cow::Borrowed(""));

    /// Reads an id; text that is not a hyphenated GUID is kept as it is.
    pub fn parse(text: &'a str) -> Self {
        match parse_guid(text) {
            Some(guid) => Id::Guid(guid),
            None => Id::Text(Cow::Borrowed(text)),
        }
    }

    /// As [`Id::parse`], for text whose ownership varies.
    pub fn from_cow(text: Cow<'a, str>) -> Self {
        match parse_guid(&text) {
            Some(guid) => Id::Guid(guid),
            None => Id::Text(text),
        }
    }

    /// True when the record carried no id.
    pub fn is_none(&self) -> bool {
        matches!(self, Id::Text(text) if text.is_empty())
    }

    /// The same id without the borrow.
    pub fn into_owned(self) -> Id<'static> {
        match self {
            Id::Guid(guid) => Id::Guid(guid),
            Id::Text(text) => Id::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// The same id without the borrow, from a reference.
    pub fn to_owned_id(&self) -> Id<'static> {
        self.clone().into_owned()
    }

    /// The bytes that identify it: 16 for a GUID, the text otherwise.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Id::Guid(guid) => guid.as_bytes(),
            Id::Text(text) => text.as_bytes(),
        }
    }
}

fn parse_guid(text: &str) -> Option<Uuid> {
    // Only the hyphenated form: the others (braced, urn, 32 digits) would not print as they came.
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Guid(guid) => guid.as_hyphenated().fmt(f),
            Id::Text(text) => f.pad(text),
        }
    }
}

impl Default for Id<'_> {
    fn default() -> Self {
        Id::NONE
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name<'a>(#[serde(borrow)] pub Id<'a>);

        impl<'a> $name<'a> {
            /// Reads the id from text, see [`Id::parse`].
            pub fn parse(text: &'a str) -> Self {
                Self(Id::parse(text))
            }

            /// True when the record carried none.
            pub fn is_none(&self) -> bool {
                self.0.is_none()
            }

            /// The same id without the borrow.
            pub fn into_owned(self) -> $name<'static> {
                $name(self.0.into_owned())
            }

            /// The same id without the borrow, from a reference.
            pub fn to_owned_id(&self) -> $name<'static> {
                $name(self.0.to_owned_id())
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// Object id of a service principal: the workload identity itself.
    ServicePrincipalId
);
id_type!(
    /// Application (client) id: what a client sends as `client_id`; also names the resource of a token.
    AppId
);
id_type!(
    /// Id of one credential (`keyId`) of an application or service principal.
    KeyId
);
id_type!(
    /// Directory (tenant) id.
    TenantId
);
id_type!(
    /// Id of one log record: stable over repeated delivery, so events are deduplicated by it.
    EventId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_equal_whatever_their_case_and_print_in_lower_case() {
        let upper = Id::parse("3FDB2D30-06C4-4A33-9B4A-0D3A1C4D8A11");
        assert_eq!(upper, Id::parse("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11"));
        assert_eq!(upper.to_string(), "3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11");
    }

    #[test]
    fn an_id_with_letters_that_are_not_hexadecimal_is_kept_as_text() {
        let id = Id::parse("zfdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11");
        assert!(matches!(id, Id::Text(_)));
        assert_eq!(id.to_string(), "zfdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11");
    }
}
