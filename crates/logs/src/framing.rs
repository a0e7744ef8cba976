//! Cuts a stream of bytes into records, whatever container holds them: JSON Lines, `{"records":[…]}`,
//! `{"value":[…]}`, arrays, pretty-printed objects, Log Analytics query results, CSV.
//!
//! The framer looks at structure only. Lines are found with `memchr`; documents that span lines are followed
//! by brackets and quotes. It holds one batch at most, so that a file may be as long as it likes.

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memchr2};

use crate::csv::Header;

/// Bytes after which complete records are handed on: large enough to be worth a hand-over between threads,
/// small enough that a few in flight cost little memory.
const BATCH_BYTES: usize = 1 << 20;

/// Longest record of a document. The largest legitimate one is a Log Analytics query answer (64 MB).
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Longest line of JSON Lines or row of CSV: Event Hubs batches are at most 1 MB.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Bytes looked at before the container is decided.
const SNIFF_BYTES: usize = 256 << 10;

/// Where one record lies in its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Bytes of the record in [`Batch::bytes`].
    pub range: Range<usize>,
    /// Line of the file on which it starts, from 1.
    pub line: u64,
}

/// How the records of a batch are written.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Each record is a JSON value.
    Json,
    /// Each record is a CSV row under this header.
    Csv(Arc<Header>),
}

/// Something the framer could not cut into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Line of the file, from 1.
    pub line: u64,
    /// What is wrong and what to do.
    pub reason: &'static str,
}

/// A run of records from one file.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The bytes that the records lie in.
    pub bytes: Vec<u8>,
    /// The records, in file order.
    pub records: Vec<Framed>,
    /// How they are written.
    pub shape: Shape,
    /// What could not be framed.
    pub refused: Vec<Refusal>,
}

/// Cuts one file into records. Feed it with [`Framer::push`], end with [`Framer::finish`].
#[derive(Debug)]
pub struct Framer {
    state: State,
    encoding: Encoding,
    /// Bytes not yet handed on; records found so far lie in front of `scanned`.
    buffer: Vec<u8>,
    scanned: usize,
    line: u64,
    found: Vec<Framed>,
    refused: Vec<Refusal>,
}

#[derive(Debug)]
enum State {
    Undecided,
    Lines { skipping: bool },
    Csv { header: Arc<Header>, in_quotes: bool, row_start: usize, row_line: u64, skipping: bool },
    Document(Document),
    Refused,
}

#[derive(Debug, Default)]
enum Encoding {
    #[default]
    Undecided,
    Utf8,
    /// Windows tools write UTF-16; the last bytes of a push may be half a character.
    Utf16 {
        big_endian: bool,
        rest: Vec<u8>,
    },
}

/// Where the scan of a document stands.
#[derive(Debug, Default)]
struct Document {
    /// Depth of arrays whose elements are records.
    arrays: usize,
    /// Inside a record, or inside an object that may turn out to be a container.
    record: Option<OpenRecord>,
    /// Inside what is left of a container object after its records, or inside a record that is too long.
    skip_depth: usize,
    in_string: bool,
    escaped: bool,
    /// An element that is no object is being passed over.
    in_scalar: bool,
}

#[derive(Debug)]
struct OpenRecord {
    start: usize,
    line: u64,
    depth: usize,
    /// Start of the string that began last at depth 1, to know a key by.
    string_start: usize,
    key: Option<Range<usize>>,
    key_then_colon: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// A framer at the start of a file.
    pub fn new() -> Self {
        Self::in_state(State::Undecided, 1)
    }

    /// A framer for text that is known to be one JSON document, beginning on `line`.
    pub(crate) fn document(line: u64) -> Self {
        let mut framer = Self::in_state(State::Document(Document::default()), line);
        framer.encoding = Encoding::Utf8;
        framer
    }

    fn in_state(state: State, line: u64) -> Self {
        Self {
            state,
            encoding: Encoding::Undecided,
            buffer: Vec::new(),
            scanned: 0,
            line,
            found: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Takes the next bytes of the file; hands on what is complete.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Batch)) {
        self.append(bytes);
        if matches!(self.state, State::Undecided) {
            if self.buffer.len() < SNIFF_BYTES {
                return;
            }
            self.decide();
        }
        self.scan(out, false);
    }

    /// Ends the file: hands on the rest.
    pub fn finish(mut self, out: &mut impl FnMut(Batch)) {
        if matches!(self.state, State::Undecided) {
            self.decide();
        }
        self.scan(out, true);
        self.emit(self.buffer.len(), out);
    }

    fn append(&mut self, bytes: &[u8]) {
        if matches!(self.encoding, Encoding::Undecided) {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() < 3 {
                return;
            }
            let head = std::mem::take(&mut self.buffer);
            self.encoding = match head[..] {
                [0xff, 0xfe, ..] => Encoding::Utf16 { big_endian: false, rest: Vec::new() },
                [0xfe, 0xff, ..] => Encoding::Utf16 { big_endian: true, rest: Vec::new() },
                _ => Encoding::Utf8,
            };
            let mark = match self.encoding {
                Encoding::Utf16 { .. } => 2,
                _ if head.starts_with(b"\xef\xbb\xbf") => 3,
                _ => 0,
            };
            return self.append(&head[mark..]);
        }
        match &mut self.encoding {
            Encoding::Utf16 { big_endian, rest } => utf16(bytes, *big_endian, rest, &mut self.buffer),
            _ => self.buffer.extend_from_slice(bytes),
        }
    }

    fn refuse(&mut self, reason: &'static str) {
        self.refused.push(Refusal { line: self.line, reason });
    }

    fn decide(&mut self) {
        let start =
            self.buffer.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(self.buffer.len());
        let text = &self.buffer[start..];
        self.state = match text.first() {
            None => State::Lines { skipping: false },
            Some(_) if memchr(0, &text[..text.len().min(8192)]).is_some() => {
                self.refuse("binary data: not a log export");
                State::Refused
            }
            Some(b'{') if first_lines_are_records(text) => State::Lines { skipping: false },
            Some(b'{' | b'[') => State::Document(Document::default()),
            Some(_) => self.decide_text(start),
        };
    }

    /// A CSV header, or text with JSON lines behind a banner, or neither.
    fn decide_text(&mut self, start: usize) -> State {
        let text = &self.buffer[start..];
        // Windows PowerShell's `Export-Csv` names the .NET type of its rows first.
        let start = match memchr(b'\n', text) {
            Some(end) if text.starts_with(b"#TYPE ") => start + end + 1,
            _ => start,
        };
        let text = &self.buffer[start..];
        let header_end = memchr(b'\n', text).unwrap_or(text.len());
        if let Some(header) = Header::parse(&text[..header_end]) {
            let line = self.line + memchr_iter(b'\n', &self.buffer[..start + header_end]).count() as u64 + 1;
            self.scanned = (start + header_end + 1).min(self.buffer.len());
            self.line = line;
            return State::Csv {
                header: Arc::new(header),
                in_quotes: false,
                row_start: self.scanned,
                row_line: line,
                skipping: false,
            };
        }
        if text.split(|byte| *byte == b'\n').skip(1).any(|line| line.starts_with(b"{\"")) {
            return State::Lines { skipping: false };
        }
        self.refuse(if memchr(b',', &text[..header_end]).is_some() {
            "neither JSON nor CSV with a known header: the first line names no column of a sign-in, audit or activity log"
        } else {
            "no log: neither JSON nor CSV"
        });
        State::Refused
    }

    fn scan(&mut self, out: &mut impl FnMut(Batch), at_end: bool) {
        match self.state {
            State::Undecided => {}
            State::Refused => self.buffer.clear(),
            State::Lines { .. } => self.scan_lines(out, at_end),
            State::Csv { .. } => self.scan_csv(out, at_end),
            State::Document(_) => self.scan_document(out, at_end),
        }
    }

    fn scan_lines(&mut self, out: &mut impl FnMut(Batch), at_end: bool) {
        let mut start = self.scanned;
        let State::Lines { mut skipping } = self.state else { return };
        while start < self.buffer.len() {
            let (end, next) = match memchr(b'\n', &self.buffer[start..]) {
                Some(length) => (start + length, start + length + 1),
                None if at_end => (self.buffer.len(), self.buffer.len()),
                None => break,
            };
            if !std::mem::take(&mut skipping) {
                let range = trimmed(&self.buffer, start..end);
                if range.len() > LINE_BYTES_MAX {
                    self.refuse("line is longer than 16 MiB: no log record is");
                } else if !range.is_empty() {
                    self.found.push(Framed { range, line: self.line });
                }
            }
            self.line += u64::from(next > end);
            start = next;
        }
        if self.buffer.len() - start > LINE_BYTES_MAX && !skipping {
            skipping = true;
            self.refuse("line is longer than 16 MiB: no log record is");
        }
        if skipping {
            self.emit(start, out);
            self.buffer.clear();
            start = 0;
        }
        self.state = State::Lines { skipping };
        self.scanned = start;
        if self.scanned >= BATCH_BYTES || at_end {
            self.emit(self.scanned, out);
        }
    }

    fn scan_csv(&mut self, out: &mut impl FnMut(Batch), at_end: bool) {
        let State::Csv { header, mut in_quotes, mut row_start, mut row_line, mut skipping } =
            std::mem::replace(&mut self.state, State::Undecided)
        else {
            return;
        };
        let mut at = self.scanned;
        while let Some(offset) = memchr2(b'"', b'\n', &self.buffer[at..]) {
            at += offset;
            if self.buffer[at] == b'"' {
                in_quotes = !in_quotes;
            } else {
                self.line += 1;
                if !in_quotes {
                    self.row(row_start..at, row_line, std::mem::take(&mut skipping));
                    row_start = at + 1;
                    row_line = self.line;
                }
            }
            at += 1;
        }
        at = self.buffer.len();
        if at_end {
            self.row(row_start..at, row_line, skipping);
            if in_quotes {
                self.refuse("CSV row is cut off: the file ends inside quotes");
            }
            row_start = at;
        } else if at - row_start > LINE_BYTES_MAX && !skipping {
            skipping = true;
            self.refused.push(Refusal {
                line: row_line,
                reason: "CSV row is longer than 16 MiB: is a quote left open?",
            });
        }
        self.state = State::Csv { header, in_quotes, row_start: 0, row_line, skipping };
        self.scanned = at;
        if row_start >= BATCH_BYTES || at_end || skipping {
            let drop_to = if skipping { at } else { row_start };
            self.emit(drop_to, out);
            row_start = 0;
        }
        if let State::Csv { row_start: start, .. } = &mut self.state {
            *start = row_start;
        }
    }

    fn row(&mut self, range: Range<usize>, line: u64, skipping: bool) {
        let range = trimmed(&self.buffer, range);
        if !range.is_empty() && !skipping {
            self.found.push(Framed { range, line });
        }
    }

    fn scan_document(&mut self, out: &mut impl FnMut(Batch), at_end: bool) {
        let State::Document(mut document) = std::mem::replace(&mut self.state, State::Undecided) else {
            return;
        };
        let mut at = self.scanned;
        while at < self.buffer.len() {
            at = self.step(&mut document, at);
        }
        if at_end && (document.record.is_some() || document.skip_depth > 0 || document.arrays > 0) {
            let line = document.record.as_ref().map_or(self.line, |record| record.line);
            self.refused.push(Refusal { line, reason: "record is cut off: the file ends inside it" });
        }
        if let Some(record) = &document.record
            && at - record.start > RECORD_BYTES_MAX
        {
            let reason = "record is longer than 64 MiB: split it, or export as JSON Lines";
            self.refused.push(Refusal { line: record.line, reason });
            document.skip_depth = record.depth;
            document.record = None;
        }
        self.scanned = at;
        let complete = document.record.as_ref().map_or(at, |record| record.start);
        if complete >= BATCH_BYTES || at_end || document.record.is_none() {
            if let Some(record) = &mut document.record {
                record.start -= complete;
                record.string_start = record.string_start.saturating_sub(complete);
                if let Some(key) = &mut record.key {
                    *key = key.start.saturating_sub(complete)..key.end.saturating_sub(complete);
                }
            }
            self.state = State::Document(document);
            self.emit(complete, out);
        } else {
            self.state = State::Document(document);
        }
    }

    /// Looks at the byte at `at`; answers where to go on.
    fn step(&mut self, document: &mut Document, at: usize) -> usize {
        if document.in_string {
            return self.step_string(document, at);
        }
        let byte = self.buffer[at];
        self.line += u64::from(byte == b'\n');
        if document.skip_depth > 0 {
            match byte {
                b'"' => document.in_string = true,
                b'{' | b'[' => document.skip_depth += 1,
                b'}' | b']' => document.skip_depth -= 1,
                _ => {}
            }
            return at + 1;
        }
        if document.record.is_some() {
            self.step_record(document, at, byte);
        } else {
            self.step_between(document, at, byte);
        }
        at + 1
    }

    fn step_string(&mut self, document: &mut Document, at: usize) -> usize {
        if std::mem::take(&mut document.escaped) {
            return at + 1;
        }
        let Some(offset) = memchr2(b'"', b'\\', &self.buffer[at..]) else { return self.buffer.len() };
        let at = at + offset;
        if self.buffer[at] == b'\\' {
            document.escaped = true;
        } else {
            document.in_string = false;
            if let Some(record) = &mut document.record
                && record.depth == 1
            {
                record.key = Some(record.string_start..at);
                record.key_then_colon = false;
            }
        }
        at + 1
    }

    fn step_record(&mut self, document: &mut Document, at: usize, byte: u8) {
        let Some(record) = &mut document.record else { return };
        match byte {
            b'"' => {
                document.in_string = true;
                record.string_start = at + 1;
            }
            b':' if record.depth == 1 => record.key_then_colon = true,
            b'[' if record.depth == 1
                && record.key_then_colon
                && is_container_key(&self.buffer, record.key.as_ref()) =>
            {
                // The object is a container, not a record: its elements are the records.
                document.record = None;
                document.arrays += 1;
            }
            b'{' | b'[' => record.depth += 1,
            b'}' | b']' => {
                record.depth -= 1;
                if record.depth == 0 {
                    self.found.push(Framed { range: record.start..at + 1, line: record.line });
                    document.record = None;
                }
            }
            b',' if record.depth == 1 => record.key_then_colon = false,
            _ => {}
        }
    }

    fn step_between(&mut self, document: &mut Document, at: usize, byte: u8) {
        match byte {
            b'{' => {
                document.in_scalar = false;
                document.record = Some(OpenRecord {
                    start: at,
                    line: self.line,
                    depth: 1,
                    string_start: at,
                    key: None,
                    key_then_colon: false,
                });
            }
            b'[' => document.arrays += 1,
            b']' if document.arrays > 0 => {
                document.in_scalar = false;
                document.arrays -= 1;
            }
            // The rest of a container object, `…],"@odata.nextLink":"…"}`, and the blanks between records.
            b'}' | b',' | b':' => document.in_scalar = false,
            b'"' => document.in_string = true,
            byte if byte.is_ascii_whitespace() => {}
            _ if !document.in_scalar => {
                document.in_scalar = true;
                if document.arrays > 0 {
                    self.refuse("array element is not a JSON object");
                }
            }
            _ => {}
        }
    }

    /// Hands on what was found in front of `end` and drops those bytes.
    fn emit(&mut self, end: usize, out: &mut impl FnMut(Batch)) {
        let rest = self.buffer.split_off(end.min(self.buffer.len()));
        let bytes = std::mem::replace(&mut self.buffer, rest);
        self.scanned = self.scanned.saturating_sub(end);
        if self.found.is_empty() && self.refused.is_empty() {
            return;
        }
        let shape = match &self.state {
            State::Csv { header, .. } => Shape::Csv(Arc::clone(header)),
            _ => Shape::Json,
        };
        out(Batch {
            bytes,
            records: std::mem::take(&mut self.found),
            shape,
            refused: std::mem::take(&mut self.refused),
        });
    }
}

/// Names of the arrays that hold records: Event Hubs and storage batches, Graph pages, `CloudTrail`.
fn is_container_key(buffer: &[u8], key: Option<&Range<usize>>) -> bool {
    let name = key.and_then(|range| buffer.get(range.clone())).unwrap_or_default();
    name.eq_ignore_ascii_case(b"records") || name == b"value"
}

/// True when the text is JSON Lines: the first line is a complete value, or the second one is (the first line
/// of a cut log may be damaged).
fn first_lines_are_records(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n');
    let has_newline = memchr(b'\n', text).is_some();
    let Some(first) = lines.next() else { return false };
    if is_complete(first) {
        return has_newline || text.len() < SNIFF_BYTES;
    }
    has_newline && lines.next().is_some_and(|second| second.starts_with(b"{") && is_complete(second))
}

/// True when brackets close at the end of the line, and not before.
fn is_complete(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1 == line.len();
                }
            }
            _ => {}
        }
    }
    false
}

fn trimmed(buffer: &[u8], range: Range<usize>) -> Range<usize> {
    let line = &buffer[range.clone()];
    let start = range.start + (line.len() - line.trim_ascii_start().len());
    start..start + line.trim_ascii().len()
}

/// Appends UTF-16 as UTF-8; half a character waits in `rest`.
fn utf16(bytes: &[u8], big_endian: bool, rest: &mut Vec<u8>, out: &mut Vec<u8>) {
    rest.extend_from_slice(bytes);
    let unit = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let mut units: Vec<u16> = rest.chunks_exact(2).map(unit).collect();
    // A high surrogate at the end waits for its other half.
    if units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
        units.pop();
    }
    rest.drain(..units.len() * 2);
    let mut text = [0; 4];
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut text).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames `text` pushed in pieces of `size`; gives records as (line, text) and refusals.
    fn frame(text: &[u8], size: usize) -> (Vec<(u64, String)>, Vec<Refusal>) {
        let mut records = Vec::new();
        let mut refused = Vec::new();
        let mut take = |batch: Batch| {
            for record in &batch.records {
                let text = String::from_utf8_lossy(&batch.bytes[record.range.clone()]).into_owned();
                records.push((record.line, text));
            }
            refused.extend(batch.refused);
        };
        let mut framer = Framer::new();
        for piece in text.chunks(size) {
            framer.push(piece, &mut take);
        }
        framer.finish(&mut take);
        (records, refused)
    }

    fn check(text: &[u8], expected: &[(u64, &str)]) {
        for size in [1, 7, usize::MAX] {
            let (records, refused) = frame(text, size.min(text.len().max(1)));
            let expected: Vec<(u64, String)> =
                expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
            assert_eq!(records, expected, "in pieces of {size}");
            assert_eq!(refused, [], "in pieces of {size}");
        }
    }

    #[test]
    fn json_lines_with_any_line_end_and_a_byte_order_mark() {
        check(b"{\"a\":1}\n{\"b\":2}\n", &[(1, r#"{"a":1}"#), (2, r#"{"b":2}"#)]);
        check(b"\xef\xbb\xbf{\"a\":1}\r\n\r\n {\"b\":2}", &[(1, r#"{"a":1}"#), (3, r#"{"b":2}"#)]);
    }

    #[test]
    fn utf_16_as_windows_writes_it() {
        let text: Vec<u8> =
            "\u{feff}{\"a\":\"ü😀\"}\n{\"b\":2}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&text, &[(1, "{\"a\":\"ü😀\"}"), (2, r#"{"b":2}"#)]);
    }

    #[test]
    fn containers_that_span_lines() {
        check(
            b"{\"records\": [\n{\"a\":[1]},\n{\"b\":\"]}\"}\n]}\n",
            &[(2, r#"{"a":[1]}"#), (3, r#"{"b":"]}"}"#)],
        );
        check(
            b"{\n\"@odata.context\":\"x\",\n\"value\":[{\"a\":{\"value\":[1]}}],\"@odata.nextLink\":\"y\"}",
            &[(3, r#"{"a":{"value":[1]}}"#)],
        );
        check(b"[\n {\"a\":1} ,\n {\"b\":\"\\\"\"}\n]", &[(2, r#"{"a":1}"#), (3, r#"{"b":"\""}"#)]);
        check(b"{\n  \"a\": {\n }\n}\n{\n}", &[(1, "{\n  \"a\": {\n }\n}"), (5, "{\n}")]);
    }

    #[test]
    fn csv_rows_may_hold_line_breaks() {
        check(
            b"Type,TimeGenerated,AppId\r\nx,\"a\nb\",1\r\ny,\"\"\"q\"\"\",2\r\n",
            &[(2, "x,\"a\nb\",1"), (4, "y,\"\"\"q\"\"\",2")],
        );
    }

    #[test]
    fn what_is_no_log_is_refused_once() {
        for (text, reason) in [
            (b"\x7fELF\0\0\0\x01".as_slice(), "binary data: not a log export"),
            (b"just text\nand more".as_slice(), "no log: neither JSON nor CSV"),
        ] {
            let (records, refused) = frame(text, 5);
            assert_eq!(records, []);
            assert_eq!(refused, [Refusal { line: 1, reason }]);
        }
    }

    #[test]
    fn a_record_that_is_cut_off_is_named_with_its_line() {
        let (records, refused) = frame(b"[\n{\"a\":1},\n{\"b\":", 3);
        assert_eq!(records.len(), 1);
        assert_eq!(refused, [Refusal { line: 3, reason: "record is cut off: the file ends inside it" }]);
    }

    #[test]
    fn a_line_of_200_megabytes_is_one_refusal_and_little_memory() {
        let mut framer = Framer::new();
        let mut batches = Vec::new();
        framer.push(b"{\"a\":1}\n{\"b\":\"", &mut |batch| batches.push(batch));
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..200 {
            framer.push(&piece, &mut |batch| batches.push(batch));
            assert!(framer.buffer.len() <= LINE_BYTES_MAX + (2 << 20));
        }
        framer.push(b"\"}\n{\"c\":3}\n", &mut |batch| batches.push(batch));
        framer.finish(&mut |batch| batches.push(batch));
        let lines: Vec<u64> =
            batches.iter().flat_map(|batch| &batch.records).map(|record| record.line).collect();
        let refused: Vec<u64> =
            batches.iter().flat_map(|batch| &batch.refused).map(|refusal| refusal.line).collect();
        assert_eq!((lines, refused), (vec![1, 3], vec![2]));
    }
}
