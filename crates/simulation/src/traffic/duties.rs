//! What applications call directory APIs for, each duty with the few things it asks for again and again.
//!
//! Letters in braces stand for object ids: see [`Uri`](crate::envelopes::Uri).

use crate::envelopes::Api;

/// When a duty is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// All the time that a token lasts.
    Always,
    /// The same, mostly while people work.
    OfficeHours,
    /// Once a night, as fast as it goes, with a token taken for it.
    Nightly,
    /// In each run, as fast as it goes.
    EachRun,
}

/// The change of the directory that a successful call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    User,
    JoinGroup,
    LeaveGroup,
}

/// One thing that a duty asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) uri: &'static str,
    /// How often, relative to the duty's other ones.
    pub(crate) weight: u32,
    /// Bytes of an answer, at most.
    pub(crate) bytes: u32,
    /// The address of the following pages, if there can be some.
    pub(crate) next: Option<&'static str>,
    pub(crate) write: Option<Write>,
}

/// One duty.
#[derive(Debug)]
pub(crate) struct Duty {
    pub(crate) name: &'static str,
    /// Application roles that it needs.
    pub(crate) roles: &'static str,
    pub(crate) api: Api,
    pub(crate) rhythm: Rhythm,
    /// How much more it asks for than others, in tenths.
    pub(crate) size: u32,
    pub(crate) asks: &'static [Ask],
}

macro_rules! graph {
    ($path:literal) => {
        concat!("https://graph.microsoft.com/v1.0/", $path)
    };
}

const fn get(uri: &'static str, weight: u32, bytes: u32) -> Ask {
    Ask { method: "GET", uri, weight, bytes, next: None, write: None }
}

const fn paged(uri: &'static str, next: &'static str, weight: u32, bytes: u32) -> Ask {
    Ask { next: Some(next), ..get(uri, weight, bytes) }
}

const fn send(method: &'static str, uri: &'static str, weight: u32) -> Ask {
    Ask { method, ..get(uri, weight, 300) }
}

const fn write(method: &'static str, uri: &'static str, weight: u32, write: Write) -> Ask {
    Ask { write: Some(write), ..send(method, uri, weight) }
}

const USERS: &str = graph!("users?$select=id,displayName,mail,accountEnabled&$top=999");
const USERS_NEXT: &str = graph!("users?$select=id,displayName,mail,accountEnabled&$top=999&$skiptoken={p}");
const GROUPS: &str = graph!("groups?$top=999");
const GROUPS_NEXT: &str = graph!("groups?$top=999&$skiptoken={p}");

/// All duties.
pub(crate) const DUTIES: &[Duty] = &[
    Duty {
        name: "directorySync",
        roles: "Group.Read.All User.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::Always,
        size: 10,
        asks: &[
            get(graph!("users/delta?$deltatoken={p}"), 40, 9_000),
            get(graph!("groups/delta?$deltatoken={p}"), 25, 5_000),
            get(graph!("groups/{g}/members?$top=999"), 15, 40_000),
            get(graph!("users/{u}?$select=id,department,manager"), 18, 900),
            paged(USERS, USERS_NEXT, 2, 700_000),
        ],
    },
    Duty {
        name: "hrSync",
        roles: "User.ReadWrite.All",
        api: Api::Graph,
        rhythm: Rhythm::Nightly,
        size: 6,
        asks: &[
            get(graph!("users/{u}?$select=id,employeeId,department"), 40, 900),
            write("PATCH", graph!("users/{u}"), 45, Write::User),
            send("PUT", graph!("users/{u}/manager/$ref"), 12),
            paged(USERS, USERS_NEXT, 3, 700_000),
        ],
    },
    Duty {
        name: "directoryBackup",
        roles: "Directory.Read.All Files.Read.All Mail.Read Sites.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::Nightly,
        size: 40,
        asks: &[
            paged(USERS, USERS_NEXT, 4, 700_000),
            paged(GROUPS, GROUPS_NEXT, 4, 500_000),
            get(graph!("groups/{g}/members?$top=999"), 12, 40_000),
            get(graph!("users/{u}/messages/delta?$deltatoken={p}"), 35, 400_000),
            get(graph!("users/{u}/drive/root/delta?token={p}"), 30, 200_000),
            get(graph!("users/{u}/messages/{n}/$value"), 12, 900_000),
            get(graph!("sites/{s}/lists?$top=200"), 3, 60_000),
        ],
    },
    Duty {
        name: "siemExport",
        roles: "AuditLog.Read.All SecurityAlert.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::Always,
        size: 12,
        asks: &[
            paged(
                graph!("auditLogs/signIns?$filter=createdDateTime ge 2026-01-01T00:00:00Z&$top=1000"),
                graph!("auditLogs/signIns?$top=1000&$skiptoken={p}"),
                40,
                2_000_000,
            ),
            paged(
                graph!("auditLogs/directoryAudits?$top=1000"),
                graph!("auditLogs/directoryAudits?$top=1000&$skiptoken={p}"),
                35,
                900_000,
            ),
            get(graph!("security/alerts_v2?$top=200"), 25, 60_000),
        ],
    },
    Duty {
        name: "mailRelay",
        roles: "Mail.Send",
        api: Api::Graph,
        rhythm: Rhythm::OfficeHours,
        size: 10,
        asks: &[
            send("POST", graph!("users/{m}/sendMail"), 90),
            get(graph!("users/{m}/mailFolders/inbox"), 10, 900),
        ],
    },
    Duty {
        name: "documentWorker",
        roles: "Files.ReadWrite.All Sites.Selected",
        api: Api::Graph,
        rhythm: Rhythm::OfficeHours,
        size: 12,
        asks: &[
            get(graph!("drives/{d}/root/children?$top=200"), 30, 90_000),
            get(graph!("drives/{d}/items/{n}/content"), 35, 3_000_000),
            send("PUT", graph!("drives/{d}/items/{n}/content"), 20),
            get(graph!("sites/{s}/lists/{l}/items?expand=fields"), 15, 120_000),
        ],
    },
    Duty {
        name: "monitoring",
        roles: "Organization.Read.All Reports.Read.All ServiceHealth.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::Always,
        size: 3,
        asks: &[
            get(graph!("subscribedSkus"), 30, 20_000),
            get(graph!("admin/serviceAnnouncement/healthOverviews"), 40, 30_000),
            get(graph!("organization"), 20, 5_000),
            get(graph!("reports/getOffice365ActiveUserCounts(period='D7')"), 10, 3_000),
        ],
    },
    Duty {
        name: "attackPathReview",
        roles: "AuditLog.Read.All Directory.Read.All RoleManagement.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::Nightly,
        size: 30,
        asks: &[
            paged(graph!("users?$top=999"), USERS_NEXT, 3, 700_000),
            paged(GROUPS, GROUPS_NEXT, 3, 500_000),
            paged(
                graph!("applications?$top=999"),
                graph!("applications?$top=999&$skiptoken={p}"),
                3,
                400_000,
            ),
            get(graph!("groups/{g}/members?$top=999"), 30, 40_000),
            get(graph!("groups/{g}/owners?$top=999"), 20, 3_000),
            get(graph!("servicePrincipals/{q}/owners?$top=999"), 20, 1_000),
            get(graph!("servicePrincipals/{q}/appRoleAssignedTo?$top=999"), 15, 9_000),
            get(graph!("roleManagement/directory/roleAssignments?$top=999"), 3, 60_000),
            get(graph!("devices/{v}/registeredOwners"), 3, 1_000),
        ],
    },
    Duty {
        name: "calendarService",
        roles: "Calendars.ReadWrite Place.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::OfficeHours,
        size: 10,
        asks: &[
            get(graph!("users/{u}/calendarView?$top=50"), 60, 30_000),
            send("POST", graph!("users/{u}/events"), 15),
            get(graph!("places/microsoft.graph.room?$top=100"), 10, 20_000),
            send("POST", graph!("subscriptions"), 5),
            send("PATCH", graph!("subscriptions/{k}"), 10),
        ],
    },
    Duty {
        name: "groupManagement",
        roles: "Group.ReadWrite.All GroupMember.ReadWrite.All",
        api: Api::Graph,
        rhythm: Rhythm::OfficeHours,
        size: 4,
        asks: &[
            get(graph!("groups/{g}/members?$top=999"), 40, 40_000),
            get(graph!("users/{u}/transitiveMemberOf"), 20, 9_000),
            write("POST", graph!("groups/{g}/members/$ref"), 25, Write::JoinGroup),
            write("DELETE", graph!("groups/{g}/members/{u}/$ref"), 15, Write::LeaveGroup),
        ],
    },
    Duty {
        name: "deployment",
        roles: "Application.ReadWrite.OwnedBy Directory.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::EachRun,
        size: 4,
        asks: &[
            get(graph!("applications/{a}"), 35, 6_000),
            get(graph!("servicePrincipals?$filter=appId eq '{a}'"), 25, 3_000),
            get(graph!("groups?$filter=displayName eq 'platform'"), 20, 1_000),
            get(graph!("applications/{a}/federatedIdentityCredentials"), 15, 900),
            get(graph!("domains"), 5, 900),
        ],
    },
    Duty {
        name: "licenceReport",
        roles: "Reports.Read.All User.Read.All",
        api: Api::Graph,
        rhythm: Rhythm::EachRun,
        size: 10,
        asks: &[
            paged(USERS, USERS_NEXT, 10, 700_000),
            get(graph!("users/{u}/licenseDetails"), 75, 3_000),
            get(graph!("subscribedSkus"), 15, 20_000),
        ],
    },
    Duty {
        name: "legacySync",
        roles: "Directory.Read.All",
        api: Api::Legacy,
        rhythm: Rhythm::Always,
        size: 5,
        asks: &[
            paged(
                "/v2/{t}/users?$top=100&api-version=1.6",
                "/v2/{t}/users?$top=100&$skiptoken={p}&api-version=1.6",
                25,
                90_000,
            ),
            get("/v2/{t}/groups/{g}/$links/members?api-version=1.6", 50, 20_000),
            get("/v2/{t}/tenantDetails?api-version=1.6", 25, 3_000),
        ],
    },
];

/// The duty of that name.
pub(crate) fn duty_of(name: &str) -> &'static Duty {
    DUTIES.iter().find(|duty| duty.name == name).unwrap_or(&DUTIES[0])
}
