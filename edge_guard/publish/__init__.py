"""From verdicts to the broker: messages, spool, MQTT."""
