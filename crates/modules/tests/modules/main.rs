//! Modules on the in-memory machine: results, the machine's state, a second run, and what a dry run predicts.
//!
//! Each is marked as test code, so that its helpers may unwrap as tests may.
#[cfg(test)]
mod apt;
#[cfg(test)]
mod apt_sources;
#[cfg(test)]
mod blockinfile;
#[cfg(test)]
mod command;
#[cfg(test)]
mod copy;
#[cfg(test)]
mod cron;
#[cfg(test)]
mod file;
#[cfg(test)]
mod find;
#[cfg(test)]
mod get_url;
#[cfg(test)]
mod git;
#[cfg(test)]
mod ini_file;
#[cfg(test)]
mod iptables;
#[cfg(test)]
mod lineinfile;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod script;
#[cfg(test)]
mod server;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod small;
#[cfg(test)]
mod small_admin;
#[cfg(test)]
mod small_system;
#[cfg(test)]
mod stat;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod unarchive;
#[cfg(test)]
mod uncertain;
#[cfg(test)]
mod uri;
#[cfg(test)]
mod user;
#[cfg(test)]
mod wait_for;
