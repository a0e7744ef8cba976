-- One text for SQLite and PostgreSQL. `ctext` is text compared byte by byte: a domain made before this runs on
-- PostgreSQL, and text by affinity on SQLite. Times are microseconds since 1970 in UTC. Columns beside `body` are indexes
-- into it: they hold the lower-case form of strings, and no query reads them back.

create table tenant (
  id ctext not null primary key,
  domain ctext not null unique,
  display_name ctext not null,
  plan ctext not null,
  plan_until_us bigint,
  signing_algorithm ctext not null,
  created_us bigint not null
);

-- Wrapped by the master key; of every tenant or of one.
create table signing_key (
  kid ctext not null primary key,
  algorithm ctext not null,
  created_us bigint not null,
  active_from_us bigint not null,
  published_until_us bigint not null,
  certificate blob not null,
  wrapped_private_key blob not null
);

create table application (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  app_id ctext not null unique,
  unique_name ctext,
  display_name ctext not null,
  created_us bigint not null,
  sign_in_audience ctext not null,
  publisher_domain ctext,
  body ctext not null,
  primary key (tenant_id, id)
);
create unique index application_unique_name on application (tenant_id, unique_name);
create index application_display_name on application (tenant_id, display_name, id);
create index application_created on application (tenant_id, created_us, id);
create index application_deleted on application (deleted_us);

create table service_principal (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  app_id ctext not null,
  display_name ctext not null,
  service_principal_type ctext not null,
  account_enabled boolean not null,
  app_owner_organization_id ctext,
  body ctext not null,
  primary key (tenant_id, id)
);
create unique index service_principal_app_id on service_principal (tenant_id, app_id);
create index service_principal_display_name on service_principal (tenant_id, display_name, id);
create index service_principal_deleted on service_principal (deleted_us);

-- The names under which an application is asked for as a resource: its id, `identifierUris`, `servicePrincipalNames`;
-- lower-case, without a slash at the end. A name has one application in a tenant.
create table resource_name (
  tenant_id ctext not null,
  name ctext not null,
  app_id ctext not null,
  primary key (tenant_id, name)
);
create index resource_name_of on resource_name (tenant_id, app_id);

-- Keyed hashes of client secrets; everything else about a credential is in the body of its object.
create table client_secret (
  tenant_id ctext not null,
  object_id ctext not null,
  key_id ctext not null,
  hash blob not null,
  primary key (tenant_id, object_id, key_id)
);

create table federated_identity_credential (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  object_id ctext not null,
  name ctext not null,
  issuer ctext not null,
  subject ctext,
  body ctext not null,
  primary key (tenant_id, id)
);
create unique index federated_identity_credential_name on federated_identity_credential (tenant_id, object_id, name);

create table owner (
  tenant_id ctext not null,
  object_id ctext not null,
  owner_id ctext not null,
  added_us bigint not null,
  primary key (tenant_id, object_id, owner_id)
);
create index owner_of on owner (tenant_id, owner_id);

create table app_role_assignment (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  principal_id ctext not null,
  resource_id ctext not null,
  app_role_id ctext not null,
  principal_display_name ctext,
  body ctext not null,
  primary key (tenant_id, id)
);
create unique index app_role_assignment_once on app_role_assignment (tenant_id, principal_id, resource_id, app_role_id);
create index app_role_assignment_resource on app_role_assignment (tenant_id, resource_id, id);

create table oauth2_permission_grant (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  client_id ctext not null,
  resource_id ctext not null,
  principal_id ctext,
  consent_type ctext not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create index oauth2_permission_grant_client on oauth2_permission_grant (tenant_id, client_id, id);

create table role_assignment (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  principal_id ctext not null,
  role_definition_id ctext not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create unique index role_assignment_once on role_assignment (tenant_id, principal_id, role_definition_id);

create table directory_user (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  user_principal_name ctext not null,
  display_name ctext not null,
  account_enabled boolean not null,
  password_hash ctext,
  wrapped_totp_secret blob,
  totp_last_step bigint not null default 0,
  body ctext not null,
  primary key (tenant_id, id)
);
create unique index directory_user_name on directory_user (tenant_id, user_principal_name);

create table risky_service_principal (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  app_id ctext,
  display_name ctext,
  risk_level ctext not null,
  risk_state ctext not null,
  risk_last_updated_us bigint not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create index risky_service_principal_level on risky_service_principal (tenant_id, risk_level, id);
create index risky_service_principal_state on risky_service_principal (tenant_id, risk_state, id);
create index risky_service_principal_updated on risky_service_principal (tenant_id, risk_last_updated_us, id);

create table risk_history (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  service_principal_id ctext not null,
  changed_us bigint not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create index risk_history_of on risk_history (tenant_id, service_principal_id, changed_us, id);

create table service_principal_risk_detection (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  service_principal_id ctext not null,
  risk_event_type ctext not null,
  risk_level ctext not null,
  risk_state ctext not null,
  request_id ctext,
  detected_us bigint not null,
  activity_us bigint not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create index risk_detection_of on service_principal_risk_detection (tenant_id, service_principal_id, detected_us, id);
create index risk_detection_detected on service_principal_risk_detection (tenant_id, detected_us, id);
create index risk_detection_type on service_principal_risk_detection (tenant_id, risk_event_type, id);
create index risk_detection_level on service_principal_risk_detection (tenant_id, risk_level, id);

create table conditional_access_policy (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  display_name ctext not null,
  state ctext not null,
  created_us bigint not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create index conditional_access_policy_deleted on conditional_access_policy (deleted_us);

create table named_location (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  odata_type ctext not null,
  display_name ctext not null,
  created_us bigint not null,
  body ctext not null,
  primary key (tenant_id, id)
);
create index named_location_deleted on named_location (deleted_us);

create table directory_audit (
  tenant_id ctext not null,
  id ctext not null,
  version bigint not null,
  deleted_us bigint,
  activity_us bigint not null,
  activity_display_name ctext not null,
  category ctext not null,
  logged_by_service ctext not null,
  correlation_id ctext,
  body ctext not null,
  primary key (tenant_id, id)
);
create index directory_audit_time on directory_audit (tenant_id, activity_us, id);
create index directory_audit_name on directory_audit (tenant_id, activity_display_name, activity_us, id);

-- Sign-in records in the order of their commits, many to a row: one row a record would cost more than the signature.
-- `records` is newline-separated JSON, one record a line, oldest first.
create table sign_in_batch (
  tenant_id ctext not null,
  id ctext not null,
  first_us bigint not null,
  last_us bigint not null,
  count bigint not null,
  records blob not null,
  primary key (tenant_id, id)
);
create index sign_in_batch_time on sign_in_batch (tenant_id, last_us, id);

-- How often each process changed what others keep in memory; on SQLite, where nothing is announced, they look here.
create table announcement (
  process_id ctext not null primary key,
  changes bigint not null
);

-- Authorization codes, device codes, refresh tokens and browser sessions, by the hash of what the client holds. `family` is
-- the same for all refresh tokens that came of one sign-in; one that was used stays until it ends, so that its second use
-- is seen.
create table grant_state (
  hash blob not null primary key,
  tenant_id ctext not null,
  kind ctext not null,
  user_id ctext,
  expires_us bigint not null,
  family blob,
  used_us bigint,
  tries bigint not null default 0,
  body ctext not null
);
create index grant_state_family on grant_state (family);
create index grant_state_expiry on grant_state (expires_us);

-- Streams of Shared Signals: whom a tenant tells what happens to its workloads. `issuer` is the tenant's, as the receiver
-- called it. `body` holds what the receiver said; its authorization header is wrapped by the master key.
create table security_event_stream (
  tenant_id ctext not null,
  id ctext not null primary key,
  app_id ctext not null,
  issuer ctext not null,
  status ctext not null,
  last_sequence bigint not null,
  verified_us bigint,
  wrapped_authorization blob,
  body ctext not null
);
create unique index security_event_stream_of on security_event_stream (tenant_id, app_id);

-- Events that wait for the receiver of a stream, written with what caused them and removed when they have arrived. Without
-- `principal_id` an event is about the stream itself.
create table security_event (
  stream_id ctext not null,
  sequence bigint not null,
  tenant_id ctext not null,
  jti ctext not null,
  txn ctext not null,
  principal_id ctext,
  at_us bigint not null,
  event_type ctext not null,
  payload ctext not null,
  primary key (stream_id, sequence)
);
create unique index security_event_jti on security_event (stream_id, jti);

-- Those who may tell a tenant something, each with the hash of what it authenticates with.
create table security_event_transmitter (
  tenant_id ctext not null,
  id ctext not null,
  issuer ctext not null,
  jwks_uri ctext not null,
  audience ctext not null,
  description ctext,
  hash blob not null,
  created_us bigint not null,
  primary key (tenant_id, id)
);
create unique index security_event_transmitter_issuer on security_event_transmitter (tenant_id, issuer);
