//! Everything before the first connection: inventory, playbook, checks, and the hosts of each play.
//!
//! `cargo bench -p provision-engine --bench load`. The files are in `target/bench-site` and stay there, for
//! `provision check -i hosts.yml site.yml` and a profiler.

mod site;

use criterion::{Criterion, criterion_group, criterion_main};
use provision_engine::actions::AllModules;
use provision_engine::{check, lookups};
use provision_project::inventory::{Inventory, LoadContext};
use provision_project::{Loader, SearchPaths};
use provision_source::{Diagnostics, Sources};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads and checks the site as the command does; the number of hosts of all plays.
fn load(dir: &Path) -> usize {
    let sources = Sources::new();
    let mut diags = Diagnostics::new();
    let templater = lookups::ControlMachine::templater(Arc::default(), Default::default());
    let extra = Arc::default();
    let render = check::static_render(templater.clone(), Arc::clone(&extra));
    let loader = Loader::new(sources.clone(), Arc::new(AllModules), SearchPaths::default(), render);
    let specs = [dir.join("hosts.yml").to_string_lossy().into_owned()];
    let context = LoadContext { playbook_dir: Some(dir.to_owned()) };
    let inventory = Inventory::load(&sources, &specs, &context, &mut diags);
    let playbooks = [loader.playbook(&dir.join("site.yml"), &mut diags)];
    let run = check::Run {
        playbooks: &playbooks,
        templater: &templater,
        loader: &loader,
        inventory: &inventory,
        extra: &extra,
        asked: check::Asked::default(),
    };
    check::run(&run, &mut diags);
    assert!(diags.is_empty(), "{}", provision_source::render(&diags, &sources, false, None));
    let plays = playbooks.iter().flat_map(|playbook| &playbook.plays);
    plays.map(|play| inventory.select(play.hosts.as_str().unwrap_or("all")).map_or(0, |h| h.len())).sum()
}

/// User and system time of this process.
fn processor_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

fn loading(criterion: &mut Criterion) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-site");
    site::write(&dir, site::LARGE).expect("the site's files");
    assert!(load(&dir) > 20_000);
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or(" unknown").trim();
    // What the clock says depends on what else the machine does; what the processor spent does not.
    let before = processor_seconds();
    (0..10).for_each(|_| _ = load(&dir));
    let spent = (processor_seconds() - before) / 10.0;
    let told = format!("of one load: at most {peak} of memory, {spent:.3} s of processor time\n");
    std::io::stderr().write_all(told.as_bytes()).expect("standard error");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("1000 tasks in 50 files, 10000 hosts in 500 groups", |b| b.iter(|| load(&dir)));
    group.finish();
}

criterion_group!(benches, loading);
criterion_main!(benches);
