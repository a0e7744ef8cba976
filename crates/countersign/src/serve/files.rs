//! The data folder: what lies in it, and who may read it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use countersign_store::{MASTER_KEY_BYTES, MasterKey};

/// SQLite's file.
pub(crate) fn database_file(data: &Path) -> PathBuf {
    data.join("countersign.db")
}

fn master_key_file(data: &Path) -> PathBuf {
    data.join("master.key")
}

/// Everything that `init` makes in a data folder.
const MADE_BY_INIT: [&str; 6] =
    ["master.key", "ca.key", "ca.pem", "countersign.db", "countersign.db-wal", "countersign.db-shm"];

/// Makes a folder that only its owner may enter; it must not hold a server's data already.
pub(crate) fn create_folder(data: &Path) -> Result<()> {
    if MADE_BY_INIT.iter().any(|name| data.join(name).exists()) {
        bail!("`{}` holds the data of a server already; nothing was changed", data.display());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).with_context(|| format!("cannot make the folder `{}`", data.display()))
}

/// Takes back what a failed `init` made, after [`create_folder`] found none of it there: half a server's data would be in the
/// way of the next try.
pub(crate) fn clear_folder(data: &Path) {
    for name in MADE_BY_INIT {
        let _ = fs::remove_file(data.join(name));
    }
    // Stays where something else is in it.
    let _ = fs::remove_dir(data);
}

/// Writes a new file that only its owner may read; one that is there is an error.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(file).with_context(|| format!("cannot make `{}`", file.display()))?;
    opened
        .write_all(bytes)
        .and_then(|()| opened.sync_all())
        .with_context(|| format!("cannot write `{}`", file.display()))
}

/// Makes the master key of a new folder. Whoever loses it loses every signing key; whoever steals it can read them.
pub(crate) fn create_master_key(data: &Path) -> Result<MasterKey> {
    let material = MasterKey::generate()?;
    let text = super::ids::hexadecimal(&*material);
    write_private(&master_key_file(data), text.as_bytes())?;
    Ok(MasterKey::new(&material)?)
}

/// Reads the master key.
pub(crate) fn read_master_key(data: &Path) -> Result<MasterKey> {
    let file = master_key_file(data);
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "cannot read `{}`; `countersign init --data {}` makes a new folder",
            file.display(),
            data.display()
        )
    })?;
    let text = text.trim();
    let mut material = [0; MASTER_KEY_BYTES];
    let digits = text.len() == 2 * MASTER_KEY_BYTES && text.is_ascii();
    for (at, byte) in material.iter_mut().enumerate() {
        let parsed = digits.then(|| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).flatten();
        let Some(parsed) = parsed else {
            bail!("`{}` does not hold {MASTER_KEY_BYTES} bytes in hexadecimal digits", file.display());
        };
        *byte = parsed;
    }
    Ok(MasterKey::new(&material)?)
}
