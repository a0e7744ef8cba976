//! What risky identities did, for the report: a second reading of the sorted events.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use anyhow::Result;
use countersign_enrichment::{Enricher, Memo};
use countersign_model::event::{DirectoryAudit, Event};
use countersign_model::time::{HOUR, Timestamp};

use super::fold::decode;
use super::result::{Analysis, Point, Timeline};
use super::sort::Merge;
use super::watch::Watch;

/// Most points kept of one identity: three months of hourly use from three places.
const POINTS_MAX: usize = 8_000;
/// Most changes kept of one identity.
const CHANGES_MAX: usize = 200;

/// What tells points of one identity apart.
type Place = (Timestamp, Option<IpAddr>, String, String, Option<usize>);

/// Collects the timelines of all risky identities.
pub(crate) fn collect(
    events: &mut Merge,
    enricher: &Enricher,
    analysis: &Analysis,
    watch: &Watch,
) -> Result<BTreeMap<String, Timeline>> {
    let mut places: HashMap<&str, BTreeMap<Place, Point>> = HashMap::new();
    let mut timelines: BTreeMap<String, Timeline> = BTreeMap::new();
    let mut apps: HashMap<&str, &str> = HashMap::new();
    for principal in &analysis.risky {
        places.insert(&principal.graph.id, BTreeMap::new());
        timelines.insert(principal.graph.id.clone(), Timeline::default());
        if !principal.graph.app_id.is_empty() {
            apps.insert(&principal.graph.app_id, &principal.graph.id);
        }
    }
    let findings: HashMap<&str, usize> = analysis
        .findings
        .iter()
        .enumerate()
        .flat_map(|(at, finding)| finding.event_ids.iter().map(move |id| (id.as_str(), at)))
        .collect();
    events.rewind()?;
    let mut memo = Memo::new(enricher);
    let mut seen = countersign_detection::order::Seen::default();
    let mut read = 0_u64;
    while let Some((_, bytes)) = events.next()? {
        read += 1;
        if read.is_multiple_of(65_536) {
            watch.check()?;
        }
        let event = decode(bytes)?;
        if let Event::DirectoryAudit(audit) = &event {
            change(audit, &apps, &mut timelines);
        } else {
            let Some(principal) = event.service_principal().map(ToString::to_string) else { continue };
            let Some(places) = places.get_mut(principal.as_str()) else { continue };
            if seen.is_repeated(&event) {
                continue;
            }
            let finding = findings.get(event.id().to_string().as_str()).copied();
            if let Some(timeline) = timelines.get_mut(&principal) {
                timeline.omitted += u64::from(!point(&event, finding, &mut memo, places));
            }
        }
    }
    for (principal, places) in places {
        if let Some(timeline) = timelines.get_mut(principal) {
            timeline.points = places.into_values().collect();
        }
    }
    Ok(timelines)
}

/// Adds an event to its point; false when there are too many.
fn point(
    event: &Event<'_>,
    finding: Option<usize>,
    memo: &mut Memo<'_>,
    places: &mut BTreeMap<Place, Point>,
) -> bool {
    let (resource, succeeded) = match event {
        Event::SignIn(sign_in) => (sign_in.resource_name.as_ref(), sign_in.error_code == 0),
        Event::ApiActivity(call) => ("Microsoft Graph call", call.status < 400),
        Event::DirectoryAudit(_) => return true,
    };
    let enrichment = memo.enrich(event);
    let hour = Timestamp(event.time().hour() * HOUR);
    let agent = enrichment.agent.to_string();
    let ip = event.address().ip;
    let place = (hour, ip, agent.clone(), resource.to_owned(), finding);
    // Events of findings are always kept: they are what the report is about.
    if places.len() >= POINTS_MAX && !places.contains_key(&place) && finding.is_none() {
        return false;
    }
    let point = places.entry(place).or_insert_with(|| Point {
        hour,
        ip,
        asn: enrichment.source.map_or(0, |source| source.asn),
        as_name: enrichment.source.map_or(String::new(), |source| source.as_name.to_owned()),
        country: enrichment.source.and_then(|source| source.country),
        agent,
        resource: resource.to_owned(),
        succeeded: 0,
        failed: 0,
        finding,
    });
    if succeeded {
        point.succeeded += 1;
    } else {
        point.failed += 1;
    }
    true
}

/// Notes a change of the directory with every risky identity that it concerns.
fn change(
    audit: &DirectoryAudit<'_>,
    apps: &HashMap<&str, &str>,
    timelines: &mut BTreeMap<String, Timeline>,
) {
    let mut concerned: Vec<String> = audit.targets.iter().map(|target| target.id.to_string()).collect();
    if let Some(principal) = apps.get(audit.app.to_string().as_str()) {
        concerned.push((*principal).to_owned());
    }
    concerned.sort();
    concerned.dedup();
    for principal in concerned {
        if let Some(timeline) = timelines.get_mut(&principal)
            && timeline.changes.len() < CHANGES_MAX
        {
            let outcome = if audit.succeeded { "" } else { " (failed)" };
            let change = (audit.time, format!("{} by {}{outcome}", audit.operation, audit.initiated_by));
            if timeline.changes.last() != Some(&change) {
                timeline.changes.push(change);
            }
        }
    }
}
