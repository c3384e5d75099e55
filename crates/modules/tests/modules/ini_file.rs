//! The module `ini_file`.

use crate::recorded::compare;

#[test]
fn does_what_ansible_does() {
    compare("ini_file", include_str!("recorded/ini_file.json"));
}
