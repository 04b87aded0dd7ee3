//! Changes to the top level of a JSON object, to be spliced into the text.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::raw::{Kind, Raw};
use super::scan::Scan;
use super::splice::{self, Object};

#[cfg(test)]
mod tests;

/// A member name that is cheap to clone: static, or shared with the configuration.
#[derive(Clone, Debug)]
pub enum Name {
    /// A name known to the program.
    Static(&'static str),
    /// A name that came from the configuration.
    Shared(Arc<str>),
}

/// An ordered list of changes to the top-level members of an object.
///
/// Later changes see the effect of earlier ones. Values are ready JSON text, so that a list built
/// from configuration is built once and only cloned by refcount for a request.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    list: SmallVec<[Edit; 4]>,
}

#[derive(Clone, Debug)]
struct Edit {
    name: Name,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Set(Bytes),
    Remove,
    Merge { patch: Bytes, force: bool },
}

// === impl Name ===

impl Name {
    /// The name, unescaped.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Shared(name) => name,
        }
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self::Shared(name.into())
    }
}

impl From<Arc<str>> for Name {
    fn from(name: Arc<str>) -> Self {
        Self::Shared(name)
    }
}

// === impl Edits ===

impl Edits {
    /// A list without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no change at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether some change names this member.
    pub fn touches(&self, name: &str) -> bool {
        self.list.iter().any(|edit| edit.name.as_str() == name)
    }

    /// The text that this member will have whatever the body says, if there is such a text.
    pub fn forced(&self, name: &str) -> Option<&[u8]> {
        let mut changes = self.list.iter().rev();
        match &changes.find(|edit| edit.name.as_str() == name)?.change {
            Change::Set(text) => Some(text),
            Change::Merge { patch, force: true } if Raw::trusted(patch).kind() != Kind::Object => {
                Some(patch)
            }
            Change::Merge { .. } | Change::Remove => None,
        }
    }

    /// Writes a member, whether or not it is there. `value` is JSON text.
    pub fn set(&mut self, name: impl Into<Name>, value: impl Into<Bytes>) {
        self.push(name, Change::Set(trimmed(&value.into())));
    }

    /// Removes a member, if it is there.
    pub fn remove(&mut self, name: impl Into<Name>) {
        self.push(name, Change::Remove);
    }

    /// Merges JSON text into a member.
    ///
    /// Two objects are merged member by member, at every depth. Otherwise the patch is written when
    /// the member is absent or `force` is set, and dropped when not: `null` counts as present.
    pub fn merge(&mut self, name: impl Into<Name>, patch: impl Into<Bytes>, force: bool) {
        self.push(
            name,
            Change::Merge {
                patch: trimmed(&patch.into()),
                force,
            },
        );
    }

    /// Appends the changes of another list, which then see the effect of this one's.
    pub fn extend(&mut self, later: &Edits) {
        self.list.extend(later.list.iter().cloned());
    }

    /// The body with the changes in it.
    ///
    /// Without an effective change this is the client's buffer itself. Otherwise the client's bytes
    /// are copied around the changes: order, number tokens, whitespace and members that no change
    /// names stay as written, new members follow at the end, and no duplicate of a changed member
    /// remains. A body that is not an object has no members to change and is returned as it is.
    pub fn apply(&self, scan: &Scan) -> Bytes {
        if self.is_empty() || scan.kind() != Kind::Object {
            return scan.bytes().clone();
        }
        let object = Object {
            text: scan.bytes(),
            members: scan.ranges(),
        };
        let mut touches = splice::Touches::new();
        for edit in &self.list {
            let name = edit.name.as_str();
            match &edit.change {
                Change::Set(value) => touches.set(name, value),
                Change::Remove => touches.remove(name),
                Change::Merge { patch, force } => {
                    touches.merge(&object, name, Raw::trusted(patch), *force);
                }
            }
        }
        match splice::write(&object, &touches) {
            Some(changed) => Bytes::from(changed),
            None => scan.bytes().clone(),
        }
    }

    fn push(&mut self, name: impl Into<Name>, change: Change) {
        self.list.push(Edit {
            name: name.into(),
            change,
        });
    }
}

/// The text of a value without the space around it.
fn trimmed(text: &Bytes) -> Bytes {
    text.slice_ref(text.trim_ascii())
}
