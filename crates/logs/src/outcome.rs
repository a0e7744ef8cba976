//! What a record can turn out to be: one of the known logs, or something that gives no event, with the reason.

use std::borrow::Cow;
use std::fmt;

/// The logs that are known, by the names of their diagnostic categories; the unified audit log has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the categories' own")]
pub enum LogType {
    ServicePrincipalSignInLogs,
    ManagedIdentitySignInLogs,
    MicrosoftServicePrincipalSignInLogs,
    AuditLogs,
    MicrosoftGraphActivityLogs,
    AzureADGraphActivityLogs,
    SignInLogs,
    NonInteractiveUserSignInLogs,
    ADFSSignInLogs,
    UnifiedAuditLog,
}

impl LogType {
    /// All of them, in the order in which they are shown.
    pub const ALL: [LogType; 10] = [
        LogType::ServicePrincipalSignInLogs,
        LogType::ManagedIdentitySignInLogs,
        LogType::MicrosoftServicePrincipalSignInLogs,
        LogType::AuditLogs,
        LogType::MicrosoftGraphActivityLogs,
        LogType::AzureADGraphActivityLogs,
        LogType::SignInLogs,
        LogType::NonInteractiveUserSignInLogs,
        LogType::ADFSSignInLogs,
        LogType::UnifiedAuditLog,
    ];

    /// The name of the diagnostic category, or what people call the log.
    pub fn name(self) -> &'static str {
        match self {
            LogType::ServicePrincipalSignInLogs => "ServicePrincipalSignInLogs",
            LogType::ManagedIdentitySignInLogs => "ManagedIdentitySignInLogs",
            LogType::MicrosoftServicePrincipalSignInLogs => "MicrosoftServicePrincipalSignInLogs",
            LogType::AuditLogs => "AuditLogs",
            LogType::MicrosoftGraphActivityLogs => "MicrosoftGraphActivityLogs",
            LogType::AzureADGraphActivityLogs => "AzureADGraphActivityLogs",
            LogType::SignInLogs => "SignInLogs",
            LogType::NonInteractiveUserSignInLogs => "NonInteractiveUserSignInLogs",
            LogType::ADFSSignInLogs => "ADFSSignInLogs",
            LogType::UnifiedAuditLog => "unified audit log",
        }
    }

    /// By diagnostic category or Log Analytics table, in any letter case.
    pub(crate) fn parse(name: &str) -> Option<LogType> {
        let renamed = match name {
            name if name.eq_ignore_ascii_case("AADGraphActivityLogs") => "AzureADGraphActivityLogs",
            name => {
                name.get(..3).filter(|head| head.eq_ignore_ascii_case("AAD")).map_or(name, |_| &name[3..])
            }
        };
        LogType::ALL.into_iter().find(|log_type| log_type.name().eq_ignore_ascii_case(renamed))
    }
}

/// Why a record gave no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The sign-in of a user: counted and passed over.
    UserSignIn(LogType),
    /// A record of a log that says nothing of workload identities, or that this version does not read.
    OtherLog(Cow<'static, str>),
    /// A record that cannot be read.
    Unreadable(Unreadable),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::UserSignIn(log_type) => write!(f, "sign-in of a user ({}): passed over", log_type.name()),
            Skip::OtherLog(name) => write!(f, "{name}: not a log that is read"),
            Skip::Unreadable(unreadable) => f.write_str(&unreadable.reason),
        }
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The reason, the same for all records with the same fault.
    pub reason: Cow<'static, str>,
    /// What this record holds; may be empty. Never more than a few words of the record.
    pub detail: String,
}

impl Unreadable {
    pub(crate) fn new(reason: &'static str) -> Self {
        Self { reason: Cow::Borrowed(reason), detail: String::new() }
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self { reason: Cow::Owned(format!("field `{field}` is missing")), detail: String::new() }
    }

    pub(crate) fn time(field: &str, text: &str) -> Self {
        if text.is_empty() {
            return Self::missing(field);
        }
        Self {
            reason: Cow::Owned(format!("field `{field}` is no time between the years 2000 and 2099")),
            detail: format!("`{}`", excerpt(text)),
        }
    }
}

/// At most 60 characters, without line breaks: an example must fit a terminal line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}
