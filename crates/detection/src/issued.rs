//! Where tokens were issued, for as long as they live, so that their use elsewhere shows (F1).

use std::collections::HashMap;

use countersign_model::time::Timestamp;
use foldhash::fast::FixedState;

use crate::constants::REMEMBERS_TOKENS;

/// One token's first place, and what was seen of it since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issue {
    pub(crate) principal: u32,
    /// Organisation that runs the network of issue.
    pub(crate) network: u32,
    /// It was used in the network of issue, too.
    pub(crate) used_at_home: bool,
    /// Its use elsewhere was counted.
    pub(crate) counted: bool,
}

/// Tokens by hash, in two generations.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    young: HashMap<u64, Issue, FixedState>,
    old: HashMap<u64, Issue, FixedState>,
    since: Timestamp,
}

impl Issued {
    /// Notes the place of issue; the first one stays.
    pub(crate) fn note(&mut self, token: u64, issue: Issue, time: Timestamp) {
        if time.since(self.since) >= REMEMBERS_TOKENS {
            self.old = std::mem::take(&mut self.young);
            self.since = time;
        }
        if !self.old.contains_key(&token) {
            self.young.entry(token).or_insert(issue);
        }
    }

    /// The place of issue, if it is remembered.
    pub(crate) fn of(&mut self, token: u64) -> Option<&mut Issue> {
        self.young.get_mut(&token).or_else(|| self.old.get_mut(&token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::time::HOUR;

    #[test]
    fn tokens_are_remembered_as_long_as_they_may_live() {
        let issue = Issue { principal: 0, network: 8075, used_at_home: false, counted: false };
        let mut issued = Issued::default();
        issued.note(1, issue, Timestamp(100 * HOUR));
        issued.note(2, issue, Timestamp(127 * HOUR));
        assert!(issued.of(1).is_some());
        issued.note(3, issue, Timestamp(128 * HOUR));
        assert!(issued.of(1).is_some(), "28 h are not yet over for what came last");
        issued.note(4, issue, Timestamp(157 * HOUR));
        assert!(issued.of(1).is_none() && issued.of(4).is_some());
    }
}
