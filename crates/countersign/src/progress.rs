//! Progress on the terminal: bytes, events per second and time left. Nothing is shown when standard error is no
//! terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two looks at the counters.
const TICK: Duration = Duration::from_millis(200);

/// A bar that follows counters until it is dropped.
pub(crate) struct Progress {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Follows bytes out of `total`; shows events per second beside them.
    pub(crate) fn bytes(
        label: &'static str,
        total: u64,
        bytes: Arc<AtomicU64>,
        events: Arc<AtomicU64>,
    ) -> Self {
        let template = "{prefix} [{bar:30}] {bytes} of {total_bytes}, {msg}, {eta} left";
        Self::follow(label, total, template, bytes, events)
    }

    /// Follows events out of `total`.
    pub(crate) fn events(label: &'static str, total: u64, events: Arc<AtomicU64>) -> Self {
        let template = "{prefix} [{bar:30}] {human_pos} of {human_len} events, {msg}, {eta} left";
        Self::follow(label, total, template, Arc::clone(&events), events)
    }

    /// Follows seeds out of `total`.
    pub(crate) fn seeds(label: &'static str, total: u64, seeds: Arc<AtomicU64>) -> Self {
        let template = "{prefix} [{bar:30}] {pos} of {len} seeds, {eta} left";
        Self::follow(label, total, template, Arc::clone(&seeds), seeds)
    }

    fn follow(
        label: &'static str,
        total: u64,
        template: &str,
        position: Arc<AtomicU64>,
        events: Arc<AtomicU64>,
    ) -> Self {
        let bar = ProgressBar::new(total);
        if bar.is_hidden() {
            return Self { done: Arc::default(), thread: None };
        }
        let style = ProgressStyle::with_template(template).map(|style| style.progress_chars("=> "));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label);
        let done = Arc::new(AtomicBool::new(false));
        let finished = Arc::clone(&done);
        let start = Instant::now();
        let first = events.load(Ordering::Relaxed);
        let thread = thread::spawn(move || {
            while !finished.load(Ordering::Relaxed) {
                let rate =
                    (events.load(Ordering::Relaxed) - first) as f64 / start.elapsed().as_secs_f64().max(0.1);
                bar.set_position(position.load(Ordering::Relaxed).min(total));
                bar.set_message(format!("{:.0} k events/s", rate / 1000.0));
                thread::sleep(TICK);
            }
            bar.finish_and_clear();
        });
        Self { done, thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
