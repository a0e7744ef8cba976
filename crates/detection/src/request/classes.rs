//! What a request to Microsoft Graph or to the legacy directory API is about: its class, read from its path.
//!
//! The path is walked word by word after host and version (`/v1.0`, `/beta`) or, on the legacy API, after
//! `/v2/<tenant>` or `/<tenant>`. Each word that is in [`SEGMENTS`] may set the class ([`class_after`]); the
//! last that does decides. The word after a keyed collection is an id, unless it is a function. Keys may
//! stand in brackets behind the word (`users('…')`, `applications(appId='…')`), and file paths between colons
//! (`root:/…:/children`): both are cut off before a word is looked up. Words are compared in lower case.

/// Class of a request. The first [`DIRECTORY_CLASSES`] are the directory itself, whose breadth tells
/// enumeration (design, 11.3); the others are data and settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Class {
    /// Users.
    Users,
    /// Groups.
    Groups,
    /// Memberships and owners.
    Memberships,
    /// Applications.
    Applications,
    /// Service principals.
    ServicePrincipals,
    /// Directory roles.
    Roles,
    /// App role assignments.
    AppRoleAssignments,
    /// Delegated permission grants.
    PermissionGrants,
    /// Devices.
    Devices,
    /// Organization and domains.
    Organization,
    /// Conditional access and policies.
    Policies,
    /// Administrative units.
    AdministrativeUnits,
    /// Identity protection.
    IdentityProtection,
    /// Audit and sign-in logs.
    AuditLogs,
    /// Mail.
    Mail,
    /// Sending of mail.
    MailSend,
    /// Mailbox settings.
    MailboxSettings,
    /// Files.
    Files,
    /// Sites and lists.
    Sites,
    /// Calendars.
    Calendar,
    /// Contacts.
    Contacts,
    /// Chats and channel messages.
    Chats,
    /// Teams and channels.
    Teams,
    /// Notebooks.
    Notes,
    /// Tasks and plans.
    Tasks,
    /// Usage reports.
    Reports,
    /// Security alerts.
    SecurityAlerts,
    /// Hunting queries.
    ThreatHunting,
    /// Device management.
    DeviceManagement,
    /// Device scripts.
    DeviceScripts,
    /// Change subscriptions.
    Subscriptions,
    /// Search.
    Search,
    /// Printing.
    Print,
    /// Education.
    Education,
    /// Identity governance.
    Governance,
    /// Recovery keys and local passwords.
    Secrets,
    /// Synchronization.
    Synchronization,
    /// Cross-tenant access.
    CrossTenantAccess,
    /// Authentication methods.
    AuthenticationMethods,
    /// Invitations.
    Invitations,
    /// Extensions and schema.
    Extensions,
    /// Cases and searches of eDiscovery.
    EDiscovery,
    /// Labels and protection.
    InformationProtection,
    /// Cloud PCs.
    CloudPcs,
    /// Calls and meetings.
    Communications,
    /// Bookings.
    Bookings,
    /// External connections.
    Connectors,
    /// Terms of use.
    Agreements,
    /// Certificate authorities.
    Certificates,
    /// Partner relationships.
    TenantRelationships,
    /// Federation settings.
    Federation,
    /// Directory objects of any kind.
    DirectoryObjects,
    /// User flows.
    UserFlows,
    /// On-premises publishing.
    OnPremises,
    /// Rooms and places.
    Places,
    /// Insights and activities.
    Insights,
    /// Backup and restore.
    Backup,
    /// Assistant conversations.
    Copilot,
    /// Batches.
    Batch,
    /// Other requests.
    Other,
}

/// Classes of the directory: the first of [`CLASSES`].
pub(crate) const DIRECTORY_CLASSES: usize = 14;

/// What is known of a class.
pub(crate) struct Row {
    /// The class: rows stand in its order.
    pub(crate) class: Class,
    /// As people call it.
    pub(crate) name: &'static str,
    /// Content of people or secrets: worth stealing in bulk, so that volume alone counts (design, 11.3).
    pub(crate) sensitive: bool,
}

const fn row(class: Class, name: &'static str, sensitive: bool) -> Row {
    Row { class, name, sensitive }
}

/// By [`Class`].
pub(crate) const CLASSES: [Row; 60] = [
    row(Class::Users, "users", false),
    row(Class::Groups, "groups", false),
    row(Class::Memberships, "memberships and owners", false),
    row(Class::Applications, "applications", false),
    row(Class::ServicePrincipals, "service principals", false),
    row(Class::Roles, "directory roles", false),
    row(Class::AppRoleAssignments, "app role assignments", false),
    row(Class::PermissionGrants, "delegated permission grants", false),
    row(Class::Devices, "devices", false),
    row(Class::Organization, "organization and domains", false),
    row(Class::Policies, "conditional access and policies", false),
    row(Class::AdministrativeUnits, "administrative units", false),
    row(Class::IdentityProtection, "identity protection", false),
    row(Class::AuditLogs, "audit and sign-in logs", false),
    row(Class::Mail, "mail", true),
    row(Class::MailSend, "sending of mail", true),
    row(Class::MailboxSettings, "mailbox settings", true),
    row(Class::Files, "files", true),
    row(Class::Sites, "sites and lists", true),
    row(Class::Calendar, "calendars", true),
    row(Class::Contacts, "contacts", true),
    row(Class::Chats, "chats and channel messages", true),
    row(Class::Teams, "teams and channels", false),
    row(Class::Notes, "notebooks", true),
    row(Class::Tasks, "tasks and plans", false),
    row(Class::Reports, "usage reports", false),
    row(Class::SecurityAlerts, "security alerts", false),
    row(Class::ThreatHunting, "hunting queries", true),
    row(Class::DeviceManagement, "device management", false),
    row(Class::DeviceScripts, "device scripts", true),
    row(Class::Subscriptions, "change subscriptions", false),
    row(Class::Search, "search", true),
    row(Class::Print, "printing", false),
    row(Class::Education, "education", false),
    row(Class::Governance, "identity governance", false),
    row(Class::Secrets, "recovery keys and local passwords", true),
    row(Class::Synchronization, "synchronization", false),
    row(Class::CrossTenantAccess, "cross-tenant access", false),
    row(Class::AuthenticationMethods, "authentication methods", true),
    row(Class::Invitations, "invitations", false),
    row(Class::Extensions, "extensions and schema", false),
    row(Class::EDiscovery, "eDiscovery", true),
    row(Class::InformationProtection, "labels and protection", false),
    row(Class::CloudPcs, "cloud PCs", false),
    row(Class::Communications, "calls and meetings", true),
    row(Class::Bookings, "bookings", false),
    row(Class::Connectors, "external connections", false),
    row(Class::Agreements, "terms of use", false),
    row(Class::Certificates, "certificate authorities", false),
    row(Class::TenantRelationships, "partner relationships", false),
    row(Class::Federation, "federation settings", false),
    row(Class::DirectoryObjects, "directory objects of any kind", false),
    row(Class::UserFlows, "user flows", false),
    row(Class::OnPremises, "on-premises publishing", false),
    row(Class::Places, "rooms and places", false),
    row(Class::Insights, "insights and activities", true),
    row(Class::Backup, "backup and restore", true),
    row(Class::Copilot, "assistant conversations", true),
    row(Class::Batch, "batches", false),
    row(Class::Other, "other requests", false),
];

impl Class {
    /// The classes of the directory.
    pub(crate) fn directory() -> impl Iterator<Item = Class> {
        CLASSES[..DIRECTORY_CLASSES].iter().map(|row| row.class)
    }

    /// Its place in [`CLASSES`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// As people call it.
    pub(crate) fn name(self) -> &'static str {
        CLASSES[self.index()].name
    }

    /// True for the directory itself.
    pub(crate) fn is_directory(self) -> bool {
        self.index() < DIRECTORY_CLASSES
    }

    /// True for content of people and for secrets.
    pub(crate) fn is_sensitive(self) -> bool {
        CLASSES[self.index()].sensitive
    }
}

/// Part that a word plays in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A collection: the next word is an id.
    Keyed,
    /// A single thing, or a step on the way: the next word is a word.
    Navigation,
    /// A function, an action or an OData option: no id follows, and it may follow a collection directly.
    Function,
}

/// What a word of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Part that it plays.
    pub(crate) kind: Kind,
    /// Class that it selects; `None` leaves the class as it is.
    pub(crate) class: Option<Class>,
}

const fn keyed(class: Option<Class>) -> Segment {
    Segment { kind: Kind::Keyed, class }
}

const fn navigation(class: Option<Class>) -> Segment {
    Segment { kind: Kind::Navigation, class }
}

const fn function(class: Option<Class>) -> Segment {
    Segment { kind: Kind::Function, class }
}

/// Words of paths in lower case, sorted. Both APIs share them: words of the legacy API alone
/// (`tenantdetails`, `eligibleroleassignments`, `$links`) mean nothing else on Graph.
pub(crate) const SEGMENTS: &[(&str, Segment)] = &[
    ("$batch", navigation(Some(Class::Batch))),
    ("$count", function(None)),
    ("$links", function(None)),
    ("$metadata", function(None)),
    ("$ref", function(None)),
    ("$value", function(None)),
    ("acceptedsenders", keyed(Some(Class::Memberships))),
    ("accesspackageassignments", keyed(Some(Class::Governance))),
    ("accesspackagecatalogs", keyed(Some(Class::Governance))),
    ("accesspackages", keyed(Some(Class::Governance))),
    ("accessreviewpolicy", navigation(Some(Class::Policies))),
    ("accessreviews", keyed(Some(Class::Governance))),
    ("activities", navigation(Some(Class::AuditLogs))),
    ("activitybasedtimeoutpolicies", keyed(Some(Class::Policies))),
    ("addkey", function(None)),
    ("addpassword", function(None)),
    ("addtokensigningcertificate", function(None)),
    ("admin", navigation(None)),
    ("adminconsentrequestpolicy", navigation(Some(Class::Policies))),
    ("administrativeunits", keyed(Some(Class::AdministrativeUnits))),
    ("agentgroups", keyed(Some(Class::OnPremises))),
    ("agentriskdetections", keyed(Some(Class::IdentityProtection))),
    ("agreementacceptances", keyed(Some(Class::Agreements))),
    ("agreements", keyed(Some(Class::Agreements))),
    ("alerts", keyed(Some(Class::SecurityAlerts))),
    ("alerts_v2", keyed(Some(Class::SecurityAlerts))),
    ("allchannels", keyed(Some(Class::Teams))),
    ("analytics", navigation(None)),
    ("apiconnectors", keyed(Some(Class::UserFlows))),
    ("appcatalogs", navigation(Some(Class::Teams))),
    ("appconsent", navigation(Some(Class::Governance))),
    ("appconsentrequests", keyed(Some(Class::Governance))),
    ("applicationrefs", keyed(Some(Class::Applications))),
    ("applications", keyed(Some(Class::Applications))),
    ("applicationtemplates", keyed(Some(Class::Applications))),
    ("appmanagementpolicies", keyed(Some(Class::Policies))),
    ("appointments", keyed(Some(Class::Bookings))),
    ("approleassignedresources", keyed(Some(Class::AppRoleAssignments))),
    ("approleassignedto", keyed(Some(Class::AppRoleAssignments))),
    ("approleassignments", keyed(Some(Class::AppRoleAssignments))),
    ("assign", function(None)),
    ("assignlicense", function(None)),
    ("assignmentrequests", keyed(Some(Class::Governance))),
    ("assignments", keyed(Some(Class::Education))),
    ("associatedteams", keyed(Some(Class::Teams))),
    ("attachments", keyed(None)),
    ("attacksimulation", navigation(Some(Class::SecurityAlerts))),
    ("attributesets", keyed(Some(Class::Extensions))),
    ("auditevents", keyed(Some(Class::AuditLogs))),
    ("auditlogs", navigation(Some(Class::AuditLogs))),
    ("authentication", navigation(Some(Class::AuthenticationMethods))),
    ("authenticationcontextclassreferences", keyed(Some(Class::Policies))),
    ("authenticationeventlisteners", keyed(Some(Class::UserFlows))),
    ("authenticationeventsflows", keyed(Some(Class::UserFlows))),
    ("authenticationflowspolicy", navigation(Some(Class::Policies))),
    ("authenticationmethodconfigurations", keyed(Some(Class::Policies))),
    ("authenticationmethods", navigation(Some(Class::AuthenticationMethods))),
    ("authenticationmethodspolicy", navigation(Some(Class::Policies))),
    ("authenticationstrength", navigation(Some(Class::Policies))),
    ("authenticationstrengthpolicies", keyed(Some(Class::Policies))),
    ("authorizationpolicy", navigation(Some(Class::Policies))),
    ("b2cuserflows", keyed(Some(Class::UserFlows))),
    ("b2xuserflows", keyed(Some(Class::UserFlows))),
    ("backuprestore", navigation(Some(Class::Backup))),
    ("bitlocker", navigation(Some(Class::Secrets))),
    ("bookingbusinesses", keyed(Some(Class::Bookings))),
    ("bookingcurrencies", keyed(Some(Class::Bookings))),
    ("branding", navigation(Some(Class::Organization))),
    ("buckets", keyed(Some(Class::Tasks))),
    ("bundles", keyed(None)),
    ("calendar", navigation(Some(Class::Calendar))),
    ("calendargroups", keyed(Some(Class::Calendar))),
    ("calendars", keyed(Some(Class::Calendar))),
    ("calendarview", keyed(Some(Class::Calendar))),
    ("callrecords", keyed(Some(Class::Communications))),
    ("calls", keyed(Some(Class::Communications))),
    ("cases", navigation(Some(Class::EDiscovery))),
    ("certificateauthorities", keyed(Some(Class::Certificates))),
    ("certificatebasedapplicationconfigurations", keyed(Some(Class::Certificates))),
    ("certificatebasedauthconfiguration", keyed(Some(Class::Certificates))),
    ("changepassword", function(None)),
    ("channels", keyed(Some(Class::Teams))),
    ("chats", keyed(Some(Class::Chats))),
    ("checkin", function(None)),
    ("checklistitems", keyed(Some(Class::Tasks))),
    ("checkmembergroups", function(Some(Class::Memberships))),
    ("checkmemberobjects", function(Some(Class::Memberships))),
    ("checkout", function(None)),
    ("childfolders", keyed(Some(Class::Mail))),
    ("children", keyed(None)),
    ("claimsmappingpolicies", keyed(Some(Class::Policies))),
    ("classes", keyed(Some(Class::Education))),
    ("cloudpcs", keyed(Some(Class::CloudPcs))),
    ("columns", keyed(Some(Class::Sites))),
    ("communications", navigation(Some(Class::Communications))),
    ("compliance", navigation(Some(Class::EDiscovery))),
    ("conditionalaccess", navigation(Some(Class::Policies))),
    ("conditionalaccesspolicies", keyed(Some(Class::Policies))),
    ("configurationpolicies", keyed(Some(Class::DeviceManagement))),
    ("confirmcompromised", function(Some(Class::IdentityProtection))),
    ("confirmsafe", function(Some(Class::IdentityProtection))),
    ("connectedorganizations", keyed(Some(Class::Governance))),
    ("connections", keyed(Some(Class::Connectors))),
    ("connectorgroups", keyed(Some(Class::OnPremises))),
    ("connectors", keyed(Some(Class::Print))),
    ("contactfolders", keyed(Some(Class::Contacts))),
    ("contacts", keyed(Some(Class::Contacts))),
    ("containers", keyed(Some(Class::Files))),
    ("content", navigation(None)),
    ("contenttypes", keyed(Some(Class::Sites))),
    ("contracts", keyed(Some(Class::TenantRelationships))),
    ("conversations", keyed(Some(Class::Mail))),
    ("copilot", navigation(Some(Class::Copilot))),
    ("copy", function(None)),
    ("createdobjects", keyed(Some(Class::Memberships))),
    ("createforward", function(None)),
    ("createimportsession", function(Some(Class::Mail))),
    ("createlink", function(None)),
    ("createpasswordsinglesignoncredentials", function(None)),
    ("createreply", function(None)),
    ("createreplyall", function(None)),
    ("createuploadsession", function(None)),
    ("credentialuserregistrationdetails", keyed(Some(Class::AuthenticationMethods))),
    ("crosstenantaccesspolicy", navigation(Some(Class::CrossTenantAccess))),
    ("custodians", keyed(Some(Class::EDiscovery))),
    ("customauthenticationextensions", keyed(Some(Class::UserFlows))),
    ("customers", keyed(Some(Class::Bookings))),
    ("customsecurityattributeaudits", keyed(Some(Class::AuditLogs))),
    ("customsecurityattributedefinitions", keyed(Some(Class::Extensions))),
    ("datasecurityandgovernance", navigation(Some(Class::InformationProtection))),
    ("decisions", keyed(None)),
    ("defaultappmanagementpolicy", navigation(Some(Class::Policies))),
    ("definitions", keyed(None)),
    ("delegatedadmincustomers", keyed(Some(Class::TenantRelationships))),
    ("delegatedadminrelationships", keyed(Some(Class::TenantRelationships))),
    ("delegatedpermissionclassifications", keyed(None)),
    ("delegatedpermissiongrants", keyed(Some(Class::PermissionGrants))),
    ("deletedapplications", keyed(Some(Class::Applications))),
    ("deleteditems", keyed(Some(Class::DirectoryObjects))),
    ("delta", function(None)),
    ("detectedapps", keyed(Some(Class::DeviceManagement))),
    ("deviceappmanagement", navigation(Some(Class::DeviceManagement))),
    ("devicecategories", keyed(Some(Class::DeviceManagement))),
    ("devicecompliancepolicies", keyed(Some(Class::DeviceManagement))),
    ("deviceconfigurations", keyed(Some(Class::DeviceManagement))),
    ("devicecustomattributeshellscripts", keyed(Some(Class::DeviceScripts))),
    ("deviceenrollmentconfigurations", keyed(Some(Class::DeviceManagement))),
    ("devicehealthscripts", keyed(Some(Class::DeviceScripts))),
    ("devicelocalcredentials", keyed(Some(Class::Secrets))),
    ("devicemanagement", navigation(Some(Class::DeviceManagement))),
    ("devicemanagementscripts", keyed(Some(Class::DeviceScripts))),
    ("deviceregistrationpolicy", navigation(Some(Class::Policies))),
    ("devices", keyed(Some(Class::Devices))),
    ("deviceshellscripts", keyed(Some(Class::DeviceScripts))),
    ("directory", navigation(None)),
    ("directoryaudits", keyed(Some(Class::AuditLogs))),
    ("directoryfederationconfigurations", keyed(Some(Class::Federation))),
    ("directoryobjects", keyed(Some(Class::DirectoryObjects))),
    ("directoryroles", keyed(Some(Class::Roles))),
    ("directoryroletemplates", keyed(Some(Class::Roles))),
    ("directorysettings", keyed(Some(Class::Organization))),
    ("directorysettingtemplates", keyed(Some(Class::Organization))),
    ("directreports", keyed(Some(Class::Users))),
    ("dismiss", function(None)),
    ("domaindnsrecords", keyed(Some(Class::Organization))),
    ("domainnamereferences", keyed(Some(Class::Organization))),
    ("domains", keyed(Some(Class::Organization))),
    ("drive", navigation(Some(Class::Files))),
    ("driveitem", navigation(Some(Class::Files))),
    ("drives", keyed(Some(Class::Files))),
    ("ediscovery", navigation(Some(Class::EDiscovery))),
    ("ediscoverycases", keyed(Some(Class::EDiscovery))),
    ("education", navigation(Some(Class::Education))),
    ("eligibleroleassignments", keyed(Some(Class::Roles))),
    ("emailmethods", keyed(Some(Class::AuthenticationMethods))),
    ("employeeexperience", navigation(Some(Class::Insights))),
    ("endpoints", keyed(None)),
    ("entitlementmanagement", navigation(Some(Class::Governance))),
    ("events", keyed(Some(Class::Calendar))),
    ("exportitems", function(Some(Class::Mail))),
    ("exportpersonaldata", function(None)),
    ("extensionproperties", keyed(None)),
    ("extensions", keyed(Some(Class::Extensions))),
    ("external", navigation(Some(Class::Connectors))),
    ("featurerolloutpolicies", keyed(Some(Class::Policies))),
    ("federatedidentitycredentials", keyed(None)),
    ("federationconfiguration", keyed(Some(Class::Federation))),
    ("fido2methods", keyed(Some(Class::AuthenticationMethods))),
    ("filesfolder", navigation(Some(Class::Teams))),
    ("filestorage", navigation(Some(Class::Files))),
    ("findmeetingtimes", function(Some(Class::Calendar))),
    ("findroomlists", function(Some(Class::Places))),
    ("findrooms", function(Some(Class::Places))),
    ("findtenantinformationbydomainname", function(Some(Class::TenantRelationships))),
    ("findtenantinformationbytenantid", function(Some(Class::TenantRelationships))),
    ("following", keyed(Some(Class::Files))),
    ("forward", function(None)),
    ("getallenterpriseinteractions", function(Some(Class::Copilot))),
    ("getallmessages", function(Some(Class::Chats))),
    ("getallretainedmessages", function(Some(Class::Chats))),
    ("getallsites", function(Some(Class::Sites))),
    ("getavailableextensionproperties", function(Some(Class::DirectoryObjects))),
    ("getbyids", function(Some(Class::DirectoryObjects))),
    ("getbypath", function(Some(Class::Sites))),
    ("getemailactivityuserdetail", function(Some(Class::Reports))),
    ("getfilevaultkey", function(Some(Class::Secrets))),
    ("getmailboxusagedetail", function(Some(Class::Reports))),
    ("getmailtips", function(Some(Class::Mail))),
    ("getmembergroups", function(Some(Class::Memberships))),
    ("getmemberobjects", function(Some(Class::Memberships))),
    ("getobjectsbyobjectids", function(Some(Class::DirectoryObjects))),
    ("getoffice365activeuserdetail", function(Some(Class::Reports))),
    ("getonedriveusageaccountdetail", function(Some(Class::Reports))),
    ("getpasswordsinglesignoncredentials", function(None)),
    ("getschedule", function(Some(Class::Calendar))),
    ("getsharepointsiteusagedetail", function(Some(Class::Reports))),
    ("getteamsuseractivityuserdetail", function(Some(Class::Reports))),
    ("grouppolicyconfigurations", keyed(Some(Class::DeviceManagement))),
    ("groups", keyed(Some(Class::Groups))),
    ("groupsettings", keyed(Some(Class::Organization))),
    ("groupsettingtemplates", keyed(Some(Class::Organization))),
    ("healthoverviews", keyed(Some(Class::Reports))),
    ("homerealmdiscoverypolicies", keyed(Some(Class::Policies))),
    ("hostedcontents", keyed(Some(Class::Chats))),
    ("identity", navigation(None)),
    ("identitygovernance", navigation(Some(Class::Governance))),
    ("identityprotection", navigation(Some(Class::IdentityProtection))),
    ("identityproviders", keyed(Some(Class::Federation))),
    ("identityriskevents", keyed(Some(Class::IdentityProtection))),
    ("identitysecuritydefaultsenforcementpolicy", navigation(Some(Class::Policies))),
    ("inbox", navigation(Some(Class::Mail))),
    ("incidents", keyed(Some(Class::SecurityAlerts))),
    ("incomingchannels", keyed(Some(Class::Teams))),
    ("inferenceclassification", navigation(Some(Class::Mail))),
    ("inferenceclassificationoverrides", keyed(Some(Class::Mail))),
    ("informationprotection", navigation(Some(Class::InformationProtection))),
    ("inheritspermissionsfrom", keyed(Some(Class::Roles))),
    ("insights", navigation(Some(Class::Insights))),
    ("installedapps", keyed(Some(Class::Teams))),
    ("instances", keyed(None)),
    ("instantiate", function(None)),
    ("interactionhistory", navigation(Some(Class::Copilot))),
    ("invalidateallrefreshtokens", function(None)),
    ("invitations", keyed(Some(Class::Invitations))),
    ("invite", function(None)),
    ("ismemberof", function(Some(Class::Memberships))),
    ("issues", keyed(Some(Class::Reports))),
    ("items", keyed(None)),
    ("jobs", keyed(None)),
    ("joinedteams", keyed(Some(Class::Teams))),
    ("licensedetails", keyed(None)),
    ("lifecycleworkflows", navigation(Some(Class::Governance))),
    ("linkedresources", keyed(Some(Class::Tasks))),
    ("lists", keyed(Some(Class::Sites))),
    ("localcredentials", keyed(Some(Class::Secrets))),
    ("mailbox", navigation(Some(Class::Mail))),
    ("mailboxes", keyed(Some(Class::Mail))),
    ("mailboxsettings", navigation(Some(Class::MailboxSettings))),
    ("mailfolders", keyed(Some(Class::Mail))),
    ("mailtips", navigation(Some(Class::Mail))),
    ("managedapppolicies", keyed(Some(Class::DeviceManagement))),
    ("managedappregistrations", keyed(Some(Class::DeviceManagement))),
    ("manageddevices", keyed(Some(Class::DeviceManagement))),
    ("managedtenants", navigation(Some(Class::TenantRelationships))),
    ("manager", navigation(Some(Class::Users))),
    ("mastercategories", keyed(Some(Class::MailboxSettings))),
    ("me", navigation(Some(Class::Users))),
    ("memberof", keyed(Some(Class::Memberships))),
    ("members", keyed(Some(Class::Memberships))),
    ("memberswithlicenseerrors", keyed(Some(Class::Memberships))),
    ("messagerules", keyed(Some(Class::Mail))),
    ("messages", keyed(Some(Class::Mail))),
    ("methods", keyed(Some(Class::AuthenticationMethods))),
    ("microsoft.graph.query", function(Some(Class::Search))),
    ("microsoftauthenticatormethods", keyed(Some(Class::AuthenticationMethods))),
    ("mobileappconfigurations", keyed(Some(Class::DeviceManagement))),
    ("mobileapps", keyed(Some(Class::DeviceManagement))),
    ("multitenantorganization", navigation(Some(Class::CrossTenantAccess))),
    ("namedlocations", keyed(Some(Class::Policies))),
    ("noncustodialdatasources", keyed(Some(Class::EDiscovery))),
    ("notebooks", keyed(Some(Class::Notes))),
    ("oauth2permissiongrants", keyed(Some(Class::PermissionGrants))),
    ("onenote", navigation(Some(Class::Notes))),
    ("onlinemeetings", keyed(Some(Class::Communications))),
    ("onpremisespublishingprofiles", keyed(Some(Class::OnPremises))),
    ("onpremisessynchronization", navigation(Some(Class::Synchronization))),
    ("openextensions", keyed(Some(Class::Extensions))),
    ("organization", keyed(Some(Class::Organization))),
    ("outlook", navigation(Some(Class::MailboxSettings))),
    ("owneddevices", keyed(Some(Class::Memberships))),
    ("ownedobjects", keyed(Some(Class::Memberships))),
    ("owners", keyed(Some(Class::Memberships))),
    ("pages", keyed(Some(Class::Sites))),
    ("partners", keyed(Some(Class::CrossTenantAccess))),
    ("passwordmethods", keyed(Some(Class::AuthenticationMethods))),
    ("people", keyed(Some(Class::Contacts))),
    ("permissiongrantpolicies", keyed(Some(Class::Policies))),
    ("permissiongrants", keyed(Some(Class::PermissionGrants))),
    ("permissions", keyed(None)),
    ("phonemethods", keyed(Some(Class::AuthenticationMethods))),
    ("photo", navigation(None)),
    ("photos", keyed(None)),
    ("pinnedmessages", keyed(Some(Class::Chats))),
    ("places", keyed(Some(Class::Places))),
    ("planner", navigation(Some(Class::Tasks))),
    ("plans", keyed(Some(Class::Tasks))),
    ("policies", keyed(Some(Class::Policies))),
    ("posts", keyed(Some(Class::Mail))),
    ("presence", navigation(Some(Class::Communications))),
    ("presences", keyed(Some(Class::Communications))),
    ("primarychannel", navigation(Some(Class::Teams))),
    ("print", navigation(Some(Class::Print))),
    ("printers", keyed(Some(Class::Print))),
    ("printershares", keyed(Some(Class::Print))),
    ("printjobs", keyed(Some(Class::Print))),
    ("privilegedaccess", keyed(Some(Class::Roles))),
    ("privilegedaccessgroup", navigation(Some(Class::Roles))),
    ("privilegedroleassignments", keyed(Some(Class::Roles))),
    ("privilegedroles", keyed(Some(Class::Roles))),
    ("profile", navigation(Some(Class::Insights))),
    ("protectionunits", keyed(Some(Class::Backup))),
    ("provisioning", keyed(Some(Class::AuditLogs))),
    ("provisioningpolicies", keyed(Some(Class::CloudPcs))),
    ("range", function(None)),
    ("recent", function(Some(Class::Files))),
    ("recordings", keyed(Some(Class::Communications))),
    ("recoverykeys", keyed(Some(Class::Secrets))),
    ("registereddevices", keyed(Some(Class::Memberships))),
    ("registeredowners", keyed(Some(Class::Memberships))),
    ("registeredusers", keyed(Some(Class::Memberships))),
    ("rejectedsenders", keyed(Some(Class::Memberships))),
    ("reminderview", function(Some(Class::Calendar))),
    ("removekey", function(None)),
    ("removepassword", function(None)),
    ("replies", keyed(Some(Class::Chats))),
    ("reply", function(None)),
    ("replyall", function(None)),
    ("reports", navigation(Some(Class::Reports))),
    ("resetpassword", function(Some(Class::AuthenticationMethods))),
    ("resources", keyed(None)),
    ("resourcespecificapplications", keyed(Some(Class::PermissionGrants))),
    ("restore", function(None)),
    ("restoresessions", keyed(Some(Class::Backup))),
    ("retentionlabel", navigation(None)),
    ("retentionlabels", keyed(Some(Class::InformationProtection))),
    ("reviewsets", keyed(Some(Class::EDiscovery))),
    ("revokesigninsessions", function(None)),
    ("riskdetections", keyed(Some(Class::IdentityProtection))),
    ("riskyagents", keyed(Some(Class::IdentityProtection))),
    ("riskyserviceprincipals", keyed(Some(Class::IdentityProtection))),
    ("riskyusers", keyed(Some(Class::IdentityProtection))),
    ("roleassignmentrequests", keyed(Some(Class::Roles))),
    ("roleassignments", keyed(Some(Class::Roles))),
    ("roleassignmentscheduleinstances", keyed(Some(Class::Roles))),
    ("roleassignmentschedulerequests", keyed(Some(Class::Roles))),
    ("roleassignmentschedules", keyed(Some(Class::Roles))),
    ("roledefinitions", keyed(Some(Class::Roles))),
    ("roleeligibilityscheduleinstances", keyed(Some(Class::Roles))),
    ("roleeligibilityschedulerequests", keyed(Some(Class::Roles))),
    ("roleeligibilityschedules", keyed(Some(Class::Roles))),
    ("rolemanagement", navigation(Some(Class::Roles))),
    ("rolemanagementpolicies", keyed(Some(Class::Roles))),
    ("rolemanagementpolicyassignments", keyed(Some(Class::Roles))),
    ("roomlists", keyed(Some(Class::Places))),
    ("rooms", keyed(Some(Class::Places))),
    ("root", navigation(None)),
    ("rotatebitlockerkeys", function(Some(Class::Secrets))),
    ("runhuntingquery", function(Some(Class::ThreatHunting))),
    ("samlorwsfedexternaldomainfederation", keyed(Some(Class::Federation))),
    ("schedule", navigation(Some(Class::Teams))),
    ("schedules", keyed(None)),
    ("schemaextensions", keyed(Some(Class::Extensions))),
    ("schools", keyed(Some(Class::Education))),
    ("scopedrolememberof", keyed(Some(Class::Memberships))),
    ("scopedrolememberships", keyed(Some(Class::Roles))),
    ("search", navigation(Some(Class::Search))),
    ("secrets", navigation(None)),
    ("sectiongroups", keyed(Some(Class::Notes))),
    ("sections", keyed(Some(Class::Notes))),
    ("securescorecontrolprofiles", keyed(Some(Class::SecurityAlerts))),
    ("securescores", keyed(Some(Class::SecurityAlerts))),
    ("security", navigation(Some(Class::SecurityAlerts))),
    ("send", function(None)),
    ("sendmail", function(Some(Class::MailSend))),
    ("sensitivitylabels", keyed(Some(Class::InformationProtection))),
    ("serviceannouncement", navigation(Some(Class::Reports))),
    ("serviceconfigurationrecords", keyed(Some(Class::Organization))),
    ("serviceprincipalriskdetections", keyed(Some(Class::IdentityProtection))),
    ("serviceprincipals", keyed(Some(Class::ServicePrincipals))),
    ("serviceprincipalsbyappid", keyed(Some(Class::ServicePrincipals))),
    ("settings", navigation(None)),
    ("setverifiedpublisher", function(None)),
    ("sharedwithme", function(Some(Class::Files))),
    ("sharedwithteams", keyed(Some(Class::Teams))),
    ("shares", keyed(Some(Class::Files))),
    ("signinpreferences", navigation(Some(Class::AuthenticationMethods))),
    ("signins", keyed(Some(Class::AuditLogs))),
    ("signups", keyed(Some(Class::AuditLogs))),
    ("sites", keyed(Some(Class::Sites))),
    ("softwareoathmethods", keyed(Some(Class::AuthenticationMethods))),
    ("solutions", navigation(None)),
    ("special", keyed(None)),
    ("staffmembers", keyed(Some(Class::Bookings))),
    ("subjectrightsrequests", keyed(Some(Class::EDiscovery))),
    ("submissions", keyed(Some(Class::Education))),
    ("subscribedskus", keyed(Some(Class::Organization))),
    ("subscriptions", keyed(Some(Class::Subscriptions))),
    ("subsites", keyed(Some(Class::Sites))),
    ("synchronization", navigation(Some(Class::Synchronization))),
    ("tabs", keyed(Some(Class::Teams))),
    ("tags", keyed(Some(Class::Teams))),
    ("tasks", keyed(Some(Class::Tasks))),
    ("team", navigation(Some(Class::Teams))),
    ("teams", keyed(Some(Class::Teams))),
    ("teamsapps", keyed(Some(Class::Teams))),
    ("teamstemplates", keyed(Some(Class::Teams))),
    ("teamwork", navigation(Some(Class::Teams))),
    ("templates", keyed(None)),
    ("temporaryaccesspassmethods", keyed(Some(Class::AuthenticationMethods))),
    ("tenantdetails", keyed(Some(Class::Organization))),
    ("tenantrelationships", navigation(Some(Class::TenantRelationships))),
    ("termsofuse", navigation(Some(Class::Governance))),
    ("termstore", navigation(Some(Class::Sites))),
    ("termstores", keyed(Some(Class::Sites))),
    ("threads", keyed(Some(Class::Mail))),
    ("threatassessmentrequests", keyed(Some(Class::SecurityAlerts))),
    ("threatintelligence", navigation(Some(Class::SecurityAlerts))),
    ("thumbnails", keyed(None)),
    ("tiindicators", keyed(Some(Class::SecurityAlerts))),
    ("todo", navigation(Some(Class::Tasks))),
    ("tokenissuancepolicies", keyed(Some(Class::Policies))),
    ("tokenlifetimepolicies", keyed(Some(Class::Policies))),
    ("transcripts", keyed(Some(Class::Communications))),
    ("transitivememberof", keyed(Some(Class::Memberships))),
    ("transitivemembers", keyed(Some(Class::Memberships))),
    ("transitivereports", keyed(Some(Class::Users))),
    ("transitiveroleassignments", keyed(Some(Class::Roles))),
    ("trustedcertificateauthorities", keyed(Some(Class::Certificates))),
    ("unlock", function(None)),
    ("unsetverifiedpublisher", function(None)),
    ("userflowattributes", keyed(Some(Class::UserFlows))),
    ("userflows", keyed(Some(Class::UserFlows))),
    ("userregistrationdetails", keyed(Some(Class::AuthenticationMethods))),
    ("users", keyed(Some(Class::Users))),
    ("validateproperties", function(None)),
    ("verificationdnsrecords", keyed(Some(Class::Organization))),
    ("verify", function(None)),
    ("versions", keyed(None)),
    ("virtualendpoint", navigation(Some(Class::CloudPcs))),
    ("virtualevents", keyed(Some(Class::Communications))),
    ("windowsautopilotdeviceidentities", keyed(Some(Class::DeviceManagement))),
    ("windowshelloforbusinessmethods", keyed(Some(Class::AuthenticationMethods))),
    ("workflows", keyed(Some(Class::Governance))),
];

/// Words that mean something else after some class: (word, class so far, class then), sorted. `None` is the
/// start of the path.
pub(crate) const EXCEPTIONS: &[(&str, Option<Class>, Class)] = &[
    ("activities", Some(Class::Users), Class::Insights),
    ("alerts", Some(Class::DeviceManagement), Class::DeviceManagement),
    ("assignments", Some(Class::DeviceManagement), Class::DeviceManagement),
    ("assignments", Some(Class::DeviceScripts), Class::DeviceScripts),
    ("assignments", Some(Class::Governance), Class::Governance),
    ("assignments", Some(Class::CloudPcs), Class::CloudPcs),
    ("connectors", Some(Class::OnPremises), Class::OnPremises),
    ("contacts", None, Class::DirectoryObjects),
    ("events", Some(Class::Communications), Class::Communications),
    ("forward", Some(Class::Mail), Class::MailSend),
    ("groups", Some(Class::Sites), Class::Sites),
    ("groups", Some(Class::Education), Class::Education),
    ("lists", Some(Class::Tasks), Class::Tasks),
    ("members", Some(Class::Chats), Class::Chats),
    ("members", Some(Class::Teams), Class::Teams),
    ("members", Some(Class::Education), Class::Education),
    ("messages", Some(Class::Chats), Class::Chats),
    ("messages", Some(Class::Teams), Class::Chats),
    ("messages", Some(Class::Reports), Class::Reports),
    ("methods", Some(Class::Policies), Class::Policies),
    ("pages", Some(Class::Notes), Class::Notes),
    ("policies", Some(Class::DeviceManagement), Class::DeviceManagement),
    ("policies", Some(Class::Governance), Class::Governance),
    ("reply", Some(Class::Mail), Class::MailSend),
    ("replyall", Some(Class::Mail), Class::MailSend),
    ("reports", Some(Class::DeviceManagement), Class::DeviceManagement),
    ("reports", Some(Class::CloudPcs), Class::CloudPcs),
    ("roleassignments", Some(Class::DeviceManagement), Class::DeviceManagement),
    ("roleassignments", Some(Class::Governance), Class::Governance),
    ("roleassignments", Some(Class::CloudPcs), Class::CloudPcs),
    ("roledefinitions", Some(Class::DeviceManagement), Class::DeviceManagement),
    ("roledefinitions", Some(Class::Governance), Class::Governance),
    ("roledefinitions", Some(Class::CloudPcs), Class::CloudPcs),
    ("search", Some(Class::EDiscovery), Class::EDiscovery),
    ("secrets", Some(Class::Synchronization), Class::Secrets),
    ("send", Some(Class::Mail), Class::MailSend),
    ("settings", None, Class::Organization),
    ("tasks", Some(Class::Governance), Class::Governance),
    ("users", Some(Class::Education), Class::Education),
];

/// What `word`, in lower case, means, if it is known.
pub(crate) fn segment(word: &str) -> Option<Segment> {
    SEGMENTS.binary_search_by(|(known, _)| (*known).cmp(word)).ok().map(|index| SEGMENTS[index].1)
}

/// Class of a path after `word`, in lower case, when it was `so_far` before.
pub(crate) fn class_after(so_far: Option<Class>, word: &str) -> Option<Class> {
    match EXCEPTIONS.binary_search_by(|(known, before, _)| (*known, *before).cmp(&(word, so_far))) {
        Ok(index) => Some(EXCEPTIONS[index].2),
        Err(_) => segment(word).and_then(|segment| segment.class).or(so_far),
    }
}

/// Templates of requests that `AzureHound` makes while it enumerates a directory, as published by defenders who
/// watched it; `ROADtools` asks the legacy API for much the same collections. Without version, ids as `{id}`,
/// compared without regard to case. One alone is everyday traffic: it is their number that counts.
pub(crate) const RECON_TEMPLATES: &[&str] = &[
    "/applications",
    "/applications/{id}/owners",
    "/devices",
    "/devices/{id}/registeredOwners",
    "/groups",
    "/groups/{id}/members",
    "/groups/{id}/owners",
    "/organization",
    "/roleManagement/directory/roleAssignments",
    "/roleManagement/directory/roleDefinitions",
    "/servicePrincipals",
    "/servicePrincipals/{id}/appRoleAssignedTo",
    "/servicePrincipals/{id}/owners",
    "/users",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(path: &str) -> Option<Class> {
        let mut class = None;
        let mut is_id = false;
        for word in path.split('/').filter(|word| !word.is_empty()) {
            let known = segment(word);
            if is_id && !known.is_some_and(|segment| segment.kind == Kind::Function) {
                is_id = false;
                continue;
            }
            class = class_after(class, word);
            is_id = known.is_some_and(|segment| segment.kind == Kind::Keyed);
        }
        class
    }

    #[test]
    fn tables_are_in_order() {
        assert!(CLASSES.iter().enumerate().all(|(index, row)| row.class.index() == index));
        assert!(SEGMENTS.is_sorted_by(|left, right| left.0 < right.0));
        assert!(EXCEPTIONS.is_sorted_by(|left, right| (left.0, left.1) < (right.0, right.1)));
        assert!(EXCEPTIONS.iter().all(|(word, _, _)| segment(word).is_some()));
        assert!(RECON_TEMPLATES.is_sorted());
    }

    #[test]
    fn last_word_with_a_class_decides() {
        for (path, class) in [
            ("/users", Class::Users),
            ("/users/{id}", Class::Users),
            ("/users/{id}/messages", Class::Mail),
            ("/me/mailfolders/inbox/messages/{id}/attachments", Class::Mail),
            ("/me/messages/{id}/forward", Class::MailSend),
            ("/chats/{id}/messages", Class::Chats),
            ("/teams/{id}/channels/{id}/messages/delta", Class::Chats),
            ("/groups/{id}/members/$count", Class::Memberships),
            ("/groups/delta", Class::Groups),
            ("/serviceprincipals/{id}/approleassignedto", Class::AppRoleAssignments),
            ("/rolemanagement/directory/roleassignments", Class::Roles),
            ("/devicemanagement/roleassignments", Class::DeviceManagement),
            ("/identity/conditionalaccess/policies", Class::Policies),
            ("/directory/administrativeunits/{id}/members", Class::Memberships),
            ("/sites/{id}/drive/root/children", Class::Files),
            ("/contacts", Class::DirectoryObjects),
            ("/users/{id}/contacts", Class::Contacts),
            ("/informationprotection/bitlocker/recoverykeys/{id}", Class::Secrets),
            ("/tenantdetails", Class::Organization),
        ] {
            assert_eq!(walk(path), Some(class), "{path}");
        }
    }
}
