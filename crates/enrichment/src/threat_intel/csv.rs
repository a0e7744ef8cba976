//! Comma-separated feeds with a head line, which some hide in a comment. Columns are found by name.

use crate::threat_intel::FeedFormat;
use crate::threat_intel::indicator::{Collected, Details, Observable};

/// Lines in which a head line is looked for: feeds open with a banner.
const HEAD_LINES_MAX: usize = 60;

/// Column names, in lower case without spaces and underscores, best first.
const VALUE: &[&str] = &[
    "iocvalue",
    "ioc",
    "dstip",
    "srcip",
    "ipaddr",
    "ipaddress",
    "indicatorvalue",
    "indicator",
    "value",
    "observable",
    "ip",
    "cidr",
    "network",
    "address",
    "domain",
    "useragent",
];
const KIND: &[&str] = &["ioctype", "entitytype", "indicatortype", "observabletype", "type", "kind"];
const FIRST_SEEN: &[&str] =
    &["firstseenutc", "firstseen", "validfrom", "timegenerated", "dateadded", "created", "date"];
const LAST_SEEN: &[&str] = &["lastseenutc", "lastseen", "lastonline"];
const EXPIRY: &[&str] = &["expirationdatetime", "expiration", "validuntil", "expires", "expiry"];
const CONFIDENCE: &[&str] = &["confidencelevel", "confidencescore", "confidence"];
const ACTIVE: &[&str] = &["active", "isactive"];
const DESCRIPTION: &[&str] = &[
    "description",
    "malwareprintable",
    "malware",
    "release",
    "category",
    "threattype",
    "comment",
    "notes",
    "tags",
];

/// Where the columns are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Line of the head, from 0; records follow it.
    line: usize,
    value: usize,
    kind: Option<usize>,
    first_seen: Option<usize>,
    last_seen: Option<usize>,
    expiry: Option<usize>,
    confidence: Option<usize>,
    active: Option<usize>,
    description: Option<usize>,
}

/// Finds the head line; `None` when this is no such file.
pub(crate) fn head(text: &str) -> Option<Head> {
    for (line, content) in text.lines().enumerate().take(HEAD_LINES_MAX) {
        let comment = content.trim_start().starts_with('#');
        let names = content.trim_start_matches(['#', ' ', '\t']);
        // A comment of one word heads a plain list.
        if let Some(head) = head_of(names, line).filter(|_| !comment || names.contains(',')) {
            return Some(head);
        }
        // The first line that is neither empty nor a comment is the head, or there is none.
        if !comment && !names.trim().is_empty() {
            return None;
        }
    }
    None
}

fn head_of(line: &str, at: usize) -> Option<Head> {
    let names: Vec<String> = line
        .split(',')
        .map(|name| name.trim().trim_matches('"').replace(['_', ' ', '-'], "").to_ascii_lowercase())
        .collect();
    let column = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
    let value = column(VALUE)?;
    // One word alone may be the first line of a plain list's banner; with a comma it is a head.
    if names.len() < 2 && !VALUE[..3].contains(&names[value].as_str()) && names[value] != "ip" {
        return None;
    }
    Some(Head {
        line: at,
        value,
        kind: column(KIND),
        first_seen: column(FIRST_SEEN),
        last_seen: column(LAST_SEEN),
        expiry: column(EXPIRY),
        confidence: column(CONFIDENCE),
        active: column(ACTIVE),
        description: column(DESCRIPTION),
    })
}

/// Reads the records below the head.
pub(crate) fn read(text: &str, head: &Head, collected: &mut Collected<'_>) -> FeedFormat {
    let body: String =
        text.lines().skip(head.line + 1).fold(String::with_capacity(text.len()), |mut body, line| {
            // A space before a quote would make the quote part of the value.
            if line.starts_with('"') {
                body.push_str(&line.replace("\", \"", "\",\""));
            } else {
                body.push_str(line);
            }
            body.push('\n');
            body
        });
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(::csv::Trim::All)
        .from_reader(body.as_bytes());
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, ::csv::Position::line) as usize + head.line + 1;
                read_record(&record, head, line, collected);
            }
            Err(error) => collected.skip("record", error.to_string()),
        }
    }
    FeedFormat::Csv
}

fn read_record(record: &::csv::StringRecord, head: &Head, line: usize, collected: &mut Collected<'_>) {
    let field = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
    let value = field(Some(head.value));
    if value.is_empty() {
        collected.skip(format!("line {line}"), "no value");
        return;
    }
    if matches!(field(head.active).to_ascii_lowercase().as_str(), "false" | "0" | "no") {
        collected.revoked += 1;
        return;
    }
    let observable = match observable(field(head.kind), value) {
        Ok(observable) => observable,
        Err(Unused::NotApplicable(reason)) => return collected.not_applicable(reason),
        Err(Unused::Unreadable) => {
            let shown: String = value.chars().take(60).collect();
            return collected
                .skip(format!("line {line}"), format!("`{shown}` is no address, range, domain or AS"));
        }
    };
    let details = Details {
        valid_from: crate::date::parse(field(head.first_seen)),
        valid_until: crate::date::parse(field(head.expiry)),
        last_seen: crate::date::parse(field(head.last_seen)),
        confidence: field(head.confidence).parse::<f32>().ok().map(|percent| percent / 100.0),
        description: field(head.description).to_owned(),
    };
    collected.add(FeedFormat::Csv, observable, value, &details);
}

/// Why a value is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unused {
    /// Its kind occurs in no event.
    NotApplicable(&'static str),
    /// It is not what its kind says.
    Unreadable,
}

/// Reads a value as the kind that a feed gives it; by its looks when the kind is unknown.
pub(crate) fn observable(kind: &str, value: &str) -> Result<Observable, Unused> {
    let kind = kind.to_ascii_lowercase().replace(['_', ' ', '-'], "");
    let read = match kind.as_str() {
        "ip" | "ipv4" | "ipv6" | "ipaddress" | "ipv4addr" | "ipv6addr" | "cidr" | "ip:port" | "ipport"
        | "ipsrc" | "ipdst" | "ipsrc|port" | "ipdst|port" | "network" => Observable::address(value),
        "domain" | "domainname" | "hostname" | "host" | "fqdn" => Observable::domain(value),
        "hostname|port" => Observable::domain(value.split('|').next().unwrap_or_default()),
        "url" | "uri" => Observable::url(value),
        "as" | "asn" | "autonomoussystem" => Observable::system(value),
        "useragent" => Observable::user_agent(value),
        "guid" | "appid" | "clientid" | "applicationid" | "azureapplicationid" => Observable::app(value),
        kind if is_hash(kind) => return Err(Unused::NotApplicable("file or certificate hash")),
        "filepath" | "filename" | "file" | "commandline" | "mutex" | "registrykey" | "yara" | "sigma"
        | "email" | "emailaddress" | "emailsrc" | "cve" | "pdb" => {
            return Err(Unused::NotApplicable("trace on a machine"));
        }
        _ => {
            return Observable::sniff(value).ok_or_else(|| {
                if looks_like_hash(value) {
                    Unused::NotApplicable("file or certificate hash")
                } else {
                    Unused::Unreadable
                }
            });
        }
    };
    read.ok_or(Unused::Unreadable)
}

fn is_hash(kind: &str) -> bool {
    ["md5", "sha1", "sha256", "sha512", "ssdeep", "imphash", "tlsh"].iter().any(|hash| kind.contains(hash))
}

fn looks_like_hash(value: &str) -> bool {
    matches!(value.len(), 32 | 40 | 64 | 128) && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}
