//! A prefix tree that lists every prefix of a key which it holds.

use smallvec::SmallVec;

/// Values by prefix. Looking one up walks the key once and allocates nothing.
#[derive(Debug)]
pub(crate) struct PrefixTree<T> {
    nodes: Vec<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    /// The bytes between the parent and this node.
    label: Box<[u8]>,
    /// Children by the first byte of their label.
    children: Vec<(u8, usize)>,
    value: Option<T>,
}

const ROOT: usize = 0;

// === impl PrefixTree ===

impl<T> PrefixTree<T> {
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Node::new(&[])],
        }
    }

    /// The value of exactly this prefix, made when there is none.
    pub(crate) fn entry(&mut self, prefix: &[u8]) -> &mut T
    where
        T: Default,
    {
        let index = self.place(prefix);
        self.nodes[index].value.get_or_insert_default()
    }

    /// Every value, for finishing touches.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.nodes.iter_mut().filter_map(|node| node.value.as_mut())
    }

    /// The values of all prefixes of `key`, the longest first.
    pub(crate) fn prefixes_of(&self, key: impl Iterator<Item = u8>) -> impl Iterator<Item = &T> {
        let mut found: SmallVec<[&T; 8]> = SmallVec::new();
        let mut key = key;
        let mut node = self.nodes.get(ROOT);
        while let Some(here) = node {
            found.extend(here.value.as_ref());
            node = key.next().and_then(|first| {
                let child = self.nodes.get(here.child(first)?)?;
                let rest = child.label.iter().skip(1);
                rest.copied()
                    .all(|byte| key.next() == Some(byte))
                    .then_some(child)
            });
        }
        found.into_iter().rev()
    }

    /// The node of `prefix`, with labels split where it ends or leaves the tree.
    fn place(&mut self, prefix: &[u8]) -> usize {
        let mut at = ROOT;
        let mut rest = prefix;
        while let Some(&first) = rest.first() {
            let Some(child) = self.nodes[at].child(first) else {
                return self.add(at, rest);
            };
            let label = &self.nodes[child].label;
            let shared = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
            at = if shared < label.len() {
                self.split(at, child, shared)
            } else {
                child
            };
            rest = &rest[shared..];
        }
        at
    }

    fn add(&mut self, parent: usize, label: &[u8]) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node::new(label));
        let children = &mut self.nodes[parent].children;
        children.push((label[0], index));
        children.sort_unstable();
        index
    }

    /// Puts a node between `parent` and `child`, which share the first `length` bytes of its label.
    fn split(&mut self, parent: usize, child: usize, length: usize) -> usize {
        let label = std::mem::take(&mut self.nodes[child].label);
        let (upper, lower) = label.split_at(length);
        self.nodes[child].label = lower.into();
        let mut between = Node::new(upper);
        between.children.push((lower[0], child));
        let index = self.nodes.len();
        self.nodes.push(between);
        for (_, link) in &mut self.nodes[parent].children {
            if *link == child {
                *link = index;
            }
        }
        index
    }
}

impl<T> Default for PrefixTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Node ===

impl<T> Node<T> {
    fn new(label: &[u8]) -> Self {
        Self {
            label: label.into(),
            children: Vec::new(),
            value: None,
        }
    }

    fn child(&self, first: u8) -> Option<usize> {
        let found = self
            .children
            .binary_search_by_key(&first, |(byte, _)| *byte);
        self.children.get(found.ok()?).map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests;
