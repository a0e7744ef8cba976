//! Things that principals use: APIs, client libraries, names.

use crate::envelopes::ResourceRef;
use crate::json::Guid;
use crate::rng::Rng;

/// An API that tokens are asked for.
pub(crate) struct Resource {
    pub(crate) name: &'static str,
    pub(crate) app: Guid,
}

const fn resource(name: &'static str, app: u128) -> Resource {
    Resource { name, app: Guid(app) }
}

/// Microsoft's APIs by their public application ids, then some of the tenant's own.
pub(crate) const RESOURCES: &[Resource] = &[
    resource("Microsoft Graph", 0x0000_0003_0000_0000_c000_0000_0000_0000),
    resource("Windows Azure Service Management API", 0x797f_4846_ba00_4fd7_ba43_dac1_f8f6_3013),
    resource("Azure Key Vault", 0xcfa8_b339_82a2_471a_a3c9_0fc0_be7a_4093),
    resource("Azure Storage", 0xe406_a681_f3d4_42a8_90b6_c2b0_2949_7af1),
    resource("Azure SQL Database", 0x0229_07d3_0f1b_48f7_badc_1ba6_abab_6d66),
    resource("Office 365 Exchange Online", 0x0000_0002_0000_0ff1_ce00_0000_0000_0000),
    resource("Office 365 SharePoint Online", 0x0000_0003_0000_0ff1_ce00_0000_0000_0000),
    resource("Azure DevOps", 0x499b_84ac_1321_427f_aa17_267c_a697_5798),
    resource("Log Analytics API", 0xca7f_3f0b_7d91_482c_8e09_c5d8_40d0_eac5),
    Resource { name: "orders-api", app: Guid::from_seed(0x6f01) },
    Resource { name: "customers-api", app: Guid::from_seed(0x6f02) },
    Resource { name: "inventory-api", app: Guid::from_seed(0x6f03) },
    Resource { name: "payments-gateway", app: Guid::from_seed(0x6f04) },
    Resource { name: "data-platform", app: Guid::from_seed(0x6f05) },
];

/// Microsoft Graph, in [`RESOURCES`].
pub(crate) const GRAPH: u8 = 0;
/// Azure Resource Manager, in [`RESOURCES`].
pub(crate) const RESOURCE_MANAGER: u8 = 1;
/// Key Vault, in [`RESOURCES`].
pub(crate) const KEY_VAULT: u8 = 2;
/// First of the tenant's own APIs, in [`RESOURCES`].
const OWN_APIS: u8 = 9;

pub(crate) fn resource_at(index: u8) -> ResourceRef<'static> {
    let resource = &RESOURCES[usize::from(index) % RESOURCES.len()];
    ResourceRef { name: resource.name, app: resource.app }
}

/// One to three APIs that a workload uses: Graph or Azure for most, own APIs for many.
pub(crate) fn draw_resources(rng: &mut Rng) -> Vec<u8> {
    let count = 1 + rng.weighted(&[60, 28, 12]);
    let mut resources = Vec::with_capacity(count);
    while resources.len() < count {
        let next = match rng.weighted(&[40, 15, 12, 33]) {
            0 => GRAPH,
            1 => RESOURCE_MANAGER,
            2 => KEY_VAULT,
            _ => rng.between(3, RESOURCES.len() as i64 - 1) as u8,
        };
        if !resources.contains(&next) {
            resources.push(next);
        }
    }
    resources
}

/// An API that `known` does not hold, if there is one.
pub(crate) fn draw_new_resource(known: &[u8], rng: &mut Rng) -> Option<u8> {
    let others: Vec<u8> = (0..RESOURCES.len() as u8).filter(|index| !known.contains(index)).collect();
    (!others.is_empty()).then(|| *rng.pick(&others))
}

/// True for the tenant's own APIs.
pub(crate) fn is_own_api(index: u8) -> bool {
    index >= OWN_APIS
}

/// A client and the release of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    family: u8,
    version: u8,
}

struct Family {
    /// User agents of successive releases.
    releases: &'static [&'static str],
    /// What the token service recognises as the library.
    library: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        releases: &[
            "azsdk-python-identity/1.17.1 Python/3.11.9 (Linux-5.15.0-1064-azure-x86_64-with-glibc2.35)",
            "azsdk-python-identity/1.19.0 Python/3.11.11 (Linux-6.5.0-1025-azure-x86_64-with-glibc2.36)",
            "azsdk-python-identity/1.23.0 Python/3.12.9 (Linux-6.8.0-1021-azure-x86_64-with-glibc2.39)",
        ],
        library: "Family: MSAL Library: MSAL.Python 1.31.0 Platform: Python",
    },
    Family {
        releases: &[
            "azsdk-net-Identity/1.12.0 (.NET 8.0.7; Ubuntu 22.04.4 LTS)",
            "azsdk-net-Identity/1.13.1 (.NET 8.0.11; Ubuntu 22.04.5 LTS)",
            "azsdk-net-Identity/1.14.2 (.NET 9.0.5; Debian GNU/Linux 12 (bookworm))",
        ],
        library: "Family: MSAL Library: MSAL.NetCore 4.66.2.0 Platform: .NET",
    },
    Family {
        releases: &[
            "azsdk-js-identity/4.4.1 core-rest-pipeline/1.16.3 Node/18.20.4 OS/(x64-Linux-5.15.0-1068-azure)",
            "azsdk-js-identity/4.5.0 core-rest-pipeline/1.18.0 Node/20.18.1 OS/(x64-Linux-6.5.0-1025-azure)",
            "azsdk-js-identity/4.10.0 core-rest-pipeline/1.20.0 Node/22.15.0 OS/(x64-Linux-6.8.0-1027-azure)",
        ],
        library: "Family: MSAL Library: msal.js.node 2.16.2 Platform: Node",
    },
    Family {
        releases: &[
            "azsdk-java-identity/1.13.2 (17.0.12; Linux; 5.15.0-1064-azure)",
            "azsdk-java-identity/1.15.0 (21.0.5; Linux; 6.5.0-1025-azure)",
        ],
        library: "Family: MSAL Library: MSAL4J 1.17.2 Platform: Java",
    },
    Family {
        releases: &["python-requests/2.31.0", "python-requests/2.32.3", "python-requests/2.32.4"],
        library: "Family: MSAL Library: MSAL.Python 1.39.0 Platform: Python",
    },
    Family { releases: &["Go-http-client/1.1", "Go-http-client/2.0"], library: "" },
    Family {
        releases: &[
            "HashiCorp Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-azurerm/4.8.0",
            "HashiCorp Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-azurerm/4.27.0",
        ],
        library: "",
    },
    Family {
        releases: &[
            "python/3.11.8 (Linux-6.5.0-1025-azure-x86_64-with-glibc2.35) AZURECLI/2.66.0 (DEB)",
            "python/3.12.8 (Linux-6.8.0-1021-azure-x86_64-with-glibc2.39) AZURECLI/2.71.0 (DEB)",
        ],
        library: "Family: MSAL Library: MSAL.Python 1.31.1 Platform: Python",
    },
    Family {
        releases: &[
            "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.17763.6532",
            "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.20348.2849",
        ],
        library: "Family: MSAL Library: MSAL.Desktop 4.61.3.0 Platform: .NET Framework",
    },
    Family { releases: &["Java/11.0.24", "Java/17.0.12", "Java/21.0.6"], library: "" },
    Family { releases: &["okhttp/4.9.3", "okhttp/4.12.0"], library: "" },
    Family { releases: &["axios/1.6.8", "axios/1.7.9", "axios/1.9.0"], library: "" },
    Family {
        releases: &["Apache-HttpClient/4.5.14 (Java/17.0.12)", "Apache-HttpClient/5.4.1 (Java/21.0.6)"],
        library: "",
    },
    Family { releases: &["python-httpx/0.27.2", "python-httpx/0.28.1"], library: "" },
    Family { releases: &["Python/3.11 aiohttp/3.10.11", "Python/3.12 aiohttp/3.11.18"], library: "" },
    Family { releases: &["curl/7.88.1", "curl/8.5.0"], library: "" },
    Family { releases: &["PostmanRuntime/7.43.0", "PostmanRuntime/7.44.1"], library: "" },
];

/// How many of the families services use; the later ones are tools.
const SERVICE_FAMILIES: u64 = 13;
/// Families that say nothing about who uses them.
const GENERIC: [u8; 5] = [4, 5, 13, 14, 15];
/// Families of people's tools.
const TOOLS: [u8; 4] = [7, 8, 15, 16];

impl Agent {
    pub(crate) fn user_agent(self) -> &'static str {
        FAMILIES[usize::from(self.family)].releases[usize::from(self.version)]
    }

    pub(crate) fn library(self) -> &'static str {
        FAMILIES[usize::from(self.family)].library
    }

    /// The next release, if there is one.
    pub(crate) fn upgraded(self) -> Option<Agent> {
        let releases = FAMILIES[usize::from(self.family)].releases.len();
        let version = self.version + 1;
        (usize::from(version) < releases).then_some(Agent { version, ..self })
    }

    fn of_family(family: u8, rng: &mut Rng) -> Agent {
        let releases = FAMILIES[usize::from(family)].releases.len() as u64;
        Agent { family, version: rng.below(releases) as u8 }
    }

    /// What a service runs on.
    pub(crate) fn draw(rng: &mut Rng) -> Agent {
        let family = rng.below(SERVICE_FAMILIES) as u8;
        // Not the newest release, so that there is room for an upgrade.
        let releases = FAMILIES[usize::from(family)].releases.len() as u64;
        Agent { family, version: rng.below((releases - 1).max(1)) as u8 }
    }

    /// A library that anybody may use.
    pub(crate) fn draw_generic(rng: &mut Rng) -> Agent {
        let family = *rng.pick(&GENERIC);
        Agent::of_family(family, rng)
    }

    /// What a person runs by hand.
    pub(crate) fn draw_tool(rng: &mut Rng) -> Agent {
        let family = *rng.pick(&TOOLS);
        Agent::of_family(family, rng)
    }

    /// Another family than this one's.
    pub(crate) fn draw_other(self, rng: &mut Rng) -> Agent {
        let families = FAMILIES.len() as u64;
        let family = (u64::from(self.family) + 1 + rng.below(families - 1)) % families;
        Agent::of_family(family as u8, rng)
    }
}

/// What workloads are for, for names.
pub(crate) const DUTIES: &[&str] = &[
    "payroll-export",
    "orders-sync",
    "invoice-archive",
    "hr-import",
    "crm-bridge",
    "stock-feed",
    "mail-relay",
    "backup",
    "report-builder",
    "telemetry-ship",
    "cert-renewal",
    "dns-update",
    "image-resize",
    "search-index",
    "ledger-close",
    "tax-filing",
    "fleet-tracker",
    "price-update",
    "fraud-score",
    "ticket-router",
    "badge-access",
    "room-booking",
    "survey-mailer",
    "warehouse-scan",
    "route-planner",
    "contract-store",
    "identity-sync",
    "license-audit",
    "cost-report",
    "log-forwarder",
];

/// What pipelines deploy, for names.
pub(crate) const COMPONENTS: &[&str] = &[
    "web",
    "api",
    "checkout",
    "portal",
    "mobile-backend",
    "infra",
    "platform",
    "data-lake",
    "identity",
    "search",
    "billing",
    "notifications",
    "gateway",
    "docs",
    "analytics",
];

/// Vendors, for names. All invented.
pub(crate) const VENDORS: &[&str] = &[
    "Northwind Backup",
    "Fabrikam Mail Guard",
    "Tailspin Analytics",
    "Litware Signatures",
    "Proseware Expense",
    "Adatum Monitoring",
    "Wingtip Surveys",
    "Trey Research Insights",
    "Lucerne Archive",
    "Fourth Coffee Rooms",
];

/// Application roles with their ids' seeds, for audit records and the `roles` claim.
pub(crate) const GRAPH_ROLES: &[(&str, &str)] = &[
    ("User.Read.All", "Read all users' full profiles"),
    ("Group.Read.All", "Read all groups"),
    ("Directory.Read.All", "Read directory data"),
    ("Application.Read.All", "Read all applications"),
    ("Mail.Read", "Read mail in all mailboxes"),
    ("Sites.Read.All", "Read items in all site collections"),
    ("AuditLog.Read.All", "Read all audit log data"),
    ("Files.Read.All", "Read files in all site collections"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_exist() {
        let mut rng = Rng::of(&[3]);
        for _ in 0..500 {
            let agent = Agent::draw(&mut rng);
            assert!(agent.user_agent().contains('/'));
            assert_ne!(agent.draw_other(&mut rng).user_agent(), agent.user_agent());
            assert!(Agent::draw_tool(&mut rng).user_agent().contains('/'));
            assert!(Agent::draw_generic(&mut rng).user_agent().contains('/'));
            if let Some(next) = agent.upgraded() {
                assert_ne!(next.user_agent(), agent.user_agent());
            }
        }
    }

    #[test]
    fn resources_are_different_ones() {
        let mut rng = Rng::of(&[4]);
        for _ in 0..200 {
            let resources = draw_resources(&mut rng);
            let new = draw_new_resource(&resources, &mut rng).expect("there are more than three");
            assert!(!resources.contains(&new));
        }
        assert_eq!(resource_at(GRAPH).app.to_string(), "00000003-0000-0000-c000-000000000000");
        assert!(is_own_api(9) && !is_own_api(8));
    }
}
