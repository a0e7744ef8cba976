//! The schema, step by step. A step that was released is never changed: a hash of each is kept in the database and compared
//! at every start.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::StoreError;
use crate::database::Database;

/// Every step with its number, its name and its text, which both databases understand.
const STEPS: [(i64, &str, &str); 1] = [(1, "initial", include_str!("../migrations/0001_initial.sql"))];

/// What PostgreSQL must know before the first step: names that SQLite takes by affinity. Text is compared byte by byte, as
/// SQLite does, so that pages come in the same order from both.
const POSTGRES_DOMAINS: [&str; 2] = [
    r#"do $$ begin create domain ctext as text collate "C"; exception when duplicate_object then null; end $$"#,
    "do $$ begin create domain blob as bytea; exception when duplicate_object then null; end $$",
];

/// Brings the database up to this version's schema.
pub(crate) async fn run(database: &Database) -> Result<(), StoreError> {
    let steps = STEPS.iter().map(|(version, name, text)| {
        let text = AssertSqlSafe(*text).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    });
    let migrator = Migrator::with_migrations(steps.collect());
    match database {
        Database::Sqlite { writer, .. } => migrator.run(writer).await?,
        Database::Postgres(pool) => {
            for domain in POSTGRES_DOMAINS {
                sqlx::query(domain).execute(pool).await?;
            }
            migrator.run(pool).await?;
        }
    }
    Ok(())
}
