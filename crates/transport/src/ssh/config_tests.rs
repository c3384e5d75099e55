use std::process::Command;

use super::*;
use crate::ssh::Options;
use crate::ssh::settings::{Proxy, Settings};

/// What a configuration of many lines says about a host, by `ssh -G` and by us, option by option.
struct Case {
    directory: tempfile::TempDir,
}

const COMPARED: [&str; 17] = [
    "hostname",
    "port",
    "user",
    "identityfile",
    "identitiesonly",
    "certificatefile",
    "proxyjump",
    "proxycommand",
    "userknownhostsfile",
    "globalknownhostsfile",
    "stricthostkeychecking",
    "connecttimeout",
    "serveraliveinterval",
    "serveralivecountmax",
    "hostkeyalias",
    "hashknownhosts",
    "addressfamily",
];

impl Case {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let text = text.replace("DIR", directory.path().to_str().unwrap());
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self { directory }
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// The lines that differ from `ssh -G` of an empty configuration.
    fn theirs(&self, host: &str) -> Vec<String> {
        let config = self.config();
        let said = ask_ssh(&config, host);
        let default = ask_ssh(Path::new("/dev/null"), host);
        said.into_iter().filter(|line| !default.contains(line)).collect()
    }

    fn ours(&self, host: &str) -> Vec<String> {
        let options =
            Options { host: host.to_owned(), config_file: Some(self.config()), ..Options::default() };
        let home = std::env::home_dir().unwrap();
        let local_user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let mut found = Found::default();
        let subject = Subject { host, local_user: local_user.trim(), home: &home };
        let files = Files::default();
        files.read(options.config_file.as_deref(), &subject, &mut found).unwrap();
        let mut lines = Vec::new();
        for directive in found.values.values().chain(&found.identity_files).chain(&found.certificate_files) {
            let keyword = directive.keyword.as_str();
            let value = match keyword {
                "hostname" => found.hostname(host).unwrap(),
                "proxycommand" | "proxyjump" => directive.rest.clone(),
                "connecttimeout" => {
                    Settings::resolve(&options, &files).unwrap().connect_timeout.as_secs().to_string()
                }
                "stricthostkeychecking" => match directive.words[0].as_str() {
                    "yes" => "true".to_owned(),
                    "no" => "false".to_owned(),
                    other => other.to_owned(),
                },
                _ => directive.words.join(" "),
            };
            lines.push(format!("{keyword} {value}"));
        }
        let default = ask_ssh(Path::new("/dev/null"), host);
        lines.retain(|line| is_compared(line) && !default.contains(line));
        lines
    }

    fn compare(&self, hosts: &[&str]) {
        for host in hosts {
            let (mut ours, mut theirs) = (self.ours(host), self.theirs(host));
            assert!(*host != hosts[0] || !theirs.is_empty(), "{host} is to have settings of its own");
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "for {host}: ours, then ssh -G's");
        }
    }
}

fn is_compared(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(keyword, _)| COMPARED.contains(&keyword))
}

fn ask_ssh(config: &Path, host: &str) -> Vec<String> {
    let output = Command::new("ssh").arg("-G").arg("-F").arg(config).arg(host).output().unwrap();
    assert!(output.status.success(), "ssh -G {host}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().filter(|l| is_compared(l)).map(str::to_owned).collect()
}

/// Where there is no ssh to ask, says so; in CI that is a failure.
fn has_ssh() -> bool {
    let found = Command::new("ssh").arg("-V").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "this test compares with ssh -G: install openssh-client"
    );
    if !found {
        eprintln!("SKIPPED: no ssh to compare with; install openssh-client");
    }
    found
}

#[test]
fn host_blocks_first_value_wins_and_quoting() {
    if !has_ssh() {
        return;
    }
    let case = Case::new(&[(
        "config",
        "# a comment\n\
         Host web? !web9\n\
         \tHostName %h.example.org\n\
         User=deploy\n\
         IdentityFile ~/.ssh/%h_%r\n\
         IdentityFile \"/with space/key\"\n\
         IdentityFile ~/.ssh/%h_%r\n\
         IdentitiesOnly yes # trailing\n\
         ProxyJump admin@jump:2200,[::1]:22\n\
         Host web* \"quoted host\"\n\
         User other\n\
         Port = 2222\n\
         IdentityFile /another\\ key\n\
         ProxyCommand nc %h %p\n\
         UserKnownHostsFile /a \"/b c\" /d\n\
         StrictHostKeyChecking accept-new\n\
         Host 10.0.*,!10.0.0.1 *.local\n\
         Port 23\n\
         Host *\n\
         ServerAliveInterval 17\n\
         ServerAliveCountMax 9\n\
         CertificateFile /cert\n\
         AddressFamily inet6\n\
         SendEnv LANG LC_*\n",
    )]);
    case.compare(&["web1", "web9", "web10", "10.0.0.1", "10.0.0.2", "a.local", "else", "WEB1"]);
}

#[test]
fn match_blocks() {
    if !has_ssh() {
        return;
    }
    let case = Case::new(&[(
        "config",
        "Host short\n\
         HostName short.example.org\n\
         User deploy\n\
         Match host *.example.org,x user deploy\n\
         ConnectTimeout 1m30s\n\
         HostKeyAlias \"the alias\"\n\
         Match originalhost short,pc !user nobody\n\
         ServerAliveInterval 5\n\
         Match exec \"test %n = ex\"\n\
         Port 99\n\
         Match originalhost pc exec \"false\"\n\
         Port 98\n\
         Match final host *.example.org\n\
         GlobalKnownHostsFile /final\n\
         Match !final host pc\n\
         HashKnownHosts yes\n\
         Host *.example.org\n\
         Port 97\n\
         Match all\n\
         ProxyCommand  ssh -W \"%h:%p\"  gate # part of the command\n",
    )]);
    case.compare(&["short", "pc", "ex", "x", "direct.example.org"]);
}

#[test]
fn includes() {
    if !has_ssh() {
        return;
    }
    let case = Case::new(&[
        (
            "config",
            "Include DIR/*.conf DIR/missing\n\
             Host outer\n\
             Include DIR/inner\n\
             Port 3\n\
             Host *\n\
             Port 4\n",
        ),
        ("a.conf", "Host a*\nPort 1\n"),
        ("b.conf", "User everybody\nHost b\nPort 2\n"),
        ("inner", "HostKeyAlias for-outer-only\nHost nobody\nUser nobody\n"),
    ]);
    case.compare(&["a1", "b", "outer", "c"]);
}

#[test]
fn a_jump_and_a_command_exclude_each_other() {
    if !has_ssh() {
        return;
    }
    let case = Case::new(&[(
        "config",
        "Host a\nProxyCommand nc %h %p\nHost b\nProxyJump none\nHost c\nProxyCommand none\nHost *\nProxyJump gate\n",
    )]);
    case.compare(&["a", "d"]);
    let resolve = |host: &str| {
        let options =
            Options { host: host.to_owned(), config_file: Some(case.config()), ..Options::default() };
        Settings::resolve(&options, &Files::default()).unwrap().proxy
    };
    assert_eq!(resolve("a"), Proxy::Command("nc a 22".to_owned()));
    assert_eq!(resolve("b"), Proxy::None);
    assert_eq!(resolve("c"), Proxy::None);
    assert_eq!(resolve("d"), Proxy::Jump(vec!["gate".to_owned()]));
}

#[test]
fn errors_name_file_and_line() {
    for (text, line, words) in [
        ("Host a\nPort 22 23\n", 2, "takes one value"),
        ("\n\nPort twenty\n", 3, "not a port"),
        ("Hots a\n", 1, "unknown option \"hots\""),
        ("Host a\nBindInterface eth0\n", 2, "not supported"),
        ("IdentityFile \"open\n", 1, "quote is not closed"),
        ("IdentityFile ~/%Z\n", 1, "%Z"),
        ("Match user\n", 1, "has no value"),
        ("Match tagged x\n", 1, "not supported"),
        ("StrictHostKeyChecking perhaps\n", 1, "perhaps"),
        ("Ciphers 3des-cbc\n", 1, "none of 3des-cbc is supported"),
    ] {
        let case = Case::new(&[("config", text)]);
        let options =
            Options { host: "a".to_owned(), config_file: Some(case.config()), ..Options::default() };
        let result = Settings::resolve(&options, &Files::default()).and_then(|settings| {
            let known = crate::ssh::known_hosts::Cache::default().look_up(&[], "a", 22, None).unwrap();
            settings.russh_config(&known)
        });
        let Err(error) = result else { panic!("{text:?} is accepted") };
        let message = error.to_string();
        assert!(message.contains(words), "{message}");
        assert!(message.starts_with(&format!("{}:{line}: ", case.config().display())), "{message}");
    }
}

#[test]
fn unknown_options_can_be_passed_over() {
    let case = Case::new(&[("config", "IgnoreUnknown Use*,foo\nUseSomething yes\nFoo bar\nPort 5\n")]);
    let options = Options { host: "a".to_owned(), config_file: Some(case.config()), ..Options::default() };
    assert_eq!(Settings::resolve(&options, &Files::default()).unwrap().port, 5);
}

#[test]
fn tokens_and_tildes_in_paths() {
    let case = Case::new(&[(
        "config",
        "HostName real.example.org\nPort 2200\nUser deploy\nIdentityFile ~/.ssh/%h-%n-%p-%r-%%\n\
         UserKnownHostsFile %d/known ${HOME}/more\n",
    )]);
    let options = Options { host: "nick".to_owned(), config_file: Some(case.config()), ..Options::default() };
    let settings = Settings::resolve(&options, &Files::default()).unwrap();
    let home = std::env::home_dir().unwrap();
    assert_eq!(settings.identity_files, [home.join(".ssh/real.example.org-nick-2200-deploy-%")]);
    assert_eq!(settings.known_hosts[..2], [home.join("known"), home.join("more")]);
}

#[test]
fn includes_that_include_each_other_end() {
    let case = Case::new(&[("config", "Include DIR/config\n")]);
    let options = Options { host: "a".to_owned(), config_file: Some(case.config()), ..Options::default() };
    let message = Settings::resolve(&options, &Files::default()).unwrap_err().to_string();
    assert!(message.contains("include each other"), "{message}");
}
