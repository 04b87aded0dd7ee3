//! This repository's gateway, as users run it: access log on, as JSON, to a file.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Cast, Gateway, free_address};

pub(super) async fn start(
    cast: &Cast,
    folder: &Path,
    upstream: SocketAddr,
) -> anyhow::Result<Gateway> {
    let address = free_address()?;
    let settings = folder.join("tollgate.yaml");
    let resources = folder.join("apisix.yaml");
    std::fs::write(&settings, configuration(folder, &resources, address)?)?;
    std::fs::write(&resources, routes(upstream))?;
    let mut command = Command::new(cast.target.join("release/tollgate"));
    command.arg("run").arg("-c").arg(&settings);
    Gateway::start(cast, folder, ("tollgate", address), command).await
}

fn configuration(folder: &Path, resources: &Path, listen: SocketAddr) -> anyhow::Result<String> {
    let (admin, control, metrics) = (free_address()?, free_address()?, free_address()?);
    let (folder, resources) = (folder.display(), resources.display());
    Ok(format!(
        "proxy: {{ listen: [\"{listen}\"] }}
admin: {{ listen: \"{admin}\" }}
control: {{ listen: \"{control}\" }}
metrics: {{ listen: \"{metrics}\" }}
data_dir: {folder}/data
resources: {resources}
access_log: {{ path: {folder}/access.log, format: json }}
workers: 1
"
    ))
}

fn routes(upstream: SocketAddr) -> String {
    format!(
        "routes:
  - id: bench
    uri: /v1/chat/completions
    plugins:
      ai-proxy:
        provider: openai-compatible
        auth: {{}}
        override:
          endpoint: http://{upstream}/v1/chat/completions
#END
"
    )
}
