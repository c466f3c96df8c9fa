from __future__ import annotations

import re

import pytest

from edge.modem.conversation import models


@pytest.mark.parametrize(
    ("manufacturer", "model", "name"),
    [
        ("huawei", "E173", "huawei-stick"),
        ("Huawei Technologies", "ME909s-821", "huawei"),
        ("SIMCOM_Ltd", "SIMCOM_SIM800L", "sim800"),
        ("SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "sim7600"),
        ("SIMCOM INCORPORATED", "A7670E-FASE", "sim7600"),
        ("Quectel", "EC25", "quectel"),
        ("Quectel_Ltd", "Quectel_M66", "quectel-2g"),
        ("ZTE INCORPORATED", "MF190", "zte"),
        ("WAVECOM MODEM", "MULTIBAND  900E  1800", "wavecom"),
        ("SIEMENS", "TC35i", "siemens"),
        ("Cinterion", "EHS6", "siemens"),
        ("Telit", "GL865", "telit"),
        ("kampung", "simulated modem", "generic"),
        ("", "", "generic"),
    ],
)
def test_models_are_told_by_what_they_say(manufacturer: str, model: str, name: str) -> None:
    """A modem would be driven with the ways of another."""
    assert models.find(manufacturer, model).name == name
    assert models.named(name).name == name


def test_a_stick_that_a_restart_turns_into_a_disk_is_never_restarted() -> None:
    """The reset ladder would take an E173 away for good."""
    for model in models.MODELS:
        if model.name.startswith("huawei"):
            assert model.restart == ""
            assert "model-reset" not in model.abilities


@pytest.mark.parametrize("model", models.MODELS, ids=lambda model: model.name)
def test_every_row_is_whole(model: models.Model) -> None:
    """A slip in the table would be found by the first modem of that kind, in a village."""
    re.compile(model.maker)
    re.compile(model.model)
    assert model.storages
    assert all(command.startswith("AT") for command in (*model.settings, model.restart or "AT"))


def test_an_unknown_name_is_a_plain_modem() -> None:
    """A row renamed between two versions would stop the shell."""
    assert models.named("gone") is models.GENERIC
