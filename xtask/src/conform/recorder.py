"""Writes what ansible-core tells its callbacks as JSON lines, for `cargo xtask conform`."""

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: aggregate
short_description: JSON lines of a run
description: One line for each play, task, item, host and the final statistics.
"""


def plain(value):
    """Tagged and lazy values as what JSON has."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorder"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.out = open(os.environ["CONFORM_EVENTS"], "w", buffering=1)
        self.play = 0

    def write(self, kind, **fields):
        self.out.write(json.dumps({"kind": kind, **fields}) + "\n")

    def v2_playbook_on_play_start(self, play):
        self.play += 1
        self.write("play", name=str(play.get_name()))

    def v2_playbook_on_no_hosts_matched(self):
        self.write("no_hosts")

    def v2_playbook_on_no_hosts_remaining(self):
        self.write("no_more_hosts")

    def done(self, kind, result, outcome):
        task = result._task
        found = plain(dict(result._result))
        delegate = str(task.delegate_to) if task.delegate_to else None
        # The end of a loop, whose items have been templated one by one.
        if delegate and "{{" in delegate:
            delegate = None
        self.write(
            kind,
            play=self.play,
            task=str(task.get_name()).strip(),
            action=str(task.action),
            host=result._host.get_name(),
            delegated_to=delegate if delegate != result._host.get_name() else None,
            outcome=outcome,
            item=plain(self._get_item_label(result._result)) if kind == "item" else None,
            result=found,
        )

    @staticmethod
    def fine(result):
        return "changed" if result._result.get("changed", False) else "ok"

    def v2_runner_on_ok(self, result):
        self.done("host", result, self.fine(result))

    def v2_runner_on_skipped(self, result):
        self.done("host", result, "skipped")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.done("host", result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        self.done("host", result, "unreachable")

    def v2_runner_item_on_ok(self, result):
        self.done("item", result, self.fine(result))

    def v2_runner_item_on_skipped(self, result):
        self.done("item", result, "skipped")

    def v2_runner_item_on_failed(self, result):
        self.done("item", result, "failed")

    def v2_runner_retry(self, result):
        self.done("retry", result, "retry")

    def v2_playbook_on_include(self, included_file):
        hosts = sorted(host.name for host in included_file._hosts)
        self.write("included", file=str(included_file._filename), hosts=hosts)

    def v2_playbook_on_stats(self, stats):
        hosts = sorted(set(stats.processed))
        table = {host: {k: int(v) for k, v in stats.summarize(host).items()} for host in hosts}
        self.write("stats", hosts=table)
