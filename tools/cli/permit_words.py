"""What somebody may be and do at a terminal, in Chinese and English: on a permit, in a command, in records."""

from __future__ import annotations

from agent.permits.acts import Role, ServiceAct
from agent.sync.contract.commands import CommandAct

ROLES = {
    Role.MAINTAINER: ("维护员", "maintainer"),
    Role.GUARD: ("值守员", "guard"),
    Role.AUDITOR: ("审计员", "auditor"),
    Role.KEYHOLDER: ("密钥保管员", "keyholder"),
}
ACTS = {
    ServiceAct.CLOCK: ("重置时钟下限", "reset the clock's floor"),
    ServiceAct.OPEN: ("开放通道一次", "open a lane once"),
    ServiceAct.EXPORT: ("导出未密封的日志", "export the journal unsealed"),
    ServiceAct.CONFIGURE: ("更改终端配置", "change the configuration"),
    ServiceAct.RE_KEY: ("更换平台密钥", "give it another key of the platform"),
    ServiceAct.WIPE: ("销毁密钥和日志", "destroy its keys and journal"),
}
COMMANDS = {
    CommandAct.OPEN: ACTS[ServiceAct.OPEN],
    CommandAct.RESTART: ("重新启动程序", "begin anew"),
    CommandAct.RE_READ: ("重新读取配置", "read the configuration again"),
    CommandAct.REPORT: ("报告自身状况", "say how it is"),
}
"""Of the platform's signed commands."""
