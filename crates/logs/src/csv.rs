//! CSV rows of Log Analytics exports: columns are known by name, dynamic columns hold JSON. In exports of the unified
//! audit log one column, `AuditData`, holds the record.

use std::borrow::Cow;

use crate::fields::{Fields, Key, Raw, Scalar};
use crate::json;

/// The header row of a CSV file.
#[derive(Clone, Debug)]
pub struct Header {
    columns: Vec<Key>,
    delimiter: u8,
    /// Column of `AuditData`, in exports of the unified audit log.
    audit_data: Option<usize>,
}

/// A header must name at least this many known columns, and a column that tells a time or a kind, or any
/// table with an `Id` would pass for a log.
const KNOWN_COLUMNS_MIN: usize = 3;

impl Header {
    /// Reads a header row; `None` when it is not the header of a log.
    pub(crate) fn parse(line: &[u8]) -> Option<Header> {
        let line = line.trim_ascii();
        let delimiter = [b',', b';', b'\t']
            .into_iter()
            .max_by_key(|delimiter| line.iter().filter(|byte| *byte == delimiter).count())?;
        let columns: Vec<Key> =
            cells(line, delimiter)?.iter().map(|name| Key::parse(column_name(name))).collect();
        let known = columns.iter().filter(|key| **key != Key::Unknown).count();
        let telling =
            [Key::TimeGenerated, Key::Type, Key::Category, Key::CreatedDateTime, Key::ActivityDateTime];
        let is_log = known >= KNOWN_COLUMNS_MIN && columns.iter().any(|key| telling.contains(key));
        let audit_data = columns.iter().position(|key| *key == Key::AuditData);
        (is_log || audit_data.is_some()).then_some(Header { columns, delimiter, audit_data })
    }

    /// True when rows hold records of the unified audit log; then [`Header::audit_data`] reads them.
    pub(crate) fn is_unified_audit(&self) -> bool {
        self.audit_data.is_some()
    }

    /// The record in one row of an export of the unified audit log. A log collector's export repeats it in `_raw`:
    /// never looked at, for it is the same record once more.
    pub(crate) fn audit_data(&self, row: &[u8]) -> Result<String, &'static str> {
        let mut cells = self.cells(row)?;
        let cell = self.audit_data.map_or_else(String::new, |column| cells.swap_remove(column));
        if cell.trim_ascii().is_empty() {
            return Err("column `AuditData` is empty: collectors that cut long rows leave it so");
        }
        Ok(cell)
    }

    /// The fields of one row; `Err` says what is wrong with it.
    pub(crate) fn row(&self, row: &[u8]) -> Result<Raw<'static>, &'static str> {
        let cells = self.cells(row)?;
        let mut raw = Raw::default();
        for (key, cell) in self.columns.iter().zip(cells) {
            set(&mut raw.envelope, *key, cell);
        }
        Ok(raw)
    }

    /// The cells of one row, as many as there are columns.
    fn cells(&self, row: &[u8]) -> Result<Vec<String>, &'static str> {
        let cells = cells(row, self.delimiter).ok_or("CSV row is not UTF-8 or its quotes do not match")?;
        if cells.len() != self.columns.len() {
            return Err("CSV row has another number of columns than the header");
        }
        Ok(cells)
    }
}

/// Log Analytics writes `TimeGenerated [UTC]` in the portal's CSV export.
fn column_name(name: &str) -> &str {
    name.split(" [").next().unwrap_or(name).trim()
}

/// Sets one field from the text of a cell; structured columns hold JSON.
pub(crate) fn set(fields: &mut Fields<'static>, key: Key, cell: String) {
    if let Some(scalar) = fields.scalar(key) {
        *scalar = Scalar::text(Cow::Owned(cell));
        return;
    }
    match key {
        Key::Unknown | Key::Properties | Key::AuditData => {}
        Key::LocationObject | Key::Status if !cell.starts_with('{') => {
            let slot = if key == Key::Status { &mut fields.error_code } else { &mut fields.country };
            if slot.is_absent() {
                *slot = Scalar::text(Cow::Owned(cell));
            }
        }
        _ => {
            // A damaged dynamic column leaves its field absent; the row stands on its other columns.
            let _ = json::structured(key, &cell, fields);
        }
    }
}

fn cells(row: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(row);
    let mut record = csv::StringRecord::new();
    let found = reader.read_record(&mut record).ok()?;
    found.then(|| record.iter().map(str::to_owned).collect())
}
