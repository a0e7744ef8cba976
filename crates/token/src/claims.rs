//! What is written into tokens.

use std::fmt;

use base64::Engine as _;
use countersign_model::client::Resource;
use countersign_model::time::{SECOND, Timestamp};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use uuid::Uuid;

use crate::jwt::BASE64URL;

/// What issuers of v1.0 tokens start with. Azurite takes no other.
pub const V1_ISSUER_BASE: &str = "https://sts.windows.net";
/// `wids` of an application without directory roles.
pub const DEFAULT_WIDS: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
/// How far `iat` and `nbf` lie back, in seconds: Azurite compares without any tolerance.
pub const ISSUED_BACK_SECONDS: i64 = 300;

/// `iss`: `{base}/{tid}/` for version 1, `{base}/{tid}/v2.0` for version 2.
pub fn issuer(version: u8, base: &str, tenant_id: &str) -> String {
    match version {
        1 => format!("{base}/{tenant_id}/"),
        _ => format!("{base}/{tenant_id}/v2.0"),
    }
}

/// `aud`: the resource as asked for in a v1.0 token, its application id in a v2.0 token.
pub fn audience<'a>(resource: &'a Resource, requested: &'a str) -> &'a str {
    if resource.token_version == 2 { &resource.app_id } else { requested }
}

/// The text form of a request id that `uti`, `uniqueTokenIdentifier` and `SignInActivityId` share: base64url of the
/// GUID in .NET's byte order, the first three groups little-endian. 22 characters.
pub fn uti(request_id: Uuid) -> String {
    BASE64URL.encode(request_id.to_bytes_le())
}

/// The request id that [`uti`] made a text of.
pub fn request_of_uti(text: &str) -> Option<Uuid> {
    let bytes: [u8; 16] = BASE64URL.decode(text).ok()?.try_into().ok()?;
    Some(Uuid::from_bytes_le(bytes))
}

/// How the client proved who it is: `appidacr` and `azpacr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientProof {
    /// Not at all.
    Public,
    /// By a secret.
    Secret,
    /// By an assertion: certificate or federated.
    Assertion,
}

impl ClientProof {
    /// The claim's text.
    pub fn acr(self) -> &'static str {
        match self {
            ClientProof::Public => "0",
            ClientProof::Secret => "1",
            ClientProof::Assertion => "2",
        }
    }
}

/// Who the token is issued to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIds<'a> {
    /// `client_id`: `appid` or `azp`.
    pub app_id: &'a str,
    /// Object id of its service principal: `oid` and `sub` of an application's token.
    pub principal_id: &'a str,
    /// `app_displayname`.
    pub display_name: &'a str,
}

/// The user of a delegated token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserPart<'a> {
    /// Object id: `oid` and `sub`.
    pub oid: &'a str,
    /// `name`.
    pub name: &'a str,
    /// `upn` and `unique_name`, in a v2.0 token `preferred_username`.
    pub upn: &'a str,
    /// `scp`.
    pub scopes: &'a [String],
}

/// The claim of a token for continuous access evaluation that names the credential it was issued for, so that the token ends
/// with it. Our own: Entra keeps that to itself.
pub const CREDENTIAL_CLAIM: &str = "countersign_key_id";
/// Our own claim: how often tokens of the client had been ended when this one was issued; not there for never. A resource that
/// knows of more refuses it.
pub const GENERATION_CLAIM: &str = "countersign_generation";

/// An access token's claims. Serialise it with [`crate::keys::SigningKey::sign`].
#[derive(Clone, Copy, Debug)]
pub struct AccessToken<'a> {
    /// 1 or 2: [`Resource::token_version`].
    pub version: u8,
    /// What `iss` starts with: [`V1_ISSUER_BASE`], or the server's own base for version 2.
    pub issuer_base: &'a str,
    /// `tid`.
    pub tenant_id: &'a str,
    /// The client.
    pub client: ClientIds<'a>,
    /// `aud`, by [`audience`].
    pub audience: &'a str,
    /// `roles`: values of the application roles granted on the resource, or of the user's.
    pub roles: &'a [String],
    /// `wids`: template ids of directory roles; none gives [`DEFAULT_WIDS`].
    pub directory_roles: &'a [String],
    /// How the client proved who it is.
    pub proof: ClientProof,
    /// The token is for continuous access evaluation, `xms_cc`, and comes of this credential if of any:
    /// [`CREDENTIAL_CLAIM`].
    pub cae: Option<Option<&'a str>>,
    /// [`GENERATION_CLAIM`].
    pub generation: u64,
    /// When it is issued. `iat` and `nbf` are 5 minutes earlier.
    pub issued_at: Timestamp,
    /// Seconds since 1970 that `iat` and `nbf` are not before: a challenge asked for that. At most the time of issue.
    pub not_before_min: Option<i64>,
    /// How long it holds from `issued_at` on, in seconds.
    pub lifetime_seconds: i64,
    /// `uti`, by [`uti`].
    pub uti: &'a str,
    /// The user, unless the token is the application's own.
    pub user: Option<UserPart<'a>>,
}

impl AccessToken<'_> {
    /// `exp`, in seconds since 1970.
    pub fn expires_on(&self) -> i64 {
        self.issued_at.0.div_euclid(SECOND) + self.lifetime_seconds
    }

    /// `nbf` and `iat`, in seconds since 1970.
    pub fn not_before(&self) -> i64 {
        let issued = self.issued_at.0.div_euclid(SECOND);
        let early = issued - ISSUED_BACK_SECONDS;
        self.not_before_min.map_or(early, |min| min.clamp(early, issued))
    }
}

impl Serialize for AccessToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (v1, client, tid) = (self.version == 1, &self.client, self.tenant_id);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("aud", self.audience)?;
        if v1 {
            map.serialize_entry("iss", &format_args!("{}/{tid}/", self.issuer_base))?;
        } else {
            map.serialize_entry("iss", &format_args!("{}/{tid}/v2.0", self.issuer_base))?;
        }
        map.serialize_entry("iat", &self.not_before())?;
        map.serialize_entry("nbf", &self.not_before())?;
        map.serialize_entry("exp", &self.expires_on())?;
        // Opaque to everyone but the issuer, who does not read it either.
        map.serialize_entry("aio", &format_args!("k2{}", self.uti))?;
        map.serialize_entry("app_displayname", client.display_name)?;
        let (app_id, acr) = if v1 { ("appid", "appidacr") } else { ("azp", "azpacr") };
        map.serialize_entry(app_id, client.app_id)?;
        map.serialize_entry(acr, self.proof.acr())?;
        let oid = match self.user {
            None => {
                map.serialize_entry("idp", &format_args!("{V1_ISSUER_BASE}/{tid}/"))?;
                map.serialize_entry("idtyp", "app")?;
                client.principal_id
            }
            Some(user) => {
                map.serialize_entry("idtyp", "user")?;
                map.serialize_entry("name", user.name)?;
                map.serialize_entry("scp", &Spaced(user.scopes))?;
                if v1 {
                    map.serialize_entry("unique_name", user.upn)?;
                    map.serialize_entry("upn", user.upn)?;
                } else {
                    map.serialize_entry("preferred_username", user.upn)?;
                }
                user.oid
            }
        };
        if self.generation > 0 {
            map.serialize_entry(GENERATION_CLAIM, &self.generation)?;
        }
        map.serialize_entry("oid", oid)?;
        map.serialize_entry("rh", &format_args!("1.{}.", self.uti))?;
        if !self.roles.is_empty() {
            map.serialize_entry("roles", self.roles)?;
        }
        map.serialize_entry("sub", oid)?;
        map.serialize_entry("tid", tid)?;
        map.serialize_entry("uti", self.uti)?;
        map.serialize_entry("ver", if v1 { "1.0" } else { "2.0" })?;
        if self.directory_roles.is_empty() {
            map.serialize_entry("wids", &[DEFAULT_WIDS])?;
        } else {
            map.serialize_entry("wids", self.directory_roles)?;
        }
        if let Some(credential) = self.cae {
            if let Some(key_id) = credential {
                map.serialize_entry(CREDENTIAL_CLAIM, key_id)?;
            }
            map.serialize_entry("xms_cc", &["cp1"])?;
        }
        map.end()
    }
}

/// Texts with blanks between them.
struct Spaced<'a>(&'a [String]);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{text}")?;
        }
        Ok(())
    }
}

impl Serialize for Spaced<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An id token's claims (OIDC Core section 2), version 2.0.
#[derive(Clone, Copy, Debug)]
pub struct IdToken<'a> {
    /// What `iss` starts with: the server's own base.
    pub issuer_base: &'a str,
    /// `tid`.
    pub tenant_id: &'a str,
    /// `aud`: the client's application id.
    pub app_id: &'a str,
    /// The user; the scopes are not written.
    pub user: UserPart<'a>,
    /// `roles`: values of the client's own application roles that the user has.
    pub roles: &'a [String],
    /// `nonce` of the authorization request.
    pub nonce: Option<&'a str>,
    /// When the user signed in.
    pub auth_time: Timestamp,
    /// When it is issued. `iat` and `nbf` are 5 minutes earlier.
    pub issued_at: Timestamp,
    /// How long it holds from `issued_at` on, in seconds.
    pub lifetime_seconds: i64,
    /// `uti`, by [`uti`].
    pub uti: &'a str,
}

impl Serialize for IdToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let issued = self.issued_at.0.div_euclid(SECOND);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("aud", self.app_id)?;
        map.serialize_entry("iss", &format_args!("{}/{}/v2.0", self.issuer_base, self.tenant_id))?;
        map.serialize_entry("iat", &(issued - ISSUED_BACK_SECONDS))?;
        map.serialize_entry("nbf", &(issued - ISSUED_BACK_SECONDS))?;
        map.serialize_entry("exp", &(issued + self.lifetime_seconds))?;
        map.serialize_entry("auth_time", &self.auth_time.0.div_euclid(SECOND))?;
        map.serialize_entry("name", self.user.name)?;
        if let Some(nonce) = self.nonce {
            map.serialize_entry("nonce", nonce)?;
        }
        map.serialize_entry("oid", self.user.oid)?;
        map.serialize_entry("preferred_username", self.user.upn)?;
        if !self.roles.is_empty() {
            map.serialize_entry("roles", self.roles)?;
        }
        map.serialize_entry("sub", self.user.oid)?;
        map.serialize_entry("tid", self.tenant_id)?;
        map.serialize_entry("uti", self.uti)?;
        map.serialize_entry("ver", "2.0")?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    fn token<'a>() -> AccessToken<'a> {
        AccessToken {
            version: 1,
            issuer_base: V1_ISSUER_BASE,
            tenant_id: TENANT,
            client: ClientIds { app_id: "app", principal_id: "principal", display_name: "Robot" },
            audience: "https://graph.microsoft.com",
            roles: &[],
            directory_roles: &[],
            proof: ClientProof::Secret,
            cae: None,
            generation: 0,
            not_before_min: None,
            issued_at: Timestamp(1_780_000_000_900_000),
            lifetime_seconds: 3_599,
            uti: "N2jT94if-kGJzdwWp8mqAA",
            user: None,
        }
    }

    #[test]
    fn uti_is_the_request_in_the_byte_order_of_dotnet() {
        let id = Uuid::parse_str("f7d36837-9f88-41fa-89cd-dc16a7c9aa00").unwrap();
        assert_eq!(uti(id), "N2jT94if-kGJzdwWp8mqAA");
        assert_eq!(request_of_uti("N2jT94if-kGJzdwWp8mqAA"), Some(id));
        for text in ["", "N2jT94if-kGJzdwWp8mq", "N2jT94if-kGJzdwWp8mqAAAA", "not base64url!"] {
            assert_eq!(request_of_uti(text), None, "{text}");
        }
    }

    #[test]
    fn an_application_token_of_version_1() {
        assert_eq!(
            serde_json::to_value(token()).unwrap(),
            json!({
                "aud": "https://graph.microsoft.com",
                "iss": format!("https://sts.windows.net/{TENANT}/"),
                "iat": 1_779_999_700, "nbf": 1_779_999_700, "exp": 1_780_003_599,
                "aio": "k2N2jT94if-kGJzdwWp8mqAA", "app_displayname": "Robot", "appid": "app", "appidacr": "1",
                "idp": format!("https://sts.windows.net/{TENANT}/"), "idtyp": "app",
                "oid": "principal", "rh": "1.N2jT94if-kGJzdwWp8mqAA.", "sub": "principal", "tid": TENANT,
                "uti": "N2jT94if-kGJzdwWp8mqAA", "ver": "1.0", "wids": [DEFAULT_WIDS],
            })
        );
    }

    #[test]
    fn an_application_token_of_version_2() {
        let (roles, wids) = (["Task.Read".to_owned()], ["role".to_owned()]);
        let token = AccessToken {
            version: 2,
            issuer_base: "https://id.example",
            roles: &roles,
            directory_roles: &wids,
            proof: ClientProof::Assertion,
            cae: Some(Some("key")),
            generation: 7,
            ..token()
        };
        let claims = serde_json::to_value(token).unwrap();
        assert_eq!(claims["iss"], format!("https://id.example/{TENANT}/v2.0"));
        assert_eq!(
            (&claims["azp"], &claims["azpacr"], &claims["ver"]),
            (&json!("app"), &json!("2"), &json!("2.0"))
        );
        assert_eq!(claims["roles"], json!(["Task.Read"]));
        assert_eq!(claims["wids"], json!(["role"]));
        assert_eq!(claims["xms_cc"], json!(["cp1"]));
        assert_eq!(claims[CREDENTIAL_CLAIM], "key");
        assert_eq!(claims[GENERATION_CLAIM], 7);
        assert!(claims.get("appid").is_none());
    }

    #[test]
    fn a_user_token() {
        let scopes = ["User.Read".to_owned(), "Mail.Send".to_owned()];
        let user = UserPart { oid: "user", name: "Ada", upn: "ada@example.com", scopes: &scopes };
        let claims = serde_json::to_value(AccessToken { user: Some(user), ..token() }).unwrap();
        assert_eq!(claims["scp"], "User.Read Mail.Send");
        assert_eq!((&claims["oid"], &claims["sub"]), (&json!("user"), &json!("user")));
        assert_eq!((&claims["upn"], &claims["idtyp"]), (&json!("ada@example.com"), &json!("user")));
        let id = IdToken {
            issuer_base: "https://id.example",
            tenant_id: TENANT,
            app_id: "app",
            user,
            roles: &[],
            nonce: Some("n"),
            auth_time: Timestamp(1_780_000_000_000_000),
            issued_at: Timestamp(1_780_000_000_000_000),
            lifetime_seconds: 3_600,
            uti: "u",
        };
        let claims = serde_json::to_value(id).unwrap();
        assert_eq!(claims["iss"], issuer(2, "https://id.example", TENANT));
        assert_eq!((&claims["aud"], &claims["nonce"]), (&json!("app"), &json!("n")));
        assert_eq!((&claims["exp"], &claims["nbf"]), (&json!(1_780_003_600), &json!(1_779_999_700)));
    }

    #[test]
    fn the_resource_decides_the_audience() {
        let mut resource = Resource {
            id: String::new(),
            app_id: "id".to_owned(),
            display_name: String::new(),
            owner_tenant_id: None,
            token_version: 1,
            assignment_required: false,
            account_enabled: true,
            app_roles: std::collections::HashMap::new(),
            scopes: Vec::new(),
            asks_for_capabilities: false,
            names: Vec::new(),
        };
        assert_eq!(audience(&resource, "api://x/"), "api://x/");
        resource.token_version = 2;
        assert_eq!(audience(&resource, "api://x/"), "id");
    }
}
