//! What one identity asks of directory APIs: how much at which hour of the week, by which templates, of which
//! classes, on how many objects. Some 600 bytes, whatever it does.

use countersign_model::time::Timestamp;

use crate::constants::{
    API_COLD_DAYS, BREADTH_MIN, CLASS_DAYS, DAY_LN_MAX, DAY_LN_MIN, HALF_LIFE_DAYS, LEVEL_GAIN, OBJECTS_GAIN,
    QUARANTINE_DAYS_SEEN, SEASON_GAIN, SHAPE_GAIN, SHAPE_MAX, SHAPE_MIN, SHAPE_YOUNG, SLOW_GAIN,
    TEMPLATE_DAYS, WINSOR_DEVIATIONS, YOUNG_DAYS,
};
use crate::distinct::Distinct;
use crate::hurdle::{Hurdle, Rate};
use crate::request::Request;
use crate::tail::{negative_binomial, normal_quantile};

/// Hours of a week.
const WEEK: usize = 168;
/// Days whose busiest hour is kept: monthly jobs come back within 31.
const DAYS_KEPT: usize = 31;

/// One template that the identity uses.
#[derive(Clone, Copy, Debug, Default)]
struct Template {
    hash: u32,
    /// Distinct days on which it was used, saturating; 0 marks a free slot.
    days: u8,
    /// Last day of use, modulo 256.
    last: u8,
    pending: bool,
}

/// What has happened in the current hour and day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) calls: u32,
    pub(crate) errors: u32,
    pub(crate) pages: u32,
    /// Calls for mail, files, chats, secrets.
    pub(crate) sensitive: u32,
    pub(crate) bytes: u64,
    pub(crate) objects: Distinct,
    /// Count of calls, and of errors, at which the hour is judged next.
    judge_at: u32,
    judge_errors_at: u32,
    /// New on this day: templates, and classes by bit.
    pub(crate) new_templates: u32,
    pub(crate) new_classes: u64,
    /// Classes asked for on this day.
    pub(crate) classes: u64,
    /// What happens today is not learnt: a finding calls somebody.
    pub(crate) held: bool,
    /// Strongest evidence of this day.
    pub(crate) day_ln: Option<f32>,
    /// Words for a finding, once something is new.
    pub(crate) shown: Option<Box<Shown>>,
}

/// What a finding shows: kept only on days that bring something new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Templates that are new today.
    pub(crate) templates: Vec<String>,
    /// Ids of the calls that used them.
    pub(crate) events: Vec<String>,
}

/// Most templates and event ids shown.
pub(crate) const SHOWN_MAX: usize = 24;

/// What a call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) is_new: bool,
    /// It is time to judge the hour.
    pub(crate) judge: bool,
}

/// The end of an hour, for the pooled tail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HourEnded {
    /// `-ln p` of its volume.
    pub(crate) score: f64,
}

/// The end of a day, for the pooled rates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayEnded {
    pub(crate) new_templates: u32,
    pub(crate) new_directory_classes: u32,
}

/// What an identity is used to ask.
#[derive(Clone, Debug)]
pub(crate) struct ApiProfile {
    /// Mean calls by hour of the week, see [`pack`]; 0 marks an hour never lived through.
    season: [u8; WEEK],
    /// Calls of the busiest hour of each of the last days, by day modulo their number.
    busiest: [u8; DAYS_KEPT],
    templates: [Template; 24],
    classes: u64,
    active_days: u16,
    /// Decayed hours and days with calls.
    hours: f32,
    days: f32,
    /// Mean excess of the squared relative deviation: 1 / k of the negative binomial.
    dispersion: f32,
    /// Growth: calls of late against the season.
    level: f32,
    /// Calls of today, and what the season had them be.
    today: f32,
    expected_today: f32,
    /// Mean distinct objects of an hour with calls.
    objects: f32,
    /// Decayed calls, and errors among them.
    calls: f32,
    errors: f32,
    template_days: Hurdle,
    class_days: Hurdle,
    /// Moving average of the hours' normal scores, and hours for which it has been high.
    slow: f32,
    pub(crate) slow_hours: u16,
    /// Evidence of the days before, as a Shiryaev–Roberts statistic: after each day `(R + 1) E`. It reaches `x` once
    /// in `x` harmless days at most, so that slow enumeration adds up.
    carried: f32,
    /// Tokens whose place of issue and of use are both known, and those where they differ.
    pub(crate) tokens: f32,
    pub(crate) tokens_elsewhere: f32,
    pub(crate) now: Now,
}

impl ApiProfile {
    pub(crate) fn new(time: Timestamp) -> Self {
        ApiProfile {
            season: [0; WEEK],
            busiest: [0; DAYS_KEPT],
            templates: [Template::default(); 24],
            classes: 0,
            active_days: 1,
            hours: 0.0,
            days: 0.0,
            dispersion: 1.0 / SHAPE_YOUNG,
            level: 1.0,
            today: 0.0,
            expected_today: 0.0,
            objects: 0.0,
            calls: 0.0,
            errors: 0.0,
            template_days: Hurdle::default(),
            class_days: Hurdle::default(),
            slow: 0.0,
            slow_hours: 0,
            carried: 0.0,
            tokens: 0.0,
            tokens_elsewhere: 0.0,
            now: Now { hour: time.hour(), judge_at: 1, judge_errors_at: 8, ..Now::default() },
        }
    }

    /// True while too little is known to call anything new.
    pub(crate) fn is_cold(&self) -> bool {
        self.active_days <= API_COLD_DAYS
    }

    /// Active days so far.
    pub(crate) fn active_days(&self) -> u16 {
        self.active_days
    }

    /// Moves on to the hour of `time`: closes the hour and the day that were open. Gives what the pooled statistics
    /// learn from each.
    pub(crate) fn advance(&mut self, time: Timestamp) -> (Option<HourEnded>, Option<DayEnded>) {
        let hour = time.hour();
        if hour <= self.now.hour {
            return (None, None);
        }
        let ended = self.end_hour();
        let day_before = self.now.hour.div_euclid(24);
        let day = hour.div_euclid(24);
        let day_ended = (day > day_before).then(|| self.end_day(day_before, day));
        // Hours without a call are hours with no calls.
        let quiet = (self.now.hour + 1..hour).rev().take(WEEK);
        for quiet_hour in quiet {
            if !self.now.held {
                self.learn_hour(quiet_hour, 0.0);
            }
        }
        let expected = self.mean(hour);
        let shape = self.shape();
        let deviation = (expected + expected * expected / shape).sqrt();
        self.now = Now {
            hour,
            judge_at: (expected + 3.0 * deviation).max(8.0) as u32,
            judge_errors_at: 8,
            ..match day_ended {
                Some(_) => Now::default(),
                None => std::mem::take(&mut self.now),
            }
        };
        self.now.objects = Distinct::default();
        (self.now.calls, self.now.errors, self.now.pages, self.now.sensitive, self.now.bytes) =
            (0, 0, 0, 0, 0);
        (ended, day_ended)
    }

    fn end_hour(&mut self) -> Option<HourEnded> {
        let now = &self.now;
        let (hour, calls) = (now.hour, f64::from(now.calls));
        let mean = self.mean(hour);
        let is_known = self.season.iter().any(|mean| *mean != 0);
        let score = -negative_binomial(calls, mean, self.shape()).ln();
        if now.held {
            return None;
        }
        self.hours += 1.0;
        self.calls += now.calls as f32;
        self.errors += now.errors as f32;
        self.objects += OBJECTS_GAIN * (now.objects.count() as f32 - self.objects);
        let slot = &mut self.busiest[(hour.div_euclid(24)).rem_euclid(DAYS_KEPT as i64) as usize];
        *slot = (*slot).max(pack(calls));
        self.learn_hour(hour, calls);
        (is_known && !self.is_cold()).then_some(HourEnded { score })
    }

    /// Moves season, dispersion and slow channel by one hour.
    fn learn_hour(&mut self, hour: i64, calls: f64) {
        let mean = self.mean(hour);
        let shape = self.shape();
        let deviation = (mean + mean * mean / shape).sqrt().max(1.0);
        let usual = calls.min(mean + WINSOR_DEVIATIONS * deviation);
        let slot = hour.rem_euclid(WEEK as i64) as usize;
        if self.season[slot] == 0 {
            self.season[slot] = pack(calls);
            self.today += calls as f32;
            self.expected_today += calls as f32;
            return;
        }
        // The middle of the two tails, so that an hour that is as empty as ever is no deviation.
        let above = negative_binomial(calls, mean, shape);
        let middle = f64::midpoint(above, negative_binomial(calls + 1.0, mean, shape));
        let score = normal_quantile(1.0 - middle).clamp(-2.0, 8.0);
        self.slow += SLOW_GAIN * (score as f32 - self.slow);
        self.slow_hours = if self.slow > SLOW_LIMIT { self.slow_hours.saturating_add(1) } else { 0 };
        if mean > 0.5 {
            let relative = ((usual - mean).powi(2) - mean) / (mean * mean);
            self.dispersion += SHAPE_GAIN * (relative as f32 - self.dispersion);
        }
        self.today += usual as f32;
        self.expected_today += mean as f32;
        let season = unpack(self.season[slot]);
        self.season[slot] = pack(season + SEASON_GAIN * (usual / f64::from(self.level) - season));
    }

    fn end_day(&mut self, day: i64, next: i64) -> DayEnded {
        let ended = DayEnded {
            new_templates: self.now.new_templates,
            new_directory_classes: directory(self.now.new_classes),
        };
        if self.now.held {
            self.templates.iter_mut().filter(|template| template.pending && template.days == 1).for_each(
                |template| {
                    if i64::from(template.last) == day.rem_euclid(256) {
                        *template = Template::default();
                    }
                },
            );
            self.classes &= !self.now.new_classes;
        } else if self.is_cold() {
            self.template_days.note_any(ended.new_templates > 0);
            self.class_days.note_any(ended.new_directory_classes > 0);
        } else {
            self.template_days.note(ended.new_templates);
            self.class_days.note(ended.new_directory_classes);
        }
        if self.expected_today > 1.0 && !self.now.held {
            let ratio = f64::from(self.today / self.expected_today).clamp(0.25, 4.0);
            self.level = (self.level * (1.0 + LEVEL_GAIN * (ratio as f32 - 1.0))).clamp(0.05, 20.0);
        }
        (self.today, self.expected_today) = (0.0, 0.0);
        if !self.now.held {
            // A day on which nothing was new speaks against an attack as far as the absence of novelty may.
            let day_ln = f64::from(self.now.day_ln.unwrap_or(BREADTH_MIN.ln() as f32));
            self.carried = (self.carried + 1.0) * day_ln.clamp(DAY_LN_MIN, DAY_LN_MAX).exp() as f32;
            self.carried = self.carried.min(CARRIED_MAX);
        }
        let passed = (next - day).min(400);
        for emptied in day + 1..=next.min(day + DAYS_KEPT as i64) {
            self.busiest[emptied.rem_euclid(DAYS_KEPT as i64) as usize] = 0;
        }
        let factor = (-std::f64::consts::LN_2 * passed as f64 / HALF_LIFE_DAYS).exp() as f32;
        for count in [&mut self.hours, &mut self.days, &mut self.calls, &mut self.errors] {
            *count *= factor;
        }
        self.tokens *= factor;
        self.tokens_elsewhere *= factor;
        // Days that were lived through count, not days that passed: monthly jobs must not forget.
        let factor = (-std::f64::consts::LN_2 / HALF_LIFE_DAYS).exp() as f32;
        self.template_days.scale(factor);
        self.class_days.scale(factor);
        self.days += 1.0;
        self.active_days = self.active_days.saturating_add(1);
        ended
    }

    /// Takes in a call. `shown` gives its words when they are needed.
    pub(crate) fn note(
        &mut self,
        request: &Request,
        is_error: bool,
        bytes: u64,
        shown: impl FnOnce() -> (String, String),
    ) -> Noted {
        let is_cold = self.is_cold();
        let day = self.now.hour.div_euclid(24);
        let is_new = self.use_template(request.template, day);
        let now = &mut self.now;
        now.calls += 1;
        now.errors += u32::from(is_error);
        now.pages += u32::from(request.is_page);
        now.bytes += bytes;
        if let Some(object) = request.object {
            now.objects.insert(object);
        }
        let mut is_new_class = false;
        if let Some(class) = request.class {
            let bit = 1 << class.index();
            now.classes |= bit;
            now.sensitive += u32::from(class.is_sensitive());
            if self.classes & bit == 0 {
                self.classes |= bit;
                now.new_classes |= bit;
                is_new_class = true;
            }
        }
        if is_new {
            now.new_templates += 1;
            let (template, event) = shown();
            let kept = now.shown.get_or_insert_default();
            if kept.templates.len() < SHOWN_MAX {
                kept.templates.push(template);
                kept.events.push(event);
            }
        }
        let mut judge = is_new_class || !is_cold && is_new;
        if now.calls >= now.judge_at {
            now.judge_at = now.calls + now.calls / 4 + 1;
            judge = true;
        }
        if now.errors >= now.judge_errors_at {
            now.judge_errors_at = now.errors * 2;
            judge = true;
        }
        Noted { is_new: is_new || is_new_class, judge }
    }

    /// Notes the use of a template; true when it was not there.
    fn use_template(&mut self, hash: u32, day: i64) -> bool {
        let today = day.rem_euclid(256) as u8;
        if let Some(known) = self.templates.iter_mut().find(|known| known.days > 0 && known.hash == hash) {
            if known.last != today {
                known.last = today;
                known.days = known.days.saturating_add(1);
                known.pending &= known.days < QUARANTINE_DAYS_SEEN;
            }
            return false;
        }
        let pending = !self.is_cold();
        let age = |template: &Template| today.wrapping_sub(template.last);
        let rarest = |template: &&mut Template| (template.days, 255 - age(template));
        if let Some(slot) = self.templates.iter_mut().min_by_key(rarest) {
            *slot = Template { hash, days: 1, last: today, pending };
        }
        true
    }

    /// Calls to be expected in an hour: its season, or near it a neighbour's; before a week is over, what the same
    /// hour of other days or any hour had.
    pub(crate) fn mean(&self, hour: i64) -> f64 {
        let slot = hour.rem_euclid(WEEK as i64) as usize;
        let known = |slot: usize| (self.season[slot] != 0).then(|| unpack(self.season[slot]));
        let neighbour =
            [(slot + 1) % WEEK, (slot + WEEK - 1) % WEEK].into_iter().filter_map(known).fold(0.0, f64::max);
        let own = known(slot).or_else(|| {
            let days = (1..7).filter_map(|day| known((slot + 24 * day) % WEEK));
            days.reduce(f64::max)
        });
        let own = own.unwrap_or_else(|| {
            let (sum, hours) = self
                .season
                .iter()
                .filter(|mean| **mean != 0)
                .fold((0.0, 0.0), |(sum, hours), mean| (sum + unpack(*mean), hours + 1.0));
            if hours > 0.0 { sum / hours } else { 0.0 }
        });
        own.max(0.7 * neighbour) * f64::from(self.level)
    }

    /// Shape `k` of the negative binomial.
    pub(crate) fn shape(&self) -> f64 {
        let shape = 1.0 / f64::from(self.dispersion).max(1e-3);
        let most = if self.active_days < YOUNG_DAYS { f64::from(SHAPE_YOUNG) } else { SHAPE_MAX };
        shape.clamp(SHAPE_MIN, most)
    }

    /// Days among the last 31 whose busiest hour came to two thirds of so many calls.
    pub(crate) fn days_as_busy(&self, calls: u32) -> usize {
        let enough = pack(f64::from(calls) / 1.5);
        self.busiest.iter().filter(|busiest| **busiest >= enough).count()
    }

    /// Hours with calls on a day with calls.
    pub(crate) fn hours_a_day(&self) -> f64 {
        if self.days < 0.5 { 1.0 } else { f64::from(self.hours / self.days).clamp(1.0, 24.0) }
    }

    /// Mean distinct objects of an hour with calls.
    pub(crate) fn usual_objects(&self) -> f64 {
        f64::from(self.objects)
    }

    /// Share of errors, shrunk to `assumed` by 200 calls.
    pub(crate) fn error_share(&self, assumed: f64) -> f64 {
        (f64::from(self.errors) + 200.0 * assumed) / (f64::from(self.calls) + 200.0)
    }

    /// Rates of new templates, and of new classes of the directory, shrunk to the tenant's.
    pub(crate) fn rates(&self, tenant: (&Hurdle, &Hurdle)) -> (Rate, Rate) {
        (
            self.template_days.rate(tenant.0.rate(TEMPLATE_DAYS.into())),
            self.class_days.rate(tenant.1.rate(CLASS_DAYS.into())),
        )
    }

    /// Logarithm of what the days before add to today's evidence; never less than nothing.
    pub(crate) fn carried_ln(&self) -> f64 {
        f64::from(self.carried.max(1.0)).ln()
    }

    /// The moving average of normal scores, in its standard errors.
    pub(crate) fn slow_errors(&self) -> f64 {
        f64::from(self.slow) / SLOW_ERROR
    }
}

/// Standard error of the moving average of independent normal scores.
const SLOW_ERROR: f64 = 0.123_4;
/// Six of them (design, 11.3).
const SLOW_LIMIT: f32 = 0.740_6;

/// Most that may be carried: beyond it an incident is open.
const CARRIED_MAX: f32 = 1e6;

/// Classes of the directory among these bits.
pub(crate) fn directory(classes: u64) -> u32 {
    (classes & ((1 << crate::request::DIRECTORY_CLASSES) - 1)).count_ones()
}

/// A count in a byte: an eighth of a binary order of magnitude a step, 9 % apart. 0 is left for "never".
fn pack(count: f64) -> u8 {
    (1.0 + 8.0 * (1.0 + count.max(0.0)).log2()).round().min(255.0) as u8
}

fn unpack(packed: u8) -> f64 {
    (f64::from(packed.saturating_sub(1)) / 8.0).exp2() - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Class;
    use countersign_model::time::HOUR;

    fn at(hour: i64) -> Timestamp {
        Timestamp(hour * HOUR)
    }

    fn request(template: u32, class: Class) -> Request {
        Request { template, class: Some(class), object: Some(u64::from(template)), is_page: false }
    }

    /// A profile after so many days with `calls` calls of one template at each of the hours of the day.
    fn lived(days: i64, calls: u32, hours: std::ops::Range<i64>) -> ApiProfile {
        let mut profile = ApiProfile::new(at(0));
        for hour in 0..days * 24 {
            if hours.contains(&(hour % 24)) {
                profile.advance(at(hour));
                for _ in 0..calls {
                    profile.note(&request(1, Class::Users), false, 100, unreachable_words);
                }
            }
        }
        profile
    }

    fn unreachable_words() -> (String, String) {
        (String::new(), String::new())
    }

    #[test]
    fn counts_survive_packing_within_five_percent() {
        for count in [0.0, 1.0, 7.0, 100.0, 12_345.0, 1e6] {
            assert!((unpack(pack(count)) - count).abs() <= 0.05 * (count + 1.0), "{count}");
        }
    }

    #[test]
    fn the_season_knows_the_hours_of_work() {
        let profile = lived(28, 40, 8..18);
        let day = 28 * 24;
        assert!((profile.mean(day + 12) - 40.0).abs() < 5.0, "{}", profile.mean(day + 12));
        assert!(profile.mean(day + 2) < 1.0, "{}", profile.mean(day + 2));
        assert!(profile.shape() > 5.0, "{}", profile.shape());
    }

    #[test]
    fn what_was_held_is_not_learnt() {
        let mut profile = lived(28, 40, 0..24);
        profile.advance(at(28 * 24));
        profile.note(&request(2, Class::Roles), false, 0, unreachable_words);
        profile.now.held = true;
        profile.advance(at(29 * 24));
        assert_eq!(profile.classes >> Class::Roles.index() & 1, 0);
        let noted = profile.note(&request(2, Class::Roles), false, 0, unreachable_words);
        assert!(noted.is_new && noted.judge);
    }

    #[test]
    fn an_hour_is_judged_when_it_gets_loud() {
        let mut profile = lived(28, 40, 0..24);
        profile.advance(at(28 * 24));
        let judged = (0..1_000)
            .filter(|_| profile.note(&request(1, Class::Users), false, 0, unreachable_words).judge)
            .count();
        assert!((5..25).contains(&judged), "{judged}: some times, not at every call");
    }

    #[test]
    fn stays_small() {
        assert!(size_of::<ApiProfile>() <= 800, "{}", size_of::<ApiProfile>());
    }
}
