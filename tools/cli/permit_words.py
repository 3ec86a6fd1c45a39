"""What a permit lets somebody be and do, in Chinese and English: on a permit, and in the records of acts."""

from __future__ import annotations

from agent.permits.acts import Role, ServiceAct

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
