"""The terminal's side of the MQTT contract: link, uplink, service."""
