//! The bundled table of address facts: what is known of every announced address, from one data date.
//!
//! The table is a disjoint cover of both address families; what published ranges and lists say of an address
//! was folded into its row when the table was built (see [`crate::build`]), so one search answers everything.
//!
//! Layout of the file, all numbers little endian:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 8 | `MAGIC` |
//! | 8 | 2 | `FORMAT` |
//! | 10 | 8 | date of the countries, seconds since 1970 |
//! | 18 | 8 | date of the networks, seconds since 1970 |
//! | 26 | 4 | length of the body when decompressed |
//! | 30 | | body, one zstd frame |
//!
//! The body holds columns one after another, because like values beside like values compress best. Counts and
//! numbers are LEB128 varints: countries, marks (flags, providers), autonomous systems (gap to the previous
//! number, rank by frequency, class, organisation, name length, then all names), then per family the rows:
//! gap to the previous start as (power of two, odd part), rank of the system, country, marks.

use std::net::IpAddr;

use countersign_model::source::{Anonymiser, Country, HostingClass, Providers, SourceFacts};
use countersign_model::time::{SECOND, Timestamp};

use crate::column::{ColumnError, Columns};

/// First bytes of every table file.
pub(crate) const MAGIC: &[u8; 8] = b"CSIPTBL\0";
/// Raised whenever the layout changes.
pub(crate) const FORMAT: u16 = 1;
/// Length of the uncompressed head of the file.
pub(crate) const HEAD_BYTES: usize = 30;
/// Largest body we decompress: four times today's, bounds the memory of a damaged file.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;
/// Older tables put cloud addresses in the wrong country so often that callers should say so.
pub const AGE_DAYS_MAX: i64 = 90;

/// Bits of a row's flags. The first four are the location database's own.
pub(crate) mod flag {
    pub(crate) const ANONYMOUS_PROXY: u8 = 1;
    pub(crate) const ANYCAST: u8 = 4;
    /// On the list of VPN ranges.
    pub(crate) const VPN: u8 = 16;
    /// On the list of Tor exits.
    pub(crate) const TOR: u8 = 32;
}

/// Bits of an autonomous system's class.
pub(crate) mod class {
    /// Names as the class list spells them, by bit.
    pub(crate) const NAMES: [&str; 6] = ["hosting", "cdn", "vpn", "tor", "corporate-cloud", "hosting?"];
    pub(crate) const HOSTING: u8 = 1;
    pub(crate) const CDN: u8 = 2;
    pub(crate) const VPN: u8 = 4;
    pub(crate) const TOR: u8 = 8;
    pub(crate) const CORPORATE_CLOUD: u8 = 16;
    pub(crate) const PERHAPS_HOSTING: u8 = 32;
}

/// Providers whose published ranges hide users instead of hosting workloads.
const RELAYS: [&str; 2] = ["icloud-private-relay", "protonvpn"];

static EMBEDDED: &[u8] = include_bytes!("../data/ip-table.bin.zst");

/// Why a table file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The first bytes are not a table's.
    #[error("not an address table")]
    NotATable,
    /// Written by another version of the program.
    #[error("address table has format `{found}`, this program reads `{FORMAT}`")]
    Format {
        /// Format of the file.
        found: u16,
    },
    /// Damaged or cut off.
    #[error("address table is damaged: {0}")]
    Damaged(&'static str),
}

impl From<ColumnError> for TableError {
    fn from(error: ColumnError) -> Self {
        TableError::Damaged(error.0)
    }
}

/// Facts about every announced address. Immutable after loading, so one table serves all threads.
#[derive(Debug)]
pub struct IpTable {
    countries_date: Timestamp,
    networks_date: Timestamp,
    systems: Systems,
    marks: Vec<Marks>,
    v4: Family<u32>,
    v6: Family<u128>,
}

/// What a row says, with indices resolved by the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    system: u32,
    /// Two letters, or zeros for none.
    country: [u8; 2],
    marks: u16,
}

/// Flags and providers of a row: few distinct pairs exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Marks {
    pub(crate) flags: u8,
    pub(crate) providers: u16,
}

/// Autonomous systems, ascending. Entry 0 is number 0: nobody.
#[derive(Debug)]
struct Systems {
    numbers: Vec<u32>,
    classes: Vec<u8>,
    organisations: Vec<u32>,
    /// End of each name in `names`.
    name_ends: Vec<u32>,
    names: String,
}

impl Systems {
    fn index_of(&self, asn: u32) -> Option<usize> {
        self.numbers.binary_search(&asn).ok()
    }

    fn name(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.name_ends[index - 1] };
        &self.names[start as usize..self.name_ends[index] as usize]
    }
}

/// One address family: starts of a cover without gaps, and an index over the top bits that leaves a search
/// few steps.
#[derive(Debug)]
struct Family<A> {
    starts: Vec<A>,
    rows: Vec<Row>,
    /// Number of starts in lower buckets than this one; one entry more than there are buckets.
    buckets: Vec<u32>,
}

/// Buckets of the first-level index.
const BUCKETS: usize = 1 << 16;

trait Bits: Copy + Ord {
    /// The bucket of an address: never falls as the address grows.
    fn bucket(self) -> usize;
}

impl Bits for u32 {
    fn bucket(self) -> usize {
        (self >> 16) as usize
    }
}

impl Bits for u128 {
    /// All announced addresses are in `2000::/3`, so the 16 bits below those three separate best.
    fn bucket(self) -> usize {
        ((self >> 109) as usize).clamp(BUCKETS, 2 * BUCKETS - 1) - BUCKETS
    }
}

impl<A: Bits> Family<A> {
    fn new(starts: Vec<A>, rows: Vec<Row>) -> Self {
        let mut buckets = vec![0u32; BUCKETS + 1];
        for start in &starts {
            buckets[start.bucket() + 1] += 1;
        }
        for bucket in 0..BUCKETS {
            buckets[bucket + 1] += buckets[bucket];
        }
        Self { starts, rows, buckets }
    }

    fn row(&self, address: A) -> Row {
        let bucket = address.bucket();
        let (from, to) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        let below = from + self.starts[from..to].partition_point(|start| *start <= address);
        // The cover starts at address zero, so there is always a start at or below.
        self.rows[below - 1]
    }
}

/// What a row says, for tests of the data itself.
#[cfg(test)]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawFacts<'t> {
    pub(crate) asn: u32,
    pub(crate) country: Option<Country>,
    pub(crate) flags: u8,
    pub(crate) class: u8,
    pub(crate) as_name: &'t str,
}

impl IpTable {
    /// The table that comes with the program.
    pub fn embedded() -> IpTable {
        IpTable::from_bytes(EMBEDDED).expect("the bundled table is held readable by a test")
    }

    /// Reads a table file, as `xtask refresh-ip-data` writes it.
    pub fn from_bytes(file: &[u8]) -> Result<IpTable, TableError> {
        let (head, body) = file.split_at_checked(HEAD_BYTES).ok_or(TableError::NotATable)?;
        if &head[..8] != MAGIC {
            return Err(TableError::NotATable);
        }
        let field =
            |at: usize| <[u8; 8]>::try_from(&head[at..at + 8]).map(i64::from_le_bytes).unwrap_or_default();
        let format = u16::from_le_bytes([head[8], head[9]]);
        if format != FORMAT {
            return Err(TableError::Format { found: format });
        }
        let length = u32::from_le_bytes([head[26], head[27], head[28], head[29]]) as usize;
        if length > BODY_BYTES_MAX {
            return Err(TableError::Damaged("length is beyond the limit"));
        }
        let body =
            zstd::bulk::decompress(body, length).map_err(|_| TableError::Damaged("cannot decompress"))?;
        if body.len() != length {
            return Err(TableError::Damaged("body is cut off"));
        }
        decode(
            &body,
            Timestamp(field(10).saturating_mul(SECOND)),
            Timestamp(field(18).saturating_mul(SECOND)),
        )
    }

    /// What is known about an address. Private, documentation and unannounced addresses are unknown in
    /// every respect; that is an answer, not an error.
    pub fn lookup(&self, ip: IpAddr) -> SourceFacts<'_> {
        let ip = ip.to_canonical();
        let row = self.row(ip);
        let index = row.system as usize;
        let marks = self.marks[row.marks as usize];
        let asn = self.systems.numbers[index];
        let providers = Providers(marks.providers);
        // The registry's country of an address that nobody announces says nothing, and neither does that
        // of an anycast address, which is everywhere.
        let placed = (asn != 0 || !providers.is_empty()) && marks.flags & flag::ANYCAST == 0;
        let class = self.systems.classes[index];
        SourceFacts {
            ip,
            asn,
            organisation: self.systems.organisations[index],
            as_name: self.systems.name(index),
            country: (placed && row.country != [0, 0]).then_some(Country(row.country)),
            hosting: hosting(asn, class, providers),
            anonymiser: anonymiser(marks, class),
            providers,
        }
    }

    /// Smallest ASN of the organisation that runs `asn`; `asn` itself when it is in no group.
    pub fn organisation_of(&self, asn: u32) -> u32 {
        self.systems.index_of(asn).map_or(asn, |index| self.systems.organisations[index])
    }

    /// Name of an autonomous system; empty when unknown.
    pub fn as_name(&self, asn: u32) -> &str {
        self.systems.index_of(asn).map_or("", |index| self.systems.name(index))
    }

    /// What the class list says of an autonomous system; unknown for one that is not in the table.
    pub fn hosting_of(&self, asn: u32) -> HostingClass {
        let class = self.systems.index_of(asn).map_or(0, |index| self.systems.classes[index]);
        hosting(asn, class, Providers::default())
    }

    /// Every autonomous system of the table with its name, ascending.
    pub fn systems(&self) -> impl Iterator<Item = (u32, &str)> {
        self.systems.numbers.iter().enumerate().map(|(index, asn)| (*asn, self.systems.name(index)))
    }

    /// Date of the countries, the part that ages fastest.
    pub fn date(&self) -> Timestamp {
        self.countries_date
    }

    /// Date of the autonomous systems and flags.
    pub fn networks_date(&self) -> Timestamp {
        self.networks_date
    }

    /// Whole days from the table's date to `now`; warn beyond [`AGE_DAYS_MAX`].
    pub fn age_days(&self, now: Timestamp) -> i64 {
        now.day() - self.countries_date.day()
    }

    /// Names the version, so that a finding can say which table its facts are from.
    pub fn version(&self) -> String {
        format!("address table of {}, networks of {}", self.countries_date.date(), self.networks_date.date())
    }

    /// Number of ranges, both families together.
    pub fn ranges(&self) -> usize {
        self.v4.rows.len() + self.v6.rows.len()
    }

    fn row(&self, ip: IpAddr) -> Row {
        match ip {
            IpAddr::V4(ip) => self.v4.row(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.row(ip.to_bits()),
        }
    }

    #[cfg(test)]
    pub(crate) fn raw(&self, ip: IpAddr) -> RawFacts<'_> {
        let row = self.row(ip.to_canonical());
        let index = row.system as usize;
        RawFacts {
            asn: self.systems.numbers[index],
            country: (row.country != [0, 0]).then_some(Country(row.country)),
            flags: self.marks[row.marks as usize].flags,
            class: self.systems.classes[index],
            as_name: self.systems.name(index),
        }
    }
}

fn hosting(asn: u32, class: u8, providers: Providers) -> HostingClass {
    // A provider publishes ranges, a class list names whole systems of which some also serve homes:
    // the range is the better witness.
    if !providers.is_empty() || class & (class::HOSTING | class::CDN | class::CORPORATE_CLOUD) != 0 {
        HostingClass::Hosting
    } else if class & class::PERHAPS_HOSTING != 0 {
        HostingClass::PerhapsHosting
    } else if asn != 0 {
        HostingClass::Access
    } else {
        HostingClass::Unknown
    }
}

fn anonymiser(marks: Marks, class: u8) -> Anonymiser {
    if marks.flags & flag::TOR != 0 || class & class::TOR != 0 {
        Anonymiser::Tor
    } else if marks.flags & (flag::VPN | flag::ANONYMOUS_PROXY) != 0
        || class & class::VPN != 0
        || marks.providers & relays() != 0
    {
        Anonymiser::Vpn
    } else {
        Anonymiser::None
    }
}

fn relays() -> u16 {
    Providers::NAMES
        .iter()
        .enumerate()
        .filter(|(_, name)| RELAYS.contains(name))
        .fold(0, |bits, (bit, _)| bits | 1 << bit)
}

fn decode(body: &[u8], countries_date: Timestamp, networks_date: Timestamp) -> Result<IpTable, TableError> {
    let mut columns = Columns::new(body);
    let countries = decode_countries(&mut columns)?;
    let marks = decode_marks(&mut columns)?;
    let (systems, by_rank) = decode_systems(&mut columns)?;
    let keys = Keys { countries: &countries, by_rank: &by_rank, marks: marks.len() };
    let v4 = decode_family(&mut columns, &keys, |start| u32::try_from(start).ok())?;
    let v6 = decode_family(&mut columns, &keys, Some)?;
    columns.finish()?;
    Ok(IpTable { countries_date, networks_date, systems, marks, v4, v6 })
}

fn decode_countries(columns: &mut Columns<'_>) -> Result<Vec<[u8; 2]>, TableError> {
    let count = columns.count()?;
    let bytes = columns.bytes(count * 2)?;
    let countries: Vec<[u8; 2]> = bytes.chunks_exact(2).map(|code| [code[0], code[1]]).collect();
    let is_code = |code: &[u8; 2]| *code == [0, 0] || code.iter().all(u8::is_ascii_uppercase);
    if !countries.iter().all(is_code) {
        return Err(TableError::Damaged("country is not two letters"));
    }
    Ok(countries)
}

fn decode_marks(columns: &mut Columns<'_>) -> Result<Vec<Marks>, TableError> {
    let count = columns.count()?;
    if count > usize::from(u16::MAX) + 1 {
        return Err(TableError::Damaged("too many marks"));
    }
    let bytes = columns.bytes(count * 3)?;
    Ok(bytes
        .chunks_exact(3)
        .map(|mark| Marks { flags: mark[0], providers: u16::from_le_bytes([mark[1], mark[2]]) })
        .collect())
}

/// The systems, and their indices by rank.
fn decode_systems(columns: &mut Columns<'_>) -> Result<(Systems, Vec<u32>), TableError> {
    let count = columns.count()?;
    let mut numbers = Vec::with_capacity(count);
    let mut number = 0u32;
    for _ in 0..count {
        number = number.checked_add(columns.number_u32()?).ok_or(TableError::Damaged("system number"))?;
        numbers.push(number);
    }
    let mut by_rank = vec![0u32; count];
    for index in 0..count {
        let rank = columns.number_u32()? as usize;
        *by_rank.get_mut(rank).ok_or(TableError::Damaged("rank of a system"))? = index as u32;
    }
    let classes = columns.bytes(count)?.to_vec();
    let mut organisations = Vec::with_capacity(count);
    for asn in &numbers {
        let smallest = columns.number_u32()?;
        organisations.push(if smallest == 0 { *asn } else { smallest });
    }
    let mut name_ends = Vec::with_capacity(count);
    let mut end = 0u32;
    for _ in 0..count {
        end = end.checked_add(columns.number_u32()?).ok_or(TableError::Damaged("name length"))?;
        name_ends.push(end);
    }
    let names =
        std::str::from_utf8(columns.bytes(end as usize)?).map_err(|_| TableError::Damaged("names"))?;
    if numbers.first() != Some(&0) || !name_ends.iter().all(|end| names.is_char_boundary(*end as usize)) {
        return Err(TableError::Damaged("systems"));
    }
    Ok((Systems { numbers, classes, organisations, name_ends, names: names.to_owned() }, by_rank))
}

/// What the columns of a family refer to.
struct Keys<'k> {
    countries: &'k [[u8; 2]],
    by_rank: &'k [u32],
    marks: usize,
}

fn decode_family<A: Bits>(
    columns: &mut Columns<'_>,
    keys: &Keys<'_>,
    address: impl Fn(u128) -> Option<A>,
) -> Result<Family<A>, TableError> {
    let count = columns.count()?;
    let powers = columns.bytes(count)?;
    let mut starts = Vec::with_capacity(count);
    let mut start = 0u128;
    for (row, power) in powers.iter().enumerate() {
        let odd = columns.number()?;
        let gap = odd.checked_shl(u32::from(*power)).filter(|gap| gap >> power == odd);
        let next = gap.and_then(|gap| start.checked_add(gap)).filter(|next| (row == 0) == (*next == 0));
        start =
            next.filter(|next| row == 0 || *next > start).ok_or(TableError::Damaged("start of a range"))?;
        starts.push(address(start).ok_or(TableError::Damaged("start of a range"))?);
    }
    if starts.is_empty() {
        return Err(TableError::Damaged("no ranges"));
    }
    let mut rows = vec![Row::default(); count];
    for row in &mut rows {
        let rank = columns.number_u32()? as usize;
        row.system = *keys.by_rank.get(rank).ok_or(TableError::Damaged("system of a range"))?;
    }
    for row in &mut rows {
        let country = columns.number_u32()? as usize;
        row.country = *keys.countries.get(country).ok_or(TableError::Damaged("country of a range"))?;
    }
    for row in &mut rows {
        let marks = columns.number_u32()? as usize;
        row.marks = if marks < keys.marks {
            marks as u16
        } else {
            return Err(TableError::Damaged("marks of a range"));
        };
    }
    Ok(Family::new(starts, rows))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn facts<'t>(table: &'t IpTable, ip: &str) -> SourceFacts<'t> {
        table.lookup(ip.parse().unwrap())
    }

    /// Known addresses with the answers of the networks tables; see the README beside the file for its origin.
    #[test]
    fn the_embedded_table_knows_what_is_known() {
        let table = IpTable::embedded();
        let mut wrong = String::new();
        for line in
            include_str!("../tests/data/lookup-vectors.tsv").lines().filter(|line| !line.starts_with('#'))
        {
            let fields: Vec<&str> = line.split('\t').collect();
            let dash_is_empty = |text: &'static str| if text == "-" { "" } else { text };
            let raw = table.raw(fields[0].parse().unwrap());
            // Flags beyond the first four are marks that the builder laid over the networks.
            let found = (raw.asn, raw.country, raw.flags & 0x0f, raw.class, raw.as_name);
            let expected = (
                fields[1].parse().unwrap(),
                Country::parse(fields[2]),
                fields[3].parse().unwrap(),
                crate::build::class_bits(fields[4]),
                dash_is_empty(fields[5]),
            );
            if found != expected {
                let _ = writeln!(wrong, "{}: {found:?}, expected {expected:?}", fields[0]);
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        assert_eq!(table.version(), "address table of 2026-10-28, networks of 2026-08-22");
        assert_eq!(table.age_days(Timestamp(table.date().0).plus(91 * 24 * 3600 * SECOND)), AGE_DAYS_MAX + 1);
    }

    #[test]
    fn the_embedded_table_tells_clouds_homes_and_hiding_places_apart() {
        let table = IpTable::embedded();
        let runner = facts(&table, "::ffff:4.148.0.10");
        assert_eq!(runner.hosting, HostingClass::Hosting);
        assert!(runner.providers.names().any(|name| name == "microsoft" || name == "github"));
        assert_eq!(runner.organisation, facts(&table, "13.107.42.14").organisation);
        assert_eq!(facts(&table, "13.107.42.14").organisation, 3598);
        assert_eq!(facts(&table, "3.80.1.1").organisation, facts(&table, "52.94.76.10").organisation);
        assert_eq!(facts(&table, "5.161.10.10").organisation, facts(&table, "95.216.10.10").organisation);
        assert_eq!(facts(&table, "84.150.10.10").hosting, HostingClass::Access);
        assert_eq!(facts(&table, "84.150.10.10").organisation, 3320);
        assert_eq!(facts(&table, "185.220.101.1").anonymiser, Anonymiser::Tor);
        assert_eq!(facts(&table, "23.129.64.130").anonymiser, Anonymiser::Tor);
        assert_eq!(facts(&table, "1.1.1.1").country, None);
        for unknown in ["203.0.113.5", "10.0.0.5", "192.168.1.1", "fe80::1", "2001:db8::1", "::1"] {
            let facts = facts(&table, unknown);
            assert_eq!((facts.asn, facts.organisation, facts.country), (0, 0, None), "{unknown}");
            assert_eq!(
                (facts.hosting, facts.anonymiser),
                (HostingClass::Unknown, Anonymiser::None),
                "{unknown}"
            );
        }
    }

    #[test]
    fn other_files_are_refused_by_name_of_the_trouble() {
        let refused = |bytes: &[u8]| IpTable::from_bytes(bytes).unwrap_err().to_string();
        assert_eq!(refused(b"hello"), "not an address table");
        assert_eq!(refused(&[0; 100]), "not an address table");
        let mut newer = EMBEDDED[..HEAD_BYTES].to_vec();
        newer[8] = 9;
        assert_eq!(refused(&newer), "address table has format `9`, this program reads `1`");
        assert!(refused(&EMBEDDED[..EMBEDDED.len() / 2]).starts_with("address table is damaged"));
    }

    #[test]
    fn one_table_serves_all_threads() {
        fn check<T: Send + Sync>() {}
        check::<IpTable>();
    }
}
