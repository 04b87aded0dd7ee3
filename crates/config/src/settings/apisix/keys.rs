//! The keys of an APISIX file while they are moved over.

use serde_json::{Map, Value};

use crate::fault::segments;

/// What is left of the file, and what was made of it.
pub(super) struct Keys {
    left: Value,
    settings: Value,
    ignored: Vec<String>,
    origins: Vec<(String, String)>,
}

/// The settings, the keys without a meaning, and the pointer in the file by the pointer here.
pub(super) type Moved = (Value, Vec<String>, Vec<(String, String)>);

// === impl Keys ===

impl Keys {
    pub(super) fn new(file: Value) -> Self {
        Self {
            left: file,
            settings: Value::Object(Map::new()),
            ignored: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// Whether the file has a key with a value.
    pub(super) fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// The value of a key, which stays where it is. `null` is as good as absent.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let value = names.try_fold(&self.left, |value, name| value.get(name))?;
        (!value.is_null()).then_some(value)
    }

    /// Takes a key out of the file.
    pub(super) fn take(&mut self, path: &str) -> Option<Value> {
        let (outer, last) = path.rsplit_once('.').unwrap_or(("", path));
        let mut names = outer.split('.').filter(|name| !name.is_empty());
        let owner = names.try_fold(&mut self.left, |value, name| value.get_mut(name))?;
        let taken = owner.as_object_mut()?.shift_remove(last)?;
        (!taken.is_null()).then_some(taken)
    }

    /// Moves a key as it is.
    pub(super) fn keep(&mut self, path: &str, pointer: &str) {
        self.convert(path, pointer, Value::clone);
    }

    /// Copies a key that is needed at its old place too.
    pub(super) fn copy(&mut self, path: &str, pointer: &str) {
        if let Some(value) = self.get(path).cloned() {
            self.origin(pointer, &format!("/{}", path.replace('.', "/")));
            self.set(pointer, value);
        }
    }

    /// Moves a key in another form.
    pub(super) fn convert(&mut self, path: &str, pointer: &str, form: impl Fn(&Value) -> Value) {
        if let Some(value) = self.take(path) {
            self.origin(pointer, &format!("/{}", path.replace('.', "/")));
            self.set(pointer, form(&value));
        }
    }

    /// Writes a setting.
    pub(super) fn set(&mut self, pointer: &str, value: Value) {
        let mut place = &mut self.settings;
        for name in segments(pointer) {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(members) = place else {
                return;
            };
            place = members.entry(name).or_insert(Value::Null);
        }
        *place = value;
    }

    /// Says where a setting was written.
    pub(super) fn origin(&mut self, pointer: &str, written: &str) {
        self.origins.push((pointer.to_owned(), written.to_owned()));
    }

    /// Names something without a meaning here.
    pub(super) fn ignore(&mut self, path: &str) {
        self.ignored.push(path.to_owned());
    }

    pub(super) fn finish(mut self) -> Moved {
        leaves(&self.left, String::new(), &mut self.ignored);
        (self.settings, self.ignored, self.origins)
    }
}

/// The paths of everything that is left.
fn leaves(value: &Value, path: String, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(member, inner, out);
            }
        }
        Value::Null => {}
        _ => out.push(path),
    }
}
