//! The text of an object, copied around the members that change.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::raw::Raw;
use super::scan::MemberList;
use super::walk::{self, Member};

/// An object's text and where its members stand in it.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) text: &'a [u8],
    pub(super) members: &'a [Member],
}

/// The members of an object that get another value, each named once.
pub(super) struct Touches<'e> {
    list: SmallVec<[Touch<'e>; 8]>,
}

struct Touch<'e> {
    name: Cow<'e, str>,
    /// The new value's text; `None` removes the member.
    value: Option<Cow<'e, [u8]>>,
}

/// What becomes of one member of the original.
enum Fate<'t> {
    Keep,
    Replace(&'t [u8]),
    Drop,
}

// === impl Object ===

impl<'a> Object<'a> {
    fn raw(&self, range: &std::ops::Range<usize>) -> Raw<'a> {
        Raw::trusted(self.slice(range.start, range.end))
    }

    fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.text.get(from..to).unwrap_or_default()
    }

    fn get(&self, name: &str) -> Option<Raw<'a>> {
        let found = self
            .members
            .iter()
            .rev()
            .find(|member| self.raw(&member.name).is_str(name))?;
        Some(self.raw(&found.value))
    }
}

// === impl Touches ===

impl<'e> Touches<'e> {
    pub(super) fn new() -> Self {
        Self {
            list: SmallVec::new(),
        }
    }

    pub(super) fn set(&mut self, name: &'e str, value: &'e [u8]) {
        self.put(Cow::Borrowed(name), Some(Cow::Borrowed(value)));
    }

    pub(super) fn remove(&mut self, name: &'e str) {
        self.put(Cow::Borrowed(name), None);
    }

    /// Merges a patch into the member as the touches so far have left it.
    pub(super) fn merge(
        &mut self,
        object: &Object<'_>,
        name: impl Into<Cow<'e, str>>,
        patch: Raw<'e>,
        force: bool,
    ) {
        let name = name.into();
        let merged = match self.find(&name) {
            Some(touch) => merged(touch.value.as_deref().map(Raw::trusted), patch, force),
            None => merged(object.get(&name), patch, force),
        };
        if let Some(value) = merged {
            self.put(name, Some(value));
        }
    }

    fn find(&self, name: &str) -> Option<&Touch<'e>> {
        self.list.iter().find(|touch| touch.name == name)
    }

    fn put(&mut self, name: Cow<'e, str>, value: Option<Cow<'e, [u8]>>) {
        match self.list.iter_mut().find(|touch| touch.name == name) {
            Some(touch) => touch.value = value,
            None => self.list.push(Touch { name, value }),
        }
    }
}

/// The value that a merge gives a member; `None` keeps what is there.
fn merged<'e>(current: Option<Raw<'_>>, patch: Raw<'e>, force: bool) -> Option<Cow<'e, [u8]>> {
    match current {
        Some(current) if current.is_object() && patch.is_object() => {
            merge_objects(current, patch, force).map(Cow::Owned)
        }
        Some(_) if !force => None,
        _ => Some(Cow::Borrowed(patch.as_bytes())),
    }
}

fn merge_objects(current: Raw<'_>, patch: Raw<'_>, force: bool) -> Option<Vec<u8>> {
    let members = member_list(current.as_bytes());
    let object = Object {
        text: current.as_bytes(),
        members: &members,
    };
    // A name that the patch repeats counts once, with its last value.
    let mut last: SmallVec<[(Cow<'_, str>, Raw<'_>); 8]> = SmallVec::new();
    for (name, value) in patch.members() {
        match last.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => last.push((name, value)),
        }
    }
    let mut touches = Touches::new();
    for (name, value) in last {
        touches.merge(&object, name, value, force);
    }
    write(&object, &touches)
}

fn member_list(text: &[u8]) -> MemberList {
    let mut members = MemberList::new();
    let mut at = 1;
    while let Some((member, next)) = walk::next_member(text, at) {
        members.push(member);
        at = next;
    }
    members
}

/// The object's text with the touched members changed; `None` when that changes nothing.
///
/// The pieces are produced twice, first to be counted and then to be copied, so that the one buffer
/// has exactly the size it needs.
pub(super) fn write(object: &Object<'_>, touches: &Touches<'_>) -> Option<Vec<u8>> {
    let fates = fates(object, touches);
    let appended = appended(object, touches);
    if appended.is_empty() && fates.iter().all(|fate| matches!(fate, Fate::Keep)) {
        return None;
    }
    let mut length = 0;
    pieces(object, &fates, &appended, |piece| length += piece.len());
    let mut out = Vec::with_capacity(length);
    pieces(object, &fates, &appended, |piece| {
        out.extend_from_slice(piece);
    });
    Some(out)
}

/// The first of several members of one name takes the new value, the others go.
fn fates<'t>(object: &Object<'_>, touches: &'t Touches<'_>) -> SmallVec<[Fate<'t>; 16]> {
    let mut placed: SmallVec<[&str; 8]> = SmallVec::new();
    let fate = |member: &Member| {
        let name = object.raw(&member.name);
        let Some(touch) = touches.list.iter().find(|touch| name.is_str(&touch.name)) else {
            return Fate::Keep;
        };
        match &touch.value {
            Some(value) if !placed.contains(&touch.name.as_ref()) => {
                placed.push(&touch.name);
                Fate::Replace(value)
            }
            _ => Fate::Drop,
        }
    };
    object.members.iter().map(fate).collect()
}

/// The new members, each as its quoted name and its value.
fn appended<'t>(
    object: &Object<'_>,
    touches: &'t Touches<'_>,
) -> SmallVec<[(String, &'t [u8]); 4]> {
    let fresh = touches
        .list
        .iter()
        .filter(|touch| object.get(&touch.name).is_none());
    fresh
        .filter_map(|touch| Some((quoted(&touch.name), touch.value.as_deref()?)))
        .collect()
}

fn quoted(name: &str) -> String {
    serde_json::to_string(name).unwrap_or_default()
}

fn pieces<'p>(
    object: &Object<'p>,
    fates: &'p [Fate<'p>],
    appended: &'p [(String, &'p [u8])],
    mut emit: impl FnMut(&'p [u8]),
) {
    let first_name = object.members.first().map(|member| member.name.start);
    let open = walk::skip_space(object.text, 0) + 1;
    // Everything up to the first name: the brace and the whitespace around it.
    emit(object.slice(0, first_name.unwrap_or(open)));
    let mut gap_start = None;
    let mut any = false;
    for (member, fate) in object.members.iter().zip(fates) {
        if !matches!(fate, Fate::Drop) {
            if let (true, Some(gap)) = (any, gap_start) {
                emit(object.slice(gap, member.name.start));
            }
            any = true;
        }
        match fate {
            Fate::Keep => emit(object.slice(member.name.start, member.value.end)),
            Fate::Replace(value) => {
                emit(object.slice(member.name.start, member.value.start));
                emit(value);
            }
            Fate::Drop => {}
        }
        gap_start = Some(member.value.end);
    }
    for (name, value) in appended {
        if any {
            emit(b",");
        }
        any = true;
        emit(name.as_bytes());
        emit(b":");
        emit(value);
    }
    emit(object.slice(gap_start.unwrap_or(open), object.text.len()));
}
