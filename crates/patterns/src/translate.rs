//! Rules into the terms of events, or the reason why they cannot be.

use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, Detection, DetectionItem,
    LogSource, Modifier, SelectorPattern, SigmaRule, SigmaString, SigmaValue,
};

use crate::fields::{Field, Known, Log, dashes, operation, resolve, spelling};
use crate::view::FIRST;

/// A field that a rule names: what it means, and how the rule spells it.
pub(crate) type Use = (Field, String);

/// Which events a rule looks at.
struct Source {
    log: Log,
    /// Sign-in log, when it names one.
    kind: Option<&'static str>,
    /// The log of the control plane, in which some rules look for operations of the directory.
    is_control_plane: bool,
}

fn source(named: &LogSource) -> Result<Source, String> {
    let lower = |text: &Option<String>| text.as_deref().unwrap_or("").trim().to_ascii_lowercase();
    let (product, service) = (lower(&named.product), lower(&named.service));
    let plain = service.replace(['_', '-', ' '], "");
    let of = |log| Ok(Source { log, kind: None, is_control_plane: false });
    let sign_in = |kind| Ok(Source { log: Log::SignIn, kind: Some(kind), is_control_plane: false });
    match (product.as_str(), plain.as_str()) {
        ("azure" | "entra" | "entraid" | "", "auditlogs" | "entraid" | "directoryaudit") => of(Log::Audit),
        ("azure", "microsoft365portal")
        | ("m365" | "o365" | "office365" | "microsoft365", "audit" | "unifiedauditlog" | "ual") => {
            of(Log::Audit)
        }
        ("azure" | "entra" | "entraid" | "", "signinlogs") => of(Log::SignIn),
        (
            "azure" | "entra" | "entraid" | "",
            "serviceprincipalsigninlogs" | "aadserviceprincipalsigninlogs",
        ) => sign_in("ServicePrincipalSignInLogs"),
        (
            "azure" | "entra" | "entraid" | "",
            "managedidentitysigninlogs" | "aadmanagedidentitysigninlogs",
        ) => sign_in("ManagedIdentitySignInLogs"),
        (
            "azure" | "entra" | "entraid" | "",
            "microsoftgraphactivitylogs"
            | "graphactivitylogs"
            | "aadgraphactivitylogs"
            | "azureadgraphactivitylogs",
        ) => of(Log::Api),
        ("azure", "activitylogs") => Ok(Source { log: Log::Audit, kind: None, is_control_plane: true }),
        _ => {
            let named =
                [product, service, lower(&named.category)].into_iter().filter(|part| !part.is_empty());
            let named = named.collect::<Vec<_>>().join("/");
            let named = if named.is_empty() { "without a name".to_owned() } else { format!("`{named}`") };
            Err(format!("log source {named} has no events here"))
        }
    }
}

/// Translates a rule in place; answers its log and the fields it names.
pub(crate) fn rule(rule: &mut SigmaRule) -> Result<(Log, Vec<Use>), String> {
    let source = source(&rule.logsource)?;
    let detection = &mut rule.detection;
    // Counting in the condition was replaced by correlations; read as a plain rule it would match each event.
    if detection.timeframe.is_some() || detection.condition_strings.iter().any(|text| text.contains('|')) {
        return Err("counts in its condition, as rules did before correlations".to_owned());
    }
    let mut translation = Translation { log: source.log, uses: Vec::new(), names_operation: false };
    for found in detection.named.values_mut() {
        translation.detection(found)?;
    }
    if source.is_control_plane && !translation.names_operation {
        return Err("looks at the control plane of Azure, which has no events here".to_owned());
    }
    if translation.uses.is_empty() && source.log != Log::Audit {
        return Err("names no field".to_owned());
    }
    rule.logsource = LogSource {
        service: Some(source.log.service().to_owned()),
        category: source.kind.map(str::to_owned),
        ..LogSource::default()
    };
    // Settings of an engine, not of a rule: some reach beyond the rule that holds them.
    rule.custom_attributes.clear();
    Ok((source.log, translation.uses))
}

struct Translation {
    log: Log,
    uses: Vec<Use>,
    names_operation: bool,
}

impl Translation {
    fn detection(&mut self, detection: &mut Detection) -> Result<(), String> {
        match detection {
            Detection::AllOf(items) => self.items(items),
            Detection::AnyOf(detections) | Detection::And(detections) => {
                detections.iter_mut().try_for_each(|detection| self.detection(detection))
            }
            Detection::Keywords(values) => values.iter().try_for_each(no_place_holder),
            Detection::ArrayMatch { field, .. } => {
                Err(format!("asks for members of the array `{field}` one by one"))
            }
            Detection::Conditional { .. } => Err("has a condition within a selection".to_owned()),
        }
    }

    fn items(&mut self, items: &mut Vec<DetectionItem>) -> Result<(), String> {
        // Columns that say once more, in words, what another one says: not kept, and not needed beside it.
        let has = |log: Log, wanted: Known| {
            self.log == log
                && items.iter().any(|item| {
                    item.field.name.as_deref().and_then(|name| resolve(log, name))
                        == Some(Field::Known(wanted))
                })
        };
        let (has_code, has_operation) =
            (has(Log::SignIn, Known::ErrorCode), has(Log::Audit, Known::Operation));
        items.retain(|item| match item.field.name.as_deref().map(spelling).as_deref() {
            Some("resultdescription") => !has_code,
            Some("loggedbyservice") => !has_operation,
            _ => true,
        });
        items.iter_mut().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &mut DetectionItem) -> Result<(), String> {
        item.values.iter().try_for_each(no_place_holder)?;
        for (modifier, what) in [
            (Modifier::Expand, "is filled in from a list of its user's"),
            (Modifier::FieldRef, "compares two fields"),
        ] {
            if item.field.has_modifier(modifier) {
                return Err(format!("the value of `{}` {what}", item.field.name.as_deref().unwrap_or("")));
            }
        }
        let Some(name) = item.field.name.take() else { return Ok(()) };
        let field = resolve(self.log, &name).ok_or_else(|| no_source(&name))?;
        if field == Field::Known(Known::Operation) {
            self.operations(item)?;
        }
        if field == Field::Known(Known::TargetKind) {
            // `service principal` is `ServicePrincipal`.
            for value in &mut item.values {
                if let SigmaValue::String(text) = value {
                    *text = SigmaString::new(&text.original.replace(' ', ""));
                }
            }
        }
        if field == Field::Known(Known::Failure) {
            // Rules write names of exceptions in the plural that logs write in the singular.
            for value in &mut item.values {
                if let SigmaValue::String(text) = value
                    && let Some(singular) = text.original.strip_suffix("Exceptions")
                {
                    *text = SigmaString::new(&format!("{singular}Exception"));
                }
            }
        }
        item.field.name = Some(field.to_string());
        self.uses.push((field, name));
        Ok(())
    }

    fn operations(&mut self, item: &mut DetectionItem) -> Result<(), String> {
        let is_pattern = item.field.has_modifier(Modifier::Re);
        for value in &mut item.values {
            let SigmaValue::String(text) = value else { continue };
            let lower = text.original.to_ascii_lowercase();
            if lower.trim_start_matches('*').starts_with("microsoft.") && lower.contains('/') {
                return Err(format!(
                    "operation `{}` is one of Azure's control plane, which has no events here",
                    text.original
                ));
            }
            if lower.contains("property name") {
                return Err(format!("`{}` is no operation's name but words about one", text.original));
            }
            *text = if is_pattern {
                SigmaString::from_raw(&dashes(&text.original))
            } else {
                SigmaString::new(&operation(&text.original))
            };
        }
        self.names_operation = true;
        Ok(())
    }
}

fn no_source(name: &str) -> String {
    format!("field `{name}` has no source in these logs")
}

/// Values that the user of a rule is meant to replace.
fn no_place_holder(value: &SigmaValue) -> Result<(), String> {
    let SigmaValue::String(text) = value else { return Ok(()) };
    let text = text.original.trim();
    let is_one = (text.starts_with('<') && text.ends_with('>') && text != "<null>" && text.len() > 2)
        || (text.starts_with('$') && text.len() > 1)
        || (text.starts_with('%') && text.ends_with('%') && text.len() > 2)
        || matches!(text, "UPN" | "HomeTenantID");
    if is_one { Err(format!("`{text}` is a place-holder: put your own value in its place")) } else { Ok(()) }
}

/// A rule or correlation that a correlation may rest on.
pub(crate) struct Basis<'r> {
    /// Name that the correlation uses.
    pub(crate) named: &'r str,
    /// Name in translated rules.
    pub(crate) translated: &'r str,
    /// Logs of the events behind it.
    pub(crate) logs: &'r [Log],
}

/// Translates a correlation in place, given what it rests on; answers the fields it names, each with its log.
pub(crate) fn correlation(
    rule: &mut CorrelationRule,
    basis: &[Basis<'_>],
    entries_max: u64,
) -> Result<Vec<(Log, Use)>, String> {
    let mut uses = Vec::new();
    let find = |named: &str| basis.iter().find(|basis| basis.named == named);
    let first = |uses: &mut Vec<(Log, Use)>, logs: &[Log], name: &str| -> Result<String, String> {
        let mut meaning: Option<Field> = None;
        for log in logs {
            let field = resolve(*log, name).ok_or_else(|| no_source(name))?;
            if meaning.as_ref().is_some_and(|other| *other != field) {
                return Err(format!("field `{name}` means different things in the rules that it rests on"));
            }
            uses.push((*log, (field.clone(), name.to_owned())));
            meaning = Some(field);
        }
        meaning.map(|field| format!("{FIRST}{field}")).ok_or_else(|| no_source(name))
    };
    let mut logs: Vec<Log> = basis.iter().flat_map(|basis| basis.logs).copied().collect();
    logs.sort_unstable();
    logs.dedup();

    for alias in &mut rule.aliases {
        let mut mapping = std::collections::HashMap::new();
        let mut pairs: Vec<(&String, &String)> = alias.mapping.iter().collect();
        pairs.sort_unstable();
        for (named, field) in pairs {
            let basis =
                find(named).ok_or_else(|| format!("alias of `{named}`, which it does not rest on"))?;
            mapping.insert(basis.translated.to_owned(), first(&mut uses, basis.logs, field)?);
        }
        alias.mapping = mapping;
    }
    let aliases: Vec<String> = rule.aliases.iter().map(|alias| alias.alias.clone()).collect();
    for name in &mut rule.group_by {
        if !aliases.contains(name) {
            *name = first(&mut uses, &logs, name)?;
        }
    }
    // What happens in one tenant says nothing of another.
    let tenant = format!("{FIRST}{}", Field::Known(Known::Tenant));
    if !rule.group_by.contains(&tenant) {
        rule.group_by.push(tenant);
    }
    match &mut rule.condition {
        CorrelationCondition::Threshold { predicates, field, .. } => {
            let is_too_many = |(operator, count): &(ConditionOperator, u64)| {
                *count >= entries_max && !matches!(operator, ConditionOperator::Lt | ConditionOperator::Lte)
            };
            if let Some((_, count)) = predicates.iter().find(|predicate| is_too_many(predicate)) {
                return Err(format!("counts to {count}: at most {entries_max} events are kept of one group"));
            }
            for name in field.iter_mut().flatten() {
                if !aliases.contains(name) {
                    *name = first(&mut uses, &logs, name)?;
                }
            }
        }
        CorrelationCondition::Extended(condition) => references(condition, basis)?,
    }
    for named in &mut rule.rules {
        let basis = find(named).ok_or_else(|| format!("rests on `{named}`, which is not loaded"))?;
        basis.translated.clone_into(named);
    }
    rule.custom_attributes.clear();
    Ok(uses)
}

/// Puts translated names into a condition over rules.
fn references(condition: &mut ConditionExpr, basis: &[Basis<'_>]) -> Result<(), String> {
    match condition {
        ConditionExpr::And(parts) | ConditionExpr::Or(parts) => {
            parts.iter_mut().try_for_each(|part| references(part, basis))
        }
        ConditionExpr::Not(part) => references(part, basis),
        ConditionExpr::Identifier(named) => {
            let found = basis.iter().find(|basis| basis.named == named.as_str());
            let found = found.ok_or_else(|| format!("its condition names `{named}`, which is not loaded"))?;
            found.translated.clone_into(named);
            Ok(())
        }
        ConditionExpr::Selector { pattern: SelectorPattern::Them, .. } => Ok(()),
        ConditionExpr::Selector { .. } => Err("its condition names rules by a pattern".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_one_whatever_their_dashes_blanks_and_full_stops() {
        for spelled in [
            "Update application – Certificates and secrets management ",
            "Update application - Certificates and secrets management",
            "Update application —  Certificates and secrets management.",
        ] {
            assert_eq!(operation(spelled), "Update application - Certificates and secrets management");
        }
    }

    #[test]
    fn place_holders_are_told_from_values() {
        let of = |text: &str| no_place_holder(&SigmaValue::String(SigmaString::new(text)));
        for text in ["<Countries you operate in>", "$TargetUserId", "UPN", "%admins%"] {
            assert!(of(text).is_err(), "{text}");
        }
        for text in ["<null>", "Add user", "50%", "$", "*"] {
            assert!(of(text).is_ok(), "{text}");
        }
    }
}
