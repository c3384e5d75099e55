//! Facts from run to run.

use crate::kit::Place;

const VARS: [(&str, &str); 2] =
    [("ANSIBLE_CACHE_PLUGIN", "jsonfile"), ("ANSIBLE_CACHE_PLUGIN_CONNECTION", "cache")];

fn place() -> Place {
    let place = Place::new();
    place.write("set.yaml", "- hosts: all\n  gather_facts: false\n  tasks: [{set_fact: {kept: 'it is', cacheable: true}}, {set_fact: {lost: 1}}]\n");
    place.write("get.yaml", "- hosts: all\n  gather_facts: false\n  tasks: [{debug: {msg: \"{{ kept | default('gone') }} {{ lost | default('gone') }}\"}}]\n");
    place.write("clear.yaml", "- hosts: all\n  gather_facts: false\n  tasks: [{meta: clear_facts}]\n");
    place.write("smart.yaml", "- hosts: all\n  tasks: []\n");
    place
}

#[test]
fn facts_are_kept_until_they_are_cleared() {
    let place = place();
    let run = |name: &str, more: &[&str], vars: &[(&str, &str)]| {
        let args: Vec<&str> = ["-i", "a,", "-c", "local", name].iter().chain(more).copied().collect();
        let vars: Vec<_> = VARS.iter().chain(vars).copied().collect();
        place.run_as("provision", &args, &vars, "").expect(0)
    };
    run("set.yaml", &[], &[]);
    assert!(place.path("cache/s1_a").exists());
    run("get.yaml", &[], &[]).says("it is gone");
    run("get.yaml", &[], &[("ANSIBLE_CACHE_PLUGIN_PREFIX", "other_")]).says("gone gone");
    run("get.yaml", &["--flush-cache"], &[]).says("gone gone");
    run("set.yaml", &[], &[]);
    run("clear.yaml", &[], &[]);
    run("get.yaml", &[], &[]).says("gone gone");
    place.write("cache/s1_a", "{bad");
    run("get.yaml", &[], &[]).says("gone gone").says("the cached facts of a in");
    // What is damaged is gathered again, and what was gathered is not gathered twice.
    let smart = [("ANSIBLE_GATHERING", "smart")];
    run("smart.yaml", &[], &smart).says("TASK [Gathering Facts]");
    let again = run("smart.yaml", &[], &smart);
    assert!(!again.stdout.contains("Gathering"), "{}", again.stdout);
}

#[test]
fn caches_that_are_not_there_are_refused() {
    let place = place();
    let run = |plugin: &str| {
        place
            .run_as("provision", &["-i", "a,", "get.yaml"], &[("ANSIBLE_CACHE_PLUGIN", plugin)], "")
            .expect(1)
    };
    run("redis").says("the cache `redis` is not done");
    run("jsonfile").says("fact_caching_connection");
}
