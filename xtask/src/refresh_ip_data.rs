//! `cargo xtask refresh-ip-data`: builds the address table that is bundled with the enrichment crate.
//!
//! Three ways in. Nothing: fetch the upstream packages with the machine's own package clients. Paths to a
//! location database and Tor's tables: for machines without a network. `--tsv`: networks already converted to
//! tab-separated text. Class lists, provider ranges, VPN ranges, Tor exits and organisation groups are always
//! the committed ones beside the table: no registry carries them.

#![expect(clippy::print_stdout, reason = "a task reports on standard output")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use countersign_enrichment::build::{self, Inputs, System, location, text, tor_geoip};
use countersign_enrichment::table::IpTable;
use countersign_model::time::Timestamp;

use crate::command::output;

pub(crate) const USAGE: &str = "usage: cargo xtask refresh-ip-data [--tsv DIR --date YYYY-MM-DD --networks-date YYYY-MM-DD \
                     | --location-db FILE --tor-geoip FILE --tor-geoip6 FILE [--names FILE]] [--out FILE]";

/// Debian packages that carry the location database and Tor's tables.
const DEBIAN_PACKAGES: [&str; 2] = ["libloc-database", "tor-geoipdb"];
/// The suite that gets new data; stable carries what was current at its release, which is useless for clouds.
const DEBIAN_SUITE: &str = "sid";
/// Package with names of autonomous systems that the location database lacks.
const NAMES_PACKAGE: &str = "@ip-location-db/asn";
/// The table, beside the committed lists.
const TABLE: &str = "ip-table.bin.zst";
/// Text tables are below 40 MB; bounds what a damaged archive may unpack to.
const TEXT_BYTES_MAX: usize = 256 << 20;
/// Fewer ranges than this are a broken download, not a smaller internet.
const RANGES_MIN: usize = 500_000;

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    tsv: Option<PathBuf>,
    date: Option<Timestamp>,
    networks_date: Option<Timestamp>,
    location_db: Option<PathBuf>,
    tor_geoip: Option<PathBuf>,
    tor_geoip6: Option<PathBuf>,
    names: Vec<PathBuf>,
    out: Option<PathBuf>,
}

/// Builds the table and replaces the old one in one step.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let data = data_folder();
    let mut inputs = match (&options.tsv, &options.location_db) {
        (Some(folder), None) => from_tsv(folder, &options)?,
        (None, Some(_)) => from_files(&options)?,
        (None, None) => from_packages()?,
        (Some(_), Some(_)) => bail!("`--tsv` and `--location-db` exclude each other\n{USAGE}"),
    };
    add_committed(&mut inputs, &data)?;
    let file = build::build(&inputs).context("cannot build the table")?;
    let table = IpTable::from_bytes(&file).context("cannot read back the table just built")?;
    ensure!(table.ranges() >= RANGES_MIN, "only {} ranges: the inputs are incomplete", table.ranges());
    let out = options.out.unwrap_or_else(|| data.join(TABLE));
    replace(&out, &file)?;
    println!("{}: {} bytes, {} ranges, {}", out.display(), file.len(), table.ranges(), table.version());
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("`{flag}` needs a value\n{USAGE}"))?;
        match flag.as_str() {
            "--tsv" => options.tsv = Some(value.into()),
            "--date" => options.date = Some(date(value)?),
            "--networks-date" => options.networks_date = Some(date(value)?),
            "--location-db" => options.location_db = Some(value.into()),
            "--tor-geoip" => options.tor_geoip = Some(value.into()),
            "--tor-geoip6" => options.tor_geoip6 = Some(value.into()),
            "--names" => options.names.push(value.into()),
            "--out" => options.out = Some(value.into()),
            _ => bail!("unknown option `{flag}`\n{USAGE}"),
        }
    }
    Ok(options)
}

fn date(text: &str) -> Result<Timestamp> {
    build::text::date(text).with_context(|| format!("`{text}` is not a date of the form YYYY-MM-DD"))
}

fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/enrichment/data")
}

/// Networks and systems from `ip4`, `ip6` and `asn` tables. They do not carry their date.
fn from_tsv(folder: &Path, options: &Options) -> Result<Inputs> {
    let countries_date = options.date.with_context(|| format!("`--tsv` needs `--date`\n{USAGE}"))?;
    let mut networks = text::networks(&read_zstd(&folder.join("ip4.tsv.zst"))?).context("ip4.tsv.zst")?;
    networks.extend(text::networks(&read_zstd(&folder.join("ip6.tsv.zst"))?).context("ip6.tsv.zst")?);
    let systems = text::systems(&read_zstd(&folder.join("asn.tsv.zst"))?).context("asn.tsv.zst")?;
    // Classes come from the committed list, whatever the input says, so that all three ways agree.
    let unclassed = |(asn, system): (u32, System)| (asn, System { class: 0, ..system });
    Ok(Inputs {
        countries_date,
        networks_date: options.networks_date.unwrap_or(countries_date),
        networks,
        systems: systems.into_iter().map(unclassed).collect(),
        ..Inputs::default()
    })
}

/// Networks from a location database, countries from Tor's tables, names from both and from name tables.
fn from_files(options: &Options) -> Result<Inputs> {
    let location_db = options.location_db.as_deref().context(USAGE)?;
    let database = location::parse(&read(location_db)?).with_context(|| location_db.display().to_string())?;
    let mut countries = Vec::new();
    let mut countries_date = database.created;
    for path in [&options.tor_geoip, &options.tor_geoip6].into_iter().flatten() {
        let table = String::from_utf8(read(path)?).with_context(|| path.display().to_string())?;
        countries.extend(tor_geoip::parse(&table).with_context(|| path.display().to_string())?);
        if let Some(newer) = tor_geoip::date(&table) {
            countries_date = countries_date.max(newer);
        }
    }
    let networks = tor_geoip::overlay(&database.networks, &countries)?;
    let mut systems: BTreeMap<u32, System> =
        database.names.into_iter().map(|(asn, name)| (asn, System { name, class: 0 })).collect();
    for path in &options.names {
        let table = String::from_utf8_lossy(&read(path)?).into_owned();
        for (asn, name) in text::names_csv(&table) {
            add_name(&mut systems, asn, &name);
        }
    }
    // Names that only an earlier build knew are better than none.
    // A table of another format has none to give.
    if let Ok(previous) = IpTable::from_bytes(&read(&data_folder().join(TABLE))?) {
        for (asn, name) in previous.systems() {
            add_name(&mut systems, asn, name);
        }
    }
    // Only systems that announce something are worth their name.
    let announcing: std::collections::HashSet<u32> = networks.iter().map(|network| network.asn).collect();
    systems.retain(|asn, _| announcing.contains(asn));
    Ok(Inputs { countries_date, networks_date: database.created, networks, systems, ..Inputs::default() })
}

fn add_name(systems: &mut BTreeMap<u32, System>, asn: u32, name: &str) {
    let system = systems.entry(asn).or_default();
    if system.name.is_empty() {
        name.clone_into(&mut system.name);
    }
}

/// The committed lists.
fn add_committed(inputs: &mut Inputs, data: &Path) -> Result<()> {
    for (asn, class) in text::classes(&read_zstd(&data.join("autonomous-system-classes.tsv.zst"))?)? {
        inputs.systems.entry(asn).or_default().class = class;
    }
    inputs.providers = text::providers(&read_zstd(&data.join("provider-ranges.tsv.zst"))?)?;
    // Geofeeds hold documentation blocks now and then; nobody runs those.
    inputs.providers.retain(|(range, _)| !range.is_documentation());
    inputs.vpn = text::ranges(&read_zstd(&data.join("vpn-ranges.txt.zst"))?)?;
    inputs.tor = text::ranges(&read_zstd(&data.join("tor-exits.txt.zst"))?)?;
    let organisations = String::from_utf8(read(&data.join("organisations.tsv"))?)?;
    inputs.organisations = text::organisations(&organisations)?;
    Ok(())
}

/// Fetches the packages into a temporary folder, which is removed afterwards.
fn from_packages() -> Result<Inputs> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let unpacked = fetch_debian(folder.path())?;
    let names = match fetch_names(folder.path()) {
        Ok(names) => names,
        Err(error) => {
            println!("names of the previous table are kept: {error:#}");
            Vec::new()
        }
    };
    let file = |name: &str| find(&unpacked, name).with_context(|| format!("no `{name}` in the packages"));
    from_files(&Options {
        location_db: Some(file("location.db")?),
        tor_geoip: Some(file("geoip")?),
        tor_geoip6: Some(file("geoip6")?),
        names,
        ..Options::default()
    })
}

/// Downloads the Debian packages with a private apt state, so that neither the machine's sources nor its
/// lists change. The mirrors are the ones the machine is configured with.
fn fetch_debian(folder: &Path) -> Result<PathBuf> {
    let root = folder.join("apt");
    for sub in ["lists/partial", "cache/archives/partial", "parts", "packages", "unpacked"] {
        fs::create_dir_all(root.join(sub))?;
    }
    let sources = debian_sources()?;
    fs::write(root.join("sources.list"), sources)?;
    let option = |key: &str, path: &Path| format!("-o{key}={}", path.display());
    let common = [
        option("Dir::Etc::SourceList", &root.join("sources.list")),
        option("Dir::Etc::SourceParts", &root.join("parts")),
        option("Dir::State::Lists", &root.join("lists")),
        option("Dir::Cache", &root.join("cache")),
        // The machine's pins are about what is installed; nothing is installed here.
        option("Dir::Etc::PreferencesParts", &root.join("parts")),
        option("Dir::Etc::Preferences", &root.join("parts/none")),
        "-oAPT::Get::List-Cleanup=0".to_owned(),
        // Written and read by this user only: the sandbox user could not enter the temporary folder.
        "-oAPT::Sandbox::User=".to_owned(),
    ];
    output(Command::new("apt-get").args(&common).arg("update").current_dir(&root))?;
    let packages = root.join("packages");
    output(
        Command::new("apt-get").args(&common).arg("download").args(DEBIAN_PACKAGES).current_dir(&packages),
    )?;
    let unpacked = root.join("unpacked");
    for entry in fs::read_dir(&packages)? {
        output(Command::new("dpkg-deb").arg("--extract").arg(entry?.path()).arg(&unpacked))?;
    }
    Ok(unpacked)
}

/// One source line for each mirror that the machine's configuration names, all for the suite with new data.
fn debian_sources() -> Result<String> {
    let text = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(TARGET_OF) $(REPO_URI) $(ORIGIN) $(COMPONENT) $(SIGNED_BY)",
    ]))?;
    let mut lines: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (kind, mirror) = (words.next()?, words.next()?);
            // The security archive has no such suite.
            let usable = kind == "deb" && !mirror.trim_end_matches('/').ends_with("-security");
            let signed_by = words.find(|word| word.starts_with('/'));
            let options = signed_by.map_or(String::new(), |key| format!("[signed-by={key}] "));
            usable.then(|| format!("deb {options}{mirror} {DEBIAN_SUITE} main"))
        })
        .collect();
    lines.sort();
    lines.dedup();
    ensure!(!lines.is_empty(), "apt is configured with no mirror; pass `--location-db` instead");
    Ok(lines.join("\n") + "\n")
}

/// Downloads the table with further names of autonomous systems.
fn fetch_names(folder: &Path) -> Result<Vec<PathBuf>> {
    let names = folder.join("names");
    fs::create_dir_all(&names)?;
    output(Command::new("npm").args(["pack", "--silent", NAMES_PACKAGE]).current_dir(&names))?;
    for entry in fs::read_dir(&names)? {
        output(Command::new("tar").arg("-xzf").arg(entry?.path()).current_dir(&names))?;
    }
    let found: Vec<PathBuf> =
        files(&names).into_iter().filter(|path| path.extension().is_some_and(|end| end == "csv")).collect();
    ensure!(!found.is_empty(), "no table in package `{NAMES_PACKAGE}`");
    Ok(found)
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    files(folder).into_iter().find(|path| path.file_name().is_some_and(|found| found == name))
}

/// All regular files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn read_zstd(path: &Path) -> Result<String> {
    let bytes = zstd::bulk::decompress(&read(path)?, TEXT_BYTES_MAX)
        .with_context(|| format!("cannot decompress `{}`", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8", path.display()))
}

/// Writes beside the target and renames, so that no build ever sees half a table.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).with_context(|| format!("cannot write `{}`", beside.display()))?;
    fs::rename(&beside, path).with_context(|| format!("cannot replace `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn options_are_read_and_unknown_ones_are_refused() {
        let options = parse(&strings(&["--tsv", "in", "--date", "2026-10-28", "--out", "table"])).unwrap();
        assert_eq!(options.tsv.as_deref(), Some(Path::new("in")));
        assert_eq!(options.date.unwrap().date(), "2026-10-28");
        assert!(parse(&strings(&["--tsv"])).is_err());
        assert!(parse(&strings(&["--what", "x"])).is_err());
        assert!(parse(&strings(&["--date", "yesterday"])).is_err());
    }

    #[test]
    fn the_committed_lists_are_readable() {
        let mut inputs = Inputs::default();
        add_committed(&mut inputs, &data_folder()).unwrap();
        assert!(inputs.systems.len() > 2_000);
        assert!(inputs.providers.len() > 20_000 && inputs.vpn.len() > 10_000 && inputs.tor.len() > 2_000);
        // Groups are checked against each other when a table is built.
        inputs.networks = Vec::new();
        build::build(&inputs).unwrap();
    }
}
