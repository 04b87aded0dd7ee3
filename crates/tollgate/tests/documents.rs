//! The documents keep to what is there: what they show to be pasted passes `tollgate check`, their
//! links lead somewhere, and they list every metric.
//!
//! The word after a block's language says what the block is:
//!
//! | block | is |
//! |---|---|
//! | `yaml apisix.yaml`, `yaml tollgate.yaml` | a whole file of that name |
//! | `json plugins` | the `plugins` of a route |
//! | `json said` | something that the gateway says |
//! | `sh` | typed by a person; what it sends to the Admin API is a resource |

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use telemetry::names::{Label, Metric};

/// A fenced block of a document.
#[derive(Debug)]
struct Block {
    /// Document and line, for messages.
    place: String,
    /// What stands behind the opening fence.
    info: String,
    text: String,
}

/// The documents that people write.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut found = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("the folder of documents");
    let docs = docs.map(|entry| entry.expect("a document").path());
    found.extend(docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn blocks(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).expect("a readable document");
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(info) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                found.push(Block {
                    place: format!("{}:{number}", document.display()),
                    info: info.trim().to_owned(),
                    text: String::new(),
                });
            }
        } else if is_open && let Some(block) = found.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!is_open, "{}: a block has no end", document.display());
    found
}

/// What `tollgate check` says against a file of this name; nothing when all is well.
fn faults(name: &str, text: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("documents-{}", text.len()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), text).expect("a file");
    let ended = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["check", name])
        .current_dir(folder)
        .env("KEYRING_KEY", "0123456789abcdef")
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    // A variable of the person who pastes it has no value here.
    let is_fault = |line: &&str| {
        line.starts_with("error:") || (line.starts_with("warning:") && !line.contains("is not set"))
    };
    let faults: Vec<_> = said.lines().filter(is_fault).map(str::to_owned).collect();
    assert!(ended.status.success() || !faults.is_empty(), "{ended:?}");
    faults
}

/// What `tollgate check` says against a resource.
fn faults_of_resource(kind: &str, mut resource: Value) -> Vec<String> {
    resource["id"] = "shown".into();
    faults("apisix.json", &json!({ kind: [resource] }).to_string())
}

/// What `tollgate check` says against these plugins of a route.
fn faults_of_plugins(plugins: &Value) -> Vec<String> {
    let upstream = json!({ "type": "roundrobin", "nodes": { "127.0.0.1:1": 1 } });
    let route = json!({ "uri": "/*", "plugins": plugins, "upstream": upstream });
    faults_of_resource("routes", route)
}

/// The resources that a command sends to the Admin API, with their kinds.
fn sent(command: &str) -> Vec<(&str, Value)> {
    let sent = command.split("/apisix/admin/").skip(1).filter_map(|rest| {
        let kind = rest.split('/').next()?;
        let body = rest.split_once("-d '")?.1.split('\'').next()?;
        Some((kind, serde_json::from_str(body).expect(body)))
    });
    sent.collect()
}

/// What is wrong with a block.
fn faults_of_block(Block { info, text, .. }: &Block) -> Vec<String> {
    let as_json = || serde_json::from_str::<Value>(text);
    match info.as_str() {
        "yaml apisix.yaml" if !text.contains("#END") => {
            faults("apisix.yaml", &format!("{text}#END\n"))
        }
        "yaml apisix.yaml" => faults("apisix.yaml", text),
        "yaml tollgate.yaml" => faults("tollgate.yaml", text),
        "json plugins" => as_json().map_or_else(
            |error| vec![error.to_string()],
            |plugins| faults_of_plugins(&plugins),
        ),
        "json said" => as_json().err().iter().map(ToString::to_string).collect(),
        "sh" => {
            let judge = |(kind, resource)| faults_of_resource(kind, resource);
            sent(text).into_iter().flat_map(judge).collect()
        }
        "text" | "" => Vec::new(),
        other => vec![format!("{other:?} does not say what the block is")],
    }
}

#[test]
fn what_is_shown_to_be_pasted_passes_the_check() {
    let blocks: Vec<_> = documents().iter().flat_map(|path| blocks(path)).collect();
    assert!(!blocks.is_empty(), "no document shows anything");
    let wrong = blocks.iter().flat_map(|block| {
        let faults = faults_of_block(block).into_iter();
        faults.map(|fault| format!("{}: {fault}", block.place))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names by which a document's headings are linked.
fn anchors(document: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(document).expect("a readable document");
    let headings = text
        .lines()
        .filter_map(|line| line.split_once("# "))
        .filter(|(marks, _)| marks.chars().all(|mark| mark == '#'));
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(|(_, heading)| anchor(heading)).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut documents = documents();
    documents.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut broken = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(document).expect("a readable document");
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = document.parent().unwrap_or(document);
            let meant = if path.is_empty() {
                document.clone()
            } else {
                folder.join(path)
            };
            let is_there =
                meant.exists() && (anchor.is_empty() || anchors(&meant).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_metric_is_listed_with_its_labels() {
    let text = fs::read_to_string(root().join("docs/operations.md")).expect("a readable document");
    let quoted = |name: &str| format!("`{name}`");
    let mut missing = Vec::new();
    for spec in Metric::ALL.iter().map(|metric| metric.spec()) {
        let of_it = |line: &&str| line.starts_with("| `") && line.contains(&quoted(spec.name));
        let row = text.lines().find(of_it).unwrap_or_default();
        let labels = spec.labels.iter().copied().map(Label::as_str);
        let words = labels.chain([spec.name]).map(quoted);
        missing.extend(
            words
                .filter(|word| !row.contains(word))
                .map(|word| (spec.name, word)),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
