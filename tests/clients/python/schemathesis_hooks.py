"""What Schemathesis cannot guess: ids of objects that are there, filters that parse, bodies that are taken.

Schemathesis makes requests from the OpenAPI document alone, and by itself hardly gets past "not found" and "invalid".
About half of what it makes is therefore steered to the code behind those checks; the other half stays as it is.
"""

import atexit
import collections
import os
import uuid

import requests
import schemathesis
from hypothesis import strategies as st

ROOT = os.environ["CLIENTS_AUTHORITY"]
# The application that sends the requests: whoever takes its account away ends the test.
OWN = {os.environ["CLIENTS_CLIENT_ID"], os.environ["CLIENTS_SERVICE_PRINCIPAL_ID"]}
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
OBJECTS = 60


def _session() -> requests.Session:
    session = requests.Session()
    session.verify = os.environ["CLIENTS_CA"]
    session.headers["Authorization"] = f"Bearer {os.environ['CLIENTS_TOKEN']}"
    return session


def _make_objects() -> dict[str, list[str]]:
    """Objects of each kind, by the name of the segment that their ids stand behind."""
    with _session() as session:

        def get(path: str) -> dict:
            answer = session.get(f"{ROOT}/v1.0/{path}", timeout=30)
            answer.raise_for_status()
            return answer.json()

        def post(path: str, body: dict) -> dict:
            answer = session.post(f"{ROOT}/v1.0/{path}", json=body, timeout=30)
            answer.raise_for_status()
            return answer.json() if answer.content else {}

        OWN.add(get(f"applications(appId='{os.environ['CLIENTS_CLIENT_ID']}')")["id"])
        graph = get(f"servicePrincipals(appId='{GRAPH_APP_ID}')")
        role = graph["appRoles"][0]["id"]
        apart = {"graph": [graph["id"]], "roles": [role["id"] for role in graph["appRoles"]]}
        made: dict[str, list[str]] = {
            name: []
            for name in [
                "applications", "servicePrincipals", "federatedIdentityCredentials", "appRoleAssignments",
                "oauth2PermissionGrants", "deletedItems", "owners",
            ]
        }
        for number in range(OBJECTS):
            application = post("applications", {"displayName": f"made {number}", "tags": ["made"]})
            made["applications"].append(application["id"])
            principal = post("servicePrincipals", {"appId": application["appId"]})
            made["servicePrincipals"].append(principal["id"])
            federated = {
                "name": "made", "issuer": "https://issuer.example", "subject": f"s{number}", "audiences": ["a"],
            }
            made["federatedIdentityCredentials"].append(
                post(f"applications/{application['id']}/federatedIdentityCredentials", federated)["id"]
            )
            assignment = {"principalId": principal["id"], "resourceId": graph["id"], "appRoleId": role}
            made["appRoleAssignments"].append(
                post(f"servicePrincipals/{principal['id']}/appRoleAssignments", assignment)["id"]
            )
            grant = {
                "clientId": principal["id"], "resourceId": graph["id"], "consentType": "AllPrincipals", "scope": "a b",
            }
            made["oauth2PermissionGrants"].append(post("oauth2PermissionGrants", grant)["id"])
            owner = {"@odata.id": f"{ROOT}/v1.0/directoryObjects/{made['servicePrincipals'][0]}"}
            post(f"applications/{application['id']}/owners/$ref", owner)
            deleted = post("applications", {"displayName": f"deleted {number}"})["id"]
            session.delete(f"{ROOT}/v1.0/applications/{deleted}", timeout=30).raise_for_status()
            made["deletedItems"].append(deleted)
        bare = [post("applications", {"displayName": f"bare {number}"})["appId"] for number in range(OBJECTS)]
        apart["bare"] = bare
        ids = made["servicePrincipals"]
        post("identityProtection/riskyServicePrincipals/confirmCompromised", {"servicePrincipalIds": ids[::2]})
        post("identityProtection/riskyServicePrincipals/dismiss", {"servicePrincipalIds": ids[::4]})
        made["riskyServicePrincipals"] = ids
        made["owners"] = ids[:1]
        made["appRoleAssignedTo"] = made["appRoleAssignments"]
        made["directoryObjects"] = ids + made["applications"]
        for path in [
            "auditLogs/directoryAudits", "organization", "subscribedSkus", "users",
            "roleManagement/directory/roleDefinitions", "roleManagement/directory/roleAssignments",
        ]:
            made[path.rsplit("/", 1)[-1]] = [entity["id"] for entity in get(path)["value"]][:OBJECTS]
        made["signIns"] = [
            entity["id"]
            for entity in session.get(f"{ROOT}/beta/auditLogs/signIns", timeout=30).json()["value"]
        ]
        made["history"] = [
            entity["id"] for entity in get(f"identityProtection/riskyServicePrincipals/{ids[0]}/history")["value"]
        ]
        return {name: found for name, found in (made | apart).items() if found}


IDS = _make_objects()
[GRAPH_ID], ROLES = IDS.pop("graph"), IDS.pop("roles")
WITHOUT_PRINCIPAL = IDS.pop("bare")
EVERY_ID = sorted({found for ids in IDS.values() for found in ids})

PROPERTIES = st.sampled_from(
    "id appId displayName createdDateTime accountEnabled tags servicePrincipalNames signInAudience riskLevel riskState "
    "riskDetail riskLastUpdatedDateTime isEnabled activityDateTime activityDisplayName initiatedBy/app/appId "
    "targetResources status/errorCode signInEventTypes principalId resourceId roleDefinitionId scope clientId "
    "userPrincipalName deletedDateTime appRoles keyCredentials api/oauth2PermissionScopes web/redirectUris "
    "unheardOf".split()
)
LITERALS = st.one_of(
    st.sampled_from(
        ["null", "true", "false", "0", "-1", "1e400", "9223372036854775808", "''", "'a'", "'%'", "'_'", "'it''s'",
         "'\\'", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "'high'", "'none'"]
    ),
    st.sampled_from(EVERY_ID).map(lambda found: f"'{found}'"),
    st.text(max_size=20).map(lambda text: "'" + text.replace("'", "''") + "'"),
)
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, PROPERTIES, st.sampled_from("eq ne gt ge lt le".split()), LITERALS),
    st.builds("{}({},{})".format, st.sampled_from(["startswith", "endswith", "contains"]), PROPERTIES, LITERALS),
    st.builds(
        "{}/{}(x:x {} {})".format, PROPERTIES, st.sampled_from(["any", "all"]), st.sampled_from(["eq", "ne"]), LITERALS
    ),
    st.builds("{}/any(x:x/{} eq {})".format, PROPERTIES, PROPERTIES, LITERALS),
    st.builds("{} in ({},{})".format, PROPERTIES, LITERALS, LITERALS),
    st.builds("{}/$count eq {}".format, PROPERTIES, LITERALS),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("not({})".format, inner),
    ),
    max_leaves=6,
)
OPTIONS = {
    "$filter": FILTERS,
    "$select": st.lists(PROPERTIES, min_size=1, max_size=3).map(",".join),
    "$orderby": st.builds("{} {}".format, PROPERTIES, st.sampled_from(["asc", "desc"])),
    "$expand": st.sampled_from(
        ["owners", "owners($select=id)", "appRoleAssignments", "history", "members", "owners($top=1)"]
    ),
    "$search": st.builds('"{}:{}"'.format, PROPERTIES, st.text(max_size=10)),
    "$top": st.integers(min_value=1, max_value=999),
}


@schemathesis.hook
def flatmap_path_parameters(context, parameters):
    """Often ids of objects that are there: most often of the right kind."""
    if not parameters:
        return st.just(parameters)
    segments = context.operation.path.strip("/").split("/")

    def known(name: str) -> st.SearchStrategy:
        before = segments[segments.index(f"{{{name}}}") - 1]
        return st.one_of(st.sampled_from(IDS.get(before, EVERY_ID)), st.sampled_from(EVERY_ID))

    steered = st.fixed_dictionaries({name: known(name) for name in parameters})
    return st.one_of(steered, st.just(parameters))


@schemathesis.hook
def flatmap_query(context, query):
    """Often options that could stand in a query of somebody who knows the API."""
    names = [parameter.name for parameter in context.operation.query if parameter.name in OPTIONS]
    if not names:
        return st.just(query)
    chosen = st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=3)
    steered = chosen.flatmap(lambda names: st.fixed_dictionaries({name: OPTIONS[name] for name in names}))
    return st.one_of(steered, st.just(query))


READ_ONLY = {"id", "appId", "deletedDateTime", "createdDateTime", "createdByAppId", "publisherDomain"}
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=3, max_size=40).map(lambda text: f"n{text}")
TIMES = st.datetimes().map(lambda time: time.isoformat(timespec="microseconds") + "Z")


def _made(name: str) -> st.SearchStrategy:
    return st.sampled_from(IDS[name])


# Bodies that are taken if the ids fit, by the last segment of the path.
BODIES = {
    "applications": st.fixed_dictionaries({"displayName": st.text(min_size=1)}, optional={
        "tags": st.lists(st.text(max_size=20), max_size=5),
        "identifierUris": st.lists(NAMES.map(lambda name: f"api://{name}"), max_size=2),
        "uniqueName": st.one_of(NAMES, st.text()),
        "notes": st.text(),
        "signInAudience": st.sampled_from(["AzureADMyOrg", "AzureADMultipleOrgs", "PersonalMicrosoftAccount", ""]),
    }),
    "servicePrincipals": st.fixed_dictionaries({"appId": st.sampled_from(WITHOUT_PRINCIPAL)}),
    "addPassword": st.fixed_dictionaries({"passwordCredential": st.fixed_dictionaries({}, optional={
        "displayName": st.text(), "endDateTime": TIMES, "startDateTime": TIMES,
    })}),
    "federatedIdentityCredentials": st.fixed_dictionaries({
        "name": NAMES, "issuer": NAMES.map(lambda name: f"https://{name}.example"), "subject": st.text(min_size=1),
        "audiences": st.lists(st.text(min_size=1), min_size=1, max_size=1),
    }),
    "appRoleAssignments": st.fixed_dictionaries({
        "principalId": _made("servicePrincipals"), "resourceId": st.just(GRAPH_ID), "appRoleId": st.sampled_from(ROLES),
    }),
    "oauth2PermissionGrants": st.fixed_dictionaries({
        "clientId": _made("servicePrincipals"), "resourceId": _made("servicePrincipals"), "scope": st.text(),
        "consentType": st.sampled_from(["AllPrincipals", "Principal"]),
    }),
    "roleAssignments": st.fixed_dictionaries({
        "principalId": _made("servicePrincipals"), "roleDefinitionId": _made("roleDefinitions"),
        "directoryScopeId": st.just("/"),
    }),
    "$ref": st.fixed_dictionaries({
        "@odata.id": _made("servicePrincipals").map(lambda found: f"{ROOT}/v1.0/directoryObjects/{found}"),
    }),
    "confirmCompromised": st.fixed_dictionaries({
        "servicePrincipalIds": st.lists(_made("servicePrincipals"), min_size=1, max_size=3),
    }),
}
BODIES["appRoleAssignedTo"] = BODIES["appRoleAssignments"]
BODIES["dismiss"] = BODIES["confirmCompromised"]


@schemathesis.hook
def flatmap_body(context, body):
    """Often what the operation takes, and of what Schemathesis made a few members that can be set."""
    if not isinstance(body, dict):
        return st.just(body)
    given = {name: value for name, value in body.items() if name not in READ_ONLY}
    links = st.fixed_dictionaries({name: st.sampled_from(EVERY_ID) for name in given if name.endswith("Id")})
    few = st.lists(st.sampled_from(sorted(given)), max_size=2) if given else st.just([])
    last = context.operation.path.rsplit("/", 1)[-1]
    known = BODIES.get(last, st.just({})) if context.operation.method.upper() == "POST" else st.just({})
    steered = st.tuples(known, few).map(lambda drawn: {name: given[name] for name in drawn[1]} | drawn[0])
    return st.one_of(steered, known, links.map(lambda ids: given | ids), st.just(body))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Nobody takes the account away that the requests are made with."""
    if case.method.upper() == "GET":
        return
    for name, value in (case.path_parameters or {}).items():
        if any(own in str(value) for own in OWN):
            case.path_parameters[name] = str(uuid.UUID(int=0))


ANSWERS: collections.Counter[int] = collections.Counter()


@schemathesis.hook
def after_call(context, case, response):
    ANSWERS[response.status_code] += 1


@atexit.register
def say_what_was_answered() -> None:
    """For the log: a run in which nearly all is 404 has tested little."""
    print("Answers:", ", ".join(f"{status}: {number}" for status, number in sorted(ANSWERS.items())))


@schemathesis.check
def errors_have_the_form_of_graph(context, response, case):
    """Every refusal is an error object with the ids that support staff ask for."""
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    assert "application/json" in (response.headers.get("content-type") or [""])[0], "a refusal that is not JSON"
    document = response.json()
    assert set(document) == {"error"}, document
    error = document["error"]
    assert isinstance(error["code"], str) and error["code"], document
    assert isinstance(error["message"], str) and error["message"], document
    assert {"date", "request-id", "client-request-id"} <= set(error["innerError"]), document
    if "request-id" in response.headers:
        assert error["innerError"]["request-id"] == response.headers["request-id"][0], document


@schemathesis.check
def the_caller_stays_signed_in(context, response, case):
    """Otherwise all that follows proves nothing. Schemathesis itself sends some requests without a token."""
    authorization = response.request.headers.get("Authorization", "")
    if response.status_code == 401 and authorization == f"Bearer {os.environ['CLIENTS_TOKEN']}":
        raise AssertionError(response.text)
