//! A large site: the files of a playbook of 1,000 tasks and an inventory of 10,000 hosts.

use std::fmt::Write as _;
use std::path::Path;

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub hosts: usize,
    /// Groups with hosts; every tenth group has the nine before it as children.
    pub groups: usize,
    pub files: usize,
    pub tasks_per_file: usize,
}

pub const LARGE: Size = Size { hosts: 10_000, groups: 500, files: 50, tasks_per_file: 20 };

/// Writes `hosts.yml`, `group_vars/`, `site.yml`, `roles/` and `tasks/` into `dir`.
pub fn write(dir: &Path, size: Size) -> std::io::Result<()> {
    let file = |name: String, text: String| {
        let path = dir.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)
    };
    file("hosts.yml".into(), inventory(size))?;
    file("group_vars/all.yml".into(), "domain: example.com\nntp: [a.example.com, b.example.com]\nproxy: \"http://proxy.{{ domain }}:3128\"\n".into())?;
    for group in (0..size.groups).step_by(5) {
        let text = format!(
            "---\nrelease_{group}: \"{{{{ domain }}}}-{group}\"\nmembers: {{port: {group}, path: \"/srv/{{{{ inventory_hostname }}}}\"}}\n"
        );
        file(format!("group_vars/g{group:03}.yml"), text)?;
    }
    let mut site = String::new();
    // Half of the files are imported, a quarter are roles, a quarter are included.
    for number in 0..size.files {
        let all = tasks(number, size.tasks_per_file);
        if number % 10 == 0 {
            let pattern = ["all", "g001:g012", "web*", "all:!g003", "parent010"][number / 10 % 5];
            write!(site, "- name: Part {number}\n  hosts: '{pattern}'\n  gather_facts: false\n  vars: {{part: {number}}}\n  handlers: [{{name: restart, service: {{name: x, state: restarted}}}}]\n  tasks:\n").ok();
        }
        match number % 4 {
            3 => {
                file(format!("roles/r{number}/tasks/main.yml"), all)?;
                file(
                    format!("roles/r{number}/defaults/main.yml"),
                    format!("role_port: {number}\nrole_dir: \"/opt/{{{{ domain }}}}\"\n"),
                )?;
                file(format!("roles/r{number}/templates/t.j2"), "{% for n in ntp %}\nserver {{ n }}\n{% endfor %}\nhost {{ inventory_hostname }} {{ domain }} {{ proxy }}\n".into())?;
                writeln!(site, "    - import_role: {{name: r{number}}}").ok();
            }
            2 => {
                file(format!("tasks/f{number}.yml"), all)?;
                writeln!(site, "    - include_tasks: tasks/f{number}.yml").ok();
            }
            _ => {
                file(format!("tasks/f{number}.yml"), all)?;
                writeln!(site, "    - import_tasks: tasks/f{number}.yml").ok();
            }
        }
    }
    file("templates/t.j2".into(), "{{ domain }} {{ proxy }} {{ part }}\n".into())?;
    file("site.yml".into(), site)
}

fn inventory(size: Size) -> String {
    let mut text = String::from("all:\n  hosts:\n");
    for host in 0..size.hosts {
        writeln!(
            text,
            "    web{host:05}: {{ansible_host: 10.{}.{}.{}, rack: r{}, id: {host}}}",
            host >> 16,
            host >> 8 & 255,
            host & 255,
            host % 40
        )
        .ok();
    }
    text.push_str("  children:\n");
    let per = size.hosts / size.groups;
    for group in 0..size.groups {
        if group % 10 == 0 {
            writeln!(text, "    parent{group:03}:\n      children:").ok();
            for child in group + 1..group + 10 {
                writeln!(text, "        g{child:03}:").ok();
            }
        }
        writeln!(
            text,
            "    g{group:03}:\n      vars: {{tier: t{}, shared_{}: 1}}\n      hosts:",
            group % 7,
            group % 20
        )
        .ok();
        // Every host is in three groups.
        for step in [0, 7, 31] {
            for at in 0..per {
                writeln!(text, "        web{:05}:", ((group + step) % size.groups) * per + at).ok();
            }
        }
    }
    text
}

fn tasks(file: usize, count: usize) -> String {
    let mut text = String::from("---\n");
    for n in 0..count {
        let name = format!("- name: Task {n} of {file} on {{{{ inventory_hostname }}}}\n");
        let body = match n % 8 {
            0 => format!("  ansible.builtin.file:\n    path: \"/srv/{{{{ domain }}}}/{file}/{n}\"\n    state: directory\n    mode: \"0755\"\n"),
            1 => "  template:\n    src: t.j2\n    dest: \"/etc/{{ domain }}.conf\"\n  notify: restart\n".to_owned(),
            2 => format!("  command: \"run --id {{{{ id }}}} --rack {{{{ rack }}}} {n}\"\n  register: result_{file}_{n}\n  changed_when: \"'changed' in result_{file}_{n}.stdout\"\n"),
            3 => "  lineinfile:\n    path: /etc/hosts\n    regexp: \"^{{ item }}\"\n    line: \"{{ item }} {{ domain }}\"\n  loop: [a, b, c]\n  when: ntp | length > 0\n".to_owned(),
            4 => format!("  apt: name={{{{ packages_{n} | default(['curl', 'jq']) }}}} state=present\n  when: inventory_hostname in groups['g{:03}']\n", (file * 7 + n) % 500),
            5 => format!("  set_fact:\n    fact_{file}_{n}: \"{{{{ tier | default('none') }}}}-{{{{ part }}}}\"\n"),
            6 => format!("  debug:\n    msg: \"{{{{ fact_{file}_{} }}}} {{{{ proxy }}}} {{{{ hostvars[inventory_hostname].rack }}}}\"\n  when: fact_{file}_{} is defined\n  tags: [debug, part{file}]\n", n - 1, n - 1),
            _ => "  copy:\n    content: |\n      {% for n in ntp %}\n      server {{ n }}\n      {% endfor %}\n      {{ ansible_managed | default('') }}\n    dest: \"/etc/ntp.conf\"\n    owner: root\n    mode: '0644'\n".to_owned(),
        };
        text.push_str(&name);
        text.push_str(&body);
    }
    text
}
