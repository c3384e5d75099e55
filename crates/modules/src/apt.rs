//! `apt`: packages of Debian and its relatives.

mod plan;

use crate::support::apt_get::{self, AptGet};
use crate::support::dpkg::Database;
use crate::support::files::path_of;
use crate::{Ctx, Failure, Module, Outcome};
use plan::{Lists, policy_rc_d, said, spec};
use provision_args::{Args, Choice, PathArg};
use provision_system::{Effect, Output};
use std::time::Duration;

/// Install, upgrade and remove packages with apt. A package that is installed already costs no process at all.
#[derive(Args)]
#[args(name = "apt", mutually_exclusive("deb", "name", "upgrade"))]
pub struct AptArgs {
    #[arg(flatten)]
    pub options: AptOptions,
}

/// The options of `apt`, which `package` has too.
#[derive(Args)]
pub struct AptOptions {
    /// Packages: `nginx`, a version `nginx=1.22.1-9`, any of some versions `nginx=1.22*`, at least a version
    /// `nginx>=1.22`, one for another processor `libc6:i386`, from a release `nginx/bookworm-backports`, or a
    /// pattern `php8.2-*`. `*` with `state: latest` means all that is installed.
    #[arg(alias = "pkg", alias = "package")]
    pub name: Vec<String>,
    /// `present`: installed, in any version unless `name` asks for one. `latest`: in the newest version that the
    /// lists know. `absent`: removed. `build-dep`: what is needed to build it is installed. `fixed`: what an
    /// interrupted apt left half done is completed.
    #[arg(default = "present")]
    pub state: State,
    /// Fetch the package lists first. Alone it is a task of its own, changed when there was something new.
    #[arg(alias = "update-cache")]
    pub update_cache: Option<bool>,
    /// Seconds during which lists that were fetched count as fresh; asks for `update_cache` unless that says no.
    /// Where there are none, or apt was given other sources since, they are fetched whatever their age.
    #[arg(default = "0")]
    pub cache_valid_time: u64,
    /// How often fetching is tried again.
    #[arg(default = "5")]
    pub update_cache_retries: u32,
    /// Seconds to wait at most before the next try; the wait doubles each time.
    #[arg(default = "12")]
    pub update_cache_retry_max_delay: u64,
    /// Upgrade all packages: `yes` and `safe` remove none, `full` and `dist` may.
    #[arg(default = "no")]
    pub upgrade: Upgrade,
    /// A package file on the host.
    pub deb: Option<PathArg>,
    /// With `absent` and `autoremove`: remove configuration files too.
    #[arg(default = "no")]
    pub purge: bool,
    /// Also remove packages that were installed for others and that none needs any more.
    #[arg(default = "no")]
    pub autoremove: bool,
    /// Delete downloaded packages that can no longer be downloaded.
    #[arg(default = "no")]
    pub autoclean: bool,
    /// Delete all downloaded packages, before anything else.
    #[arg(default = "no")]
    pub clean: bool,
    /// Install what packages recommend. Left out: as the host is configured.
    #[arg(alias = "install-recommends")]
    pub install_recommends: Option<bool>,
    /// The release to prefer, as in `bookworm-backports`.
    #[arg(alias = "default-release")]
    pub default_release: Option<String>,
    /// Upgrade what is installed, install nothing.
    #[arg(default = "no")]
    pub only_upgrade: bool,
    /// Fail rather than remove any package.
    #[arg(default = "no")]
    pub fail_on_autoremove: bool,
    /// Install packages whose origin cannot be verified.
    #[arg(default = "no", alias = "allow-unauthenticated")]
    pub allow_unauthenticated: bool,
    /// Replace a newer version by the one asked for.
    #[arg(default = "no", alias = "allow-downgrade", alias = "allow_downgrades", alias = "allow-downgrades")]
    pub allow_downgrade: bool,
    /// Change packages that are on hold.
    #[arg(default = "no")]
    pub allow_change_held_packages: bool,
    /// Both of `allow_unauthenticated` and `allow_downgrade`, and more: may leave a host without working packages.
    #[arg(default = "no")]
    pub force: bool,
    /// Options for dpkg, separated by commas.
    #[arg(default = "force-confdef,force-confold")]
    pub dpkg_options: String,
    /// Seconds to wait for another package manager to end.
    #[arg(default = "60")]
    pub lock_timeout: u64,
    /// What `/usr/sbin/policy-rc.d` answers while packages are installed: 101 keeps their services from being started.
    pub policy_rc_d: Option<i64>,
    /// apt-get is what is used always.
    #[arg(default = "no")]
    pub force_apt_get: bool,
    /// Nothing has to be installed on the host for this module.
    #[arg(default = "yes")]
    pub auto_install_module_deps: bool,
}

/// What a package shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    #[choice("build-dep")]
    BuildDep,
    Latest,
    Present,
    Fixed,
}

/// How all packages are upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Upgrade {
    Dist,
    Full,
    No,
    Safe,
    Yes,
}

/// The module.
pub struct Apt;

impl Module for Apt {
    type Args = AptArgs;

    fn run(args: AptArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        run(args.options, ctx)
    }
}

/// What `apt` does; `package` calls it.
pub fn run(options: AptOptions, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
    if ctx.sys.find_program("apt-get")?.is_none() {
        return Err(Failure::new("apt-get is not on this host: apt is for Debian and its relatives"));
    }
    if let Some(deb) = options.deb.as_ref().filter(|deb| deb.as_str().contains("://")) {
        let msg =
            format!("deb={deb}: a URL is not supported yet. Download it with get_url, then give its path");
        return Err(Failure::new(msg));
    }
    let flags = flags(&options);
    let apt = AptGet { options: &flags, lock_timeout: options.lock_timeout };
    let names = options.name.iter().map(|name| name.trim().to_owned()).collect();
    let mut task = Task {
        ctx,
        o: &options,
        apt,
        names,
        lists: Lists::look(ctx)?,
        update: Update::None,
        uncertain: ctx.sys.uncertain(),
    };
    task.run()
}

/// What became of the package lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Update {
    None,
    /// Fetched; true: something was new.
    Done(bool),
    /// A dry run would fetch them.
    Predicted,
}

struct Task<'a> {
    ctx: &'a Ctx<'a>,
    o: &'a AptOptions,
    apt: AptGet<'a>,
    names: Vec<String>,
    lists: Lists,
    update: Update,
    /// Commands of earlier tasks have not run: what they bring is not known.
    uncertain: bool,
}

impl Task<'_> {
    fn run(&mut self) -> Result<Outcome, Failure> {
        let all = self.o.state == State::Latest && self.names.iter().any(|name| name == "*");
        if all {
            self.names.retain(|name| name != "*");
        }
        let upgrade = match self.o.upgrade {
            Upgrade::No if all => Upgrade::Yes,
            other => other,
        };
        let works = !self.names.is_empty()
            || upgrade != Upgrade::No
            || self.o.deb.is_some()
            || self.o.state == State::Fixed;
        let cleans = self.o.clean || self.o.autoclean || self.o.autoremove;
        let mut outcome = Outcome::new();
        if self.o.clean {
            outcome = self.clean()?;
        }
        self.refresh(!works && !cleans)?;
        if upgrade != Upgrade::No {
            let verb: &[&str] = match upgrade {
                Upgrade::Dist | Upgrade::Full => &["dist-upgrade"],
                _ => &["upgrade", "--with-new-pkgs"],
            };
            outcome = self.if_any(verb, &[])?;
            let said = outcome.result.get("stdout").cloned().unwrap_or_else(|| "".into());
            outcome = outcome.with("msg", said);
        }
        if let Some(deb) = &self.o.deb {
            outcome = self.install_file(&path_of(self.ctx, deb)?)?;
        }
        if !self.names.is_empty() || self.o.state == State::Fixed {
            outcome = match self.o.state {
                State::Absent => self.remove()?,
                State::BuildDep => {
                    let names = self.names.clone();
                    self.if_any(&["build-dep"], &names)?
                }
                State::Fixed => {
                    let names = self.expanded()?;
                    self.if_any(&["install", "--fix-broken"], &names)?
                }
                State::Present | State::Latest => self.install()?,
            };
        }
        if self.o.autoclean {
            outcome = self.autoclean()?;
        }
        if self.o.autoremove && (!works || !outcome.result.contains_key("stdout")) {
            outcome = self.if_any(&["autoremove"], &[])?;
        }
        Ok(self.finish(outcome))
    }

    /// Adds what became of the lists.
    fn finish(&self, outcome: Outcome) -> Outcome {
        outcome
            .with("cache_updated", self.update != Update::None && self.update != Update::Done(false))
            .with("cache_update_time", self.lists.whole_seconds())
    }

    /// Fetches the lists when they are asked for and not fresh. `alone`: the task does nothing else.
    fn refresh(&mut self, alone: bool) -> Result<(), Failure> {
        let asked = self.o.update_cache.unwrap_or(self.o.cache_valid_time > 0);
        if !asked {
            return Ok(());
        }
        let outdated = self.lists.outdated(self.ctx)?;
        if !outdated && self.lists.fresh(self.ctx.sys.now(), self.o.cache_valid_time) {
            return Ok(());
        }
        let before = self.lists;
        // With packages to care for it is no change of its own.
        let effect = if alone && outdated { Effect::Change } else { Effect::Upkeep };
        let mut tries = 0;
        loop {
            match self.apt.update(self.ctx, effect)? {
                None => {
                    self.update = Update::Predicted;
                    return Ok(());
                }
                Some(Ok(())) => break,
                Some(Err(_)) if tries < self.o.update_cache_retries => {
                    let delay = 1 << tries.min(16);
                    tries += 1;
                    std::thread::sleep(Duration::from_secs(delay.min(self.o.update_cache_retry_max_delay)));
                }
                Some(Err(why)) => {
                    return Err(Failure::new(format!(
                        "Failed to update apt cache after {} retries: {why}",
                        self.o.update_cache_retries
                    )));
                }
            }
        }
        self.lists = Lists::look(self.ctx)?;
        let new = self.lists != before;
        if !new {
            // apt leaves the time as it was when there was nothing new; they are fresh all the same.
            self.lists.touch(self.ctx)?;
        }
        if alone && new && effect == Effect::Upkeep {
            let shown = |lists: Lists| format!("of {}", lists.whole_seconds());
            self.ctx.sys.note("package lists", &shown(before), &shown(self.lists))?;
        }
        self.update = Update::Done(new);
        Ok(())
    }

    fn install(&self) -> Result<Outcome, Failure> {
        let db = Database::read(self.ctx)?;
        let (mut wanted, mut there) = (Vec::new(), Vec::new());
        // Something is missing for certain; of the rest only apt knows whether there is anything to do.
        let mut certain = false;
        for text in self.expanded_with(&db)? {
            let Some(spec) = spec(&text) else { return Err(no_package(&text)) };
            let package = db.find(spec.name, spec.arch).filter(|package| package.is_installed());
            let satisfied = spec.satisfied(package);
            if satisfied == Some(false) {
                let stood_in = package.is_none() && spec.is_plain() && self.is_provided(&db, spec.name)?;
                if stood_in || (package.is_none() && self.o.only_upgrade) {
                    continue;
                }
                certain = true;
                wanted.push(self.installable(&text)?);
                continue;
            }
            if package.is_some() {
                there.push(spec.full_name());
            }
            if satisfied.is_none() || self.o.state == State::Latest {
                wanted.push(text);
            }
        }
        self.mark_manual(&there)?;
        let mut verb = vec!["install"];
        verb.extend(self.o.autoremove.then_some("--auto-remove"));
        match (wanted.is_empty(), certain) {
            (true, _) => Ok(Outcome::new()),
            (false, true) => self.apply(&verb, &wanted, db),
            (false, false) => self.if_any(&verb, &wanted),
        }
    }

    fn remove(&self) -> Result<Outcome, Failure> {
        let db = Database::read(self.ctx)?;
        let mut wanted = Vec::new();
        for text in &self.names {
            let Some(spec) = spec(text) else { continue };
            if spec.has_pattern() {
                wanted.extend(db.matching(spec.name, self.o.purge).into_iter().map(str::to_owned));
                continue;
            }
            let Some(package) = db.find(spec.name, spec.arch) else { continue };
            let version = spec.satisfied(Some(package)) != Some(false);
            let left = self.o.purge && package.state == "config-files";
            if left || (package.has_files() && version) {
                wanted.push(spec.full_name());
            }
        }
        if wanted.is_empty() {
            return Ok(Outcome::new());
        }
        let mut verb = vec!["remove"];
        verb.extend(self.o.purge.then_some("--purge"));
        verb.extend(self.o.autoremove.then_some("--auto-remove"));
        self.apply(&verb, &wanted, db)
    }

    /// Runs apt-get only if a simulation says that something would happen.
    fn if_any(&self, verb: &[&str], names: &[String]) -> Result<Outcome, Failure> {
        let words = self.words(verb, names);
        match self.apt.simulate(self.ctx, &words)? {
            Ok(steps) if steps.is_empty() => {
                let outcome = said("", "");
                Ok(match self.update {
                    Update::Predicted => outcome.with("depends_on", FETCH_FIRST),
                    _ => outcome,
                })
            }
            Err(output) if !self.unsure()? => Err(self.failed(&words.join(" "), &output)),
            _ => self.apply(verb, names, Database::read(self.ctx)?),
        }
    }

    /// Runs apt-get; what it did to which package is noted.
    fn apply(&self, verb: &[&str], names: &[String], before: Database) -> Result<Outcome, Failure> {
        let words = self.words(verb, names);
        if self.ctx.sys.dry() {
            return self.predict(&words, names);
        }
        let restore = policy_rc_d(self.ctx, self.o.policy_rc_d)?;
        let ran = self.apt.run(self.ctx, &words);
        restore.undo(self.ctx)?;
        let Some((command, output)) = ran? else { return Ok(Outcome::new()) };
        let (before, after) = (before.versions(), Database::read(self.ctx)?.versions());
        let all: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in all {
            let shown = |version: Option<&String>| version.map_or("absent", String::as_str).to_owned();
            let what = format!("package {name}");
            self.ctx.sys.note(&what, &shown(before.get(name)), &shown(after.get(name)))?;
        }
        if !output.ok() {
            return Err(self.failed(&command.display(), &output));
        }
        Ok(said(&output.out(), &output.err()))
    }

    /// What a dry run can say.
    fn predict(&self, words: &[String], names: &[String]) -> Result<Outcome, Failure> {
        let sys = self.ctx.sys;
        match self.apt.simulate(self.ctx, words)? {
            Ok(steps) => {
                for step in steps {
                    let shown = |version: Option<String>| version.unwrap_or_else(|| "absent".to_owned());
                    sys.note(&format!("package {}", step.package), &shown(step.before), &shown(step.after))?;
                }
                self.apt.run(self.ctx, words)?;
                Ok(Outcome::new())
            }
            Err(output) if !self.unsure()? => Err(self.failed(&words.join(" "), &output)),
            Err(_) => {
                for name in names {
                    sys.note(&format!("package {name}"), "unknown", self.o.state.as_str())?;
                }
                self.apt.run(self.ctx, words)?;
                let earlier = "unknown until applied: earlier tasks may bring the package";
                let why = if self.update == Update::Predicted { FETCH_FIRST } else { earlier };
                Ok(Outcome::new().with("depends_on", why))
            }
        }
    }

    /// A dry run in which the lists may be others by the time this is applied.
    fn unsure(&self) -> Result<bool, Failure> {
        let sys = self.ctx.sys;
        Ok(sys.dry()
            && (self.update == Update::Predicted || self.uncertain || self.lists.outdated(self.ctx)?))
    }

    fn words(&self, verb: &[&str], names: &[String]) -> Vec<String> {
        let mut words: Vec<String> = verb.iter().map(|&word| word.to_owned()).collect();
        if self.o.purge && verb == ["autoremove"] {
            words.push("--purge".to_owned());
        }
        words.extend_from_slice(names);
        words
    }

    fn failed(&self, command: &str, output: &Output) -> Failure {
        let asked = self.names.join(" ");
        let msg = apt_get::explain(output, &asked)
            .unwrap_or_else(|| format!("'{command}' failed: {}", output.err()));
        let outcome = said(&output.out(), &output.err()).with("rc", output.rc);
        Failure { msg, result: self.finish(outcome).result }
    }
}

const FETCH_FIRST: &str = "unknown until applied: the package lists have to be fetched first";

fn no_package(name: &str) -> Failure {
    Failure::new(format!("No package matching '{name}' is available"))
}

/// The options of every apt-get call.
fn flags(o: &AptOptions) -> Vec<String> {
    let mut flags = Vec::new();
    let mut set = |name: &str| flags.extend(["-o".to_owned(), name.to_owned()]);
    for option in o.dpkg_options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        set(&format!("Dpkg::Options::=--{option}"));
    }
    if let Some(recommends) = o.install_recommends {
        set(&format!("APT::Install-Recommends={}", if recommends { "yes" } else { "no" }));
    }
    if let Some(release) = &o.default_release {
        flags.extend(["-t".to_owned(), release.clone()]);
    }
    let switches = [
        (o.only_upgrade, "--only-upgrade"),
        (o.fail_on_autoremove && o.state != State::Absent, "--no-remove"),
        (o.allow_unauthenticated || o.force, "--allow-unauthenticated"),
        (o.allow_downgrade || o.force, "--allow-downgrades"),
        (o.allow_change_held_packages || o.force, "--allow-change-held-packages"),
        (o.force, "--allow-remove-essential"),
    ];
    flags.extend(switches.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    flags
}
