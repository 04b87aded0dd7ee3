//! Joins the rooms and serves until told to stop.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use admin::control::Checks;
use admin::{Access, Api, Control, Export, Facts, Live, PluginHost, Wiring, server};
use anyhow::Context as _;
use config::Loaded;
use config::lookup::{Lifetimes, Lookup};
use config::settings::{LoadedSettings, Settings};
use config::source::{FileSource, Source, Store, StoreSource};
use config::substitute::Environment;
use gateway::Door;
use net::dns::System;
use net::listen::Listener;
use telemetry::log_sink::LogSink;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::apply::Applier;
use crate::banner::Banner;
use crate::certificates::Certificates;
use crate::house::House;
use crate::probing;
use crate::signals::{Signal, Signals};
use crate::translate;

/// How often idle upstream connections are looked after.
const UPKEEP: Duration = Duration::from_secs(10);

/// Where the resources of this process live.
#[derive(Debug)]
pub(crate) enum Resources {
    /// As the settings say.
    Configured,
    /// In this store, which ends with the process.
    Passing(Store),
}

/// Everything that is bound before anything is served.
struct Bound {
    doors: Vec<Door>,
    admin: Option<Listener>,
    control: Option<Listener>,
    metrics: Option<Listener>,
    certificates: Certificates,
}

/// What the operators' listeners share.
struct Operators {
    house: Arc<House>,
    live: watch::Receiver<Option<Arc<Loaded>>>,
    draining: watch::Receiver<bool>,
    reload: Arc<Notify>,
    access: Access,
    source: admin::Source,
    facts: Facts,
    checks: Checks,
    metrics_path: String,
}

/// Serves by `loaded` settings until a signal ends it; `complete` adds to the banner, given where
/// the first proxy listener is.
///
/// # Errors
/// When a listener, the store or a log cannot be had.
pub(crate) async fn serve(
    loaded: LoadedSettings,
    resources: Resources,
    environment: &Environment,
    complete: impl FnOnce(&mut Banner, SocketAddr),
) -> anyhow::Result<()> {
    let LoadedSettings {
        settings, ignored, ..
    } = loaded;
    let mut signals = Signals::new()?;
    let house = Arc::new(House::new(&settings, environment)?);
    let mut banner = Banner {
        ignored,
        ..Banner::default()
    };
    let access = translate::access(&settings, &resources, &mut banner)?;
    let source = source(&settings, resources, environment, &mut banner)?;
    let mut bound = bind(&settings)?;
    tell_listeners(&settings, &bound, &mut banner);
    let sink = translate::access_log(&settings, &house)?;
    let gateway = translate::gateway(&settings, &house, sink.as_ref());

    let (served, live) = watch::channel(None);
    let (drain, draining) = watch::channel(false);
    let reload = Arc::new(Notify::new());
    let is_probing = !settings.proxy.disable_upstream_healthcheck;
    let operators = Operators {
        house: Arc::clone(&house),
        live,
        draining,
        reload: Arc::clone(&reload),
        access,
        source: admin_source(&source),
        facts: facts(&source, &banner),
        checks: checks(&house, is_probing),
        metrics_path: settings.metrics.path.clone(),
    };
    let mut applier = Applier {
        house: Arc::clone(&house),
        source,
        lookup: Lookup::new(environment.clone(), Lifetimes::default()),
        gateway: gateway.clone(),
        certificates: std::mem::take(&mut bound.certificates),
        served,
        reload: Arc::clone(&reload),
        told: HashSet::new(),
    };
    applier.apply().await;
    let doors = std::mem::take(&mut bound.doors);
    if let Some(door) = doors.first() {
        complete(&mut banner, door.listener.address());
    }
    let mut tasks = operators.serve(bound);
    tasks.spawn(applier.follow());
    look_after(&house, is_probing, &mut tasks);
    eprint_banner(&banner);

    let reopen = || reopen(&house, sink.as_deref());
    let ended = until_end(&mut signals, &reload, &drain, reopen);
    gateway.serve(doors, ended).await;
    tasks.shutdown().await;
    for sink in sink.into_iter().chain(house.living.all::<LogSink>()) {
        sink.close();
    }
    tracing::info!("stopped");
    Ok(())
}

impl Operators {
    /// Serves whichever operators' listeners are bound.
    fn serve(self, bound: Bound) -> JoinSet<()> {
        let Self {
            house,
            live,
            draining,
            reload,
            access,
            source,
            facts,
            checks,
            metrics_path,
        } = self;
        let limits = server::Limits::default();
        let mut tasks = JoinSet::new();
        if let Some(listener) = bound.admin {
            let api = Api::new(Wiring {
                source,
                live: Live::new(live.clone()),
                plugins: PluginHost {
                    registry: Arc::clone(&house.registry),
                    living: Arc::clone(&house.living),
                    metrics: house.metrics.clone(),
                    environment: house.environment.clone(),
                    attributes: Arc::clone(&house.attributes),
                },
                access,
                reload: Arc::clone(&reload),
                cors: false,
            });
            let stop = until_draining(draining.clone());
            tasks.spawn(server::serve(
                listener.into_inner(),
                Arc::new(api),
                limits,
                stop,
            ));
        }
        // These two tell how the draining goes, so they stay until the doors are closed.
        let never = std::future::pending;
        if let Some(listener) = bound.control {
            let registry = Arc::clone(&house.registry);
            let control = Control::new(Live::new(live), registry, facts, draining, reload)
                .with_checks(checks);
            let listener = listener.into_inner();
            tasks.spawn(server::serve(listener, Arc::new(control), limits, never()));
        }
        if let Some(listener) = bound.metrics {
            let export = Export::new(house.metrics.clone(), metrics_path);
            let listener = listener.into_inner();
            tasks.spawn(server::serve(listener, Arc::new(export), limits, never()));
        }
        tasks
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the banner is for the person at the terminal"
)]
fn eprint_banner(banner: &Banner) {
    eprint!("{banner}");
}

/// Waits for the signal to end, and reloads at each signal to do so.
async fn until_end(
    signals: &mut Signals,
    reload: &Notify,
    drain: &watch::Sender<bool>,
    reopen: impl Fn(),
) {
    while signals.next().await == Signal::Reload {
        reload.notify_one();
        reopen();
    }
    tracing::info!("draining");
    drain.send_replace(true);
}

async fn until_draining(mut draining: watch::Receiver<bool>) {
    // The sender lives as long as the process serves; without it there is nothing to wait for.
    draining.wait_for(|draining| *draining).await.ok();
}

/// What the control API tells of health. Probers that nobody gives a turn know nothing, and what
/// nothing is known of counts as healthy.
fn checks(house: &Arc<House>, is_probing: bool) -> Checks {
    if is_probing {
        probing::checks(Arc::clone(house))
    } else {
        Checks::default()
    }
}

/// Spawns what goes on beside requests.
fn look_after(house: &Arc<House>, is_probing: bool, tasks: &mut JoinSet<()>) {
    tasks.spawn(upkeep(Arc::clone(house)));
    if is_probing {
        tasks.spawn(probing::probe(Arc::clone(house), System));
    }
}

/// Closes upstream connections that nobody has used for long.
async fn upkeep(house: Arc<House>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        for origin in house.living.all::<net::Origin>() {
            origin.drop_expired();
        }
    }
}

fn reopen(house: &House, access_log: Option<&LogSink>) {
    if let Some(sink) = access_log {
        sink.reopen();
    }
    house.living.log_sinks(&house.metrics).reopen_all();
}

fn bind(settings: &Settings) -> anyhow::Result<Bound> {
    let mut certificates = Certificates::default();
    let mut doors = Vec::new();
    for listen in &settings.proxy.listen {
        let listener = listener("proxy", listen.addr.0)?;
        let tls = match &listen.tls {
            None => None,
            Some(tls) => {
                let files = tls.cert.clone().zip(tls.key.clone());
                let at = || format!("proxy.listen {}", listen.addr);
                let resolver = certificates.listener(files).with_context(at)?;
                Some(net::tls::server_config(resolver, listen.http2).with_context(at)?)
            }
        };
        doors.push(Door {
            listener,
            tls,
            http2: listen.http2,
        });
    }
    let optional = |name, is_enabled: bool, address: config::settings::Address| {
        is_enabled.then(|| listener(name, address.0)).transpose()
    };
    Ok(Bound {
        doors,
        admin: optional("admin", settings.admin.enabled, settings.admin.listen)?,
        control: optional("control", settings.control.enabled, settings.control.listen)?,
        metrics: optional("metrics", settings.metrics.enabled, settings.metrics.listen)?,
        certificates,
    })
}

fn listener(name: &str, address: SocketAddr) -> anyhow::Result<Listener> {
    Listener::bind(address).with_context(|| format!("{name} cannot listen on {address}"))
}

fn tell_listeners(settings: &Settings, bound: &Bound, banner: &mut Banner) {
    for door in &bound.doors {
        let scheme = if door.tls.is_some() { "https" } else { "http" };
        let address = door.listener.address();
        banner
            .listeners
            .push(("proxy", format!("{scheme}://{address}")));
        if door.tls.is_none() {
            banner.warn_if_open(
                "proxy",
                address,
                "is reachable from other machines without TLS",
            );
        }
    }
    if let Some(listener) = &bound.admin {
        let address = listener.address();
        banner
            .listeners
            .push(("admin", format!("http://{address}/apisix/admin")));
        banner.warn_if_open("admin", address, "takes its key over plain HTTP");
    }
    if let Some(listener) = &bound.control {
        let address = listener.address();
        banner
            .listeners
            .push(("control", format!("http://{address}/status")));
        banner.warn_if_open("control", address, "shows the configuration without a key");
    }
    if let Some(listener) = &bound.metrics {
        let address = listener.address();
        banner.listeners.push((
            "metrics",
            format!("http://{address}{}", settings.metrics.path),
        ));
        banner.warn_if_open("metrics", address, "shows metrics without a key");
    }
}

fn facts(source: &Source, banner: &Banner) -> Facts {
    let listener = |(name, address): &(&'static str, String)| admin::Listener {
        name: (*name).to_owned(),
        address: address.clone(),
    };
    Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        source: if source.is_writable() {
            "store"
        } else {
            "file"
        }
        .to_owned(),
        listeners: banner.listeners.iter().map(listener).collect(),
    }
}

fn source(
    settings: &Settings,
    resources: Resources,
    environment: &Environment,
    banner: &mut Banner,
) -> anyhow::Result<Source> {
    if let Resources::Passing(store) = resources {
        "in memory, gone when the process ends".clone_into(&mut banner.resources);
        return Ok(Source::Store(StoreSource::new(store)));
    }
    if let Some(file) = &settings.resources {
        banner.resources = format!("{}, watched; the Admin API only reads", file.display());
        return Ok(Source::File(FileSource::new(file, environment.clone())));
    }
    let directory = &settings.data_dir;
    banner.resources = format!("embedded store in {}", directory.display());
    let store =
        Store::open(directory).with_context(|| format!("data_dir {}", directory.display()))?;
    let keyring = settings.data_encryption.keys();
    let store = store.sealed(House::seal(keyring.context("data_encryption.keyring")?));
    Ok(Source::Store(StoreSource::new(store)))
}

fn admin_source(source: &Source) -> admin::Source {
    match source {
        Source::Store(store) => admin::Source::Store(store.store().clone()),
        Source::File(_) => admin::Source::ReadOnly,
    }
}
