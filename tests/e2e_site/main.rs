//! `playbooks/site.yaml` on real hosts: from nothing to a TLS reverse proxy, judged from outside by curl, openssl, nmap,
//! sslyze, a WebSocket client and an ACME server. These tests fail where hosts cannot be booted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;
mod look;

mod acme;
mod distros;
mod dry_run;
mod firewall;
mod options;
mod rollback;
mod selfsigned;
mod stapling;
