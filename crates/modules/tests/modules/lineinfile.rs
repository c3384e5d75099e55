//! The module `lineinfile`.

use crate::recorded::compare;

#[test]
fn does_what_ansible_does() {
    compare("lineinfile", include_str!("recorded/lineinfile.json"));
}
