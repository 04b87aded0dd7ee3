//! The kinds of resources, each a row.

use config::Kind;

/// What the Admin API knows about one kind of resource.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    /// What messages call it.
    pub(super) noun: &'static str,
    pub(super) identity: Identity,
    /// Whether an item can be created without naming it.
    pub(super) post: bool,
    pub(super) patch: bool,
    /// Whether the server notes when it was created and changed.
    pub(super) timed: bool,
    pub(super) plugins: PluginUse,
    /// The other resources that it names.
    pub(super) references: &'static [Reference],
    /// How the answer begins that refuses to delete one that others name; such a deletion is not
    /// refused where there is none.
    pub(super) in_use: Option<&'static str>,
    /// The members that are never sent out.
    pub(super) hidden: &'static [&'static str],
}

/// Where the identifier of a resource comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// From the path or the member `id`.
    Id,
    /// From the member `username`.
    Username,
    /// From the path: the name of a plugin.
    PluginName,
    /// From the path: `<manager>/<id>`.
    Manager,
    /// From the path: the consumer, and an id below it.
    Credential,
}

/// What the plugins of a resource are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PluginUse {
    /// It has none.
    None,
    /// They run for requests.
    Run,
    /// They run, or tell who a consumer is.
    Consumer,
    /// They tell who a consumer is.
    Credential,
}

/// A member that names another resource.
#[derive(Debug)]
pub(super) struct Reference {
    /// JSON pointer of the member.
    pub(super) pointer: &'static str,
    pub(super) to: Kind,
}

const BASE: Row = Row {
    kind: Kind::Route,
    noun: "",
    identity: Identity::Id,
    post: false,
    patch: true,
    timed: true,
    plugins: PluginUse::None,
    references: &[],
    in_use: None,
    hidden: &[],
};

const UPSTREAM: Reference = Reference {
    pointer: "/upstream_id",
    to: Kind::Upstream,
};
const SERVICE: Reference = Reference {
    pointer: "/service_id",
    to: Kind::Service,
};
const PLUGIN_CONFIG: Reference = Reference {
    pointer: "/plugin_config_id",
    to: Kind::PluginConfig,
};
const GROUP: Reference = Reference {
    pointer: "/group_id",
    to: Kind::ConsumerGroup,
};
const CLIENT_CERT: Reference = Reference {
    pointer: "/tls/client_cert_id",
    to: Kind::Ssl,
};
const INNER_CLIENT_CERT: Reference = Reference {
    pointer: "/upstream/tls/client_cert_id",
    to: Kind::Ssl,
};

/// Every kind of resource, in the order of [`Kind`].
pub(super) static ROWS: [Row; Kind::ALL.len()] = [
    Row {
        kind: Kind::Route,
        noun: "route",
        post: true,
        plugins: PluginUse::Run,
        references: &[UPSTREAM, SERVICE, PLUGIN_CONFIG, INNER_CLIENT_CERT],
        ..BASE
    },
    Row {
        kind: Kind::Service,
        noun: "service",
        post: true,
        plugins: PluginUse::Run,
        references: &[UPSTREAM, INNER_CLIENT_CERT],
        in_use: Some("can not delete this service directly"),
        ..BASE
    },
    Row {
        kind: Kind::Upstream,
        noun: "upstream",
        post: true,
        references: &[CLIENT_CERT],
        in_use: Some("can not delete this upstream"),
        ..BASE
    },
    Row {
        kind: Kind::Consumer,
        noun: "consumer",
        identity: Identity::Username,
        patch: false,
        plugins: PluginUse::Consumer,
        references: &[GROUP],
        ..BASE
    },
    Row {
        kind: Kind::Credential,
        noun: "credential",
        identity: Identity::Credential,
        patch: false,
        plugins: PluginUse::Credential,
        ..BASE
    },
    Row {
        kind: Kind::ConsumerGroup,
        noun: "consumer group",
        plugins: PluginUse::Run,
        in_use: Some("can not delete this consumer group"),
        ..BASE
    },
    Row {
        kind: Kind::PluginConfig,
        noun: "plugin config",
        plugins: PluginUse::Run,
        in_use: Some("can not delete this plugin config"),
        ..BASE
    },
    Row {
        kind: Kind::GlobalRule,
        noun: "global rule",
        plugins: PluginUse::Run,
        ..BASE
    },
    Row {
        kind: Kind::PluginMetadata,
        noun: "plugin_metadata",
        identity: Identity::PluginName,
        patch: false,
        timed: false,
        ..BASE
    },
    Row {
        kind: Kind::Ssl,
        noun: "ssl",
        post: true,
        hidden: &["key", "keys"],
        ..BASE
    },
    Row {
        kind: Kind::Secret,
        noun: "secret",
        identity: Identity::Manager,
        ..BASE
    },
];

// === impl Row ===

impl Row {
    /// The row of a kind.
    pub(super) fn of(kind: Kind) -> &'static Self {
        // as many rows as kinds, in the same order: a test watches over it
        &ROWS[kind as usize]
    }
}

#[cfg(test)]
mod tests;
