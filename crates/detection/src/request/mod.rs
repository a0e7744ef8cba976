//! What a request to a directory API asks for: a template that stays when ids change, its class, and the object.
//!
//! `https://graph.microsoft.com/v1.0/groups/8c1b…/members?$top=999` and the next group's are one template,
//! `/groups/{id}/members`, of class memberships, on two objects.

mod classes;

pub(crate) use classes::{Class, DIRECTORY_CLASSES, RECON_TEMPLATES};

use countersign_model::event::{Api, ApiActivity};

use crate::order::hash64;
use classes::Kind;

/// Longest word that is looked up; longer ones are ids.
const WORD_MAX: usize = 64;
/// Words of a path that are read: Graph's deepest have some ten.
const WORDS_MAX: usize = 16;
/// Query options that make a different request of the same path. `$select`, `$top` and paging do not.
const SHAPES: [&str; 3] = ["$filter=", "$expand=", "$search="];

/// A request reduced to what profiles keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Hash of template and method.
    pub(crate) template: u32,
    /// `None` where no word of the path is known.
    pub(crate) class: Option<Class>,
    /// Hash of the ids in the path; `None` when there is none.
    pub(crate) object: Option<u64>,
    /// A further page of an answer.
    pub(crate) is_page: bool,
}

/// A word of a path, classified.
enum Word<'w> {
    /// A word in lower case, and where it is in the buffer.
    Known(&'w str),
    Id(&'w [u8]),
}

impl Request {
    /// Reads a call.
    pub(crate) fn of(call: &ApiActivity<'_>) -> Request {
        let (path, query) = call.uri.split_once('?').unwrap_or((&call.uri, ""));
        let mut hash = hash64(method(call).as_bytes());
        let mut class = None;
        let mut object = None;
        walk(path, call.api, |word| match word {
            Word::Known(word) => {
                hash = hash64(&(hash ^ hash64(word.as_bytes())).to_le_bytes());
                class = classes::class_after(class, word);
            }
            Word::Id(id) => {
                hash = hash64(&(hash ^ 0x1d).to_le_bytes());
                object = Some(object.unwrap_or(0_u64).rotate_left(7) ^ hash64(id));
            }
        });
        for (bit, shape) in SHAPES.iter().enumerate() {
            if has_option(query, shape) {
                hash ^= 0x9e37_79b9_7f4a_7c15_u64.rotate_left(bit as u32);
            }
        }
        let is_page = has_option(query, "$skiptoken=") || has_option(query, "$skip=");
        Request { template: (hash >> 32) as u32, class, object, is_page }
    }

    /// The template as people read it: `GET /groups/{id}/members?$filter`.
    pub(crate) fn text(call: &ApiActivity<'_>) -> String {
        let (path, query) = call.uri.split_once('?').unwrap_or((&call.uri, ""));
        let mut text = method(call).to_owned();
        text.push(' ');
        walk(path, call.api, |word| {
            text.push('/');
            text.push_str(match word {
                Word::Known(word) => word,
                Word::Id(_) => "{id}",
            });
        });
        let shapes = SHAPES.iter().filter(|shape| has_option(query, shape));
        for (number, shape) in shapes.enumerate() {
            text.push(if number == 0 { '?' } else { '&' });
            text.push_str(shape.trim_end_matches('='));
        }
        text
    }
}

/// True for one of the requests by which enumeration tools walk a directory.
pub(crate) fn is_recon(text: &str) -> bool {
    let path = text.split_once(' ').map_or(text, |(_, path)| path);
    RECON_TEMPLATES.iter().any(|template| template.eq_ignore_ascii_case(path))
}

fn method<'c>(call: &'c ApiActivity<'_>) -> &'c str {
    if call.method.is_empty() { "GET" } else { &call.method }
}

/// True when the query has the option; Graph takes `$` also as `%24`.
fn has_option(query: &str, option: &str) -> bool {
    query.split('&').any(|part| {
        let name = part.strip_prefix("%24").or(part.strip_prefix('$')).unwrap_or(part);
        name.get(..option.len() - 1).is_some_and(|head| head.eq_ignore_ascii_case(&option[1..]))
    })
}

/// Gives each word after host and version to `each`.
fn walk(path: &str, api: Api, mut each: impl FnMut(Word<'_>)) {
    let path =
        path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let is_version = |part: &&str| part.eq_ignore_ascii_case("beta") || is_numbered(part);
    parts.next_if(is_version);
    if api == Api::AzureAdGraph {
        // The tenant comes before the words, by id, by domain, or as `myorganization`.
        parts.next_if(|part| classes::segment(&part.to_ascii_lowercase()).is_none());
    }
    let mut buffer = [0; WORD_MAX];
    let mut expects_id = false;
    let mut words = 0;
    for part in parts {
        words += 1;
        if words > WORDS_MAX {
            return;
        }
        // `users('…')` holds its key in brackets.
        let (word, key) = part.split_once('(').unwrap_or((part, ""));
        let lower = lower(word, &mut buffer);
        let known = lower.and_then(classes::segment);
        match (known, expects_id) {
            (Some(segment), false) => {
                each(Word::Known(lower.unwrap_or_default()));
                expects_id = segment.kind == Kind::Keyed && key.is_empty();
            }
            (Some(segment), true) if segment.kind == Kind::Function => {
                each(Word::Known(lower.unwrap_or_default()));
                expects_id = false;
            }
            (_, true) => {
                each(Word::Id(part.as_bytes()));
                expects_id = false;
            }
            // An unknown word of letters is a word that the table lacks; anything else is an id.
            (None, false) => match lower
                .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.'))
            {
                Some(word) => each(Word::Known(word)),
                None => each(Word::Id(part.as_bytes())),
            },
        }
        let key = key.trim_end_matches(')');
        if !key.is_empty() {
            each(Word::Id(key.as_bytes()));
        }
    }
}

/// `v1.0`, `v2`, `1.6`.
fn is_numbered(part: &str) -> bool {
    let rest = part.trim_start_matches(['v', 'V']);
    part.len() <= 6 && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The word in lower case; `None` when it is too long or not ASCII.
fn lower<'b>(word: &str, buffer: &'b mut [u8; WORD_MAX]) -> Option<&'b str> {
    let buffer = buffer.get_mut(..word.len())?;
    for (to, from) in buffer.iter_mut().zip(word.bytes()) {
        *to = from.to_ascii_lowercase();
    }
    std::str::from_utf8(buffer).ok().filter(|word| word.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::event::Address;
    use countersign_model::id::{AppId, EventId, Id, ServicePrincipalId, TenantId};
    use countersign_model::time::Timestamp;

    fn call(api: Api, uri: &str) -> ApiActivity<'_> {
        ApiActivity {
            id: EventId::default(),
            time: Timestamp(0),
            api,
            tenant: TenantId::default(),
            service_principal: ServicePrincipalId::default(),
            user: Id::NONE,
            app: AppId::default(),
            address: Address::default(),
            user_agent: "".into(),
            method: "GET".into(),
            uri: uri.into(),
            status: 200,
            response_bytes: 0,
            roles: "".into(),
            scopes: "".into(),
            token: "".into(),
        }
    }

    fn text(api: Api, uri: &str) -> String {
        Request::text(&call(api, uri))
    }

    #[test]
    fn ids_versions_and_paging_make_no_other_template() {
        let graph = |uri| Request::of(&call(Api::MicrosoftGraph, uri));
        let one = graph(
            "https://graph.microsoft.com/v1.0/groups/8c1b7a50-11ae-4d0e-9a3e-0c2f5d1b7a11/members?$top=9",
        );
        let two = graph(
            "https://graph.microsoft.com/beta//groups/0c1b7a50-11ae-4d0e-9a3e-0c2f5d1b7a11/members?$skiptoken=x",
        );
        assert_eq!((one.template, one.class), (two.template, Some(Class::Memberships)));
        assert_ne!(one.object, two.object);
        assert!(!one.is_page && two.is_page);
        assert_ne!(
            one.template,
            graph("https://graph.microsoft.com/v1.0/groups/a/members?$filter=x").template
        );
        assert_ne!(one.template, graph("https://graph.microsoft.com/v1.0/groups").template);
    }

    #[test]
    fn templates_are_readable_on_both_apis() {
        let graph = Api::MicrosoftGraph;
        assert_eq!(
            text(graph, "https://graph.microsoft.com/v1.0/users/anna@contoso.example/messages"),
            "GET /users/{id}/messages"
        );
        assert_eq!(
            text(graph, "https://graph.microsoft.com/v1.0/users('anna')/memberOf"),
            "GET /users/{id}/memberof"
        );
        assert_eq!(
            text(graph, "https://graph.microsoft.com/v1.0/users?%24filter=x&$top=3"),
            "GET /users?$filter"
        );
        assert_eq!(
            text(graph, "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=1"),
            "GET /users/delta"
        );
        let legacy = Api::AzureAdGraph;
        assert_eq!(text(legacy, "/v2/8c1b7a50-11ae-4d0e-9a3e-0c2f5d1b7a11/users"), "GET /users");
        assert_eq!(text(legacy, "/contoso.example/tenantDetails?api-version=1.6"), "GET /tenantdetails");
        assert_eq!(
            text(legacy, "https://graph.windows.net/myorganization/groups/1/members"),
            "GET /groups/{id}/members"
        );
    }

    #[test]
    fn nothing_from_outside_breaks_it() {
        for uri in [
            "",
            "?",
            "https://",
            "https://x",
            "////",
            "/v1.0",
            "/users(",
            "/users()/(",
            "%24",
            "/ä/ö?ü",
            "?&&=&$",
        ] {
            let _ = Request::of(&call(Api::MicrosoftGraph, uri));
            let _ = text(Api::AzureAdGraph, uri);
        }
        let deep = "/a".repeat(100_000);
        assert!(text(Api::MicrosoftGraph, &deep).len() < 100);
    }

    #[test]
    fn what_enumeration_tools_ask_is_known() {
        assert!(is_recon("GET /serviceprincipals/{id}/owners") && !is_recon("GET /users/{id}/messages"));
    }
}
