//! Event-time order over any number of files in bounded memory: sorted chunks in memory, sorted runs on disk
//! when the chunks are too many, and one merge over all of them.
//!
//! An event is stored as its time, a tie-break and its `postcard` encoding. Time, tie-break and the bytes
//! themselves order events, so the order never depends on which file came first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use countersign_detection::order::hash64;
use countersign_model::event::Event;

/// Bytes of events that one thread collects before it sorts them.
const CHUNK_BYTES: usize = 32 << 20;

/// Buffer of one run while merging.
const RUN_BUFFER_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time: i64,
    tie: u64,
}

/// Events of one thread, unsorted until sealed.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    index: Vec<(Key, u32, u32)>,
}

impl Chunk {
    /// Takes in an event.
    pub(crate) fn push(&mut self, event: &Event<'_>) -> Result<()> {
        let start = self.bytes.len();
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(event, bytes).context("cannot encode an event")?;
        let key = Key { time: event.time().0, tie: hash64(event.id().0.as_bytes()) };
        self.index.push((key, start as u32, (self.bytes.len() - start) as u32));
        Ok(())
    }

    /// True when it is time to seal it.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    fn memory(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<(Key, u32, u32)>()
    }

    fn event(&self, at: usize) -> &[u8] {
        let (_, start, length) = self.index[at];
        &self.bytes[start as usize..start as usize + length as usize]
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let event = |start: u32, length: u32| &bytes[start as usize..start as usize + length as usize];
        self.index.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| event(a.1, a.2).cmp(event(b.1, b.2))));
    }
}

/// Collects chunks; writes them to disk when they take more memory than allowed.
#[derive(Debug)]
pub(crate) struct Sorter {
    memory_bytes_max: usize,
    folder: Option<PathBuf>,
    chunks: Vec<Chunk>,
    runs: Vec<File>,
    /// Bytes written to disk.
    pub(crate) spilled: u64,
}

impl Sorter {
    /// `folder` is where runs go when memory does not suffice; the system's own when `None`.
    pub(crate) fn new(memory_bytes_max: usize, folder: Option<PathBuf>) -> Self {
        Self { memory_bytes_max, folder, chunks: Vec::new(), runs: Vec::new(), spilled: 0 }
    }

    /// Takes in a chunk.
    pub(crate) fn push(&mut self, mut chunk: Chunk) -> Result<()> {
        if chunk.index.is_empty() {
            return Ok(());
        }
        chunk.sort();
        chunk.bytes.shrink_to_fit();
        self.chunks.push(chunk);
        if self.chunks.iter().map(Chunk::memory).sum::<usize>() > self.memory_bytes_max {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        // An unnamed file: the system removes it however the process ends.
        let file = match &self.folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        let place = || self.folder.as_ref().map_or_else(std::env::temp_dir, Clone::clone);
        let advice = || format!("cannot write sorted events to `{}`: name another folder with --temp-dir", place().display());
        let file = file.with_context(advice)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let mut written = 0;
        let mut merge = Merge::new(std::mem::take(&mut self.chunks), Vec::new())?;
        while let Some((key, event)) = merge.next()? {
            let head = [&key.time.to_le_bytes()[..], &key.tie.to_le_bytes(), &(event.len() as u32).to_le_bytes()].concat();
            writer.write_all(&head).and_then(|()| writer.write_all(event)).with_context(advice)?;
            written += (head.len() + event.len()) as u64;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(advice)?;
        self.runs.push(file);
        self.spilled += written;
        Ok(())
    }

    /// Ends collecting.
    pub(crate) fn into_merge(self) -> Result<Merge> {
        Merge::new(self.chunks, self.runs)
    }
}

/// All events in order. May be rewound and read again.
#[derive(Debug)]
pub(crate) struct Merge {
    inputs: Vec<Sorted>,
    heap: BinaryHeap<std::cmp::Reverse<Head>>,
    /// The input whose event was handed out last.
    current: Option<usize>,
}

#[derive(Debug)]
enum Sorted {
    Chunk { chunk: Chunk, next: usize, at: usize },
    Run { file: BufReader<File>, event: Vec<u8> },
}

/// The next event of one input, by its key; the bytes break ties.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    key: Key,
    /// The first bytes of the event, enough to tell copies apart nearly always.
    event: Box<[u8]>,
    input: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.event.cmp(&other.event)).then(self.input.cmp(&other.input))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Merge {
    fn new(chunks: Vec<Chunk>, runs: Vec<File>) -> Result<Self> {
        let chunks = chunks.into_iter().map(|chunk| Sorted::Chunk { chunk, next: 0, at: 0 });
        let runs = runs
            .into_iter()
            .map(|file| Sorted::Run { file: BufReader::with_capacity(RUN_BUFFER_BYTES, file), event: Vec::new() });
        let mut merge = Self { inputs: chunks.chain(runs).collect(), heap: BinaryHeap::new(), current: None };
        merge.rewind()?;
        Ok(merge)
    }

    /// Back to the first event.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.heap.clear();
        self.current = None;
        for input in 0..self.inputs.len() {
            match &mut self.inputs[input] {
                Sorted::Chunk { next, .. } => *next = 0,
                Sorted::Run { file, .. } => {
                    file.seek(SeekFrom::Start(0)).context("cannot read sorted events back")?;
                }
            }
            self.refill(input)?;
        }
        Ok(())
    }

    /// The next event, encoded.
    pub(crate) fn next(&mut self) -> Result<Option<(Key_, &[u8])>> {
        if let Some(input) = self.current.take() {
            self.refill(input)?;
        }
        let Some(std::cmp::Reverse(head)) = self.heap.pop() else { return Ok(None) };
        self.current = Some(head.input);
        let event = match &self.inputs[head.input] {
            Sorted::Chunk { chunk, at, .. } => chunk.event(*at),
            Sorted::Run { event, .. } => event.as_slice(),
        };
        Ok(Some((head.key, event)))
    }

    fn refill(&mut self, input: usize) -> Result<()> {
        let (key, event) = match &mut self.inputs[input] {
            Sorted::Chunk { chunk, next, at } => {
                if *next == chunk.index.len() {
                    return Ok(());
                }
                *at = *next;
                *next += 1;
                (chunk.index[*at].0, chunk.event(*at))
            }
            Sorted::Run { file, event } => match read_event(file, event).context("cannot read sorted events back")? {
                Some(key) => (key, event.as_slice()),
                None => return Ok(()),
            },
        };
        self.heap.push(std::cmp::Reverse(Head { key, event: event.into(), input }));
        Ok(())
    }
}

type Key_ = Key;

fn read_event(file: &mut impl Read, event: &mut Vec<u8>) -> io::Result<Option<Key>> {
    let mut head = [0; 20];
    match file.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (time, rest) = head.split_at(8);
    let (tie, length) = rest.split_at(8);
    let array = |bytes: &[u8]| bytes.try_into().unwrap_or_default();
    event.resize(u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize, 0);
    file.read_exact(event)?;
    Ok(Some(Key { time: i64::from_le_bytes(array(time)), tie: u64::from_le_bytes(array(tie)) }))
}
