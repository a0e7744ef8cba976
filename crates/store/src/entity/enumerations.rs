//! Enumerations of Identity Protection and the logs, members in Graph's numeric order.

use countersign_odata::edm::EnumType;

pub(super) static RISK_LEVEL: EnumType = EnumType {
    name: "riskLevel",
    members: &["low", "medium", "high", "hidden", "none", "unknownFutureValue"],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static RISK_STATE: EnumType = EnumType {
    name: "riskState",
    members: &[
        "none",
        "confirmedSafe",
        "remediated",
        "dismissed",
        "atRisk",
        "confirmedCompromised",
        "unknownFutureValue",
    ],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static RISK_DETAIL: EnumType = EnumType {
    name: "riskDetail",
    members: &[
        "none",
        "adminGeneratedTemporaryPassword",
        "userPerformedSecuredPasswordChange",
        "userPerformedSecuredPasswordReset",
        "adminConfirmedSigninSafe",
        "aiConfirmedSigninSafe",
        "userPassedMFADrivenByRiskBasedPolicy",
        "adminDismissedAllRiskForUser",
        "adminConfirmedSigninCompromised",
        "hidden",
        "adminConfirmedUserCompromised",
        "unknownFutureValue",
        "m365DAdminDismissedDetection",
        "adminConfirmedServicePrincipalCompromised",
        "adminDismissedAllRiskForServicePrincipal",
        "userChangedPasswordOnPremises",
        "adminDismissedRiskForSignIn",
        "adminConfirmedAccountSafe",
        "microsoftRevokedSessions",
    ],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static ACTIVITY_TYPE: EnumType = EnumType {
    name: "activityType",
    members: &["signin", "user", "unknownFutureValue", "servicePrincipal"],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static RISK_DETECTION_TIMING_TYPE: EnumType = EnumType {
    name: "riskDetectionTimingType",
    members: &["notDefined", "realtime", "nearRealtime", "offline", "unknownFutureValue"],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static TOKEN_ISSUER_TYPE: EnumType = EnumType {
    name: "tokenIssuerType",
    members: &[
        "AzureAD",
        "ADFederationServices",
        "UnknownFutureValue",
        "AzureADBackupAuth",
        "ADFederationServicesMFAAdapter",
        "NPSExtension",
    ],
    sentinel: Some("UnknownFutureValue"),
};

pub(super) static OPERATION_RESULT: EnumType = EnumType {
    name: "operationResult",
    members: &["success", "failure", "timeout", "unknownFutureValue"],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static CONDITIONAL_ACCESS_STATUS: EnumType = EnumType {
    name: "conditionalAccessStatus",
    members: &["success", "failure", "notApplied", "unknownFutureValue"],
    sentinel: Some("unknownFutureValue"),
};

pub(super) static CLIENT_CREDENTIAL_TYPE: EnumType = EnumType {
    name: "clientCredentialType",
    members: &[
        "none",
        "clientSecret",
        "clientAssertion",
        "federatedIdentityCredential",
        "managedIdentity",
        "certificate",
        "unknownFutureValue",
    ],
    sentinel: Some("unknownFutureValue"),
};
