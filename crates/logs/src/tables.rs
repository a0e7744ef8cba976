//! Answers of the Log Analytics query API: `{"tables":[{"name","columns":[{"name","type"}],"rows":[[…]]}]}`.

use serde::Deserialize;
use serde_json::Value;

use crate::csv;
use crate::fields::{Key, Raw};

#[derive(Deserialize)]
struct Answer {
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

/// The rows of all tables, each as the record it is.
pub(crate) fn rows(
    text: &[u8],
) -> Result<impl Iterator<Item = Result<Raw<'static>, &'static str>>, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(text)?;
    Ok(answer.tables.into_iter().flat_map(|table| {
        let keys: Vec<Key> = table.columns.iter().map(|column| Key::parse(&column.name)).collect();
        table.rows.into_iter().map(move |row| {
            if row.len() != keys.len() {
                return Err("row has another number of cells than the table has columns");
            }
            let mut raw = Raw::default();
            for (key, cell) in keys.iter().zip(row) {
                match cell {
                    Value::Null => {}
                    Value::String(text) => csv::set(&mut raw.envelope, *key, text),
                    other => csv::set(&mut raw.envelope, *key, other.to_string()),
                }
            }
            Ok(raw)
        })
    }))
}
