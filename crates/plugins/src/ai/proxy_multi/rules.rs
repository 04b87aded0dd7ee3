//! What a schema cannot say of a configuration of `ai-proxy-multi`, in the order of APISIX.
//!
//! Source: apache/apisix `apisix/plugins/ai-proxy-multi.lua`, `check_schema`.

use std::collections::HashMap;

use plugin::ConfigError;

use super::config::{
    Algorithm, Balancer, Config, EmbeddingsProvider, HashOn, InstanceConfig, SemanticOptions,
};

/// Variables by which `chash` may choose, besides `arg_…`.
const HASH_VARIABLES: [&str; 10] = [
    "uri",
    "server_name",
    "server_addr",
    "request_uri",
    "remote_port",
    "remote_addr",
    "query_string",
    "host",
    "hostname",
    "mqtt_client_id",
];

/// Judges one instance among those before it, whose names and places are `known`.
///
/// # Errors
/// Names the first rule that is broken.
pub(super) fn judge_instance<'c>(
    instance: &'c InstanceConfig,
    index: usize,
    known: &mut HashMap<&'c str, usize>,
) -> Result<(), ConfigError> {
    let name = &instance.name;
    if let Some(first) = known.insert(name, index) {
        return Err(ConfigError::at(
            format!("/instances/{index}/name"),
            format!(
                "duplicate instance name '{name}' at instances[{}] and instances[{}]",
                first + 1,
                index + 1
            ),
        ));
    }
    match instance.target.endpoint() {
        Some(endpoint) if !is_reference(endpoint) && !has_scheme_and_host(endpoint) => {
            Err(ConfigError::at(
                format!("/instances/{index}/override/endpoint"),
                "invalid endpoint: expected http:// or https:// and a host",
            ))
        }
        _ => Ok(()),
    }
}

/// Judges how an instance is to be chosen.
///
/// # Errors
/// Names the first rule that is broken.
pub(super) fn judge_balancer(config: &Config) -> Result<(), ConfigError> {
    match config.balancer.algorithm {
        Algorithm::Roundrobin | Algorithm::LeastBusy | Algorithm::Ewma | Algorithm::Prefix => {
            Ok(())
        }
        Algorithm::Chash => judge_hash(&config.balancer),
        Algorithm::Semantic => judge_semantic(config),
    }
}

fn judge_hash(balancer: &Balancer) -> Result<(), ConfigError> {
    let fault = |text: &str| Err(ConfigError::at("/balancer/key", text));
    if balancer.hash_on == HashOn::Consumer {
        return Ok(());
    }
    let Some(key) = balancer.key.as_deref() else {
        // compat: apache/apisix names the key and the exception wrongly
        return fault("must configure `hash_key` when balancer `hash_on` is not set to cookie");
    };
    match balancer.hash_on {
        HashOn::Vars if !is_hash_variable(key) => fault(
            "invalid configuration: balancer.key: expected a variable such as remote_addr, uri or \
             arg_name",
        ),
        HashOn::Header | HashOn::Cookie if !is_name(key) => fault(
            "invalid configuration: balancer.key: expected a name of letters, digits, - and _",
        ),
        _ => Ok(()),
    }
}

fn is_hash_variable(key: &str) -> bool {
    // compat: apache/apisix its pattern has A-z, which holds a few signs too
    let is_known = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'A'..=b'z' | b'-');
    match key.strip_prefix("arg_") {
        Some(name) => !name.is_empty() && name.bytes().all(is_known),
        None => HASH_VARIABLES.contains(&key),
    }
}

fn is_name(key: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !key.is_empty() && key.bytes().all(is_known)
}

fn judge_semantic(config: &Config) -> Result<(), ConfigError> {
    let options = config.semantic_opts.as_ref();
    judge_embeddings(options)?;
    for (index, instance) in config.instances.iter().enumerate() {
        if instance.examples.as_ref().is_none_or(Vec::is_empty) {
            return Err(ConfigError::at(
                format!("/instances/{index}/examples"),
                format!(
                    "instance '{}': expected at least one entry in examples when \
                     balancer.algorithm is semantic",
                    instance.name
                ),
            ));
        }
    }
    let fallback = options.and_then(|options| options.fallback.as_deref());
    let is_known = |name: &str| config.instances.iter().any(|other| other.name == name);
    match fallback {
        Some(name) if !is_known(name) => Err(ConfigError::at(
            "/semantic_opts/fallback",
            format!("semantic_opts.fallback names unknown instance '{name}'"),
        )),
        _ => Ok(()),
    }
}

fn judge_embeddings(options: Option<&SemanticOptions>) -> Result<(), ConfigError> {
    let Some(embeddings) = options.map(|options| &options.embeddings) else {
        return Err(ConfigError::at(
            "/semantic_opts",
            "must configure `semantic_opts.embeddings` when balancer algorithm is semantic",
        ));
    };
    let at = "/semantic_opts/embeddings/endpoint";
    let endpoint = embeddings.endpoint.as_deref();
    if endpoint.is_some_and(|url| !is_reference(url) && !has_scheme_and_host(url)) {
        return Err(ConfigError::at(
            at,
            "invalid `semantic_opts.embeddings.endpoint`: expected http:// or https:// and a host",
        ));
    }
    if embeddings.provider == EmbeddingsProvider::AzureOpenai
        && !endpoint.is_some_and(|url| is_reference(url) || has_path(url))
    {
        return Err(ConfigError::at(
            at,
            "`semantic_opts.embeddings.endpoint` must include the full deployment path for \
             azure-openai",
        ));
    }
    Ok(())
}

fn is_reference(text: &str) -> bool {
    text.starts_with('$')
}

/// Whether the URL begins with a scheme of HTTP and a host, as APISIX wants endpoints of instances.
fn has_scheme_and_host(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with([':', '/']))
}

fn has_path(url: &str) -> bool {
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    path.is_some_and(|(_, path)| !path.split(['?', '#']).next().unwrap_or_default().is_empty())
}
