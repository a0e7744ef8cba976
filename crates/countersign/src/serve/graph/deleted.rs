//! `/directory/deletedItems`: what can still be brought back.

use countersign_model::time::{DAY, Timestamp};
use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_signals::event::InitiatingEntity;
use countersign_signals::signal::Signal;
use countersign_store::entity::{APPLICATION, CONDITIONAL_ACCESS_POLICY, NAMED_LOCATION, SERVICE_PRINCIPAL};
use countersign_store::{Listing, Record, Scoped, is_disabled_by_microsoft};
use serde_json::Value as Json;

use super::applications::claim_names;
use super::audit::{self, Change, target_of};
use super::call::{Answer, Call, failed};
use super::routes::{Area, Holder};
use super::{attributes, collections, risk};
use crate::serve::signals::told::{self, Cause};
use crate::serve::watermarks;

/// How long a deleted object can be restored.
pub(crate) const RESTORABLE: i64 = 30 * DAY;

/// `GET /directory/deletedItems/microsoft.graph.application` and its kin.
pub(crate) async fn list(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let set = holder.set();
    let options = call.options(set.entity, Area::Directory)?;
    attributes::check_options(call, &options)?;
    let mut scoped = call.read().await?;
    let filter = collections::whole_filter(set.entity, &options);
    let listing = Listing {
        deleted: true,
        filter: filter.as_ref(),
        order: &options.order_by,
        top: options.top.map_or(Area::Directory.page_size(), |top| top as usize),
        skip: options.skip.unwrap_or(0) as usize,
        skip_token: options.skip_token.as_deref(),
        ..Listing::default()
    };
    let count = if options.count && options.skip_token.is_none() {
        Some(scoped.count(set, &listing).await.map_err(failed)?)
    } else {
        None
    };
    let page = scoped.list(set, &listing).await.map_err(failed)?;
    let shown = page.records.into_iter().map(|record| {
        let mut body = without_keys(record.into_public());
        attributes::hide(call, &mut body);
        project(set.entity, call.version, &options.select, body)
    });
    let name = holder.collection().name;
    Ok(Answer::ok(collections::page_of(call, name, shown.collect(), count, page.skip_token)))
}

/// `GET …/$count`
pub(crate) async fn count(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let options = call.options(holder.set().entity, Area::Directory)?;
    attributes::check_options(call, &options)?;
    let filter = collections::whole_filter(holder.set().entity, &options);
    let listing = Listing { deleted: true, filter: filter.as_ref(), ..Listing::default() };
    call.read().await?.count(holder.set(), &listing).await.map(Answer::Count).map_err(failed)
}

fn without_keys(mut body: Json) -> Json {
    for credential in body.get_mut("keyCredentials").and_then(Json::as_array_mut).into_iter().flatten() {
        credential["key"] = Json::Null;
    }
    body
}

async fn find(call: &Call<'_>, scoped: &mut Scoped) -> Result<(Holder, Record), ODataError> {
    let id = call.id(0).to_ascii_lowercase();
    for holder in [Holder::Application, Holder::ServicePrincipal] {
        if let Some(record) = scoped.get(holder.set(), &id).await.map_err(failed)?
            && record.deleted.is_some()
        {
            return Ok((holder, record));
        }
    }
    Err(ODataError::not_found(call.id(0)))
}

fn shown(call: &Call<'_>, holder: Holder, record: Record) -> Json {
    let entity = holder.set().entity;
    let select = countersign_odata::query::Select::Default;
    let mut body = project(entity, call.version, &select, without_keys(record.into_public()));
    body["@odata.type"] = format!("#{}", entity.qualified_name()).into();
    call.with_context("directoryObjects/$entity", body)
}

/// `GET /directory/deletedItems/{id}`
pub(crate) async fn get(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.read().await?;
    let (holder, record) = find(call, &mut scoped).await?;
    Ok(Answer::ok(shown(call, holder, record)))
}

/// `POST /directory/deletedItems/{id}/restore`
pub(crate) async fn restore(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let (holder, mut record) = find(call, &mut scoped).await?;
    call.check_owner(&mut scoped, &record.id).await?;
    record.deleted = None;
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    let activity = match holder {
        Holder::Application => "Restore application",
        Holder::ServicePrincipal => "Restore service principal",
    };
    let change = Change::application(activity, "Update", vec![target_of(kind(holder), &record, Vec::new())]);
    audit::write(call, &mut scoped, change).await?;
    match holder {
        Holder::ServicePrincipal => {
            tell_restored(call, &mut scoped, &record).await?;
            risk::follow_principal(&mut scoped, &record).await?;
        }
        Holder::Application => restore_principal(call, &mut scoped, &record).await?,
    }
    claim_names(&mut scoped, &record).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::ok(shown(call, holder, record)))
}

/// The service principal that went with its application comes back with it.
async fn restore_principal(
    call: &Call<'_>,
    scoped: &mut Scoped,
    application: &Record,
) -> Result<(), ODataError> {
    let app_id = application.text("appId").unwrap_or_default();
    if watermarks::is_active(&application.body) {
        told::tell_elsewhere(scoped, app_id, &[Signal::Enabled], &call.cause()).await.map_err(failed)?;
    }
    let principal = scoped.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await.map_err(failed)?;
    let Some(mut principal) = principal.filter(|principal| principal.deleted.is_some()) else {
        return Ok(());
    };
    principal.deleted = None;
    let principal = scoped.update(&SERVICE_PRINCIPAL, principal).await.map_err(failed)?;
    let targets = vec![target_of("ServicePrincipal", &principal, Vec::new())];
    audit::write(call, scoped, Change::application("Restore service principal", "Update", targets)).await?;
    tell_restored(call, scoped, &principal).await?;
    risk::follow_principal(scoped, &principal).await
}

/// One that is disabled, or whose application is, comes back and cannot sign in all the same.
async fn tell_restored(call: &Call<'_>, scoped: &mut Scoped, principal: &Record) -> Result<(), ODataError> {
    let app_id = principal.text("appId").unwrap_or_default();
    let application = scoped.get_by(&APPLICATION, "app_id", app_id).await.map_err(failed)?;
    let is_held_back = application.is_some_and(|application| {
        application.deleted.is_some() || !watermarks::is_active(&application.body)
    });
    if watermarks::is_active(&principal.body) && !is_held_back {
        told::tell(scoped, &principal.id, [Signal::Restored], &call.cause());
    }
    Ok(())
}

/// `DELETE /directory/deletedItems/{id}`: for good.
pub(crate) async fn purge(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let (holder, record) = find(call, &mut scoped).await?;
    call.check_owner(&mut scoped, &record.id).await?;
    if is_disabled_by_microsoft(&record.body) {
        return Err(ODataError::denied());
    }
    remove(&mut scoped, holder, &record, &call.cause()).await.map_err(failed)?;
    let activity = match holder {
        Holder::Application => "Hard Delete application",
        Holder::ServicePrincipal => "Hard delete service principal",
    };
    let change = Change::application(activity, "Delete", vec![target_of(kind(holder), &record, Vec::new())]);
    audit::write(call, &mut scoped, change).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

fn kind(holder: Holder) -> &'static str {
    match holder {
        Holder::Application => "Application",
        Holder::ServicePrincipal => "ServicePrincipal",
    }
}

async fn remove(
    scoped: &mut Scoped,
    holder: Holder,
    record: &Record,
    cause: &Cause<'_>,
) -> Result<(), countersign_store::StoreError> {
    scoped.remove_dependents(&record.id).await?;
    scoped.remove(holder.set(), record).await?;
    if holder == Holder::ServicePrincipal {
        // What it listened to goes to nobody any more.
        scoped.remove_stream_of(record.text("appId").unwrap_or_default()).await?;
        told::tell(scoped, &record.id, [Signal::Purged], cause);
    }
    Ok(())
}

/// Purges what was deleted too long ago; the number of objects.
pub(crate) async fn sweep(
    scoped: &mut Scoped,
    now: Timestamp,
) -> Result<usize, countersign_store::StoreError> {
    let mut swept = 0;
    let cause = Cause { at: now, by: InitiatingEntity::System, txn: &format!("purge {now}") };
    for (holder, set) in [(Holder::Application, &APPLICATION), (Holder::ServicePrincipal, &SERVICE_PRINCIPAL)]
    {
        let listing = Listing { deleted: true, top: 500, ..Listing::default() };
        for record in scoped.list(set, &listing).await?.records {
            let is_old = record.deleted.is_some_and(|deleted| now.since(deleted) >= RESTORABLE);
            if is_old && !is_disabled_by_microsoft(&record.body) {
                remove(scoped, holder, &record, &cause).await?;
                swept += 1;
            }
        }
    }
    for set in [&CONDITIONAL_ACCESS_POLICY, &NAMED_LOCATION] {
        let listing = Listing { deleted: true, top: 500, ..Listing::default() };
        for record in scoped.list(set, &listing).await?.records {
            if record.deleted.is_some_and(|deleted| now.since(deleted) >= RESTORABLE) {
                scoped.remove(set, &record).await?;
                swept += 1;
            }
        }
    }
    Ok(swept)
}
