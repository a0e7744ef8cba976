//! Why a policy or a named location is refused.

use uuid::Uuid;

/// Longest piece of a request that a message repeats, in characters.
const ECHO_CHARS_MAX: usize = 64;

/// The number that the message of a refusal begins with. Microsoft does not publish its numbers; those of
/// [`Code::Schema`] and [`Code::UnknownLocation`] are the ones that its users report, the others are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 1007: a member has another type or value than Graph's schema allows, or is not in it.
    Schema = 1007,
    /// 1011: a part is missing without which a policy or location means nothing.
    Incomplete = 1011,
    /// 1012: nothing would enforce it for a workload.
    Unenforceable = 1012,
    /// 1013: a rule over attributes that cannot be read.
    Rule = 1013,
    /// 1014: more than there may be.
    Limit = 1014,
    /// 1030: a service principal that is not in the tenant.
    UnknownPrincipal = 1030,
    /// 1040: a named location that is not in the tenant.
    UnknownLocation = 1040,
    /// 1041: a location that something still rests on.
    InUse = 1041,
}

/// A refusal. At Graph it is a 400 with the code `BadRequest` and this as the message, such as
/// `1007: 'conditions.moon' is not a property that can be set here.`
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {text}", *code as u16)]
pub struct Invalid {
    /// The number.
    pub code: Code,
    /// The member that is refused, as a path such as `conditions.locations.includeLocations`; empty where the whole
    /// object is.
    pub member: String,
    /// The sentence behind the number. It names the member or the id.
    pub text: String,
}

impl Invalid {
    /// A refusal of one member; `problem` goes on where its name ends, such as `must not be empty`.
    pub(crate) fn member(code: Code, member: impl Into<String>, problem: impl AsRef<str>) -> Invalid {
        let member = member.into();
        let text = format!("'{member}' {}.", problem.as_ref());
        Invalid { code, member, text }
    }

    /// 1030, in the words in which Graph tells of a location.
    pub fn unknown_principal(id: Uuid) -> Invalid {
        Invalid {
            code: Code::UnknownPrincipal,
            member: "conditions.clientApplications".to_owned(),
            text: format!("ServicePrincipal with id {id} does not exist in the directory."),
        }
    }

    /// 1040.
    pub fn unknown_location(id: Uuid) -> Invalid {
        Invalid {
            code: Code::UnknownLocation,
            member: "conditions.locations".to_owned(),
            text: format!("NamedLocation with id {id} does not exist in the directory."),
        }
    }

    /// 1041: a named location is not deleted from under a policy, or the policy would say something else all at once.
    pub fn named_by(policy: Uuid) -> Invalid {
        Invalid {
            code: Code::InUse,
            member: String::new(),
            text: format!("The location is used by the policy with id {policy} and cannot be deleted."),
        }
    }

    /// 1041: a trusted location is not deleted by mistake.
    pub fn trusted() -> Invalid {
        Invalid::member(
            Code::InUse,
            "isTrusted",
            "is true: a trusted location cannot be deleted. Set it to false first",
        )
    }

    /// 1014: one more than a tenant may have of something, such as `policies`.
    pub fn too_many(what: &str, max: usize) -> Invalid {
        Invalid {
            code: Code::Limit,
            member: String::new(),
            text: format!("There are {max} {what} already, and a tenant cannot have more."),
        }
    }
}

/// What a request wrote, fit to be repeated: without control characters, cut to a length.
pub(crate) fn echo(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(ECHO_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_in_front() {
        assert_eq!(
            Invalid::unknown_location(Uuid::nil()).to_string(),
            "1040: NamedLocation with id 00000000-0000-0000-0000-000000000000 does not exist in the directory."
        );
        assert_eq!(
            Invalid::member(Code::Schema, "state", "must not be empty").to_string(),
            "1007: 'state' must not be empty."
        );
    }

    #[test]
    fn what_is_repeated_is_short_and_printable() {
        assert_eq!(echo("a\u{1b}[31m\nb"), "a[31mb");
        assert_eq!(echo(&"é".repeat(100)).chars().count(), 64);
    }
}
