//! The forms of a route's host.

/// One host of a route, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// The very name.
    Exact(Box<str>),
    /// Any name with this end: `.example.com` from `*.example.com`, everything from `*`.
    Suffix(Box<str>),
}

// === impl HostPattern ===

impl HostPattern {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some(suffix) => Self::Suffix(suffix.into()),
            None => Self::Exact(text.into()),
        }
    }

    /// Whether a host without port matches; a pattern with a port is compared with `full`, the
    /// whole `Host` header.
    pub(crate) fn matches(&self, host: &str, full: &str) -> bool {
        match self {
            Self::Exact(name) if has_port(name) => name.eq_ignore_ascii_case(full),
            Self::Exact(name) => **name == *host,
            Self::Suffix(suffix) if has_port(suffix) => {
                let start = full.len().checked_sub(suffix.len());
                start
                    .and_then(|start| full.get(start..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
            Self::Suffix(suffix) => host.ends_with(&**suffix),
        }
    }
}

fn has_port(pattern: &str) -> bool {
    pattern
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        && !pattern.ends_with(']')
}

#[cfg(test)]
mod tests;
