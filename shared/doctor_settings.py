"""The settings of the doctor; part of `shared.settings.Settings`."""

from dataclasses import dataclass

from shared.delivery_test_settings import DeliveryTestSettings
from shared.setting_values import name_servers, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorSettings(DeliveryTestSettings):
    """What an operator chooses about the doctor."""

    name_servers: tuple[tuple[str, int], ...] = setting(
        "MAILROOM_NAME_SERVERS",
        name_servers,
        "The name servers that the doctor asks about the sending domains, a JSON list such as "
        '["8.8.8.8", "127.0.0.1:5353"]; those of the machine unless set. Useful where these show '
        "an inner view of the domain.",
        default=(),
    )
