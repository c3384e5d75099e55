//! Passwords, against a server in this process: the machine's own accounts are left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use provision_transport::ssh::{Client, HostKeyChecking, Options, Secret, SshError};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, Config, Handler, Response};
use russh::{MethodKind, MethodSet};

use crate::server::Answer;

#[derive(Clone, Copy, PartialEq)]
enum Asks {
    Password,
    Interactively,
    /// Asks for the password and then something else.
    Further,
}

struct Server {
    asks: Asks,
    asked: usize,
    attempts: Arc<AtomicUsize>,
}

fn denied() -> Auth {
    Auth::Reject { proceed_with_methods: None, partial_success: false }
}

impl Handler for Server {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        Ok(if user == "deploy" && password == "right" { Auth::Accept } else { denied() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let answers: Vec<_> = response.into_iter().flatten().collect();
        self.asked += 1;
        if answers.is_empty() {
            let prompts = vec![("Password: ".into(), false)].into();
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts });
        }
        if !answers[0].is_empty() {
            self.attempts.fetch_add(1, Ordering::SeqCst);
        }
        if self.asks == Asks::Further && answers[0].as_ref() == b"right" {
            let prompts = vec![("New password: ".into(), false)].into();
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts });
        }
        Ok(if answers[0].as_ref() == b"right" { Auth::Accept } else { denied() })
    }
}

/// Serves one connection and gives the options to reach it, and a counter of the passwords it saw.
async fn serve(asks: Asks) -> (Options, Arc<AtomicUsize>) {
    let method = if asks == Asks::Password { MethodKind::Password } else { MethodKind::KeyboardInteractive };
    let seed = ring::rand::generate::<[u8; 32]>(&ring::rand::SystemRandom::new()).unwrap().expose();
    let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&seed);
    let key = PrivateKey::from(pair);
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
    let config = Config {
        methods: MethodSet::from(&[method][..]),
        keys: vec![key],
        auth_rejection_time: std::time::Duration::from_millis(1),
        ..Config::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = Arc::new(AtomicUsize::new(0));
    let server = Server { asks, asked: 0, attempts: attempts.clone() };
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        russh::server::run_stream(Arc::new(config), stream, server).await.unwrap().await
    });
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        user: Some("deploy".to_owned()),
        password: Some(Secret::new("right")),
        host_key_checking: Some(HostKeyChecking::AcceptNew),
        known_hosts: vec!["/dev/null".into()],
        ssh_args: ["-o", "IdentityAgent=none"].map(str::to_owned).into(),
        config_file: Some("none".into()),
        ..Options::default()
    };
    (options, attempts)
}

fn client() -> Client {
    Client::new(Answer::new(""), 1)
}

#[tokio::test]
async fn the_right_password_logs_in() {
    for asks in [Asks::Password, Asks::Interactively] {
        let (options, attempts) = serve(asks).await;
        client().connect(&options).await.unwrap();
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_not_shown() {
    for (asks, how) in [(Asks::Password, "password: refused"), (Asks::Interactively, "interactive): refused")]
    {
        let (mut options, attempts) = serve(asks).await;
        options.password = Some(Secret::new("not-it"));
        let Err(error) = client().connect(&options).await else { panic!("let in") };
        let text = format!("{error} {error:?} {options:?}");
        assert!(matches!(error, SshError::Auth { .. }), "{text}");
        assert!(text.contains(how) && !text.contains("not-it"), "{text}");
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_further_question_is_named() {
    let (options, attempts) = serve(Asks::Further).await;
    let Err(error) = client().connect(&options).await else { panic!("let in") };
    assert!(error.to_string().contains("the server asks further: New password:"), "{error}");
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_to_offer_is_said_with_what_the_server_takes() {
    let (mut options, _) = serve(Asks::Password).await;
    options.password = None;
    options.identity_files = Vec::new();
    options.ssh_args.extend(["-o", "IdentityFile=none"].map(str::to_owned));
    let Err(error) = client().connect(&options).await else { panic!("let in") };
    let text = error.to_string();
    assert!(text.contains("nothing to offer") && text.contains("accepts password"), "{text}");
}
