//! Opens an input and takes compression off, whatever its name says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use super::inputs::Input;

/// Bytes read from disk at once.
const READ_BYTES: usize = 256 << 10;

/// Counts the bytes that went through, for the progress bar.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens an input for reading plain bytes.
pub(crate) fn open(input: &Input, read: Arc<AtomicU64>) -> Result<Box<dyn Read>> {
    let raw: Box<dyn Read> = match input {
        Input::File(path, _) => {
            Box::new(File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?)
        }
        Input::Stdin => Box::new(io::stdin()),
    };
    let mut raw = BufReader::with_capacity(READ_BYTES, Counted { inner: raw, read });
    let head = raw.fill_buf().with_context(|| format!("cannot read `{}`", input.name()))?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
        _ => Box::new(raw),
    })
}
