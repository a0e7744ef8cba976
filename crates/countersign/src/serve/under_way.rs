//! How many requests are under way, so that the server knows when it may end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::Next;
use tokio::sync::watch;

/// Counts requests from their head to their answer, which is in memory as a whole then.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay {
    requests: Arc<watch::Sender<usize>>,
}

impl UnderWay {
    /// Returns when no request is under way and none has come for `long`.
    pub(crate) async fn quiet_for(&self, long: Duration) {
        let mut requests = self.requests.subscribe();
        // The sender lives as long as `self`, so that waiting cannot fail.
        while requests.wait_for(|requests| *requests == 0).await.is_ok() {
            if tokio::time::timeout(long, requests.wait_for(|requests| *requests > 0)).await.is_err() {
                return;
            }
        }
    }

    fn begin(&self) -> One {
        self.requests.send_modify(|requests| *requests += 1);
        One(self.clone())
    }
}

/// One request, also when its client goes away and it is dropped.
struct One(UnderWay);

impl Drop for One {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| *requests -= 1);
    }
}

/// The layer that counts.
pub(crate) async fn count(State(under_way): State<UnderWay>, request: Request, next: Next) -> Response<Body> {
    let _one = under_way.begin();
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_quiet_a_while_after_the_last_request() {
        const LONG: Duration = Duration::from_millis(100);
        let under_way = UnderWay::default();
        let begun = std::time::Instant::now();
        let first = under_way.begin();
        let requests = {
            let under_way = under_way.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LONG * 2).await;
                drop(first);
                // Sent before the client heard that it should not.
                let second = under_way.begin();
                tokio::time::sleep(LONG * 2).await;
                drop(second);
            })
        };
        under_way.quiet_for(LONG).await;
        assert!(begun.elapsed() >= LONG * 5, "{:?}", begun.elapsed());
        requests.await.unwrap();
    }
}
