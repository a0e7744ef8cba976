//! Why a document of somebody else cannot be used.

/// A member that is missing or does not fit. The edge answers it as 400, or as `invalid_request` of RFC 8935.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}` {problem}")]
pub struct Invalid {
    /// Path of the member, such as `delivery.endpoint_url`; from a list of known names, never what was sent.
    pub member: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Invalid {
    /// A member with its problem.
    pub fn new(member: &str, problem: &'static str) -> Invalid {
        Invalid { member: member.to_owned(), problem }
    }

    /// The same, one object further out.
    #[must_use]
    pub fn within(self, object: &str) -> Invalid {
        Invalid { member: format!("{object}.{}", self.member), problem: self.problem }
    }
}
