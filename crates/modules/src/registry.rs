//! Every module there is, in one list; a test compares it with the directory.

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{ArgSpec, Args, Problem};
use serde_json::{Map, Value};

/// One module, its types forgotten.
pub struct Entry {
    /// Fully qualified, as in "ansible.builtin.file".
    pub name: &'static str,
    /// Other names it answers to, fully qualified ("ansible.legacy.*" and the short name come by themselves).
    pub aliases: &'static [&'static str],
    pub spec: &'static ArgSpec,
    pub run: fn(&Map<String, Value>, &Ctx<'_>) -> Result<Outcome, RunError>,
}

/// Why a call gave no outcome.
#[derive(Debug)]
pub enum RunError {
    Args(Vec<Problem>),
    Failed(Failure),
}

const fn entry<M: Module>(name: &'static str, aliases: &'static [&'static str]) -> Entry {
    Entry { name, aliases, spec: M::Args::SPEC, run: run::<M> }
}

fn run<M: Module>(args: &Map<String, Value>, ctx: &Ctx<'_>) -> Result<Outcome, RunError> {
    let args = M::Args::from_json(args).map_err(RunError::Args)?;
    M::run(args, ctx).map_err(RunError::Failed)
}

/// All modules that run on targets, by name.
pub fn registry() -> &'static [Entry] {
    static ALL: &[Entry] = &[
        entry::<crate::apt::Apt>("ansible.builtin.apt", &[]),
        entry::<crate::apt_key::AptKey>("ansible.builtin.apt_key", &[]),
        entry::<crate::apt_repository::AptRepository>("ansible.builtin.apt_repository", &[]),
        entry::<crate::assemble::Assemble>("ansible.builtin.assemble", &[]),
        entry::<crate::async_status::AsyncStatus>("ansible.builtin.async_status", &[]),
        entry::<crate::blockinfile::Blockinfile>("ansible.builtin.blockinfile", &[]),
        entry::<crate::command::Command>("ansible.builtin.command", &[]),
        entry::<crate::copy::Copy>("ansible.builtin.copy", &[]),
        entry::<crate::cron::Cron>("ansible.builtin.cron", &[]),
        entry::<crate::deb822_repository::Deb822Repository>("ansible.builtin.deb822_repository", &[]),
        entry::<crate::debconf::Debconf>("ansible.builtin.debconf", &[]),
        entry::<crate::dpkg_selections::DpkgSelections>("ansible.builtin.dpkg_selections", &[]),
        entry::<crate::file::File>("ansible.builtin.file", &[]),
        entry::<crate::find::Find>("ansible.builtin.find", &[]),
        entry::<crate::get_url::GetUrl>("ansible.builtin.get_url", &[]),
        entry::<crate::getent::Getent>("ansible.builtin.getent", &[]),
        entry::<crate::git::Git>("ansible.builtin.git", &[]),
        entry::<crate::group::Group>("ansible.builtin.group", &[]),
        entry::<crate::hostname::Hostname>("ansible.builtin.hostname", &[]),
        entry::<crate::iptables::Iptables>("ansible.builtin.iptables", &[]),
        entry::<crate::known_hosts::KnownHosts>("ansible.builtin.known_hosts", &[]),
        entry::<crate::lineinfile::Lineinfile>("ansible.builtin.lineinfile", &[]),
        entry::<crate::package::Package>("ansible.builtin.package", &[]),
        entry::<crate::package_facts::PackageFacts>("ansible.builtin.package_facts", &[]),
        entry::<crate::ping::Ping>("ansible.builtin.ping", &[]),
        entry::<crate::pip::Pip>("ansible.builtin.pip", &[]),
        entry::<crate::replace::Replace>("ansible.builtin.replace", &[]),
        entry::<crate::script::Script>("ansible.builtin.script", &[]),
        entry::<crate::service::Service>("ansible.builtin.service", &[]),
        entry::<crate::service_facts::ServiceFacts>("ansible.builtin.service_facts", &[]),
        entry::<crate::setup::Setup>("ansible.builtin.setup", &[]),
        entry::<crate::shell::Shell>("ansible.builtin.shell", &[]),
        entry::<crate::slurp::Slurp>("ansible.builtin.slurp", &[]),
        entry::<crate::stat::Stat>("ansible.builtin.stat", &[]),
        entry::<crate::systemd::Systemd>("ansible.builtin.systemd", &["ansible.builtin.systemd_service"]),
        entry::<crate::sysvinit::Sysvinit>("ansible.builtin.sysvinit", &[]),
        entry::<crate::tempfile::Tempfile>("ansible.builtin.tempfile", &[]),
        entry::<crate::unarchive::Unarchive>("ansible.builtin.unarchive", &[]),
        entry::<crate::uri::Uri>("ansible.builtin.uri", &[]),
        entry::<crate::user::User>("ansible.builtin.user", &[]),
        entry::<crate::wait_for::WaitFor>("ansible.builtin.wait_for", &[]),
        entry::<crate::acl::Acl>("ansible.posix.acl", &[]),
        entry::<crate::authorized_key::AuthorizedKey>("ansible.posix.authorized_key", &[]),
        entry::<crate::mount::Mount>("ansible.posix.mount", &[]),
        entry::<crate::sysctl::Sysctl>("ansible.posix.sysctl", &[]),
        entry::<crate::openssl_dhparam::OpensslDhparam>("community.crypto.openssl_dhparam", &[]),
        entry::<crate::openssl_privatekey::OpensslPrivatekey>("community.crypto.openssl_privatekey", &[]),
        entry::<crate::x509_certificate::X509Certificate>("community.crypto.x509_certificate", &[]),
        entry::<crate::alternatives::Alternatives>("community.general.alternatives", &[]),
        entry::<crate::htpasswd::Htpasswd>("community.general.htpasswd", &[]),
        entry::<crate::ini_file::IniFile>("community.general.ini_file", &[]),
        entry::<crate::locale_gen::LocaleGen>("community.general.locale_gen", &[]),
        entry::<crate::modprobe::Modprobe>("community.general.modprobe", &[]),
        entry::<crate::pam_limits::PamLimits>("community.general.pam_limits", &[]),
        entry::<crate::sudoers::Sudoers>("community.general.sudoers", &[]),
        entry::<crate::timezone::Timezone>("community.general.timezone", &[]),
        entry::<crate::ufw::Ufw>("community.general.ufw", &[]),
    ];
    ALL
}

/// The module a playbook means by `name`: short, `ansible.builtin.`, `ansible.legacy.` or its collection's.
pub fn find(name: &str) -> Option<&'static Entry> {
    let short = |full: &'static str| full.rsplit('.').next();
    let legacy = name.strip_prefix("ansible.legacy.").map(|rest| format!("ansible.builtin.{rest}"));
    let name = legacy.as_deref().unwrap_or(name);
    registry().iter().find(|entry| {
        entry.name == name
            || short(entry.name) == Some(name)
            || entry.aliases.iter().any(|alias| *alias == name || short(alias) == Some(name))
    })
}
