//! Lookups that read the control machine, held against what ansible-core 2.19 found in the same files
//! (`lookups.json`; `DIR` stands for the directory of the files).

use provision_engine::lookups::{ControlMachine, Settings};
use provision_templates::{RenderOptions, Scope, TemplateError, Templater, Value, from_json, to_json};
use serde_json::{Value as Json, json};
use std::sync::Arc;

#[derive(Debug)]
struct Vars(Json);

impl Scope for Vars {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        Ok(self.0.get(name).map(|value| from_json(value.clone())))
    }
    fn names(&self) -> Vec<String> {
        self.0.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}

fn templater(settings: Settings) -> Arc<Templater> {
    ControlMachine::templater(Arc::default(), settings)
}

fn render(templater: &Templater, text: &str) -> Result<Json, TemplateError> {
    let vars = json!({
        "f1": 1, "f2": 2,
        "groups": {"all": ["a1", "a2", "b1"], "as": ["a1", "a2"], "ungrouped": ["b1"]},
    });
    let scope: Arc<dyn Scope> = Arc::new(Vars(vars));
    templater.render_str(text, &scope, &RenderOptions::default()).map(|value| to_json(&value))
}

#[test]
fn lookups_find_what_ansible_finds() {
    let recorded: Json = serde_json::from_str(include_str!("lookups.json")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in recorded["files"].as_object().unwrap() {
        std::fs::write(dir.path().join(name), content.as_str().unwrap()).unwrap();
    }
    let place = dir.path().to_str().unwrap();
    let templater = templater(Settings::new());
    let mut wrong = Vec::new();
    for case in recorded["cases"].as_array().unwrap() {
        let expression = case[0].as_str().unwrap();
        let found = render(&templater, &format!("{{{{ {} }}}}", expression.replace("DIR", place)));
        let agree = match &found {
            Ok(value) => {
                let text = value.to_string().replace(place, "DIR");
                serde_json::from_str::<Json>(&text).unwrap() == case[1]
            }
            Err(_) => case[1].get("error").is_some(),
        };
        if !agree {
            wrong.push(format!("{expression}\n   ansible: {}\n   ours:    {found:?}", case[1]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_password_is_made_once_and_kept_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let templater = templater(Settings::new());
    let path = dir.path().join("deep/er/pw");
    let text = format!("{{{{ lookup('password', '{} length=12 chars=digits') }}}}", path.display());
    let first = render(&templater, &text).unwrap();
    assert!(first.as_str().is_some_and(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())));
    assert_eq!(render(&templater, &text).unwrap(), first);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let hashed = text.replace("chars=digits", "chars=digits encrypt=md5_crypt");
    let hash = render(&templater, &hashed).unwrap();
    assert!(hash.as_str().unwrap().starts_with("$1$"), "{hash}");
    assert_eq!(render(&templater, &hashed).unwrap(), hash, "the salt is kept, too");
    assert_eq!(render(&templater, &text).unwrap(), first);
}

#[test]
fn settings_and_hosts_are_found() {
    let settings =
        Settings::from([("DEFAULT_FORKS".to_owned(), (json!(7), "env: ANSIBLE_FORKS".to_owned()))]);
    let templater = templater(settings);
    assert_eq!(render(&templater, "{{ lookup('config', 'DEFAULT_FORKS') }}").unwrap(), json!(7));
    assert_eq!(
        render(&templater, "{{ lookup('config', 'DEFAULT_FORKS', show_origin=true) }}").unwrap(),
        json!([7, "env: ANSIBLE_FORKS"])
    );
    assert!(render(&templater, "{{ lookup('config', 'NOPE') }}").unwrap_err().is_undefined());
    assert_eq!(render(&templater, "{{ query('config', 'NOPE', on_missing='skip') }}").unwrap(), json!([]));
    assert_eq!(render(&templater, "{{ query('inventory_hostnames', 'all:!as') }}").unwrap(), json!(["b1"]));
}

#[test]
fn urls_are_fetched() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            let request = String::from_utf8(request).unwrap();
            let answer = match request.starts_with("GET /gone") {
                true => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                false => "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\none\ntwo\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
            asked.push(request.to_lowercase());
        }
        asked
    });
    let templater = templater(Settings::new());
    let url = format!("http://127.0.0.1:{port}");
    let text = format!("{{{{ query('url', '{url}/', headers={{'X-Token': 'abc'}}, use_proxy=false) }}}}");
    assert_eq!(render(&templater, &text).unwrap(), json!(["one", "two"]));
    let whole = format!("{{{{ lookup('url', '{url}/', split_lines=false, use_proxy=false) }}}}");
    assert_eq!(render(&templater, &whole).unwrap(), json!("one\ntwo\n"));
    let gone = format!("{{{{ lookup('url', '{url}/gone', use_proxy=false) }}}}");
    let error = render(&templater, &gone).unwrap_err();
    assert!(error.message.contains("404"), "{error}");
    assert!(server.join().unwrap()[0].contains("x-token: abc"));
    let refused = render(&templater, "{{ lookup('url', 'http://x/', use_gssapi=true) }}").unwrap_err();
    assert!(refused.message.contains("use_gssapi"), "{refused}");
}
