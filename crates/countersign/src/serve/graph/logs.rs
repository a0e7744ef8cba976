//! `/auditLogs/signIns`: out of the journal, newest first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::time::Timestamp;
use countersign_odata::edm::Version;
use countersign_odata::error::ODataError;
use countersign_odata::evaluate::matches;
use countersign_odata::project::project;
use countersign_odata::query::{Expr, Literal, Op, Operand, Options};
use countersign_store::entity::SIGN_IN;
use countersign_store::{Place, SignInRange, place_of};
use serde_json::Value as Json;

use super::access::{self, READ_POLICIES, Verdict};
use super::call::{Answer, Call, failed};
use super::collections;
use super::routes::Area;

/// What only those see who may read policies.
const POLICIES: &str = "appliedConditionalAccessPolicies";

/// `GET /auditLogs/signIns`
pub(crate) async fn list_sign_ins(call: &Call<'_>) -> Result<Answer, ODataError> {
    let options = call.options(&SIGN_IN, Area::Reports)?;
    check_filter(call, &options)?;
    let mut range = SignInRange {
        from: Timestamp(i64::MIN),
        until: Timestamp(i64::MAX),
        after: None,
        ascending: is_ascending(&options)?,
    };
    if let Some(filter) = &options.filter {
        narrow(&mut range, filter);
    }
    if let Some(token) = &options.skip_token {
        range.after = Some(read_token(token)?);
    }
    let top = options.top.map_or(Area::Reports.page_size(), |top| top as usize);
    let mut skip = if options.skip_token.is_none() { options.skip.unwrap_or(0) } else { 0 };
    let only_people = call.version == Version::V1;
    let mut scoped = call.read().await?;
    let (found, more) = scoped
        .sign_ins(&range, top, |body| {
            // Without `signInEventTypes`, which v1.0 lacks, Graph gives people's interactive sign-ins.
            if only_people && !is_interactive(body) {
                return false;
            }
            let is_wanted = match &options.filter {
                Some(filter) => matches(filter, &Json::Object(body.clone())),
                None => true,
            };
            if is_wanted && skip > 0 {
                skip -= 1;
                return false;
            }
            is_wanted
        })
        .await
        .map_err(failed)?;
    let token = if more { found.last().and_then(place_of).map(|place| write_token(&place)) } else { None };
    let values = found.into_iter().map(|body| shown(call, &options, Json::Object(body))).collect();
    Ok(Answer::ok(collections::page_of(call, "auditLogs/signIns", values, None, token)))
}

/// `GET /auditLogs/signIns/{id}`
pub(crate) async fn get_sign_in(call: &Call<'_>) -> Result<Answer, ODataError> {
    let options = call.options(&SIGN_IN, Area::Reports)?;
    let found = call.read().await?.sign_in(call.id(0)).await.map_err(failed)?;
    let Some(found) = found else { return Err(ODataError::not_found(call.id(0))) };
    let body = shown(call, &options, Json::Object(found));
    Ok(Answer::ok(call.with_context("auditLogs/signIns/$entity", body)))
}

fn is_interactive(body: &serde_json::Map<String, Json>) -> bool {
    body.get("isInteractive").and_then(Json::as_bool).unwrap_or(false)
}

fn may_see_policies(call: &Call<'_>) -> bool {
    access::verdict(&READ_POLICIES, call.caller.held()) == Verdict::Allowed
}

/// A filter on what is not shown would tell it all the same.
fn check_filter(call: &Call<'_>, options: &Options) -> Result<(), ODataError> {
    let mut asks = false;
    if let Some(filter) = &options.filter {
        filter.paths(&mut |path, _| asks |= path.segments.iter().any(|part| part == POLICIES));
    }
    if asks && !may_see_policies(call) {
        return Err(ODataError::denied());
    }
    Ok(())
}

/// A sign-in as this caller sees it: policies only for those who may read policies.
fn shown(call: &Call<'_>, options: &Options, mut body: Json) -> Json {
    if !may_see_policies(call)
        && let Json::Object(members) = &mut body
    {
        members.insert(POLICIES.into(), Json::Array(Vec::new()));
    }
    if call.version == Version::V1
        && let Some(policies) = body.get_mut(POLICIES).and_then(Json::as_array_mut)
    {
        for policy in policies.iter_mut().filter_map(Json::as_object_mut) {
            policy.retain(|name, _| !name.starts_with("conditions"));
        }
    }
    project(&SIGN_IN, call.version, &options.select, body)
}

fn is_ascending(options: &Options) -> Result<bool, ODataError> {
    match options.order_by.as_slice() {
        [] => Ok(false),
        [by] if by.path.segments == ["createdDateTime"] => Ok(!by.descending),
        _ => Err(ODataError::bad_request("Sign-ins are sorted by 'createdDateTime' only.")),
    }
}

/// Bounds on time that the whole filter implies: batches outside need not be read.
fn narrow(range: &mut SignInRange, filter: &Expr) {
    match filter {
        Expr::And(members) => members.iter().for_each(|member| narrow(range, member)),
        Expr::Compare { operand: Operand::Path(path), op, literal: Literal::DateTime(time) }
            if path.segments == ["createdDateTime"] =>
        {
            let time = Timestamp(*time);
            match op {
                Op::Eq => {
                    range.from = range.from.max(time);
                    range.until = range.until.min(time);
                }
                Op::Ge | Op::Gt => range.from = range.from.max(time),
                Op::Le | Op::Lt => range.until = range.until.min(time),
                Op::Ne => {}
            }
        }
        _ => {}
    }
}

fn write_token(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", place.time, place.id))
}

fn read_token(text: &str) -> Result<Place, ODataError> {
    let wrong = || ODataError::bad_request("The skip token is not valid for this query.");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (time, id) = text.split_once(' ').ok_or_else(wrong)?;
    Ok(Place { time: time.parse().map_err(|_| wrong())?, id: id.to_owned() })
}
