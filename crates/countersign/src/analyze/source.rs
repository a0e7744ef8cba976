//! Opens an input and takes compression off, whatever its name says.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::inputs::Input;
use super::watch::Watch;

/// Bytes read from disk at once.
const READ_BYTES: usize = 256 << 10;

/// Blocks of a pipe that wait to be taken.
const PIPE_BLOCKS: usize = 4;

/// Time after which a wait for a pipe looks whether the user wants to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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

/// A pipe, read on a thread of its own: a read that waits for a slow writer cannot be broken off, and Ctrl-C must
/// not wait for it.
struct Pipe {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    cancelled: Arc<AtomicBool>,
}

impl Pipe {
    fn new<R: Read>(
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        let (send, blocks) = sync_channel(PIPE_BLOCKS);
        // Ends with the pipe, or with the process.
        thread::spawn(move || {
            let mut source = match open() {
                Ok(source) => source,
                Err(error) => return drop(send.send(Err(error))),
            };
            loop {
                let mut block = vec![0; READ_BYTES];
                let read = source.read(&mut block).map(|count| {
                    block.truncate(count);
                    block
                });
                let is_last = match &read {
                    Ok(block) => block.is_empty(),
                    Err(error) => error.kind() != io::ErrorKind::Interrupted,
                };
                if send.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Self { blocks, block: Vec::new(), at: 0, cancelled }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            match self.blocks.recv_timeout(LOOK_AGAIN) {
                Ok(block) => (self.block, self.at) = (block?, 0),
                // After the last block, which is empty.
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if self.cancelled.load(Ordering::Relaxed) => {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Opens an input for reading plain bytes.
pub(crate) fn open(input: &Input, watch: &Watch) -> Result<Box<dyn Read>> {
    let cancelled = Arc::clone(&watch.cancelled);
    let raw: Box<dyn Read> = match input {
        Input::Stdin => Box::new(Pipe::new(|| Ok(io::stdin()), cancelled)),
        Input::File(path, _) if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) => {
            let path = path.clone();
            Box::new(Pipe::new(move || File::open(path), cancelled))
        }
        Input::File(path, _) => {
            Box::new(File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?)
        }
    };
    let mut raw =
        BufReader::with_capacity(READ_BYTES, Counted { inner: raw, read: Arc::clone(&watch.bytes) });
    if let Err(error) = raw.fill_buf() {
        watch.check()?;
        return Err(error).with_context(|| format!("cannot read `{}`", input.name()));
    }
    Ok(match raw.buffer() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
        _ => Box::new(raw),
    })
}
