"""Why a bundle is not installed: a closed list, each with a sentence for the technician in two languages."""

from __future__ import annotations

from enum import Enum

from profiles.reasons import Sentence

_S = Sentence


class BundleFault(Enum):
    """Code, sentence, in the order of the checks (:mod:`agent.bundles.check`)."""

    UNREADABLE = ("unreadable", _S("文件无法读取", "the file cannot be read"))
    NOT_A_BUNDLE = ("not-a-bundle", _S("不是数据包文件", "this is no bundle file"))
    SIGNATURE = ("signature", _S("签名不可信，未作任何改动", "the signature is not to be trusted; nothing was changed"))
    MANIFEST = ("manifest", _S("数据包说明无法识别，可能来自更新的平台", "the manifest is not understood"))
    WRONG_ROLE = ("wrong-role", _S("签名密钥无权签发这类数据", "signed by a key that may not sign this kind"))
    AUDIENCE = ("audience", _S("数据包不是发给本终端的", "the bundle is for other terminals"))
    ROLLBACK = ("rollback", _S("已有更新的版本，不能退回", "a newer version is in force; it is never rolled back"))
    INSTALLED = ("installed", _S("此版本已经安装", "this very version is in force already"))
    SAME_VERSION = (
        "same-version",
        _S("同一版本号已装有另一份内容，请换新的版本号", "another content has this version already; give it a new one"),
    )
    WRONG_BASE = (
        "wrong-base",
        _S("增量包与现有版本不符，需要完整包", "the delta is for another version; get the full one"),
    )
    FUTURE = ("future", _S("数据包的签发时间在未来", "the bundle was issued in the future"))
    EXPIRED = ("expired", _S("数据包已过期，请获取新的", "the bundle has expired; get a newer one"))
    TRUNCATED = ("truncated", _S("文件不完整，请重新复制", "the file is cut short or too long; copy it again"))
    ALTERED = ("altered", _S("内容与签名的摘要不符，请重新复制", "the body is not what was signed; copy it again"))
    CONTENT = ("content", _S("内容格式无法识别", "the content is not what its kind holds"))
    TOO_MANY = ("too-many", _S("数据包数量已达上限", "the terminal holds as many bundles as it may"))

    def __init__(self, code: str, sentence: Sentence) -> None:
        self.code = code
        self.sentence = sentence


class BundleError(Exception):
    """The bundle is refused and nothing has changed. ``zh`` and ``en`` say why.

    ``detail`` holds sizes, names, versions and the like, which need no language, or is a sentence in both, or what a
    parser said.
    """

    def __init__(self, fault: BundleFault, detail: str | Sentence | Exception = "") -> None:
        match detail:
            case Sentence() as told:
                pass
            case Exception():  # a parser's own words, which are English
                told = Sentence("", str(detail))
            case _:
                told = Sentence(detail, detail)
        self.fault = fault
        self.detail = told.en
        self.zh = fault.sentence.zh + (f"（{told.zh}）" if told.zh else "")
        self.en = fault.sentence.en + (f" ({told.en})" if told.en else "")
        super().__init__(self.en)
