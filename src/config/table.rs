//! The settings there are: name as in Ansible's reference, type, choices, default, variables, keys of `ansible.cfg`,
//! and what the setting means here.
//!
//! One line each: `NAME Type("choices") "default" [VARIABLES] [section.keys] Meaning "what";`. A setting is `Used`,
//! `Moot` (there is nothing here that it could change) or `Undone` (it would change something: a warning names it).

use super::Kind;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    pub choices: &'static [&'static str],
    /// As it would be written. `{home}` stands for `ANSIBLE_HOME`.
    pub default: Option<&'static str>,
    pub env: &'static [&'static str],
    pub ini: &'static [(&'static str, &'static str)],
    pub means: Means,
}

/// What becomes of a setting.
#[derive(Debug, PartialEq, Eq)]
pub enum Means {
    /// It is honoured: what it does.
    Used(&'static str),
    /// There is nothing it could change: why.
    Moot(&'static str),
    /// What it would change is not done.
    Undone(&'static str),
}

/// All settings.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    HOME.iter().copied().chain(BASE.iter().copied()).chain(PLUGINS.iter().copied())
}

macro_rules! settings {
    ($list:ident: $($name:ident $kind:ident $(($($choice:literal)*))? $($default:literal)? [$($env:ident)*]
        [$($section:ident.$key:ident)*] $means:ident $what:literal;)*) => {
        $(pub static $name: Setting = Setting {
            name: stringify!($name),
            kind: Kind::$kind,
            choices: &[$($($choice),*)?],
            default: settings!(@ $($default)?),
            env: &[$(stringify!($env)),*],
            ini: &[$((stringify!($section), stringify!($key))),*],
            means: Means::$means($what),
        };)*
        pub static $list: &[&Setting] = &[$(&$name),*];
    };
    (@) => { None };
    (@ $default:literal) => { Some($default) };
}

// What other settings start with.
settings! { HOME:
    ANSIBLE_HOME Path "~/.ansible" [ANSIBLE_HOME] [defaults.home] Used "the start of other paths";
}

// Those of the reference.
settings! { BASE:
    ACTION_WARNINGS Bool "True" [ANSIBLE_ACTION_WARNINGS] [defaults.action_warnings] Undone "warnings of modules are always printed";
    AGNOSTIC_BECOME_PROMPT Bool "True" [ANSIBLE_AGNOSTIC_BECOME_PROMPT] [privilege_escalation.agnostic_become_prompt] Moot "the prompt is always the same";
    ALLOW_BROKEN_CONDITIONALS Bool "False" [ANSIBLE_ALLOW_BROKEN_CONDITIONALS] [defaults.allow_broken_conditionals] Undone "conditions must be booleans";
    ALLOW_EMBEDDED_TEMPLATES Bool "True" [ANSIBLE_ALLOW_EMBEDDED_TEMPLATES] [defaults.allow_embedded_templates] Moot "templates in constants of templates are never rendered";
    ANSIBLE_CONNECTION_PATH Path [ANSIBLE_CONNECTION_PATH] [persistent_connection.ansible_connection_path] Moot "no network devices";
    ANSIBLE_COW_ACCEPTLIST List "bud-frogs,bunny,cheese,daemon,default,dragon,elephant-in-snake,elephant,eyes,hellokitty,kitty,luke-koala,meow,milk,moofasa,moose,ren,sheep,small,stegosaurus,stimpy,supermilker,three-eyes,turkey,turtle,tux,udder,vader-koala,vader,www" [ANSIBLE_COW_ACCEPTLIST] [defaults.cowsay_enabled_stencils] Moot "no cows";
    ANSIBLE_COW_PATH Text [ANSIBLE_COW_PATH] [defaults.cowpath] Moot "no cows";
    ANSIBLE_COW_SELECTION Text "default" [ANSIBLE_COW_SELECTION] [defaults.cow_selection] Moot "no cows";
    ANSIBLE_FORCE_COLOR Bool "False" [ANSIBLE_FORCE_COLOR] [defaults.force_color] Used "colours, also without a terminal";
    ANSIBLE_NOCOLOR Bool "False" [ANSIBLE_NOCOLOR NO_COLOR] [defaults.nocolor] Used "no colours";
    ANSIBLE_NOCOWS Bool "False" [ANSIBLE_NOCOWS] [defaults.nocows] Moot "no cows";
    ANSIBLE_PIPELINING Bool "False" [ANSIBLE_PIPELINING] [defaults.pipelining connection.pipelining] Moot "every task is sent over the open connection";
    ANY_ERRORS_FATAL Bool "False" [ANSIBLE_ANY_ERRORS_FATAL] [defaults.any_errors_fatal] Used "any_errors_fatal of plays that do not say so";
    BECOME_ALLOW_SAME_USER Bool "False" [ANSIBLE_BECOME_ALLOW_SAME_USER] [privilege_escalation.become_allow_same_user] Undone "becoming oneself is always allowed";
    BECOME_PASSWORD_FILE Path [ANSIBLE_BECOME_PASSWORD_FILE] [defaults.become_password_file] Used "as --become-password-file";
    BECOME_PLUGIN_PATH PathSpec "{home}/plugins/become:/usr/share/ansible/plugins/become" [ANSIBLE_BECOME_PLUGINS] [defaults.become_plugins] Moot "no plugins in Python";
    CACHE_PLUGIN Text "memory" [ANSIBLE_CACHE_PLUGIN] [defaults.fact_caching] Used "where facts are kept: memory, jsonfile";
    CACHE_PLUGIN_CONNECTION Text [ANSIBLE_CACHE_PLUGIN_CONNECTION] [defaults.fact_caching_connection] Used "the directory of cached facts";
    CACHE_PLUGIN_PREFIX Text "ansible_facts" [ANSIBLE_CACHE_PLUGIN_PREFIX] [defaults.fact_caching_prefix] Used "what the files of cached facts begin with";
    CACHE_PLUGIN_TIMEOUT Int "86400" [ANSIBLE_CACHE_PLUGIN_TIMEOUT] [defaults.fact_caching_timeout] Used "seconds after which cached facts are gathered again";
    CALLBACKS_ENABLED List "" [ANSIBLE_CALLBACKS_ENABLED] [defaults.callbacks_enabled] Undone "there are no callback plugins";
    COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH Text("error" "ignore" "warning") "warning" [ANSIBLE_COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH] [defaults.collections_on_ansible_version_mismatch] Moot "versions are not compared";
    COLLECTIONS_PATHS PathSpec "{home}/collections:/usr/share/ansible/collections" [ANSIBLE_COLLECTIONS_PATH] [defaults.collections_path] Used "where collections are looked for";
    COLLECTIONS_SCAN_SYS_PATH Bool "True" [ANSIBLE_COLLECTIONS_SCAN_SYS_PATH] [defaults.collections_scan_sys_path] Moot "no Python";
    COLOR_CHANGED Text "yellow" [ANSIBLE_COLOR_CHANGED] [colors.changed] Undone "colours are the default ones";
    COLOR_CONSOLE_PROMPT Text "white" [ANSIBLE_COLOR_CONSOLE_PROMPT] [colors.console_prompt] Moot "ansible-console";
    COLOR_DEBUG Text "dark gray" [ANSIBLE_COLOR_DEBUG] [colors.debug] Undone "colours are the default ones";
    COLOR_DEPRECATE Text "purple" [ANSIBLE_COLOR_DEPRECATE] [colors.deprecate] Undone "colours are the default ones";
    COLOR_DIFF_ADD Text "green" [ANSIBLE_COLOR_DIFF_ADD] [colors.diff_add] Undone "colours are the default ones";
    COLOR_DIFF_LINES Text "cyan" [ANSIBLE_COLOR_DIFF_LINES] [colors.diff_lines] Undone "colours are the default ones";
    COLOR_DIFF_REMOVE Text "red" [ANSIBLE_COLOR_DIFF_REMOVE] [colors.diff_remove] Undone "colours are the default ones";
    COLOR_DOC_CONSTANT Text "dark gray" [ANSIBLE_COLOR_DOC_CONSTANT] [colors.doc_constant] Moot "ansible-doc";
    COLOR_DOC_DEPRECATED Text "magenta" [ANSIBLE_COLOR_DOC_DEPRECATED] [colors.doc_deprecated] Moot "ansible-doc";
    COLOR_DOC_LINK Text "cyan" [ANSIBLE_COLOR_DOC_LINK] [colors.doc_link] Moot "ansible-doc";
    COLOR_DOC_MODULE Text "yellow" [ANSIBLE_COLOR_DOC_MODULE] [colors.doc_module] Moot "ansible-doc";
    COLOR_DOC_PLUGIN Text "yellow" [ANSIBLE_COLOR_DOC_PLUGIN] [colors.doc_plugin] Moot "ansible-doc";
    COLOR_DOC_REFERENCE Text "magenta" [ANSIBLE_COLOR_DOC_REFERENCE] [colors.doc_reference] Moot "ansible-doc";
    COLOR_ERROR Text "red" [ANSIBLE_COLOR_ERROR] [colors.error] Undone "colours are the default ones";
    COLOR_HIGHLIGHT Text "white" [ANSIBLE_COLOR_HIGHLIGHT] [colors.highlight] Undone "colours are the default ones";
    COLOR_INCLUDED Text "cyan" [ANSIBLE_COLOR_INCLUDED] [colors.included] Undone "colours are the default ones";
    COLOR_OK Text "green" [ANSIBLE_COLOR_OK] [colors.ok] Undone "colours are the default ones";
    COLOR_SKIP Text "cyan" [ANSIBLE_COLOR_SKIP] [colors.skip] Undone "colours are the default ones";
    COLOR_UNREACHABLE Text "bright red" [ANSIBLE_COLOR_UNREACHABLE] [colors.unreachable] Undone "colours are the default ones";
    COLOR_VERBOSE Text "blue" [ANSIBLE_COLOR_VERBOSE] [colors.verbose] Undone "colours are the default ones";
    COLOR_WARN Text "bright purple" [ANSIBLE_COLOR_WARN] [colors.warn] Undone "colours are the default ones";
    CONNECTION_PASSWORD_FILE Path [ANSIBLE_CONNECTION_PASSWORD_FILE] [defaults.connection_password_file] Used "as --connection-password-file";
    COVERAGE_REMOTE_OUTPUT Text [_ANSIBLE_COVERAGE_REMOTE_OUTPUT] [] Moot "no Python";
    COVERAGE_REMOTE_PATHS Text "*" [_ANSIBLE_COVERAGE_REMOTE_PATH_FILTER] [] Moot "no Python";
    DEFAULT_ACTION_PLUGIN_PATH PathSpec "{home}/plugins/action:/usr/share/ansible/plugins/action" [ANSIBLE_ACTION_PLUGINS] [defaults.action_plugins] Moot "no plugins in Python";
    DEFAULT_ALLOW_UNSAFE_LOOKUPS Bool "False" [] [defaults.allow_unsafe_lookups] Moot "without effect since 2.19";
    DEFAULT_ASK_PASS Bool "False" [ANSIBLE_ASK_PASS] [defaults.ask_pass] Used "as --ask-pass";
    DEFAULT_ASK_VAULT_PASS Bool "False" [ANSIBLE_ASK_VAULT_PASS] [defaults.ask_vault_pass] Used "as --ask-vault-pass";
    DEFAULT_BECOME Bool "False" [ANSIBLE_BECOME] [privilege_escalation.become] Used "as --become";
    DEFAULT_BECOME_ASK_PASS Bool "False" [ANSIBLE_BECOME_ASK_PASS] [privilege_escalation.become_ask_pass] Used "as --ask-become-pass";
    DEFAULT_BECOME_EXE Text [ANSIBLE_BECOME_EXE] [privilege_escalation.become_exe] Used "become_exe of plays that name none";
    DEFAULT_BECOME_FLAGS Text "" [ANSIBLE_BECOME_FLAGS] [privilege_escalation.become_flags] Used "become_flags of plays that name none";
    DEFAULT_BECOME_METHOD Text "sudo" [ANSIBLE_BECOME_METHOD] [privilege_escalation.become_method] Used "as --become-method";
    DEFAULT_BECOME_USER Text "root" [ANSIBLE_BECOME_USER] [privilege_escalation.become_user] Used "as --become-user";
    DEFAULT_CACHE_PLUGIN_PATH PathSpec "{home}/plugins/cache:/usr/share/ansible/plugins/cache" [ANSIBLE_CACHE_PLUGINS] [defaults.cache_plugins] Moot "no plugins in Python";
    DEFAULT_CALLBACK_PLUGIN_PATH PathSpec "{home}/plugins/callback:/usr/share/ansible/plugins/callback" [ANSIBLE_CALLBACK_PLUGINS] [defaults.callback_plugins] Moot "no plugins in Python";
    DEFAULT_CLICONF_PLUGIN_PATH PathSpec "{home}/plugins/cliconf:/usr/share/ansible/plugins/cliconf" [ANSIBLE_CLICONF_PLUGINS] [defaults.cliconf_plugins] Moot "no plugins in Python";
    DEFAULT_CONNECTION_PLUGIN_PATH PathSpec "{home}/plugins/connection:/usr/share/ansible/plugins/connection" [ANSIBLE_CONNECTION_PLUGINS] [defaults.connection_plugins] Moot "no plugins in Python";
    DEFAULT_DEBUG Bool "False" [ANSIBLE_DEBUG] [defaults.debug] Moot "messages for developers of Ansible";
    DEFAULT_EXECUTABLE Text "/bin/sh" [ANSIBLE_EXECUTABLE] [defaults.executable] Undone "the shell is /bin/sh";
    DEFAULT_FILTER_PLUGIN_PATH PathSpec "{home}/plugins/filter:/usr/share/ansible/plugins/filter" [ANSIBLE_FILTER_PLUGINS] [defaults.filter_plugins] Moot "no plugins in Python";
    DEFAULT_FORCE_HANDLERS Bool "False" [ANSIBLE_FORCE_HANDLERS] [defaults.force_handlers] Used "as --force-handlers";
    DEFAULT_FORKS Int "5" [ANSIBLE_FORKS] [defaults.forks] Used "as --forks";
    DEFAULT_GATHERING Text("explicit" "implicit" "smart") "implicit" [ANSIBLE_GATHERING] [defaults.gathering] Used "when plays gather facts";
    DEFAULT_HASH_BEHAVIOUR Text("merge" "replace") "replace" [ANSIBLE_HASH_BEHAVIOUR] [defaults.hash_behaviour] Used "whether mappings of one name are merged";
    DEFAULT_HOST_LIST PathList "/etc/ansible/hosts" [ANSIBLE_INVENTORY] [defaults.inventory] Used "as --inventory";
    DEFAULT_HTTPAPI_PLUGIN_PATH PathSpec "{home}/plugins/httpapi:/usr/share/ansible/plugins/httpapi" [ANSIBLE_HTTPAPI_PLUGINS] [defaults.httpapi_plugins] Moot "no plugins in Python";
    DEFAULT_INTERNAL_POLL_INTERVAL Float "0.001" [] [defaults.internal_poll_interval] Moot "nothing is polled";
    DEFAULT_INVENTORY_PLUGIN_PATH PathSpec "{home}/plugins/inventory:/usr/share/ansible/plugins/inventory" [ANSIBLE_INVENTORY_PLUGINS] [defaults.inventory_plugins] Moot "no plugins in Python";
    DEFAULT_JINJA2_EXTENSIONS List "" [ANSIBLE_JINJA2_EXTENSIONS] [defaults.jinja2_extensions] Moot "without effect since 2.19: do, break and continue always work";
    DEFAULT_JINJA2_NATIVE Bool "True" [ANSIBLE_JINJA2_NATIVE] [defaults.jinja2_native] Moot "templates are always native, as in 2.19";
    DEFAULT_KEEP_REMOTE_FILES Bool "False" [ANSIBLE_KEEP_REMOTE_FILES] [defaults.keep_remote_files] Moot "no files are left on targets";
    DEFAULT_LIBVIRT_LXC_NOSECLABEL Bool "False" [ANSIBLE_LIBVIRT_LXC_NOSECLABEL] [selinux.libvirt_lxc_noseclabel] Moot "no lxc connections";
    DEFAULT_LOAD_CALLBACK_PLUGINS Bool "False" [ANSIBLE_LOAD_CALLBACK_PLUGINS] [defaults.bin_ansible_callbacks] Moot "no plugins in Python";
    DEFAULT_LOCAL_TMP Path "{home}/tmp" [ANSIBLE_LOCAL_TEMP] [defaults.local_tmp] Moot "what must be on the disk is put into the system's directory for temporary files";
    DEFAULT_LOG_FILTER List "" [ANSIBLE_LOG_FILTER] [defaults.log_filter] Moot "no log has what it would leave out";
    DEFAULT_LOG_PATH Path [ANSIBLE_LOG_PATH] [defaults.log_path] Used "a file for the report";
    DEFAULT_LOOKUP_PLUGIN_PATH PathSpec "{home}/plugins/lookup:/usr/share/ansible/plugins/lookup" [ANSIBLE_LOOKUP_PLUGINS] [defaults.lookup_plugins] Moot "no plugins in Python";
    DEFAULT_MANAGED_STR Text "Ansible managed" [] [defaults.ansible_managed] Undone "ansible_managed is the default text";
    DEFAULT_MODULE_ARGS Text [ANSIBLE_MODULE_ARGS] [defaults.module_args] Used "the arguments of adhoc without -a";
    DEFAULT_MODULE_COMPRESSION Text "ZIP_DEFLATED" [] [defaults.module_compression] Moot "no Python";
    DEFAULT_MODULE_NAME Text "command" [] [defaults.module_name] Used "the module of adhoc without -m";
    DEFAULT_MODULE_PATH PathSpec "{home}/plugins/modules:/usr/share/ansible/plugins/modules" [ANSIBLE_LIBRARY] [defaults.library] Moot "no plugins in Python";
    DEFAULT_MODULE_UTILS_PATH PathSpec "{home}/plugins/module_utils:/usr/share/ansible/plugins/module_utils" [ANSIBLE_MODULE_UTILS] [defaults.module_utils] Moot "no plugins in Python";
    DEFAULT_NETCONF_PLUGIN_PATH PathSpec "{home}/plugins/netconf:/usr/share/ansible/plugins/netconf" [ANSIBLE_NETCONF_PLUGINS] [defaults.netconf_plugins] Moot "no plugins in Python";
    DEFAULT_NO_LOG Bool "False" [ANSIBLE_NO_LOG] [defaults.no_log] Used "no_log of plays that do not say so";
    DEFAULT_NO_TARGET_SYSLOG Bool "False" [ANSIBLE_NO_TARGET_SYSLOG] [defaults.no_target_syslog] Moot "nothing is written to the system log of targets";
    DEFAULT_NULL_REPRESENTATION Text [ANSIBLE_NULL_REPRESENTATION] [defaults.null_representation] Moot "without effect since 2.19";
    DEFAULT_POLL_INTERVAL Int "15" [ANSIBLE_POLL_INTERVAL] [defaults.poll_interval] Used "as -P of adhoc";
    DEFAULT_PRIVATE_KEY_FILE Path [ANSIBLE_PRIVATE_KEY_FILE] [defaults.private_key_file] Used "as --private-key";
    DEFAULT_PRIVATE_ROLE_VARS Bool "False" [ANSIBLE_PRIVATE_ROLE_VARS] [defaults.private_role_vars] Undone "variables of roles are public";
    DEFAULT_REMOTE_PORT Int [ANSIBLE_REMOTE_PORT] [defaults.remote_port] Used "port of plays that name none";
    DEFAULT_REMOTE_USER Text [ANSIBLE_REMOTE_USER] [defaults.remote_user] Used "as --user";
    DEFAULT_ROLES_PATH PathSpec "{home}/roles:/usr/share/ansible/roles:/etc/ansible/roles" [ANSIBLE_ROLES_PATH] [defaults.roles_path] Used "where roles are looked for";
    DEFAULT_SELINUX_SPECIAL_FS List "fuse,nfs,vboxsf,ramfs,9p,vfat" [ANSIBLE_SELINUX_SPECIAL_FS] [selinux.special_context_filesystems] Moot "SELinux contexts are not managed";
    DEFAULT_STDOUT_CALLBACK Text "default" [ANSIBLE_STDOUT_CALLBACK] [defaults.stdout_callback] Used "the format of results: default, minimal, oneline";
    DEFAULT_STRATEGY Text "linear" [ANSIBLE_STRATEGY] [defaults.strategy] Used "strategy of plays that name none";
    DEFAULT_STRATEGY_PLUGIN_PATH PathSpec "{home}/plugins/strategy:/usr/share/ansible/plugins/strategy" [ANSIBLE_STRATEGY_PLUGINS] [defaults.strategy_plugins] Moot "no plugins in Python";
    DEFAULT_SU Bool "False" [ANSIBLE_SU] [defaults.su] Moot "without effect in 2.19";
    DEFAULT_SYSLOG_FACILITY Text "LOG_USER" [ANSIBLE_SYSLOG_FACILITY] [defaults.syslog_facility] Moot "nothing is written to the system log of targets";
    DEFAULT_TERMINAL_PLUGIN_PATH PathSpec "{home}/plugins/terminal:/usr/share/ansible/plugins/terminal" [ANSIBLE_TERMINAL_PLUGINS] [defaults.terminal_plugins] Moot "no plugins in Python";
    DEFAULT_TEST_PLUGIN_PATH PathSpec "{home}/plugins/test:/usr/share/ansible/plugins/test" [ANSIBLE_TEST_PLUGINS] [defaults.test_plugins] Moot "no plugins in Python";
    DEFAULT_TIMEOUT Int "10" [ANSIBLE_TIMEOUT] [defaults.timeout] Used "as --timeout";
    DEFAULT_TRANSPORT Text "ssh" [ANSIBLE_TRANSPORT] [defaults.transport] Used "as --connection";
    DEFAULT_UNDEFINED_VAR_BEHAVIOR Bool "True" [ANSIBLE_ERROR_ON_UNDEFINED_VARS] [defaults.error_on_undefined_vars] Undone "undefined variables are always an error";
    DEFAULT_VARS_PLUGIN_PATH PathSpec "{home}/plugins/vars:/usr/share/ansible/plugins/vars" [ANSIBLE_VARS_PLUGINS] [defaults.vars_plugins] Moot "no plugins in Python";
    DEFAULT_VAULT_ENCRYPT_IDENTITY Text [ANSIBLE_VAULT_ENCRYPT_IDENTITY] [defaults.vault_encrypt_identity] Used "as --encrypt-vault-id of provision vault";
    DEFAULT_VAULT_IDENTITY Text "default" [ANSIBLE_VAULT_IDENTITY] [defaults.vault_identity] Used "the id of vault passwords that are given without one";
    DEFAULT_VAULT_IDENTITY_LIST List "" [ANSIBLE_VAULT_IDENTITY_LIST] [defaults.vault_identity_list] Used "as --vault-id";
    DEFAULT_VAULT_ID_MATCH Text "False" [ANSIBLE_VAULT_ID_MATCH] [defaults.vault_id_match] Used "only passwords of the id that something was encrypted under";
    DEFAULT_VAULT_PASSWORD_FILE Path [ANSIBLE_VAULT_PASSWORD_FILE] [defaults.vault_password_file] Used "as --vault-password-file";
    DEFAULT_VERBOSITY Int "0" [ANSIBLE_VERBOSITY] [defaults.verbosity] Used "as -v";
    DEPRECATION_WARNINGS Bool "True" [ANSIBLE_DEPRECATION_WARNINGS] [defaults.deprecation_warnings] Moot "there are no such warnings";
    DEVEL_WARNING Bool "True" [ANSIBLE_DEVEL_WARNING] [defaults.devel_warning] Moot "no development version";
    DIFF_ALWAYS Bool "False" [ANSIBLE_DIFF_ALWAYS] [diff.always] Used "as --diff";
    DIFF_CONTEXT Int "3" [ANSIBLE_DIFF_CONTEXT] [diff.context] Undone "three lines are shown around a change";
    DISPLAY_ARGS_TO_STDOUT Bool "False" [ANSIBLE_DISPLAY_ARGS_TO_STDOUT] [defaults.display_args_to_stdout] Undone "banners do not show arguments";
    DISPLAY_SKIPPED_HOSTS Bool "True" [ANSIBLE_DISPLAY_SKIPPED_HOSTS] [defaults.display_skipped_hosts] Used "whether skipped hosts are printed";
    DISPLAY_TRACEBACK List "never" [ANSIBLE_DISPLAY_TRACEBACK] [defaults.display_traceback] Moot "no Python";
    DOCSITE_ROOT_URL Text "https://docs.ansible.com/ansible-core/" [] [defaults.docsite_root_url] Moot "ansible-doc";
    DOC_FRAGMENT_PLUGIN_PATH PathSpec "{home}/plugins/doc_fragments:/usr/share/ansible/plugins/doc_fragments" [ANSIBLE_DOC_FRAGMENT_PLUGINS] [defaults.doc_fragment_plugins] Moot "no plugins in Python";
    DUPLICATE_YAML_DICT_KEY Text("error" "ignore" "warn") "warn" [ANSIBLE_DUPLICATE_YAML_DICT_KEY] [defaults.duplicate_dict_key] Undone "duplicate keys are a warning";
    EDITOR Text "vi" [ANSIBLE_EDITOR EDITOR] [defaults.editor] Used "the editor of provision vault";
    ENABLE_TASK_DEBUGGER Bool "False" [ANSIBLE_ENABLE_TASK_DEBUGGER] [defaults.enable_task_debugger] Undone "there is no task debugger";
    ERROR_ON_MISSING_HANDLER Bool "True" [ANSIBLE_ERROR_ON_MISSING_HANDLER] [defaults.error_on_missing_handler] Undone "a handler that is missing is always an error";
    FACTS_MODULES List "smart" [ANSIBLE_FACTS_MODULES] [defaults.facts_modules] Undone "facts are gathered by setup";
    GALAXY_CACHE_DIR Path "{home}/galaxy_cache" [ANSIBLE_GALAXY_CACHE_DIR] [galaxy.cache_dir] Moot "ansible-galaxy";
    GALAXY_COLLECTIONS_PATH_WARNING Bool "True" [ANSIBLE_GALAXY_COLLECTIONS_PATH_WARNING] [galaxy.collections_path_warning] Moot "ansible-galaxy";
    GALAXY_COLLECTION_IMPORT_POLL_FACTOR Float "1.5" [ANSIBLE_GALAXY_COLLECTION_IMPORT_POLL_FACTOR] [] Moot "ansible-galaxy";
    GALAXY_COLLECTION_IMPORT_POLL_INTERVAL Float "2.0" [ANSIBLE_GALAXY_COLLECTION_IMPORT_POLL_INTERVAL] [] Moot "ansible-galaxy";
    GALAXY_COLLECTION_SKELETON Path [ANSIBLE_GALAXY_COLLECTION_SKELETON] [galaxy.collection_skeleton] Moot "ansible-galaxy";
    GALAXY_COLLECTION_SKELETON_IGNORE List "^.git$,^.*/.git_keep$" [ANSIBLE_GALAXY_COLLECTION_SKELETON_IGNORE] [galaxy.collection_skeleton_ignore] Moot "ansible-galaxy";
    GALAXY_DISABLE_GPG_VERIFY Bool "False" [ANSIBLE_GALAXY_DISABLE_GPG_VERIFY] [galaxy.disable_gpg_verify] Moot "ansible-galaxy";
    GALAXY_DISPLAY_PROGRESS Bool [ANSIBLE_GALAXY_DISPLAY_PROGRESS] [galaxy.display_progress] Moot "ansible-galaxy";
    GALAXY_GPG_KEYRING Path [ANSIBLE_GALAXY_GPG_KEYRING] [galaxy.gpg_keyring] Moot "ansible-galaxy";
    GALAXY_IGNORE_CERTS Bool [ANSIBLE_GALAXY_IGNORE] [galaxy.ignore_certs] Moot "ansible-galaxy";
    GALAXY_IGNORE_INVALID_SIGNATURE_STATUS_CODES List [ANSIBLE_GALAXY_IGNORE_SIGNATURE_STATUS_CODES] [galaxy.ignore_signature_status_codes] Moot "ansible-galaxy";
    GALAXY_REQUIRED_VALID_SIGNATURE_COUNT Text "1" [ANSIBLE_GALAXY_REQUIRED_VALID_SIGNATURE_COUNT] [galaxy.required_valid_signature_count] Moot "ansible-galaxy";
    GALAXY_ROLE_SKELETON Path [ANSIBLE_GALAXY_ROLE_SKELETON] [galaxy.role_skeleton] Moot "ansible-galaxy";
    GALAXY_ROLE_SKELETON_IGNORE List "^.git$,^.*/.git_keep$" [ANSIBLE_GALAXY_ROLE_SKELETON_IGNORE] [galaxy.role_skeleton_ignore] Moot "ansible-galaxy";
    GALAXY_SERVER Text "https://galaxy.ansible.com" [ANSIBLE_GALAXY_SERVER] [galaxy.server] Moot "ansible-galaxy";
    GALAXY_SERVER_LIST List [ANSIBLE_GALAXY_SERVER_LIST] [galaxy.server_list] Moot "ansible-galaxy";
    GALAXY_SERVER_TIMEOUT Int "60" [ANSIBLE_GALAXY_SERVER_TIMEOUT] [galaxy.server_timeout] Moot "ansible-galaxy";
    GALAXY_TOKEN_PATH Path "{home}/galaxy_token" [ANSIBLE_GALAXY_TOKEN_PATH] [galaxy.token_path] Moot "ansible-galaxy";
    HOST_KEY_CHECKING Bool "True" [ANSIBLE_HOST_KEY_CHECKING] [defaults.host_key_checking] Used "whether unknown hosts are refused; changed keys always are";
    HOST_PATTERN_MISMATCH Text("error" "ignore" "warning") "warning" [ANSIBLE_HOST_PATTERN_MISMATCH] [inventory.host_pattern_mismatch] Used "what becomes of a pattern that matches nobody";
    INJECT_FACTS_AS_VARS Bool "True" [ANSIBLE_INJECT_FACT_VARS] [defaults.inject_facts_as_vars] Used "whether facts are variables of their own";
    INTERPRETER_PYTHON Text "auto" [ANSIBLE_PYTHON_INTERPRETER] [defaults.interpreter_python] Moot "no Python";
    INVALID_TASK_ATTRIBUTE_FAILED Bool "True" [ANSIBLE_INVALID_TASK_ATTRIBUTE_FAILED] [defaults.invalid_task_attribute_failed] Undone "unknown keywords are always an error";
    INVENTORY_ANY_UNPARSED_IS_FAILED Bool "False" [ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED] [inventory.any_unparsed_is_failed] Moot "a source that cannot be parsed always is an error";
    INVENTORY_ENABLED List "host_list,script,auto,yaml,ini,toml" [ANSIBLE_INVENTORY_ENABLED] [inventory.enable_plugins] Undone "the kinds of inventories are those of the default";
    INVENTORY_EXPORT Bool "False" [ANSIBLE_INVENTORY_EXPORT] [inventory.export] Used "as --export of inventory";
    INVENTORY_IGNORE_EXTS List ".pyc,.pyo,.swp,.bak,~,.rpm,.md,.txt,.rst,.orig,.cfg,.retry" [ANSIBLE_INVENTORY_IGNORE] [defaults.inventory_ignore_extensions inventory.ignore_extensions] Undone "the extensions are those of the default";
    INVENTORY_IGNORE_PATTERNS List "" [ANSIBLE_INVENTORY_IGNORE_REGEX] [defaults.inventory_ignore_patterns inventory.ignore_patterns] Undone "no names but the usual ones are left out";
    INVENTORY_UNPARSED_IS_FAILED Bool "False" [ANSIBLE_INVENTORY_UNPARSED_FAILED] [inventory.unparsed_is_failed] Moot "a source that cannot be parsed always is an error";
    INVENTORY_UNPARSED_WARNING Bool "True" [ANSIBLE_INVENTORY_UNPARSED_WARNING] [inventory.inventory_unparsed_warning] Used "whether an inventory without hosts is warned of";
    LOCALHOST_WARNING Bool "True" [ANSIBLE_LOCALHOST_WARNING] [defaults.localhost_warning] Used "whether an inventory without hosts is warned of";
    LOG_VERBOSITY Int [ANSIBLE_LOG_VERBOSITY] [defaults.log_verbosity] Used "as -v, for that file";
    MAX_FILE_SIZE_FOR_DIFF Int "104448" [ANSIBLE_MAX_DIFF_SIZE] [defaults.max_diff_size] Undone "the limit is the default one";
    MODULE_IGNORE_EXTS List ".pyc,.pyo,.swp,.bak,~,.rpm,.md,.txt,.rst,.yaml,.yml,.ini" [ANSIBLE_MODULE_IGNORE_EXTS] [defaults.module_ignore_exts] Moot "no Python";
    MODULE_STRICT_UTF8_RESPONSE Bool "True" [ANSIBLE_MODULE_STRICT_UTF8_RESPONSE] [defaults.module_strict_utf8_response] Moot "no Python";
    NETCONF_SSH_CONFIG Text [ANSIBLE_NETCONF_SSH_CONFIG] [netconf_connection.ssh_config] Moot "no network devices";
    NETWORK_GROUP_MODULES List "eos,nxos,ios,iosxr,junos,enos,ce,vyos,sros,dellos9,dellos10,dellos6,asa,aruba,aireos,bigip,ironware,onyx,netconf,exos,voss,slxos" [ANSIBLE_NETWORK_GROUP_MODULES] [defaults.network_group_modules] Moot "no network devices";
    OLD_PLUGIN_CACHE_CLEARING Bool "False" [ANSIBLE_OLD_PLUGIN_CACHE_CLEAR] [defaults.old_plugin_cache_clear] Moot "no plugins in Python";
    PAGER Text "less" [ANSIBLE_PAGER PAGER] [defaults.pager] Used "how provision vault view shows files";
    PARAMIKO_HOST_KEY_AUTO_ADD Bool "False" [ANSIBLE_PARAMIKO_HOST_KEY_AUTO_ADD] [paramiko_connection.host_key_auto_add] Moot "no paramiko";
    PARAMIKO_LOOK_FOR_KEYS Bool "True" [ANSIBLE_PARAMIKO_LOOK_FOR_KEYS] [paramiko_connection.look_for_keys] Moot "no paramiko";
    PERSISTENT_COMMAND_TIMEOUT Int "30" [ANSIBLE_PERSISTENT_COMMAND_TIMEOUT] [persistent_connection.command_timeout] Moot "no network devices";
    PERSISTENT_CONNECT_RETRY_TIMEOUT Int "15" [ANSIBLE_PERSISTENT_CONNECT_RETRY_TIMEOUT] [persistent_connection.connect_retry_timeout] Moot "no network devices";
    PERSISTENT_CONNECT_TIMEOUT Int "30" [ANSIBLE_PERSISTENT_CONNECT_TIMEOUT] [persistent_connection.connect_timeout] Moot "no network devices";
    PERSISTENT_CONTROL_PATH_DIR Path "{home}/pc" [ANSIBLE_PERSISTENT_CONTROL_PATH_DIR] [persistent_connection.control_path_dir] Moot "no network devices";
    PLAYBOOK_DIR Path [ANSIBLE_PLAYBOOK_DIR] [defaults.playbook_dir] Used "as --playbook-dir";
    PLAYBOOK_VARS_ROOT Text("all" "bottom" "top") "top" [ANSIBLE_PLAYBOOK_VARS_ROOT] [defaults.playbook_vars_root] Undone "group_vars are read beside the first playbook";
    PLUGIN_FILTERS_CFG Path [] [defaults.plugin_filters_cfg] Moot "no plugins in Python";
    PYTHON_MODULE_RLIMIT_NOFILE Text "0" [ANSIBLE_PYTHON_MODULE_RLIMIT_NOFILE] [defaults.python_module_rlimit_nofile] Moot "no Python";
    RETRY_FILES_ENABLED Bool "False" [ANSIBLE_RETRY_FILES_ENABLED] [defaults.retry_files_enabled] Used "whether hosts that failed are written to PLAYBOOK.retry";
    RETRY_FILES_SAVE_PATH Path [ANSIBLE_RETRY_FILES_SAVE_PATH] [defaults.retry_files_save_path] Used "where that is written";
    RUN_VARS_PLUGINS Text("demand" "start") "demand" [ANSIBLE_RUN_VARS_PLUGINS] [defaults.run_vars_plugins] Moot "no plugins in Python";
    SHOW_CUSTOM_STATS Bool "False" [ANSIBLE_SHOW_CUSTOM_STATS] [defaults.show_custom_stats] Undone "statistics of set_stats are not printed";
    SSH_AGENT Text "none" [ANSIBLE_SSH_AGENT] [connection.ssh_agent] Undone "no agent is started";
    SSH_AGENT_EXECUTABLE Text "ssh-agent" [ANSIBLE_SSH_AGENT_EXECUTABLE] [connection.ssh_agent_executable] Moot "no agent is started";
    SSH_AGENT_KEY_LIFETIME Int [ANSIBLE_SSH_AGENT_KEY_LIFETIME] [connection.ssh_agent_key_lifetime] Moot "no agent is started";
    STRING_TYPE_FILTERS List "string,to_json,to_nice_json,to_yaml,to_nice_yaml,ppretty,json" [ANSIBLE_STRING_TYPE_FILTERS] [jinja2.dont_type_filters] Moot "without effect since 2.19";
    SYSTEM_WARNINGS Bool "True" [ANSIBLE_SYSTEM_WARNINGS] [defaults.system_warnings] Moot "there are no such warnings";
    TAGS_RUN List "" [ANSIBLE_RUN_TAGS] [tags.run] Used "as --tags";
    TAGS_SKIP List "" [ANSIBLE_SKIP_TAGS] [tags.skip] Used "as --skip-tags";
    TARGET_LOG_INFO Text [ANSIBLE_TARGET_LOG_INFO] [defaults.target_log_info] Moot "nothing is written to the system log of targets";
    TASK_DEBUGGER_IGNORE_ERRORS Bool "True" [ANSIBLE_TASK_DEBUGGER_IGNORE_ERRORS] [defaults.task_debugger_ignore_errors] Moot "no task debugger";
    TASK_TIMEOUT Int "0" [ANSIBLE_TASK_TIMEOUT] [defaults.task_timeout] Used "timeout of tasks that have none";
    TRANSFORM_INVALID_GROUP_CHARS Text("always" "ignore" "never" "silently") "never" [ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS] [defaults.force_valid_group_names] Undone "names of groups are left as they are";
    USE_PERSISTENT_CONNECTIONS Bool "False" [ANSIBLE_USE_PERSISTENT_CONNECTIONS] [defaults.use_persistent_connections] Moot "no network devices";
    VALIDATE_ACTION_GROUP_METADATA Bool "True" [ANSIBLE_VALIDATE_ACTION_GROUP_METADATA] [defaults.validate_action_group_metadata] Moot "no plugins in Python";
    VARIABLE_PLUGINS_ENABLED List "host_group_vars" [ANSIBLE_VARS_ENABLED] [defaults.vars_plugins_enabled] Undone "group_vars and host_vars are always read";
    VARIABLE_PRECEDENCE List "all_inventory,groups_inventory,all_plugins_inventory,all_plugins_play,groups_plugins_inventory,groups_plugins_play" [ANSIBLE_PRECEDENCE] [defaults.precedence] Undone "the order is the default one";
    VAULT_ENCRYPT_SALT Text [ANSIBLE_VAULT_ENCRYPT_SALT] [defaults.vault_encrypt_salt] Used "in place of random ones";
    VERBOSE_TO_STDERR Bool "False" [ANSIBLE_VERBOSE_TO_STDERR] [defaults.verbose_to_stderr] Undone "not done yet";
    WIN_ASYNC_STARTUP_TIMEOUT Int "5" [ANSIBLE_WIN_ASYNC_STARTUP_TIMEOUT] [defaults.win_async_startup_timeout] Moot "no Windows";
    WORKER_SHUTDOWN_POLL_COUNT Int "0" [ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT] [] Moot "no Python";
    WORKER_SHUTDOWN_POLL_DELAY Float "0.1" [ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY] [] Moot "no Python";
    YAML_FILENAME_EXTENSIONS List ".yml,.yaml,.json" [ANSIBLE_YAML_FILENAME_EXT] [defaults.yaml_valid_extensions] Undone "the extensions are those of the default";
}

// Those of the plugins that this program has the like of: ssh, sudo, su, doas, and the default callback.
settings! { PLUGINS:
    SSH_ARGS Text "-C -o ControlMaster=auto -o ControlPersist=60s" [ANSIBLE_SSH_ARGS] [ssh_connection.ssh_args] Used "arguments as for ssh";
    SSH_COMMON_ARGS Text "" [ANSIBLE_SSH_COMMON_ARGS] [ssh_connection.ssh_common_args] Used "as --ssh-common-args";
    SSH_EXTRA_ARGS Text "" [ANSIBLE_SSH_EXTRA_ARGS] [ssh_connection.ssh_extra_args] Used "as --ssh-extra-args";
    SFTP_EXTRA_ARGS Text "" [ANSIBLE_SFTP_EXTRA_ARGS] [ssh_connection.sftp_extra_args] Moot "sftp is not used";
    SCP_EXTRA_ARGS Text "" [ANSIBLE_SCP_EXTRA_ARGS] [ssh_connection.scp_extra_args] Moot "scp is not used";
    SSH_HOST_KEY_CHECKING Bool "True" [ANSIBLE_SSH_HOST_KEY_CHECKING] [ssh_connection.host_key_checking] Used "as HOST_KEY_CHECKING";
    SSH_TIMEOUT Int "10" [ANSIBLE_SSH_TIMEOUT] [ssh_connection.timeout] Used "as DEFAULT_TIMEOUT";
    SSH_RETRIES Int "0" [ANSIBLE_SSH_RETRIES] [connection.retries ssh_connection.retries] Undone "connecting is tried again only where sshd drops connections before authentication";
    SSH_PIPELINING Bool "False" [ANSIBLE_SSH_PIPELINING] [ssh_connection.pipelining] Moot "every task is sent over the open connection";
    SSH_EXECUTABLE Text "ssh" [ANSIBLE_SSH_EXECUTABLE] [ssh_connection.ssh_executable] Moot "SSH is spoken in process";
    SFTP_EXECUTABLE Text "sftp" [ANSIBLE_SFTP_EXECUTABLE] [ssh_connection.sftp_executable] Moot "sftp is not used";
    SCP_EXECUTABLE Text "scp" [ANSIBLE_SCP_EXECUTABLE] [ssh_connection.scp_executable] Moot "scp is not used";
    SFTP_BATCH_MODE Bool "True" [ANSIBLE_SFTP_BATCH_MODE] [ssh_connection.sftp_batch_mode] Moot "sftp is not used";
    SSH_TRANSFER_METHOD Text "smart" [ANSIBLE_SSH_TRANSFER_METHOD] [ssh_connection.transfer_method] Moot "files go over the agent's own channel";
    SSH_CONTROL_PATH Text [ANSIBLE_SSH_CONTROL_PATH] [ssh_connection.control_path] Moot "SSH is spoken in process";
    SSH_CONTROL_PATH_DIR Text "~/.ansible/cp" [ANSIBLE_SSH_CONTROL_PATH_DIR] [ssh_connection.control_path_dir] Moot "SSH is spoken in process";
    SSH_USETTY Bool "True" [ANSIBLE_SSH_USETTY] [ssh_connection.usetty] Moot "no terminal is asked for";
    SSH_VERBOSITY Int "0" [ANSIBLE_SSH_VERBOSITY] [ssh_connection.verbosity] Moot "SSH is spoken in process";
    SSH_PASSWORD_MECHANISM Text "ssh_askpass" [ANSIBLE_SSH_PASSWORD_MECHANISM] [ssh_connection.password_mechanism] Moot "SSH is spoken in process";
    SSHPASS_PROMPT Text "" [ANSIBLE_SSHPASS_PROMPT] [ssh_connection.sshpass_prompt] Moot "SSH is spoken in process";
    PKCS11_PROVIDER Text "" [ANSIBLE_PKCS11_PROVIDER] [ssh_connection.pkcs11_provider] Undone "smart cards are not used";
    SSH_PRIVATE_KEY Text [ANSIBLE_PRIVATE_KEY] [] Undone "keys are read from files; give its file as --private-key";
    BECOME_PASS Text [ANSIBLE_BECOME_PASS] [] Undone "give the password by --become-password-file or ansible_become_password";
    SUDO_EXE Text "sudo" [ANSIBLE_SUDO_EXE] [sudo_become_plugin.executable] Undone "set become_exe";
    SUDO_FLAGS Text "-H -S -n" [ANSIBLE_SUDO_FLAGS] [sudo_become_plugin.flags] Undone "set become_flags";
    SUDO_USER Text "root" [ANSIBLE_SUDO_USER] [sudo_become_plugin.user] Undone "set become_user";
    SUDO_PASS Text [ANSIBLE_SUDO_PASS] [sudo_become_plugin.password] Undone "give the password by --become-password-file or ansible_become_password";
    SU_EXE Text "su" [ANSIBLE_SU_EXE] [su_become_plugin.executable] Undone "set become_exe";
    SU_FLAGS Text "" [ANSIBLE_SU_FLAGS] [su_become_plugin.flags] Undone "set become_flags";
    SU_USER Text "root" [ANSIBLE_SU_USER] [su_become_plugin.user] Undone "set become_user";
    DOAS_EXE Text "doas" [ANSIBLE_DOAS_EXE] [doas_become_plugin.executable] Undone "set become_exe";
    DOAS_FLAGS Text "" [ANSIBLE_DOAS_FLAGS] [doas_become_plugin.flags] Undone "set become_flags";
    DOAS_USER Text [ANSIBLE_DOAS_USER] [doas_become_plugin.user] Undone "set become_user";
    CHECK_MODE_MARKERS Bool "False" [ANSIBLE_CHECK_MODE_MARKERS] [defaults.check_mode_markers] Used "whether banners say that nothing is changed";
    DISPLAY_FAILED_STDERR Bool "False" [ANSIBLE_DISPLAY_FAILED_STDERR] [defaults.display_failed_stderr] Used "whether failures go to standard error";
    DISPLAY_OK_HOSTS Bool "True" [ANSIBLE_DISPLAY_OK_HOSTS] [defaults.display_ok_hosts] Used "whether hosts that are ok are printed";
    CALLBACK_FORMAT_PRETTY Bool [ANSIBLE_CALLBACK_FORMAT_PRETTY] [defaults.callback_format_pretty] Undone "results are printed by verbosity";
    CALLBACK_RESULT_FORMAT Text("json" "yaml") "json" [ANSIBLE_CALLBACK_RESULT_FORMAT] [defaults.callback_result_format] Undone "results are printed as JSON";
    SHOW_PER_HOST_START Bool "False" [ANSIBLE_SHOW_PER_HOST_START] [defaults.show_per_host_start] Used "whether a line is printed when a host begins";
    SHOW_TASK_PATH_ON_FAILURE Bool "False" [ANSIBLE_SHOW_TASK_PATH_ON_FAILURE] [defaults.show_task_path_on_failure] Used "whether the place of a failed task is printed";
    CALLBACK_TREE_DIR Path "~/.ansible/tree" [ANSIBLE_CALLBACK_TREE_DIR] [callback_tree.directory] Undone "no files are written for each host";
}
