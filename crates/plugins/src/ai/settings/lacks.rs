//! References without a value among what would reach an upstream.

use ai::Lack;
use plugin::{Secret, is_reference};
use serde_json::{Map, Value};

use super::{Auth, Aws, RequestBody, Target};

// === impl Target ===

impl Target {
    /// The first reference without a value that would reach the upstream.
    pub(super) fn lack(&self) -> Option<Lack> {
        let told =
            |(field, reference): (String, &str)| format!("{field}: no value for {reference}");
        if let Some(found) = self.auth.unresolved() {
            return Some(Lack::Credential(told(found)));
        }
        let endpoint = self.overrides.endpoint.as_deref();
        let endpoint = endpoint.filter(|endpoint| is_reference(endpoint));
        let endpoint = endpoint.map(|endpoint| ("override.endpoint".to_owned(), endpoint));
        let patches = self.overrides.request_body.as_ref();
        let conf = self.provider_conf.as_ref();
        let place = conf.and_then(|conf| {
            let names = [("project_id", &conf.project_id), ("region", &conf.region)];
            names.into_iter().find_map(|(name, text)| {
                let text = text.as_deref().filter(|text| is_reference(text))?;
                Some((format!("provider_conf.{name}"), text))
            })
        });
        let found = endpoint
            .or(place)
            .or_else(|| unresolved(&self.options.0, "options"))
            .or_else(|| patches?.unresolved());
        found.map(|found| Lack::Other(told(found)))
    }
}

/// The first reference among the texts of a JSON object, which stands at `place`.
fn unresolved<'v>(object: &'v Map<String, Value>, place: &str) -> Option<(String, &'v str)> {
    fn inside(value: &Value, place: String) -> Option<(String, &str)> {
        match value {
            Value::String(text) => is_reference(text).then_some((place, text)),
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(index, item)| inside(item, format!("{place}[{index}]")))
            }
            Value::Object(members) => unresolved(members, &place),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }
    let mut members = object.iter();
    members.find_map(|(name, value)| inside(value, format!("{place}.{name}")))
}

// === impl Auth ===

impl Auth {
    /// The first reference that has no value.
    fn unresolved(&self) -> Option<(String, &str)> {
        let named = |place: &str, (name, reference)| (format!("auth.{place}.{name}"), reference);
        let headers = self.header.unresolved().map(|found| named("header", found));
        let query = || self.query.unresolved().map(|found| named("query", found));
        let account = || {
            let text = self.gcp.as_ref()?.service_account_json.as_ref()?.expose();
            is_reference(text).then(|| named("gcp", ("service_account_json", text)))
        };
        let key = || {
            let found = self.aws.as_ref()?.unresolved()?;
            Some(named("aws", found))
        };
        headers.or_else(query).or_else(account).or_else(key)
    }
}

// === impl Aws ===

impl Aws {
    /// The first reference that has no value, with its name.
    fn unresolved(&self) -> Option<(&str, &str)> {
        let texts = [
            ("access_key_id", Some(self.access_key_id.as_str())),
            ("secret_access_key", Some(self.secret_access_key.expose())),
            (
                "session_token",
                self.session_token.as_ref().map(Secret::expose),
            ),
        ];
        let mut given = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)));
        given.find(|(_, text)| is_reference(text))
    }
}

// === impl RequestBody ===

impl RequestBody {
    /// The first reference without a value in what is merged into a body.
    fn unresolved(&self) -> Option<(String, &str)> {
        let mut objects = self
            .rows()
            .into_iter()
            .filter_map(|(_, object)| object.as_ref());
        objects.find_map(|object| unresolved(object, "override.request_body"))
    }
}
