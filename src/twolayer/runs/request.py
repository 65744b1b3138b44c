"""What a run is asked to do, as one value: `run.json` in its folder is exactly this."""

import json
import math
from dataclasses import dataclass, field
from typing import Any, Self

from twolayer.data.request import DataRequest
from twolayer.errors import SettingError
from twolayer.settings import Checked, Settings, cluster_address, flag, real, setting
from twolayer.text import shorten

FORMAT_VERSION = 3
MAX_FILE_BYTES = 2**20


@dataclass(frozen=True)
class Request(Checked):
    """The data, the settings of the training, and what is done beside it; SettingError if one is invalid."""

    data: DataRequest = field(default_factory=DataRequest)
    settings: Settings = field(default_factory=Settings)
    checkpoint_seconds: float | None = setting(
        None,
        real(0, math.inf, None),
        "Seconds between checkpoints.",
        option="checkpoint",
        shown="as often as costs 1 % of the time",
    )
    cluster: str | None = setting(
        None,
        cluster_address(),
        "Cluster of Dask on which one network is trained on tables in files, each in the memory of a worker: "
        "tcp://HOST:PORT or tls://HOST:PORT of its scheduler, or local:N for N workers here.",
        shown="this machine alone",
    )
    pictures: bool = setting(default=False, kind=flag(), summary="Also draw the pictures, as `twolayer plot` does.")

    def to_json(self) -> bytes:
        """Return the content of `run.json`."""
        record = {
            "format_version": FORMAT_VERSION,
            "data": self.data.to_record(),
            "settings": self.settings.to_record(),
        }
        own = {name: value for name, value in self.to_record().items() if name != "cluster" or value is not None}
        return (json.dumps(record | own, indent=1, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, source: str) -> Self:
        """Return what `to_json` wrote; `source` names it in the error if it is damaged, or of another version."""
        from twolayer.files.records import BrokenRuleError, Record, broken_rules, decode

        class Written(Record, forbid_unknown_fields=True):
            data: dict[str, Any]
            settings: dict[str, Any]
            checkpoint_seconds: float | None
            pictures: bool
            cluster: str | None = None

        with broken_rules(f"{source} cannot be resumed from", "start a new run with the same settings"):
            if len(content) > MAX_FILE_BYTES:
                raise BrokenRuleError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
            record = decode(content, {FORMAT_VERSION: Written}, "it")
            try:
                data, settings = DataRequest.make(record.data), Settings.make(record.settings)
                request = cls(data, settings, record.checkpoint_seconds, record.cluster, record.pictures)
            except SettingError as error:
                raise BrokenRuleError(shorten(error, 200).rstrip(".")) from None
            if json.loads(request.to_json()) != json.loads(content):
                raise BrokenRuleError("a setting is missing, or not in the form in which it is saved")
        return request
