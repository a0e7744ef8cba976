//! Rows of entities: read, listed page by page, written under a version.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::time::Timestamp;
use countersign_odata::query::{Expr, OrderBy};
use countersign_odata::value::parse_instant;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::clients::POLICIES;
use crate::database::{Row, Session, Statement, Value};
use crate::entity::{Column, ColumnKind, EntitySet};
use crate::streams::Told;
use crate::{Store, StoreError, TenantScope, filter};

/// Longest skip token that is read: a few keys of an order.
const SKIP_TOKEN_BYTES_MAX: usize = 4_096;
/// Rows that are read at a time where all are wanted.
const PAGE: usize = 500;

/// An object as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Counts its changes; the `ETag` is made from it.
    pub version: i64,
    /// When it was deleted, if it was.
    pub deleted: Option<Timestamp>,
    /// What Graph shows, and members of ours that begin with `_`.
    pub body: Map<String, Json>,
}

impl Record {
    /// The member of that name when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Json::as_str)
    }

    /// The member of that name when it is a boolean.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.body.get(name).and_then(Json::as_bool)
    }

    /// The members of a list, empty when there is none.
    pub fn list(&self, name: &str) -> &[Json] {
        self.body.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
    }

    /// `W/"7"`.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    /// What may leave: the body without our own members.
    pub fn into_public(self) -> Json {
        let mut body = self.body;
        body.retain(|name, _| !name.starts_with('_'));
        if let Some(deleted) = self.deleted {
            body.insert("deletedDateTime".into(), deleted.to_string().into());
        }
        Json::Object(body)
    }
}

/// Which objects, in what order, from where.
#[derive(Clone, Debug, Default)]
pub struct Listing<'a> {
    /// Columns that must hold these values, such as the parent's id.
    pub within: Vec<(&'static str, &'a str)>,
    /// Whether it lists what was deleted instead of what is there.
    pub deleted: bool,
    /// `$filter`.
    pub filter: Option<&'a Expr>,
    /// `$orderby`; the id comes last always, so that the order is complete.
    pub order: &'a [OrderBy],
    /// Largest number of objects.
    pub top: usize,
    /// `$skip`.
    pub skip: usize,
    /// Where the page before ended.
    pub skip_token: Option<&'a str>,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most `top` objects.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` after the last.
    pub skip_token: Option<String>,
}

/// The last object of a page: what comes behind it in the order is the next page, whatever was added or removed
/// meanwhile.
#[derive(Serialize, Deserialize)]
struct SkipToken {
    /// Values of the order's columns.
    k: Vec<Key>,
    /// Id.
    i: String,
    /// The order, so that a token is refused under another.
    o: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Null,
    Int(i64),
    Flag(bool),
    Text(String),
}

/// A connection or transaction that sees one tenant.
pub struct Scoped {
    pub(crate) session: Session,
    pub(crate) scope: TenantScope,
    /// Applications whose cached facts a commit outdates.
    pub(crate) touched: Vec<String>,
    /// What happened to workloads, to be written to streams by the commit.
    pub(crate) told: Vec<Told>,
    pub(crate) store: Store,
}

impl Scoped {
    /// The tenant.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    pub(crate) fn tenant(&self) -> Value {
        self.scope.tenant_id().into()
    }

    /// One object by its id, deleted ones included.
    pub async fn get(&mut self, set: &'static EntitySet, id: &str) -> Result<Option<Record>, StoreError> {
        self.get_by(set, "id", id).await
    }

    /// One object by a column that is unique in its tenant, deleted ones included.
    pub async fn get_by(
        &mut self,
        set: &'static EntitySet,
        column: &'static str,
        value: &str,
    ) -> Result<Option<Record>, StoreError> {
        let mut statement = select(set);
        statement.push(" where tenant_id = ").bind(self.tenant());
        statement.push(" and ").push(column).push(" = ").bind(value.to_ascii_lowercase());
        if matches!(self.session, Session::PostgresTransaction(_)) {
            // Who reads in a transaction is about to write: the next one waits, as SQLite's one writer makes it. Otherwise one of
            // two changes at the same time would be refused although nobody asked for that with `If-Match`.
            statement.push(" for update");
        }
        let row = self.session.first(statement).await?;
        row.map(|row| record(set, &row)).transpose()
    }

    /// A page of objects.
    pub async fn list(&mut self, set: &'static EntitySet, listing: &Listing<'_>) -> Result<Page, StoreError> {
        let order = order_columns(set, listing.order)?;
        let fingerprint = fingerprint(listing.order);
        let mut statement = select(set);
        self.restrict(&mut statement, set, listing)?;
        if let Some(token) = listing.skip_token {
            let token = read_skip_token(token, &fingerprint, order.len())?;
            statement.push(" and ");
            after(&mut statement, &order, &token, is_reversed(listing.order));
        }
        statement.push(" order by ");
        for (column, descending) in &order {
            statement.push(column.name).push(match (descending, column.nullable) {
                (false, true) => " asc nulls first, ",
                (true, true) => " desc nulls last, ",
                (false, false) => " asc, ",
                (true, false) => " desc, ",
            });
        }
        statement.push(if is_reversed(listing.order) { "id desc limit " } else { "id asc limit " });
        statement.bind(listing.top as i64 + 1);
        if listing.skip > 0 && listing.skip_token.is_none() {
            statement.push(" offset ").bind(listing.skip as i64);
        }
        let rows = self.session.fetch(statement).await?;
        let mut records = rows.iter().map(|row| record(set, row)).collect::<Result<Vec<_>, _>>()?;
        // One more was asked for, to know whether there is a next page: an empty one confuses clients.
        let more = records.len() > listing.top;
        records.truncate(listing.top);
        let skip_token = match (more, records.last()) {
            (true, Some(last)) => Some(write_skip_token(last, &order, fingerprint)),
            _ => None,
        };
        Ok(Page { records, skip_token })
    }

    /// All objects that are not deleted and have these values in these columns, page by page. For sets that are known to be small.
    pub async fn all(
        &mut self,
        set: &'static EntitySet,
        within: &[(&'static str, &str)],
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        let mut skip_token = None;
        loop {
            let listing = Listing {
                within: within.to_vec(),
                top: PAGE,
                skip_token: skip_token.as_deref(),
                ..Listing::default()
            };
            let page = self.list(set, &listing).await?;
            records.extend(page.records);
            match page.skip_token {
                Some(token) => skip_token = Some(token),
                None => return Ok(records),
            }
        }
    }

    /// How many objects there are behind a filter; page and order do not matter.
    pub async fn count(&mut self, set: &'static EntitySet, listing: &Listing<'_>) -> Result<i64, StoreError> {
        let mut statement = Statement::default();
        statement.push("select count(*) from ").push(set.table);
        self.restrict(&mut statement, set, listing)?;
        match self.session.first(statement).await? {
            Some(row) => row.int(0),
            None => Ok(0),
        }
    }

    fn restrict(
        &self,
        statement: &mut Statement,
        set: &'static EntitySet,
        listing: &Listing<'_>,
    ) -> Result<(), StoreError> {
        statement.push(" where tenant_id = ").bind(self.tenant());
        statement.push(if listing.deleted {
            " and deleted_us is not null"
        } else {
            " and deleted_us is null"
        });
        for (column, value) in &listing.within {
            statement.push(" and ").push(column).push(" = ").bind(value.to_ascii_lowercase());
        }
        if let Some(expr) = listing.filter {
            statement.push(" and ");
            filter::condition(statement, self.session.dialect(), set, expr)?;
        }
        Ok(())
    }

    /// Adds an object; its id is the body's.
    pub async fn insert(
        &mut self,
        set: &'static EntitySet,
        body: Map<String, Json>,
    ) -> Result<Record, StoreError> {
        let id = body.get("id").and_then(Json::as_str).unwrap_or_default().to_ascii_lowercase();
        let mut statement = Statement::default();
        statement.push("insert into ").push(set.table).push(" (tenant_id, id, version, body");
        for column in set.columns {
            statement.push(", ").push(column.name);
        }
        statement
            .push(") values (")
            .bind(self.tenant())
            .push(", ")
            .bind(&id)
            .push(", 1, ")
            .bind(text_of(&body));
        for column in set.columns {
            statement.push(", ").bind(column_value(column, &body));
        }
        statement.push(")");
        match self.session.execute(statement).await {
            Ok(_) => {}
            Err(StoreError::Database(error)) if StoreError::is_unique_violation(&error) => {
                return Err(StoreError::Duplicate(set.entity.name));
            }
            Err(error) => return Err(error),
        }
        self.touch(set, &body);
        Ok(Record { id, version: 1, deleted: None, body })
    }

    /// Replaces the body of an object that nobody changed since it was read.
    pub async fn update(&mut self, set: &'static EntitySet, record: Record) -> Result<Record, StoreError> {
        let mut statement = Statement::default();
        statement.push("update ").push(set.table).push(" set version = version + 1, body = ");
        statement.bind(text_of(&record.body)).push(", deleted_us = ").bind(record.deleted.map(|time| time.0));
        for column in set.columns {
            statement.push(", ").push(column.name).push(" = ").bind(column_value(column, &record.body));
        }
        statement.push(" where tenant_id = ").bind(self.tenant()).push(" and id = ").bind(&record.id);
        statement.push(" and version = ").bind(record.version);
        match self.session.execute(statement).await {
            Ok(1) => {}
            Ok(_) => return Err(StoreError::Changed),
            Err(StoreError::Database(error)) if StoreError::is_unique_violation(&error) => {
                return Err(StoreError::Duplicate(set.entity.name));
            }
            Err(error) => return Err(error),
        }
        self.touch(set, &record.body);
        Ok(Record { version: record.version + 1, ..record })
    }

    /// Removes an object for good.
    pub async fn remove(&mut self, set: &'static EntitySet, record: &Record) -> Result<(), StoreError> {
        let mut statement = Statement::default();
        statement.push("delete from ").push(set.table).push(" where tenant_id = ").bind(self.tenant());
        statement.push(" and id = ").bind(&record.id);
        self.session.execute(statement).await?;
        self.touch(set, &record.body);
        Ok(())
    }

    /// Makes everything written last. Without it, dropping takes all back.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.write_told().await?;
        let touched = std::mem::take(&mut self.touched);
        self.store.clients().announce(&mut self.session, &touched).await?;
        self.session.commit().await?;
        // After the commit and before anybody is answered: what a caller was told holds at once.
        self.store.clients().outdate(&touched);
        Ok(())
    }

    fn touch(&mut self, set: &'static EntitySet, body: &Map<String, Json>) {
        let app_id = match set.table {
            "application" | "service_principal" | "risky_service_principal" => body.get("appId"),
            "conditional_access_policy" | "named_location" => {
                self.touched.push(format!("{POLICIES}{}", self.scope.tenant_id()));
                None
            }
            _ => None,
        };
        if let Some(app_id) = app_id.and_then(Json::as_str) {
            self.outdate(app_id);
        }
    }

    /// Says that cached facts about an application will be outdated by this transaction.
    pub fn outdate(&mut self, app_id: &str) {
        self.touched.push(app_id.to_ascii_lowercase());
    }
}

pub(crate) fn select(set: &'static EntitySet) -> Statement {
    let mut statement = Statement::default();
    statement.push("select id, version, deleted_us, body from ").push(set.table);
    statement
}

pub(crate) fn record(set: &'static EntitySet, row: &Row) -> Result<Record, StoreError> {
    let (id, body) = (row.text(0)?, row.text(3)?);
    match serde_json::from_str(&body) {
        Ok(body) => {
            Ok(Record { id, version: row.int(1)?, deleted: row.int_or_null(2)?.map(Timestamp), body })
        }
        Err(error) => Err(StoreError::Corrupt { table: set.table, id, reason: error.to_string() }),
    }
}

/// A body as it is kept. PostgreSQL reads no JSON with a null character in it, not even an escaped one, and one such row would
/// fail every filter that opens bodies: what the edge did not refuse, as names out of logs, gets a mark in its place.
fn text_of(body: &Map<String, Json>) -> String {
    let text = serde_json::to_string(body).unwrap_or_default();
    if !text.contains("\\u0000") {
        return text;
    }
    let mut body = Json::Object(body.clone());
    replace_null(&mut body);
    body.to_string()
}

fn replace_null(value: &mut Json) {
    match value {
        Json::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{FFFD}"),
        Json::Array(values) => values.iter_mut().for_each(replace_null),
        Json::Object(members) => {
            members.retain(|name, _| !name.contains('\0'));
            members.values_mut().for_each(replace_null);
        }
        _ => {}
    }
}

/// The value of a column, out of the body.
fn column_value(column: &Column, body: &Map<String, Json>) -> Value {
    let json = body.get(column.property).unwrap_or(&Json::Null);
    match column.kind {
        ColumnKind::Text => match json.as_str() {
            Some(text) => Value::Text(Some(text.to_ascii_lowercase())),
            None if column.nullable => Value::Text(None),
            None => Value::Text(Some(String::new())),
        },
        ColumnKind::Time => match json.as_str().and_then(parse_instant) {
            Some(micros) => Value::Int(Some(micros)),
            None if column.nullable => Value::Int(None),
            None => Value::Int(Some(0)),
        },
        ColumnKind::Flag => Value::Bool(Some(json.as_bool().unwrap_or(false))),
    }
}

/// The columns that an order goes by. What has none cannot be kept in order over pages.
fn order_columns(
    set: &'static EntitySet,
    order: &[OrderBy],
) -> Result<Vec<(&'static Column, bool)>, StoreError> {
    order
        .iter()
        .filter(|by| by.path.segments != ["id"])
        .map(|by| {
            let column = match by.path.segments.as_slice() {
                [property] => set.column(property),
                _ => None,
            };
            let column = column.ok_or_else(|| {
                StoreError::Unsupported(format!("sorting by `{}` is not supported", by.path))
            })?;
            Ok((column, by.descending))
        })
        .collect()
}

fn fingerprint(order: &[OrderBy]) -> String {
    let words: Vec<String> = order.iter().map(|by| format!("{} {:?}", by.path, by.descending)).collect();
    words.join(",")
}

fn write_skip_token(last: &Record, order: &[(&'static Column, bool)], fingerprint: String) -> String {
    let keys = order
        .iter()
        .map(|(column, _)| match column_value(column, &last.body) {
            Value::Text(Some(text)) => Key::Text(text),
            Value::Int(Some(number)) => Key::Int(number),
            Value::Bool(Some(flag)) => Key::Flag(flag),
            _ => Key::Null,
        })
        .collect();
    let token = SkipToken { k: keys, i: last.id.clone(), o: fingerprint };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn read_skip_token(text: &str, fingerprint: &str, keys: usize) -> Result<SkipToken, StoreError> {
    if text.len() > SKIP_TOKEN_BYTES_MAX {
        return Err(StoreError::SkipToken);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::SkipToken)?;
    let token: SkipToken = serde_json::from_slice(&bytes).map_err(|_| StoreError::SkipToken)?;
    if token.o == fingerprint && token.k.len() == keys { Ok(token) } else { Err(StoreError::SkipToken) }
}

/// Whether the id, which makes every order complete, runs backwards: only where the client says so.
fn is_reversed(order: &[OrderBy]) -> bool {
    order.iter().any(|by| by.path.segments == ["id"] && by.descending)
}

/// What stands behind the token's object: greater in the first column, or equal there and greater in the second, and so
/// on to the id.
fn after(statement: &mut Statement, order: &[(&'static Column, bool)], token: &SkipToken, is_reversed: bool) {
    for ((column, descending), key) in order.iter().zip(&token.k) {
        let name = column.name;
        match (key, descending) {
            // Null comes first in ascending order and last in descending order.
            (Key::Null, false) => {
                statement.push(&format!("({name} is not null or ({name} is null and "));
            }
            (Key::Null, true) => {
                statement.push(&format!("(false or ({name} is null and "));
            }
            (key, false) => {
                statement.push(&format!("({name} > ")).bind(key.value());
                statement.push(&format!(" or ({name} = ")).bind(key.value()).push(" and ");
            }
            (key, true) => {
                statement.push(&format!("({name} < ")).bind(key.value());
                if column.nullable {
                    statement.push(&format!(" or {name} is null"));
                }
                statement.push(&format!(" or ({name} = ")).bind(key.value()).push(" and ");
            }
        }
    }
    statement.push(if is_reversed { "id < " } else { "id > " }).bind(&token.i);
    for _ in order {
        statement.push("))");
    }
}

impl Key {
    fn value(&self) -> Value {
        match self {
            Key::Null => Value::Text(None),
            Key::Int(number) => Value::Int(Some(*number)),
            Key::Flag(flag) => Value::Bool(Some(*flag)),
            Key::Text(text) => Value::Text(Some(text.clone())),
        }
    }
}
