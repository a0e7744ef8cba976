//! JSON records into [`Raw`], borrowing from the input. Visitors take whatever JSON type a field comes in:
//! an unexpected type makes a field [`Scalar::Other`], never an error.

use std::borrow::Cow;
use std::fmt;

use countersign_model::event::{ModifiedProperty, Target};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fields::{App, Fields, Initiator, Key, Raw, Scalar, User, modified_property};

/// Most targets, and most modified properties of one target, that are kept of a directory audit.
pub(crate) const ITEMS_MAX: usize = 256;

/// Parses one JSON object into `raw`, which must be new: it takes 2 KB, so it is filled in place. `Err` says only that
/// the text is no JSON object in UTF-8; the slow path finds out why.
pub(crate) fn parse<'a>(bytes: &'a [u8], raw: &mut Raw<'a>) -> Result<(), Damaged> {
    // Checked once for the whole record: the parser would check every string.
    let text = std::str::from_utf8(bytes).map_err(|_| Damaged)?;
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    RawSeed { raw }.deserialize(&mut deserializer).map_err(|_| Damaged)?;
    deserializer.end().map_err(|_| Damaged)
}

/// Not a JSON object.
#[derive(Debug)]
pub(crate) struct Damaged;

/// The structured fields of a CSV cell or of a column that holds JSON text.
pub(crate) fn structured(
    key: Key,
    text: &str,
    fields: &mut Fields<'static>,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut parsed = Fields::default();
    StructuredSeed { key, fields: &mut parsed }.deserialize(&mut deserializer)?;
    into_owned_structured(parsed, fields);
    Ok(())
}

/// Deserialises implementation-free visitors: every JSON type is accepted, most are ignored.
macro_rules! ignore_scalars {
    ($($method:ident($type:ty)),+) => {
        $( fn $method<E>(self, _: $type) -> Result<Self::Value, E> { Ok(Default::default()) } )+
    };
}

pub(crate) use ignore_scalars;

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key::parse(name))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::text(Cow::Owned(text.to_owned())))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Integer(number))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Absent)
            }
            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Absent)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_map(map).map(|()| Scalar::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_seq(seq).map(|()| Scalar::Other)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct RawSeed<'r, 'de> {
    raw: &'r mut Raw<'de>,
}

impl<'de> DeserializeSeed<'de> for RawSeed<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RawSeed<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is a JSON object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let raw = self.raw;
        while let Some(key) = map.next_key::<Key>()? {
            if key == Key::Properties {
                map.next_value_seed(PropertiesSeed { raw })?;
            } else {
                field(key, &mut raw.envelope, &mut map)?;
            }
        }
        Ok(())
    }
}

fn field<'de, A: MapAccess<'de>>(key: Key, fields: &mut Fields<'de>, map: &mut A) -> Result<(), A::Error> {
    if let Some(scalar) = fields.scalar(key) {
        *scalar = map.next_value()?;
        return Ok(());
    }
    match key {
        Key::Unknown | Key::Properties | Key::AuditData => map.next_value::<IgnoredAny>().map(|_| ()),
        _ => map.next_value_seed(StructuredSeed { key, fields }),
    }
}

struct PropertiesSeed<'r, 'de> {
    raw: &'r mut Raw<'de>,
}

impl<'de> DeserializeSeed<'de> for PropertiesSeed<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PropertiesSeed<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("properties")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.raw.has_properties = true;
        while let Some(key) = map.next_key::<Key>()? {
            field(key, &mut self.raw.properties, &mut map)?;
        }
        Ok(())
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.raw.properties_text = Some(Cow::Borrowed(text));
        Ok(())
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.raw.properties_text = Some(Cow::Owned(text.to_owned()));
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        skip_seq(seq)
    }
    ignore_scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads one structured field. A string in its place is JSON text (Log Analytics, CSV) or a plain value.
struct StructuredSeed<'f, 'de> {
    key: Key,
    fields: &'f mut Fields<'de>,
}

impl<'de> DeserializeSeed<'de> for StructuredSeed<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> StructuredSeed<'_, 'de> {
    fn text(self, text: Cow<'de, str>) {
        if text.starts_with(['{', '[']) {
            // Damaged JSON in a column leaves the field absent; the record stands on its other fields.
            let mut owned = Fields::default();
            if structured(self.key, &text, &mut owned).is_ok() {
                into_owned_structured(owned, self.fields);
            }
            return;
        }
        match self.key {
            Key::Status => self.fields.error_code = Scalar::text(text),
            Key::LocationObject if self.fields.country.is_absent() => {
                self.fields.country = Scalar::text(text);
            }
            Key::SignInEventTypes => self.fields.sign_in_event_type = Scalar::text(text),
            _ => {}
        }
    }
}

/// Moves structured fields that own their text into a record's.
fn into_owned_structured<'a>(from: Fields<'a>, into: &mut Fields<'_>) {
    let Fields {
        error_code, country, sign_in_event_type, azure_resource, initiator, targets, details, ..
    } = from;
    let own = |scalar: Scalar<'a>| -> Scalar<'static> {
        match scalar {
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Integer(number) => Scalar::Integer(number),
            Scalar::Absent => Scalar::Absent,
            Scalar::Other => Scalar::Other,
        }
    };
    let text = |text: Cow<'a, str>| -> Cow<'static, str> { Cow::Owned(text.into_owned()) };
    let set = |slot: &mut Scalar<'_>, value: Scalar<'a>| {
        if !value.is_absent() {
            *slot = own(value);
        }
    };
    set(&mut into.error_code, error_code);
    set(&mut into.country, country);
    set(&mut into.sign_in_event_type, sign_in_event_type);
    set(&mut into.azure_resource, azure_resource);
    set(&mut into.details.user_agent, details.user_agent);
    set(&mut into.details.app_id, details.app_id);
    if let Some(Initiator { user, app }) = initiator {
        into.initiator = Some(Initiator {
            user: user.map(|user| User {
                id: own(user.id),
                user_principal_name: own(user.user_principal_name),
                ip_address: own(user.ip_address),
            }),
            app: app.map(|app| App {
                app_id: own(app.app_id),
                display_name: own(app.display_name),
                service_principal_id: own(app.service_principal_id),
            }),
        });
    }
    if let Some(targets) = targets {
        let property = |property: ModifiedProperty<'a>| ModifiedProperty {
            name: text(property.name),
            old: text(property.old),
            new: text(property.new),
        };
        into.targets = Some(
            targets
                .into_iter()
                .map(|target| Target {
                    id: target.id.into_owned(),
                    kind: text(target.kind),
                    name: text(target.name),
                    modified: target.modified.into_iter().map(property).collect(),
                })
                .collect(),
        );
    }
}

impl<'de> Visitor<'de> for StructuredSeed<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a structured field")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(text));
        Ok(())
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()));
        Ok(())
    }
    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        if self.key == Key::Status {
            self.fields.error_code = Scalar::Integer(number);
        }
        Ok(())
    }
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
    ignore_scalars!(visit_bool(bool), visit_f64(f64));
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let fields = self.fields;
        match self.key {
            Key::Status => pick(&mut map, &mut [("errorCode", &mut fields.error_code)]),
            Key::LocationObject => {
                let mut country = Scalar::Absent;
                pick(&mut map, &mut [("countryOrRegion", &mut country)])?;
                if !country.is_absent() {
                    fields.country = country;
                }
                Ok(())
            }
            Key::ManagedServiceIdentity => {
                pick(&mut map, &mut [("associatedResourceId", &mut fields.azure_resource)])
            }
            Key::InitiatedBy => {
                fields.initiator = Some(initiator(&mut map)?);
                Ok(())
            }
            Key::TargetResources => {
                fields.targets = Some(vec![target(&mut map)?]);
                Ok(())
            }
            _ => skip_map(map),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let fields = self.fields;
        match self.key {
            Key::TargetResources => {
                let mut targets = Vec::new();
                while let Some(Lenient(found)) = seq.next_element::<Lenient<Option<TargetItem<'de>>>>()? {
                    if let Some(TargetItem(item)) = found
                        && targets.len() < ITEMS_MAX
                    {
                        targets.push(item);
                    }
                }
                fields.targets = Some(targets);
                Ok(())
            }
            Key::AdditionalDetails => {
                while let Some(Lenient(found)) = seq.next_element::<Lenient<Option<Detail<'de>>>>()? {
                    if let Some(Detail { key, value }) = found {
                        match key.as_str() {
                            "User-Agent" => fields.details.user_agent = value,
                            "AppId" => fields.details.app_id = value,
                            _ => {}
                        }
                    }
                }
                Ok(())
            }
            Key::SignInEventTypes => {
                while let Some(kind) = seq.next_element::<Scalar<'de>>()? {
                    if fields.sign_in_event_type.is_absent() {
                        fields.sign_in_event_type = kind;
                    }
                }
                Ok(())
            }
            _ => skip_seq(seq),
        }
    }
}

/// Takes the named scalars of an object, whatever their letter case, and passes over the rest.
pub(crate) fn pick<'de, A: MapAccess<'de>>(
    map: &mut A,
    wanted: &mut [(&str, &mut Scalar<'de>)],
) -> Result<(), A::Error> {
    while let Some(name) = map.next_key::<Name<'de>>()? {
        match wanted.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(&name.0)) {
            Some((_, slot)) => **slot = map.next_value()?,
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

/// A key of an object in which few keys matter.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

fn initiator<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Initiator<'de>, A::Error> {
    let mut initiator = Initiator::default();
    while let Some(name) = map.next_key::<Name<'de>>()? {
        if name.0.eq_ignore_ascii_case("user") {
            if let Lenient(Some(Side { values: [id, user_principal_name, ip_address, ..] })) =
                map.next_value()?
            {
                initiator.user = Some(User { id, user_principal_name, ip_address });
            }
        } else if name.0.eq_ignore_ascii_case("app") {
            if let Lenient(Some(Side { values: [.., app_id, service_principal_id, display_name] })) =
                map.next_value()?
            {
                initiator.app = Some(App { app_id, display_name, service_principal_id });
            }
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(initiator)
}

/// Either side of `initiatedBy`: the values of [`Side::KEYS`].
#[derive(Default)]
struct Side<'a> {
    values: [Scalar<'a>; 6],
}

impl Side<'_> {
    const KEYS: [&'static str; 6] =
        ["id", "userPrincipalName", "ipAddress", "appId", "servicePrincipalId", "displayName"];
}

/// An object of the wanted form; anything else in its place is passed over and gives `None`.
pub(crate) struct Lenient<T>(pub(crate) T);

/// What [`Lenient`] can read from an object.
pub(crate) trait FromMap<'de>: Sized {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error>;
}

impl<'de, T: FromMap<'de>> Deserialize<'de> for Lenient<Option<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LenientVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: FromMap<'de>> Visitor<'de> for LenientVisitor<T> {
            type Value = Option<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                T::from_map(&mut map).map(Some)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_seq(seq).map(|()| None)
            }
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(None)
            }
            ignore_scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
        }
        deserializer.deserialize_any(LenientVisitor(std::marker::PhantomData)).map(Lenient)
    }
}

impl<'de> FromMap<'de> for Side<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut side = Side::default();
        let mut values = side.values.iter_mut();
        let mut wanted = Side::KEYS.map(|key| (key, values.next()));
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match wanted.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(&name.0)) {
                Some((_, Some(slot))) => **slot = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(side)
    }
}

#[derive(Default)]
struct Detail<'a> {
    key: Scalar<'a>,
    value: Scalar<'a>,
}

impl<'de> FromMap<'de> for Detail<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut detail = Detail::default();
        pick(map, &mut [("key", &mut detail.key), ("value", &mut detail.value)])?;
        Ok(detail)
    }
}

struct TargetItem<'a>(Target<'a>);

impl<'de> FromMap<'de> for TargetItem<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        target(map).map(TargetItem)
    }
}

fn target<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Target<'de>, A::Error> {
    let mut id = Scalar::Absent;
    let mut kind = Scalar::Absent;
    let mut name = Scalar::Absent;
    let mut modified = Vec::new();
    while let Some(key) = map.next_key::<Name<'de>>()? {
        match key.0.as_ref() {
            "id" | "Id" => id = map.next_value()?,
            // Both spellings occur.
            "type" | "Type" => kind = map.next_value()?,
            "displayName" | "DisplayName" => name = map.next_value()?,
            "modifiedProperties" | "ModifiedProperties" => {
                let Properties(list) = map.next_value()?;
                modified = list;
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(Target { id: id.take_id(), kind: kind.take(), name: name.take(), modified })
}

struct Properties<'a>(Vec<ModifiedProperty<'a>>);

impl<'de> Deserialize<'de> for Properties<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PropertiesVisitor;
        impl<'de> Visitor<'de> for PropertiesVisitor {
            type Value = Vec<ModifiedProperty<'de>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("modified properties")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut properties = Vec::new();
                while let Some(Lenient(found)) = seq.next_element::<Lenient<Option<PropertyItem<'de>>>>()? {
                    if let Some(PropertyItem(property)) = found
                        && properties.len() < ITEMS_MAX
                    {
                        properties.push(property);
                    }
                }
                Ok(properties)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_map(map).map(|()| Vec::new())
            }
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }
            ignore_scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }
        }
        deserializer.deserialize_any(PropertiesVisitor).map(Properties)
    }
}

struct PropertyItem<'a>(ModifiedProperty<'a>);

impl<'de> FromMap<'de> for PropertyItem<'de> {
    fn from_map<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut name = Scalar::Absent;
        let mut old = Scalar::Absent;
        let mut new = Scalar::Absent;
        pick(map, &mut [("displayName", &mut name), ("oldValue", &mut old), ("newValue", &mut new)])?;
        Ok(PropertyItem(modified_property(&mut name, old.take(), new.take())))
    }
}
