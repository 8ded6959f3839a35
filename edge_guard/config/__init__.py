"""Device and collector configuration: TOML files as typed, frozen structs.

Every key's meaning, unit and bounds stand here, once: ``docs/configuration.md`` and
``edge-guard config schema`` are made from them.
"""

from __future__ import annotations

from edge_guard.config.collector import (
    CollectorConfig,
    CollectorTable,
    RetentionTable,
    S3Table,
    StoreTable,
    WebTable,
)
from edge_guard.config.daemon import MetricsTable, SelfTestTable
from edge_guard.config.device import (
    ALARM_NAMES,
    AlarmTable,
    DeviceConfig,
    DeviceTable,
    SpoolTable,
    StreamTable,
)
from edge_guard.config.loading import find_problems, load_collector_config, load_device_config
from edge_guard.config.mqtt import MqttTable, TlsTable
from edge_guard.config.product import ProductTable
from edge_guard.config.sparkplug import SparkplugTable
from edge_guard.config.trigger import TriggerTable
from edge_guard.config.values import Table
from edge_guard.config.webhook import WebhookTable

__all__ = [
    "ALARM_NAMES",
    "AlarmTable",
    "CollectorConfig",
    "CollectorTable",
    "DeviceConfig",
    "DeviceTable",
    "MetricsTable",
    "MqttTable",
    "ProductTable",
    "RetentionTable",
    "S3Table",
    "SelfTestTable",
    "SparkplugTable",
    "SpoolTable",
    "StoreTable",
    "StreamTable",
    "Table",
    "TlsTable",
    "TriggerTable",
    "WebTable",
    "WebhookTable",
    "find_problems",
    "load_collector_config",
    "load_device_config",
]
